"""Distances between all pairs of samples: X of shape (..., n, d) and Y of shape (..., m, d) give (..., n, m).

|x - y|² = |x|² + |y|² - 2⟨x, y⟩ comes from one matrix product, which loses about eps·max|x|² to rounding: enough for a
smooth function of |x - y|² where X is centred and not too spread, and nothing for a function of |x - y|, since near 0
an error δ of r² is an error √δ of r. Such distances come from differences (Higham 2002, "Accuracy and Stability of
Numerical Algorithms", section 1.7, the same cancellation in a variance).

>>> X = np.array([[0.0, 0.0], [3.0, 4.0]])
>>> squared_distances(X, X)[0], distances(X, X)[0], distances(X, X, p=1)[0]
(array([ 0., 25.]), array([0., 5.]), array([0., 7.]))
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist

from companion._core.arrays import Array, namespace

Squares = Callable[[Array, Array], Array]
_METRIC = {1: "cityblock", 2: "euclidean"}


def squared_distances(X: Array, Y: Array) -> Array:
    """|x - y|² from one product, that of the rows (-2x, |x|², 1) and (y, 1, |y|²)."""
    xp = namespace(X)
    x, y = xp.sum(X * X, axis=-1, keepdims=True), xp.sum(Y * Y, axis=-1, keepdims=True)  # (..., n, 1), (..., m, 1)
    A = xp.concat([-2 * X, x, xp.ones_like(x)], axis=-1)  # (..., n, d + 2)
    B = xp.concat([Y, xp.ones_like(y), y], axis=-1)  # (..., m, d + 2)
    return A @ B.mT


def squared_differences(X: Array, Y: Array) -> Array:
    """|x - y|² from differences, one feature at a time: slower, and nothing cancels."""
    total = 0.0
    for c in range(X.shape[-1]):
        total = total + (X[..., :, None, c] - Y[..., None, :, c]) ** 2  # (..., n, m)
    return total


def distances(X: Array, Y: Array, p: int = 2) -> Array:
    """|x - y|_p for p = 1 or 2, from differences; its gradient (first order) is 0 where x = y."""
    xp = namespace(X)
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return cdist(X, Y, _METRIC[p])
    if hasattr(xp, "cdist"):  # torch
        return xp.cdist(X, Y, p=float(p), compute_mode="donot_use_mm_for_euclid_dist")
    if p == 2:
        return xp.sqrt(squared_differences(X, Y))
    return sum(xp.abs(X[..., :, None, c] - Y[..., None, :, c]) for c in range(X.shape[-1]))
