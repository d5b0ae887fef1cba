import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

import voicegen
from tests.product import questions_csv, wav_hashes
from voicegen.audio.audio_file import encode_audio, read_audio
from voicegen.cli import main
from voicegen.dataset.manifest_faults import _OF_THE_FIRST_VERSION
from voicegen.job.listening import take_faults
from voicegen.job.verifying import verify_run
from voicegen.pipeline.ledger import Ledger
from voicegen.quality.listener import QualityConfig, quality_settings
from voicegen.seeds import derived_seed
from voicegen.store import Store
from voicegen.store.folder import Aside
from voicegen.tts.tone import ToneSpeech

WORDS = ("preset=fake", "quality=off", "questions.path=q.csv", "name=r")


class Cut(ToneSpeech):
    """Hums; the take of row 3 is cut."""

    def __init__(self):
        super().__init__(8000, duration=0.05)

    def speak(self, utterances):
        for record in super().speak(utterances):
            reason = "length" if record.utterance.seed == derived_seed(0, 3) else "stop"
            yield dataclasses.replace(record, finish_reason=reason)


def make_run(*words):
    return voicegen.run(*WORDS, *words)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run and its questions."""
    folder = tmp_path_factory.mktemp("finished")
    questions_csv(folder / "q.csv", 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("voicegen.build.speech_model", lambda config: Cut())
        make_run()
    return folder


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """A finished run of ten rows, of which row 3 is rejected; a copy of the test's own."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("voicegen.build.speech_model", lambda config: Cut())
    return tmp_path / "outputs" / "r"


def verify(capsys, *words):
    """The exit code, and the lines that are printed."""
    capsys.readouterr()
    exit_code = main(["verify", *map(str, words)])
    told = capsys.readouterr()
    return exit_code, (told.out or told.err).splitlines()


def dataset(folder):
    """All that the run is for: the manifest's bytes, and those of the WAVs."""
    table = pq.read_table(folder / "manifest.parquet")
    rejected = {path.name: path.read_bytes() for path in (folder / "rejected").rglob("*.wav")}
    return table.drop_columns(["chat_seconds", "tts_seconds"]), wav_hashes(folder), rejected


def edited(folder, edit):
    """Rewrites the manifest."""
    path = folder / "manifest.parquet"
    table = edit(pq.read_table(path))
    pq.write_table(table, path)


def ledger_of(folder):
    (path,) = (folder / "ledger").iterdir()
    return path


def edit_ledger(folder, index, edit):
    rows = [json.loads(line) for line in ledger_of(folder).read_text("utf-8").splitlines()]
    edit(next(row for row in rows if row["index"] == index))
    ledger_of(folder).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def replaced(table, name, change):
    cells = table[name].to_pylist()
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), [change(cells)])


def flip_a_byte(folder):
    path = folder / "audio" / "000002.wav"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut_short(folder):
    (folder / "audio" / "000002.wav").write_bytes(b"RIFF")


def at_another_rate(folder):
    path = folder / "audio" / "000002.wav"
    samples, _ = read_audio(path)
    path.write_bytes(encode_audio(samples, 4000))
    told = {"sha256": wav_hashes(folder)["audio/000002.wav"], "num_bytes": path.stat().st_size}
    edit_ledger(folder, 2, lambda row: row["clip"].update(told))


def into_a_folder(folder):
    (folder / "audio" / "0000").mkdir()
    (folder / "audio" / "000002.wav").rename(folder / "audio" / "0000" / "000002.wav")


def named_by_hand(folder):
    into_a_folder(folder)
    edit_ledger(folder, 2, lambda row: row["clip"].update(path="audio/0000/000002.wav"))


def said_to_be_outside(folder):
    edit_ledger(folder, 2, lambda row: row["clip"].update(path="../q.csv"))


def forgotten_by_the_ledger(folder):
    lines = ledger_of(folder).read_text("utf-8").splitlines(keepends=True)
    ledger_of(folder).write_text("".join(line for line in lines if '"index":2,' not in line))


