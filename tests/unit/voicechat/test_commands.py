import io
from dataclasses import replace

import pytest

from tests.chat_models import PlainChatModel
from tests.scripted_chat import ScriptedChatModel, final
from voicegen.chat.conversation.session import ChatSession
from voicegen.errors import InputError, ModelError, OutputError
from voicegen.tts.tone import ToneSpeech
from voicegen.voicechat.commands import COMMANDS, Room, command_names, is_command, run_command
from voicegen.voicechat.page import Page
from voicegen.voicechat.pipeline import VoiceChatPipeline


@pytest.fixture
def model():
    return PlainChatModel("It is blue.", "It is green.")


class NotingPage(Page):
    """A page whose notes can be read."""

    def __init__(self):
        self.notes = io.StringIO()
        super().__init__(io.StringIO(), self.notes)


@pytest.fixture
def room(tmp_path, model):
    with VoiceChatPipeline(model, ToneSpeech(8000), system_prompt="Be brief.", save_audio=False) as pipeline:
        room = Room(pipeline, NotingPage())
        yield room


def said(room, line):
    before = room.page.notes.tell()
    step = run_command(room, line)
    room.page.notes.seek(before)
    return step, room.page.notes.read()


@pytest.mark.parametrize("line", ["/exit", "/quit", "/q", "/Q "])
def test_exit_quit_and_q_leave(room, line):
    assert run_command(room, line).leave


def test_clear_forgets_the_conversation_and_keeps_the_system_prompt(room):
    room.pipeline.process_message("Why?")
    said(room, "/clear")
    assert [message.content for message in room.pipeline.session.get_history()] == ["Be brief."]
    assert room.pipeline.conversation == 1


def test_history_shows_who_said_what(room):
    assert "nothing" not in said(room, "/history")[1]  # there is a system prompt
    room.pipeline.process_message("Why?")
    assert said(room, "/history")[1].splitlines() == ["system: Be brief.", "you: Why?", "assistant: It is blue."]


def test_save_writes_a_conversation_that_can_be_loaded(room, tmp_path, model):
    room.pipeline.process_message("Why?")
    said(room, f"/save {tmp_path / 'my chat.jsonl'}")
    loaded = ChatSession.load(tmp_path / "my chat.jsonl", model)
    assert [message.content for message in loaded.get_history()] == ["Be brief.", "Why?", "It is blue."]


@pytest.mark.parametrize("keep", [False, True])
def test_save_writes_reasoning_only_where_it_is_kept(tmp_path, keep):
    model = ScriptedChatModel(final("Blue.", reasoning="Secret."))
    with VoiceChatPipeline(model, None) as pipeline:
        pipeline.process_message("Why?")
        run_command(Room(pipeline, Page(io.StringIO(), io.StringIO()), keep), f"/save {tmp_path / 'a.jsonl'}")
    assert ("Secret." in (tmp_path / "a.jsonl").read_text()) is keep


def test_save_replaces_its_own_file_and_no_other(room, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        run_command(room, f"/save {other}")
    assert other.read_text() == "precious"
    for _ in range(2):
        run_command(room, f"/save {tmp_path / 'mine.jsonl'}")
    with pytest.raises(InputError, match="needs a file name"):
        run_command(room, "/save")


def test_voice_changes_the_voice_of_the_next_answer(room):
    said(room, "/voice eve")
    assert room.pipeline.reply("Why?").voice == "eve"
    assert said(room, "/voice")[1] == "voice: eve\n"


def test_an_unknown_voice_is_refused_at_once_and_the_old_one_stays(tmp_path, model):
    class Choosy(ToneSpeech):
        @property
        def traits(self):
            return replace(super().traits, check_voices=self.check_voices)

        def check_voices(self, names):
            if set(names) - {"ann", "bob"}:
                raise ModelError("the voices are ann, bob")

    with VoiceChatPipeline(model, Choosy(8000), voice="ann", save_audio=False) as pipeline:
        room = Room(pipeline, Page(io.StringIO(), io.StringIO()))
        with pytest.raises(ModelError, match="the voices are ann, bob"):
            run_command(room, "/voice eve")
        assert pipeline.voice == "ann"
        run_command(room, "/voice bob")
        assert pipeline.voice == "bob"
    with pytest.raises(ModelError):
        VoiceChatPipeline(model, Choosy(8000), voice="eve")


def test_system_gives_other_instructions_and_keeps_the_turns(room, model):
    room.pipeline.process_message("Why?")
    said(room, "/system Be long, please.")
    room.pipeline.process_message("And?")
    assert [message.content for message in model.asked[1]] == ["Be long, please.", "Why?", "It is blue.", "And?"]
    assert "Be long, please." in said(room, "/system")[1]


def test_retry_asks_the_last_question_again_with_another_seed(room, model):
    room.pipeline.process_message("Why?")
    step, _ = said(room, "/retry")
    assert step.ask == "Why?"
    room.pipeline.process_message(step.ask)
    assert [message.content for message in model.asked[1]] == ["Be brief.", "Why?"]
    assert model.options[1].seed != model.options[0].seed


def test_retry_of_nothing_is_refused(room):
    with pytest.raises(InputError, match="nothing to ask again"):
        run_command(room, "/retry")


def test_retry_asks_a_question_again_that_got_no_answer(room, model):
    room.pipeline.process_message("One?")

    def away(_number):
        raise ModelError("the model is away")

    model.on_delta = away
    with pytest.raises(ModelError):
        room.pipeline.process_message("Two?")
    assert run_command(room, "/retry").ask == "Two?"
    assert [turn.question for turn in room.pipeline.session.turns] == ["One?"]


def test_retry_after_clear_is_refused(room):
    room.pipeline.process_message("One?")
    run_command(room, "/clear")
    with pytest.raises(InputError, match="nothing to ask again"):
        run_command(room, "/retry")


def test_help_tells_every_command(room):
    text = said(room, "/help")[1]
    assert all(name in text for name in command_names())
    assert len(text.splitlines()) == len(COMMANDS)


def test_an_unknown_command_is_answered_with_the_nearest(room):
    with pytest.raises(InputError, match=r"no command /histroy: did you mean /history\?"):
        run_command(room, "/histroy")
    for line in ("/xyzzyx", "/"):
        with pytest.raises(InputError, match="/help lists them"):
            run_command(room, line)


def test_any_white_space_ends_a_commands_name(room):
    assert "system prompt: Be odd." in said(room, "/system\tBe odd. ")[1]


def test_a_conversation_is_not_saved_into_a_folder_itself(room, tmp_path):
    with pytest.raises(InputError, match="is a folder: name a file in it"):
        run_command(room, f"/save {tmp_path}")


def test_text_after_a_command_that_takes_none_is_refused(room):
    with pytest.raises(InputError, match="takes nothing"):
        run_command(room, "/clear now")


@pytest.mark.parametrize(
    ("line", "command"), [("/help", True), ("/usr/bin is what?", False), ("what is /help", False), ("", False)]
)
def test_only_a_line_that_begins_with_a_command_is_one(line, command):
    assert is_command(line) is command
