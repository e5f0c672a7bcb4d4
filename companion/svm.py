"""Kernel machines f(x) = Σ_i a_i k(x, x_i): kernel ridge regression, and the support vector machine through its dual.

Ridge: (K + penalty I) a = y minimises |y - K a|² + penalty aᵀ K a (Saunders, Gammerman & Vovk 1998, "Ridge regression
learning algorithm in dual variables"; Schölkopf & Smola 2002, "Learning with Kernels", section 4.2: representer
theorem). Cholesky solves it in n³/3 operations. Rounding changes a by about eps·κ relative to its size, where
κ = (λ_max + penalty) / (λ_min + penalty); the residual, which ``RidgeSolution`` carries, says whether that matters.

Support vector machine: with β_i = α_i y_i, maximise yᵀβ - βᵀKβ/2 subject to Σ_i β_i = 0 and 0 <= α_i <= C; then
f(x) = Σ_i β_i k(x, x_i) + intercept. Sequential minimal optimisation moves two coordinates at a time, the pair that
promises the largest gain to second order (Fan, Chen & Lin 2005, "Working set selection using second order information
for training support vector machines", WSS 2). No feasible α has a higher dual value than any (f, intercept) has a
primal one, |f|²/2 + C Σ_i max(0, 1 - y_i f(x_i)): their gap bounds the error of both, and is the stopping rule.

>>> from companion.kernels import Gaussian
>>> K = Gaussian()([[0.0], [1.0]])
>>> solve_ridge(K, [0.0, 1.0], penalty=0.1).coef.round(3)
array([-0.72 ,  1.306])
>>> solve_dual(K, [-1.0, 1.0], C=10.0)
DualSolution(alpha=array([2.541, 2.541]), intercept=0, gap=0, n_iter=1, converged=True)
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh, lapack

from companion import _arrays, _checks, _refusals
from companion._checks import ConvergenceWarning, NotPSDError, NumericalWarning

__all__ = ["ConvergenceWarning", "DualSolution", "NotPSDError", "RidgeSolution", "dual_reference"]
__all__ += ["intercept_reference", "objectives_reference", "ridge_reference", "solve_dual", "solve_ridge"]

_ROWS = 256
_CHECK_EVERY = 50  # iterations between two looks at the gap, which costs about half an iteration
_LEAD = 1e-13  # a pair whose scores differ by less, in units of the labels, is in order to rounding
_EPS = float(np.finfo(np.float64).eps)
_SMALLEST, _LARGEST = 1e-100, 1e100  # of C and of |K|: nothing over- or underflows in between


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
        If K or y is not a finite real NumPy array (or list) of a matching shape, K is in float16 or not symmetric,
        penalty is negative, or the coefficients do not fit the dtype of K.
    NotPSDError
        If K has an eigenvalue below -n·eps·|K| (at large n -4·eps^(2/3)·|K|), or K + penalty I is singular to rounding.

    Warns
    -----
    NumericalWarning
        If the residual is not small (``converged`` is False).

    Notes
    -----
    Page: ``kernels/kernel-trick``. Reference: ``ridge_reference``.

    Examples
    --------
    >>> solve_ridge([[1.0, 0.5], [0.5, 1.0]], [1.0, -1.0], penalty=0.5).coef
    array([ 1., -1.])
    """
    K, dtype = _arrays.host_data("K", K)
    _refusals.half_precision("K", dtype)
    y, _ = _arrays.host_data("y", y, ndim=(1, 2))
    _checks.same_length("K", K.shape, "y", y.shape)
    _checks.positive("penalty", np.asarray(penalty), allow_zero=True, why="A negative penalty rewards large functions.")
    K, y = K.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    norm = _norm_of_symmetric(K, tolerance=_asymmetry(dtype))
    _require_psd(K, _rounding(dtype, len(K)) * norm)
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


