from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.marvis_checkpoints import write_checkpoint
from voicegen import build
from voicegen.commands.selftest import main
from voicegen.errors import MissingDependency
from voicegen.job.composing import compose
from voicegen.job.selftest import SENTENCES
from voicegen.records import Failure, Speech, Utterance


def said(argv: Sequence[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and the page, which is the one that is written."""
    code = main([*argv, f"output_dir={folder}"])
    printed = capsys.readouterr().out
    assert printed == (folder / "selftest.txt").read_text() + f"files      {folder}\n"
    return code, printed


class SpokenOnce:
    """The model of the settings, which says the sentences when they are first asked for."""

    def __init__(self, model: Any) -> None:
        self.info, self._model = model.info, model
        self._records: list[Speech | Failure] = []

    def speak(self, utterances: Iterable[Utterance]) -> Iterator[Speech | Failure]:
        self._records = self._records or list(self._model.speak(utterances))
        return iter(self._records)


@pytest.fixture(scope="module")
def piper() -> SpokenOnce:
    return SpokenOnce(build.speech_model(compose(["tts=piper"])))


@pytest.fixture
def spoken_once(piper: SpokenOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicegen.job.selftest.build.speech_model", lambda _config: piper)


@pytest.fixture
def no_recognizer(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise MissingDependency("listening for words needs faster-whisper: install it with `uv sync --group whisper`")

    monkeypatch.setattr("voicegen.quality.checks.recognition.find_recognizer", missing)


@pytest.mark.usefixtures("spoken_once")
def test_a_real_voice_passes_and_its_words_are_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, page = said(["tts=piper"], tmp_path, capsys)
    assert code == 0, page
    assert "recognizer whisper-base" in page
    assert "spoken to the end         20 of 20" in page
    assert "verdict    passed: it speaks as good speech does" in page
    assert len(list(tmp_path.glob("*.wav"))) == len(SENTENCES) == 20
    assert soundfile.info(tmp_path / "00.wav").duration > 1


@pytest.mark.usefixtures("spoken_once", "no_recognizer")
def test_where_nobody_can_listen_the_verdict_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, page = said(["tts=piper"], tmp_path, capsys)
    assert code == 0, page
    assert (
        "recognizer none: listening for words needs faster-whisper: install it with `uv sync --group whisper`" in page
    )
    assert "words heard otherwise     nobody listened" in page
    assert "verdict    passed, as far as can be told: nobody listened to the words" in page


@pytest.mark.usefixtures("no_recognizer")
def test_random_weights_fail_with_reasons_beside_what_the_checkpoint_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_checkpoint(tmp_path / "m", fmt="mlx-4bit")
    code, page = said(
        ["tts=marvis", f"tts.model={folder}", "tts.device=cpu", "tts.max_frames=8"], tmp_path / "out", capsys
    )
    assert code == 3
    assert "20 sentences were not spoken to their end (20 x the take was cut before the text was over)" in page
    assert "tensors              all 43 that the config asks for, and no other" in page
    assert "verdict    FAILED: " in page
