import io

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from voicegen.report.pictures import BANDS, LEVELS, PICTURE_BYTES, WIDTH, picture


def wav(samples, rate=16000):
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, np.float32), rate, format="WAV")
    return file.getvalue()


def tone(frequency, seconds, rate=16000):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def parts(file):
    found = np.frombuffer(picture(file), np.uint8)
    return found[:WIDTH], found[WIDTH:].reshape(BANDS, WIDTH)


def test_peaks_follow_the_loudness_of_the_clip():
    peaks, _ = parts(wav(np.concatenate([tone(200, 1), 0.25 * tone(200, 1)])))
    assert peaks[10:190].min() >= 250
    assert 60 <= peaks[210:].max() <= 68


def test_a_higher_tone_lies_in_a_higher_band():
    _, low = parts(wav(tone(200, 1)))
    _, high = parts(wav(tone(4000, 1)))
    assert low[:, 200].argmax() < high[:, 200].argmax()
    assert low.max() == high.max() == LEVELS - 1


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.7, 90.0])
def test_a_picture_has_one_size_however_long_the_clip_is(seconds):
    assert len(picture(wav(tone(300, seconds)))) == PICTURE_BYTES


def test_silence_has_a_picture():
    peaks, levels = parts(wav(np.zeros(16000)))
    assert peaks.max() == 0
    assert levels.shape == (BANDS, WIDTH)


@pytest.mark.parametrize(("rate", "seconds"), [(16000, 1.3), (24000, 4.0), (8000, 120.0)])
def test_bands_are_those_of_torchaudio(rate, seconds):
    samples = np.random.default_rng(0).normal(0, 0.1, int(rate * seconds)).astype(np.float32)
    samples[len(samples) // 3 :] *= np.linspace(1, 0.001, len(samples) - len(samples) // 3, dtype=np.float32)
    hop = len(samples) // WIDTH
    window = max(1024, 1 << (hop - 1).bit_length())
    mel = torchaudio.transforms.MelSpectrogram(
        rate, window, window, hop, n_mels=BANDS, norm="slaney", pad_mode="constant"
    )(torch.from_numpy(samples))[:, :WIDTH]
    decibels = 10 * torch.log10(mel.clamp_min(1e-10))
    levels = (decibels - decibels.max() + 75).clamp_min(0) / 75 * (LEVELS - 1)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    assert np.abs(parts(file.getvalue())[1] - levels.numpy()).max() <= 0.51
