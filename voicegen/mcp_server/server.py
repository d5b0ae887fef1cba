"""The tools and resources of the server, on the official SDK, which reads them off the functions' signatures."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voicegen import __version__
from voicegen.bounds import Seed, what_it_may_be
from voicegen.errors import VoicegenError
from voicegen.mcp_server import results
from voicegen.mcp_server.clips import mime_type
from voicegen.mcp_server.refusals import Refusal, told
from voicegen.mcp_server.results import (
    AskResult,
    Found,
    JobResult,
    Reach,
    SearchResult,
    SpeakResult,
    VoiceEntry,
    VoicesResult,
)
from voicegen.mcp_server.runs import QuestionRow, RunRequest
from voicegen.mcp_server.service import Service, Stage
from voicegen.records import Speak
from voicegen.sharing.caller import Caller

if TYPE_CHECKING:
    from voicegen.mcp_server.documents import Documents

T = TypeVar("T")

_SIGN_OF_LIFE: Final = 5.0  # seconds between progress notifications: some clients wait longer for who is at work
_PLAINLY: Final = MappingProxyType({"missing": "is missing", "extra_forbidden": "is unknown"})
_LONGEST_TEXT: Final = 200_000  # characters
_MOST_QUESTIONS: Final = 10_000  # of a run; a request has 4 MB at the most

_INSTRUCTIONS = """\
Ask a language model, have texts spoken, and make speech datasets. Audio is synthetic. ask and speak answer within the \
call; a long text and a run answer at once with a job's id: look at it by run_status, end it by cancel_run.\
"""

Text = Annotated[str, Field(max_length=_LONGEST_TEXT, description="Plain text or Markdown.")]
Voice = Annotated[str | None, Field(max_length=200, description="A name from list_voices; None: the usual voice.")]
JobId = Annotated[str, Field(max_length=100, description="The job's id, as start_run or speak gave it.")]


class VoiceServer(MCPServer[Any]):
    """An `MCPServer` that tells what is wrong with a call as data, and takes no argument that it does not know."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """As the SDK's; errors of ours are results with `is_error` and what they are in `structured_content`."""
        try:
            self._refuse_unknown(name, arguments)
            return await super().call_tool(name, arguments, context)
        except VoicegenError as error:
            return results.refused(error)
        except ToolError as error:
            if isinstance(error.__cause__, VoicegenError):
                return results.refused(error.__cause__)
            if isinstance(error.__cause__, ValidationError):
                return results.refused(_malformed(error.__cause__))
            raise

    def _refuse_unknown(self, name: str, arguments: dict[str, Any]) -> None:
        schema = self._tool_input_schema(name)
        if schema is None:
            raise Refusal("unknown_tool", f"there is no tool {name!r}: see tools/list")
        known = schema.get("properties", {})
        if unknown := {key: "is unknown" for key in arguments if key not in known}:
            raise Refusal(
                "arguments", f"{name} has no argument {next(iter(unknown))!r}: it has {', '.join(known)}", unknown
            )


def _malformed(error: ValidationError) -> Refusal:
    """What is wrong with each argument, and what is wanted, in a line."""
    fields = {".".join(map(str, one["loc"])): _problem(one) for one in error.errors()}
    told = (
        f"{name} {problem}" if problem in _PLAINLY.values() else f"{name}: {problem}"
        for name, problem in fields.items()
    )
    return Refusal("arguments", "; ".join(told), fields)


def _one_of(names: Sequence[str], name: str | None) -> str | None:
    if name is not None and name not in names:
        raise ValueError(f"it may be {', '.join(names)}")
    return name


def _problem(one: ErrorDetails) -> str:
    return _PLAINLY.get(one["type"]) or what_it_may_be([one])


class _Requests:
    """Does requests on threads: with signs of life, and given up when the client does."""

    def __init__(self, most: int) -> None:
        self._limiter = anyio.CapacityLimiter(most)

    async def do(self, ctx: Context[Any, Any], work: Callable[[Caller, Stage], T]) -> T:
        """What `work` gives.

        Raises:
            VoicegenError: as `work`.
        """
        caller, stage, changed = Caller(), "waiting", anyio.Event()
        outcome: list[T | Exception] = []

        def at(name: str) -> None:
            nonlocal stage
            stage = name
            with suppress(RuntimeError):  # the client has gone, and the loop with it
                anyio.from_thread.run_sync(lambda: changed.set())

        async def work_on() -> None:
            try:
                run = partial(anyio.to_thread.run_sync, abandon_on_cancel=True, limiter=self._limiter)
                outcome.append(await run(work, caller, at))
            except Exception as error:  # raised below, out of the group
                outcome.append(error)
            group.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(work_on)
                for step in count(1):
                    changed = anyio.Event()
                    await ctx.report_progress(step, message=stage)
                    with anyio.move_on_after(_SIGN_OF_LIFE):
                        await changed.wait()
        finally:
            caller.withdraw()
        (done,) = outcome
        if isinstance(done, Exception):
            raise done
        return done


