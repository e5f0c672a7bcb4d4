"""The dual of a support vector machine: SMO beside libsvm and beside a dense quadratic program, on one thread.

All get the same kernel matrix of noisy moons and the same C; the duality gap of each solution stands beside its time.
Then the estimators, on ten classes of digits from the samples themselves, with the largest gap of all pairs of classes.

Usage: python benchmarks/dual.py benchmarks/results/dual.json
"""

import sys
from itertools import combinations

import timing

timing.one_thread()

import numpy as np  # noqa: E402
from cvxopt import matrix, solvers, spmatrix  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

from companion.datasets import moons  # noqa: E402
from companion.estimators import DualSVC  # noqa: E402
from companion.kernels import Gaussian  # noqa: E402
from companion.svm import objectives_reference, solve_dual  # noqa: E402

N, NOISE, LENGTHSCALE, C, ROUNDS = (1600, 5000), 0.3, 1.0, 10.0, 9
Solution = tuple[np.ndarray, float]  # alpha and the intercept


def ours(K: np.ndarray, y: np.ndarray, tol: float = 1e-6) -> Solution:
    """The package: symmetry, positive semidefiniteness, then SMO."""
    solution = solve_dual(K, y, C=C, tol=tol)
    return solution.alpha, solution.intercept


def libsvm(K: np.ndarray, y: np.ndarray, tol: float = 1e-3) -> Solution:
    """SMO in C++."""
    machine = SVC(kernel="precomputed", C=C, tol=tol).fit(K, y)
    alpha = np.zeros(len(y))
    alpha[machine.support_] = np.abs(machine.dual_coef_[0])
    return alpha, float(machine.intercept_[0])


def quadratic_program(K: np.ndarray, y: np.ndarray, *, sparse: bool) -> Solution:
    """An interior-point solver; the box as a dense 2n x n matrix, as tutorials have it, or as a sparse one."""
    n = len(y)
    eye = np.eye(n)
    box = spmatrix([-1.0] * n + [1.0] * n, range(2 * n), [*range(n), *range(n)]) if sparse else np.vstack((-eye, eye))
    solvers.options["show_progress"] = False
    program = solvers.qp(
        matrix(np.outer(y, y) * K),
        matrix(-np.ones(n)),
        box if sparse else matrix(box),
        matrix(np.hstack((np.zeros(n), np.full(n, C)))),
        matrix(y.reshape(1, -1)),
        matrix(0.0),
    )
    return np.array(program["x"]).ravel(), float(program["y"][0])  # the multiplier of Σ αᵢ yᵢ = 0 is the intercept


def relative_gap(K: np.ndarray, y: np.ndarray, solution: Solution) -> float:
    """(P - D) / P."""
    primal, dual = objectives_reference(K, y, *solution, C=C)
    return float(f"{(primal - dual) / primal:.2g}")


def solvers_of(n: int) -> dict:
    """Times and gaps on n moons; the quadratic programs on the smaller problem only."""
    X, y = moons(n, noise=NOISE, rng=0)
    K = Gaussian(LENGTHSCALE)(X)
    competitors = {
        "companion": lambda: ours(K, y),
        "companion, tol=1e-3": lambda: ours(K, y, tol=1e-3),
        "libsvm": lambda: libsvm(K, y),
        "libsvm, tol=1e-5": lambda: libsvm(K, y, tol=1e-5),
    }
    if n == N[0]:
        competitors["QP, dense box"] = lambda: quadratic_program(K, y, sparse=False)
        competitors["QP, sparse box"] = lambda: quadratic_program(K, y, sparse=True)
    gaps = {name: relative_gap(K, y, call()) for name, call in competitors.items()}
    return {"solve": timing.summary(timing.interleaved(competitors, ROUNDS), "companion"), "gap": gaps}


def digits() -> dict:
    """Times and gaps of the estimators, with their default kernel, which is the same."""
    X, y = load_digits(return_X_y=True)
    competitors = {"companion": lambda: DualSVC(C=C).fit(X, y), "scikit-learn": lambda: SVC(C=C).fit(X, y)}
    K = DualSVC(C=C).fit(X, y).kernel_(X)
    theirs = []
    for first, second in combinations(range(10), 2):
        pair = np.flatnonzero((y == first) | (y == second))
        block, signs = K[np.ix_(pair, pair)], np.where(y[pair] == second, 1.0, -1.0)
        theirs.append(relative_gap(block, signs, libsvm(block, signs)))
    gaps = {"companion": float(f"{competitors['companion']().gap_.max():.2g}"), "scikit-learn": max(theirs)}
    return {"solve": timing.summary(timing.interleaved(competitors, ROUNDS), "companion"), "gap": gaps}


def main(output_path: str) -> None:
    """Measure and write the results."""
    timing.write(
        output_path,
        ["numpy", "scipy", "scikit-learn", "cvxopt"],
        setting={"n": list(N), "noise": NOISE, "lengthscale": LENGTHSCALE, "C": C, "rounds": ROUNDS}
        | {"unit": "seconds of process time; times_ours: paired ratio"},
        moons={str(n): solvers_of(n) for n in N},
        digits=digits(),
    )


if __name__ == "__main__":
    main(sys.argv[1])
