"""A fault of some kinds; the long form, `python -m tests.faults`, plants many of each."""

import sys
from random import Random

import pytest

from tests.faults.harness import Bench
from tests.faults.plan import Fault

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are told by /proc")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("faults"))


SOME = {
    Fault("kill after", "replace", 20): "killed",
    Fault("kill within", "write", 20): "killed",
    Fault("disk full", "write", 20): "one line",
    Fault("disk error", "fsync", 20): "one line",
    Fault("read-only", "replace", 20): "one line",
    Fault("short writes", "write", 20): "well",
    Fault("memory", "encode", 20): "one line",
    Fault("torn ledger", "fsync", 20): "killed",
}


@pytest.mark.parametrize(("fault", "end"), SOME.items(), ids=str)
def test_after_a_fault_the_same_command_makes_what_an_unbroken_run_makes(bench, fault, end):
    assert bench.plant(fault, fault.kind.replace(" ", "-"), Random(0)) == end
