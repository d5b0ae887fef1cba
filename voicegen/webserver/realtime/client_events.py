"""What a client may say over the WebSocket."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from voicegen.webserver.pcm import pcm_samples
from voicegen.webserver.realtime.session import Given, SessionGiven
from voicegen.webserver.refusals import Refusal, refused


class _Event(Given):
    event_id: str | None = None


class SessionUpdate(_Event):
    """Changes how the conversation is had."""

    type: Literal["session.update"]
    session: SessionGiven


class Append(_Event):
    """More from the microphone, in base64."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(_Event):
    """What was said is a question."""

    type: Literal["input_audio_buffer.commit"]


class Clear(_Event):
    """What was said is nothing."""

    type: Literal["input_audio_buffer.clear"]


class Content(Given):
    """A part of an item."""

    type: Literal["input_text", "input_audio", "output_text", "output_audio", "text"]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None

    @property
    def words(self) -> str:
        """What is written of it."""
        return self.text or self.transcript or ""


class Item(Given):
    """A message."""

    type: Literal["message"]
    role: Literal["user", "assistant"]
    content: Annotated[list[Content], Field(min_length=1)]
    id: Annotated[str, Field(max_length=64)] | None = None
    object: Any = None
    status: Any = None


class ItemCreate(_Event):
    """Adds a question in writing or as audio, or an answer that was had elsewhere."""

    type: Literal["conversation.item.create"]
    item: Item
    previous_item_id: Any = None


class ItemTruncate(_Event):
    """So much of an answer was heard when it was broken off."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    audio_end_ms: Annotated[float, Field(ge=0)]
    content_index: Any = None


class ResponseCreate(_Event):
    """What was asked is to be answered."""

    type: Literal["response.create"]
    response: SessionGiven = SessionGiven()


class ResponseCancel(_Event):
    """The answer is to be broken off."""

    type: Literal["response.cancel"]
    response_id: str | None = None


ClientEvent = SessionUpdate | Append | Commit | Clear | ItemCreate | ItemTruncate | ResponseCreate | ResponseCancel
_ANY: TypeAdapter[ClientEvent] = TypeAdapter(Annotated[ClientEvent, Field(discriminator="type")])


def client_event(message: str) -> ClientEvent:
    """What a message says.

    Raises:
        Refusal: it is no event that is known here, or a field of it cannot be.
    """
    try:
        return _ANY.validate_json(message)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"].startswith("union_tag"):
            known = first.get("ctx", {}).get("expected_tags", "").replace("'", "")
            raise Refusal(f"an event's type is one of {known or 'those of docs/serve.md'}", param="type") from None
        raise refused(error) from None


def samples_of(audio: str) -> NDArray[np.float32]:
    """Samples (N,) of base64.

    Raises:
        Refusal: it is none, or holds a part of a sample.
    """
    try:
        return pcm_samples(b64decode(audio, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Refusal(
            f"audio is 16-bit little-endian samples in base64, and this is not: {error}", param="audio"
        ) from None
