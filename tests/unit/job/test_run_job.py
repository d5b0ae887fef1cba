import dataclasses
import logging
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile

import voicegen
from tests.product import manifest_rows, questions_csv
from tests.question_files import jsonl_file
from voicegen.chat.echo import EchoAnswerModel
from voicegen.errors import ConfigError, InputError, ModelError, OutputError
from voicegen.job.summary import print_summary
from voicegen.pipeline.ledger import Ledger
from voicegen.records import Failure
from voicegen.seeds import derived_seed, take_seed
from voicegen.store import Store
from voicegen.tts.tone import ToneSpeech


class Reluctant(ToneSpeech):
    """Hums, with a default voice by name; takes of the seeds in `cut` are cut, and texts in `refused` fail."""

    def __init__(self, cut=(), refused=()):
        super().__init__(8000, duration=0.05)
        self.cut = cut
        self.refused = refused

    def speak(self, utterances):
        for record in super().speak(utterances):
            utterance = dataclasses.replace(record.utterance, voice=record.utterance.voice or "usual")
            if utterance.index in self.refused:
                yield Failure(utterance.index, "tts", "cannot say it")
                continue
            reason = "length" if utterance.seed in self.cut else "stop"
            yield dataclasses.replace(record, utterance=utterance, finish_reason=reason)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs ten rows, or what is left of them, with a speech model; returns the summary and the manifest's rows."""
    monkeypatch.chdir(tmp_path)
    questions_csv(tmp_path / "q.csv", 10)

    def run(model, *words):
        monkeypatch.setattr("voicegen.build.speech_model", lambda config: model)
        summary = voicegen.run("preset=fake", "quality=off", "questions.path=q.csv", "name=r", *words)
        return summary, manifest_rows(tmp_path / "outputs" / "r")

    return run


def test_a_rejected_take_is_drawn_anew_when_asked_and_a_failed_row_is_not(run):
    first = [derived_seed(0, index) for index in range(10)]
    summary, rows = run(Reluctant(cut=first[2:4], refused=[5]))
    assert (summary.ok, summary.rejected, summary.failed) == (7, 2, 1)
    assert {row["attempts"] for row in rows} == {1}
    summary, rows = run(Reluctant(cut=[*first[2:4], take_seed(first[3], 2)]), "retry_failed=true")
    assert (summary.ok, summary.rejected, summary.failed) == (9, 1, 0)
    assert [row["attempts"] for row in rows] == [1, 1, 2, 2, 1, 1, 1, 1, 1, 1]
    assert [row["seed"] for row in rows] == first
    summary, rows = run(Reluctant(), "retry_failed=true")
    assert summary.ok == 10
    assert rows[3]["attempts"] == 3


def test_a_row_that_fails_before_its_next_take_keeps_its_place_among_the_attempts(run, monkeypatch):
    first = derived_seed(0, 2)
    run(Reluctant(cut=[first]))

    class Silent(EchoAnswerModel):
        def answer(self, questions):
            yield from (Failure(question.index, "chat", "no answer") for question in questions if question is not None)

    with monkeypatch.context() as patch:
        patch.setattr("voicegen.build.answer_model", lambda config: Silent())
        _, rows = run(Reluctant(), "retry_failed=true")
    assert (rows[2]["status"], rows[2]["attempts"]) == ("failed", 2)
    summary, rows = run(Reluctant(cut=[first]), "retry_failed=true")
    assert (summary.ok, rows[2]["attempts"]) == (10, 2)


def test_a_take_of_a_later_attempt_is_made_again_the_same(run, tmp_path):
    first = [derived_seed(0, index) for index in range(10)]
    run(Reluctant(cut=first[2:3]))
    _, before = run(Reluctant(), "retry_failed=true")
    (tmp_path / "outputs" / "r" / before[2]["audio_path"]).unlink()
    _, after = run(Reluctant())
    assert after == before


