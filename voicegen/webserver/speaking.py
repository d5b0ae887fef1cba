"""`POST /v1/audio/speech` and the list of voices, in OpenAI's shapes.

Texts of several clients are spoken side by side, in one batch where the model has batches.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from voicegen.bounds import Seed, Speed
from voicegen.errors import ModelError
from voicegen.export.encoding import encoded
from voicegen.quality.verdict import judge
from voicegen.records import Speech, Utterance
from voicegen.tts.speaking import words_of
from voicegen.webserver.engine import RATE, Engine
from voicegen.webserver.pcm import pcm_bytes
from voicegen.webserver.refusals import Refusal, read_body
from voicegen.webserver.seats import Seats
from voicegen.webserver.stepping import begun

Format = Literal["mp3", "opus", "flac", "wav", "pcm"]

_TYPES: Final[Mapping[Format, str]] = MappingProxyType(
    {
        "mp3": "audio/mpeg",
        "opus": "audio/ogg",
        "flac": "audio/flac",
        "wav": "audio/wav",
        "pcm": f"audio/pcm;rate={RATE};channels=1",
    }
)


VOICE_HEADER: Final = "X-Voice"
"""Says which voice spoke: what a client called it may be another server's name."""


def _none(instructions: str | None) -> str | None:
    if instructions:
        raise ValueError("no voice here takes any: leave it out")
    return None


class SpeechRequest(BaseModel):
    """What is asked for; `seed` is ours, and `max_new_tokens`, which a text's own bound makes needless, vLLM's."""

    model_config = ConfigDict(extra="forbid")

    input: str
    model: str = ""
    voice: str | dict[Literal["id"], str] | None = None
    response_format: Format = "mp3"
    speed: Speed = 1.0
    stream_format: Literal["audio"] | None = None
    instructions: Annotated[str | None, AfterValidator(_none)] = None
    seed: Seed = 0
    max_new_tokens: Any = None


async def speech(request: Request) -> Response:
    """Speaks a text: `pcm` is sent while it is made, the other formats whole.

    Raises:
        Refusal: what is asked for cannot be had.
    """
    engine: Engine = request.app.state.engine
    seats: Seats = request.app.state.seats
    asked = await read_body(request, SpeechRequest)
    if len(asked.input) > (most := request.app.state.settings.max_text):
        raise Refusal(
            f"the text has {len(asked.input)} characters, and {most} is the most: send it in parts", param="input"
        )
    utterance = Utterance(0, words_of(asked.input, engine.wording), _voice(engine, asked), asked.seed)
    pieces = engine.spoken(utterance, asked.speed)
    headers = {VOICE_HEADER: quote(utterance.voice or "default")}
    if asked.response_format == "pcm":
        return StreamingResponse(await begun(_pcm(seats, pieces)), headers=headers, media_type=_TYPES["pcm"])
    with seats.one():
        samples = await _whole(request, pieces)
    if (problem := judge(Speech(utterance, samples, RATE))).status == "failed":
        raise ModelError(f"the voice gave no audio ({problem.reason}): try another seed")
    tags = engine.origin.tags(voice=utterance.voice)
    data, _ = encoded(samples, RATE, asked.response_format, "PCM_16", tags)
    return Response(data, headers=headers, media_type=_TYPES[asked.response_format])


async def voices(request: Request) -> Response:
    """The voices that may be asked for, and the one that speaks where none is."""
    engine: Engine = request.app.state.engine
    listed = [{"id": voice.name, "name": voice.name, "language": voice.language} for voice in engine.voices]
    return JSONResponse({"object": "list", "voices": listed, "default": engine.voice})


async def models(request: Request) -> Response:
    """The two models, by the names that their answers have."""
    return JSONResponse({"object": "list", "data": list(_models(request.app.state.engine))})


async def model(request: Request) -> Response:
    """One of them.

    Raises:
        Refusal: there is none of that name; says which there are.
    """
    name, listed = request.path_params["name"], list(_models(request.app.state.engine))
    for one in listed:
        if one["id"] == name:
            return JSONResponse(one)
    known = ", ".join(one["id"] for one in listed)
    raise Refusal(f"there is no model {name!r} here: there are {known}", 404, "model", "model_not_found")


def _models(engine: Engine) -> Iterator[dict[str, Any]]:
    for info in (engine.chat_model.info, engine.speech_model.info):
        yield {"id": info.id, "object": "model", "created": 0, "owned_by": info.backend}


def _voice(engine: Engine, asked: SpeechRequest) -> str | None:
    try:
        return engine.voice_named(asked.voice["id"] if isinstance(asked.voice, dict) else asked.voice)
    except ModelError as error:
        raise Refusal(str(error), param="voice") from None


async def _whole(request: Request, pieces: AsyncGenerator[NDArray[np.float32], None]) -> NDArray[np.float32]:
    kept = [np.zeros(0, np.float32)]
    async with aclosing(pieces):
        async for piece in pieces:
            kept.append(piece)
            if await request.is_disconnected():
                break
    return np.concatenate(kept)


async def _pcm(seats: Seats, pieces: AsyncGenerator[NDArray[np.float32], None]) -> AsyncGenerator[bytes, None]:
    with seats.one():
        async with aclosing(pieces):
            async for piece in pieces:
                yield pcm_bytes(piece)
