"""`voicegen run`: a file of questions in, a speech dataset out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from voicegen.commands.flags import HELP, read_words, refuse_words
from voicegen.config import JobConfig
from voicegen.job.composing import compose, launch
from voicegen.job.summary import RunSummary, print_summary

USAGE = f"""\
usage: voicegen run [KEY=VALUE ...] [flags]

Answers each question of a file, speaks the answers, and writes numbered WAVs and manifest.parquet to outputs/NAME.
The same command again goes on where it stopped.

  preset=starter|marvis|fake      which models; starter needs no download, fake has none
  questions.path=FILE             CSV, TSV, Parquet or JSONL; without it, 24 questions that come with voicegen
  questions.text_column=NAME      default: question (in any case)
  questions.answer_column=NAME    speak ready answers; no chat model is used
  questions.limit=N               only the first N rows; raise it later and the run goes on
  name=NAME  output_dir=FOLDER    where the run goes: outputs/NAME, or another folder
  seed=N  overwrite=true  retry_failed=true
  chat.*  tts.*  voice.*          models, voices and how they generate

flags
  --system-prompt TEXT            chat.system_prompt as plain text; - reads it from standard input
{HELP}
exit codes: 0 all rows ok; 1 an unexpected error; 2 bad usage, config or input; 3 some rows failed or were rejected;
130 interrupted: the same command goes on; 141 nobody reads its output any more
"""

VALUES = ("--system-prompt",)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES)
    refuse_words(line)
    settings: dict[str, Any] = {}
    if (prompt := line.values.get("--system-prompt")) is not None:
        settings["chat.system_prompt"] = sys.stdin.read().strip() if prompt == "-" else prompt
    return launch(replace(line.config, settings=settings), _run_and_report, _check)


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


def _check(config: JobConfig) -> None:
    from voicegen.job.run_job import check_job

    check_job(config)


def _run_and_report(config: JobConfig) -> int:
    from voicegen.job.run_job import Interrupted, run_job

    try:
        summary = run_job(config, show=True)
    except Interrupted as interrupted:
        print_summary(interrupted.summary)
        print("Interrupted: everything finished is safe. The same command goes on.", file=sys.stderr)
        return 130
    with suppress(KeyboardInterrupt):  # the run is over, and nothing is left to interrupt
        print_summary(summary)
    return summary.exit_code
