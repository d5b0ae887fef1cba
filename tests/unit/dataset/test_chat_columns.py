"""Conversations in one cell: each turn of the user is a row."""

import json

import pyarrow as pa
import pytest

from tests.question_files import jsonl_file, other_columns, parquet_file, read, refusal, text_file
from voicegen.dataset.questions import QuestionFile
from voicegen.records import Failure, Message, Question, Role

OPENAI = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "Ada."},
    {"role": "user", "content": "Since when?"},
    {"role": "assistant", "content": "1815."},
]
SHAREGPT = [
    {"from": "human", "value": "Hi."},
    {"from": "gpt", "value": "Hello."},
]


def said(*texts):
    """Messages of the user and the assistant in turn."""
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]


def questions(rows):
    return [(row.id, row.conversation_id, row.turn, row.text, row.answer, row.system_prompt) for row in rows]


BOTH = [
    ("0-1", "0", 1, "Who are you?", None, "Be brief."),
    ("0-2", "0", 2, "Since when?", None, "Be brief."),
    ("1-1", "1", 1, "Hi.", None, None),
]


def of_every_form(folder):
    pairs = [{"messages": OPENAI}, {"messages": SHAREGPT}]
    roles = [
        [{"role": m.get("role") or m["from"], "content": m.get("content") or m["value"]} for m in row["messages"]]
        for row in pairs
    ]
    yield jsonl_file(folder / "q.jsonl", pairs)
    yield text_file(folder / "q.json", json.dumps(pairs))
    yield parquet_file(folder / "q.parquet", pa.table({"messages": roles}))
    cells = ["".join(('"', json.dumps(row["messages"]).replace('"', '""'), '"')) for row in pairs]
    yield text_file(folder / "q.csv", "\n".join(["messages", *cells, ""]))


def test_each_turn_of_the_user_is_a_row_in_every_format(tmp_path):
    for path in of_every_form(tmp_path):
        assert questions(read(path)) == BOTH, path


def test_the_column_is_found_by_name_or_named(tmp_path):
    path = jsonl_file(tmp_path / "q.jsonl", [{"id": "a", "Conversations": SHAREGPT, "lang": "en"}])
    [row] = read(path)
    assert (row.id, row.conversation_id, row.text) == ("a-1", "a", "Hi.")
    path = jsonl_file(tmp_path / "r.jsonl", [{"question": "Plain?", "messages": SHAREGPT, "chat": said("Named?")}])
    assert [row.text for row in read(path)] == ["Plain?"]
    assert [row.text for row in read(path, messages_column="chat")] == ["Named?"]
    assert [row.text for row in read(path, messages_column="MESSAGES")] == ["Hi."]
    assert "there is no column 'question'" in refusal(jsonl_file(tmp_path / "n.jsonl", [{"a": 1}]))
    assert "there is no column 'question'" in refusal(tmp_path / "q.jsonl", messages_column="")
    assert "questions.messages_column='chat'" in refusal(path, messages_column="chats")


def test_the_assistants_messages_are_ready_answers_where_the_column_is_that_of_the_answers(tmp_path):
    path = jsonl_file(tmp_path / "q.jsonl", [{"messages": OPENAI}, {"messages": said("And?", "Yes.", "No answer?")}])
    rows = read(path, answer_column="messages")
    assert [row.answer for row in rows[:3]] == ["Ada.", "1815.", "Yes."]
    assert rows[3] == Failure(3, "input", "column 'messages (assistant)' is empty", conversation_id="1")
    jsonl_file(tmp_path / "r.jsonl", [{"messages": OPENAI, "reply": "x"}])
    assert "set it to 'messages' to have those spoken" in refusal(tmp_path / "r.jsonl", answer_column="reply")


def test_the_given_messages_are_the_history_where_that_is_asked_for(tmp_path):
    path = jsonl_file(tmp_path / "q.jsonl", [{"messages": OPENAI}])
    assert [row.history for row in read(path)] == [(), ()]
    first, second = read(path, given_history=True)
    assert first.history == ()
    assert second.history == (Message(Role.USER, "Who are you?"), Message(Role.ASSISTANT, "Ada."))
    plain = text_file(tmp_path / "q.csv", "question\nWho?\n")
    assert "questions.history=given is for conversations" in refusal(plain, given_history=True)


