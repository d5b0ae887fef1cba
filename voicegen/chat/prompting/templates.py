"""A model's chat template: messages to prompt tokens, and what the tokenizer tells of the replies to expect."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from voicegen.chat.prompting.capabilities import Capabilities
from voicegen.chat.prompting.literals import guard, split_at
from voicegen.chat.prompting.passages import as_documents, with_passages
from voicegen.chat.prompting.prompt import Conversation, harmony_conversation, with_tools_in_system
from voicegen.errors import ModelError
from voicegen.reading.beginning import Beginning
from voicegen.reading.calls import CALL, call_from_entry, parse_json_calls
from voicegen.reading.detokenizer import IncrementalDecoder
from voicegen.reading.known_markers import (
    HARMONY_STOPS,
    HARMONY_TOKENS,
    MESSAGE,
    PHRASES,
    REASONING,
    START,
    THINK,
    TURN_MARKS,
    Markers,
    Pair,
)
from voicegen.reading.parsing import TokenParser
from voicegen.records import Message, Role, ToolCall

_log = logging.getLogger(__name__)

ChatFormat = Literal["plain", "harmony", "think"]

# Used only for a model that has no template of its own; rendered by the tokenizer as any other template.
_FALLBACK = (
    "{%- for message in messages -%}{{ message.role|capitalize + ': ' + message.content + '\n\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}"
)
_FALLBACK_STOPS = frozenset({"\nUser:", "\nSystem:", "\nTool:", "\nAssistant:"})

# transformers gives templates a `strftime_now` of its own and lets no function through: this shadows it.
_FROZEN_DATE = "{%- macro strftime_now(form) -%}{{- voicegen_dates[form] -}}{%- endmacro -%}"

_PROBE = tuple(
    Message(role, text)
    for role, text in ((Role.USER, "voicegenq"), (Role.ASSISTANT, "voicegena"), (Role.USER, "voicegenr"))
)


class ChatTemplate:
    """The chat template of a tokenizer, either mlx-lm's `TokenizerWrapper` or one of transformers.

    Attributes:
        tokenizer: the tokenizer.
        format: how the model's replies are written.
        stop_tokens: tokens that end a reply. In harmony `<|end|>` is not one: it ends a message, not the reply.
        markers: what to look for in replies.
        controls: tokens that spell a marker, by id; nothing, `""`, for those that say nothing.
    """

    def __init__(self, tokenizer: Any, name: str | None = None, today: datetime.date | None = None) -> None:
        """Reads the tokenizer; warns once when it has no chat template.

        Args:
            tokenizer: mlx-lm's or transformers' tokenizer.
            name: the model's name for messages; the tokenizer's own by default.
            today: the date that templates which write one (gpt-oss) shall write; by default the day of this call,
                kept for the life of this object, so that prompts made around midnight share their prefix.
        """
        self.tokenizer = tokenizer
        self.name = name or getattr(tokenizer, "name_or_path", "") or "the model"
        self._vocabulary: Mapping[str, int] = tokenizer.get_vocab()
        self._source = _template_source(tokenizer)
        self._dates = _dates_written(self._source, today or datetime.date.today())
        self._has_template = self._source is not None or bool(getattr(tokenizer, "has_chat_template", False))
        if not self._has_template:
            _log.warning("%s has no chat_template, using fallback", self.name)
        self._own_tags = self._find_own_tags()
        self.format: ChatFormat = self._find_format()
        self._special = _special_tokens(tokenizer)
        self.stop_tokens = self._find_stop_tokens()
        self.markers = self._find_markers()
        self.controls = self._find_controls()

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        reasoning_effort: str | None = None,
        add_generation_prompt: bool = True,
    ) -> list[int]:
        """Prompt tokens of a conversation.

        Args:
            messages: the conversation, oldest first.
            tools: JSON schemas in the form of chat completions (`{"type": "function", "function": {...}}`). A template
                that knows nothing of tools gets them in the system message.
            reasoning_effort: `low`, `medium` or `high`, for templates that take it.
            add_generation_prompt: whether the prompt ends where the assistant's reply begins.

        Raises:
            ModelError: the model's template refuses the conversation, or drops a part of it in every form.
        """
        text, literals = self._render_text(messages, tools, reasoning_effort, add_generation_prompt)
        return self._encode_prompt(text, literals)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text in which special tokens are spelled out; nothing is put before or after it."""
        return list(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))  # who calls counts them

    @property
    def begins(self) -> Beginning:
        """What the text is with which a reply begins, as far as the template tells."""
        return self.markers.begins

    def parser(self, begins: Beginning | None = None) -> TokenParser:
        """A fresh parser for one reply of the model.

        `begins` says what text before any marker is, where more is known of the model than its template tells.
        """
        markers = replace(self.markers, begins=begins or self.begins)
        decoder = IncrementalDecoder(self.tokenizer)
        return TokenParser(markers, self._parse_calls, decoder, self.controls, self.encode)

    @cached_property
    def knows_tools(self) -> bool:
        """Whether the template renders tools by itself."""
        return (self._source is None and self._has_template) or "tools" in (self._source or "")

    @cached_property
    def _capabilities(self) -> Capabilities:
        return Capabilities(self.name, self._apply, self.knows_tools, CALL)

    @property
    def _takes_passages_apart(self) -> bool:
        return self.format == "harmony" or self._capabilities.takes_two_in_a_row

    def _render_text(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], effort: str | None, open_reply: bool
    ) -> tuple[str, dict[str, str]]:
        if not messages:
            raise ModelError("A conversation needs at least one message.")
        documents: list[dict[str, str]] = []
        if any(message.passages for message in messages):
            if self.format != "harmony" and self._capabilities.takes_documents:
                messages, documents = as_documents(messages, self._special.values())
            else:
                messages = with_passages(messages, apart=self._takes_passages_apart)
        guarded, literals = guard(messages, self._special.values())
        options: dict[str, Any] = {"add_generation_prompt": open_reply}
        if documents:
            options["documents"] = documents
        if tools and self.knows_tools:
            options["tools"] = [dict(tool) for tool in tools]
        elif tools:
            guarded = with_tools_in_system(guarded, tools, CALL)
        if effort is not None:
            options["reasoning_effort"] = effort
        conversation = self._conversation(guarded)
        try:
            return self._apply(conversation, **options), literals
        except Exception as error:
            raise ModelError(f"The chat template of {self.name} refuses this conversation: {error}") from error

    def _conversation(self, messages: Sequence[Message]) -> Conversation:
        if self.format == "harmony":
            return harmony_conversation(messages)
        return self._capabilities.conversation(messages)

    def _apply(self, conversation: Conversation, **options: Any) -> str:
        if not self._has_template:
            options["chat_template"] = _FALLBACK
        elif self._dates and self._source is not None:
            options.update(chat_template=_FROZEN_DATE + self._source, voicegen_dates=self._dates)
        text: str = self.tokenizer.apply_chat_template(conversation, tokenize=False, **options)
        return text

    def _encode_prompt(self, text: str, literals: Mapping[str, str]) -> list[int]:
        if not literals:
            return self.encode(text)
        tokens: list[int] = []
        for piece, literal in split_at(text, literals):
            tokens += self.encode(piece) if piece else []
            if literal:
                tokens += self.tokenizer.encode(literal, add_special_tokens=False, split_special_tokens=True)
        return tokens

    def _find_format(self) -> ChatFormat:
        if all(token in self._vocabulary for token in HARMONY_TOKENS):
            return "harmony"
        return "think" if self._own_tags else "plain"

    def _find_own_tags(self) -> Pair | None:
        """The tags that the model reasons in: its template writes them, or mlx-lm or the vocabulary knows them."""
        tags = [pair for pair in REASONING if pair not in PHRASES]
        written = [pair for pair in tags if pair[1] in (self._source or "")]
        start, end = (getattr(self.tokenizer, name, None) for name in ("think_start", "think_end"))
        told = [next((pair for pair in tags if pair[1] == end), (start, end))] if start and end else []
        spelled = [pair for pair in tags if all(token in self._vocabulary for token in pair)]
        return next(iter([*written, *told, *spelled]), None)

    def _find_stop_tokens(self) -> frozenset[int]:
        if self.format == "harmony":
            return frozenset(self._vocabulary[token] for token in HARMONY_STOPS if token in self._vocabulary)
        stops = _ids(getattr(self.tokenizer, "eos_token_ids", None)) | _ids(self.tokenizer.eos_token_id)
        known = {name: token for token, name in self._special.items()}
        stops |= {known[name] for name in (*TURN_MARKS, "</s>") if name in known}
        between = self.encode(self._between_turns)  # a message's start and header may begin the answer too
        stops |= {token for token in between if self._special.get(token) not in (None, START, MESSAGE)}
        return frozenset(stops)

    @cached_property
    def _between_turns(self) -> str:
        """What the template writes between an answer and the user's next turn; empty where it can't be told."""
        try:
            text = self._apply(self._conversation(_PROBE))
        except Exception:  # a template raises what it likes
            return ""
        _, _, rest = text.partition(_PROBE[1].content)
        between, found, _ = rest.partition(_PROBE[2].content)
        return between if found else ""

    def _find_markers(self) -> Markers:
        if self.format == "harmony":
            return Markers(own=THINK, call=CALL, begins=Beginning.LIKELY_ANSWER, harmony=True)
        stops = {self._special[token] for token in self.stop_tokens if token in self._special}
        return Markers(
            own=self._own_tags,
            call=self._call_markers(),
            stops=TURN_MARKS | stops | self._stop_strings(),
            begins=self._find_beginning(),
        )

    def _stop_strings(self) -> frozenset[str]:
        if not self._has_template:
            return _FALLBACK_STOPS
        between = self._between_turns
        if not between.strip() or any(token in self._special for token in self.encode(between)):
            return frozenset()
        start = "\n" if between[0] == "\n" else ""
        return frozenset({start + between.strip()})

    def _find_beginning(self) -> Beginning:
        """What text without a marker is: the prompt says it, or the template speaks of a reasoning and leaves it open.

        A vocabulary with the markers says nothing: models that never reason share it with those that do.
        """
        if self._own_tags is None:
            return Beginning.ANSWER
        start, end = self._own_tags
        try:
            prompt = self._apply(self._conversation(_PROBE[:1]), add_generation_prompt=True).rstrip()
        except Exception:  # a template raises what it likes
            prompt = ""
        if prompt.endswith((start, getattr(self.tokenizer, "think_start", None) or start)):
            return Beginning.REASONING
        if prompt.endswith(end):
            return Beginning.LIKELY_ANSWER
        return Beginning.UNKNOWN if end in (self._source or "") else Beginning.LIKELY_ANSWER

    def _call_markers(self) -> tuple[str, str]:
        start, end = getattr(self.tokenizer, "tool_call_start", None), getattr(self.tokenizer, "tool_call_end", None)
        return (start, end) if start and end else CALL

    def _parse_calls(self, text: str) -> Sequence[ToolCall]:
        parse = getattr(self.tokenizer, "tool_parser", None)
        if parse is None:
            return parse_json_calls(text)
        try:
            found = parse(text, None)
        except Exception:  # mlx-lm's parsers raise whatever the malformed text leads them to
            return parse_json_calls(text)
        return [call_from_entry(entry) for entry in (found if isinstance(found, list) else [found])]

    def _find_controls(self) -> dict[int, str]:
        """A special token that is no known marker is text: what it stands around must not lose its marks in silence."""
        says_nothing = [getattr(self.tokenizer, f"{name}_token_id", None) for name in ("bos", "pad", "unk")]
        named = self.markers.exact | self.markers.tags
        markers = {self._vocabulary[name]: name for name in named if name in self._vocabulary}
        return {**{token: "" for token in says_nothing if token is not None}, **markers}


