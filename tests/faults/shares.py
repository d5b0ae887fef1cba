"""Many faults, planted by several processes side by side."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.grounds import Bench
from tests.faults.harness import Trial
from tests.faults.invariants import Broken
from tests.faults.plan import chains, drawn

BROKEN: Final = "BROKEN"

Planted = tuple[str, str, str]
"""A fault's kind, how its run ended, and what is wrong; nothing where nothing is."""


def planted(faults: int, seed: int, kinds: Sequence[str], jobs: int, container: str) -> Iterator[Planted]:
    """Plants so many faults, as `plan.chains` has them, each drawn from the seed; yields them as they end.

    The audio of the runs is in files or in shards, as `container` says.
    """
    context = multiprocessing.get_context("spawn")
    numbered = list(enumerate(chains(faults, kinds, seed)))
    ends: list[Connection] = []
    for job in range(min(jobs, faults)):
        ours, its = context.Pipe(duplex=False)
        context.Process(target=_plant, args=(numbered[job::jobs], seed, container, its)).start()
        its.close()
        ends.append(ours)
    while ends:
        for end in wait(ends):
            assert isinstance(end, Connection)
            try:
                yield end.recv()
            except EOFError:
                ends.remove(end)


def _plant(chains: Sequence[tuple[int, Sequence[str]]], seed: int, container: str, tell: Connection) -> None:
    """Plants chains of kinds, by number, one after the other, and tells of each fault."""
    with tempfile.TemporaryDirectory() as folder, Bench(Path(folder), container) as bench:
        for number, kinds in chains:
            for planted in _had(bench, kinds, Random(f"{seed} {number}")):
                tell.send(planted)


def _had(bench: Bench, kinds: Sequence[str], draw: Random) -> list[Planted]:
    told: list[Planted] = []
    with Trial(bench, "broken", draw) as trial:
        try:
            for kind in kinds:
                told.append((kind, BROKEN, ""))
                told[-1] = (kind, trial.have(drawn(kind, bench.ground(kind).counts, draw, trial.earlier)), "")
            trial.finish()
        except Broken as error:
            told[-1] = (told[-1][0], BROKEN, str(error))
    return told
