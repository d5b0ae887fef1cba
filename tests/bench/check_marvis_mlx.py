"""Whether Marvis on MLX's default device gives torch's codes, in float32: voices, refills, alone and in company.

    MLX_ENABLE_TF32=0 python -m tests.bench.check_marvis_mlx

For MLX's GPU backends, where the suite does not run; on a CPU the suite holds the same.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np

from tests.marvis_checkpoints import random_weights, tiny_config, write_checkpoint
from tests.mimi_checkpoints import write_mimi
from tests.unit.tts.marvis.test_mlx import many
from voicegen.tts.marvis import Marvis


def main() -> int:
    """Prints how many takes are equal; 1 where not all are."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, name) for name in ("mimi", "model")]
        for place in places:
            place.mkdir()
        codec = str(write_mimi(places[0], num_quantizers=8, codebook_size=32))
        config = tiny_config()
        model = write_checkpoint(places[1], config=config, weights=random_weights(config), codec_seed=None)
        mlx, torch = (Marvis.load(model, device, "float32", codec=codec, slots=4) for device in ("mlx", "cpu"))
        requests, all_equal = many(), True
        for temperature in (0.0, 0.9):
            ours, theirs = (engine.generate_codes(requests, temperature) for engine in (mlx, torch))
            alone = [mlx.generate_codes([request], temperature)[0] for request in requests[:8]]
            as_torch, in_company = _equal(ours, theirs), _equal(alone, ours[: len(alone)])
            print(
                f"{mx.default_device()}, temperature {temperature}: {as_torch} of {len(ours)} takes are torch's, "
                f"{in_company} of {len(alone)} alone as in company"
            )
            all_equal = all_equal and (as_torch, in_company) == (len(ours), len(alone))
    return 0 if all_equal else 1


def _equal(ones: list[np.ndarray], others: list[np.ndarray]) -> int:
    return sum(map(np.array_equal, ones, others))


if __name__ == "__main__":
    sys.exit(main())
