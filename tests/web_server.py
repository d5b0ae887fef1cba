"""A server of ours on loopback, for as long as a test needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from voicegen.chat.echo import EchoChatModel
from voicegen.job.composing import compose
from voicegen.protocols import ChatModel, SpeechModel
from voicegen.tts.tone import ToneSpeech
from voicegen.webserver.app import address, application, listening, server
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
    engine = engine or Engine(chat or EchoChatModel(), voice or ToneSpeech(RATE, None))
    opened = listening(config, token)
    opened.listen()
    running = server(application(engine, config, token))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [opened]})
    thread.start()
    try:
        yield address(opened, config)
    finally:
        running.should_exit = True
        thread.join()
        opened.close()
        engine.close()
