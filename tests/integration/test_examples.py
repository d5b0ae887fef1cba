"""Every example of the documentation runs, with models that need no hub."""

import runpy
import sys
from pathlib import Path

import pytest
import soundfile

from tests.gpt_oss_checkpoint import DIALOGUES, SEARCH_ANSWER, gpt_oss_folder
from tests.mlx_models import chat_models_loaded_once  # noqa: F401 (a fixture)

pytestmark = pytest.mark.usefixtures("chat_models_loaded_once")

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
MLX_ANSWER = DIALOGUES["What is MLX?"][1]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs an example in an empty folder, its answers cut to fewer tokens if asked, and gives what it printed."""
    monkeypatch.chdir(tmp_path)

    def run_example(name: str, *arguments: str | Path, max_tokens: int = 64) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        source = (EXAMPLES / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(source.replace("max_tokens=64", f"max_tokens={max_tokens}"), encoding="utf-8")
        runpy.run_path(str(tmp_path / name), run_name="__main__")
        return capsys.readouterr().out

    return run_example


def is_speech(path: Path) -> bool:
    samples, rate = soundfile.read(path)
    return len(samples) > rate / 4 and float(abs(samples).max()) > 0.01


def test_chat(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    printed = run("chat.py", gpt_oss_folder())
    assert printed.startswith(MLX_ANSWER + "\n")
    assert f"assistant: {MLX_ANSWER}\nuser: Count to three.\n" in printed
    assert len((tmp_path / "conversation.jsonl").read_text(encoding="utf-8").splitlines()) == 5


def test_chat_with_the_model_that_it_uses_by_default(run) -> None:  # type: ignore[no-untyped-def]
    printed = run("chat.py", max_tokens=12)
    assert "user: Count to three.\nassistant: " in printed


def test_streaming(run) -> None:  # type: ignore[no-untyped-def]
    assert run("streaming.py", gpt_oss_folder(mxfp4=True)) == f"Assistant: {MLX_ANSWER}\n"


def test_one_shot(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run("one_shot.py")
    assert is_speech(tmp_path / "output.wav")
    assert is_speech(tmp_path / "hello.wav")


def test_batch(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run("batch.py")
    written = sorted((tmp_path / "var" / "audio_dataset").glob("*.wav"))
    assert [path.name for path in written] == ["qa_000.wav", "qa_001.wav", "qa_002.wav"]
    assert all(is_speech(path) for path in written)


def test_stream_then_speak(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert run("stream_then_speak.py", gpt_oss_folder()) == f"Assistant: {MLX_ANSWER}\n"
    assert is_speech(tmp_path / "response.wav")


def test_full_pipeline(run) -> None:  # type: ignore[no-untyped-def]
    text, path = run("full_pipeline.py", gpt_oss_folder()).strip().splitlines()[-2:]
    assert text == MLX_ANSWER
    assert is_speech(Path(path))


def test_tools(run) -> None:  # type: ignore[no-untyped-def]
    assert run("tools.py", gpt_oss_folder()) == f"{SEARCH_ANSWER}\n"


def test_no_example_is_left_out() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{example.name}"' in source for example in EXAMPLES.glob("*.py"))
