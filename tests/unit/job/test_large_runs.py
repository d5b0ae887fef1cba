"""A run that is large enough to keep indexes goes on from them, and makes the same dataset as without."""

import os
import time

import pytest

import voicegen
from tests.product import manifest_rows, questions_csv, wav_hashes
from voicegen.dataset import input_files, input_index, questions
from voicegen.pipeline import clips, ledger, plan

ROWS = 12


@pytest.fixture
def large(tmp_path, monkeypatch):
    """Makes every run a large one, in folders of four clips; says how to go on with one, and what it looked at."""
    monkeypatch.setattr(plan, "ROWS_PER_FOLDER", 4)
    monkeypatch.setattr(ledger, "INDEX_AFTER", 1)
    monkeypatch.setattr(clips, "INDEX_AFTER", 1)
    monkeypatch.setattr(input_index, "KEPT_FROM", 1)
    monkeypatch.setattr(input_files, "_COARSE", 0)
    looked = []
    look, files = questions.QuestionFile._look, clips.Clips._files
    monkeypatch.setattr(questions.QuestionFile, "_look", lambda *of: looked.append("input") or look(*of))
    monkeypatch.setattr(clips.Clips, "_files", lambda self, name: looked.append(name) or files(self, name))
    path = questions_csv(tmp_path / "q.csv", ROWS)

    def session(name, *words):
        """Makes or goes on with a run whose folders are as old as an earlier session leaves them."""
        for folder in (tmp_path / name).glob("audio/*"):
            if (changed := folder.stat().st_mtime_ns) > time.time_ns() - 10**10:
                os.utime(folder, ns=(0, changed - 10**11))
        looked.clear()
        settings = {"questions.path": str(path), "output_dir": str(tmp_path / name)}
        return voicegen.run("preset=fake", "tts.duration=0.05", *words, settings=settings)

    return session, looked, tmp_path


def test_it_goes_on_without_a_look_at_what_has_not_changed(large):
    session, looked, folder = large
    session("parts", "questions.limit=9")
    session("parts", "questions.limit=10")  # finds the folders old enough to be told from changed ones
    assert "input" not in looked
    (folder / "parts/audio/0000/000001.wav").unlink()
    assert session("parts").ok == ROWS
    assert "audio/0000" in looked
    assert not {"input", "audio/0001"}.intersection(looked)
    session("whole")
    assert manifest_rows(folder / "parts") == manifest_rows(folder / "whole")
    assert wav_hashes(folder / "parts") == wav_hashes(folder / "whole")


def test_what_is_kept_may_be_removed(large):
    session, looked, folder = large
    session("run", "questions.limit=5")
    for name in ("input.index", "audio.index", "ledger.index"):
        (folder / "run" / name).unlink()
    assert session("run").ok == ROWS
    assert "input" in looked
