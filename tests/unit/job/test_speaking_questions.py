import dataclasses
import json
from hashlib import sha256

import pytest

import voicegen
from tests.product import manifest_rows, questions_csv
from voicegen.errors import ConfigError, OutputError
from voicegen.job.marking import apply_marks
from voicegen.job.verifying import verify_run
from voicegen.seeds import derived_seed, side_seed, take_seed
from voicegen.tts.tone import ToneSpeech

ROWS = 4


class Hums(ToneSpeech):
    """Hums, and cuts the takes of the seeds in `cut` short."""

    def __init__(self, cut=()):
        super().__init__(8000, duration=0.05)
        self.cut = cut

    def speak(self, utterances):
        for record in super().speak(utterances):
            cut = record.utterance.seed in self.cut
            yield dataclasses.replace(record, finish_reason="length" if cut else "stop")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs four questions, with them and their answers spoken; returns the summary and the manifest's rows."""
    monkeypatch.chdir(tmp_path)
    questions_csv(tmp_path / "q.csv", ROWS)

    def run(*words, cut=(), name="r"):
        monkeypatch.setattr("voicegen.build.speech_model", lambda config: Hums(cut))
        summary = voicegen.run("preset=fake", "questions.path=q.csv", f"name={name}", "speak=both", *words)
        return summary, manifest_rows(tmp_path / "outputs" / name)

    return run


