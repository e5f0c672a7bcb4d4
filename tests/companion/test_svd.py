"""Singular values: the best approximation, the randomised one against what is proved of it, errors without the best."""

import math

import array_api_strict
import numpy as np
import pytest
from samples import normal
from scipy import linalg
from scipy.stats import binom

from companion import datasets
from companion._core.arrays import generator
from companion.lowrank import (
    SVD,
    randomized_svd,
    randomized_svd_reference,
    residual_norms,
    truncated_svd,
)

i = np.arange(1, 81)
SPECTRA = {"1/i": 1 / i, "i^-1/2": i**-0.5, "10^(-i/10)": 10.0 ** (-i / 10), "flat": np.ones(80)}
each_spectrum = pytest.mark.parametrize("name", SPECTRA)
METHODS = ["subspace", "krylov"]
each_method = pytest.mark.parametrize("method", METHODS)


def with_spectrum(s, n=90, seed=0):
    """An n x 80 matrix with the singular values s, and its singular vectors."""
    U, V = (linalg.qr(normal(size, 80, seed=seed + k), mode="economic")[0] for k, size in enumerate((n, 80)))
    return (U * s) @ V.T, U, V


def sketch(width, p=80, rng=0):
    return generator(rng, "lowrank.randomized_svd").standard_normal((width, p)).T


def error(A, terms):
    U, s, Vh = (np.asarray(x, dtype=float) for x in terms)
    return float(np.linalg.norm(A - (U * s) @ Vh))


def check_form(terms, close_to=1e-12):
    U, s, Vh = (np.asarray(x, dtype=float) for x in terms)
    for basis in (U, Vh.T):
        np.testing.assert_allclose(basis.T @ basis, np.eye(len(s)), atol=close_to)
    assert np.all(np.diff(s) <= 0) and np.all(s >= 0)


# the best


def test_the_photograph_is_the_grey_of_the_one_that_scikit_learn_ships():
    pytest.importorskip("PIL")
    from sklearn.datasets import load_sample_image

    photo, whole = datasets.photograph(), load_sample_image("china.jpg")
    assert photo.shape == (142, 213) and photo.min() >= 0 and photo.max() <= 1
    block = whole[3:6, 300:303].reshape(9, 3).mean(axis=0) / 255
    assert photo[1, 100] == pytest.approx(block @ [0.299, 0.587, 0.114])


@each_spectrum
@pytest.mark.parametrize("rank", [1, 7, 80])
def test_the_truncated_decomposition_has_the_error_of_eckart_and_young(name, rank):
    s = SPECTRA[name]
    A, _, _ = with_spectrum(s)
    found = truncated_svd(A, rank)
    check_form(found)
    assert found.rank == rank
    assert error(A, found) == pytest.approx(np.linalg.norm(s[rank:]), abs=1e-12)
    spectral = np.linalg.norm(A - found.product, 2)
    assert spectral == pytest.approx(s[rank] if rank < 80 else 0, abs=1e-12)


def test_no_other_matrix_of_the_rank_comes_nearer():
    A, best = normal(12, 9), truncated_svd(normal(12, 9), 3)
    for seed in range(50):
        B, C = best.U * best.s + 0.1 * normal(12, 3, seed=seed), best.Vh + 0.1 * normal(3, 9, seed=100 + seed)
        for X in (B @ C, A @ np.linalg.pinv(C) @ C, best.U @ (best.U.T @ A) + 1e-3 * B @ C):
            assert np.linalg.matrix_rank(X) <= 6
            if np.linalg.matrix_rank(X) <= 3:
                assert np.linalg.norm(A - X) >= error(A, best) and np.linalg.norm(A - X, 2) >= 0.999 * best_tail(A, 3)


def best_tail(A, rank):
    return np.linalg.svd(A, compute_uv=False)[rank]


@pytest.mark.parametrize("shape", [(9, 5), (5, 9), (1, 4), (4, 1), (1, 1)], ids=str)
@each_method
def test_both_agree_with_scipy_on_every_backend_where_the_sketch_spans_all(shape, method, xp, dtype, close):
    A = normal(*shape).astype(dtype)
    expected = linalg.svd(A.astype(float), full_matrices=False)
    rank = min(shape)
    for found in (truncated_svd(xp(A), rank), randomized_svd(xp(A), rank, method=method, rng=0)):
        assert all(str(x.dtype).endswith(dtype) for x in found)
        U, s, Vh = (xp.numpy(x) for x in found)
        close(s, expected[1])
        close((U * s) @ Vh, A.astype(float))
        check_form((U, s, Vh), close_to=1e-12 if dtype == "float64" else 1e-5)


