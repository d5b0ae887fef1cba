from typing import Any

import pytest

from tests.chat_tokenizers import chatml_tokenizer
from tests.scripted_chat import ScriptedChatModel, final
from voicegen.chat import ChatSession, Message, Role
from voicegen.errors import ConfigError, ModelError


def test_a_chat_remembers_what_was_said() -> None:
    model = ScriptedChatModel(final("I am Ada."), final("Ada, as I said."))
    session = ChatSession(model, system_prompt="Be brief.")
    assert session.chat("Who are you?") == "I am Ada."
    assert session.chat("Who?") == "Ada, as I said."
    assert session.get_history() == [
        Message(Role.SYSTEM, "Be brief."),
        Message(Role.USER, "Who are you?"),
        Message(Role.ASSISTANT, "I am Ada."),
        Message(Role.USER, "Who?"),
        Message(Role.ASSISTANT, "Ada, as I said."),
    ]
    assert model.seen[1].messages == session.get_history()[:-1]


def test_a_stream_gives_the_answer_in_pieces_and_no_reasoning() -> None:
    session = ChatSession(ScriptedChatModel(final("Hello.", reasoning="They greet me.")))
    pieces = list(session.chat_stream("Hi"))
    assert len(pieces) > 1
    assert "".join(pieces) == "Hello."
    assert session.get_history()[-1] == Message(Role.ASSISTANT, "Hello.", reasoning="They greet me.")


def test_generation_options_reach_the_model() -> None:
    model = ScriptedChatModel(final("."))
    ChatSession(model, max_tokens=50, temperature=0.7, reasoning_effort="high").chat("Hi")
    assert (model.seen[0].options.max_tokens, model.seen[0].options.temperature) == (50, 0.7)
    assert "Reasoning: high" in model.seen[0].prompt


def test_an_unknown_option_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="no option 'max_token': did you mean 'max_tokens'"):
        ChatSession(ScriptedChatModel(), max_token=5)


def test_a_model_given_by_name_is_not_loaded_before_it_is_needed() -> None:
    session = ChatSession("no/such-model", system_prompt="x")
    assert session.get_history() == [Message(Role.SYSTEM, "x")]


@pytest.mark.parametrize("keep", [True, False])
def test_a_cleared_history_keeps_the_system_prompt_when_asked(keep: bool) -> None:
    session = ChatSession(ScriptedChatModel(final("a")), system_prompt="Be brief.")
    session.chat("q")
    session.clear_history(keep_system=keep)
    assert session.get_history() == ([Message(Role.SYSTEM, "Be brief.")] if keep else [])


def test_the_history_given_out_is_a_copy() -> None:
    session = ChatSession(ScriptedChatModel(final("a")))
    session.get_history().append(Message(Role.USER, "x"))
    assert session.get_history() == []


def test_the_system_prompt_can_change_between_turns() -> None:
    model = ScriptedChatModel(final("a"), final("b"))
    session = ChatSession(model, system_prompt="Old.")
    session.chat("1")
    session.system_prompt = "New."
    session.chat("2")
    assert [message.content for message in model.seen[1].messages] == ["New.", "1", "a", "2"]


def test_a_stream_that_is_closed_keeps_what_was_said_and_marks_it() -> None:
    model = ScriptedChatModel(final("One two three."), final("Next."))
    session = ChatSession(model)
    stream = session.chat_stream("Count")
    heard = "".join(next(stream) for _ in range(4))
    stream.close()
    assert session.get_history() == [Message(Role.USER, "Count"), Message(Role.ASSISTANT, heard)]
    assert session.turns[-1].interrupted
    assert model.tokens_given < len(model.template.encode(final("One two three.")))
    assert session.chat("Go on") == "Next."
    assert not session.turns[-1].interrupted


def test_ctrl_c_keeps_what_was_said_too() -> None:
    session = ChatSession(ScriptedChatModel(final("One two three.")))
    stream = session.chat_stream("Count")
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt())
    assert session.turns[-1].interrupted


def test_a_stream_closed_before_a_word_was_said_leaves_the_history_as_it_was() -> None:
    session = ChatSession(ScriptedChatModel(final("x")))
    stream = session.chat_stream("Hi")
    stream.close()
    assert session.get_history() == []


def test_an_error_of_the_model_leaves_the_history_as_it_was() -> None:
    session = ChatSession(ScriptedChatModel(final("a"), ModelError("lost"), final("b")))
    session.chat("1")
    with pytest.raises(ModelError, match="lost"):
        session.chat("2")
    assert [message.content for message in session.get_history()] == ["1", "a"]
    assert session.chat("3") == "b"