def test_takes_that_are_not_good_are_made_again_in_the_same_session_and_all_are_on_record(run, tmp_path):
    first = [derived_seed(0, index) for index in range(10)]
    never = [take_seed(first[3], attempt) for attempt in range(1, 7)]
    model = Reluctant(cut=[first[2], *never])
    summary, rows = run(model, "quality.max_attempts=3")
    assert (summary.ok, summary.rejected) == (9, 1)
    assert [row["attempts"] for row in rows[:5]] == [1, 1, 2, 3, 1]
    summary, rows = run(model, "quality.max_attempts=3", "retry_failed=true")
    assert (summary.rejected, rows[3]["attempts"]) == (1, 6)
    takes = Ledger(Store(tmp_path / "outputs" / "r")).get([2, 3])
    assert [(take.attempt, take.status) for take in takes[2].takes] == [(1, "rejected"), (2, "ok")]
    assert [(take.attempt, take.seed) for take in takes[3].takes] == list(enumerate(never, 1))
    (tmp_path / "outputs" / "r" / rows[2]["audio_path"]).unlink()
    run(model, "quality.max_attempts=3")
    again = Ledger(Store(tmp_path / "outputs" / "r")).get([2, 3])
    assert (again[2].clip, again[2].takes, again[3].takes) == (takes[2].clip, takes[2].takes, takes[3].takes)


def test_the_best_take_of_a_rejected_row_lies_apart_and_is_loaded_only_when_asked_for(run, tmp_path):
    folder = tmp_path / "outputs" / "r"
    summary, rows = run(Reluctant(cut=[derived_seed(0, 3)], refused=[5]))
    assert [row["status"] for row in rows].count("ok") == 8
    assert rows[3]["audio_path"] == "rejected/000003.wav"
    assert sha256((folder / rows[3]["audio_path"]).read_bytes()).hexdigest() == rows[3]["audio_sha256"]
    samples, _ = soundfile.read(folder / rows[3]["audio_path"], dtype="float32")
    assert sha256(samples.tobytes()).hexdigest() == rows[3]["audio_samples_sha256"]
    assert rows[5]["audio_path"] is None
    assert summary.audio_seconds == pytest.approx(8 * 0.05)
    assert summary.session_audio_seconds == pytest.approx(8 * 0.05)
    assert [row.row["index"] for row in voicegen.load_manifest(folder)] == [0, 1, 2, 4, 6, 7, 8, 9]
    (rejected,) = voicegen.load_manifest(folder, status="rejected")
    assert len(rejected.waveform) == 400


def test_a_rejected_take_that_is_gone_is_made_again_and_one_whose_row_is_good_by_now_is_removed(run, tmp_path):
    folder = tmp_path / "outputs" / "r"
    model = Reluctant(cut=[take_seed(derived_seed(0, 3), attempt) for attempt in (1, 2)])
    words = ("quality.max_attempts=2",)
    _, before = run(model, *words)
    (folder / "rejected" / "000003.wav").write_bytes(b"cut short")
    summary, after = run(model, *words)
    assert (summary.session_rows, after) == (1, before)
    summary, rows = run(model, *words, "retry_failed=true")
    assert (summary.ok, rows[3]["audio_path"]) == (10, "audio/000003.wav")
    assert [take["status"] for take in rows[3]["takes"]] == ["rejected", "rejected", "ok"]
    assert list((folder / "rejected").iterdir()) == []


def test_what_was_measured_of_a_take_is_in_the_manifest_whatever_the_verdict(run):
    class Clipped(Reluctant):
        def speak(self, utterances):
            for record in super().speak(utterances):
                loud = np.clip(record.samples * (20 if record.utterance.index == 4 else 1), -1, 1)
                yield dataclasses.replace(record, samples=loud)

    summary, rows = run(Clipped(), "+quality.checks.level={rules: {clipped: {max: 0.001}}}", "quality.max_attempts=2")
    assert (summary.ok, summary.rejected) == (9, 1)
    assert [row["clipped"] for row in rows[:4]] == [0, 0, 0, 0]
    assert rows[4]["clipped"] > 0.5
    assert rows[4]["error"].startswith("it is clipped (clipped ")
    assert {take["reason"] for take in rows[4]["takes"]} == {"it is clipped"}
    assert {row["wer"] for row in rows} == {None}


