from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicegen.audio.wav import SILENCE_DBFS, SUBTYPES, encode_wav, peak_dbfs, read_wav, write_wav
from voicegen.errors import InputError

TONE = (0.5 * np.sin(np.arange(4410) * 0.1)).astype(np.float32)


@pytest.mark.parametrize(("subtype", "tolerance"), [("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 0.0)])
def test_samples_come_back_within_one_step_of_the_format(tmp_path: Path, subtype: str, tolerance: float) -> None:
    write_wav(tmp_path / "a.wav", TONE, 22050, subtype)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == 22050
    assert samples.dtype == np.float32
    assert len(samples) == len(TONE)
    assert np.abs(samples - TONE).max() <= tolerance
    assert soundfile.info(tmp_path / "a.wav").subtype == subtype


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_the_same_samples_give_the_same_bytes_and_no_time_of_writing(subtype: str) -> None:
    first = encode_wav(TONE, 24000, subtype)
    assert encode_wav(TONE.copy(), 24000, subtype) == first
    assert b"PEAK" not in first  # libsndfile's PEAK chunk holds the second it was written in


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_samples_beyond_full_scale_are_clipped_and_never_wrap(tmp_path: Path, subtype: str) -> None:
    write_wav(tmp_path / "a.wav", np.array([-3.0, -1.0, 0.0, 1.0, 3.0], dtype=np.float32), 8000, subtype)
    samples, _ = read_wav(tmp_path / "a.wav")
    assert np.allclose(samples, [-1, -1, 0, 1, 1], atol=2**-15)


def test_nan_and_wrong_shapes_and_unknown_subtypes_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        encode_wav(np.array([0.0, np.nan], dtype=np.float32), 8000)
    with pytest.raises(ValueError, match="mono"):
        encode_wav(np.zeros((10, 2), dtype=np.float32), 8000)
    with pytest.raises(ValueError, match="PCM_16, PCM_24, FLOAT"):
        encode_wav(TONE, 8000, "ULAW")  # type: ignore[arg-type]


def test_stereo_is_averaged_or_kept(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([TONE, -TONE], axis=1), 16000, subtype="FLOAT")
    assert np.abs(read_wav(tmp_path / "a.wav")[0]).max() == 0
    assert read_wav(tmp_path / "a.wav", mono=False)[0].shape == (len(TONE), 2)


def test_a_missing_file_and_a_file_that_is_not_audio_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.wav does not exist"):
        read_wav(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("not audio")
    with pytest.raises(InputError, match=r"b\.wav as audio"):
        read_wav(tmp_path / "b.wav")


def test_peaks_are_in_dbfs_with_a_floor_for_silence() -> None:
    assert peak_dbfs(np.array([0.1, -1.0])) == 0.0
    assert peak_dbfs(np.array([0.5])) == pytest.approx(-6.0206, abs=1e-3)
    assert peak_dbfs(np.zeros(4)) == SILENCE_DBFS
    assert peak_dbfs(np.zeros(0)) == SILENCE_DBFS
