"""Joins a batch of the input with the finished rows made from it, as columns of the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import accumulate
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Protocol

import pyarrow as pa

from voicegen.dataset.manifest_schema import MANIFEST_SCHEMA, SCORES, TAKE
from voicegen.dataset.questions import INPUT_FIELDS
from voicegen.dataset.readers.block import arrow_array
from voicegen.dataset.relations import RowRelations
from voicegen.records import ManifestRow, SpokenQuestion, TakeRecord

FROM_ROW = (
    "index", "reasoning", "answer_spoken", "rewritten", "left_out", "answer_cut", "voice", "status", "error",
    "finish_reason", "attempts", "mark", "seed", "prompt_tokens", "completion_tokens", "chat_seconds", "tts_seconds",
    "question_spoken",
)  # fmt: skip
FROM_CLIP = {
    "audio_path": "path", "audio_offset": "offset", "audio_size": "size",
    "duration": "duration", "sampling_rate": "sampling_rate", "num_samples": "num_samples",
    "audio_sha256": "sha256", "audio_samples_sha256": "samples_sha256", "peak": "peak",
}  # fmt: skip
FROM_QUESTION = {"question_left_out": "left_out", "question_voice": "voice", "question_status": "status"}
FROM_QUESTION_CLIP = {
    "question_audio_path": "path", "question_audio_offset": "offset", "question_audio_size": "size",
    "question_duration": "duration", "question_num_samples": "num_samples",
    "question_audio_sha256": "sha256", "question_audio_samples_sha256": "samples_sha256",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made the rows of a run, the same for all of them.

    `consents` has the user's own voices, by name, and what was said of the consent to each.
    """

    chat_model: str | None = None
    chat_revision: str | None = None
    tts_model: str | None = None
    tts_revision: str | None = None
    language: str | None = None
    config_hash: str | None = None
    chat_licence: str | None = None
    tts_licence: str | None = None
    consents: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        models: Mapping[str, Mapping[str, Any]],
        config_hash: str,
        language: str | None = None,
        consents: Mapping[str, str | None] = MappingProxyType({}),
    ) -> Provenance:
        """From the models by stage, as `run.json` keeps them, the hash of the config and the language spoken."""
        made_by = {
            f"{stage}_{what}": models.get(stage, {}).get(key)
            for stage in ("chat", "tts")
            for what, key in (("model", "id"), ("revision", "revision"), ("licence", "licence"))
        }
        return cls(**made_by, language=language, config_hash=config_hash, consents=consents)

    def columns(self, rows: Sequence[ManifestRow]) -> dict[str, Any]:
        """Its columns of the manifest for these rows; a row that has no audio has no voice's."""
        whole = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "consents"}
        return {
            **{name: pa.repeat(pa.scalar(value, pa.string()), len(rows)) for name, value in whole.items()},
            **self._of_voices("", rows),
            **self._of_voices("question_", [row.of_question for row in rows]),
        }

    def _of_voices(self, of: str, kept: Sequence[ManifestRow | SpokenQuestion | None]) -> dict[str, Any]:
        spoken = [each if each and each.clip is not None else None for each in kept]
        return {
            f"{of}voice_licence": [
                self.tts_licence if each and each.voice not in self.consents else None for each in spoken
            ],
            f"{of}voice_consent": [self.consents.get(each.voice or "") if each else None for each in spoken],
        }


class RowNaming(Protocol):
    """How questions become rows: the plan."""

    @property
    def answers_per_question(self) -> int:
        """Rows made of one question, one after another."""

    def row_id(self, question_id: str, number: int) -> str:
        """The id of the question's answer `number`, from 0."""


@dataclass(frozen=True, slots=True)
class OneAnswerEach:
    """Every question is one row, with its id."""

    answers_per_question: int = 1

    def row_id(self, question_id: str, number: int) -> str:  # noqa: ARG002 - there is only number 0
        """The question's id."""
        return question_id


