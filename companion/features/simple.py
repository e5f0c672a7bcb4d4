"""Feature maps of one line: exp made linear above 0, rectified projections, and the first order of exp(⟨x, y⟩).

    elu_plus_one    x + 1 for x > 0, exp(x) for x <= 0, entry by entry      D = d         positive
    relu            max(x, 0), or max(⟨w_j, x⟩, 0) / √m for m rows of W     D = d or m    not negative
    taylor          [1, x]: ⟨φ(x), φ(y)⟩ = 1 + ⟨x, y⟩                       D = d + 1     of both signs

(Katharopoulos et al. 2020, "Transformers are RNNs", elu + 1; Choromanski et al. 2021, "Rethinking attention with
Performers", generalised attention with ReLU.) For rows w of law N(0, I) the rectified estimate has the mean

    E max(⟨w, x⟩, 0) max(⟨w, y⟩, 0) = |x||y| (sin θ + (π - θ) cos θ) / 2π,    θ the angle between x and y,

half of Cho & Saul's arc-cosine kernel of order 1 (2009, "Kernel methods for deep learning"). For in the plane of x and
y, w has a uniform angle and a radius with E r² = 2, and ∫ cos a cos(a - θ) da / 2π over the angles a at which both are
positive, from θ - π/2 to π/2, is (sin θ + (π - θ) cos θ) / 4π.

>>> elu_plus_one([[-1.0, 0.0, 2.0]]).round(3), relu([[-1.0, 0.0, 2.0]]), taylor([[-1.0, 0.0, 2.0]])
(array([[0.368, 1.   , 3.   ]]), array([[0., 0., 2.]]), array([[ 1., -1.,  0.,  2.]]))
"""

import math
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, follow, namespace
from companion.features.positive import require_whole
from companion.frequencies.base import Frequencies
from companion.frequencies.hadamard import Hadamard


def linear_above_zero(X: Array) -> Array:
    """φ(x) = x + 1 for x > 0, exp(x) for x <= 0; the branch not taken is a constant, so no gradient is NaN."""
    xp = namespace(X)
    above = X > 0
    return xp.where(above, X, 0.0) + xp.exp(xp.where(above, 0.0, X))


def rectified(P: Array, amplitude: Array | float = 1.0) -> Array:
    """φ = amplitude · max(p, 0) of projections P (..., n, m)."""
    return namespace(P).where(P > 0, P, 0.0) * amplitude


def one_and_x(X: Array) -> Array:
    """φ(x) = [1, x], for X (..., n, d): (..., n, 1 + d)."""
    xp = namespace(X)
    return xp.concat([xp.ones_like(X[..., :1]), X], axis=-1)


def elu_plus_one(X: Any) -> Array:
    """The features x + 1 for x > 0 and exp(x) for x <= 0, entry by entry: positive, and of the size of x.

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; leading axes are batches and heads.

    Returns
    -------
    array of shape (..., n, d)
        On the backend and device and in the dtype of X (float16 and bfloat16 are computed in float32). Gradients pass.

    Raises
    ------
    TypeError, ValueError
        If X is no finite dense real array.

    Notes
    -----
    Page: ``attention/linear-attention``. Core: ``features.simple.linear_above_zero``. Where torch's elu rounds to -1,
    elu + 1 would be 0; exp(x) is not, down to the range of the dtype.

    Examples
    --------
    >>> elu_plus_one([[-2.0, 0.5]]).round(3)
    array([[0.135, 1.5  ]])
    """
    X, dtype = arrays.read("X", X, arrays.BATCHES)
    return _in_range(linear_above_zero(X), dtype)


def relu(X: Any, W: Any = None) -> Array:
    """The features max(x, 0), or max(⟨w_j, x⟩, 0) / √m for the m rows of W.

    For rows N(0, I), ⟨φ(x), φ(y)⟩ has the mean |x||y| (sin θ + (π - θ) cos θ) / 2π, θ the angle between x and y.

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; leading axes are batches and heads.
    W : Frequencies, or array of shape (m, d), optional
        Rows that are N(0, I) each, from ``frequencies.draw(Softmax(), ...)``; any other rows for another kernel.

    Returns
    -------
    array of shape (..., n, d) or (..., n, m)
        Each projection times the root of its row's weight (1/m where there are none); on the backend and device and in
        the dtype of X (float16 and bfloat16 are computed in float32). Gradients pass, also to W if it is a tensor.

    Raises
    ------
    TypeError, ValueError
        If X or W is no finite dense real matrix, their numbers of features differ, the features do not fit into memory,
        or one overflows. Also for the half grids of the scheme "gauss_hermite".

    Notes
    -----
    Page: ``attention/linear-attention``. Core: ``features.simple.rectified``. A sample of which no projection is
    positive has no features: in attention its weights would sum to 0, which is refused.

    Examples
    --------
    >>> relu([[1.0, -2.0]]), relu([[1.0, -2.0]], W=[[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, -4.0]])
    (array([[1., 0.]]), array([[0.5, 0. , 1. , 4. ]]))
    """
    X, dtype = arrays.read("X", X, arrays.BATCHES)
    with np.errstate(over="ignore", invalid="ignore"):
        phi = rectified(X) if W is None else rectified(*_projections(X, W))
        return _in_range(phi, dtype)


def taylor(X: Any) -> Array:
    """The features [1, x]: ⟨φ(x), φ(y)⟩ = 1 + ⟨x, y⟩, the first order of exp(⟨x, y⟩).

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; leading axes are batches and heads. For exp(scale ⟨x, y⟩) multiply all of them by √scale.

    Returns
    -------
    array of shape (..., n, 1 + d)
        On the backend and device and in the dtype of X (float16 and bfloat16 are computed in float32). Gradients pass.

    Raises
    ------
    TypeError, ValueError
        If X is no finite dense real array.

    Notes
    -----
    Page: ``attention/linear-attention``. Core: ``features.simple.one_and_x``. Where ⟨x, y⟩ < -1 the estimate is
    negative. Weights of attention are then of both signs, their sum may come near 0, and an output may lie far outside
    of the values; only a sum of zero to rounding is refused. At t = ⟨x, y⟩ the error is exp(t) - 1 - t.

    Examples
    --------
    >>> taylor([[0.5, 2.0]]) @ taylor([[-4.0, 0.0]]).T
    array([[-1.]])
    """
    X, dtype = arrays.read("X", X, arrays.BATCHES)
    return _in_range(one_and_x(X), dtype)


def _projections(X: Array, W: Any) -> tuple[Array, Any]:
    """XWᵀ, and the root of each row's weight."""
    require_whole(W)
    rows, weights = (W.rows, W.weights) if isinstance(W, Frequencies) else (arrays.read("W", W)[0], None)
    checks.same_features("X", tuple(X.shape), "W", tuple(rows.shape))
    size = math.prod(X.shape[:-1]), rows.shape[0]
    arrays.fits_memory("features", *size, X, "Transform X in blocks of rows.", copies=2)
    P = rows.project(X) if isinstance(rows, Hadamard) else X @ follow(rows, X).mT
    return P, rows.shape[0] ** -0.5 if weights is None else follow(weights, X) ** 0.5


def _in_range(phi: Array, dtype: Any) -> Array:
    """The features in the dtype of the data; refuses those that leave its range."""
    fix = "Scale the data, or use float32 or float64."
    return arrays.in_range("φ(X)", namespace(phi).astype(phi, dtype, copy=False), fix)
