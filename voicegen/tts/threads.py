"""Speaking on the CPU with onnxruntime: several utterances at a time, one thread each.

The threads share one session that uses a single thread for each utterance: on two cores that costs a third less CPU
time than sharing out every operator, as onnxruntime does by default, no thread spins, and an utterance sounds the same
in any company.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from voicegen.bounds import Positive
from voicegen.cores import usable_cores
from voicegen.errors import ModelError
from voicegen.records import Failure, Speech, Utterance
from voicegen.settings import NOT_IDENTITY, ModelName, SpeakingSettings

_POLL: Final = 0.02  # seconds between looks at a source that had nothing ready


class ThreadedSettings(SpeakingSettings):
    """What a backend is told that speaks so."""

    model: ModelName
    revision: str | None
    workers: Positive = Field(json_schema_extra=NOT_IDENTITY)

    @property
    def to_load(self) -> dict[str, Any]:
        """The same by the names that the backends' `load` has for it."""
        return {**self.model_dump(include={"model", "revision", "language"}), "threads": self.workers}


def spoken_by_threads(
    utterances: Iterable[Utterance | None], speak: Callable[[Utterance], Speech | Failure], threads: int
) -> Iterator[Speech | Failure]:
    """Yields one record an utterance in completion order; at most two utterances a thread are in hand."""
    source = iter(utterances)
    exhausted = False
    in_hand: set[Future[Speech | Failure]] = set()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="speaking")
    try:
        while not exhausted or in_hand:
            idle = False
            while not exhausted and not idle and len(in_hand) < 2 * threads:
                try:
                    utterance = next(source)
                except StopIteration:
                    exhausted = True
                else:
                    if utterance is not None:
                        in_hand.add(pool.submit(speak, utterance))
                    idle = utterance is None and bool(in_hand)
            done, in_hand = wait(in_hand, timeout=_POLL if idle else None, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def only_onnx(path: Path, *patterns: str) -> Path:
    """The one .onnx file that `path` is, or that it holds where `patterns` say: right in it by default.

    Raises:
        ModelError: there are several, or none.
    """
    if path.is_file():
        return path
    found = sorted(file for pattern in patterns or ("*.onnx",) for file in path.glob(pattern))
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(path)) for file in found) or "none"
        raise ModelError(f"the folder {path} must hold one .onnx model, and holds {names}; give the file itself")
    return found[0]


def open_session(model: str | bytes) -> Any:
    """An onnxruntime session of a model's file or its bytes that uses one thread for each call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: the default prints warnings about the graph that nobody can act on
    # Planning the reuse of memory takes four seconds for a graph of 3,000 nodes, and speaks no faster.
    options.enable_mem_reuse = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def usual_threads() -> int:
    """One for each core that this process may use, at most 8."""
    return min(usable_cores(), 8)
