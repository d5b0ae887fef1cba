"""How soon an answer is heard on the starter preset, against whole-answer synthesis in the same run.

python -m tests.bench.bench_first_audio [OVERRIDES ...]
"""

from __future__ import annotations

import sys

from voicegen.bench.first_audio import bench_first_audio
from voicegen.job.composing import compose

if __name__ == "__main__":
    bench_first_audio(compose(sys.argv[1:]))
