"""What a server does for its clients, on the threads of its requests. Knows no protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Self

from voicegen import build
from voicegen.audio.origin import Origin
from voicegen.backend import Voice
from voicegen.chat.backends import CHAT
from voicegen.chat.conversation.session import ChatSession
from voicegen.chat.tools import load_tools
from voicegen.config import JobConfig, McpConfig
from voicegen.errors import ConfigError, ModelError
from voicegen.job.composing import ConfigWords
from voicegen.mcp_server.clips import Clips, KeptClip, Spoken
from voicegen.mcp_server.jobs import Job, Jobs
from voicegen.mcp_server.models import Models
from voicegen.mcp_server.refusals import Refusal
from voicegen.mcp_server.runs import RunRequest, Runs
from voicegen.mcp_server.sessions import Session, Sessions
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.stages import to_script
from voicegen.protocols import ChatModel
from voicegen.quality.listener import Hearing, Listener
from voicegen.records import Answer, Failure, ModelInfo, Question, Speech, Utterance
from voicegen.seeds import derived_seed
from voicegen.sharing.caller import Caller, Withdrawn
from voicegen.tts.backends import SPEECH
from voicegen.tts.best_of import best_takes
from voicegen.tts.speaking import words_of

if TYPE_CHECKING:
    from voicegen.mcp_server.documents import Documents

_TEXTS_AT_ONCE: Final = 4
"""Long texts that are spoken side by side; runs are made one after another."""

Stage = Callable[[str], None]
"""Is told what a request is at."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, the session that it belongs to, and how it is said, where that was wanted; or why it is not."""

    session: str
    answer: Answer
    clip: KeptClip | None = None
    unsaid: str | None = None


