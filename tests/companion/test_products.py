"""Sampled products against all their outcomes, one by one; what is kept, what is warned of, what is refused."""

import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from samples import bernstein, normal

from companion import datasets
from companion._core import arrays
from companion.lowrank import column_row, column_row_error, column_row_reference
from companion.lowrank.products import SCHEMES, columns, keep_probabilities, kept_terms
from companion.svm import NumericalWarning

n, r = 5, 3
A, B = normal(2, n) * [1, 2, 0.3, 1, 4], normal(n, 3, seed=1)
GIVEN = np.array([0.3, 0.1, 0.2, 0.25, 0.15])
UNBIASED = {name: name for name in SCHEMES if name != "top"} | {"given": GIVEN}
EVERY = UNBIASED | {"top": "top"}
each_unbiased = pytest.mark.parametrize("scheme", UNBIASED.values(), ids=UNBIASED.keys())
each_scheme = pytest.mark.parametrize("scheme", EVERY.values(), ids=EVERY.keys())
quietly = pytest.mark.filterwarnings("ignore::companion._core.checks.NumericalWarning")


def sizes(A, B):
    return np.linalg.norm(A, axis=0) * np.linalg.norm(B, axis=1)


def outcomes(A, B, r, scheme):
    """Every possible estimate with its probability, from the definition of the scheme."""
    w, n = sizes(A, B), len(B)
    terms = A.T[:, :, None] * B[:, None, :]
    if isinstance(scheme, str) and scheme == "bernoulli":
        q = keep_probabilities(w, r)
        for kept in itertools.product((0, 1), repeat=n):
            kept = np.array(kept)
            yield np.prod(np.where(kept, q, 1 - q)), np.tensordot(kept / q, terms, 1)
        return
    p = {"optimal": w / w.sum(), "uniform": np.full(n, 1 / n)}[scheme] if isinstance(scheme, str) else scheme
    for drawn in map(list, itertools.product(range(n), repeat=r)):
        yield np.prod(p[drawn]), np.tensordot(1 / (r * p[drawn]), terms[drawn], 1)


def moments(A, B, r, scheme):
    """Of the estimate and of its squared error: mean, variance and range over all outcomes."""
    chances, estimates = map(np.array, zip(*outcomes(A, B, r, scheme), strict=True))
    assert chances.sum() == pytest.approx(1)
    squares = np.sum((estimates - A @ B) ** 2, axis=(1, 2))
    for values in estimates, squares:
        mean = np.tensordot(chances, values, 1)
        yield mean, np.tensordot(chances, (values - mean) ** 2, 1), np.abs(values[chances > 0] - mean).max(axis=0)


# the formulas, without chance


@each_unbiased
@pytest.mark.parametrize("r", [1, 2, 3])
def test_mean_and_error_are_those_of_all_outcomes(scheme, r):
    (mean, *_), (error, *_) = moments(A, B, r, scheme)
    np.testing.assert_allclose(mean, A @ B, atol=1e-12)
    assert column_row_error(A, B, r, probabilities=scheme) == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("r", [1, 2, 3, 5, 7])
def test_top_keeps_the_largest_and_its_error_is_that_of_the_others(r, xp, dtype, close):
    best = max(itertools.combinations(range(n), min(r, n)), key=lambda kept: sizes(A, B)[list(kept)].sum())
    expected = A[:, best] @ B[list(best)]
    found = column_row(xp(A, dtype), xp(B, dtype), r, probabilities="top")
    assert xp.numpy(found.indices).tolist() == sorted(best) and np.all(xp.numpy(found.weights) == 1)
    close(xp.numpy(found.product), expected)
    error = column_row_error(A, B, r, probabilities="top")
    assert error == pytest.approx(np.sum((A @ B - expected) ** 2), rel=1e-9, abs=1e-25)


def test_of_equal_terms_top_keeps_the_first():
    found = column_row(np.ones((2, 6)), np.ones((6, 1)), 2, probabilities="top")
    assert found.indices.tolist() == [0, 1]


def test_no_probabilities_of_draws_beat_the_optimal_ones():
    random, least = np.random.default_rng(2), column_row_error(A, B, r)
    w = sizes(A, B)
    assert least == pytest.approx((w.sum() ** 2 - np.sum((A @ B) ** 2)) / r)
    for concentration in 0.5, 5.0, 500.0:
        for p in random.dirichlet(concentration * w / w.sum() * n, 20) * 0.999 + 0.001 / n:
            assert column_row_error(A, B, r, probabilities=p) >= least


