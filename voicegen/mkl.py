"""The branch of MKL, by which torch and MLX multiply on an x86-64 CPU.

Left alone, MKL chooses its code by the processor and by each product, so that bits differ from one call to the next
where the choice does. One branch for the whole process ends that (Intel's "conditional numerical reproducibility"). On
Intel's processors it costs nothing. On AMD's MKL can mostly be fixed at its slowest branch alone, by which a product of
32 rows takes three times as long: there only who needs equal bits asks for one. Within a branch a row's bits still hang
on how many rows a product has: Marvis computes its rows in blocks that round alike, and answers are drawn so that
rounding next to never changes one. AVX2 needs MKL's strict mode even for blocks of one size (a test of Marvis on one
thread fails without it); on AVX-512 that mode, `MKL_CBWR=AVX512,STRICT`, gives the rows of every product the same bits,
and makes a product of one row slower. torch's `libtorch_cpu.so` exports the function.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from voicegen.files import package_folder

BRANCHES = {3: "COMPATIBLE", 4: "SSE2", 6: "SSSE3", 7: "SSE4_1", 8: "SSE4_2", 9: "AVX", 10: "AVX2", 12: "AVX512"}
"""MKL's numbers of its branches (mkl_types.h)."""

AVX512, AVX2, COMPATIBLE = 12, 10, 3
_UNSET = (1, 2)  # off, auto
_BRANCH_ONLY = 1
_STRICT = 0x10000


def settle_mkl(*, even_if_slower: bool = False) -> str | None:
    """Fixes MKL's branch, once and before the first product; a branch that the user set (`MKL_CBWR`) stays.

    Args:
        even_if_slower: where the processor is not Intel's, too.

    Returns:
        The branch's name, or None where torch has no MKL, MKL is left alone, or it refused every branch.
    """
    library = _torch_library()
    if library is None or not hasattr(library, "mkl_serv_cbwr_set"):
        return None
    if library.mkl_serv_cbwr_get(_BRANCH_ONLY) in _UNSET:
        slower = (AVX2 | _STRICT, COMPATIBLE) if even_if_slower else ()
        wanted = (AVX512, AVX2 | _STRICT, COMPATIBLE) if _is_intel() else slower
        any(library.mkl_serv_cbwr_set(branch) == 0 for branch in wanted)
    branch = library.mkl_serv_cbwr_get(_BRANCH_ONLY) & ~_STRICT
    return None if branch in _UNSET else BRANCHES.get(branch, str(branch))


def _torch_library() -> ctypes.CDLL | None:
    torch = package_folder("torch")
    if torch is None:
        return None
    try:
        return ctypes.CDLL(str(torch / "lib" / "libtorch_cpu.so"), mode=os.RTLD_NOW)
    except OSError:
        return None


def _is_intel() -> bool:
    """AVX-512 is asked for on Intel's processors alone: on others AVX2 is the branch whose bits were seen to hold."""
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
