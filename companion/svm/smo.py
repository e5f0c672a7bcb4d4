"""Sequential minimal optimisation: the dual of the support vector machine, two coordinates at a time.

With β_i = α_i y_i the dual maximises yᵀβ - βᵀKβ/2 subject to Σ_i β_i = 0 and lower <= β <= upper, bounds that are 0 and
C y_i. Its gradient is the score s = y - Kβ. Raising β_i and lowering β_j by t adds t (s_i - s_j) - t² c/2, where c =
K_ii + K_jj - 2 K_ij; without bounds t = (s_i - s_j) / c is best and adds (s_i - s_j)² / 2c. The pair moved is the i of
the largest score and the j of the largest such gain (Fan, Chen & Lin 2005, "Working set selection using second order
information for training support vector machines", WSS 2). What stops it is the duality gap.

>>> at = smo(np.eye(2), np.array([-1.0, 1.0]), C=10.0, tol=1e-6, max_iter=100)
>>> at.beta, at.certificate(), at.n_iter
(array([-1.,  1.]), (0.0, 0.0), 1)
"""

import numpy as np

from companion.svm.psd import EPS, LARGEST

CHECK_EVERY = 50  # iterations between two looks at the gap, which costs about half an iteration
LEAD = 1e-13  # a pair whose scores differ by less, in units of the labels, is in order to rounding


def smo(K: np.ndarray, y: np.ndarray, C: float, tol: float, max_iter: int) -> "Iterate":
    """Solve the dual for a PSD matrix K in float64 and labels of both signs, to the relative duality gap ``tol``."""
    at = Iterate(K, y, C)
    while True:
        i, j, step = working_pair(K, at.score, at.blocked, at.can_fall)
        last = step == 0 or at.n_iter == max_iter
        if not last and (at.n_iter % CHECK_EVERY or not at.is_good(tol)):
            at.move(i, j, step)
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

    def __init__(self, K: np.ndarray, y: np.ndarray, C: float) -> None:
        self.K, self.y, self.C = K, y, C
        self.lower, self.upper = np.minimum(0.0, C * y), np.maximum(0.0, C * y)
        self.beta, self.score = np.zeros(len(y)), y.copy()
        self.n_iter, self.has_drifted = 0, False
        self.blocked, self.can_fall = np.where(y > 0, 0.0, -np.inf), np.where(y < 0, 1.0, 0.0)
        self._no_digits = 1 / (EPS * (float(K.diagonal().max()) or 1.0))  # rounding of Kβ exceeds 1 for such |β|

    def move(self, i: int, j: int, step: float) -> None:
        """β_i up and β_j down, by ``step`` or to the bound that comes first."""
        beta, lower, upper = self.beta, self.lower, self.upper
        rise, fall = upper[i] - beta[i], beta[j] - lower[j]
        step = min(step, rise, fall)
        beta[i] = upper[i] if step == rise else beta[i] + step
        beta[j] = lower[j] if step == fall else beta[j] - step
        self.score -= step * (self.K[i] - self.K[j])
        for k in (i, j):
            self.blocked[k] = 0.0 if beta[k] < upper[k] else -np.inf
            self.can_fall[k] = beta[k] > lower[k]
        self.n_iter, self.has_drifted = self.n_iter + 1, True

    def compute_score(self) -> None:
        """y - Kβ, without what rounding has added."""
        self.score, self.has_drifted = self.y - self.K @ self.beta, False

    def is_good(self, tol: float) -> bool:
        """Whether the gap is small, or β so large that no better one can be told."""
        return self.certificate()[1] <= tol or bool(np.abs(self.beta).sum() > self._no_digits)

    def certificate(self) -> tuple[float, float]:
        """The intercept, and the relative duality gap with it."""
        b = intercept(self.score, self.beta, self.lower, self.upper)
        return b, relative_gap(self.score, self.beta, self.y, b, self.C)


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


def relative_gap(score: np.ndarray, beta: np.ndarray, y: np.ndarray, b: float, C: float) -> float:
    """(P - D) / P with P = |f|²/2 + C Σ_i max(0, 1 - y_i (f_i + b)) and D = yᵀβ - |f|²/2, where f = Kβ = y - score."""
    square_of_norm = beta @ (y - score)
    loss = np.maximum(0.0, y * (score - b))  # 1 - y f = y (y - f)
    dual, margin = y @ beta - square_of_norm / 2, 1 - loss.max()
    primal = square_of_norm / 2 + C * loss.sum() if np.isfinite(C) else _hard_margin(square_of_norm, margin)
    if margin > 1 - 8 * EPS:  # such a shortfall is rounding, which a large C would multiply
        primal = min(primal, _hard_margin(square_of_norm, margin))
    return max(0.0, min(1.0, float(1 - dual / primal)))  # in this order NaN becomes 1


def _hard_margin(square_of_norm: float, margin: float) -> float:
    """The primal value of f / margin, which leaves every point outside the margin if f separates them at all."""
    return square_of_norm / (2 * margin**2) if margin > 0 else np.inf
