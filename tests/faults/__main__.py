"""Plants many faults, a thousand by default, and prints how each kind ended.

    python -m tests.faults [--faults 1000] [--seed 0] [--jobs 3] [--kinds "power" "kill after"] [--container tar]
        [--add RESULTS.json]

Every one is drawn from the seed. After each, what is on record must be there; then the same command is run again, and
what is there then must be, but for timings, what an unbroken run leaves: the same bytes of audio, the same manifest,
nothing else. A fault that the run was over before does not count as planted. With --add the results are added to those
in a file, so that many can be planted in slices, each with a seed of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from tests.faults.harness import NOT_REACHED
from tests.faults.plan import KINDS
from tests.faults.shares import BROKEN, planted
from tests.faults.small_disk import may_mount
from voicegen.bounds import Shards


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes that plant side by side")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--container", choices=("wav", *get_args(Shards)), default="wav", help="of the audio")
    parser.add_argument("--add", type=Path, help="a file of results")
    options = parser.parse_args()
    kinds = [kind for kind in options.kinds if kind != "small disk" or may_mount()]
    ends = _results(options.add)
    broken = 0
    shares = planted(options.faults, options.seed, kinds, options.jobs, options.container)
    for kind, end, error in tqdm(shares, total=options.faults):
        ends[kind][end] += 1
        if error:
            broken += 1
            print(error, file=sys.stderr, flush=True)
        if options.add is not None:
            options.add.write_text(json.dumps(ends), "utf-8")
    print_table(ends)
    return 1 if broken else 0


def _results(file: Path | None) -> dict[str, Counter[str]]:
    found = json.loads(file.read_text("utf-8")) if file is not None and file.exists() else {}
    return {kind: Counter(found.get(kind, {})) for kind in KINDS}


def print_table(ends: Mapping[str, Counter[str]]) -> None:
    """Prints a line a kind, in Markdown, and one for all."""
    print("| fault | what happens | planted | how that run ended | then not as unbroken |")
    print("| --- | --- | --: | --- | --: |")
    for kind, of_kind in ends.items():
        if not of_kind:
            continue
        ended = ", ".join(f"{count} {end}" for end, count in of_kind.most_common() if end not in (BROKEN, NOT_REACHED))
        planted = of_kind.total() - of_kind[NOT_REACHED]
        print(f"| {kind} | {KINDS[kind].meaning} | {planted} | {ended} | {of_kind[BROKEN]} |")
    total = sum(ends.values(), Counter())
    print(f"| all | | {total.total() - total[NOT_REACHED]} | | {total[BROKEN]} |")


if __name__ == "__main__":
    sys.exit(main())
