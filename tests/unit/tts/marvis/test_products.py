"""Products on a CPU, by oneDNN and MKL."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from voicegen.tts.marvis.model import attention
from voicegen.tts.marvis.products import made_ready, product

ONEDNN = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture
def matrix() -> torch.Tensor:
    return torch.randn(192, 320, generator=torch.Generator().manual_seed(0))


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 320, generator=torch.Generator().manual_seed(1))


@ONEDNN
@pytest.mark.parametrize("shape", [(1,), (2,), (3, 1), (1, 2), (2, 17), (300,)])
def test_a_matrix_made_ready_multiplies_as_it_did(matrix: torch.Tensor, shape: tuple[int, ...]) -> None:
    ready = made_ready(matrix)
    assert ready.is_mkldnn
    torch.testing.assert_close(product(rows(*shape), ready), F.linear(rows(*shape), matrix), atol=2e-5, rtol=1e-5)


def test_a_matrix_that_onednn_does_not_take_stays(matrix: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    half = matrix.bfloat16()
    assert made_ready(half) is half
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert made_ready(matrix) is matrix
    assert torch.equal(product(rows(4), matrix), F.linear(rows(4), matrix))


@pytest.mark.parametrize("tokens", [1, 2])
def test_attention_of_grouped_heads_is_that_of_heads_with_keys_of_their_own(tokens: int) -> None:
    q, k, v = torch.randn(3, tokens, 8, 16), torch.randn(3, 2, 40, 16), torch.randn(3, 2, 40, 16)
    seen = torch.tensor([5, 17, 39])[:, None] + torch.arange(tokens) - tokens + 1
    mask = (torch.arange(40) <= seen[..., None])[:, None]
    each = (part.repeat_interleave(4, dim=1) for part in (k, v))
    expected = F.scaled_dot_product_attention(q.transpose(1, 2), *each, attn_mask=mask).transpose(1, 2)
    torch.testing.assert_close(attention(q, k, v, mask), expected)
