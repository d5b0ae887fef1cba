"""Texts to a folder of numbered audio files, with any speech model and without a chat model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from voicegen.audio.audio_file import encode_clip
from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.audio.origin import Origin
from voicegen.audio.signing import Signer
from voicegen.errors import ConfigError, ModelError
from voicegen.files import given_path, write_atomic
from voicegen.protocols import SpeechModel
from voicegen.quality.listener import Hearing, Listener, quality_settings
from voicegen.records import Clip, Failure, Speech, Utterance
from voicegen.seeds import derived_seed
from voicegen.text.wording import IN_ENGLISH, Wording
from voicegen.tts.best_of import judged_takes
from voicegen.tts.speaking import taken_out, words_of


def speak_to_folder(
    model: SpeechModel,
    texts: Iterable[str | Failure],
    folder: Path | str,
    *,
    prefix: str = "",
    digits: int = 6,
    audio: AudioFormat = WAV,
    wording: Wording = IN_ENGLISH,
    voice: str | Callable[[int], str | None] | None = None,
    seed: int = 0,
    listener: Listener | None = None,
    max_attempts: int = 1,
    signer: Signer | None = None,
) -> Iterator[Clip | Failure]:
    """Speaks each text into a file that is numbered by the text's place: `PREFIX000000.wav`, `PREFIX000001.wav`.

    A text that cannot be spoken leaves its number free and the rest undisturbed.

    Args:
        model: what speaks.
        texts: any number of them, Markdown or plain; they are pulled as the model has room. A `Failure` stands for a
            text that could not be read, and is passed on.
        folder: made if it is not there; files of the same names are replaced.
        prefix: what the names begin with.
        digits: at least so many in each number.
        audio: what the files are; their names end accordingly.
        wording: how the texts are put in words.
        voice: of all texts, or what gives it by a text's place; the model's default if None.
        seed: a text's own seed comes from this and its place.
        listener: judges the takes; if None, only what is cut or no audio is no clip.
        max_attempts: takes of a text, at the most, until one is good.
        signer: signs the files.

    Yields:
        One record a text, in completion order; the path of a clip is relative to `folder`.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    folder = given_path("folder", folder)
    origin = Origin(model.info, signer=signer)

    def name_of(index: int) -> str:
        return f"{prefix}{index:0{digits}d}{audio.suffix}"

    unspeakable: list[Failure] = []
    listener = listener or Listener(quality_settings("off"))
    for record in judged_takes(model, _utterances(texts, wording, voice, seed, unspeakable), listener, max_attempts):
        yield from taken_out(unspeakable)
        if isinstance(record, Failure):
            yield record
        else:
            yield _write(*record.kept, folder, name_of, audio, origin)
    yield from taken_out(unspeakable)


def file_prefix(name: str) -> str:
    """What the names of files begin with: `NAME_`; nothing if the name is empty.

    Raises:
        ConfigError: the name would lead out of the folder, or cannot be part of a file's name.
    """
    if any(letter in name for letter in "/\\\0"):
        raise ConfigError(f"the prefix {name!r} cannot begin a file's name: use one without / and \\")
    return f"{name}_" if name else ""


def _utterances(
    texts: Iterable[str | Failure],
    wording: Wording,
    voice: str | Callable[[int], str | None] | None,
    seed: int,
    unspeakable: list[Failure],
) -> Iterator[Utterance]:
    for index, text in enumerate(texts):
        if isinstance(text, Failure):
            unspeakable.append(text)
            continue
        try:
            spoken = words_of(text, wording)
        except ModelError as error:
            unspeakable.append(Failure(index, "text", str(error)))
        else:
            yield Utterance(index, spoken, voice(index) if callable(voice) else voice, derived_seed(seed, index))


def _write(
    speech: Speech,
    hearing: Hearing,
    folder: Path,
    name_of: Callable[[int], str],
    audio: AudioFormat,
    origin: Origin,
) -> Clip | Failure:
    index, verdict = speech.utterance.index, hearing.verdict
    if verdict.status == "rejected":
        return Failure(index, "tts", f"{verdict.reason}; try another seed, or a shorter text")
    if verdict.reason is not None:
        return Failure(index, "write", verdict.reason)
    clip, data = encode_clip(speech, index, name_of(index), audio, origin)
    write_atomic(folder / clip.path, data)
    return clip
