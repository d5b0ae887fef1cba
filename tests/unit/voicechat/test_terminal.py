import io
import os
import signal
import threading
import time

import pytest

from tests.chat_models import PlainChatModel
from voicegen.errors import ModelError
from voicegen.tts.tone import ToneSpeech
from voicegen.voicechat.page import Page
from voicegen.voicechat.pipeline import VoiceChatPipeline
from voicegen.voicechat.terminal import ChatTerminal, StopRequest, piped_lines, typed_lines


class Chat:
    def __init__(self, model, folder):
        self.out, self.err = io.StringIO(), io.StringIO()
        self.pipeline = VoiceChatPipeline(model, ToneSpeech(8000, duration=0.05), output_dir=folder)
        self.recorded = []
        self.terminal = ChatTerminal(self.pipeline, Page(self.out, self.err), self)

    def add(self, question, reply):
        self.recorded.append((question, reply.text))

    def talk(self, *lines):
        self.terminal.talk(lines)
        return self.out.getvalue()


@pytest.fixture
def chat_of(tmp_path):
    made = []

    def make(model):
        made.append(Chat(model, tmp_path))
        return made[-1]

    yield make
    for chat in made:
        chat.pipeline.close()


def interrupt(_number):
    os.kill(os.getpid(), signal.SIGINT)


def test_on_a_pipe_answers_alone_go_to_standard_output(chat_of):
    chat = chat_of(PlainChatModel("One.", "Two."))
    assert chat.talk("first?", "", "/voice eve", "second?") == "One.\nTwo.\n"
    notes = chat.err.getvalue()
    assert "first token" in notes
    assert "first audio" in notes
    assert "times real time" in notes
    assert notes.count("response_") == 2
    assert "\x1b" not in notes


def test_what_is_told_beside_an_answer_fits_a_terminal_of_80_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, err = io.StringIO(), io.StringIO()
    model = PlainChatModel("This is an answer of some length. " * 20)
    with VoiceChatPipeline(model, ToneSpeech(8000, duration=None)) as pipeline:
        ChatTerminal(pipeline, Page(out, err)).talk(["hello?", "/help"])
    lines = err.getvalue().splitlines()
    assert any(line.startswith("audio ") and line.endswith(".wav") for line in lines)
    assert [line for line in lines if len(line) > 80] == []


def test_the_turns_are_given_to_the_recorder(chat_of):
    chat = chat_of(PlainChatModel("One.", "Two."))
    chat.talk("first?", "/retry", "/exit", "never asked")
    assert chat.recorded == [("first?", "One."), ("first?", "Two.")]


def test_an_error_is_shown_and_the_chat_goes_on(chat_of):
    failures = iter([ModelError("the model is away"), None])

    def fail(_number):
        if error := next(failures, None):
            raise error

    chat = chat_of(PlainChatModel("Here.", on_delta=fail))
    assert chat.talk("one?", "/nope", "two?") == "Here.\n"
    assert "voicegen: the model is away" in chat.err.getvalue()
    assert "there is no command /nope" in chat.err.getvalue()


def test_ctrl_c_stops_the_answer_between_two_deltas_and_keeps_the_session(chat_of):
    chat = chat_of(PlainChatModel("A long answer that nobody wants to hear.", "Short.", size=7))
    chat.pipeline.session.model.on_delta = lambda number: interrupt(number) if number == 1 else None
    text = chat.talk("one?")
    assert text == "A long answer\n"
    assert "(interrupted)" in chat.err.getvalue()
    chat.pipeline.session.model.on_delta = lambda number: None
    assert chat.talk("two?").endswith("Short.\n")
    assert [turn.interrupted for turn in chat.pipeline.session.turns] == [True, False]


def test_a_second_ctrl_c_breaks_off_a_model_that_does_not_heed_the_first(chat_of):
    model = PlainChatModel("Stuck.", on_delta=lambda number: (interrupt(number), interrupt(number)))
    chat = chat_of(model)
    chat.talk("one?")
    assert "(interrupted)" in chat.err.getvalue()
    model.on_delta = lambda number: None
    assert "Stuck." in chat.talk("two?")


