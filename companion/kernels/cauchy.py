"""The Cauchy kernel k(x, y) = (1 + |x - y|² / lengthscale²)^-beta: a power for a tail. Also called rational quadratic.

Since E exp(-R t) = (1 + t)^-beta for R ~ Gamma(beta, 1), it is a mixture of Gaussians of all widths, and its
frequencies are √(2R) z with z ~ N(0, I); their density is (2π)^(-d/2) 2^(1-beta) / Γ(beta) r^order K_order(r) at |w| =
r, order = beta - d/2. Rounding: as the Gaussian, eps^(2/3).

>>> Cauchy()([[0.0], [2.0]])
array([[1. , 0.2],
       [0.2, 1. ]])
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import gammaincinv, gammaln, kve, xlogy

from companion._core.arrays import Array, check_positive, namespace, number
from companion.kernels import _fast
from companion.kernels.distances import Squares, squared_distances
from companion.kernels.spectra import Mixture
from companion.kernels.stationary import Stationary


def cauchy(X: Array, Y: Array, beta: float, squares: Squares = squared_distances) -> Array:
    """K = (1 + |x - y|²)^-beta, for X (..., n, d) and Y (..., m, d) centred and in lengthscales: (..., n, m)."""
    xp = namespace(X)
    return xp.exp(-beta * xp.log1p(squares(X, Y)))


@dataclass(frozen=True)
class GammaMixture(Mixture):
    """√(2R) z with R ~ Gamma(beta, 1). If d >= 2 beta its density is infinite at 0."""

    beta: float

    def root(self, U: np.ndarray) -> np.ndarray:
        """√(2R)."""
        return np.sqrt(2 * gammaincinv(self.beta, U[:, 0]))

    def log_profile(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        """log(r^power p(w)) at |w| = r."""
        order = self.beta - dim / 2
        if order > 30:
            return xlogy(power, r) + _log_gamma_mixture(order, dim / 2, r)
        constant = -dim / 2 * math.log(2 * math.pi) + (1 - self.beta) * math.log(2) - gammaln(self.beta)
        return constant + log_bessel(abs(order), r) + xlogy(power + min(0.0, 2 * order), r)


@dataclass(eq=False)
class Cauchy(Stationary):
    """k(x, y) = (1 + |x - y|² / lengthscale²)^-beta: a power for a tail. Also called rational quadratic.

    scikit-learn's ``RationalQuadratic(alpha=beta, length_scale=lengthscale / sqrt(2 * beta))``. It is a mixture of
    Gaussians of all widths, which become one as beta grows with lengthscale = √(2 beta).

    Parameters
    ----------
    beta : float
        Positive: the similarity falls as |x - y|^(-2 beta).
    lengthscale : float, 0-d array or array of shape (d,)
        The distance at which the similarity is 2^-beta, in the units of X; one per feature if it is an array.

    Raises
    ------
    TypeError, ValueError
        As ``Gaussian``, or if beta is out of range.

    Notes
    -----
    Core: ``kernels.cauchy.cauchy``.
    """

    beta: float = 1.0
    lengthscale: Any = 1.0
    _limits = {"beta": number, "lengthscale": partial(check_positive, ndim=1)}

    @property
    def _core(self) -> Any:
        return partial(cauchy, beta=float(self.beta))

    @property
    def _fast(self) -> Any:
        return partial(_fast.cauchy, beta=float(self.beta))

    @property
    def _slope(self) -> float:
        return 2.0 * float(self.beta)

    @property
    def spectrum(self) -> GammaMixture:
        """√(2R) z with R ~ Gamma(beta, 1)."""
        return GammaMixture(float(self.beta))


def _log_rising(x: float, h: float) -> float:
    """log(Γ(x + h) / (Γ(x) x^h)) from x = 30 on, where the difference of two logarithms would lose digits."""
    return (x + h - 0.5) * math.log1p(h / x) - h + _stirling(x + h) - _stirling(x)


def _stirling(x: float) -> float:
    """log Γ(x) - (x - 1/2) log x + x - log(2π)/2, to 1e-16 from x = 30 on (DLMF 5.11.1)."""
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * x * x)) / (x * x)) / (x * x)) / x


def log_bessel(order: float, r: np.ndarray) -> np.ndarray:
    """log(r^order K_order(r)) for order >= 0, without overflow; finite at r = 0 unless order = 0."""
    if order > 30:
        return _log_gamma_mixture(order, 0.0, r) + gammaln(order) + (order - 1) * math.log(2)
    low, c = 1e-8 if order >= 1 else 0.0, np.clip(r, 1e-300, 1e8)  # below low r^order K_order is constant to rounding,
    log_kve = np.log(kve(order, c)) - np.log(np.maximum(r, c) / c) / 2  # above c K_order(r) e^r is a constant / √r
    at_zero = gammaln(order) + (order - 1) * math.log(2)
    return np.where(r > low, log_kve - r + order * np.log(np.maximum(r, c)), at_zero)


def _log_gamma_mixture(order: float, h: float, r: np.ndarray) -> np.ndarray:
    """log((2π)^-h 2^(1-beta) / Γ(beta) r^order K_order(r)) for beta = order + h, without differences of large numbers.

    By the uniform expansion of K_order(order z), exact to 1e-15 from 30 on (DLMF 10.41.4, 10.41.9).
    """
    x = r / order
    q = np.hypot(1.0, x)
    s = x / (q + 1) * x  # q - 1
    constant = -h * math.log(4 * math.pi * order) - _log_rising(order, h) - _stirling(order)
    return constant + order * (np.log1p(s / 2) - s) - np.log(q) / 2 + np.log(_debye(order)(1 / q))


def _debye(order: float) -> np.polynomial.Polynomial:
    """Σ_k (-1)^k u_k / order^k, k <= 10, with the polynomials u_k of DLMF 10.41.9."""
    t, u = np.polynomial.Polynomial([0.0, 1.0]), np.polynomial.Polynomial([1.0])
    total = u
    for k in range(1, 11):
        u = t**2 * (1 - t**2) * u.deriv() / 2 + ((1 - 5 * t**2) * u).integ() / 8
        total = total + u / (-order) ** k
    return total
