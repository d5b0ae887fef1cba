"""A chat model for the tests of servers."""

import threading

from voicegen.records import ChatUsage, Delta, ModelInfo, ToolCall

HELLO = [{"role": "user", "content": "hello out there"}]


class Talker:
    """A `ChatModel` that reasons, calls a tool or goes on without end, as the last message says."""

    info = ModelInfo("talker", "test")
    context_length = 1000

    def __init__(self):
        self.seen = []
        self.closed = threading.Event()

    def count_tokens(self, messages, tools=()):
        return len(messages)

    def stream(self, messages, options, tools=()):
        self.seen.append((messages, options, tools))
        try:
            match messages[-1].content:
                case "think":
                    yield Delta("Hm. ", "reasoning")
                    yield Delta("Yes.")
                case "call":
                    yield Delta(tool_call=ToolCall("add", {"a": 1}, "c1"))
                case "break":
                    raise ZeroDivisionError
                case "endless":
                    while True:
                        yield Delta("more ")
                case _:
                    yield Delta("Yes.")
            yield ChatUsage("stop", 5, 2, 3)
        finally:
            self.closed.set()
