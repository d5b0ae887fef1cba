"""How a model behind a server is named in one word: `URL#MODEL`, as in `http://127.0.0.1:8000/v1#openai/gpt-oss-20b`."""

from __future__ import annotations

from voicegen.errors import ConfigError, without_credentials


def is_server(name: str) -> bool:
    """Whether a model's name begins with the address of a server."""
    return name.startswith(("http://", "https://"))


def server_settings(name: str) -> dict[str, str]:
    """The settings that `URL#MODEL` stands for.

    Raises:
        ConfigError: the model is not said.
    """
    base_url, _, model = name.partition("#")
    if not model:
        shown = without_credentials(base_url)
        raise ConfigError(f"{shown} is a server: say which of its models as well, {shown}#MODEL")
    return {"base_url": base_url, "model": model}