@dataclass(frozen=True, eq=False)
class DualSolution:
    """The solution of the dual problem of a support vector machine, with its certificate.

    Parameters
    ----------
    alpha : ndarray of shape (n,)
        The dual coefficients, float64, from 0 to C and exactly 0 or C where a bound holds them; those above 0 belong to
        the support vectors. The decision function is ``kernel(X_new, X) @ (alpha * y) + intercept``.
    intercept : float
        The mean of y_i - Σ_j α_j y_j k(x_i, x_j) over the free support vectors, 0 < α_i < C; if there are none, the
        middle of the interval that the optimality conditions allow.
    gap : float
        The relative duality gap (P - D) / P, from 0 to 1: the objective P of this solution exceeds the smallest
        possible one by at most ``gap * P``. Itself it is known to eps·Σ α_i·max k(x, x), which matters if C is huge.
    n_iter : int
        Iterations, each of which updated two coefficients.
    converged : bool
        Whether ``gap <= tol``.
    """

    alpha: np.ndarray
    intercept: float
    gap: float
    n_iter: int
    converged: bool

    def __repr__(self) -> str:
        alpha = np.array2string(self.alpha.round(3), threshold=6, edgeitems=2, separator=", ", prefix=" " * 19)
        numbers = f"intercept={self.intercept:.4g}, gap={self.gap:.2g}, n_iter={self.n_iter}"
        return f"DualSolution(alpha=array({alpha}), {numbers}, converged={self.converged})"


def objectives_reference(
    K: np.ndarray, y: np.ndarray, alpha: np.ndarray, intercept: float, C: float
) -> tuple[float, float]:
    """The primal value P and the dual value D of a support vector machine, straight from the formulas.

    D <= D* = P* <= P for every 0 <= α <= C with Σ α_i y_i = 0 and every intercept, where * marks the optimum.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix.
    y : array of shape (n,)
        Labels -1 and +1.
    alpha : array of shape (n,)
        Dual coefficients.
    intercept : float
    C : float
        Finite bound on alpha.

    Returns
    -------
    (float, float)
        P = |f|²/2 + C Σ_i max(0, 1 - y_i (f(x_i) + intercept)) with f = K (α y), and D = Σ_i α_i - |f|²/2.

    Examples
    --------
    >>> y = np.array([-1.0, 1.0])
    >>> objectives_reference(np.eye(2), y, np.array([0.5, 1.0]), intercept=0.0, C=1.0)
    (1.125, 0.875)
    """
    f = K @ (alpha * y)
    square_of_norm = (alpha * y) @ f
    primal = square_of_norm / 2 + C * np.sum(np.maximum(0, 1 - y * (f + intercept)))
    return float(primal), float(np.sum(alpha) - square_of_norm / 2)


def dual_reference(
    K: np.ndarray, y: np.ndarray, C: float, tol: float = 1e-9, max_steps: int = 100_000
) -> tuple[np.ndarray, float]:
    """Solve the dual by moving, again and again, the pair that violates the optimality conditions most.

    A step that no bound cuts makes two scores equal. Which of them is the larger in the last bit is chance, so scores
    are ranked to ten decimals, and a bound is reached within 1e-12: the steps are the same on every processor.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix.
    y : array of shape (n,)
        Labels -1 and +1.
    C : float
        Bound on alpha.
    tol : float
        Stop when no two scores y_i - f(x_i) contradict each other by more.
    max_steps : int
        Stop after so many steps.

    Returns
    -------
    (ndarray of shape (n,), float)
        The dual coefficients α and the intercept.

    Examples
    --------
    >>> dual_reference(np.eye(2), np.array([-1.0, 1.0]), C=10.0)
    (array([1., 1.]), 0.0)
    """
    lower, upper = np.minimum(0, C * y), np.maximum(0, C * y)
    beta = np.zeros(len(y))
    for _ in range(max_steps):
        score = y - K @ beta
        rank = np.round(score, 10)
        i = np.argmax(np.where(upper - beta > 1e-12, rank, -np.inf))
        j = np.argmin(np.where(beta - lower > 1e-12, rank, np.inf))
        if score[i] - score[j] <= tol:
            break
        curvature = max(K[i, i] + K[j, j] - 2 * K[i, j], 1e-12)
        step = (score[i] - score[j]) / curvature
        step = min(step, upper[i] - beta[i], beta[j] - lower[j])
        beta[i] += step
        beta[j] -= step
    return np.abs(beta), float(score[i] + score[j]) / 2


