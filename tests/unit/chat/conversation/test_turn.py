import pytest

from voicegen.chat.conversation.reply import Reply
from voicegen.chat.conversation.turn import Next, OpenTurn
from voicegen.records import Message, Role, ToolCall

QUESTION = Message(Role.USER, "q")
CALLS = (ToolCall("f", {}, "call_0"),)
CUT_IN_REASONING = Reply("", "Hm", finish_reason="length", completion_tokens=5)


def turn(rounds: int = 1) -> OpenTurn:
    return OpenTurn((QUESTION,), rounds)


def results(of: OpenTurn) -> list[Message]:
    return [Message(Role.TOOL, "r", tool_call_id=call.id, name=call.name) for call in of.calls]


def test_a_turn_begins_with_asking_and_is_done_with_an_answer() -> None:
    begun = turn()
    assert begun.next is Next.ASK
    done = begun.after(Reply("a", "Hm.", finish_reason="length", prompt_tokens=3, completion_tokens=4))
    assert done.next is Next.DONE
    assert done.messages == (QUESTION, Message(Role.ASSISTANT, "a", reasoning="Hm."))
    assert (done.prompt_tokens, done.completion_tokens) == (3, 4)
    assert begun == turn()


def test_calls_are_run_and_their_results_asked_about() -> None:
    called = turn().after(Reply("I look.", tool_calls=CALLS))
    assert (called.next, called.calls) == (Next.RUN_TOOLS, CALLS)
    told = called.told(results(called))
    assert told.next is Next.ASK
    assert [message.role for message in told.messages] == [Role.USER, Role.ASSISTANT, Role.TOOL]


def test_after_the_last_round_calls_are_refused_once_and_then_fail_the_turn() -> None:
    called = turn(rounds=1).after(Reply("", tool_calls=CALLS))
    refused = called.told(results(called)).after(Reply("", tool_calls=CALLS))
    assert refused.next is Next.ASK
    assert refused.messages[-1].tool_call_id == "call_1"
    assert "The limit of tool calls is reached" in refused.messages[-1].content
    failed = refused.after(Reply("I look.", tool_calls=CALLS))
    assert failed.next is Next.FAIL
    assert "still calls tools after 1 rounds" in failed.error
    assert refused.after(Reply("a")).next is Next.DONE


def test_a_call_where_no_tools_are_offered_fails_the_turn_by_the_tools_name() -> None:
    failed = turn(rounds=0).after(Reply("Well.", tool_calls=CALLS))
    assert (failed.next, failed.error) == (Next.FAIL, "the model called the tool 'f', but it has none")


def test_a_reply_cut_in_its_reasoning_is_forced_once_where_it_can_be() -> None:
    forced = turn().after(CUT_IN_REASONING, may_force=True)
    assert (forced.next, forced.messages) == (Next.FORCE_ANSWER, (QUESTION,))
    assert forced.after(CUT_IN_REASONING, may_force=True).next is Next.FAIL
    done = forced.after(Reply("a", "Hm", completion_tokens=2), may_force=True)
    assert (done.next, done.completion_tokens, done.replies) == (Next.DONE, 7, 2)
    assert turn().after(CUT_IN_REASONING).next is Next.FAIL


def test_every_round_may_be_forced() -> None:
    called = turn().after(CUT_IN_REASONING, may_force=True).after(Reply("", tool_calls=CALLS))
    assert called.next is Next.RUN_TOOLS
    assert called.told(results(called)).after(CUT_IN_REASONING, may_force=True).next is Next.FORCE_ANSWER


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (CUT_IN_REASONING, "used its tokens up before it came to its answer: raise max_tokens"),
        (Reply("", finish_reason="length"), "used its tokens up before it came to its answer"),
        (Reply(" \n", "Hm"), "ended its reply without an answer, inside its reasoning"),
        (Reply(" \n"), "gave an empty answer"),
    ],
)
def test_a_reply_without_an_answer_fails_the_turn_with_what_may_help(reply: Reply, why: str) -> None:
    failed = turn().after(reply)
    assert failed.next is Next.FAIL
    assert why in failed.error
