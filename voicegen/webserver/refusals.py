"""What a client is told when it asks for what cannot be, in the shape of OpenAI's errors."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from voicegen.bounds import what_it_may_be
from voicegen.errors import VoicegenError

B = TypeVar("B", bound=BaseModel)

LARGEST_BODY = 2**20  # bytes of a request


class Refusal(Exception):
    """A request that is not done: `status` is HTTP's, `param` the field that is at fault."""

    def __init__(self, message: str, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    @classmethod
    def of(cls, error: VoicegenError) -> Refusal:
        """What is told of an error of ours, which says itself what to do."""
        return cls(str(error))

    @property
    def kind(self) -> str:
        """What OpenAI calls the sort of error it is."""
        known = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        return known.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")

    @property
    def error(self) -> dict[str, Any]:
        """As clients read it."""
        return {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}

    @property
    def response(self) -> JSONResponse:
        """As an answer to a request."""
        return JSONResponse({"error": self.error}, self.status)


async def read_body(request: Request, of: type[B]) -> B:
    """What a request's JSON says.

    Raises:
        Refusal: it is too large, no JSON, or a field is not there, unknown, or of another type.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise Refusal(f"the request is over {LARGEST_BODY} bytes: send less", 413)
    return parsed(bytes(body), of)


def parsed(body: bytes | str, of: type[B]) -> B:
    """What a JSON text says.

    Raises:
        Refusal: it is no JSON, or a field is not there, unknown, or of another type.
    """
    try:
        return of.model_validate_json(body)
    except ValidationError as error:
        raise refused(error) from None


def refused(error: ValidationError) -> Refusal:
    """One line for what pydantic found first."""
    problems = error.errors()
    first = problems[0]
    if first["type"] == "json_invalid":
        return Refusal(f"this is no JSON: {first['ctx']['error']}")
    param = ".".join(str(part) for part in first["loc"] if not _names_type(part))
    if first["type"] == "extra_forbidden":
        return Refusal(f"{param} is not known here: leave it out", param=param, code="unknown_parameter")
    if first["type"] == "missing":
        return Refusal(f"{param} is missing", param=param, code="missing_required_parameter")
    return Refusal(f"{param or 'the body'}: {what_it_may_be([first])}", param=param or None)


def _names_type(part: str | int) -> bool:
    """Whether a part of pydantic's path is a member of a union, and no field of the client's."""
    return isinstance(part, str) and not part.isidentifier()
