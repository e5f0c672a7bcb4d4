"""Performer attention against its formula, its core, softmax attention and its laws, and what it refuses."""

import warnings
from functools import partial

import numpy as np
import pytest
from samples import normal

from companion.attention import (
    LinearState,
    _fast,
    linear,
    linear_attention,
    linear_attention_step,
    performer,
    performer_attention,
    performer_attention_reference,
    performer_attention_step,
    softmax_attention,
)
from companion.features import MAPS
from companion.frequencies import Frequencies, draw
from companion.kernels import Softmax

both_orders = pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])
both_maps = pytest.mark.parametrize("feature", ["positive", "hyperbolic"])
W = draw(Softmax(), 12, 4, rng=0)


def three(*lead, n=130, d=4, e=3, scale=1.0):
    return normal(*lead, n, d, scale=scale), normal(*lead, n, d, seed=1, scale=scale), normal(*lead, n, e, seed=2)


def by_features(q, k, v, W, feature="positive", **options):
    """Linear attention of the logarithms of the features."""
    x, y = (MAPS[feature](x / x.shape[-1] ** 0.25, W, log=True) for x in (q, k))
    return linear_attention(x, y, v, log=True, **options)


# against the formula, the core and softmax attention


@both_orders
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 130])
def test_the_output_is_that_of_the_formula(n, is_causal, xp, dtype, close):
    q, k, v = (x.astype(dtype) for x in three(2, 3, n=n))
    got = performer_attention(xp(q), xp(k), xp(v), W, is_causal=is_causal)
    assert str(got.dtype).endswith(dtype)
    for i in np.ndindex(2, 3):
        one = [x[i].astype(float) for x in (q, k, v)]
        close(xp.numpy(got)[i], performer_attention_reference(*one, np.asarray(W), is_causal))


@both_maps
@both_orders
@pytest.mark.parametrize("scale", [1.0, 4.0, 16.0, 64.0])
def test_the_fast_path_equals_linear_attention_of_the_features(scale, is_causal, feature):
    q, k, v = three(2, 3, scale=scale)
    mask = np.random.default_rng(5).random((2, 1, 130)) < 0.5
    mask[..., 0] = True
    for options in ({}, {"key_mask": mask}):
        got = performer_attention(q, k, v, W, feature=feature, is_causal=is_causal, **options)
        expected = by_features(q, k, v, W, feature, is_causal=is_causal, **options)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14 * (1 + scale**2))


@pytest.mark.parametrize("scheme", ["iid", "orthogonal", "sorf"])
@both_maps
def test_a_scheme_with_rows_of_any_kind_and_a_scale(feature, scheme):
    W = draw(Softmax(), 16, 4, scheme=scheme, rng=0)
    q, k, v = three(n=9)
    got = performer_attention(q, k, v, W, feature=feature, scale=0.25)
    np.testing.assert_allclose(got, by_features(q * 2**-0.5, k * 2**-0.5, v, W, feature), rtol=0, atol=1e-14)


@both_orders
def test_rows_with_weights(is_causal):
    """A Gauss–Hermite grid is exact up to its degree, so attention with small exponents is too."""
    q, k, v = three(n=30, d=2, scale=0.4)
    grid = draw(Softmax(), 200, 2, scheme="gauss_hermite")
    got = performer_attention(q, k, v, grid, feature="hyperbolic", is_causal=is_causal)
    np.testing.assert_allclose(got, softmax_attention(q, k, v, is_causal=is_causal), rtol=0, atol=1e-9)
    weighted = Frequencies(np.asarray(W)[:3], scheme="mine", unbiased=False, weights=[0.5, 0.5, 0.0])
    q, k, v = three(n=30)
    got = performer_attention(q, k, v, weighted, is_causal=is_causal)
    expected = performer_attention(q, k, v, np.asarray(W)[:2], is_causal=is_causal)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


