"""The laws p of frequencies: a stationary kernel is k(δ) = E cos⟨w, δ⟩ for w ~ p (Bochner), here with lengthscale 1.

Isotropic kernels that are kernels in every dimension are mixtures of Gaussians (Schoenberg 1938, "Metric spaces and
completely monotone functions", theorem 2), so their frequencies are w = √V z with z ~ N(0, I), and k(r) =
E exp(-V r²/2). The law of V, and where it comes from:

- Gaussian: V = 1. Matérn: V = nu / G with G ~ Gamma(nu, 1), so that w is Student's t with 2 nu degrees of freedom
  (Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", equation 4.15) and |w|²/d ~ F(d, 2 nu).
- Cauchy's (1 + r²)^-beta: V = 2R with R ~ Gamma(beta, 1), since E exp(-R t) = (1 + t)^-beta.
- exp(-r^alpha): V = 2S with S positive and stable, E exp(-S t) = exp(-t^A) for A = alpha/2, drawn from two numbers as
  in Kanter 1975, "Stable densities under change of scale and total variation inequalities"; all such mixtures:
  Langrené, Warin & Gruet 2024, arXiv:2411.02770.

The 1-norm Laplacian is a product over features, so its frequencies have independent Cauchy coordinates. The average of
m cosines has the error √(Var cos⟨w, δ⟩ / m) with Var cos⟨w, δ⟩ = (1 + k(2δ) - 2 k(δ)²) / 2.

>>> W = Normal().sample(np.random.default_rng(0), 100_000, 3)
>>> float(np.cos(W @ [1.0, 0.0, 0.0]).mean().round(2)), float(np.exp(-0.5).round(2))
(0.61, 0.61)
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import betainccinv, betaincinv, betaln, gammainccinv, gammaincinv, gammaln, kve, ndtri, xlogy

from companion import _refusals

LARGEST = 1e10  # longer frequencies are shortened by ``bounded``: that tells at distances below 1e-10 only


class Spectrum(ABC):
    """A law of frequencies: draws, the density, and the quantile transform for quasi-Monte Carlo."""

    isotropic: ClassVar[bool]

    @abstractmethod
    def uniforms(self, dim: int) -> int:
        """How many uniform numbers ``from_uniform`` turns into one frequency."""

    @abstractmethod
    def from_uniform(self, U: np.ndarray, dim: int) -> np.ndarray:
        """Points U of shape (n, uniforms) in (0, 1) as frequencies (n, dim): exactly the law if U is uniform."""

    @abstractmethod
    def log_density(self, W: np.ndarray) -> np.ndarray:
        """log p(w) for the rows of W, shape (n,)."""

    def sample(self, rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
        """Draw n frequencies, shape (n, dim)."""
        return self.from_uniform(uniform(rng, (n, self.uniforms(dim))), dim)


@dataclass(frozen=True)
class Mixture(Spectrum):
    """w = √V z, isotropic; ``mixing`` uniform numbers make one V. They come first in the rows of U."""

    isotropic: ClassVar[bool] = True
    mixing: ClassVar[int] = 1

    def uniforms(self, dim: int) -> int:
        """One for each coordinate of z, and those of V."""
        return self.mixing + dim

    @property
    def radius_uniforms(self) -> int:
        """How many uniform numbers ``radius`` turns into one length."""
        return self.mixing + 1

    @abstractmethod
    def root(self, U: np.ndarray) -> np.ndarray:
        """√V for the rows of U (n, mixing), increasing in each."""

    @abstractmethod
    def _log(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        """log(r^power p(w)) at |w| = r."""

    def sample(self, rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
        """Draw n frequencies, shape (n, dim)."""
        z = rng.standard_normal((n, dim))
        return z * self.root(uniform(rng, (n, self.mixing)))[:, None]

    def from_uniform(self, U: np.ndarray, dim: int) -> np.ndarray:
        """Points U of shape (n, uniforms) in (0, 1) as frequencies (n, dim): exactly the law if U is uniform."""
        return ndtri(U[:, self.mixing :]) * self.root(U[:, : self.mixing])[:, None]

    def radius(self, U: np.ndarray, dim: int) -> np.ndarray:
        """Points U of shape (n, radius_uniforms) as lengths |w|, increasing in each; the law of |w| if U is uniform."""
        return np.sqrt(2 * gammaincinv(dim / 2, U[:, -1])) * self.root(U[:, :-1])  # χ_d √V

    def log_density(self, W: np.ndarray) -> np.ndarray:
        """log p(w) for the rows of W, shape (n,)."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return self._log(norms(W), W.shape[1], 0)

    def radius_log_density(self, r: np.ndarray, dim: int) -> np.ndarray:
        """Logarithm of the density of |w|: p(w) times the area of the sphere of that radius."""
        area = math.log(2) + dim / 2 * math.log(math.pi) - gammaln(dim / 2)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            density = area + self._log(r, dim, dim - 1)
        return np.where(np.isnan(density), -np.inf, density)  # at r = 0, where r^(d-1) beats log(1/r)


