"""Plays speech while it is being made, through PortAudio or not at all.

A buffer stands between the voice and the sound card: playing starts once a little audio has gathered, so that a frame
which comes late does not tear the sound, and gathers anew after it ran dry.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ConfigError, MissingDependency

GATHERED = 0.2
"""Seconds of audio that must lie ready before playing starts: two and a half frames of a streaming voice."""

Samples = NDArray[np.float32]
Fill = Callable[[NDArray[np.float32]], None]
"""Fills a block (N,) with the samples that are to be heard next."""


class OutputStream(Protocol):
    """An open way to the loudspeakers, which asks its `Fill` for blocks from a thread of its own until closed."""

    latency: float  # seconds between a block's being filled and its being heard

    def close(self) -> None:
        """Falls silent at once."""


OpenStream = Callable[[int, Fill], OutputStream]
"""From a sampling rate in Hz and a `Fill` to a running stream."""


class Player(Protocol):
    """What plays speech. Every method returns at once."""

    @property
    def idle(self) -> bool:
        """Whether everything was heard."""

    def play(self, samples: Samples) -> None:
        """Puts mono samples (N,) after those that are still to be heard."""

    def finish(self) -> None:
        """Says that nothing more comes for now: what has gathered is to be heard, however little it is."""

    def stop(self) -> None:
        """Falls silent, and forgets what was still to be heard."""

    def close(self) -> None:
        """Gives the sound card back."""


class SilentPlayer:
    """A `Player` for a chat whose answers are not to be heard."""

    idle = True

    def play(self, samples: Samples) -> None:
        """Does nothing."""

    def finish(self) -> None:
        """Does nothing."""

    def stop(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class StreamPlayer:
    """A `Player` over an output stream.

    Args:
        sampling_rate: of the samples, in Hz.
        open_stream: opens the loudspeakers.
        gathered: seconds of audio that must lie ready before playing starts.
    """

    def __init__(self, sampling_rate: int, open_stream: OpenStream, gathered: float = GATHERED) -> None:
        self._threshold = round(gathered * sampling_rate)
        self._lock = threading.Lock()
        self._queue: deque[Samples] = deque()
        self._queued = 0  # samples in the queue
        self._playing = False
        self._finished = True
        self._heard_at = 0.0  # when the last sample given to the sound card will have been heard
        self._stream = open_stream(sampling_rate, self._fill)

    @property
    def idle(self) -> bool:
        """Whether everything was heard."""
        with self._lock:
            return self._finished and not self._queued and time.monotonic() >= self._heard_at

    def play(self, samples: Samples) -> None:
        """Puts mono samples (N,) after those that are still to be heard."""
        with self._lock:
            self._queue.append(samples)
            self._queued += len(samples)
            self._finished = False

    def finish(self) -> None:
        """Says that nothing more comes for now: what has gathered is to be heard, however little it is."""
        with self._lock:
            self._finished = True

    def stop(self) -> None:
        """Falls silent with the next block, and forgets what was still to be heard."""
        with self._lock:
            self._queue.clear()
            self._queued = 0
            self._playing = False
            self._finished = True
            self._heard_at = 0.0

    def close(self) -> None:
        """Gives the sound card back."""
        self._stream.close()

    def _fill(self, block: NDArray[np.float32]) -> None:
        """Runs on the sound card's thread: copies what is ready and pads it with silence."""
        with self._lock:
            if self._queued >= self._threshold or (self._finished and self._queued):
                self._playing = True
            filled = self._take(block) if self._playing else 0
            block[filled:] = 0
            if filled:
                self._heard_at = time.monotonic() + self._stream.latency
            if filled < len(block):
                self._playing = False

    def _take(self, block: NDArray[np.float32]) -> int:
        filled = 0
        while self._queue and filled < len(block):
            samples = self._queue.popleft()
            part = samples[: len(block) - filled]
            block[filled : filled + len(part)] = part
            filled += len(part)
            if len(part) < len(samples):
                self._queue.appendleft(samples[len(part) :])
        self._queued -= filled
        return filled


def sound_card(device: str | None = None) -> OpenStream:
    """How to open an audio device of this machine.

    Args:
        device: its number, or a part of its name; None for the system's default.

    Raises:
        MissingDependency: sounddevice or the PortAudio library is not installed.
        ConfigError: there is no such device, or this machine has none.
    """
    sounddevice = _sounddevice()
    chosen = int(device) if device is not None and device.isdecimal() else device
    try:
        found = sounddevice.query_devices(chosen, "output")
    except (ValueError, sounddevice.PortAudioError) as error:
        raise ConfigError(_no_device(sounddevice, device)) from error

    def open_stream(sampling_rate: int, fill: Fill) -> OutputStream:
        def callback(block: NDArray[np.float32], _frames: int, _time: Any, _status: Any) -> None:
            fill(block[:, 0])

        try:
            stream = sounddevice.OutputStream(
                samplerate=sampling_rate, device=chosen, channels=1, dtype="float32", callback=callback
            )
            stream.start()
        except sounddevice.PortAudioError as error:
            raise ConfigError(
                f"the audio device {found['name']} cannot play at {sampling_rate} Hz ({error}): "
                f"choose another with --device, or set tts.sample_rate={round(found['default_samplerate'])}"
            ) from error
        opened: OutputStream = stream
        return opened

    return open_stream


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingDependency(
            "--play needs the package sounddevice: install it with `uv sync --extra playback`, "
            "or `pip install 'voicegen[playback]'`"
        ) from error
    except OSError as error:  # the package is there, the library that it loads is not
        raise MissingDependency(
            "--play needs the PortAudio library: install it with `apt install libportaudio2`, "
            "or `brew install portaudio`"
        ) from error
    return sounddevice


def _no_device(sounddevice: Any, device: str | None) -> str:
    outputs = [
        f"{number}: {entry['name']}"
        for number, entry in enumerate(sounddevice.query_devices())
        if entry["max_output_channels"] > 0
    ]
    if not outputs:
        return "--play: this machine has no audio output; answers can still be saved as WAVs"
    wanted = "no default audio output" if device is None else f"no audio output, or several, called {device}"
    return f"--device: there is {wanted}; the outputs are {', '.join(outputs)}"
