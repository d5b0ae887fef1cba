"""The one way to the bytes of a clip of a run, whatever they are packed in."""

from __future__ import annotations

from voicegen.records import ClipPlace
from voicegen.store import Store


def read_clip(store: Store, place: ClipPlace) -> bytes | None:
    """The bytes of an audio file that lies in a store, by one read of it; None where there is no such file.

    Of a shard that was cut short they are fewer than `place.size`.

    Raises:
        OutputError: they cannot be read.
        InputError: the place leads out of the store.
    """
    if place.offset is None:
        return store.read(place.path)
    return store.read_part(place.file, place.offset, place.size)