def test_results_are_on_the_backend_of_the_data_and_share_nothing_with_it(xp):
    values = normal(6, 4)
    A = xp(values)
    for found in (truncated_svd(A, 4), randomized_svd(A, 2, rng=0), randomized_svd(A, 2, method="krylov", rng=0)):
        assert all(type(x) is type(A) for x in found)
        assert not any(np.shares_memory(xp.numpy(x), xp.numpy(A)) for x in found)
    np.testing.assert_array_equal(xp.numpy(A), values)


# the randomised one


@each_spectrum
@pytest.mark.parametrize("n_iter", [0, 1, 2])
def test_the_subspace_method_is_its_reference(name, n_iter, xp, dtype):
    A, _, _ = with_spectrum(SPECTRA[name])
    A = A.astype(dtype)
    found = [xp.numpy(x) for x in randomized_svd(xp(A), 10, n_iter=n_iter, rng=3)]
    expected = randomized_svd_reference(A.astype(float), sketch(20, rng=3), 10, n_iter)
    tolerance = {"float64": 1e-11, "float32": 2e-5}[dtype]
    np.testing.assert_allclose(found[1], expected[1], atol=tolerance)
    assert error(A, found) == pytest.approx(error(A, expected), rel=2e-3 if dtype == "float32" else 1e-6)


def allowed(s, omega, V, rank, n_iter):
    """The excess that the proof allows for this very sketch: |Σ₂^{2q+1} Ω₂ Ω₁⁺ Σ₁^{-2q}|_F²."""
    turned = V.T @ omega
    first, rest = turned[:rank], turned[rank:]
    ratios = (s[rank:, None] / s[None, :rank]) ** (2 * n_iter)
    return np.sum((s[rank:, None] * ratios * (rest @ np.linalg.pinv(first))) ** 2)


@each_spectrum
@each_method
@pytest.mark.parametrize("n_iter", [0, 1, 2])
def test_no_sketch_is_worse_than_its_own_bound_nor_better_than_the_best(name, method, n_iter):
    """A statement about every draw, without a chance of failing."""
    s = SPECTRA[name]
    A, _, V = with_spectrum(s)
    for seed in range(5):
        for rank, extra in ((5, 0), (5, 3), (20, 10)):
            found = randomized_svd(A, rank, n_oversamples=extra, n_iter=n_iter, method=method, rng=seed)
            excess = error(A, found) ** 2 - np.sum(s[rank:] ** 2)
            assert -1e-13 <= excess
            assert excess <= allowed(s, sketch(rank + extra, rng=seed), V, rank, n_iter) * (1 + 1e-9) + 1e-13


@pytest.mark.parametrize("n_iter", [0, 1])
def test_the_mean_of_these_bounds_is_the_formula_of_the_module(n_iter):
    """A median of 41 group means is above 8 times their expectation with a chance below 1e-8, by Markov."""
    assert binom.sf(20, 41, 1 / 8) < 1e-8
    s, rank, width = SPECTRA["1/i"], 4, 12
    pairs = s[rank:, None] ** 2 * (s[rank:, None] / s[:rank]) ** (4 * n_iter)
    formula = pairs.sum() / (width - rank - 1)
    omega = np.random.default_rng(0).standard_normal((41 * 100, 80, width))
    ratios = s[rank:, None] * (s[rank:, None] / s[:rank]) ** (2 * n_iter)
    excess = np.sum((ratios * (omega[:, rank:] @ np.linalg.pinv(omega[:, :rank]))) ** 2, axis=(1, 2))
    assert np.median(excess.reshape(41, 100).mean(axis=1)) <= 8 * formula
    # E (Ω₁Ω₁ᵀ)⁻¹ = I/(c - r - 1): the mean of 4100 traces, whose variance is known (inverse Wishart), by Chebyshev
    a = width - rank
    variance = rank * (2 / ((a - 1) ** 2 * (a - 3)) + 2 * (rank - 1) / (a * (a - 1) ** 2 * (a - 3)))
    traces = np.trace(np.linalg.inv(omega[:, :rank] @ omega[:, :rank].mT), axis1=1, axis2=2)
    groups = traces.reshape(41, 100).mean(axis=1)  # each off by 4 standard errors with a chance of at most 1/16
    assert binom.sf(20, 41, 1 / 16) < 1e-9
    assert abs(np.median(groups) - rank / (a - 1)) <= 4 * math.sqrt(variance / 100)


