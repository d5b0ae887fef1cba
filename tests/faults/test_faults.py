"""A fault of some kinds; the long form, `python -m tests.faults`, plants many of each."""

import sys
from random import Random

import pytest

from tests.faults.harness import Bench
from tests.faults.plan import drawn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are told by /proc")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("faults"))


SOME = ("kill after", "kill within", "disk full", "disk error", "read-only", "short writes", "memory", "torn ledger")


@pytest.mark.parametrize("kind", SOME)
def test_after_a_fault_the_same_command_makes_what_an_unbroken_run_makes(bench, kind):
    draw = Random(kind)
    bench.plant(drawn(kind, bench.counts, draw), kind.replace(" ", "-"), draw)
