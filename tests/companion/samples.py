"""Data that the tests share, and the bounds of chance."""

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def normal(*shape, seed=0, scale=1.0):
    """Independent normal numbers."""
    return scale * np.random.default_rng(seed).standard_normal(shape)


def cloud(rows=(1, 12), columns=(1, 4)):
    """Matrices on a grid of multiples of a power of two, so that shifting them by 1000 is exact even in float32."""
    entries = st.integers(-2048, 2048).map(lambda k: k / 1024)
    shapes = st.tuples(st.integers(*rows), st.integers(*columns))
    return shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=entries))


def bernstein(variance, n, *, bound=2.0, chance=1e-9):
    """Bernstein: the mean of n variables within ``bound`` of their expectation is farther off with such a chance."""
    L = math.log(2 / chance) / n
    return bound * L / 3 + np.sqrt((bound * L / 3) ** 2 + 2 * variance * L)


def dkw(n, chance=1e-8):
    """Dvoretzky, Kiefer & Wolfowitz, Massart's constant: no empirical distribution function is so far off the true."""
    return math.sqrt(math.log(2 / chance) / (2 * n))
