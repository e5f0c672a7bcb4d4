"""The Matérn family, as smooth as nu says; its frequencies follow Student's t law with 2 nu degrees of freedom.

k(x, y) = 2^(1 - nu) / Γ(nu) s^nu K_nu(s) with s = √(2 nu) |x - y| / lengthscale; for nu = p + 1/2 that is exp(-s) times
a polynomial of degree p (Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", equations 4.14 and
4.16). It is E exp(-r²V/2) with V = nu / G and G ~ Gamma(nu, 1), so its frequencies are √V z with z ~ N(0, I) (equation
4.15), of a length with |w|²/d ~ F(d, 2 nu). Rounding: some eps; 1e-13 by Bessel's function.

>>> Matern(nu=1.5)([[0.0], [1.0]]).round(4)
array([[1.    , 0.4834],
       [0.4834, 1.    ]])
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import betainccinv, betaincinv, gammainccinv, gammaln, kve, xlogy

from companion._core import checks
from companion._core.arrays import Array, check_positive, from_host, host, namespace, number, reaches_host
from companion.kernels.distances import distances
from companion.kernels.gaussian import gaussian
from companion.kernels.spectra import Mixture, Normal, bounded
from companion.kernels.stationary import ROUGH, Stationary

ALMOST_GAUSSIAN = 21.0  # from this nu on a Matérn kernel is taken for the Gaussian
_NUMBERS = "p + 1/2 with a whole number p <= 20, or inf"


def matern(X: Array, Y: Array, p: int) -> Array:
    """K = exp(-s) Σ_i c_i s^i with s = √(2p + 1) |x - y|, for X (..., n, d), Y (..., m, d): (..., n, m)."""
    xp, f = namespace(X), math.factorial
    a = math.sqrt(2 * p + 1)
    c = [f(p) * f(2 * p - i) * 2**i / (f(2 * p) * f(p - i) * f(i)) for i in range(p + 1)]
    s = xp.clip(distances(a * X, a * Y), max=750.0)  # exp(-s) is 0 there, and no s^p is infinite
    polynomial = c[p]
    for i in reversed(range(p)):
        polynomial = polynomial * s + c[i]
    return polynomial * xp.exp(-s)


def matern_by_bessel(X: Array, Y: Array, nu: float) -> Array:
    """K = 2^(1 - nu) / Γ(nu) s^nu K_nu(s) with s = √(2 nu) |x - y|, through its logarithm in SciPy; 1 at s = 0."""
    if not reaches_host(X, Y):
        fix = "For other values detach the data and move them to the host."
        checks.fail("nu", _NUMBERS, f"{nu!r} with data on a device or with a gradient", fix)
    r = host(distances(X, Y))
    s = np.clip(math.sqrt(2 * nu) * r, 1e-300, 2000.0)  # K is 0 from 2000 on
    logarithm = nu * np.log(s) + np.log(kve(nu, s)) - s + ((1 - nu) * math.log(2) - gammaln(nu))
    return from_host(np.where(r > 0, np.exp(np.minimum(logarithm, 0.0)), 1.0), X)


@dataclass(frozen=True)
class Student(Mixture):
    """Student's t with 2 nu degrees of freedom."""

    nu: float
    radius_uniforms = 1  # the quantile function of |w| is known

    def root(self, U: np.ndarray) -> np.ndarray:
        """√(nu / G) with G ~ Gamma(nu, 1)."""
        with np.errstate(divide="ignore", over="ignore"):
            return bounded(np.sqrt(self.nu / gammainccinv(self.nu, U[:, 0])))

    def radius(self, U: np.ndarray, dim: int) -> np.ndarray:
        """√(d F) with F ~ F(d, 2 nu), from both tails of a beta law, so that no quantile loses its digits."""
        x, rest = betaincinv(dim / 2, self.nu, U[:, 0]), betainccinv(self.nu, dim / 2, U[:, 0])  # rest = 1 - x
        with np.errstate(divide="ignore", over="ignore"):
            return bounded(np.sqrt(2 * self.nu * x / rest))

    def log_profile(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        """log(r^power p(w)) at |w| = r."""
        q = r / math.sqrt(2 * self.nu)
        constant = gammaln(self.nu + dim / 2) - gammaln(self.nu) - dim / 2 * math.log(2 * math.pi * self.nu)
        return constant + xlogy(power, r) - (self.nu + dim / 2) * np.logaddexp(0.0, 2 * np.log(q))


def _check_nu(name: str, value: Any) -> None:
    nu = number(name, value, why="inf is allowed too, and means the Gaussian.", infinite=True)
    if ALMOST_GAUSSIAN <= nu < math.inf:
        fix = f"Use {name}=inf, the Gaussian: no entry differs by more than about {0.23 / nu:.2g}."
        checks.fail(name, f"below {ALMOST_GAUSSIAN:g}, or inf", f"{nu:g}", fix)


@dataclass(eq=False)
class Matern(Stationary):
    """k(x, y) = 2^(1 - nu) / Γ(nu) s^nu K_nu(s) with s = √(2 nu) |x - y| / lengthscale: as smooth as nu says.

    With nu = p + 1/2 it is exp(-s) times a polynomial of degree p: exp(-r), (1 + s) exp(-s), (1 + s + s²/3) exp(-s) for
    1/2, 3/2, 5/2. As nu grows it becomes the Gaussian, from which it differs by at most about 0.23 / nu.

    Parameters
    ----------
    nu : float
        Positive and below 21, or inf for the Gaussian. The kernel's space is that of nu + d/2 square-integrable
        derivatives. Half-integers and inf work on every backend and with gradients; other values go through SciPy's
        Bessel function, on the host and without gradients; that takes 0.4 µs per pair.
    lengthscale : float, 0-d array or array of shape (d,)
        In the units of X; one per feature if it is an array.

    Raises
    ------
    TypeError, ValueError
        As ``Gaussian``, or if nu is out of range; on a call, if the data are on a device or record a gradient and nu is
        one of the values that need SciPy.

    Notes
    -----
    Core: ``kernels.matern.matern``. Since E V - 1 and Var V are 1/nu to first order, the kernel is the Gaussian plus
    (x²/2 - x) exp(-x) / nu with x = r²/2: the largest difference, at x = 2 - √2, is 0.23 / nu. Gradients are of first
    order, and 0 where samples coincide; for inf they are of any order.
    """

    nu: float = 1.5
    lengthscale: Any = 1.0
    _limits = {"nu": _check_nu, "lengthscale": partial(check_positive, ndim=1)}

    @property
    def _core(self) -> Any:
        nu = float(self.nu)
        if nu == math.inf:
            return gaussian
        return partial(matern, p=int(nu)) if (nu - 0.5).is_integer() else partial(matern_by_bessel, nu=nu)

    @property
    def _slope(self) -> float:
        return 1.0 if self.nu == math.inf else ROUGH

    @property
    def spectrum(self) -> Mixture:
        """Student's t with 2 nu degrees of freedom; for inf, N(0, I)."""
        return Normal() if self.nu == math.inf else Student(float(self.nu))