def test_the_last_turn_can_be_taken_back() -> None:
    session = ChatSession(ScriptedChatModel(final("a"), final("b")))
    session.chat("1")
    assert session.drop_last_turn() == "1"
    assert session.drop_last_turn() is None
    assert session.get_history() == []


def test_an_answer_that_never_came_out_of_the_reasoning_is_an_error_not_an_answer() -> None:
    session = ChatSession(ScriptedChatModel(final("x", reasoning="on and on " * 20)), max_tokens=60)
    with pytest.raises(ModelError, match="used its tokens up before it came to its answer: raise max_tokens"):
        session.chat("Hi")
    assert session.get_history() == []


def test_whole_turns_are_left_out_oldest_first_and_the_system_prompt_stays() -> None:
    turns = 12
    model = ScriptedChatModel(*["answer <|im_end|>"] * turns, tokenizer=chatml_tokenizer(), context_length=400)
    session = ChatSession(model, system_prompt="Stay.", max_tokens=50)
    for number in range(turns):
        session.chat(f"question {number}")
    for seen in model.seen:
        assert seen.messages[0] == Message(Role.SYSTEM, "Stay.")
        assert [message.role for message in seen.messages[1:]] == (
            [Role.USER, Role.ASSISTANT] * (len(seen.messages) // 2 - 1) + [Role.USER]
        )
        assert len(model.template.render(seen.messages)) + 50 <= 400
    assert session.get_history()[1].content != "question 0"
    assert session.get_history()[-2].content == "question 11"
    assert len(session.turns) == turns


def test_a_trimming_leaves_room_so_that_the_next_turns_keep_their_prefix() -> None:
    turns = 12
    model = ScriptedChatModel(*["answer <|im_end|>"] * turns, tokenizer=chatml_tokenizer(), context_length=500)
    session = ChatSession(model, system_prompt="Stay.", max_tokens=50)
    for number in range(turns):
        session.chat(f"question {number:02}")
    firsts = [seen.messages[1].content for seen in model.seen]
    assert 1 < len(set(firsts)) < len(firsts) - 4


def test_a_question_longer_than_the_context_says_what_to_do() -> None:
    model = ScriptedChatModel(final("a"), context_length=600)
    with pytest.raises(
        ModelError, match=r"exceeds the model's context of 600: shorten the question or lower max_tokens"
    ):
        ChatSession(model, max_tokens=100).chat("long " * 500)


@pytest.mark.parametrize(("text", "kind"), [(None, "None"), (b"hi", "of the type bytes"), (5, "of the type int")])
def test_what_is_no_text_is_not_asked(text: Any, kind: str) -> None:
    session = ChatSession(ScriptedChatModel())
    with pytest.raises(ConfigError, match=f"the question is {kind}: give text"):
        session.chat(text)
    with pytest.raises(ConfigError, match=f"the question is {kind}: give text"):
        session.execute_tool_loop(text)
    assert session.get_history() == []


@pytest.mark.parametrize(("model", "kind"), [(None, "None"), (5, "of the type int"), (ScriptedChatModel, "of the")])
def test_what_is_no_model_is_refused_at_once(model: Any, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"the model is {kind}"):
        ChatSession(model)


@pytest.mark.parametrize("reply", [final(""), final(" \n")])
def test_an_empty_answer_is_an_error_and_the_turn_is_not_kept(reply: str) -> None:
    session = ChatSession(ScriptedChatModel(reply, final("Well.")))
    with pytest.raises(ModelError, match="the model gave an empty answer"):
        session.chat("Hi")
    assert session.get_history() == []
    assert session.chat("Hi again") == "Well."


def test_a_question_that_is_too_long_leaves_the_models_view_of_the_chat_as_it_was() -> None:
    model = ScriptedChatModel("a<|im_end|>", "b<|im_end|>", tokenizer=chatml_tokenizer(), context_length=400)
    session = ChatSession(model, system_prompt="Stay.", max_tokens=50)
    session.chat("first")
    before = session.get_history()
    with pytest.raises(ModelError, match=r"system prompt take 10[0-9]{2} tokens"):
        session.chat("x" * 980)
    assert session.get_history() == before
    session.chat("second")
    assert [message.content for message in model.seen[1].messages] == ["Stay.", "first", "a", "second"]


def test_history_and_clear_are_short_for_the_longer_names() -> None:
    session = ChatSession(ScriptedChatModel(final("Hello.")), system_prompt="Be brief.")
    session.chat("Hi")
    assert session.history == session.get_history()
    assert len(session.history) == 3
    session.clear(keep_system=False)
    assert session.history == []
