"""Questions and runs that lie at a URL, in memory and on a real S3 API."""

import gzip
import hashlib
import signal
from itertools import count
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from tests.product import TIMINGS, manifest_rows, questions_csv, voicegen, warm_voicegen, wav_hashes
from tests.s3_server import SECRET, killing_at, s3_server
from voicegen import collate, load_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError, MissingDependency
from voicegen.remote import RemotePath, any_path
from voicegen.store import Store

CSV = b"id,question\na,What is rain?\nb,What is snow?\n"


@pytest.fixture(scope="module")
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture
def memory(memory):
    """What lies in memory, by URL, as files are put there."""
    return lambda name, data: memory.pipe_file(f"/questions/{name}", data)


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
    fsspec.filesystem("s3", use_listings_cache=False).put_file(str(here), "bucket/in/q.csv")
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
    fsspec.filesystem("s3", use_listings_cache=False).pipe_file("bucket/in/slow.csv", CSV)
    answers = iter([(503, "SlowDown")])
    s3.refuse = lambda method, _path: next(answers, None) if method == "GET" else None
    assert len(texts(look("s3://bucket/in/slow.csv"))) == 2
    s3.refuse = lambda method, _path: (403, "AccessDenied") if method in ("GET", "HEAD") else None
    try:
        with pytest.raises(InputError, match=r"^s3://bucket/in/slow\.csv: cannot be read: access denied: check"):
            look("s3://bucket/in/slow.csv").inspect()
    finally:
        s3.refuse = lambda _method, _path: None


