import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.marvis_checkpoints import write_checkpoint
from voicegen.mkl import _is_intel, _torch_library

NEEDS_MKL = pytest.mark.skipif(not hasattr(_torch_library(), "mkl_serv_cbwr_set"), reason="this torch has no MKL")
"""Told without settling it, which would slow every product of the tests' process on a processor not Intel's."""

_BRANCH = "from voicegen.mkl import settle_mkl; print(settle_mkl(even_if_slower=True))"
_OWN = "from voicegen.mkl import BRANCHES, _torch_library; print(BRANCHES.get(_torch_library().mkl_serv_cbwr_get(1)))"
"""What MKL itself takes: none where it has nothing but COMPATIBLE for the processor, as for some of AMD's with AVX2."""

_OF_A_PROCESSOR = """
from voicegen import mkl

mkl._is_intel = lambda: {intel}
print(mkl.settle_mkl(), mkl.settle_mkl(even_if_slower=True))
"""

_MLX = """
from voicegen import mkl

mkl._is_intel = lambda: False
from voicegen.mlx_blas.blas import use_fast_blas

use_fast_blas()
print(mkl.BRANCHES.get(mkl._torch_library().mkl_serv_cbwr_get(1)))
"""

_BY_MKL_ALONE = """
import sys

import pytest
import torch

torch.backends.mkldnn.is_available = lambda: False
sys.exit(pytest.main(sys.argv[1:]))
"""

_MODEL = """
import torch

from voicegen.mkl import BRANCHES, _torch_library
from voicegen.tts.marvis import Marvis

torch.backends.mkldnn.is_available = lambda: {onednn}
Marvis.load({folder!r}, device="cpu", codec="none")
print(BRANCHES.get(_torch_library().mkl_serv_cbwr_get(1)))
"""


def _said(program: str = _BRANCH, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MKL_")}
    done = subprocess.run([sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@NEEDS_MKL
def test_a_fresh_process_gets_one_branch_on_any_processor() -> None:
    assert _said() in ("AVX512", "AVX2", "COMPATIBLE")


@NEEDS_MKL
def test_it_is_left_alone_where_that_is_faster_and_nobody_needs_equal_bits() -> None:
    alone, asked = _said(_OF_A_PROCESSOR.format(intel=False)).split()
    assert alone == "None"
    assert asked in ("AVX2", "COMPATIBLE")
    alone, asked = _said(_OF_A_PROCESSOR.format(intel=True)).split()
    assert alone == asked != "None"


@NEEDS_MKL
def test_mlx_multiplies_by_it_as_it_is_on_other_processors_than_intels() -> None:
    assert _said(_MLX) == "None"


@NEEDS_MKL
@pytest.mark.parametrize("onednn", [True, False])
def test_marvis_settles_it_where_nothing_was_computed_before(tmp_path: Path, onednn: bool) -> None:
    folder = write_checkpoint(tmp_path, codec_seed=None)
    needed = _said() if not onednn or _is_intel() else "None"
    assert _said(_MODEL.format(folder=str(folder), onednn=onednn)) == needed


@NEEDS_MKL
@pytest.mark.parametrize("asked", ["COMPATIBLE", "AVX2"])
def test_a_branch_that_the_user_set_stays(asked: str) -> None:
    own = _said(_OWN, MKL_CBWR=asked)
    assert own in (asked, "None")
    assert _said(MKL_CBWR=asked) == own.replace("None", "COMPATIBLE")


@NEEDS_MKL
@pytest.mark.parametrize("branch", ["COMPATIBLE", "AVX2,STRICT"])
def test_marvis_says_the_same_to_the_bit_in_company_on_branches_that_are_chosen_elsewhere(branch: str) -> None:
    promise = "tests/unit/tts/marvis/test_frames.py::test_on_the_cpu_company_does_not_change_a_bit[1]"
    done = subprocess.run(
        [sys.executable, "-c", _BY_MKL_ALONE, "-q", "-n", "0", "-p", "no:cacheprovider", promise],
        env=os.environ | {"MKL_CBWR": branch},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
