import mlx.core as mx
import numpy as np
import pytest

from voicegen.chat.mlx.cpu.vectorized import exponentials, largest

NUMBERS = mx.random.normal((3, 1001), key=mx.random.key(0)) * 10


@pytest.mark.parametrize("device", [mx.cpu, mx.gpu])
@pytest.mark.parametrize("count", [1, 7, 1000, 1001])
def test_the_largest_are_the_end_of_a_sort_by_numpy_and_by_mlx(monkeypatch, device, count):
    monkeypatch.setattr(mx, "default_device", lambda: mx.Device(device))
    np.testing.assert_array_equal(np.array(largest(NUMBERS, count)), np.sort(NUMBERS, axis=-1)[:, ::-1][:, :count])


def test_exponentials_are_right_and_do_not_depend_on_those_beside_them():
    exact = np.exp(np.array(NUMBERS).astype(np.float64))
    np.testing.assert_allclose(np.array(exponentials(NUMBERS)), exact, rtol=1e-5)
    for start, end in ((0, 1), (3, 20), (990, 1001)):
        alone, among = exponentials(NUMBERS[1, start:end]), exponentials(NUMBERS)[1, start:end]
        np.testing.assert_array_equal(np.array(alone), np.array(among))
