"""The exact error of every entry of an estimated kernel matrix, and how many features it takes.

With m independent frequencies an entry Φ(x)ᵀΦ(y) has the variance v/m around k(δ), δ = x - y, where

    fourier         v = (1 + k(2δ) - 2 k(δ)²) / 2
    fourier_offset  v = 1 + k(2δ)/2 - k(δ)²

(Sutherland & Schneider 2015, "On the error of random Fourier features", section 2). In orthogonal blocks of b <= d
Gaussian frequencies two rows of a block have the covariance 1F1(d; d/2; -z²/2) - exp(-z²) with z = |δ| / lengthscale
(the series: Choromanski et al. 2018, "The geometry of random features").

>>> standard_error(Gaussian(), [[0.0]], [[0.0], [1.0], [9.0]], n_frequencies=128).round(4)
array([[0.    , 0.0395, 0.0625]])
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import hyp1f1

from companion._core import arrays, checks
from companion._core.arrays import Array, host
from companion.features.cosines import fourier, fourier_offset
from companion.kernels.base import Kernel, only_for
from companion.kernels.gaussian import Gaussian
from companion.kernels.stationary import Stationary, host_lengthscale

MAPS: dict[str, Callable[..., Array]] = {"fourier": fourier, "fourier_offset": fourier_offset}
"""Name of a feature map to its function."""

COLUMNS = {"fourier": 2, "fourier_offset": 1}
"""Feature columns that a map makes of one frequency."""


def variance(feature_map: str, k: np.ndarray, k2: np.ndarray) -> np.ndarray:
    """Of the estimate by one frequency, for k = k(δ) and k2 = k(2δ)."""
    return (1 + k2 - 2 * k**2) / 2 if feature_map == "fourier" else 1 + k2 / 2 - k**2


def standard_error(
    kernel: Kernel,
    X: Any,
    Y: Any | None = None,
    *,
    n_frequencies: int,
    scheme: str = "iid",
    feature_map: str = "fourier",
) -> np.ndarray:
    """The exact standard deviation of every entry of Φ(X) Φ(Y)ᵀ around kernel(X, Y).

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel.
    X, Y : array of shape (n, d), array of shape (l, d)
        Samples; Y = X if left out.
    n_frequencies : int
        The number m of frequencies, not of feature columns.
    scheme : {"iid", "orthogonal"}
        How they are drawn. Orthogonal: for the Gaussian and ``fourier`` only.
    feature_map : {"fourier", "fourier_offset"}
        What is done with them.

    Returns
    -------
    ndarray of shape (n, l)
        In float64; errors below 1e-7 are lost to rounding, or below 1e-7 r if samples lie r > 1 lengthscales apart.

    Raises
    ------
    TypeError, ValueError
        If the data are refused, or no closed form is known: repeat the draw with other seeds then.

    Notes
    -----
    Page: ``random-features/random-fourier-features`` and ``random-features/orthogonal-frequencies``.
    """
    checks.integer("n_frequencies", n_frequencies, minimum=1)
    checks.known("scheme", scheme, ("iid", "orthogonal"))
    checks.known("feature_map", feature_map, list(MAPS))
    if not isinstance(kernel, Stationary):
        only_for("An exact error", kernel, "a stationary kernel")
    X, dtype = arrays.read("X", X)
    X, Y, _ = (X, None, dtype) if Y is None else arrays.read_beside(X, dtype, Y)
    centre = host(X)[0].astype(np.float64)  # only differences count, and near 0 they keep their digits
    X, Y = (None if Z is None else host(Z) - centre for Z in (X, Y))
    k, k2 = kernel(X, Y), kernel(2 * X, None if Y is None else 2 * Y)  # (n, l), (n, l)
    v = variance(feature_map, k, k2)
    if scheme == "orthogonal":
        if not isinstance(kernel, Gaussian) or feature_map != "fourier":
            only_for("The orthogonal scheme's exact error", kernel, "kernels.Gaussian with 'fourier'")
        v = v + _orthogonal_covariance(kernel, X, Y) * _neighbours(n_frequencies, X.shape[1])
    return np.sqrt(np.maximum(v, 0.0) / n_frequencies)


def features_needed(kernel: Kernel, error: float, *, X: Any = None, feature_map: str = "fourier") -> int:
    """The number D of feature columns from which on every entry has a standard error of at most ``error``.

    For independent frequencies; other schemes need fewer, or about as many where the kernel is nearly zero.

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel.
    error : float
        The standard error allowed, above 0; the kernel's largest value is 1.
    X : array of shape (n, d), optional
        Only the pairs of these samples count; if left out, every distance does.
    feature_map : {"fourier", "fourier_offset"}
        What is done with the frequencies; ``fourier`` has two columns for each.

    Returns
    -------
    int
        D.

    Raises
    ------
    TypeError, ValueError
        As ``standard_error``, or if ``error`` is not a number from 1e-7 on.

    Notes
    -----
    Page: ``random-features/random-fourier-features``. A fixed pair lies within 5 standard errors but for a chance below
    1e-6 if D is not small; all pairs of n samples at once need about √(2 log n²) instead of 5.

    Examples
    --------
    >>> features_needed(Gaussian(), 0.05), features_needed(Gaussian(), 0.05, feature_map="fourier_offset")
    (400, 400)
    """
    checks.positive("error", np.asarray(error))
    if error < 1e-7:
        checks.fail("error", "at least 1e-7", repr(error), "Rounding hides smaller ones: use the exact kernel.")
    if X is None:
        worst = _largest_error(kernel, feature_map)
    else:
        worst = float(standard_error(kernel, X, n_frequencies=1, feature_map=feature_map).max())
    return COLUMNS[feature_map] * max(1, math.ceil((worst / error) ** 2 * (1 - 1e-12)))


def _largest_error(kernel: Kernel, feature_map: str) -> float:
    """The supremum over all distances of the standard error of one frequency; at infinity it is 1/√2 or 1."""
    if not isinstance(kernel, Stationary):
        only_for("An exact error", kernel, "a stationary kernel")
    profile = type(kernel)(**(kernel.get_params() | {"lengthscale": 1.0}))

    def error(log_distance: Any) -> Any:
        distance = np.exp(np.reshape(log_distance, (-1, 1)))
        return standard_error(profile, [[0.0]], distance, n_frequencies=1, feature_map=feature_map)[0]

    from scipy.optimize import minimize_scalar  # it costs half a second

    grid = np.linspace(-150.0, 150.0, 3001)
    best = grid[np.argmax(error(grid))]
    near = minimize_scalar(lambda x: -error(x).item(), bounds=(best - 0.1, best + 0.1), method="bounded")
    return max(-float(near.fun), 0.5**0.5 if feature_map == "fourier" else 1.0)


def _orthogonal_covariance(kernel: Gaussian, X: np.ndarray, Y: np.ndarray | None) -> np.ndarray:
    """Of cos⟨ω_1, δ⟩ and cos⟨ω_2, δ⟩ for two rows of a block."""
    scale, d = host_lengthscale(kernel, X.shape[1]), X.shape[1]
    half = cdist(X / scale, (X if Y is None else Y) / scale, "sqeuclidean") / 2  # z²/2
    half = np.minimum(half, 1e5)  # where both terms are 0 to rounding
    return hyp1f1(d, d / 2, -half) - np.exp(-2 * half)


def _neighbours(m: int, d: int) -> float:
    """How many other rows share a row's block, on average: blocks of d rows and a last one of the rest."""
    full, rest = divmod(m, d)
    return (full * d * (d - 1) + rest * (rest - 1)) / m
