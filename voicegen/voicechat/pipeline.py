"""A question in, an answer out that is written and spoken at the same time.

with VoiceChatPipeline("mlx-community/gpt-oss-20b-MXFP4-Q8", "Marvis-AI/marvis-tts-100m-v0.2") as pipeline:
    text, audio_path = pipeline.process_message("What is MLX?")
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, Final, Self

from voicegen.audio.audio_file import write_audio
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.origin import Origin
from voicegen.bounds import Container, Subtype
from voicegen.chat.conversation.session import ChatSession
from voicegen.chat.conversation.turn import TOOL_ROUNDS
from voicegen.files import given_path, telling
from voicegen.protocols import ChatModel, SpeechModel
from voicegen.quality.verdict import judge
from voicegen.seeds import derived_seed
from voicegen.text.wording import Wording
from voicegen.tts.backends import open_speech_model
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.marvis.spec import DEFAULT_MODEL
from voicegen.voicechat.playback import Player, SilentPlayer
from voicegen.voicechat.speech_worker import SpeechWorker
from voicegen.voicechat.spoken_turn import SpokenReply, SpokenTurn

_POLL: Final = 0.03  # seconds between looks at whether the user wants silence


class VoiceChatPipeline:
    """A conversation whose answers are spoken.

    With `stream` an answer's sentences are spoken while the rest is written, otherwise when all of it is.

    Attributes:
        session: the conversation.
        conversation: counts the conversations, from 0; `clear_history` begins another.
    """

    def __init__(
        self,
        chat_model: str | Path | ChatModel,
        tts_model: str | Path | SpeechModel | None = DEFAULT_MODEL,
        *,
        system_prompt: str | None = None,
        output_dir: str | Path = "outputs/chat",
        save_audio: bool = True,
        stream: bool = True,
        voice: str | None = None,
        language: str = "en",
        wording: Wording | None = None,
        format: Container = "wav",
        subtype: Subtype = "PCM_16",
        player: Player | None = None,
        seed: int = 0,
        **generation: Any,
    ) -> None:
        """Starts a conversation.

        Args:
            chat_model: as `ChatSession` takes it.
            tts_model: a name or folder of a speech model, or a `SpeechModel`; None to answer in writing only.
            system_prompt: instructions that stay at the top of the conversation.
            output_dir: where the audio files go, as `response_<timestamp>.wav`.
            save_audio: whether there are any.
            stream: whether to speak while the answer is still being written.
            voice: a name that the speech model knows; None for its default voice.
            language: of the answers.
            wording: how the answers are put in words, and their language, where that is more.
            format: of the audio files.
            subtype: of the samples in them.
            player: what plays the answers; None to play nothing.
            seed: of the model and of the voice; each answer is spoken with a seed made from it.
            **generation: options of `ChatSession`, such as `max_tokens` or `temperature`.

        Raises:
            ConfigError: a generation option does not exist, or `output_dir` is a URL.
            ValueError: the format cannot hold the subtype.
            MissingDependency: the package of the speech model is not installed.
            ModelError: a model cannot be found or loaded.
        """
        self._output_dir = given_path("output_dir", output_dir)
        self.session = ChatSession(chat_model, system_prompt, seed=seed, **generation)
        self.conversation = 0
        self._save_audio = save_audio
        self._stream = stream
        self._wording = wording or Wording(language)
        self._audio = AudioFormat(format, subtype)
        self._seed = seed
        self._asked = 0
        self._last: tuple[str, int] | None = None  # the last question, and the turns there were before it
        self._player = player or SilentPlayer()
        if isinstance(tts_model, str | Path):
            tts_model = LongTextSpeech(open_speech_model(str(tts_model)))
        self._speech_model = tts_model
        self.voice = voice
        self._worker = SpeechWorker(self._speech_model, self._player) if self._speech_model else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Falls silent and ends the thread that speaks."""
        if self._worker is not None:
            self._worker.close()
        self._player.close()

    @property
    def voice(self) -> str | None:
        """The name of the voice that speaks; None for the speech model's default.

        Raises:
            ModelError: when it is set to a name that the speech model refuses.
        """
        return self._voice

    @voice.setter
    def voice(self, name: str | None) -> None:
        check = self._speech_model.traits.check_voices if self._speech_model else None
        if name is not None and check is not None:
            check([name])
        self._voice = name

    def clear_history(self) -> None:
        """Begins another conversation, with the same system prompt."""
        self.session.clear_history()
        self.conversation += 1
        self._last = None

    def take_back(self) -> str | None:
        """Undoes the last question, whether it was answered or not, and returns it to be asked again."""
        if self._last is None:
            return self.session.drop_last_turn()
        question, turns = self._last
        if len(self.session.turns) > turns:
            self.session.drop_last_turn()
        self._last = None
        return question

    def process_message(self, text: str) -> tuple[str, Path | None]:
        """Asks, and returns the answer and the WAV in which it is spoken; None where audio is not saved.

        Raises:
            ModelError: the question does not fit the context, or the model gave no answer.
            OutputError: the WAV cannot be written.
        """
        reply = self.reply(text)
        return reply.text, reply.audio_path

    def reply(
        self,
        text: str,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> SpokenReply:
        """Asks, speaks the answer, and returns when it is written, spoken and, where there is a player, heard.

        Args:
            text: the question.
            on_text: is given the answer as it is written, or all of it at once without `stream`.
            should_stop: is asked again and again; when it says yes, writing, speaking and playing stop at once. What
                was written stays in the conversation as an interrupted turn. A KeyboardInterrupt while it says yes
                stops a model in the middle of its step.

        Raises:
            ModelError: the question does not fit the context, or the model gave no answer.
            OutputError: the WAV cannot be written.
        """
        return self.keep(self.answer(text, on_text, should_stop))

    def answer(
        self,
        text: str,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> SpokenTurn:
        """The first half of `reply`, which may be stopped: until the answer is written, spoken and heard."""
        turn = SpokenTurn(self._worker, self.voice, self._wording, derived_seed(self._seed, self._asked))
        self._asked += 1
        self._last = text, len(self.session.turns)
        stopped = should_stop or (lambda: False)
        try:
            self._write(turn, text, on_text or (lambda _text: None), stopped)
            if not turn.interrupted:
                self._wait(turn, stopped)
        except KeyboardInterrupt:
            turn.silence()
            if not stopped():
                raise
            turn.interrupted = True
        except BaseException:
            turn.silence()
            raise
        return turn

    def keep(self, turn: SpokenTurn) -> SpokenReply:
        """The second half of `reply`, which is not: the WAV is written."""
        reply = turn.reply()
        return replace(reply, audio_path=self._saved(reply))

    def _write(
        self, turn: SpokenTurn, text: str, on_text: Callable[[str], None], should_stop: Callable[[], bool]
    ) -> None:
        """Until the answer is written; with `stream` it is spoken meanwhile."""
        session = self.session
        with closing(session.steps(text, max_rounds=TOOL_ROUNDS if len(session.tools) else 0)) as deltas:
            for delta in deltas:
                turn.passages = session.last_passages
                shown = turn.take(delta)
                if self._stream and shown:
                    on_text(shown)
                    turn.say(shown)
                if should_stop():
                    turn.interrupt()
                    return
        turn.usage = session.last_usage
        if not self._stream and turn.text:
            on_text(turn.text)
            turn.say(turn.text)

    def _wait(self, turn: SpokenTurn, should_stop: Callable[[], bool]) -> None:
        """Until everything is spoken and heard, or the user has enough."""
        turn.finish()
        while not turn.spoken_out():
            if should_stop():
                turn.interrupt()
                return
        while not self._player.idle:
            if should_stop():
                turn.silence()
                return
            time.sleep(_POLL)

    def _saved(self, reply: SpokenReply) -> Path | None:
        """The WAV of the answer; what was interrupted, or is no audio, is not saved."""
        take = reply.take
        if not self._save_audio or take is None or reply.interrupted or judge(take).status == "failed":
            return None
        path = _free_name(self._output_dir, self._audio.suffix)
        assert self._speech_model is not None  # who made the take
        origin = Origin(self._speech_model.info, self.session.model.info)
        tags = origin.tags(voice=take.utterance.voice)
        write_audio(path, take.samples, take.sampling_rate, self._audio, tags)
        return path


def prepare_folder(folder: Path) -> None:
    """Makes the folder that WAVs are to go into, so that one that cannot be written is found out before any work.

    Raises:
        OutputError: it cannot be made or written.
    """
    with telling(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _free_name(folder: Path, suffix: str) -> Path:
    """Reserves a name that no file in `folder` has, so that no file ever overwrites another.

    Raises:
        OutputError: the folder cannot be written.
    """
    stem = f"response_{datetime.now():%Y%m%d_%H%M%S}"
    prepare_folder(folder)
    with telling(folder):
        for ending in chain([""], (f"_{number}" for number in count(2))):
            with suppress(FileExistsError):
                path = folder / f"{stem}{ending}{suffix}"
                path.touch(exist_ok=False)
                return path
    raise AssertionError("unreachable: some name is free")
