import os
import sys

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)  # the same result on every machine, slow or not
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Keeps compiled modules, or in a fresh environment every process that a test starts compiles torch's anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
