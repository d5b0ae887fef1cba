from pathlib import Path

import pytest

from tests.scripted_chat import ScriptedChatModel, call, final
from voicegen.chat import ChatSession
from voicegen.errors import InputError


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


def test_a_saved_line_that_nests_too_deeply_is_named(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text('{"role": "user", "content": ' + "[" * 5000 + "\n")
    with pytest.raises(InputError, match="line 1: "):
        ChatSession.load(tmp_path / "chat.jsonl", ScriptedChatModel())
