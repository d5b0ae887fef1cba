"""What can come of a request to a server in place of a reply."""

from __future__ import annotations


class RequestRefused(Exception):
    """The server will not answer this request, whatever is tried: the row fails."""


class ParameterRefused(RequestRefused):
    """The server, or the model behind it, takes no such `parameter`, or not with the value that it was given."""

    def __init__(self, reason: str, parameter: str) -> None:
        super().__init__(reason)
        self.parameter = parameter


class TryAgain(Exception):
    """The server may answer later.

    Attributes:
        wait: what it asked for, in seconds.
        is_busy: whether it works, and has too much to do.
    """

    def __init__(self, reason: str, wait: float | None = None, *, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.is_busy = is_busy or wait is not None


class ServerUnreachable(TryAgain):
    """There is no server to talk to: if that lasts, no row can be answered."""
