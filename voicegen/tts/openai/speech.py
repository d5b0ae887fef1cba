"""Speaks through any server with `/v1/audio/speech`, many utterances at once.

Source: OpenAI's API reference; the speech API of vLLM-Omni, with its batch endpoint and its count of tokens in
`x-vllm-omni-output-tokens`; SGLang-Omni, which says in `X-Finish-Reason` whether a take was cut; Kokoro-FastAPI.
"""

from __future__ import annotations

import binascii
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any, Final, Literal

import httpx

from voicegen.audio.resample import resample
from voicegen.errors import ModelError
from voicegen.protocols import Traits
from voicegen.reading.calls import read_json
from voicegen.records import Failure, ModelInfo, Speech, Utterance
from voicegen.servers.concurrent import Requests, while_some_succeed
from voicegen.servers.endpoint import Endpoint
from voicegen.servers.failures import RequestRefused, ServerUnreachable, TryAgain
from voicegen.servers.openai_client import get_text
from voicegen.servers.tries import Tries
from voicegen.tts.openai.audio import decode

_SPEECH: Final = "/audio/speech"
_BATCH: Final = "/audio/speech/batch"
_VOICES: Final = "/audio/voices"
_SHORT_TEXT: Final = "Yes."
_TOKENS: Final = "x-vllm-omni-output-tokens"
_LONGEST_COUNT: Final = 10  # digits of a count of tokens; more are none
_MOST_LISTED: Final = 20  # voices in a message
_REASON: Final = "x-finish-reason"