@each_method
def test_the_error_is_free_and_power_steps_and_krylov_lower_it(method):
    A, _, _ = with_spectrum(SPECTRA["i^-1/2"])
    errors = []
    for n_iter in range(4):
        found = randomized_svd(A, 8, n_oversamples=4, n_iter=n_iter, method=method, rng=1)
        errors.append(error(A, found))
        assert errors[-1] ** 2 == pytest.approx(np.sum(A**2) - np.sum(found.s**2), rel=1e-12)
    assert np.all(np.diff(errors) < 0)
    if method == "krylov":
        plain = [error(A, randomized_svd(A, 8, n_oversamples=4, n_iter=q, rng=1)) for q in range(4)]
        assert errors[0] == pytest.approx(plain[0]) and np.all(np.array(errors[1:]) < plain[1:])


@each_method
@pytest.mark.parametrize("name", ["1/i", "i^-1/2", "10^(-i/10)"])
def test_float32_is_within_one_per_cent_of_the_best_where_small_values_matter(name, method):
    """The tail of 10^(-i/10) after 40 terms is a ten-thousandth of the largest singular value."""
    A, _, _ = with_spectrum(SPECTRA[name])
    A = A.astype(np.float32)
    s = np.linalg.svd(A.astype(float), compute_uv=False)
    found = randomized_svd(A, 40, n_iter=3, method=method, rng=0)
    assert error(A, found) <= 1.01 * np.linalg.norm(s[40:])
    in_double = randomized_svd(A.astype(float), 40, n_iter=3, method=method, rng=0)
    np.testing.assert_allclose(found.s, in_double.s, atol=3e-6)
    check_form(found, close_to=1e-5)


def test_small_singular_values_of_float32_are_found_as_well_as_in_float64():
    """The matrix has rank 3 and exact float32 entries; its smallest singular value is 2e-6 of the largest."""
    A = np.diag([1.0, 2.0**-9, 2.0**-19, 0, 0]).astype(np.float32)
    np.testing.assert_allclose(randomized_svd(A, 3, rng=0).s, [1, 2.0**-9, 2.0**-19], rtol=1e-6)


@pytest.mark.parametrize("call", [truncated_svd, lambda A, r: randomized_svd(A, r, rng=0)], ids=["best", "randomised"])
def test_signs_do_not_hang_on_last_bits_nor_on_a_sign_of_the_routine(call):
    wave = np.cos(np.pi * np.outer(np.arange(8) + 0.5, [1, 2, 3]) / 8)  # columns whose largest entries tie, both signs
    A = (wave * [3, 2, 1]) @ normal(3, 6)
    U, _, Vh = call(A, 3)
    for column in U.T:
        assert column[np.abs(column) >= 0.99 * np.abs(column).max()][0] > 0
    rng = np.random.default_rng(0)
    for _ in range(5):
        U_too, _, Vh_too = call(A * (1 + 4e-16 * rng.uniform(-1, 1, A.shape)), 3)
        np.testing.assert_allclose(U_too, U, atol=1e-12)
        np.testing.assert_allclose(Vh_too, Vh, atol=1e-12)


def test_the_same_seed_gives_the_same_on_every_backend(xp):
    A = normal(30, 20)
    expected = randomized_svd(A, 4, rng=5)
    for got, wanted in zip(randomized_svd(xp(A), 4, rng=5), expected, strict=True):
        np.testing.assert_allclose(xp.numpy(got), wanted, atol=1e-12)


def test_gradients_are_those_of_the_singular_values():
    torch = pytest.importorskip("torch")
    A = torch.from_numpy(normal(6, 4)).requires_grad_()
    U, s, Vh = truncated_svd(A, 2)
    s.sum().backward()
    torch.testing.assert_close(A.grad, (U @ Vh).detach())
    low = torch.from_numpy(normal(6, 2) @ normal(2, 4, seed=1)).requires_grad_()
    U, s, Vh = randomized_svd(low, 2, n_oversamples=0, rng=0)
    s.sum().backward()
    torch.testing.assert_close(low.grad, (U @ Vh).detach())


