"""Plants many faults, a thousand by default, and prints how each kind ended.

    python -m tests.faults [--faults 1000] [--seed 0]

Every one is drawn from the seed. After each the same command is run again, and what is there then must be, but for
timings, what an unbroken run leaves: the same bytes of audio, the same manifest, nothing else.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

from tqdm import tqdm

from tests.faults.harness import Bench, Broken
from tests.faults.plan import KINDS, drawn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = Random(options.seed)
    ends: defaultdict[str, Counter[str]] = defaultdict(Counter)
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for number in tqdm(range(options.faults)):
            fault = drawn([*KINDS][number % len(KINDS)], bench.counts, draw)
            try:
                ends[fault.kind][bench.plant(fault, "broken", draw)] += 1
            except Broken as error:
                ends[fault.kind]["BROKEN"] += 1
                broken.append(str(error))
            shutil.rmtree(Path(folder, "broken"), ignore_errors=True)
    print("| fault | what happens | planted | how that run ended | then not as unbroken |")
    print("| --- | --- | --: | --- | --: |")
    for kind, of_kind in ends.items():
        ended = ", ".join(f"{count} {end}" for end, count in of_kind.most_common() if end != "BROKEN")
        print(f"| {kind} | {KINDS[kind].meaning} | {of_kind.total()} | {ended} | {of_kind['BROKEN']} |")
    print(*broken, sep="\n", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
