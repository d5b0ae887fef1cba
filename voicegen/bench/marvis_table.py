"""The table that `voicegen bench tts=marvis` prints: times real time, and shares of what the device can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicegen.tts.marvis.orders import FRAME_RATE

if TYPE_CHECKING:
    from voicegen.tts.marvis.config import MarvisConfig


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table. `speedup` is seconds of audio a second."""

    name: str
    slots: int
    speedup: float
    occupancy: float | None = None
    peak_gib: float | None = None
    note: str = ""
    is_peer: bool = False


@dataclass(frozen=True, slots=True)
class Chip:
    """What the device did in this run: bf16 products in FLOP/s, copies in bytes/s (read and written)."""

    flops: float
    bandwidth: float


def frame_cost(config: MarvisConfig, slots: int, itemsize: float, cached: int) -> tuple[float, float]:
    """Operations of one slot's frame, and the fewest bytes that a frame of all slots reads: weights, and the cache.

    Args:
        config: The model's sizes.
        slots: Takes at a time.
        itemsize: Bytes of a weight, on the average.
        cached: Bytes of a number in the cache, where 64 positions are read.
    """

    def weights(part: Any) -> int:
        attention = part.width * part.head_dim * (2 * part.heads + 2 * part.kv_heads)
        return int(part.layers * (attention + 3 * part.width * part.ffn) + part.width * config.audio_vocab)

    steps = config.codebooks - 1
    backbone = config.backbone
    cache = 2 * backbone.layers * backbone.kv_heads * backbone.head_dim * 64
    numbers = weights(backbone) + steps * weights(config.depth)
    return 2.0 * numbers, float(numbers * itemsize + slots * cache * cached)


def print_table(rows: Sequence[Measured], cost: Callable[[int], tuple[float, float]], chip: Chip | None) -> None:
    """Prints rows with their ratios and, where there is a chip, their shares of what it can do; `cost` is of slots."""
    print(
        f"{'':28}{'slots':>6}{'x real time':>13}{'frames/s':>10}{'occupancy':>11}"
        f"{'arithmetic':>12}{'bandwidth':>11}{'peak GiB':>10}  note"
    )
    for row in rows:
        frames = row.speedup * FRAME_RATE
        shares = ("", "")
        if chip:
            operations, read = cost(row.slots)
            shares = (f"{frames * operations / chip.flops:.1%}", f"{frames / row.slots * read / chip.bandwidth:.1%}")
        occupancy = "" if row.occupancy is None else f"{row.occupancy:.1%}"
        peak = "" if row.peak_gib is None else f"{row.peak_gib:.1f}"
        speed = f"{row.speedup:,.0f}" if row.speedup >= 100 else f"{row.speedup:.3g}"
        print(
            f"{row.name:28}{row.slots:>6}{speed:>13}{frames:>10,.1f}{occupancy:>11}"
            f"{shares[0]:>12}{shares[1]:>11}{peak:>10}  {row.note}"
        )
    for peer in [row for row in rows if row.is_peer]:
        ours = next(row for row in rows if row.name == "codes" and row.slots == peer.slots)
        print(f"codes at {peer.slots} slots are {ours.speedup / peer.speedup:,.1f} times the peer's {peer.name!r}")
