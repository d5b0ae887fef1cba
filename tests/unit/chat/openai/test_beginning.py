"""Servers that send a reasoning of which only the end is marked: none of it is ever an answer."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.openai_clients import OPTIONS, answers, error_of, only, questions, text_of, to
from tests.openai_server import Behaviour, Exchange, ScriptedServer, fails, piece, says, serving, streams
from voicegen.chat import ChatSession
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.chat_model import OpenAIChatModel
from voicegen.errors import ModelError
from voicegen.protocols import SpeechStream
from voicegen.records import Answer, Message, Role, Utterance
from voicegen.tts.tone import ToneSpeech
from voicegen.voicechat.pipeline import VoiceChatPipeline
from voicegen.voicechat.playback import SilentPlayer

REASONS = ["Hm. ", "I think of it. ", "</thi", "nk>", "Yes. ", "It is."]


def written(*pieces: str, finish: str = "stop") -> Behaviour:
    return streams(*(piece(content=text) for text in pieces), piece(finish=finish))


def model_of(script: ScriptedServer, **changes: Any) -> OpenAIChatModel:
    return OpenAIChatModel(to(script, **{"starts_in_reasoning": None, **changes}), context_length=4096)


def session_of(script: ScriptedServer, **changes: Any) -> ChatSession:
    return ChatSession(model_of(script, **changes), "Be kind.")


def asked(script: ScriptedServer) -> list[str]:
    return [request.body["messages"][-1]["content"] for request in script.requests]


@pytest.mark.parametrize("pieces", [["hm</think>yes"], ["h", "m</th", "ink>", "yes"], REASONS])
def test_reasoning_without_a_beginning_is_never_given_as_the_answer(pieces: Sequence[str]) -> None:
    whole = "".join(pieces)
    reasoning, answer = (part.strip() for part in whole.split("</think>"))
    with serving(written(*pieces)) as script:
        session = session_of(script)
        assert "".join(session.chat_stream("Well?")) == answer
        assert "".join(session.chat_stream("And now?")) == answer
    assert session.turns[0].messages[-1] == Message(Role.ASSISTANT, answer, reasoning=reasoning)


def test_a_short_question_shows_how_replies_begin_and_is_asked_once() -> None:
    with serving(written("Yes."), written("It ", "is.")) as script:
        session = session_of(script)
        assert list(session.chat_stream("Well?")) == ["It", " is."]
        assert list(session.chat_stream("And now?")) == ["It", " is."]
    assert asked(script) == ["Say only: yes", "Well?", "And now?"]
    assert script.requests[0].body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert [request.body["max_tokens"] for request in script.requests] == [32, 256, 256]
    assert [message.content for message in session.get_history()] == [
        "Be kind.",
        "Well?",
        "It is.",
        "And now?",
        "It is.",
    ]


def test_while_nothing_is_known_an_answer_comes_at_its_end_and_the_next_as_it_is_written() -> None:
    with serving(written("Let me see", finish="length"), written("It ", "is.")) as script:
        session = session_of(script)
        assert list(session.chat_stream("Well?")) == ["It is."]
        assert list(session.chat_stream("And now?")) == ["It", " is."]


def test_reasoning_whose_beginning_is_marked_holds_nothing_back() -> None:
    with serving(written("<think>", "hm", "</think>", "It ", "is.")) as script:
        session = session_of(script)
        assert list(session.chat_stream("Well?")) == ["It", " is."]
    assert session.turns[0].messages[-1].reasoning == "hm"


def test_reasoning_in_a_field_of_its_own_holds_nothing_back() -> None:
    reply = streams(piece(reasoning_content="hm"), piece(content="It "), piece(content="is."), piece(finish="stop"))
    with serving(reply) as script:
        assert list(session_of(script).chat_stream("Well?")) == ["It", " is."]


@pytest.mark.parametrize("misbehaves", [fails(500), fails(400, "no"), written("x", finish="content_filter")])
def test_a_short_question_that_fails_is_no_error(misbehaves: Behaviour) -> None:
    with serving(misbehaves, written("It ", "is.")) as script:
        assert session_of(script).chat("Well?") == "It is."
    assert len(script.requests) == 2


@pytest.mark.parametrize(("starts_in_reasoning", "pieces"), [(False, ["It", " is."]), (True, [])])
def test_the_settings_can_say_how_replies_begin(starts_in_reasoning: bool, pieces: list[str]) -> None:
    with serving(written("It ", "is.")) as script:
        session = ChatSession(OpenAIChatModel(to(script, starts_in_reasoning=starts_in_reasoning), 4096))
        if starts_in_reasoning:
            with pytest.raises(ModelError, match="ended its reply without an answer"):
                session.chat("Well?")
        else:
            assert list(session.chat_stream("Well?")) == pieces
    assert len(script.requests) == 1


def test_a_reply_cut_before_it_has_shown_what_it_is_is_no_answer() -> None:
    with serving(written("Let me see", finish="length")) as script:
        session = session_of(script)
        with pytest.raises(ModelError, match=r"raise chat\.max_tokens, or say with chat\.starts_in_reasoning=false"):
            list(session.chat_stream("Well?"))
    assert session.turns == ()


def test_a_cut_is_in_doubt_whatever_earlier_replies_were() -> None:
    cut = written("Let me see", finish="length")
    with serving(written(*REASONS), cut) as script, pytest.raises(ModelError, match=r"raise chat\.max_tokens, or say"):
        list(session_of(script).chat_stream("Well?"))


def test_a_server_that_changes_its_ways_is_caught_and_its_replies_then_held_and_judged_alone() -> None:
    replies = [written(*REASONS), written("It ", "is."), written(*REASONS), written("That ", "too.")]
    with serving(written("Yes."), written("One. Two. ", "</think>", "Three."), *replies) as script:
        session = session_of(script)
        with pytest.raises(ModelError, match=r"is no answer\. Ask again.*set chat\.starts_in_reasoning=false\."):
            list(session.chat_stream("Well?"))
        assert session.turns == ()
        answers = [list(session.chat_stream("Well?")) for _ in replies]
    assert answers == [["Yes.", " It is."], ["It is."], ["Yes.", " It is."], ["That too."]]


def test_a_server_that_reasons_may_answer_at_once() -> None:
    with serving(written(*REASONS), written("It ", "is."), written(*REASONS)) as script:
        session = session_of(script)
        assert [session.chat("Well?"), session.chat("Well?")] == ["It is.", "Yes. It is."]


def test_where_the_settings_say_that_replies_begin_with_the_answer_a_lone_end_marker_is_text() -> None:
    quotes = written("It is </th", "ink>", ".")
    with serving(quotes, written("Yes.")) as script:
        session = session_of(script, starts_in_reasoning=False)
        assert [session.chat("Which tag?"), session.chat("Well?")] == ["It is </think>.", "Yes."]


@pytest.mark.parametrize(
    "text",
    ["[THINK]hm[/THINK]It is.", "<thinking>hm</thinking>It is.", "analysisHm.assistantfinalIt is.",
     "<Think>hm</Think>It is.", "<|channel>thought\nhm<channel|>It is."],
)  # fmt: skip
@pytest.mark.parametrize("starts_in_reasoning", [None, False])
def test_reasoning_in_other_forms_is_kept_apart(text: str, starts_in_reasoning: bool | None) -> None:
    with serving(written(*text)) as script:
        session = session_of(script, starts_in_reasoning=starts_in_reasoning)
        assert "".join(session.chat_stream("Well?")) == "It is."
    assert session.turns[0].messages[-1].reasoning is not None


def test_a_reply_that_breaks_off_while_it_is_held_is_tried_again() -> None:
    broken = streams(piece(content="Half an"), done=False)
    with serving(fails(500), broken, written("It is.")) as script:
        assert session_of(script).chat("Well?") == "It is."


def test_a_server_that_heeds_no_limit_is_not_waited_for() -> None:
    def endless(exchange: Exchange) -> None:
        exchange.send_events(done=False)
        while not script.stopping.is_set():
            exchange.handler.wfile.write(b'data: {"choices": [{"delta": {"content": "and "}}]}\n\n')

    with serving(endless, written("Yes.")) as script:
        assert session_of(script).chat("Well?") == "Yes."


class Spoken(ToneSpeech):
    """Remembers the texts that it was given to speak."""

    def __init__(self) -> None:
        super().__init__(8000, duration=0.1)
        self.texts: list[str] = []

    def stream(self, utterance: Utterance) -> SpeechStream:
        self.texts.append(utterance.text)
        return (yield from super().stream(utterance))


def test_stopping_works_while_an_answer_is_held(tmp_path: Path) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.send_events(done=False)
        while not script.stopping.is_set():
            exchange.handler.wfile.write(b'data: {"choices": [{"delta": {"content": "and "}}]}\n\n')

    looks = list[int]()
    with (
        serving(written("Let me see", finish="length"), endless) as script,
        VoiceChatPipeline(model_of(script), Spoken(), output_dir=tmp_path) as pipeline,
    ):
        reply = pipeline.reply("Well?", should_stop=lambda: looks.append(1) is None and len(looks) > 5)
    assert (reply.interrupted, reply.text) == (True, "")


@pytest.mark.parametrize("stream", [True, False])
def test_reasoning_without_a_beginning_is_never_spoken_nor_shown(tmp_path: Path, stream: bool) -> None:
    voice, shown = Spoken(), list[str]()
    with (
        serving(written(*REASONS)) as script,
        VoiceChatPipeline(model_of(script), voice, output_dir=tmp_path, stream=stream) as pipeline,
    ):
        replies = [pipeline.reply(question, shown.append) for question in ("Well?", "And now?")]
    assert voice.texts == ["Yes.", "It is."] * 2
    assert "".join(shown) == "Yes. It is." * 2
    assert [(reply.text, reply.spoken) for reply in replies] == [("Yes. It is.", "Yes. It is.")] * 2


def test_what_was_spoken_of_a_reasoning_taken_for_an_answer_is_dropped_at_once(tmp_path: Path) -> None:
    heard = threading.Event()

    class Player(SilentPlayer):
        stopped = 0

        def play(self, samples: Any) -> None:
            heard.set()

        def stop(self) -> None:
            self.stopped += 1

    def changes_its_ways(exchange: Exchange) -> None:
        exchange.send_events(piece(content="First I look at it. Then I think of it. "), done=False)
        assert heard.wait(10)
        exchange.handler.wfile.write(b'data: {"choices": [{"delta": {"content": "</think>Three."}}]}\n\n')

    player = Player()
    with (
        serving(written("Yes."), changes_its_ways) as script,
        VoiceChatPipeline(model_of(script), Spoken(), output_dir=tmp_path, player=player) as pipeline,
    ):
        with pytest.raises(ModelError, match="what it said so far is no answer"):
            pipeline.reply("Well?")
        assert player.stopped >= 2  # when the answer began, and when it proved to be none
        assert pipeline.session.turns == ()
    assert list(tmp_path.iterdir()) == []


def test_in_a_run_a_cut_reply_is_an_answer_only_where_replies_begin_with_it() -> None:
    cut = says("Let me see", finish="length", tokens=(7, 100))
    with serving(cut, says("Yes.")) as script:
        record = only(script, server=to(script, starts_in_reasoning=None), reasoning_budget=400)
        assert isinstance(record, Answer)
        assert (record.text, record.finish_reason, record.reasoning) == ("Let me see", "length", None)
    assert asked(script) == ["question 0", "Say only: yes"]
    with serving(cut, says("Hm</think>Yes."), says("Hm</think>Four.")) as script:
        assert text_of(only(script, server=to(script, starts_in_reasoning=None), reasoning_budget=400)) == "Four."
    assert [request.body["max_tokens"] for request in script.requests] == [100, 500, 500]
    with serving(cut) as script:
        record = only(script, server=to(script, starts_in_reasoning=None), reasoning_budget=400)
        assert "say with chat.starts_in_reasoning=false" in error_of(record)
    assert asked(script) == ["question 0", "Say only: yes", "question 0"]


def test_in_a_run_the_short_question_is_asked_at_most_once() -> None:
    def behaves(exchange: Exchange) -> None:
        (says("Yes.") if exchange.question.startswith("Say") else says("Let me", finish="length"))(exchange)

    with serving(behaves) as script:
        model = OpenAIAnswerModel(to(script, starts_in_reasoning=None), OPTIONS, concurrency=8)
        assert [text_of(record) for record in answers(model, 20)] == ["Let me"] * 20
    assert asked(script).count("Say only: yes") == 1


QUOTES = "The tag is </think>, and nothing else."


def answers_by_question(exchange: Exchange) -> None:
    """Row 3 quotes the tag; the others answer, reason first, or are cut."""
    number = int(exchange.question.split()[-1]) if exchange.question.startswith("question") else -1
    kinds = {-1: says("Yes."), 0: says("Hm</think>Four."), 1: says("Let me", finish="length"), 3: says(QUOTES)}
    kinds.get(number, says("It is."))(exchange)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_in_a_run_no_row_depends_on_those_before_it(concurrency: int) -> None:
    expected = {0: "Four.", 1: "Let me", 3: "The tag is </think>, and nothing else."}
    with serving(answers_by_question) as script:
        for order in (questions(30), questions(30)[::-1]):
            model = OpenAIAnswerModel(to(script, starts_in_reasoning=None), OPTIONS, concurrency=concurrency)
            records = list(model.answer(order))
            found = {record.question.index: record.text for record in records if isinstance(record, Answer)}
            assert found == {index: expected.get(index, "It is.") for index in range(30)}


def test_in_a_run_a_lone_end_marker_is_text_where_the_settings_say_so() -> None:
    with serving(answers_by_question) as script:
        model = OpenAIAnswerModel(to(script, starts_in_reasoning=False), OPTIONS)
        texts = {text_of(record) for record in answers(model, 6)}
    assert texts == {"Hm</think>Four.", "Let me", QUOTES, "It is."}
    assert "Say only: yes" not in asked(script)
