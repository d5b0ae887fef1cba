import gzip

import pyarrow as pa
import pytest

from tests.question_files import jsonl_file, parquet_file, refusal, text_file
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.readers import block
from voicegen.errors import InputError


def says(message: str, *parts: str) -> None:
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in: {message}"


def test_a_missing_file_names_the_folder_that_was_searched(tmp_path):
    says(refusal(tmp_path / "none.csv"), "none.csv", "no such file", str(tmp_path))


@pytest.mark.parametrize("name", ["q.csv", "questions"])
def test_an_empty_folder_is_no_input(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    says(refusal(folder), "no file of questions in the folder", str(folder))


def test_a_file_compressed_with_zstd_is_recognised(tmp_path):
    path = tmp_path / "q.csv"
    path.write_bytes(bytes.fromhex("28b52ffd0458410000") + b"question\n\0\xff")
    says(refusal(path), "zstd")


def test_a_parquet_that_says_it_has_too_many_rows_is_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(block, "MAX_ROWS", 1_000)
    path = parquet_file(tmp_path / "q.parquet", {"question": ["Why?"] * 1_001})
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(60) + data[64:])  # pages that cannot be read
    says(refusal(path), "q.parquet", "1,001 rows", "1,000", "split it")


def test_files_that_have_too_many_rows_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(block, "MAX_ROWS", 3)
    for name in ("a.csv", "b.csv"):
        text_file(tmp_path / name, "question\nWhy?\nHow?\n")
    assert QuestionFile(tmp_path / "a.csv").inspect().rows == 2
    says(refusal(tmp_path), str(tmp_path), "4 rows", "3")


@pytest.mark.parametrize("name", ["q.csv", "q.tsv", "q.jsonl", "q.parquet"])
def test_an_empty_file_is_refused(tmp_path, name):
    says(refusal(text_file(tmp_path / name, "")), "is empty")


@pytest.mark.parametrize(
    ("name", "text"), [("q.csv", "question\n"), ("q.tsv", "question\n\n\n"), ("q.jsonl", "\n \n"), ("b.csv", "\ufeff")]
)
def test_a_file_without_rows_is_refused(tmp_path, name, text):
    message = refusal(text_file(tmp_path / name, text))
    assert "no questions" in message or "is empty" in message


def test_parquet_without_rows_is_refused(tmp_path):
    says(refusal(parquet_file(tmp_path / "q.parquet", {"question": pa.array([], pa.string())})), "no questions")


def test_an_unknown_extension_says_how_to_give_the_format(tmp_path):
    says(refusal(text_file(tmp_path / "q.doc", "x")), ".doc", "questions.format", "csv, tsv, parquet, jsonl, json")


@pytest.mark.parametrize("name", ["q.xlsx", "q.XLS", "q.ods"])
def test_a_workbook_is_refused_with_what_to_do(tmp_path, name):
    says(
        refusal(text_file(tmp_path / name, b"PK\x03\x04")),
        "workbook",
        "CSV UTF-8",
        f"read_excel('{name}').to_csv('q.csv'",
    )


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", "x"), format="xml"), "questions.format=xml", "csv, tsv, parquet, jsonl")


@pytest.mark.parametrize("key", ["text", "id", "answer", "conversation"])
def test_a_missing_column_lists_those_there_are_and_the_nearest(tmp_path, key):
    path = text_file(tmp_path / "q.csv", "question,category,prompts\nWho?,x,y\n")
    says(
        refusal(path, **{f"{key}_column": "prompt"}),
        "no column 'prompt'", "'question', 'category', 'prompts'", f"questions.{key}_column='prompts'",
    )  # fmt: skip


def test_a_missing_column_of_parquet_and_json_lines_lists_those_there_are(tmp_path):
    says(refusal(parquet_file(tmp_path / "q.parquet", {"text": ["a"]})), "'text'", "questions.text_column")
    says(refusal(jsonl_file(tmp_path / "q.jsonl", [{"text": "a"}, {"b": 1}])), "'text', 'b'")


