"""Where an OpenAI-compatible API is, with which key, how patiently it is asked, and what may be told of it."""

from __future__ import annotations

import json
import logging
import os
import random
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import httpx

from voicegen.errors import ConfigError, without_credentials
from voicegen.servers.failures import TryAgain

_log = logging.getLogger(__name__)

_LONGEST_WAIT: Final = 60.0  # seconds; a server may ask for any wait, a run should not hang for hours
_WAIT_WORTH_TELLING: Final = 5.0  # seconds
_LONGEST_BACKOFF: Final = 30.0  # seconds
_MOST_TOLD: Final = 400  # characters of what a server says
_SHORTEST_SECRET: Final = 4  # characters; a shorter key is a placeholder, and stands in many words


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an address.

    Attributes:
        timeout: seconds that one try may take, from its start to the last byte of its reply.
        retries: tries after the first.
        backoff: the first wait, in seconds.
        group: the settings that say all this, for messages: `chat` or `tts`.
    """

    model: str
    base_url: str = field(default="http://127.0.0.1:8000/v1", repr=False)
    api_key_env: str | None = "OPENAI_API_KEY"
    timeout: float = 120.0
    retries: int = 5
    backoff: float = 0.5
    group: str = "chat"
    _warned: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuses an address that is none, and a key that cannot be sent.

        Raises:
            ConfigError: names the address, or the variable that holds the key.
        """
        if not _is_address(self.base_url):
            raise ConfigError(
                f"{self.group}.base_url={self.base_url.rpartition('@')[2]!r} is no address of a server: "
                "give one such as http://127.0.0.1:8000/v1"
            )
        if not (self.key.isascii() and self.key.isprintable()):
            raise ConfigError(
                f"the environment variable {self.api_key_env} holds a character that no key has (a control character, "
                "or one beyond ASCII): set it to the key alone"
            )

    @property
    def address(self) -> str:
        """The base of all its addresses, without a name and password."""
        return without_credentials(self.base_url).rstrip("/")

    @property
    def credentials(self) -> tuple[str, str] | None:
        """The name and password that the address holds."""
        parts = urlsplit(self.base_url)
        return (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None

    @property
    def key(self) -> str:
        """The key from the environment, or nothing."""
        return os.environ.get(self.api_key_env, "").strip() if self.api_key_env else ""

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that no proxy stands between."""
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own."""
        host = urlsplit(self.base_url).hostname or ""
        return host == "openai.com" or host.endswith(".openai.com")

    def told(self, said: str) -> str:
        """What the server or its connection said, as it may be shown: without key and password, and not too long."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            said = said.replace(secret, "***")
        said = without_credentials(said)
        return said if len(said) <= _MOST_TOLD else f"{said[:_MOST_TOLD]}..."

    def reported(self, said: str) -> str:
        """`told`, with the address of the server that it is about."""
        said = self.told(said)
        return said if self.address in said else f"{self.address}: {said}"

    def wait_before(self, attempt: int, error: TryAgain) -> float:
        """Seconds to wait after failed try number `attempt` (from 0): what the server asked for, or a growing time.

        A long wait that the server asked for is logged, the first one as a warning.
        """
        if error.wait is None:
            return min(self.backoff * 2.0**attempt, _LONGEST_BACKOFF) * random.uniform(0.5, 1.0)
        wait = min(error.wait, _LONGEST_WAIT)
        if wait >= _WAIT_WORTH_TELLING:
            level = logging.INFO if "wait" in self._warned else logging.WARNING
            self._warned.add("wait")
            said = self.reported(str(error))
            _log.log(level, "%s: the server asks to wait %.0f s; trying again in %.0f s", said, error.wait, wait)
        return wait

    def _secrets(self) -> Iterator[str]:
        """The key and the password, in each form in which a server may give them back."""
        name, password = self.credentials or ("", "")
        for secret in (self.key, password, b64encode(f"{name}:{password}".encode()).decode()):
            if len(secret) >= _SHORTEST_SECRET:
                yield from {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}


def _is_address(url: str) -> bool:
    try:
        address = httpx.URL(url)
        parts = urlsplit(url)
    except (ValueError, httpx.InvalidURL):
        return False
    return address.scheme in ("http", "https") and bool(parts.hostname)
