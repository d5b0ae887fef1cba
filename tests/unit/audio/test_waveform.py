import numpy as np

from voicegen.audio.waveform import Waveform


def test_a_waveform_is_a_float32_array_with_a_rate() -> None:
    waveform = Waveform(np.ones(1200, dtype=np.float32), 24_000)
    assert isinstance(waveform, np.ndarray)
    assert waveform.dtype == np.float32
    assert waveform.sampling_rate == 24_000
    assert waveform.duration == 0.05


def test_slices_and_arithmetic_keep_the_rate() -> None:
    waveform = Waveform(np.ones(100, dtype=np.float32), 8000)
    assert waveform[10:20].sampling_rate == 8000
    assert (0.5 * waveform).sampling_rate == 8000
    assert np.clip(waveform, -1, 0.5).sampling_rate == 8000
    assert waveform.copy().sampling_rate == 8000


def test_samples_that_were_skipped_or_repeated_have_no_known_rate() -> None:
    waveform = Waveform(np.ones(100, dtype=np.float32), 8000)
    assert waveform[::2].sampling_rate is None
    assert np.repeat(waveform, 2).sampling_rate is None
    assert not hasattr(np.concatenate([waveform, waveform]), "sampling_rate")
