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
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE} COMP_WORDS=($COMP_LINE) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    hydra_bash_completion
    echo "${COMPREPLY[@]}"
done
"""


def completions(*lines, cwd):
    """What one shell offers for each of the lines."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", *lines],
        cwd=cwd,
        env={**environment(), "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return [sorted(offered.split()) for offered in done.stdout.splitlines()]


def test_the_shell_completes_commands_groups_options_and_keys(tmp_path):
    lines = ("voicegen do", "voicegen run pre", "voicegen run preset=", "voicegen run preset=starter chat.max")
    command, group, options, key, run = completions(*lines, "voicegen verify ou", cwd=tmp_path)
    assert command == ["doctor"]
    assert group == ["preset="]
    assert options == ["preset=fake", "preset=marvis", "preset=starter"]
    assert "chat.max_tokens=" in key
    assert run == []  # of a command that takes no settings: the shell offers files