def _template_source(tokenizer: Any) -> str | None:
    """The Jinja text of the template, or None; a tokenizer may hold several by name."""
    source = getattr(tokenizer, "chat_template", None)
    if isinstance(source, Mapping):
        source = source.get("tool_use") or source.get("default") or next(iter(source.values()), None)
    return source if isinstance(source, str) else None


def _dates_written(source: str | None, today: datetime.date) -> dict[str, str]:
    """`today` in each form that a template asks `strftime_now` for; empty where a form is not written out."""
    if source is None or "strftime_now" not in source:
        return {}
    from jinja2 import Environment, TemplateSyntaxError, nodes

    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(source)
    except TemplateSyntaxError:  # a tag that only transformers knows
        return {}
    calls = [call for call in tree.find_all(nodes.Call) if getattr(call.node, "name", None) == "strftime_now"]
    forms = [call.args[0].value for call in calls if call.args and isinstance(call.args[0], nodes.Const)]
    return {form: today.strftime(form) for form in forms} if len(forms) == len(calls) else {}


def _ids(value: Any) -> set[int]:
    """mlx-lm keeps a set of end tokens, transformers one or a list."""
    if value is None:
        return set()
    return {value} if isinstance(value, int) else set(value)


def _special_tokens(tokenizer: Any) -> dict[int, str]:
    """Special tokens by id. Added tokens that are ordinary text, such as Qwen's `<think>`, are not among them."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {token: str(entry) for token, entry in added.items() if getattr(entry, "special", False)}
    special.update(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    return special
