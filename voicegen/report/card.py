"""The dataset card: README.md of a run and of each export, as Hugging Face's hub reads it.

The metadata: https://huggingface.co/docs/hub/datasets-cards. A card that its owner has changed is left alone: the last
line of ours has the hash of what stands above it, and the version of the data that it was written of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from voicegen.dataset.likeness import NEAR
from voicegen.dataset.manifest_file import MANIFEST, columns_there
from voicegen.dataset.minimal_card import CARD, MINIMAL_CARD, manifest_version, version_on, with_version
from voicegen.dataset.splits import SPLITS
from voicegen.errors import InputError
from voicegen.pipeline.run_folder import MERGED, made_by, read_record, what_is_lacking
from voicegen.records import STATUSES
from voicegen.report.card_facts import CARD_COLUMNS, CardFacts, Spread, card_facts
from voicegen.report.card_form import Form, run_form
from voicegen.report.card_provenance import provenance
from voicegen.report.markdown import bare, some, table, without_folders
from voicegen.store import Store

NOT_ALL: Final = "It is a part of what was asked: {}."
"""The limit of a run that goes on, or was made of a part of its input; takes what `what_is_lacking` says."""

_MARK: Final = "<!-- voicegen wrote this card: "
_SIZES: Final = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))

_HOW: Final[Mapping[str, str]] = {
    "duration": "length of the file",
    "rate": "syllables of the text by the length of the speech in it",
    "pace": "against the voice's usual, by a line through all of its takes",
    "loudness": "ITU-R BS.1770-4, of the file",
    "wer": "words of the recognizer's transcript against the text spoken; it mishears, too",
    "cer": "the same for letters",
    "misheard": "most sounds in one place that the recognizer heard otherwise and is sure of",
    "put_in": "most sounds in one place that the recognizer heard besides the text",
    "attempts": "takes made until one was good, or none was left to make",
    "mos": "DNSMOS, a model's guess of what people would say, 1 to 5",
    "repeated": "the longest stretch of sound that comes twice",
    "silence": "the longest pause within the speech",
    "peak": "largest magnitude of a sample",
}


def write_run_card(store: Store, name: str | None = None) -> bool:
    """Writes the card of a run, unless its owner has written on the one that is there.

    Args:
        store: the run's.
        name: of the dataset; its folder's by default.

    Returns:
        Whether it was written.

    Raises:
        InputError: the manifest cannot be read.
        OutputError: the card cannot be written.
    """
    if not _ours(_there(store)):
        return False
    try:
        with store.reading(MANIFEST) as file:
            version = manifest_version(file)
            manifest = pq.ParquetFile(file, pre_buffer=False)
            columns = columns_there(manifest.schema_arrow, CARD_COLUMNS)
            facts = card_facts(manifest.iter_batches(columns=columns))
            offsets = columns_there(manifest.schema_arrow, ["audio_offset"])
            packed = any(
                batch[0].null_count < len(batch) for batch in manifest.iter_batches(columns=offsets) if offsets
            )
    except pa.ArrowException as error:
        raise InputError(f"{store}/{MANIFEST} cannot be read: {error}") from None
    name = name or store.name
    record, form = read_record(store) or {}, run_form(name, version, packed=packed)
    if lacking := what_is_lacking(record, facts.total):
        form = replace(form, limits=[NOT_ALL.format(lacking)])
    store.put([(CARD, card(name, facts, record, form).encode())])
    return True


def card(name: str, facts: CardFacts, record: Mapping[str, Any], form: Form) -> str:
    """The card of rows.

    Args:
        name: of the dataset.
        facts: of its rows.
        record: of the run that they are of, as run.json has it; empty where it is not known.
        form: in which the rows lie.
    """
    metadata = yaml.safe_dump(_metadata(name, facts, form), sort_keys=False, allow_unicode=True)
    sections = "\n".join(_sections(name, facts, record, form))
    text = f"---\n{metadata}---\n\n{sections}\n"
    return f"{text}{_MARK}{_digest(text)}, {version_on(text)} -->\n"


def card_is_current(store: Store) -> bool:
    """Whether a run's card is that of its manifest, or its owner's."""
    text = _there(store)
    return not _ours(text) or (
        text.endswith(f", {version_on(text)} -->\n") and store.changed(CARD) >= store.changed(MANIFEST)
    )


def _there(store: Store) -> str:
    return (store.read(CARD) or b"").decode(errors="replace")


def _ours(text: str) -> bool:
    """Whether there is no card, or one as we wrote it."""
    above, mark, told = text.rpartition(_MARK)
    return with_version(text, "0.0.0") in ("", MINIMAL_CARD) or (bool(mark) and told.startswith(_digest(above)))


def _digest(text: str) -> str:
    """Of a card but for the version of its data, which is written anew with each manifest."""
    return sha256(with_version(text, "").encode()).hexdigest()[:16]


def _metadata(name: str, facts: CardFacts, form: Form) -> dict[str, Any]:
    languages = list(facts.values["language"])
    metadata: dict[str, Any] = {
        "pretty_name": name,
        "license": "unknown",
        "task_categories": ["text-to-speech", "automatic-speech-recognition"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "size_categories": [next((size for bound, size in _SIZES if facts.total < bound), "10M<n<100M")],
        "tags": ["audio", "speech", "synthetic", "voicegen"],
    }
    if languages:
        metadata = {"language": [language.split("-")[0] for language in languages], **metadata}
    if form.config:
        metadata["configs"] = [{"config_name": "default", **form.config}]
    return metadata


def _sections(name: str, facts: CardFacts, record: Mapping[str, Any], form: Form) -> Iterator[str]:
    identity: Mapping[str, Any] = record.get("identity", {})
    ready = identity.get("questions.answer_column") is not None
    speak = identity.get("speak", "answer")
    made = f" {record['voicegen']}, begun on {record['created'][:10]}" if "created" in record else ""
    yield f"# {name}\n"
    yield (
        f"{_length(3600 * facts.hours)} of **synthetic speech**: {_what(speak, ready)}. No person said any of this. "
        f"Made by voicegen{made}.\n"
    )
    if speak == "both":
        yield (
            f"Its questions are spoken, too, in files of their own (`question_audio_path`): "
            f"{_length(facts.question_seconds)} more.\n"
        )
    yield "## What is in it\n"
    yield from _rows(facts)
    yield from _contents(facts)
    yield "## How to load it\n\nFrom where this folder lies:\n"
    yield form.code
    yield "## How it was made\n"
    yield from _merged(record)
    yield from _models(made_by(record), facts, ready)
    yield from _settings(identity, record)
    yield "## Provenance and consent\n"
    yield from provenance(list(facts.made_by), record)
    if facts.spreads:
        yield "## Quality\n"
        yield from _quality(facts.spreads, identity)
    yield "## Known limits\n"
    yield from _limits(facts, identity, record, form.limits)


def _length(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.2f} hours"
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"


def _what(speak: str, ready: bool) -> str:
    if speak == "question":
        return "a text-to-speech model spoke questions"
    answers = "ready answers, and a text-to-speech model spoke them"
    made = "a language model answered questions, and a text-to-speech model spoke the answers"
    return answers if ready else made


def _rows(facts: CardFacts) -> Iterator[str]:
    splits = [split for split in (*SPLITS, "none") if any(name == split for name, _ in facts.rows)]
    statuses = [status for status in STATUSES if any(name == status for _, name in facts.rows)]
    yield from table(
        ["split", *statuses, "hours"],
        [
            [
                split,
                *(str(facts.rows.get((split, status), 0)) for status in statuses),
                f"{facts.seconds.get(split, 0.0) / 3600:.2f}",
            ]
            for split in splits
        ],
    )
    if len(statuses) > 1:
        yield "Train on rows that are `ok`: of a `rejected` one no take was good, and a `failed` one has no audio.\n"
    if facts.question_rejected:
        yield f"Of the rejected rows {facts.question_rejected} lack a good take of the question (`question_status`).\n"
    if "none" in splits:
        yield "Rows in no split are like rows of two of them; leave them out.\n"


def _contents(facts: CardFacts) -> Iterator[str]:
    named = {"voice": "voices", "language": "languages", "sampling_rate": "sampling rates (Hz)"}
    for column, title in named.items():
        values = [f"{bare(value)} ({count})" for value, count in sorted(facts.values[column].items(), key=str)]
        if values:
            yield f"- {title}, with rows: {some(values)}"
    for column, title in (("question_similarity", "questions"), ("answer_similarity", "answers")):
        if facts.same[column] or facts.near[column]:
            yield (
                f"- {title} that repeat an earlier row's: {facts.same[column]} the same but for case and punctuation, "
                f"{facts.near[column]} nearly so (`{column.replace('similarity', 'duplicate_of')}` says whose)"
            )
    yield ""


def _merged(record: Mapping[str, Any]) -> Iterator[str]:
    runs = [f"{bare(', '.join(run['runs']))} ({run['rows']} rows)" for run in record.get(MERGED, ())]
    if len(runs) > 1:
        yield f"Merged from {len(runs)} runs, which the column `source_run` tells apart: {'; '.join(runs)}.\n"


def _models(models: Sequence[tuple[str, Mapping[str, Any]]], facts: CardFacts, ready: bool) -> Iterator[str]:
    if not models:
        models = [
            (stage, {"id": value})
            for stage in ("chat", "tts")
            for value in list(facts.values[f"{stage}_model"])[:1]
        ]  # fmt: skip
    does = {"chat": "gave the answers" if ready else "answered", "tts": "spoke"}
    fields = ("id", "revision", "backend")
    rows = [
        [does.get(stage, stage), *(bare(model.get(name)) or "not known" for name in fields)] for stage, model in models
    ]
    yield from table(["what it did", "model", "revision", "backend"], rows)


def _settings(identity: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    if not identity:
        return
    shown = {key: without_folders(value) for key, value in identity.items() if value is not None}
    if split := record.get("split"):
        shown["split"] = split
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in shown.items()]
    text = ",\n".join(lines).replace("```", "` ` `")
    yield "<details><summary>All settings that decided the result</summary>\n"
    yield f"```json\n{{\n{text}\n}}\n```\n\n</details>\n"


def _quality(spreads: Sequence[Spread], identity: Mapping[str, Any]) -> Iterator[str]:
    yield "Measured by programs, in rows that are `ok`; nobody has listened to all of them.\n"
    rows = []
    for spread in spreads:
        measure = spread.measure
        low, median, high = (f"{value:.{measure.digits}f}" for value in (spread.low, spread.median, spread.high))
        unit = f" ({measure.unit})" if measure.unit else ""
        rows.append(
            [
                f"{measure.label}{unit}",
                str(spread.rows),
                low,
                median,
                high,
                _HOW.get(measure.name.removeprefix("question_"), ""),
            ]
        )
    yield from table(["measure", "rows", "5 % below", "median", "5 % above", "how"], rows)
    if recognizer := identity.get("quality.checks.recognition.recognizer"):
        yield f"The recognizer is {bare(recognizer)}. It also decided which takes were good, so its figures flatter.\n"


def _limits(
    facts: CardFacts, identity: Mapping[str, Any], record: Mapping[str, Any], others: Sequence[str]
) -> Iterator[str]:
    if identity.get("questions.answer_column") is None and identity.get("speak") != "question":
        yield "- The answers are a model's: fluent, and not checked for truth."
    yield "- The voices and their manner are a model's: no measure of how people speak."
    if prompts := {**(identity.get("voice.prompts") or {}), **(identity.get("voice.question.prompts") or {})}:
        yield f"- The voices {', '.join(map(bare, prompts))} copy recordings that the maker of the dataset gave."
    yield "- What the checks above do not measure may be wrong with any row; `report.html` of the run plays each."
    if record.get("split"):
        yield (
            "- The split is by the question's text: no two rows whose questions are the same or found to be nearly so "
            f"(an estimated similarity of {NEAR} or more), and no two turns of a conversation, are in two parts. "
            "Reworded questions may be."
        )
    if facts.same["answer_similarity"] or facts.near["answer_similarity"]:
        yield "- Different questions may have the same answer, also in different parts of the dataset."
    yield from (f"- {limit}" for limit in others)
    yield ""