@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0])
@pytest.mark.parametrize("kept", [1, 3, 17, 39])
def test_keeping_probabilities_are_cut_at_one_and_sum_to_the_number_asked_for(spread, kept):
    w = np.exp(spread * normal(40, seed=3))
    q = keep_probabilities(w, kept)
    assert q.sum() == pytest.approx(kept) and q.min() > 0 and q.max() <= 1
    below = q < 1
    assert np.ptp(q[below] / w[below]) <= 1e-12 * np.max(q[below] / w[below])
    assert np.all(w[~below] >= (w[below] / q[below]).max() * (1 - 1e-12))


def test_bernoulli_of_all_terms_is_the_product_itself(xp, dtype, close):
    for kept in n, n + 4:
        found = column_row(xp(A, dtype), xp(B, dtype), kept, probabilities="bernoulli", rng=0)
        close(xp.numpy(found.product), A @ B)
        assert np.all(xp.numpy(found.probabilities) == 1) and found.error_bound == 0
        assert column_row_error(A, B, kept, probabilities="bernoulli") == 0


def test_bernoulli_wins_or_loses_against_draws_by_the_sum_of_squares():
    """Without a q of 1, (S² - |AB|²)/r against S²/r - Σ w²: Bernoulli is better exactly if r Σ w² > |AB|²."""
    alike, signed = np.ones((1, 8)), normal(8, 40, seed=4)
    for left, right, better in ((alike, np.ones((8, 1)), "optimal"), (signed, normal(40, 8, seed=5), "bernoulli")):
        w, k = sizes(left, right), 4
        draws, kept = (column_row_error(left, right, k, probabilities=s) for s in ("optimal", "bernoulli"))
        gap = w @ w - np.sum((left @ right) ** 2) / k
        assert draws - kept == pytest.approx(gap) and (gap > 0) == (better == "bernoulli")
    assert column_row_error(alike, np.ones((8, 1)), 4) == 0.0


@each_scheme
def test_the_bound_is_never_below_the_error(scheme):
    for k in 1, 2, 4, 9:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumericalWarning)
            bound = column_row(A, B, k, probabilities=scheme, rng=0).error_bound
        error = column_row_error(A, B, k, probabilities=scheme)
        assert bound >= error * (1 - 1e-12)
        if isinstance(scheme, str) and scheme == "bernoulli":
            assert bound == pytest.approx(error, abs=1e-12)


# the draws


@each_unbiased
@quietly
def test_simulated_mean_and_error_are_within_bernsteins_bound(scheme):
    """Variance and range are exact, from all outcomes; 7 comparisons of a chance of 1e-8 each."""
    repeats, random = 1500, np.random.default_rng(6)
    found = np.array([column_row(A, B, r, probabilities=scheme, rng=random).product for _ in range(repeats)])
    simulated = found, np.sum((found - A @ B) ** 2, axis=(1, 2))
    for values, (mean, variance, farthest) in zip(simulated, moments(A, B, r, scheme), strict=True):
        assert np.all(np.abs(values.mean(axis=0) - mean) <= bernstein(variance, repeats, bound=farthest, chance=1e-8))


@quietly
def test_draws_are_those_of_the_reference_on_every_backend(xp, dtype, close):
    left, right = normal(6, 50).astype(dtype), normal(50, 4, seed=1).astype(dtype) * np.linspace(0.1, 9, 50)[:, None]
    right = right.astype(dtype)
    found = column_row(xp(left), xp(right), 30, rng=np.random.default_rng(7))
    expected = column_row_reference(left.astype(float), right.astype(float), 30, np.random.default_rng(7))
    assert str(found.product.dtype).endswith(dtype)
    close(xp.numpy(found.product), expected)


