"""Sequential minimal optimisation: the dual of the support vector machine, two coordinates at a time.

With β_i = α_i y_i the dual maximises yᵀβ - βᵀKβ/2 subject to Σ_i β_i = 0 and lower <= β <= upper, bounds that are 0 and
C w_i y_i with weights w. Its gradient is the score s = y - Kβ. Raising β_i and lowering β_j by t adds t (s_i - s_j) -
t² c/2, where c = K_ii + K_jj - 2 K_ij; without bounds t = (s_i - s_j) / c is best and adds (s_i - s_j)² / 2c. The pair
moved is the i of the largest score and the j of the largest such gain (Fan, Chen & Lin 2005, "Working set selection
using second order information for training support vector machines", WSS 2). What stops it is the duality gap. Pairs
find out which coefficients end at a bound; for the few others, whose scores must agree, a linear system is faster.

>>> at = smo(np.eye(2), np.array([-1.0, 1.0]), C=10.0, tol=1e-6, max_iter=100)
>>> at.beta, at.certificate(), at.n_iter
(array([-1.,  1.]), (0.0, 0.0), 1)
"""

import numpy as np
from scipy.linalg import lapack

from companion.svm.psd import EPS, LARGEST

CHECK_EVERY = 50  # iterations between two looks at the gap, which costs about half an iteration
NEWTON_STEPS, MOST_FREE = 3, 200  # in a round, and for how many free coordinates they are worth their cubic cost
LEAD = 1e-13  # a pair whose scores differ by less, in units of the labels, is in order to rounding


def smo(
    K: np.ndarray,
    y: np.ndarray,
    C: float,
    tol: float,
    max_iter: int,
    weight: np.ndarray | float = 1.0,
) -> "Iterate":
    """Solve the dual for a PSD matrix K in float64 and labels of both signs, to the relative duality gap ``tol``.

    A round of Newton steps for the free coordinates precedes each look at the gap.
    """
    at = Iterate(K, y, C, weight)
    while True:
        i, j, step = at.pair()
        last = step == 0 or at.n_iter == max_iter
        if not last and (at.n_iter % CHECK_EVERY or not at.is_good(tol)):
            at.move(i, j, step)
            if at.n_iter % CHECK_EVERY == 0:
                at.solve_for_free()
        elif at.has_drifted:
            at.compute_score()
        else:
            return at


def working_pair(
    K: np.ndarray,
    score: np.ndarray,
    blocked: np.ndarray,
    can_fall: np.ndarray,
) -> tuple[int, int, float]:
    """The pair to move, i up and j down, and the step that would be best without bounds; 0 if no pair is left."""
    diagonal = K.diagonal()
    i = int((score + blocked).argmax())
    lead = np.maximum((score[i] - score) * can_fall, 0.0)  # of i over j
    least = max(EPS * diagonal[i], 1 / LARGEST**2)
    curvature = np.maximum(diagonal[i] + diagonal - 2 * K[i], least)
    j = int((lead * lead / curvature).argmax())  # the gain is half of this
    return i, j, float(lead[j] / curvature[j]) if lead[j] > LEAD else 0.0


