import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.chat_models import PlainChatModel
from voicegen.audio.audio_file import read_audio
from voicegen.audio.audio_format import AudioFormat
from voicegen.dataset.torch_dataset import load_manifest
from voicegen.errors import OutputError
from voicegen.tts.tone import ToneSpeech
from voicegen.voicechat.page import Page
from voicegen.voicechat.pipeline import VoiceChatPipeline
from voicegen.voicechat.recording import ChatRecorder

MODEL = PlainChatModel.info


@pytest.fixture
def pipeline():
    voice = ToneSpeech(8000, duration=0.1)
    with VoiceChatPipeline(PlainChatModel("One.", "Two. Three.", "***"), voice, save_audio=False) as pipeline:
        yield pipeline


def recorder(folder, pipeline, **settings):
    identity = {"chat.model": "scripted", **settings}
    return ChatRecorder(folder, pipeline, identity=identity, models={"chat": MODEL, "tts": ToneSpeech().info})


def ask(recorder, pipeline, question, **how):
    reply = pipeline.reply(question, **how)
    recorder.add(question, reply)
    return reply


def rows(folder):
    return pq.read_table(folder / "manifest.parquet").to_pylist()


def test_every_turn_is_a_row_with_its_conversation_and_turn(tmp_path, pipeline):
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "First?")
        reply = ask(recording, pipeline, "Second?")
    first, second = rows(tmp_path / "talk")
    assert [first["conversation_id"], first["turn"], first["question"], first["answer"]] == [
        "chat-000000",
        1,
        "First?",
        "One.",
    ]
    assert [second["conversation_id"], second["turn"], second["answer_spoken"]] == ["chat-000000", 2, "Two. Three."]
    assert (first["status"], first["chat_model"], first["tts_model"]) == ("ok", "scripted", "tone")
    assert second["seed"] == reply.seed
    samples, rate = read_audio(tmp_path / "talk" / second["audio_path"])
    assert (len(samples), rate) == (len(reply.samples), 8000)


def test_turns_are_kept_as_flacs_where_they_are_asked_for(tmp_path, pipeline):
    models = {"chat": MODEL, "tts": ToneSpeech().info}
    with ChatRecorder(tmp_path, pipeline, identity={}, models=models, audio=AudioFormat("flac")) as recording:
        ask(recording, pipeline, "A?")
    (row,) = rows(tmp_path)
    assert row["audio_path"] == "audio/000000.flac"
    assert soundfile.info(tmp_path / row["audio_path"]).format == "FLAC"


def test_another_conversation_and_another_chat_go_on_with_the_numbers(tmp_path, pipeline):
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "A?")
        pipeline.clear_history()
        ask(recording, pipeline, "B?")
    pipeline.clear_history()
    with recorder(tmp_path / "talk", pipeline) as recording:
        pipeline.session.system_prompt = "Be brief."
        ask(recording, pipeline, "C?")
    table = rows(tmp_path / "talk")
    assert [(row["conversation_id"], row["turn"]) for row in table[:2]] == [("chat-000000", 1), ("chat-000001", 1)]
    assert [row["system_prompt"] for row in table] == ["", "", "Be brief."]
    assert [row["index"] for row in table] == [0, 1, 2]


def test_a_turn_that_is_asked_again_takes_the_place_of_its_first_try(tmp_path, pipeline):
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "A?")
        ask(recording, pipeline, pipeline.session.drop_last_turn())
    (row,) = rows(tmp_path / "talk")
    assert (row["turn"], row["answer"], row["answer_spoken"]) == (1, "Two. Three.", "Two. Three.")


def test_an_interrupted_answer_is_kept_as_rejected_without_a_clip(tmp_path, pipeline):
    shown = []
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "Zero?")
        ask(recording, pipeline, "A?", on_text=shown.append, should_stop=lambda: len(shown) > 1)
    _, row = rows(tmp_path / "talk")
    assert row["status"] in ("rejected", "failed")  # whether a sound was made before the stop is a race
    assert row["audio_path"] is None
    assert row["answer"] == "Two. Thr"