def join(
    inputs: pa.RecordBatch,
    first: int,
    finished: Mapping[int, ManifestRow],
    provenance: Provenance,
    naming: RowNaming,
    schema: pa.Schema,
    relations: RowRelations,
) -> pa.RecordBatch:
    """The manifest's rows for those of `inputs` that are finished, in order.

    Args:
        inputs: consecutive rows as `QuestionFile.batches` gives them.
        first: index of the first row made of them.
        finished: the finished rows by index.
        provenance: what made the rows.
        naming: how questions become rows.
        schema: of the manifest: our columns, then the input's others.
        relations: what rows say of one another.
    """
    answers = naming.answers_per_question
    rows = [row for index in range(first, first + inputs.num_rows * answers) if (row := finished.get(index))]
    places = [divmod(row.index - first, answers) for row in rows]
    if len(rows) < inputs.num_rows or answers > 1:
        inputs = inputs.take(pa.array([question for question, _ in places], pa.int64()))
    columns: dict[str, Any] = {
        **of_rows(rows),
        **{name: inputs.column(name) for name in ("id", "conversation_id", "turn", "question")},
        **relations.columns([row.index for row in rows]),
        "answer": _answers(rows, inputs.column("answer")),
        **provenance.columns(rows),
    }
    if answers > 1:
        ids = inputs.column("id").to_pylist()
        columns["id"] = [naming.row_id(id, number) for id, (_, number) in zip(ids, places, strict=True)]
    ours = [_array(columns.get(field.name), field.type, len(rows)) for field in MANIFEST_SCHEMA]
    return pa.RecordBatch.from_arrays([*ours, *inputs.columns[len(INPUT_FIELDS) :]], schema=schema)


def of_rows(rows: Sequence[ManifestRow]) -> dict[str, Any]:
    """All columns that are made of what the ledger has, by which rows are told from their input."""
    return {
        **recorded(rows),
        **{name: [row.scores.get(name) for row in rows] for name in SCORES},
        "words": [_words(row) for row in rows],
        "takes": _takes([row.takes for row in rows]),
        "passages": [[asdict(one) for one in row.passages] or None for row in rows],
        **_of_questions(rows),
    }


def recorded(rows: Sequence[ManifestRow]) -> dict[str, Sequence[Any]]:
    """The columns that hold what the ledger does, as they are there."""
    return {
        **_attributes(rows, FROM_ROW, FROM_ROW),
        **_attributes([row.clip for row in rows], list(FROM_CLIP), list(FROM_CLIP.values())),
        **_attributes([row.of_question for row in rows], list(FROM_QUESTION), list(FROM_QUESTION.values())),
        **_attributes(
            [row.of_question.clip if row.of_question else None for row in rows],
            list(FROM_QUESTION_CLIP),
            list(FROM_QUESTION_CLIP.values()),
        ),
    }


def _of_questions(rows: Sequence[ManifestRow]) -> dict[str, Any]:
    """What was measured of the questions, and their takes; nothing where none is spoken."""
    spoken = [row.of_question for row in rows]
    if not any(spoken):
        return {}
    measures = MANIFEST_SCHEMA.field("question_measures").type
    names = [measure.name for measure in measures]
    return {
        "question_words": [_words(kept) if kept else None for kept in spoken],
        "question_takes": _takes([kept.takes if kept else None for kept in spoken]),
        "question_measures": pa.array(
            [
                {"peak": kept.clip.peak, **{name: kept.scores.get(name) for name in names[1:]}}
                if kept and kept.clip
                else None
                for kept in spoken
            ],
            measures,
        ),
    }


def _attributes(records: Sequence[Any], columns: Sequence[str], names: Sequence[str]) -> dict[str, Sequence[Any]]:
    """A column for each attribute in `names` of the records; null where there is no record."""
    values = attrgetter(*names)
    nothing = (None,) * len(names)
    cells = [nothing if record is None else values(record) for record in records]
    return dict(zip(columns, zip(*cells, strict=True) if cells else ((),) * len(columns), strict=True))


def _answers(rows: Sequence[ManifestRow], given: pa.Array) -> list[str | None]:
    """The answer made, or the one that the input gave to a row that failed before it could be used."""
    if given.null_count == len(given):
        return [row.answer for row in rows]
    return [row.answer if row.answer is not None else ready for row, ready in zip(rows, given.to_pylist(), strict=True)]


def _words(kept: ManifestRow | SpokenQuestion) -> list[dict[str, Any]] | None:
    words = kept.scores.get("words")
    if not isinstance(words, str):
        return None
    return [{"word": word, "start": start, "end": end} for word, start, end in json.loads(words)]


def _takes(of_rows: Sequence[Sequence[TakeRecord] | None]) -> pa.ListArray:
    """The takes of each row; null where a row has no such text."""
    takes = [take for takes in of_rows for take in takes or ()]
    ends = [0, *accumulate(len(takes or ()) for takes in of_rows)]
    fields = [arrow_array([getattr(take, field.name) for take in takes], field.type) for field in TAKE]
    return pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()),
        pa.StructArray.from_arrays(fields, fields=list(TAKE)),
        MANIFEST_SCHEMA.field("takes").type,
        mask=pa.array([takes is None for takes in of_rows]),
    )


def _array(values: Any, type: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, type)
    return values if isinstance(values, pa.Array) else arrow_array(values, type)
