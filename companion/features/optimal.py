"""Optimal positive features: rows longer than those of ``positive``, with weights that make up for it.

It is importance sampling. The rows are √(1-4A) w with w ~ N(0, I) and A < 0; their weights (1-4A)^{d/2} e^{2A|w|²}, of
which φ(x) and φ(y) have the root each, bring the mean back to that of rows w, ⟨φ(x), φ(y)⟩ ≈ exp(⟨x, y⟩):

    optimal_positive      (1-4A)^{d/4} exp(A|w_j|² + √(1-4A) ⟨w_j, x⟩ - |x|²/2) / √m       D = m
    optimal_hyperbolic    (1-4A)^{d/4} exp(A|w_j|² ± √(1-4A) ⟨w_j, x⟩ - |x|²/2) / √(2m)    D = 2m

With u = 1-8A, z = x + y and C = ((1+u)/(2√u))^d the relative variances for independent rows are (s - 1) / m,

    optimal_positive      s = C exp(z²/u)                                    finite for A < 1/8
    optimal_hyperbolic    s = C exp(-z²) (exp((1 + 1/u) z²) + 1) / 2

(Likhosherstov et al. 2022, "Chefs' random tables: non-trigonometric random features"; both follow from the Gaussian
integral E exp(a|w|² + ⟨b, w⟩) = (1-2a)^{-d/2} exp(|b|² / (2 - 4a)), with a = 4A.) A is where s is least at z² =
``second_moment``. For z² far above d² it is about (e z²/(2d))^{d/2}, a power of z²; that of ``positive`` is exp(z²).

>>> from companion.frequencies import draw
>>> from companion.kernels import Softmax
>>> x, W = [[0.0, 0.0], [0.5, 0.0]], draw(Softmax(), 512, dim=2, rng=0)
>>> phi = optimal_hyperbolic(x, W, second_moment=mean_square(x))
>>> (phi @ phi.T).round(1)
array([[1. , 1. ],
       [1. , 1.3]])
"""

import math
from functools import partial
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, host
from companion.features.positive import _features, log_hyperbolic, log_positive, require_whole

LARGEST = 1e9  # of second moments: beyond, the weights have no digits left


def tilt(q: float, d: int) -> float:
    """A of ``optimal_positive`` at z² = q: the root u = 1-8A >= 1 of d u² - (d + 2q) u - 2q = 0, where s is least."""
    gap, root = d - 2 * q, math.hypot(d - 2 * q, 4 * math.sqrt(d * q))
    return -(q / (gap + root) if gap > 0 else (root - gap) / (16 * d))


def tilt_of_pairs(q: float, d: int) -> float:
    """A of ``optimal_hyperbolic`` at z² = q: that of ``optimal_positive`` at z² = q times the share of e^{(1+1/u)q}."""
    A = tilt(q, d)
    for _ in range(60):  # the share hardly changes with A: a few are enough
        share = 1 / (1 + math.exp(-(1 + 1 / (1 - 8 * A)) * q))
        A = tilt(q * share, d)
    return A


TILTS = {"optimal_positive": tilt, "optimal_hyperbolic": tilt_of_pairs}


def optimal_positive(X: Any, W: Any, *, second_moment: Any, log: bool = False) -> Array:
    """``positive`` with the least variance for samples with a given mean of |x + y|².

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; leading axes are batches. For exp(scale ⟨x, y⟩) multiply all of them by √scale.
    W : Frequencies, or array of shape (m, d)
        Rows that are N(0, I) each, from ``frequencies.draw(Softmax(), ...)``: then there is no bias.
    second_moment : float
        The mean of |x + y|² over the pairs that are to be estimated: ``mean_square``. All samples of a product must be
        given the same. At 0 the features are those of ``positive``.
    log : bool
        Return log φ, which is finite where φ over- or underflows.

    Returns
    -------
    array of shape (..., n, m)
        As ``positive``.

    Raises
    ------
    TypeError, ValueError
        As ``positive``, also for the scheme "sorf", whose rows are all of one length: their weights would be one
        factor, a bias. Or if ``second_moment`` is not a number from 0 to 1e9.

    Notes
    -----
    Page: ``attention/variance-of-positive-features``. Cores: ``tilted`` and ``log_positive``. For pairs whose |x + y|²
    varies, A makes the mean of log s least. A pair much closer to z = 0 than the mean is estimated less well than by
    ``positive``.

    Examples
    --------
    >>> optimal_positive([[0.0], [1.0]], W=[[0.5], [-0.5]], second_moment=1.0).round(3)
    array([[0.802, 0.802],
           [1.035, 0.229]])
    """
    require_whole(W)
    return _optimal("optimal_positive", X, W, second_moment, log)


