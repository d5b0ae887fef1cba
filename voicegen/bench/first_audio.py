"""How soon an answer is heard: spoken while it is written, against written whole and then spoken whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from voicegen import build
from voicegen.chat.conversation.session import ChatSession
from voicegen.config import JobConfig
from voicegen.protocols import SpeechModel
from voicegen.records import Utterance
from voicegen.text.split import split_sentences
from voicegen.text.spoken import to_spoken
from voicegen.tts.speaking import speak_one
from voicegen.voicechat.pipeline import VoiceChatPipeline
from voicegen.voicechat.spoken_turn import SpokenReply

SYSTEM_PROMPT = "You are a helpful assistant. Answer in exactly four plain sentences."
QUESTIONS = (
    "Why is the sky blue?",
    "How do bees make honey?",
    "Why do we have leap years?",
    "What makes bread rise?",
    "How do I learn to play the guitar?",
    "What is a good day in Paris like?",
)


@dataclass(frozen=True, slots=True)
class FirstAudio:
    """Seconds from a question to the first samples of its answer, both ways; the answer has `sentences`."""

    sentences: int
    streamed: float
    whole: float

    @property
    def sooner(self) -> float:
        """How many times sooner the streamed answer is heard."""
        return self.whole / self.streamed


def bench_first_audio(config: JobConfig) -> list[FirstAudio]:
    """Asks the same questions both ways in turn, with the models that the settings name, and prints a table."""
    voice, model = build.speech_model(config), build.chat_model(config)
    options = config.chat.generation | {"max_tokens": 200}
    with VoiceChatPipeline(model, voice, system_prompt=SYSTEM_PROMPT, save_audio=False, **options) as pipeline:
        pipeline.process_message("Good morning!")  # what is slow only once is no part of it
        replies: dict[str, SpokenReply] = {}
        seconds: dict[str, float] = {}
        # No question follows itself, so that neither way finds it in the model's cache.
        for first, second in zip(QUESTIONS, (*QUESTIONS[1:], QUESTIONS[0]), strict=True):
            pipeline.clear_history()
            replies[first] = pipeline.reply(first)
            seconds[second] = _whole(second, ChatSession(model, SYSTEM_PROMPT, **options), voice)
    results = [_result(replies[question], seconds[question]) for question in QUESTIONS]
    print_first_audio("first audio, in seconds from the question", results)
    return results


def _whole(question: str, session: ChatSession, voice: SpeechModel) -> float:
    started = time.monotonic()
    speak_one(voice, Utterance(0, to_spoken(session.chat(question))))
    return time.monotonic() - started


def _result(reply: SpokenReply, whole: float) -> FirstAudio:
    assert reply.timings.first_audio is not None
    return FirstAudio(len(split_sentences(reply.spoken)), reply.timings.first_audio, whole)


def print_first_audio(title: str, results: Sequence[FirstAudio]) -> None:
    """A line a question, and the median of how many times sooner it was."""
    print(title)
    print(f"  {'sentences':>9}  {'spoken while written':>20}  {'written, then spoken':>20}  {'times sooner':>12}")
    for result in results:
        print(f"  {result.sentences:>9}  {result.streamed:>20.2f}  {result.whole:>20.2f}  {result.sooner:>12.1f}")
    print(f"  {'median':>9}  {'':>20}  {'':>20}  {median(result.sooner for result in results):>12.1f}")
