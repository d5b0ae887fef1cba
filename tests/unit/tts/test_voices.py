from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicegen.errors import InputError, ModelError
from voicegen.tts.voices import PromptFiles, VoiceCatalog, VoicePrompt, discover_prompts

RATE = 16_000


def recording(seconds: float = 4.0, rate: int = RATE, level: float = 0.3) -> np.ndarray:
    """Syllables of a buzzing tone."""
    time = np.arange(int(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 2 * time), 0, None)
    return (level * buzz / np.abs(buzz).max() * syllables).astype(np.float32)


def write(folder: Path, name: str, samples: np.ndarray, transcript: str | None, rate: int = RATE) -> Path:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / f"{name}.wav", samples, rate)
    if transcript is not None:
        (folder / f"{name}.txt").write_text(transcript, encoding="utf-8")
    return folder / f"{name}.wav"


def test_a_prompt_is_read_from_a_wav_and_its_text(tmp_path: Path) -> None:
    wav = write(tmp_path, "ann", recording(), "Hello there,\nmy friend.")
    prompt = VoicePrompt.from_files(wav, wav.with_suffix(".txt"), mode="context", language="en")
    assert prompt.transcript == "Hello there, my friend."
    assert prompt.sampling_rate == RATE
    assert prompt.duration == 4.0
    assert prompt.mode == "context"
    assert prompt.audio.dtype == np.float32
    assert VoicePrompt.from_files(str(wav), "Said so.").transcript == "Said so."


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_any_rate_and_stereo_will_do(tmp_path: Path, rate: int) -> None:
    samples = recording(rate=rate)
    wav = write(tmp_path, "ann", np.stack([samples, 0.5 * samples], axis=1), None, rate)
    prompt = VoicePrompt.from_files(wav, "Hello.")
    assert prompt.audio.ndim == 1
    assert prompt.sampling_rate == rate
    assert np.allclose(prompt.audio, 0.75 * samples, atol=1e-3)


def clipped(samples: np.ndarray) -> np.ndarray:
    return np.clip(8 * samples, -1, 1)


@pytest.mark.parametrize(
    ("samples", "transcript", "reason"),
    [
        (recording(2.5), "Hello.", r"2\.5 s, too short"),
        (recording(31), "Hello.", r"31\.0 s, too long"),
        (np.zeros(4 * RATE, np.float32), "Hello.", "is silent"),
        (recording(level=0.001), "Hello.", "is silent"),
        (np.concatenate([recording(1.0), np.zeros(4 * RATE, np.float32)]), "Hello.", r"only 0\.\d s of sound"),
        (clipped(recording()), "Hello.", "is clipped"),
        (np.stack([recording(), clipped(recording())], axis=1), "Hello.", "is clipped"),
        (recording(), " ", "transcript is empty"),
        (recording(), "...", "transcript is empty"),
        (np.full(4 * RATE, np.nan, np.float32), "Hello.", "finite"),
        (np.stack([recording(), recording()]), "Hello.", r"the shape \(2, 64000\), channels first"),
    ],
)
def test_a_recording_that_cannot_serve_is_refused_with_the_reason(
    samples: np.ndarray, transcript: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=f"voice prompt 'ann': .*{reason}"):
        VoicePrompt(samples, transcript, RATE, name="ann")


def test_loud_speech_that_is_not_flattened_passes() -> None:
    VoicePrompt(recording(level=1.0), "Hello.", RATE)
    VoicePrompt(0.9 * np.sin(np.arange(4 * RATE) * 0.05).astype(np.float32), "Hello.", RATE)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ann\.wav does not exist"):
        VoicePrompt.from_files(tmp_path / "ann.wav", "Hello.")
    wav = write(tmp_path, "ann", recording(), None)
    with pytest.raises(ModelError, match=r"transcript .*ann\.txt .*cannot be read: no such file"):
        VoicePrompt.from_files(wav, wav.with_suffix(".txt"))
    with pytest.raises(ModelError, match=r"cannot be read"):
        VoicePrompt.from_files(wav, "ann.txt")


def test_a_transcript_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"transcript of the voice prompt .*ann\.wav is None: give the words"):
        VoicePrompt.from_files(write(tmp_path, "ann", recording(), None), None)  # type: ignore[arg-type]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ModelError, match="match or context"):
        VoicePrompt(recording(), "Hello.", RATE, mode="clone")  # type: ignore[arg-type]


def test_a_checkpoints_own_prompts_are_voices(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts"
    write(prompts, "conversational_a", recording(), "Hello.")
    write(prompts, "conversational_b", recording(), "Good day.")
    write(prompts, "no_text", recording(), None)
    found = discover_prompts(tmp_path)
    assert [name for name, files in found.items() if not files.missing] == ["conversational_a", "conversational_b"]
    with pytest.raises(ModelError, match=r"transcript .*no_text\.txt .*cannot be read: no such file"):
        VoiceCatalog(found).get("no_text")
    assert discover_prompts(tmp_path / "elsewhere") == {}
    voice = VoiceCatalog(discover_prompts(tmp_path)).get("conversational_b")
    assert voice is not None
    assert voice.transcript == "Good day."


def test_a_catalog_reads_each_voice_once_and_knows_the_default(tmp_path: Path) -> None:
    wav = write(tmp_path, "ann", recording(), "Hello.")
    catalog = VoiceCatalog({"ann": PromptFiles(wav, "Hello."), "bob": VoicePrompt(recording(), "Yes.", RATE)}, "ann")
    assert catalog.names == ("ann", "bob")
    assert catalog.get(None) is catalog.get("ann")
    assert VoiceCatalog({}).get(None) is None


def test_an_unknown_voice_is_refused_with_the_nearest_names() -> None:
    catalog = VoiceCatalog({name: PromptFiles(Path(f"{name}.wav"), "Hi.") for name in ("conversational_a", "reader")})
    with pytest.raises(ModelError, match="there is no voice 'conversation_a'; the nearest names are conversational_a"):
        catalog.get("conversation_a")
    with pytest.raises(ModelError, match="brings none"):
        VoiceCatalog({}).get("ann")


def test_a_voice_of_another_language_is_refused() -> None:
    german = VoicePrompt(recording(), "Guten Tag.", RATE, language="de-AT")
    with pytest.raises(ModelError, match="'uwe' is in de-AT, and en is to be spoken"):
        VoiceCatalog({"uwe": german}, language="en").get("uwe")
    assert VoiceCatalog({"uwe": german}, language="de").get("uwe") is german
