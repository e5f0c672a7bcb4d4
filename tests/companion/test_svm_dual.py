"""The dual of the support vector machine against a quadratic program, its reference, and what duality promises."""

import re
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import datasets
from companion._core.checks import ConvergenceWarning, NotPSDError
from companion.kernels import Gaussian, Polynomial
from companion.svm import dual_reference, intercept_reference, objectives_reference, solve_dual
from companion.svm.psd import convex, is_psd
from companion.svm.smo import newton_step, relative_gap, smo, working_pair

EPS = np.finfo(float).eps
TIGHT = 1e-10  # rounding is about eps·Σ α_i, 1e-13
seeds, sizes, bounds = st.integers(0, 999), st.integers(2, 25), st.floats(0.01, 50.0)


def problem(n=40, seed=0, lengthscale=0.5):
    """Two overlapping classes in the plane, both present: K and y."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    y = np.where(X[:, 0] + 0.7 * rng.standard_normal(n) > 0, 1.0, -1.0)
    y[:2] = -1.0, 1.0
    return Gaussian(lengthscale)(X), y


def quadratic_program(K, y, C):
    """The dual by an interior point method: α, the multiplier of Σ α_i y_i = 0, and the dual value."""
    cvxopt = pytest.importorskip("cvxopt")
    n, matrix = len(y), cvxopt.matrix
    options = {"show_progress": False, "abstol": 1e-12, "reltol": 1e-12, "feastol": 1e-12}
    sides, limits = [-np.eye(n)], [np.zeros(n)]
    if np.isfinite(C):
        sides, limits = [*sides, np.eye(n)], [*limits, np.full(n, C)]
    solution = cvxopt.solvers.qp(
        matrix(np.outer(y, y) * K), matrix(-np.ones(n)), matrix(np.vstack(sides)), matrix(np.concatenate(limits)),
        matrix(y[None, :]), matrix(0.0), options=options,
    )  # fmt: skip
    return np.array(solution["x"]).ravel(), float(solution["y"][0]), -float(solution["primal objective"])


def solved(K, y, **parameters):
    """A solution for which nobody minds if the gap is not reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return solve_dual(K, y, **parameters)


@pytest.mark.parametrize("C", [0.1, 1.0, 10.0, np.inf])
def test_equals_a_quadratic_program(C):
    K, y = problem(30)
    K = K + 0.1 * np.eye(30)  # so that alpha is unique, and C = inf has a solution
    solution = solve_dual(K, y, C=C, tol=TIGHT)
    alpha, multiplier, value = quadratic_program(K, y, C)
    np.testing.assert_allclose(solution.alpha, alpha, atol=1e-5 * max(1.0, alpha.max()))
    if ((solution.alpha > 0) & (solution.alpha < C)).any():  # else an interval of intercepts is optimal
        assert solution.intercept == pytest.approx(multiplier, abs=1e-5)
    assert solution.alpha.sum() - solution.alpha * y @ K @ (solution.alpha * y) / 2 == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
def test_equals_its_reference(C):
    K, y = problem()
    alpha, intercept = dual_reference(K, y, C, tol=1e-10)
    solution = solve_dual(K, y, C=C, tol=TIGHT)
    np.testing.assert_allclose(solution.alpha, alpha, atol=1e-5)
    assert solution.intercept == pytest.approx(intercept, abs=1e-5)
    assert solution.intercept == pytest.approx(intercept_reference(K, y, solution.alpha, C), abs=1e-12)


def rounding_of_the_gap(solution, C, primal):
    """How far 1 - D / P is off where K has entries up to 1, with u = eps / 2 and A = Σ α.

    An inner product of n terms is off by n u times the sum of their absolute values: each f_i by n u A, its hinge by
    u (2 + 2 |b| + (n + 2) A), their sum with C by n C as much and n u P, and βᵀKβ by 2 n u A². D ends in [0, P].
    """
    n, A, b = len(solution.alpha), solution.alpha.sum(), abs(solution.intercept)
    hinges = n * C * (2 + 2 * b + (n + 2) * A) + n * primal
    return EPS / 2 * ((hinges + n * A + 2 * n * A**2) / primal + 2)


