from dataclasses import replace

import mlx.nn as nn
import pytest

from tests.mlx_models import starter_model, tiny_model
from voicegen.chat.mlx.chat_model import MLXChatModel
from voicegen.errors import ModelError
from voicegen.protocols import GenerationOptions
from voicegen.records import ChatUsage, Delta, Message, Role

GREEDY = GenerationOptions(max_tokens=12)


def said(events):
    *deltas, usage = events
    assert isinstance(usage, ChatUsage)
    assert all(isinstance(delta, Delta) for delta in deltas)
    return "".join(delta.text for delta in deltas), usage


def user(text):
    return Message(Role.USER, text)


class Watched(nn.Module):
    """A model that notes how many tokens it is fed at a time."""

    def __init__(self, model, fed):
        super().__init__()
        self.inner, self.layers = model, model.layers
        self.note = fed.append

    def __call__(self, tokens, cache=None):
        self.note(tokens.shape[1])
        return self.inner(tokens, cache=cache)


@pytest.fixture(scope="module")
def tiny():
    return tiny_model()


def test_the_starter_model_streams_the_capital_of_france_word_by_word():
    model = MLXChatModel(starter_model())
    events = list(model.stream([user("What is the capital of France?")], GREEDY))
    text, usage = said(events)
    assert text == "The capital of France is Paris."
    assert usage.finish_reason == "stop"
    assert usage.completion_tokens == len(events)  # a delta for each token but the stop, and the usage
    assert usage.prompt_tokens == model.count_tokens([user("What is the capital of France?")])


def test_a_follow_up_turn_prefills_only_what_is_new(tiny):
    fed = []
    model = MLXChatModel(replace(tiny, model=Watched(tiny.model, fed)))
    messages = [Message(Role.SYSTEM, "Be brief."), user("One?")]
    before = 0
    for turn in range(4):
        fed.clear()
        answer, usage = said(list(model.stream(messages, GREEDY)))
        new = usage.prompt_tokens - usage.cached_tokens
        assert fed[0] == new
        if turn:
            assert new < 70
            assert usage.cached_tokens >= before
        before = usage.prompt_tokens - 1
        messages += [Message(Role.ASSISTANT, answer), user(f"And turn {turn}?")]


def test_cached_turns_say_what_fresh_ones_say(tiny):
    messages = [user("One?"), Message(Role.ASSISTANT, "Well."), user("Two?")]
    fresh, _ = said(list(MLXChatModel(tiny).stream(messages, GREEDY)))
    model = MLXChatModel(tiny)
    said(list(model.stream(messages[:1], GREEDY)))
    said(list(model.stream([user("Something else entirely, and longer than that?")], GREEDY)))
    again, usage = said(list(model.stream(messages, GREEDY)))
    assert again == fresh
    assert usage.cached_tokens > 0


def test_closing_early_leaves_the_cache_usable(tiny):
    messages = [user("Tell me more.")]
    expected, _ = said(list(MLXChatModel(tiny).stream(messages, GREEDY)))
    model = MLXChatModel(tiny)
    stream = model.stream(messages, GREEDY)
    next(stream)
    next(stream)
    stream.close()
    again, usage = said(list(model.stream(messages, GREEDY)))
    assert again == expected
    assert usage.cached_tokens == usage.prompt_tokens - 1


def test_a_new_stream_ends_the_one_before_it(tiny):
    model = MLXChatModel(tiny)
    first = model.stream([user("One?")], GREEDY)
    next(first)
    expected, _ = said(list(MLXChatModel(tiny).stream([user("Two?")], GREEDY)))
    assert said(list(model.stream([user("Two?")], GREEDY)))[0] == expected
    _, usage = said(list(first))
    assert usage.completion_tokens < 12


def test_seeds_make_sampled_replies_repeatable(tiny):
    model = MLXChatModel(tiny)

    def reply(seed):
        return said(list(model.stream([user("Hm?")], GenerationOptions(12, temperature=1.0, seed=seed))))[0]

    assert reply(1) == reply(1)
    assert reply(1) != reply(2)


def test_a_conversation_beyond_the_context_says_what_to_do():
    model = MLXChatModel(tiny_model(context=40))
    with pytest.raises(ModelError, match="holds 40: clear the history"):
        list(model.stream([user("x" * 100)], GREEDY))
    assert model.context_length == 40


def test_a_reply_ends_where_the_context_does(tiny):
    room = MLXChatModel(tiny).count_tokens([user("Hi?")]) + 4
    model = MLXChatModel(tiny_model(context=room))
    _, usage = said(list(model.stream([user("Hi?")], GenerationOptions(max_tokens=500))))
    assert usage.finish_reason == "length"
    assert usage.completion_tokens == 4
