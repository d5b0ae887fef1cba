"""Triton kernels of the fast path: a frame's matrix products and what lies between them, each in one pass.

Every kernel takes rows of a batch (slots), works in float32 inside, and equals a few lines of plain torch in `model.py`
or `sampler.py`; tests hold them equal. Imported only where Triton is there.

There are three ways to make a product, alike to call: `narrow_product` for a row or two, `Products` up to a few
hundred, `VendorProducts` for more. Each takes the RMSNorm in front of it along. For `Products` that costs next to
nothing: whoever writes a row of the residual stream leaves the sums of its squares beside it (`stream.py`).

`dependent` launches a kernel before the one in front of it has ended (Hopper's programmatic dependent launch). Every
kernel of such a chain waits before it reads what another wrote, and only then lets the next one start; what was written
two kernels ago can be read without waiting.
"""

from __future__ import annotations

from voicegen.tts.marvis.kernels.attention import attention, short_attention
from voicegen.tts.marvis.kernels.codec import latents, remember, ring_attention
from voicegen.tts.marvis.kernels.frame import embed_frame, finish
from voicegen.tts.marvis.kernels.narrow import narrow_product
from voicegen.tts.marvis.kernels.products import Products, Tiles
from voicegen.tts.marvis.kernels.sampling import sample
from voicegen.tts.marvis.kernels.stream import Stream, normed
from voicegen.tts.marvis.kernels.vendor import VendorProducts
from voicegen.tts.marvis.kernels.windows import Window, window_product

__all__ = [
    "Products",
    "Stream",
    "Tiles",
    "VendorProducts",
    "Window",
    "attention",
    "embed_frame",
    "finish",
    "latents",
    "narrow_product",
    "normed",
    "remember",
    "ring_attention",
    "sample",
    "short_attention",
    "window_product",
]