@given(sizes, seeds, bounds, st.integers(1, 60))
@settings(max_examples=30)
def test_every_iterate_is_feasible_and_its_gap_is_that_of_the_formulas(n, seed, C, max_iter):
    K, y = problem(n, seed)
    solution = solved(K, y, C=C, max_iter=max_iter)
    alpha = solution.alpha
    assert (alpha >= 0).all() and (alpha <= C).all()
    assert abs(alpha @ y) <= 4 * EPS * C * solution.n_iter  # each of two coordinates rounds twice in a move
    primal, dual = objectives_reference(K, y, alpha, solution.intercept, C)
    assert 0 <= solution.gap == pytest.approx(1 - dual / primal, abs=2 * rounding_of_the_gap(solution, C, primal))
    assert solution.converged == (solution.gap <= 1e-6)


@pytest.mark.parametrize("weight", [np.ones(10), np.linspace(0.5, 2.0, 10)], ids=["equal", "weights"])
def test_the_gap_is_that_of_exact_arithmetic(weight):
    K, y = problem(10)
    for max_iter in (1, 7, 1000):
        s = solved(K, y, C=3.0, max_iter=max_iter, sample_weight=weight)
        beta = [Fraction(a) * int(label) for a, label in zip(s.alpha, y, strict=True)]
        f = [sum(Fraction(k) * b for k, b in zip(row, beta, strict=True)) for row in K]
        square = sum(b * g for b, g in zip(beta, f, strict=True))
        hinges = [max(Fraction(0), 1 - int(t) * (g + Fraction(s.intercept))) for t, g in zip(y, f, strict=True)]
        loss = sum(Fraction(w) * hinge for w, hinge in zip(weight, hinges, strict=True))
        primal, dual = square / 2 + 3 * loss, sum(map(abs, beta)) - square / 2
        assert dual <= primal and s.gap == pytest.approx(float(1 - dual / primal), abs=100 * EPS)


@given(sizes, seeds, bounds)
@settings(max_examples=20)
def test_the_gap_is_what_the_optimality_conditions_miss(n, seed, C):
    """P - D = Σ α_i max(0, y_i f_i - 1) + (C - α_i) max(0, 1 - y_i f_i), term by term not negative."""
    K, y = problem(n, seed)
    for tol in (0.3, 1e-3, TIGHT):
        s = solve_dual(K, y, C=C, tol=tol)
        excess = y * (K @ (s.alpha * y) + s.intercept) - 1
        missed = s.alpha * np.maximum(0, excess) + (C - s.alpha) * np.maximum(0, -excess)
        primal, _ = objectives_reference(K, y, s.alpha, s.intercept, C)
        assert missed.sum() == pytest.approx(s.gap * primal, abs=1e-12 * primal)
    slack = 2 * TIGHT * primal / C
    assert (excess[s.alpha == 0] >= -slack).all()
    assert (excess[s.alpha == C] <= slack).all()
    well_inside = (s.alpha > 0.01 * C) & (s.alpha < 0.99 * C)
    np.testing.assert_allclose(excess[well_inside], 0, atol=100 * slack)


@given(sizes, seeds, bounds, st.integers(-40, 40))
@settings(max_examples=15)
def test_a_larger_kernel_with_a_smaller_c_is_the_same_machine(n, seed, C, exponent):
    """Bit for bit, if the factor is a power of two."""
    K, y = problem(n, seed)
    s, t = solve_dual(K, y, C=C), solve_dual(np.ldexp(K, exponent), y, C=np.ldexp(C, -exponent))
    np.testing.assert_array_equal(np.ldexp(t.alpha, exponent), s.alpha)
    assert (t.intercept, t.gap, t.n_iter) == (s.intercept, s.gap, s.n_iter)