@pytest.mark.parametrize(
    ("samples", "reason", "status", "error"),
    [
        ([0.1], "length", "rejected", "the take was cut before the text was over"),
        ([0.1], "runaway", "rejected", "the take did not stop where the text was over"),
        ([], "stop", "failed", "the take holds no audio"),
        ([0.1, float("nan")], "stop", "failed", "the take holds NaN or infinity"),
    ],
)
def test_a_take_that_a_run_would_not_call_good_is_not_good_in_a_chat(tmp_path, samples, reason, status, error):
    class Bad(ToneSpeech):
        def stream(self, _utterance):
            yield np.array(samples, np.float32)
            return reason

    with (
        VoiceChatPipeline(PlainChatModel("One."), Bad(8000), output_dir=tmp_path / "wavs") as pipeline,
        recorder(tmp_path / "talk", pipeline) as recording,
    ):
        reply = ask(recording, pipeline, "A?")
    (row,) = rows(tmp_path / "talk")
    assert (reply.verdict.status, reply.verdict.reason) == (status, error)
    assert (row["status"], row["audio_path"]) == (status, {"rejected": "rejected/000000.wav"}.get(status))
    assert error in row["error"]
    assert (reply.audio_path is None) is (status == "failed")
    shown = io.StringIO()
    Page(shown, shown).outcome(reply)
    assert f"voicegen: {error}: ask again" in shown.getvalue()


def test_an_answer_with_nothing_to_say_stays_in_the_manifest_as_failed(tmp_path, pipeline):
    with recorder(tmp_path / "talk", pipeline) as recording:
        for question in ("A?", "B?", "C?"):
            ask(recording, pipeline, question)
    row = rows(tmp_path / "talk")[2]
    assert (row["status"], row["error"]) == ("failed", "text: the answer holds nothing to say aloud")


def test_a_question_whose_row_was_lost_to_a_kill_is_dropped(tmp_path, pipeline):
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "A?")
    with (tmp_path / "talk" / "questions.jsonl").open("a") as file:
        file.write(json.dumps({"id": "000001", "conversation_id": "chat-000000", "turn": 2, "question": "B?"}) + "\n")
    pipeline.clear_history()
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "C?")
    assert [row["question"] for row in rows(tmp_path / "talk")] == ["A?", "C?"]


def test_a_folder_of_other_settings_or_in_use_is_refused(tmp_path, pipeline):
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "A?")
        with pytest.raises(OutputError, match="in use"), recorder(tmp_path / "talk", pipeline):
            pass
    with pytest.raises(OutputError, match="seed: null then, 1 now"), recorder(tmp_path / "talk", pipeline, seed=1):
        pass


def test_a_recorded_chat_opens_as_a_dataset(tmp_path, pipeline):
    with recorder(tmp_path / "talk", pipeline) as recording:
        ask(recording, pipeline, "A?")
        ask(recording, pipeline, "B?")
    assert len(load_manifest(tmp_path / "talk")) == 2


def test_a_question_may_hold_any_separator_of_lines(tmp_path, pipeline):
    for _ in range(2):
        with recorder(tmp_path / "talk", pipeline) as recording:
            ask(recording, pipeline, "a\u2028b\u2029c\u0085d")
    assert [row["question"] for row in rows(tmp_path / "talk")] == ["a\u2028b\u2029c\u0085d"] * 2


def test_a_chat_records_what_it_did_not_say_and_rejects_a_sentence_that_lost_a_part(tmp_path):
    model = PlainChatModel("Siehe https://a.org jetzt. Danke 😀.")
    with (
        VoiceChatPipeline(model, ToneSpeech(8000), output_dir=tmp_path / "wavs", language="de") as pipeline,
        recorder(tmp_path / "talk", pipeline) as recording,
    ):
        reply = ask(recording, pipeline, "Wo?")
    (row,) = rows(tmp_path / "talk")
    assert row["left_out"] == list(reply.left_out) == ["https://a.org", "😀"]
    assert (row["status"], row["error"]) == ("rejected", reply.problem)
    assert reply.problem.startswith("a sentence would lose an address")
