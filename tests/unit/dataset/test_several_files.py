"""An input of several files: a list, a pattern, a folder, and folders whose names are columns."""

import hashlib
import tracemalloc

import pyarrow as pa
import pytest

from tests.question_files import extras, jsonl_file, parquet_file, read, refusal, text_file, texts
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.readers import delimited
from voicegen.errors import InputError
from voicegen.records import Failure


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def here(tmp_path):
    def make(names):
        """Files of two questions each, which say the file's name; those of names that end in a slash are folders."""
        for name in names.split():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text_file(path, f"question\n{path.stem} one?\n{path.stem} two?\n")
        return tmp_path

    return make


def sources(given, **settings):
    return [path.replace("\\", "/") for path in extras(given, **settings).column("source").to_pylist()[::2]]


def test_a_list_is_read_in_the_order_given_and_rows_are_numbered_through(here, tmp_path):
    here("b.csv a.csv")
    rows = read([tmp_path / "b.csv", tmp_path / "a.csv"])
    assert [(row.index, row.id, row.text) for row in rows] == [
        (0, "0", "b one?"),
        (1, "1", "b two?"),
        (2, "2", "a one?"),
        (3, "3", "a two?"),
    ]
    assert [row.text for row in QuestionFile([tmp_path / "b.csv", tmp_path / "a.csv"]).questions(3)] == ["a two?"]


def test_a_pattern_and_a_folder_are_sorted_by_name_with_numbers_by_value(here, tmp_path):
    here("d/part-10.csv d/part-2.csv d/more/part-1.csv")
    assert sources(tmp_path / "d/*.csv") == [f"{tmp_path}/d/part-{number}.csv" for number in (2, 10)]
    everything = [f"{tmp_path}/d/{name}" for name in ("more/part-1.csv", "part-2.csv", "part-10.csv")]
    for given in ("d", "d/", "d/**", "d/**/*.csv", "?", "[d]/"):
        assert sources(tmp_path / given) == everything


def test_files_that_exist_are_no_patterns(here, tmp_path):
    here("a[1].csv a1.csv")
    assert texts(tmp_path / "a[1].csv") == ["a[1] one?", "a[1] two?"]
    assert texts(tmp_path / "a[0-9].csv") == ["a1 one?", "a1 two?"]


def test_what_spark_and_others_leave_beside_data_is_passed_over(here, tmp_path):
    here("d/part-0.csv d/_SUCCESS d/.part-0.csv.crc d/part-0.csv.crc d/._x.csv d/_temporary/0/x.csv d/.git/x.csv")
    text_file(tmp_path / "d/part-1.csv", "")
    text_file(tmp_path / "d/README.md", "x")
    file = QuestionFile(tmp_path / "d")
    assert (file.inspect().rows, file.inspect().files) == (2, 1)
    assert file.inspect().passed_over == (tmp_path / "d/README.md",)
    assert file.told == f"{tmp_path}/d (passed over: {tmp_path}/d/README.md)"
    assert "source" not in file.inspect().columns.names


def test_folders_called_key_value_are_columns(tmp_path):
    for language, year, number in (
        ("en", 2024, 0),
        ("en", 2025, 1),
        ("a%20b", 2025, 2),
        ("__HIVE_DEFAULT_PARTITION__", 9, 3),
    ):
        folder = tmp_path / f"d/lang={language}/_year={year}"
        folder.mkdir(parents=True)
        parquet_file(folder / "part.parquet", {"question": [f"{number}?"], "n": [number]})
    table = extras(tmp_path / "d").select(["n", "lang", "_year"])
    assert sorted(table.to_pylist(), key=lambda row: row["n"]) == [
        {"n": 0, "lang": "en", "_year": "2024"},
        {"n": 1, "lang": "en", "_year": "2025"},
        {"n": 2, "lang": "a b", "_year": "2025"},
        {"n": 3, "lang": None, "_year": "9"},
    ]
    assert "lang" not in extras(tmp_path / "d/lang=en").column_names
    rows = read(tmp_path / "d/lang=*/*", id_column="n", conversation_column="lang")
    assert {row.conversation_id for row in rows} == {"en", "a b", None}
    assert len(read(tmp_path / "d", text_column="lang")) == 4


def test_formats_may_be_mixed_where_columns_agree(tmp_path):
    files = [
        text_file(tmp_path / "a.csv", "id,question,note\na,From CSV?,x\n"),
        jsonl_file(tmp_path / "b.jsonl", [{"question": "From JSON?", "id": "b"}]),
        parquet_file(tmp_path / "c.parquet", {"note": ["z"], "id": ["c"], "question": ["From Parquet?"]}),
    ]
    assert [(row.id, row.text) for row in read(files)] == [
        ("a", "From CSV?"),
        ("b", "From JSON?"),
        ("c", "From Parquet?"),
    ]
    table = extras(files)
    assert table.column("note").to_pylist() == ["x", None, "z"]
    assert table.column("source").to_pylist() == list(map(str, files))


