"""The runner's own cost, with fake models: rows a second, peak memory, and what a finished run costs to run again.

    python -m tests.bench.runner_scale [--rows 100000]

Memory is measured by the system (the peak resident set of the whole process), printed at the end of each run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench.verify_scale import cost_of
from tests.product import command, questions_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = questions_csv(Path(folder) / "q.csv", options.rows)
        words = command("run", "preset=fake", "tts.duration=0.2", f"questions.path={file}")
        for name in ("from nothing", "finished"):
            cost = cost_of(words, Path(folder))
            print(
                f"{name:<14} {options.rows} rows: {cost.clock:.1f} s, "
                f"{options.rows / cost.clock:.0f} rows/s, peak {cost.peak:.0f} MB"
            )


if __name__ == "__main__":
    main()