# odd input


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_zero_has_zeros_and_orthonormal_vectors(kind):
    """B2-43."""
    A = np.zeros((5, 4), kind)
    for found in (truncated_svd(A, 3), randomized_svd(A, 3, rng=0), randomized_svd(A, 3, method="krylov", rng=0)):
        check_form(found)
        assert np.all(found.s == 0) and np.all(found.product == 0)
        assert residual_norms(A, found, rng=0)[:3] == (0, 0, 0)


@each_method
def test_a_matrix_of_lower_rank_has_zeros_to_rounding(method):
    A = np.outer(normal(7), normal(5, seed=1))
    found = randomized_svd(A, 4, method=method, rng=0)
    check_form(found)
    assert np.all(found.s[1:] < 1e-14 * found.s[0]) and error(A, found) < 1e-13


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e308, 5e-320])
@pytest.mark.parametrize("torch_too", [False, True])
def test_huge_and_tiny_entries_are_scaled(size, torch_too):
    """B2-04, 05."""
    A = np.round(normal(6, 5) * 8) / 8 if size > 1e-300 else np.round(normal(6, 5) * 1000)
    unit = size / np.abs(A).max() if size > 1e-300 else 5e-324
    whole = A * (2.0 ** math.floor(math.log2(unit)) if size > 1e-300 else 5e-324)
    factor = whole.ravel()[np.abs(A).argmax()] / A.ravel()[np.abs(A).argmax()]
    expected = truncated_svd(A, 2)
    if torch_too:
        whole = pytest.importorskip("torch").from_numpy(whole)
    for found in (truncated_svd(whole, 2), randomized_svd(whole, 2, n_iter=6, rng=0)):
        tolerance = 1e-6 if size > 1e-300 else 2e-3
        np.testing.assert_allclose(np.asarray(found.s) / factor, expected.s, rtol=tolerance)
        norms = residual_norms(whole, found, rng=0)
        true = np.linalg.norm(A - expected.product)
        assert norms.frobenius / factor == pytest.approx(true, rel=1e-2)


def test_what_leaves_the_range_of_the_dtype_is_refused():
    A = np.full((100, 100), 1e307)
    with pytest.raises(ValueError, match="the singular values must be within the range of its dtype .*Scale A"):
        truncated_svd(A, 1)
    with pytest.raises(ValueError, match=r"within the range of its dtype \(up to 6.55e\+04\)"):
        randomized_svd(np.full((100, 100), 1000, np.float16), 1, rng=0)


@pytest.mark.parametrize("call", [truncated_svd, lambda A, r: randomized_svd(A, r, rng=0)], ids=["best", "randomised"])
def test_the_layout_in_memory_and_the_container_change_nothing(call):
    """B2-13, 14, 28, 30."""
    A = np.arange(20).reshape(5, 4) % 7
    expected = call(A.astype(float), 2)
    same = (A, A.tolist(), np.asfortranarray(A), A[::-1][::-1], np.array(A, dtype=">f8"), A.T.copy().T)
    for given in same:
        for got, wanted in zip(call(given, 2), expected, strict=True):
            assert got.dtype == np.float64
            np.testing.assert_allclose(got, wanted, atol=1e-13)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32_and_returned(half):
    """B2-16, 17."""
    torch = pytest.importorskip("torch")
    A = torch.from_numpy(normal(12, 9)).to(getattr(torch, half))
    for call in (truncated_svd, lambda A, r: randomized_svd(A, r, rng=0)):
        for got, wanted in zip(call(A, 3), call(A.float(), 3), strict=True):
            assert got.dtype == A.dtype and torch.equal(got, wanted.to(A.dtype))


