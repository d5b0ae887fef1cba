"""The models of a server, which all its clients share, each on its own thread: they answer, speak and hear."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from voicegen import build
from voicegen.audio.origin import Origin
from voicegen.backend import Voice
from voicegen.chat.conversation.session import ChatSession
from voicegen.chat.tools import ToolRegistry, load_tools
from voicegen.config import JobConfig
from voicegen.errors import ModelError
from voicegen.protocols import GenerationOptions, SpeechModel
from voicegen.records import ChatUsage, Delta, Message, Utterance
from voicegen.sharing.caller import Caller
from voicegen.sharing.chat import SharedChat
from voicegen.sharing.thread import ModelThread
from voicegen.text.languages import family
from voicegen.text.wording import Wording
from voicegen.tts.adjusted import AdjustedSpeech
from voicegen.tts.backends import SPEECH
from voicegen.tts.speaking import stream_one
from voicegen.webserver.ears import Ears
from voicegen.webserver.stepping import steps, steps_apart

RATE: Final = 24_000
"""Hz of all audio that comes in or goes out, as OpenAI's PCM has it."""

OPENAI_VOICES: Final = frozenset(
    ("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse")
)
"""What OpenAI calls its own: a client that was made for those names one of them, whether it wants one or not."""


class Engine:
    """What answers, speaks and hears.

    Attributes:
        chat_model: as all clients have it; may be used on any thread, and what they ask at once is one batch.
        speech_model: speaks at `RATE`; lives on its own thread.
        options: how a reply is generated, where a client does not say.
        system_prompt: at the top of a conversation, where a client does not say.
        wording: how a text is put in words.
        voices: that may be asked for; none where the model does not list them.
        voice: that speaks where a client does not say; None for the model's own default.
        tools: that are offered to the model in a conversation.
        ears: what hears; None where nothing does.
    """

    def __init__(
        self,
        chat: SharedChat,
        speech: ModelThread[SpeechModel],
        *,
        options: GenerationOptions | None = None,
        system_prompt: str | None = None,
        wording: Wording | None = None,
        voices: Sequence[Voice] = (),
        voice: str | None = None,
        tools: ToolRegistry | None = None,
        ears: Ears | None = None,
    ) -> None:
        self._clients = Caller()
        self.chat_model = chat.conversing(self._clients)
        self.speech_model = speech.model
        self.options = options or GenerationOptions()
        self.system_prompt = system_prompt
        self.wording = wording or Wording()
        self.voices = tuple(voices)
        self.voice = voice
        self.tools = tools or ToolRegistry()
        self.ears = ears
        self._chat = chat
        self._speech = speech

    @classmethod
    def load(cls, config: JobConfig) -> Self:
        """Loads the models that the settings name, side by side, and those that hear.

        Raises:
            MissingDependency: a package is not installed; says the command that installs it.
            ModelError: a model cannot be found or loaded, or there is no such voice.
        """
        config = config.model_copy(update={"tts": config.tts.model_copy(update={"sample_rate": RATE})})
        build.look(config)
        tools = load_tools(getattr(config.chat, "tools", ()))
        recognizer = config.serve.recognizer if config.serve else None
        speech = ModelThread(lambda: build.speech_model(config), "voice")
        chat = None
        try:
            chat = build.shared_chat(config)
            return cls(
                chat,
                speech,
                options=config.chat.options,
                system_prompt=getattr(config.chat, "system_prompt", None),
                wording=config.wording,
                voices=SPEECH[config.tts.kind].voices(config.tts, config.voice) or (),
                voice=next(iter(config.voice.speaking), None),
                tools=tools,
                ears=Ears.load(recognizer, family(config.tts.language)) if recognizer else None,
            )
        except BaseException:
            if chat is not None:
                chat.close()
            speech.close()
            raise

    @property
    def origin(self) -> Origin:
        """What made the audio of an answer."""
        return Origin(self.speech_model.info, self.chat_model.info)

    def voice_named(self, name: str | None) -> str | None:
        """The voice that a client means by a name; None for the model's own default.

        One of `OPENAI_VOICES` is the usual voice, unless the model has one that is called so.

        Raises:
            ModelError: the speech model does not know it; says the nearest names.
        """
        if name in (None, "", "default"):
            return self.voice
        check = self.speech_model.traits.check_voices
        if check is not None:
            try:
                check([name])
            except ModelError as error:
                if name in OPENAI_VOICES:
                    return self.voice
                raise ModelError(f"{error}; GET /v1/audio/voices lists all") from None
        return name

    def conversation(self) -> ChatSession:
        """A new one."""
        chat = ChatSession(self.chat_model, self.system_prompt)
        chat.options, chat.tools = self.options, self.tools
        return chat

    def reply(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> AsyncGenerator[Delta | ChatUsage, None]:
        """What the chat model adds to a conversation, as it is generated.

        Raises:
            ModelError: the conversation does not fit the model's context, or cannot be continued.
        """

        def stream() -> Generator[Delta | ChatUsage, None, None]:
            yield from self.chat_model.stream(messages, options, tools)

        return steps_apart(stream)

    def spoken(self, utterance: Utterance, speed: float = 1.0) -> AsyncGenerator[NDArray[np.float32], None]:
        """An utterance's waveform at `RATE`, in pieces as they are made; several are spoken side by side.

        Raises:
            ModelError: it cannot be spoken.
        """
        model = AdjustedSpeech.around(self.speech_model, speed=speed)
        return steps(self._speech.submit, lambda: stream_one(model, utterance))

    def close(self) -> None:
        """Ends the threads, and what clients wait for."""
        self._clients.withdraw()
        self._chat.close()
        self._speech.close()
        if self.ears is not None:
            self.ears.close()
