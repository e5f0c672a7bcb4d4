"""Random streams: one per purpose, the same for every backend, never a global state."""

import numpy as np
import pytest

from companion._core.arrays import follow, generator


def test_the_same_seed_gives_the_same_numbers_for_the_same_purpose():
    a, b = (generator(7, "frequencies").standard_normal(5) for _ in range(2))
    assert np.array_equal(a, b) and a.dtype == np.float64
    assert np.array_equal(a, generator(np.int32(7), "frequencies").standard_normal(5))
    assert generator(None, "data").random() != generator(None, "data").random()


def test_streams_are_the_same_in_every_process_and_version():
    """The figures are stored: Python's own hash() of a string would change them from run to run."""
    assert generator(0, "data").integers(1000, size=4).tolist() == [245, 153, 186, 783]


def test_data_and_frequencies_of_one_seed_are_independent():
    """Correlation of n independent normals is below 5.2 / √n but for a chance of 2e-7."""
    n = 100_000
    a = generator(0, "data").standard_normal(n)
    for other in (generator(0, "frequencies"), generator(1, "data"), np.random.default_rng(0)):
        b = other.standard_normal(n)
        assert abs(a @ b) / n < 5.2 / np.sqrt(n)
        assert not np.isin(a, b).any()


def test_every_backend_sees_the_same_numbers(xp, dtype):
    W = generator(0, "frequencies").standard_normal((5, 3))
    followed = follow(W, xp(np.zeros((2, 3)), dtype))
    assert type(followed) is type(xp(np.zeros(1)))
    np.testing.assert_array_equal(xp.numpy(followed), W.astype(dtype))


def test_generators_are_used_as_they_are_and_move_on():
    rng = np.random.default_rng(0)
    assert generator(rng, "data") is rng
    old = np.random.RandomState(0)
    first, second = generator(old, "data").random(), generator(old, "data").random()
    assert first != second and first == np.random.default_rng(np.random.RandomState(0)).random()


SEEDS = [(-1, ValueError), ("a", TypeError), (1.5, TypeError), (True, TypeError), (np.array([1]), TypeError)]


@pytest.mark.parametrize(("bad", "error"), SEEDS, ids=repr)
def test_b2_63_what_is_no_seed_is_refused(bad, error):
    with pytest.raises(error, match="rng must be a non-negative integer, a numpy Generator or RandomState, or None"):
        generator(bad, "data")
