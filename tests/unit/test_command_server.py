"""A forked command is the process that a cold start is."""

import subprocess
import sys

import pytest

from tests.product import cold_voicegen, manifest_rows, voicegen, wav_hashes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every command starts cold")

ROWS = ("tts.duration=0.2", "questions.limit=3")


@pytest.mark.parametrize("words", [["run", "preset=fak"], ["run", "preset=fake", "--cfg", "job"]])
def test_a_forked_command_says_what_a_cold_one_says(words, tmp_path):
    forked, cold = voicegen(*words, cwd=tmp_path), cold_voicegen(*words, cwd=tmp_path)
    assert (forked.returncode, forked.stdout, forked.stderr) == (cold.returncode, cold.stdout, cold.stderr)


def test_a_forked_run_leaves_what_a_cold_one_leaves(tmp_path):
    assert voicegen("run", "preset=fake", *ROWS, "name=forked", cwd=tmp_path).returncode == 0
    assert cold_voicegen("run", "preset=fake", *ROWS, "name=cold", cwd=tmp_path).returncode == 0
    forked, cold = tmp_path / "outputs" / "forked", tmp_path / "outputs" / "cold"
    assert wav_hashes(forked) == wav_hashes(cold)
    assert manifest_rows(forked) == manifest_rows(cold)


def test_a_forked_command_reads_standard_input(tmp_path):
    done = voicegen("synth", "-", "preset=fake", cwd=tmp_path, stdin="One.\nTwo.\n")
    assert done.returncode == 0, done.stderr
    assert "2 spoken" in done.stdout


def test_a_forked_command_has_its_callers_environment_and_no_earlier_one(tmp_path, monkeypatch):
    (tmp_path / "preset").mkdir()
    preset = "# @package _global_\ndefaults: [fake]\nname: ${oc.env:FOR_THIS_ONE,nothing}\n"
    (tmp_path / "preset" / "mine.yaml").write_text(preset)
    words = ("run", "--config-dir", tmp_path, "preset=mine", *ROWS)
    with monkeypatch.context() as changed:
        changed.setenv("FOR_THIS_ONE", "something")
        assert voicegen(*words, cwd=tmp_path).returncode == 0
    assert voicegen(*words, cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == ["nothing", "something"]


def test_the_next_command_runs_after_one_that_took_too_long(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        voicegen("run", "preset=fake", cwd=tmp_path, timeout=0.01)
    assert voicegen("--version", cwd=tmp_path).returncode == 0
