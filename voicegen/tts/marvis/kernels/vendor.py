"""Products of many rows, where the vendor's library is faster than ours."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from voicegen.tts.marvis.kernels.stream import Stream, dependent_launch, normed, silu_times, tensors_of


@triton.jit
def _gate_kernel(gate_up, out, width, BLOCK: tl.constexpr, DEPENDENT: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    gate = tl.load(gate_up + row * 2 * width + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * width + width + at, mask=inside, other=0.0).to(tl.float32)
    kind = out.dtype.element_ty
    tl.store(out + row * width + at, silu_times(gate, up, kind).to(kind), mask=inside)


class VendorProducts:
    """What `Products` does, in the vendor's products with kernels around them."""

    def __init__(self, rows: int, like: torch.Tensor) -> None:
        """For so many rows at most, with the device and dtype of `like`."""
        self._rows = rows
        self._like = like
        self._scratch: dict[int, torch.Tensor] = {}

    def __call__(
        self,
        x: torch.Tensor | Stream,
        weight: torch.Tensor,
        out: torch.Tensor | Stream,
        *,
        eps: float = 0.0,
        gated: bool = False,
        add: bool = False,
        dependent: bool = False,
    ) -> None:
        """See `Products`. Neither reads nor leaves a stream's squares; gated tensors are contiguous."""
        values, squares = tensors_of(x)
        target, _ = tensors_of(out)
        if squares is not None:
            stream, values = values, self._room(values.shape)
            normed(stream, None, eps, values, dependent=dependent)
        if gated:
            both = self._room((len(values), len(weight)))
            torch.mm(values, weight.t(), out=both)
            _gate(both, target, dependent)
        elif add:
            target.addmm_(values, weight.t())
        else:
            torch.mm(values, weight.t(), out=target)

    def _room(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Scratch (rows, width), one for each width."""
        rows, width = shape
        if width not in self._scratch:
            self._scratch[width] = self._like.new_zeros(self._rows, width)
        return self._scratch[width][:rows]


def _gate(gate_up: torch.Tensor, out: torch.Tensor, dependent: bool) -> None:
    """Writes silu(gate) * up of gate_up (n, 2 F) to out (n, F), both contiguous."""
    rows, width = out.shape
    block = min(triton.next_power_of_2(width), 2048)
    grid = (rows, triton.cdiv(width, block))
    _gate_kernel[grid](gate_up, out, width, BLOCK=block, num_warps=4, **dependent_launch(dependent))