class Iterate:
    """A feasible β, and its score y - Kβ: exact when just computed, carried along with some rounding in between."""

    def __init__(self, K: np.ndarray, y: np.ndarray, C: float, weight: np.ndarray | float = 1.0) -> None:
        self.K, self.y, self.C, self.weight = K, y, C, weight
        self.lower, self.upper = np.minimum(0.0, C * weight * y), np.maximum(0.0, C * weight * y)
        self.beta, self.score = np.zeros(len(y)), y.copy()
        self.n_iter, self.has_drifted = 0, False
        self.blocked, self.can_fall = np.where(y > 0, 0.0, -np.inf), np.where(y < 0, 1.0, 0.0)
        self.diagonal = K.diagonal().copy()  # of an n x n array every entry would be a cache line of its own
        self._buffers = np.empty((3, len(y)))
        self._no_digits = 1 / (EPS * (float(self.diagonal.max()) or 1.0))  # rounding of Kβ exceeds 1 for such |β|

    def pair(self) -> tuple[int, int, float]:
        """``working_pair``, bit for bit, without temporaries."""
        diagonal, (lead, curvature, gain) = self.diagonal, self._buffers
        i = int(np.add(self.score, self.blocked, out=gain).argmax())
        np.subtract(self.score[i], self.score, out=lead)
        lead *= self.can_fall
        np.maximum(lead, 0.0, out=lead)
        np.add(diagonal, diagonal[i], out=curvature)
        curvature -= np.multiply(self.K[i], 2.0, out=gain)
        np.maximum(curvature, max(EPS * diagonal[i], 1 / LARGEST**2), out=curvature)
        np.multiply(lead, lead, out=gain)
        gain /= curvature
        j = int(gain.argmax())
        return i, j, float(lead[j] / curvature[j]) if lead[j] > LEAD else 0.0

    def move(self, i: int, j: int, step: float) -> None:
        """β_i up and β_j down, by ``step`` or to the bound that comes first."""
        beta, lower, upper = self.beta, self.lower, self.upper
        rise, fall = upper[i] - beta[i], beta[j] - lower[j]
        step = min(step, rise, fall)
        beta[i] = upper[i] if step == rise else beta[i] + step
        beta[j] = lower[j] if step == fall else beta[j] - step
        change = np.subtract(self.K[i], self.K[j], out=self._buffers[0])
        change *= step
        self.score -= change
        for k in (i, j):
            self.blocked[k] = 0.0 if beta[k] < upper[k] else -np.inf
            self.can_fall[k] = beta[k] > lower[k]
        self.n_iter, self.has_drifted = self.n_iter + 1, True

    def solve_for_free(self) -> None:
        """Newton steps for the coordinates between their bounds, each cut at the first bound that it meets."""
        for _ in range(NEWTON_STEPS):
            free = np.flatnonzero((self.lower < self.beta) & (self.beta < self.upper))
            if not 2 <= len(free) <= MOST_FREE:
                return
            step = newton_step(self.K[np.ix_(free, free)], self.score[free])
            goal = np.where(step > 0, self.upper[free], self.lower[free])
            room = np.divide(goal - self.beta[free], step, out=np.full(len(free), np.inf), where=step != 0)
            first = int(room.argmin())
            change = min(1.0, room[first]) * step
            self.beta[free] = np.clip(self.beta[free] + change, self.lower[free], self.upper[free])
            if room[first] <= 1:
                self.beta[free[first]] = goal[first]
            self.score -= change @ self.K[free]
            self.blocked[free] = np.where(self.beta[free] < self.upper[free], 0.0, -np.inf)
            self.can_fall[free] = self.beta[free] > self.lower[free]
            self.has_drifted = True
            if room[first] > 1:
                return

    def compute_score(self) -> None:
        """y - Kβ, without what rounding has added."""
        self.score, self.has_drifted = self.y - self.K @ self.beta, False

    def is_good(self, tol: float) -> bool:
        """Whether the gap is small, or β so large that no better one can be told."""
        return self.certificate()[1] <= tol or bool(np.abs(self.beta).sum() > self._no_digits)

    def certificate(self) -> tuple[float, float]:
        """The intercept, and the relative duality gap with it."""
        b = intercept(self.score, self.beta, self.lower, self.upper)
        return b, relative_gap(self.score, self.beta, self.y, b, self.C, self.weight)


def newton_step(K: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The d with Σ d = 0 that maximises dᵀ score - dᵀKd/2 - δ|d|²/2, δ the rounding of K; 0 if K defies Cholesky.

    The last d is minus the sum of the others, so that a K without full rank costs no digits of d. K is scaled by a
    power of two first, so that the unit of K changes no bit of the root in its factor.
    """
    scale = 2.0 ** np.frexp(K.diagonal().max())[1]
    A = K[:-1, :-1] - K[-1, :-1] - K[:-1, -1:] + K[-1, -1]
    _, step, info = lapack.dposv(A / scale + len(K) * EPS * np.eye(len(A)), score[:-1] - score[-1])
    if info:
        return np.zeros(len(K))
    return np.append(step, -step.sum()) / scale


def intercept(
    score: np.ndarray,
    beta: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
) -> float:
    """The mean score of the free points, lower < β < upper; without any, the middle of the interval that is left."""
    free = (lower < beta) & (beta < upper)
    if free.any():
        return float(score[free].mean())
    return float(score[beta < upper].max() + score[beta > lower].min()) / 2


def relative_gap(
    score: np.ndarray, beta: np.ndarray, y: np.ndarray, b: float, C: float, weight: np.ndarray | float = 1.0
) -> float:
    """(P - D) / P with P = |f|²/2 + C Σ_i w_i max(0, 1 - y_i (f_i + b)), D = yᵀβ - |f|²/2 and f = Kβ = y - score."""
    square_of_norm = beta @ (y - score)
    loss = np.maximum(0.0, y * (score - b))  # 1 - y f = y (y - f)
    dual, margin = y @ beta - square_of_norm / 2, 1 - loss.max()
    primal = square_of_norm / 2 + C * (weight * loss).sum() if np.isfinite(C) else _hard_margin(square_of_norm, margin)
    if margin > 1 - 8 * EPS:  # such a shortfall is rounding, which a large C would multiply
        primal = min(primal, _hard_margin(square_of_norm, margin))
    return max(0.0, min(1.0, float(1 - dual / primal)))  # in this order NaN becomes 1


def _hard_margin(square_of_norm: float, margin: float) -> float:
    """The primal value of f / margin, which leaves every point outside the margin if f separates them at all."""
    return square_of_norm / (2 * margin**2) if margin > 0 else np.inf
