"""The support vector machine on features, through its primal: f(x) = ⟨w, φ(x)⟩ + b by Newton's method.

It minimises P = (|w|² + b²)/2 + Σ_i c_i max(0, 1 - y_i f(x_i))², c_i being C times the weight of a sample: the squared
hinge with an intercept that is penalised as any other coefficient (scikit-learn's ``LinearSVC``). P is quadratic but
for finitely many folds, and Newton's method ends in a few steps, each of which needs sums over the rows only. So the
features, which may be random ones of a kernel, are streamed: an n × n matrix is never formed, nor all n × D features.

>>> solution = solve_primal([[2.0], [0.5], [-1.0]], [1, 1, -1], C=10.0)
>>> solution.coef.round(3), round(solution.intercept, 3), solution.converged
(array([1.273]), 0.311, True)
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import namespace
from companion._core.checks import ConvergenceWarning
from companion.svm.kernel_newton import newton_on_rows
from companion.svm.newton import SINGLE, TooCoarse, newton
from companion.svm.psd import read_weights
from companion.svm.sources import BLOCK, Source
from companion.svm.sums import raise_not_finite
from companion.svm.weights import class_weights

SAMPLE = 128  # rows for each feature that the start for a long source is found from
Solved = tuple[np.ndarray, np.ndarray, np.ndarray]  # weights (D + 1, k), gaps (k,) and iterations (k,)


@dataclass(frozen=True, eq=False)
class PrimalSolution:
    """The solution of the primal problem of one support vector machine or several, with its certificate.

    Parameters
    ----------
    coef : ndarray of shape (D,) or (D, k)
        The weights w, float64; a column for each column of y.
    intercept : float, or ndarray of shape (k,)
        b.
    gap : float, or ndarray of shape (k,)
        The relative duality gap (P - D) / P, from 0 to 1, at the last pass: P exceeds the smallest possible one by at
        most ``gap * P``. One more step, for which that pass had paid, comes after it.
    n_iter : int, or ndarray of shape (k,)
        Passes over the rows until it was found, the first of which is at the start.
    converged : bool
        Whether every gap is at most ``tol``.
    """

    coef: np.ndarray
    intercept: Any
    gap: Any
    n_iter: Any
    converged: bool

    def decision_function(self, features: Any) -> np.ndarray:
        """f(x) = ⟨w, φ(x)⟩ + b of new samples.

        Parameters
        ----------
        features : array of shape (m, D)
            Their features.

        Returns
        -------
        ndarray of shape (m,) or (m, k)
        """
        phi, _ = arrays.read_on_host("features", features)
        if phi.shape[1] != len(self.coef):
            checks.fail("features", f"of shape (m, {len(self.coef)})", f"shape {phi.shape}", "")
        return phi @ self.coef.astype(phi.dtype) + self.intercept

    def __repr__(self) -> str:
        coef = f"array of shape {self.coef.shape}"
        if self.coef.ndim == 1:
            coef = f"array({np.array2string(self.coef.round(3), threshold=6, edgeitems=2, separator=', ')})"
        numbers = f"intercept={_short(self.intercept, 3)}, gap={_short(self.gap, 2)}, n_iter={_short(self.n_iter, 4)}"
        return f"PrimalSolution(coef={coef}, {numbers}, converged={self.converged})"


def _short(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if np.ndim(value) == 0 else f"array of shape {value.shape}"


def primal_reference(phi: np.ndarray, y: np.ndarray, C: float, n_steps: int = 50) -> tuple[np.ndarray, float]:
    """w and b by full Newton steps with everything held: ridge regression on the rows with y_i f(x_i) < 1."""
    phi = np.column_stack([phi, np.ones(len(phi))])  # the constant feature
    active = np.ones(len(y), dtype=bool)
    for _ in range(n_steps):
        A = phi[active]
        G = np.eye(phi.shape[1]) + 2 * C * A.T @ A
        w = np.linalg.solve(G, 2 * C * A.T @ y[active])
        before, active = active, y * (phi @ w) < 1
        if (active == before).all():
            break
    return w[:-1], float(w[-1])


def solve_primal(
    features: Any,
    y: Any,
    *,
    C: float = 1.0,
    tol: float = 1e-6,
    max_iter: int = 100,
    block_size: int = BLOCK,
    sample_weight: Any = None,
    class_weight: Any = None,
    progress: bool = False,
) -> PrimalSolution:
    """The support vector machine on features with the squared hinge, by Newton's method on sums over the rows.

    Features in float32 are multiplied in float32 and added in float64, until their rounding stops the progress. Where
    features outnumber samples (for three or more machines: where three times the features do), Newton's method works
    on the n × n matrix of their products. Where samples are more than 512 times the features, it starts from a sample
    of them.

    Parameters
    ----------
    features : array of shape (n, D), function, or iterable of arrays of shape (., D)
        The features without a constant. A function takes a slice of the rows, also one with a step, and returns
        their features, for example ``lambda rows: fourier(X[rows], W)``, where X may be a ``numpy.memmap``. Blocks
        must be readable once for each pass. Tensors on an accelerator stay there.
    y : array of shape (n,) or (n, k)
        Labels -1 and +1, both present; a column for each of k machines on the same features, which share the passes.
    C : float
        The weight of the squared slacks, positive and finite.
    tol : float
        The relative duality gap to reach, (P - D) / P; at most 0.5.
    max_iter : int
        The largest number of passes over the rows.
    block_size : int
        Rows of a partial sum; of the features 4,096 rows are held. Another size changes the last bits. Blocks have
        their own.
    sample_weight : array of shape (n,), or None
        Weights of at least 0: the C of sample i is C times its weight. 2 counts a sample twice, 0 drops it.
    class_weight : dict, "balanced" or None
        Factors of C for the labels -1 and +1, as for ``estimators.DualSVC``; for one column only.
    progress : bool
        Whether to show a bar of passes, which needs tqdm.

    Returns
    -------
    PrimalSolution

    Raises
    ------
    TypeError, ValueError
        If features or y are no finite real arrays of a matching length, the features can be read once only, y is not
        made of -1 and +1, a parameter is out of range, or C is so large that the penalty is lost to rounding.

    Warns
    -----
    ConvergenceWarning
        If the gap is above ``tol`` after ``max_iter`` passes, or where rounding stops all progress.

    Notes
    -----
    Page: ``random-features/rff-svm``. Core: ``svm.sums.block_sums``. Reference: ``primal_reference``. For k columns it
    holds about three times k · D² numbers in float64, besides 4,096 rows of features.
    """
    C, tol = arrays.number("C", C), arrays.number("tol", tol)
    checks.at_most("tol", tol, 0.5, "A relative gap of 1 is that of zero weights.")
    checks.integer("max_iter", max_iter, minimum=1)
    checks.integer("block_size", block_size, minimum=1)
    y, _ = arrays.read("y", arrays.host(y) if hasattr(y, "detach") else y, ndim=(1, 2))
    weight = read_weights(sample_weight, len(y))
    labels = y.reshape(len(y), -1).astype(np.float64)  # a copy, also of a read-only array
    _require_signs(labels[weight > 0])
    c = C * weight * _of_classes(class_weight, y, weight)
    with bar(progress) as note:
        source = Source(features, labels, c, int(block_size))
        weights, gap, n_iter = solve(source, tol, int(max_iter), note, C)
    converged = bool((gap <= tol).all())
    if not converged:
        warnings.warn(not_converged(gap, n_iter, tol, max_iter), ConvergenceWarning, stacklevel=2)
    if y.ndim == 2:
        return PrimalSolution(weights[:-1], weights[-1], gap, n_iter, converged)
    return PrimalSolution(weights[:-1, 0], float(weights[-1, 0]), float(gap[0]), int(n_iter[0]), converged)


def solve(source: Source, tol: float, max_iter: int, note: Callable[[float], Any] | None, C: float) -> Solved:
    """The solution by the form that suits the shape; in float64 where float32 turns out too coarse for it."""
    n, k = source.y.shape
    form = by_rows if prefers_rows(n, k, source.n_columns) else by_features
    try:
        return form(source, tol, max_iter, note)
    except TooCoarse as coarse:
        if source.rounding == SINGLE and form is by_features:
            return solve(source.variant(precise=True), tol, max_iter, note, C)
        expected = f"so small that the penalty's share, 1 / (2 Σ c |φ|²), is at least {coarse.rounding:.1g}"
        got = f"C={C:.3g} and a share of {coarse.share:.2g}, which rounding hides"
        checks.fail("C", expected, got, "Lower C, or scale the features.")


def prefers_rows(n: int, k: int, n_columns: int) -> bool:
    """Whether the matrix of products between samples is cheaper than one for each machine between features."""
    return n <= (3 if k > 2 else 1) * n_columns


def by_features(source: Source, tol: float, max_iter: int, note: Callable[[float], Any] | None) -> Solved:
    """Newton's method on D + 1 weights, for many rows from those that a sample of them gives."""
    n, k = source.y.shape
    start, every = np.zeros((source.n_columns + 1, k)), n // (SAMPLE * source.n_columns)
    if every >= 4:
        sample = source.variant(source.precise, every)
        start = newton(sample.passes, start, 1e-2, max_iter, rounding=sample.rounding, note=note).weights
    at = newton(source.passes, start, tol, max_iter, rounding=source.rounding, note=note)
    if source.rounding == SINGLE and at.stuck.any() and at.n_passes < max_iter:
        source, done = source.variant(precise=True), at.n_passes
        at = newton(source.passes, at.weights, tol, max_iter - done, rounding=source.rounding, note=note)
        at.n_iter += done
    return at.weights, at.gap, at.n_iter


