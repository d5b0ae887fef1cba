"""On MLX, Marvis speaks where torch cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.marvis_checkpoints import Format, write_checkpoint
from tests.unit.tts.test_voices import recording, write
from voicegen.records import Speech, Utterance
from voicegen.tts.marvis.speech import MarvisSpeech

SPEAK = """
import sys
sys.modules["torch"] = sys.modules["torchaudio"] = None  # whoever imports them is told that they are not there
from pathlib import Path
from voicegen.audio.audio_file import encode_audio
from voicegen.records import Utterance
from voicegen.tts.marvis.speech import MarvisSpeech

folder, wav = sys.argv[1:]
model = MarvisSpeech.open(folder, device="mlx", max_frames=12)
assert list(model.voices.prompts) == ["reader"]
(speech,) = model.speak([Utterance(0, "some words", seed=3)])
Path(wav).write_bytes(encode_audio(speech.samples, speech.sampling_rate))
"""


@pytest.mark.parametrize("fmt", ["native", "mlx-4bit"])
def test_a_line_is_spoken_to_a_wav_with_a_voice_of_ones_own(fmt: Format, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "m", fmt=fmt)
    write(folder / "prompts", "reader", recording(3.0), "Once upon a time.")
    wav = tmp_path / "line.wav"
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, str(folder), str(wav)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    samples, rate = soundfile.read(wav, dtype="float32")
    assert (len(samples), rate) == (12 * 1920, 24_000)
    model = MarvisSpeech.open(str(folder), device="cpu", max_frames=12)
    (expected,) = model.speak([Utterance(0, "some words", seed=3)])
    assert isinstance(expected, Speech)
    np.testing.assert_allclose(samples, expected.samples, atol=2**-14)  # a step of 16 bits, and a rounding
