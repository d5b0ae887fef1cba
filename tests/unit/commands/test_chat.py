import io
import sys

import pyarrow.parquet as pq
import pytest
import yaml

from voicegen import cli
from voicegen.commands.chat import main
from voicegen.errors import ConfigError, InputError, MissingDependency, ModelError, OutputError

FAKE = ("--preset", "fake")


@pytest.fixture
def chat(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder; gives its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main([*FAKE, *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def wavs(folder):
    return sorted(path.name for path in folder.glob("*.wav"))


def test_a_single_question_gives_one_spoken_answer(chat, tmp_path):
    code, out, err = chat("--single", "Say this, please.")
    assert (code, out) == (0, "Say this, please.\n")
    (name,) = wavs(tmp_path / "outputs" / "chat")
    assert name in err


def test_a_single_question_can_come_from_standard_input_with_commas_and_quotes(chat):
    assert chat("--single", "-", stdin='He said: "no, {never}".\n')[1] == 'He said: "no, {never}".\n'


def test_a_pipe_is_a_conversation_of_a_question_a_line(chat, tmp_path):
    code, out, _ = chat("--stream", stdin="One.\n\nTwo.\n/exit\nThree.\n")
    assert (code, out) == (0, "One.\nTwo.\n")
    assert len(wavs(tmp_path / "outputs" / "chat")) == 2


def test_the_wavs_go_where_they_are_asked_to(chat, tmp_path):
    chat("--output-dir", "var/my sessions", "--single", "Hi there.")
    chat("output_dir=var/my sessions", "--single", "Hi there.")
    chat("name=other", "--single", "Hi there.")
    assert len(wavs(tmp_path / "var" / "my sessions")) == 2
    assert len(wavs(tmp_path / "outputs" / "other")) == 1


def test_a_model_of_any_backend_is_named_by_one_flag(chat):
    assert chat("--chat-model", "echo", "--tts-model", "tone", "--single", "Hi there.")[:2] == (0, "Hi there.\n")
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:9/v1#MODEL"):
        chat("--chat-model", "http://127.0.0.1:9/v1", "--single", "Hi.")
    server = ("--chat-model", "http://127.0.0.1:9/v1#m", "chat.retries=0", "--no-save-audio")
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:9/v1 can't be reached"):
        chat(*server, "--single", "Hi.")


@pytest.mark.parametrize("words", [("--no-save-audio",), ("voicechat.save_audio=false",)])
def test_without_audio_an_answer_is_in_writing_only(chat, tmp_path, words):
    assert chat(*words, "--single", "Hi there.")[:2] == (0, "Hi there.\n")
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_cannot_be_spoken_is_told_by_the_exit_code(chat):
    assert chat("--single", "***")[:2] == (3, "***\n")


def test_an_empty_question_is_refused(chat):
    with pytest.raises(InputError, match="the question is empty"):
        chat("--single", "-", stdin=" \n")


def test_a_recorded_chat_is_a_dataset_with_conversation_and_turn(chat, tmp_path):
    chat("--record", "talk", "--no-save-audio", stdin="One.\nTwo.\n/clear\nThree.\n")
    rows = pq.read_table(tmp_path / "talk" / "manifest.parquet").to_pylist()
    assert [(row["conversation_id"], row["turn"]) for row in rows] == [
        ("chat-000000", 1),
        ("chat-000000", 2),
        ("chat-000002", 1),
    ]
    assert all((tmp_path / "talk" / row["audio_path"]).is_file() for row in rows)
    assert not (tmp_path / "outputs").exists()


def test_a_later_chat_goes_on_with_the_recording(chat, tmp_path):
    for question in ("One.", "Two."):
        chat("voicechat.record=talk", "--single", question)
    assert pq.read_table(tmp_path / "talk" / "manifest.parquet").num_rows == 2


def test_playback_needs_its_package_and_says_so_before_a_model_is_loaded(chat, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for words in (("--play",), ("--device", "1"), ("voicechat.play=true",)):
        with pytest.raises(MissingDependency, match="sounddevice"):
            chat(*words, "--single", "Hi.")


def test_an_answer_is_played_through_the_device_that_is_named(chat, monkeypatch):
    from tests.unit.voicechat.test_playback import Portaudio

    heard = []

    class Card(Portaudio):
        class OutputStream(Portaudio.OutputStream):
            def __init__(self, samplerate, **settings):
                super().__init__(samplerate=48000, **settings)

            def start(self):
                import threading

                import numpy as np

                def drive():
                    block = np.zeros((512, 1), dtype=np.float32)
                    while not self.closed:
                        self.callback(block, 512, None, None)
                        heard.append(float(abs(block).max()))

                self.thread = threading.Thread(target=drive, daemon=True)
                self.thread.start()

            def close(self):
                super().close()
                self.thread.join()

    monkeypatch.setitem(sys.modules, "sounddevice", Card())
    assert chat("--device", "Speak", "--no-save-audio", "--single", "Hello to you.")[0] == 0
    assert max(heard) > 0.1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-tokens", "many", "chat=smollm2"), r"chat\.max_tokens='many': it must be a whole number"),
        (("--max-token", "3"), "there is no flag --max-token"),
        (("voicechat.steam=true",), r"did you mean voicechat\.stream"),
        (("--chat-model", "x"), r"there is no setting chat\.model here: it belongs to chat\.kind=openai or mlx"),
        (("--system-prompt", "Be brief, please."), r"no setting chat\.system_prompt here: it belongs to"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(chat, words, message):
    with pytest.raises(ConfigError, match=message):
        chat(*words, "--single", "Hi.")


@pytest.fixture
def no_models(monkeypatch):
    """Fails a test in which a model is loaded."""
    for name in ("chat_model", "speech_model"):
        monkeypatch.setattr(f"voicegen.build.{name}", lambda _config: pytest.fail("a model was loaded"))


def test_the_models_that_are_loaded_are_named_before_they_are(chat, monkeypatch, capsys):
    def refused(_config):
        raise ModelError("\x1b[2Jit cannot\nbe loaded")

    monkeypatch.setattr("voicegen.build.speech_model", refused)
    with pytest.raises(ModelError):
        chat("chat=smollm2", "tts=piper", "--single", "Hi.")
    assert capsys.readouterr().err == "loading smollm2-135m-instruct and en_US-joe-medium\n"
    with pytest.raises(ModelError):
        chat("tts=tone", "--single", "Hi.")
    assert capsys.readouterr().err == "loading echo and tone\n"
    assert cli.main(["chat", *FAKE, "--single", "Hi."]) == 2
    assert capsys.readouterr().err.endswith("voicegen: [2Jit cannot\nbe loaded\n")


@pytest.mark.usefixtures("no_models")
def test_a_folder_that_cannot_be_one_is_found_out_before_a_model_is_loaded(chat, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/deep"):
        with pytest.raises(OutputError, match=rf"cannot write {folder}: .* choose another folder"):
            chat("--output-dir", folder, "--single", "Hi.")


@pytest.mark.usefixtures("no_models")
def test_an_unknown_tool_is_found_out_before_a_model_is_loaded(chat):
    with pytest.raises(ConfigError, match=r"chat\.tools: no installed package offers the tool 'nope'"):
        chat("chat=openai", "chat.model=m", "chat.tools=[nope]", "--single", "Hi.")


def test_cfg_job_prints_the_settings_and_stops(chat, capsys):
    assert main(["--cfg", "job", "chat.max_tokens=7"]) == 0
    printed = capsys.readouterr().out
    assert "max_tokens: 7" in printed
    assert "output_dir: outputs/${name}" in printed


def test_cfg_job_shows_the_chats_own_settings_with_what_the_flags_and_the_overrides_say(chat, capsys):
    assert main(["--cfg", "job", "voicechat.record=talk", "--stream", "--device", "Desk, left", "--no-save-audio"]) == 0
    settings = yaml.safe_load(capsys.readouterr().out)["voicechat"]
    said = {"stream": True, "play": True, "device": "Desk, left", "save_audio": False, "record": "talk"}
    assert settings == {**said, "mcp_servers": []}


def test_a_flag_wins_over_an_override(chat, tmp_path):
    chat("voicechat.record=one", "--record", "two", "--single", "Hi.")
    assert (tmp_path / "two" / "manifest.parquet").is_file()
    assert not (tmp_path / "one").exists()


def test_a_chat_without_its_settings_is_refused(chat):
    with pytest.raises(ConfigError, match="voicechat=default"):
        chat("~voicechat", "--single", "Hi.")


def test_a_chat_rewrites_nothing_and_says_so(chat):
    with pytest.raises(ConfigError, match=r"text\.rewrite=chat is for `voicegen run`"):
        chat("text.rewrite=chat", "--single", "Hi.")


def test_a_chat_speaks_no_questions_and_says_so(chat):
    with pytest.raises(ConfigError, match="speak=question is for `voicegen run`"):
        chat("speak=question", "--single", "Hi.")


def test_flags_and_settings_stand_in_any_order(chat, tmp_path):
    code, out, _ = chat("seed=1", "--single", "Hi.", "name=größe", "--stream", "tts.speed=1.5")
    assert (code, out) == (0, "Hi.\n")
    assert len(wavs(tmp_path / "outputs" / "größe")) == 1


def test_a_recording_is_not_made_at_a_url(chat):
    with pytest.raises(ConfigError, match=r"voicechat\.record.*s3://bucket/x is a URL"):
        chat("--record", "s3://bucket/x", "--single", "Hi.")


@pytest.mark.parametrize("words", [(), ("--record", "talk"), ("--single", "-")])
def test_a_byte_that_is_not_utf8_reads_as_the_replacement_character(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    stdin = io.TextIOWrapper(io.BytesIO(b"h\xff there\n"), encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main([*FAKE, *words]) == 0
    assert capsys.readouterr().out == "h\N{REPLACEMENT CHARACTER} there\n"


def test_a_question_in_an_argument_may_hold_such_a_byte_too(chat, tmp_path):
    code, out, _ = chat("--record", "talk", "--single", "h\udcff there")
    assert (code, out) == (0, "h\N{REPLACEMENT CHARACTER} there\n")
    (row,) = pq.read_table(tmp_path / "talk" / "manifest.parquet").to_pylist()
    assert row["question"] == "h\N{REPLACEMENT CHARACTER} there"


def test_a_cut_take_is_told_of_and_rejected(chat, tmp_path):
    from tests.marvis_checkpoints import write_checkpoint

    voice = ("tts=marvis", f"tts.model={write_checkpoint(tmp_path / 'small')}", "tts.device=cpu", "tts.slots=1")
    code, out, err = chat(*voice, "tts.codebooks=8", "tts.max_frames=3", "--single", "Hello there.", "--record", "talk")
    assert (code, out) == (3, "Hello there.\n")
    assert "the take was cut before the text was over: ask again" in err
    (row,) = pq.read_table(tmp_path / "talk" / "manifest.parquet").to_pylist()
    assert (row["status"], row["finish_reason"]) == ("rejected", "length")
