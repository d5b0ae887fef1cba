"""A fault of some kinds; the long form, `python -m tests.faults`, plants many of each."""

import sys
from random import Random

import pytest

from tests.faults.defects import DEFECTS
from tests.faults.harness import Bench, Broken
from tests.faults.plan import Fault

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are told by /proc")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Bench(tmp_path_factory.mktemp("faults")) as bench:
        yield bench


SOME = {
    Fault("kill within", "write", 20): "killed",
    Fault("power", "replace", 12): "killed",
    Fault("file limit", "write", 20): "one line",
    Fault("short writes", "write", 20): "well",
    Fault("little memory", "speak", 12): "one line",
    Fault("speech hangs", "speak", 12): "killed",
    Fault("server garbage", "request", 12): "well",
    Fault("torn ledger", "fsync", 20): "killed",
    Fault("changed ledger"): "well",
}


@pytest.mark.parametrize(("fault", "end"), SOME.items(), ids=str)
def test_after_a_fault_the_same_command_makes_what_an_unbroken_run_makes(bench, fault, end):
    assert bench.plant(fault, fault.kind.replace(" ", "-"), Random(0)) == end


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
        bench.plant(fault, defect.replace(" ", "-"), Random(0), defect)


def test_every_defect_is_planted():
    assert FOUND.keys() == DEFECTS.keys()
