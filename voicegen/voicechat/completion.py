"""What the Tab key adds to a line: the names of commands, and of files where a command takes one."""

from __future__ import annotations

from collections.abc import Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from voicegen.voicechat.commands import COMMANDS


class CommandCompleter(Completer):
    """Completes slash commands; questions are left alone."""

    def __init__(self) -> None:
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yields what could stand at the cursor."""
        word, space, argument = document.text_before_cursor.lstrip().partition(" ")
        if space:
            if any(word.lower() in command.names and command.takes_file for command in COMMANDS):
                yield from self._files.get_completions(Document(argument.lstrip()), complete_event)
            return
        for command in COMMANDS:
            for name in command.names:
                if word and name.startswith(word.lower()):
                    yield Completion(name, start_position=-len(word), display_meta=command.what)