def test_messages_of_one_side_in_a_row_are_one_and_a_greeting_is_left_out(tmp_path):
    messages = [
        {"role": "assistant", "content": "Welcome!"},
        {"role": "developer", "content": "One."},
        {"role": "system", "content": "Two."},
        {"role": "user", "content": "Hi."},
        {"role": "User", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "bye."}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "assistant", "content": "Bye."},
    ]
    [row] = read(jsonl_file(tmp_path / "q.jsonl", [{"messages": messages}]), answer_column="messages")
    assert (row.text, row.answer, row.system_prompt) == ("Hi.\n\nAnd\nbye.", "Hello.\n\nBye.", "One.\n\nTwo.")


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        (None, "is empty"),
        ([], "has no message of the user"),
        ("Hi.", "holds text ('Hi.'), not a list of messages"),
        ('{"role": "user"}', 'holds an object ({"role": "user"}), not a list of messages'),
        (7, "holds a number (7), not a list of messages"),
        (["Hi."], "has a message (1) that is text, not an object of role and content"),
        ([*said("a", "b"), {"role": "tool", "content": "4"}], "has a message (3) of 'tool': only user, assistant"),
        ([{"content": "a"}], "has a message (1) of null: only user, assistant and system"),
        (
            [*said("a"), {"role": "assistant", "content": None, "tool_calls": [{}]}],
            "has a message (2) that calls a tool",
        ),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "has a message (1) with a part of type 'image_url'"),
        ([{"role": "user", "content": None}], "has a message (1) whose content is null, not text"),
        ([{"role": "user", "content": {"a": 1}}], "has a message (1) whose content is an object, not text"),
        (
            [*said("a", "b"), {"role": "system", "content": "c"}],
            "has instructions of the system after the first question",
        ),
        ([{"role": "user", "content": " "}], "is blank"),
    ],
)
def test_a_conversation_that_cannot_be_asked_fails_its_row_and_says_why(tmp_path, messages, why):
    path = jsonl_file(tmp_path / "q.jsonl", [{"messages": messages, "n": 1}, {"messages": said("Fine?"), "n": 2}])
    failed, asked = read(path)
    assert isinstance(failed, Failure)
    assert failed.error.startswith(f"column 'messages' {why}")
    assert (asked.index, asked.text) == (1, "Fine?")
    assert other_columns(QuestionFile(path)).column("n").to_pylist() == [1, 2]
    shown = next(QuestionFile(path).batches()).column("question").to_pylist()[0]
    if isinstance(messages, list) and why != "is blank":
        assert json.loads(shown) == messages


def test_a_column_without_a_conversation_is_refused(tmp_path):
    path = text_file(tmp_path / "q.csv", "messages\nHi.\nHo.\n")
    assert "q.csv: row 1: column 'messages' holds text ('Hi.'), not a list of messages, and no row has" in refusal(path)


def test_columns_of_turns_do_not_go_with_whole_conversations(tmp_path):
    path = jsonl_file(tmp_path / "q.jsonl", [{"messages": OPENAI, "talk": "a"}])
    assert "questions.conversation_column is for conversations of a turn a row" in refusal(
        path, conversation_column="talk"
    )


def test_other_columns_are_the_same_in_all_turns_and_the_system_prompt_is_one_of_them(tmp_path):
    rows = [{"messages": OPENAI, "tags": ["a"], "system_prompt": "mine"}, {"messages": SHAREGPT, "tags": ["b"]}]
    table = other_columns(QuestionFile(jsonl_file(tmp_path / "q.jsonl", rows)))
    assert table.to_pydict() == {
        "tags": ['["a"]', '["a"]', '["b"]'],
        "system_prompt": ["mine", "mine", None],
        "messages_system_prompt": ["Be brief.", "Be brief.", None],
    }
    plain = other_columns(QuestionFile(jsonl_file(tmp_path / "r.jsonl", [{"messages": SHAREGPT, "n": 1}])))
    assert plain.to_pydict() == {"n": [1]}


def test_reading_can_begin_at_any_turn(tmp_path):
    path = jsonl_file(tmp_path / "q.jsonl", [{"messages": said(f"{n} a", "x", f"{n} b")} for n in range(5000)])
    file = QuestionFile(path)
    assert file.inspect().rows == 10_000
    turns = list(file.questions())
    for start in (0, 1, 2, 4999, 5000, 6143, 6144, 9999, 12000):
        assert list(file.questions(start)) == turns[start:], start


def test_errors_name_the_file_and_the_row_of_the_conversation(tmp_path):
    jsonl_file(tmp_path / "a.jsonl", [{"id": "x", "messages": said("a", "b", "c")}])
    jsonl_file(tmp_path / "b.jsonl", [{"id": "y", "messages": said("d")}, {"id": "x", "messages": said("e")}])
    message = refusal(tmp_path / "*.jsonl")
    assert f"'x-1' in row 1 of {tmp_path}/a.jsonl and row 2 of {tmp_path}/b.jsonl" in message
    rows = read(tmp_path / "*.jsonl", id_column="")
    assert [row.id for row in rows if isinstance(row, Question)] == ["0-1", "0-2", "1-1", "2-1"]
    file = QuestionFile(tmp_path / "*.jsonl", id_column="")
    assert [file.place(row) for row in (1, 2, 3, 4)] == [
        f"{tmp_path}/{place}" for place in ("a.jsonl: row 1", "a.jsonl: row 1", "b.jsonl: row 1", "b.jsonl: row 2")
    ]
