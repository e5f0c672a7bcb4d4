"""The support vector machine of a kernel matrix, through its dual: f(x) = Σ_i α_i y_i k(x, x_i) + b.

The dual maximises D = Σ_i α_i - |f|²/2 subject to Σ_i α_i y_i = 0 and 0 <= α_i <= C, where |f|² = Σ_ij α_i α_j y_i y_j
K_ij. No feasible α has a higher D than any (f, b) has a primal value P = |f|²/2 + C Σ_i max(0, 1 - y_i f(x_i)): their
gap bounds the error of both, and is the stopping rule. ``smo`` holds the algorithm.

>>> solve_dual([[1.0, 0.5], [0.5, 1.0]], [-1, 1], C=10.0)
DualSolution(alpha=array([2., 2.]), intercept=0, gap=0, n_iter=1, converged=True)
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.checks import ConvergenceWarning
from companion.svm.psd import LARGEST, SMALLEST, between, convex, read_matrix, read_weights
from companion.svm.smo import smo


@dataclass(frozen=True, eq=False)
class DualSolution:
    """The solution of the dual problem of a support vector machine, with its certificate.

    Parameters
    ----------
    alpha : ndarray of shape (n,)
        The dual coefficients, float64, from 0 to C (times the weight of the sample), and exactly at these bounds where
        they hold; those above 0 belong to the support vectors. The decision function is
        ``kernel(X_new, X) @ (alpha * y) + intercept``.
    intercept : float
        As ``intercept_reference``.
    gap : float
        The relative duality gap (P - D) / P, from 0 to 1: the objective P of this solution exceeds the smallest
        possible one by at most ``gap * P``. It is known to eps·Σ α_i·max k(x, x), which matters if C is huge.
    n_iter : int
        Iterations, each of which updated two coefficients. Newton steps do not count.
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
    """P = |f|²/2 + C Σ_i max(0, 1 - y_i (f(x_i) + intercept)) with f = K (α y), and D = Σ_i α_i - |f|²/2 <= P."""
    f = K @ (alpha * y)
    square_of_norm = (alpha * y) @ f
    primal = square_of_norm / 2 + C * np.sum(np.maximum(0, 1 - y * (f + intercept)))
    return float(primal), float(np.sum(alpha) - square_of_norm / 2)


