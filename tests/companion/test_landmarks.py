"""Landmark approximations against plain linear algebra, the law of the pivots, their guarantee, and what is refused."""

import math
from itertools import permutations

import numpy as np
import pytest
from samples import normal
from scipy import stats
from sklearn.base import clone
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from companion import datasets
from companion._core.checks import NotPSDError
from companion.estimators import LandmarkFeatures, PrimalSVC
from companion.kernels import Callable, Gaussian, Kernel, Laplacian, Polynomial, Precomputed
from companion.lowrank import landmarks, nystroem, rp_cholesky, rp_cholesky_reference

METHODS = landmarks.METHODS
each_method = pytest.mark.parametrize("method", METHODS)
GAUSSIAN = Gaussian(1.5)


def clusters(n=400):
    """95 % of the points in a tight blob, the others spread."""
    rng = np.random.default_rng(3)
    return np.concatenate([0.05 * rng.standard_normal((n - n // 20, 2)), 2 * rng.standard_normal((n // 20, 2))])


def close_to(tolerance):
    return {"float64": tolerance, "float32": max(tolerance, 3e-4)}


# the approximation


@each_method
def test_it_is_the_nystroem_approximation_of_its_pivots(method, xp, dtype):
    X = normal(60, 3).astype(dtype)
    found = rp_cholesky(GAUSSIAN, xp(X), 12, method=method, rng=0)
    F, S = xp.numpy(found.factor), X[found.pivots].astype(float)
    assert str(found.factor.dtype).endswith(dtype) and F.shape == (60, 12) and found.stop == "rank"
    assert len(set(found.pivots)) == 12
    np.testing.assert_array_equal(xp.numpy(found.landmarks), X[found.pivots])
    C, W = GAUSSIAN(X.astype(float), S), GAUSSIAN(S)
    np.testing.assert_allclose(F @ F.T, C @ np.linalg.solve(W, C.T), atol=close_to(1e-10)[dtype])
    assert np.abs(np.triu(F[found.pivots], 1)).max() < close_to(1e-9)[dtype]  # L
    assert found.residual_trace == pytest.approx(60 - np.sum(F.astype(float) ** 2), rel=1e-4, abs=1e-9)
    new = normal(7, 3, seed=1).astype(dtype)
    features = xp.numpy(found.features(xp(new)))
    expected = GAUSSIAN(new.astype(float), S) @ np.linalg.solve(W, C.T)
    np.testing.assert_allclose(features @ F.T, expected, atol=close_to(1e-9)[dtype])
    np.testing.assert_allclose(xp.numpy(found.features(xp(X))), F, atol=close_to(1e-8)[dtype])


def test_given_landmarks_are_rows_or_samples(xp, dtype):
    X, rows = normal(40, 2).astype(dtype), np.array([5, 0, 39, 17])
    by_rows, by_samples = nystroem(GAUSSIAN, xp(X), rows), nystroem(GAUSSIAN, xp(X), xp(X[rows]))
    S = X[rows].astype(float)
    C = GAUSSIAN(X.astype(float), S)
    for found in (by_rows, by_samples):
        F = xp.numpy(found.factor)
        assert str(found.factor.dtype).endswith(dtype) and found.stop == "rank"
        np.testing.assert_allclose(F @ F.T, C @ np.linalg.solve(GAUSSIAN(S), C.T), atol=close_to(1e-12)[dtype])
        np.testing.assert_allclose(xp.numpy(found.features(xp(X))), F, atol=close_to(1e-12)[dtype])
    assert sorted(by_rows.pivots) == sorted(rows) and sorted(by_samples.pivots) == [0, 1, 2, 3]
    np.testing.assert_array_equal(rows[by_samples.pivots], by_rows.pivots)


@each_method
def test_the_rest_is_positive_semidefinite_and_zero_at_the_landmarks(method):
    X = normal(80, 2)
    found = rp_cholesky(GAUSSIAN, X, 10, method=method, rng=1)
    rest = GAUSSIAN(X) - found.factor @ found.factor.T
    assert np.linalg.eigvalsh(rest).min() > -1e-12 and np.abs(rest[found.pivots]).max() < 1e-10


def test_the_reference_is_that_of_the_package_for_the_same_pivots():
    X = normal(50, 3)
    F, pivots = rp_cholesky_reference(GAUSSIAN(X), 8, np.random.default_rng(0))
    theirs = nystroem(GAUSSIAN, X, pivots).factor
    np.testing.assert_allclose(theirs @ theirs.T, F @ F.T, atol=1e-12)


def test_greedy_takes_the_largest_rest_as_lapack_does():
    from scipy.linalg import lapack

    X = normal(50, 3)
    kernel = GAUSSIAN * (Polynomial(1, 0.0) + 0.1)
    _, order, _, _ = lapack.dpstrf(kernel(X), lower=1)
    assert rp_cholesky(kernel, X, 9, method="greedy").pivots.tolist() == (order[:9] - 1).tolist()


@each_method
def test_it_evaluates_a_column_for_each_landmark_and_the_diagonal(method):
    entries = {"columns": 0, "between": 0}

    def counted(X, Y):
        entries["columns" if len(Y) == n else "between"] += len(X) * len(Y)
        return np.exp(-((X[:, None] - Y) ** 2).sum(axis=2) / 2)

    n, rank = 900, 30
    found = rp_cholesky(Callable(counted), normal(n, 3), rank, method=method, rng=0)
    assert entries["columns"] == rank * n and found.factor.shape == (n, rank)
    assert entries["between"] - n <= (10 if method in ("block", "accelerated") else 1) * 61**2  # n: the diagonal


# the law


P = np.array([[2.0, 1.7, 0.1, 0.0], [1.7, 1.6, 0.3, 0.2], [0.1, 0.3, 0.6, 0.4], [0.0, 0.2, 0.4, 1.5]])


def chances(K, rank):
    """Of each ordered set of pivots: the product of rest over trace."""
    exact = {}
    for order in permutations(range(len(K)), rank):
        R, p = K.copy(), 1.0
        for i in order:
            p *= R[i, i] / np.trace(R)
            R = R - np.outer(R[i], R[i]) / R[i, i]
        exact[order] = p
    return exact


@pytest.mark.parametrize("method", ["simple", "accelerated"])
def test_the_pivots_have_the_law(method):
    """12 chances, each within a bound that a binomial exceeds with probability 4e-8."""
    draws, rng, counts = 1200, np.random.default_rng(0), {}
    kernel, data = Precomputed(P), np.arange(4.0)[:, None]
    for _ in range(draws):
        key = tuple(int(i) for i in rp_cholesky(kernel, data, 2, method=method, rng=rng).pivots)
        counts[key] = counts.get(key, 0) + 1
    exact = chances(P, 2)
    assert sum(exact.values()) == pytest.approx(1) and counts.keys() <= exact.keys()
    for order, p in exact.items():
        low, high = stats.binom.ppf([2e-8, 1 - 2e-8], draws, p)
        assert low <= counts.get(order, 0) <= high, (order, p * draws)


def test_one_step_leaves_the_matrix_less_its_square_over_its_trace():
    """E(K - k kᵀ/K_ii) over the law of the first pivot, exactly."""
    mean = sum(P[i, i] / np.trace(P) * (P - np.outer(P[i], P[i]) / P[i, i]) for i in range(4))
    np.testing.assert_allclose(mean, P - P @ P / np.trace(P), atol=1e-15)


@pytest.mark.parametrize("method", ["simple", "accelerated"])
def test_the_mean_error_is_below_the_bound_by_the_spectrum(method):
    """The rest is between 0 and tr K: Hoeffding, 1e-7 for 40 runs, and the mean is below tr Φᵏ."""
    X = clusters()
    values = np.linalg.eigvalsh(GAUSSIAN(X)).clip(0)
    for _ in range(10):
        values = values - values**2 / values.sum()
    runs = [rp_cholesky(GAUSSIAN, X, 10, method=method, rng=seed).residual_trace for seed in range(40)]
    bound = values.sum()
    assert 0 < np.mean(runs) <= bound + np.std(runs, ddof=1) * 6 / math.sqrt(40)


@pytest.mark.parametrize(("r", "eps"), [(1, 0.5), (4, 1.0), (6, 0.1)])
def test_the_recursion_keeps_the_promise_of_the_theorem(r, eps):
    """Also for the worst spectrum: r equal eigenvalues and a tail that hardly moves."""
    for values in (np.exp(-0.7 * np.arange(40.0)), np.r_[np.full(r, 50.0), np.full(100_000, 1e-4)]):
        tail = values[r:].sum()
        k = math.ceil(r / eps + r * math.log(values.sum() / (eps * tail)))
        for _ in range(k):
            values = values - values**2 / values.sum()
        assert values.sum() <= (1 + eps) * tail


@pytest.mark.parametrize("method", ["block", "accelerated"])
def test_blocks_find_what_uniform_draws_miss(method):
    """The trace error is at most 15 times the optimum: a median of 5, of which the largest seen is 11."""
    X, kernel = clusters(1000), Gaussian(0.5**0.5)
    best = np.sort(np.linalg.eigvalsh(kernel(X)))[:-60].clip(0).sum()
    errors = [rp_cholesky(kernel, X, 60, method=method, rng=seed).residual_trace / best for seed in range(5)]
    uniform = [1000 - np.sum(Nystroem(gamma=1, n_components=60, random_state=seed).fit_transform(X) ** 2)
               for seed in range(5)]  # fmt: skip
    assert np.median(errors) <= 15 and np.median(uniform) / best > 100


# stopping


@each_method
def test_it_stops_where_nothing_is_left(method, dtype):
    X = np.repeat(normal(5, 2), 20, axis=0).astype(dtype)
    found = rp_cholesky(GAUSSIAN, X, 50, method=method, rng=0)
    assert found.stop == "exhausted" and found.factor.shape == (100, 5) and found.residual_trace < 1e-4
    assert len({tuple(row) for row in X[found.pivots]}) == 5
    np.testing.assert_allclose(found.factor @ found.factor.T, GAUSSIAN(X.astype(float)), atol=close_to(1e-12)[dtype])


@each_method
def test_zero_is_of_rank_zero_and_a_number_of_rank_one(method):
    nothing = rp_cholesky(Polynomial(1, 0.0), np.zeros((6, 2)), 3, method=method, rng=0)
    assert nothing.stop == "exhausted" and nothing.factor.shape == (6, 0) and nothing.residual_trace == 0
    assert nothing.features(np.ones((4, 2))).shape == (4, 0)
    one = rp_cholesky(GAUSSIAN, np.zeros((1, 2)), 1, method=method, rng=0)
    assert one.factor.tolist() == [[1.0]] and one.stop == "rank"
    np.testing.assert_array_equal(nystroem(Polynomial(1, 0.0), np.zeros((6, 2)), [0, 1]).factor, np.zeros((6, 0)))


@each_method
@pytest.mark.parametrize("scale", [1e-150, 1e100])
def test_no_size_over_or_underflows(method, scale):
    X = normal(30, 4)
    found = rp_cholesky(Callable(lambda X, Y: scale * (X @ Y.T)), X, 10, method=method, rng=0)
    assert found.stop == "exhausted" and found.factor.shape == (30, 4)
    np.testing.assert_allclose(found.factor @ found.factor.T / scale, X @ X.T, atol=1e-12)


def test_a_share_of_the_trace_stops_it():
    X = normal(200, 2)
    found = rp_cholesky(GAUSSIAN, X, 200, method="simple", rtol=0.05, rng=0)
    before = rp_cholesky(GAUSSIAN, X, len(found.pivots) - 1, method="simple", rng=0)
    assert found.stop == "rtol" and found.residual_trace <= 10 < before.residual_trace
    assert repr(found).startswith(f"LowRank(n=200, rank={len(found.pivots)}, residual_trace=")


def test_redundant_landmarks_are_left_out():
    X = normal(20, 3)
    found = nystroem(GAUSSIAN, X, [3, 3, 7, 3])
    assert found.stop == "exhausted" and sorted(found.pivots) == [3, 7]
    assert found.residual_trace == pytest.approx(nystroem(GAUSSIAN, X, [3, 7]).residual_trace)


# backends, precisions, seeds


def test_float32_features_are_those_of_a_factor_in_float64():
    """The kernel error of float32 features; 5e-7 where scikit-learn's are off by 1e-3."""
    X = datasets.moons(600, rng=0)[0].astype(np.float32)
    K = Gaussian()(X.astype(float))
    ours = LandmarkFeatures(Gaussian(), 300, random_state=0).fit_transform(X)
    theirs = Nystroem(gamma=0.5, n_components=300, random_state=0).fit_transform(X)
    error, peer = (np.linalg.norm(Z.astype(float) @ Z.T.astype(float) - K) / np.linalg.norm(K) for Z in (ours, theirs))
    assert ours.dtype == np.float32 and error <= 5e-6 and peer > 1e-4


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(half):
    torch = pytest.importorskip("torch")
    X = torch.from_numpy(normal(40, 2)).to(getattr(torch, half))
    found, single = (rp_cholesky(GAUSSIAN, x, 6, rng=0) for x in (X, X.float()))
    assert found.factor.dtype == X.dtype and torch.equal(found.factor, single.factor.to(X.dtype))


def test_features_pass_gradients_to_new_samples_and_none_to_the_landmarks():
    torch = pytest.importorskip("torch")
    X = torch.from_numpy(normal(20, 2)).requires_grad_()
    found = rp_cholesky(GAUSSIAN, X, 5, rng=0)
    assert not found.factor.requires_grad and not found.landmarks.requires_grad
    new = torch.from_numpy(normal(3, 2, seed=1)).requires_grad_()
    assert torch.autograd.gradcheck(found.features, (new,))


@each_method
def test_a_seed_gives_the_same_pivots_on_every_backend(method, xp):
    X = normal(50, 2)
    first, again = (rp_cholesky(GAUSSIAN, x, 9, method=method, rng=5).pivots.tolist() for x in (X, xp(X)))
    assert first == again
    if method != "greedy":
        assert first != rp_cholesky(GAUSSIAN, X, 9, method=method, rng=6).pivots.tolist()


def test_a_matrix_is_approximated_by_its_columns(dtype):
    X = normal(70, 3)
    kernel, indices = Precomputed(GAUSSIAN(X).astype(dtype)), np.arange(70)[:, None]
    found, direct = rp_cholesky(kernel, indices, 15, rng=2), rp_cholesky(GAUSSIAN, X, 15, rng=2)
    np.testing.assert_array_equal(found.pivots, direct.pivots)
    np.testing.assert_allclose(found.factor, direct.factor, atol=close_to(1e-9)[dtype])
    given = nystroem(kernel, indices, direct.pivots)
    np.testing.assert_allclose(given.factor @ given.factor.T, direct.factor @ direct.factor.T, atol=1e-4)


# what is refused


def indefinite(X, Y):
    return X @ np.diag([1.0, -1.0]) @ Y.T + 3.0


HIDDEN = np.array([[1.0, 2.0], [2.0, 1.0]])
NO_KERNELS = {
    "B2-46-negative-diagonal": (Callable(lambda X, Y: -(X @ Y.T)), "got K\\[[0-9]+, [0-9]+\\] = -"),
    "B2-46-indefinite": (Callable(indefinite), "K must be positive semidefinite; got (an eigenvalue of|K\\[)"),
}  # fmt: skip


@pytest.mark.parametrize(("kernel", "message"), NO_KERNELS.values(), ids=NO_KERNELS.keys())
def test_what_is_seen_to_be_no_kernel_is_refused(kernel, message):
    for call in (
        lambda: rp_cholesky(kernel, normal(40, 2), 30, rng=0),
        lambda: nystroem(kernel, normal(40, 2), [0, 1, 2]),
    ):
        with pytest.raises(NotPSDError, match=message):
            call()


@each_method
def test_b2_46_a_column_that_no_kernel_has_is_refused(method):
    with pytest.raises(NotPSDError, match="got an eigenvalue of -1 between 2 samples") as caught:
        rp_cholesky(Precomputed(HIDDEN), [[0], [1]], 2, method=method, rng=0)
    assert caught.value.smallest_eigenvalue == pytest.approx(-1)
    with pytest.raises(NotPSDError, match="eigenvalue of -1"):
        nystroem(Precomputed(HIDDEN), [[0], [1]], [0, 1])


def test_a_kernel_rounded_to_float32_is_taken_and_stops_where_rounding_begins():
    X = normal(80, 1)
    K = GAUSSIAN(X).astype(np.float32).astype(float)
    found = rp_cholesky(Precomputed(K), np.arange(80.0)[:, None], 80, rng=0)
    assert found.stop == "exhausted" and np.abs(found.factor @ found.factor.T - K).max() < 1e-5


CALLS = {
    "B2-01-nan": (lambda: rp_cholesky(GAUSSIAN, [[np.nan]], 1), ValueError, "X must be finite"),
    "B2-10-1-d": (lambda: nystroem(GAUSSIAN, [1.0], [0]), ValueError, "X must be a 2-D array"),
    "rank-0": (lambda: rp_cholesky(GAUSSIAN, [[1.0]], 0), ValueError, "rank must be an integer >= 1; got 0"),
    "rank-above-n": (lambda: rp_cholesky(GAUSSIAN, [[1.0]], 2), ValueError, "rank must be at most 1; got 2"),
    "rank-float": (lambda: rp_cholesky(GAUSSIAN, [[1.0]], 1.0), TypeError, "rank must be an integer"),
    "method": (lambda: rp_cholesky(GAUSSIAN, [[1.0]], 1, method="x"), ValueError, "method must be one of block, acc"),
    "rtol": (lambda: rp_cholesky(GAUSSIAN, [[1.0]], 1, rtol=-1.0), ValueError, "rtol must be a non-negative"),
    "seed": (lambda: rp_cholesky(GAUSSIAN, [[1.0]], 1, rng=-1), ValueError, "rng must be a non-negative integer"),
    "kernel": (lambda: rp_cholesky("rbf", [[1.0]], 1), TypeError, "is for a kernel object; got 'rbf'. For a matrix K"),
    "rows": (lambda: nystroem(GAUSSIAN, [[1.0]], [1]), ValueError, r"rows of X, integers from 0 to 0, .* got \[1\]"),
    "no-rows": (lambda: nystroem(GAUSSIAN, [[1.0]], np.zeros(0, int)), ValueError, "landmarks must be rows of X"),
    "row-floats": (lambda: nystroem(GAUSSIAN, [[1.0]], [0.0]), ValueError, "got dtype float64"),
    "B2-21": (lambda: nystroem(GAUSSIAN, [[1.0]], [[0.0, 1.0]]), ValueError, "equal in their number of features"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CALLS.values(), ids=CALLS.keys())
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_two_backends_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="must be on the same backend"):
        nystroem(GAUSSIAN, np.ones((3, 1)), torch.ones((1, 1)))


# the estimator


CHECKED = [
    LandmarkFeatures(),
    LandmarkFeatures(0.5 * Laplacian(2.0) + 1.0, landmarks="kmeans++"),
    LandmarkFeatures(landmarks="uniform"),
]


@parametrize_with_checks(CHECKED)  # and no exceptions
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("choice", ["rp_cholesky", "uniform", "kmeans++"])
def test_features_are_the_approximation_of_the_landmarks(choice, dtype):
    X, new = normal(90, 3).astype(dtype), normal(8, 3, seed=1).astype(dtype)
    model = LandmarkFeatures(GAUSSIAN, 20, landmarks=choice, random_state=0).fit(X)
    Z = model.transform(X)
    assert Z.dtype == dtype and Z.shape == (90, 20) and len(model.get_feature_names_out()) == 20
    np.testing.assert_array_equal(model.landmarks_, X[model.landmark_indices_])
    expected = nystroem(GAUSSIAN, X, model.landmark_indices_)
    products = expected.features(new) @ expected.factor.T
    np.testing.assert_allclose(model.transform(new) @ Z.T, products, atol=close_to(1e-10)[dtype])
    assert model.transform(new.astype(np.float64)).dtype == np.float64


def test_given_landmarks_of_the_estimator():
    X, S = normal(50, 2), normal(6, 2, seed=2)
    by_samples = LandmarkFeatures(GAUSSIAN, landmarks=S).fit(X)
    assert by_samples.landmark_indices_ is None and by_samples.transform(X).shape == (50, 6)
    by_rows = LandmarkFeatures(GAUSSIAN, landmarks=[4, 4, 9]).fit(X)
    assert sorted(by_rows.landmark_indices_) == [4, 9] and clone(by_rows).landmarks == [4, 4, 9]


def test_a_precomputed_kernel_may_have_fewer_landmarks_than_samples():
    """scikit-learn's Nystroem refuses to (its #29353)."""
    X, y = datasets.moons(150, rng=0)
    K, new = GAUSSIAN(X), GAUSSIAN(normal(9, 2, seed=4), X)
    model = LandmarkFeatures("precomputed", 12, random_state=0).fit(K)
    direct = LandmarkFeatures(GAUSSIAN, 12, random_state=0).fit(X)
    assert model.landmarks_ is None and model.transform(new).shape == (9, 12)
    assert sorted(model.landmark_indices_) == sorted(direct.landmark_indices_)
    np.testing.assert_allclose(model.transform(K) @ model.transform(new).T,
                               direct.transform(X) @ direct.transform(normal(9, 2, seed=4)).T, atol=1e-9)  # fmt: skip
    pipeline = make_pipeline(LandmarkFeatures("precomputed", 12, random_state=0), RidgeClassifier())
    assert cross_val_score(pipeline, K, y, cv=3, error_score="raise").mean() > 0.85
    rows = LandmarkFeatures("precomputed", landmarks=[1, 2]).fit(K)
    assert sorted(rows.landmark_indices_) == [1, 2]


def test_a_machine_on_landmarks_is_as_good_as_on_nystroem_s():
    X, y = datasets.moons(1000, rng=1)
    model = PrimalSVC(C=10.0, features=LandmarkFeatures(Gaussian(), 30, random_state=0)).fit(X, y)
    assert model.coef_.shape == (1, 30) and model.score(*datasets.moons(4000, rng=2)) > 0.9


def test_samples_without_weight_are_no_landmarks():
    X, weight = normal(40, 2), np.r_[np.zeros(20), np.ones(20)]
    for choice in ("rp_cholesky", "uniform", "kmeans++"):
        model = LandmarkFeatures(n_components=30, landmarks=choice, random_state=0).fit(X, sample_weight=weight)
        assert model.landmark_indices_.min() >= 20 and len(model.landmark_indices_) <= 20
        same = LandmarkFeatures().fit(X[20:]).kernel_.lengthscale
        assert model.kernel_.lengthscale == pytest.approx(same)


REFUSED = {
    "kernel-name": (LandmarkFeatures("rbf"), TypeError, "kernel must be a kernel object, a function .* got 'rbf'"),
    "choice": (LandmarkFeatures(landmarks="best"), ValueError, "landmarks must be one of rp_cholesky, uniform, kmeans"),
    "number": (LandmarkFeatures(n_components=0), ValueError, "n_components must be an integer >= 1"),
    "seed": (LandmarkFeatures(random_state="a"), TypeError, "random_state must be a non-negative integer"),
    "features": (LandmarkFeatures(landmarks=np.ones((2, 1))), ValueError, "equal in their number of features"),
    "zero": (LandmarkFeatures(lambda X, Y: 0 * (X @ Y.T)), ValueError, "K must be other than zero"),
    "no-kernel": (LandmarkFeatures(lambda X, Y: -(X @ Y.T)), NotPSDError, "K must be positive semidefinite"),
}


@pytest.mark.parametrize(("model", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_landmarks_is_refused(model, error, message):
    with pytest.raises(error, match=message):
        model.fit(normal(20, 2))


@pytest.mark.parametrize(
    ("landmarks_", "message"), [("kmeans++", "other than 'kmeans"), (np.ones((1, 2)), "rows of K for a precomputed")]
)
def test_a_precomputed_kernel_has_no_other_points(landmarks_, message):
    with pytest.raises(ValueError, match=message):
        LandmarkFeatures("precomputed", landmarks=landmarks_).fit(np.eye(4))


def test_every_kernel_object_is_taken():
    assert issubclass(Callable, Kernel)
    for kernel in (GAUSSIAN, Laplacian(), Polynomial(2), GAUSSIAN + 1.0, 2.0 * Laplacian() * GAUSSIAN):
        X = normal(30, 2)
        F = rp_cholesky(kernel, X, 30, rng=0).factor
        np.testing.assert_allclose(F @ F.T, kernel(X), atol=1e-8 * kernel.diag(X).max())
