"""What hears a server's clients: a recognizer on its own thread, and a detector of speech for each stream."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from voicegen.cores import usable_cores
from voicegen.quality.recognizers.files import find_recognizer
from voicegen.quality.recognizers.silero import RATE, Activity, load_detector, look_for_detector
from voicegen.quality.recognizers.whisper import LONGEST, Whisper
from voicegen.sharing.thread import ModelThread

__all__ = ["LONGEST", "RATE", "Ears"]

_THREADS: Final = 4  # at the most: a question is a few seconds, of which more make nothing faster


class Ears:
    """Hears what is said.

    Args:
        whisper: the recognizer, on its thread.
        detector: what `load_detector` gives.
    """

    def __init__(self, whisper: ModelThread[Whisper], detector: Any) -> None:
        self.info = whisper.model.info
        self._whisper = whisper
        self._detector = detector

    @classmethod
    def load(cls, recognizer: str, language: str) -> Self:
        """Loads a recognizer by its name, as `find_recognizer` takes it, and the detector.

        Raises:
            MissingDependency: a package is not installed; says the command that installs it.
            ModelError: it cannot be found or loaded, or does not know the language.
        """
        look_for_detector()
        files, threads = find_recognizer(recognizer), min(usable_cores(), _THREADS)
        whisper = ModelThread(lambda: Whisper.load(files, language, threads=threads), "ears")
        try:
            return cls(whisper, load_detector())
        except BaseException:
            whisper.close()
            raise

    def activity(self) -> Activity:
        """A detector for one more stream."""
        return Activity(self._detector)

    async def text_of(self, samples: NDArray[np.float32]) -> str:
        """What is said in samples (N,) at `RATE`, `LONGEST` seconds at the most; "" where nothing is."""
        return await asyncio.wrap_future(self._whisper.submit(self._heard, samples))

    def _heard(self, samples: NDArray[np.float32]) -> str:
        whisper = self._whisper.model
        (text,) = whisper.transcribe(whisper.encode([samples]))
        return text

    def close(self) -> None:
        """Ends the thread."""
        self._whisper.close()
