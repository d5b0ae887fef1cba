"""How fast speech servers speak the same texts: seconds of audio a second, at 1, 16 and 64 requests at once.

    python -m tests.bench.peer_servers http://localhost:8000/v1#MODEL [ADDRESS#MODEL ...] [--voice NAME] [--at 1 16 64]

Any server with `/v1/audio/speech` will do (vLLM-Omni, SGLang-Omni, Kokoro-FastAPI, LocalAI, `voicegen serve`). Each
text is asked for once in a run, so that nobody's cache of prompts is timed. A server's first request is left out: many
load or compile then. `OPENAI_API_KEY` is sent where it is set.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice

from tests.bench_texts import two_halves
from voicegen.errors import VoicegenError
from voicegen.protocols import SpeechModel
from voicegen.records import Failure, Utterance
from voicegen.servers.endpoint import Endpoint
from voicegen.tts.openai.speech import OpenAISpeech

ROUNDS = 4  # texts for each request that is under way
FEWEST = 16


def main(words: Sequence[str] | None = None) -> int:
    """Prints a table; 1 where a server gave no audio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="+", metavar="ADDRESS#MODEL")
    parser.add_argument("--voice", help="a voice that every server has; their own default else")
    parser.add_argument("--at", type=int, nargs="+", default=[1, 16, 64], help="requests at once")
    options = parser.parse_args(words)
    print(f"{'server':40} {'at once':>8} {'texts':>6} {'failed':>7} {'audio s':>8} {'s':>7} {'x real time':>12}")
    all_spoke = True
    for server in options.servers:
        address, _, model = server.partition("#")
        texts = _texts()
        for at_once in options.at:
            try:
                speech = OpenAISpeech.open(Endpoint(model, address, group="tts"), options.voice, concurrency=at_once)
                chosen = list(islice(texts, max(FEWEST, ROUNDS * at_once)))
                began = time.perf_counter()
                audio, failed = _spoken(speech, chosen, options.voice)
            except VoicegenError as error:
                print(f"{server:40} {at_once:8} {error}")
                all_spoke = False
                break
            seconds = time.perf_counter() - began
            made = f"{failed:7} {audio:8.1f} {seconds:7.2f} {audio / seconds:12.2f}"
            print(f"{server:40} {at_once:8} {len(chosen):6} {made}")
            all_spoke &= audio > 0
    return 0 if all_spoke else 1


def _texts() -> Iterator[str]:
    """Plain sentences without end, no two the same, in the same order for every server."""
    written = [text.written for half in two_halves(None, 10_000) for text in half if text.kind == "plain"]
    for number in count():
        yield written[number] if number < len(written) else f"Part {number}. {written[number % len(written)]}"


def _spoken(speech: SpeechModel, texts: Sequence[str], voice: str | None) -> tuple[float, int]:
    """Seconds of audio, and how many texts gave none."""
    utterances = [Utterance(index, text, voice, seed=index) for index, text in enumerate(texts)]
    takes = list(speech.speak(utterances))
    durations = [take.duration for take in takes if not isinstance(take, Failure)]
    return sum(durations), len(takes) - len(durations)


if __name__ == "__main__":
    sys.exit(main())
