import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicegen.audio.audio_file import (
    SILENCE_DBFS,
    encode_audio,
    encode_clip,
    peak_dbfs,
    read_audio,
    samples_sha256,
    write_audio,
)
from voicegen.audio.audio_format import SUBTYPES, AudioFormat
from voicegen.errors import InputError
from voicegen.records import Speech, Utterance

TONE = (0.5 * np.sin(np.arange(4410) * 0.1)).astype(np.float32)


FORMATS = [*(AudioFormat("wav", subtype) for subtype in SUBTYPES), *(AudioFormat("flac", s) for s in SUBTYPES[:2])]
STEPS = {"PCM_16": 2**-15, "PCM_24": 2**-23, "FLOAT": 0.0}


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_samples_come_back_within_one_step_of_the_format(tmp_path: Path, audio: AudioFormat) -> None:
    write_audio(tmp_path / f"a{audio.suffix}", TONE, 22050, audio)
    samples, rate = read_audio(tmp_path / f"a{audio.suffix}")
    assert rate == 22050
    assert samples.dtype == np.float32
    assert len(samples) == len(TONE)
    assert np.abs(samples - TONE).max() <= STEPS[audio.subtype]
    info = soundfile.info(tmp_path / f"a{audio.suffix}")
    assert (info.format, info.subtype) == (audio.container.upper(), audio.subtype)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_flac_holds_the_very_samples_of_a_wav_in_fewer_bytes(subtype: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.4, 20_000).astype(np.float32)
    loud = np.concatenate([TONE, noise, np.float32([1, -1, 3, -3, 0.999999, -0.999999])])
    wav, flac = (encode_audio(loud, 24000, AudioFormat(container, subtype)) for container in ("wav", "flac"))
    samples = [soundfile.read(io.BytesIO(data), dtype="int32")[0] for data in (wav, flac)]
    assert np.array_equal(*samples)
    assert len(flac) < len(wav)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_holds_what_libsndfile_makes_of_the_floats(subtype: str) -> None:
    edges = [sign * 2.0**-bits + step for bits in range(36) for sign in (1, -1) for step in (0, 2**-24, -(2**-24))]
    quiet, loud = (np.random.default_rng(0).normal(0, scale, 20_000) for scale in (1e-6, 0.5))
    samples = np.clip(np.concatenate([edges, quiet, loud]), -1, 1).astype(np.float32)
    theirs = io.BytesIO()
    soundfile.write(theirs, samples, 24000, format="WAV", subtype=subtype)
    ours = encode_audio(samples, 24000, AudioFormat("wav", subtype))
    sound = [soundfile.read(io.BytesIO(data), dtype="int32")[0] for data in (ours, theirs.getvalue())]
    assert np.array_equal(*sound)


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("count", [1, 2, 4411])
def test_a_wav_is_to_the_byte_what_libsndfile_writes(subtype: str, count: int) -> None:
    tags = {"title": "row 3", "artist": "José", "album": "a run", "genre": "Synthetic speech", "comment": '{"row": 3}'}
    samples = np.resize(TONE, count)
    theirs = io.BytesIO()
    with soundfile.SoundFile(theirs, "w", 24000, channels=1, format="WAV", subtype=subtype) as file:
        soundfile._snd.sf_command(file._file, 0x1050, soundfile._ffi.NULL, 0)  # no PEAK chunk, which has the time in it
        for name, tag in tags.items():
            setattr(file, name, tag)
        file.write(samples)
    assert encode_audio(samples, 24000, AudioFormat("wav", subtype), tags) == theirs.getvalue()


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_a_clip_is_known_by_the_hash_of_the_samples_that_its_file_holds(audio: AudioFormat) -> None:
    loud = np.concatenate([TONE, np.float32([1, -1, 3, -3, 0.999999, -0.999999])])
    speech = Speech(Utterance(0, "Hi."), loud, 24000)
    clip, data = encode_clip(speech, 0, "0.wav", audio)
    assert clip.samples_sha256 == samples_sha256(data)


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_the_same_samples_give_the_same_bytes_and_no_time_of_writing(audio: AudioFormat) -> None:
    first = encode_audio(TONE, 24000, audio)
    assert encode_audio(TONE.copy(), 24000, audio) == first
    assert b"PEAK" not in first  # libsndfile's PEAK chunk holds the second it was written in


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_samples_beyond_full_scale_are_clipped_and_never_wrap(tmp_path: Path, audio: AudioFormat) -> None:
    write_audio(tmp_path / "a", np.array([-3.0, -1.0, 0.0, 1.0, 3.0], dtype=np.float32), 8000, audio)
    samples, _ = read_audio(tmp_path / "a")
    assert np.allclose(samples, [-1, -1, 0, 1, 1], atol=2**-15)


def test_nan_and_wrong_shapes_and_unknown_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        encode_audio(np.array([0.0, np.nan], dtype=np.float32), 8000)
    with pytest.raises(ValueError, match="mono"):
        encode_audio(np.zeros((10, 2), dtype=np.float32), 8000)
    with pytest.raises(ValueError, match="PCM_16, PCM_24, FLOAT"):
        AudioFormat("wav", "ULAW")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="wav, flac"):
        AudioFormat("mp3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="set subtype to PCM_16 or PCM_24"):
        AudioFormat("flac", "FLOAT")


def test_stereo_is_averaged_or_kept(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([TONE, -TONE], axis=1), 16000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav")[0]).max() == 0
    assert read_audio(tmp_path / "a.wav", mono=False)[0].shape == (len(TONE), 2)


def test_a_missing_file_and_a_file_that_is_not_audio_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.wav does not exist"):
        read_audio(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("not audio")
    with pytest.raises(InputError, match=r"b\.wav as audio"):
        read_audio(tmp_path / "b.wav")


def test_peaks_are_in_dbfs_with_a_floor_for_silence() -> None:
    assert peak_dbfs(np.array([0.1, -1.0])) == 0.0
    assert peak_dbfs(np.array([0.5])) == pytest.approx(-6.0206, abs=1e-3)
    assert peak_dbfs(np.zeros(4)) == SILENCE_DBFS
    assert peak_dbfs(np.zeros(0)) == SILENCE_DBFS
