"""Laws p of frequencies: a stationary kernel is k(δ) = E cos⟨w, δ⟩ for w ~ p (Bochner's theorem), here in lengthscales.

Isotropic kernels that are kernels in every dimension are mixtures of Gaussians (Schoenberg 1938, "Metric spaces and
completely monotone functions", theorem 2): k(r) = E exp(-V r²/2), so their frequencies are w = √V z with z ~ N(0, I).
The file of each kernel holds its law of V; all such mixtures: Langrené, Warin & Gruet 2024, arXiv:2411.02770. The
average of m cosines has the error √(Var cos⟨w, δ⟩ / m) with Var cos⟨w, δ⟩ = (1 + k(2δ) - 2 k(δ)²) / 2.

>>> W = Normal().sample(np.random.default_rng(0), 100_000, 3)
>>> float(np.cos(W @ [1.0, 0.0, 0.0]).mean().round(2)), float(np.exp(-0.5).round(2))
(0.61, 0.61)
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import gammaincinv, gammaln, ndtri, xlogy

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
    radius_uniforms: ClassVar[int] = 2  # that ``radius`` turns into one length: those of V, and one for |z|

    def uniforms(self, dim: int) -> int:
        """One for each coordinate of z, and those of V."""
        return self.mixing + dim

    @abstractmethod
    def root(self, U: np.ndarray) -> np.ndarray:
        """√V for the rows of U (n, mixing), increasing in each."""

    @abstractmethod
    def log_profile(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
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
            return self.log_profile(norms(W), W.shape[1], 0)

    def radius_log_density(self, r: np.ndarray, dim: int) -> np.ndarray:
        """Logarithm of the density of |w|: p(w) times the area of the sphere of that radius."""
        area = math.log(2) + dim / 2 * math.log(math.pi) - gammaln(dim / 2)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            density = area + self.log_profile(r, dim, dim - 1)
        return np.where(np.isnan(density), -np.inf, density)  # at r = 0, where r^(d-1) beats log(1/r)


@dataclass(frozen=True)
class Normal(Mixture):
    """N(0, variance I): the Gaussian kernel has variance 1, exp(-r²) has 2."""

    variance: float = 1.0
    mixing: ClassVar[int] = 0
    radius_uniforms: ClassVar[int] = 1

    def root(self, U: np.ndarray) -> np.ndarray:
        """The standard deviation."""
        return np.full(len(U), math.sqrt(self.variance))

    def log_profile(self, r: np.ndarray, dim: int, power: int) -> np.ndarray:
        return xlogy(power, r) - r**2 / (2 * self.variance) - dim / 2 * math.log(2 * math.pi * self.variance)


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
