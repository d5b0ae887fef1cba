"""The steps of a frame as kernels of our own: one description each, which Metal and CUDA both compile.

A launch is what a frame costs on either, and MLX's operators take some twelve for a layer's attention and as many for a
draw. Nothing is changed in place: attention reads what is kept anyway, and writes it down with the new position.
Their texts are in `kernel_texts.py`; what they must equal is `PlainSteps`.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from voicegen.tts.marvis.drawing import CODEBOOK_STRIDE, GOLDEN, Sampling
from voicegen.tts.marvis.frame_runner import BROKEN
from voicegen.tts.marvis.mlx import kernel_texts
from voicegen.tts.marvis.mlx.model import MLXModel, Product, Transformer
from voicegen.tts.marvis.mlx.steps import Kept

THREADS = 256
"""Of a block that has a row."""
EACH = 4
"""Numbers of a row that a thread takes together."""
MOST_THREADS = 1024  # of a block, on either


class KernelSteps:
    """`Steps` as kernels, on the backend that is there."""

    name = "kernels of our own"
    divides = True

    CHUNK = 4  # positions that are read before any is used, so that their loads are under way together

    def __init__(self, model: MLXModel) -> None:
        self._model = model
        self._attention = _made(
            "marvis_attention",
            ["qkv", "undivided", "epsilons", "keys", "values", "places", "waves"],
            ["mixed", "kept_keys", "kept_values"],
            kernel_texts.ATTENTION,
        )
        self._draw = _made(
            "marvis_draw",
            ["logits", "undivided", "epsilons", "row", "books", "counters", "seeds", "temperatures", "tops", "table"],
            ["drawn", "told"],
            kernel_texts.DRAW,
            header=kernel_texts.DIVISOR + kernel_texts.HASH,
        )
        self._gates = _made(
            "marvis_gates",
            ["gate_up", "undivided", "epsilons"],
            ["passed"],
            kernel_texts.GATES,
            header=kernel_texts.DIVISOR,
        )
        self._numbers: dict[tuple[float, mx.Dtype], mx.array] = {}
        self._nothing = mx.zeros(64, model.dtype)
        mx.eval(self._nothing)

    def _number(self, number: float, dtype: mx.Dtype = mx.int32) -> mx.array:
        """A number as an array, since as a constant each would be a kernel of its own.

        MLX keeps an array of one number where the host has it, which a kernel is slow to read, so this is a piece of a
        longer one.
        """
        key = number, dtype
        if key not in self._numbers:
            self._numbers[key] = mx.contiguous(mx.full(64, number, dtype))[:1]
            mx.eval(self._numbers[key])
        return self._numbers[key]

    def _divisor(self, product: Product) -> tuple[list[mx.array], tuple[str, int]]:
        """What a product is to be divided by, as inputs of a kernel and the width of its rows; 0 where by nothing."""
        if product.undivided is None:
            return [self._nothing, self._number(0, mx.float32)], ("NORM", 0)
        return [product.undivided, self._number(product.epsilon, mx.float32)], ("NORM", product.undivided.shape[1])

    @staticmethod
    def can(model: MLXModel) -> bool:
        """Whether the model's heads fit the kernels."""
        return all(
            part.head_dim % 2 == 0 and part.heads // part.kv_heads * 32 <= MOST_THREADS
            for part in (model.config.backbone, model.config.depth)
        )

    def nothing(self, _part: Transformer, _slots: int, _rows: int) -> Kept:
        """What is never read."""
        return self._nothing, self._nothing

    def gated(self, gate_up: Product) -> mx.array:
        """See `Steps`."""
        rows, inner = len(gate_up.numbers), gate_up.numbers.shape[1] // 2
        blocks = -(-inner // (THREADS * EACH))
        divisor, norm = self._divisor(gate_up)
        (passed,) = self._gates(
            inputs=[gate_up.numbers, *divisor],
            template=[
                ("T", gate_up.numbers.dtype),
                norm,
                ("BLOCKS", blocks),
                ("INNER", inner),
                ("THREADS", THREADS),
                ("EACH", EACH),
            ],
            grid=(rows * blocks * THREADS, 1, 1),
            threadgroup=(THREADS, 1, 1),
            output_shapes=[(rows, inner)],
            output_dtypes=[gate_up.numbers.dtype],
        )
        return passed

    def attended(
        self, part: Transformer, qkv: Product, kept: Kept, place: mx.array | int, rows: int, tokens: int = 1
    ) -> tuple[mx.array, Kept]:
        """See `Steps`."""
        sizes, slots, dtype = part.sizes, len(qkv.numbers) // tokens, qkv.numbers.dtype
        group = sizes.heads // sizes.kv_heads
        shape = (slots, sizes.kv_heads, rows, sizes.head_dim)
        threads = group * 32
        divisor, norm = self._divisor(qkv)
        mixed, keys, values = self._attention(
            inputs=[
                qkv.numbers,
                *divisor,
                *kept,
                self._number(place) if isinstance(place, int) else place,
                part.waves,
            ],
            template=[
                ("T", dtype),
                norm,
                ("EACH", not isinstance(place, int)),
                ("TOKENS", tokens),
                ("KV", sizes.kv_heads),
                ("GROUP", group),
                ("DIM", sizes.head_dim),
                ("PAIRS", -(-sizes.head_dim // 64)),
                ("ROWS", rows),
                ("CHUNK", self.CHUNK),
            ],
            grid=(slots * sizes.kv_heads * threads, 1, 1),
            threadgroup=(threads, 1, 1),
            output_shapes=[(slots * tokens, sizes.heads * sizes.head_dim), shape, shape],
            output_dtypes=[dtype] * 3,
        )
        return mixed, (keys, values)

    def drawn(
        self,
        logits: Product,
        row: mx.array,
        codebook: int,
        counters: mx.array,
        seeds: mx.array,
        sampling: Sampling,
    ) -> tuple[mx.array, mx.array]:
        """See `Steps`."""
        table, vocab, slots = self._model.depth_table(codebook), self._model.config.audio_vocab, len(logits.numbers)
        numbers = self._number(sampling.temperature, mx.float32), self._number(sampling.top_k)
        divisor, norm = self._divisor(logits)
        drawn, told = self._draw(
            inputs=[logits.numbers, *divisor, row, self._number(codebook), counters, seeds, *numbers, table],
            template=[
                ("T", table.dtype),
                norm,
                ("VOCAB", vocab),
                ("STRIDE", logits.numbers.shape[1]),
                ("EACH_THREAD", -(-vocab // THREADS)),
                ("EACH", EACH),
                ("THREADS", THREADS),
                ("COLUMNS", row.shape[1]),
                ("WIDTH", table.shape[1]),
                ("BROKEN", BROKEN),
                ("CODEBOOK_STRIDE", CODEBOOK_STRIDE),
            ],
            grid=(slots * THREADS, 1, 1),
            threadgroup=(THREADS, 1, 1),
            output_shapes=[row.shape, (slots, table.shape[1])],
            output_dtypes=[mx.int32, table.dtype],
        )
        return drawn, told


def _made(name: str, inputs: list[str], outputs: list[str], body: str, header: str = "") -> Any:
    metal = mx.metal.is_available()
    make, language, place = (
        (mx.fast.metal_kernel, kernel_texts.METAL, kernel_texts.METAL_PLACE)
        if metal
        else (mx.fast.cuda_kernel, kernel_texts.CUDA, kernel_texts.CUDA_PLACE)
    )
    golden = f"#define GOLDEN {GOLDEN}u\n"
    return make(
        name=name,
        input_names=inputs,
        output_names=outputs,
        header=language + golden + header,
        source=place + body,
    )