def intercept_reference(K: np.ndarray, y: np.ndarray, alpha: np.ndarray, C: float) -> float:
    """The intercept that belongs to dual coefficients at the optimum, straight from the optimality conditions.

    With the scores s_i = y_i - f(x_i), f = K (α y): where α_i y_i may still rise, s_i <= intercept; where it may still
    fall, s_i >= intercept; hence s_i = intercept at every free support vector, 0 < α_i < C.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix.
    y : array of shape (n,)
        Labels -1 and +1.
    alpha : array of shape (n,)
        Dual coefficients, exactly 0 or C where a bound holds them.
    C : float
        Bound on alpha.

    Returns
    -------
    float
        The mean score of the free support vectors; if there are none, the middle of the interval that is left.

    Examples
    --------
    >>> y = np.array([-1.0, 1.0])
    >>> intercept_reference(np.eye(2), y, np.array([0.5, 0.5]), C=1.0)
    0.0
    """
    score = y - K @ (alpha * y)
    free = (0 < alpha) & (alpha < C)
    if free.any():
        return float(np.mean(score[free]))
    lowest = np.max(score[np.where(y > 0, alpha < C, alpha > 0)])
    highest = np.min(score[np.where(y > 0, alpha > 0, alpha < C)])
    return float(lowest + highest) / 2


def solve_dual(K: Any, y: Any, *, C: float = 1.0, tol: float = 1e-6, max_iter: int = 1_000_000) -> DualSolution:
    """The support vector machine of a kernel matrix, by sequential minimal optimisation of its dual.

    Computed in float64 on the host, whatever the dtype of K. K must be positive semidefinite to rounding, as in
    ``solve_ridge``: otherwise the gap certifies nothing. That is tested first, by a pivoted Cholesky factorisation that
    costs n²r operations if K has numerical rank r. A K of less than float64 is solved as K + δI, where δ is the
    smallest of a geometric series that makes it positive definite, within that rounding: the gap is that of K + δI.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix, ``kernel(X)``.
    y : array of shape (n,)
        Labels -1 and +1, both present.
    C : float
        The regularisation parameter, from 1e-100 to 1e100: the weight of the slacks max(0, 1 - y_i f(x_i)). ``inf`` is
        the hard margin, which needs data that the kernel separates.
    tol : float
        The relative duality gap to reach, (P - D) / P; at most 0.5.
    max_iter : int
        The largest number of iterations; each updates two coefficients.

    Returns
    -------
    DualSolution
        Coefficients, intercept and certificate.

    Raises
    ------
    TypeError, ValueError
        If K or y is not a finite real NumPy array (or list) of a matching shape, K is in float16 or not symmetric, its
        largest absolute row sum is out of range (1e-100 to 1e100, or 0), y is not made of -1 and +1 with both present,
        or a parameter is out of range.
    NotPSDError
        If K has an eigenvalue below -n·eps·|K|, with eps of K's dtype and |K| its largest absolute row sum (at large n
        below -4·eps^(2/3)·|K|).

    Warns
    -----
    ConvergenceWarning
        If the gap is above ``tol`` after ``max_iter`` steps, or where rounding stops all progress.

    Notes
    -----
    Page: ``kernels/margins-and-duality``. Reference: ``dual_reference``.

    Examples
    --------
    >>> solution = solve_dual([[1.0, 0.5], [0.5, 1.0]], [-1, 1], C=10.0)
    >>> solution.alpha, solution.gap
    (array([2., 2.]), 0.0)
    """
    K, dtype = _arrays.host_data("K", K)
    _refusals.half_precision("K", dtype)
    y, _ = _arrays.host_data("y", y, ndim=(1,))
    _checks.same_length("K", K.shape, "y", y.shape)
    _refusals.signs("y", y)
    _check_parameters(C, tol, max_iter)
    solution = _smo(_kernel_matrix(K, dtype), y.astype(np.float64, copy=False), float(C), float(tol), int(max_iter))
    if not solution.converged:
        reason = _refusals.not_converged(solution.gap, tol, solution.n_iter, max_iter, C)
        warnings.warn(reason, ConvergenceWarning, stacklevel=2)
    return solution


