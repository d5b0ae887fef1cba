"""Kills a run (SIGKILL) at random moments and goes on with it, then compares it with an unbroken run.

    python tests/bench/kill_and_resume.py [--kills 20] [--rows 3000] [-- OVERRIDES ...]

The WAV bytes and the manifest, timings aside, must be the same. The overrides choose the models: by default the fakes;
`-- preset=starter` uses the real ones (give it fewer rows).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.product import manifest_rows, questions_csv, start, voicegen, wav_hashes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*", default=["preset=fake", "tts.duration=0.2"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), options)


def compare(folder: Path, options: argparse.Namespace) -> int:
    words = ["run", f"questions.path={questions_csv(folder / 'q.csv', options.rows)}", *options.overrides]
    began = time.monotonic()
    voicegen(*words, "name=unbroken", cwd=folder, timeout=7200)
    whole = time.monotonic() - began
    print(f"unbroken: {whole:.1f} s")
    draw = random.Random(options.seed)
    kills = 0
    while kills < options.kills:
        process = start(*words, "name=broken", cwd=folder)
        moment = draw.uniform(0.05, whole)
        try:
            process.communicate(timeout=moment)
            print("finished before the kill; starting over")
            voicegen(*words, "name=broken", "overwrite=true", "questions.limit=0", cwd=folder)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            print(f"kill {kills} after {moment:.2f} s")
    last = voicegen(*words, "name=broken", cwd=folder, timeout=7200)
    broken, unbroken = folder / "outputs" / "broken", folder / "outputs" / "unbroken"
    same_audio = wav_hashes(broken) == wav_hashes(unbroken)
    same_manifest = manifest_rows(broken) == manifest_rows(unbroken)
    print(f"exit code {last.returncode}; same WAV bytes: {same_audio}; same manifest: {same_manifest}")
    return 0 if same_audio and same_manifest else 1


if __name__ == "__main__":
    sys.exit(main())
