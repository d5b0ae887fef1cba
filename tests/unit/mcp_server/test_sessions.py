import pytest

from voicegen.chat.conversation.session import ChatSession
from voicegen.errors import ConfigError, MissingDependency
from voicegen.mcp_server.refusals import Refusal, told
from voicegen.mcp_server.sessions import Sessions


def sessions_of(most, seconds=60):
    return Sessions(most, seconds, lambda: ChatSession("echo"))


def asked(sessions, question, id=None):
    with sessions.turn(id) as session:
        session.chat.remember(question, question.upper())
    return session.id


def test_the_session_longest_unused_makes_room():
    sessions = sessions_of(2)
    first, second = asked(sessions, "one"), asked(sessions, "two")
    asked(sessions, "again", first)
    third = asked(sessions, "three")
    assert len(sessions) == 2
    assert "AGAIN" in sessions.read(first)
    assert "THREE" in sessions.read(third)
    with pytest.raises(Refusal, match="leave session out"):
        sessions.read(second)


def test_a_session_that_is_at_work_makes_no_room():
    sessions = sessions_of(1)
    first = asked(sessions, "one")
    with sessions.turn(first):
        asked(sessions, "two")
        assert "ONE" in sessions.read(first)


def test_a_session_unused_for_long_is_forgotten():
    sessions = sessions_of(5, -1)
    asked(sessions, "one")
    assert len(sessions) == 0


def test_a_question_without_an_answer_makes_no_session():
    sessions = sessions_of(5)
    with pytest.raises(ValueError, match="no answer"), sessions.turn(None):
        raise ValueError("no answer")
    assert len(sessions) == 0


def test_a_session_answers_one_question_at_a_time():
    sessions = sessions_of(5)
    id = asked(sessions, "one")
    with sessions.turn(id), pytest.raises(Refusal, match="another question"), sessions.turn(id):
        pass
    asked(sessions, "two", id)


def test_a_session_has_an_end():
    sessions = sessions_of(5)
    id = asked(sessions, "one")
    for _ in range(199):
        asked(sessions, "more", id)
    with pytest.raises(Refusal, match="200 turns"):
        asked(sessions, "too much", id)


def test_errors_are_told_by_their_kind():
    assert told(ConfigError("x=1: no")) == {"kind": "config", "message": "x=1: no"}
    assert told(MissingDependency("install it"))["kind"] == "missing_dependency"
    assert told(Refusal("busy", "wait", {"a": "b"})) == {"kind": "busy", "message": "wait", "fields": {"a": "b"}}
