"""The slash commands of the terminal chat: `/save FILE`, `/voice NAME`, ..."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from voicegen.errors import InputError, OutputError
from voicegen.files import given_path
from voicegen.records import Role
from voicegen.voicechat.page import Page
from voicegen.voicechat.pipeline import VoiceChatPipeline


@dataclass(frozen=True, slots=True)
class NextStep:
    """What the chat does after a command: nothing, `leave`, or `ask` a question again."""

    leave: bool = False
    ask: str | None = None


@dataclass(slots=True)
class Room:
    """What a command works on.

    Attributes:
        keep_reasoning: whether what the model reasoned is saved too.
        saved: the files that this chat wrote, which it may write again.
    """

    pipeline: VoiceChatPipeline
    page: Page
    keep_reasoning: bool = False
    saved: set[Path] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A command by its names; `argument` is how the help calls what follows it, "" for nothing."""

    names: tuple[str, ...]
    argument: str
    what: str
    run: Callable[[Room, str], NextStep | None]

    @property
    def takes_file(self) -> bool:
        """Whether the argument is the name of a file."""
        return self.argument == "FILE"


def is_command(line: str) -> bool:
    """Whether a line is meant as a command rather than a question; a path such as `/usr/bin` is a question."""
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return word.startswith("/") and word.count("/") == 1


def run_command(room: Room, line: str) -> NextStep:
    """Runs the command that `line` holds.

    Raises:
        InputError: there is no such command, or it was used wrongly; says which is meant and how it is used.
        OutputError: a file cannot be written.
    """
    word, argument = (*line.split(maxsplit=1), "")[:2]
    command = _find(word)
    argument = argument.strip()
    if argument and not command.argument:
        raise InputError(f"{word} takes nothing after it")
    return command.run(room, argument) or NextStep()


def command_names() -> list[str]:
    """Every name of every command, for completion."""
    return [name for command in COMMANDS for name in command.names]


def _find(word: str) -> SlashCommand:
    for command in COMMANDS:
        if word.lower() in command.names:
            return command
    near = difflib.get_close_matches(word.lower(), command_names(), n=1, cutoff=0.6) if len(word) > 1 else []
    raise InputError(f"there is no command {word}: " + (f"did you mean {near[0]}?" if near else "/help lists them"))


def _leave(_room: Room, _argument: str) -> NextStep:
    return NextStep(leave=True)


def _clear(room: Room, _argument: str) -> None:
    room.pipeline.clear_history()
    room.page.note("the conversation is forgotten")


def _history(room: Room, _argument: str) -> None:
    lines = list(_history_lines(room))
    for line in lines or ["nothing was said yet"]:
        room.page.note(line)


def _history_lines(room: Room) -> Iterator[str]:
    session = room.pipeline.session
    if session.system_prompt:
        yield f"system: {session.system_prompt}"
    for turn in session.turns:
        for message in turn.messages:
            if message.role in (Role.USER, Role.ASSISTANT) and message.content:
                yield f"{'you' if message.role is Role.USER else 'assistant'}: {message.content.strip()}"
        if turn.interrupted:
            yield "(interrupted)"


def _save(room: Room, argument: str) -> None:
    if not argument:
        raise InputError("/save needs a file name: /save chat.jsonl")
    path = given_path("/save", argument)
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file in it")
    if path.exists() and path.resolve() not in room.saved:
        raise OutputError(f"{path} exists already: choose another name")
    room.pipeline.session.save(path, room.keep_reasoning)
    room.saved.add(path.resolve())
    turns = len(room.pipeline.session.turns)
    room.page.note(f"saved {turns} {'turn' if turns == 1 else 'turns'} to {path}")


def _voice(room: Room, argument: str) -> None:
    if argument:
        room.pipeline.voice = argument
    room.page.note(f"voice: {room.pipeline.voice or 'the default'}")


def _system(room: Room, argument: str) -> None:
    session = room.pipeline.session
    if argument:
        session.system_prompt = argument
    room.page.note(f"system prompt: {session.system_prompt or 'none'}")


def _retry(room: Room, _argument: str) -> NextStep:
    question = room.pipeline.take_back()
    if question is None:
        raise InputError("there is nothing to ask again")
    session = room.pipeline.session
    session.options = replace(session.options, seed=session.options.seed + 1)
    return NextStep(ask=question)


def _help(room: Room, _argument: str) -> None:
    for line in help_lines(COMMANDS):
        room.page.note(line)


def help_lines(commands: Sequence[SlashCommand]) -> list[str]:
    """One line a command."""
    usages = [f"{', '.join(command.names)} {command.argument}".strip() for command in commands]
    width = max(map(len, usages))
    return [f"{usage:<{width}}  {command.what}" for usage, command in zip(usages, commands, strict=True)]


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand(("/help",), "", "this list", _help),
    SlashCommand(("/history",), "", "the conversation so far", _history),
    SlashCommand(("/clear",), "", "forget the conversation", _clear),
    SlashCommand(("/retry",), "", "ask the last question again; greedy answers stay the same", _retry),
    SlashCommand(("/voice",), "NAME", "speak with another voice", _voice),
    SlashCommand(("/system",), "TEXT", "give other instructions; the conversation goes on", _system),
    SlashCommand(("/save",), "FILE", "write the conversation as JSON lines", _save),
    SlashCommand(("/exit", "/quit", "/q"), "", "leave", _leave),
)
