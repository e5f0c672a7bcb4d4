"""The Laplacian kernel k(x, y) = exp(-Σ_c |x_c - y_c| / lengthscale_c); its frequencies have Cauchy coordinates.

It is a product of one exponential per feature, and exp(-|t|) = E cos(wt) for w with the density 1 / (π (1 + w²)), so
its spectrum is a product too: Π_c 1 / (π (1 + w_c²)) (Rahimi & Recht 2007, figure 1). Rounding: some eps.

>>> Laplacian(lengthscale=2.0)([[0.0, 0.0], [1.0, 1.0]]).round(4)
array([[1.    , 0.3679],
       [0.3679, 1.    ]])
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion._core.arrays import Array, namespace
from companion.kernels.distances import distances
from companion.kernels.spectra import Spectrum
from companion.kernels.stationary import Stationary


def laplacian(X: Array, Y: Array) -> Array:
    """K = exp(-|x - y|_1), for X (..., n, d) and Y (..., m, d) in lengthscales: (..., n, m)."""
    xp = namespace(X)
    return xp.exp(-distances(X, Y, p=1))


@dataclass(frozen=True)
class Cauchys(Spectrum):
    """Independent Cauchy coordinates, density Π 1 / (π (1 + w_c²))."""

    isotropic = False

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


@dataclass(eq=False)
class Laplacian(Stationary):
    """k(x, y) = exp(-Σ_c |x_c - y_c| / lengthscale_c): the sum is the 1-norm; scikit-learn's gamma is 1 / lengthscale.

    A product of one exponential per feature, so not isotropic; with the 2-norm it would be ``Matern(nu=0.5)``.

    Parameters
    ----------
    lengthscale : float, 0-d array or array of shape (d,)
        The 1-norm distance over which the similarity falls to 1/e = 0.37, in the units of X; one per feature if it is
        an array.

    Raises
    ------
    ValueError
        As ``Gaussian``.

    Notes
    -----
    Page: ``kernels/cost-of-the-gram-matrix``. Core: ``kernels.laplacian.laplacian``. Gradients are of first order, 0 in
    a coordinate where two samples agree.
    """

    lengthscale: Any = 1.0
    isotropic = False
    _core = staticmethod(laplacian)

    @property
    def spectrum(self) -> Cauchys:
        """Independent Cauchy coordinates."""
        return Cauchys()