@dataclass(frozen=True)
class Normal(Mixture):
    """N(0, variance I): the Gaussian kernel has variance 1, exp(-r²) has 2."""

    variance: float = 1.0
    mixing: ClassVar[int] = 0

    def root(self, U: np.ndarray) -> np.ndarray:
        """The standard deviation."""
        return np.full(len(U), math.sqrt(self.variance))

    def _log(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        return xlogy(power, r) - r**2 / (2 * self.variance) - dim / 2 * math.log(2 * math.pi * self.variance)


@dataclass(frozen=True)
class Student(Mixture):
    """Student's t with 2 nu degrees of freedom, the spectrum of the Matérn kernel."""

    nu: float

    @property
    def radius_uniforms(self) -> int:
        """One: the quantile function of |w| is known."""
        return 1

    def root(self, U: np.ndarray) -> np.ndarray:
        """√(nu / G) with G ~ Gamma(nu, 1)."""
        with np.errstate(divide="ignore", over="ignore"):
            return bounded(np.sqrt(self.nu / gammainccinv(self.nu, U[:, 0])))

    def radius(self, U: np.ndarray, dim: int) -> np.ndarray:
        """√(d F) with F ~ F(d, 2 nu), from both tails of a beta law, so that no quantile loses its digits."""
        x, rest = betaincinv(dim / 2, self.nu, U[:, 0]), betainccinv(self.nu, dim / 2, U[:, 0])  # rest = 1 - x
        log_rest = (np.log1p(-U[:, 0]) + math.log(self.nu) + betaln(self.nu, dim / 2)) / self.nu  # where it is small
        with np.errstate(divide="ignore", over="ignore"):
            return bounded(np.sqrt(2 * self.nu * x / np.where(log_rest < -300, 0.0, rest)))

    def _log(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        q = r / math.sqrt(2 * self.nu)
        constant = gammaln(self.nu + dim / 2) - gammaln(self.nu) - dim / 2 * math.log(2 * math.pi * self.nu)
        return constant + xlogy(power, r) - (self.nu + dim / 2) * np.logaddexp(0.0, 2 * np.log(q))


@dataclass(frozen=True)
class GammaMixture(Mixture):
    """√(2R) z with R ~ Gamma(beta, 1), the spectrum of the Cauchy kernel. If d >= 2 beta its density is inf at 0."""

    beta: float

    def root(self, U: np.ndarray) -> np.ndarray:
        """√(2R)."""
        return np.sqrt(2 * gammaincinv(self.beta, U[:, 0]))

    def _log(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        """The density is (2π)^(-d/2) 2^(1-beta) / Γ(beta) r^order K_order(r) with order = beta - d/2."""
        order = self.beta - dim / 2
        if order > 30:
            return xlogy(power, r) + _log_gamma_mixture(order, dim / 2, r)
        constant = -dim / 2 * math.log(2 * math.pi) + (1 - self.beta) * math.log(2) - gammaln(self.beta)
        return constant + log_bessel(abs(order), r) + xlogy(power + min(0.0, 2 * order), r)


@dataclass(frozen=True)
class StableMixture(Mixture):
    """√(2S) z with S positive and stable of index alpha/2, the spectrum of exp(-r^alpha) for 0 < alpha < 2."""

    alpha: float
    mixing: ClassVar[int] = 2

    def root(self, U: np.ndarray) -> np.ndarray:
        """√(2S), S = sin(A T) / sin(T)^(1/A) (sin((1-A) T) / E)^((1-A)/A) with T uniform on (0, π), E exponential."""
        A, T = self.alpha / 2, np.pi * U[:, 0]
        sin_T = np.sin(np.pi * np.minimum(U[:, 0], 1 - U[:, 0]))
        log_S = np.log(np.sin(A * T)) - np.log(sin_T) / A
        log_S += (1 - A) / A * (np.log(np.sin((1 - A) * T)) - np.log(-np.log(U[:, 1])))
        return bounded(np.exp(np.minimum((math.log(2) + log_S) / 2, 700.0)))

    def _log(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        _refusals.no_density(self.alpha)


@dataclass(frozen=True)
class Cauchys(Spectrum):
    """Independent Cauchy coordinates, density Π 1 / (π (1 + w_c²)): the spectrum of the 1-norm Laplacian."""

    isotropic: ClassVar[bool] = False

    def uniforms(self, dim: int) -> int:
        """One for each coordinate."""
        return dim

    def from_uniform(self, U: np.ndarray, dim: int) -> np.ndarray:
        """The quantiles -cot(π u)."""
        return -1 / np.tan(np.pi * U)

    def log_density(self, W: np.ndarray) -> np.ndarray:
        """log p(w) for the rows of W, shape (n,)."""
        with np.errstate(divide="ignore"):
            return -np.sum(math.log(math.pi) + np.logaddexp(0.0, 2 * np.log(np.abs(W))), axis=1)


def student(nu: float) -> Mixture:
    """The spectrum of the Matérn kernel, a Gaussian for nu = inf."""
    return Normal() if nu == math.inf else Student(nu)


def stable(alpha: float) -> Mixture:
    """The spectrum of exp(-r^alpha): a Gaussian for alpha = 2, to rounding from 2 - 1e-13 on, and t for alpha = 1."""
    if alpha > 2 - 1e-13:
        return Normal(2.0)
    return Student(0.5) if alpha == 1 else StableMixture(alpha)


def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in (0, 1), both ends left out."""
    return np.maximum(rng.random(shape), 2.0**-54)


def bounded(r: np.ndarray) -> np.ndarray:
    """Lengths above LARGEST, up to infinity, squeezed between it and twice it: increasing, and never many at one value.

    Angles of float64 data keep their digits up to 4e12. At one common length cosines would not average to zero.
    """
    return np.where(r <= LARGEST, r, LARGEST * (2 - LARGEST / np.maximum(r, LARGEST)))


def norms(W: np.ndarray) -> np.ndarray:
    """|w| of every row, without overflow or underflow of the squares."""
    _, exponent = np.frexp(np.abs(W).max(axis=1))  # (n,)
    return np.ldexp(np.linalg.norm(np.ldexp(W, -exponent[:, None]), axis=1), exponent)


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