FAULTS = {
    "other bytes of the same size": (
        flip_a_byte,
        ["audio files that are not as they were written: 1: audio/000002.wav"],
    ),
    "another size": (
        cut_short,
        ["audio files that are not as they were written: 1: audio/000002.wav (row 2: 4 bytes, not "],
    ),
    "a folder in its place": (
        lambda folder: (
            cut_short(folder),
            (folder / "audio" / "000002.wav").unlink(),
            (folder / "audio" / "000002.wav").mkdir(),
        ),
        ["audio files that are not as they were written: 1: audio/000002.wav (row 2: "],
    ),
    "gone": (
        lambda folder: (folder / "audio" / "000002.wav").unlink(),
        ["rows whose audio is missing: 1: audio/000002.wav (row 2: there is no such file)"],
    ),
    "a rejected one gone": (
        lambda folder: (folder / "rejected" / "000003.wav").unlink(),
        ["rows whose audio is missing: 1: rejected/000003.wav (row 3: "],
    ),
    "a rejected one changed": (
        lambda folder: (folder / "rejected" / "000003.wav").write_bytes(b"RIFF"),
        ["audio files that are not as they were written: 1: rejected/000003.wav (row 3: "],
    ),
    "another rate": (
        at_another_rate,
        ["manifest rows that are", "audio files that are not what their row says: 1: audio/000002.wav"],
    ),
    "elsewhere": (
        into_a_folder,
        ["rows whose audio is missing: 1: ", "audio files without a row: 1: audio/0000/000002.wav (row 2: "],
    ),
    "named otherwise": (
        named_by_hand,
        ["manifest rows that are", "rows whose audio is not named", "audio files without a row: 1: "],
    ),
    "outside": (
        said_to_be_outside,
        [
            "manifest rows that are",
            "rows whose audio is not named by their number: 1: audio/000002.wav (row 2: the ledger has ../q",
        ],
    ),
    "none on record": (
        lambda folder: edit_ledger(folder, 2, lambda row: row.pop("clip")),
        [
            "manifest rows that are",
            "rows whose audio is missing: 1: audio/000002.wav (row 2: none is on record)",
        ],
    ),
    "no row": (
        forgotten_by_the_ledger,
        [
            "manifest rows that are",
            "audio files without a row: 1: audio/000002.wav (the ledger has no row",
        ],
    ),
    "one too many": (
        lambda folder: shutil.copy(folder / "audio" / "000002.wav", folder / "audio" / "000042.WAV"),
        ["audio files without a row: 1: audio/000042.WAV (the ledger has no row of this number)"],
    ),
    "a rejected one of a good row": (
        lambda folder: shutil.copy(folder / "audio" / "000002.wav", folder / "rejected" / "000002.wav"),
        ["audio files without a row: 1: rejected/000002.wav (row 2: the row has audio/000002.wav)"],
    ),
    "no manifest": (
        lambda folder: (folder / "manifest.parquet").unlink(),
        ["manifests that cannot be used: 1: manifest.parquet (it is missing)"],
    ),
    "a torn manifest": (
        lambda folder: (folder / "manifest.parquet").write_bytes((folder / "manifest.parquet").read_bytes()[:-9]),
        ["manifests that cannot be used: 1: manifest.parquet (it cannot be read as Parquet: "],
    ),
    "a manifest without a column": (
        lambda folder: edited(folder, lambda table: table.drop_columns(["answer_spoken"])),
        ["manifests that cannot be used: 1: manifest.parquet (it has no column 'answer_spoken')"],
    ),
    "a manifest of other types": (
        lambda folder: edited(folder, lambda table: table.set_column(1, "index", table["index"].cast(pa.int32()))),
        ["manifests that cannot be used: 1: manifest.parquet (its column 'index' holds int32, not int64)"],
    ),
    "a manifest of fewer rows": (
        lambda folder: edited(folder, lambda table: table.slice(0, 8)),
        ["manifests that cannot be used: 1: manifest.parquet (it has 8 of the ledger's 10 rows: "],
    ),
    "a row twice": (
        lambda folder: edited(folder, lambda table: pa.concat_tables([table.slice(0, 9), table.slice(0, 1)])),
        ["manifest rows that are not the ledger's: 1: manifest.parquet (row 0: it comes twice"],
    ),
    "a text edited": (
        lambda folder: edited(
            folder, lambda table: replaced(table, "answer_spoken", lambda cells: [*cells[:4], "other", *cells[5:]])
        ),
        ["manifest rows that are not the ledger's: 1: manifest.parquet (row 4: its column 'answer_spoken' holds"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_told_in_a_line_and_after_fixing_and_a_run_the_dataset_is_the_unbroken_one(name, run, capsys):
    plant, lines = FAULTS[name]
    whole = dataset(run)
    assert verify(capsys, run) == (0, [])
    plant(run)
    exit_code, told = verify(capsys, run)
    assert exit_code == 3
    assert len(told) >= len(lines)
    for line in lines:
        assert any(one.startswith(line) for one in told), told
    exit_code, fixing = verify(capsys, run, "--fix")
    assert (exit_code, fixing[: len(told)]) == (3, told)
    make_run()
    assert verify(capsys, run) == (0, [])
    assert dataset(run) == whole


def test_what_is_moved_aside_is_there_as_it_was_and_fixing_a_whole_run_does_nothing(run, capsys):
    before = sorted(path.name for path in run.iterdir())
    assert verify(capsys, run, "--fix") == (0, [])
    assert sorted(path.name for path in run.iterdir()) == before
    flip_a_byte(run)
    data = (run / "audio" / "000002.wav").read_bytes()
    _, told = verify(capsys, run, "--fix")
    (aside,) = run.glob("aside-*")
    assert (aside / "audio" / "000002.wav").read_bytes() == data
    assert told[1:] == [
        f"moved aside, to {aside}; nothing was deleted",
        "the next voicegen run with the run's settings makes 1 row again and writes the manifest",
    ]


def test_more_faults_of_a_kind_are_counted_and_the_first_are_named(run, capsys):
    for path in (run / "audio").iterdir():
        path.unlink()
    _, (line,) = verify(capsys, run)
    assert line.startswith("rows whose audio is missing: 9: audio/000000.wav (row 0: ")
    assert line.count(".wav") == 3
    assert line.endswith("; and 6 more")


def test_a_fix_that_was_killed_is_gone_on_with(run, capsys, monkeypatch):
    whole = dataset(run)
    flip_a_byte(run)
    (run / "audio" / "000005.wav").write_bytes(b"RIFF")
    put, moved = Aside.put, []

    def once(aside, name):
        if moved:
            raise KeyboardInterrupt
        moved.append(name)
        put(aside, name)

    with monkeypatch.context() as patch:
        patch.setattr(Aside, "put", once)
        with pytest.raises(KeyboardInterrupt):
            verify_run(run, fix=True)
    exit_code, told = verify(capsys, run, "--fix")
    assert (exit_code, [line.split(":")[1] for line in told[:2]]) == (3, [" 1", " 1"])
    make_run()
    assert verify(capsys, run) == (0, [])
    assert dataset(run) == whole
    assert sorted(path.name for path in run.glob("aside-*/audio/*")) == ["000002.wav", "000005.wav"]


def test_an_unfinished_run_is_measured_as_far_as_it_is(run, capsys):
    make_run("name=part", "questions.limit=4")
    part = run.parent / "part"
    assert verify(capsys, part) == (0, [])
    line = ledger_of(part).read_bytes().splitlines(keepends=True)[-1]
    with ledger_of(part).open("ab") as ledger:  # as a kill leaves it
        ledger.write(line[:-9])
    assert verify(capsys, part) == (0, [])


def test_a_run_that_another_process_is_at_work_on_is_refused_and_verifying_writes_nothing(run, capsys):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert verify(capsys, run) == (0, [])
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"} == {
        path: time for path, time in before.items() if path.name != ".lock"
    }
    holding = "import sys, filelock as f; lock = f.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding, run / ".lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        for words in ([run], [run, "--fix"]):
            exit_code, (line,) = verify(capsys, *words)
            assert (exit_code, "in use by another voicegen process" in line) == (2, True)
        other.communicate(b"\n")
    assert verify(capsys, run) == (0, [])


def test_a_copy_without_a_lock_is_left_without_one(run, capsys):
    (run / ".lock").unlink(missing_ok=True)
    assert verify(capsys, run) == (0, [])
    assert not (run / ".lock").exists()


def test_a_run_of_the_first_version_is_verified_and_mended(run, capsys):
    later = ("began", "takes", "left_out", "answer_cut", "scores")
    rows = [json.loads(line) for line in ledger_of(run).read_text("utf-8").splitlines()]
    old = [{key: value for key, value in row.items() if key not in later} for row in rows]
    for row in old:
        if row["status"] == "rejected":
            row.pop("clip")
        else:
            row["clip"].pop("num_bytes")
    ledger_of(run).write_text("".join(f"{json.dumps(row)}\n" for row in old))
    ledger_of(run).rename(run / "ledger" / "00000.jsonl")
    shutil.rmtree(run / "rejected")
    make_run()  # a manifest of these rows
    edited(
        run,
        lambda table: table.select(
            [name for name in table.column_names if name in _OF_THE_FIRST_VERSION]
        ).append_column("silence", pa.nulls(len(table), pa.float64())),
    )
    assert verify(capsys, run) == (0, [])
    hashes = wav_hashes(run)
    flip_a_byte(run)
    assert verify(capsys, run, "--fix")[0] == 3
    make_run()
    assert verify(capsys, run) == (0, [])
    assert wav_hashes(run) == hashes


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda run: (run / "run.json").unlink(), "holds a run whose run.json is gone: restore it"),
        (lambda run: (run / "run.json").write_text("{"), "cannot be read as a run's record"),
        (lambda run: shutil.rmtree(run / "ledger"), "holds a run whose ledger is gone: restore it"),
        (lambda run: ledger_of(run).write_text("no JSON\n"), "line 1: not a ledger line"),
        (lambda run: edit_ledger(run, 2, lambda row: row["clip"].update(shape=1)), "not a ledger line"),
        (shutil.rmtree, "there is no run: give the folder of one, such as outputs/NAME"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_is_left_as_it_is(break_it, message, run, capsys):
    break_it(run)
    for words in ([run], [run, "--fix"]):
        exit_code, (line,) = verify(capsys, *words)
        assert (exit_code, message in line) == (2, True), line
    assert list(run.glob("aside-*")) == []


def test_a_record_that_was_changed_is_told_and_said_to_stay(run, capsys):
    record = json.loads((run / "run.json").read_text("utf-8"))
    record["identity"]["seed"] = 7
    (run / "run.json").write_text(json.dumps(record))
    exit_code, told = verify(capsys, run, "--fix")
    assert (exit_code, len(told)) == (3, 2)
    assert told[1].startswith("not fixed, run.json that is not as it was written: restore run.json")


def test_a_recorded_chat_can_be_verified_and_not_fixed(run, capsys):
    (run / "run.json").write_text(
        (run / "run.json").read_text("utf-8").replace('"seed": 0', '"seed": 0, "job": "chat"')
    )
    assert verify(capsys, run)[0] == 3  # by its config_hash alone
    exit_code, (line,) = verify(capsys, run, "--fix")
    assert (exit_code, "is a recorded chat, and nothing can say its turns again" in line) == (2, True)


def test_listening_judges_wavs_by_the_checks_named_or_by_those_of_the_run(run, capsys, monkeypatch):
    exit_code, (line,) = verify(capsys, run, "--listen")
    assert (exit_code, "(the run was made with quality=off)" in line) == (2, True)

    class Speaking(ToneSpeech):
        """Hums for as long as its text takes to say, and for one row falls silent within."""

        def speak(self, utterances):
            for record in super().speak(utterances):
                hum = np.resize(record.samples, 16000)
                if record.utterance.index == 1:
                    hum = np.concatenate([hum[:8000], np.zeros(24000, np.float32), hum[:8000]])
                yield dataclasses.replace(record, samples=hum)

    monkeypatch.setattr("voicegen.build.speech_model", lambda config: Speaking(8000))
    rules = "+quality.checks.silence={rules: {silence_within: {max: %s}}}"
    make_run("name=strict", rules % 1.8, "quality.max_attempts=1", "questions.limit=3")
    assert verify(capsys, run.parent / "strict", "--listen") == (0, [])  # the row was rejected
    make_run("name=loose", rules % 9, "questions.limit=3")
    loose = run.parent / "loose"
    assert verify(capsys, "--listen", loose) == (0, [])
    exit_code, told = verify(capsys, loose, "--listen", "basic", "--fix")
    assert exit_code == 3
    assert told[0].startswith("audio files that fall short of the checks: ")
    assert "audio/000001.wav (row 1: it falls silent within (silence_within 3, at most 1.8 is good)" in told[0]
    assert told[-1].startswith(
        "not fixed, audio files that fall short of the checks: the same settings make the same takes"
    )
    assert list(loose.glob("aside-*")) == []


def test_what_is_usual_of_a_voice_is_known_before_the_first_wav_is_judged(tmp_path, monkeypatch):
    class Hasty(ToneSpeech):
        """Says its first text in a third of the time."""

        def speak(self, utterances):
            for record in super().speak(utterances):
                words = len(record.utterance.text.split())
                size = 4000 * words // (3 if record.utterance.index == 0 else 1)
                yield dataclasses.replace(record, samples=np.resize(record.samples, size))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("voicegen.build.speech_model", lambda config: Hasty(8000))
    questions_csv(tmp_path / "q.csv", 20)
    monkeypatch.setattr("voicegen.job.listening._GROUP", 4)
    make_run()
    pace = quality_settings("basic").model_dump()["checks"]["pace"]
    quality = QualityConfig.model_validate({**quality_settings("off").model_dump(), "checks": {"pace": pace}})
    store = Store(tmp_path / "outputs" / "r")
    (fault,) = take_faults(store, Ledger(store), quality)
    assert (fault.index, fault.path) == (0, "audio/000000.wav")
    assert fault.what.startswith("its length does not fit its text")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "verify takes the folder of one run"),
        (("a", "b"), "verify takes the folder of one run"),
        (("a", "seed=1"), "no settings"),
        (("a", "--fx"), "did you mean --fix?"),
        (("nowhere",), "nowhere: there is no run"),
        (("s3://bucket/r", "--fix"), "s3://bucket/r is a URL, and --fix moves files in a folder"),
        (("outputs/r", "--listen", "best"), "--listen best: it must be one of basic, off, strict"),
    ],
)
def test_a_mistake_is_one_line(words, message, run, capsys):
    exit_code, (line,) = verify(capsys, *words)
    assert (exit_code, message in line) == (2, True), line


def test_the_lock_is_the_one_that_a_run_takes(run):
    with FileLock(run / ".lock"), pytest.raises(voicegen.errors.OutputError, match="in use"):
        verify_run(run)
