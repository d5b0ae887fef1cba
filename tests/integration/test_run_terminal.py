"""What a run shows on a terminal."""

import sys

import pexpect

from tests.product import environment


def test_models_that_load_are_named_with_a_sign_of_life_that_goes_when_they_are_ready(tmp_path):
    words = ["-m", "voicegen", "run", "preset=fake", "questions.limit=2", f"output_dir={tmp_path / 'run'}"]
    screen = pexpect.spawn(
        sys.executable, words, env=environment(), dimensions=(24, 80), timeout=60, encoding="utf-8"
    )  # fmt: skip
    screen.expect_exact("loading echo and tone")
    screen.expect("0:00:0")
    screen.expect("writing ")
    screen.expect(pexpect.EOF)
    assert "2 ok" in screen.before
