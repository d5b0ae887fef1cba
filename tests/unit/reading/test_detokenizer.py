from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from tests.chat_tokenizers import chatml_tokenizer, real_harmony
from voicegen.reading.detokenizer import IncrementalDecoder

BYTES = chatml_tokenizer()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=30))
@settings(max_examples=100, deadline=None)
def test_the_pieces_join_to_the_text_for_any_text(text: str) -> None:
    for tokenizer in (BYTES, real_harmony()):
        decoder = IncrementalDecoder(tokenizer)
        tokens = tokenizer.encode(text, add_special_tokens=False)
        assert "".join(decoder.add(token) for token in tokens) + decoder.flush() == tokenizer.decode(tokens)


@given(st.lists(st.integers(0, 255), max_size=24))
@example([94, 94, 94, 94, 94, 94, 156, 94, 94])  # so much garbage, then a character
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_text_come_out_as_the_tokenizer_decodes_them(tokens: list[int]) -> None:
    decoder = IncrementalDecoder(BYTES)
    text = "".join(decoder.add(token) for token in tokens) + decoder.flush()
    assert text.replace("\ufffd", "") == BYTES.decode(tokens).replace("\ufffd", "")


def test_sentence_piece_keeps_the_spaces_between_words() -> None:
    vocab = {"<unk>": 0, "▁Hello": 1, "▁there": 2, "▁you": 3}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.decoder = decoders.Metaspace()
    decoder = IncrementalDecoder(PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    assert [decoder.add(token) for token in (1, 2, 3)] == ["Hello", " there", " you"]


def test_a_character_that_was_cut_is_left_out() -> None:
    decoder = IncrementalDecoder(BYTES)
    tokens = BYTES.encode("Hi 👋", add_special_tokens=False)[:-1]
    assert "".join(decoder.add(token) for token in tokens) + decoder.flush() == "Hi "


def test_a_flush_starts_a_new_text() -> None:
    decoder = IncrementalDecoder(BYTES)
    tokens = BYTES.encode("👋", add_special_tokens=False)
    assert [decoder.add(token) for token in tokens[:2]] == ["", ""]
    assert decoder.flush() == ""
    assert "".join(decoder.add(token) for token in tokens) == "👋"
