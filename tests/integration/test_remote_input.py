"""Questions that lie at a URL, in memory and on a real S3 API."""

import gzip
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.product import manifest_rows, questions_csv, warm_voicegen
from tests.s3_server import SECRET, s3_server
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError, MissingDependency
from voicegen.remote import RemotePath, any_path

CSV = b"id,question\na,What is rain?\nb,What is snow?\n"


@pytest.fixture(scope="module")
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture
def memory():
    """What lies in memory, by URL, as files are put there."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    yield lambda name, data: store.pipe_file(f"/questions/{name}", data)
    store.store.clear()


def look(*paths: str, **settings) -> QuestionFile:
    given = [any_path(path) for path in paths]
    return QuestionFile(given[0] if len(given) == 1 else given, **settings)


def texts(questions: QuestionFile) -> list[str]:
    return [row.text for row in questions.questions()]


def parquet(questions: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"question": questions}), sink, row_group_size=2)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("q.csv", CSV),
        ("q.csv.gz", gzip.compress(CSV, mtime=0)),
        ("q.tsv", CSV.replace(b",", b"\t")),
        ("q.jsonl", b'{"question": "What is rain?"}\n{"question": "What is snow?"}\n'),
        ("q.json", b'[{"question": "What is rain?"}, {"question": "What is snow?"}]'),
        ("q.parquet", parquet(["What is rain?", "What is snow?"])),
    ],
)
def test_a_file_at_a_url_is_read_as_the_same_file_here_is(name, data, memory, tmp_path):
    memory(name, data)
    (tmp_path / name).write_bytes(data)
    there, here = look(f"memory://questions/{name}"), look(str(tmp_path / name))
    assert texts(there) == texts(here) == ["What is rain?", "What is snow?"]
    assert there.inspect().sha256 == here.inspect().sha256
    assert next(there.batches()).equals(next(here.batches()))


def test_folders_and_patterns_at_a_url_find_what_they_find_here(memory, tmp_path):
    files = {
        "lang=en/part-10.csv": "question\nten\n",
        "lang=de/part-2.csv": "question\ntwo\n",
        "_SUCCESS": "",
        "empty.csv": "",
        "notes.txt": "x",
        ".hidden/h.csv": "question\nhidden\n",
        "lang=en/part-1.csv": "question\none\n",
    }
    for name, text in files.items():
        memory(name, text.encode())
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for pattern in ("", "/*", "/**/*.csv", "/lang=en/*.csv"):
        there, here = look(f"memory://questions{pattern}"), look(f"{tmp_path}{pattern}")
        assert texts(there) == texts(here), pattern
        assert there.inspect().sha256 == here.inspect().sha256, pattern
        assert there.inspect().columns.names == here.inspect().columns.names, pattern
    assert [str(path) for path in look("memory://questions").inspect().passed_over] == ["memory://questions/notes.txt"]
    with pytest.raises(InputError, match=r"memory://questions/notes\.txt: this file is given twice"):
        look(*["memory://questions/notes.txt"] * 2, format="csv").inspect()


def test_a_file_that_changes_at_its_url_during_a_run_is_noticed(memory):
    memory("q.csv", CSV)
    questions = look("memory://questions/q.csv")
    assert questions.inspect().rows == 2
    memory("q.csv", CSV)  # written anew, and the same
    assert len(texts(questions)) == 2
    memory("q.csv", CSV.replace(b"rain", b"hail"))
    with pytest.raises(InputError, match=r"memory://questions/q\.csv: the file has changed since the run began"):
        texts(questions)


def test_what_is_not_there_is_one_clear_line(memory, s3):
    for url in ("memory://questions/none.csv", "s3://bucket/none.csv", "s3://no-such-bucket/none.csv"):
        with pytest.raises(
            InputError, match=rf"^{url}: there is no such file \(looked in {url.rpartition('/')[0]}\)\.$"
        ):
            look(url).inspect()
    with pytest.raises(InputError, match=r"there is no file of questions that fits s3://bucket/none/\*\.csv"):
        look("s3://bucket/none/*.csv").inspect()


def test_a_protocol_whose_package_is_missing_or_that_is_none_is_one_clear_line():
    with pytest.raises(MissingDependency, match=r"gs:// needs the package gcsfs: install it with uv sync --extra gcs$"):
        look("gs://bucket/q.csv").inspect()
    with pytest.raises(MissingDependency, match=r"abfs:// needs another package: Install adlfs"):
        look("abfs://bucket/q.csv").inspect()
    with pytest.raises(InputError, match=r"^nope://bucket/q\.csv: Protocol not known: nope$"):
        look("nope://bucket/q.csv").inspect()


def test_a_url_shows_no_password_and_no_key_of_a_signed_address():
    with pytest.raises(ValueError, match="leave NAME:PASSWORD@ out") as refused:
        RemotePath("s3://key:hidden@bucket/q.csv")
    assert "hidden" not in str(refused.value)
    signed = RemotePath("https://example.org/q.csv.gz?X-Amz-Signature=hidden")
    assert (str(signed), signed.name, signed.suffix) == ("https://example.org/q.csv.gz", "q.csv.gz", ".gz")
    assert any_path(Path("s3://bucket/q.csv")) == RemotePath("s3://bucket/q.csv")
    assert any_path("file:///data/q.csv") == Path("/data/q.csv")


def test_a_run_reads_its_questions_from_s3_and_writes_down_no_credentials(s3, tmp_path):
    here = questions_csv(tmp_path / "here.csv", 6)
    fsspec.filesystem("s3").put_file(str(here), "bucket/in/q.csv")
    made = ("preset=fake", "tts.duration=0.2")
    there = warm_voicegen("run", *made, "questions.path=s3://bucket/in/*.csv", "name=there", cwd=tmp_path)
    assert (there.returncode, "Traceback" in there.stderr) == (0, False), there.stderr
    assert warm_voicegen("run", *made, f"questions.path={here}", "name=here", cwd=tmp_path).returncode == 0
    folders = [tmp_path / "outputs" / name for name in ("there", "here")]
    assert manifest_rows(folders[0]) == manifest_rows(folders[1])
    assert "6 rows of s3://bucket/in/*.csv" in there.stderr
    written = b"".join(path.read_bytes() for path in folders[0].rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    secret = warm_voicegen("run", *made, "questions.path=s3://me:hidden@bucket/in/q.csv", cwd=tmp_path)
    assert (secret.returncode, "hidden" in secret.stderr) == (2, False)
    assert secret.stderr.startswith("voicegen: questions.path: the URL holds a password"), secret.stderr


def test_a_store_that_throttles_is_asked_again_and_one_that_fails_is_one_clear_line(s3, tmp_path):
    fsspec.filesystem("s3").pipe_file("bucket/in/slow.csv", CSV)
    answers = iter([(503, "SlowDown")])
    s3.refuse = lambda method, _path: next(answers, None) if method == "GET" else None
    assert len(texts(look("s3://bucket/in/slow.csv"))) == 2
    s3.refuse = lambda method, _path: (403, "AccessDenied") if method in ("GET", "HEAD") else None
    try:
        with pytest.raises(InputError, match=r"^s3://bucket/in/slow\.csv: cannot be read: access denied: check"):
            look("s3://bucket/in/slow.csv").inspect()
    finally:
        s3.refuse = lambda _method, _path: None
