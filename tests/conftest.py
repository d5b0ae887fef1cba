import os
import sys

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Keeps compiled modules, or in a fresh environment every process that a test starts compiles torch's anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
