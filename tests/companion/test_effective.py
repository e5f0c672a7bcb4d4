"""The effective sample size against a dense loop and its laws, and the warning of performer_attention."""

import math
import warnings

import numpy as np
import pytest
from samples import normal as numbers
from scipy.stats import norm

from companion import features
from companion._core.checks import NumericalWarning
from companion.attention import (
    ApproximationWarning,
    effective,
    effective_sample_size,
    effective_sample_size_reference,
    performer_attention,
)
from companion.features.optimal import TILTS, log_second_moment
from companion.frequencies import draw
from companion.kernels import Softmax

each_map = pytest.mark.parametrize("name", [name for name in features.MAPS if "fourier" not in name])
each_order = pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])


def by_loop(phi, psi, pairs, is_causal, mask=None):
    """One query, one draw and one key after the other."""
    mask, D = np.ones(len(psi), bool) if mask is None else mask, phi.shape[1]
    draws = [(r, r + D // 2) for r in range(D // 2)] if pairs else [(r,) for r in range(D)]
    found = []
    for i, row in enumerate(phi):
        seen = [key for j, key in enumerate(psi) if mask[j] and not (is_causal and j > i)]
        terms = [sum(row[r] * sum(key[r] for key in seen) for r in both) for both in draws]
        found.append(sum(terms) ** 2 / sum(t * t for t in terms))
    return np.array(found)


def maps(name, *data, m=6, log=False, rng=0):
    """Features of each array, of m rows."""
    W = draw(Softmax(), m, data[0].shape[-1], rng=rng)
    moment = {"second_moment": 1.5} if name.startswith("optimal") else {}
    return [features.MAPS[name](x, W, log=log, **moment) for x in data]


# the size


@each_map
@each_order
@pytest.mark.parametrize("block", [1, 50, 2**20])
def test_sizes_are_those_of_a_dense_loop_whatever_the_block(name, is_causal, block, monkeypatch, xp, dtype):
    monkeypatch.setattr(effective, "BLOCK", block)
    q, k = numbers(2, 9, 3).astype(dtype), numbers(2, 9, 3, seed=1).astype(dtype)
    mask = np.array([True, True, False, True, True, False, False, True, True])
    phi, psi = maps(name, q, k)
    how = {"pairs": "hyperbolic" in name, "is_causal": is_causal}
    for used in (None, mask):
        got = effective_sample_size(xp(phi), xp(psi), key_mask=used, **how)
        assert got.dtype == np.float64 and got.shape == (2, 9)
        for head in range(2):
            np.testing.assert_allclose(got[head], by_loop(phi[head], psi[head], mask=used, **how), rtol=1e-5)
    logs = effective_sample_size(*maps(name, q, k, log=True), log=True, **how)
    np.testing.assert_allclose(logs, effective_sample_size(phi, psi, **how), rtol=1e-4 if dtype == "float32" else 1e-12)


def test_the_reference_is_the_loop_and_a_batch_may_have_no_leading_axis():
    phi, psi = maps("positive", numbers(7, 3), numbers(5, 3, seed=1))
    np.testing.assert_allclose(effective_sample_size_reference(phi, psi), by_loop(phi, psi, False, False), rtol=1e-13)
    np.testing.assert_allclose(effective_sample_size(phi, psi), by_loop(phi, psi, False, False), rtol=1e-12)


@each_order
def test_order_and_scale_do_not_matter_and_extremes_are_reached(is_causal):
    phi, psi = maps("hyperbolic", numbers(7, 3), numbers(7, 3, seed=1))
    how = {"is_causal": is_causal}
    size = effective_sample_size(phi, psi, **how)
    assert np.all((size >= 1) & (size <= 12))
    for change in (np.roll(np.arange(12), 5), np.arange(12)[::-1]):
        np.testing.assert_allclose(effective_sample_size(phi[:, change], psi[:, change], **how), size, rtol=1e-12)
    np.testing.assert_allclose(effective_sample_size(3 * phi, psi / 7, **how), size, rtol=1e-12)
    ones = np.ones((7, 12))
    np.testing.assert_allclose(effective_sample_size(ones, 2 * ones, **how), 12, rtol=1e-12)
    np.testing.assert_allclose(effective_sample_size(ones, ones, pairs=True, **how), 6, rtol=1e-12)
    one = np.where(np.arange(12) == 3, 1.0, 0.0) * ones
    np.testing.assert_allclose(effective_sample_size(one, ones, **how), 1, rtol=1e-12)
    np.testing.assert_array_equal(effective_sample_size(0 * ones, ones, **how), 0)
    far = effective_sample_size(1e4 * numbers(7, 12), 1e4 * numbers(7, 12, seed=1), log=True, **how)
    np.testing.assert_allclose(far, 1, rtol=1e-12)


@each_map
def test_zero_vectors_are_carried_by_all_draws_unless_lengths_are_weighted(name):
    size = effective_sample_size(*maps(name, np.zeros((1, 3)), np.zeros((4, 3)), m=60), pairs="hyperbolic" in name)
    assert size == pytest.approx(60) if not name.startswith("optimal") else 1 < size < 60


@each_map
def test_the_size_is_the_standard_error_estimated_from_the_draws(name):
    """√((1/size - 1/m) m/(m - 1)) is the sample's standard deviation over √m and over its mean: an identity."""
    q, k, m, pairs = numbers(1, 4), numbers(9, 4, seed=1), 40, "hyperbolic" in name
    phi, psi = maps(name, q, k, m=m)
    t = (phi * psi.sum(axis=0)).reshape(1 + pairs, m).sum(axis=0)
    size = effective_sample_size(phi, psi, pairs=pairs).item()
    assert math.sqrt((1 / size - 1 / m) * m / (m - 1)) == pytest.approx(t.std(ddof=1) / math.sqrt(m) / t.mean())


@each_map
@pytest.mark.parametrize("z2", [0.05, 0.1, 0.2])
def test_of_one_key_it_is_the_number_of_draws_over_the_second_moment(name, z2):
    """d = 1, rows at 200,000 quantiles of N(0, 1): means over them are integrals but for the ends of the tails."""
    m, x = 200_000, np.array([[math.sqrt(z2) / 2]])
    W, pairs = norm.ppf((np.arange(m) + 0.5) / m)[:, None], "hyperbolic" in name
    moment = {"second_moment": z2} if name.startswith("optimal") else {}
    phi = features.MAPS[name](x, W, **moment)
    A = TILTS[name](z2, 1) if moment else 0.0
    s = math.exp(float(log_second_moment(np.asarray(z2), A, 1, pairs)))
    assert m / effective_sample_size(phi, phi, pairs=pairs).item() - 1 == pytest.approx(s - 1, rel=0.01)


def test_features_are_made_in_blocks(monkeypatch):
    seen = []
    monkeypatch.setattr(effective, "BLOCK", 64)
    q = numbers(100, 3)
    effective.sizes(q, q, lambda x: seen.append(len(x)) or np.zeros((len(x), 8)), 8, None, False, True)
    assert max(seen) == 8 and sum(seen) == 200


PHI = np.ones((3, 4))
BAD = {
    "negative": (lambda: effective_sample_size(-PHI, PHI), "phi_query must be without negative features; got"),
    "odd": (lambda: effective_sample_size(PHI[:, :3], PHI[:, :3], pairs=True), "phi_query must be of an even number"),
    "columns": (lambda: effective_sample_size(PHI, PHI[:, :3]), "phi_query and phi_key must be equal in their number"),
    "leading": (lambda: effective_sample_size(PHI, PHI[None]), "phi_query and phi_key must be equal in their leading"),
    "nan": (lambda: effective_sample_size(PHI, PHI * np.nan), "phi_key must be finite"),
    "lengths": (lambda: effective_sample_size(PHI, PHI[:2], is_causal=True), "query and key must be equally long"),
    "mask": (lambda: effective_sample_size(PHI, PHI, key_mask=[False] * 3), "key_mask must be True for a key of each"),
    "limit": (lambda: performer_attention(PHI, PHI, PHI, PHI, min_sample_size=-1.0), "min_sample_size must be a"),
    "window": (lambda: performer_attention(PHI, PHI, PHI, PHI, min_sample_size=5, window=2),
        "min_sample_size must be left out where there is a window; got 5"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_sentence(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


# the warning


@each_map
@each_order
def test_attention_warns_once_with_the_numbers_and_only_if_asked(name, is_causal, xp, dtype):
    q, k, v = (numbers(2, 30, 4, seed=seed, scale=1.5).astype(dtype) for seed in range(3))
    W, how = draw(Softmax(), 12, 4, rng=0), {"feature": name, "is_causal": is_causal}
    how |= {"second_moment": 4.0} if name.startswith("optimal") else {}
    phi = [features.MAPS[name](x.astype(float) / 4**0.25, W, **{n: u for n, u in how.items() if n == "second_moment"})
           for x in (q, k)]  # fmt: skip
    size = effective_sample_size(*phi, pairs="hyperbolic" in name, is_causal=is_causal)
    few, least = int(np.sum(size < 4)), size.min()
    assert 0 < few < 60 and not np.any(np.abs(size - 4) < 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = performer_attention(xp(q), xp(k), xp(v), W, **how)
        performer_attention(xp(q), xp(k), xp(v), W, min_sample_size=least * 0.99, **how)
    with pytest.warns(ApproximationWarning) as said:
        got = performer_attention(xp(q), xp(k), xp(v), W, min_sample_size=4, **how)
    np.testing.assert_array_equal(xp.numpy(got), xp.numpy(expected))
    [one] = said
    wanted = f"{few} of 60 queries have an effective sample size below 4 of 12 rows of W, the smallest {least:.2g}: "
    assert str(one.message).startswith(wanted) and one.filename == __file__
    assert issubclass(ApproximationWarning, NumericalWarning)


@each_order
def test_masked_keys_and_weights_of_rows_count_as_in_the_features(is_causal):
    q, k, v = (numbers(8, 4, seed=seed, scale=1.5) for seed in range(3))
    mask, W = np.arange(8) != 3, numbers(6, 4, seed=3)
    weighted = draw(Softmax(), 6, 4, rng=0).__class__(W, "mine", False, np.arange(6) / 15)
    kept = weighted.__class__(W[1:], "mine", False, np.arange(1, 6) / 15)
    phi = [features.positive(x / 4**0.25, kept) for x in (q, k)]
    least = effective_sample_size(*phi, is_causal=is_causal, key_mask=mask).min()
    how = {"is_causal": is_causal, "key_mask": mask}
    with pytest.warns(ApproximationWarning, match=f" of 5 rows of W, the smallest {least:.2g}:"):
        performer_attention(q, k, v, weighted, min_sample_size=5, **how)


@pytest.mark.filterwarnings("error")
def test_nothing_is_read_inside_vmap_and_gradients_pass():
    torch = pytest.importorskip("torch")
    q, k, v = (torch.from_numpy(numbers(2, 6, 4, seed=seed, scale=3.0)) for seed in range(3))
    W = torch.from_numpy(numbers(5, 4, seed=3))
    call = lambda *x: performer_attention(*x, W, min_sample_size=5)  # noqa: E731
    torch.func.vmap(call)(q, k, v)
    with pytest.warns(ApproximationWarning):
        call(q.requires_grad_(), k, v).sum().backward()
    assert q.grad is not None
