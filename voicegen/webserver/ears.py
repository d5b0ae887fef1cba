"""What hears a server's clients: a recognizer on its own thread, and a detector of speech for each stream."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from voicegen.cores import usable_cores
from voicegen.quality.recognizers.files import find_recognizer
from voicegen.quality.recognizers.silero import RATE, Activity, load_detector, look_for_detector
from voicegen.quality.recognizers.whisper import LONGEST, Whisper
from voicegen.webserver.model_thread import ModelThread

__all__ = ["LONGEST", "RATE", "Ears"]

_THREADS: Final = 4  # at the most: a question is a few seconds, of which more make nothing faster


class Ears:
    """Hears what is said.

    Args:
        whisper: the recognizer.
        detector: what `load_detector` gives.
        thread: the recognizer's.
    """

    def __init__(self, whisper: Whisper, detector: Any, thread: ModelThread) -> None:
        self.info = whisper.info
        self._whisper = whisper
        self._detector = detector
        self._thread = thread

    @classmethod
    def load(cls, recognizer: str, language: str) -> Self:
        """Loads a recognizer by its name, as `find_recognizer` takes it, and the detector.

        Raises:
            MissingDependency: a package is not installed; says the command that installs it.
            ModelError: it cannot be found or loaded, or does not know the language.
        """
        look_for_detector()
        thread = ModelThread("ears")
        try:
            files = find_recognizer(recognizer)
            threads = min(usable_cores(), _THREADS)
            whisper = thread.begin(lambda: Whisper.load(files, language, threads=threads)).result()
            return cls(whisper, load_detector(), thread)
        except BaseException:
            thread.close()
            raise

    def activity(self) -> Activity:
        """A detector for one more stream."""
        return Activity(self._detector)

    async def text_of(self, samples: NDArray[np.float32]) -> str:
        """What is said in samples (N,) at `RATE`, `LONGEST` seconds at the most; "" where nothing is."""
        return await self._thread.call(self._heard, samples)

    def _heard(self, samples: NDArray[np.float32]) -> str:
        (text,) = self._whisper.transcribe(self._whisper.encode([samples]))
        return text

    def close(self) -> None:
        """Ends the thread."""
        self._thread.close()
