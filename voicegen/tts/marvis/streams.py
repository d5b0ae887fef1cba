"""Streams that are open at once: each has a slot of one batch, and whichever is pulled moves all of them on a frame."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.protocols import SpeechStream
from voicegen.tts.marvis.decoding import decodable, playable
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import FrameRunner
from voicegen.tts.marvis.scheduler import Order, Scheduler, Take

if TYPE_CHECKING:
    from voicegen.tts.marvis.codec import Codec


def decoded(frames: Generator[NDArray[np.int64], None, Take], codec: Codec) -> SpeechStream:
    """Yields the audio (N,) of a stream's codes piece by piece and returns the finish reason.

    Raises:
        ModelError: The model failed on the take.
    """
    decoder = codec.stream_decoder()
    with closing(frames):
        while True:
            try:
                codes = next(frames)
            except StopIteration as end:
                take: Take = end.value
                break
            if len(piece := decoder.push(decodable(codes, codec))):
                yield playable(piece)
    if len(rest := decoder.finish()):
        yield playable(rest)
    if take.error:
        raise ModelError(take.error)
    return take.finish_reason


class Streams:
    """Orders streamed through the slots of one runner, from any thread; those beyond the slots wait for one."""

    def __init__(self, runner: FrameRunner, silence: NDArray[np.bool_] | None) -> None:
        """`silence` is the scheduler's."""
        self._runner = runner
        self._scheduler = Scheduler(runner, silence)
        self._waiting: deque[Order] = deque()
        self._open: set[Order] = set()
        self._ended: dict[Order, Take] = {}
        self._sampling: Sampling | None = None
        self._lock = threading.Lock()

    def stream(self, order: Order, sampling: Sampling) -> Generator[NDArray[np.int64], None, Take]:
        """Yields the codes (K, t) of an order as they come and returns its take.

        Raises:
            ModelError: Streams that are open draw otherwise.
        """
        self._begin(order, sampling)
        sent = 0
        try:
            while True:
                codes, take = self._next(order, sent)
                sent += codes.shape[1]
                if codes.shape[1]:
                    yield codes
                if take:
                    return take
        finally:
            self._end(order)

    def _begin(self, order: Order, sampling: Sampling) -> None:
        with self._lock:
            if self._open and sampling != self._sampling:
                raise ModelError(
                    "a stream with another temperature or top_k is open: finish it first, streams share their sampling"
                )
            self._runner.use(sampling)
            self._sampling = sampling
            self._open.add(order)
            self._waiting.append(order)

    def _next(self, order: Order, sent: int) -> tuple[NDArray[np.int64], Take | None]:
        """What there is of an order beyond the frames that were sent, made if need be; its take where it has ended."""
        with self._lock:
            while order not in self._ended:
                codes = self._scheduler.codes(order, sent)
                if codes.shape[1]:
                    return codes, None
                self._ended |= {take.order: take for take in self._scheduler.advance(self._orders())}
            take = self._ended[order]
            return take.codes[:, sent:], take

    def _orders(self) -> Iterator[Order | None]:
        while True:
            yield self._waiting.popleft() if self._waiting else None

    def _end(self, order: Order) -> None:
        """Forgets an order, wherever it is: a stream may be closed before its end."""
        with self._lock:
            self._open.discard(order)
            self._ended.pop(order, None)
            if order in self._waiting:
                self._waiting.remove(order)
            self._scheduler.drop(order)
