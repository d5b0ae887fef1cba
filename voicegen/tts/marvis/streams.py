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
    """How far an order is. Whoever pulls it takes pieces; the one that moves all on does everything else.

    Attributes:
        sent: frames that were given to the codec.
        decoding: pushes to the codec whose samples are not there yet.
        pieces: audio that was not yet taken.
        take: the whole, when it has ended.
        row: of the decoder.
        asleep: held while whoever pulls it waits.
    """

    order: Order
    sent: int = 0
    decoding: int = 0
    pieces: deque[NDArray[np.float32]] = field(default_factory=deque)
    take: Take | None = None
    row: int | None = None
    asleep: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_whole(self) -> bool:
        """Whether no more pieces will come."""
        return self.take is not None and not self.decoding


class Streams:
    """Orders streamed through the slots of one runner, from any thread; those beyond the slots wait for one.

    Of the threads that wait for a piece one moves all streams on, and wakes those that have one then. To come and to go
    they need not wait for it.
    """

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
        self._open: dict[Order, _Stream] = {}
        self._waiting: deque[Order] = deque()
        self._left: deque[_Stream] = deque()  # before their end
        self._sampling: Sampling | None = None
        self._asleep: list[_Stream] = []
        self._door = threading.Lock()  # for those four and what is drawn by
        self._moving = threading.Lock()  # for all else

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
            self._end(stream)
        assert stream.take is not None  # else there would be another piece
        if stream.take.error:
            raise ModelError(stream.take.error)
        return stream.take.finish_reason

    def _begin(self, order: Order, sampling: Sampling) -> _Stream:
        with self._door:
            if self._open and sampling != self._sampling:
                raise ModelError(
                    "a stream with another temperature or top_k is open: finish it first, streams share their sampling"
                )
            if not self._open:
                self._runner.use(sampling)
                self._sampling = sampling
            self._open[order] = stream = _Stream(order)
            self._waiting.append(order)
            return stream

    def _end(self, stream: _Stream) -> None:
        """Forgets a stream; one that is closed before its end is dropped with the next frame."""
        with self._door:
            del self._open[stream.order]
            if stream.take is None:
                self._left.append(stream)

    def _next(self, stream: _Stream) -> NDArray[np.float32] | None:
        """The next piece of a stream, made if need be; None where it has ended."""
        while True:
            was_whole = stream.is_whole  # looked at before its pieces, of which the last comes first
            if stream.pieces:
                return stream.pieces.popleft()
            if was_whole:
                return None
            if self._moving.acquire(blocking=False):
                try:
                    if not stream.pieces and not stream.is_whole:
                        self._move_on()
                finally:
                    self._moving.release()
                    self._wake()
            else:
                self._sleep(stream)

    def _sleep(self, stream: _Stream) -> None:
        """Waits until there is something for a stream, or nobody moves it on."""
        with self._door:
            if stream.pieces or stream.is_whole or not self._moving.locked():
                return
            stream.asleep.acquire()
            self._asleep.append(stream)
        with stream.asleep:
            pass

    def _wake(self) -> None:
        """Wakes those who have something, and one more who moves on the others."""
        with self._door:
            served = [stream for stream in self._asleep if stream.pieces or stream.is_whole]
            others = [stream for stream in self._asleep if not stream.pieces and not stream.is_whole]
            self._asleep = others[1:]
        for stream in (*served, *others[:1]):
            stream.asleep.release()

    def _move_on(self) -> None:
        """Makes a frame of every stream, and gives the codec what is new."""
        while self._left:
            self._drop(self._left.popleft())
        takes = {take.order: take for take in self._scheduler.advance(self._orders())}
        with self._door:
            streams = list(self._open.values())
        try:
            new = self._decode(streams, takes)
        finally:  # only then is a stream whole that has ended
            for stream in streams:
                if stream.order in takes:
                    stream.take = takes[stream.order]
                    self._give_back(stream)
        self._collect(self._decoder.lag if new else 0)

    def _drop(self, stream: _Stream) -> None:
        with self._door:
            if stream.order in self._waiting:
                self._waiting.remove(stream.order)
        self._give_back(stream)
        self._scheduler.drop(stream.order)

    def _decode(self, streams: list[_Stream], takes: dict[Order, Take]) -> bool:
        """Gives the codec what is new, of the takes that have just ended too; False if nothing is."""
        new: dict[int, NDArray[np.int64]] = {}
        of_row: dict[int, _Stream] = {}
        in_hand = self._scheduler.in_hand()
        for stream in streams:
            take = takes.get(stream.order)
            codes = take.codes if take else in_hand.get(stream.order)
            # The first frame goes alone, to be heard soon; then as many as the codec best takes together.
            least = 1 if take or not stream.sent else self._decoder.frames
            if codes is not None and codes.shape[1] - stream.sent >= least:
                row = self._row(stream)
                new[row], of_row[row] = decodable(codes[:, stream.sent :], self._codec), stream
                stream.sent = codes.shape[1]
        if new:
            self._decoding.append((self._decoder.push(new), of_row))
            for stream in of_row.values():
                stream.decoding += 1
        return bool(new)

    def _collect(self, leave: int) -> None:
        """Takes the samples of all but the last `leave` pushes, which the device may still be decoding."""
        while len(self._decoding) > leave:
            pieces, of_row = self._decoding.popleft()
            for row, samples in pieces().items():
                of_row[row].pieces.append(playable(samples))
                of_row[row].decoding -= 1

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
