"""The backend for chat-completions servers against a real one: mlx_lm.server with real models."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import mlx.core as mx
import pytest
from mlx.utils import tree_flatten

from tests.gpt_oss_checkpoint import DIALOGUES, gpt_oss_folder
from tests.mlx_models import starter_model
from voicegen.chat import ChatSession
from voicegen.chat.mlx.loading import LoadedModel
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.chat_model import OpenAIChatModel
from voicegen.chat.openai.server import Server
from voicegen.protocols import GenerationOptions
from voicegen.records import Answer, Question

# mlx_lm.server as it is, on the fast BLAS that voicegen gives MLX on Linux, and without torch, which it does not use
_SERVE = """
from voicegen.lazy import put_off
from voicegen.mlx_blas.blas import use_fast_blas

use_fast_blas()
with put_off("torch"):
    from mlx_lm.server import main
main()
"""


@contextmanager
def mlx_lm_server(model: Path, log: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "--model", str(model), "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/health", process, log)
            yield Server(str(model), f"http://127.0.0.1:{port}/v1", retries=1)
        finally:
            process.terminate()
            process.wait(30)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url, trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"the server is not ready: {log.read_text()}")


def write_in_full_precision(loaded: LoadedModel, folder: Path) -> None:
    """The starter model as mlx-lm's own loader takes it; quantized weights would be many times slower on a CPU."""
    folder.mkdir()
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(loaded.model.parameters())))
    config = {key: value for key, value in loaded.config.items() if not key.startswith("quantization")}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    loaded.tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("starter")
    model = folder / "model"
    write_in_full_precision(starter_model(), model)
    with mlx_lm_server(model, folder / "log.txt") as server:
        yield server


@pytest.fixture(scope="module")
def gpt_oss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with mlx_lm_server(gpt_oss_folder(), tmp_path_factory.mktemp("gpt_oss") / "log.txt") as server:
        yield server


def test_the_starter_model_answers_through_a_server(starter: Server) -> None:
    model = OpenAIAnswerModel(starter, GenerationOptions(max_tokens=12), system_prompt="Be brief.", concurrency=3)
    texts = ["What is the capital of France?", "Name a colour.", "Say hello."]
    records = list(model.answer(Question(place, str(place), text) for place, text in enumerate(texts)))
    answers = {record.question.index: record for record in records if isinstance(record, Answer)}
    assert sorted(answers) == [0, 1, 2], records
    assert "Paris" in answers[0].text
    assert all(0 < answer.completion_tokens <= 12 and answer.prompt_tokens > 10 for answer in answers.values())


def test_a_session_streams_from_a_server_and_remembers(starter: Server) -> None:
    session = ChatSession(OpenAIChatModel(starter), max_tokens=16)
    pieces = list(session.chat_stream("What is the capital of France?"))
    assert len(pieces) > 2
    assert "Paris" in "".join(pieces)
    assert session.last_usage is not None
    assert session.last_usage.completion_tokens > 2
    session.chat("And of Italy?")
    assert len(session.turns) == 2


def test_raw_harmony_from_a_server_never_shows(gpt_oss: Server) -> None:
    model = OpenAIAnswerModel(gpt_oss, GenerationOptions(max_tokens=100), concurrency=4)
    records = list(model.answer(Question(place, str(place), text) for place, text in enumerate(DIALOGUES)))
    answers = [record for record in records if isinstance(record, Answer)]
    assert len(answers) == len(DIALOGUES), records
    for answer in answers:
        assert "<|" not in answer.text
        assert answer.reasoning
    known = {final for _, final in DIALOGUES.values()}
    assert sum(answer.text in known for answer in answers) >= len(answers) - 1
    mlx = next(answer for answer in answers if answer.question.text == "What is MLX?")
    assert (mlx.reasoning, mlx.text) == DIALOGUES["What is MLX?"]


def test_raw_harmony_streamed_from_a_server_never_shows(gpt_oss: Server) -> None:
    session = ChatSession(OpenAIChatModel(gpt_oss), max_tokens=100)
    pieces = list(session.chat_stream("What is MLX?"))
    assert len(pieces) > 3
    assert "".join(pieces) == DIALOGUES["What is MLX?"][1]
    assert session.get_history()[-1].reasoning == DIALOGUES["What is MLX?"][0]