def dual_reference(
    K: np.ndarray, y: np.ndarray, C: float, tol: float = 1e-9, max_steps: int = 100_000
) -> tuple[np.ndarray, float]:
    """α and the intercept, by moving again and again the pair whose scores y_i - f(x_i) contradict each other most.

    A step that no bound cuts makes two scores equal. Which of them is the larger in the last bit is chance, so scores
    are ranked to ten decimals, and a bound is reached within 1e-12: the steps are the same on every processor.
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
    """The mean of the scores y_i - f(x_i) with 0 < α_i < C; if none is free, the middle of what the others allow."""
    score = y - K @ (alpha * y)
    free = (0 < alpha) & (alpha < C)
    if free.any():
        return float(np.mean(score[free]))
    lowest = np.max(score[np.where(y > 0, alpha < C, alpha > 0)])
    highest = np.min(score[np.where(y > 0, alpha > 0, alpha < C)])
    return float(lowest + highest) / 2


def solve_dual(
    K: Any,
    y: Any,
    *,
    C: float = 1.0,
    sample_weight: Any = None,
    tol: float = 1e-6,
    max_iter: int = 1_000_000,
) -> DualSolution:
    """The support vector machine of a kernel matrix, by sequential minimal optimisation of its dual.

    Computed in float64. K must be PSD to rounding, otherwise the gap certifies nothing. Pivoted Cholesky factorisation
    tests it first, and eight random vectors, drawn with a fixed seed, test what the factor leaves. So an indefinite K
    passes with probability 1e-7 at most. A K of float32 numbers may be indefinite by their rounding. It is solved as
    K + δI, with a δ within that rounding that makes it positive definite: the gap is that of K + δI.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix, ``kernel(X)``.
    y : array of shape (n,)
        Labels -1 and +1, both present.
    C : float
        The regularisation parameter, from 1e-100 to 1e100: the weight of the slacks max(0, 1 - y_i f(x_i)). ``inf`` is
        the hard margin, which needs data that the kernel separates.
    sample_weight : array of shape (n,), or None
        Weights of at least 0: the C of sample i is C times its weight. A weight of 2 counts a sample twice, and 0
        drops it.
    tol : float
        The relative duality gap to reach, (P - D) / P; at most 0.5.
    max_iter : int
        The largest number of iterations; each updates two coefficients. After every 50 of them come up to three Newton
        steps, which update all coefficients between their bounds and do not count.

    Returns
    -------
    DualSolution

    Raises
    ------
    TypeError, ValueError
        If K or y is not a finite real NumPy array (or list) of a matching shape, K is in float16 or not symmetric, |K|
        is neither 0 nor from 1e-100 to 1e100, y is not made of -1 and +1, or a parameter is out of range.
    NotPSDError
        If K has an eigenvalue below -n·eps·|K|, eps of its entries (see ``psd``).

    Warns
    -----
    ConvergenceWarning
        If the gap is above ``tol`` after ``max_iter`` steps, or where rounding stops all progress.

    Notes
    -----
    Page: ``kernels/margins-and-duality``. Core: ``smo``. Reference: ``dual_reference``.
    """
    K = read_matrix("K", K)
    y, _ = arrays.read_on_host("y", y, ndim=(1,))
    checks.same_length("K", K.shape, "y", y.shape)
    limits = limits_of(C, tol, max_iter)
    weight = read_weights(sample_weight, len(y))
    kept = np.flatnonzero(weight)
    _require_signs(y[kept])
    require_bounds(limits[0], weight[kept])
    labels = y[kept].astype(np.float64, copy=False)
    solution = solve_convex(convex(between(K, kept)), labels, *limits, weight[kept])
    if not solution.converged:
        warnings.warn(not_converged(solution, *limits), ConvergenceWarning, stacklevel=2)
    alpha = np.zeros(len(y))
    alpha[kept] = solution.alpha
    return replace(solution, alpha=alpha)


def solve_convex(
    K: np.ndarray,
    y: np.ndarray,
    C: float,
    tol: float,
    max_iter: int,
    weight: np.ndarray | float = 1.0,
) -> DualSolution:
    """The solution for a K from ``psd.convex``, parameters from ``limits_of``, and positive weights."""
    at = smo(K, y, C, tol, max_iter, weight)
    intercept, gap = at.certificate()
    return DualSolution(np.abs(at.beta), intercept, gap, at.n_iter, gap <= tol)


def limits_of(C: Any, tol: Any, max_iter: Any) -> tuple[float, float, int]:
    """The parameters as numbers, if they are in range."""
    bound = np.asarray(C)
    real = bound.ndim == 0 and bound.dtype.kind != "b" and isinstance(bound.item(), int | float)
    if not real or not (SMALLEST <= float(bound) <= LARGEST or float(bound) == np.inf):
        expected = f"a positive number from {SMALLEST:g} to {LARGEST:g}, or inf (hard margin)"
        checks.fail("C", expected, repr(bound.tolist()), "")
    tol = arrays.number("tol", tol)
    checks.at_most("tol", tol, 0.5, "A relative gap of 1 is that of alpha = 0.")
    checks.integer("max_iter", max_iter, minimum=1)
    return float(bound), tol, int(max_iter)


def require_bounds(C: float, weight: np.ndarray) -> None:
    """Refuse weights that take the C of a sample out of range."""
    for bound in (C * float(weight.min()), C * float(weight.max())):
        if C != np.inf and not SMALLEST <= bound <= LARGEST:
            expected = f"from {SMALLEST:g} to {LARGEST:g} for each sample"
            checks.fail("C times the weights", expected, f"{bound:g}", "Scale the weights.")


def _require_signs(y: np.ndarray) -> None:
    labels = np.unique(y)
    if not np.isin(labels, (-1.0, 1.0)).all():
        shown = ", ".join(f"{label:g}" for label in labels[:5]) + (", ..." if len(labels) > 5 else "")
        fix = "Two other labels: numpy.where(y == positive, 1.0, -1.0). More classes: estimators.DualSVC."
        checks.fail("y", "made of the labels -1 and +1", f"the values {shown}", fix)
    if len(labels) < 2:
        fix = "Check how the samples were selected."
        checks.fail("y", "of two classes, -1 and +1", f"{labels[0]:g} only", fix)


def not_converged(solution: DualSolution, C: float, tol: float, max_iter: int) -> str:
    """Why it stopped before the gap was small, and what to do."""
    stopped = solution.n_iter >= max_iter
    if C == np.inf:
        fix = "If no function of this kernel separates the classes, use a finite C"
        fix += "; otherwise raise max_iter." if stopped else "."
    else:
        fix = "Raise max_iter or tol, or lower C." if stopped else "Rounding stops all progress: raise tol or lower C."
    return f"The relative duality gap is {solution.gap:.2g} after {solution.n_iter} iterations, above {tol=:.2g}. {fix}"
