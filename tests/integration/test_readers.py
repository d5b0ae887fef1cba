"""A manifest opens in the five readers that people use, with the same values in each."""

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.finished_rows import FinishedRows, failed_row, spoken_row
from tests.question_files import parquet_file
from voicegen.audio.audio_file import write_audio
from voicegen.dataset.manifest import MANIFEST_SCHEMA, Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.store import Store

COLUMNS = [
    "id",
    "index",
    "split",
    "question",
    "answer",
    "audio_path",
    "duration",
    "num_samples",
    "status",
    "seed",
    "clipped",
]


@pytest.fixture(params=["finished", "partial", "empty"])
def manifest(tmp_path, request):
    """A manifest of 3000 rows, of some of them, or of none, beside input columns of many types."""
    numbers = range(3000)
    inputs = pa.table(
        {
            "question": [f"N\u00famero {number}?" for number in numbers],
            "Answer": ["another"] * 3000,
            "when": pa.array(numbers, pa.timestamp("us", tz="UTC")),
            "tags": pa.array([["a", "b"] if number % 2 else None for number in numbers]),
            "info": pa.array([{"k": number} for number in numbers]),
            "kind": pa.array(["x"] * 3000).dictionary_encode(),
        }
    )
    finished = {"finished": numbers, "partial": range(0, 3000, 7), "empty": ()}[request.param]
    rows = (spoken_row(i, scores={"clipped": 0.25}) if i % 5 else failed_row(i) for i in finished)
    path = tmp_path / "manifest.parquet"
    questions = QuestionFile(parquet_file(tmp_path / "q.parquet", inputs))
    write_manifest(Store(tmp_path), questions, FinishedRows(rows), Provenance("chat", "r", "tts", "s", "en", "h"))
    return path


@pytest.fixture
def expected(manifest):
    return pq.read_table(manifest)


def test_pyarrow_reads_it_with_its_types_and_descriptions(expected):
    assert expected.schema.names == [*MANIFEST_SCHEMA.names, "Answer_input", "when", "tags", "info", "kind"]
    for field in MANIFEST_SCHEMA:
        assert expected.schema.field(field.name).equals(field, check_metadata=True)


def test_pandas_reads_the_same(manifest, expected):
    frame = pd.read_parquet(manifest)
    assert list(frame.columns) == expected.schema.names
    assert len(frame) == expected.num_rows
    for name in COLUMNS:
        found = [None if pd.isna(value) else value for value in frame[name]]
        assert found == expected.column(name).to_pylist()


def test_polars_reads_the_same(manifest, expected):
    frame = pl.read_parquet(manifest)
    assert frame.columns == expected.schema.names
    for name in [*COLUMNS, "tags", "info"]:
        assert frame[name].to_list() == expected.column(name).to_pylist()
    assert pl.scan_parquet(manifest).select(pl.len()).collect().item() == expected.num_rows


@pytest.mark.parametrize("manifest", ["finished", "partial"], indirect=True)  # it has no split without rows
def test_datasets_reads_the_same_from_the_folder_with_its_audio_and_all(manifest, expected, tmp_path_factory):
    write_audio(manifest.parent / "audio" / "000001.wav", np.zeros(100, np.float32), 22_050)
    folder, cache = str(manifest.parent), str(tmp_path_factory.mktemp("cache"))
    found = datasets.load_dataset(folder, split="train", cache_dir=cache)
    assert found.column_names == expected.schema.names
    assert found.select_columns([*COLUMNS, "tags", "info"]).to_list() == (
        expected.select([*COLUMNS, "tags", "info"]).to_pylist()
    )


def test_duckdb_reads_the_same(manifest, expected):
    names = ", ".join(f'"{name}"' for name in [*COLUMNS, "info"])
    found = duckdb.sql(f"SELECT {names} FROM '{manifest}'").fetchall()
    wanted = expected.select([*COLUMNS, "info"]).to_pylist()
    assert found == [tuple(row.values()) for row in wanted]
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{manifest}'").fetchall()
    assert [row[0] for row in described] == expected.schema.names, (
        "DuckDB ignores case: it would rename columns that differ in nothing else"
    )


def test_duckdb_can_ask_what_people_ask(manifest, expected):
    [(hours,)] = duckdb.sql(f"SELECT sum(duration) / 3600 FROM '{manifest}' WHERE status = 'ok'").fetchall()
    durations = [value for value in expected.column("duration").to_pylist() if value is not None]
    assert hours == (pytest.approx(sum(durations) / 3600) if durations else None)
