"""A model that nothing stops goes on with the user's next turn; what voicegen gives of it never does."""

from collections.abc import Iterator

import mlx.core as mx
import pytest
from mlx_lm.models.cache import make_prompt_cache

from tests.gpt_oss_checkpoint import DIALOGUES, NEXT_QUESTION, gpt_oss_folder
from tests.mlx_models import starter_model
from voicegen.chat import ChatSession
from voicegen.chat.mlx.answer_model import MLXAnswerModel
from voicegen.chat.mlx.chat_model import MLXChatModel
from voicegen.chat.mlx.loading import LoadedModel, load
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions
from voicegen.records import Answer, Message, Question, Role

PARIS = "What is the capital of France?"


def left_to_itself(loaded: LoadedModel, question: str, tokens: int) -> str:
    """What the model writes when no token stops it."""
    prompt = ChatTemplate(loaded.tokenizer).render([Message(Role.USER, question)])
    cache, step, written = make_prompt_cache(loaded.model), mx.array([prompt]), []
    for _ in range(tokens):
        written.append(int(mx.argmax(loaded.model(step, cache=cache)[0, -1])))
        step = mx.array([[written[-1]]])
    return str(loaded.tokenizer.decode(written))


@pytest.fixture(scope="module", params=["float32", "mxfp4"])
def gpt_oss(request: pytest.FixtureRequest) -> LoadedModel:
    return load(find_model(str(gpt_oss_folder(mxfp4=request.param == "mxfp4"))))


@pytest.fixture(scope="module")
def starter() -> LoadedModel:
    return starter_model()


@pytest.fixture
def templateless(starter: LoadedModel) -> Iterator[LoadedModel]:
    """The starter model as if it had come without a chat template."""
    tokenizer = starter.tokenizer
    template = tokenizer._tokenizer.chat_template
    tokenizer._tokenizer.chat_template, tokenizer.has_chat_template = None, False
    yield starter
    tokenizer._tokenizer.chat_template, tokenizer.has_chat_template = template, True


def test_gpt_oss_does_not_write_the_users_next_turn(gpt_oss: LoadedModel) -> None:
    question, (_, answer) = "What is MLX?", DIALOGUES["What is MLX?"]
    raw = left_to_itself(gpt_oss, question, 70)
    assert f"{answer}<|return|><|start|>user<|message|>{NEXT_QUESTION}" in raw
    assert ChatSession(MLXChatModel(gpt_oss), max_tokens=200).chat(question) == answer
    batch = MLXAnswerModel(gpt_oss, options=GenerationOptions(max_tokens=200))
    assert [record.text for record in batch.answer([Question(0, "a", question)]) if isinstance(record, Answer)] == [
        answer
    ]


@pytest.mark.parametrize("which", ["starter", "templateless"])
def test_the_starter_model_does_not_write_the_users_next_turn(
    which: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = request.getfixturevalue(which)
    assert "<|im_start|>user" in left_to_itself(loaded, PARIS, 30)
    answer = ChatSession(MLXChatModel(loaded), max_tokens=40).chat(PARIS)
    assert answer == "The capital of France is Paris."
    warned = [record.message for record in caplog.records if "has no chat_template, using fallback" in record.message]
    assert bool(warned) == (which == "templateless")
