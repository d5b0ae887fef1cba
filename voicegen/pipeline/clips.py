"""Which clips of a run are really there, and which are left over."""

from __future__ import annotations

from collections.abc import Iterator

from voicegen.audio.audio_format import AudioFormat
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import AUDIO, REJECTED, SIDES, Plan, clip_name
from voicegen.records import Side, Status
from voicegen.store import Store, StoredFile

_LEFT_OVER: tuple[tuple[str, Status], ...] = ((REJECTED, "ok"), (AUDIO, "rejected"))
_FOLDERS: tuple[tuple[str, Status], ...] = ((AUDIO, "ok"), (REJECTED, "rejected"))


def forget_missing(ledger: Ledger, store: Store, audio: AudioFormat) -> int:
    """Lets rows be done again whose audio somebody removed or cut; returns how many.

    A file is told by its size; whether its bytes are still the same is for a check of `audio_sha256` to say.
    """
    if not store.lists_audio:
        return 0
    whole: dict[Side, bytearray] = {"answer": bytearray(ledger.end), "question": bytearray(ledger.end)}
    for folder, status in _FOLDERS:
        for index, beside, file in _clips(store, folder, audio):
            if ledger.status(index) == status:
                expected = ledger.audio_bytes(index, beside)
                whole[beside][index] = not expected or file.size == expected
    missing = [
        index
        for index in range(ledger.end)
        if (not whole["answer"][index] and _has_clip(ledger, index))
        or (not whole["question"][index] and ledger.audio_bytes(index, "question"))
    ]
    for index in missing:
        ledger.forget(index)
    return len(missing)


def remove_leftovers(ledger: Ledger, store: Store, plan: Plan) -> None:
    """Removes rejected takes of rows that have a good one by now, and takes that were good of rows rejected since."""
    if not store.lists_audio:
        store.remove(
            plan.audio_path(index, former, beside)
            for index, former in ledger.ended_otherwise()
            for beside in SIDES["both"]
        )
        return
    for folder, other in _LEFT_OVER:
        if not ledger.count(other):
            continue
        clips = _clips(store, folder, plan.audio)
        store.remove(
            [file.name for index, _, file in clips if ledger.status(index) == other and _has_clip(ledger, index)]
        )


def _has_clip(ledger: Ledger, index: int) -> bool:
    """Whether a row has audio, by the record; one that was rejected for its text, or long ago, has none."""
    status = ledger.status(index)
    return status == "ok" or (status == "rejected" and ledger.audio_bytes(index) > 0)


def _clips(store: Store, folder: str, audio: AudioFormat) -> Iterator[tuple[int, Side, StoredFile]]:
    """The audio files in a folder that are called as rows' are, each with its row and which of its clips it is."""
    for file in store.files(folder):
        name = file.name.rpartition("/")[2]
        if name.endswith(audio.suffix) and (clip := clip_name(name.removesuffix(audio.suffix))) is not None:
            yield *clip, file
