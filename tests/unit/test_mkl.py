import os
import subprocess
import sys

import pytest

from voicegen.mkl import settle_mkl

_BRANCH = "from voicegen.mkl import settle_mkl; print(settle_mkl())"


def _said(**environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MKL_")}
    done = subprocess.run([sys.executable, "-c", _BRANCH], env=kept | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(settle_mkl() is None, reason="this torch has no MKL")
def test_a_fresh_process_gets_one_branch_on_any_processor() -> None:
    assert _said() in ("AVX512", "AVX2", "COMPATIBLE")


@pytest.mark.skipif(settle_mkl() is None, reason="this torch has no MKL")
@pytest.mark.parametrize(("asked", "branch"), [("COMPATIBLE", "COMPATIBLE"), ("AVX2", "AVX2"), ("AVX2,STRICT", "AVX2")])
def test_a_branch_that_the_user_set_stays(asked: str, branch: str) -> None:
    assert _said(MKL_CBWR=asked) == branch
