"""Data that the tests share, the formulas of the stationary kernels in plain NumPy and SciPy, and the bounds of chance.

>>> STATIONARY["laplacian"].formula([[0.0, 0.0]], [[1.0, 1.0]]).round(4)
array([[0.1353]])
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import gamma, kv

from companion.kernels import Cauchy, ExponentialPower, Gaussian, Laplacian, Matern


def normal(*shape, seed=0, scale=1.0):
    """Independent normal numbers."""
    return scale * np.random.default_rng(seed).standard_normal(shape)


def cloud(rows=(1, 12), columns=(1, 4)):
    """Matrices on a grid of multiples of a power of two, so that shifting them by 1000 is exact even in float32."""
    entries = st.integers(-2048, 2048).map(lambda k: k / 1024)
    shapes = st.tuples(st.integers(*rows), st.integers(*columns))
    return shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=entries))


@dataclass(frozen=True)
class Stationary:
    """A family member: the class with its shape fixed, k as a function of the distance |x - y|_p, and its roundness.

    Where the kernel is computed from |x - y|², it is 1 - |x - y|² / (2 width²) + ...; else ``width`` is 0.
    """

    make: Callable
    profile: Callable
    width: float = 0.0
    p: int = 2

    def distances(self, X, Y):
        return np.linalg.norm(np.asarray(X)[:, None] - np.asarray(Y), ord=self.p, axis=2)

    def formula(self, X, Y):
        return self.profile(self.distances(X, Y))

    def rounding(self, X, Y, eps=2.0**-52):
        """How much an entry may lose by rounding, beyond what the profile itself loses.

        From differences: centring and dividing round each entry of z by eps, so a distance by 2 eps times the diameter
        of the data. From a matrix product: with u = eps / 2 and M = max |z|², z centred and in widths, an inner product
        of n terms is off by n u times the sum of their absolute values (Higham 2002, eq. 3.5), so
        -|z|²/2 + ⟨z, v⟩ - |v|²/2 by 2 (d + 2) u M, and its two norms by d u M. Centring and dividing change |z - v|²/2
        by at most 8 u M. Together (3 d + 12) u M; and no kernel has a slope beyond 1 in |z - v|²/2.
        """
        if self.width:
            M = np.sum(((np.concatenate([X, Y]) - np.mean(X, axis=0)) / self.width) ** 2, axis=1).max()
            return (3 * np.shape(X)[1] + 12) * eps / 2 * M
        r, diameter = self.distances(X, Y), np.ptp(np.concatenate([X, Y]), axis=0).sum()
        rise = self.profile(np.maximum(r - 2 * eps * diameter, 0.0)) - self.profile(r)
        return np.where(r > 0, np.maximum(rise, 0.0), 0.0)


def matern(nu, r):
    """2^(1 - nu) / Γ(nu) s^nu K_nu(s) with s = √(2 nu) r."""
    s = math.sqrt(2 * nu) * np.asarray(r)
    with np.errstate(invalid="ignore"):
        return np.where(s > 0, 2 ** (1 - nu) / gamma(nu) * s**nu * kv(nu, s), 1.0)


STATIONARY = {
    "gaussian": Stationary(Gaussian, lambda r: np.exp(-(r**2) / 2), width=1.0),
    "laplacian": Stationary(Laplacian, lambda r: np.exp(-r), p=1),
    "matern-inf": Stationary(partial(Matern, math.inf), lambda r: np.exp(-(r**2) / 2), width=1.0),
    "power-2": Stationary(partial(ExponentialPower, 2), lambda r: np.exp(-(r**2)), width=0.5**0.5),
}
for nu in (0.3, 0.5, 1.5, 3, 5.5, 20.5):
    STATIONARY[f"matern-{nu}"] = Stationary(partial(Matern, nu), partial(matern, nu))
for beta in (0.2, 1, 50.0):
    profile = partial(lambda beta, r: (1 + r**2) ** -beta, beta)
    STATIONARY[f"cauchy-{beta}"] = Stationary(partial(Cauchy, beta), profile, width=(2 * beta) ** -0.5)
for alpha in (0.4, 1.3):
    profile = partial(lambda alpha, r: np.exp(-(r**alpha)), alpha)
    STATIONARY[f"power-{alpha}"] = Stationary(partial(ExponentialPower, alpha), profile)
SMOOTH = {name: k for name, k in STATIONARY.items() if name not in ("matern-0.3", "matern-3")}  # without SciPy's Bessel


def bernstein(variance, n, *, bound=2.0, chance=1e-9):
    """Bernstein: the mean of n variables within ``bound`` of their expectation is farther off with such a chance."""
    L = math.log(2 / chance) / n
    return bound * L / 3 + np.sqrt((bound * L / 3) ** 2 + 2 * variance * L)


def dkw(n, chance=1e-8):
    """Dvoretzky, Kiefer & Wolfowitz, Massart's constant: no empirical distribution function is so far off the true."""
    return math.sqrt(math.log(2 / chance) / (2 * n))
