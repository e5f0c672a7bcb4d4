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
from dataclasses import dataclass, replace
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
        The coefficients a.
    residual : float
        |(K + penalty I) a - y| / |y|, of the weighted system if there are weights; the largest over the columns of y.
    converged : bool
        Whether the residual is below 1e-6 for float64 and 1e-3 for float32 (as rounded coefficients).
    """

    coef: np.ndarray
    residual: float
    converged: bool

    def predict(self, K_new: Any) -> np.ndarray:
        """The values f(x) = Σ_i a_i k(x, x_i) of new samples.

        Parameters
        ----------
        K_new : array of shape (m, n)
            Kernel between new and training samples, ``kernel(X_new, X)``.

        Returns
        -------
        ndarray of shape (m,) or (m, t)
        """
        K = psd.read_matrix("K_new", K_new)
        if K.shape[1] != len(self.coef):
            expected = f"of shape (m, {len(self.coef)}), one column for each training sample"
            checks.fail("K_new", expected, f"shape {K.shape}", "Pass kernel(X_new, X).")
        return K @ self.coef

    def __repr__(self) -> str:
        shown = f"array of shape {self.coef.shape}"
        if self.coef.ndim == 1:
            shown = f"array({np.array2string(self.coef, precision=3, threshold=6, edgeitems=2, separator=', ')})"
        return f"RidgeSolution(coef={shown}, residual={self.residual:.2g}, converged={self.converged})"


def ridge_reference(K: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """a = (K + penalty I)⁻¹ y, straight from the formula."""
    return np.linalg.solve(K + penalty * np.eye(len(K)), y)


def solve_ridge(K: Any, y: Any, *, penalty: Any = 1.0, sample_weight: Any = None) -> RidgeSolution:
    """Kernel ridge regression: the a that minimises |y - K a|² + penalty aᵀ K a, so (K + penalty I) a = y.

    Computed in float64. K itself must be PSD to rounding, not only K + penalty I: for an indefinite K the term aᵀ K a
    rewards some large a. That costs a second Cholesky factorisation. Weights w_i of the squared errors make it
    (S K S + penalty I) c = S y with S = diag(√w) and a = S c.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix, ``kernel(X)``.
    y : array of shape (n,) or (n, t)
        Targets, one column per output.
    penalty : float or array of shape (t,)
        At least 0, in the units of K; larger is smoother. 0 interpolates, which needs a K that is not singular. An
        array has one penalty for each column of y.
    sample_weight : array of shape (n,), or None
        Weights of at least 0 of the squared errors. A weight of 2 counts a sample twice, and 0 drops it.

    Returns
    -------
    RidgeSolution
        Coefficients in the dtype of K, with the residual of the system.

    Raises
    ------
    TypeError, ValueError
        If K or y is not a finite real NumPy array (or list) of a matching shape, K is in float16 or not symmetric,
        penalty or a weight is negative, or the coefficients do not fit the dtype of K.
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
    penalty = _read_penalty(penalty, y.shape)
    weight = psd.read_weights(sample_weight, len(y))
    kept = np.flatnonzero(weight)
    solution = _solve_weighted(psd.between(K, kept), y[kept].astype(np.float64), penalty, weight[kept])
    if not solution.converged:
        message = f"The relative residual of the ridge system is {solution.residual:.1g}, not small: raise {penalty=}."
        warnings.warn(message, NumericalWarning, stacklevel=2)
    coef = np.zeros(y.shape, K.dtype)
    coef[kept] = solution.coef
    return replace(solution, coef=coef)


def _read_penalty(penalty: Any, shape: tuple[int, ...]) -> float | np.ndarray:
    """A number at least 0, or one for each column of y."""
    why = "A negative penalty rewards large functions."
    if len(shape) == 1 or np.ndim(penalty) != 1:
        return arrays.number("penalty", penalty, allow_zero=True, why=why)
    values, _ = arrays.read_on_host("penalty", penalty, ndim=(1,))
    if values.shape != shape[1:] or (values < 0).any():
        expected = f"a non-negative number, or {shape[1]} of them, one for each column of y"
        checks.fail("penalty", expected, repr(values.tolist()), why)
    return values.astype(np.float64)


def _solve_weighted(K: np.ndarray, y: np.ndarray, penalty: float | np.ndarray, weight: np.ndarray) -> RidgeSolution:
    """The solution for positive weights w: with S = √w the system (S K S + penalty I) c = S y, and a = S c."""
    dtype, precision, K = K.dtype, psd.precision(K), K.astype(np.float64, copy=False)
    psd.require_symmetric(K, precision)
    size = psd.norm(K)
    psd.require_rounded(K, psd.rounding(precision, len(K)) * size)
    _, exponent = np.frexp(np.abs(y).max(axis=0))  # columns scaled by a power of 2 cannot overflow, nor round
    root = np.sqrt(weight)
    K, y = _weighted(K, root), (root * np.ldexp(y, -exponent).T).T
    coef = _rounded((root * _solve_columns(K, y, penalty).T).T, exponent, dtype)
    error = residual(K, y, penalty, (np.ldexp(coef.astype(np.float64), -exponent).T / root).T)
    converged = error <= (1e-6 if dtype == np.float64 else 1e-3)
    if not converged:
        _require_digits(coef, y)
    return RidgeSolution(coef, error, converged)


def _weighted(K: np.ndarray, root: np.ndarray) -> np.ndarray:
    """S K S."""
    return K if (root == 1).all() else root[:, None] * K * root


def _solve_columns(K: np.ndarray, y: np.ndarray, penalty: float | np.ndarray) -> np.ndarray:
    """One factorisation for each different penalty."""
    size = psd.norm(K)
    if np.ndim(penalty) == 0:
        return solve(K, y, float(penalty), size)
    a = np.empty_like(y)
    for value in np.unique(penalty):
        columns = penalty == value
        a[:, columns] = solve(K, y[:, columns], float(value), size)
    return a


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


def residual(K: np.ndarray, y: np.ndarray, penalty: float | np.ndarray, a: np.ndarray) -> float:
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
