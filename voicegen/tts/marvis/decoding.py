"""Takes to speech beside generation: with torch on CUDA the codec decodes in a thread and on a stream of its own.

Takes wait until they fill a batch, or nothing comes. Elsewhere they are decoded between frames: where they end, or with
MLX on a GPU, whose launches are what it costs, a few at a time.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError, VoicegenError
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.marvis.scheduler import Take

if TYPE_CHECKING:
    from types import TracebackType

    from voicegen.tts.marvis.codec import Codec


class BatchDecoder(Protocol):
    """Decodes takes that were sorted into batches as it asked."""

    def decode(self, codes: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Waveforms of codes (K, T_i), in order."""
        ...

    def batch_of(self, frames: int) -> tuple[int, int]:
        """The kind of batch that a take of so many frames belongs to, and how many takes fill it."""
        ...


class Resampler(Protocol):
    """Takes waveforms to another rate, many at a time.

    Attributes:
        rate: Hz, that they have then.
    """

    rate: int

    def __call__(self, waveforms: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Waveforms at the other rate, in order."""
        ...


BATCH = 64
"""Takes decoded at once, unless the decoder says otherwise."""
IDLE_SECONDS = 0.2
"""How long takes wait for others to share their batch, while none come."""
SWITCH_SECONDS = 0.0002
WAITING = 512
"""Takes that may wait for the codec before generation waits too."""


class _Piles:
    """Takes that wait for others of their kind."""

    def __init__(self, batch_of: Callable[[int], tuple[int, int]]) -> None:
        self._batch_of = batch_of
        self._waiting: dict[int, list[Take]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, take: Take) -> list[Take]:
        """The batch that a take fills, or none."""
        kind, most = self._batch_of(take.codes.shape[1])
        pile = self._waiting.setdefault(kind, [])
        pile.append(take)
        return self._waiting.pop(kind) if len(pile) >= most else []

    def rest(self) -> Iterator[list[Take]]:
        """What waits, full or not."""
        while self._waiting:
            yield self._waiting.popitem()[1]


class _Flush:
    """Tells the thread to decode all that it has."""


class Decoding:
    """Decodes takes; a context manager whose thread ends with it."""

    def __init__(
        self,
        codec: Codec,
        decoder: BatchDecoder | None = None,
        resampler: Resampler | None = None,
        *,
        threaded: bool = False,
        together: int = 1,
    ) -> None:
        """Decodes with a codec.

        Args:
            codec: a loaded one.
            decoder: decodes in the codec's place.
            resampler: gives takes another rate than the codec's.
            threaded: decode beside generation.
            together: takes that wait for one another, where they are decoded between frames.
        """
        self._codec = codec
        self._resampler = resampler
        self._rate = resampler.rate if resampler else codec.sample_rate
        self._decode_codes = decoder.decode if decoder else codec.decode
        most = BATCH if threaded else together
        self._piles = _Piles(decoder.batch_of if decoder else lambda _frames: (0, most))
        self._switch_seconds = sys.getswitchinterval()
        self._taken = 0
        self._given = 0
        self._takes: queue.Queue[Take | _Flush | None] = queue.Queue(WAITING)
        self._records: queue.Queue[Speech | Failure | BaseException] = queue.Queue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._work, name="marvis-codec", daemon=True)

    def __enter__(self) -> Decoding:
        """Starts the thread, where there is one, and lets threads take turns more often meanwhile.

        With Python's usual 5 ms, the thread that feeds the GPU its frames would wait for the codec's thread as long
        as half a frame takes.
        """
        if self._thread:
            sys.setswitchinterval(SWITCH_SECONDS)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the thread; takes that nobody waits for are dropped."""
        if not self._thread:
            return
        while kind is not None:
            try:
                self._takes.get_nowait()
            except queue.Empty:
                break
        self._takes.put(None)
        self._thread.join()
        sys.setswitchinterval(self._switch_seconds)

    def add(self, take: Take) -> Iterator[Speech | Failure]:
        """Gives a take to the codec; yields what is ready."""
        self._taken += 1
        if self._thread:
            self._takes.put(take)
        elif batch := self._piles.add(take):
            self._decode(batch)
        while not self._records.empty():
            yield self._next()

    def flush(self) -> Iterator[Speech | Failure]:
        """Waits for every take given; yields them."""
        if self._thread and self._given < self._taken:
            self._takes.put(_Flush())
        elif not self._thread:
            for batch in self._piles.rest():
                self._decode(batch)
        while self._given < self._taken:
            yield self._next()

    def _next(self) -> Speech | Failure:
        record = self._records.get()
        if isinstance(record, BaseException):
            raise record
        self._given += 1
        return record

    def _work(self) -> None:
        import torch

        stream: Any = torch.cuda.Stream(priority=-1) if torch.cuda.is_available() else None
        with torch.cuda.stream(stream):
            try:
                for batch in self._batches():
                    self._decode(batch)
            except BaseException as error:
                self._records.put(error)

    def _batches(self) -> Iterator[list[Take]]:
        """Full batches of takes that go well together; those that are not full when it is time to flush."""
        while True:
            try:
                item = self._takes.get(timeout=IDLE_SECONDS if self._piles else None)
            except queue.Empty:
                item = _Flush()
            if isinstance(item, Take):
                if batch := self._piles.add(item):
                    yield batch
                continue
            yield from self._piles.rest()
            if item is None:
                return

    def _decode(self, takes: list[Take]) -> None:
        spoken = [take for take in takes if not take.error and take.codes.shape[1]]
        started = time.perf_counter()
        waveforms = self._waveforms(spoken)
        seconds = (time.perf_counter() - started) / max(len(spoken), 1)
        for take in takes:
            waveform = waveforms.get(id(take), take.error or "the model ended the take before its first frame")
            self._records.put(_record(take, waveform, seconds, self._rate))

    def _waveforms(self, takes: list[Take]) -> dict[int, Any]:
        """Samples, or an error's text, by the take's id; takes are decoded one by one if their batch fails."""
        if not takes:
            return {}
        try:
            decoded = self._decode_codes([decodable(take.codes, self._codec) for take in takes])
            if self._resampler is not None:
                decoded = self._resampler([playable(samples) for samples in decoded])
            return {id(take): samples for take, samples in zip(takes, decoded, strict=True)}
        except (VoicegenError, RuntimeError, ValueError) as error:
            if len(takes) == 1:
                return {id(takes[0]): f"the codec failed: {error}"}
            return {key: value for take in takes for key, value in self._waveforms([take]).items()}


def check_codebooks(codec: Codec, codebooks: int) -> None:
    """Sees that the codec decodes as many codebooks as are generated.

    Raises:
        ModelError: It has fewer.
    """
    known = getattr(codec, "codebooks", codebooks)
    if known < codebooks:
        fewer = max((number for number in (8, 16, 24) if number <= known), default=None)
        hint = f", or generate fewer with tts.codebooks={fewer}" if fewer else ""
        raise ModelError(
            f"the codec has {known} codebooks, and {codebooks} are to be generated: "
            f"choose another with tts.codec=...{hint}"
        )


def decodable(codes: NDArray[np.integer[Any]], codec: Codec) -> NDArray[np.int64]:
    """Codes that the codec knows: the model's vocabulary has a few special ones past the codec's last."""
    return np.minimum(codes, getattr(codec, "codebook_size", 2048) - 1, dtype=np.int64)


def playable(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A codec's samples with what lies beyond full scale cut off; NaN stays, for the writer to refuse."""
    return np.clip(samples, -1.0, 1.0)


def _record(take: Take, waveform: Any, seconds: float, rate: int) -> Speech | Failure:
    utterance: Utterance = take.order.tag.utterance  # type: ignore[attr-defined]
    if isinstance(waveform, str):
        return Failure(utterance.index, "tts", waveform, utterance.part)
    return Speech(utterance, playable(waveform), rate, take.finish_reason, take.seconds + seconds)