@both_orders
def test_many_features_give_softmax_attention(is_causal):
    """The standard error of a weight is at most √((e^{z²} - 1)/m) of it, z² = |x + y|²; ten of them are allowed."""
    q, k, v = three(n=20, scale=0.3)
    many = draw(Softmax(), 40_000, 4, rng=1)
    z2 = np.max(np.sum((q[:, None] + k[None]) ** 2, axis=-1)) / 2
    got = performer_attention(q, k, v, many, is_causal=is_causal)
    bound = 10 * np.sqrt(np.expm1(z2) / 40_000) * np.abs(v).max()
    assert np.abs(got - softmax_attention(q, k, v, is_causal=is_causal)).max() <= bound < 0.5


@pytest.mark.parametrize("scale", [0.0, 1e-12])
@both_orders
def test_without_a_scale_it_is_the_mean_of_the_values(scale, is_causal):
    q, k, v = three()
    got = performer_attention(q, k, v, W, scale=scale, is_causal=is_causal)
    mean = np.cumsum(v, axis=0) / np.arange(1, 131)[:, None] if is_causal else np.broadcast_to(v.mean(axis=0), v.shape)
    np.testing.assert_allclose(got, mean, rtol=0, atol=1e-4 if scale else 1e-14)


# gradients

LAYOUTS = {
    "contiguous": lambda x: x,
    "heads-last": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
}


@both_maps
@both_orders
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("scale", [1.0, 6.0])
def test_gradients_are_those_of_the_core(scale, layout, is_causal, feature):
    """With a W that requires grad the core computes; chunks of 64 are halved at the larger scale."""
    torch = pytest.importorskip("torch")
    q, k, v = (layout(torch.tensor(x)).requires_grad_() for x in three(2, 5, scale=scale))
    rows, toward = torch.tensor(np.asarray(W)), torch.tensor(normal(2, 5, 130, 3, seed=4))
    mask = np.random.default_rng(5).random((2, 1, 130)) < 0.7
    mask[..., 0] = True
    for key_mask in (None, mask):
        call = partial(performer_attention, q, k, v, feature=feature, is_causal=is_causal, key_mask=key_mask)
        outputs = call(W=rows), call(W=rows.clone().requires_grad_())
        torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
        pairs = (torch.autograd.grad((output * toward).sum(), (q, k, v)) for output in outputs)
        for one, other in zip(*pairs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-11 * max(1.0, float(other.abs().max())))


@both_orders
def test_gradients_are_finite_differences_and_are_given_once(is_causal):
    torch = pytest.importorskip("torch")
    arguments = [torch.tensor(x, requires_grad=True) for x in three(2, n=7)]
    call = partial(performer_attention, W=W, is_causal=is_causal, chunk_size=4)
    assert torch.autograd.gradcheck(call, arguments)
    [first] = torch.autograd.grad(call(*arguments).square().sum(), arguments[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@both_orders
def test_the_core_passes_through_compile_vmap_and_autograd(is_causal):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x) for x in three(2, n=24))
    arguments = [x.requires_grad_() for x in (q, k, linear.with_ones(v), torch.tensor(np.asarray(W)))]

    def core(*x):
        return linear.divide(performer.sums(*x, 0.0, performer.log_positive, None, 2 if is_causal else 0))

    output = core(*arguments)
    torch.compiler.reset()
    with warnings.catch_warnings(action="ignore"):  # dynamo's, of array_api_compat's caches
        compiled = torch.compile(core, backend="aot_eager", fullgraph=True)(*arguments)
    torch.testing.assert_close(compiled, output, rtol=1e-13, atol=1e-14)
    for one, other in zip(*(torch.autograd.grad(o.square().sum(), arguments) for o in (compiled, output)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    call = partial(performer_attention, W=W, scale=1.0, is_causal=is_causal, chunk_size=8)
    torch.testing.assert_close(torch.func.vmap(call)(q, k, v), output, rtol=1e-12, atol=1e-13)
    tangents = [torch.tensor(normal(*x.shape, seed=7)) for x in (q, k, v)]
    with warnings.catch_warnings(action="ignore"):  # torch.func's own
        forward = torch.func.jvp(call, (q, k, v), tuple(tangents))[1]
    step = [[x + t * y for x, y in zip((q, k, v), tangents, strict=True)] for t in (1e-6, -1e-6)]
    torch.testing.assert_close(forward, (call(*step[0]) - call(*step[1])) / 2e-6, rtol=1e-6, atol=1e-7)


def test_products_stay_in_float32_inside_autocast():
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x, dtype=torch.float32) for x in three(n=70))
    rows = torch.tensor(np.asarray(W), dtype=torch.float32, requires_grad=True)
    expected = performer_attention(q, k, v, W, is_causal=True)
    with torch.autocast("cpu", torch.bfloat16):
        for one in (W, rows):
            got = performer_attention(q, k, v, one, is_causal=True)
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(softmax_attention(q, k, v), softmax_attention(q.double(), k.double(), v).float())