def by_rows(source: Source, tol: float, max_iter: int, note: Callable[[float], Any] | None) -> Solved:
    """Newton's method on the matrix of all products in float64, one machine after the other."""
    phi = [part for parts in source.blocks() for part, _, _ in parts]
    xp = namespace(phi[0])
    phi = xp.astype(xp.concat(phi), xp.float64, copy=False)
    kept = np.flatnonzero(source.c)
    K = arrays.host(phi @ phi.mT)[np.ix_(kept, kept)] + 1.0
    if not np.isfinite(K.sum()):
        raise_not_finite(phi)
    beta = np.zeros(source.y.shape)
    beta[kept], gap, n_iter = newton_on_rows(K, source.y[kept], source.c[kept], tol, max_iter, note)
    weights = arrays.host(phi.mT @ xp.asarray(beta, device=phi.device))
    return np.concatenate([weights, beta.sum(axis=0)[None]]), gap, n_iter


@contextmanager
def bar(progress: bool) -> Iterator[Callable[[float], Any] | None]:
    """What hears the largest gap after each pass: a bar of tqdm, or None."""
    if not progress:
        yield None
        return
    with checks.needs("progress=True", "tqdm", extra="progress"):
        from tqdm.auto import tqdm
    with tqdm(unit=" passes") as shown:

        def note(gap: float) -> None:
            shown.set_postfix_str(f"gap {gap:.1e}", refresh=False)
            shown.update()

        yield note


