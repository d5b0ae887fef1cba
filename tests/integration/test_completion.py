"""Shell completion, asked by a real bash as a user's shell asks it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.product import environment

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

SCRIPT = """
eval "$(voicegen run -sc install=bash)"
COMP_LINE="$1" COMP_POINT=${#1}
COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
hydra_bash_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completions(line, cwd):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", line],
        cwd=cwd,
        env={**environment(), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()


def test_the_shell_completes_commands_groups_options_and_keys(tmp_path):
    assert completions("voicegen do", tmp_path) == ["doctor"]
    assert completions("voicegen run pre", tmp_path) == ["preset="]
    assert sorted(completions("voicegen run preset=", tmp_path)) == ["preset=fake", "preset=marvis", "preset=starter"]
    assert "chat.max_tokens=" in completions("voicegen run preset=starter chat.max", tmp_path)
