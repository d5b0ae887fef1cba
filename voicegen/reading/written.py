"""Text that is there whole and that a model may have written: what of it is to be said."""

from __future__ import annotations

from dataclasses import dataclass

from voicegen.reading.parsing import TextParser


@dataclass(frozen=True, slots=True)
class WrittenText:
    """What a text holds.

    Attributes:
        answer: what of it is to be said; the whole of it where nothing is marked.
        reasoning: what a model thought before it; None where there is none.
        problem: why there is nothing to say, where markers are the reason; else empty.
    """

    answer: str
    reasoning: str | None = None
    problem: str = ""


def read_written(text: str) -> WrittenText:
    """Takes a text apart as a server's reply that did not say how it begins."""
    parser = TextParser()
    parser.feed(text)
    parser.finish()
    if parser.answer.strip() or not text.strip():
        return WrittenText(parser.answer, parser.reasoning)
    what = "a tool call" if parser.tool_calls else "reasoning" if parser.reasoning else "markers of a chat format"
    return WrittenText("", parser.reasoning, f"the text is only {what}: give what is to be said, too")
