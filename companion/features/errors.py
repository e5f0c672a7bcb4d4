"""The exact error of every entry of an estimated kernel matrix, and how many features it takes.

With m independent frequencies an entry Φ(x)ᵀΦ(y) has the variance v/m around k(δ), δ = x - y, where

    fourier         v = (1 + k(2δ) - 2 k(δ)²) / 2
    fourier_offset  v = 1 + k(2δ)/2 - k(δ)²

(Sutherland & Schneider 2015, "On the error of random Fourier features", section 2). In orthogonal blocks of b <= d
Gaussian frequencies two rows of a block have the covariance 1F1(d; d/2; -z²/2) - exp(-z²) with z = |δ| / lengthscale
(the series: Choromanski et al. 2018, "The geometry of random features").

Positive features estimate the softmax kernel k = exp(⟨x, y⟩). With z² = |x + y|² their variance is k² v/m, where

    positive        v = exp(z²) - 1
    hyperbolic      v = cosh(z²) - 1
    optimal_...     v = s - 1, see ``optimal``

and for all two rows of an orthogonal block have the covariance c = exp(-z²) 1F1(d; d/2; z²/2) - 1 <= 0 (relative to
k²): w_1 + w_2 has a uniform direction and a squared length of the law chi²(2d), so E exp⟨w_1 + w_2, z⟩ is the sum over
i of (z²/4)^i E chi²(2d)^i / (i! (d/2)_i), and E chi²(2d)^i = 2^i (d)_i. (w and -w have the same law beside any other
row, and the weights of longer rows take their lengths back to those of w: one c for all.)

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
from companion.features.optimal import log_second_moment, optimal_hyperbolic, optimal_positive, tilt_for
from companion.features.positive import hyperbolic, positive
from companion.kernels.base import Kernel, only_for
from companion.kernels.dot import Softmax
from companion.kernels.gaussian import Gaussian
from companion.kernels.stationary import Stationary, host_lengthscale

MAPS: dict[str, Callable[..., Array]] = {
    "fourier": fourier,
    "fourier_offset": fourier_offset,
    "positive": positive,
    "hyperbolic": hyperbolic,
    "optimal_positive": optimal_positive,
    "optimal_hyperbolic": optimal_hyperbolic,
}
"""Name of a feature map to its function: the first two estimate stationary kernels, the others ``Softmax``."""

COLUMNS = {"fourier": 2, "fourier_offset": 1, "positive": 1, "hyperbolic": 2}
COLUMNS |= {"optimal_positive": 1, "optimal_hyperbolic": 2}
"""Feature columns that a map makes of one frequency."""


def variance(feature_map: str, k: np.ndarray, k2: np.ndarray) -> np.ndarray:
    """Of the estimate by one frequency, for k = k(δ) and k2 = k(2δ)."""
    return (1 + k2 - 2 * k**2) / 2 if feature_map == "fourier" else 1 + k2 / 2 - k**2


def positive_variance(feature_map: str, z2: np.ndarray, A: float, d: int) -> tuple[np.ndarray, np.ndarray]:
    """L and the variance of the estimate by one row relative to k² exp(L), for z2 = |x + y|².

    It is at most 1, and nothing overflows: exp(L) is exp(z²), or the second moment s where A is not 0.
    """
    if A:
        L = log_second_moment(z2, A, d, feature_map == "optimal_hyperbolic")
        return L, -np.expm1(-L)
    rise = -np.expm1(-z2)  # 1 - exp(-z²)
    return z2, rise if COLUMNS[feature_map] == 1 else rise**2 / 2


def block_covariance(z2: np.ndarray, d: int) -> np.ndarray:
    """c of two rows of a block relative to k², for z2 = |x + y|² up to 100."""
    return np.exp(-z2) * hyp1f1(d, d / 2, z2 / 2) - 1


def standard_error(
    kernel: Kernel,
    X: Any,
    Y: Any | None = None,
    *,
    n_frequencies: int,
    scheme: str = "iid",
    feature_map: str = "fourier",
    second_moment: float | None = None,
) -> np.ndarray:
    """The exact standard deviation of every entry of Φ(X) Φ(Y)ᵀ around kernel(X, Y).

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel; for the positive maps ``Softmax``, whose samples are multiplied by √scale.
    X, Y : array of shape (n, d), array of shape (l, d)
        Samples; Y = X if left out.
    n_frequencies : int
        The number m of frequencies, not of feature columns.
    scheme : {"iid", "orthogonal"}
        How they are drawn. Orthogonal: for the Gaussian with ``fourier``, and for ``Softmax``.
    feature_map : {"fourier", "fourier_offset", "positive", "hyperbolic", "optimal_positive", "optimal_hyperbolic"}
        What is done with them.
    second_moment : float, optional
        That of the optimal maps, which need it.

    Returns
    -------
    ndarray of shape (n, l)
        In float64; errors below 1e-7 are lost to rounding, or below 1e-7 r if samples lie r > 1 lengthscales apart.
        Of ``Softmax`` only errors in orthogonal blocks are, below 1e-7 √d times the kernel.

    Raises
    ------
    TypeError, ValueError
        If the data are refused, no closed form is known (repeat the draw with other seeds then), or an error overflows.

    Notes
    -----
    Page: ``random-features/random-fourier-features``, ``random-features/orthogonal-frequencies``,
    ``attention/performer`` and ``attention/variance-of-positive-features``.
    """
    checks.integer("n_frequencies", n_frequencies, minimum=1)
    checks.known("scheme", scheme, ("iid", "orthogonal"))
    checks.known("feature_map", feature_map, list(MAPS))
    _require_kernel(kernel, feature_map)
    X, dtype = arrays.read("X", X)
    X, Y, _ = (X, None, dtype) if Y is None else arrays.read_beside(X, dtype, Y)
    A = tilt_for(feature_map, second_moment, X.shape[1])
    if isinstance(kernel, Softmax):
        return _softmax_error(kernel, host(X), host(X if Y is None else Y), n_frequencies, scheme, feature_map, A)
    centre = host(X)[0].astype(np.float64)  # only differences count, and near 0 they keep their digits
    X, Y = (None if Z is None else host(Z) - centre for Z in (X, Y))
    k, k2 = kernel(X, Y), kernel(2 * X, None if Y is None else 2 * Y)  # (n, l), (n, l)
    v = variance(feature_map, k, k2)
    if scheme == "orthogonal":
        if not isinstance(kernel, Gaussian) or feature_map != "fourier":
            only_for("The orthogonal scheme's exact error", kernel, "kernels.Gaussian with 'fourier'")
        v = v + _orthogonal_covariance(kernel, X, Y) * _neighbours(n_frequencies, X.shape[1])
    return np.sqrt(np.maximum(v, 0.0) / n_frequencies)


def features_needed(
    kernel: Kernel,
    error: float,
    *,
    X: Any = None,
    feature_map: str = "fourier",
    second_moment: float | None = None,
) -> int:
    """The number D of feature columns from which on every entry has a standard error of at most ``error``.

    For independent frequencies; other schemes need fewer, or about as many where the kernel is nearly zero.

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel; for the positive maps ``Softmax``.
    error : float
        The standard error allowed, above 0; a stationary kernel's largest value is 1.
    X : array of shape (n, d), optional
        Only the pairs of these samples count; if left out, every distance does. For ``Softmax`` it must be given.
    feature_map : {"fourier", "fourier_offset", "positive", "hyperbolic", "optimal_positive", "optimal_hyperbolic"}
        What is done with the frequencies; ``COLUMNS`` has how many columns for each.
    second_moment : float, optional
        That of the optimal maps, which need it.

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
        checks.known("feature_map", feature_map, list(MAPS))
        worst = _largest_error(kernel, feature_map)
    else:
        options: dict[str, Any] = {"feature_map": feature_map, "second_moment": second_moment}
        worst = float(standard_error(kernel, X, n_frequencies=1, **options).max())
    if worst > 1e9 * error:
        fix = "Scale the data, or use the exact kernel."
        checks.fail("error", "at least 1e-9 of the error of one frequency", f"{error:g} of {worst:.3g}", fix)
    return COLUMNS[feature_map] * max(1, math.ceil((worst / error) ** 2 * (1 - 1e-12)))


