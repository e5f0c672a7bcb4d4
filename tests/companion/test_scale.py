"""The scale that grows with the logarithm of the number of keys: its laws, and attention that takes it."""

import numpy as np
import pytest
from samples import normal

from companion.attention import (
    entropy_scale,
    entropy_scale_reference,
    performer_attention,
    softmax_attention,
)


@pytest.mark.parametrize(("dim", "n_train"), [(1, 2), (24, 512), (64, 512), (64, 4096)])
def test_it_is_the_usual_scale_where_the_model_was_trained_and_nothing_for_a_single_key(dim, n_train):
    assert entropy_scale(n_train, dim, n_train) == 1 / np.sqrt(dim)
    assert entropy_scale(1, dim, n_train) == 0
    assert entropy_scale(512, dim) == 1 / np.sqrt(dim)


@pytest.mark.parametrize("n", [2, 3, 40, 100_000])
def test_a_square_of_keys_doubles_it_and_the_two_lengths_change_places_by_a_quotient(n):
    assert entropy_scale(n**2, 24) == pytest.approx(2 * entropy_scale(n, 24), rel=1e-15)
    assert entropy_scale(n, 24, 7) * entropy_scale(7, 24, n) == pytest.approx(1 / 24, rel=1e-15)
    assert entropy_scale(n, 4 * 24) == entropy_scale(n, 24) / 2


def test_an_array_gives_the_scale_of_each_of_its_numbers():
    counts = np.arange(1, 13).reshape(3, 4)
    got = entropy_scale(counts, 5, n_train=6)
    assert got.shape == (3, 4) and got.dtype == np.float64
    assert [entropy_scale(int(n), 5, 6) for n in counts.ravel()] == got.ravel().tolist()
    np.testing.assert_array_equal(entropy_scale(counts.tolist(), 5, 6), got)
    np.testing.assert_array_equal(entropy_scale(counts.astype(np.uint8), 5, 6), got)
    np.testing.assert_array_equal(entropy_scale_reference(counts, 5, 6), got)


@pytest.mark.parametrize("n", [7, np.int64(7), np.array(7), np.uint16(7)], ids=["int", "int64", "0-d", "uint16"])
def test_one_number_gives_a_plain_float(n):
    assert type(entropy_scale(n, 5)) is float and entropy_scale(n, 5) == entropy_scale(7, 5)


@pytest.mark.parametrize("n", [2, 50, 3000])
def test_a_key_whose_score_is_log_n_train_outweighs_each_other_key_n_times(n):
    """exp(scale ⟨q, k⟩) = n for ⟨q, k⟩ = √d log n_train, and 1 for the others: the weight is n / (2 n − 1)."""
    query, key = np.zeros((1, 9)), np.zeros((n, 9))
    query[0, 4], key[0, 4] = 1.0, 3.0 * np.log(100)
    weights = softmax_attention(query, key, np.eye(n), scale=entropy_scale(n, 9, n_train=100))
    np.testing.assert_allclose(weights[0, [0, -1]], [n / (2 * n - 1), 1 / (2 * n - 1)], rtol=1e-12)


def test_a_scale_for_each_row_goes_into_the_query_of_causal_attention():
    query, key, value = normal(3, 20, 6, scale=2.0)
    scale = entropy_scale(np.arange(1, 21), 6, n_train=8)
    got = softmax_attention(query * scale[:, None], key, value, is_causal=True, scale=1.0)
    for i in range(20):
        seen = query[[i]], key[: i + 1], value[: i + 1]
        np.testing.assert_allclose(got[[i]], softmax_attention(*seen, scale=entropy_scale(i + 1, 6, 8)), rtol=1e-12)
    np.testing.assert_allclose(got[7], softmax_attention(query, key, value, is_causal=True)[7], rtol=1e-12)


def test_the_performer_takes_it():
    query, key, value = normal(3, 20, 6)
    W, scale = normal(16, 6, seed=1), entropy_scale(20, 6, n_train=8)
    got = performer_attention(query, key, value, W, scale=scale)
    usual = performer_attention(query * np.sqrt(scale * 6**0.5), key * np.sqrt(scale * 6**0.5), value, W)
    np.testing.assert_allclose(got, usual, rtol=1e-10)


BAD = {
    "B2-67-no-keys": ((0, 4), ValueError, "n must be an integer >= 1, or an array of such; got the number 0. Row i of"),
    "negative": (([3, -2], 4), ValueError, "got the number -2"),
    "empty": ((np.zeros(0, int), 4), ValueError, r"n must be an integer >= 1, .* got shape \(0,\)"),
    "fraction": ((2.0, 4), TypeError, "n must be an integer .* got dtype float64. It counts keys: int"),
    "bool": ((True, 4), TypeError, "got dtype bool"),
    "mask": ((np.ones(3, bool), 4), TypeError, "got dtype bool"),
    "string": (("512", 4), TypeError, "n must be an integer"),
    "none": ((None, 4), TypeError, "got dtype object"),
    "no-coordinates": ((3, 0), ValueError, "dim must be an integer >= 1; got 0"),
    "dim-fraction": ((3, 4.0), TypeError, "dim must be an integer >= 1; got 4.0"),
    "trained-on-one-key": ((3, 4, 1), ValueError, "n_train must be an integer >= 2; got 1"),
    "trained-on-a-fraction": ((3, 4, 512.5), TypeError, "n_train must be an integer >= 2; got 512.5"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD.values(), ids=BAD.keys())
def test_what_counts_no_keys_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        entropy_scale(*arguments)


def test_a_tensor_is_refused_with_what_to_pass_instead():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"n must be a NumPy array .* got a tensor. Pass an integer, or n.numpy\(\)"):
        entropy_scale(torch.arange(1, 4), 4)
