"""The manifest's columns: name, type and meaning. The meaning is kept in the Parquet field metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from voicegen.quality.checks import MEASUREMENTS
from voicegen.quality.finishing import DONE

MANIFEST_VERSION = "1"
INPUT_SUFFIX = "_input"


def _column(name: str, type: pa.DataType, description: str, nullable: bool = True) -> pa.Field:
    return pa.field(name, type, nullable, {"description": description})


_STRINGS = pa.list_(pa.field("element", pa.string()))  # as Parquet names what a list holds
TAKE = pa.struct(
    [
        _column("attempt", pa.int32(), "Number of the take, from 1."),
        _column("seed", pa.int64(), "The seed that drew it."),
        _column("status", pa.string(), "ok, rejected or failed, as of a row."),
        _column("excess", pa.float64(), "How far it is from being ok: by how many times its bounds in all; 0 is ok."),
        _column("reason", pa.string(), "Its faults."),
    ]
)
PASSAGE = pa.struct(
    [
        _column("id", pa.string(), "Its name in the index: the document's path and its number there."),
        _column("source", pa.string(), "The document, and the section or pages."),
        _column("score", pa.float64(), "Cosine of its vector and the question's: 1 is the same."),
    ]
)
WORDS = pa.list_(
    pa.field(
        "element",
        pa.struct(
            [
                _column("word", pa.string(), "The word as spoken."),
                _column("start", pa.float64(), "Second of the audio that it begins at."),
                _column("end", pa.float64(), "Second of the audio that it ends at."),
            ]
        ),
    )
)

_IDENTITY = (
    _column("id", pa.string(), "Id of the row: as given in the input, else its number.", nullable=False),
    _column("index", pa.int64(), "Place of the row in the run, from 0; it numbers the audio file.", nullable=False),
    _column("split", pa.string(), "Part of the dataset: train, validation or test; null: like rows of two of them."),
    _column("conversation_id", pa.string(), "Conversation that the row is a turn of; null: it stands alone."),
    _column("turn", pa.int32(), "Number of the turn in its conversation."),
)
_TEXT = (
    _column("question", pa.string(), "The question as asked; JSON where the input held something else than text."),
    _column("question_duplicate_of", pa.int64(), "Index of the first row whose question is the same or nearly so."),
    _column("question_similarity", pa.float64(), "Of the two questions: 1 is the same but for case and punctuation."),
    _column(
        "passages",
        pa.list_(pa.field("element", PASSAGE)),
        "Passages of documents that the chat model was given with the question, the nearest first; null: none.",
    ),
    _column("answer", pa.string(), "The answer as the chat model wrote it, or as the input gave it."),
    _column("answer_duplicate_of", pa.int64(), "Index of the first row whose answer is the same or nearly so."),
    _column("answer_similarity", pa.float64(), "Of the two answers: 1 is the same but for case and punctuation."),
    _column("reasoning", pa.string(), "What a reasoning model thought before the answer, where it is kept."),
    _column("answer_spoken", pa.string(), "The answer as it was given to the TTS model, without markup."),
    _column(
        "rewritten", pa.bool_(), "Whether the chat model rewrote the answer for speech; else rules made it speakable."
    ),
    _column("answer_cut", pa.bool_(), "Whether the unfinished end of an answer cut at chat.max_tokens is not spoken."),
    _column(
        "left_out", _STRINGS, "Code, addresses, unread formulas, emoji and pictures of the answer that are not spoken."
    ),
)
_AUDIO = (
    _column(
        "audio_path",
        pa.string(),
        "Path of the audio file, relative to the manifest's folder; rejected ones lie apart. It says the answer, as "
        "does all that is said of the audio; the question in a run with speak=question.",
    ),
    _column(
        "audio_offset",
        pa.int64(),
        "Byte at which the audio file begins in the shard that is all of `audio_path` but its last part; null: it is "
        "a file by itself.",
    ),
    _column("audio_size", pa.int64(), "Length of the audio file in bytes."),
    _column("duration", pa.float64(), "Length of the audio in seconds."),
    _column("sampling_rate", pa.int32(), "Samples a second, in Hz."),
    _column("num_samples", pa.int64(), "Length of the audio in samples."),
    _column("audio_sha256", pa.string(), "SHA-256 of the audio file's bytes, in hex."),
    _column(
        "audio_samples_sha256",
        pa.string(),
        "SHA-256 of its samples (float32), the same where the file's tags are others.",
    ),
    _column("voice", pa.string(), "Name of the voice; null: the model's only or nameless one."),
    _column("language", pa.string(), "Language spoken, as a BCP 47 tag."),
)
_OUTCOME = (
    _column("status", pa.string(), "ok; rejected: no take was good enough; failed: see error.", nullable=False),
    _column("error", pa.string(), "Why the row is not ok: the stage, and one line."),
    _column("finish_reason", pa.string(), "stop; length: cut at a limit; runaway: the speech did not end."),
    _column("attempts", pa.int32(), "Number of takes made; each is drawn by the row's seed and its number."),
    _column(
        "takes",
        pa.list_(pa.field("element", TAKE)),
        "All takes made, in order; the first ok one or else the one of least excess is kept.",
    ),
)
_MARK = _column("mark", pa.string(), "What a listener said of the clip: accept or reject; null: nothing.")
_PEAK = _column("peak", pa.float64(), "Largest magnitude in dBFS: 0 is full scale.")
_MEASURED_TYPES: Mapping[type, pa.DataType] = {float: pa.float64(), str: pa.string(), list: WORDS}
_MEASURED = tuple(
    _column(
        measurement.name,
        _MEASURED_TYPES[measurement.type],
        f"{measurement.meaning.removesuffix('.')}; null where not measured.",
    )
    for measurement in (*MEASUREMENTS, *DONE)
)
_MEASURES = pa.struct([_PEAK, *(field for field in _MEASURED if field.type != WORDS)])
_QUESTION = (
    _column("question_spoken", pa.string(), "The question as it was given to the TTS model; null: it is not spoken."),
    _column("question_left_out", _STRINGS, "What of the question is not spoken, as in `left_out`."),
    _column("question_audio_path", pa.string(), "As `audio_path`, of the audio that says the question."),
    _column("question_audio_offset", pa.int64(), "As `audio_offset`, of that file."),
    _column("question_audio_size", pa.int64(), "As `audio_size`, of that file."),
    _column("question_duration", pa.float64(), "Length of that audio in seconds."),
    _column("question_num_samples", pa.int64(), "Its length in samples, at `sampling_rate`."),
    _column("question_audio_sha256", pa.string(), "SHA-256 of its file's bytes, in hex."),
    _column("question_audio_samples_sha256", pa.string(), "SHA-256 of its samples, as `audio_samples_sha256`."),
    _column("question_voice", pa.string(), "Name of its voice; null: the model's only or nameless one."),
    _column("question_voice_licence", pa.string(), "Licence of its voice, as `voice_licence`."),
    _column("question_voice_consent", pa.string(), "Of its voice, as `voice_consent`."),
    _column(
        "question_status", pa.string(), "How it ended; `status` is that of the row, as the worse of its two clips."
    ),
    _column("question_takes", pa.list_(pa.field("element", TAKE)), "Its takes, as in `takes`."),
    _column("question_words", WORDS, "Its words and their times, as in `words`."),
    _column("question_measures", _MEASURES, "All else that was measured of it, as in the columns of those names."),
)
_PROVENANCE = (
    _column("chat_model", pa.string(), "Id of the chat model."),
    _column("chat_revision", pa.string(), "Revision of the chat model."),
    _column("chat_licence", pa.string(), "Licence of the chat model, as its files or its wheel say; null: not known."),
    _column("tts_model", pa.string(), "Id of the TTS model."),
    _column("tts_revision", pa.string(), "Revision of the TTS model."),
    _column("tts_licence", pa.string(), "Licence of the TTS model, as its files or its wheel say; null: not known."),
    _column("voice_licence", pa.string(), "Licence of the voice: the TTS model's, whose it is; null: your own voice."),
    _column("voice_consent", pa.string(), "Of your own voice: voice.prompts.NAME.consent, as it was given."),
    _column("seed", pa.int64(), "The row's seed, by which it can be made again.", nullable=False),
    _column("config_hash", pa.string(), "Hash of all settings that change the result; run.json holds them."),
    _column("source_run", pa.string(), "Run that the row came from, where different ones were merged."),
    _column("source_index", pa.int64(), "Its index there, which its audio file's own marks have as well."),
)
_COST = (
    _column("prompt_tokens", pa.int32(), "Tokens that the chat model read."),
    _column("completion_tokens", pa.int32(), "Tokens that the chat model wrote."),
    _column("chat_seconds", pa.float64(), "Compute time of the answer in seconds: the row's share of its batch."),
    _column("tts_seconds", pa.float64(), "Compute time of the speech in seconds: the row's share of its batch."),
)

SCORES: tuple[str, ...] = tuple(field.name for field in _MEASURED)
_QUALITY = (_PEAK, *_MEASURED)
MANIFEST_SCHEMA = pa.schema(
    [*_IDENTITY, *_TEXT, *_AUDIO, *_OUTCOME, _MARK, *_QUALITY, *_QUESTION, *_PROVENANCE, *_COST]
)


def input_names(names: Sequence[str]) -> list[str]:
    """What the input's other columns are called in the manifest.

    A name that is taken, in whatever case (DuckDB's names have none), by one of our columns or by an earlier one gets
    the suffix `_input`, then `_input2` and so on.
    """
    return free_names(names, MANIFEST_SCHEMA.names)


def free_names(names: Sequence[str], reserved: Sequence[str]) -> list[str]:
    """`names`, each that is reserved or an earlier one's, in whatever case, with a suffix as `input_names` gives it."""
    taken = {name.casefold() for name in reserved}
    found = []
    for name in names:
        free, number = name, 1
        while free.casefold() in taken:
            free = f"{name}{INPUT_SUFFIX}{number if number > 1 else ''}"
            number += 1
        taken.add(free.casefold())
        found.append(free)
    return found


def manifest_schema(inputs: pa.Schema) -> pa.Schema:
    """Our columns, then the input's, which are documented as such."""
    others = []
    for name, field in zip(input_names(inputs.names), inputs, strict=True):
        encoded = " as JSON text" if (field.metadata or {}).get(b"encoding") == b"json" else ""
        description = f"Column {field.name!r} of the input{encoded}."
        others.append(field.with_name(name).with_metadata({**(field.metadata or {}), "description": description}))
    return pa.schema([*MANIFEST_SCHEMA, *others], metadata={"voicegen.manifest": MANIFEST_VERSION})
