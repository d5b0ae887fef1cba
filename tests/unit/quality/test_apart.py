import os
import pickle

import numpy as np
import psutil
import pytest

from tests.takes import syllables
from voicegen.errors import ModelError
from voicegen.job.composing import compose
from voicegen.quality.apart import Workers
from voicegen.quality.checks import checks_on
from voicegen.records import Speech, Utterance


def workers(*overrides, number=1):
    """Of the quickest check that is apart, or of another."""
    checks = checks_on(compose([*(overrides or ["+quality/checks=voice_activity"])]).quality.checks)
    return Workers([(check, its) for check, its in checks if check.apart], number)


def takes_of(count):
    """Each of which is measured otherwise."""
    return [Speech(Utterance(i, "Hello."), syllables(1.0, seed=i).astype(np.float32), 16_000) for i in range(count)]


def running():
    return [child for child in psutil.Process().children() if "voicegen.quality.apart" in " ".join(child.cmdline())]


def test_scores_come_in_the_order_of_the_takes_whatever_the_number_of_workers():
    alone, shared = workers(), workers(number=2)
    try:
        takes = takes_of(3)
        assert [*map(repr, found := alone.measure(takes))] == [*map(repr, shared.measure(takes))]
        assert len({*map(repr, found)}) == 3
        assert alone.measure([]) == []
    finally:
        alone.close()
        shared.close()
    assert not running()


def test_a_worker_that_dies_costs_nothing_but_its_group_tried_again():
    listening = workers()
    try:
        (before,) = listening.measure(takes_of(1))
        (child,) = running()
        child.kill()
        child.wait()
        assert listening.measure(takes_of(1)) == [before]
    finally:
        listening.close()


class Deadly:
    """Ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (3,)


def test_takes_that_a_worker_dies_of_twice_stop_the_run_with_one_line():
    checks = checks_on(compose(["+quality/checks=voice_activity"]).quality.checks)
    listening = Workers([(check, Deadly()) for check, _ in checks if check.apart], 1)
    try:
        with pytest.raises(ModelError, match=r"listens to takes \(voice_activity\) died twice .*\(exit code 3\)"):
            listening.measure(takes_of(1))
    finally:
        listening.close()
    assert not running()


def test_what_was_asked_for_and_not_taken_is_never_given_for_other_takes(monkeypatch):
    listening, takes = workers(number=2), takes_of(4)
    try:
        right = [*map(repr, listening.measure(takes[2:]))]
        with monkeypatch.context() as patch:
            patch.setattr(pickle, "load", interrupted)
            with pytest.raises(KeyboardInterrupt):
                listening.measure(takes[:2])
        assert [*map(repr, listening.measure(takes[2:]))] == right
    finally:
        listening.close()


def interrupted(_pipe):
    raise KeyboardInterrupt


def test_what_a_check_cannot_do_is_told_as_it_would_be_here(tmp_path):
    for name in ("model.bin", "config.json"):
        (tmp_path / name).write_bytes(b"{}")
    (tmp_path / "tokenizer.json").write_text('{"model": {"merges": []}}')
    listening = workers("quality=strict", f"quality.checks.recognition.recognizer={tmp_path}")
    try:
        with pytest.raises(ModelError, match=r"recognizer .* cannot be loaded"):
            listening.measure(takes_of(1))
    finally:
        listening.close()
