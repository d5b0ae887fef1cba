"""Rows that have the audio of another: which of them falls short is said by their numbers alone."""

import dataclasses
import random
from pathlib import Path

import pytest

import voicegen
from tests.product import manifest_rows, wav_hashes
from voicegen.job.listening import take_faults
from voicegen.job.verifying import verify_run
from voicegen.pipeline.ledger import Ledger
from voicegen.quality.listener import QualityConfig, quality_settings
from voicegen.store import Store
from voicegen.tts.tone import ToneSpeech

AS = {5: 2, 7: 2, 9: 2, 8: 4}  # whose audio a row has; row 9 says what row 2 does
ON = "+quality.checks.duplicates={rules: {same_audio: {max: 0, then: reject}}}"


class MixedUp(ToneSpeech):
    """Gives rows the audio of others in first attempts, and ends all in an order that `seed` draws."""

    def __init__(self, seed):
        super().__init__(8000, duration=0.05)
        self.draw = random.Random(seed)

    def speak(self, utterances):
        in_hand = []
        for utterance in utterances:
            if utterance is not None:
                in_hand.append(utterance)
            if utterance is None or len(in_hand) > 7:
                yield self._take(in_hand.pop(self.draw.randrange(len(in_hand))))
        self.draw.shuffle(in_hand)
        yield from map(self._take, in_hand)

    def _take(self, utterance):
        said = utterance
        if utterance.attempt == 1:
            said = dataclasses.replace(utterance, text=f"row {AS.get(utterance.index, utterance.index)}", seed=0)
        [record] = super().speak([said])
        return dataclasses.replace(record, utterance=utterance)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = [f"What is {place} plus 1?" for place in range(9)] + ["what is 2 plus 1"]
    Path("q.csv").write_text("\n".join(["question", *texts]) + "\n")

    def run(model, *words, name="r", on=ON):
        monkeypatch.setattr("voicegen.build.speech_model", lambda config: model)
        words = (
            "preset=fake",
            "quality=off",
            "questions.path=q.csv",
            on,
            f"name={name}",
            "executor.queue_size=100",
            *words,
        )
        return voicegen.run(*words), manifest_rows(tmp_path / "outputs" / name)

    return run


def test_of_rows_with_the_same_audio_those_after_the_first_are_rejected_whatever_was_made_first(run):
    summary, rows = run(MixedUp(0))
    assert (summary.ok, summary.rejected) == (7, 3)
    assert summary.errors == (("the same audio was made for another text", 3),)
    assert [row["index"] for row in rows if row["status"] == "rejected"] == [5, 7, 8]
    assert rows[5]["error"] == "the same audio was made for another text (same_audio 1, at most 0 is good)"
    assert [row["same_audio"] for row in rows] == [float(row["index"] in (5, 7, 8)) for row in rows]
    assert rows[5]["samples_hash"] == rows[2]["samples_hash"] == rows[9]["samples_hash"]
    assert not verify_run(Path("outputs/r")).counts
    for seed in range(1, 4):
        assert run(MixedUp(seed), name=f"r{seed}")[1] == rows
        assert wav_hashes(Path(f"outputs/r{seed}")) == wav_hashes(Path("outputs/r"))


def test_a_run_that_was_killed_before_or_while_they_were_rejected_ends_the_same(run, monkeypatch):
    _, rows = run(MixedUp(0))

    def killed(*_):
        raise RuntimeError("killed")

    for name, place in (
        ("before", "voicegen.job.run_job.reject_same_audio"),
        ("within", "voicegen.store.folder.FolderStore.remove"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, killed if name == "before" else lambda _, names: list(names) and killed())
            with pytest.raises(RuntimeError, match="killed"):
                run(MixedUp(1), name=name)
        assert run(MixedUp(2), name=name)[1] == rows
        assert wav_hashes(Path("outputs", name)) == wav_hashes(Path("outputs/r"))
        assert not verify_run(Path("outputs", name)).counts


def test_a_run_in_two_parts_ends_as_one_in_one(run):
    _, rows = run(MixedUp(0))
    run(MixedUp(1), "questions.limit=8", name="parts")
    assert run(MixedUp(2), name="parts")[1] == rows


def test_a_row_that_was_rejected_so_is_drawn_anew_when_asked_and_the_same_command_changes_nothing(run):
    _, rows = run(MixedUp(0))
    assert run(MixedUp(0))[1] == rows
    summary, again = run(MixedUp(0), "retry_failed=true")
    assert (summary.ok, again[5]["attempts"], again[5]["same_audio"]) == (10, 2, 0)
    assert [take["reason"] for take in again[5]["takes"]] == ["the same audio was made for another text", None]


def test_without_a_bound_it_is_told_and_nothing_else(run):
    summary, rows = run(MixedUp(0), on="+quality.checks.duplicates={rules: {}}")
    assert summary.ok == 10
    assert [row["index"] for row in rows if row["same_audio"]] == [5, 7, 8]
    assert run(MixedUp(0), on="+quality.checks.duplicates={rules: {}}")[1] == rows


def test_files_of_a_run_that_did_not_look_are_told_by_their_numbers_as_well(run):
    run(MixedUp(0), on="seed=0")
    duplicates = quality_settings("basic").model_dump()["checks"]["duplicates"]
    quality = QualityConfig.model_validate(
        {**quality_settings("off").model_dump(), "checks": {"duplicates": duplicates}}
    )
    store = Store(Path("outputs/r"))
    assert sorted(fault.index for fault in take_faults(store, Ledger(store), quality)) == [5, 7, 8]
