"""Products of rows with a model's matrices, in torch.

On a CPU oneDNN has a matrix ready in an order of its own. That spares what MKL does anew for each product of a few
rows, and more on a processor that is not Intel's, for which MKL's code is slow. Made ready for several rows, it gives a
row the same bits however many there are, as far as was seen; `blocks` tries that out. (The operators of oneDNN are
those that torch's own compiler calls.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

_ROWS = 8  # that a matrix is made ready for; more and fewer may come


def product(rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Rows (..., in) times a matrix (out, in), which may be one made ready: (..., out)."""
    if matrix.is_mkldnn:
        return torch.ops.mkldnn._linear_pointwise(rows, matrix, None, "none", [], "")
    return F.linear(rows, matrix)


def onednn_takes(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether matrices are made ready there."""
    if device.type != "cpu" or dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    return all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise"))


def made_ready(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix for `product` alone, where oneDNN takes it; itself elsewhere."""
    if not onednn_takes(matrix.device, matrix.dtype):
        return matrix
    return torch.ops.mkldnn._reorder_linear_weight(matrix, _ROWS)
