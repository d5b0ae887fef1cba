import gzip
import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pytest

from tests.question_files import extras, jsonl_file, parquet_file, read, text_file, texts
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError
from voicegen.records import Failure, Question

TRUTHFUL_QA = Path(__file__).parents[4] / "shared/data/TruthfulQA.csv"


def test_a_row_becomes_a_question_numbered_by_its_place(tmp_path):
    path = text_file(tmp_path / "q.csv", "question\nWho?\nWhy?\n")
    assert read(path) == [Question(0, "0", "Who?"), Question(1, "1", "Why?")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bom.csv", "\ufeffquestion,x\nWho?,1\nWhy?,2\n"),
        ("crlf.csv", "question,x\r\nWho?,1\r\nWhy?,2\r\n"),
        ("old_mac.csv", "question,x\rWho?,1\rWhy?,2\r"),
        ("no_last_newline.csv", "question,x\nWho?,1\nWhy?,2"),
        ("blank_lines.csv", "\n\nquestion,x\n\nWho?,1\n\n\nWhy?,2\n\n"),
        ("capital.csv", "X,QUESTION\n1,Who?\n2,Why?\n"),
        ("blanks_in_header.csv", "x, Question \n1,Who?\n2,Why?\n"),
        ("tabs.tsv", "x\tquestion\n1\tWho?\n2\tWhy?\n"),
        ("tabs.TAB", "x\tquestion\n1\tWho?\n2\tWhy?\n"),
        ("lines.jsonl", '{"question": "Who?"}\n\n  {"Question2": 1, "question": "Why?"}  \r\n'),
        ("bom.ndjson", '\ufeff{"question": "Who?"}\n{"question": "Why?"}'),
    ],
)
def test_a_text_file_may_be_written_in_any_usual_way(tmp_path, name, text):
    assert texts(text_file(tmp_path / name, text)) == ["Who?", "Why?"]


def test_quoted_cells_keep_commas_newlines_and_quotes(tmp_path):
    path = text_file(tmp_path / "q.csv", 'question,x\n"One, two\nand ""three""?",1\n"A\r\nB",2\n')
    assert texts(path) == ['One, two\nand "three"?', "A\r\nB"]


def test_a_compressed_file_is_read_as_what_it_holds(tmp_path):
    path = text_file(tmp_path / "q.csv.gz", gzip.compress(b"question\nWho?\n"))
    assert texts(path) == ["Who?"]
    assert QuestionFile(path).inspect().sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_format_can_be_given_where_the_name_does_not_tell_it(tmp_path):
    path = text_file(tmp_path / "questions.txt", "question\tx\nWho?\t1\n")
    assert texts(path, format="TSV") == ["Who?"]


def test_the_text_column_can_be_called_anything(tmp_path):
    path = text_file(tmp_path / "q.csv", "Prompt,question\nWho?,no\n")
    assert texts(path, text_column="prompt") == ["Who?"]


def test_a_column_spelt_exactly_wins_over_one_that_differs_in_case(tmp_path):
    path = text_file(tmp_path / "q.csv", "QUESTION,question\nno,Who?\n")
    assert texts(path) == ["Who?"]


def test_given_ids_are_kept_and_missing_ones_are_the_row_number(tmp_path):
    path = text_file(tmp_path / "q.csv", "ID,question\nfirst,Who?\n,Why?\n 3 ,How?\n")
    assert [row.id for row in read(path)] == ["first", "1", " 3 "]


def test_an_id_column_can_be_named_or_left_out(tmp_path):
    path = text_file(tmp_path / "q.csv", "id,key,question\na,k1,Who?\nb,k2,Why?\n")
    assert [row.id for row in read(path)] == ["a", "b"]
    assert [row.id for row in read(path, id_column="key")] == ["k1", "k2"]
    assert [row.id for row in read(path, id_column="")] == ["0", "1"]


def test_ids_that_look_like_paths_or_formulas_are_only_data(tmp_path):
    ids = ["../../etc/passwd", "=1+1", "C:\\con", "a/b", "@SUM(A1)"]
    path = jsonl_file(tmp_path / "q.jsonl", ({"id": id, "question": "Who?"} for id in ids))
    assert [row.id for row in read(path)] == ids


def test_numbers_as_ids_read_the_same_from_every_format(tmp_path):
    columns = {"id": [7, 12], "question": ["Who?", "Why?"]}
    files = [
        text_file(tmp_path / "q.csv", "id,question\n7,Who?\n12,Why?\n"),
        jsonl_file(tmp_path / "q.jsonl", [{"id": 7, "question": "Who?"}, {"id": 12.0, "question": "Why?"}]),
        parquet_file(tmp_path / "q.parquet", columns),
        parquet_file(tmp_path / "float.parquet", columns | {"id": [7.0, 12.0]}),
    ]
    assert [[row.id for row in read(file)] for file in files] == [["7", "12"]] * 4


def test_a_float_id_that_is_missing_is_the_row_number(tmp_path):
    path = parquet_file(tmp_path / "q.parquet", {"id": [7.0, float("nan"), None], "question": ["a", "b", "c"]})
    assert [row.id for row in read(path)] == ["7", "1", "2"]


