"""`voicegen synth`: texts in, numbered audio files out, without a chat model."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicegen.commands.flags import HELP_IN_SHORT, CommandLine, read_words
from voicegen.config import JobConfig
from voicegen.errors import ConfigError, InputError
from voicegen.files import local_path
from voicegen.job.composing import launch
from voicegen.records import Question
from voicegen.text.shown import shown

if TYPE_CHECKING:
    from voicegen.dataset.questions import QuestionFile
    from voicegen.records import Failure

USAGE = f"""\
usage: voicegen synth [FILE ...] [KEY=VALUE ...] [flags]

Speaks texts into outputs/synth/000000.wav, 000001.wav ... with metadata.csv, which says what each file says.

  FILE                        a text file: each line is spoken; or CSV, TSV, Parquet or JSONL, several of them or
                              folders: a column is spoken; - or nothing: the lines of standard input
  tts=piper|marvis  tts.*     the speech model: tts.speed=1.1 tts.format=flac ...
  text.*                      how it is put in words: text.url=skip ...
  quality=off|basic  quality.*   how a take is judged, and how often it is made again
  voice.names=[a,b]  voice.*  who speaks
  name=NAME  output_dir=FOLDER  seed=N  questions.limit=N
  overwrite=true              moves what is in the folder aside first