def test_cells_separated_by_something_else_are_recognised(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", "id|question\n1|Who?\n")), "'id|question'", "commas")


@pytest.mark.parametrize(
    ("name", "text", "header", "remedy"),
    [
        ("q.csv", "id|question\n1|Hello, who?\n", "'id|question'", "separate cells by commas"),
        ("q.csv", '"id"|"question"\n"1"|"Who?"\n', '\'"id"|"question"\'', "separate cells by commas"),
        ("q.tsv", "id,question\n1,Who?\n", "'id,question'", "questions.format=csv"),
        ("q.csv", "id\tquestion\n1\tHello, who?\n", "'id\\tquestion'", "questions.format=tsv"),
        ("q.tsv", "id,question\n1,Hello\twho?\n", "'id,question'", "questions.format=csv"),
    ],
)
def test_cells_separated_by_something_else_are_recognised_whatever_they_hold(tmp_path, name, text, header, remedy):
    says(refusal(text_file(tmp_path / name, text)), header, remedy)


@pytest.mark.parametrize(
    "text", ["question,a;b\nWho?\n", '"question; all",x\nWho?\n', "question\nWell, who?\n", '"a; b"\nWell, who?\n']
)
def test_a_mark_inside_a_name_is_not_taken_for_what_separates_cells(tmp_path, text):
    message = refusal(text_file(tmp_path / "q.csv", text))
    says(message, "row 1 (line 2)", "double quotes")
    assert "separate cells" not in message


def test_a_column_whose_name_holds_an_invisible_character_is_shown_escaped_and_to_be_renamed(tmp_path):
    message = refusal(text_file(tmp_path / "q.csv", "id,ques\u200btion\n1,Who?\n"))
    says(message, "rename 'ques\\u200btion'")
    assert message.isprintable()


def test_columns_that_differ_only_in_case_must_be_told_apart(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", "Question,QUESTION\na,b\n")), "'Question', 'QUESTION'")


def test_two_columns_of_one_name_are_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", "question,x,x\na,b,c\n")), "'x' more than once")
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["question", "question"])
    says(refusal(parquet_file(tmp_path / "q.parquet", table)), "two columns", "'question'")


def test_list_views_are_refused(tmp_path):
    for type, cell in ((pa.list_view(pa.string()), ["x"]), (pa.list_(pa.large_list_view(pa.int8())), [[1]])):
        table = pa.table({"question": ["Who?"], "tags": pa.array([cell], type)})
        message = refusal(parquet_file(tmp_path / "q.parquet", table))
        says(message, "the column 'tags' holds list views: write it as lists")


def test_duplicate_ids_are_refused_with_their_rows(tmp_path):
    rows = [{"id": f"q{number % 4000}", "question": "Who?"} for number in range(4002)]
    message = refusal(jsonl_file(tmp_path / "q.jsonl", rows))
    says(message, "'q0' in rows 1 and 4001", "'q1' in rows 2 and 4002", "questions.id_column")


def test_a_given_id_may_not_be_the_number_of_a_row_without_one(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", "id,question\n1,Who?\n,Why?\n")), "'1' in rows 1 and 2")


@pytest.mark.parametrize("turn", ["one", "1.5", "-1", "", "nan", "1e99"])
def test_a_turn_that_is_no_number_is_refused_with_its_row(tmp_path, turn):
    path = text_file(tmp_path / "q.csv", f"c,t,question\na,0,Who?\na,{turn},Why?\n")
    says(refusal(path, conversation_column="c", turn_column="t"), "row 2", "'t'", repr(turn))


@pytest.mark.parametrize("turn", [True, [1], None, 1.5])
def test_a_turn_of_another_kind_is_refused_with_its_row(tmp_path, turn):
    path = jsonl_file(tmp_path / "q.jsonl", [{"c": "a", "t": turn, "question": "Who?"}])
    says(refusal(path, conversation_column="c", turn_column="t"), "row 1", "'t'")


@pytest.mark.parametrize(("first", "second"), [(2, 1), (1, 1)])
def test_turns_that_do_not_ascend_are_refused_with_their_rows(tmp_path, first, second):
    path = text_file(tmp_path / "q.csv", f"c,t,question\nb,9,x\na,{first},Who?\n,,y\na,{second},Why?\n")
    says(refusal(path, conversation_column="c", turn_column="t"), "rows 2 and 4", f"turn {second}", f"turn {first}")


def test_a_conversation_whose_rows_lie_apart_is_refused_with_its_rows(tmp_path):
    path = text_file(tmp_path / "q.csv", "c,question\na,1\na,2\nb,3\n,4\na,5\nb,6\n")
    says(refusal(path, conversation_column="c"), "rows 2 and 5", "sort the rows by column 'c'")


def test_turns_without_conversations_are_refused(tmp_path):
    path = text_file(tmp_path / "q.csv", "t,question\n1,Who?\n")
    says(refusal(path, turn_column="t"), "questions.conversation_column")


def test_another_encoding_is_refused_with_row_line_and_byte(tmp_path):
    head = b'id,question\n1,"two\nlines"\n2,'
    path = text_file(tmp_path / "q.csv", head + b"caf\xe9?\n3,Why?\n")
    says(refusal(path), "row 2", "line 4", f"byte {len(head) + 3}", "0xE9", "not UTF-8", "WINDOWS-1252")


def test_another_encoding_is_found_deep_in_a_large_file(tmp_path):
    line = '{"question": "Was ist das f\u00fcr ein Ger\u00e4t?"}\n'.encode()
    path = text_file(tmp_path / "q.jsonl", line * 60_000 + line.replace("\u00fc".encode(), b"\xfc") + line)
    byte = len(line) * 60_000 + line.index("\u00fc".encode())
    says(refusal(path), "row 60001", "line 60001", f"byte {byte}", "0xFC")


def test_another_encoding_in_the_header_is_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", b"question,\xe9\nWho?,1\n")), "the header", "byte 9", "0xE9")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["q.csv", "q.jsonl"])
def test_utf_16_is_refused_by_name(tmp_path, name, encoding):
    says(refusal(text_file(tmp_path / name, '{"question":\r\n "Who?"}'.encode(encoding))), "UTF-16", "UTF-8")


@pytest.mark.parametrize(
    ("head", "what"), [(b"PK\x03\x04\xff", "Excel"), (b"PAR1\xff", "parquet"), (b"\x1f\x8b\xff", "gz")]
)
def test_a_file_of_another_kind_is_recognised(tmp_path, head, what):
    says(refusal(text_file(tmp_path / "q.csv", head + b"\xff\n")), what)


def test_a_csv_cut_in_a_quoted_cell_is_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", 'question,x\nWho?,1\n"Why')), "row 2", "cut short")


def test_a_csv_cut_between_cells_is_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", "x,question\n1,Who?\n2")), "row 2 (line 3)", "1 cell ", "cut short")


def test_a_csv_cut_inside_a_character_is_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", "question\nWho?\nüber".encode()[:-4] + b"\xc3")), "row 2", "cut short")


def test_a_row_with_too_many_cells_is_refused(tmp_path):
    text = "question,x\n" + "Who?,1\n" * 3000 + "\nOne, two?,1\n"
    says(refusal(text_file(tmp_path / "q.csv", text)), "row 3001 (line 3003)", "3 cells", "quotes")


def test_a_quote_inside_a_quoted_cell_is_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.csv", 'question\nWho?\n"a" b\n')), "row 2", '""')


def test_a_quote_that_never_closes_in_a_large_file_is_refused(tmp_path):
    text = 'question\nWho?\n"open\n' + "Why is it so?\n" * 2_000_000
    says(refusal(text_file(tmp_path / "q.csv", text)), "row 2", "left open")


def test_a_line_that_is_not_json_is_refused_with_its_number(tmp_path):
    path = text_file(tmp_path / "q.jsonl", '{"question": "a"}\n\n{"question": b}\n{"question": "c"}\n')
    says(refusal(path), "row 2 (line 3)", "not JSON", "one object a line")


def test_two_objects_on_a_line_are_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.jsonl", '{"question": "a"}{"question": "b"}\n')), "row 1 (line 1)")


def test_json_lines_cut_in_the_last_line_are_refused(tmp_path):
    says(refusal(text_file(tmp_path / "q.jsonl", '{"question": "a"}\n{"quest')), "row 2 (line 2)", "cut short")


def test_indented_json_is_recognised(tmp_path):
    says(refusal(text_file(tmp_path / "q.jsonl", '{\n "question": "a"\n}\n')), "indented", "jq -c")


@pytest.mark.parametrize(
    ("line", "what"), [('["a"]', "a list"), ('"a"', "text"), ("1", "an integer"), ("null", "null")]
)
def test_a_line_that_is_no_object_is_refused(tmp_path, line, what):
    says(refusal(text_file(tmp_path / "q.jsonl", f'{{"question": "a"}}\n{line}\n')), "row 2 (line 2)", what)


def test_json_nested_without_end_is_refused(tmp_path):
    line = '{"question": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
    says(refusal(text_file(tmp_path / "q.jsonl", line)), "row 1 (line 1)", "nested")


def test_a_gzip_file_cut_short_is_refused(tmp_path):
    data = gzip.compress(b"question\n" + bytes(str(list(range(3000))), "ascii").replace(b",", b"\n"))
    says(refusal(text_file(tmp_path / "q.csv.gz", data[:-20])), "cut short")
    says(refusal(text_file(tmp_path / "q.jsonl.gz", b'{"question": "a"}')), "gzip")


def test_a_parquet_file_cut_short_is_refused(tmp_path):
    whole = parquet_file(tmp_path / "q.parquet", {"question": [f"Number {number}?" for number in range(1000)]})
    says(refusal(text_file(tmp_path / "cut.parquet", whole.read_bytes()[:-100])), "cut short")
    says(refusal(text_file(tmp_path / "text.parquet", "question\nWho?\n")), "not a whole Parquet file")


def test_a_parquet_file_with_a_damaged_page_is_refused_before_the_run(tmp_path):
    path = parquet_file(
        tmp_path / "q.parquet",
        {"question": [f"Number {number}?" for number in range(20_000)], "x": list(range(20_000))},
        write_page_checksum=True, row_group_size=10_000, use_dictionary=False,
    )  # fmt: skip
    data = bytearray(path.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 64] = bytes(64)
    says(refusal(text_file(path, bytes(data))), "damaged", "from row 8193 on")


@pytest.mark.parametrize("values", [[1, 2], [b"a", b"b"], [["a"], ["b"]]])
def test_a_parquet_column_that_is_not_text_is_refused(tmp_path, values):
    says(refusal(parquet_file(tmp_path / "q.parquet", {"question": values})), "'question' holds", "not text")


def test_a_refusal_is_the_same_from_every_way_of_reading(tmp_path):
    file = QuestionFile(text_file(tmp_path / "q.csv", "text\nWho?\n"))
    for read in (file.inspect, lambda: next(file.questions()), lambda: next(file.batches())):
        with pytest.raises(InputError, match="no column 'question'"):
            read()


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([["Who?"], None, ["Why?"]], "a list"),
        ([{"text": "Who?"}], "an object"),
        ([None, 42, 1.5], "a number"),
    ],
)
def test_json_lines_without_one_text_in_the_column_of_questions_or_answers_are_refused(tmp_path, values, held):
    path = jsonl_file(tmp_path / "q.jsonl", [{"question": value} for value in values])
    says(refusal(path), "column 'question'", held, "write it as strings")
    if held == "a number":  # an answer may be one
        return
    path = jsonl_file(tmp_path / "a.jsonl", [{"question": "Who?", "answer": value} for value in values])
    says(refusal(path, answer_column="answer"), "column 'answer'", held, "write it as strings")
