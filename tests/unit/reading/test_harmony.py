from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat_tokenizers import real_harmony
from tests.transcripts import Transcript, harmony_transcripts
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.reading.calls import call_arguments
from voicegen.reading.parsing import TextParser, TokenParser
from voicegen.records import Delta

TRANSCRIPTS = harmony_transcripts()
JUDGED = [transcript for transcript in TRANSCRIPTS if transcript.judged]
MARKED = [transcript for transcript in TRANSCRIPTS if "<|message|>" in transcript.text]


@dataclass
class Reading:
    """What a reply says."""

    answer: str
    reasoning: str
    calls: list[tuple[str, object]]


@pytest.fixture(scope="module")
def template() -> ChatTemplate:
    return ChatTemplate(real_harmony(), name="gpt-oss")


class Judge:
    """openai-harmony's parser, and what it read in our words."""

    def __init__(self) -> None:
        from openai_harmony import Role, StreamableParser

        self._parser = StreamableParser(real_harmony().encoding, Role.ASSISTANT)

    def feed(self, token: int) -> None:
        self._parser.process(token)

    def reading(self) -> Reading:
        whole = [
            (message.author.role.value, message.channel, message.recipient, message.content[0].text)
            for message in self._parser.messages
        ]
        role = self._parser.current_role
        current = (
            [(role.value, self._parser.current_channel, self._parser.current_recipient, self._parser.current_content)]
            if self._parser.state.value == "Content" and role is not None
            else []
        )
        spoken = [(channel, to, text) for who, channel, to, text in whole + current if who == "assistant"]
        people = (None, "user", "assistant")
        return Reading(
            answer="\n".join(text for channel, to, text in spoken if channel == "final" and to is None),
            reasoning="\n".join(
                text for channel, to, text in spoken if to in people and not (channel == "final" and to is None)
            ),
            calls=[
                (to.removeprefix("functions."), call_arguments(text))
                for who, _, to, text in whole
                if who == "assistant" and to not in people
            ],
        )


def our_reading(parser: TokenParser | TextParser) -> Reading:
    return Reading(parser.answer, parser.reasoning or "", [(call.name, call.arguments) for call in parser.tool_calls])


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.name)
def test_a_transcript_gives_its_answer_and_its_calls(transcript: Transcript, template: ChatTemplate) -> None:
    parser = template.parser()
    deltas = [delta for token in template.encode(transcript.text) for delta in parser.feed(token)]
    deltas += parser.finish()
    assert parser.answer == transcript.answer
    assert len(parser.tool_calls) == transcript.calls
    assert "".join(delta.text for delta in deltas if delta.channel == "answer") == transcript.answer


@pytest.mark.parametrize("transcript", JUDGED, ids=lambda transcript: transcript.name)
def test_every_cut_reads_as_openai_harmony_reads_it(transcript: Transcript, template: ChatTemplate) -> None:
    parser, judge = template.parser(), Judge()
    for token in template.encode(transcript.text):
        parser.feed(token)
        judge.feed(token)
        ours, theirs = our_reading(parser), judge.reading()
        assert ours.calls == theirs.calls
        assert ours.answer == theirs.answer
        assert ours.reasoning.strip("\n") == theirs.reasoning.strip(
            "\n"
        )  # an empty message is a line to the judge only


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.name)
def test_a_cut_never_turns_reasoning_or_a_call_into_an_answer(transcript: Transcript, template: ChatTemplate) -> None:
    tokens = template.encode(transcript.text)
    for length in range(len(tokens)):
        parser = template.parser()
        for token in tokens[:length]:
            parser.feed(token)
        parser.finish()
        assert transcript.answer.startswith(parser.answer.rstrip("\ufffd"))
        nothing_yet = not parser.answer_begun and not parser.tool_calls
        assert parser.cut_in_reasoning == nothing_yet or (transcript.calls and nothing_yet)  # it may be inside a call


@pytest.mark.parametrize("transcript", MARKED, ids=lambda transcript: transcript.name)
def test_the_same_text_from_a_server_reads_the_same(transcript: Transcript, template: ChatTemplate) -> None:
    parser = template.parser()
    for token in template.encode(transcript.text):
        parser.feed(token)
    parser.finish()
    for size in (1, 3, len(transcript.text)):
        text_parser = TextParser()
        for place in range(0, len(transcript.text), size):
            text_parser.feed(transcript.text[place : place + size])
        text_parser.finish()
        assert our_reading(text_parser) == our_reading(parser)


_WORDS = st.text(alphabet=st.sampled_from('ab é漢👋\n{}"<|>'), max_size=12)


