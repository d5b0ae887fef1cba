import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.marvis_checkpoints import write_checkpoint
from voicegen.mkl import settle_mkl

_BRANCH = "from voicegen.mkl import settle_mkl; print(settle_mkl())"
_OWN = "from voicegen.mkl import BRANCHES, _torch_library; print(BRANCHES.get(_torch_library().mkl_serv_cbwr_get(1)))"
"""What MKL itself takes: none where it has nothing but COMPATIBLE for the processor, as for some of AMD's with AVX2."""

_MODEL = """
from voicegen.mkl import BRANCHES, _torch_library
from voicegen.tts.marvis import Marvis

Marvis.load({folder!r}, device="cpu", codec="none")
print(BRANCHES.get(_torch_library().mkl_serv_cbwr_get(1)))
"""


def _said(program: str = _BRANCH, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MKL_")}
    done = subprocess.run([sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(settle_mkl() is None, reason="this torch has no MKL")
def test_a_fresh_process_gets_one_branch_on_any_processor() -> None:
    assert _said() in ("AVX512", "AVX2", "COMPATIBLE")


@pytest.mark.skipif(settle_mkl() is None, reason="this torch has no MKL")
def test_marvis_settles_it_where_nothing_was_computed_before(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, codec_seed=None)
    assert _said(_MODEL.format(folder=str(folder))) == _said()


@pytest.mark.skipif(settle_mkl() is None, reason="this torch has no MKL")
@pytest.mark.parametrize("asked", ["COMPATIBLE", "AVX2"])
def test_a_branch_that_the_user_set_stays(asked: str) -> None:
    own = _said(_OWN, MKL_CBWR=asked)
    assert own in (asked, "None")
    assert _said(MKL_CBWR=asked) == own.replace("None", "COMPATIBLE")


@pytest.mark.skipif(settle_mkl() is None, reason="this torch has no MKL")
@pytest.mark.parametrize(
    "branch", [name for name in ("COMPATIBLE", "AVX2,STRICT") if settle_mkl() not in name.split(",")]
)
def test_marvis_says_the_same_to_the_bit_in_company_on_every_branch_that_is_chosen_elsewhere(branch: str) -> None:
    promise = "tests/unit/tts/marvis/test_frames.py::test_on_the_cpu_company_does_not_change_a_bit[1]"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", promise],
        env=os.environ | {"MKL_CBWR": branch},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
