from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from voicegen.cli import COMMANDS

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflows_run_commands_that_there_are_and_print_what_there_is(file: Path) -> None:
    steps = [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "run" in step]
    commands = re.findall(r"voicegen (\w+)", "\n".join(runs))
    assert commands
    assert set(commands) <= set(COMMANDS)
    for heading, path in re.findall(r"/\^(## [^/]+)/,\$p' (\S+)", "\n".join(runs)):
        assert f"\n{heading}\n" in (file.parents[2] / path).read_text()
