"""The program of the tutorial behind Part II, in our words: a support vector machine on 500 random cosines.

A Markov chain draws frequencies, a double loop fills the features, their inner products make an n × n matrix, and a
general quadratic program solves the dual. ``ERRORS`` names what is wrong with it. Each step asks whether its error is
among those it is called with: ``AS_IT_IS - {"density"}`` repairs one, and an empty set all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cvxopt import matrix, solvers, spmatrix
from sklearn.svm import SVC

ERRORS = {
    "density": "frequencies have the density exp(-|w|/2), not exp(-|w|²/2)",
    "chain": "frequencies are states of a Markov chain, drawn with replacement; they could be drawn directly",
    "offsets": "each column is a cosine with an offset of its own; half of the frequencies give cosines and sines",
    "loops": "features and weights are made entry by entry; a matrix product does it",
    "matrix": "the n × n matrix of the features' inner products is formed; the solver needs the features only",
    "dense box": "0 <= α <= C is handed over as a dense matrix of 2n × n numbers; all but 2n are zero",
    "interior point": "a general solver works on all coefficients at once; SMO moves pairs",
    "threshold": "a support vector has |α| > 1e-4, whatever C is; α > C/1000, or α > 0 if the solver leaves zeros",
    "intercept": "the intercept is that of the hard margin; the mean over 0 < α < C",
    "sign": "a decision of exactly zero belongs to no class; one of the two",
}
AS_IT_IS = frozenset(ERRORS)

Draw = tuple[np.ndarray, np.ndarray]  # a frequency and an offset for each column
Errors = frozenset[str] | set[str]


@dataclass
class Machine:
    """The decision function sign(⟨w, φ(x)⟩ + b), and what it was made of."""

    draw: Draw
    alpha: np.ndarray
    w: np.ndarray
    b: float
    n_support: int


# --------------------------------------------------------------------------------------------------- frequencies


def without_square(w: np.ndarray) -> float:
    """What the tutorial takes for the density of the Gaussian kernel's frequencies."""
    return (2 * np.pi) ** (-len(w) / 2) * np.exp(-np.linalg.norm(w) / 2)


def with_square(w: np.ndarray) -> float:
    """The density of the frequencies of exp(-|x - y|²/2)."""
    return (2 * np.pi) ** (-len(w) / 2) * np.exp(-(np.linalg.norm(w) ** 2) / 2)


