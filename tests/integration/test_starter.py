"""The starter preset with its real models: SmolLM2 answers, Piper speaks."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.mlx_models import chat_models_loaded_once  # noqa: F401 (a fixture)
from tests.product import manifest_rows, wav_hashes
from voicegen import run
from voicegen.faults import FaultKind
from voicegen.job.verifying import verify_run

pytestmark = pytest.mark.usefixtures("chat_models_loaded_once")

QUESTIONS = """question
What is the capital of France?
Name the seven days of the week.
How many legs does a spider have?
"""


@pytest.fixture(scope="module")
def starter_run(tmp_path_factory, chat_models_loaded_once):  # noqa: F811
    folder = tmp_path_factory.mktemp("starter")
    (folder / "q.csv").write_text(QUESTIONS)
    return folder, starter(folder, "default").output_dir


def starter(folder, name, *words):
    """Runs in this process, which has the models' packages loaded already."""
    settings = {"questions.path": folder / "q.csv", "output_dir": folder / "outputs" / name}
    summary = run("chat.max_tokens=24", *words, settings=settings)
    assert summary.exit_code == 0
    return summary


def test_real_answers_are_spoken_by_a_real_voice(starter_run):
    _, folder = starter_run
    rows = manifest_rows(folder, timings=True)
    assert "Paris" in rows[0]["answer"]
    assert "Monday" in rows[1]["answer"]
    for row in rows:
        samples, rate = soundfile.read(folder / row["audio_path"])
        assert rate == row["sampling_rate"] == 22_050
        # a voice at a normal pace and loudness: neither silence, nor noise at full scale, nor a torrent
        assert 8 < len(row["answer_spoken"]) / row["duration"] < 30
        assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.4
        assert row["prompt_tokens"] > 20
        assert 0 < row["completion_tokens"] <= 24
        assert row["chat_seconds"] > 0
        assert row["tts_seconds"] > 0


def test_the_manifest_says_which_models_made_it(starter_run):
    row = manifest_rows(starter_run[1])[0]
    assert row["chat_model"].startswith("SmolLM2-135M-Instruct")
    assert row["tts_model"] == "en_US-joe-medium"
    assert row["chat_revision"]
    assert row["tts_revision"]


def test_every_column_is_documented(starter_run):
    schema = pq.read_schema(starter_run[1] / "manifest.parquet")
    assert all((field.metadata or {}).get(b"description") for field in schema)


def test_the_same_settings_give_the_same_bytes(starter_run):
    folder, first = starter_run
    again = starter(folder, "again", "chat.batch_size=1", "tts.workers=1", "executor.queue_size=1").output_dir
    assert wav_hashes(first) == wav_hashes(again)
    assert manifest_rows(first) == manifest_rows(again)


def test_a_conversation_is_answered_with_its_history(tmp_path):
    (tmp_path / "q.csv").write_text("talk,question\na,My name is Ada. Say hello to me.\na,What is my name?\n")
    rows = manifest_rows(starter(tmp_path, "talk", "questions.conversation_column=talk", "tts=tone").output_dir)
    assert "Ada" in rows[1]["answer"]
    assert rows[1]["prompt_tokens"] > rows[0]["prompt_tokens"]


def test_the_chat_model_is_asked_once_more_to_rewrite_its_answers_and_they_are_spoken_either_way(starter_run):
    folder, plain = starter_run
    rows = manifest_rows(
        starter(folder, "rewritten", "text.rewrite=chat", "tts=tone", "quality=off").output_dir, timings=True
    )
    before = manifest_rows(plain, timings=True)
    assert [row["answer"] for row in rows] == [row["answer"] for row in before]
    assert [
        row["answer_spoken"] == other["answer_spoken"] or row["rewritten"]
        for row, other in zip(rows, before, strict=True)
    ] == [True] * 3
    assert all(row["prompt_tokens"] > 2 * other["prompt_tokens"] for row, other in zip(rows, before, strict=True))


def test_a_wav_whose_bytes_changed_and_whose_size_did_not_is_found_and_made_again_the_same(starter_run):
    folder, run_folder = starter_run
    whole, path = (manifest_rows(run_folder), wav_hashes(run_folder)), run_folder / "audio" / "000001.wav"
    assert verify_run(run_folder, listen=True).counts == {}
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (fault,) = verify_run(run_folder, fix=True).examples[FaultKind.CHANGED]
    assert (fault.index, fault.what) == (1, "its bytes have another SHA-256")
    assert starter(folder, "default").session_rows == 1
    assert verify_run(run_folder, listen=True).counts == {}
    assert (manifest_rows(run_folder), wav_hashes(run_folder)) == whole
