import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from piper import PiperVoice
from piper.config import PiperConfig

from voicegen.errors import ModelError
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.piper.graph import load_seedable, noise_as_inputs
from voicegen.tts.piper.speech import PiperSpeech, voice_file
from voicegen.tts.threads import open_session

TEXTS = ["Good morning.", "It rains. Take a coat!", "Seven ships sailed.", "Why not?", "A cup of tea, please."]


def speak(model: PiperSpeech, *utterances: Utterance | None) -> dict[int, Speech]:
    records = list(model.speak(iter(utterances)))
    assert all(isinstance(record, Speech) for record in records), records
    return {record.utterance.index: record for record in records if isinstance(record, Speech)}


def failure(model: PiperSpeech, utterance: Utterance) -> Failure:
    (record,) = model.speak([utterance])
    assert isinstance(record, Failure)
    return record


def test_piper_is_a_speech_model_that_knows_what_it_is(joe: PiperSpeech) -> None:
    assert joe.traits.stream is not None
    assert joe.language == "en_US"
    assert joe.sample_rate == 22_050
    assert joe.info.id == "en_US-joe-medium"
    assert joe.info.licence == "cc0-1.0"


def test_speech_has_a_plausible_length_and_level(joe: PiperSpeech) -> None:
    (speech,) = speak(joe, Utterance(0, "The quick brown fox jumps over the lazy dog.")).values()
    assert 1.5 < speech.duration < 5
    assert speech.samples.dtype == np.float32
    assert 0.1 < np.abs(speech.samples).max() <= 1
    assert speech.seconds > 0


def test_an_utterance_sounds_the_same_alone_and_in_any_company(joe: PiperSpeech) -> None:
    utterances = [Utterance(i, text, seed=i) for i, text in enumerate(TEXTS)]
    together = speak(joe, *utterances)
    backwards = speak(joe, *reversed(utterances))
    for utterance in utterances[:2]:
        alone = speak(joe, utterance)[utterance.index].samples
        assert np.array_equal(alone, together[utterance.index].samples)
        assert np.array_equal(alone, backwards[utterance.index].samples)


def test_streamed_sentences_join_to_the_whole(joe: PiperSpeech) -> None:
    utterance = Utterance(0, "It rains. Take a coat!", seed=3)
    pieces = list(joe.stream(utterance))
    assert len(pieces) == 2
    assert np.array_equal(np.concatenate(pieces), speak(joe, utterance)[0].samples)
    with pytest.raises(ModelError, match="nothing to pronounce"):
        list(joe.stream(Utterance(0, "...")))


def test_another_seed_gives_another_take_of_the_same_words(joe: PiperSpeech) -> None:
    takes = speak(joe, Utterance(0, TEXTS[0], seed=1), Utterance(1, TEXTS[0], seed=2))
    first, second = takes[0].samples, takes[1].samples
    assert len(first) != len(second) or np.abs(first - second).max() > 0.01


def test_speed_makes_the_speech_as_much_shorter_as_it_says(joe: PiperSpeech) -> None:
    text = "Bees play a vital role in the ecosystem, serving as pollinators for many plants."
    normal = speak(joe, Utterance(0, text))[0].duration
    for speed in (0.5, 0.8, 1.25, 2.0):
        duration = speak(joe.at_speed(speed), Utterance(0, text))[0].duration
        assert duration * speed == pytest.approx(normal, rel=0.08)


def test_text_without_phonemes_fails_alone(joe: PiperSpeech) -> None:
    records = list(joe.speak([Utterance(0, "..."), Utterance(1, "Yes."), Utterance(2, "", part=3)]))
    by_index = {r.index if isinstance(r, Failure) else r.utterance.index: r for r in records}
    assert isinstance(by_index[1], Speech)
    assert by_index[0] == Failure(0, "tts", "the voice finds nothing to pronounce in '...'")
    assert isinstance(by_index[2], Failure)
    assert by_index[2].part == 3


def test_text_cannot_slip_raw_phonemes_in(joe: PiperSpeech) -> None:
    assert isinstance(failure(joe, Utterance(0, "[[...]]")), Failure)


def test_an_unknown_voice_fails_with_the_names_there_are(joe: PiperSpeech) -> None:
    assert "en_US-joe-medium" in failure(joe, Utterance(0, "Hello.", voice="jo")).error
    assert 0 in speak(joe, Utterance(0, "Hello.", voice="en_US-joe-medium"))
    joe.check_voices(["en_US-joe-medium"])
    with pytest.raises(ModelError, match="no voice 'jo'"):
        joe.check_voices(["jo"])


def test_speech_names_the_voice_that_spoke_where_none_was_asked_for(joe: PiperSpeech) -> None:
    (spoken,) = joe.speak([Utterance(0, "Hello.")])
    assert spoken.utterance == Utterance(0, "Hello.", voice="en_US-joe-medium")


def joe_config() -> PiperConfig:
    return PiperConfig.from_dict(json.loads(Path(f"{voice_file('en_US-joe-medium')}.json").read_text()))


