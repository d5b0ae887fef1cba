"""Whatever is written by the usual libraries is read back as it was, from every format and in blocks of any size."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.finished_rows import FinishedRows, spoken_row
from tests.question_files import other_columns, parquet_file, text_file
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.torch_dataset import load_manifest
from voicegen.records import Failure, Question
from voicegen.store import Store

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        '"',
        '""',
        ",",
        "\t",
        "\n",
        "\r\n",
        "\r",
        " ",
        "=1+1",
        "../x",
        "\ufeff",
        "\u2028",
        "\x85",
        "\0",
        "a\0",
        "\x1c",
        "007",
    ]
)
NAMES = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
    .map(str.strip)
    .filter(lambda name: name and name.strip().casefold() not in ("question", "id") and "\ufeff" not in name)
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_usable(text):
    return (
        isinstance(text, str)
        and "\0" not in text
        and any(character.isprintable() and not character.isspace() for character in text)
    )


def check_records(file, texts):
    records = list(file.questions())
    assert [record.index for record in records] == list(range(len(texts)))
    for record, text in zip(records, texts, strict=True):
        if is_usable(text):
            assert isinstance(record, Question)
            assert record.text == text
        else:
            assert isinstance(record, Failure)


def written(name, data):
    folder = TemporaryDirectory()
    return folder, text_file(Path(folder.name) / name, data)


@quick
@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=8),
    names=st.lists(NAMES, min_size=2, max_size=2, unique_by=str.casefold),
    dialect=st.sampled_from(["excel", "unix"]),
    bom=st.booleans(),
    delimiter=st.sampled_from([",", "\t"]),
)
def test_csv_and_tsv_are_read_as_written(rows, names, dialect, bom, delimiter):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, dialect, delimiter=delimiter)
    writer.writerows([["question", *names], *rows])
    folder, path = written("q.tsv" if delimiter == "\t" else "q.csv", bom * "\ufeff" + stream.getvalue())
    with folder:
        file = QuestionFile(path, id_column="")
        check_records(file, [row[0] for row in rows])
        table = other_columns(file)
        assert table.schema.names == names
        assert list(zip(*table.to_pydict().values(), strict=True)) == [tuple(row[1:]) for row in rows]


@quick
@given(
    texts=st.lists(JSON_VALUES, min_size=1, max_size=6),
    values=st.lists(JSON_VALUES, min_size=1, max_size=6),
    ascii=st.booleans(),
)
def test_json_lines_are_read_as_written(texts, values, ascii):
    rows = [{"question": text, "other": value} for text, value in zip(texts, values, strict=False)]
    rows.append({"question": "Who?", "other": None})  # a file without one text is refused
    folder, path = written("q.jsonl", "".join(json.dumps(row, ensure_ascii=ascii) + "\n" for row in rows))
    with folder:
        file = QuestionFile(path)
        check_records(file, [row["question"] for row in rows])
        table = other_columns(file)
        encoded = b"encoding" in (table.schema.field("other").metadata or {})
        found = table.column("other").to_pylist()
        decoded = [json.loads(value) if encoded and value is not None else value for value in found]
        assert decoded == [row["other"] for row in rows]


@quick
@given(
    texts=st.lists(st.none() | TEXTS, min_size=1, max_size=6),
    numbers=st.lists(st.none() | st.integers(-128, 127), min_size=6, max_size=6),
    lists=st.lists(st.none() | st.lists(st.integers(0, 9), max_size=3), min_size=6, max_size=6),
    group=st.integers(1, 4),
)
def test_parquet_is_read_as_written(texts, numbers, lists, group):
    count = len(texts)
    table = pa.table(
        {
            "question": pa.array(texts, pa.string()),
            "number": pa.array(numbers[:count], pa.int8()),
            "list": pa.array(lists[:count], pa.list_(pa.int32())),
        }
    )
    with TemporaryDirectory() as folder:
        file = QuestionFile(parquet_file(Path(folder) / "q.parquet", table, row_group_size=group))
        check_records(file, texts)
        assert other_columns(file).equals(table.drop_columns(["question"]))


@quick
@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8),
    finished=st.sets(st.integers(0, 7)),
    name=NAMES,
    answer=TEXTS,
)
def test_whatever_the_input_holds_is_in_the_manifest(rows, finished, name, answer):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "q.jsonl"
        text_file(path, "".join(json.dumps({"question": text, name: other}) + "\n" for text, other in rows))
        there = sorted(index for index in finished if index < len(rows))
        lookup = FinishedRows(spoken_row(index, answer=answer) for index in there)
        write_manifest(Store(Path(folder)), QuestionFile(path, id_column=""), lookup, Provenance())
        table = load_manifest(folder).table
        assert table.column("index").to_pylist() == there
        assert table.column("question").to_pylist() == [rows[index][0] for index in there]
        assert table.column("answer").to_pylist() == [answer] * len(there)
        assert table.columns[-1].to_pylist() == [rows[index][1] for index in there]


@pytest.mark.parametrize("rows", [1, 2047, 2048, 2049, 4096, 4097])
def test_blocks_lose_and_repeat_no_row_at_their_borders(tmp_path, rows):
    path = text_file(tmp_path / "q.csv", "question\n" + "".join(f"{number}?\n" for number in range(rows)))
    assert [record.text for record in QuestionFile(path).questions()] == [f"{number}?" for number in range(rows)]
