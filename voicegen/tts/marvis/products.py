"""Products of rows with a model's matrices, in torch.

On a CPU oneDNN has a matrix ready in an order of its own. That spares what MKL does anew for each product of a few
rows, and more on a processor that is not Intel's, for which MKL's code is slow. Made ready for several rows, it gives a
row the same bits however many there are, as far as was seen; `blocks` tries that out. MKL multiplies one row faster,
and rounds it otherwise. (The operators of oneDNN are those that torch's own compiler calls.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F

_ROWS = 8  # that a matrix is made ready for; more and fewer may come


@dataclass(frozen=True, slots=True)
class Ready:
    """A matrix (out, in) for `product` alone.

    Attributes:
        packed: as oneDNN has it.
        plain: as it was, for one row; None where that goes through `packed` too.
    """

    packed: torch.Tensor
    plain: torch.Tensor | None

    @property
    def shape(self) -> torch.Size:
        """(out, in)."""
        return self.packed.shape


Matrix: TypeAlias = torch.Tensor | Ready


def product(rows: torch.Tensor, matrix: Matrix) -> torch.Tensor:
    """Rows (..., in) times a matrix (out, in): (..., out)."""
    if isinstance(matrix, torch.Tensor):
        return F.linear(rows, matrix)
    if matrix.plain is not None and rows.numel() == rows.shape[-1]:
        return F.linear(rows, matrix.plain)
    return torch.ops.mkldnn._linear_pointwise(rows, matrix.packed, None, "none", [], "")


def onednn_takes(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether matrices are made ready there."""
    if device.type != "cpu" or dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    return all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise"))


def made_ready(matrix: torch.Tensor, *, exact: bool) -> Matrix:
    """The matrix for `product`, where oneDNN takes it; itself elsewhere. `exact` has one row round as many do."""
    if not onednn_takes(matrix.device, matrix.dtype):
        return matrix
    return Ready(torch.ops.mkldnn._reorder_linear_weight(matrix, _ROWS), None if exact else matrix)
