"""docs/scale.md: its commands and its manifest can be used, and shards that a launcher starts become the whole run."""

import re
import shlex

import yaml

from tests.product import ROOT, manifest_rows, questions_csv, warm_voicegen, wav_hashes
from voicegen.config import RayExecutorConfig
from voicegen.job.composing import compose
from voicegen.job.overrides import as_typed

PAGE = (ROOT / "docs/scale.md").read_text("utf-8")


def settings_in(command):
    """Of `voicegen run` in a command, as a job has them; those of its launcher and of its shards are left out."""
    words = shlex.split(command.partition("voicegen run")[2])
    ours = [word for word in words if "=" in word and not word.startswith(("hydra", "shard.index"))]
    return compose([as_typed(word) for word in ours])


def test_each_command_of_the_page_composes():
    commands = re.findall(r"^    (.*voicegen run .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    kinds = [settings_in(command).executor.kind for command in commands]
    assert kinds == ["local", "ray", "ray", "local"]


def test_the_manifest_of_a_ray_job_has_room_for_the_workers_that_it_asks_for():
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    job = yaml.safe_load(block)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    executor = settings_in(job["spec"]["entrypoint"]).executor
    assert isinstance(executor, RayExecutorConfig)
    cluster = job["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    (worker,) = group["template"]["spec"]["containers"]
    limits = worker["resources"]["limits"]
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert executor.workers * executor.gpus <= group["replicas"] * int(limits["nvidia.com/gpu"])
    assert executor.workers * executor.cpus <= group["replicas"] * int(limits["cpu"])
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for pod in (cluster["headGroupSpec"]["template"]["spec"], group["template"]["spec"]):
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_shards_that_a_launcher_starts_are_merged_to_the_whole_run(tmp_path):
    questions_csv(tmp_path / "q.csv", 7)
    words = ("run", "preset=fake", "tts.duration=0.05", "questions.path=q.csv")
    elsewhere = ("--multirun", "hydra/launcher=submitit_local", "shard.count=2", "shard.index=range(2)", "name=parts")
    done = warm_voicegen(*words, *elsewhere, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    parts = sorted((tmp_path / "outputs/parts").iterdir())
    assert [part.name for part in parts] == ["shard.index=0", "shard.index=1"]
    assert warm_voicegen("merge", *parts, "--to", "outputs/merged", cwd=tmp_path).returncode == 0
    assert warm_voicegen(*words, "name=whole", cwd=tmp_path).returncode == 0
    assert manifest_rows(tmp_path / "outputs/merged") == manifest_rows(tmp_path / "outputs/whole")
    assert wav_hashes(tmp_path / "outputs/merged") == wav_hashes(tmp_path / "outputs/whole")


def test_settings_that_cannot_be_are_told_before_any_job_is_queued(tmp_path):
    words = ("run", "--multirun", "hydra/launcher=submitit_local", "preset=fake", "shard.count=2", "shard.index=0,2")
    done = warm_voicegen(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "index=2 of count=2" in done.stderr
    assert not (tmp_path / "outputs/.hydra/.submitit").exists()


def test_a_launcher_that_is_not_installed_is_told_with_the_command_that_installs_it(tmp_path):
    done = warm_voicegen("run", "--multirun", "hydra/launcher=absent", "preset=fake", "seed=1,2", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no launcher absent: hydra/launcher=submitit_slurm and" in done.stderr
    assert "`uv sync --extra slurm`" in done.stderr
