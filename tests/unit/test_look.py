"""What can be seen to be missing is said before any model is loaded."""

import pytest

from tests.marvis_checkpoints import write_checkpoint
from voicegen import build
from voicegen.errors import ConfigError, ModelError, VoicegenError
from voicegen.job.composing import compose
from voicegen.job.run_job import run_job


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    def load(*_args, **_settings):
        pytest.fail("a model is being loaded")

    for place in (
        "voicegen.chat.mlx.answer_model.load",
        "voicegen.tts.piper.speech.open_session",
        "voicegen.tts.marvis.runners.load_weights",
    ):
        monkeypatch.setattr(place, load)


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["voice.names=[nobody]"], ModelError, "there is no voice 'nobody' in this model"),
        (["tts.language=de"], ModelError, "speaks en_US, not de"),
        (["tts.model=/no/such/voice.onnx"], ModelError, "there is no such folder or file"),
        (["chat.tools=[nothing]"], ConfigError, "no installed package offers the tool 'nothing'"),
        (["chat=mlx", "chat.model=/no/such/model"], ModelError, "there is no such folder or file"),
        (["chat=openai", "chat.model=m", "chat.tools=[nothing]"], ConfigError, "the tool 'nothing'"),
        (["chat=openai", "chat.model=m", "chat.base_url=http://host:port"], ConfigError, "no address of a server"),
    ],
)
def test_what_is_missing_ends_a_run_before_a_model_is_loaded(tmp_path, overrides, error, message):
    config = compose([*overrides, "questions.limit=1", f"output_dir={tmp_path / 'run'}"])
    with pytest.raises(error, match=message):
        run_job(config)


def test_a_chat_does_not_look_for_a_voice_that_nobody_would_hear():
    build.look(compose(["chat=echo", "tts.model=/no/such/voice.onnx"]), speaks=False)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["voice.names=[nobody]"], "there is no voice 'nobody'"),
        (["voice.prompts={me: {audio: missing.wav, transcript: Hi}}"], "missing.wav"),
    ],
)
def test_a_checkpoints_voices_are_looked_at_before_its_weights(tmp_path, overrides, message):
    folder = write_checkpoint(tmp_path / "marvis")
    config = compose(["chat=echo", "tts=marvis", f"tts.model={folder}", *overrides])
    with pytest.raises(VoicegenError, match=message):
        build.look(config)