class Service:
    """The models of a job, for many clients; a context manager.

    Args:
        config: the settings.
        words: what they were composed from; runs have the same.

    Attributes:
        settings: how it serves.
        documents: that clients may search; None where there are none.
    """

    def __init__(self, config: JobConfig, words: ConfigWords) -> None:
        if config.mcp is None:
            raise ConfigError("an MCP server needs its settings: mcp=default")
        self.settings: McpConfig = config.mcp
        self._config = config
        self._wording = config.wording
        build.look(config)
        self.documents: Documents | None = None
        if config.mcp.docs is not None:
            from voicegen.mcp_server.documents import Documents

            self.documents = Documents(config.mcp.docs)
        self._models = Models(config)
        self._tools = load_tools(getattr(config.chat, "tools", ()))
        self._sessions = Sessions(config.mcp.sessions, config.mcp.session_minutes * 60, self._conversation)
        self._clips = Clips(config.folder, config.tts.audio)
        self._jobs = Jobs(config.mcp.jobs)
        self.runs = Runs(config.folder, words, self._models)
        self._listener = Listener(config.quality)
        self._listening = threading.Lock()
        self._making = ThreadPoolExecutor(1, thread_name_prefix="voicegen-runs")
        self._reciting = ThreadPoolExecutor(_TEXTS_AT_ONCE, thread_name_prefix="voicegen-texts")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all jobs early, their writes in flight first, and lets go of the models."""
        self._jobs.cancel_all()
        self._making.shutdown()
        self._reciting.shutdown()
        self._models.close()
        self._listener.__exit__(None, None, None)

    def ask(self, caller: Caller, text: str, session: str | None, voice: str | None, aloud: bool, at: Stage) -> Asked:
        """Answers a question in its session, and has the answer spoken where it is wanted `aloud`.

        Raises:
            Withdrawn: the caller has withdrawn; the session is as it was.
            VoicegenError: there is no answer; says why.
        """
        if not text.strip():
            raise Refusal("arguments", "text is empty: give a question", {"text": "is empty"})
        at("loading")
        model = self._models.chat(self._config).conversing(caller)
        if aloud:
            self._check_voice(caller, voice)
        with self._sessions.turn(session) as turn:
            at("answering")
            record = self._answer(turn, model, text)
        if not aloud:
            return Asked(turn.id, record)
        at("speaking")
        script = to_script(record, self._wording)
        if isinstance(script, Outcome):
            return Asked(turn.id, record, unsaid=script.reason)
        try:
            return Asked(turn.id, record, self._said(caller, script.utterance, voice, model.info))
        except ModelError as error:  # the answer is there all the same
            return Asked(turn.id, record, unsaid=str(error))

    def speak(self, caller: Caller, text: str, voice: str | None, seed: int, at: Stage) -> KeptClip:
        """Speaks a text.

        Raises:
            Withdrawn: the caller has withdrawn.
            VoicegenError: it cannot be spoken; says why.
        """
        at("loading")
        self._check_voice(caller, voice)
        utterance = Utterance(0, words_of(text, self._wording), voice, seed)
        at("speaking")
        return self._said(caller, utterance, voice, None)

    def begin_speech(self, text: str, voice: str | None, seed: int) -> Job:
        """Has a long text spoken; its job's result is a clip.

        Raises:
            VoicegenError: it holds nothing to say, or there are too many jobs.
        """
        words_of(text, self._wording)  # what cannot be said is told at once

        def work(job: Job) -> KeptClip:
            return self.speak(job.caller, text, voice, seed, lambda _stage: None)

        return self._jobs.begin("speech", 1, work, self._reciting)

    def begin_run(self, request: RunRequest | None, run: str | None) -> Job:
        """Begins a run, or goes on with the one of that id; its job has the same id, and a `RunSummary` as result.

        Raises:
            VoicegenError: the settings cannot be, there is no such run, or there are too many jobs.
        """
        if run is not None:
            request, config = self.runs.recall(run)
        elif request is not None:
            run = token_hex(12)
            config = self.runs.remember(run, request)
        else:
            raise Refusal("arguments", "give questions, or the id of a run to go on with", {"questions": "is missing"})
        if config.asks:
            CHAT[config.chat.kind].ready()  # what else may be missing takes time to see, and is told by the job
        SPEECH[config.tts.kind].ready()
        return self._jobs.begin(
            "run", len(request.questions), lambda job: self.runs.make(config, job), self._making, run
        )

    def job(self, id: str) -> Job:
        """The job of that id.

        Raises:
            Refusal: there is none any more.
        """
        return self._jobs.find(id)

    @property
    def voices(self) -> Sequence[Voice] | None:
        """Those of the speech model; None where it does not list them."""
        return SPEECH[self._config.tts.kind].voices(self._config.tts, self._config.voice)

    @property
    def language(self) -> str:
        """Of what is spoken."""
        return self._config.tts.language

    def conversation(self, session: str) -> str:
        """A session as JSON lines.

        Raises:
            Refusal: there is none of that id any more.
        """
        return self._sessions.read(session)

    def clip(self, name: str) -> bytes:
        """The bytes of an audio file.

        Raises:
            VoicegenError: there is none of that name.
        """
        return self._clips.read(name)

    def _conversation(self) -> ChatSession:
        """An empty one; it is given a model for each question, as the client who asks has it."""
        chat = ChatSession("", getattr(self._config.chat, "system_prompt", None))
        chat.tools = self._tools
        return chat

    def _answer(self, session: Session, model: ChatModel, text: str) -> Answer:
        """What is answered; a session of which the client withdraws is as it was."""
        chat, place = session.chat, len(session.chat.turns)
        seed = derived_seed(self._config.seed, place)
        chat.model, chat.options = model, replace(self._config.chat.options, seed=seed)
        try:
            answer = chat.execute_tool_loop(text) if len(self._tools) else chat.chat(text)
        except Withdrawn:
            if len(chat.turns) > place:
                chat.drop_last_turn()
            raise
        question = Question(0, f"{session.id}:{place}", text, seed)
        return Answer(question, answer, chat.last_usage.finish_reason if chat.last_usage else "stop")

    def _check_voice(self, caller: Caller, voice: str | None) -> None:
        check = self._models.speaking(self._config).of(caller).traits.check_voices
        if voice is not None and check is not None:
            try:
                check([voice])
            except ModelError as error:
                raise Refusal("unknown_voice", str(error), {"voice": "is none of list_voices"}) from None

    def _said(self, caller: Caller, utterance: Utterance, voice: str | None, chat: ModelInfo | None) -> KeptClip:
        """The best take of an utterance, as a run would choose it, in a file."""
        model = self._models.speaking(self._config).of(caller)
        voice = voice or next(iter(self._config.voice.speaking), None)
        (record,) = best_takes(model, [replace(utterance, voice=voice)], self._hear, self._config.quality.max_attempts)
        if isinstance(record, Failure):
            raise ModelError(record.error)
        speech, hearing = record.kept
        if hearing.verdict.status == "failed":
            raise ModelError(f"the speech of {utterance.text[:40]!r}: {hearing.verdict.reason}")
        origin = Origin(model.info, chat, signer=build.signer(self._config))
        return self._clips.keep(Spoken(speech, hearing.verdict, origin))

    def _hear(self, takes: Sequence[Speech]) -> list[Hearing]:
        with self._listening:  # recognizers are for one thread at a time
            return self._listener.hear(takes)
