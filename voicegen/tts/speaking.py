"""Speaking one utterance with any speech model, for those who wait for it."""

from __future__ import annotations

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