def test_the_intercept_without_free_support_vectors_is_the_middle_of_its_interval():
    """b may be anything in [-0.8, 0.6]: the objective is flat there and rises outside."""
    K, y, C = np.diag([1.0, 4.0, 2.0, 3.0]), np.array([-1.0, 1.0, -1.0, 1.0]), 0.1
    s = solve_dual(K, y, C=C)
    assert s.alpha.tolist() == [C] * 4 and s.gap <= EPS and s.intercept == pytest.approx(-0.1, abs=1e-15)
    flat = [objectives_reference(K, y, s.alpha, b, C)[0] for b in (-0.8, s.intercept, 0.6)]
    np.testing.assert_allclose(flat, flat[0], rtol=1e-14)
    assert all(objectives_reference(K, y, s.alpha, b, C)[0] > flat[0] + 1e-3 for b in (-0.85, 0.65))
    assert intercept_reference(K, y, s.alpha, C) == pytest.approx(s.intercept, abs=1e-15)
    assert dual_reference(K, y, C)[1] == pytest.approx(s.intercept, abs=1e-15)


def test_the_intercept_is_where_the_objective_is_smallest():
    """Not -(max over negatives + min over positives)/2 of f: that is for classes that do not overlap."""
    K, y = problem(60)
    s = solve_dual(K, y, tol=TIGHT)
    free = (s.alpha > 1e-6) & (s.alpha < 1 - 1e-6)
    f = K @ (s.alpha * y)
    assert free.any() and np.abs(y - f - s.intercept)[free].max() < 1e-9
    best = objectives_reference(K, y, s.alpha, s.intercept, 1.0)[0]
    hard = -(f[y < 0].max() + f[y > 0].min()) / 2
    assert objectives_reference(K, y, s.alpha, hard, 1.0)[0] > 1.001 * best
    for b in (s.intercept - 1e-3, s.intercept + 1e-3):
        assert objectives_reference(K, y, s.alpha, b, 1.0)[0] >= best


@pytest.mark.parametrize(("C", "fix"), [(1.0, "Raise max_iter or tol, or lower C"), (np.inf, "use a finite C")])
def test_b2_55_not_converged_is_never_silent(C, fix):
    K, y = problem()
    with pytest.warns(ConvergenceWarning, match=rf"gap is .* after 1 iterations, above tol=1e-06. .*{fix}") as caught:
        solution = solve_dual(K, y, C=C, max_iter=1)
    assert len(caught) == 1 and not solution.converged and solution.n_iter == 1 and 1e-6 < solution.gap <= 1


def test_rounding_that_stops_all_progress_warns():
    K, y = problem(200)
    with pytest.warns(ConvergenceWarning, match="above tol=1e-18. Rounding stops all progress"):
        solution = solve_dual(K, y, C=100.0, tol=1e-18)
    assert solution.n_iter < 5000 and solution.gap < 1e-13


@pytest.mark.parametrize("X", [np.zeros((4, 2)), [[0.0], [2.0], [4.0], [4.0]]], ids=["all on one", "one pair"])
def test_hard_margin_with_opposite_labels_on_one_point_stops_soon_and_says_so(X):
    K, y = Gaussian()(X), [-1, 1, 1, -1]
    with pytest.warns(ConvergenceWarning, match="If no function of this kernel separates the classes, use a finite C"):
        s = solve_dual(K, y, C=np.inf)
    assert s.gap == 1 and not s.converged and s.n_iter <= 100
    assert np.isfinite(s.alpha).all() and np.isfinite(s.intercept)
    assert solve_dual(K, y, C=10.0).converged


def test_the_pair_without_temporaries_is_the_working_pair_and_newton_steps_end_where_free_scores_agree():
    K, y = problem(60)
    at = smo(K, y, 10.0, 0.4, 7)
    assert at.pair() == working_pair(K, at.score, at.blocked, at.can_fall)
    for _ in range(20):
        at.solve_for_free()
    free = (at.lower < at.beta) & (at.beta < at.upper)
    np.testing.assert_allclose(at.score[free], at.score[free].mean(), atol=1e-9)
    np.testing.assert_allclose(at.score, y - K @ at.beta, atol=1e-12)
    assert free.sum() > 1 and abs(at.beta.sum()) < 1e-12
    assert at.pair() == working_pair(K, at.score, at.blocked, at.can_fall)