def test_questions_asked_twice_are_kept(tmp_path):
    assert texts(text_file(tmp_path / "q.csv", "question\nWho?\nWho?\n")) == ["Who?", "Who?"]


@pytest.mark.parametrize("text", ["What\u2019s \u00fc?", "\U0001f600", "\u4f60\u597d", "42", "?"])
def test_any_text_that_can_be_seen_is_a_question(tmp_path, text):
    assert texts(text_file(tmp_path / "q.csv", f"question\n{text}\n")) == [text]


def test_a_row_without_text_fails_with_a_reason_and_the_rest_go_on(tmp_path):
    rows = [
        {"question": "Who?"},
        {"question": ""},
        {"question": " \t\u200b"},
        {"question": None},
        {"other": 1},
        {"question": 42},
        {"question": True},
        {"question": ["Who?"]},
        {"question": {"text": "Who?"}},
        {"question": "a\0b"},
        {"question": "half \ud83d"},
        {"question": "Why?"},
    ]
    records = read(jsonl_file(tmp_path / "q.jsonl", rows))
    assert [record.index for record in records] == list(range(12))
    assert [record.text for record in records if isinstance(record, Question)] == ["Who?", "Why?"]
    failures = [record for record in records if isinstance(record, Failure)]
    assert {failure.stage for failure in failures} == {"input"}
    assert [failure.error for failure in failures] == [
        "column 'question' is empty",
        "column 'question' is blank",
        "column 'question' is empty",
        "column 'question' is empty",
        "column 'question' holds a number (42), not text",
        "column 'question' holds a boolean (true), not text",
        "column 'question' holds a list ([\"Who?\"]), not text",
        'column \'question\' holds an object ({"text": "Who?"}), not text',
        "column 'question' holds a NUL character: it is not text",
        "column 'question' holds half of a surrogate pair: it is not valid Unicode",
    ]


def test_what_a_failing_row_held_can_still_be_seen(tmp_path):
    path = jsonl_file(tmp_path / "q.jsonl", [{"question": 42}, {"question": ["a"]}, {"question": "x\ud83d"}, {"a": 1}])
    batch = next(QuestionFile(path).batches())
    assert batch.column("question").to_pylist() == ["42", '["a"]', "x\ufffd", None]


def test_ready_answers_come_with_their_questions(tmp_path):
    path = text_file(tmp_path / "q.csv", "question,Reply\nWho?,Me.\nWhy?, \n")
    question, failure = read(path, answer_column="reply")
    assert question.answer == "Me."
    assert failure.error == "column 'Reply' is blank"
    assert next(QuestionFile(path, answer_column="reply").batches()).column("answer").to_pylist() == ["Me.", " "]


def test_turns_of_a_conversation_count_by_their_order_in_the_file(tmp_path):
    path = text_file(tmp_path / "q.csv", "c,question\na,1\na,2\n,3\na,4\nb,5\n,6\n,7\nb,8\n")
    rows = read(path, conversation_column="C")
    assert [(row.conversation_id, row.turn) for row in rows] == [
        ("a", 1), ("a", 2), (None, None), ("a", 3), ("b", 1), (None, None), (None, None), ("b", 2)
    ]  # fmt: skip


def test_turns_can_be_given_in_any_spelling_of_a_whole_number(tmp_path):
    csv = text_file(tmp_path / "q.csv", "c,t,question\na,0,1\na,2.0,2\n,,3\na, 7 ,4\n")
    parquet = parquet_file(
        tmp_path / "q.parquet",
        {"c": ["a", "a", None, "a"], "t": [0.0, 2.0, None, 7.0], "question": ["1", "2", "3", "4"]},
    )
    for path in (csv, parquet):
        rows = read(path, conversation_column="c", turn_column="t")
        assert [row.turn for row in rows] == [0, 2, None, 7]


@pytest.mark.parametrize("start", [0, 1, 2047, 2048, 4999, 5000, 6000])
@pytest.mark.parametrize("name", ["q.csv", "q.jsonl", "q.parquet"])
def test_reading_can_begin_anywhere(tmp_path, name, start):
    rows = [{"question": f"Number {number}?", "id": f"q{number}"} for number in range(5000)]
    if name == "q.csv":
        path = text_file(tmp_path / name, "question,id\n" + "".join(f"{r['question']},{r['id']}\n" for r in rows))
    elif name == "q.jsonl":
        path = jsonl_file(tmp_path / name, rows)
    else:
        path = parquet_file(tmp_path / name, pa.Table.from_pylist(rows), row_group_size=1500)
    file = QuestionFile(path)
    assert list(file.questions(start)) == list(file.questions())[start:]


def test_other_columns_of_parquet_keep_their_types(tmp_path):
    table = pa.table(
        {
            "a.b": pa.array([1, None], pa.int8()),
            "question": pa.array(["Who?", "Why?"], pa.large_string()),
            "when": pa.array([1, 2], pa.timestamp("us", tz="UTC")),
            "tags": pa.array([["x"], None], pa.list_(pa.string())),
            "nested": pa.array([{"k": 1}, {"k": None}]),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "bytes": pa.array([b"\xff", None]),
        }
    )
    path = parquet_file(tmp_path / "q.parquet", table)
    assert extras(path).equals(table.drop_columns(["question"]))


