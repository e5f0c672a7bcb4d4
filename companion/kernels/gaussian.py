"""The Gaussian (RBF) kernel k(x, y) = exp(-|x - y|² / (2 lengthscale²)); its frequencies are normal.

With x and y measured in lengthscales it is exp(-|x - y|²/2) = E cos⟨w, x - y⟩ for w ~ N(0, I) (Rahimi & Recht 2007,
figure 1). Rounding: at most eps^(2/3) in an entry, about 4e-11 in float64 and 4e-5 in float32; or 2e-16 times the
diameter of the data in lengthscales, if that is more.

>>> Gaussian(lengthscale=2.0)([[0.0], [2.0]]).round(4)
array([[1.    , 0.6065],
       [0.6065, 1.    ]])
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion._core.arrays import Array, namespace
from companion.kernels import _fast
from companion.kernels.distances import Squares, squared_distances
from companion.kernels.spectra import Normal
from companion.kernels.stationary import Stationary


def gaussian(X: Array, Y: Array, squares: Squares = squared_distances) -> Array:
    """K = exp(-|x - y|² / 2), for X (..., n, d) and Y (..., m, d) centred and in lengthscales: (..., n, m)."""
    xp = namespace(X)
    return xp.exp(-0.5 * squares(X, Y))


def gaussian_reference(X: np.ndarray, Y: np.ndarray, lengthscale: float) -> np.ndarray:
    """K_ij = exp(-|x_i - y_j|² / (2 lengthscale²)), straight from the formula."""
    return np.array([[np.exp(-np.sum((x - y) ** 2) / (2 * lengthscale**2)) for y in Y] for x in X])


@dataclass(eq=False)
class Gaussian(Stationary):
    """k(x, y) = exp(-|x - y|² / (2 lengthscale²)), the RBF kernel; scikit-learn's gamma is 1 / (2 lengthscale²).

    On CUDA the rounding bound of the module is tested only inside ``check_values_on_device()``.

    Parameters
    ----------
    lengthscale : float, 0-d array or array of shape (d,)
        The distance over which the similarity falls to exp(-1/2) = 0.61, in the units of X; one per feature if it is an
        array. As a tensor that requires grad it is learned: K passes its gradient.

    Raises
    ------
    ValueError
        If a lengthscale is not positive and finite, or their number is not the number of features.

    Notes
    -----
    Page: ``kernels/kernel-trick``. Core: ``kernels.gaussian.gaussian``. Reference: ``gaussian_reference``.
    """

    lengthscale: Any = 1.0
    _core = staticmethod(gaussian)
    _fast = staticmethod(_fast.gaussian)
    _slope = 1.0

    @property
    def spectrum(self) -> Normal:
        """N(0, I)."""
        return Normal()
