import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.chat_tokenizers import chatml_tokenizer, think_tokenizer
from tests.scripted_chat import ScriptedChatModel, call, final
from voicegen.chat import ChatSession, Message, Role
from voicegen.errors import ConfigError, InputError, ModelError


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


def test_a_call_that_was_cut_is_an_error_not_an_answer() -> None:
    session = ChatSession(ScriptedChatModel(call("f", '{"a": "long"}')), max_tokens=45)
    session.register_tool("f", "d", lambda a: a)
    with pytest.raises(ModelError, match="raise max_tokens"):
        session.execute_tool_loop("Go")


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


def test_a_tool_that_was_not_offered_is_not_called_and_the_turn_is_not_kept() -> None:
    session = ChatSession(ScriptedChatModel(call("look", "{}"), final("Well.")))
    with pytest.raises(ModelError, match="the model called the tool 'look', but it has none"):
        session.chat("Hi")
    assert session.get_history() == []
    assert session.chat("Hi again") == "Well."


@pytest.mark.parametrize("reply", [final(""), final(" \n")])
def test_an_empty_answer_is_an_error_and_the_turn_is_not_kept(reply: str) -> None:
    session = ChatSession(ScriptedChatModel(reply, final("Well.")))
    with pytest.raises(ModelError, match="the model gave an empty answer"):
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


def test_a_session_is_saved_and_goes_on_after_loading(tmp_path: Path) -> None:
    path = tmp_path / "chats" / "talk.jsonl"
    session = ChatSession(
        ScriptedChatModel(final("One.", reasoning="Hm."), call("f", '{"a": 1}'), final("Two.")),
        system_prompt="Be brief.",
    )
    session.register_tool("f", "d", lambda a: a)
    session.chat("1 – ünï")
    session.execute_tool_loop("2")
    session.save(path, keep_reasoning=True)
    again = ChatSession.load(path, ScriptedChatModel(final("Three.")))
    assert again.get_history() == session.get_history()
    assert again.turns == session.turns
    assert again.chat("3") == "Three."
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(session.get_history())


def test_reasoning_is_not_saved_unless_it_is_asked_for(tmp_path: Path) -> None:
    session = ChatSession(ScriptedChatModel(final("One.", reasoning="Secret.")))
    session.chat("1")
    session.save(tmp_path / "a.jsonl")
    assert "Secret" not in (tmp_path / "a.jsonl").read_text()
    assert session.get_history()[-1].reasoning == "Secret."


def test_an_interruption_survives_saving(tmp_path: Path) -> None:
    session = ChatSession(ScriptedChatModel(final("One two."), final("x")))
    stream = session.chat_stream("Count")
    next(stream)
    stream.close()
    session.chat("next")
    session.save(tmp_path / "a.jsonl")
    again = ChatSession.load(tmp_path / "a.jsonl", ScriptedChatModel())
    assert [turn.interrupted for turn in again.turns] == [True, False]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{not json", "line 2"),
        ('{"role": "narrator", "content": "x"}', "line 2.*narrator"),
        ('{"role": "user", "content": 5}', "line 2.*content is int"),
        ("[]", "line 2.*not a chat message"),
    ],
)
def test_a_broken_line_of_a_saved_session_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"role": "user", "content": "x"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=problem):
        ChatSession.load(path, ScriptedChatModel())


USER, ANSWER = '{"role": "user", "content": "q"}', '{"role": "assistant", "content": "a"}'
CALL = '{"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "name": "f", "arguments": {}}]}'
RESULT = '{"role": "tool", "content": "r", "tool_call_id": "c1"}'
SYSTEM = '{"role": "system", "content": "s"}'


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([USER], "line 1: the conversation ends before its last question has an answer"),
        ([USER, ANSWER, USER, CALL, RESULT], "line 5: the conversation ends before"),
        ([USER, USER, ANSWER], "line 2: the question before it has no answer"),
        ([USER, ANSWER, ANSWER], "line 3: the question before it has an answer already"),
        ([USER, ANSWER, SYSTEM], "line 3: a system message stands only at the top"),
        ([SYSTEM, SYSTEM], "line 2: a system message stands only at the top"),
        ([USER, CALL, ANSWER], "line 3: the tool call 'c1' before it has no result"),
        ([USER, CALL, USER], "line 3: the tool call 'c1' before it has no result"),
        ([USER, CALL, RESULT, RESULT], "line 4: there is no tool call before it"),
        ([USER, RESULT], "line 2: there is no tool call before it"),
    ],
)
def test_a_saved_session_that_no_model_could_go_on_with_is_refused(
    tmp_path: Path, lines: list[str], problem: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=rf"a\.jsonl, {problem}"):
        ChatSession.load(path, ScriptedChatModel())


def test_a_saved_session_with_a_whole_tool_turn_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([SYSTEM, USER, CALL, RESULT, ANSWER, USER, ANSWER]) + "\n")
    assert len(ChatSession.load(path, ScriptedChatModel()).turns) == 2


def test_a_saved_session_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read the conversation"):
        ChatSession.load(tmp_path / "none.jsonl", ScriptedChatModel())


def test_a_saved_session_begins_with_a_question(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"role": "assistant", "content": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 1: a conversation begins with a question"):
        ChatSession.load(path, ScriptedChatModel())


def test_lone_surrogates_are_replaced_so_that_every_text_can_be_encoded_and_saved(tmp_path: Path) -> None:
    model = ScriptedChatModel(call("f", '{"q": "\\ud800"}'), final("Hi."))
    session = ChatSession(model, system_prompt="s\udcff")
    session.register_tool("f", "d", lambda q: f"got {q}")
    assert session.execute_tool_loop("x\udcff") == "Hi."
    session.save(tmp_path / "chat.jsonl")
    loaded = ChatSession.load(tmp_path / "chat.jsonl", ScriptedChatModel())
    assert loaded.system_prompt == "s\N{REPLACEMENT CHARACTER}"
    assert loaded.turns[0].question == session.turns[0].question == "x\N{REPLACEMENT CHARACTER}"
    assert loaded.turns[0].messages[2].content == "got \N{REPLACEMENT CHARACTER}"


def test_separators_of_lines_that_json_lets_stand_survive_a_save(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\u0085d\re\x0bf\x1cg"
    session = ChatSession(ScriptedChatModel(final("Hi.")), system_prompt=text)
    session.chat(text)
    session.save(tmp_path / "chat.jsonl")
    loaded = ChatSession.load(tmp_path / "chat.jsonl", ScriptedChatModel())
    assert (loaded.system_prompt, loaded.turns) == (text, session.turns)


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


def test_a_saved_line_that_nests_too_deeply_is_named(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text('{"role": "user", "content": ' + "[" * 5000 + "\n")
    with pytest.raises(InputError, match="line 1: "):
        ChatSession.load(tmp_path / "chat.jsonl", ScriptedChatModel())


def test_history_and_clear_are_short_for_the_longer_names() -> None:
    session = ChatSession(ScriptedChatModel(final("Hello.")), system_prompt="Be brief.")
    session.chat("Hi")
    assert session.history == session.get_history()
    assert len(session.history) == 3
    session.clear(keep_system=False)
    assert session.history == []