def test_newton_steps_need_fewer_iterations_for_the_same_machine(monkeypatch):
    K, y = problem(200)
    newton = solve_dual(K, y, C=100.0, tol=TIGHT)
    monkeypatch.setattr("companion.svm.smo.MOST_FREE", 0)
    pairs = solve_dual(K, y, C=100.0, tol=TIGHT)
    assert newton.converged and pairs.converged and 10 * newton.n_iter < pairs.n_iter
    P, Q = (objectives_reference(K, y, s.alpha, s.intercept, 100.0)[0] for s in (pairs, newton))
    assert abs(P - Q) <= TIGHT * max(P, Q)  # both exceed one optimum by their gaps at most


def test_a_matrix_without_full_rank_costs_newton_steps_no_digits():
    """With diag(1, 1, 0) and d = (a, b, -a - b), a and b are the leads over the third score: here 3 and 5 units."""
    unit = 2.0**-20
    step = newton_step(np.diag([1.0, 1.0, 0.0]), 1 + np.array([3, 5, 0]) * unit)
    np.testing.assert_allclose(step, np.array([3, 5, -8]) * unit, rtol=1e-12)
    for seed in range(10):
        X = np.random.default_rng(seed).standard_normal((60, 5))
        y = np.where(X[:, 0] + np.random.default_rng(seed + 10).standard_normal(60) > 0, 1.0, -1.0)
        assert solve_dual(X @ X.T, y, C=10.0, max_iter=5000).converged


@pytest.mark.parametrize("rank", [3, 300])
def test_the_certificate_finds_one_negative_eigenvalue_among_many_that_are_small(rank):
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((300, 300)))
    for smallest, psd in ((-1e-10, False), (0.0, True)):
        K = (Q * np.append(np.linspace(1, 2, rank - 1), np.append(smallest, np.zeros(300 - rank)))) @ Q.T
        assert is_psd((K + K.T) / 2, tolerance=1e-12) == psd


def test_a_gap_that_is_not_a_number_is_no_gap_of_zero():
    bad = np.array([np.nan, 0.0])
    assert relative_gap(bad, np.ones(2), np.array([1.0, -1.0]), 0.0, 1.0) == 1.0


@pytest.mark.parametrize("C", [1e-100, 1e-10, 1e10, 1e100])
def test_extreme_values_of_c(C):
    """Tiny: the smaller class is at the bound. Huge: the hard margin, if there is one."""
    y = np.array([-1.0, 1.0, 1.0, 1.0])
    s = solve_dual(np.eye(4), y, C=C)
    assert s.converged and 0 <= s.gap < 1e-6
    if C < 1:
        assert s.alpha[0] == C and s.intercept == pytest.approx(1.0, abs=3e-10)
    else:
        np.testing.assert_allclose(s.alpha, [1.5, 0.5, 0.5, 0.5], rtol=1e-6)


def test_single_precision_is_solved_in_float64():
    K, y = problem(20)
    K = (K + np.eye(20)).astype(np.float32)
    K = np.tril(K) + np.tril(K, -1).T
    s, t = solve_dual(K, y), solve_dual(K.astype(float), y)
    assert s.alpha.dtype == np.float64 and s.converged
    np.testing.assert_array_equal(s.alpha, t.alpha)
    rank_one = np.outer(np.arange(1, 21), np.arange(1, 21)).astype(np.float32)
    assert solve_dual(rank_one / rank_one.max(), y).converged


def test_lists_and_integers_are_taken_and_a_kernel_of_zeros_leaves_the_intercept():
    assert solve_dual([[1, 0], [0, 1]], [-1, 1], C=np.float32(2)).alpha.tolist() == [1.0, 1.0]
    s = solve_dual(np.zeros((4, 4)), [1, 1, 1, -1], C=2.0)
    assert s.converged and s.intercept == 1.0 and s.gap == 0.0