@each_scheme
@quietly
def test_the_product_is_that_of_the_kept_terms_each_held_once(scheme, xp, dtype, close):
    found = column_row(xp(A, dtype), xp(B, dtype), 4, probabilities=scheme, rng=1)
    i, weights = xp.numpy(found.indices), xp.numpy(found.weights).astype(float)
    assert np.all(np.diff(i) > 0) and np.all(weights > 0)
    close(xp.numpy(found.product), (A[:, i] * weights) @ B[i])
    assert found.product.dtype == found.weights.dtype == found.probabilities.dtype
    assert repr(found).startswith(f"ColumnRow({len(i)} of 5 terms, E |error|_F^2 <= ")


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda X: np.repeat(X, 2, 1)[:, ::2]])
def test_any_layout_gives_the_same_numbers(layout):
    """B2-28, and the gather that follows the layout."""
    torch = pytest.importorskip("torch")
    X, i = layout(A), np.array([0, 2, 2])
    np.testing.assert_array_equal(columns(X, i), A[:, i])
    assert torch.equal(columns(torch.from_numpy(X), torch.from_numpy(i)), torch.from_numpy(A[:, i]))
    np.testing.assert_array_equal(column_row(X, B, 4, rng=0).product, column_row(A, B, 4, rng=0).product)


def test_seeds():
    def draw(seed):
        return column_row(normal(3, 99), normal(99, 3, seed=1) ** 4, 30, rng=seed).indices.tolist()

    assert draw(1) == draw(1) != draw(2)


# the warning


@pytest.mark.parametrize("scheme", ["optimal", "uniform", "bernoulli"])
def test_a_sample_worse_than_zero_is_told_with_the_number_that_is_needed(scheme):
    left, right = normal(100, 400), normal(400, 100, seed=1)
    tried, size = np.arange(1, 500, 10), np.sum((left @ right) ** 2)
    errors = np.array([column_row_error(left, right, k, probabilities=scheme) for k in tried])
    needed = tried[np.argmax(errors < size)]
    with pytest.warns(NumericalWarning, match=r"n_samples must be above \d+, .* zero matrix is; got 100") as caught:
        column_row(left, right, 100, probabilities=scheme, rng=0)
    said = int(str(caught[0].message).split("above ")[1].split(",")[0])
    assert said == pytest.approx(needed, rel=0.15) and caught[0].filename == __file__


def test_where_the_norm_comes_out_negative_nothing_is_divided_by_it():
    left, right = np.ones((1, 40)), np.where(np.arange(40) % 2, 1.0, -1.0)[:, None]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for seed in range(20):
            column_row(left, right, 4, rng=seed)
    assert "n_samples must be above inf" in " ".join(str(w.message) for w in caught)