def make_server(service: Service, configs: Sequence[str]) -> VoiceServer:
    """The server of these models.

    Args:
        service: does what clients ask for.
        configs: that a run may name.
    """
    server = VoiceServer(
        "voicegen", title="voicegen", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    settings = service.settings
    requests = _Requests(settings.requests)
    waiting = anyio.CapacityLimiter(settings.requests)  # so that who waits for a job takes no place of others

    @server.tool(annotations=ToolAnnotations(title="Ask a question"))
    async def ask(
        ctx: Context,
        text: Text,
        session: Annotated[
            str | None, Field(max_length=100, description="To go on with a conversation; None begins one.")
        ] = None,
        speak: Annotated[bool, Field(description="Have the answer spoken, too.")] = False,
        voice: Voice = None,
    ) -> Annotated[CallToolResult, AskResult]:
        """Asks the language model, in a conversation that it remembers."""
        work = lambda caller, at: service.ask(caller, text, session, voice, speak, at)  # noqa: E731
        return results.asked(await requests.do(ctx, work), _reach(ctx, service))

    @server.tool(annotations=ToolAnnotations(title="Speak a text"))
    async def speak(
        ctx: Context,
        text: Text,
        voice: Voice = None,
        seed: Annotated[Seed, Field(description="Another one gives another take.")] = 0,
    ) -> Annotated[CallToolResult, SpeakResult]:
        """Speaks a text. A long one answers at once with a job's id, for run_status."""
        if len(text) > settings.long_text:
            begun = await anyio.to_thread.run_sync(service.begin_speech, text, voice, seed)
            return results.speaking(begun)
        clip = await requests.do(ctx, lambda caller, at: service.speak(caller, text, voice, seed, at))
        return results.spoken(clip, _reach(ctx, service))

    @server.tool(annotations=ToolAnnotations(title="List the voices", read_only_hint=True))
    def list_voices() -> VoicesResult:
        """Lists the voices that ask, speak and start_run take."""
        voices = service.voices
        return VoicesResult(
            voices=[VoiceEntry(name=one.name, language=one.language, source=one.source) for one in voices or ()],
            language=service.language,
            note="the model gives no list of its voices" if voices is None else None,
        )

    @server.tool(annotations=ToolAnnotations(title="Make a speech dataset"))
    async def start_run(
        ctx: Context,
        questions: Annotated[
            list[QuestionRow] | None, Field(max_length=_MOST_QUESTIONS, description="What is asked, a row each.")
        ] = None,
        config: Annotated[
            str | None,
            AfterValidator(partial(_one_of, configs)),
            Field(description="Which models; None: the server's own.", json_schema_extra={"enum": [*configs, None]}),
        ] = None,
        quality: Annotated[
            Literal["off", "basic", "strict"] | None, Field(description="How takes are judged; None: as the server's.")
        ] = None,
        speak: Annotated[Speak, Field(description="What of each row is spoken.")] = "answer",
        voice: Voice = None,
        seed: int = 0,
        run: Annotated[
            str | None, Field(max_length=100, description="The id of a run to go on with, in place of all else.")
        ] = None,
    ) -> Annotated[CallToolResult, JobResult]:
        """Answers questions and speaks the answers into a dataset. Gives a job's id at once, for run_status."""
        request = None
        if questions:
            request = RunRequest(
                questions=tuple(questions), config=config, quality=quality, speak=speak, voice=voice, seed=seed
            )
        begun = await anyio.to_thread.run_sync(service.begin_run, request, run)
        return results.job_status(begun, _reach(ctx, service))

    @server.tool(annotations=ToolAnnotations(title="Look at a job", read_only_hint=True))
    async def run_status(
        ctx: Context,
        job: JobId,
        wait: Annotated[float, Field(ge=0, le=30, description="Seconds to wait for its end, at the most.")] = 0.0,
    ) -> Annotated[CallToolResult, JobResult]:
        """Says how far a run or a long text is, and where what came of it lies."""
        found = service.job(job)
        if wait:
            await anyio.to_thread.run_sync(found.wait, wait, abandon_on_cancel=True, limiter=waiting)
        return results.job_status(found, _reach(ctx, service))

    @server.tool(annotations=ToolAnnotations(title="Cancel a job", idempotent_hint=True))
    async def cancel_run(ctx: Context, job: JobId) -> Annotated[CallToolResult, JobResult]:
        """Ends a run or a long text early. What is finished of a run stays: start_run goes on with it by its id."""
        found = service.job(job)
        await anyio.to_thread.run_sync(found.cancel)
        await anyio.to_thread.run_sync(found.wait, _SIGN_OF_LIFE, abandon_on_cancel=True, limiter=waiting)
        return results.job_status(found, _reach(ctx, service))

    if service.documents is not None:
        _search(server, service.documents, requests)

    @server.resource(f"{results.SCHEME}conversations/{{session}}", mime_type="application/jsonl")
    def conversation(session: str) -> str:
        """A conversation: a message a line."""
        return _read(partial(service.conversation, session))

    @server.resource(f"{results.SCHEME}runs/{{run}}/manifest{{?offset,limit}}", mime_type="application/jsonl")
    async def manifest(run: str, offset: str = "0", limit: str = "100") -> str:
        """The rows of a run: what was asked and answered, the audio files, what was measured of them."""
        read = lambda: service.runs.manifest(run, _rows("offset", offset), _rows("limit", limit))  # noqa: E731
        return await anyio.to_thread.run_sync(_read, read)

    for suffix in (".wav", ".flac"):
        _serve_audio(server, service, suffix)
    return server


def _search(server: VoiceServer, documents: "Documents", requests: _Requests) -> None:
    @server.tool(annotations=ToolAnnotations(title="Search the documents", read_only_hint=True))
    async def search_documents(
        ctx: Context,
        question: Annotated[str, Field(min_length=1, max_length=20_000, description="What you want to know.")],
        k: Annotated[int, Field(ge=1, le=50, description="Passages, at the most.")] = 5,
    ) -> SearchResult:
        """Finds the passages of the user's documents that a question is about."""
        if not question.strip():
            raise Refusal("arguments", "question is empty: say what you want to know", {"question": "is empty"})
        found = await requests.do(ctx, lambda _caller, _at: documents.search(question, k))
        return SearchResult(
            passages=[Found(text=one.text, score=one.score, source=one.source, id=one.id) for one in found]
        )


def _serve_audio(server: VoiceServer, service: Service, suffix: str) -> None:
    """Audio files of that kind, as resources and, of a web server, at addresses."""
    kind = mime_type(suffix)

    async def read(ctx: Context[Any, Any], place: str, read: Callable[[], bytes]) -> bytes:
        data = await anyio.to_thread.run_sync(_read, read)
        web = _reach(ctx, service).web
        if web is not None and len(data) > results.LARGEST:
            raise ResourceError(f"{len(data)} bytes are more than a message holds: get {web}{place}")
        return data

    @server.resource(f"{results.SCHEME}clips/{{name}}{suffix}", mime_type=kind)
    async def clip(ctx: Context, name: str) -> bytes:
        """A clip that ask or speak made."""
        file = name + suffix
        return await read(ctx, f"clips/{file}", partial(service.clip, file))

    @server.resource(f"{results.SCHEME}runs/{{run}}/{{+path}}{suffix}", mime_type=kind)
    async def run_audio(ctx: Context, run: str, path: str) -> bytes:
        """An audio file of a run, by the audio_path of its row."""
        file = path + suffix
        return await read(ctx, f"runs/{run}/{file}", partial(service.runs.audio, run, file))

    async def get(read: Callable[[], bytes]) -> Response:
        try:
            return Response(await anyio.to_thread.run_sync(read), media_type=kind)
        except VoicegenError as error:
            return JSONResponse({"error": told(error)}, 404)

    async def get_clip(request: Request) -> Response:
        return await get(partial(service.clip, request.path_params["name"] + suffix))

    async def get_run_audio(request: Request) -> Response:
        run, path = request.path_params["run"], request.path_params["path"]
        return await get(partial(service.runs.audio, run, path + suffix))

    server.custom_route(f"/clips/{{name}}{suffix}", ["GET"])(get_clip)
    server.custom_route(f"/runs/{{run}}/{{path:path}}{suffix}", ["GET"])(get_run_audio)


def _reach(ctx: Context[Any, Any], service: Service) -> Reach:
    request = ctx.request_context.request
    return Reach(service.settings, str(request.base_url) if isinstance(request, Request) else None)


def _rows(name: str, number: str) -> int:
    """A number of rows, as an address has it; the SDK would tell of another word as of an error of the server."""
    if not number.isdecimal() or len(number) > 18:  # more than a table holds
        raise Refusal("arguments", f"{name}={number}: give a number of rows, 0 or more")
    return int(number)


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except Refusal as error:
        raise ResourceNotFoundError(str(error)) from error
    except VoicegenError as error:
        raise ResourceError(str(error)) from error
