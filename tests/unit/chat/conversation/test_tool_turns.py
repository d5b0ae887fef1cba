import json
from typing import Any
from unittest import mock

import pytest

from tests.chat_tokenizers import think_tokenizer
from tests.scripted_chat import ScriptedChatModel, call, final
from voicegen.chat import ChatSession, Role
from voicegen.errors import ConfigError, ModelError


def test_a_call_that_was_cut_is_an_error_not_an_answer() -> None:
    session = ChatSession(ScriptedChatModel(call("f", '{"a": "long"}')), max_tokens=45)
    session.register_tool("f", "d", lambda a: a)
    with pytest.raises(ModelError, match="raise max_tokens"):
        session.execute_tool_loop("Go")


def test_a_tool_is_called_and_its_result_answered() -> None:
    model = ScriptedChatModel(
        call("search", '{"q": "MLX arrays"}', reasoning="I must look."), final("Arrays are lazy.", reasoning="Good.")
    )
    session = ChatSession(model)
    asked: list[str] = []
    session.register_tool(
        name="search", description="Search documentation", callback=lambda q: asked.append(q) or [{"text": "lazy"}]
    )
    assert session.execute_tool_loop("Find info about MLX arrays") == "Arrays are lazy."
    assert asked == ["MLX arrays"]
    roles = [message.role for message in session.get_history()]
    assert roles == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT]
    assert session.get_history()[2].content == '[{"text": "lazy"}]'
    assert "to=functions.search" in model.seen[1].prompt
    assert "analysis<|message|>I must look.<|end|>" in model.seen[1].prompt
    assert "type search" in model.seen[0].prompt


def test_a_tool_turn_is_remembered_whole_by_the_next_chat() -> None:
    model = ScriptedChatModel(call("f", "{}"), final("Done."), final("As I said."))
    session = ChatSession(model)
    session.register_tool("f", "d", lambda: "result")
    session.execute_tool_loop("Do")
    session.chat("And?")
    assert [message.role for message in model.seen[2].messages][:4] == [
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.ASSISTANT,
    ]
    assert len(session.turns) == 2


def test_chat_offers_no_tools() -> None:
    model = ScriptedChatModel(final("a"))
    session = ChatSession(model)
    session.register_tool("f", "d", lambda: "x")
    session.chat("q")
    assert model.seen[0].tools == []


def test_a_model_that_calls_without_end_must_answer_after_the_last_round() -> None:
    model = ScriptedChatModel(*[call("f", "{}")] * 4, final("Enough."))
    session = ChatSession(model)
    runs: list[int] = []
    session.register_tool("f", "d", lambda: runs.append(1))
    with pytest.raises(ModelError, match="still calls tools after 2 rounds"):
        session.execute_tool_loop("Go", max_rounds=2)
    assert len(runs) == 2
    assert session.get_history() == []


def test_after_the_last_round_a_model_may_still_answer() -> None:
    model = ScriptedChatModel(call("f", "{}"), final("Enough."))
    session = ChatSession(model)
    session.register_tool("f", "d", lambda: 1)
    assert session.execute_tool_loop("Go", max_rounds=1) == "Enough."


_LOOK = "<|channel|>final<|message|>I look.<|end|><|start|>assistant" + call("f", "{}")


def test_a_model_that_calls_after_its_last_round_reads_the_refusal_and_answers() -> None:
    model = ScriptedChatModel(call("f", "{}"), _LOOK, final("Enough."))
    session = ChatSession(model)
    runs: list[int] = []
    session.register_tool("f", "d", lambda: runs.append(1))
    assert session.execute_tool_loop("Go", max_rounds=1) == "Enough."
    assert len(runs) == 1
    assert "The limit of tool calls is reached" in model.seen[-1].messages[-1].content


def test_text_beside_a_call_that_was_refused_is_no_answer() -> None:
    session = ChatSession(ScriptedChatModel(*[_LOOK] * 3))
    session.register_tool("f", "d", lambda: 1)
    with pytest.raises(ModelError, match="still calls tools after 1 rounds"):
        session.execute_tool_loop("Go", max_rounds=1)
    assert session.get_history() == []


