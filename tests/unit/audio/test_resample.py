import numpy as np
import pytest

from voicegen.audio.resample import resample


def tone(frequency: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize(("source", "target"), [(22050, 16000), (22050, 44100), (24000, 22050), (48000, 24000)])
def test_a_tone_keeps_its_frequency_level_and_duration(source: int, target: int) -> None:
    result = resample(tone(1000, source), source, target)
    assert result.dtype == np.float32
    assert abs(len(result) - target) <= 1
    middle = slice(target // 4, target // 2)
    assert np.abs(result[:target] - tone(1000, target)[: len(result)])[middle].max() < 1e-3


def test_what_the_lower_rate_cannot_hold_is_removed_and_not_aliased() -> None:
    result = resample(tone(10_000, 24_000), 24_000, 16_000)
    assert 20 * np.log10(np.abs(result[4000:12000]).max()) < -100


def test_equal_rates_and_empty_audio_pass_untouched() -> None:
    samples = tone(440, 8000)
    assert resample(samples, 8000, 8000) is samples
    assert len(resample(samples[:0], 8000, 16000)) == 0


def test_stereo_is_resampled_a_channel_at_a_time() -> None:
    stereo = np.stack([tone(440, 8000), tone(880, 8000)], axis=1)
    result = resample(stereo, 8000, 16000)
    assert result.shape[1] == 2
    assert np.allclose(result[:, 0], resample(np.ascontiguousarray(stereo[:, 0]), 8000, 16000), atol=1e-6)