def test_text_in_parquet_may_be_encoded_in_any_way(tmp_path):
    for place, type in enumerate([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]):
        path = parquet_file(tmp_path / f"{place}.parquet", {"question": pa.array(["Who?", None]).cast(type)})
        first, second = read(path)
        assert first == Question(0, "0", "Who?")
        assert second == Failure(1, "input", "column 'question' is empty")


def test_other_columns_of_csv_are_the_strings_as_written(tmp_path):
    path = text_file(tmp_path / "q.csv", "n,question,,empty\n007,Who?,x,\n1e5,Why?,NA,null\n")
    assert extras(path).to_pydict() == {"n": ["007", "1e5"], "column_3": ["x", "NA"], "empty": ["", "null"]}


def test_other_columns_of_json_lines_get_the_type_that_holds_every_value(tmp_path):
    rows = [
        {
            "question": "a",
            "i": 1,
            "f": 1,
            "s": "x",
            "b": True,
            "big": 2**62,
            "huge": 2**70,
            "mix": 1,
            "n": [1],
            "z": None,
        },
        {"question": "b", "i": None, "f": 0.5, "s": "\u00fc", "b": False, "big": 2**53 + 1, "huge": 1, "mix": "1"},
        {"question": "c", "late": {"k": "\u00fc"}, "inexact": 2**53 + 1},
        {"question": "d", "late": None, "inexact": 0.5},
    ]
    path = jsonl_file(tmp_path / "q.jsonl", rows)
    table = extras(path)
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "i": "int64", "f": "double", "s": "string", "b": "bool", "big": "int64", "huge": "string", "mix": "string",
        "n": "string", "z": "string", "late": "string", "inexact": "string",
    }  # fmt: skip
    assert table.column("i").to_pylist() == [1, None, None, None]
    assert table.column("f").to_pylist() == [1.0, 0.5, None, None]
    assert table.column("mix").to_pylist() == ["1", '"1"', None, None]
    assert table.column("n").to_pylist() == ["[1]", None, None, None]
    assert table.column("late").to_pylist() == [None, None, '{"k": "\u00fc"}', None]
    assert table.column("huge").to_pylist() == [str(2**70), "1", None, None]
    assert table.column("inexact").to_pylist() == [None, None, str(2**53 + 1), "0.5"]


def test_a_type_is_inferred_over_the_whole_file_and_not_its_beginning(tmp_path):
    rows = [{"question": "q", "x": 1}] * 5000 + [{"question": "q", "x": "one", "y": 1}]
    table = extras(jsonl_file(tmp_path / "q.jsonl", rows))
    assert table.column("x").to_pylist()[-2:] == ["1", '"one"']
    assert table.column("y").to_pylist()[-2:] == [None, 1]


def test_a_file_edited_during_the_run_is_noticed(tmp_path):
    path = text_file(tmp_path / "q.csv", "question\nWho?\n")
    file = QuestionFile(path)
    file.inspect()
    text_file(path, "question\nNew one?\nWho?\n")
    with pytest.raises(InputError, match=r"changed since the run began.* or start anew with another name=\.\.\. or"):
        next(file.questions())


def test_a_file_overwritten_while_it_is_read_gives_no_row_of_the_new_content(tmp_path):
    path = text_file(tmp_path / "q.csv", "question\n" + "Who is it?\n" * 200_000)
    records = QuestionFile(path).questions()
    next(records)
    path.write_bytes(path.read_bytes().replace(b"Who", b"Why"))
    given: list[str] = []
    with pytest.raises(InputError, match="changed since the run began"):
        given.extend(record.text for record in records)
    assert set(given) <= {"Who is it?"}


def test_a_file_that_was_saved_again_as_it_was_is_still_the_same(tmp_path):
    path = text_file(tmp_path / "q.csv", "question\nWho?\n")
    file = QuestionFile(path)
    file.inspect()
    os.utime(path, (0, 0))
    assert len(list(file.questions())) == 1


@pytest.mark.skipif(not TRUTHFUL_QA.exists(), reason="TruthfulQA.csv is not part of the repository")
def test_truthful_qa_is_read_whole():
    file = QuestionFile(TRUTHFUL_QA)
    records = list(file.questions())
    assert len(records) == file.inspect().rows == 817
    assert all(isinstance(record, Question) for record in records)
    assert records[0].text == "What happens to you if you eat watermelon seeds?"
    assert file.inspect().columns.names == [
        "Type", "Category", "Best Answer", "Correct Answers", "Incorrect Answers", "Source"
    ]  # fmt: skip


def test_turns_are_counted_from_a_conversations_first_row_wherever_reading_starts(tmp_path):
    rows = [f"{'abc'[number // 3000]},{number}?" for number in range(9000)]
    file = QuestionFile(text_file(tmp_path / "q.csv", "\n".join(["c,question", *rows, ""])), conversation_column="c")
    assert [row.turn for row in file.questions(4500)] == [*range(1501, 3001), *range(1, 3001)]
