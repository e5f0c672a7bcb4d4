"""Kernels of the inner product: the polynomial kernel (⟨x, y⟩ + coef0)^degree, and softmax, exp(scale ⟨x, y⟩).

Sums and products of kernels are kernels, ⟨x, y⟩ is one, and so are its powers and its exponential series (Schölkopf &
Smola 2002, "Learning with Kernels", section 2.1 and proposition 13.2). Relative to its size, an entry of softmax loses
about eps·scale·|x||y|.

>>> Polynomial(degree=2)([[1.0, 2.0]], [[3.0, 4.0]]), Softmax()([[1.0, 2.0]], [[0.5, 0.25]]).round(4)
(array([[144.]]), array([[2.7183]]))
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from companion._core import checks
from companion._core.arrays import Array, check_positive, follow, namespace
from companion._core.tiles import gram
from companion.kernels import _fast
from companion.kernels.base import DIFFERENCE, Kernel


def polynomial(X: Array, Y: Array, degree: int, coef0: Array | float) -> Array:
    """K = (⟨x, y⟩ + coef0)^degree, for X (..., n, d) and Y (..., m, d): (..., n, m)."""
    return power(X @ Y.mT + coef0, degree)


def power(x: Array, n: int) -> Array:
    """x^n by multiplications: exact for whole numbers, and faster than a power of floating-point numbers."""
    if n == 1:
        return x
    half = power(x, n // 2)
    return half * half * x if n % 2 else half * half


def softmax(X: Array, Y: Array, scale: Array | float) -> Array:
    """K = exp(scale ⟨x, y⟩), for X (..., n, d) and Y (..., m, d): (..., n, m)."""
    xp = namespace(X)
    return xp.exp(scale * X @ Y.mT)


def softmax_reference(X: np.ndarray, Y: np.ndarray, scale: float) -> np.ndarray:
    """K_ij = exp(scale ⟨x_i, y_j⟩), straight from the formula."""
    return np.array([[np.exp(scale * np.sum(x * y)) for y in Y] for x in X])


@dataclass(eq=False)
class Polynomial(Kernel):
    """k(x, y) = (⟨x, y⟩ + coef0)^degree: its features are all monomials up to that degree (exactly that, if coef0 = 0).

    Parameters
    ----------
    degree : int
        At least 1.
    coef0 : float
        At least 0, in the units of X squared. A negative one would give lower powers of ⟨x, y⟩ negative coefficients:
        a difference of kernels, which need not be positive semidefinite.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range; on a call, if a value of K overflows.

    Notes
    -----
    Page: ``kernels/kernel-trick``. Core: ``kernels.dot.polynomial``.
    """

    degree: int = 3
    coef0: Any = 1.0
    _limits = {
        "degree": partial(checks.integer, minimum=1),
        "coef0": partial(check_positive, allow_zero=True, why=DIFFERENCE),
    }

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return gram(partial(polynomial, degree=self.degree), X, Y, coef0=follow(self.coef0, X))

    def _diag(self, X: Array) -> Array:
        return power(namespace(X).sum(X * X, axis=1) + follow(self.coef0, X), self.degree)


@dataclass(eq=False)
class Softmax(Kernel):
    """k(x, y) = exp(scale ⟨x, y⟩): the weights of attention before each row is divided by its sum.

    It is not stationary: it grows with the norms, k(x, x) = exp(scale |x|²), and its features are all monomials.
    Divided by exp(scale |x|² / 2) exp(scale |y|² / 2) it is ``Gaussian(1 / sqrt(scale))``.

    Parameters
    ----------
    scale : float
        Positive, as in torch's ``scaled_dot_product_attention``, where 1 / sqrt(d) is the default; here it is 1.

    Raises
    ------
    ValueError
        If ``scale`` is not positive and finite; on a call, if a value of K overflows.

    Notes
    -----
    Page: ``kernels/cost-of-the-gram-matrix``. Core: ``kernels.dot.softmax``. Reference: ``softmax_reference``.
    """

    scale: Any = 1.0
    _limits = {"scale": partial(check_positive, why="With a negative scale k(x, x) < k(x, -x).")}
    _remedy = "Scale the data, pass scale=1/math.sqrt(X.shape[1]) or less, or use float64."

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return gram(softmax, X, Y, fast=_fast.softmax, scale=follow(self.scale, X))

    def _diag(self, X: Array) -> Array:
        xp = namespace(X)
        return xp.exp(follow(self.scale, X) * xp.sum(X * X, axis=1))