@pytest.mark.parametrize("rounds", [0, "a", 1.5, None])
def test_a_tool_loop_needs_a_round(rounds: Any) -> None:
    with pytest.raises(ConfigError, match=f"max_rounds is {rounds!r}"):
        ChatSession(ScriptedChatModel()).execute_tool_loop("Go", max_rounds=rounds)


def test_a_tool_that_was_not_offered_is_not_called_and_the_turn_is_not_kept() -> None:
    session = ChatSession(ScriptedChatModel(call("look", "{}"), final("Well.")))
    with pytest.raises(ModelError, match="the model called the tool 'look', but it has none"):
        session.chat("Hi")
    assert session.get_history() == []
    assert session.chat("Hi again") == "Well."


def test_a_turn_that_is_stopped_while_a_tool_works_keeps_no_call_without_a_result() -> None:
    model = ScriptedChatModel(
        'Let me look. <tool_call>{"name": "f", "arguments": {}}</tool_call><|im_end|>', tokenizer=think_tokenizer()
    )
    session = ChatSession(model)
    session.register_tool("f", "d", lambda: 1)
    session.tools.call_all = mock.Mock(side_effect=KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        session.execute_tool_loop("Go")
    assert [(message.role, message.content.strip()) for message in session.get_history()] == [
        (Role.USER, "Go"),
        (Role.ASSISTANT, "Let me look."),
    ]
    assert not session.get_history()[-1].tool_calls


def test_a_tool_result_beyond_the_context_is_cut_to_what_fits_and_says_so() -> None:
    model = ScriptedChatModel(call("f", "{}"), final("Done."), context_length=2500)
    session = ChatSession(model, "Be brief.", max_tokens=100)
    session.register_tool("f", "d", lambda: "word " * 3000)
    assert session.execute_tool_loop("Go") == "Done."
    result = session.get_history()[3].content
    kept, said = result.rsplit("\n", 1)
    assert said == f"[cut: {15_000 - len(kept)} more characters]"
    needed = len(model.template.render(model.seen[1].messages, model.seen[1].tools))
    assert 2300 < needed <= 2400


def test_a_tool_turn_that_cannot_fit_says_that_the_tools_are_at_fault() -> None:
    model = ScriptedChatModel(call("f", json.dumps({"a": "long " * 100})), context_length=1500)
    session = ChatSession(model, max_tokens=700)
    session.register_tool("f", "d", lambda a: a)
    with pytest.raises(ModelError, match=r"the tool calls with their results take .* offer fewer tools"):
        session.execute_tool_loop("Go")
    assert session.get_history() == []


def test_an_unknown_tool_is_refused_with_a_message_to_the_model() -> None:
    model = ScriptedChatModel(call("rm", "{}"), final("I can't."))
    session = ChatSession(model)
    session.register_tool("f", "d", lambda: 1)
    assert session.execute_tool_loop("Go") == "I can't."
    assert "There is no tool named 'rm'. Tools: f." in session.get_history()[2].content


def test_what_is_said_before_a_call_is_not_part_of_the_answer() -> None:
    model = ScriptedChatModel(
        'Let me look. <tool_call>{"name": "f", "arguments": {}}</tool_call><|im_end|>',
        "It is so.<|im_end|>",
        tokenizer=think_tokenizer(),
    )
    session = ChatSession(model)
    session.register_tool("f", "d", lambda: 1)
    assert session.execute_tool_loop("Go") == "It is so."


def test_calls_of_one_turn_have_ids_of_their_own() -> None:
    model = ScriptedChatModel(call("f", "{}"), call("f", "{}"), final("Done."))
    session = ChatSession(model)
    session.register_tool("f", "d", lambda: 1)
    session.execute_tool_loop("Go")
    assert [message.tool_call_id for message in session.get_history() if message.role is Role.TOOL] == [
        "call_0",
        "call_1",
    ]
