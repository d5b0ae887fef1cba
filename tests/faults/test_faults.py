"""A fault of some kinds; the long form, `python -m tests.faults`, plants many of each."""

import sys
from random import Random

import pytest

from tests.faults.defects import DEFECTS
from tests.faults.grounds import Bench
from tests.faults.harness import Trial
from tests.faults.invariants import Broken
from tests.faults.plan import Fault

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are told by /proc")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Bench(tmp_path_factory.mktemp("faults")) as bench:
        yield bench


def had(bench, *faults, defect=None):
    """How one run ended with each of several faults, and was finished after them."""
    with Trial(bench, "broken", Random(0)) as trial:
        ends = [trial.have(fault, defect) for fault in faults]
        trial.finish()
        return ends


SOME = [
    {
        Fault("power", "replace", 4): "killed",
        Fault("file limit", "write", 6): "one line",
        Fault("little memory", "speak", 3): "one line",
        Fault("kill within", "write", 4): "killed",
        Fault("speech hangs", "speak", 3): "killed",
        Fault("short writes", "write", 4): "well",
    },
    {Fault("torn ledger", "fsync", 20): "killed"},
    {Fault("changed ledger"): "well"},
    {Fault("server garbage", "request", 12): "well"},
    {
        Fault("store denies", "request to write", 6): "one line",
        Fault("store kill after", "request to write", 6): "killed",
        Fault("store answer lost", "request to write", 1): "well",
    },
    {
        Fault("worker killed", "its report", 12): "well",
        Fault("worker disk full", "its audio", 3): "one line",  # the last: the other worker goes on for a while
    },
]


@pytest.mark.parametrize("faults", SOME, ids=lambda faults: next(iter(faults)).kind)
def test_after_faults_the_same_command_makes_what_an_unbroken_run_makes(bench, faults):
    assert had(bench, *faults) == [*faults.values()]


def test_after_faults_a_packed_run_is_whole_too(tmp_path):
    faults = {  # the last is an early one: little is left by then
        Fault("power", "replace", 9): "killed",
        Fault("kill before", "replace", 4): "killed",
        Fault("torn audio", "fsync", 6): "killed",
    }
    with Bench(tmp_path, "tar") as bench:
        assert had(bench, *faults) == [*faults.values()]
        assert had(bench, Fault("changed audio")) == ["well"]


FOUND = {
    "ledger first": (Fault("kill before", "replace", 12), "is on record, and its audio is not there"),
    "never synced": (Fault("power", "replace", 20), "on record"),
    "folders not synced": (Fault("power", "replace", 20), "on record"),
    "line twice": (Fault("clock", "write", 12), "is on record twice"),
    "row twice": (Fault("clock", "write", 12), "the manifest names other audio than is there"),
}


@pytest.mark.parametrize("defect", FOUND)
def test_a_run_with_a_defect_is_told(bench, defect):
    fault, said = FOUND[defect]
    with pytest.raises(Broken, match=said):
        had(bench, fault, defect=defect)


def test_every_defect_is_planted():
    assert FOUND.keys() == DEFECTS.keys()
