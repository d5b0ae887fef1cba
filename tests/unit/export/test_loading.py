"""The line that every export says it is loaded with, as it is said."""

import json

import datasets
import kaldiio
import lhotse
import pytest
import torchaudio
import webdataset

from tests.unit.export.runs import finished_run
from voicegen.export.formats import EXPORTERS
from voicegen.job.exporting import export_run

MODULES = {module.__name__: module for module in (datasets, json, kaldiio, lhotse, torchaudio, webdataset)}


@pytest.mark.parametrize("name", EXPORTERS)
def test_what_an_export_says_of_loading_it_loads_all_of_its_rows(tmp_path, monkeypatch, name):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    run = finished_run(tmp_path / "run")
    *_, said = export_run(run, name, tmp_path / "out").lines()
    loaded = eval(said.removeprefix("load").strip(), dict(MODULES))
    rows = loaded["train"] if isinstance(loaded, datasets.DatasetDict) else loaded
    assert (len(rows) if hasattr(rows, "num_rows") or name == "ljspeech" else len(list(rows))) == 5