class OpenAISpeech:
    """A `SpeechModel` behind a server; make it with `OpenAISpeech.open`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        voices: Sequence[str] | None = None,
        response_format: Literal["wav", "pcm"] = "wav",
        pcm_rate: int = 24_000,
        max_tokens: int | None = 2048,
        batch_size: int = 1,
        concurrency: int = 16,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Asks nothing yet; the arguments are those of `open`, and `voices` the names that the server lists."""
        self.info = ModelInfo(id=endpoint.model, backend="openai")
        self.sample_rate = 0  # known with the first take
        self._endpoint = endpoint
        self._voices = voices
        self._format = response_format
        self._pcm_rate = pcm_rate if response_format == "pcm" else None
        self._max_tokens = max_tokens
        self._batch_size = batch_size
        self._concurrency = concurrency
        self._speed = 1.0
        self._extra = dict(extra or {})

    @classmethod
    def open(cls, endpoint: Endpoint, voice: str | None = None, **settings: Any) -> OpenAISpeech:
        """Asks the server for its voices and for one short take, which shows the rate and that all of it works.

        Args:
            endpoint: where the model is.
            voice: of that take; the server's default if None.
            settings: `response_format` `wav` or `pcm`; `pcm_rate`, in Hz, of bare samples; `max_tokens` of a take;
                `batch_size` of utterances a request, for a server with a batch endpoint; `concurrency` of requests;
                `extra` fields of each request.

        Raises:
            ModelError: the server can't be reached, or does not speak.
        """
        model = cls(endpoint, voices=listed_voices(endpoint), **settings)
        try:
            (take,) = model.speak([Utterance(0, _SHORT_TEXT, voice)])
            if isinstance(take, Failure):
                raise ModelError(f"{take.error}. Check tts.model, voice.names and tts.extra.")
        except ModelError as error:
            hint = " A server without a batch endpoint wants tts.batch_size=1." if model._batch_size > 1 else ""
            raise ModelError(f"{error}{hint}") from error
        model.sample_rate = take.sampling_rate
        return model

    @property
    def traits(self) -> Traits:
        """Sets its own speed, and knows its voices where the server lists them."""
        return Traits(at_speed=self.at_speed, check_voices=None if self._voices is None else self.check_voices)

    def at_speed(self, speed: float) -> OpenAISpeech:
        """The same model, asked to speak so many times as fast."""
        other = copy(self)
        other._speed = speed
        return other

    def check_voices(self, names: Iterable[str]) -> None:
        """Refuses names that the server does not list.

        Raises:
            ModelError: there is no such voice; says which there are.
        """
        _check_voices(self._endpoint, self._voices or (), names)

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance in completion order.

        Raises:
            ModelError: no utterance can be spoken: a wrong key, an unknown model, a server that can't be reached or
                that fails take after take.
        """
        has_replied = self.sample_rate > 0
        with Requests[list[Speech | Failure]](self._endpoint, has_replied=has_replied) as requests:
            groups = requests.run(
                self._grouped(utterances), lambda group: self._group(requests, group), self._concurrency
            )
            yield from while_some_succeed(take for group in groups for take in group)

    def _grouped(self, utterances: Iterable[Utterance | None]) -> Iterator[list[Utterance] | None]:
        """As many as go into one request, or as many as are ready."""
        group: list[Utterance] = []
        for utterance in utterances:
            if utterance is not None:
                group.append(utterance)
            if group and (utterance is None or len(group) == self._batch_size):
                yield group
                group = []
            if utterance is None:
                yield None
        if group:
            yield group

    async def _group(
        self, requests: Requests[list[Speech | Failure]], group: list[Utterance]
    ) -> list[Speech | Failure]:
        started = time.perf_counter()

        async def once() -> list[Speech | Failure]:
            if self._batch_size > 1:
                reply = await requests.post(_BATCH, self._batch_body(group))
                takes = self._batch_takes(group, reply)
            else:
                reply = await requests.post(_SPEECH, self._body(group[0], self._common()))
                tokens, reason = (reply.headers.get(name, "") for name in (_TOKENS, _REASON))
                takes = [self._take(group[0], reply.content, tokens, reason)]
            share = (time.perf_counter() - started) / max(1, requests.in_flight) / len(group)
            return [take if isinstance(take, Failure) else replace(take, seconds=share) for take in takes]

        try:
            return await requests.tried(once, Tries(self._endpoint))
        except (RequestRefused, TryAgain) as error:
            return [Failure(utterance.index, "tts", str(error), utterance.part) for utterance in group]

    def _common(self) -> dict[str, Any]:
        """What every request says; what a server may not know is left out where it is not wanted."""
        body: dict[str, Any] = {"model": self._endpoint.model, "response_format": self._format}
        if self._speed != 1.0:
            body["speed"] = self._speed
        if self._max_tokens is not None and not self._endpoint.is_openai:
            body["max_new_tokens"] = self._max_tokens
        return body | self._extra

    def _body(self, utterance: Utterance, common: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"input": utterance.text, **common}
        if utterance.voice is not None:
            body["voice"] = utterance.voice
        if not self._endpoint.is_openai:
            body["seed"] = utterance.seed % 2**31
        return body

    def _batch_body(self, group: Sequence[Utterance]) -> dict[str, Any]:
        return {**self._common(), "items": [self._body(utterance, {}) for utterance in group]}

    def _batch_takes(self, group: Sequence[Utterance], reply: httpx.Response) -> list[Speech | Failure]:
        """What a batch came to, one by one.

        Raises:
            TryAgain: it is no reply to a batch.
        """
        try:
            results = {result["index"]: result for result in read_json(reply.text)["results"]}
            return [self._batch_take(utterance, results[place]) for place, utterance in enumerate(group)]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TryAgain(f"the server's reply is none to a batch: {reply.text!r}") from error

    def _batch_take(self, utterance: Utterance, result: Mapping[str, Any]) -> Speech | Failure:
        if result["status"] != "success":
            said = self._endpoint.told(str(result.get("error") or "no reason given"))
            return Failure(
                utterance.index, "tts", f"{self._endpoint.address} could not speak it: {said}", utterance.part
            )
        try:
            data = b64decode(result["audio_data"], validate=True)
        except binascii.Error as error:
            raise TryAgain("the server's batch holds audio that is no base64") from error
        usage = result.get("usage")
        tokens = usage.get("output_tokens") if isinstance(usage, Mapping) else None
        return self._take(utterance, data, str(tokens), str(result.get("finish_reason")))

    def _take(self, utterance: Utterance, data: bytes, tokens: str, reason: str) -> Speech:
        """A take; cut where the server says so, or its count of tokens shows it."""
        samples, rate = decode(data, self._pcm_rate)
        to = self.sample_rate or rate
        is_count = tokens.isdecimal() and len(tokens) < _LONGEST_COUNT
        took_all = self._max_tokens is not None and is_count and int(tokens) >= self._max_tokens
        cut = took_all or reason.lower() == "length"
        return Speech(utterance, resample(samples, rate, to), to, "length" if cut else "stop", speed=self._speed)


def look(endpoint: Endpoint, voices: Iterable[str]) -> None:
    """Refuses voices that the server does not list.

    Raises:
        ModelError: there is no such voice, or no server.
    """
    listed = listed_voices(endpoint)
    if listed is not None:
        _check_voices(endpoint, listed, voices)


def listed_voices(endpoint: Endpoint) -> tuple[str, ...] | None:
    """The names of a server's voices; None where it gives no list.

    Raises:
        ModelError: the server can't be reached.
    """
    try:
        text = get_text(endpoint, _VOICES)
    except ServerUnreachable as error:
        raise ModelError(f"{error}.") from error
    except (TryAgain, RequestRefused, ModelError):
        return None
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        names = tuple(_voice_name(voice) for voice in read_json(text)["voices"])
        return names or None
    return None


def _voice_name(voice: Any) -> str:
    return voice if isinstance(voice, str) else str(voice.get("id") or voice["name"])


def _check_voices(endpoint: Endpoint, listed: Sequence[str], names: Iterable[str]) -> None:
    known = {name.casefold() for name in listed}
    for name in names:
        if "+" not in name and name.casefold() not in known:  # Kokoro mixes voices: af_bella+af_sky
            more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
            raise ModelError(
                f"{endpoint.address} has no voice {name!r}: it has {', '.join(listed[:_MOST_LISTED])}{more}"
            )
