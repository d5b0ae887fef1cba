"""`voicegen run`: a file of questions in, a speech dataset out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from voicegen.commands.flags import HELP, CommandLine, print_lines, read_words, refuse_words
from voicegen.config import JobConfig
from voicegen.errors import ConfigError
from voicegen.job.composing import compose, launch
from voicegen.job.summary import RunSummary, print_summary

USAGE = f"""\
usage: voicegen run [KEY=VALUE ...] [flags]

Answers each question of a file, speaks the answers, and writes numbered WAVs and manifest.parquet to outputs/NAME.
The same command again goes on where it stopped.

  preset=starter|marvis|fake      which models; starter needs no download, fake has none
  questions.path=FILE             CSV, TSV, Parquet or JSONL, a folder, 'data/*.csv', [a.csv,b.csv], or s3://...;
                                  without it, 24 questions that come with voicegen
  questions.text_column=NAME      default: question (in any case)
  questions.answer_column=NAME    speak ready answers; no chat model is used
  speak=both|question             speak the questions, too, or alone (no chat model); by voice.question.*
  questions.limit=N               only the first N rows; raise it later and the run goes on
  shard.index=I  shard.count=N    only part I, from 0, of N parts of the input, as on one machine of several
  executor.workers=N              in N processes of this machine, each with a GPU where there are some
  executor=ray                    in workers on a Ray cluster, executor.workers=N of them
  name=NAME  output_dir=FOLDER    where the run goes: outputs/NAME, another folder, or s3://BUCKET/NAME
  seed=N  overwrite=true  retry_failed=true
  chat.*  tts.*  voice.*          models, voices and how they generate

flags
  --dry-run                       read and check the whole input, load no model, and say what a run would do and take
  --try N                         the same, with N rows from across the input made and shown, in outputs/NAME.try
  --system-prompt TEXT            chat.system_prompt as plain text; - reads it from standard input
{HELP}
exit codes: 0 all rows ok; 1 an unexpected error; 2 bad usage, config or input; 3 some rows failed or were rejected;
130 interrupted: the same command goes on; 141 nobody reads its output any more
"""

VALUES = ("--system-prompt", "--try")
SWITCHES = ("--dry-run",)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, switches=SWITCHES)
    refuse_words(line)
    settings: dict[str, Any] = {}
    if (prompt := line.values.get("--system-prompt")) is not None:
        settings["chat.system_prompt"] = sys.stdin.read().strip() if prompt == "-" else prompt
    action = _run_and_report
    if (tries := _tries(line)) is not None:
        action = partial(_preview, tries)
    return launch(replace(line.config, settings=settings), action, _check)


def run(*overrides: str, settings: Mapping[str, Any] | None = None, config_dir: Path | None = None) -> RunSummary:
    """Runs a whole job from Python, as `voicegen run` does.

    Args:
        overrides: Hydra's, such as `"preset=marvis"` or `"questions.limit=10"`.
        settings: dotted keys and plain values, such as `{"questions.path": path}`; they need no quoting.
        config_dir: a folder with configs of your own.

    Returns:
        How the run ended; `summary.manifest` is where its manifest is.

    Raises:
        VoicegenError: the settings, the input, a model or the output folder cannot be used.
    """
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in (settings or {}).items()}
    from voicegen.job.run_job import run_job

    return run_job(compose(overrides, config_dir, settings=plain))


def _tries(line: CommandLine) -> int | None:
    """Rows to try before the run, 0 for a mere look at what it would do; None for the run itself."""
    given = line.values.get("--try")
    if given is None:
        return 0 if "--dry-run" in line.switches else None
    if not given.isdecimal() or not int(given):
        raise ConfigError(f"--try {given}: give the number of rows to try, as --try 5")
    return int(given)


def _preview(tries: int, config: JobConfig) -> int:
    from voicegen.job.preview import Preview

    preview = Preview.of(config)
    trial = None
    if tries:
        from voicegen.job.trial import try_rows

        trial = try_rows(preview, tries, show=True)
        preview = replace(preview, pace=trial.pace)
        print_lines(trial.lines())
        print()
    print_lines(preview.lines())
    if trial is None:
        preview.look_at_models()
    return 3 if preview.found.unreadable or (trial and not trial.all_ok) else 0


def _check(config: JobConfig) -> None:
    from voicegen.job.run_job import check_job

    check_job(config)


def _run_and_report(config: JobConfig) -> int:
    from voicegen.job.run_job import Interrupted, run_job

    gc.freeze()  # what was imported stays: it is half of what each whole collection would look through
    try:
        summary = run_job(config, show=True)
    except Interrupted as interrupted:
        print_summary(interrupted.summary)
        print("Interrupted: everything finished is safe. The same command goes on.", file=sys.stderr)
        return 130
    with suppress(KeyboardInterrupt):  # the run is over, and nothing is left to interrupt
        print_summary(summary)
    return summary.exit_code
