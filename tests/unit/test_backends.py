import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.product import ROOT
from voicegen.backend import Backend
from voicegen.chat import ChatSession
from voicegen.chat.backends import CHAT, open_chat_model
from voicegen.errors import ConfigError, MissingDependency
from voicegen.tts.backends import SPEECH, open_speech_model

EVERY = [("chat", backend) for backend in CHAT] + [("tts", backend) for backend in SPEECH]


@pytest.mark.parametrize(("group", "backend"), EVERY, ids=lambda value: getattr(value, "kind", value))
def test_a_backend_has_a_file_of_its_name_in_conf_with_all_of_its_settings_and_no_others(
    group: str, backend: Backend
) -> None:
    composed = yaml.safe_load((ROOT / "conf" / group / f"{backend.kind}.yaml").read_text())
    assert composed["kind"] == backend.kind
    assert set(composed) == set(backend.settings.model_fields)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("smollm2", "mlx"),
        ("openai/gpt-oss-20b", "mlx"),
        ("http://127.0.0.1:8000/v1#openai/gpt-oss-20b", "openai"),
        ("echo", "echo"),
    ],
)
def test_a_chat_models_name_says_which_backend_it_is_of(name: str, kind: str) -> None:
    assert CHAT.owner(name).kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("joe", "piper"),
        ("voices/de.onnx", "piper"),
        ("Marvis-AI/marvis-tts-100m-v0.2", "marvis"),
        ("tone", "tone"),
        ("http://127.0.0.1:8880/v1#kokoro", "openai"),
    ],
)
def test_a_speech_models_name_says_which_backend_it_is_of(name: str, kind: str) -> None:
    assert SPEECH.owner(name).kind == kind


def test_a_folder_is_of_piper_when_it_holds_an_onnx_file(tmp_path: Path) -> None:
    assert SPEECH.owner(str(tmp_path)).kind == "marvis"
    (tmp_path / "voice.onnx").touch()
    assert SPEECH.owner(str(tmp_path)).kind == "piper"


def test_a_chat_session_is_had_with_any_backend_by_name() -> None:
    assert ChatSession("echo").chat("Hello there.") == "Hello there."
    model = open_chat_model("http://127.0.0.1:8000/v1#openai/gpt-oss-20b")
    assert (model.info.id, model.info.backend) == ("openai/gpt-oss-20b", "openai")


def test_a_server_without_one_of_its_models_is_refused_with_how_to_say_it() -> None:
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:8000/v1#MODEL"):
        open_chat_model("http://127.0.0.1:8000/v1")


def test_speech_is_had_from_any_backend_by_name() -> None:
    assert open_speech_model("tone").info.backend == "tone"


def test_a_backend_whose_package_is_not_installed_says_how_to_install_it() -> None:
    tone = next(backend for backend in SPEECH if backend.kind == "tone")
    lacking = Backend(
        settings=tone.settings, owns=tone.owns, needs=("sys", "no_such.part"), install="`pip install no-such`"
    )
    with pytest.raises(MissingDependency, match=r"kind=tone needs no_such\.part: install it with `pip"):
        lacking.ready()


def test_the_tables_and_the_settings_load_no_package_that_a_model_runs_on(tmp_path: Path) -> None:
    heavy = {
        "torch",
        "mlx",
        "mlx_lm",
        "transformers",
        "onnx",
        "onnxruntime",
        "piper",
        "httpx",
        "openai",
        "pandas",
        "hydra",
    }
    script = f"import sys, voicegen.config; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
