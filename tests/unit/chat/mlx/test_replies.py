import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.mlx_models import tiny_model
from voicegen.chat.mlx.answer_model import MLXAnswerModel
from voicegen.chat.mlx.chat_model import MLXChatModel
from voicegen.protocols import GenerationOptions, ReplyPart, ReplyRequest
from voicegen.records import Answer, ChatUsage, Failure, Message, Question, Role
from voicegen.sharing.caller import Caller
from voicegen.sharing.chat import ChatInOneBatch

WARM = GenerationOptions(max_tokens=10, temperature=1.0, top_p=0.95)
WAYS = [
    GenerationOptions(max_tokens=12),
    WARM,
    dataclasses.replace(WARM, seed=5, top_k=7),
    GenerationOptions(max_tokens=6, repetition_penalty=1.4),
    dataclasses.replace(WARM, seed=9, min_p=0.1, repetition_penalty=1.2),
    dataclasses.replace(WARM, seed=2),
]


@pytest.fixture(scope="module")
def tiny():
    return tiny_model()


def said_by_user(text):
    return Message(Role.USER, text)


def conversation(number):
    return (Message(Role.SYSTEM, "Be brief."), said_by_user(f"Tell me {'more ' * (number % 4)}of {number}."))


def requests(count):
    return [ReplyRequest(n, conversation(n), WAYS[n % len(WAYS)]) for n in range(count)]


def alone(tiny, request):
    return whole(MLXChatModel(tiny).stream(request.messages, request.options, request.tools))


def whole(events):
    """A reply's text, and what it cost but for what was cached."""
    *deltas, usage = events
    return "".join(delta.text for delta in deltas), dataclasses.replace(usage, cached_tokens=0)


def replies(model, asked, **settings):
    """Each reply's events, by the index of its request."""
    events = {}
    for part in model.work(asked, **settings):
        assert isinstance(part, ReplyPart)
        events.setdefault(part.index, []).append(part.event)
    return events


@pytest.mark.parametrize("size", [1, 4, 16])
def test_a_reply_in_a_batch_is_the_reply_alone_however_the_others_are_sampled(tiny, size):
    asked = requests(8)
    together = replies(MLXAnswerModel(tiny, batch_size=size), asked)
    assert {index: whole(events) for index, events in together.items()} == {
        request.index: alone(tiny, request) for request in asked
    }


def test_questions_and_conversations_are_one_batch(tiny):
    asked = [Question(10 + n, str(n), f"Question {n}?", seed=n) for n in range(3)]
    model = MLXAnswerModel(tiny, options=WARM, system_prompt="Be brief.")
    answers = [dataclasses.replace(one, seconds=0.0) for one in model.answer(asked) if isinstance(one, Answer)]
    given = list(model.work([*asked, *requests(3)]))
    assert [dataclasses.replace(one, seconds=0.0) for one in given if isinstance(one, Answer)] == answers
    assert answers
    said = [part.event.text for part in given if isinstance(part, ReplyPart) and part.index == 1 and not part.is_last]
    assert "".join(said) == alone(tiny, requests(2)[1])[0]


def test_the_next_turn_reads_only_what_is_new_also_where_others_spoke_between(tiny):
    model = MLXAnswerModel(tiny)
    first = replies(model, requests(3))
    again = []
    for request in requests(3):
        text, usage = whole(first[request.index])
        more = (*request.messages, Message(Role.ASSISTANT, text), said_by_user("And then?"))
        again.append(dataclasses.replace(request, messages=more))
        assert usage.prompt_tokens > 10
    second = replies(model, again)
    for request in again:
        assert whole(second[request.index]) == alone(tiny, request)
        assert second[request.index][-1].cached_tokens >= first[request.index][-1].prompt_tokens - 1


def test_what_is_not_wanted_any_more_leaves_the_batch(tiny):
    asked = [dataclasses.replace(request, options=WARM) for request in requests(4)]
    seen = {0: 0, 3: 0}

    def is_wanted(index):
        return index not in seen or seen[index] < 2

    model, ended = MLXAnswerModel(tiny, batch_size=3), {}
    for part in model.work(asked, is_wanted):
        if part.index in seen:
            seen[part.index] += 1
        if part.is_last:
            ended[part.index] = part.event
    assert set(ended) == {1, 2}
    assert all(count < 10 for count in seen.values())
    assert replies(model, asked[:1])[0][-1].cached_tokens > 10  # what was read of its prompt is not read again


def test_a_conversation_beyond_the_context_fails_alone():
    asked = requests(2)
    asked[0] = dataclasses.replace(asked[0], messages=(said_by_user("long " * 200),))
    given = list(MLXAnswerModel(tiny_model(context=300)).work(asked))
    (failure,) = (one for one in given if isinstance(one, Failure))
    assert failure.index == 0
    assert "context holds 300" in failure.error
    assert isinstance(given[-1].event, ChatUsage)


def test_callers_on_threads_of_their_own_share_the_batch(tiny):
    shared = ChatInOneBatch(lambda: MLXAnswerModel(tiny_model()))

    def talk(request):
        model = shared.conversing(Caller())
        assert model.count_tokens(request.messages) > 10
        return whole(model.stream(request.messages, request.options))

    try:
        with ThreadPoolExecutor(8) as clients:
            assert list(clients.map(talk, requests(8))) == [alone(tiny, request) for request in requests(8)]
    finally:
        shared.close()
