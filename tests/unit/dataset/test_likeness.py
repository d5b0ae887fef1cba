import random
import tracemalloc

import pytest

from voicegen.dataset.likeness import Likeness, plain


def found(texts, places=None):
    likeness = Likeness()
    likeness.add(range(len(texts)) if places is None else places, texts)
    return {
        (later, earlier): float(similarity)
        for pairs in likeness.pairs()
        for later, earlier, similarity in zip(pairs.later, pairs.earlier, pairs.similarity, strict=True)
    }


def trigrams(text):
    padded = f"  {plain(text)} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def jaccard(one, other):
    one, other = trigrams(one), trigrams(other)
    return len(one & other) / len(one | other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Why is the sky blue?", "why is  the sky blue"),
        ("“Why”, is the sky blue?!", "Why is the sky blue."),
        ("What's new?", "Whats new"),
        ("ＷＨＡＴ　ＩＳ　ＩＴ？", "what is it"),
        ("天空为什么是蓝色的？", "天空为什么是蓝色的"),
    ],
)
def test_texts_that_differ_in_case_spacing_and_punctuation_are_the_same(one, other):
    assert found([one, other]) == {(1, 0): 1.0}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is C?", "What is C#?"),
        ("What is 3.5?", "What is 35?"),
        ("What is 3-4?", "What is 3+4?"),
        ("?", "!"),
        ("What is the capital of France?", "What is the capital of Spain?"),
    ],
)
def test_texts_that_ask_something_else_are_not_like(one, other):
    assert found([one, other]) == {}


def test_a_slip_of_the_pen_in_a_sentence_is_nearly_the_same():
    texts = ["What happens to you if you eat watermelon seeds?", "What happens to you if you eat watermellon seeds?"]
    [((later, earlier), similarity)] = found(texts).items()
    assert (later, earlier) == (1, 0)
    assert similarity == pytest.approx(jaccard(*texts), abs=0.08)


def test_the_earlier_place_is_told_whatever_came_first():
    assert found(["Why?", "Who?", "why"], places=[7, 3, 2]) == {(7, 2): 1.0}


def test_among_many_texts_nearly_all_near_ones_are_found_and_none_that_are_not():
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(2000)]
    texts = [" ".join(draw.choices(words, k=draw.randint(6, 14))) for _ in range(3000)]
    changed = []
    for text in texts[:1000]:
        parts = text.split()
        at = draw.randrange(len(parts))
        parts[at] += draw.choice("sxz")
        changed.append(" ".join(parts))
    pairs = found([*texts, *changed])
    planted = {(3000 + at, at): jaccard(text, texts[at]) for at, text in enumerate(changed)}
    near = [pair for pair, similarity in planted.items() if similarity >= 0.85]
    assert len(near) > 500
    assert sum(pair in pairs for pair in near) > 0.99 * len(near)
    together = [*texts, *changed]
    assert all(jaccard(together[later], together[earlier]) > 0.65 for later, earlier in pairs)


def test_a_very_long_text_and_an_empty_one_can_be_compared():
    long = "word " * 20_000
    assert found(["", long, long.upper(), ""]) == {(2, 1): 1.0, (3, 0): 1.0}


def test_texts_longer_than_a_row_may_be_are_the_same_only_letter_by_letter():
    longest = "word " * 200_000
    assert found([longest, longest, longest.upper()]) == {(1, 0): 1.0}


def test_many_texts_take_a_few_bytes_each():
    likeness = Likeness()
    block = 1000
    texts = [f"{number:x} is what number of {number * 7919:x}" for number in range(block)]
    likeness.add(range(block), texts)
    tracemalloc.start()
    for start in range(block, 11 * block, block):
        likeness.add(range(start, start + block), texts)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 10 * block * 40