def _check_parameters(C: Any, tol: Any, max_iter: Any) -> None:
    _refusals.box("C", C, _SMALLEST, _LARGEST)
    _checks.positive("tol", np.asarray(tol))
    _checks.at_most("tol", tol, 0.5, "A relative gap of 1 is that of alpha = 0.")
    _checks.integer("max_iter", max_iter, minimum=1)


def _kernel_matrix(K: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """K in float64, found symmetric and PSD to the rounding of its ``dtype``, and made convex where that is coarser."""
    K = K.astype(np.float64, copy=False)
    with np.errstate(over="ignore"):
        norm = _norm_of_symmetric(K, tolerance=_asymmetry(dtype))
    _refusals.magnitude("K", norm, _SMALLEST, _LARGEST)
    tolerance = _rounding(dtype, len(K)) * norm
    if dtype == np.float64:
        _certify_psd(K, tolerance)
        return K
    return _convex(K, _rounding(np.dtype(np.float64), len(K)) * norm, tolerance)


def _convex(K: np.ndarray, least: float, largest: float) -> np.ndarray:
    """K if float64 finds it PSD, else K + δI, where δ grows in factors of 8 up to what rounding explains."""
    shift = least
    while shift < largest and _cholesky(K, shift)[1]:
        shift *= 8
    if shift >= largest:
        shift = largest
        _require_psd(K, largest)
    if shift > least:
        K[np.diag_indices(len(K))] += shift
    return K


def _rounding(dtype: np.dtype, n: int) -> float:
    """The share of |K| by which rounding may have moved an eigenvalue of a kernel matrix that came in ``dtype``."""
    eps = float(np.finfo(dtype).eps)
    return min(n * eps, 4 * eps ** (2 / 3))


def _asymmetry(dtype: np.dtype) -> float:
    """The share of the largest entry by which rounding may have moved an entry away from its mirror image."""
    return 100 * float(np.finfo(dtype).eps)


def _smo(K: np.ndarray, y: np.ndarray, C: float, tol: float, max_iter: int) -> DualSolution:
    """Solve the dual for checked arguments."""
    lower, upper = np.minimum(0.0, C * y), np.maximum(0.0, C * y)
    no_digits = 1 / (_EPS * (float(K.diagonal().max()) or 1.0))  # rounding of K beta exceeds 1 for such |beta|
    beta, score, n_iter, exact = np.zeros(len(y)), y.copy(), 0, True  # score = y - K beta, exact if just computed
    blocked, can_fall = np.where(y > 0, 0.0, -np.inf), np.where(y < 0, 1.0, 0.0)
    while True:
        i, j, step = _working_pair(K, score, blocked, can_fall)
        stop = step == 0 or n_iter == max_iter
        if stop or n_iter % _CHECK_EVERY == 0:
            intercept = _intercept(score, beta, lower, upper)
            gap = _relative_gap(score, beta, y, intercept, C)
            stop = stop or np.abs(beta).sum() > no_digits
            if stop or gap <= tol:
                if exact:
                    return DualSolution(np.abs(beta), intercept, gap, n_iter, gap <= tol)
                score, exact = y - K @ beta, True
                continue
        rise, fall = upper[i] - beta[i], beta[j] - lower[j]
        step = min(step, rise, fall)
        beta[i] = upper[i] if step == rise else beta[i] + step
        beta[j] = lower[j] if step == fall else beta[j] - step
        score -= step * (K[i] - K[j])
        for k in (i, j):
            blocked[k] = 0.0 if beta[k] < upper[k] else -np.inf
            can_fall[k] = beta[k] > lower[k]
        n_iter, exact = n_iter + 1, False


def _working_pair(
    K: np.ndarray, score: np.ndarray, blocked: np.ndarray, can_fall: np.ndarray
) -> tuple[int, int, float]:
    """The pair to move, i up and j down, and the step that would be best without bounds; 0 if no pair is left."""
    diagonal = K.diagonal()
    i = int((score + blocked).argmax())
    lead = np.maximum((score[i] - score) * can_fall, 0.0)  # of i over j
    curvature = np.maximum(diagonal[i] + diagonal - 2 * K[i], max(_EPS * diagonal[i], 1 / _LARGEST**2))
    j = int((lead * lead / curvature).argmax())  # the gain is half of this
    return i, j, float(lead[j] / curvature[j]) if lead[j] > _LEAD else 0.0


def _intercept(score: np.ndarray, beta: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    free = (lower < beta) & (beta < upper)
    if free.any():
        return float(score[free].mean())
    return float(score[beta < upper].max() + score[beta > lower].min()) / 2


def _relative_gap(score: np.ndarray, beta: np.ndarray, y: np.ndarray, intercept: float, C: float) -> float:
    square_of_norm = beta @ (y - score)
    loss = np.maximum(0.0, y * (score - intercept))  # 1 - y f = y (y - f)
    dual, margin = y @ beta - square_of_norm / 2, 1 - loss.max()
    primal = square_of_norm / 2 + C * loss.sum() if np.isfinite(C) else _hard_margin(square_of_norm, margin)
    if margin > 1 - 8 * _EPS:  # such a shortfall is rounding, which a large C would multiply
        primal = min(primal, _hard_margin(square_of_norm, margin))
    return max(0.0, min(1.0, float(1 - dual / primal)))  # in this order NaN becomes 1


def _hard_margin(square_of_norm: float, margin: float) -> float:
    """The primal value of f / margin, which leaves every point outside the margin if f separates them at all."""
    return square_of_norm / (2 * margin**2) if margin > 0 else np.inf


def _certify_psd(K: np.ndarray, tolerance: float) -> None:
    """As ``_require_psd``, but cheaper at a low numerical rank: K = L Lᵀ + R, where R turns out small."""
    factor, pivots, rank, _ = lapack.dpstrf(K.T, tol=tolerance / len(K), lower=1)  # K.T: in the order of Fortran
    if rank == len(K):  # all pivots are positive
        return
    L = np.empty((len(K), rank))
    L[pivots - 1] = np.tril(factor[:, :rank])  # undo the pivoting
    square_of_norm = 0.0  # of R, by Frobenius; every block row up to the diagonal counts twice
    for i in range(0, len(K), _ROWS):
        j = min(i + _ROWS, len(K))
        square_of_norm += 2 * float(np.linalg.norm(K[i:j, :j] - L[i:j] @ L[:j].T)) ** 2
    if not square_of_norm <= tolerance**2:
        _require_psd(K, tolerance)


def _norm_of_symmetric(K: np.ndarray, tolerance: float) -> float:
    """The largest absolute row sum, between the spectral norm and √n times it; refuses an asymmetric K."""
    _checks.square("K", K.shape)
    norm = largest = gap = 0.0
    for i in range(0, len(K), _ROWS):
        rows, below = K[i : i + _ROWS], K[i : i + _ROWS, : i + _ROWS]  # (<= _ROWS, n), (<= _ROWS, <= i + _ROWS)
        size = np.abs(rows)
        norm, largest = max(norm, float(size.sum(axis=1).max())), max(largest, float(size.max()))
        gap = max(gap, float(np.abs(below - K[: i + _ROWS, i : i + _ROWS].T).max()))
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
        _refusals.singular("K + penalty I", penalty, _smallest_eigenvalue(K) + penalty)
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
