import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegen.tts.joining import CLAUSE_PAUSE, FADE, SENTENCE_PAUSE, Joiner, joined

RATE = 8000
FADED = round(FADE * RATE)


def part(before=0.0, after=0.0, seconds=0.2, level=0.5):
    """A hum with silence around it."""
    hum = np.full(round(seconds * RATE), level)
    return np.concatenate([np.zeros(round(before * RATE)), hum, np.zeros(round(after * RATE))]).astype(np.float32)


def longest_silence(samples):
    loud = np.flatnonzero(np.abs(samples) > 0.005)
    return (np.diff(loud).max() - 1) / RATE


@pytest.mark.parametrize(
    ("after", "before", "text", "pause"),
    [
        (0.0, 0.0, "One.", SENTENCE_PAUSE),
        (0.1, 0.0, "One.", SENTENCE_PAUSE),
        (0.05, 0.06, "One.", SENTENCE_PAUSE),
        (0.2, 0.1, "One.", 0.3),
        (0.0, 0.4, "One.", 0.4),
        (0.0, 0.0, "one,", CLAUSE_PAUSE),
        (0.1, 0.1, "one,", 0.2),
        (0.0, 0.0, "“One!”", SENTENCE_PAUSE),
    ],
)
def test_a_pause_is_the_voice_s_own_and_is_made_up_only_where_that_is_too_short(after, before, text, pause):
    whole = joined([(text, part(after=after)), ("Two.", part(before=before))], RATE)
    assert longest_silence(whole) == pytest.approx(pause, abs=0.001)


def test_room_tone_counts_as_silence_and_stays():
    room = np.random.default_rng(0).normal(0, 0.001, round(0.2 * RATE)).astype(np.float32)
    left = np.concatenate([part(), room])
    whole = joined([("One.", left), ("Two.", part())], RATE)
    assert len(whole) == len(left) + len(part())
    assert np.array_equal(whole[len(part()) : len(left) - FADED], room[:-FADED])


def test_seams_are_faded_and_outer_edges_are_not():
    whole = joined([("One.", part()), ("Two.", part())], RATE)
    assert whole[0] == whole[-1] == 0.5
    steps = np.abs(np.diff(whole))
    assert steps.max() <= 0.5 / (FADED - 1) + 1e-6


def test_a_single_part_stays_as_it_is():
    assert np.array_equal(joined([("One.", part(0.3, 0.4))], RATE), part(0.3, 0.4))


SILENT_OR_NOT = st.sampled_from([0.0, 0.0005, 0.3, -0.6])
PARTS = st.lists(
    st.lists(st.tuples(SILENT_OR_NOT, st.integers(0, 500)), max_size=4).map(
        lambda runs: np.concatenate([np.zeros(0), *(np.full(length, level) for level, length in runs)])
    ),
    min_size=1,
    max_size=4,
)


@given(parts=PARTS, piece=st.integers(1, 300))
def test_streamed_in_any_pieces_the_waveform_is_the_same(parts, piece):
    parts = [("One.", samples.astype(np.float32)) for samples in parts]
    joiner, pieces = Joiner(RATE), []
    for place, (text, samples) in enumerate(parts):
        pieces += [joiner.add(samples[start : start + piece]) for start in range(0, len(samples), piece)]
        pieces.append(joiner.next_part(text) if place < len(parts) - 1 else joiner.end())
    whole = joined(parts, RATE)
    assert np.array_equal(np.concatenate(pieces), whole)
    assert len(whole) >= sum(len(samples) for _, samples in parts)
