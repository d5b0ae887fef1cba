"""Replies in one stretch of text: plain answers, reasoning between tags before them, tool calls between markers.

Knows markers, not tokens: `parsing` turns tokens into text and controls, `known_markers` has the table of the latter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import Final

from voicegen.reading.beginning import Beginning
from voicegen.reading.calls import is_json
from voicegen.reading.known_markers import ALIASES, ANSWER_TAGS, PHRASES, THINK, Markers, Pair
from voicegen.reading.marker_scanner import Control
from voicegen.reading.mention import (
    end_is_mentioned,
    goes_on,
    is_mentioned,
    is_talk,
    may_be_mentioned,
    stands_in_sentence,
)
from voicegen.records import Delta, ToolCall

ParseCalls = Callable[[str], Sequence[ToolCall]]


class _State(Enum):
    ANSWER = auto()
    REASONING = auto()
    UNKNOWN = auto()
    ASIDE = auto()  # behind a start within an answer, which is a reasoning's if its end comes
    CALL = auto()
    STOPPED = auto()


_FIRST_STATE: Final = {
    Beginning.ANSWER: _State.ANSWER,
    Beginning.LIKELY_ANSWER: _State.ANSWER,
    Beginning.REASONING: _State.REASONING,
    Beginning.UNKNOWN: _State.UNKNOWN,
}


class TaggedGrammar:
    """Takes the controls and text of one reply and gives what they mean. White space around the parts is dropped."""

    def __init__(self, markers: Markers, parse_calls: ParseCalls) -> None:
        self.answer_begun = False
        self.answer_was_reasoning = False
        self.began = Beginning.UNKNOWN
        self.in_doubt = False
        self._markers = markers
        self._parse_calls = parse_calls
        self._state = _FIRST_STATE[markers.begins]
        self._before_call = self._state
        self._pair = markers.own  # the tags around the reasoning; None while the prompt opened it in a way unknown
        self._mentioned: set[Pair] = set()  # tags of which a start was text
        self._said: list[str] = []  # the answer so far
        self._aside: list[Control | str] = []  # from its start on
        self._before_aside = self._state
        self._aside_is_doubtful = False  # it stands within a sentence, which may only talk about the tags
        self._lone: Control | None = None  # an end without a start, until what follows shows what it is
        self._after_lone = ""
        self._wrapper = ""  # what ends a whole answer whose start was seen
        self._depth = 0  # how often it was started, without the start that a prompt may hold
        self._reasoning_begun = False
        self._held = ""
        self._call_text = ""
        self._space = ""

    def control(self, marker: Control) -> Iterator[Delta]:
        """Takes a marker; one without a meaning here is text."""
        yield from self._settle_lone()
        marker = Control(ALIASES.get(marker.name, marker.name), marker.text)
        name, call = marker.name, self._markers.call or ("", "")
        if self._state is _State.STOPPED:
            return
        if name in self._markers.stops:
            yield from self.end(False)
            self._state = _State.STOPPED
        elif self._state is _State.CALL and name == call[1]:
            yield from self._make_calls()
        elif self._state is _State.CALL:
            self._call_text += marker.text
        elif self._state is _State.ASIDE:
            yield from self._in_aside(marker)
        elif name in self._markers.pairs:
            yield from self._tag(marker)
        elif name == call[0]:
            self._before_call, self._state = self._state, _State.CALL
            self._call_text = self._space = ""
        elif name in ANSWER_TAGS and self.outside_reasoning and not self._said_something:
            self._state, self._wrapper = _State.ANSWER, ANSWER_TAGS[name]
        elif name not in (call[1], self._wrapper):
            yield from self.text(marker.text)

    def text(self, text: str) -> Iterator[Delta]:
        """Takes text between markers."""
        if self._lone is not None:
            self._after_lone += text
            if self._after_lone.strip():
                yield from self._settle_lone()
        elif self._state is _State.CALL:
            self._call_text += text
        elif self._state is _State.ASIDE:
            self._aside.append(text)
            yield Delta(channel="reasoning")
        elif self._state is _State.UNKNOWN:
            self._held += self._trim(text)
            yield Delta(channel="reasoning")
        elif self._state is not _State.STOPPED and (trimmed := self._trim(text)):
            reasoning = self._state is _State.REASONING
            self._reasoning_begun = self._reasoning_begun or reasoning
            self._depth = max(self._depth, int(reasoning))
            self.answer_begun = self.answer_begun or not reasoning
            if not reasoning:
                self._said.append(trimmed)
            yield Delta(text=trimmed, channel="reasoning" if reasoning else "answer")

    def end(self, cut: bool, /) -> Iterator[Delta]:
        """The stream is over. A call that is whole is made; one that was cut is dropped.

        Text of which it is still not known what it is was the answer, but in a reply that was cut: that may have been
        cut before its reasoning's end, and counts as reasoning.
        """
        yield from self._settle_lone()
        if self._state is _State.ASIDE:
            yield from self._close_aside() if cut else self._aside_as_text()
        if self._state is _State.CALL:
            if is_json(self._call_text):
                yield from self._make_calls()
            elif self._before_call is _State.UNKNOWN:
                self._state = _State.UNKNOWN
        if self._state is _State.UNKNOWN:
            if self._held and cut:
                self.in_doubt = True
            elif self._held:
                self.began = Beginning.ANSWER
            yield from self._release(_State.REASONING if cut else _State.ANSWER)

    @property
    def stopped(self) -> bool:
        """Whether the reply has ended."""
        return self._state is _State.STOPPED

    @property
    def in_reasoning(self) -> bool:
        """Whether the reply is, or may be, inside its reasoning, with no answer begun."""
        return self._state in (_State.REASONING, _State.UNKNOWN) and not self.answer_begun

    @property
    def outside_reasoning(self) -> bool:
        """Whether a marker here is not part of a reasoning or a call that has begun."""
        untouched = self._state is _State.REASONING and self._depth == 0
        return untouched or self._state in (_State.ANSWER, _State.UNKNOWN)

    def take_held(self) -> str:
        """Gives up the text of which it is not known yet what it is."""
        held, self._held = self._held, ""
        return held

    def force_answer(self) -> str:
        """The text that, fed to the model now, ends the reasoning; empty when there is none to end."""
        if self._state not in (_State.REASONING, _State.UNKNOWN):
            return ""
        return f"\n{(self._pair or THINK)[1] * max(1, self._depth)}\n\n"

    def _trim(self, text: str) -> str:
        """`text` without the white space that leads or ends its part; that within waits for the word after it."""
        begun = self._reasoning_begun if self._state is _State.REASONING else self._said_something
        text = self._space + text
        kept = text.rstrip()
        self._space = text[len(kept) :] if begun or kept else ""
        return kept if begun else kept.lstrip()

    @property
    def _said_something(self) -> bool:
        """Whether something that is, or may be, the answer stands before this place."""
        return self.answer_begun or bool(self._held)

    def _tag(self, tag: Control) -> Iterator[Delta]:
        """Takes a tag of a reasoning: it starts it, ends it, nests in it, or is text."""
        pair = self._markers.pairs[tag.name]
        starts = tag.name == pair[0]
        if self._state is _State.REASONING and self._depth + (not starts):
            yield from self._tag_in_reasoning(pair, starts, tag)
        elif starts and not self._is_text(pair):
            doubtful = self._said_something and stands_in_sentence(self._before)
            if doubtful or (pair != self._markers.own and self._said_something):
                self._before_aside, self._state, self._aside_is_doubtful = self._state, _State.ASIDE, doubtful
                self._aside, self._pair, self._depth = [tag], pair, 1
                return
            yield from self._release(_State.REASONING, held_is=_State.ANSWER)
            self._pair, self._depth = pair, 1
        elif starts:
            self._mentioned.add(pair)
            yield from self.text(tag.text)
        elif self._is_lone_end(pair) and not end_is_mentioned(self._before):
            self._lone = tag
            if not may_be_mentioned(self._before):
                yield from self._settle_lone()
        else:
            yield from self.text(tag.text)

    def _is_text(self, pair: Pair) -> bool:
        """Whether a start here is one that is only talked about."""
        if not self._said_something:
            return False
        return pair in self._mentioned - {self._markers.own} or pair in PHRASES or is_mentioned(self._before)

    @property
    def _before(self) -> str:
        """What is, or may be, the answer before this place, its white space included."""
        return "".join(self._said) + self._held + self._space

    def _in_aside(self, marker: Control) -> Iterator[Delta]:
        if marker.name in (self._pair or ()):
            self._depth += 1 if marker.name == (self._pair or ("",))[0] else -1
        self._aside.append(marker)
        if not self._depth and self._aside_is_doubtful and is_talk(_text_of(self._aside[1:-1])):
            yield from self._aside_as_text()
        elif not self._depth:
            self._aside.pop()
            yield from self._close_aside()

    def _close_aside(self) -> Iterator[Delta]:
        """It was a reasoning, behind a part of the answer."""
        inside = _text_of(self._aside[1:])
        self._state, self._depth = self._before_aside, 1
        yield from self._release(_State.REASONING, held_is=_State.ANSWER)
        yield from self.text(inside)
        yield from self._nest(-1, Control(""))

    def _aside_as_text(self) -> Iterator[Delta]:
        """The start was only talked about."""
        start, *inside = self._aside
        self._state, self._depth = self._before_aside, 0
        self._mentioned.add(self._pair or THINK)
        self._pair = self._markers.own
        for part in (_text_of([start]), *inside):
            yield from self.text(part) if isinstance(part, str) else self.control(part)

    def _settle_lone(self) -> Iterator[Delta]:
        """Takes an end without a start, when it is known what follows it."""
        if (tag := self._lone) is None:
            return
        after, self._lone, self._after_lone = self._after_lone, None, ""
        if may_be_mentioned(self._before) and goes_on(after):
            yield from self.text(tag.text)
        else:
            yield from self._lone_end(tag)
        if after:
            yield from self.text(after)

    def _is_lone_end(self, pair: Pair) -> bool:
        """Whether an end of which no start was seen is one; with nothing before it, models write only their own so."""
        if self._markers.begins is Beginning.ANSWER or pair in PHRASES or pair in self._mentioned:
            return False
        return self._said_something or pair in (self._markers.own, self._pair)

    def _tag_in_reasoning(self, pair: Pair, starts: bool, tag: Control) -> Iterator[Delta]:
        """Only the pair that opened a reasoning counts in it; where that was not seen, the first that comes."""
        if self._pair is None and pair not in PHRASES:
            self._pair = pair
        if pair == self._pair and not (starts and pair in PHRASES):
            yield from self._nest(1 if starts else -1, tag)
        else:
            yield from self.text(tag.text)

    def _nest(self, step: int, tag: Control) -> Iterator[Delta]:
        """Goes a level deeper into the reasoning, or out of one; tags within it are part of it."""
        before, self._depth = self._depth, self._depth + step
        if self._depth <= 0:
            self._space = " " if self.answer_begun else ""  # between two parts of the answer
            self._depth = 0
            self._state = _State.ANSWER
        elif before > 0:
            yield from self.text(tag.text)

    def _lone_end(self, tag: Control) -> Iterator[Delta]:
        """Takes an end of which no start was seen: all before it was reasoning, unless that had its place already."""
        if self._state is _State.UNKNOWN:
            if self._held:
                self.began = Beginning.REASONING
            yield from self._release(_State.ANSWER, held_is=_State.REASONING)
        elif self.answer_begun and self._reasoning_begun:
            yield from self.text(tag.text)
        elif self.answer_begun:
            self.began = Beginning.REASONING
            self.answer_begun, self._reasoning_begun = False, True
            self.answer_was_reasoning = True
            self._space = ""
            self._said.clear()

    def _release(self, state: _State, held_is: _State | None = None) -> Iterator[Delta]:
        """Goes on in `state`; what was held is now known to be part of `held_is`, or else of `state`."""
        self._state = held_is or state
        self._space = ""
        held, self._held = self._held, ""
        if held:
            yield from self.text(held)
        self._state = state
        self._space = ""

    def _make_calls(self) -> Iterator[Delta]:
        self._state = self._before_call
        for call in self._parse_calls(self._call_text):
            yield Delta(tool_call=call)


def _text_of(parts: Sequence[Control | str]) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in parts)
