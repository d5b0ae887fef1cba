"""`executor=ray`, on a Ray of this machine."""

import logging
import os
import socket

import pytest

from tests.product import cold_start, manifest_rows, warm_voicegen, wav_hashes
from tests.worker_faults import WORDS, assert_only_the_poison_is_missing, plant_faults, questions, wait_until

ON_RAY = (*WORDS, "executor=ray", "executor.queue_size=1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one process makes."""
    folder = tmp_path_factory.mktemp("whole")
    questions(folder, 8, {1: " kill", 5: " poison"})
    assert warm_voicegen(*WORDS, "name=whole", cwd=folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def ray(whole):
    """Ray, whose processes fail as their questions say; its start is given three tries on a busy machine."""
    plant_faults(whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(whole), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        import ray

        for left in (2, 1, 0):
            try:
                ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, log_to_driver=False)
                break
            except Exception:
                ray.shutdown()
                if not left:
                    raise
    yield ray
    ray.shutdown()


def test_actors_that_die_cost_one_row_alone(ray, whole):
    done = warm_voicegen(*ON_RAY, "name=shared", cwd=whole)
    assert done.returncode == 3, done.stderr
    assert "7 ok, 0 rejected, 1 failed, of 8" in done.stdout
    assert "Traceback" not in done.stderr
    how = "died (Worker unexpectedly exits with a connection error code 2)"
    assert how in done.stderr
    assert_only_the_poison_is_missing(whole / "outputs/shared", whole / "outputs/whole", 5, how)


def test_a_driver_that_is_killed_takes_its_actors_along_and_the_next_one_goes_on(ray, tmp_path):
    questions(tmp_path, 60)
    run = tmp_path / "outputs/r"
    address = f"executor.address={ray.get_runtime_context().gcs_address}"
    driver = cold_start(*ON_RAY, address, "name=r", cwd=tmp_path)
    wait_until(lambda: driver.poll() is not None or list(run.glob("ledger/*worker*")))
    driver.kill()
    driver.communicate()
    done = warm_voicegen(*ON_RAY, "executor.workers=3", "name=r", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Ray has room for 2 of 3 workers now" in done.stderr
    assert "going on after" in done.stderr
    assert warm_voicegen(*WORDS, "name=alone", cwd=tmp_path).returncode == 0
    assert manifest_rows(run) == manifest_rows(tmp_path / "outputs/alone")
    assert wav_hashes(run) == wav_hashes(tmp_path / "outputs/alone")


def test_an_address_without_a_ray_is_told_in_one_line_and_what_ray_logs_is_in_the_log(whole, monkeypatch, capfd):
    import ray

    def refuse(address, **_):
        logging.getLogger("ray._private.anything").warning("Token authentication is enabled")
        os.write(2, b"W 1 rpc_client.h: Failed to connect to GCS\n")
        raise ConnectionError(f"no node at {address}\nand more")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    done = warm_voicegen(*ON_RAY, "executor.address=auto", "name=nowhere", cwd=whole)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "voicegen: executor.address=auto: no Ray can be reached there (no node at auto); start one with "
        "`ray start --head`, or leave the address out"
    )
    seen, log = done.stderr + capfd.readouterr().err, (whole / "outputs/nowhere/logs/run.log").read_text()
    for said in ("Token authentication is enabled", "rpc_client.h: Failed to connect to GCS"):
        assert said not in seen
        assert said in log


@pytest.mark.parametrize("by", ["executor.address", "RAY_ADDRESS"])
def test_a_port_where_nobody_listens_is_told_before_ray_tries(whole, monkeypatch, by):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        words = (f"executor.address={address}",) if by == "executor.address" else ()
        done = warm_voicegen(*ON_RAY, *words, "name=nowhere", cwd=whole)
    assert done.returncode == 2
    assert f"{by}={address}: no Ray can be reached there" in done.stderr.splitlines()[-1]


def test_more_than_this_machine_has_is_refused(ray, whole, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    done = warm_voicegen(*ON_RAY, "executor.cpus=3", "name=nowhere", cwd=whole)
    assert done.returncode == 2
    assert (
        "executor.cpus=3 and executor.gpus=0: this machine has no room for one worker" in done.stderr.splitlines()[-1]
    )


def test_a_missing_ray_is_told_with_the_command_that_installs_it(whole, monkeypatch):
    monkeypatch.setattr("voicegen.executors.ray_actors.find_spec", lambda _name: None)
    done = warm_voicegen(*ON_RAY, "name=nowhere", cwd=whole)
    assert done.returncode == 2
    assert "executor=ray needs the package ray: install it with `uv sync --extra ray`" in done.stderr
