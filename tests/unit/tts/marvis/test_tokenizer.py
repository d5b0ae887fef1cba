from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.marvis_checkpoints import write_tokenizer
from voicegen.errors import ModelError
from voicegen.tts.marvis.orders import FRAME_RATE, frames_allowed, frames_needed
from voicegen.tts.marvis.tokenizer import TextTokenizer, speakable, spoken_length


def test_text_is_wrapped_with_its_speaker(tmp_path: Path) -> None:
    tokenizer = TextTokenizer.load(write_tokenizer(tmp_path))
    ids = tokenizer.encode("ab", speaker=3)
    assert (ids[0], ids[-1], len(ids)) == (256, 257, 7)
    assert ids != tokenizer.encode("ab", speaker=4)


def test_a_tokenizer_that_writes_only_its_begin_token_gets_its_end_token(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path) / "tokenizer.json"
    whole = TextTokenizer.load(tmp_path).encode("ab")
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["post_processor"]["single"] = raw["post_processor"]["single"][:-1]
    path.write_text(json.dumps(raw), encoding="utf-8")
    assert TextTokenizer.load(tmp_path).encode("ab") == whole


def test_a_tokenizer_of_its_own_is_trusted_when_it_writes_neither(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path) / "tokenizer.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["post_processor"] = None
    path.write_text(json.dumps(raw), encoding="utf-8")
    assert len(TextTokenizer.load(tmp_path).encode("ab")) == 5


def test_the_tokenizer_that_a_config_names_goes_before_the_folders_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_tokenizer(tmp_path / "own") / "tokenizer.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["post_processor"] = None
    path.write_text(json.dumps(raw), encoding="utf-8")
    named = write_tokenizer(tmp_path / "named")
    assert len(TextTokenizer.load(tmp_path / "own", str(named)).encode("ab")) == 7
    assert len(TextTokenizer.load(tmp_path / "own", "org/nowhere").encode("ab")) == 5
    assert "stands in for org/nowhere, which its config names" in caplog.text


def test_a_space_stands_between_speaker_and_text_where_the_config_asks_for_it(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    spaced = TextTokenizer.load(tmp_path, speaker_prefix_space=True)
    assert spaced.encode("ab") == TextTokenizer.load(tmp_path).encode(" ab")


def test_the_named_tokenizer_stands_in_for_one_that_is_not_there(tmp_path: Path) -> None:
    other = write_tokenizer(tmp_path / "other")
    folder = tmp_path / "model"
    folder.mkdir()
    assert TextTokenizer.load(folder, str(other)).encode("ab") == TextTokenizer.load(other).encode("ab")
    with pytest.raises(ModelError, match=r"has no tokenizer\.json, and .*/nowhere cannot be had"):
        TextTokenizer.load(folder, str(tmp_path / "nowhere"))


def test_a_broken_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        TextTokenizer.load(tmp_path)


@pytest.mark.parametrize(("text", "reason"), [("{nope", "is not valid JSON"), ("[]", "holds no JSON object")])
def test_broken_settings_of_a_tokenizer_are_named(tmp_path: Path, text: str, reason: str) -> None:
    write_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ModelError, match=rf"tokenizer_config\.json {reason}"):
        TextTokenizer.load(tmp_path)


def test_tokens_of_a_tokenizer_that_are_no_strings_are_none(tmp_path: Path) -> None:
    whole = TextTokenizer.load(write_tokenizer(tmp_path)).encode("ab")
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": 3, "eos_token": ["x"]}')
    assert TextTokenizer.load(tmp_path).encode("ab") == whole


def test_a_text_that_is_no_string_is_refused() -> None:
    with pytest.raises(ModelError, match="the text to speak is None, not a string"):
        speakable(None)  # type: ignore[arg-type]


def test_white_space_becomes_single_spaces() -> None:
    assert speakable("  one\n\ttwo  ") == "one two"


def test_wide_characters_take_longer_to_say() -> None:
    assert (spoken_length("ab c"), spoken_length("日本")) == (3, 6)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1999999999.", 5.96), ("2^64 = 18446744073709551616", 11.5), ("50% of $3", 2.2)]
)
def test_digits_and_symbols_have_the_time_of_the_words_that_they_are_read_as(text, seconds):
    assert seconds <= frames_needed(text) / FRAME_RATE <= 2 * seconds
    assert frames_allowed(text) / FRAME_RATE >= 2 * seconds


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (128_256, "no tokenizer.json, and meta-llama/Llama-3.2-1B cannot be had"),
        (777, "has the 777 tokens of its model"),
    ],
)
def test_a_folder_without_a_tokenizer_is_not_given_one_of_another_size(tmp_path, monkeypatch, size, message):
    def absent(name, **_):
        raise ModelError(f"{name} is not here")

    monkeypatch.setattr("voicegen.tts.marvis.tokenizer.find_model", absent)
    with pytest.raises(ModelError, match=message):
        TextTokenizer.load(tmp_path, None, size)
