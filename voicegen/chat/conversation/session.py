"""A conversation with one model.

session = ChatSession("starter", system_prompt="Be brief.")
print(session.chat("What is MLX?"))
for piece in session.chat_stream("And what is it for?"):
    print(piece, end="", flush=True)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from voicegen.chat.backends import open_chat_model
from voicegen.chat.conversation.history import History, Turn
from voicegen.chat.conversation.options import generation_options
from voicegen.chat.conversation.reply import Reply, ReplySoFar
from voicegen.chat.conversation.turn import TOOL_ROUNDS, Next, OpenTurn
from voicegen.chat.tools import Tool, ToolRegistry, cut_text
from voicegen.errors import ConfigError, ModelError
from voicegen.protocols import ChatModel
from voicegen.records import ChatUsage, Message, Passage, Role
from voicegen.text.well_formed import well_formed


class ChatSession:
    """Keeps the history of a conversation and streams the model's answers.

    Attributes:
        model: the chat model; one given by name is loaded when it is first needed.
        options: how the model generates.
        tools: what `execute_tool_loop` offers to the model.
        last_usage: what the last reply cost.
        find: finds the passages of documents that the model is given before a question; None for none.
        last_passages: those given with the last question.
    """

    def __init__(self, model: str | Path | ChatModel, system_prompt: str | None = None, **generation: Any) -> None:
        """Starts an empty conversation.

        Args:
            model: the name or folder of an MLX model; `URL#MODEL` for one behind an OpenAI-compatible server, as in
                `http://127.0.0.1:8000/v1#openai/gpt-oss-20b`; or any `voicegen.protocols.ChatModel`.
            system_prompt: instructions that stay at the top of the conversation.
            **generation: fields of `GenerationOptions`, such as `max_tokens`, `temperature`, `reasoning_effort`.

        Raises:
            ConfigError: a generation option does not exist, or cannot have its value; or `model` is no model.
        """
        self._source = _checked_model(model)
        self._model: ChatModel | None = None
        self.options = generation_options(generation)
        self.tools = ToolRegistry()
        self.last_usage: ChatUsage | None = None
        self.find: Callable[[str], Sequence[Passage]] | None = None
        self.last_passages: tuple[Passage, ...] = ()
        self._history = History(None if system_prompt is None else _checked_text("the system prompt", system_prompt))

    @classmethod
    def load(cls, path: Path | str, model: str | Path | ChatModel, **generation: Any) -> ChatSession:
        """Goes on with a conversation that `save` wrote.

        Raises:
            ConfigError: as for a new session; or the path is a URL.
            InputError: the file cannot be read or holds no conversation; names the line.
        """
        session = cls(model, **generation)
        session._history = History.load(path)
        return session

    @property
    def model(self) -> ChatModel:
        """The model, loaded; setting it has another one go on with the conversation.

        Raises:
            ModelError: it cannot be found or loaded.
        """
        if self._model is None:
            self._model = _loaded(self._source)
        return self._model

    @model.setter
    def model(self, model: ChatModel) -> None:
        self._model = model

    @property
    def system_prompt(self) -> str | None:
        """The instructions at the top of the conversation; setting it keeps the turns."""
        return self._history.system_prompt

    @system_prompt.setter
    def system_prompt(self, text: str | None) -> None:
        self._history.system_prompt = text

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn of the conversation, also those that left the context window, with their interruptions."""
        return self._history.turns

    def chat(self, text: str) -> str:
        """Asks and returns the whole answer.

        Raises:
            ConfigError: the question is no text.
            ModelError: the question does not fit the context, the model gave no answer, or it called a tool.
        """
        for _ in self.chat_stream(text):
            pass
        return self._last_answer()

    def chat_stream(self, text: str) -> Generator[str, None, None]:
        """Asks and yields the answer as it is generated, reasoning left out.

        Where it is not known whether a model's replies begin with reasoning, the first answer comes whole, at its end.

        Closing the generator, or Ctrl-C, stops the model and keeps what was said so far as an interrupted turn.

        Raises:
            ModelError: as for `chat`.
        """
        yield from _said(self.steps(text))

    def steps(self, text: str, max_rounds: int = 0) -> Generator[str, None, None]:
        """`chat_stream`, or with `max_rounds` over 0 `tool_stream`, for a caller that wants to look up from its work.

        Yields an empty string too, for each step that adds nothing to the answer, such as one of the reasoning.
        """
        return self._turn(text, max_rounds)

    def register_tool(
        self,
        name: str,
        description: str,
        callback: Callable[..., Any],
        parameters: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
    ) -> Tool:
        """Lets `execute_tool_loop` offer a function to the model; see `ToolRegistry.register`."""
        return self.tools.register(name, description, callback, parameters, timeout)

    def execute_tool_loop(self, text: str, max_rounds: int = TOOL_ROUNDS) -> str:
        """Asks, runs the tools that the model calls, at most `max_rounds` times, and returns the answer.

        Raises:
            ConfigError: `max_rounds` is no whole number from 1 on.
            ModelError: as for `chat`; or the model went on calling tools when told that it must answer.
        """
        for _ in self.tool_stream(text, max_rounds):
            pass
        return self._last_answer()

    def tool_stream(self, text: str, max_rounds: int = TOOL_ROUNDS) -> Generator[str, None, None]:
        """`execute_tool_loop`, yielding text as it is generated, also what the model says before it calls a tool."""
        if not isinstance(max_rounds, int) or max_rounds < 1:
            raise ConfigError(f"max_rounds is {max_rounds!r}: a tool loop needs at least one round.")
        yield from _said(self.steps(text, max_rounds))

    def get_history(self) -> list[Message]:
        """The system prompt and the turns that the model still sees, oldest first."""
        return self._history.messages()

    def clear_history(self, keep_system: bool = True) -> None:
        """Forgets the conversation, and the system prompt too unless it is kept."""
        self._history.clear(keep_system)

    @property
    def history(self) -> list[Message]:
        """What `get_history` gives."""
        return self.get_history()

    def clear(self, keep_system: bool = True) -> None:
        """Does what `clear_history` does."""
        self.clear_history(keep_system)

    def drop_last_turn(self) -> str | None:
        """Takes the last turn back and returns its question, to be asked again or put otherwise."""
        turn = self._history.drop_last()
        return None if turn is None else turn.question

    def remember(self, question: str, answer: str) -> None:
        """Adds a turn that was had elsewhere."""
        self._history.add(
            Turn((Message(Role.USER, well_formed(question)), Message(Role.ASSISTANT, well_formed(answer))))
        )

    def shorten_last_answer(self, text: str) -> None:
        """Has the last answer end with `text`, as one that was broken off there; with none, its turn is no turn."""
        turn = self._history.drop_last()
        if turn is not None and text:
            shortened = replace(turn.messages[-1], content=text)
            self._history.add(Turn((*turn.messages[:-1], shortened), interrupted=True))

    def save(self, path: Path | str, keep_reasoning: bool = False) -> None:
        """Writes the conversation, every turn of it, as JSON lines; the model's reasoning only where it is asked for.

        Raises:
            OutputError: the file cannot be written.
        """
        self._history.save(path, keep_reasoning)

    def as_lines(self) -> str:
        """The conversation as `save` writes it."""
        return self._history.as_lines()

    def _last_answer(self) -> str:
        return self.turns[-1].messages[-1].content.strip()

    def _turn(self, text: str, max_rounds: int) -> Generator[str, None, None]:
        """One turn. It enters the history when it ends, so that an error leaves the history as it was."""
        text = well_formed(_checked_text("the question", text))
        self.last_passages = tuple(self.find(text)) if self.find is not None and text.strip() else ()
        turn = OpenTurn((Message(Role.USER, text, passages=self.last_passages),), max_rounds)
        said = ReplySoFar()
        try:
            while turn.next is not Next.DONE:
                if turn.next is Next.FAIL:
                    raise ModelError(turn.error)
                if turn.next is Next.RUN_TOOLS:
                    turn = turn.told(self._results(turn))
                    continue
                said = ReplySoFar()
                yield from self._stream(turn, said)
                turn = turn.after(said.ended())
        except (GeneratorExit, KeyboardInterrupt):
            self._keep_interrupted(turn, said.ended())
            raise
        self._history.add(Turn(turn.messages))

    def _stream(self, turn: OpenTurn, said: ReplySoFar) -> Iterator[str]:
        tools = self.tools.schemas if turn.rounds else []
        self._make_room(turn.messages, tools)
        stream = self.model.stream([*self._history.messages(), *turn.messages], self.options, tools)
        try:
            for event in stream:
                yield said.take(event)
        finally:
            self.last_usage = said.usage or self.last_usage
            close = getattr(stream, "close", None)
            if close is not None:
                close()

    def _results(self, turn: OpenTurn) -> list[Message]:
        """What the tools that were called give, cut to what the context has room for."""
        results = self.tools.call_all(turn.calls)
        fixed, tools = [*self._history.system_messages(), *turn.messages], self.tools.schemas
        limit = self.model.context_length - self.options.max_tokens

        def of(most: int) -> list[Message]:
            return [replace(result, content=cut_text(result.content, most)) for result in results]

        def is_too_long(most: int) -> bool:
            return self.model.count_tokens([*fixed, *of(most)], tools) > limit

        longest = max(len(result.content) for result in results)
        if not is_too_long(longest):
            return results
        return of(max(0, bisect_left(range(longest), True, key=is_too_long) - 1))

    def _make_room(self, said: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> None:
        model = self.model
        limit = model.context_length - self.options.max_tokens

        def count(messages: Sequence[Message]) -> int:
            return model.count_tokens(messages, tools)

        if limit <= 0 or not self._history.trim(said, limit, count):
            what, remedy = "The question and the system prompt take", "shorten the question or lower max_tokens"
            if self.last_passages:
                what = "The question, its passages and the system prompt take"
                remedy = "give fewer passages (retrieval.k), or shorten the question or lower max_tokens"
            if len(said) > 1:
                what = "The question, the system prompt and the tool calls with their results take"
                remedy = "offer fewer tools, or lower max_rounds or max_tokens"
            raise ModelError(
                f"{what} {count([*self._history.system_messages(), *said])} tokens, which with max_tokens="
                f"{self.options.max_tokens} exceeds the model's context of {model.context_length}: {remedy}."
            )

    def _keep_interrupted(self, turn: OpenTurn, reply: Reply) -> None:
        """Keeps what the user has seen. A turn in which nothing was said yet is as if it had not been asked."""
        if turn.next is Next.DONE:
            self._history.add(Turn(turn.messages, interrupted=True))
        elif reply.text:
            answered = turn.messages[:-1] if turn.calls else turn.messages  # templates refuse a call without a result
            spoken = Message(Role.ASSISTANT, reply.text, reasoning=reply.reasoning)
            self._history.add(Turn((*answered, spoken), interrupted=True))


def _said(steps: Generator[str, None, None]) -> Generator[str, None, None]:
    with closing(steps):
        yield from (text for text in steps if text)


def _checked_model(model: object) -> Any:
    is_made = callable(getattr(model, "stream", None)) and not isinstance(model, type)
    if is_made or isinstance(model, str | Path):
        return model
    raise ConfigError(f"the model is {_kind(model)}: give the name or the folder of one, or a ChatModel.")


def _checked_text(what: str, text: object) -> str:
    if isinstance(text, str):
        return text
    raise ConfigError(f"{what} is {_kind(text)}: give text, as a str.")


def _kind(value: object) -> str:
    return "None" if value is None else f"of the type {type(value).__name__}"


def _loaded(source: str | Path | ChatModel) -> ChatModel:
    if not isinstance(source, str | Path):
        return source
    return open_chat_model(str(source))
