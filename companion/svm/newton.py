"""Newton's method for k support vector machines on features, by passes over the rows that it never sees itself.

P(w) = |w|²/2 + Σ c_i max(0, 1 - y_i ⟨w, φ_i⟩)² has the gradient w - 2 Σ c h y φ and, on the active rows, the Hessian
I + 2G (Mangasarian 2002, "A finite Newton method for classification"; Chapelle 2007, "Training a support vector machine
in the primal"). The step goes from w by -(I + 2G)⁻¹ gradient, so that rounding in G costs steps, and no digits of the
result. The α_i = 2 c_i h_i are feasible in the dual, and P(w) - D(α) = |gradient|²/2 exactly: the duality gap, without
a difference of large numbers.

>>> from companion.svm.sums import block_sums
>>> phi, y, c = np.array([[2.0], [0.5]]), np.array([[1.0], [-1.0]]), np.ones(2)
>>> at = newton(lambda *at: block_sums([(phi, y, c)], *at[:3]), np.zeros((2, 1)), tol=1e-9, max_iter=10)
>>> at.weights[:, 0].round(3), at.n_passes
(array([ 0.667, -0.667]), 2)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import lapack

from companion.svm.sums import STEPS, Sums

Passes = Callable[..., Sums]  # (old weights or None, new weights, steps, columns) -> Sums
SINGLE, DOUBLE = 1e-8, 2e-17  # rounding of a sum of products, in units of its trace: float32 in parts, and float64
SAME = 1e-9  # losses that differ by less, relatively, are equal to rounding, or by 10 times the rounding of sums
BACK = 1 / 64  # the step to go on from where no step helps


class TooCoarse(ArithmeticError):
    """Rounding of G may exceed half of the penalty; ``share`` is the penalty over 2 Σ_active c |φ|²."""

    def __init__(self, share: float, rounding: float) -> None:
        super().__init__(f"{share:.2g} is below {rounding:.2g}")
        self.share, self.rounding = share, rounding


def newton(
    passes: Passes,
    weights: np.ndarray,
    tol: float,
    max_iter: int,
    *,
    rounding: float = DOUBLE,
    note: Callable[[float], Any] | None = None,
) -> "Machines":
    """Minimise P for each column of ``weights``, (D + 1, k), to the relative duality gap ``tol``.

    ``passes(old, new, steps, columns)`` returns the ``Sums`` of all rows, from whatever engine, for the machines whose
    columns of labels these are; ``note`` hears the largest gap after each pass. At most ``max_iter`` passes are made.
    """
    at = Machines(passes, weights, rounding, note)
    while at.n_passes < max_iter and (columns := at.unfinished(tol)).size:
        at.move(columns, max_iter)
    at.finish(np.flatnonzero(at.gap <= tol))
    return at


class Machines:
    """The weights of k machines, and all that the last pass told of them."""

    def __init__(self, passes: Passes, weights: np.ndarray, rounding: float, note: Any) -> None:
        k = weights.shape[1]
        self.passes, self.rounding, self.note, self.n_passes = passes, rounding, note, 0
        self.weights, self.gradient = weights.copy(), np.empty_like(weights)
        self.value, self.gap = np.full((2, k), np.inf)
        self.n_iter, self.stuck = np.zeros(k, dtype=int), np.zeros(k, dtype=bool)
        sums = self.ask(None, weights, (1.0,), np.arange(k))
        self.gram = sums.gram  # one for all as long as every row is active in every machine
        self.arrive(np.arange(k), weights, sums)

    def ask(self, *arguments: Any) -> Sums:
        """One pass."""
        self.n_passes += 1
        return self.passes(*arguments)

    def unfinished(self, tol: float) -> np.ndarray:
        """The machines that go on."""
        return np.flatnonzero((self.gap > tol) & ~self.stuck)

    def arrive(self, columns: np.ndarray, weights: np.ndarray, sums: Sums) -> None:
        """Take new weights, and note which machines make no progress any more: rounding stops them."""
        value, before = objective(weights, sums.losses[0]), (self.value[columns], self.gap[columns])
        gradient = weights - 2 * sums.pull
        gap = np.minimum(1.0, (gradient**2).sum(axis=0) / 2 / value)  # 1 is the gap of α = 0
        self.stuck[columns] = (value >= before[0] * (1 - 1e-12)) & (gap > before[1] / 2)
        self.weights[:, columns], self.gradient[:, columns] = weights, gradient
        self.value[columns], self.gap[columns], self.n_iter[columns] = value, gap, self.n_passes
        if self.note:
            self.note(float(self.gap.max()))

    def move(self, columns: np.ndarray, max_iter: int) -> None:
        """A step for some machines: as many passes as the line search needs, which mostly is one."""
        change = -self.directions(columns)
        while columns.size and self.n_passes < max_iter:
            start = self.weights[:, columns]
            sums = self.ask(start, start + change, STEPS, columns)
            along = np.stack([objective(start + t * change, loss) for t, loss in zip(STEPS, sums.losses, strict=True)])
            step = best_steps(along, self.value[columns], max(SAME, 10 * self.rounding))
            there = step == 1
            self.add(columns[there], sums.gram[there])
            taken = Sums(sums.gram[:0], sums.pull[:, there], sums.losses[:, there])
            self.arrive(columns[there], (start + change)[:, there], taken)
            columns, change = columns[~there], (step * change)[:, ~there]

    def finish(self, columns: np.ndarray) -> None:
        """The step that the last pass has paid for; only its gap is not known, which would take another."""
        if columns.size:
            self.weights[:, columns] -= self.directions(columns)

    def add(self, columns: np.ndarray, change: np.ndarray) -> None:
        """The change of G for some machines."""
        if len(self.gram) < len(self.value):
            self.gram = np.repeat(self.gram, len(self.value), axis=0)
        for column, of_one in zip(columns, change, strict=True):
            self.gram[column] += of_one

    def directions(self, columns: np.ndarray) -> np.ndarray:
        """(I + 2G)⁻¹ gradient for some machines, by one factor where they share G."""
        if len(self.gram) == 1:
            return solve(self.gram[0], self.gradient[:, columns], self.rounding)
        solved = [solve(self.gram[j], self.gradient[:, [j]], self.rounding) for j in columns]
        return np.concatenate(solved, axis=1)


def objective(weights: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """P of each column."""
    return (weights**2).sum(axis=0) / 2 + loss


def best_steps(values: np.ndarray, before: np.ndarray, same: float = SAME) -> np.ndarray:
    """The step of least P among ``STEPS`` for each column; 1 if it is as good to rounding, ``BACK`` if none helps."""
    least = values.min(axis=0)
    best = np.where(least < before, np.array(STEPS)[values.argmin(axis=0)], BACK)
    return np.where(values[0] <= np.minimum(least, before) * (1 + same), 1.0, best)


def solve(gram: np.ndarray, gradient: np.ndarray, rounding: float) -> np.ndarray:
    """(I + 2G)⁻¹ gradient by Cholesky, every pivot of which is at least 1 but for rounding."""
    size = 2 * float(np.trace(gram))
    A = np.multiply(gram.T, 2.0, order="F")
    A[np.diag_indices(len(A))] += 1.0
    factor, info = lapack.dpotrf(A, lower=1, clean=0, overwrite_a=1)
    if info or size * rounding > 1 or float(factor.diagonal().min()) ** 2 < 0.5:
        raise TooCoarse(1 / size, rounding)
    return lapack.dpotrs(factor, gradient, lower=1)[0]