def test_b2_46_indefinite_is_refused():
    K, y = problem(20)
    smallest = float(np.linalg.eigvalsh(K)[0])
    with pytest.raises(NotPSDError, match="K must be positive semidefinite; got smallest eigenvalue -0.1") as error:
        solve_dual(K - (0.1 + smallest) * np.eye(20), y)
    assert error.value.smallest_eigenvalue == pytest.approx(-0.1, abs=1e-12)
    for scale in (1e-90, 1e90):
        with pytest.raises(NotPSDError):
            solve_dual(scale * (K - (0.1 + smallest) * np.eye(20)), y)
        assert solve_dual(scale * K, y, C=2.0 / scale).converged


BAD = {
    "B2-04-huge": (1e200 * np.eye(2), [-1, 1], "K must be zero or of a size from 1e-100 .* 1e.200. Divide K"),
    "B2-04-overflow": (np.full((2, 2), 1.5e308), [-1, 1], "got a largest row sum of inf. Divide K"),
    "B2-05-tiny": (1e-200 * np.eye(2), [-1, 1], "K must be zero or of a size .* multiply C by s"),
    "B2-11-column": (np.eye(2), [[-1], [1]], r"y must be a 1-D .* shape \(2, 1\). Use y.ravel\(\)"),
    "B2-50-one-class": (np.eye(2), [1, 1], r"y must be of two classes, -1 and \+1; got 1 only"),
    "B2-50-three-classes": (np.eye(3), [-1, 0, 1], "got the values -1, 0, 1. .* estimators.DualSVC"),
    "B2-51-zero-one": (np.eye(2), [False, True], r"labels -1 and \+1; got the values 0, 1. .*numpy.where"),
}


@pytest.mark.parametrize(("K", "y", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(K, y, message):
    with pytest.raises(ValueError, match=message):
        solve_dual(K, y)


def test_b2_53_bad_parameters_are_refused():
    for C in (0, -1.0, np.nan, "1", [1.0], 1e200, True, np.float32(0), np.float16(-1)):
        got = re.escape(repr(np.asarray(C).tolist()))
        with pytest.raises(ValueError, match=rf"C must be .* from 1e-100 to 1e\+100, or inf .hard margin.; got {got}"):
            solve_dual(np.eye(2), [-1, 1], C=C)
    for tol, message in (
        (0.0, "a positive finite number; got 0.0"), (np.nan, "a positive finite number; got nan"),
        (1.0, "at most 0.5; got 1.0. A relative gap of 1"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"tol must be {message}"):
            solve_dual(np.eye(2), [-1, 1], tol=tol)
    for max_iter, error in ((0, ValueError), (1e3, TypeError)):
        with pytest.raises(error, match="max_iter must be an integer >= 1; got"):
            solve_dual(np.eye(2), [-1, 1], max_iter=max_iter)


def test_a_float32_matrix_is_made_convex_so_that_its_gap_certifies_one_optimum():
    X, y = datasets.moons(400, rng=0)
    K = Gaussian(5.0)(X.astype(np.float32))
    assert np.linalg.eigvalsh(K.astype(float))[0] < -1e-7  # rounding: the dual of this K has many local optima
    p = np.random.default_rng(0).permutation(400)
    found = solved(K[np.ix_(p, p)], y[p], C=1e4, tol=1e-4, max_iter=300_000)
    base = solved(K, y, C=1e4, tol=1e-4, max_iter=300_000)
    made = convex(K)
    value = objectives_reference(made[np.ix_(p, p)], y[p], found.alpha, found.intercept, 1e4)[0]
    other = objectives_reference(made, y, base.alpha, base.intercept, 1e4)[0]
    rounding = EPS * max(found.alpha.sum(), base.alpha.sum())  # of a gap, times the largest k(x, x), which is 1
    assert abs(value - other) <= (found.gap + base.gap + rounding) * max(value, other)


def test_a_rounded_margin_times_a_large_c_is_no_gap():
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.standard_normal((50, 2)), rng.standard_normal((50, 2)) + 8]) * 100
    y = np.where(np.arange(100) < 50, -1.0, 1.0)
    K = Polynomial(3)(X)  # separable, with entries of 1e19: the primal value is 1e-18, a rounding of a margin 1e-16
    soft, hard = solve_dual(K, y), solve_dual(K, y, C=np.inf)
    assert soft.converged and hard.converged
    np.testing.assert_array_equal(soft.alpha, hard.alpha)
