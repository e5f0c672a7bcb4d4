"""Kernel ridge regression: f(x) = Σ_i a_i k(x, x_i) with (K + penalty I) a = y.

The coefficients a minimise |y - K a|² + penalty aᵀ K a (Saunders, Gammerman & Vovk 1998, "Ridge regression learning
algorithm in dual variables"; Schölkopf & Smola 2002, "Learning with Kernels", section 4.2: representer theorem). The
system is solved through a Cholesky factorisation, n³/3 operations, which also certifies that the minimum is one.
Rounding changes a by about eps·κ relative to its size, where κ = (λ_max + penalty) / (λ_min + penalty); the residual,
which ``RidgeSolution`` carries, says whether that spoils the fit.

>>> from companion.kernels import Gaussian
>>> solution = solve_ridge(Gaussian()([[0.0], [1.0]]), [0.0, 1.0], penalty=0.1)
>>> solution.coef.round(3), solution.converged
(array([-0.72 ,  1.306]), True)
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh, lapack

from companion import _arrays, _checks
from companion._checks import NotPSDError, NumericalWarning

__all__ = ["NotPSDError", "RidgeSolution", "ridge_reference", "solve_ridge"]

_ROWS = 256


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
        Whether the residual is below 1e-6 for float64 and 1e-3 for float32 and float16 (as rounded coefficients).
    """

    coef: np.ndarray
    residual: float
    converged: bool


def ridge_reference(K: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """a = (K + penalty I)⁻¹ y, straight from the formula.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix.
    y : array of shape (n,) or (n, t)
        Targets.
    penalty : float
        Positive.

    Returns
    -------
    ndarray of shape (n,) or (n, t)

    Examples
    --------
    >>> ridge_reference(np.eye(2), np.array([1.0, 2.0]), penalty=1.0)
    array([0.5, 1. ])
    """
    return np.linalg.solve(K + penalty * np.eye(len(K)), y)


def solve_ridge(K: Any, y: Any, *, penalty: float = 1.0) -> RidgeSolution:
    """Kernel ridge regression: the a that minimises |y - K a|² + penalty aᵀ K a, so (K + penalty I) a = y.

    Computed in float64 on the host, whatever the dtype of K. K itself must be PSD to rounding, not only K + penalty I:
    for an indefinite K the term aᵀKa rewards some large a, and beyond the smallest |negative eigenvalue| there is
    no minimum. That costs a second Cholesky factorisation, of K + n·eps·|K| I with eps of K's dtype and |K| the largest
    absolute row sum; only if it fails is an eigenvalue computed.

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
        Coefficients in the dtype of K, with the residual of the system and whether it is small.

    Raises
    ------
    TypeError, ValueError
        If K or y is not a finite real NumPy array (or list) of a matching shape, K is not symmetric, penalty is
        negative, or the coefficients do not fit the dtype of K.
    NotPSDError
        If K has an eigenvalue below -n·eps·|K|, or K + penalty I is singular to rounding.

    Warns
    -----
    NumericalWarning
        If the residual is not small (``converged`` is False).

    Notes
    -----
    Page: ``kernels/kernel-trick``. Slow twin: ``ridge_reference``.

    Examples
    --------
    >>> solve_ridge([[1.0, 0.5], [0.5, 1.0]], [1.0, -1.0], penalty=0.5).coef
    array([ 1., -1.])
    """
    K, dtype = _arrays.host_data("K", K)
    y, _ = _arrays.host_data("y", y, ndim=(1, 2))
    _checks.same_length("K", K.shape, "y", y.shape)
    _checks.positive("penalty", np.asarray(penalty), allow_zero=True, why="A negative penalty rewards large functions.")
    K, y, eps = K.astype(np.float64, copy=False), y.astype(np.float64, copy=False), float(np.finfo(dtype).eps)
    norm = _norm_of_symmetric(K, tolerance=100 * eps)
    _require_psd(K, len(K) * eps * norm)
    _, exponent = np.frexp(np.abs(y).max(axis=0))  # columns scaled by a power of 2 cannot overflow, nor round
    y = np.ldexp(y, -exponent)
    coef = _rounded(_solve(K, y, float(penalty), norm), exponent, dtype)
    residual = _residual(K, y, float(penalty), np.ldexp(coef.astype(np.float64), -exponent))
    converged = residual <= (1e-6 if dtype == np.float64 else 1e-3)
    if not converged:
        _require_digits(coef, y)
        message = f"The relative residual of the ridge system is {residual:.1g}, not small: raise {penalty=}."
        warnings.warn(message, NumericalWarning, stacklevel=2)
    return RidgeSolution(coef, residual, converged)


def _norm_of_symmetric(K: np.ndarray, tolerance: float) -> float:
    """The largest absolute row sum, between the spectral norm and √n times it; refuses an asymmetric K."""
    _checks.square("K", K.shape)
    norm = largest = gap = 0.0
    for i in range(0, len(K), _ROWS):
        rows, columns = K[i : i + _ROWS], K[:, i : i + _ROWS].T  # (<= _ROWS, n), twice
        size = np.abs(rows)
        norm, largest = max(norm, float(size.sum(axis=1).max())), max(largest, float(size.max()))
        gap = max(gap, float(np.abs(rows - columns).max()))
    _checks.symmetric("K", gap, tolerance * largest)
    return norm


def _require_psd(K: np.ndarray, tolerance: float) -> None:
    _, info = _cholesky(K, tolerance)
    if info:
        _checks.psd("K", _smallest_eigenvalue(K), tolerance)


def _solve(K: np.ndarray, y: np.ndarray, penalty: float, norm: float) -> np.ndarray:
    factor, info = _cholesky(K, penalty)
    if info == 0:
        rcond, _ = lapack.dpocon(factor, norm + penalty, uplo="L")
    if info or rcond < np.finfo(np.float64).eps:
        _checks.singular("K + penalty I", penalty, _smallest_eigenvalue(K) + penalty)
    return lapack.dpotrs(factor, y, lower=1)[0]


def _rounded(scaled: np.ndarray, exponent: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """scaled · 2^exponent in the dtype of the result."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        coef = np.ldexp(scaled, exponent).astype(dtype)
    if not np.isfinite(coef).all():
        _checks.no_overflow("coef", float(np.finfo(dtype).max), "Scale y down, raise penalty, or use a float64 K.")
    return coef


def _require_digits(coef: np.ndarray, y: np.ndarray) -> None:
    """Refuse a column that is subnormal throughout: it is the dtype that spoils the residual, not the system."""
    tiny = float(np.finfo(coef.dtype).tiny)
    if np.any((np.abs(coef).max(axis=0) < tiny) & y.any(axis=0)):
        _checks.no_underflow("coef", tiny, "Scale y up, or use a float64 K.")


def _cholesky(K: np.ndarray, shift: float) -> tuple[np.ndarray, int]:
    """The lower Cholesky factor of K + shift I, and 0 if it exists."""
    A = np.array(K.T, order="F")
    A[np.diag_indices(len(A))] += shift
    return lapack.dpotrf(A, lower=1, clean=0, overwrite_a=1)


def _smallest_eigenvalue(K: np.ndarray) -> float:
    return float(eigvalsh(K, subset_by_index=[0, 0])[0])


def _residual(K: np.ndarray, y: np.ndarray, penalty: float, coef: np.ndarray) -> float:
    error = np.linalg.norm(K @ coef + penalty * coef - y, axis=0)
    size = np.linalg.norm(y, axis=0)
    return float(np.max(error / np.where(size > 0, size, 1.0)))