def chain(density: Callable, d: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """The states of Metropolis and Hastings' chain from zero, with steps of size one."""
    states, at = np.zeros((steps, d)), np.zeros(d)
    for i in range(steps):
        proposal = at + rng.multivariate_normal(np.zeros(d), np.eye(d))
        if rng.random() < density(proposal) / density(at):
            at = proposal
        states[i] = at
    return states


def directly(d: int, m: int, errors: Errors, rng: np.random.Generator) -> np.ndarray:
    """Independent frequencies of either density; without the square their length has the law Γ(d, 2)."""
    W = rng.standard_normal((m, d))
    if "density" in errors:
        W *= rng.gamma(d, 2.0, size=(m, 1)) / np.linalg.norm(W, axis=1, keepdims=True)
    return W


def draw(d: int, D: int, errors: Errors, rng: np.random.Generator, steps: int = 1000) -> Draw:
    """Frequencies and offsets of D columns; a sine is a cosine with the offset -π/2."""
    m = D if "offsets" in errors else D // 2
    if "chain" in errors:
        density = without_square if "density" in errors else with_square
        W = chain(density, d, steps, rng)[rng.integers(10, steps, m)]
    else:
        W = directly(d, m, errors, rng)
    if "offsets" in errors:
        return W, rng.uniform(0, 2 * np.pi, m)
    return np.vstack([W, W]), np.repeat([0.0, -np.pi / 2], m)


# ------------------------------------------------------------------------------------------------------ features


def one_by_one(X: np.ndarray, W: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The features in two nested loops."""
    phi = np.zeros((len(X), len(W)))
    for i in range(len(X)):
        for j in range(len(W)):
            phi[i, j] = np.cos(np.dot(W[j], X[i]) + offset[j]) * np.sqrt(2 / len(W))
    return phi


def at_once(X: np.ndarray, W: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The same features by one product and one cosine."""
    return np.cos(X @ W.T + offset) * np.sqrt(2 / len(W))


def features(X: np.ndarray, of: Draw, errors: Errors) -> np.ndarray:
    """One column for each frequency and offset."""
    return one_by_one(X, *of) if "loops" in errors else at_once(X, *of)


# ---------------------------------------------------------------------------------------------------------- dual


def solve(phi: np.ndarray, y: np.ndarray, C: float, errors: Errors) -> np.ndarray:
    """The coefficients α of the dual problem."""
    if "interior point" in errors:
        return quadratic_program(phi, y, C, errors)
    K = phi @ phi.T if "matrix" in errors else phi
    machine = SVC(kernel="precomputed" if "matrix" in errors else "linear", C=C).fit(K, y)
    alpha = np.zeros(len(y))
    alpha[machine.support_] = np.abs(machine.dual_coef_[0])
    return alpha


def quadratic_program(phi: np.ndarray, y: np.ndarray, C: float, errors: Errors) -> np.ndarray:
    """The smallest αᵀPα/2 - Σ α with Σ α y = 0 and Gα <= h, by an interior-point method."""
    n, V = len(y), phi * y[:, None]
    if "dense box" in errors:
        G = matrix(np.vstack([-np.eye(n), np.eye(n)]))
    else:
        G = spmatrix([-1.0] * n + [1.0] * n, range(2 * n), [*range(n), *range(n)])
    h = matrix(np.hstack([np.zeros(n), np.full(n, C)]))
    P = matrix(V @ V.T) if "matrix" in errors else product_with(V)
    steps = {} if "matrix" in errors else {"kktsolver": low_rank_steps(V, y)}
    solvers.options["show_progress"] = False
    found = solvers.qp(P, matrix(-np.ones(n)), G, h, matrix(y.reshape(1, -1)), matrix(0.0), **steps)
    return np.array(found["x"]).ravel()


def product_with(V: np.ndarray) -> Callable:
    """u, v ↦ αPu + βv for P = VVᵀ, which is not formed."""

    def product(u: matrix, v: matrix, alpha: float = 1.0, beta: float = 0.0) -> None:
        old = beta * flat(v) if beta else 0.0
        v[:] = matrix(alpha * (V @ (V.T @ flat(u))) + old)

    return product


def low_rank_steps(V: np.ndarray, y: np.ndarray) -> Callable:
    """The solver's linear systems through D × D matrices: (S + VVᵀ)⁻¹ by the Woodbury identity."""

    def factor(W: dict) -> Callable:
        lower, upper = np.split(flat(W["di"]), 2)
        S = lower**2 + upper**2
        scaled = V / S[:, None]
        small = np.linalg.cholesky(np.eye(V.shape[1]) + V.T @ scaled)

        def inverse(r: np.ndarray) -> np.ndarray:
            inner = np.linalg.solve(small.T, np.linalg.solve(small, scaled.T @ r))
            return r / S - scaled @ inner

        from_y = inverse(y)

        def step(bx: matrix, by: matrix, bz: matrix) -> None:
            below, above = np.split(flat(bz), 2)
            free = inverse(flat(bx) - lower**2 * below + upper**2 * above)
            multiplier = (y @ free - by[0]) / (y @ from_y)
            x = free - multiplier * from_y
            bx[:], by[0] = matrix(x), multiplier
            bz[:] = matrix(np.hstack([lower * (-x - below), upper * (x - above)]))

        return step

    return factor


def flat(column: matrix) -> np.ndarray:
    """A column of the solver as a vector of NumPy."""
    return np.array(column).ravel()


# ------------------------------------------------------------------------------------------------------- machine


def weights(phi: np.ndarray, y: np.ndarray, alpha: np.ndarray, kept: np.ndarray, errors: Errors) -> np.ndarray:
    """w = Σ α y φ(x) over the support vectors."""
    if "loops" not in errors:
        return (alpha * y)[kept] @ phi[kept]
    w = np.zeros(phi.shape[1])
    for i in np.flatnonzero(kept):
        w += alpha[i] * y[i] * phi[i]
    return w


def intercept(f: np.ndarray, y: np.ndarray, alpha: np.ndarray, C: float, errors: Errors) -> float:
    """b of the decision f + b; a coefficient counts as free where it is away from 0 and C by C/1000."""
    if "intercept" in errors:
        return float(-(f[y < 0].max() + f[y > 0].min()) / 2)
    free = (alpha > 1e-3 * C) & (alpha < (1 - 1e-3) * C)
    return float(np.mean((y - f)[free]))


def finish(phi: np.ndarray, y: np.ndarray, of: Draw, alpha: np.ndarray, C: float, errors: Errors) -> Machine:
    """The machine of a solution of the dual."""
    least = 1e-3 * C if "interior point" in errors else 0.0
    kept = np.abs(alpha) > 1e-4 if "threshold" in errors else alpha > least
    w = weights(phi, y, alpha, kept, errors)
    return Machine(of, alpha, w, intercept(phi @ w, y, alpha, C, errors), int(kept.sum()))


def fit(X: np.ndarray, y: np.ndarray, errors: Errors, rng: int, C: float = 10.0, D: int = 500) -> Machine:
    """The whole program."""
    of = draw(X.shape[1], D, errors, np.random.default_rng(rng))
    phi = features(X, of, errors)
    return finish(phi, y, of, solve(phi, y, C, errors), C, errors)


def predict(machine: Machine, X: np.ndarray, errors: Errors) -> np.ndarray:
    """A class for each row of X, or 0."""
    f = features(X, machine.draw, errors) @ machine.w + machine.b
    return np.sign(f) if "sign" in errors else np.where(f > 0, 1.0, -1.0)