class Recorder:
    """Stands in for an onnxruntime session: notes its inputs and gives a second of silence."""

    def __init__(self) -> None:
        self.speakers: list[int] = []

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.speakers.append(int(inputs["sid"][0]))
        return [np.zeros((1, 1, 1, 22050), dtype=np.float32)]


def test_a_voice_of_several_speakers_is_asked_for_them_by_name(joe: PiperSpeech) -> None:
    config = dataclasses.replace(joe_config(), num_speakers=3, speaker_id_map={"c": 2, "a": 0, "b": 1})
    frontend, session = PiperVoice(session=None, config=config), Recorder()
    model = PiperSpeech(session, frontend, [], joe.info, speed=1.0, threads=1)
    assert model.voices == ("a", "b", "c")
    speak(model, Utterance(0, "Yes.", voice="c"), Utterance(1, "Yes."), Utterance(2, "Yes.", voice="b"))
    assert session.speakers == [2, 0, 1]
    assert "nearest names are" in failure(model, Utterance(3, "Yes.", voice="d")).error


def test_a_source_that_has_nothing_ready_delays_nothing(joe: PiperSpeech) -> None:
    finished: list[int] = []

    def source() -> Iterator[Utterance | None]:
        yield None  # the model holds nothing: passed over
        yield Utterance(0, "Yes.")
        while not finished:
            yield None  # the second arrives only after the first came out
        yield Utterance(1, "No.")

    for record in joe.speak(source()):
        assert isinstance(record, Speech)
        finished.append(record.utterance.index)
    assert finished == [0, 1]


def test_only_a_few_utterances_are_pulled_ahead(joe: PiperSpeech) -> None:
    pulled: list[int] = []

    def source() -> Iterator[Utterance]:
        for index in range(1000):
            pulled.append(index)
            yield Utterance(index, "Yes.")

    stream = joe.speak(source())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(pulled) <= 6


def test_the_rewritten_graph_says_what_the_original_says() -> None:
    """With its noise switched off the voice as shipped is deterministic, and must equal the rewritten one."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_mem_reuse = False
    original = onnxruntime.InferenceSession(voice_file("en_US-joe-medium"), options)
    graph, noise_inputs = load_seedable(voice_file("en_US-joe-medium"))
    frontend = PiperVoice(session=None, config=joe_config())
    (phonemes,) = frontend.phonemize("Good morning.")
    ids = frontend.phonemes_to_ids(phonemes)
    inputs = {
        "input": np.array([ids], dtype=np.int64),
        "input_lengths": np.array([len(ids)], dtype=np.int64),
        "scales": np.array([0.0, 1.0, 0.0], dtype=np.float32),
    }
    noise = {name: np.ones(7, dtype=np.float32) for name in noise_inputs}
    assert len(noise) == 2
    (expected,) = original.run(["output"], inputs)
    (rewritten,) = open_session(graph).run(["output"], inputs | noise)
    assert np.abs(expected).max() > 0.1
    assert np.allclose(rewritten, expected, atol=1e-4)


def test_noise_is_read_in_order_and_wraps_around() -> None:
    node = onnx.helper.make_node("RandomNormalLike", ["x"], ["y"], dtype=1)
    x = onnx.helper.make_tensor_value_info("x", 1, ["a", "b"])
    y = onnx.helper.make_tensor_value_info("y", 1, ["a", "b"])
    graph = onnx.helper.make_graph([node], "noise", [x], [y])
    (name,) = noise_as_inputs(graph)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"x": np.zeros((2, 3), np.float32), name: np.arange(4, dtype=np.float32)})
    assert values.tolist() == [[0, 1, 2], [3, 0, 1]]


def test_a_voice_of_another_language_is_refused() -> None:
    with pytest.raises(ModelError, match="speaks en_US, not de"):
        PiperSpeech.load("en_US-joe-medium", language="de")


def test_a_voice_without_its_settings_or_with_others_is_refused(tmp_path: Path) -> None:
    voice = tmp_path / "voice.onnx"
    voice.write_bytes(b"")
    with pytest.raises(ModelError, match=r"voice\.onnx\.json is missing"):
        PiperSpeech.load(str(voice))
    (tmp_path / "voice.onnx.json").write_text("{}")
    with pytest.raises(ModelError, match="not the settings file of a Piper voice"):
        PiperSpeech.load(str(tmp_path))
    shutil.copy(voice, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx, voice\.onnx"):
        PiperSpeech.load(str(tmp_path))


def test_a_file_that_is_no_onnx_model_is_one_clear_line(tmp_path: Path) -> None:
    source = voice_file("en_US-joe-medium")
    settings = json.loads(source.with_name(source.name + ".json").read_text())
    (tmp_path / "voice.onnx").write_bytes(b"no model")
    (tmp_path / "voice.onnx.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=r"voice\.onnx is not an ONNX model"):
        PiperSpeech.load(str(tmp_path))
