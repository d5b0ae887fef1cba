"""The line that every export says it is loaded with, as it is said."""

import json
import pathlib

import datasets
import kaldiio
import lhotse
import pytest
import torchaudio
import webdataset
from torchaudio.datasets import LJSPEECH

from tests.unit.export.runs import finished_run
from voicegen.dataset.splits import Shares
from voicegen.export import hf, lhotse_shar, rows
from voicegen.export import webdataset as shards
from voicegen.export.formats import EXPORTERS
from voicegen.job.exporting import export_run

MODULES = {module.__name__: module for module in (datasets, json, kaldiio, lhotse, pathlib, torchaudio, webdataset)}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch, tmp_path):
    """Two or three rows fill a shard, or a folder of audio files."""
    monkeypatch.setattr(hf, "SHARD_BYTES", 20_000)
    monkeypatch.setattr(hf, "GROUP_ROWS", 2)
    monkeypatch.setattr(lhotse_shar, "SHARD_ROWS", 2)
    monkeypatch.setattr(rows, "FOLDER_ROWS", 2)
    monkeypatch.setattr(shards, "SHARD_BYTES", 60_000)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def run_for(name, tmp_path, statuses, **options):
    """A run that the format holds."""
    spec = EXPORTERS[name]
    return finished_run(tmp_path / "run", statuses, words=spec.words, asked=spec.pairs, **options)


def loaded_rows(summary):
    """How many rows come of the line that a summary says, as it is said."""
    *_, said = summary.lines()
    loaded = eval(said.removeprefix("load").strip(), dict(MODULES))
    if isinstance(loaded, datasets.DatasetDict):
        [loaded] = loaded.values()
    return len(loaded) if isinstance(loaded, LJSPEECH | datasets.Dataset) else len(list(loaded))


@pytest.mark.parametrize("name", EXPORTERS)
def test_what_an_export_says_of_loading_it_loads_all_of_its_shards(tmp_path, name):
    run = run_for(name, tmp_path, ["ok"] * 7)
    summary = export_run(run, name, tmp_path / "out")
    shards = len([*tmp_path.glob("out/**/*.tar"), *tmp_path.glob("out/**/data/*.parquet")])
    folders = len(list(tmp_path.glob("out/train/0*/")))
    assert max(shards, folders) > 2 or name == "ljspeech"
    assert loaded_rows(summary) == 7


@pytest.mark.parametrize("name", EXPORTERS)
def test_it_names_a_split_that_has_rows(tmp_path, name):
    run = run_for(name, tmp_path, ["ok"] * 7, shares=Shares(test=1))
    assert loaded_rows(export_run(run, name, tmp_path / "out")) == 7