def test_a_file_without_a_column_of_the_others_is_named(here, tmp_path):
    text_file(tmp_path / "a.csv", "question,note\nWho?,x\n")
    here("b.csv")
    for given in ([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "*.csv"):
        message = refusal(given)
        assert f"{tmp_path}/b.csv: it has no column 'note', which {tmp_path}/a.csv has" in message


@pytest.mark.parametrize(
    ("one", "other", "type", "values"),
    [
        ([1], [2.5], "double", [1.0, 2.5]),
        ([2**60], [2.5], "string", [str(2**60), "2.5"]),
        (["x"], [1], "string", ['"x"', "1"]),
        ([None], [True], "bool", [None, True]),
        ([["a"]], [None], "string", ['["a"]', None]),
    ],
)
def test_types_of_json_are_inferred_over_all_files(tmp_path, one, other, type, values):
    files = [
        jsonl_file(tmp_path / f"{place}.jsonl", [{"question": "q", "x": cell} for cell in cells])
        for place, cells in enumerate((one, other))
    ]
    table = extras(files)
    assert (str(table.schema.field("x").type), table.column("x").to_pylist()) == (type, values)


@pytest.mark.parametrize(
    ("one", "other", "type", "values"),
    [
        (pa.array([1], pa.int8()), pa.array([2], pa.int64()), "int64", [1, 2]),
        (pa.array([None]), pa.array([2], pa.int64()), "int64", [None, 2]),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), "string", ["a", "b"]),
        (pa.array([2**60]), pa.array([0.5]), "string", [str(2**60), "0.5"]),
        (pa.array([{"k": 1}]), pa.array([{"l": 1}]), "string", ['{"k": 1}', '{"l": 1}']),
        (pa.array([["x"]]), pa.array([["y"]]), "list<element: string>", [["x"], ["y"]]),
    ],
)
def test_types_of_parquet_are_widened_to_hold_all_files_exactly(tmp_path, one, other, type, values):
    files = [
        parquet_file(tmp_path / f"{place}.parquet", pa.table({"question": ["q"], "x": cells}))
        for place, cells in enumerate((one, other))
    ]
    table = extras(files)
    assert (str(table.schema.field("x").type), table.column("x").to_pylist()) == (type, values)


def test_a_file_given_twice_is_refused_under_any_name(here, tmp_path):
    here("a.csv b.csv")
    (tmp_path / "c.csv").symlink_to(tmp_path / "a.csv")
    assert "a.csv: this file is given twice: name it once" in refusal([tmp_path / "a.csv", tmp_path / "a.csv"])
    assert f"c.csv: this file is given twice, also as {tmp_path}/a.csv" in refusal(tmp_path / "*.csv")
    assert "given twice" in refusal([tmp_path / "b.csv", tmp_path / "[ab].csv"])


def test_nothing_found_is_one_clear_error(here, tmp_path):
    here("d/notes.txt")
    assert f"there is no file of questions that fits {tmp_path}/*.csv" in refusal(tmp_path / "*.csv")
    assert f"in the folder {tmp_path}/d ({tmp_path}/d/notes.txt cannot be read as one)" in refusal(tmp_path / "d")
    assert "questions.path=[] names no file" in refusal([])
    assert "there is no such file" in refusal([tmp_path / "d/notes.csv"])
    assert "there is no such file or folder" in refusal(tmp_path / "nowhere")
    text_file(tmp_path / "d/q.xlsx", "PK")
    assert "a workbook is not read" in refusal(tmp_path / "d")


def test_a_format_that_is_given_is_that_of_all_files_found(here, tmp_path):
    here("d/part-0 d/part-1")
    assert len(texts(tmp_path / "d", format="csv")) == 4


def test_errors_name_the_file_and_its_row(here, tmp_path):
    here("a.csv")
    text_file(tmp_path / "b.csv", "question\nWho?\na,b\n")
    assert f"{tmp_path}/b.csv: row 2 (line 3) has 2 cells" in refusal(tmp_path / "*.csv")
    text_file(tmp_path / "a.csv", "id,question,talk,turn\nx,Who?,t,1\ny,Why?,t,2\n")
    text_file(tmp_path / "b.csv", "id,question,talk,turn\nz,Who?,u,1\nx,Why?,t,1\n")
    rows = f"row 1 of {tmp_path}/a.csv and row 2 of {tmp_path}/b.csv"
    assert f"ids in column 'id' occur twice: 'x' in {rows}: make them unique" in refusal(tmp_path / "*.csv")
    talks = {"id_column": "", "conversation_column": "talk"}
    assert f"row 2 of {tmp_path}/a.csv and row 2 of {tmp_path}/b.csv are of one" in refusal(tmp_path / "*.csv", **talks)
    text_file(tmp_path / "b.csv", "id,question,talk,turn\nz,Who?,t,1\n")
    ordered = talks | {"turn_column": "turn"}
    assert f"row 1 of {tmp_path}/b.csv are of one conversation, and turn 1" in refusal(tmp_path / "*.csv", **ordered)
    text_file(tmp_path / "b.csv", "id,question,talk,turn\nz,Who?,t,none\n")
    assert f"{tmp_path}/b.csv: row 1: the turn in column 'turn' is 'none'" in refusal(tmp_path / "*.csv", **ordered)


