"""How often one request is tried, however it is sent: many under way at once, or one whose reply is streamed."""

from __future__ import annotations

from voicegen.errors import ModelError
from voicegen.servers.endpoint import Endpoint
from voicegen.servers.failures import ParameterRefused, ServerUnreachable, TryAgain


class Tries:
    """What becomes of one request after each of its failures; it sends nothing itself.

    Attributes:
        failed: tries that have failed.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.failed = 0

    def wait_after(self, error: ParameterRefused | TryAgain, *, is_last: bool = False) -> float:
        """Seconds to wait before the next try; `is_last` says that there must be none.

        Raises:
            TryAgain: there is none.
            ModelError: all have been made, and there is no server.
            ParameterRefused: the request cannot be put in another way.
        """
        if isinstance(error, ParameterRefused):
            raise error
        self.failed += 1
        all_made = self.failed > self._endpoint.retries
        if not all_made and not is_last:
            return self._endpoint.wait_before(self.failed - 1, error)
        said = self._endpoint.reported(str(error))
        if all_made and isinstance(error, ServerUnreachable):
            raise ModelError(f"{said}.") from error
        raise TryAgain(f"{said} (after {self.failed} {'try' if self.failed == 1 else 'tries'})") from error
