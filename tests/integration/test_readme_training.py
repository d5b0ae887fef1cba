"""The training loop in the README is run as it stands there, on a run that the product has just made."""

import re

import torch

from tests.product import ROOT, voicegen
from voicegen.dataset.torch_dataset import SpeechBatch


def readme_block(containing):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    [block] = [block for block in blocks if containing in block]
    return block


def test_the_training_loop_of_the_readme_trains_on_a_finished_run(tmp_path, monkeypatch):
    finished = voicegen("run", "preset=fake", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {}
    exec(compile(readme_block("load_manifest"), "README.md", "exec"), names)
    assert len(names["dataset"]) == 24
    assert len(names["loader"]) == 6
    assert isinstance(names["batch"], SpeechBatch)
    assert names["batch"].waveforms.abs().max() > 0
    assert torch.isfinite(names["loss"])
    steps = {int(state["step"]) for state in names["optimizer"].state.values()}
    assert steps == {6}
    assert all(torch.isfinite(parameter).all() for parameter in names["model"].parameters())
