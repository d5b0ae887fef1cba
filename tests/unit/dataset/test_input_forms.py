"""Question files in the forms that people have them in."""

import bz2
import gzip
import json
import tracemalloc

import pyarrow as pa
import pytest

from tests.question_files import extras, read, refusal, text_file, texts
from voicegen.dataset.questions import QuestionFile


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


COMPRESSED = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstd}


@pytest.mark.parametrize("ending", COMPRESSED)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.csv", "question\nWho?\nWhy?\n"),
        ("q.jsonl", '{"question": "Who?"}\n{"question": "Why?"}\n'),
        ("q.json", '[{"question": "Who?"}, {"question": "Why?"}]'),
    ],
)
def test_text_is_read_compressed(tmp_path, ending, name, text):
    compress = COMPRESSED[ending]
    path = text_file(tmp_path / f"{name}{ending}", compress(text.encode()))
    assert texts(path) == ["Who?", "Why?"]
    in_two = text_file(tmp_path / f"2{name}{ending}", compress(text[:8].encode()) + compress(text[8:].encode()))
    assert texts(in_two) == ["Who?", "Why?"]  # as `cat` joins two


@pytest.mark.parametrize("ending", COMPRESSED)
def test_a_compressed_file_that_is_cut_short_is_refused(tmp_path, ending):
    data = COMPRESSED[ending](b"question\n" + bytes(str([n * n for n in range(3000)]), "ascii").replace(b",", b"\n"))
    assert "cut short or damaged" in refusal(text_file(tmp_path / f"q.csv{ending}", data[:-20]))
    assert "cut short or damaged" in refusal(text_file(tmp_path / f"q.jsonl{ending}", b'{"question": "a"}'))


@pytest.mark.parametrize(("ending", "kind"), [(".gz", "gzip"), (".bz2", "bzip2"), (".zst", "zstd")])
def test_a_compressed_file_that_is_not_called_so_is_recognised(tmp_path, ending, kind):
    message = refusal(text_file(tmp_path / "q.csv", COMPRESSED[ending](b"question\n" + bytes(range(256)))))
    assert f"compressed with {kind}: give it a name that ends in {ending}" in message


@pytest.mark.parametrize(
    "text",
    [
        "id;question\n1;Hello, who?\n2;One; two?\n".replace("One; two?", '"One; two?"'),
        '"id";"question"\n"1";"Hello, who?"\n"2";"One; two?"\n',
        'id;question;answer, long\n1;Hello, who?;Me\n2;"One; two?";You\n',
        'sep=;\nid;question\n1;Hello, who?\n2;"One; two?"\n',
        'SEP=;\r\nid;question\r\n1;Hello, who?\r\n2;"One; two?"\r\n',
        "\ufeffsep=|\nid|question\n1|Hello, who?\n2|One; two?\n",
        'sep=,\nid,question;why\n1,"Hello, who?"\n2,One; two?\n'.replace(";why", ""),
    ],
)
def test_cells_may_be_separated_by_semicolons_or_by_what_the_first_line_says(tmp_path, text):
    assert texts(text_file(tmp_path / "q.csv", text)) == ["Hello, who?", "One; two?"]


def test_a_line_that_declares_the_separator_is_counted_as_a_line(tmp_path):
    path = text_file(tmp_path / "q.csv", "sep=;\nid;question\n1;Who?\n2;Why?;more\n")
    assert "row 2 (line 4) has 3 cells and the header has 2" in refusal(path)


def items(count):
    for number in range(count):
        yield {"id": number, "question": f'Is "{number}" [a, {{number}}] \u00fc?', "more": {"list": [number, None]}}


@pytest.fixture(scope="module")
def a_line_each(tmp_path_factory):
    """The rows of objects that have a line each, and their other columns."""
    path = tmp_path_factory.mktemp("lines") / "lines.jsonl"
    lines = text_file(path, "".join(json.dumps(item) + "\n" for item in items(5000)))
    return read(lines), extras(lines)


@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize("name", ["q.json", "q.jsonl"])
def test_a_json_array_gives_the_rows_of_the_same_objects_a_line(tmp_path, name, indent, a_line_each):
    array = text_file(tmp_path / name, json.dumps(list(items(5000)), indent=indent))
    assert (read(array), extras(array)) == a_line_each
    assert next(QuestionFile(array).questions(4321)).text == list(items(4322))[-1]["question"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"question": "a"},\n {"question": b}]', "row 2 (line 2) is not JSON"),
        ('[{"question": "a"},\n {"quest', "row 2 (line 2) is not JSON (Unterminated string starting at): the file is"),
        ('[{"question": "a"},\n {"question": "b"}', "row 2 (line 2) is followed by no comma"),
        ('[{"question": "a"}\n {"question": "b"}]', "row 1 (line 2) is followed by no comma"),
        ('[\n["a"]]', 'row 1 (line 2) holds a list, not an object such as {"question": "..."}'),
        ('[{"question": "a"}]\n[{"question": "b"}]', "row 1 (line 2) is the last of the array, and more follows"),
        ('[{"question": ' + "[" * 100_000 + "]" * 100_000 + "}]", "row 1 (line 1) is nested too deeply"),
        ("[]", "there are no questions in it"),
        ('[\n{"question": "caf\u00e9"}]'.encode("latin-1"), "line 2, byte 19: 0xE9 is not UTF-8"),
        ('[{"question": 1}]', "holds a number (1) and in no row text"),
    ],
)  # fmt: skip
def test_a_json_array_that_is_none_is_refused_with_its_row_and_line(tmp_path, text, message):
    assert message in refusal(text_file(tmp_path / "q.json", text))


def test_a_json_array_that_is_wrong_at_its_beginning_is_not_read_to_its_end(tmp_path):
    path = text_file(tmp_path / "q.json", '[{"question": a},' + '{"question": "b"},' * 400_000)
    tracemalloc.start()
    assert "row 1 (line 1)" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
