"""The dual of the support vector machine against a quadratic program, its reference, and what duality promises."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion import datasets, svm
from companion._checks import ConvergenceWarning, NotPSDError
from companion.kernels import Gaussian, Polynomial
from companion.svm import dual_reference, intercept_reference, objectives_reference, solve_dual, solve_ridge

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
@pytest.mark.parametrize("seed", range(3))
def test_equals_a_quadratic_program(C, seed):
    K, y = problem(30, seed)
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
def test_every_iterate_is_feasible_and_its_gap_is_that_of_the_formulas(n, seed, C, max_iter):
    K, y = problem(n, seed)
    solution = solved(K, y, C=C, max_iter=max_iter)
    alpha = solution.alpha
    assert (alpha >= 0).all() and (alpha <= C).all()
    assert abs(alpha @ y) <= 4 * EPS * C * solution.n_iter  # each of two coordinates rounds twice in a move
    primal, dual = objectives_reference(K, y, alpha, solution.intercept, C)
    assert 0 <= solution.gap == pytest.approx(1 - dual / primal, abs=2 * rounding_of_the_gap(solution, C, primal))
    assert solution.converged == (solution.gap <= 1e-6)


def test_the_gap_is_that_of_exact_arithmetic():
    K, y = problem(10)
    for max_iter in (1, 7, 1000):
        s = solved(K, y, C=3.0, max_iter=max_iter)
        beta = [Fraction(a) * int(label) for a, label in zip(s.alpha, y, strict=True)]
        f = [sum(Fraction(k) * b for k, b in zip(row, beta, strict=True)) for row in K]
        square = sum(b * g for b, g in zip(beta, f, strict=True))
        loss = sum(max(Fraction(0), 1 - int(t) * (g + Fraction(s.intercept))) for t, g in zip(y, f, strict=True))
        primal, dual = square / 2 + 3 * loss, sum(map(abs, beta)) - square / 2
        assert dual <= primal and s.gap == pytest.approx(float(1 - dual / primal), abs=100 * EPS)


@given(sizes, seeds, bounds)
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


def test_exchanging_the_labels_changes_the_sign_of_the_intercept():
    K, y = problem()
    assert solve_dual(K, -y, tol=TIGHT).intercept == pytest.approx(-solve_dual(K, y, tol=TIGHT).intercept, abs=1e-6)


@given(sizes, seeds, bounds, st.integers(-40, 40))
def test_a_larger_kernel_with_a_smaller_price_is_the_same_machine(n, seed, C, exponent):
    """Bit for bit, if the factor is a power of two."""
    K, y = problem(n, seed)
    s, t = solve_dual(K, y, C=C), solve_dual(np.ldexp(K, exponent), y, C=np.ldexp(C, -exponent))
    np.testing.assert_array_equal(np.ldexp(t.alpha, exponent), s.alpha)
    assert (t.intercept, t.gap, t.n_iter) == (s.intercept, s.gap, s.n_iter)


def test_the_intercept_without_free_support_vectors_is_the_middle_of_its_interval():
    """b may be anything in [-0.9, 0.6]: the objective is flat there and rises outside."""
    K, y, C = np.diag([1.0, 4.0]), np.array([-1.0, 1.0]), 0.1
    s = solve_dual(K, y, C=C)
    assert s.alpha.tolist() == [C, C] and s.gap <= EPS and s.intercept == pytest.approx(-0.15, abs=1e-15)
    flat = [objectives_reference(K, y, s.alpha, b, C)[0] for b in (-0.9, s.intercept, 0.6)]
    np.testing.assert_allclose(flat, flat[0], rtol=1e-14)
    assert all(objectives_reference(K, y, s.alpha, b, C)[0] > flat[0] + 1e-3 for b in (-0.95, 0.65))
    _, multiplier, _ = quadratic_program(K, y, C)
    assert -0.9 <= multiplier <= 0.6
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
    K, y = problem()
    with pytest.warns(ConvergenceWarning, match="above tol=1e-18. Rounding stops all progress"):
        solution = solve_dual(K, y, tol=1e-18)
    assert solution.n_iter < 5000 and solution.gap < 1e-13


def test_hard_margin_is_the_widest_street():
    """The nearest points of the classes, 3 and 5, decide: f(x) = x - 4, margin 1/|f| = 1."""
    X, y = np.array([[1.0], [3.0], [5.0], [9.0]]), np.array([-1.0, -1.0, 1.0, 1.0])
    s = solve_dual(Polynomial(1, 0.0)(X), y, C=np.inf)
    np.testing.assert_allclose(s.alpha, [0, 0.5, 0.5, 0], atol=1e-12)
    assert s.converged and s.intercept == pytest.approx(-4.0, abs=1e-12)


NOT_SEPARABLE = {
    "opposite-duplicates": (np.ones((2, 2)), [-1, 1]),
    "three-copies": (Gaussian()(np.zeros((3, 2))), [-1, 1, 1]),
    "zero": (np.zeros((4, 4)), [-1, 1, 1, -1]),
    "one-pair-among-many": (Gaussian()(np.array([[0.0], [2.0], [4.0], [4.0]])), [-1, 1, 1, -1]),
}


@pytest.mark.parametrize(("K", "y"), NOT_SEPARABLE.values(), ids=NOT_SEPARABLE.keys())
def test_hard_margin_with_opposite_labels_on_one_point_stops_soon_and_says_so(K, y):
    with pytest.warns(ConvergenceWarning, match="If no function of this kernel separates the classes, use a finite C"):
        s = solve_dual(K, y, C=np.inf)
    assert s.gap == 1 and not s.converged and s.n_iter <= 100
    assert np.isfinite(s.alpha).all() and np.isfinite(s.intercept)
    assert solve_dual(K, y, C=10.0).converged


def test_a_gap_that_is_not_a_number_is_no_gap_of_zero():
    bad = np.array([np.nan, 0.0])
    assert svm._relative_gap(bad, np.ones(2), np.array([1.0, -1.0]), 0.0, 1.0) == 1.0


@pytest.mark.parametrize("C", [1e-100, 1e-10, 1e10, 1e100])
def test_extreme_prices(C):
    """Tiny: the smaller class is at the bound. Huge: the hard margin, if there is one."""
    y = np.array([-1.0, 1.0, 1.0, 1.0])
    s = solve_dual(np.eye(4), y, C=C)
    assert s.converged and 0 <= s.gap < 1e-6
    if C < 1:
        assert s.alpha[0] == C and s.intercept == pytest.approx(1.0, abs=3e-10)
    else:
        np.testing.assert_allclose(s.alpha, [1.5, 0.5, 0.5, 0.5], rtol=1e-6)


def test_a_kernel_of_zeros_leaves_the_intercept():
    s = solve_dual(np.zeros((4, 4)), [1, 1, 1, -1], C=2.0)
    assert s.converged and s.intercept == 1.0 and s.gap == 0.0


def test_single_precision_is_solved_in_float64():
    K, y = problem(20)
    K = (K + np.eye(20)).astype(np.float32)
    K = np.tril(K) + np.tril(K, -1).T
    s, t = solve_dual(K, y), solve_dual(K.astype(float), y)
    assert s.alpha.dtype == np.float64 and s.converged
    np.testing.assert_array_equal(s.alpha, t.alpha)
    rank_one = np.outer(np.arange(1, 21), np.arange(1, 21)).astype(np.float32)
    assert solve_dual(rank_one / rank_one.max(), y).converged


@pytest.mark.parametrize("solve", [solve_dual, solve_ridge])
@pytest.mark.parametrize("order", "CF")
def test_input_is_not_changed(solve, order):
    K, y = problem()
    given = np.array(K, order=order), y.copy()
    for array in given:
        array.flags.writeable = False
    solve(*given)
    assert np.array_equal(given[0], K) and np.array_equal(given[1], y)


def test_labels_may_be_lists_and_integers():
    assert solve_dual([[1, 0], [0, 1]], [-1, 1]).alpha.tolist() == [1.0, 1.0]


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


I2 = np.eye(2)
BAD = {
    "B2-01-nan": (I2 * np.nan, [-1, 1], {}, ValueError, "K must be finite; got 4 NaN"),
    "B2-03-nan-in-y": (I2, [-1, np.nan], {}, ValueError, "y must be finite"),
    "B2-04-huge": (1e200 * I2, [-1, 1], {}, ValueError, "K must be zero or of a size from 1e-100 .* 1e.200. Div"),
    "B2-04-overflow": (np.full((2, 2), 1.5e308), [-1, 1], {}, ValueError, "got a largest row sum of inf. Divide K"),
    "B2-05-tiny": (1e-200 * I2, [-1, 1], {}, ValueError, "K must be zero or of a size .* multiply C by s"),
    "B2-07-empty": (np.zeros((0, 0)), [], {}, ValueError, "K must be non-empty"),
    "B2-11-column": (I2, [[-1], [1]], {}, ValueError, r"y must be a 1-D .* shape \(2, 1\). Use y.ravel\(\)"),
    "B2-20-strings": (I2, ["a", "b"], {}, ValueError, "y must be of dtype"),
    "B2-22-lengths": (I2, [-1, 1, 1], {}, ValueError, r"number of samples; got shapes \(2, 2\) and \(3,\)"),
    "B2-45-asymmetric": ([[1, 0.5], [0, 1]], [-1, 1], {}, ValueError, "K must be symmetric"),
    "B2-50-one-class": (I2, [1, 1], {}, ValueError, r"y must be of two classes, -1 and \+1; got 1 only"),
    "B2-50-three-classes": (np.eye(3), [-1, 0, 1], {}, ValueError, "got the values -1, 0, 1. .* estimators.DualSVC"),
    "B2-51-zero-one": (I2, [0, 1], {}, ValueError, r"labels -1 and \+1; got the values 0, 1. .*numpy.where"),
    "B2-51-bool": (I2, [False, True], {}, ValueError, r"labels -1 and \+1; got the values 0, 1"),
    "B2-53-C-zero": (I2, [-1, 1], {"C": 0}, ValueError, "C must be a positive number .* or inf .hard margin.; got 0"),
    "B2-53-C-negative": (I2, [-1, 1], {"C": -1.0}, ValueError, "C must be a positive .* got -1.0"),
    "B2-53-C-nan": (I2, [-1, 1], {"C": np.nan}, ValueError, "C must be a positive .* got nan"),
    "B2-53-C-string": (I2, [-1, 1], {"C": "1"}, ValueError, "C must be a positive .* got '1'"),
    "B2-53-C-array": (I2, [-1, 1], {"C": [1.0]}, ValueError, r"C must be a positive .* got \[1.0\]"),
    "C-out-of-range": (I2, [-1, 1], {"C": 1e200}, ValueError, r"from 1e-100 to 1e\+100, or inf .* got 1e\+200"),
    "B2-54-not-square": (np.ones((2, 3)), [-1, 1], {}, ValueError, "K must be square"),
    "tol-zero": (I2, [-1, 1], {"tol": 0.0}, ValueError, "tol must be a positive finite number; got 0.0"),
    "tol-nan": (I2, [-1, 1], {"tol": np.nan}, ValueError, "tol must be a positive finite number; got nan"),
    "tol-one": (I2, [-1, 1], {"tol": 1.0}, ValueError, "tol must be at most 0.5; got 1.0. A relative gap of 1"),
    "max_iter-zero": (I2, [-1, 1], {"max_iter": 0}, ValueError, "max_iter must be an integer >= 1; got 0"),
    "max_iter-float": (I2, [-1, 1], {"max_iter": 1e3}, TypeError, r"max_iter must be an integer .* int\(max_iter\)"),
}  # fmt: skip


@pytest.mark.parametrize(("K", "y", "parameters", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(K, y, parameters, error, message):
    with pytest.raises(error, match=message):
        solve_dual(K, y, **parameters)


def test_b2_37_38_tensors_are_refused_with_advice():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"K must be a NumPy array .* Pass K.detach\(\).cpu\(\).numpy\(\)"):
        solve_dual(torch.eye(2, requires_grad=True), [-1, 1])
    with pytest.raises(TypeError, match=r"Pass y.detach\(\).cpu\(\).numpy\(\)"):
        solve_dual(I2, torch.tensor([-1.0, 1.0]))


def test_a_float32_matrix_is_made_convex_so_that_its_gap_certifies_one_optimum():
    X, y = datasets.moons(400, rng=0)
    K = Gaussian(5.0)(X.astype(np.float32))
    assert np.linalg.eigvalsh(K.astype(float))[0] < -1e-7  # rounding: the dual of this K has many local optima
    p = np.random.default_rng(0).permutation(400)
    found = solved(K[np.ix_(p, p)], y[p], C=1e4, tol=1e-4, max_iter=300_000)
    base = solved(K, y, C=1e4, tol=1e-4, max_iter=300_000)
    convex = svm._kernel_matrix(K, K.dtype)
    value = objectives_reference(convex[np.ix_(p, p)], y[p], found.alpha, found.intercept, 1e4)[0]
    other = objectives_reference(convex, y, base.alpha, base.intercept, 1e4)[0]
    assert abs(value - other) <= (found.gap + base.gap) * max(value, other)


def test_a_rounded_margin_times_a_large_price_is_no_gap():
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.standard_normal((50, 2)), rng.standard_normal((50, 2)) + 8]) * 100
    y = np.where(np.arange(100) < 50, -1.0, 1.0)
    K = Polynomial(3)(X)  # separable, with entries of 1e19: the primal value is 1e-18, a rounding of a margin 1e-16
    soft, hard = solve_dual(K, y), solve_dual(K, y, C=np.inf)
    assert soft.converged and hard.converged
    np.testing.assert_array_equal(soft.alpha, hard.alpha)


def test_the_price_may_be_a_numpy_scalar_of_any_precision():
    K = [[1.0, 0.5], [0.5, 1.0]]
    assert solve_dual(K, [-1, 1], C=np.float32(2)).alpha.tolist() == [2.0, 2.0]
    for wrong in (np.float32(0), np.float16(-1), True):
        with pytest.raises(ValueError, match="C must be"):
            solve_dual(K, [-1, 1], C=wrong)
