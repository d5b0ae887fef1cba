"""Counts what a manifest's rows say of one another: splits and duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from voicegen.errors import OutputError
from voicegen.store import Store


@dataclass(frozen=True, slots=True)
class Repeated:
    """Rows that repeat an earlier one: the same but for case, spacing and punctuation, and nearly so."""

    same: int = 0
    near: int = 0


@dataclass(frozen=True, slots=True)
class RelationCounts:
    """Rows by split, those in none under None, and rows whose question or answer repeats an earlier one."""

    splits: Mapping[str | None, int] = field(default_factory=dict)
    questions: Repeated = Repeated()
    answers: Repeated = Repeated()

    @property
    def is_split(self) -> bool:
        """Whether any row is in another part than train."""
        return any(split != "train" for split in self.splits)


def relation_counts(store: Store) -> RelationCounts:
    """The counts of a run's manifest, a row group at a time; nothing where it cannot be read."""
    import pyarrow as pa  # a summary can be made without it
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from voicegen.dataset.manifest_file import MANIFEST, columns_there

    splits: Counter[str | None] = Counter()
    found: Counter[str] = Counter()
    try:
        with store.reading(MANIFEST) as file:
            manifest = pq.ParquetFile(file, pre_buffer=False)
            wanted = ("split", "question_similarity", "answer_similarity")
            columns = columns_there(manifest.schema_arrow, wanted)
            for batch in manifest.iter_batches(columns=columns):
                splits.update(batch.column("split").to_pylist())
                for name in columns[1:]:
                    repeats = pc.drop_null(batch.column(name))
                    same = pc.sum(pc.equal(repeats, 1.0)).as_py() or 0
                    found[f"same {name}"] += same
                    found[f"near {name}"] += len(repeats) - same
    except (OutputError, pa.ArrowException, KeyError):
        return RelationCounts()
    questions, answers = (
        Repeated(found[f"same {name}"], found[f"near {name}"]) for name in ("question_similarity", "answer_similarity")
    )
    return RelationCounts(splits, questions, answers)
