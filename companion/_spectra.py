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
from scipy.special import (
    betainccinv,
    betaincinv,
    betaln,
    gammainccinv,
    gammaincinv,
    gammaln,
    kve,
    loggamma,
    ndtri,
    psi,
    xlogy,
    zeta,
)

_K = np.arange(100)  # terms of a series
_V = 0.04 * np.arange(200)  # nodes of an integral
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
        constant = _log_rising(self.nu, dim / 2) - dim / 2 * math.log(2 * math.pi)
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
        return (
            xlogy(power, r) + log_stable(self.alpha / 2, dim / 2, 2 * np.log(r / 2)) - dim / 2 * math.log(4 * math.pi)
        )


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
    """The spectrum of the Matérn kernel; from nu = 1e16 on it is the Gaussian's to rounding."""
    return Normal() if nu >= 1e16 else Student(nu)


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


def _log_rising(nu: float, h: float) -> float:
    """log(Γ(nu + h) / (Γ(nu) nu^h)), by Stirling's series where the difference of two logarithms would lose digits."""
    if nu < 30:
        return float(gammaln(nu + h) - gammaln(nu) - h * math.log(nu))
    return (nu + h - 0.5) * math.log1p(h / nu) - h + _stirling(nu + h) - _stirling(nu)


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
    return constant + order * (np.log1p(s / 2) - s) - np.log(q) / 2 + np.log(debye(order)(1 / q))


def debye(order: float) -> np.polynomial.Polynomial:
    """Σ_k (-1)^k u_k / order^k, k <= 10, with the polynomials u_k of DLMF 10.41.9."""
    t, u = np.polynomial.Polynomial([0.0, 1.0]), np.polynomial.Polynomial([1.0])
    total = u
    for k in range(1, 11):
        u = t**2 * (1 - t**2) * u.deriv() / 2 + ((1 - 5 * t**2) * u).integ() / 8
        total = total + u / (-order) ** k
    return total


def log_stable(A: float, h: float, log_x: np.ndarray) -> np.ndarray:
    """log E[S^-h exp(-x / S)] for S positive and stable of index A < 1, x >= 0 and h > 0.

    Its Mellin transform is M(s) = Γ(s) E S^(s-h) = Γ(s) Γ(1 + (h-s)/A) / Γ(1 + h-s), by ∫ t^(u-1) exp(-t^A) dt =
    Γ(u) E S^-u. The poles of M give a series in x from the left and one in x^-A from the right, convergent or
    asymptotic; where neither is accurate, M(s) x^-s is integrated along a vertical line. The error is about
    1e-13 of the larger of the logarithm and 1, or 1e-15 / (1 - A): near A = 1 a Gaussian hides a tail of mass 1 - A.
    """
    blocks = np.split(log_x, range(1024, len(log_x), 1024))
    return np.concatenate([_log_stable(A, h, block) for block in blocks])


def _log_stable(A: float, h: float, log_x: np.ndarray) -> np.ndarray:
    left, error_left = _log_sum(_poles_on_the_left(A, h, log_x), (-1.0) ** _K)
    sines = np.sin(np.pi * (_K + 1) * (1 - A)) / math.sin(math.pi * (1 - A))
    right, error_right = _log_sum(_poles_on_the_right(A, h, log_x, _K + 1), sines)
    result = np.where(error_left < error_right, left, right)  # (n,)
    between = np.minimum(error_left, error_right) > 1e-14
    if between.any():
        result[between] = _along_a_line(A, h, log_x[between])
    return result


def _poles_on_the_left(A: float, h: float, log_x: np.ndarray) -> np.ndarray:
    """log(Γ(1 + (h+k)/A) / (Γ(1 + h+k) k!) x^k), which is (-1)^k times a residue, for k < 100."""
    powers = np.where(_K == 0, 0.0, _K * log_x[:, None])  # (n, 100), also for x = 0
    return powers + gammaln(1 + (h + _K) / A) - gammaln(1 + h + _K) - gammaln(1 + _K)


def _poles_on_the_right(A: float, h: float, log_x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """log(A/π sin(πA) Γ(h + kA) Γ(kA) / Γ(k) x^(-h-kA)), which times sin(πk(1-A)) / sin(πA) is minus a residue."""
    powers = math.log(A / math.pi * math.sin(math.pi * (1 - A))) - (h + k * A) * log_x[:, None]  # (n, len(k))
    return powers + gammaln(h + k * A) + gammaln(k * A) - gammaln(k)


def _log_sum(log_terms: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm of a sum up to its smallest term, and that term, relatively: its error, inf if the terms cancel."""
    top, last = log_terms[:, :1], log_terms.argmin(axis=1)[:, None]  # (n, 1), (n, 1)
    terms = np.exp(np.minimum(log_terms - top, 50.0)) * (last >= _K)  # (n, 100)
    total = np.abs(terms @ factors)
    error = np.take_along_axis(terms, last, axis=1)[:, 0] / total
    return top[:, 0] + np.log(total), np.where(terms.max(axis=1) < 100 * total, error, np.inf)


def _along_a_line(A: float, h: float, log_x: np.ndarray) -> np.ndarray:
    """log of 1 / (2πi) ∫ M(s) x^-s ds with s = c + i δ sinh(v), by the trapezoidal rule in v.

    The line goes through the saddle point of M(s) x^-s; where that is near the first pole on the right, it goes behind
    the pole, whose residue is added.
    """
    c = _saddle_point(A, h, log_x)
    behind = c > h + 0.7 * A
    c = np.where(behind, h + 1.5 * A, c)
    residue = np.where(behind, _poles_on_the_right(A, h, log_x, np.ones(1))[:, 0], -np.inf)
    delta = _width(A, h, c)[:, None]
    s = c[:, None] + 1j * delta * np.sinh(_V)  # (n, 200)
    log_M = loggamma(s) + loggamma(1 + (h - s) / A) - loggamma(1 + h - s) - s * log_x[:, None]
    top = np.maximum(log_M[:, 0].real, residue)
    integral = (delta * np.exp(log_M - top[:, None])).real @ (np.cosh(_V) * np.where(_V > 0, _V[1], _V[1] / 2)) / np.pi
    return top + np.log(integral + np.exp(residue - top))


def _saddle_point(A: float, h: float, log_x: np.ndarray) -> np.ndarray:
    """The minimum of log M(s) - s log x, which is convex, over 0 < s < h + A."""
    low, high = np.zeros_like(log_x), np.full_like(log_x, h + A)
    for _ in range(50):
        s = (low + high) / 2
        falls = psi(s) - psi(1 + (h - s) / A) / A + psi(1 + h - s) < log_x
        low, high = np.where(falls, s, low), np.where(falls, high, s)
    return s


def _width(A: float, h: float, c: np.ndarray) -> np.ndarray:
    """The distance of the nearest pole, but no more than five widths 1 / √(log M)'' of the saddle."""
    inside = c < h + A
    bend = np.where(inside, zeta(2, 1 + (h - c) / A) / A**2 - zeta(2, 1 + h - c), 0.0)
    distance = np.where(inside, np.minimum(c, h + A - c), A / 2)
    return np.minimum(distance, 5 / np.sqrt(zeta(2, c) + bend))