flags
  --text TEXT                 speak this text alone
  --column NAME               of a table; default: text
  --paragraphs                of a text file: speak paragraphs, which blank lines part, rather than lines
  --prefix NAME               files are NAME_000000.wav ...
{HELP_IN_SHORT}
exit codes: 0 all texts spoken; 2 bad usage, config or input; 3 some texts could not be spoken; 130 interrupted
"""

VALUES = ("--text", "--column", "--prefix")
SWITCHES = ("--paragraphs",)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, switches=SWITCHES, is_word=lambda word: Path(word).exists())
    sources = [_source(word) for word in line.words]
    if len(sources) > 1 and not _are_tables(sources, line):
        raise ConfigError(f"one text file at a time: {' '.join(sources)}")
    if "--text" in line.values and sources:
        raise ConfigError("give a file or --text, not both")
    words = replace(line.config, settings=_settings(sources, line))
    return launch(words, lambda config: _speak(config, sources, line), lambda config: _check(config, sources, line))


def _source(word: str) -> str:
    try:
        return word if word == "-" else str(local_path(word))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _settings(sources: Sequence[str], line: CommandLine) -> dict[str, Any]:
    """What this command sets differently from `run`, where the user did not."""
    given = _given(line)
    column = line.values.get("--column")
    settings: dict[str, Any] = {}
    if not given & {"name", "output_dir"}:
        settings["name"] = "synth"
    if column is not None or "questions.text_column" not in given:
        settings["questions.text_column"] = column or "text"
    if _are_tables(sources, line):
        settings["questions.path"] = sources if len(sources) > 1 else sources[0]
    return settings


def _given(line: CommandLine) -> set[str]:
    """The settings that overrides name."""
    return {word.split("=", 1)[0] for word in line.config.overrides}


def _are_tables(sources: Sequence[str], line: CommandLine) -> bool:
    if not sources or "-" in sources:
        return False
    return "questions.format" in _given(line) or all(map(_is_table, sources))


def _is_table(source: str) -> bool:
    from voicegen.dataset.readers import format_by_name

    return format_by_name(Path(source)) is not None or Path(source).is_dir()


def _check(config: JobConfig, sources: Sequence[str], line: CommandLine) -> None:
    """Refuses a table that cannot be used, and what there is in a run alone."""
    _refuse_what_is_of_runs(config)
    _table(config, sources, line)


def _refuse_what_is_of_runs(config: JobConfig) -> None:
    if config.speak != "answer":
        raise ConfigError(
            f"speak={config.speak} is for `voicegen run`: here each text is spoken by itself; leave it out"
        )
    if config.text.rewrite is not None:
        raise ConfigError("text.rewrite=chat is for `voicegen run`: no chat model is at work here; leave it out")


def _speak(config: JobConfig, sources: Sequence[str], line: CommandLine) -> int:
    from tqdm import tqdm

    from voicegen import build
    from voicegen.job.synth_folder import SynthFolder
    from voicegen.pipeline.plan import Cast, Plan
    from voicegen.quality.listener import Listener
    from voicegen.tts.synth import file_prefix, speak_to_folder

    _refuse_what_is_of_runs(config)
    prefix = file_prefix(line.values.get("--prefix", ""))
    texts = _at_least_one(_texts(config, sources, line), _place(config, sources, line))
    plan = Plan(config.seed, total_rows=0, cast=Cast(config.voice.speaking, config.voice.assign))
    folder = SynthFolder(config.folder, overwrite=config.overwrite)
    wording = config.wording
    if wording.remark is not None:
        print(wording.remark, file=sys.stderr)
    signer = build.signer(config)
    print("loading the model", file=sys.stderr)
    model = build.speech_model(config)
    with Listener(config.quality) as listener:
        records = speak_to_folder(
            model,
            folder.noting(islice(texts, config.questions.limit)),
            folder.path,
            prefix=prefix,
            audio=config.tts.audio,
            wording=wording,
            voice=plan.voice,
            seed=config.seed,
            listener=listener,
            max_attempts=config.quality.max_attempts,
            signer=signer,
        )
        try:
            for record in tqdm(records, unit="texts", disable=None):
                folder.add(record)
        except KeyboardInterrupt:
            print("Interrupted: the files written so far are whole.", file=sys.stderr)
            return 130
        finally:
            folder.write_metadata()
    print(shown(folder.summary()))
    return 3 if folder.failures else 0


def _texts(config: JobConfig, sources: Sequence[str], line: CommandLine) -> Iterator[str | Failure]:
    """The texts to speak, one after the other; a cell that holds none is a `Failure`."""
    if (text := line.values.get("--text")) is not None:
        return iter([text] if text.strip() else [])
    if (table := _table(config, sources, line)) is not None:
        return (row.text if isinstance(row, Question) else row for row in table.questions())
    if not sources and sys.stdin.isatty():
        raise ConfigError("there is nothing to speak: give a file, --text TEXT, or text on standard input")
    lines = _lines(None if _is_stdin(sources) else Path(sources[0]))
    return _paragraphs(lines) if "--paragraphs" in line.switches else (line for line in lines if line)


def _at_least_one(texts: Iterator[str | Failure], place: str) -> Iterator[str | Failure]:
    """`texts` as they are, once there is a first one: only then is a folder touched or a model loaded.

    Raises:
        InputError: there is none.
    """
    for first in texts:
        return chain([first], texts)
    raise InputError(f"{place}: there is no text to speak")


def _is_stdin(sources: Sequence[str]) -> bool:
    return list(sources) in ([], ["-"])


def _place(config: JobConfig, sources: Sequence[str], line: CommandLine) -> str:
    from voicegen.dataset.source_files import named

    if "--text" in line.values:
        return "--text"
    if config.questions.path is not None and (not sources or _are_tables(sources, line)):
        return named(config.questions.path)
    return "standard input" if _is_stdin(sources) else sources[0]


def _table(config: JobConfig, sources: Sequence[str], line: CommandLine) -> QuestionFile | None:
    """The table whose column is to be spoken, looked through; None where there is none.

    Raises:
        InputError: it cannot be used.
    """
    from voicegen.dataset.questions import QuestionFile

    if "--text" in line.values or config.questions.path is None or (sources and not _are_tables(sources, line)):
        return None
    table = QuestionFile(
        config.questions.path,
        config.questions.format,
        text_column=config.questions.text_column,
        text_key="questions.text_column" if "questions.text_column" in _given(line) else "--column",
        id_column="",
        messages_column="",
    )
    table.inspect()
    return table


def _lines(path: Path | None) -> Iterator[str]:
    """The lines of a UTF-8 file, or of standard input, without the white space around them.

    Raises:
        InputError: the file cannot be read or is not UTF-8; says in which line.
    """
    if path is not None and not path.exists():
        raise InputError(f"{path}: there is no such file")
    return _decoded(path)


def _decoded(path: Path | None) -> Iterator[str]:
    number = 0
    try:
        with sys.stdin.buffer if path is None else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError as error:
        where = "standard input" if path is None else path
        raise InputError(f"{where}: line {number} is not UTF-8 text: save the file as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Joins the lines between blank ones; line breaks stay, so that Markdown keeps its meaning."""
    paragraph: list[str] = []
    for line in lines:
        if line:
            paragraph.append(line)
        elif paragraph:
            yield "\n".join(paragraph)
            paragraph = []
    if paragraph:
        yield "\n".join(paragraph)
