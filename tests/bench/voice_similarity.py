"""How like takes are to recordings of their own voice and of others, by the length of what is said.

    python -m tests.bench.voice_similarity

Kokoro's five voices (four women, a man) say a recording and then other sentences; each take is held against each
voice's recording. Prints, for what is short, of middle length and long, the least and the median with its own voice,
the most with another, and how many of each are under the bound of the check.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from voicegen.audio.audio_file import write_audio
from voicegen.job.composing import compose
from voicegen.quality.checks.similarity import SPEC, SimilaritySettings
from voicegen.records import Speech, Utterance
from voicegen.tts.kokoro.speech import KokoroSpeech

RECORDED = "The old library stands at the end of the street, and on most evenings a light is on in one of its windows."
SAID = {
    "short": ["That was all.", "Please come in.", "Not before noon.", "It is cold today."],
    "middle": ["The train to the coast leaves at half past nine.", "She put the letters back into the drawer.",
               "Nobody had told them that the shop was closed.", "We walked along the river until it was dark."],
    "long": ["He opened the window to let some air in, looked down at the empty square, and closed it again.",
             "When the rain had stopped they carried the chairs outside and sat there until the stars came out.",
             "In the morning the fields were white, and the children ran out before anyone could find their coats.",
             "It took her years to learn the names of all the birds that came to the garden in the spring."],
}  # fmt: skip


def main() -> None:
    """Prints a line for each length."""
    model = KokoroSpeech.load()
    with tempfile.TemporaryDirectory() as folder:
        recordings = {voice: Path(folder, f"{voice}.wav") for voice in model.voices}
        for take in _spoken(model, [RECORDED]):
            write_audio(recordings[str(take.utterance.voice)], take.samples, take.sampling_rate)
        given = compose(["quality=basic", "+quality/checks=similarity"]).quality.checks.similarity
        assert isinstance(given, SimilaritySettings)
        check = SPEC.make(given.model_copy(update={"recordings": recordings}))
        bound = given.rules["voice_similarity"].min or 0.0
        for length, texts in SAID.items():
            own: list[float] = []
            others: list[float] = []
            for take in _spoken(model, texts):
                as_each = [replace(take, utterance=replace(take.utterance, voice=voice)) for voice in model.voices]
                for held, scores in zip(as_each, check(as_each), strict=True):
                    found = scores["voice_similarity"]
                    if isinstance(found, float):
                        (own if held.utterance.voice == take.utterance.voice else others).append(found)
            print(
                f"{length:7} own {len(own)}: least {min(own):.2f}, median {median(own):.2f}, {_under(own, bound)}; "
                f"another {len(others)}: most {max(others):.2f}, {_under(others, bound)}"
            )


def _spoken(model: KokoroSpeech, texts: list[str]) -> list[Speech]:
    said = ((voice, text) for text in texts for voice in model.voices)
    wanted = (Utterance(place, text, voice) for place, (voice, text) in enumerate(said))
    return [take for take in model.speak(wanted) if isinstance(take, Speech)]


def _under(found: list[float], bound: float) -> str:
    return f"{sum(value < bound for value in found) / len(found):.0%} under {bound}"


if __name__ == "__main__":
    main()
