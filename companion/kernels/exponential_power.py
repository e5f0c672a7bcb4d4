"""The exponential power k(x, y) = exp(-(|x - y| / lengthscale)^alpha), 0 < alpha <= 2: frequencies of a stable law.

It is E exp(-S r²) with S positive and stable of index A = alpha/2, E exp(-S t) = exp(-t^A), so its frequencies are
√(2S) z with z ~ N(0, I). S comes from two uniform numbers (Kanter 1975, "Stable densities under change of scale and
total variation inequalities"); their density has no closed form but for alpha = 1 (Student's t) and 2 (normal). Above 2
it is no kernel (Schoenberg 1938, "Metric spaces and positive definite functions"). Rounding: some eps.

>>> ExponentialPower(alpha=0.5)([[0.0], [4.0]]).round(4)
array([[1.    , 0.1353],
       [0.1353, 1.    ]])
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np

from companion._core import checks
from companion._core.arrays import Array, check_positive, namespace, number
from companion.kernels.distances import Squares, distances, squared_distances
from companion.kernels.matern import Student
from companion.kernels.spectra import Mixture, Normal, bounded
from companion.kernels.stationary import ROUGH, Stationary


def exponential_power(X: Array, Y: Array, alpha: float) -> Array:
    """K = exp(-|x - y|^alpha), for X (..., n, d) and Y (..., m, d) in lengthscales: (..., n, m)."""
    xp = namespace(X)
    return xp.exp(-power(distances(X, Y), alpha))


def power(r: Array, alpha: float) -> Array:
    """r^alpha as exp(alpha log r), which every processor vectorises; log 0 = -inf gives exactly 0."""
    xp = namespace(r)
    return xp.exp(alpha * xp.log(r))


def exponential_square(X: Array, Y: Array, squares: Squares = squared_distances) -> Array:
    """K = exp(-|x - y|²), the same for alpha = 2, without a root: smooth where x = y."""
    xp = namespace(X)
    return xp.exp(-squares(X, Y))


@dataclass(frozen=True)
class StableMixture(Mixture):
    """√(2S) z with S positive and stable of index alpha/2, for 0 < alpha < 2."""

    alpha: float
    mixing = 2
    radius_uniforms = 3

    def root(self, U: np.ndarray) -> np.ndarray:
        """√(2S), S = sin(A T) / sin(T)^(1/A) (sin((1-A) T) / E)^((1-A)/A) with T uniform on (0, π), E exponential."""
        A, T = self.alpha / 2, np.pi * U[:, 0]
        sin_T = np.sin(np.pi * np.minimum(U[:, 0], 1 - U[:, 0]))
        log_S = np.log(np.sin(A * T)) - np.log(sin_T) / A
        log_S += (1 - A) / A * (np.log(np.sin((1 - A) * T)) - np.log(-np.log(U[:, 1])))
        return bounded(np.exp(np.minimum((math.log(2) + log_S) / 2, 700.0)))

    def log_profile(self, r: np.ndarray, dim: int, power: int) -> NoReturn:
        """Refuse: there is no closed form."""
        got = f"alpha = {self.alpha:g}, whose density has no closed form"
        fix = "Draw from it instead: kernel.sample_spectrum(n, dim)."
        checks.fail("alpha", "1 or 2 for a spectral density", got, fix)


def _check_alpha(name: str, value: Any) -> None:
    checks.at_most(name, number(name, value), 2.0, "Above 2 this function is not positive semidefinite.")


@dataclass(eq=False)
class ExponentialPower(Stationary):
    """k(x, y) = exp(-(|x - y| / lengthscale)^alpha): the characteristic function of a stable law.

    alpha = 2 is ``Gaussian(lengthscale / sqrt(2))``, alpha = 1 is ``Matern(nu=0.5)``.

    Parameters
    ----------
    alpha : float
        Above 0, at most 2; smaller is rougher.
    lengthscale : float, 0-d array or array of shape (d,)
        The distance over which the similarity falls to 1/e = 0.37, in the units of X; one per feature if it is an
        array.

    Raises
    ------
    TypeError, ValueError
        As ``Gaussian``, or if alpha is out of range.

    Notes
    -----
    Core: ``kernels.exponential_power.exponential_power``. Gradients are of first order (any order for alpha = 2), and
    set to 0 where samples coincide, where none exists for alpha <= 1.
    """

    alpha: float
    lengthscale: Any = 1.0
    _limits = {"alpha": _check_alpha, "lengthscale": partial(check_positive, ndim=1)}

    @property
    def _core(self) -> Any:
        return exponential_square if self.alpha == 2 else partial(exponential_power, alpha=float(self.alpha))

    @property
    def _slope(self) -> float:
        return 2.0 if self.alpha == 2 else ROUGH

    @property
    def spectrum(self) -> Mixture:
        """√(2S) z with S stable: a Gaussian for alpha = 2, to rounding from 2 - 1e-13 on, and t for alpha = 1."""
        if self.alpha > 2 - 1e-13:
            return Normal(2.0)
        return Student(0.5) if self.alpha == 1 else StableMixture(float(self.alpha))