def test_the_summary_counts_faults_without_their_values_and_what_was_made_again(run, capsys):
    class Loud(Reluctant):
        """Clips the first takes of some rows, each by a share of its own, and all takes of two."""

        def speak(self, utterances):
            for record in super().speak(utterances):
                index, attempt = record.utterance.index, record.utterance.attempt
                gain = 10 + index if index in (3, 4) or (index < 3 and attempt == 1) else 1
                yield dataclasses.replace(record, samples=np.clip(record.samples * gain, -1, 1))

    words = ("+quality.checks.level={rules: {clipped: {max: 0.001}}}", "quality.max_attempts=2")
    summary, _ = run(Loud(), *words)
    assert (summary.ok, summary.rejected, summary.reject_rate) == (8, 2, 0.2)
    assert summary.made_again == (("it is clipped", 5),)
    assert summary.errors == (("it is clipped", 2),)
    print_summary(summary)
    page = capsys.readouterr().out
    assert "takes     5 made again; 20.0% of rows rejected in the end" in page
    assert "  5 made again: it is clipped" in page
    assert "  2 x it is clipped" in page


def test_a_run_from_before_takes_were_listened_to_goes_on_under_quality_off_and_says_so(run):
    run(Reluctant(), "questions.limit=5")
    with pytest.raises(OutputError, match=r"settings \(quality: off then, on now\): set them back"):
        run(Reluctant(), "quality=basic")
    summary, _ = run(Reluctant())
    assert summary.ok == 10


def test_reasons_are_counted_as_the_rows_are_in_all_sessions(run, capsys):
    first = [derived_seed(0, index) for index in range(10)]
    model = Reluctant(cut=first[1:9])
    run(model, "questions.limit=5")
    summary, _ = run(model)
    assert (summary.ok, summary.rejected, summary.session_rows) == (2, 8, 5)
    assert summary.errors == (("the take was cut before the text was over", 8),)
    print_summary(summary)
    page = capsys.readouterr().out
    assert "8 x the take was cut" in page
    assert "drawn anew, with another seed" in page


def test_the_manifest_names_the_voice_that_spoke(run):
    _, rows = run(Reluctant(refused=[5]))
    assert [row["voice"] for row in rows[4:7]] == ["usual", None, "usual"]


def test_voices_of_the_users_own_take_turns_where_none_is_named(run):
    Path("me.wav").write_bytes(b"-")
    prompts = "voice.prompts={me: {audio: me.wav, transcript: hello}, you: {audio: me.wav, transcript: hi}}"
    _, rows = run(Reluctant(), prompts, "voice.assign=round_robin")
    assert [row["voice"] for row in rows[:3]] == ["me", "you", "me"]


def test_what_a_model_warns_of_is_shown_once(tmp_path, monkeypatch, capsys):
    from voicegen.job.composing import compose
    from voicegen.job.run_job import run_job

    class Warning(Reluctant):
        def speak(self, utterances):
            logging.getLogger("voicegen.tts.marvis.speech").warning("the voice 'x' is left out")
            yield from super().speak(utterances)

    monkeypatch.chdir(tmp_path)
    questions_csv(tmp_path / "q.csv", 2)
    monkeypatch.setattr("voicegen.build.speech_model", lambda config: Warning())
    words = ["preset=fake", "questions.path=q.csv", "name=r"]
    assert run_job(compose(words), show=True).exit_code == 0
    assert capsys.readouterr().err.count("the voice 'x' is left out") == 1
    assert "the voice 'x' is left out" in next((tmp_path / "outputs" / "r" / "logs").iterdir()).read_text()


