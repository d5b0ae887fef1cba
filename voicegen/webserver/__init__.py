"""`voicegen serve`: chat and speech for programs and for the browser, over HTTP and a WebSocket."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from voicegen.errors import MissingDependency

PACKAGES: Final = ("starlette", "uvicorn", "websockets")
INSTALL: Final = "`uv sync --extra serve`, or `pip install 'voicegen[serve]'`"


def look_for_packages() -> None:
    """Refuses where a package of the server is not installed.

    Raises:
        MissingDependency: says which, and the command that installs it.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingDependency(f"voicegen serve needs {', '.join(missing)}: install it with {INSTALL}")
