"""A run of chat data: each turn of the user is a row of its conversation."""

import json

import pytest

from tests.product import manifest_rows, voicegen, wav_hashes

FAKE = ("preset=fake", "quality=off", "tts.duration=0.2", "name=r")


def said(*texts):
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]


TALKS = [
    {"id": "a", "messages": [{"role": "system", "content": "Be kind."}, *said("Hi.", "Hello.", "And you?", "Well.")]},
    {"id": "b", "messages": said("Why?", "Because.")},
]


@pytest.fixture
def run(tmp_path):
    def run(*words, talks=TALKS, name="q.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(talk) + "\n" for talk in talks), "utf-8")
        return voicegen("run", *FAKE, f"questions.path={name}", *words, cwd=tmp_path)

    return run


def rows_of(folder):
    columns = ("id", "conversation_id", "turn", "question", "answer", "system_prompt", "status")
    return [tuple(row[name] for name in columns) for row in manifest_rows(folder / "outputs/r")]


def test_each_turn_is_answered_and_what_was_made_is_gone_on_with_and_grows(run, tmp_path):
    done = run("questions.limit=1")
    assert done.returncode == 0, done.stderr
    looked = run("--dry-run")
    assert "input     3 rows of q.jsonl, 2 conversations" in looked.stdout
    assert "goes on after 1 finished rows, 2 left" in looked.stdout
    done = run()
    assert "3 ok, 0 rejected, 0 failed, of 3" in done.stdout, done.stderr
    assert rows_of(tmp_path) == [
        ("a-1", "a", 1, "Hi.", "Hi.", "Be kind.", "ok"),
        ("a-2", "a", 2, "And you?", "And you?", "Be kind.", "ok"),
        ("b-1", "b", 1, "Why?", "Why?", None, "ok"),
    ]
    before = wav_hashes(tmp_path / "outputs/r")
    done = run("questions.grow=true", talks=[*TALKS, {"id": "c", "messages": said("New?")}])
    assert "4 ok" in done.stdout, done.stderr
    assert before.items() <= wav_hashes(tmp_path / "outputs/r").items()
    changed = [{"id": "a", "messages": said("Hi.", "Hello.", "Changed?")}, TALKS[1]]
    refused = run("questions.grow=true", talks=changed)
    assert "q.jsonl: row 1: was 'And you?' when it was answered, and is 'Changed?' now" in refused.stderr
    changed = [
        {"id": "a", "messages": [{"role": "system", "content": "Be rude."}, *TALKS[0]["messages"][1:]]},
        TALKS[1],
    ]
    refused = run("questions.grow=true", talks=changed)
    assert "its system message was 'Be kind.' when it was answered, and is 'Be rude.' now" in refused.stderr


def test_the_assistants_messages_are_spoken_without_a_chat_model(run, tmp_path):
    done = run("questions.answer_column=messages")
    assert done.returncode == 0, done.stderr
    assert [row[4] for row in rows_of(tmp_path)] == ["Hello.", "Well.", "Because."]
    assert voicegen("verify", "outputs/r", cwd=tmp_path).stdout == ""


def test_several_answers_and_a_rewrite_of_ready_ones_are_refused(run):
    refused = run("chat=openai", "chat.model=m", "chat.num_answers=2", "chat.temperature=1")
    assert refused.returncode == 2
    assert "chat.num_answers must be 1 with conversations: each has one history" in refused.stderr
    assert "questions.answer_column leaves out" in run("questions.answer_column=messages", "text.rewrite=chat").stderr