def test_the_error_that_ended_a_run_is_in_its_log(run, tmp_path):
    class Breaking(Reluctant):
        def __init__(self, error):
            super().__init__()
            self.error = error

        def speak(self, utterances):
            raise self.error

    log = tmp_path / "outputs" / "r" / "logs" / "run.log"
    with pytest.raises(ModelError):
        run(Breaking(ModelError("the voice is gone: choose another")))
    assert "ERROR voicegen.run: the voice is gone: choose another\n" in log.read_text()
    with pytest.raises(RuntimeError):
        run(Breaking(RuntimeError("unforeseen")))
    assert "Traceback" in log.read_text()
    assert "RuntimeError: unforeseen" in log.read_text()


def test_a_run_that_was_finished_when_it_was_interrupted_is_no_interrupted_one(run):
    class Late(Reluctant):
        def speak(self, utterances):
            yield from super().speak(utterances)
            raise KeyboardInterrupt

    summary, rows = run(Late())
    assert (summary.exit_code, summary.ok, len(rows)) == (0, 10, 10)


def test_a_run_is_not_moved_aside_for_one_whose_model_cannot_be_had(run, tmp_path):
    run(Reluctant())
    with pytest.raises(ModelError, match="nowhere"):
        run(Reluctant(), "tts=piper", "tts.model=nowhere/voice.onnx", "overwrite=true")
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["r"]
    assert len(manifest_rows(tmp_path / "outputs" / "r")) == 10


def test_a_run_of_no_rows_has_the_manifest_that_its_summary_names(run):
    summary, rows = run(Reluctant(), "questions.limit=0")
    assert summary.manifest.is_file()
    assert rows == []


def test_a_finished_run_of_an_older_version_is_given_its_readme_and_nothing_else(run, tmp_path):
    run(Reluctant())
    folder = tmp_path / "outputs" / "r"
    card = (folder / "README.md").read_text()
    (folder / "README.md").unlink()
    made = (folder / "manifest.parquet").stat().st_mtime_ns
    run(Reluctant())
    assert (folder / "README.md").read_text() == card
    assert (folder / "manifest.parquet").stat().st_mtime_ns == made


def test_a_row_whose_sentence_would_lose_an_address_is_rejected_unspoken_unless_that_is_wanted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answers = ("Siehe https://a.org/x 😀.", "Ja.\n\n```\nx = 1\n```\n")
    rows = [{"question": "Wo?", "answer": answer} for answer in answers]
    jsonl_file(tmp_path / "q.jsonl", rows)
    words = ("preset=fake", "questions.path=q.jsonl", "questions.answer_column=answer", "tts.language=de")
    summary = voicegen.run(*words, "name=a")
    lost, said = manifest_rows(tmp_path / "outputs" / "a")
    assert (summary.ok, summary.rejected, summary.failed) == (1, 1, 0)
    assert (lost["status"], lost["answer_spoken"], lost["audio_path"]) == ("rejected", "Siehe.", None)
    assert lost["left_out"] == ["https://a.org/x", "😀"]
    assert lost["error"].startswith("a sentence would lose an address that is not read in de: https://a.org/x; ")
    assert (said["status"], said["left_out"]) == ("ok", ["x = 1"])
    assert voicegen.run(*words, "name=a", "retry_failed=true").rejected == 1
    assert voicegen.run(*words, "name=b", "text.url=skip").ok == 2
    with pytest.raises(OutputError, match=r"text\.url"):
        voicegen.run(*words, "name=a", "text.url=skip")


