import sys

import pytest

from voicegen.text.shown import shown


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Be \x1b]0;evil\x07\x1b[2Jcalm.\r\n", "Be ]0;evil[2Jcalm.\n"),
        ("\x9b31mred\x9d0;t\x9c", "31mred0;t"),
        ("a\bb\x7fc\0d", "abcd"),
        ("user\u202etxt.exe\u202c \u2066x\u2069", "usertxt.exe x"),
        ("half \ud83d of one", "half \N{REPLACEMENT CHARACTER} of one"),
        ("tab\tline\nΓειά 👩‍🚀 שלום 名", "tab\tline\nΓειά 👩‍🚀 שלום 名"),
    ],
)
def test_nothing_in_a_text_steers_the_terminal_that_shows_it(written, seen):
    assert shown(written) == seen
    assert "".join(map(shown, written)) == seen


def test_every_character_that_steers_is_left_out():
    controls = [chr(code) for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"]
    assert shown("".join(controls)) == ""
    assert shown("".join(map(chr, range(sys.maxunicode + 1)))).encode()
