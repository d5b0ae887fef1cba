"""Models on MLX whose template leaves it open whether replies begin with reasoning."""

from typing import Any

import mlx.core as mx
import pytest

from tests.chat_tokenizers import think_tokenizer
from voicegen.chat.mlx.chat_model import MLXChatModel
from voicegen.chat.mlx.loading import LoadedModel
from voicegen.chat.mlx.trial_reply import found_beginning
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.errors import ModelError
from voicegen.protocols import GenerationOptions
from voicegen.reading.beginning import Beginning
from voicegen.records import Delta, Message, ModelInfo, Role


class Writer:
    """Writes the same reply after every prompt, as a model of mlx-lm would."""

    layers = ()

    def __init__(self, template: ChatTemplate, *replies: str) -> None:
        self._replies = [template.encode(reply) for reply in replies]
        self._vocabulary = len(template.tokenizer)
        self.steps = 0

    def make_cache(self) -> list[Any]:
        return []

    def __call__(self, tokens: mx.array, cache: Any) -> mx.array:
        if tokens.shape[1] > 1:  # a prompt
            self._left = iter(self._replies.pop(0) if len(self._replies) > 1 else self._replies[0])
        self.steps += 1
        logits = mx.zeros((1, tokens.shape[1], self._vocabulary))
        logits[0, -1, next(self._left)] = 1
        return logits


def template(name: str = "qwen3") -> ChatTemplate:
    return ChatTemplate(think_tokenizer(name))


@pytest.mark.parametrize(
    ("reply", "begins"),
    [
        ("Yes.<|im_end|>", Beginning.LIKELY_ANSWER),
        ("Hm.</think>Yes.<|im_end|>", Beginning.UNKNOWN),
        ("<think>Hm.</think>Yes.<|im_end|>", Beginning.UNKNOWN),
        ("and " * 20, Beginning.UNKNOWN),
    ],
)
def test_a_short_question_shows_whether_replies_may_be_streamed(reply: str, begins: Beginning) -> None:
    writer = Writer(template(), reply)
    assert found_beginning(writer, template()) is begins
    assert writer.steps <= 32


@pytest.mark.parametrize("name", ["deepseek_r1_distill", "qwen3_instruct_2507", "qwen3_5_nothink"])
def test_nothing_is_asked_where_the_template_says_it(name: str) -> None:
    writer = Writer(template(name), "Yes.<|im_end|>")
    assert found_beginning(writer, template(name)) is template(name).begins
    assert writer.steps == 0


def chat(*replies: str) -> MLXChatModel:
    tokenizer = think_tokenizer()
    writer = Writer(ChatTemplate(tokenizer), *replies)
    config = {"max_position_embeddings": 4096}
    return MLXChatModel(LoadedModel(writer, tokenizer, config, ModelInfo("writer", "mlx")))  # type: ignore[arg-type]


def pieces(model: MLXChatModel) -> list[tuple[str, str]]:
    events = model.stream([Message(Role.USER, "Well?")], GenerationOptions(max_tokens=40))
    return [(event.text, event.channel) for event in events if isinstance(event, Delta) and event.text]


def test_an_unmarked_reply_of_a_model_that_reasons_is_held_until_it_shows_what_it_is() -> None:
    marked = "<think>a</think>b<|im_end|>"
    answer = [(letter, "answer") for letter in "No."]
    assert pieces(chat(marked, "Hm.</think>No.<|im_end|>")) == [("Hm.", "reasoning"), *answer]
    assert pieces(chat(marked, "No.<|im_end|>")) == [("No.", "answer")]


def test_a_model_that_answers_at_once_streams() -> None:
    assert pieces(chat("Yes.<|im_end|>", "No.<|im_end|>")) == [(letter, "answer") for letter in "No."]


def test_a_model_that_changes_its_ways_is_caught_and_then_held() -> None:
    model = chat("Yes.<|im_end|>", "Hm.</think>No.<|im_end|>")
    with pytest.raises(ModelError, match="what it said so far is no answer"):
        pieces(model)
    assert "".join(text for text, channel in pieces(model) if channel == "answer") == "No."


def test_a_model_that_reasoned_once_may_answer_at_once_later() -> None:
    model = chat("Hm.</think>Yes.<|im_end|>", "No.<|im_end|>")
    assert pieces(model) == [("No.", "answer")]


def test_after_it_was_caught_a_model_can_be_chatted_with_as_before() -> None:
    model = chat("Yes.<|im_end|>", "It is.</think>Four.<|im_end|>", "One.<|im_end|>", "Two.<|im_end|>")
    with pytest.raises(ModelError, match="what it said so far is no answer"):
        pieces(model)
    assert [pieces(model), pieces(model)] == [[("One.", "answer")], [("Two.", "answer")]]
