"""Exact attention against torch's, and what it refuses."""

import itertools
import warnings

import numpy as np
import pytest
from samples import normal

from companion.attention import exact, softmax_attention, softmax_attention_reference

TOLERANCE = {"float64": 1e-13, "float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}


def three(*lead, n=7, length=9, d=4, e=5, scale=1.0):
    """A query, a key and a value."""
    return (
        normal(*lead, n, d, scale=scale),
        normal(*lead, length, d, seed=1, scale=scale),
        normal(*lead, length, e, seed=2),
    )


def some_keys(*shape):
    mask = np.random.default_rng(3).random(shape) < 0.5
    mask[..., 0] = True
    return mask


# against torch


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)], ids=str)
def test_the_output_and_its_gradients_are_those_of_torch(lead, dtype, is_causal, masked):
    torch = pytest.importorskip("torch")
    n = 9 if is_causal else 7
    inputs = [torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True) for x in three(*lead, n=n)]
    mask = some_keys(*lead, 9) if masked else np.ones((*lead, 9), bool)
    allowed = torch.tensor(mask[..., None, :] & (np.tri(n, 9, dtype=bool) if is_causal else True)).expand(*lead, n, 9)
    exact_inputs = [x.detach().double().requires_grad_() for x in inputs]
    expected = torch.nn.functional.scaled_dot_product_attention(*exact_inputs, attn_mask=allowed)
    got = softmax_attention(*inputs, is_causal=is_causal, key_mask=mask if masked else None)
    assert got.dtype == inputs[0].dtype and got.shape == (*lead, n, 5)
    close = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(got.double(), expected, **close)
    toward = torch.tensor(normal(*expected.shape, seed=4))
    gradients = torch.autograd.grad((got.double() * toward).sum(), inputs)
    for one, other in zip(gradients, torch.autograd.grad((expected * toward).sum(), exact_inputs), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=0, atol=10 * TOLERANCE[dtype])


def test_the_output_is_that_of_the_formula_on_every_backend(xp, dtype, close):
    for lead, is_causal in itertools.product([(), (2, 3)], [False, True]):
        inputs = [x.astype(dtype) for x in three(*lead, n=9)]
        mask = some_keys(*lead, 9)
        got = softmax_attention(*(xp(x) for x in inputs), is_causal=is_causal, key_mask=xp(mask))
        for index in np.ndindex(*lead):
            q, k, v = (x[index].astype(float) for x in inputs)
            for i in range(9):
                seen = mask[index] & ((np.arange(9) <= i) | (not is_causal))
                close(xp.numpy(got)[index][i : i + 1], softmax_attention_reference(q[i : i + 1], k[seen], v[seen]))


def test_the_scale_is_that_of_torch():
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(x) for x in three()]
    for scale in (0.0, 0.3, 2.0):
        expected = torch.nn.functional.scaled_dot_product_attention(*inputs, scale=scale)
        torch.testing.assert_close(softmax_attention(*inputs, scale=scale), expected, rtol=0, atol=1e-13)


# laws


def test_equal_values_are_returned_as_they_are(xp, dtype, close):
    q, k, _ = three(2)
    close(
        xp.numpy(softmax_attention(xp(q, dtype), xp(k, dtype), xp(np.full((2, 9, 3), 0.7), dtype))),
        np.full((2, 7, 3), 0.7),
    )


def test_a_vector_added_to_every_key_changes_nothing_and_one_added_to_every_query_does():
    q, k, v = three()
    output = softmax_attention(q, k, v)
    np.testing.assert_allclose(softmax_attention(q, k + normal(4, seed=5), v), output, rtol=0, atol=1e-13)
    assert np.abs(softmax_attention(q + normal(4, seed=5), k, v) - output).max() > 0.1


@pytest.mark.parametrize("is_causal", [False, True])
def test_masked_keys_and_their_values_leave_no_trace(is_causal):
    q, k, v = three(2, n=9)
    mask, output = some_keys(2, 9), softmax_attention(q, k, v, is_causal=is_causal, key_mask=some_keys(2, 9))
    k[~mask], v[~mask] = 1e6, -1e9
    np.testing.assert_array_equal(softmax_attention(q, k, v, is_causal=is_causal, key_mask=mask), output)


