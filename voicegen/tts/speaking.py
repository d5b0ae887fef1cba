"""Speaking one utterance with any speech model, and the seeds of utterances that are made from others."""

from __future__ import annotations

import hashlib

from voicegen.errors import ModelError
from voicegen.protocols import SpeechModel
from voicegen.records import Failure, Speech, Utterance


def speak_one(model: SpeechModel, utterance: Utterance) -> Speech:
    """Speaks `utterance` alone.

    Raises:
        ModelError: it could not be spoken; the text of the failure.
    """
    (record,) = model.speak([utterance])
    if isinstance(record, Failure):
        raise ModelError(record.error)
    return record


def derived_seed(seed: int, number: int) -> int:
    """The seed of the `number`th of the things that `seed` stands for, such as the parts of a text; 63 bits."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=8).digest()) >> 1