def audio(folder):
    """The SHA-256 of each audio file, by its path in the run."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for part in ("audio", "rejected")
        for path in (folder / part).rglob("*.wav")
    }


def row_seed(index):
    return derived_seed(0, index)


def question_seed(index):
    return side_seed(row_seed(index), "question")


def test_a_row_has_a_clip_of_its_question_beside_that_of_its_answer(run, tmp_path):
    summary, rows = run("voice.names=[ann]", "voice.question.names=[bob,cat]", "voice.question.assign=round_robin")
    found = audio(tmp_path / "outputs/r")
    assert (summary.ok, len(found)) == (ROWS, 2 * ROWS)
    for index, row in enumerate(rows):
        assert row["audio_path"] == f"audio/{index:06d}.wav"
        assert row["question_audio_path"] == f"audio/{index:06d}.question.wav"
        assert row["question_audio_sha256"] == found[row["question_audio_path"]]
        assert row["audio_sha256"] == found[row["audio_path"]] != row["question_audio_sha256"]
        assert (row["voice"], row["question_voice"]) == ("ann", ("bob", "cat")[index % 2])
        assert (row["status"], row["question_status"]) == ("ok", "ok")
        assert row["question_spoken"] == row["answer_spoken"]  # the model repeats the question
        assert row["question_duration"] == row["question_num_samples"] / row["sampling_rate"] == 0.05
        assert [take["seed"] for take in row["question_takes"]] == [question_seed(index)]
        assert row["question_measures"]["peak"] < 0
    assert summary.audio_seconds == pytest.approx(2 * ROWS * 0.05)
    assert not verify_run(tmp_path / "outputs/r").counts


def test_a_question_alone_is_the_rows_own_clip_and_nobody_is_asked(run, tmp_path, monkeypatch):
    monkeypatch.setattr("voicegen.chat.echo.EchoAnswerModel.answer", None)  # which would fail
    summary, rows = run("speak=question", "voice.question.names=[bob]", "voice.names=[ann]")
    assert (summary.ok, sorted(audio(tmp_path / "outputs/r"))) == (ROWS, [row["audio_path"] for row in rows])
    for index, row in enumerate(rows):
        assert (row["answer"], row["answer_spoken"], row["chat_model"]) == (None, None, None)
        assert row["question_spoken"]
        assert row["question_audio_path"] == row["audio_path"] == f"audio/{index:06d}.wav"
        assert row["question_audio_sha256"] == row["audio_sha256"]
        assert row["question_voice"] == row["voice"] == "bob"
        assert row["question_takes"] == row["takes"]
    assert set(json.loads((tmp_path / "outputs/r/run.json").read_text())["models"]) == {"tts"}
    assert not verify_run(tmp_path / "outputs/r").counts


def test_turns_of_conversations_wait_for_nobody_where_questions_alone_are_spoken(run, tmp_path):
    (tmp_path / "q.csv").write_text("question,talk\n,a\nWhy is that?,a\nAnd then?,b\n")
    summary, rows = run("speak=question", "questions.conversation_column=talk")
    assert [row["status"] for row in rows] == ["failed", "ok", "ok"]
    (tmp_path / "outputs/r" / rows[2]["audio_path"]).unlink()
    summary, rows = run("speak=question", "questions.conversation_column=talk")
    assert (summary.session_rows, [row["turn"] for row in rows]) == (1, [1, 2, 1])


def test_a_run_that_was_killed_between_the_two_clips_of_a_row_becomes_what_it_would_have_been(run, tmp_path):
    words = ("quality.max_attempts=2",)
    _, whole = run(*words, cut=[question_seed(1), row_seed(2)])
    folder = tmp_path / "outputs/r"
    expected = audio(folder)
    (ledger,) = (folder / "ledger").iterdir()
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(line for line in lines if b'"index":0,' in line))  # the others are not on record
    for number in ("000001", "000003"):
        (folder / "audio" / f"{number}.wav").unlink()
    (folder / "audio/000000.question.wav").unlink()  # of the row that is on record
    summary, rows = run(*words, cut=[question_seed(1), row_seed(2)])
    assert (summary.session_rows, audio(folder)) == (ROWS, expected)
    costs = ("chat_seconds", "tts_seconds")
    assert [{**row, **dict.fromkeys(costs)} for row in rows] == [{**row, **dict.fromkeys(costs)} for row in whole]


def test_each_text_has_takes_of_its_own_and_its_row_is_rejected_where_one_of_them_has_no_good_one(run, tmp_path):
    never = [take_seed(question_seed(1), attempt) for attempt in (1, 2)]
    words = ("quality.max_attempts=2", "retry_failed=true")
    summary, rows = run(*words, cut=[*never, row_seed(1), row_seed(2)])
    assert (summary.ok, summary.rejected) == (ROWS - 1, 1)
    bad = rows[1]
    assert (bad["status"], bad["question_status"]) == ("rejected", "rejected")
    assert bad["error"] == "of the question: the take was cut before the text was over"
    assert [take["status"] for take in bad["question_takes"]] == ["rejected", "rejected"]
    assert [take["status"] for take in bad["takes"]] == ["rejected", "ok"]
    assert (bad["audio_path"], bad["question_audio_path"]) == ("rejected/000001.wav", "rejected/000001.question.wav")
    assert [take["status"] for take in rows[2]["takes"]] == ["rejected", "ok"]
    assert dict(summary.errors) == {"of the question: the take was cut before the text was over": 1}
    assert dict(summary.made_again) == {"the take was cut before the text was over": 3}
    answer = bad["audio_sha256"]

    summary, rows = run(*words, cut=[*never, row_seed(1), row_seed(2)])  # the question alone is drawn anew
    good = rows[1]
    assert (summary.ok, good["question_status"], good["audio_sha256"]) == (ROWS, "ok", answer)
    assert [take["attempt"] for take in good["question_takes"]] == [1, 2, 3]
    assert [take["attempt"] for take in good["takes"]] == [1, 2]
    assert not list((tmp_path / "outputs/r/rejected").iterdir())


def test_a_question_that_cannot_be_spoken_leaves_its_answer_unspoken_too(run, tmp_path):
    (tmp_path / "q.csv").write_text("question,answer\n???,Yes.\nIs it so?,Yes.\n你好吗,Yes.\n")
    _, rows = run("questions.answer_column=answer")
    assert [row["status"] for row in rows] == ["failed", "ok", "rejected"]
    assert rows[0]["error"] == "text: of the question: the question holds nothing to say aloud"
    assert rows[2]["error"].startswith("of the question: ")
    assert (rows[2]["answer_spoken"], rows[2]["audio_path"]) == ("Yes.", None)
    assert len(audio(tmp_path / "outputs/r")) == 2


def test_a_listener_rejects_both_clips_of_a_row_and_both_are_drawn_anew(run, tmp_path):
    _, rows = run()
    folder = tmp_path / "outputs/r"
    marks = tmp_path / "marks.csv"
    marks.write_text(f"index,audio_sha256,mark\n2,{rows[2]['audio_sha256']},reject\n")
    assert apply_marks(folder, marks).rejected == 1
    row = manifest_rows(folder)[2]
    assert (row["status"], row["question_status"]) == ("rejected", "rejected")
    assert (row["audio_path"], row["question_audio_path"]) == ("rejected/000002.wav", "rejected/000002.question.wav")
    assert not verify_run(folder).counts
    summary, again = run("retry_failed=true")
    assert summary.ok == ROWS
    for column in ("takes", "question_takes"):
        assert [take["attempt"] for take in again[2][column]] == [1, 2]


def test_what_is_spoken_and_by_whom_decides_a_runs_result(run, tmp_path):
    run()
    with pytest.raises(OutputError, match=r'speak: "both" then, null now'):
        run("speak=answer")
    with pytest.raises(OutputError, match=r"voice\.question\.names"):
        run("voice.question.names=[bob]")
    summary, _ = run()
    assert (summary.ok, summary.session_rows) == (ROWS, 0)
    assert not {"speak", "voice.question.names"}.intersection(identity(run, tmp_path))
    with pytest.raises(ConfigError, match="set speak=both or speak=question"):
        run("speak=answer", "voice.question.names=[bob]")


def identity(run, tmp_path):
    """What a run is known by that speaks answers, as all did before there was a choice."""
    _, rows = run("speak=answer", name="plain")
    assert {row["question_spoken"] for row in rows} == {row["question_audio_path"] for row in rows} == {None}
    assert {row["question_takes"] for row in rows} == {row["question_measures"] for row in rows} == {None}
    return json.loads((tmp_path / "outputs/plain/run.json").read_text())["identity"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["speak=question", "text.rewrite=chat"], "speak=question has none"),
        (["voice.question.prompts={me: {audio: a.wav, transcript: Hi}}"], "leaves the answers without a voice"),
        (
            [f"voice.{key}={{me: {{audio: {key}.wav, transcript: Hi}}}}" for key in ("prompts", "question.prompts")],
            "have two voices me",
        ),
        (
            ["split.test=0.1", "split.test_voices=[x]", "voice.names=[a,x]", "voice.question.names=[x]"],
            r"add another to voice\.question\.names",
        ),
        (["speak=aloud"], "speak"),
    ],
)  # fmt: skip
def test_settings_of_questions_that_cannot_be_are_refused_in_one_line(run, words, message):
    with pytest.raises(ConfigError, match=message) as refused:
        run(*words)
    assert "\n" not in str(refused.value)
