"""The intercept of a dual solution: read off the free support vectors, or an interval where nothing is free."""

import numpy as np
import pytest

from companion import datasets
from companion.kernels import Gaussian
from companion.svm import dual_reference, intercept_reference, objectives_reference, solve_dual


def gap(K, y, alpha, intercept, C):
    primal, dual = objectives_reference(K, y, alpha, intercept, C)
    return primal - dual


@pytest.mark.parametrize("C", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_solver_s_and_closes_the_gap(C, seed):
    X, y = datasets.moons(150, rng=seed)
    K = Gaussian(0.7)(X)
    found = solve_dual(K, y, C=C, tol=1e-12)
    b = intercept_reference(K, y, found.alpha, C)
    assert b == pytest.approx(found.intercept, abs=1e-7)
    assert b == pytest.approx(dual_reference(K, y, C)[1], abs=1e-5)
    assert gap(K, y, found.alpha, b, C) < 1e-7 * C * len(y)


@pytest.mark.parametrize("labels", [[-1, -1, 1, 1], [-1, -1, -1, 1], [1, 1, 1, -1, -1]])
def test_of_the_identity_is_the_mean_label(labels):
    """β_i = y_i - mean(y) solves the dual for K = I, and every margin is 1."""
    y = np.array(labels, dtype=float)
    assert intercept_reference(np.eye(len(y)), y, 1 - y * y.mean(), C=10.0) == pytest.approx(y.mean())


def test_without_free_support_vectors_the_middle_of_an_interval_that_is_all_optimal():
    X, y = datasets.moons(60, rng=3)
    K, C = Gaussian()(X), 1e-3
    alpha = solve_dual(K, y, C=C).alpha
    assert set(alpha) == {C}
    score = y - K @ (alpha * y)
    lowest, highest = score[y < 0].max(), score[y > 0].min()
    assert intercept_reference(K, y, alpha, C) == pytest.approx((lowest + highest) / 2)
    for b in np.linspace(lowest, highest, 5):
        assert gap(K, y, alpha, b, C) == pytest.approx(0, abs=1e-12)
    for b in (lowest - 0.1, highest + 0.1):
        assert gap(K, y, alpha, b, C) > 1e-5


def test_the_hard_margin_formula_is_right_for_separable_classes_and_wrong_for_others():
    def midpoint(K, y, alpha):
        f = K @ (alpha * y)
        return -(f[y < 0].max() + f[y > 0].min()) / 2

    X, y = datasets.rings(80, rng=0)
    K = Gaussian()(X)
    found = solve_dual(K, y, C=np.inf, tol=1e-10)
    assert midpoint(K, y, found.alpha) == pytest.approx(found.intercept, abs=1e-4)
    X, y = datasets.moons(400, rng=0)
    K = Gaussian()(X)
    found = solve_dual(K, y, C=10.0)
    assert gap(K, y, found.alpha, midpoint(K, y, found.alpha), 10.0) > 100 * gap(
        K, y, found.alpha, found.intercept, 10.0
    )
