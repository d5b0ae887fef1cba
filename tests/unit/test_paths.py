"""What a path means that a user gives from Python: the same in every function that takes one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import voicegen
from tests.chat_models import PlainChatModel
from voicegen.errors import ConfigError, ModelError
from voicegen.model_files import find_model
from voicegen.tts.client import MarvisTTSClient
from voicegen.tts.synth import speak_to_folder
from voicegen.tts.tone import ToneSpeech
from voicegen.tts.voices import PromptFiles, VoiceCatalog, VoicePrompt


def tone() -> ToneSpeech:
    return ToneSpeech(8000)


def chat(path: Any) -> None:
    with voicegen.VoiceChatPipeline(PlainChatModel("Hello."), tone(), output_dir=path) as pipeline:
        pipeline.process_message("Hi.")


def save(path: Any) -> None:
    voicegen.ChatSession(PlainChatModel("Hello.")).save(path)


def load(path: Any) -> None:
    voicegen.ChatSession.load(path, PlainChatModel("Hello."))


def save_wav(path: Any) -> None:
    assert MarvisTTSClient(model=tone()).save_wav(np.zeros(8, np.float32), path, sample_rate=8000).is_file()


def stream_to_file(path: Any) -> None:
    assert MarvisTTSClient(model=tone()).stream_to_file("Hello.", path).is_file()


def batch_synthesize(path: Any) -> None:
    voicegen.batch_synthesize(["Hello."], path, model=tone())


def speak(path: Any) -> None:
    list(speak_to_folder(tone(), ["Hello."], path))


def read_prompt(path: Any) -> None:
    VoicePrompt.from_files(path, "Hello.")


def read_transcript(path: Any) -> None:
    recording = Path.home() / "recording.wav"
    times = np.arange(4 * 8000) / 8000
    soundfile.write(recording, 0.3 * np.sin(2 * np.pi * 220 * times), 8000)
    VoicePrompt.from_files(recording, path)


def find_prompt(path: Any) -> None:
    VoiceCatalog({"ada": PromptFiles(path, "Hello.")}).get("ada")


WRITES = (chat, save, save_wav, stream_to_file, batch_synthesize, speak)
ARGUMENTS: dict[Callable[[Any], None], str] = {
    voicegen.load_manifest: "path",
    chat: "output_dir",
    save: "path",
    load: "path",
    save_wav: "path",
    stream_to_file: "path",
    batch_synthesize: "output_dir",
    speak: "folder",
    read_prompt: "audio",
    find_prompt: "audio",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder; the folder that a command is called in is another."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    return home


@pytest.mark.parametrize("use", WRITES)
@pytest.mark.parametrize("kind", [str, Path])
def test_what_is_written_to_a_tilde_lies_in_the_home_folder(use, kind, home):
    use(kind("~/made"))
    assert (home / "made").exists()
    assert list(Path.cwd().iterdir()) == []


def test_what_is_read_from_a_tilde_comes_from_the_home_folder(home):
    save(home / "chat.jsonl")
    load("~/chat.jsonl")
    (home / "words.txt").write_text("Hello there.")
    read_transcript("~/words.txt")
    read_transcript(Path("~/words.txt"))
    read_prompt("~/recording.wav")
    find_prompt(Path("~/recording.wav"))
    assert PromptFiles("~/recording.wav", Path("~/words.txt")).missing is None


@pytest.mark.parametrize(
    ("use", "argument"), [item for item in ARGUMENTS.items() if item[0] is not voicegen.load_manifest]
)
@pytest.mark.parametrize("kind", [str, Path])
def test_a_url_is_refused_by_the_name_of_the_argument(use, argument, kind):
    with pytest.raises(ConfigError, match=rf"^{argument}: s3://bucket/it is a URL: give a file or folder"):
        use(kind("s3://bucket/it"))
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(("use", "argument"), ARGUMENTS.items())
@pytest.mark.parametrize("path", ["", " ", "a\0b", None, 7])
def test_what_can_be_no_path_is_refused_by_the_name_of_the_argument(use, argument, path):
    with pytest.raises(ConfigError, match=rf"^{argument}: .* is no path: give a file or folder"):
        use(path)


def test_a_transcript_at_a_url_is_refused():
    with pytest.raises(ConfigError, match=r"^transcript: https://example\.org/words\.txt is a URL"):
        read_transcript("https://example.org/words.txt")


def test_the_home_of_a_user_that_is_not_there_is_a_folder_that_is_not_there():
    with pytest.raises(ModelError, match=r"model '~nobody-here/m': there is no such folder or file"):
        find_model("~nobody-here/m")
    with pytest.raises(ModelError, match=r"there is no such folder or file"):
        MarvisTTSClient("~nobody-here/m")