def test_a_text_that_the_voice_cannot_read_is_rejected_or_romanized(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jsonl_file(tmp_path / "q.jsonl", [{"question": "What?", "answer": "你好世界。"}])
    words = ("preset=fake", "questions.path=q.jsonl", "questions.answer_column=answer")
    assert voicegen.run(*words, "name=a").rejected == 1
    (row,) = manifest_rows(tmp_path / "outputs" / "a")
    assert (row["status"], row["answer_spoken"], row["left_out"]) == ("rejected", None, ["你好世界。"])
    assert row["error"].startswith("these letters are not read in en: 你好世界。; ")
    assert voicegen.run(*words, "name=b", "text.foreign=romanize").ok == 1
    (row,) = manifest_rows(tmp_path / "outputs" / "b")
    assert row["answer_spoken"] == "Ni Hao Shi Jie."


def test_a_lexicon_respells_words_and_its_content_is_part_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jsonl_file(tmp_path / "q.jsonl", [{"question": "What?", "answer": "Start nginx."}])
    (tmp_path / "own.yaml").write_text("nginx: engine x\n")
    words = ("preset=fake", "questions.path=q.jsonl", "questions.answer_column=answer", "name=a")
    assert voicegen.run(*words, "text.pronounce=own.yaml").ok == 1
    (row,) = manifest_rows(tmp_path / "outputs" / "a")
    assert (row["answer"], row["answer_spoken"]) == ("Start nginx.", "Start engine x.")
    (tmp_path / "own.yaml").rename(tmp_path / "moved.yaml")
    assert voicegen.run(*words, "text.pronounce=moved.yaml").ok == 1
    (tmp_path / "moved.yaml").write_text("nginx: en jinx\n")
    with pytest.raises(OutputError, match=r"text\.pronounce"):
        voicegen.run(*words, "text.pronounce=moved.yaml")
    with pytest.raises(InputError, match=r"gone\.yaml: the lexicon cannot be read"):
        voicegen.run(*words, "text.pronounce=gone.yaml")


def test_the_chat_model_rewrites_answers_where_nothing_is_lost_and_a_row_made_again_says_the_same(
    run, tmp_path, monkeypatch
):
    replies = {f"Question {index}?": f"It weighs {index} kg." for index in range(10)}
    replies |= {f"It weighs {index} kg.": f"It weighs {max(index, 3)} whole kilograms." for index in range(10)}
    monkeypatch.setattr("voicegen.build.answer_model", lambda config: EchoAnswerModel(replies))
    with (tmp_path / "q.csv").open("w") as file:
        file.writelines(f"{line}\n" for line in ("question", *(f"Question {index}?" for index in range(10))))
    first = [derived_seed(0, index) for index in range(10)]
    summary, rows = run(Reluctant(cut=first[4:5]), "text.rewrite=chat")
    assert (summary.ok, summary.rejected) == (9, 1)
    assert [row["rewritten"] for row in rows] == [False] * 3 + [True] * 7
    assert [row["answer_spoken"] for row in rows[2:5]] == [
        "It weighs two kilograms.", "It weighs three whole kilograms.", "It weighs four whole kilograms.",
    ]  # fmt: skip
    assert rows[4]["answer"] == "It weighs 4 kg."
    again, after = run(Reluctant(), "text.rewrite=chat", "retry_failed=true")
    assert again.ok == 10
    assert [(row["answer_spoken"], row["rewritten"]) for row in after] == [
        (row["answer_spoken"], row["rewritten"]) for row in rows
    ]
    with pytest.raises(OutputError, match=r"text\.rewrite"):
        run(Reluctant())


def test_a_rewrite_that_nobody_can_make_or_check_is_refused_in_one_line(run):
    with pytest.raises(ConfigError, match=r"text\.rewrite=chat needs the chat model, which questions\.answer_column"):
        run(Reluctant(), "text.rewrite=chat", "questions.answer_column=question")
    with pytest.raises(ConfigError, match=r"text\.rewrite=chat is for English: in de "):
        run(Reluctant(), "text.rewrite=chat", "tts.language=de")