@pytest.mark.parametrize("silent_at", [0, 2])
def test_one_ctrl_c_breaks_off_a_model_that_says_nothing_and_keeps_the_session(chat_of, silent_at):
    heeded = threading.Event()

    def hang(number):
        if number == silent_at:
            interrupt(number)
            heeded.wait(60)

    chat = chat_of(PlainChatModel("A long answer.", "Short.", size=5, on_delta=hang))
    started = time.monotonic()
    chat.talk("one?")
    assert time.monotonic() - started < 30
    assert chat.err.getvalue().count("(interrupted)") == 1
    chat.pipeline.session.model.on_delta = lambda number: None
    assert chat.talk("two?").endswith("Short.\n")
    assert [turn.interrupted for turn in chat.pipeline.session.turns] == ([True] if silent_at else []) + [False]


def test_ctrl_c_ends_a_chat_that_nobody_types(chat_of):
    chat = chat_of(
        PlainChatModel("Long and longer.", on_delta=lambda number: interrupt(number) if number == 1 else None)
    )
    terminal = ChatTerminal(chat.pipeline, Page(chat.out, chat.err), stays=False)
    with pytest.raises(KeyboardInterrupt):
        terminal.talk(["one?", "two?"])
    assert chat.out.getvalue() == "Long and\n"


def test_ctrl_c_is_as_before_when_the_answer_is_over():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert not stop.requested
        interrupt(0)
        assert stop.requested
    assert signal.getsignal(signal.SIGINT) is before


def test_at_the_prompt_ctrl_c_drops_the_line_and_ctrl_d_ends():
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("hello\rnever\x03again\r\x04")
        assert list(typed_lines(None)) == ["hello", "again"]


def test_a_pipe_is_read_to_its_end_even_without_a_last_line_break():
    assert list(piped_lines(io.StringIO("one\n\ntwo"))) == ["one\n", "\n", "two"]


def test_what_a_model_writes_cannot_steer_the_terminal(chat_of):
    assert chat_of(PlainChatModel("Be \x1b]0;evil\x07\x1b[2Jcalm.\r\n")).talk("?") == "Be ]0;evil[2Jcalm.\n"


def test_what_a_server_says_of_an_error_cannot_steer_it_either_and_takes_one_line(chat_of):
    def fail(_number):
        raise ModelError("the server says: \x1b[2Jno\nmore \u202eevil")

    chat = chat_of(PlainChatModel("Never.", on_delta=fail))
    chat.talk("?")
    assert "voicegen: the server says: [2Jno more evil\n" in chat.err.getvalue()


def test_an_answer_with_nothing_to_say_aloud_is_said_to_be_one(chat_of):
    chat = chat_of(PlainChatModel("```\ncode\n```"))
    chat.talk("?")
    assert "(the answer holds nothing to say aloud)" in chat.err.getvalue()


def test_an_empty_answer_is_an_error_that_is_not_recorded(chat_of):
    chat = chat_of(PlainChatModel(" \n"))
    chat.talk("?")
    assert "voicegen: the model gave an empty answer" in chat.err.getvalue()
    assert chat.recorded == []


def test_lines_are_kept_for_the_next_chat_in_a_private_file(tmp_path):
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    history = tmp_path / "state" / "chat_history"
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("first\rsecond\r")
        lines = typed_lines(history)
        assert [next(lines), next(lines)] == ["first", "second"]
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("\x1b[A\x1b[A\r\x04")  # up, up; then Ctrl-D
        assert list(typed_lines(history)) == ["first"]
    assert history.stat().st_mode & 0o077 == 0


def test_a_history_that_cannot_be_written_is_done_without(tmp_path):
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    (tmp_path / "file").write_text("")
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("hello\r\x04")
        assert list(typed_lines(tmp_path / "file" / "chat_history")) == ["hello"]
