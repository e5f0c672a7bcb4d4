"""The same machine where features outnumber samples: Newton's method on the n × n matrix K of their products.

With w = Σ_i β_i φ_i the objective is P = βᵀKβ/2 + Σ c_i max(0, 1 - y_i f_i)², f = Kβ. On the active rows A a Newton
step solves (K_AA + diag(1/2c)) β_A = y_A, and β is 0 elsewhere (Chapelle 2007, "Training a support vector machine in
the primal"): its cost depends on the number of active rows, not on the number of features.

>>> K, Y = np.eye(2), np.array([[1.0], [-1.0]])
>>> beta, gap, n_iter = newton_on_rows(K, Y, np.ones(2), tol=1e-9, max_iter=9)
>>> beta[:, 0].round(3), n_iter
(array([ 0.667, -0.667]), array([2]))
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import lapack

from companion.svm.newton import DOUBLE, TooCoarse, best_steps
from companion.svm.sums import STEPS


def newton_on_rows(
    K: np.ndarray, Y: np.ndarray, c: np.ndarray, tol: float, max_iter: int, note: Callable[[float], Any] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """β (n, k), the relative duality gap and the iterations of each column of labels Y, for positive weights c.

    The first step, from 0, where every row is active, is one factorisation for all columns.
    """
    beta, f = step(K, Y, c, np.arange(len(Y)))
    gap, n_iter = np.empty(Y.shape[1]), np.empty(Y.shape[1], dtype=int)
    for j, y in enumerate(Y.T):
        beta[:, j], gap[j], n_iter[j] = one_machine(K, y, c, (beta[:, j], f[:, j]), tol, max_iter)
        if note:
            note(float(gap[j]))
    return beta, gap, n_iter


def one_machine(
    K: np.ndarray, y: np.ndarray, c: np.ndarray, start: tuple[np.ndarray, np.ndarray], tol: float, max_iter: int
) -> tuple[np.ndarray, float, int]:
    """β, gap and iterations of one machine, from a β and Kβ on."""
    (beta, f), before = start, (np.inf, np.inf)
    for n_iter in range(2, max(2, max_iter) + 1):
        value = objective(beta, f, y, c)
        active, gap = certificate(K, y, c, beta, f, value)
        stuck = value >= before[0] * (1 - 1e-12) and gap > before[1] / 2
        if gap <= tol:
            return step(K, y, c, active)[0] if active.size else beta, gap, n_iter  # as in ``Machines.finish``
        if stuck or n_iter >= max_iter:
            break
        before, (goal, f_there) = (value, gap), step(K, y, c, active)
        along = [objective(beta + t * (goal - beta), f + t * (f_there - f), y, c) for t in STEPS]
        t = best_steps(np.array(along)[:, None], np.array([value]))[0]
        beta, f = beta + t * (goal - beta), f + t * (f_there - f)
    return beta, gap, n_iter


def certificate(
    K: np.ndarray, y: np.ndarray, c: np.ndarray, beta: np.ndarray, f: np.ndarray, value: float
) -> tuple[np.ndarray, float]:
    """The active rows, and the relative gap: |w - Σ α y φ|²/2 with α = 2ch, over P."""
    h = np.maximum(0.0, 1 - y * f)
    active, dual = np.flatnonzero(h), 2 * c * h * y
    gap = (beta - dual) @ (f - dual[active] @ K[active]) / 2 / value
    return active, min(1.0, max(0.0, float(gap)))


def objective(beta: np.ndarray, f: np.ndarray, y: np.ndarray, c: np.ndarray) -> float:
    """P of β with f = Kβ."""
    return float(beta @ f / 2 + c @ np.maximum(0.0, 1 - y * f) ** 2)


def step(K: np.ndarray, y: np.ndarray, c: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The minimiser β if just these rows were active, and Kβ; y is (n,) or (n, k)."""
    rows, penalty = K[active], 1 / (2 * c[active])
    A = np.array(rows[:, active], order="F")
    A[np.diag_indices(len(A))] += penalty
    factor, info = lapack.dpotrf(A, lower=1, clean=0, overwrite_a=1)
    size = 2 * float(c[active] @ K.diagonal()[active])
    if info or size * DOUBLE > 1 or (factor.diagonal() ** 2 < penalty / 2).any():
        raise TooCoarse(1 / size, DOUBLE)
    beta = np.zeros(y.shape)
    beta[active] = lapack.dpotrs(factor, y[active], lower=1)[0]
    return beta, rows.T @ beta[active]