GOOD = normal(5, 4)
BAD = np.where(np.arange(20).reshape(5, 4) == 6, np.nan, GOOD)
REFUSED = {
    "B2-01": (lambda f: f(BAD, 2), ValueError, "A must be finite; got 1 NaN or infinite .* index"),
    "B2-07": (lambda f: f(GOOD[:0], 1), ValueError, "A must be non-empty"),
    "B2-10": (lambda f: f(GOOD[0], 1), ValueError, "A must be a 2-D array"),
    "B2-11": (lambda f: f(GOOD[None], 1), ValueError, "A must be a 2-D array"),
    "B2-18": (lambda f: f(GOOD + 1j, 1), ValueError, "A must be real"),
    "B2-41": (lambda f: f(GOOD, 2.0), TypeError, "rank must be an integer"),
    "B2-44": (lambda f: f(GOOD, 0), ValueError, "rank must be an integer >= 1; got 0"),
    "B2-44-above": (lambda f: f(GOOD, 5), ValueError, "rank must be at most 4, the smaller side of A; got 5"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("call", [truncated_svd, randomized_svd])
def test_bad_data_are_refused_in_one_sentence(case, call):
    make, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        make(call)


def test_bad_parameters_are_refused():
    for word, message in (
        ({"method": "lanczos"}, "method must be one of subspace, krylov"),
        ({"n_iter": -1}, "n_iter must be an integer >= 0"),
        ({"n_oversamples": -1}, "n_oversamples must be an integer >= 0"),
        ({"rng": -1}, "rng must be"),
    ):
        with pytest.raises(ValueError, match=message):
            randomized_svd(GOOD, 2, **word)
    found = truncated_svd(GOOD, 2)
    with pytest.raises(ValueError, match="failure must be a probability"):
        residual_norms(GOOD, found, failure=1.0)
    with pytest.raises(ValueError, match=r"approximation must be of shapes \(4, r\), \(r,\), \(r, 5\)"):
        residual_norms(GOOD.T, found)
    with pytest.raises(ValueError, match="A, U, s and Vh must be on the same backend"):
        residual_norms(array_api_strict.asarray(GOOD), found)


def test_a_result_says_its_size():
    assert repr(truncated_svd(np.diag([3.0, 2, 1]), 2)) == "SVD(3 x 3, rank 2, s from 3 to 2)"
    U, s, Vh = truncated_svd(GOOD, 2)
    assert isinstance(SVD(U, s, Vh), tuple) and SVD(U, s, Vh).rank == 2


# errors without the best


@each_spectrum
def test_bounds_of_the_residual_hold_it(name, dtype):
    """Each upper bound fails with a chance of 1e-9."""
    A, _, _ = with_spectrum(SPECTRA[name])
    A = A.astype(dtype)
    for found in (truncated_svd(A, 6), randomized_svd(A, 6, n_iter=0, rng=0)):
        R = A - (found.U.astype(float) * found.s) @ found.Vh
        true = np.linalg.norm(R, 2)
        for n_iter in range(4):
            norms = residual_norms(A, found, n_iter=n_iter, failure=1e-9, rng=1)
            assert norms.frobenius == pytest.approx(np.linalg.norm(R), rel=1e-12)
            assert norms.spectral_low <= true * (1 + 1e-12) and true <= norms.spectral_high <= norms.frobenius
        assert norms.spectral_high <= 2 * norms.spectral_low


def test_the_upper_bound_fails_as_often_as_the_lemma_allows():
    """Of one singular value: |Bω| = |g|, so that it fails with the chance P(|g| < √(π/2) failure^(1/2))² exactly.

    The Frobenius norm, which is the spectral one here, would hide failures: two values, of which one is tiny.
    """
    B = np.diag([1.0, 0.05, 0.05])
    zero = (np.zeros((3, 1)), np.zeros(1), np.ones((1, 3)) / 3**0.5)
    failure, draws = 0.1, 1500
    failed = 0
    for seed in range(draws):
        failed += residual_norms(B, zero, n_probes=2, n_iter=1, failure=failure, rng=seed).spectral_high < 1.0
    assert binom.sf(failed - 1, draws, failure) > 1e-7  # the lemma
    inside = math.erf(math.sqrt(math.pi / 2) * failure**0.5 / math.sqrt(2))
    assert binom.cdf(failed, draws, inside**2 * 0.95) > 1e-7  # and it is nearly sharp


def test_any_approximation_may_be_judged(xp):
    A, U, s, Vh = normal(6, 5), normal(6, 2), np.array([2.0, -1.0]), normal(2, 5)
    found = residual_norms(xp(A), [xp(x) for x in (U, s, Vh)], rng=0)
    assert found.frobenius == pytest.approx(np.linalg.norm(A - (U * s) @ Vh), rel=1e-12)