@st.composite
def _messages(draw: st.DrawFn) -> str:
    channel = draw(st.sampled_from(["analysis", "commentary", "final"]))
    to = draw(st.sampled_from(["", " to=functions.f", " to=functions.long_name2", " to=python"]))
    kind = draw(st.sampled_from(["", " json", " code", " <|constrain|>json"])) if to else ""
    end = draw(st.sampled_from(["<|end|>", "<|call|>" if to else "<|end|>"]))
    if draw(st.booleans()):
        return f"{to}<|channel|>{channel}{kind}<|message|>{draw(_WORDS)}{end}"
    return f"<|channel|>{channel}{to}{kind}<|message|>{draw(_WORDS)}{end}"


@given(st.lists(_messages(), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_chain_of_messages_reads_as_openai_harmony_reads_it(messages: list[str]) -> None:
    template = ChatTemplate(real_harmony(), name="gpt-oss")
    parser, judge = template.parser(), Judge()
    for token in template.encode("<|start|>assistant".join(messages)):
        parser.feed(token)
        judge.feed(token)
    parser.finish()
    ours, theirs = our_reading(parser), judge.reading()
    assert ours.calls == theirs.calls
    assert ours.answer == theirs.answer
    assert ours.reasoning.strip("\n") == theirs.reasoning.strip("\n")


@given(st.lists(st.sampled_from([*real_harmony().all_special_ids, *real_harmony().encode("final to=f é👋{}")])))
@settings(max_examples=200, deadline=None)
def test_no_sequence_of_tokens_breaks_the_parser(tokens: list[int]) -> None:
    parser = ChatTemplate(real_harmony(), name="gpt-oss").parser()
    seen: list[Delta] = [delta for token in tokens for delta in parser.feed(token)] + parser.finish()
    assert "".join(delta.text for delta in seen if delta.channel == "answer") == parser.answer


@pytest.mark.parametrize("text", ["", "<|channel|>", "<|channel|>ana", "<|channel|>analysis<|message|>", "<|start|>",
    "<|channel|>analysis<|message|>Hm, é", "<|channel|>analysis<|message|>Hm.<|end|>",
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"])  # fmt: skip
def test_an_answer_can_be_forced_wherever_the_reasoning_was_cut(text: str, template: ChatTemplate) -> None:
    parser = template.parser()
    for token in template.encode(text):
        parser.feed(token)
    assert not parser.answer_begun
    for token in [*parser.force_answer_tokens(), *template.encode("Forced.<|return|>")]:
        parser.feed(token)
    parser.finish()
    assert parser.answer == "Forced."
    assert not parser.cut_in_reasoning


def test_a_forced_answer_after_reasoning_is_well_formed_for_openai_harmony(template: ChatTemplate) -> None:
    parser, judge = template.parser(), Judge()
    tokens = template.encode("<|channel|>analysis<|message|>Hm")
    for token in tokens:
        parser.feed(token)
    for token in [*tokens, *parser.force_answer_tokens(), *template.encode("Yes.<|return|>")]:
        judge.feed(token)
    assert judge.reading() == Reading("Yes.", "Hm", [])


@pytest.mark.parametrize("role", ["user", "system", "functions.f to=assistant"])
def test_a_turn_of_somebody_else_stops_the_reply(role: str, template: ChatTemplate) -> None:
    parser = template.parser()
    for token in template.encode(f"<|channel|>final<|message|>Hi.<|end|><|start|>{role}<|message|>"):
        assert not parser.stopped
        parser.feed(token)
    assert parser.stopped
    assert parser.answer == "Hi."


def test_a_stop_token_may_be_left_out(template: ChatTemplate) -> None:
    parser = template.parser()
    for token in template.encode('<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}'):
        parser.feed(token)
    (delta,) = parser.finish()
    assert delta.tool_call is not None
    assert delta.tool_call.arguments == {"a": 1}


def test_a_call_that_was_cut_is_dropped_and_no_answer_forced_in_its_place(template: ChatTemplate) -> None:
    parser = template.parser()
    for token in template.encode('<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": '):
        parser.feed(token)
    assert parser.finish() == []
    assert parser.tool_calls == ()
    assert not parser.cut_in_reasoning
    assert parser.force_answer_tokens() == []


def test_an_answer_that_has_begun_is_not_forced_again(template: ChatTemplate) -> None:
    parser = template.parser()
    for token in template.encode("<|channel|>final<|message|>Yes, and"):
        parser.feed(token)
    assert parser.force_answer_tokens() == []