def test_a_later_key_changes_no_bit_of_the_rows_before_it():
    q, k, v = three(n=9)
    output = softmax_attention(q, k, v, is_causal=True)
    k[6], v[6] = 50 * k[6], -3.0
    np.testing.assert_array_equal(softmax_attention(q, k, v, is_causal=True)[:6], output[:6])
    np.testing.assert_allclose(output[0], v[0], rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 32.0, 1e3, 1e15])
def test_outputs_are_finite_averages_at_every_scale(scale, dtype):
    q, k, v = (x.astype(dtype) for x in three(scale=scale))
    output = softmax_attention(q, k, v)
    assert (output <= v.max(axis=0) + 1e-5).all() and (output >= v.min(axis=0) - 1e-5).all()


# cores

MASKS = {"full": None, "masked": np.tri(7, 9, dtype=bool)}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_the_core_passes_through_compile_vmap_and_autograd(mask):
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(x, requires_grad=True) for x in three(2)]
    mask = None if mask is None else torch.tensor(mask)

    def core(q, k, v):
        return exact.attention(q, k, v, 0.5, mask)

    output = core(*inputs)
    torch.compiler.reset()
    with warnings.catch_warnings(action="ignore"):  # dynamo's, of array_api_compat's caches
        compiled = torch.compile(core, backend="aot_eager", fullgraph=True)(*inputs)
    torch.testing.assert_close(compiled, output, rtol=1e-13, atol=1e-14)
    for one, other in zip(*(torch.autograd.grad(o.square().sum(), inputs) for o in (compiled, output)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(torch.func.vmap(core)(*inputs), output, rtol=1e-13, atol=1e-14)
    assert torch.autograd.gradcheck(core, inputs)


def test_where_values_are_not_read_a_query_without_a_key_has_the_output_zero_and_no_gradient():
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(x, requires_grad=True) for x in three(2)]
    mask = torch.tensor([[False] * 9, [True] * 9])
    output = torch.func.vmap(lambda q, k, v, m: softmax_attention(q, k, v, key_mask=m))(*inputs, mask)
    assert not output[0].any() and output[1].all()
    assert all(not g[0].any() and g.isfinite().all() for g in torch.autograd.grad(output.square().sum(), inputs))


# what is refused

Q, K, V = three(2, 3)
FULL = np.ones((2, 3, 9), bool)
NOTHING = FULL.copy()
NOTHING[1, 2] = False
REFUSED = {
    "B2-01-nan": ((Q * np.nan, K, V), {}, r"query must be finite; got 168 NaN .* first at index \(0, 0, 0, 0\)"),
    "B2-02-infinity": ((Q, K, V * np.inf), {}, "value must be finite"),
    "B2-07-no-keys": ((Q, K[..., :0, :], V[..., :0, :]), {}, "key must be non-empty"),
    "B2-18-complex": ((Q + 1j, K, V), {}, "query must be real"),
    "one-axis": ((Q[0, 0, 0], K, V), {}, r"query must be an array of shape \(\.\.\., n_samples, n_features\)"),
    "ragged": (
        ([[1.0], [1.0, 2.0]], K, V),
        {},
        "query must be an array of real numbers; got entries .*all rows equally long",
    ),
    "heads": (
        (Q, K[:, :1], V[:, :1]),
        {},
        r"equal in all axes before the last two; .*repeat_interleave\(groups, dim=-3\)",
    ),
    "dimensions": ((Q[..., :3], K, V), {}, r"query and key must be equal in their last axis; .*\(2, 3, 9, 4\)"),
    "heads-after-length": (
        (Q, K, V.swapaxes(1, 2)),
        {},
        r"equal in all axes before the last two; .*heads, length, dim",
    ),
    "length": (
        (Q, K, V[..., :8, :]),
        {},
        "key and value must be equally long: axis -2 is the length; .*swap heads and l",
    ),
    "causal": (
        (Q, K, V),
        {"is_causal": True},
        "equally long where is_causal.*; got lengths 7 and 9. Pass all queries and",
    ),
    "scale": ((Q, K, V), {"scale": -1.0}, "scale must be a non-negative finite number"),
    "mask-dtype": ((Q, K, V), {"key_mask": FULL.astype(float)}, "key_mask must be of dtype bool; got dtype float64"),
    "mask-list": (
        (Q, K, V),
        {"key_mask": [1] * 9},
        "key_mask must be of dtype bool; got dtype int64. True marks a key",
    ),
    "mask-length": (
        (Q, K, V),
        {"key_mask": FULL[..., 1:]},
        r"key_mask must be of shape \(9,\) or \(2, 3, 9\) .*\(2, 3, 8\)",
    ),
    "mask-heads": ((Q, K, V), {"key_mask": FULL[:, :2]}, r"\(or 1 in a leading axis\); got shape \(2, 2, 9\)"),
    "mask-without-heads": ((Q, K, V), {"key_mask": FULL[:, 0]}, r"got shape \(2, 9\). .*key_mask\[:, None, :\]"),
    "all-masked": (
        (Q, K, V),
        {"key_mask": ~FULL[0, 0]},
        "key_mask must be True for a key of each row; got no key for every",
    ),
    "one-masked": (
        (Q, K, V),
        {"key_mask": NOTHING},
        r"no key for every row of query of the sequence at \(1, 2\)\. Take",
    ),
    "first-masked": (
        (K, K, V),
        {"is_causal": True, "key_mask": np.arange(9) > 0},
        "no key for row 0 of query, which sees",
    ),
    "padding": (
        (Q, K, V),
        {"key_padding_mask": ~FULL},
        "key_padding_mask must be left out; .*key_mask=~key_padding_mask",
    ),
    "attn-mask": ((Q, K, V), {"attn_mask": FULL}, "attn_mask must be left out; .*Pass key_mask"),
    "dropout": ((Q, K, V), {"dropout_p": 0.1}, "dropout_p must be left out; .*no dropout"),
    "grouped": ((Q, K, V), {"enable_gqa": True}, r"enable_gqa must be left out; .*repeat_interleave\(groups, dim=-3\)"),
    "typo": ((Q, K, V), {"casual": True}, "casual must be left out; .*no such argument"),
    "B2-04-overflow": ((1e200 * Q, 1e200 * K, V), {}, r"scale \* query @ key.T must be within the range .*Scale query"),
}


@pytest.mark.parametrize(("inputs", "options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused_in_a_sentence(inputs, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        softmax_attention(*inputs, **options)


def test_b2_36_39_two_devices_two_backends_and_nested_tensors_are_refused():
    torch = pytest.importorskip("torch")
    q, k, v = map(torch.tensor, (Q, K, V))
    with pytest.raises(
        ValueError, match="query, key, value must be on the same backend; got torch, numpy, torch. Conv"
    ):
        softmax_attention(q, K, v)
    with pytest.raises(ValueError, match="on the same device; got cpu, cpu, meta. .*key.to.query.device"):
        softmax_attention(q, k, v.to("meta"))
    nested = torch.nested.nested_tensor([q[0, 0], q[0, 0, :3]], layout=torch.jagged)
    with pytest.raises(
        TypeError, match="query must be one array of equally long sequences; got a nested .*to_padded_tensor"
    ):
        softmax_attention(nested, k, v)


def test_a_mask_follows_the_query():
    torch = pytest.importorskip("torch")
    q, k, v = map(torch.tensor, (Q, K, V))
    mask = some_keys(2, 1, 9)
    outputs = [softmax_attention(q, k, v, key_mask=m) for m in (mask, torch.tensor(mask), mask.repeat(3, 1).tolist())]
    assert all(torch.equal(output, outputs[0]) for output in outputs)
    np.testing.assert_allclose(softmax_attention(Q, K, V, key_mask=torch.tensor(mask)), outputs[0], rtol=0, atol=1e-14)
