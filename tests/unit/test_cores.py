from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from voicegen.cores import numpy_on_one_core, usable_cores


def threads_of_numpy() -> list[int]:
    """Of each library that NumPy brings for its products; Accelerate, on a Mac, has none that can be told."""
    return [each["num_threads"] for each in threadpool_info() if Path(each["filepath"]).parent.name == "numpy.libs"]


def test_numpy_keeps_to_one_core_for_as_long_as_it_is_told_to() -> None:
    product = np.ones((300, 300)) @ np.ones((300, 300))
    before = threads_of_numpy()
    with numpy_on_one_core():
        assert threads_of_numpy() == [1] * len(before)
        assert np.array_equal(np.ones((300, 300)) @ np.ones((300, 300)), product)
    assert threads_of_numpy() == before


def test_there_is_at_least_one_core() -> None:
    assert usable_cores() >= 1
