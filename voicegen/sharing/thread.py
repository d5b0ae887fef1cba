"""A thread that a model lives on, from its making on: whatever is done with it is done there, in turn.

MLX ties its streams to the thread that made them, and an accelerator has one owner. Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from voicegen.sharing.caller import Withdrawn

M = TypeVar("M")
T = TypeVar("T")


class ModelThread(Generic[M]):
    """One thread and its model.

    Args:
        make: makes the model; begun at once.
        name: of the thread.
    """

    def __init__(self, make: Callable[[], M], name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"voicegen-{name}")
        self._made = self._executor.submit(make)

    @property
    def model(self) -> M:
        """The model, once it is made; to be looked at, and worked with on its own thread alone.

        Raises:
            VoicegenError: it cannot be made.
            Withdrawn: the thread was ended before it was.
        """
        try:
            return self._made.result()
        except CancelledError:
            raise Withdrawn from None

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Has `function` called there, after what was submitted before, and returns at once."""
        return self._executor.submit(function, *arguments)

    def close(self) -> None:
        """Ends the thread when what is under way is over; what waits is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)
