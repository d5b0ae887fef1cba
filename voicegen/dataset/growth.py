"""Whether an input has only grown since a run was made of it: each row that is finished must be what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from voicegen.dataset.cells import excerpt
from voicegen.dataset.manifest import RowNaming, manifest_rows
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError, OutputError
from voicegen.reading.written import read_written
from voicegen.store import Store

_COMPARED = ("question", "answer", "conversation_id", "turn", "id")
_SAID = {"conversation_id": "conversation", "system_prompt": "system message"}


def check_growth(store: Store, questions: QuestionFile, naming: RowNaming, finished: int) -> None:
    """Holds the input of now against the manifest, in which the run has its rows as they were; in flat memory.

    Rows that are not finished may have changed: nothing was made of them.

    Args:
        store: the run's.
        questions: the input of now.
        naming: how questions become rows.
        finished: rows of the run, all of which the manifest must have.

    Raises:
        InputError: A finished row was changed, moved or taken out; names its file and row, and says what it was.
        OutputError: The manifest cannot be read, or is not up to date.
    """
    if manifest_rows(store) != finished:
        raise OutputError(
            f"{store}: its {MANIFEST} does not have all finished rows, so that it does not show what the input was: "
            "run it as it was first, with questions.limit=1 where that is enough, and then let it grow"
        )
    ready = questions.answer_column is not None
    source, system = questions.inspect().source or "", questions.inspect().names.system or ""
    others = [name for name in (source, system) if name]
    with store.reading(MANIFEST) as file:
        manifest = pq.ParquetFile(file, pre_buffer=False)
        made = _rows(manifest, [name for name in others if name in manifest.schema_arrow.names])
        row = next(made, None)
        first = 0
        for batch in questions.batches():
            if row is None:
                return
            inputs = batch.select([*_COMPARED, *others]).to_pylist()
            while row is not None and (place := row["index"] // naming.answers_per_question) < first + len(inputs):
                now = inputs[place - first]
                now["id"] = naming.row_id(now["id"], row["index"] % naming.answers_per_question)
                for name in (*_COMPARED, system):
                    then, given = row.get(name), now.get(name)
                    if given != then and (name != "answer" or (ready and _said(given) != then)):
                        moved = _moved(questions, place, row.get(source), now.get(source))
                        raise moved or _refusal(questions, place, name, then, given)
                row = next(made, None)
            first += len(inputs)
    if row is not None:
        place = row["index"] // naming.answers_per_question
        raise InputError(
            f"{questions.named}: it has {first} rows, and row {place + 1} was {excerpt(row['question'])} when it was "
            f"answered: rows may be appended and not taken out; {_REMEDY}."
        )


_REMEDY = "put the input back as it was and append to it, or start anew with another name=..."


def _rows(manifest: pq.ParquetFile, others: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for batch in manifest.iter_batches(2048, columns=["index", *_COMPARED, *others]):
        yield from batch.to_pylist()


def _said(answer: str | None) -> str | None:
    """A ready answer as a row has it, without what a model thought before it."""
    return None if answer is None else read_written(answer).answer


def _moved(questions: QuestionFile, place: int, then: str | None, now: str | None) -> InputError | None:
    """The refusal of a file that stands where another one did."""
    if then is None or then == now:
        return None
    return InputError(
        f"{questions.place(place + 1)}: {then} stood here when its rows were answered: files may be added after the "
        f"others, not between them; {_REMEDY}."
    )


def _refusal(questions: QuestionFile, place: int, name: str, then: Any, now: Any) -> InputError:
    what = "" if name == "question" else f"its {_SAID.get(name, name)} "
    return InputError(
        f"{questions.place(place + 1)}: {what}was {excerpt(then)} when it was answered, and is {excerpt(now)} "
        f"now: rows may be appended, not changed or moved; {_REMEDY}."
    )
