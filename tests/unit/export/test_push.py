"""`voicegen push`, against a stand-in for the hub on loopback."""

import hashlib

import pytest
from huggingface_hub import HfApi, constants

from tests.hub_server import Repository, hub_server
from tests.unit.export.runs import finished_run
from voicegen.cli import main
from voicegen.errors import ConfigError, OutputError
from voicegen.export.choice import Selection
from voicegen.export.hub import Place, hub_place
from voicegen.job.exporting import export_run
from voicegen.job.pushing import push_run

TO = "hf://datasets/ann/talks"


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub():
    with hub_server() as server:
        yield server


def push(hub, run, token="hf_test", **options):
    return push_run(run, TO, api=HfApi(hub.endpoint, token=token), **options)


def shards(folder):
    found = (folder / "data").iterdir()
    return {f"data/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_a_run_is_pushed_as_export_writes_it_to_a_private_dataset(hub, tmp_path):
    run = finished_run(tmp_path / "run")
    summary = push(hub, run)
    export_run(run, "hf", tmp_path / "out")
    repository = hub.repositories["ann/talks"]
    assert repository.private
    assert repository.large == shards(tmp_path / "out")
    assert summary.url.startswith(hub.endpoint)
    assert 'datasets.load_dataset("ann/talks")' in "\n".join(summary.lines())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run", "run.csv"]


def test_what_is_pushed_again_takes_the_place_of_what_was_there(hub, tmp_path, monkeypatch):
    from voicegen.export import hf

    run = finished_run(tmp_path / "run", ["ok"] * 9)
    with monkeypatch.context() as small:
        small.setattr(hf, "SHARD_BYTES", 60_000)
        small.setattr(hf, "GROUP_ROWS", 2)
        push(hub, run)
    repository = hub.repositories["ann/talks"]
    assert len(repository.large) > 1
    push(hub, run, selection=Selection(where="voice = 'ann'"))
    assert list(repository.large) == ["data/train-00000-of-00001.parquet"]


def test_an_upload_that_was_interrupted_goes_on_with_the_same_command(hub, tmp_path):
    run = finished_run(tmp_path / "run")
    hub.failing.add("/commit/")
    with pytest.raises(OutputError, match="the stand-in refuses; give a token that may write"):
        push(hub, run)
    assert not hub.repositories["ann/talks"].large
    hub.failing.clear()
    push(hub, run)
    assert len(hub.repositories["ann/talks"].commits) == 1
    hub.asked.clear()
    push(hub, run)
    assert len(hub.repositories["ann/talks"].commits) == 1, "nothing has changed, so nothing is committed"


def test_what_a_killed_push_left_beside_the_run_is_no_hindrance_to_the_next(hub, tmp_path):
    run = finished_run(tmp_path / "run")
    (tmp_path / ".run.push/data").mkdir(parents=True)
    (tmp_path / ".run.push/data/train-00000-of-00001.parquet").write_bytes(b"half")
    push(hub, run)
    assert len(hub.repositories["ann/talks"].large) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.csv"]


def test_a_card_that_is_there_stays(hub, tmp_path):
    repository = hub.repositories["ann/talks"] = Repository(private=True, small={"README.md": b"# Mine"})
    summary = push(hub, finished_run(tmp_path / "run"))
    assert repository.small["README.md"] == b"# Mine"
    assert "left as it is" in "\n".join(summary.lines())


def test_nothing_is_pushed_to_a_public_dataset_unless_that_is_asked_for(hub, tmp_path):
    hub.repositories["ann/talks"] = Repository(private=False)
    run = finished_run(tmp_path / "run")
    with pytest.raises(OutputError, match="is public: give --public"):
        push(hub, run)
    assert not hub.repositories["ann/talks"].names
    push(hub, run, public=True)
    assert hub.repositories["ann/talks"].large


def test_data_that_voicegen_did_not_push_is_left_alone(hub, tmp_path):
    theirs = hub.repositories["ann/talks"] = Repository(private=True, large={"data/train.parquet": "1" * 64})
    with pytest.raises(OutputError, match="holds data that voicegen did not push"):
        push(hub, finished_run(tmp_path / "run"))
    assert theirs.names == ["data/train.parquet"]


def test_a_token_that_is_wrong_is_answered_with_how_to_give_one(hub, tmp_path):
    with pytest.raises(OutputError, match="hf auth login") as refused:
        push(hub, finished_run(tmp_path / "run"), token="hf_wrong")
    assert "\n" not in str(refused.value)


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path):
    run = finished_run(tmp_path / "run")
    with pytest.raises(OutputError, match=r"cannot be reached.*the same command again") as refused:
        push_run(run, TO, api=HfApi("http://127.0.0.1:9", token="hf_test"))
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.csv"]


def test_where_the_hub_is_switched_off_the_error_says_by_what(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OutputError, match="HF_HUB_OFFLINE is set: unset it"):
        push(hub, finished_run(tmp_path / "run"))


def test_an_address_names_a_dataset_and_a_branch():
    assert hub_place("hf://datasets/ann/talks@dev") == Place("ann/talks", "dev")
    for wrong in ("hf://ann/talks", "hf://datasets/ann/talks/data", "s3://ann/talks", "talks", "hf://datasets/talks"):
        with pytest.raises(ConfigError, match="write hf://datasets/OWNER/NAME"):
            hub_place(wrong)


def test_the_command_needs_a_run_and_an_address(tmp_path, capsys):
    run = str(finished_run(tmp_path / "run"))
    for words, said in (
        ([run], "say where to push"),
        (["--to", TO], "one run"),
        ([run, "--to", "talks"], "--to talks"),
    ):
        assert main(["push", *words]) == 2
        assert said in capsys.readouterr().err