# laws

WIDE = draw(Softmax(), 128, 64, rng=0)


def wide(*lead, n=130, dtype="float32", scale=1.0):
    return (x.astype(dtype) for x in three(*lead, n=n, d=64, e=64, scale=scale))


@both_maps
@both_orders
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("scale", [1, 2, 4, 8, 16, 32])
def test_outputs_are_finite_averages_at_every_scale(scale, dtype, is_causal, feature):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x).to(getattr(torch, dtype)) for x in wide(2, n=200, scale=scale))
    v = torch.clamp(v, -1.0, 1.0)
    output = performer_attention(q, k, v, WIDE, feature=feature, is_causal=is_causal)
    assert str(output.dtype) == f"torch.{dtype}" and bool(output.isfinite().all())
    assert float(output.abs().max()) <= 1 + 1e-2 * (dtype != "float32") + 1e-5


@both_maps
@both_orders
@pytest.mark.parametrize(("scale", "limit"), [(0.5, 1e-6), (1.0, 5e-6)])
def test_float32_loses_few_digits(scale, limit, is_causal, feature):
    q, k, v = wide(2, n=300, scale=scale)
    got = performer_attention(q, k, v, WIDE, feature=feature, is_causal=is_causal)
    exact = performer_attention(*(x.astype(float) for x in (q, k, v)), WIDE, feature=feature, is_causal=is_causal)
    assert np.linalg.norm(got - exact) <= limit * np.linalg.norm(exact)


@both_maps
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_a_late_key_changes_no_bit_before_its_chunk_and_only_rounding_inside(scale, feature):
    """1e-6 of the largest value with ordinary keys, 2e-5 with earlier ones at scale 8, whose exponents are larger."""
    q, k, v = wide(2, n=200)
    k[:, :170] *= scale
    k[:, 170] *= 0.1
    call = partial(performer_attention, W=WIDE, feature=feature, is_causal=True)
    before = call(q, k, v)
    for factor in (30.0, 0.01, -8.0):
        other = k.copy()
        other[:, 170] *= factor
        after = call(q, other, v)
        np.testing.assert_array_equal(after[:, :128], before[:, :128])
        assert np.abs(after - before)[:, 128:170].max() <= (1e-6 if scale == 1 else 2e-5) * np.abs(v).max()


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_the_first_token_returns_its_value_and_padding_leaves_no_trace(scale):
    q, k, v = wide(2, n=200)
    k[:, :100] *= scale
    output = performer_attention(q, k, v, WIDE, is_causal=True)
    np.testing.assert_allclose(output[:, 0], v[:, 0], rtol=1e-6)
    for is_causal in (False, True):
        call = partial(performer_attention, W=WIDE, is_causal=is_causal)
        padded = call(q, k, v, key_mask=np.arange(200) < 100)[:, :100]
        short = call(q[:, :100], k[:, :100], v[:, :100])
        assert np.abs(padded - short).max() <= (1e-6 if scale == 1 else 2e-5) * np.abs(v).max()


@both_maps
def test_the_size_of_a_chunk_changes_nothing_but_rounding(feature):
    q, k, v = three(2, scale=3.0)
    one = performer_attention(q, k, v, W, feature=feature, is_causal=True, chunk_size=1)
    for size in (2, 3, 64, 1000):
        other = performer_attention(q, k, v, W, feature=feature, is_causal=True, chunk_size=size)
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-13)


