"""A server of ours on loopback, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from voicegen.chat.echo import EchoChatModel
from voicegen.job.composing import compose
from voicegen.protocols import ChatModel, SpeechModel
from voicegen.sharing.chat import ChatSideBySide
from voicegen.sharing.thread import ModelThread
from voicegen.tts.tone import ToneSpeech
from voicegen.webserver.app import serving
from voicegen.webserver.engine import RATE, Engine


@contextmanager
def web_server(
    chat: ChatModel | None = None,
    voice: SpeechModel | None = None,
    *words: str,
    token: str | None = None,
    engine: Engine | None = None,
    **settings: Any,
) -> Iterator[str]:
    """Its address; what answers repeats and what speaks hums, where nothing else is given."""
    config = compose(["serve=default", "serve.port=0", *words], settings=settings).serve
    assert config is not None
    with serving(engine or engine_of(chat, voice), config, token) as url:
        yield url


def engine_of(chat: ChatModel | None = None, voice: SpeechModel | None = None, **settings: Any) -> Engine:
    """What answers, speaks and hears, of models that are made."""
    speech = ModelThread(lambda: voice or ToneSpeech(RATE, None), "voice")
    return Engine(ChatSideBySide(chat or EchoChatModel()), speech, **settings)