def _require_kernel(kernel: Any, feature_map: str) -> None:
    """Refuse a kernel that the map does not estimate."""
    if feature_map not in ("fourier", "fourier_offset"):
        if not isinstance(kernel, Softmax):
            only_for(f"feature_map={feature_map!r}", kernel, "kernels.Softmax", "Use feature_map='fourier'.")
    elif not isinstance(kernel, Stationary):
        fix = "Use feature_map='positive' or 'hyperbolic'." if isinstance(kernel, Softmax) else ""
        only_for("An exact error", kernel, "a stationary kernel", fix)


def _softmax_error(
    kernel: Softmax, X: np.ndarray, Y: np.ndarray, m: int, scheme: str, feature_map: str, A: float
) -> np.ndarray:
    """k √(v/m), from v relative to exp(L)."""
    root = math.sqrt(float(host(kernel.scale)))
    X, Y = root * X.astype(np.float64), root * Y.astype(np.float64)
    z2 = cdist(X, -Y, "sqeuclidean")  # (n, l), |x + y|²
    L, v = positive_variance(feature_map, z2, A, X.shape[1])
    if scheme == "orthogonal":
        c = block_covariance(np.minimum(z2, 100.0), X.shape[1])  # beyond, c + 1 or exp(-L) is 0 to rounding
        v = v + np.exp(-L) * c * _neighbours(m, X.shape[1])
    with np.errstate(over="ignore"):
        error = np.exp(X @ Y.T + L / 2) * np.sqrt(np.maximum(v, 0.0) / m)
    if not np.isfinite(error).all():
        checks.no_overflow("The standard error", float(np.finfo(np.float64).max), "Scale the data.")
    return error


def _largest_error(kernel: Kernel, feature_map: str) -> float:
    """The supremum over all distances of the standard error of one frequency; at infinity it is 1/√2 or 1."""
    _require_kernel(kernel, feature_map)
    if isinstance(kernel, Softmax):
        checks.fail("X", "given for Softmax", "None", "Its errors grow with the norms of the samples, without bound.")
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