def test_a_conversation_may_go_on_in_the_next_file(tmp_path):
    text_file(tmp_path / "a.csv", "question,talk\n1,t\n")
    text_file(tmp_path / "b.csv", "question,talk\n2,t\n3,u\n")
    rows = read(tmp_path / "*.csv", conversation_column="talk")
    assert [(row.conversation_id, row.turn) for row in rows] == [("t", 1), ("t", 2), ("u", 1)]


def test_an_unreadable_cell_fails_its_row_alone(tmp_path):
    jsonl_file(tmp_path / "a.jsonl", [{"question": 1}])
    text_file(tmp_path / "b.csv", "question\nWho?\n")
    failed, asked = read(tmp_path / "*")
    assert (failed, asked.index) == (Failure(0, "input", "column 'question' holds a number (1), not text"), 1)


def test_an_input_with_columns_called_like_ours_keeps_them(tmp_path):
    for name in "ab":
        text_file(tmp_path / f"{name}.csv", f"question,Source,source_file\n{name}?,mine,too\n")
    table = extras(tmp_path / "*.csv")
    assert table.column_names == ["Source", "source_file", "source_file2"]
    assert table.column("source_file2").to_pylist() == [f"{tmp_path}/a.csv", f"{tmp_path}/b.csv"]


def test_a_key_of_a_folder_that_is_a_column_as_well_is_refused(tmp_path):
    (tmp_path / "lang=en").mkdir()
    text_file(tmp_path / "lang=en/a.csv", "question,lang\nWho?,en\n")
    assert "column 'lang' is in the file and in a folder's name" in refusal(tmp_path)


def test_one_file_is_known_by_its_bytes_and_several_by_those_of_each_in_order(here, tmp_path):
    here("a.csv b.csv k=v/c.csv k=w/c.csv")

    def sha256(*given):
        return QuestionFile([tmp_path / name for name in given]).inspect().sha256

    bytes_of_a = hashlib.sha256((tmp_path / "a.csv").read_bytes()).hexdigest()
    assert sha256("a.csv") == sha256("[a].csv") == QuestionFile(tmp_path / "a.csv").inspect().sha256 == bytes_of_a
    assert sha256("[ab].csv") == sha256("a.csv", "b.csv") != sha256("b.csv", "a.csv")
    assert len({sha256("k=v/c.csv"), sha256("k=[v]"), sha256("k=[w]")}) == 3


def test_a_file_that_changes_or_goes_while_others_are_read_is_named(here, tmp_path):
    here("a.csv b.csv")
    file = QuestionFile(tmp_path / "*.csv")
    rows = file.questions()
    assert next(rows).text == "a one?"
    text_file(tmp_path / "b.csv", "question\nnew one?\nnew two?\n")
    with pytest.raises(InputError, match=r"b\.csv: the file has changed since the run began"):
        list(rows)
    here("b.csv c.csv")
    assert len(list(file.questions())) == 4  # the file that came meanwhile is none of this run


def test_files_are_open_one_at_a_time_and_take_memory_once(tmp_path, monkeypatch):
    def write(files):
        folder = tmp_path / str(files)
        folder.mkdir()
        for number in range(files):
            rows = "".join(f"Number {number} {row}?\n" for row in range(200))
            text_file(folder / f"{number}.csv", f"question\n{rows}")
        return QuestionFile(folder)

    opened, most = 0, 0
    plain = delimited.open_text

    class Counted:
        def __init__(self, *given):
            self._file = plain(*given)

        def __enter__(self):
            nonlocal opened, most
            opened += 1
            most = max(most, opened)
            return self._file.__enter__()

        def __exit__(self, *error):
            nonlocal opened
            opened -= 1
            return self._file.__exit__(*error)

    def peak(files):
        file = write(files)
        tracemalloc.start()
        assert sum(1 for _ in file.questions()) == 200 * files
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    monkeypatch.setattr(delimited, "open_text", Counted)
    peak(2)  # imports what is needed
    assert peak(60) < 1.4 * peak(20)
    assert (opened, most) == (0, 1)
