"""The runner's own cost, with fake models: rows a second, peak memory, and what a finished run costs to run again.

    python tests/bench/runner_scale.py [--rows 100000]

Memory is measured by the system (the peak resident set of the whole process), printed at the end of each run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.product import command, environment, questions_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = questions_csv(Path(folder) / "q.csv", options.rows)
        words = command("run", "preset=fake", "tts.duration=0.2", f"questions.path={file}")
        for name in ("from nothing", "finished"):
            seconds, peak = timed(words, Path(folder))
            print(
                f"{name:<14} {options.rows} rows: {seconds:.1f} s, "
                f"{options.rows / seconds:.0f} rows/s, peak {peak:.0f} MB"
            )


def timed(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of wall clock, and the peak resident set in MB, of one finished process."""
    began = time.monotonic()
    process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"the run failed with {os.waitstatus_to_exitcode(status)}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return time.monotonic() - began, usage.ru_maxrss / unit


if __name__ == "__main__":
    main()
