"""A fast matrix product for MLX on a Linux CPU.

The `mlx-cpu` wheel multiplies with the reference BLAS, some thirty times slower than the processor can. Every machine
that runs voicegen has a fast one already: torch's `libtorch_cpu.so` carries MKL or OpenBLAS. This module points MLX's
single-precision product (`sgemm`) at it, by rewriting the one import slot through which the wheel's libraries call it:

    libmlx.so: cblas_sgemm -> mlx_cpu.libs/libblas: sgemm_ -> [slot] -> the fast library

That works before and after `mlx` is imported, and loads no Python package. (Import slots: the System V ABI's global
offset table, `DT_JMPREL` and `DT_RELA` relocations.)

Loading `libtorch_cpu.so` with RTLD_GLOBAL instead is shorter and as fast, but does nothing once `mlx` is imported, and
gives MLX and pyarrow torch's copies of C++ library code, which may crash where builds differ (as torch warns).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voicegen.cores import usable_cores
from voicegen.files import package_folder
from voicegen.mkl import settle_mkl
from voicegen.mlx_blas.elf import ImportSlot, import_slot, library_at, loaded_library

Interface = Literal["sgemm_", "cblas_sgemm"]


@dataclass(frozen=True, slots=True)
class BlasReport:
    """Which library multiplies matrices for MLX. `fast` is None where MLX does not use a BLAS of ours to choose."""

    library: str
    fast: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A library that may hold a fast product: its file, the symbol in it, and the interface that the symbol has."""

    name: str
    path: str
    symbol: str
    interface: Interface


def use_fast_blas() -> BlasReport:
    """Gives MLX a fast BLAS if it runs on a Linux CPU and has a slow one; otherwise changes nothing.

    Never fails: where no fast library serves, MLX goes on with the slow one, and the report says so.
    """
    report = blas_in_use()
    if report.fast is not False:
        return report
    settle_mkl()
    for candidate in candidates():
        if bind(candidate, default_threads()):
            return blas_in_use()
    return report


def blas_in_use() -> BlasReport:
    """Says what MLX multiplies with, by following the import slots; for `voicegen doctor`."""
    import mlx.core as mx

    if sys.platform != "linux":
        return BlasReport("Accelerate", None, "MLX's own choice on this system")
    if mx.default_device() != mx.Device(mx.cpu):
        return BlasReport("none", None, "MLX runs on the GPU")
    slot = _slot("cblas_sgemm")
    holder = library_at(slot.value) if slot else None
    if holder is not None and _is_reference(holder):
        slot = _slot("sgemm_")
        holder = library_at(slot.value) if slot else holder
    if holder is None:
        return BlasReport("unknown", None, "this build of MLX links its BLAS in another way")
    if _is_reference(holder):
        return BlasReport(holder.name, False, "the reference BLAS: right, but about thirty times slower")
    return BlasReport(holder.name, True)


def default_threads() -> int:
    """Half of the usable cores: the products of a batch are short, and speech runs beside them."""
    return max(1, usable_cores() // 2)


def _slot(interface: Interface) -> ImportSlot | None:
    """Where the wheel's libraries look `interface` up: libmlx for CBLAS, its libblas for the Fortran symbol."""
    libmlx = loaded_library("libmlx.so")
    if libmlx is None:
        return None
    if interface == "cblas_sgemm":
        return import_slot(libmlx, "cblas_sgemm")
    bundled = loaded_library("libblas-", folder="mlx_cpu.libs")
    return import_slot(bundled, "sgemm_") if bundled else None


def _is_reference(library: Path) -> bool:
    return library.parent.name == "mlx_cpu.libs" or library.name in ("libblas.so.3", "libcblas.so.3")


def candidates() -> Iterator[Candidate]:
    """The libraries that may be here, the best first."""
    if torch := package_folder("torch"):
        yield Candidate("torch", str(torch / "lib" / "libtorch_cpu.so"), "sgemm_", "sgemm_")
    if scipy := package_folder("scipy"):
        for file in sorted((scipy.parent / "scipy.libs").glob("libscipy_openblas-*.so")):
            yield Candidate("scipy", str(file), "scipy_cblas_sgemm", "cblas_sgemm")
    for name in ("libopenblas.so.0", "libmkl_rt.so.2", "libblis.so.4"):
        yield Candidate(name, name, "cblas_sgemm", "cblas_sgemm")


def bind(candidate: Candidate, threads: int) -> bool:
    """Points MLX's product at `candidate`; puts the old one back unless the results are right."""
    slot = _slot(candidate.interface)
    function = _load(candidate, threads)
    if slot is None or function is None:
        return False
    before = slot.value
    if not slot.write(function):
        return False
    if _multiplies_right():
        return True
    slot.write(before)
    return False


def _load(candidate: Candidate, threads: int) -> int | None:
    """Loads the library privately and returns the address of its product; libraries stay loaded for good."""
    try:
        library = ctypes.CDLL(candidate.path, mode=os.RTLD_LOCAL | os.RTLD_NOW)
        address = ctypes.cast(getattr(library, candidate.symbol), ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None
    _set_threads(library, threads)
    return address


def _set_threads(library: ctypes.CDLL, threads: int) -> None:
    """Limits the library's own threads, wherever its calls come from. Names: MKL, then OpenBLAS's flavours."""
    for symbol in ("mkl_serv_set_num_threads", "scipy_openblas_set_num_threads", "openblas_set_num_threads"):
        setter: Callable[[int], object] | None = getattr(library, symbol, None)
        if setter is not None:
            setter(threads)
            return


def _multiplies_right() -> bool:
    """Whether MLX's products, plain and with either side transposed, agree with numpy's."""
    import mlx.core as mx
    import numpy as np

    draw = np.random.default_rng()  # other numbers each time: memory may still hold the products of an earlier check
    left, right = draw.standard_normal((5, 33)), draw.standard_normal((33, 17))
    expected = left @ right
    a, b = mx.array(left.astype(np.float32)), mx.array(right.astype(np.float32))
    at, bt = mx.contiguous(a.T), mx.contiguous(b.T)
    with mx.stream(mx.cpu):
        products = (a @ b, a @ bt.T, at.T @ b)
        return all(np.allclose(np.array(product), expected, atol=1e-4) for product in products)
