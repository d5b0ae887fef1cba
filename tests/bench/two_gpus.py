"""Text to WAVs on the GPUs of one machine: several `executor.workers` against one, a checkpoint of Marvis's true sizes.

    python -m tests.bench.two_gpus [--rows 4000] [--workers 2]

Weights are random, so every take is as long as its text allows, 12 s, and none is ok; what is written, measured and
timed is the same. Rates are those of the middle of a run, from a quarter of its files to three quarters: loading,
compiling and capturing kernels come once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile
import torch
from transformers import MimiConfig, MimiModel

from tests.marvis_checkpoints import random_weights, tiny_config, write_checkpoint
from tests.product import ROOT

TEXT = "The harbour of the town was full of ships."  # 5 characters a second at the slowest, and 3 s


def main() -> None:
    """Prints a line for each number of workers, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_checkpoint_of_true_sizes(folder / "model")
        lines = ["question", *(f"{TEXT[:-1]} {row}." for row in range(options.rows))]
        (folder / "q.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        one = _rate(folder, 1)
        several = _rate(folder, options.workers)
        print(f"{options.workers} workers give {several / one:.2f} times one")


def write_checkpoint_of_true_sizes(folder: Path) -> None:
    """Marvis 100M v0.2's sizes, but for the text's vocabulary, and Mimi's."""
    sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 8, "num_key_value_heads": 2}
    sizes["head_dim"] = 128
    config = tiny_config(codebooks=32, audio_vocab=2051, context=2048, num_hidden_layers=8, **sizes)
    config["depth_decoder_config"] |= {**sizes, "num_hidden_layers": 4, "backbone_hidden_size": 1024}
    weights = random_weights(config)
    write_checkpoint(folder, config=config, weights=weights, dtype=torch.bfloat16, codec_seed=None)
    torch.manual_seed(0)
    MimiModel(MimiConfig(num_quantizers=32)).save_pretrained(folder / "mimi")


def _rate(folder: Path, workers: int) -> float:
    """Seconds of audio a second with so many workers, a GPU each."""
    words = ["chat=echo", "tts=marvis", f"tts.model={folder / 'model'}", "tts.device=cuda", "tts.top_k=50"]
    words += ["quality=off", f"questions.path={folder / 'q.csv'}", f"executor.workers={workers}", f"name=by_{workers}"]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "voicegen", "run", *words]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    files = sorted((folder / "outputs" / f"by_{workers}").rglob("*.wav"), key=lambda file: file.stat().st_mtime_ns)
    if len(files) < 16:
        raise SystemExit(f"{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}\nthe run wrote {len(files)} files")
    middle = files[len(files) // 4 : 3 * len(files) // 4]
    seconds = (middle[-1].stat().st_mtime_ns - middle[0].stat().st_mtime_ns) / 1e9
    audio = sum(soundfile.info(file).duration for file in middle[1:])
    print(f"{workers} workers: {len(files)} files, {audio / seconds:.0f} times real time in the middle", flush=True)
    return audio / seconds


if __name__ == "__main__":
    main()