def _of_classes(class_weight: Any, y: np.ndarray, weight: np.ndarray) -> np.ndarray | float:
    if class_weight is None:
        return 1.0
    if y.ndim == 2:
        checks.fail("class_weight", "None for several columns of y", repr(class_weight), "Use sample_weight.")
    return class_weights(class_weight, np.array([-1, 1]), (y > 0).astype(int), weight)


def _require_signs(y: np.ndarray) -> None:
    labels = np.unique(y)
    if not np.isin(labels, (-1.0, 1.0)).all():
        shown = ", ".join(f"{label:g}" for label in labels[:5]) + (", ..." if len(labels) > 5 else "")
        fix = "Two other labels: numpy.where(y == positive, 1.0, -1.0). More classes: estimators.PrimalSVC."
        checks.fail("y", "made of the labels -1 and +1", f"the values {shown}", fix)
    same = np.flatnonzero((y == y[0]).all(axis=0))
    if same.size:
        fix = "Check how the samples were selected."
        checks.fail("y", "of two classes, -1 and +1", f"{y[0, same[0]]:g} only in column {same[0]}", fix)


def not_converged(gap: np.ndarray, n_iter: np.ndarray, tol: float, max_iter: int) -> str:
    """How far the worst machine came, and what to do."""
    worst = int(gap.argmax())
    fix = "Raise max_iter or tol, or lower C."
    if n_iter.max() < max_iter:
        fix = "Rounding stops all progress: raise tol or lower C."
    return f"The relative duality gap is {gap[worst]:.2g} after {n_iter[worst]} passes, above {tol=:.2g}. {fix}"