def optimal_hyperbolic(X: Any, W: Any, *, second_moment: Any, log: bool = False) -> Array:
    """``hyperbolic``, of w and of -w, with the least variance for samples with a given |x + y|².

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; leading axes are batches. For exp(scale ⟨x, y⟩) multiply all of them by √scale.
    W : Frequencies, or array of shape (m, d)
        Rows, as for ``optimal_positive``.
    second_moment : float
        As for ``optimal_positive``. The best A is another one, since pairs cancel a part of the variance by themselves.
    log : bool
        Return log φ, which is finite where φ over- or underflows.

    Returns
    -------
    array of shape (..., n, 2m)
        The features of all w_j, then those of all -w_j, each times the root of half its row's weight.

    Raises
    ------
    TypeError, ValueError
        As ``optimal_positive``, but for the half grids: -w is the other half.

    Notes
    -----
    Page: ``attention/variance-of-positive-features``. Cores: ``tilted`` and ``log_hyperbolic``.

    Examples
    --------
    >>> optimal_hyperbolic([[0.0], [1.0]], W=[[0.5]], second_moment=1.0).round(3)
    array([[0.792, 0.792],
           [0.982, 0.235]])
    """
    return _optimal("optimal_hyperbolic", X, W, second_moment, log)


def mean_square(X: Any, Y: Any | None = None) -> float:
    """The mean of |x + y|² over all pairs of a row of X and a row of Y, in O(n d): the maps' ``second_moment``.

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; where there are leading axes, pairs are those within a batch.
    Y : array of shape (..., l, d), optional
        Others, with the same leading axes; X if left out.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If X or Y is no finite dense real array, or they do not fit together.

    Notes
    -----
    Page: ``attention/variance-of-positive-features``. It is mean |x|² + mean |y|² + 2 ⟨mean x, mean y⟩. A causal model
    must take it from other sequences, or a row's features depend on what comes later.

    Examples
    --------
    >>> mean_square([[0.0], [2.0]])
    6.0
    """
    X = host(arrays.read("X", X, arrays.BATCHES)[0]).astype(np.float64)
    Y = X if Y is None else host(arrays.read("Y", Y, arrays.BATCHES)[0]).astype(np.float64)
    checks.same_features("X", X.shape, "Y", Y.shape)
    if X.shape[:-2] != Y.shape[:-2]:
        checks.fail("X and Y", "equal in their leading axes", f"shapes {X.shape} and {Y.shape}", "")
    squares = np.mean(X * X) + np.mean(Y * Y)
    across = np.mean(X.mean(axis=-2) * Y.mean(axis=-2))
    return float(X.shape[-1] * (squares + 2 * across))


def tilt_for(feature: str, second_moment: Any, d: int) -> float:
    """A of a feature map by its name; 0 for those that know no second moment, which then must not be given."""
    if feature in TILTS:
        q = arrays.number("second_moment", second_moment, allow_zero=True, why="Take features.mean_square(X, Y).")
        checks.at_most("second_moment", q, LARGEST, "Scale the data.")
        return TILTS[feature](q, d)
    if second_moment is not None:
        fix = f"Use feature {'optimal_' + feature!r}." if f"optimal_{feature}" in TILTS else ""
        checks.fail("second_moment", f"left out for {feature!r}", repr(second_moment), fix)
    return 0.0


def log_second_moment(z2: np.ndarray, A: float, d: int, pairs: bool) -> np.ndarray:
    """log s for z2 = |x + y|², without cancellation where s is close to 1."""
    u = 1 - 8 * A
    log_constant = d * math.log1p((8 * A / (1 + math.sqrt(u))) ** 2 / (2 * math.sqrt(u)))  # log C
    if not pairs:
        return log_constant + z2 / u
    t = (1 + 1 / u) * z2 / 2
    near = np.log1p(2 * np.sinh(np.minimum(t, 1.0) / 2) ** 2)  # log cosh t
    return log_constant + 4 * A / u * z2 + np.where(t < 1, near, t + np.log1p(np.exp(-2 * t)) - math.log(2))


def _optimal(feature: str, X: Any, W: Any, second_moment: Any, log: bool) -> Array:
    require_lengths(W)
    pairs = feature == "optimal_hyperbolic"
    core = log_hyperbolic if pairs else log_positive
    best = partial(tilt_for, feature, second_moment)
    return _features(core, X, W, columns=1 + pairs, log=log, tilt=best)


def require_lengths(W: Any) -> None:
    """Refuse rows whose lengths do not vary as those of Gaussian vectors do."""
    if getattr(W, "scheme", "") == "sorf":
        fix = "Use scheme='orthogonal' or 'fastfood'."
        checks.fail("W", "of rows with the lengths of Gaussian vectors", "rows of one length, scheme='sorf'", fix)