@pytest.mark.parametrize("scheme", ["optimal", "bernoulli"])
def test_a_sample_that_is_better_than_zero_is_returned_without_a_word(scheme):
    skewed = np.exp(1.5 * normal(400, seed=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column_row(normal(50, 400) * skewed, normal(400, 50, seed=1), 200, probabilities=scheme, rng=0)
        column_row(np.ones((3, 9)), np.ones((9, 2)), 5, probabilities=scheme, rng=0)
        column_row(normal(50, 400), normal(400, 50, seed=1), 5, probabilities="top")
        column_row(normal(50, 400), normal(400, 50, seed=1), 1, rng=0)


# the data of the page


def test_the_sizes_of_the_factors_are_log_normal_and_coherent_columns_lie_near_twenty_dimensions():
    """The spread of 2,000 logarithms: its error is below skew / 50, 1.6 s.e., six of them allowed; norms add 0.1."""
    for skew in 0.0, 1.0, 3.0:
        left, right = datasets.factors(2000, size=200, skew=skew, rng=0)
        assert left.shape == right.T.shape == (200, 2000)
        assert abs(np.log(sizes(left, right)).std() - skew) <= 6 * skew / np.sqrt(4000) + 0.1
    left, right = datasets.coherent_factors(300, size=50, rng=0)
    sigma = np.linalg.svd(left, compute_uv=False)
    assert np.array_equal(left.T, right) and sigma[19] > 3 * sigma[20] > 0
    with pytest.raises(ValueError, match="skew must be a non-negative finite number"):
        datasets.factors(10, skew=-1.0)
    with pytest.raises(TypeError, match="n must be an integer"):
        datasets.coherent_factors(2.5)


# odd input


@each_scheme
@quietly
def test_terms_that_are_zero_are_never_drawn_nor_needed(scheme):
    left, right = A.copy(), B.copy()
    left[:, 1] = 0
    right[3] = 0
    found = column_row(left, right, 50, probabilities=scheme, rng=0)
    if isinstance(scheme, str) and scheme != "uniform":
        assert not {1, 3} & set(found.indices.tolist()) and np.all(found.probabilities[[1, 3]] == 0)
    assert np.isfinite(found.product).all() and np.isfinite(found.error_bound)
    if isinstance(scheme, str) and scheme in ("bernoulli", "top"):
        np.testing.assert_allclose(found.product, left @ right)


def test_a_probability_may_be_zero_where_the_term_is():
    left = A * [1, 0, 1, 1, 1]
    found = column_row(left, B, 50, probabilities=[0.25, 0, 0.25, 0.25, 0.25], rng=0)
    assert 1 not in found.indices.tolist()


@each_scheme
def test_a_product_of_zeros_is_zero(scheme, xp, dtype):
    for left, right in ((0 * A, B), (A, 0 * B), (A * [1, 0, 0, 0, 0], B * [[0], [1], [1], [1], [1]])):
        found = column_row(xp(left, dtype), xp(right, dtype), 4, probabilities=scheme, rng=0)
        assert np.array_equal(xp.numpy(found.product), np.zeros((2, 3))) and found.error_bound == 0
        assert column_row_error(left, right, 4, probabilities=scheme) == 0


@each_scheme
@quietly
@pytest.mark.parametrize(
    ("a", "b"), [(1e200, 1e-200), (1e200, 1e-100), (1e-200, 1e-100), (1e-160, 1e200), (1e150, 1e150)]
)
def test_sizes_whose_squares_leave_the_range_of_a_float_change_nothing(scheme, a, b):
    found, plain = (column_row(s * A, t * B, 4, probabilities=scheme, rng=0) for s, t in ((a, b), (1, 1)))
    np.testing.assert_array_equal(found.indices, plain.indices)
    np.testing.assert_allclose(found.product, a * b * plain.product, rtol=1e-12, atol=1e-12 * a * b)
    unit = np.float64(a * b)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(found.error_bound, unit * unit * plain.error_bound, rtol=1e-9)
        expected = unit * unit * column_row_error(A, B, 4, probabilities=scheme)
    if np.isfinite(expected):
        assert column_row_error(a * A, b * B, 4, probabilities=scheme) == pytest.approx(expected)
    else:
        with pytest.raises(ValueError, match="the squared error must be within the range of its dtype"):
            column_row_error(a * A, b * B, 4, probabilities=scheme)


@quietly
def test_columns_of_very_different_sizes_are_all_seen():
    a, b = np.array([[1e200, 1e-200, 1.0]]), np.array([[1e-200], [1e200], [1.0]])
    np.testing.assert_allclose(column_row(a, b, 3, rng=0).probabilities, [1 / 3] * 3)
    a, b = np.float32([[1e25, 1e-25, 1]]), np.float32([[1e-25], [1e25], [1]])
    np.testing.assert_allclose(column_row(a, b, 3, rng=0).probabilities, [1 / 3] * 3, rtol=1e-6)


@quietly
def test_half_precision_is_computed_in_float32_and_refused_where_it_does_not_fit():
    """B2-16, 17."""
    torch = pytest.importorskip("torch")
    left, right = torch.from_numpy(normal(4, 60)), torch.from_numpy(normal(60, 3, seed=1))
    for half in torch.float16, torch.bfloat16:
        found = column_row(left.to(half), right.to(half), 20, rng=0).product
        assert found.dtype == half
        assert torch.equal(found, column_row(left.to(half).float(), right.to(half).float(), 20, rng=0).product.to(half))
    with pytest.raises(ValueError, match=r"AB must be within the range of its dtype \(up to 6.55e\+04\)"):
        column_row(np.full((1, 9), 3e2, np.float16), np.full((9, 1), 3e2, np.float16), 4, rng=0)
    with pytest.raises(ValueError, match="AB must be within the range"):
        column_row(np.full((1, 9), 1e200), np.full((9, 1), 1e200), 4, rng=0)


def test_mixed_precision_takes_the_wider():
    assert column_row(A.astype(np.float32), B, 4, probabilities="top").product.dtype == np.float64


@each_scheme
@quietly
def test_gradients_pass_with_the_sample_held_fixed(scheme):
    torch = pytest.importorskip("torch")
    left, right = (torch.from_numpy(x).requires_grad_() for x in (A, B))
    found = column_row(left, right, 4, probabilities=scheme, rng=3)
    assert not found.weights.requires_grad
    found.product.sum().backward()
    i, weights = found.indices, found.weights
    expected = torch.zeros(2, n, dtype=torch.float64)
    expected[:, i] = (weights * right[i].sum(dim=1)).detach().expand(2, -1)
    torch.testing.assert_close(left.grad, expected)
    assert torch.autograd.gradcheck(lambda a, b: kept_terms(a, b, i, weights), (left, right))
    assert isinstance(column_row_error(left, right, 3, probabilities=scheme), float)


def test_arguments_stay_as_they_are_and_share_no_memory(xp):
    """B2-76, 77."""
    left, right = xp(A), xp(B)
    found = column_row(left, right, n, probabilities="bernoulli", rng=0)
    np.testing.assert_array_equal(xp.numpy(left), A)
    np.testing.assert_array_equal(xp.numpy(right), B)
    assert not np.shares_memory(xp.numpy(found.product), xp.numpy(left))


def test_where_values_may_not_be_read_norms_still_tell_what_is_not_finite(monkeypatch):
    monkeypatch.setattr(arrays, "readable", lambda x: False)
    with pytest.raises(ValueError, match="A and B must be finite"):
        column_row(A * [1, np.nan, 1, 1, 1], B, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column_row(normal(100, 400), normal(400, 100, seed=1), 40, rng=0)


def tensor(X, **options):
    return pytest.importorskip("torch").tensor(X, **options)


BAD = A.copy()
BAD[1, 2] = np.nan
REFUSED = {
    "B2-01": (lambda f: f(BAD, B, 2), ValueError, "A must be finite; got 1 NaN"),
    "B2-02": (lambda f: f(A, B / 0.0, 2), ValueError, "B must be finite"),
    "B2-07": (lambda f: f(A[:, :0], B[:0], 2), ValueError, "A must be non-empty"),
    "B2-10": (lambda f: f(A[0], B, 2), ValueError, "A must be a 2-D array"),
    "B2-11": (lambda f: f(A, B[None], 2), ValueError, "B must be a 2-D array"),
    "B2-18": (lambda f: f(A + 1j, B, 2), ValueError, "A must be real"),
    "B2-21": (lambda f: f(A, B[:4], 2), ValueError, r"inner dimension, .*; got shapes \(2, 5\) and \(4, 3\)"),
    "B2-39": (lambda f: f(A, tensor(B), 2), ValueError, "A and B must be on the same backend; got numpy and torch"),
    "B2-41-0": (lambda f: f(A, B, 0), ValueError, "n_samples must be an integer >= 1; got 0"),
    "B2-41-fraction": (lambda f: f(A, B, 2.5), TypeError, "n_samples must be an integer >= 1; got 2.5"),
    "B2-41-bool": (lambda f: f(A, B, True), TypeError, "n_samples must be an integer"),
    "unknown": (lambda f: f(A, B, 2, probabilities="best"), ValueError, "one of optimal, uniform, bernoulli, top"),
    "B2-49-negative": (lambda f: f(A, B, 2, probabilities=[2, -1, 0, 0, 0]), ValueError, "non-negative numbers"),
    "B2-49-sum": (lambda f: f(A, B, 2, probabilities=[0.3] * 5), ValueError, "got a sum of 1.5, the least 0.3"),
    "B2-49-nan": (lambda f: f(A, B, 2, probabilities=[0.25, np.nan] * 2 + [0]), ValueError, "non-negative numbers"),
    "B2-49-zero": (lambda f: f(A, B, 2, probabilities=[0.5, 0.5, 0, 0, 0]), ValueError, "got 0 for term 2"),
    "B2-49-shape": (
        lambda f: f(A, B, 2, probabilities=[0.5, 0.5]),
        ValueError,
        r"of shape \(5,\), one number for each",
    ),
}


@pytest.mark.parametrize("function", [column_row, column_row_error])
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_refused_in_one_sentence(case, function):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call(function)


def test_a_batch_of_vmap_is_refused():
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(normal(3, 2, n))
    with pytest.raises(TypeError, match="Loop over the batch"):
        torch.func.vmap(lambda left: column_row(left, torch.from_numpy(B), 2).product)(batch)


def test_a_product_that_memory_cannot_hold_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(arrays, "resource", SimpleNamespace(
        RLIMIT_AS=0, RLIM_INFINITY=-1, getrlimit=lambda _: (400, 400)))  # fmt: skip
    with pytest.raises(ValueError, match="the product must be small enough .* Multiply blocks of rows of A"):
        column_row(np.ones((10, 2)), np.ones((2, 10)), 1)
