import os
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from voicegen.mlx_blas.blas import Candidate, bind, blas_in_use, default_threads, use_fast_blas
from voicegen.mlx_blas.elf import import_slot, library_at, loaded_library

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLX brings a fast BLAS of its own")


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mlx_gets_a_fast_blas_whether_it_is_imported_before_or_after():
    report = "from voicegen.mlx_blas.blas import blas_in_use, use_fast_blas\n"
    before = in_a_new_process(report + "import mlx.core as mx\nprint(blas_in_use().fast, use_fast_blas().fast)")
    after = in_a_new_process(report + "print(use_fast_blas().fast)\nimport mlx.core as mx\nprint(blas_in_use().fast)")
    assert before.split() == ["False", "True"]
    assert after.split() == ["True", "True"]


def test_the_fast_blas_loads_no_python_package_and_leaves_torch_usable():
    code = (
        "import sys\nfrom voicegen.mlx_blas.blas import use_fast_blas\nuse_fast_blas()\n"
        "assert 'torch' not in sys.modules and 'scipy' not in sys.modules\n"
        "import torch\nprint((torch.ones(3, 3) @ torch.ones(3, 3)).sum().item())"
    )
    assert in_a_new_process(code).strip() == "27.0"


def test_products_stay_right_in_every_layout():
    use_fast_blas()
    draw = np.random.default_rng(1)
    a, b = draw.standard_normal((3, 70, 90)).astype(np.float32), draw.standard_normal((90, 50)).astype(np.float32)
    np.testing.assert_allclose(np.array(mx.array(a) @ mx.array(b)), a @ b, atol=1e-4)
    np.testing.assert_allclose(np.array(mx.array(b).T @ mx.array(a[0]).T), b.T @ a[0].T, atol=1e-4)


def test_a_library_that_multiplies_wrong_is_put_aside():
    use_fast_blas()
    slot = import_slot(loaded_library("libblas-", folder="mlx_cpu.libs"), "sgemm_")
    before = slot.value
    assert not bind(Candidate("no product at all", "libm.so.6", "sin", "sgemm_"), 1)
    assert slot.value == before


def test_without_a_fast_library_mlx_goes_on_with_the_slow_one():
    code = (
        "from voicegen.mlx_blas import blas\nblas.candidates = lambda: iter(())\nprint(blas.use_fast_blas())\n"
        "import mlx.core as mx\nprint((mx.ones((2, 2)) @ mx.ones((2, 2))).tolist())"
    )
    out = in_a_new_process(code)
    assert "fast=False" in out
    assert "[[2.0, 2.0], [2.0, 2.0]]" in out


def test_a_library_that_is_not_there_is_passed_over():
    assert not bind(Candidate("none", "/no/such/lib.so", "sgemm_", "sgemm_"), 1)


def test_a_slot_points_into_the_library_that_is_reported():
    use_fast_blas()
    libmlx = loaded_library("libmlx.so")
    slot = import_slot(libmlx, "cblas_sgemm")
    assert slot is not None
    assert isinstance(library_at(slot.value), Path)
    assert import_slot(libmlx, "no_such_symbol") is None
    assert blas_in_use().library


def test_speech_keeps_half_of_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert default_threads() == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert default_threads() == 1
