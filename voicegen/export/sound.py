"""The audio of a row as an export holds it: the run's own bytes where nothing changes, else encoded anew."""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256

import soundfile

from voicegen.audio.audio_file import peak_dbfs, samples_sha256
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.resample import resample
from voicegen.errors import InputError, OutputError
from voicegen.export.encoding import Encoding, check_rate, encoded, is_lossy
from voicegen.records import ClipPlace
from voicegen.store import Store
from voicegen.store.clips import read_clip


@dataclass(frozen=True, slots=True)
class Sound:
    """An audio file in memory; `sampling_rate` in Hz, `num_samples` a channel, `sha256` of `data` in hex.

    `sha256` of Opus and MP3 is of the samples that were encoded: see `encoded`. `peak` is in dBFS, and `samples_sha256`
    of the samples; both are None for bytes that are the run's own.
    """

    data: bytes
    container: Encoding
    sampling_rate: int
    num_samples: int
    sha256: str
    peak: float | None = None
    samples_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the audio of an export is to be; None: as it is in the run.

    Raises:
        ConfigError: no such file has such a rate.
    """

    sampling_rate: int | None = None
    container: Encoding | None = None

    def __post_init__(self) -> None:
        if self.sampling_rate is not None and self.container is not None:
            check_rate(self.container, self.sampling_rate)


def read_sound(
    store: Store, place: ClipPlace, rate: int, num_samples: int, digest: str | None, wanted: Wanted
) -> Sound:
    """The audio at a place in a run, of which the manifest gives the rate, samples and SHA-256, as it is wanted.

    What its metadata says of it is kept.

    Raises:
        ConfigError: the rate that it has cannot be had so encoded.
        InputError: it is missing or is not what the manifest says; says how to make it again.
    """
    path = f"{store}/{place.path}"
    try:
        data = read_clip(store, place)
    except OutputError as error:
        raise InputError(f"{error}; {_REMEDY}") from None
    if data is None:
        raise InputError(f"{path} cannot be read: no such file or directory; {_REMEDY}")
    if digest is not None and (found := sha256(data).hexdigest()) != digest:
        raise InputError(f"{path} is not what the manifest says: its SHA-256 is {found[:12]}...; {_REMEDY}")
    container = AudioFormat.of_name(place.path).container
    target = Wanted(wanted.sampling_rate or rate, wanted.container or container)
    if target == Wanted(rate, container):
        return Sound(data, container, rate, num_samples, digest or sha256(data).hexdigest())
    return _anew(path, data, target)


_REMEDY = "run `voicegen verify RUN --fix`, then the run's command again"


def _anew(path: str, source: bytes, wanted: Wanted) -> Sound:
    rate, container = wanted.sampling_rate, wanted.container
    assert rate is not None
    assert container is not None
    try:
        with soundfile.SoundFile(io.BytesIO(source)) as file:
            samples, from_rate = file.read(dtype="float32"), file.samplerate
            subtype, tags = file.subtype, file.copy_metadata()
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as audio: {error.error_string.rstrip('.')}; {_REMEDY}") from None
    samples = resample(samples, from_rate, rate)
    data, digest = encoded(samples, rate, container, subtype, tags)
    sound = digest if is_lossy(container) else samples_sha256(data)
    return Sound(data, container, rate, len(samples), digest, round(peak_dbfs(samples), 2), sound)
