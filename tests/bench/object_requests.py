"""What a store of objects is asked by a run, by the container of its clips.

    python -m tests.bench.object_requests [--rows 2000] [--clips-a-shard 400]

Runs of the fake preset at an S3 API server on loopback, and then `load_manifest` reads each clip once. Requests are
counted by what they are; those for the run's lease and log, which go by the time that it takes, are left out.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import voicegen
from tests.product import questions_csv
from tests.s3_server import S3Server, s3_server

_CLIP: Final = 9300  # bytes of a tone of 0.2 s with its tags
_BY_TIME: Final = (".lock", "logs")


def requests_of_run(server: S3Server, container: str, rows: int, clips: int) -> tuple[Counter[str], Counter[str]]:
    """Requests of making a run, and of reading its clips one by one."""
    counts: Counter[str] = Counter()

    def count(method: str, path: str) -> None:
        inside = path.removeprefix(f"/bucket/{container}/")
        if not inside.startswith(_BY_TIME):
            is_audio = inside.startswith(("audio", "rejected", "shards"))
            counts[f"{method} {'audio' if is_audio else 'other'}"] += 1

    server.refuse = count
    url = f"s3://bucket/{container}"
    words = (f"audio.container={container}", f"audio.shard_mb={clips * _CLIP / 1e6}", "executor.queue_size=16")
    voicegen.run("preset=fake", "tts.duration=0.2", "questions.path=q.csv", f"output_dir={url}", *words)
    made, counts = counts, Counter()
    for _ in voicegen.load_manifest(url):
        pass
    return made, counts


def main() -> None:
    """Prints the counts, a container a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--clips-a-shard", type=int, default=400)
    options = parser.parse_args()
    logging.disable()
    with TemporaryDirectory() as folder, chdir(folder), s3_server() as server:
        questions_csv(Path("q.csv"), options.rows)
        for container in ("wav", "tar", "parquet"):
            made, read = requests_of_run(server, container, options.rows, options.clips_a_shard)
            told = (f"{what} {count}" for what, count in [*sorted(made.items()), ("then to read", sum(read.values()))])
            print(f"{container:<8} {', '.join(told)}")


if __name__ == "__main__":
    main()
