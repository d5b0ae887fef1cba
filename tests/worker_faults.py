"""Faults in workers by what their questions say: planted as a module that each Python process imports before others."""

import time
from types import MappingProxyType

from tests.product import manifest_rows, wav_hashes

FAULTY = """
import os, signal, time
from pathlib import Path

from voicegen.chat.echo import EchoAnswerModel

_answer = EchoAnswerModel.answer

def answer(model, questions):
    for record in _answer(model, questions):
        text = record.question.text
        once = Path(__file__).parent / "once" / str(record.question.index)
        if "poison" in text or ("kill" in text and not once.exists()):
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in text and not once.exists():
            once.touch()
            time.sleep(600)
        yield record

EchoAnswerModel.answer = answer
"""
WORDS = ("run", "preset=fake", "tts.duration=0.05", "questions.path=q.csv")


def questions(folder, count, special=MappingProxyType({})):
    lines = ["id,question", *(f"q{index},What is {index}{special.get(index, '')}?" for index in range(count))]
    (folder / "q.csv").write_text("\n".join(lines) + "\n", "utf-8")


def plant_faults(folder):
    """Has processes fail whose `PYTHONPATH` has the folder: `kill` and `hang` once, `poison` always."""
    (folder / "sitecustomize.py").write_text(FAULTY, "utf-8")
    (folder / "once").mkdir()


def assert_only_the_poison_is_missing(shared, whole, poison, how):
    rows = dict(enumerate(manifest_rows(shared)))
    assert rows.pop(poison)["error"] == f"worker: whoever made it {how}, 2 times"
    assert list(rows.values()) == [row for row in manifest_rows(whole) if row["index"] != poison]
    hashes = wav_hashes(whole)
    del hashes[f"audio/{poison:06d}.wav"]
    assert wav_hashes(shared) == hashes


def wait_until(it_is_so):
    while not it_is_so():
        time.sleep(0.02)