@both_maps
@pytest.mark.parametrize("pieces", [[1] * 70, [64, 1, 5], [70]], ids=["tokens", "mixed", "whole"])
def test_steps_of_a_state_are_the_rows_of_the_parallel_form(pieces, feature, xp, dtype, close):
    q, k, v = (x.astype(dtype) for x in three(2, 3, n=70, scale=2.0))
    state, outputs, start = None, [], 0
    for n in pieces:
        now = [xp(x[..., start : start + n, :]) for x in (q, k, v)]
        output, state = performer_attention_step(state, *now, W, feature=feature)
        outputs.append(xp.numpy(output))
        start += n
    parallel = performer_attention(*(x.astype(float) for x in (q, k, v)), W, feature=feature, is_causal=True)
    close(np.concatenate(outputs, axis=-2), parallel)
    assert tuple(state.sums.shape) == (2, 3, 12 * (1 + (feature == "hyperbolic")), 4)


def test_a_step_leaves_its_state_alone_and_states_of_parts_merge():
    q, k, v = three(2, n=40, scale=2.0)
    _, first = performer_attention_step(None, q[:, :20], k[:, :20], v[:, :20], W)
    before = first.sums.copy(), first.maxima.copy()
    output, whole = performer_attention_step(first, q[:, 20:], k[:, 20:], v[:, 20:], W)
    np.testing.assert_array_equal(first.sums, before[0])
    np.testing.assert_array_equal(first.maxima, before[1])
    _, second = performer_attention_step(None, q[:, 20:], k[:, 20:], v[:, 20:], W)
    merged = first.merge(second)
    token = [x[:, -1:] for x in (q, k, v)]
    one, other = (performer_attention_step(state, *token, W)[0] for state in (whole, merged))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)
    features = [MAPS["positive"](x / 4**0.25, W, log=True) for x in (q, k)]
    _, state = linear_attention_step(None, *(x[:, :20] for x in features), v[:, :20], log=True)
    rows = (x[:, 20:] for x in features)
    np.testing.assert_allclose(linear_attention_step(state, *rows, v[:, 20:], log=True)[0], output, rtol=0, atol=1e-13)


def test_gradients_pass_through_a_step():
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x, requires_grad=True) for x in three(2, n=9))
    whole = performer_attention(q, k, v, W, is_causal=True)[:, 5:]
    _, state = performer_attention_step(None, q[:, :5], k[:, :5], v[:, :5], W)
    output, _ = performer_attention_step(state, q[:, 5:], k[:, 5:], v[:, 5:], W)
    pairs = (torch.autograd.grad(x.square().sum(), (q, k, v)) for x in (whole, output))
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@both_orders
def test_heads_are_independent_and_in_any_layout(is_causal):
    q, k, v = three(3, 6, n=20)
    output = performer_attention(q, k, v, W, is_causal=is_causal)
    for i in np.ndindex(3, 6):
        alone = performer_attention(q[i], k[i], v[i], W, is_causal=is_causal)
        np.testing.assert_allclose(output[i], alone, rtol=0, atol=1e-13)
    turned = (np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2) for x in (q, k, v))
    np.testing.assert_allclose(performer_attention(*turned, W, is_causal=is_causal), output, rtol=0, atol=1e-13)


def test_chunks_are_halved_where_a_late_key_would_leave_nothing(monkeypatch):
    """Key 40 has all features e^200 above those of the keys before it: without halves their rows would be 0/0."""
    q, k, v = (x.astype("float32") for x in three(n=64))
    k[40] = 0.0
    k[:40] = 30.0 * k[:40] / np.linalg.norm(k[:40], axis=1, keepdims=True)
    call = partial(performer_attention, q, k, v, W, is_causal=True)
    expected = call(chunk_size=1)
    np.testing.assert_allclose(call(), expected, rtol=0, atol=1e-4)
    with np.errstate(all="ignore"):
        monkeypatch.setattr(_fast, "LEAST", 0.0)
        assert not np.abs(call() - expected).max() < 0.1


# what is refused

