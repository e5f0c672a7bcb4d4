"""Kernel ridge against its formula, scikit-learn, the primal problem, and the inputs that both solvers must refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC

from companion._core.checks import NotPSDError, NumericalWarning
from companion.kernels import Gaussian, Polynomial, Precomputed
from companion.svm import psd, ridge_reference, solve_dual, solve_ridge
from companion.svm.ridge import residual

each_solver = pytest.mark.parametrize("solve", [solve_ridge, solve_dual])


def problem(n=40, outputs=None, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 2)), rng.standard_normal(n if outputs is None else (n, outputs))


def with_eigenvalues(values):
    """A symmetric matrix."""
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((len(values), len(values))))
    K = Q * values @ Q.T
    return (K + K.T) / 2


@pytest.mark.parametrize("outputs", [None, 3])
@pytest.mark.parametrize("penalty", [1e-3, 100.0])
def test_equals_its_formula_and_scikit_learn(outputs, penalty, dtype, close):
    X, y = problem(outputs=outputs)
    K, y = Gaussian()(X).astype(dtype), y.astype(dtype)
    solution = solve_ridge(K, y, penalty=penalty)
    assert solution.coef.dtype == dtype and solution.converged
    close(solution.coef, ridge_reference(K.astype(float), y, penalty))
    close(solution.coef, KernelRidge(alpha=penalty, kernel="precomputed").fit(K.astype(float), y).dual_coef_)


@given(st.floats(1e-2, 1e2), st.sampled_from([0.0, 1.0]), st.integers(0, 99))
@settings(max_examples=15)
def test_kernel_ridge_is_ridge_regression_on_the_features(penalty, coef0, seed):
    """Push-through: Φᵀ (Φ Φᵀ + λ I)⁻¹ y = (Φᵀ Φ + λ I)⁻¹ Φᵀ y."""
    X, y = problem(25, seed=seed)
    a, b = X.T
    s, one = np.sqrt(2), np.ones(25)
    Phi = np.stack([a * a, b * b, s * a * b, s * coef0**0.5 * a, s * coef0**0.5 * b, coef0 * one], axis=1)  # (25, 6)
    dual = Phi.T @ solve_ridge(Polynomial(2, coef0)(X), y, penalty=penalty).coef
    primal = np.linalg.solve(Phi.T @ Phi + penalty * np.eye(6), Phi.T @ y)
    np.testing.assert_allclose(dual, primal, atol=1e-9)


def test_the_penalty_is_not_scaled_by_the_number_of_samples():
    np.testing.assert_allclose(solve_ridge(np.eye(4), np.ones(4), penalty=1.0).coef, 0.5)


def test_residual_is_the_worst_column_s():
    K, y = np.diag([1.0, 2.0]), np.array([[1.0, 0.0], [1.0, 0.0]])
    solution = solve_ridge(K, y)
    assert 0 <= solution.residual < 1e-15 and solution.converged
    assert residual(K, y, 1.0, np.zeros((2, 2))) == 1.0


@pytest.mark.parametrize("n", [1, 300])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_b2_43_rank_deficient_kernels_pass(n, precision):
    """Duplicate rows; a Gram matrix of rank 2 has eigenvalues that rounding makes negative."""
    X = np.repeat(problem(n)[0], 2, axis=0).astype(precision)
    for K in (Polynomial(1, 0.0)(X), Gaussian(5.0)(X)):
        assert np.isfinite(solve_ridge(K, np.ones(2 * n), penalty=0.1).coef).all()


@pytest.mark.parametrize("smallest", [-1e-3, -0.1])
@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_b2_46_indefinite_is_refused_whatever_the_penalty(smallest, penalty):
    K = with_eigenvalues(np.array([3.0, 2.0, 1.0, 0.5, smallest]))
    with pytest.raises(NotPSDError, match="K must be positive semidefinite; got smallest eigenvalue") as error:
        solve_ridge(K, np.ones(5), penalty=penalty)
    assert error.value.smallest_eigenvalue == pytest.approx(smallest, rel=1e-9)
    assert isinstance(error.value, np.linalg.LinAlgError) and isinstance(error.value, ValueError)


def test_a_rounded_eigenvalue_is_accepted_but_not_a_hundred_times_that():
    tiny, values = 5 * np.finfo(float).eps, np.array([1.0, 0.8, 0.6, 0.4, 0.2])
    solve_ridge(with_eigenvalues(np.append(values, -0.1 * tiny)), np.ones(6))
    with pytest.raises(NotPSDError):
        solve_ridge(with_eigenvalues(np.append(values, -100 * tiny)), np.ones(6))


@each_solver
def test_rounding_is_judged_by_the_entries_and_not_by_their_container(solve):
    """The Gram matrix has rank 3: rounding makes eigenvalues negative."""
    X, y = np.random.default_rng(0).standard_normal((30, 3)), np.resize([-1.0, 1.0], 30)
    single = (X.astype(np.float32) @ X.T.astype(np.float32)).astype(float)
    for K in (single, single.tolist(), np.asfortranarray(single)):
        assert solve(K, y, **{"penalty" if solve is solve_ridge else "C": 1.0}).converged
    coarse = {3: np.round(X @ X.T, 2), 7: 3 * single, 2: (X @ X.T / 9).round(2)}
    for digits, K in coarse.items():
        with pytest.raises(NotPSDError, match=f"looks like rounding to about {digits} digits: pass K.*, or regularise"):
            solve(K, y)
    with pytest.raises(NotPSDError, match="It is no kernel matrix"):
        solve(single - np.eye(30), y)


NEARLY_SINGULAR = np.array([[1.0, 1.0], [1.0, 1.0 + 4e-16]])  # its Cholesky factor exists


@pytest.mark.parametrize("K", [np.ones((3, 3)), np.zeros((3, 3)), NEARLY_SINGULAR], ids=["ones", "zeros", "nearly"])
def test_singular_without_penalty_is_refused(K):
    with pytest.raises(NotPSDError, match="no unique solution. Raise penalty"):
        solve_ridge(K, np.ones(len(K)), penalty=0.0)


def test_a_solution_that_rounding_spoils_warns_and_says_so():
    K = np.diag([1e12, 1.0]).astype(np.float32)
    K[0, 1] = K[1, 0] = -9e5
    for y in ([-1.0, -1.0], [[1.0, 1e6], [1.0, 1.0]]):  # of the two columns the second is solved
        with pytest.warns(NumericalWarning, match="relative residual .* raise penalty=0") as caught:
            assert not solve_ridge(K, y, penalty=0).converged
        assert caught[0].filename == __file__


I2 = np.eye(2)
BAD = {
    "B2-01-nan-in-K": (I2 * np.nan, [-1, 1], ValueError, "K must be finite; got 4 NaN"),
    "B2-03-nan-in-y": (I2, [-1, np.nan], ValueError, r"y must be finite; .* first at index \(1,\)"),
    "B2-07-empty": (np.zeros((0, 0)), [], ValueError, "K must be non-empty"),
    "B2-10-1-d-K": (np.ones(3), np.ones(3), ValueError, r"K must be a 2-D array .* whole kernel matrix"),
    "B2-11-3-d-y": (I2, np.ones((2, 1, 1)), ValueError, "y must be a 1-D array"),
    "B2-12-scalar-K": (1.0, [1.0], TypeError, "K must be an array; got float"),
    "B2-16-float16": (I2.astype(np.float16), [-1, 1], ValueError, "K must be a kernel .* float16. .* it from float32"),
    "B2-18-complex": (I2 * 1j, [-1, 1], ValueError, "K must be real; got dtype complex128"),
    "B2-20-strings-in-y": (I2, ["a", "b"], ValueError, "y must be of dtype"),
    "B2-22-lengths": (I2, [-1, 1, 1], ValueError, r"number of samples; got shapes \(2, 2\) and \(3,\)"),
    "B2-45-asymmetric": ([[1, 0.5], [0, 1]], [-1, 1], ValueError, r"K must be symmetric; .* 0.5. .*K.T\) / 2"),
    "B2-54-not-square": (np.ones((2, 3)), [-1, 1], ValueError, r"K must be square, .* \(2, 3\). Pass kernel\(X\)"),
}  # fmt: skip


@each_solver
@pytest.mark.parametrize(("K", "y", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(solve, K, y, error, message):
    with pytest.raises(error, match=message):
        solve(K, y)


@pytest.mark.parametrize(
    ("penalty", "got"), [(-1.0, "-1.0. A negative"), (np.nan, "nan"), (np.inf, "inf"), ("a", "'a'"), ([1, 2], "shape")]
)
def test_bad_penalties_are_refused(penalty, got):
    with pytest.raises(ValueError, match=f"penalty must be a non-negative finite number; got {got}"):
        solve_ridge(I2, [0, 1], penalty=penalty)


def test_one_penalty_per_target_predictions_and_a_short_repr():
    X, y = problem(outputs=3)
    K, penalties = Gaussian()(X), [0.1, 2.0, 0.1]
    solution = solve_ridge(K, y, penalty=penalties)
    for column, penalty in enumerate(penalties):
        np.testing.assert_allclose(solution.coef[:, column], ridge_reference(K, y[:, column], penalty), atol=1e-9)
    new = Gaussian()(X[:5] + 0.1, X)
    np.testing.assert_array_equal(solution.predict(new), new @ solution.coef)
    assert repr(solution).startswith("RidgeSolution(coef=array of shape (40, 3), residual=")
    assert len(repr(solve_ridge(K, y[:, 0]))) < 120
    for bad, got in ([0.1, 2.0], r"\[0.1, 2.0\]"), ([-1.0, 1.0, 1.0], r"\[-1.0, 1.0, 1.0\]"):
        with pytest.raises(
            ValueError, match=f"penalty must be a non-.*, or 3 of them, one for each column.*; got {got}"
        ):
            solve_ridge(K, y, penalty=bad)
    with pytest.raises(ValueError, match=r"K_new must be of shape \(m, 40\), one column for each training sample"):
        solution.predict(new.T)


@each_solver
def test_weights_are_repetitions_and_zero_drops_a_sample(solve):
    """Exact law; the repeated samples share the coefficient of the weighted one."""
    K, y = Gaussian(0.5)(problem()[0]), np.resize([-1.0, 1.0], 40)
    weight = np.random.default_rng(1).integers(0, 4, 40)
    repeated, sums = np.repeat(np.arange(40), weight), np.zeros(40)
    parameters = {} if solve is solve_ridge else {"tol": 1e-12}
    twin, ours = (
        solve(K[np.ix_(repeated, repeated)], y[repeated], **parameters),
        solve(K, y, sample_weight=weight, **parameters),
    )
    name = "coef" if solve is solve_ridge else "alpha"
    np.add.at(sums, repeated, getattr(twin, name))
    np.testing.assert_allclose(getattr(ours, name), sums, atol=1e-6)
    assert (getattr(ours, name)[weight == 0] == 0).all()


@each_solver
def test_weights_are_those_of_scikit_learn(solve):
    K, y = Gaussian(0.5)(problem()[0]), np.resize([-1.0, 1.0], 40)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, 40)
    if solve is solve_ridge:
        y, penalty = np.stack([y, np.arange(40.0)], axis=1), np.array([1.0, 3.0])
        theirs = KernelRidge(alpha=penalty, kernel="precomputed").fit(K, y, sample_weight=weight).dual_coef_
        np.testing.assert_allclose(solve(K, y, sample_weight=weight, penalty=penalty).coef, theirs, atol=1e-12)
        return
    machine = SVC(kernel="precomputed", tol=1e-10).fit(K, y, sample_weight=weight)
    theirs = np.zeros(40)
    theirs[machine.support_] = np.abs(machine.dual_coef_[0])
    ours = solve(K, y, sample_weight=weight, tol=1e-12)
    np.testing.assert_allclose(ours.alpha, theirs, atol=1e-6)
    assert ours.converged and ((ours.alpha == 0) | (ours.alpha == weight) | (theirs < weight)).all()


BAD_WEIGHTS = {
    "negative": ([1.0, -2.0], "non-negative, .*; got -2 at index 1. Zero drops"), "zeros": ([0, 0], "got zeros only"),
    "nan": ([1.0, np.nan], r"sample_weight must be finite; got 1 .* at index \(1,\)"), "three": ([1] * 3, "of shape "),
}  # fmt: skip


@each_solver
@pytest.mark.parametrize(("weight", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS.keys())
def test_bad_weights_are_refused(solve, weight, message):
    with pytest.raises(ValueError, match=message):
        solve(I2, [-1, 1], sample_weight=weight)


@pytest.mark.parametrize("entry", [(1, 0), (0, 1), (399, 0), (0, 399), (399, 300)], ids=str)
@pytest.mark.parametrize("much", [0.1, -0.1])
def test_b2_45_one_entry_too_large_or_too_small_is_refused_wherever_it_stands(entry, much):
    K = np.eye(400)  # more than one block of rows
    K[entry] = much
    for refuse in (lambda: solve_ridge(K, np.ones(400)), lambda: Precomputed(K)):
        with pytest.raises(ValueError, match="K must be symmetric; got .* by up to 0.1"):
            refuse()


def test_entries_may_differ_from_their_mirror_image_by_rounding_of_the_largest():
    for largest in (1e6, -1e6):  # it is the size that counts
        psd.require_symmetric(np.array([[1.0, 1e-9], [0.0, largest]]), np.dtype(float))
        with pytest.raises(ValueError, match="K must be symmetric"):
            psd.require_symmetric(np.array([[1.0, 1e-6], [0.0, largest]]), np.dtype(float))


def test_the_size_of_a_matrix_is_its_largest_absolute_row_sum():
    K = problem(300, outputs=300)[1]
    for rows in (K, K[::-1]):
        assert psd.norm(rows) == pytest.approx(np.linalg.norm(K, np.inf), rel=1e-14)


@each_solver
@pytest.mark.parametrize("requires_grad", [False, True])
def test_b2_37_38_tensors_are_refused_with_advice(solve, requires_grad):
    torch = pytest.importorskip("torch")
    place = "a tensor on cpu that requires grad" if requires_grad else "a tensor on cpu"
    message = rf"K must be a NumPy array .* got {place}. Pass K.detach\(\).cpu\(\).numpy\(\)"
    with pytest.raises(TypeError, match=message):
        solve(torch.eye(2, requires_grad=requires_grad), [-1.0, 1.0])
    with pytest.raises(TypeError, match=r"Pass y.detach\(\).cpu\(\).numpy\(\)"):
        solve(I2, torch.tensor([-1.0, 1.0]))


@each_solver
@pytest.mark.parametrize("order", "CF")
def test_input_is_not_changed(solve, order):
    K, y = Gaussian()(problem()[0]), np.where(np.arange(40) % 2, 1.0, -1.0)
    given = np.array(K, order=order), y.copy()
    for array in given:
        array.flags.writeable = False
    solve(*given)
    assert np.array_equal(given[0], K) and np.array_equal(given[1], y)


def test_lists_and_integers_are_taken_as_float64_and_single_precision_stays():
    solution = solve_ridge([[2, 0], [0, 1]], [3, 2])
    assert solution.coef.dtype == np.float64 and solution.coef.tolist() == pytest.approx([1, 1])
    single = solve_ridge(np.eye(3, dtype=np.float32), np.ones(3, np.float16))
    assert single.coef.dtype == np.float32 and single.coef.tolist() == [0.5] * 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e308])
def test_b2_04_targets_of_any_size_give_scaled_coefficients_and_the_same_residual(scale):
    X, y = problem(outputs=2)
    K, y = Gaussian()(X), y / np.abs(y).max()
    expected = solve_ridge(K, y, penalty=3.0)
    solution = solve_ridge(K, y * [1.0, scale], penalty=3.0)
    assert solution.converged and 0 < solution.residual < 1e-14
    np.testing.assert_array_equal(solution.coef[:, 0], expected.coef[:, 0])
    np.testing.assert_allclose(solution.coef[:, 1] / scale, expected.coef[:, 1], rtol=1e-9)


def test_b2_04_the_other_sign_of_the_targets_is_the_other_sign_of_the_coefficients():
    K, y = Gaussian()(problem()[0]), np.repeat([1e307, 1.0], [1, 39])
    np.testing.assert_array_equal(solve_ridge(K, -y).coef, -solve_ridge(K, y).coef)


OUT_OF_RANGE = {
    "float64": (1e-5 * np.eye(2), 1e308, r"up to 1.8e\+308\); got an overflow. Scale y down"),
    "float32": (np.eye(2, dtype=np.float32), 1e200, r"up to 3.4e\+38\); got an overflow. .* use a float64 K"),
    "float32-underflow": (np.eye(2, dtype=np.float32), 1e-60, r"normal from 1.18e-38\); got an underflow. Scale y up"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("K", "scale", "message"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE.keys())
def test_b2_16_coefficients_that_do_not_fit_the_dtype_of_k_are_an_error(K, scale, message):
    for y in (scale * np.array([1.0, -1.0]), np.array([[1.0, -scale], [1.0, -scale]])):
        with pytest.raises(ValueError, match=r"^coef must be within the range of its dtype \(" + message):
            solve_ridge(K, y, penalty=0.0)
