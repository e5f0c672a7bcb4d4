"""Gram matrices on the host without temporaries: rows made once, and a function that fills a tile from them in place.

exp(-|x - y|²/2) is exp⟨a, b⟩ with a = (x, -|x|²/2, 1) and b = (y, 1, -|y|²/2): one product, one exponential.

>>> A, B, fill = gaussian(np.array([[0.0], [2.0]]), np.array([[0.0]]))
>>> fill(A, B, out := np.empty((2, 1)))
>>> out.round(4)
array([[1.    ],
       [0.1353]])
"""

from functools import partial

import numpy as np

from companion._core.tiles import Fill


def gaussian(X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Fill]:
    """For ``gaussian.gaussian``."""
    x, y = -np.sum(X * X, axis=1, keepdims=True) / 2, -np.sum(Y * Y, axis=1, keepdims=True) / 2
    return np.hstack([X, x, np.ones_like(x)]), np.hstack([Y, np.ones_like(y), y]), exp_of_product


def cauchy(X: np.ndarray, Y: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray, Fill]:
    """For ``cauchy.cauchy``."""
    x, y = np.sum(X * X, axis=1, keepdims=True), np.sum(Y * Y, axis=1, keepdims=True)
    A, B = np.hstack([-2 * X, x, np.ones_like(x)]), np.hstack([Y, np.ones_like(y), y])
    return A, B, partial(_power_of_product, beta=beta)


def softmax(X: np.ndarray, Y: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, Fill]:
    """For ``dot.softmax``."""
    return scale * X, Y, exp_of_product


def exp_of_product(A: np.ndarray, B: np.ndarray, out: np.ndarray) -> None:
    """exp⟨a, b⟩ of all pairs."""
    np.matmul(A, B.T, out=out)
    np.exp(out, out=out)


def _power_of_product(A: np.ndarray, B: np.ndarray, out: np.ndarray, beta: float) -> None:
    np.matmul(A, B.T, out=out)
    np.log1p(out, out=out)
    out *= -beta
    np.exp(out, out=out)