Q, K, V = three(2, n=9)
GRID = draw(Softmax(), 8, 4, scheme="gauss_hermite")
REFUSED = {
    "B2-01-nan": ((Q, K * np.nan, V, W), {}, "key must be finite; got 72 NaN"),
    "dimensions": ((Q[..., :3], K, V, W), {}, "query and key must be equal in their last axis"),
    "rows": ((Q, K, V, np.ones((5, 3))), {}, "query and W must be equal in their number of features"),
    "B2-69-length": ((Q, K, V[:, :8], W), {}, "key and value must be equally long.*swap heads and length"),
    "heads": ((Q, K[:1], V[:1], W), {}, r"equal in all axes before the last two; .*repeat_interleave\(groups, dim=-3"),
    "B2-68-causal": ((Q[:, :5], K, V, W), {"is_causal": True}, "equally long where is_causal.*; got lengths 5 and 9"),
    "B2-72-mask-dtype": ((Q, K, V, W), {"key_mask": np.ones(9)}, "key_mask must be of dtype bool"),
    "B2-66-all-masked": ((Q, K, V, W), {"key_mask": np.zeros(9, bool)}, "key_mask must be True for a key of each row"),
    "padding": ((Q, K, V, W), {"key_padding_mask": np.zeros(9, bool)}, "key_mask=~key_padding_mask"),
    "dropout": ((Q, K, V, W), {"dropout_p": 0.1}, "dropout_p must be left out"),
    "grouped": ((Q, K, V, W), {"enable_gqa": True}, "enable_gqa must be left out; .*Repeat the heads"),
    "feature": ((Q, K, V, W), {"feature": "cosine"}, "feature must be one of.*; got 'cosine'"),
    "half": ((Q, K, V, GRID), {}, "Use hyperbolic, whose features of -w are the other half"),
    "B2-41-chunk": ((Q, K, V, W), {"chunk_size": 0}, "chunk_size must be an integer >= 1"),
    "scale": ((Q, K, V, W), {"scale": -1.0}, "scale must be"),
    "digits": ((1e9 * Q, K, V, W), {}, "query and key must be so small that its exponents keep their digits"),
    "B2-67-no-keys": ((Q, K[:, :0], V[:, :0], W), {}, "key must"),
}


@pytest.mark.parametrize(("arguments", "options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused_in_a_sentence(arguments, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        performer_attention(*arguments, **options)


def test_a_state_of_something_else_is_refused():
    _, state = performer_attention_step(None, Q, K, V, W)
    for other, arguments, options, message in (
        (K, (Q, K, V), {}, "state must be a LinearState; got ndarray"),
        (LinearState(state.sums), (Q, K, V), {}, "state must be of logarithms; got one of features"),
        (state, (Q[:1], K[:1], V[:1]), {}, r"state must be of shape \(1, 12, 4\) of numpy.*; got shape \(2, 12, 4\)"),
        (state, (Q, K, V), {"feature": "hyperbolic"}, r"state must be of shape \(2, 24, 4\)"),
        (None, (Q[:, :5], K, V), {}, "equally long"),
        (None, (Q, K, V), {"feature": "cosine"}, "feature must be one of"),
        (None, (Q, K * np.nan, V), {}, "key must be finite"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            performer_attention_step(other, *arguments, W, **options)


def test_b2_14_mixed_backends_and_ragged_lengths_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="query, key, value must be on the same backend"):
        performer_attention(torch.tensor(Q), K, V, W)
    with warnings.catch_warnings(action="ignore"):
        ragged = torch.nested.nested_tensor([torch.ones(2, 4), torch.ones(3, 4)])
    with pytest.raises(TypeError, match="one array of equally long sequences; got a nested tensor"):
        performer_attention(ragged, ragged, ragged, W)


def test_values_that_overflow_are_refused_and_b2_76_inputs_are_unchanged():
    q, k, v = (x.astype("float32") for x in (Q, K, V))
    before = [x.copy() for x in (q, k, v)]
    performer_attention(q, k, v, W, is_causal=True)
    for x, copy in zip((q, k, v), before, strict=True):
        np.testing.assert_array_equal(x, copy)
    with pytest.raises(ValueError, match="The output"):
        performer_attention(q, k, np.full_like(v, 3e38), W)
