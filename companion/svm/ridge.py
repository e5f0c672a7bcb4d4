"""Kernel ridge regression: the function f = Σ_i a_i k(., x_i) that minimises |y - f|² + penalty |f|².

By the representer theorem a minimises |y - K a|² + penalty aᵀ K a, so (K + penalty I) a = y (Saunders, Gammerman & Vovk
1998, "Ridge regression learning algorithm in dual variables"; Schölkopf & Smola 2002, "Learning with Kernels", section
4.2). Cholesky solves it in n³/3 operations. Rounding changes a by about eps·κ of its size, κ = (λ_max + penalty) /
(λ_min + penalty); the residual says whether that matters.

>>> solution = solve_ridge([[1.0, 0.5], [0.5, 1.0]], [1.0, -1.0], penalty=0.5)
>>> solution.coef, solution.converged
(array([ 1., -1.]), True)
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lapack

from companion._core import arrays, checks
from companion._core.checks import NotPSDError, NumericalWarning
from companion.svm import psd


@dataclass(frozen=True, eq=False)
class RidgeSolution:
    """The solution of a kernel ridge problem.

    Parameters
    ----------
    coef : ndarray of shape (n,) or (n, t)
        The coefficients a; predictions are ``kernel(X_new, X) @ coef``.
    residual : float
        |(K + penalty I) a - y| / |y|, the largest over the columns of y.
    converged : bool
        Whether the residual is below 1e-6 for float64 and 1e-3 for float32 (as rounded coefficients).
    """

    coef: np.ndarray
    residual: float
    converged: bool


def ridge_reference(K: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """a = (K + penalty I)⁻¹ y, straight from the formula."""
    return np.linalg.solve(K + penalty * np.eye(len(K)), y)


def solve_ridge(K: Any, y: Any, *, penalty: float = 1.0) -> RidgeSolution:
    """Kernel ridge regression: the a that minimises |y - K a|² + penalty aᵀ K a, so (K + penalty I) a = y.

    Computed in float64. K itself must be PSD to rounding, not only K + penalty I: for an indefinite K the term aᵀ K a
    rewards some large a. That costs a second Cholesky factorisation.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix, ``kernel(X)``.
    y : array of shape (n,) or (n, t)
        Targets, one column per output.
    penalty : float
        At least 0, in the units of K; larger is smoother. 0 interpolates, which needs a K that is not singular.

    Returns
    -------
    RidgeSolution
        Coefficients in the dtype of K, with the residual of the system.

    Raises
    ------
    TypeError, ValueError
        If K or y is not a finite real NumPy array (or list) of a matching shape, K is in float16 or not symmetric,
        penalty is negative, or the coefficients do not fit the dtype of K.
    NotPSDError
        If K has an eigenvalue below -n·eps·|K|, eps of its entries (see ``psd``), or K + penalty I is singular to
        rounding.

    Warns
    -----
    NumericalWarning
        If the residual is not small (``converged`` is False).

    Notes
    -----
    Page: ``kernels/kernel-trick``. Reference: ``ridge_reference``.
    """
    K = psd.read_matrix("K", K)
    y, _ = arrays.read_on_host("y", y, ndim=(1, 2))
    checks.same_length("K", K.shape, "y", y.shape)
    penalty = arrays.number("penalty", penalty, allow_zero=True, why="A negative penalty rewards large functions.")
    dtype, precision = K.dtype, psd.precision(K)
    K, y = K.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    psd.require_symmetric(K, precision)
    size = psd.norm(K)
    psd.require_rounded(K, psd.rounding(precision, len(K)) * size)
    _, exponent = np.frexp(np.abs(y).max(axis=0))  # columns scaled by a power of 2 cannot overflow, nor round
    y = np.ldexp(y, -exponent)
    coef = _rounded(solve(K, y, penalty, size), exponent, dtype)
    error = residual(K, y, penalty, np.ldexp(coef.astype(np.float64), -exponent))
    converged = error <= (1e-6 if dtype == np.float64 else 1e-3)
    if not converged:
        _require_digits(coef, y)
        message = f"The relative residual of the ridge system is {error:.1g}, not small: raise {penalty=}."
        warnings.warn(message, NumericalWarning, stacklevel=2)
    return RidgeSolution(coef, error, converged)


def solve(K: np.ndarray, y: np.ndarray, penalty: float, size: float) -> np.ndarray:
    """a = (K + penalty I)⁻¹ y by Cholesky, for a K of norm ``size``."""
    factor, info = psd.cholesky(K, penalty)
    if info == 0:
        rcond, _ = lapack.dpocon(factor, size + penalty, uplo="L")
    if info or rcond < psd.EPS:
        smallest = psd.smallest_eigenvalue(K) + penalty
        raise NotPSDError(
            f"K + penalty I must be positive definite; got smallest eigenvalue {smallest:.3g} with {penalty=:g}, which "
            "is zero to rounding: no unique solution. Raise penalty, or drop duplicate samples.",
            smallest,
        )
    return lapack.dpotrs(factor, y, lower=1)[0]


def residual(K: np.ndarray, y: np.ndarray, penalty: float, a: np.ndarray) -> float:
    """|(K + penalty I) a - y| / |y|, the largest over the columns of y."""
    error, size = np.linalg.norm(K @ a + penalty * a - y, axis=0), np.linalg.norm(y, axis=0)
    return float(np.max(error / np.where(size > 0, size, 1.0)))


def _rounded(scaled: np.ndarray, exponent: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """scaled · 2^exponent in the dtype of the result."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        coef = np.ldexp(scaled, exponent).astype(dtype)
    if not np.isfinite(coef).all():
        checks.no_overflow("coef", float(np.finfo(dtype).max), "Scale y down, raise penalty, or use a float64 K.")
    return coef


def _require_digits(coef: np.ndarray, y: np.ndarray) -> None:
    """Refuse a column that is subnormal throughout: it is the dtype that spoils the residual, not the system."""
    tiny = float(np.finfo(coef.dtype).tiny)
    if np.any((np.abs(coef).max(axis=0) < tiny) & y.any(axis=0)):
        expected = f"within the range of its dtype (normal from {tiny:.3g})"
        checks.fail("coef", expected, "an underflow", "Scale y up, or use a float64 K.")
