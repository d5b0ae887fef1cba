"""Streams that are open at once: each has a slot of one batch, and whichever is pulled moves all of them on a frame."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.protocols import SpeechStream
from voicegen.tts.marvis.decoding import decodable, playable
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import FrameRunner, StreamDecoders
from voicegen.tts.marvis.scheduler import Order, Scheduler, Take

if TYPE_CHECKING:
    from voicegen.tts.marvis.codec import Codec, PendingPieces


@dataclass(slots=True, eq=False)
class _Stream:
    """How far an order is: frames given to the codec, audio not yet taken, and its take when it has ended."""

    sent: int = 0
    pieces: deque[NDArray[np.float32]] = field(default_factory=deque)
    take: Take | None = None
    row: int | None = None


class Streams:
    """Orders streamed through the slots of one runner, from any thread; those beyond the slots wait for one."""

    def __init__(
        self, runner: FrameRunner, silence: NDArray[np.bool_] | None, codec: Codec, decoder: StreamDecoders
    ) -> None:
        """`silence` is the scheduler's; `decoder` has a row for each slot."""
        self._runner = runner
        self._scheduler = Scheduler(runner, silence)
        self._codec = codec
        self._decoder = decoder
        self._decoding: deque[tuple[PendingPieces, dict[int, _Stream]]] = deque()
        self._free = list(range(runner.state.slots))  # rows of the decoder
        self._waiting: deque[Order] = deque()
        self._open: dict[Order, _Stream] = {}
        self._sampling: Sampling | None = None
        self._lock = threading.Lock()

    def speech(self, order: Order, sampling: Sampling) -> SpeechStream:
        """Yields the audio (N,) of an order as it is made and returns the finish reason.

        Raises:
            ModelError: Streams that are open draw otherwise, or the model failed on the take.
        """
        stream = self._begin(order, sampling)
        try:
            while (piece := self._next(stream)) is not None:
                yield piece
        finally:
            self._end(order)
        assert stream.take is not None  # else there would be another piece
        if stream.take.error:
            raise ModelError(stream.take.error)
        return stream.take.finish_reason

    def _begin(self, order: Order, sampling: Sampling) -> _Stream:
        with self._lock:
            if self._open and sampling != self._sampling:
                raise ModelError(
                    "a stream with another temperature or top_k is open: finish it first, streams share their sampling"
                )
            self._runner.use(sampling)
            self._sampling = sampling
            self._open[order] = stream = _Stream()
            self._waiting.append(order)
            return stream

    def _next(self, stream: _Stream) -> NDArray[np.float32] | None:
        """The next piece of a stream, made if need be; None where it has ended."""
        with self._lock:
            while not stream.pieces and (stream.take is None or self._decoding):
                if stream.take is None:
                    self._move_on()
                else:
                    self._collect(0)
            return stream.pieces.popleft() if stream.pieces else None

    def _move_on(self) -> None:
        """Makes a frame of every stream, and gives the codec what is new."""
        for take in self._scheduler.advance(self._orders()):
            if take.order in self._open:
                self._open[take.order].take = take
        new, of_row = self._new()
        if new:
            self._decoding.append((self._decoder.push(new), of_row))
        for stream in self._open.values():
            if stream.take is not None:
                self._give_back(stream)
        self._collect(self._decoder.lag if new else 0)

    def _new(self) -> tuple[dict[int, NDArray[np.int64]], dict[int, _Stream]]:
        """The frames that were not decoded yet, and whose they are, by the decoder's row."""
        new: dict[int, NDArray[np.int64]] = {}
        of_row: dict[int, _Stream] = {}
        in_hand = self._scheduler.in_hand()
        for order, stream in self._open.items():
            codes = in_hand.get(order) if stream.take is None else stream.take.codes
            if codes is not None and codes.shape[1] > stream.sent:
                row = self._row(stream)
                new[row], of_row[row] = decodable(codes[:, stream.sent :], self._codec), stream
                stream.sent = codes.shape[1]
        return new, of_row

    def _collect(self, leave: int) -> None:
        """Takes the samples of all but the last `leave` pushes, which the device may still be decoding."""
        while len(self._decoding) > leave:
            pieces, of_row = self._decoding.popleft()
            for row, samples in pieces().items():
                of_row[row].pieces.append(playable(samples))

    def _row(self, stream: _Stream) -> int:
        if stream.row is None:
            stream.row = heapq.heappop(self._free)  # the lowest: few rows are few to compute
            self._decoder.begin(stream.row)
        return stream.row

    def _give_back(self, stream: _Stream) -> None:
        if stream.row is not None:
            heapq.heappush(self._free, stream.row)
            stream.row = None

    def _orders(self) -> Iterator[Order | None]:
        while True:
            yield self._waiting.popleft() if self._waiting else None

    def _end(self, order: Order) -> None:
        """Forgets an order, wherever it is: a stream may be closed before its end."""
        with self._lock:
            self._give_back(self._open.pop(order))
            if order in self._waiting:
                self._waiting.remove(order)
            self._scheduler.drop(order)
