import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegen.audio.stretch import stretch

RATE = 22050


def vowel(pitch: float, seconds: float = 2.0) -> np.ndarray:
    """Harmonics of `pitch` Hz under a formant-like envelope, with a slow swell."""
    time = np.arange(int(RATE * seconds)) / RATE
    harmonics = np.arange(1, int(4000 / pitch))
    levels = 1 / (1 + ((harmonics * pitch - 600) / 400) ** 2)
    wave = (levels[:, None] * np.sin(2 * np.pi * pitch * harmonics[:, None] * time)).sum(axis=0)
    return (0.3 * wave / np.abs(wave).max() * (1 + 0.3 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def pitch_of(samples: np.ndarray) -> float:
    """Fundamental in Hz: the strongest autocorrelation peak between 60 and 400 Hz, interpolated."""
    middle = samples[len(samples) // 4 : len(samples) // 4 * 3]
    spectrum = np.fft.rfft(middle * np.hanning(len(middle)), 2 * len(middle))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    low, high = RATE // 400, RATE // 60
    lag = low + int(np.argmax(correlation[low:high]))
    before, peak, after = correlation[lag - 1 : lag + 2]
    return RATE / (lag + 0.5 * (before - after) / (before - 2 * peak + after))


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
@pytest.mark.parametrize("pitch", [85.0, 120.0, 230.0])
def test_duration_changes_exactly_and_pitch_and_level_stay(pitch: float, speed: float) -> None:
    samples = vowel(pitch)
    result = stretch(samples, RATE, speed)
    assert len(result) == round(len(samples) / speed)
    assert pitch_of(result) == pytest.approx(pitch, rel=0.01)
    assert result.std() == pytest.approx(samples.std(), rel=0.05)


def test_events_stay_in_their_places() -> None:
    samples = np.concatenate([vowel(120, 0.5), np.zeros(RATE // 2, np.float32), vowel(120, 0.5)])
    result = stretch(samples, RATE, 1.25)
    loud = np.abs(result) > 0.01
    quiet_from, quiet_to = int(0.43 * RATE), int(0.77 * RATE)  # 0.5 s and 1.0 s of the source, and half a window
    assert loud[: int(0.38 * RATE)].any()
    assert not loud[quiet_from:quiet_to].any()
    assert loud[int(0.82 * RATE) :].any()


def test_speed_one_returns_the_samples_themselves() -> None:
    samples = vowel(100, 0.2)
    assert stretch(samples, RATE, 1.0) is samples


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.1, 9.0, float("nan")])
def test_an_unusable_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.25 and 4\.0"):
        stretch(vowel(100, 0.1), RATE, speed)


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, 9000), speed=st.floats(0.25, 4.0), rate=st.sampled_from([8000, 16000, 24000, 48000]))
def test_any_length_speed_and_rate_gives_finite_samples_of_the_right_number(
    length: int, speed: float, rate: int
) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    result = stretch(samples, rate, speed)
    assert len(result) == round(length / speed)
    assert np.isfinite(result).all()
