"""gpt-oss on MLX: a small checkpoint that was trained to speak harmony."""

import pytest

from tests.gpt_oss_checkpoint import (
    DIALOGUES,
    SEARCH_ANSWER,
    SEARCH_QUESTION,
    SEARCH_RESULT,
    SEARCH_TOOL,
    gpt_oss_folder,
)
from voicegen.chat.mlx.answer_model import MLXAnswerModel
from voicegen.chat.mlx.chat_model import MLXChatModel
from voicegen.chat.mlx.loading import load
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.chat.tools import ToolRegistry
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions, ReplyRequest
from voicegen.records import Answer, ChatUsage, Failure, Message, Question, Role

ASKED = [Question(i, str(i), text) for i, text in enumerate(DIALOGUES)]
LONG = list(DIALOGUES).index("Think hard about time.")


@pytest.fixture(scope="module", params=["float32", "mxfp4"])
def loaded(request):
    return load(find_model(str(gpt_oss_folder(mxfp4=request.param == "mxfp4"))))


def answered(model, asked=ASKED):
    return {r.question.index if isinstance(r, Answer) else r.index: r for r in model.answer(asked)}


@pytest.mark.parametrize("size", [1, 4])
def test_batches_keep_the_reasoning_apart_from_the_answer(loaded, size):
    model = MLXAnswerModel(loaded, options=GenerationOptions(max_tokens=100), batch_size=size)
    records = answered(model).values()
    assert len(records) == len(DIALOGUES)
    for record in records:
        assert (record.reasoning, record.text) in DIALOGUES.values()  # the tiny model may take one for another
        assert record.finish_reason == "stop"


def test_an_answer_cut_while_reasoning_is_forced_within_the_reasoning_budget(loaded):
    model = MLXAnswerModel(loaded, options=GenerationOptions(max_tokens=14), reasoning_budget=40, batch_size=4)
    record = answered(model)[LONG]
    thought, _ = DIALOGUES["Think hard about time."]
    assert isinstance(record, Answer)
    assert record.reasoning
    assert thought.startswith(record.reasoning)
    assert record.text
    assert not record.text.startswith(thought[:10])
    assert record.completion_tokens > 14


def test_reasoning_never_becomes_an_answer(loaded):
    model = MLXAnswerModel(loaded, options=GenerationOptions(max_tokens=8), reasoning_budget=0, batch_size=4)
    record = answered(model)[LONG]
    assert isinstance(record, Failure)
    assert "reasoning_budget" in record.error


def test_a_batch_runs_the_tools_that_its_rows_call(loaded):
    calls = []
    tools = ToolRegistry()
    schema = SEARCH_TOOL["function"]
    tools.register("search", schema["description"], lambda q: calls.append(q) or SEARCH_RESULT, schema["parameters"])
    model = MLXAnswerModel(loaded, options=GenerationOptions(max_tokens=100), tools=tools, batch_size=4)
    records = answered(model, [Question(0, "0", SEARCH_QUESTION), Question(1, "1", SEARCH_QUESTION)])
    assert calls == ["MLX arrays"] * 2
    assert [records[i].text for i in range(2)] == [SEARCH_ANSWER] * 2


def test_running_out_of_memory_runs_no_tool_again(loaded, monkeypatch):
    calls = []
    tools = ToolRegistry()
    schema = SEARCH_TOOL["function"]
    tools.register("search", schema["description"], lambda q: calls.append(q) or SEARCH_RESULT, schema["parameters"])
    step = TokenGenerator.next

    def next_or_fail(self):
        if calls and self.completion_batch_size > 2:
            raise RuntimeError("[malloc] Unable to allocate")
        return step(self)

    monkeypatch.setattr(TokenGenerator, "next", next_or_fail)
    model = MLXAnswerModel(loaded, options=GenerationOptions(max_tokens=100), tools=tools, batch_size=4)
    assert answered(model, [Question(0, "0", SEARCH_QUESTION)])[0].text == SEARCH_ANSWER
    assert calls == ["MLX arrays"]


def test_tools_that_never_end_fail_the_row(loaded, monkeypatch):
    tools = ToolRegistry()
    schema = SEARCH_TOOL["function"]
    tools.register("search", schema["description"], lambda q: "again", schema["parameters"])
    render = ChatTemplate.render  # as if the model had not seen that its calls were answered
    monkeypatch.setattr(ChatTemplate, "render", lambda self, messages, *rest: render(self, messages[:1], *rest))
    monkeypatch.setattr("voicegen.chat.conversation.turn.TOOL_ROUNDS", 2)
    model = MLXAnswerModel(loaded, options=GenerationOptions(max_tokens=100), tools=tools)
    record = answered(model, [Question(0, "0", SEARCH_QUESTION)])[0]
    assert isinstance(record, Failure)
    assert "still calls tools after 2 rounds" in record.error


def test_a_chat_streams_reasoning_and_answer_on_their_own_channels(loaded):
    model = MLXChatModel(loaded)
    events = list(model.stream([Message(Role.USER, "What is MLX?")], GenerationOptions(max_tokens=100)))
    by_channel = {"reasoning": "", "answer": ""}
    for delta in events[:-1]:
        by_channel[delta.channel] += delta.text
    assert (by_channel["reasoning"], by_channel["answer"]) == DIALOGUES["What is MLX?"]
    assert isinstance(events[-1], ChatUsage)
    assert events[-1].finish_reason == "stop"


def test_a_chat_cut_while_reasoning_is_made_to_answer(loaded):
    model = MLXChatModel(loaded, reasoning_budget=40)
    events = list(model.stream([Message(Role.USER, "Think hard about time.")], GenerationOptions(max_tokens=14)))
    assert "".join(delta.text for delta in events[:-1] if delta.channel == "answer")


def test_replies_in_a_batch_are_those_alone_forced_ones_and_calls_of_tools_too(loaded):
    cut = GenerationOptions(max_tokens=14)
    asked = [
        ReplyRequest(0, (Message(Role.USER, "Think hard about time."),), cut),
        ReplyRequest(1, (Message(Role.USER, "What is MLX?"),), GenerationOptions(max_tokens=100)),
        ReplyRequest(2, (Message(Role.USER, SEARCH_QUESTION),), GenerationOptions(max_tokens=100), (SEARCH_TOOL,)),
    ]
    events = {0: [], 1: [], 2: []}
    for part in MLXAnswerModel(loaded, reasoning_budget=40).work(asked):
        events[part.index].append(part.event)
    for request in asked:
        model = MLXChatModel(loaded, reasoning_budget=40)
        assert events[request.index] == list(model.stream(request.messages, request.options, request.tools))
    assert any(event.tool_call for event in events[2][:-1])


def test_follow_up_turns_prefill_only_what_is_new_past_the_sliding_window(loaded):
    """gpt-oss's windows cannot be cut back, and its template drops the reasoning of earlier turns."""
    model, options = MLXChatModel(loaded), GenerationOptions(max_tokens=60)
    messages, before = [], 0
    for question in list(DIALOGUES)[:5]:
        messages.append(Message(Role.USER, question))
        events = list(model.stream(messages, options))
        fresh = list(MLXChatModel(loaded).stream(messages, options))
        assert events[:-1] == fresh[:-1]
        assert events[-1].cached_tokens >= before
        before = events[-1].prompt_tokens - 1
        answer = "".join(delta.text for delta in events[:-1] if delta.channel == "answer")
        messages.append(Message(Role.ASSISTANT, answer))
    assert events[-1].prompt_tokens > 128
