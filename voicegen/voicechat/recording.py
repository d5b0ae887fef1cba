"""Keeps a chat as a dataset: the same folder, ledger and manifest as a run's, a row for every turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.audio.origin import Origin
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import OutputError
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.plan import audio_path
from voicegen.pipeline.run_folder import RunFolder, config_hash
from voicegen.pipeline.writer import Writer
from voicegen.records import Answer, Failure, ModelInfo, Question, Side, Status
from voicegen.store import Store
from voicegen.voicechat.pipeline import VoiceChatPipeline
from voicegen.voicechat.spoken_turn import SpokenReply

QUESTIONS = "questions.jsonl"
"""The file in the folder that keeps what was asked: the input that the manifest is made from."""

_MOST_ROWS = 10_000  # as many as lie in one folder of WAVs; a chat's end is not known at its start


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the dataset the last turn went."""

    index: int
    conversation: int
    turn: int


class ChatRecorder:
    """Writes the turns of a chat into a dataset's folder, as a context manager that holds it.

    A folder that an earlier chat with the same settings left is gone on with. A turn that is asked again takes the
    place of its first try.

    Args:
        root: the folder.
        pipeline: the chat.
        identity: the settings that decide how answers come out.
        models: who answers and who speaks, by `chat` and `tts`.
        language: of the answers.
        consents: the user's own voices, and what was said of the consent to each.
        audio: what the audio files are.
        overwrite: moves a dataset that is in the way aside.

    Raises:
        OutputError: the folder cannot be written, is in use, or holds something else.
    """

    def __init__(
        self,
        root: Path,
        pipeline: VoiceChatPipeline,
        *,
        identity: Mapping[str, Any],
        models: Mapping[str, ModelInfo],
        language: str = "en",
        consents: Mapping[str, str | None] = MappingProxyType({}),
        audio: AudioFormat = WAV,
        overwrite: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._folder = RunFolder(Store(root), {**identity, "job": "chat"}, overwrite=overwrite)
        self._models = models
        self._language = language
        self._consents = consents
        self._audio = audio
        self._last: _Place | None = None
        self._names: dict[int, str] = {}  # of the conversations of this session
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._folder)
            for stage, info in self._models.items():
                self._folder.remember_model(stage, asdict(info))
            self._folder.remember_consents(self._consents)
            store = self._folder.store
            self._ledger = Ledger(store)
            # Questions are written before their rows: a kill in between leaves one too many.
            self._asked = _read_questions(store)[: self._ledger.end]
            origin = Origin(self._models["tts"], self._models["chat"], config_hash(self._folder.identity))
            self._writer = Writer(store, self._ledger, self._audio_path, name="chat", audio=self._audio, origin=origin)
            stack.callback(self._writer.close)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def add(self, question: str, reply: SpokenReply) -> None:
        """Takes the turn that has just ended: its WAV, its row, and a new manifest.

        Raises:
            OutputError: the folder cannot be written.
        """
        place = self._place()
        asked = Question(
            index=place.index,
            id=f"{place.index:06d}",
            text=question,
            seed=reply.seed,
            conversation_id=self._names.setdefault(place.conversation, f"chat-{place.index:06d}"),
            turn=place.turn,
            voice=reply.voice,
            passages=reply.passages,
        )
        self._asked[place.index :] = [_input_row(asked, self._pipeline.session.system_prompt)]
        lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in self._asked)
        self._folder.store.put([(QUESTIONS, lines.encode())])
        self._ledger.add(self._writer.write([_outcome(asked, reply)]))
        self._last = place
        self._write_manifest()

    def _place(self) -> _Place:
        conversation, turn = self._pipeline.conversation, len(self._pipeline.session.turns)
        last = self._last
        again = last is not None and (last.conversation, last.turn) == (conversation, turn)
        return _Place(last.index if last is not None and again else len(self._asked), conversation, turn)

    def _audio_path(self, index: int, status: Status, beside: Side = "answer") -> str:
        return audio_path(index, status, _MOST_ROWS, self._audio, beside)

    def _write_manifest(self) -> None:
        store = self._folder.store
        questions = QuestionFile(store.folder / QUESTIONS, conversation_column="conversation_id", turn_column="turn")
        run = config_hash(self._folder.identity)
        provenance = Provenance.of(self._folder.models, run, self._language, self._consents)
        write_manifest(store, questions, self._ledger, provenance)


def _input_row(question: Question, system_prompt: str | None) -> dict[str, Any]:
    return {
        "id": question.id,
        "conversation_id": question.conversation_id,
        "turn": question.turn,
        "question": question.text,
        "system_prompt": system_prompt or "",
    }


def _read_questions(store: Store) -> list[dict[str, Any]]:
    try:
        # not splitlines, which also splits at U+2028, U+2029 and U+0085: those may stand in a question
        return [json.loads(line) for line in (store.read(QUESTIONS) or b"").decode().split("\n") if line]
    except ValueError as error:
        raise OutputError(
            f"{store}/{QUESTIONS}: not the questions of a recorded chat ({error}): restore it, "
            "or start anew with overwrite=true"
        ) from error


def _outcome(question: Question, reply: SpokenReply) -> Outcome:
    """The turn as a row's outcome. An answer that was interrupted counts as a take that was cut."""
    usage = reply.usage
    answer = Answer(
        question,
        reply.text,
        finish_reason=usage.finish_reason if usage else "length",
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        seconds=reply.timings.last_token,
    )
    if reply.failure is not None:
        return Outcome(question.index, question, answer, failure=Failure(question.index, *reply.failure))
    assert reply.take is not None
    speech = replace(reply.take, utterance=replace(reply.take.utterance, index=question.index))
    return Outcome.of_take(question, answer, speech.utterance, speech, reply.verdict)