MADE = ("preset=fake", "tts.duration=0.1")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A run of sixteen rows in a folder of this machine, and its questions."""
    folder = tmp_path_factory.mktemp("here")
    questions = questions_csv(folder / "q.csv", 16)
    done = warm_voicegen("run", *MADE, f"questions.path={questions}", "name=here", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "outputs" / "here", questions


def rows_at(url: str) -> list[dict]:
    with fsspec.open(f"{url}/manifest.parquet") as file:
        return pq.read_table(file).drop_columns(list(TIMINGS)).to_pylist()


def hashes_at(url: str) -> dict[str, str]:
    store, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    found = store.cat(store.find(f"{root}/audio"))
    return {name.removeprefix(f"{root}/"): hashlib.sha256(data).hexdigest() for name, data in found.items()}


def test_a_run_at_s3_that_is_killed_at_any_moment_and_run_again_is_the_run_of_a_folder(s3, here, tmp_path):
    folder, questions = here
    words = ("run", *MADE, f"questions.path={questions}", "output_dir=s3://bucket/killed", "executor.queue_size=2")
    for part, number in (("audio", 5), ("ledger", 1), ("audio", 2), ("manifest", 1)):
        s3.refuse = killing_at("killed", part, number)
        killed = voicegen(*words, cwd=tmp_path)
        assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), killed.stderr
    s3.refuse = lambda _method, _path: None
    s3.listed.clear()
    done = voicegen(*words, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "s3://bucket/killed, going on after" in done.stderr
    assert not [prefix for prefix in s3.listed if prefix.startswith("killed/audio")]
    assert rows_at("s3://bucket/killed") == manifest_rows(folder)
    assert hashes_at("s3://bucket/killed") == wav_hashes(folder)
    assert "manifest  s3://bucket/killed/manifest.parquet" in done.stdout
    again = voicegen(*words, cwd=tmp_path)
    assert "nothing was left to do" in again.stdout
    store = fsspec.filesystem("s3", use_listings_cache=False)
    written = store.cat(store.find("bucket/killed"))
    assert not [name for name, data in written.items() if SECRET.encode() in data]
    assert list(tmp_path.iterdir()) == []


def test_two_workers_at_s3_whose_command_is_killed_and_run_again_make_the_run_of_a_folder(s3, here, tmp_path):
    folder, questions = here
    url = "s3://bucket/workers"
    words = ("run", *MADE, f"questions.path={questions}", f"output_dir={url}", "executor.workers=2")
    s3.refuse = killing_at("workers", "audio", 3)
    killed = voicegen(*words, cwd=tmp_path)
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), killed.stderr
    s3.refuse = lambda _method, _path: None
    done = voicegen(*words, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert rows_at(url) == manifest_rows(folder)
    assert hashes_at(url) == wav_hashes(folder)
    other = warm_voicegen(*words, "seed=7", cwd=tmp_path)  # no advice that a store of objects cannot follow
    assert (other.returncode, other.stderr.count("\n")) == (2, 1), other.stderr
    assert "seed: 0 then, 7 now" in other.stderr
    assert "start anew with another name=... or output_dir=..." in other.stderr
    assert "overwrite" not in other.stderr


def test_a_run_at_s3_is_loaded_verified_and_reported_where_it_lies(s3, here, tmp_path):
    folder, questions = here
    url = "s3://bucket/shown"
    done = warm_voicegen("run", *MADE, f"questions.path={questions}", f"output_dir={url}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    there, here_ = load_manifest(url), load_manifest(folder)
    assert len(there) == 16
    assert there[7].text == here_[7].text
    assert (there[7].waveform == here_[7].waveform).all()
    assert len(load_manifest(f"{url}/manifest.parquet")) == 16
    loader = DataLoader(there, batch_size=8, num_workers=1, collate_fn=collate)
    assert [len(batch.texts) for batch in loader] == [8, 8]
    assert "report    s3://bucket/shown/report.html" in done.stdout
    report = warm_voicegen("report", url, cwd=tmp_path)
    assert (report.returncode, report.stdout.strip()) == (0, f"{url}/report.html"), report.stderr
    store = fsspec.filesystem("s3", use_listings_cache=False)
    store.pipe_file("bucket/shown/audio/000003.wav", b"RIFF")
    store.rm_file("bucket/shown/audio/000004.wav")
    verified = warm_voicegen("verify", url, cwd=tmp_path)
    assert (verified.returncode, "000003.wav" in verified.stdout, "000004.wav" in verified.stdout) == (3, True, True)
    with pytest.raises(InputError, match=r"s3://bucket/shown/audio/000004\.wav: the audio of row 'q4' is missing"):
        there[4]
    for words in (
        ("export", url, "out", "--to", "hf"),
        ("merge", url, url, "--to", "out"),
        ("diff", url, url),
        ("verify", "--fix", url),
        ("chat", "--single", "Hi.", f"output_dir={url}"),
    ):
        refused = warm_voicegen(*words, cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert "s3://bucket/shown is a URL" in refused.stderr, refused.stderr


def test_a_put_that_is_throttled_is_made_again_and_one_that_fails_ends_the_run_in_one_line(s3, here, tmp_path):
    folder, questions = here
    words = ("run", *MADE, f"questions.path={questions}", "output_dir=s3://bucket/slow")
    number = count()
    s3.refuse = lambda method, _path: (503, "SlowDown") if method == "PUT" and next(number) % 10 == 3 else None
    throttled = warm_voicegen(*words, "questions.limit=8", cwd=tmp_path)
    assert throttled.returncode == 0, throttled.stderr
    s3.refuse = lambda method, path: (403, "AccessDenied") if method == "PUT" and "/audio/" in path else None
    refused = warm_voicegen(*words, cwd=tmp_path)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False), refused.stderr
    assert "voicegen: cannot write s3://bucket/slow: access denied" in refused.stderr
    s3.refuse = lambda _method, _path: None
    assert warm_voicegen(*words, cwd=tmp_path).returncode == 0
    assert rows_at("s3://bucket/slow") == manifest_rows(folder)
    assert hashes_at("s3://bucket/slow") == wav_hashes(folder)


def test_what_changed_within_the_second_that_s3_tells_counts_as_changed_after_the_manifest(s3):
    store = Store(RemotePath("s3://bucket/seconds"))
    store.put([("ledger/0.jsonl", b"{}"), ("manifest.parquet", b"")])
    (file,) = store.files("ledger")
    assert 0 < file.changed - store.changed("ledger/0.jsonl") < 10**9


def test_no_run_is_written_where_none_can_be(tmp_path):
    for url, remedy in (
        ("hf://datasets/a/b", "give a folder, s3:// or gs://; a run in a folder is put there by voicegen push"),
        ("https://example.org/run", "no run is written to https://: give a folder, s3:// or gs://"),
        ("s3://me:hidden@bucket/run", "the URL holds a password"),
    ):
        refused = warm_voicegen("run", *MADE, f"output_dir={url}", cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n"), "hidden" in refused.stderr) == (2, 1, False)
        assert refused.stderr.startswith("voicegen: output_dir: "), refused.stderr
        assert remedy in refused.stderr
    missing = warm_voicegen("run", *MADE, "output_dir=gs://bucket/run", cwd=tmp_path)
    assert (missing.returncode, "uv sync --extra gcs" in missing.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("executor", ["executor.workers=2", "executor=ray"])
@pytest.mark.parametrize("setting", ["output_dir=memory://bucket/run", "questions.path=memory://bucket/q.csv"])
def test_memory_of_one_process_is_refused_where_others_work(setting, executor, tmp_path):
    refused = warm_voicegen("run", *MADE, setting, executor, cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (
        2,
        f"voicegen: {setting}: what is in memory is one process's, and executor.workers=2 are processes of their own: "
        "give a folder, s3:// or gs://\n",
    )
