"""Near keys exactly and a factor for the far ones: against the formula, softmax attention, its laws, and bad input."""

import warnings
from functools import partial

import numpy as np
import pytest
from samples import normal

from companion.attention import (
    NearState,
    block_mean_attention,
    block_mean_attention_step,
    block_means_reference,
    linear,
    near,
    near_and_far_reference,
    performer_attention,
    performer_attention_step,
    softmax_attention,
)
from companion.features import MAPS
from companion.frequencies import Frequencies, draw
from companion.kernels import Softmax

both_orders = pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])
W = draw(Softmax(), 12, 4, rng=0)
OPTIONS = {name: {"second_moment": 1.5} if name.startswith("optimal") else {} for name in MAPS if "f" not in name[:1]}
WINDOW = 8


def three(*lead, n=70, d=4, e=3, scale=1.0):
    return normal(*lead, n, d, scale=scale), normal(*lead, n, d, seed=1, scale=scale), normal(*lead, n, e, seed=2)


def by_features(q, k, v, W=W, window=WINDOW, is_causal=False, feature="positive"):
    """The reference, one sequence after the other."""
    phi = partial(MAPS[feature], W=W, **OPTIONS[feature])
    root = q.shape[-1] ** -0.25
    output = np.empty((*q.shape[:-1], v.shape[-1]))
    for i in np.ndindex(q.shape[:-2]):
        far = phi(q[i] * root) @ phi(k[i] * root).T
        output[i] = near_and_far_reference(q[i], k[i], v[i], far, window, is_causal)
    return output


def by_means(q, k, v, window=WINDOW, block=3 * WINDOW, is_causal=False):
    output = np.empty((*q.shape[:-1], v.shape[-1]))
    for i in np.ndindex(q.shape[:-2]):
        far = block_means_reference(q[i], k[i], window, block, is_causal)
        output[i] = near_and_far_reference(q[i], k[i], v[i], far, window, is_causal)
    return output


def features(q, k, v, is_causal=False, **options):
    return performer_attention(q, k, v, W, window=WINDOW, is_causal=is_causal, **options)


def means(q, k, v, is_causal=False, **options):
    return block_mean_attention(q, k, v, window=WINDOW, block=3 * WINDOW, is_causal=is_causal, **options)


KINDS = {"features": (features, by_features), "means": (means, by_means)}
both_kinds = pytest.mark.parametrize("kind", KINDS)


# against the formula


@both_kinds
@both_orders
@pytest.mark.parametrize("n", [1, 7, 8, 9, 24, 70])
def test_the_output_is_that_of_the_formula(n, is_causal, kind, xp, dtype, close):
    q, k, v = (x.astype(dtype) for x in three(2, 3, n=n))
    call, reference = KINDS[kind]
    got = call(xp(q), xp(k), xp(v), is_causal=is_causal)
    assert str(got.dtype).endswith(dtype)
    close(xp.numpy(got), reference(*(x.astype(float) for x in (q, k, v)), is_causal=is_causal))


@both_orders
@pytest.mark.parametrize("feature", OPTIONS)
@pytest.mark.parametrize("scheme", ["iid", "orthogonal", "fastfood"])
def test_features_of_every_kind_are_on_the_scale_of_exact_weights(scheme, feature, is_causal):
    W = draw(Softmax(), 16, 4, scheme=scheme, rng=0)
    q, k, v = three(n=30)
    options = OPTIONS[feature] | {"feature": feature}
    got = performer_attention(q, k, v, W, window=4, is_causal=is_causal, **options)
    np.testing.assert_allclose(got, by_features(q, k, v, W, 4, is_causal, feature), rtol=0, atol=1e-13)


@both_orders
def test_rows_with_weights(is_causal):
    """A Gauss–Hermite grid is exact up to its degree; a row of weight 0 counts for nothing."""
    q, k, v = three(n=30, d=2, scale=0.4)
    grid = draw(Softmax(), 200, 2, scheme="gauss_hermite")
    got = performer_attention(q, k, v, grid, feature="hyperbolic", window=4, is_causal=is_causal)
    np.testing.assert_allclose(got, softmax_attention(q, k, v, is_causal=is_causal), rtol=0, atol=1e-9)
    weighted = Frequencies(np.asarray(W)[:3], scheme="mine", unbiased=False, weights=[0.5, 0.5, 0.0])
    q, k, v = three(n=30)
    got = performer_attention(q, k, v, weighted, window=4, is_causal=is_causal)
    expected = performer_attention(q, k, v, np.asarray(W)[:2], window=4, is_causal=is_causal)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


@both_kinds
@both_orders
@pytest.mark.parametrize("window", [70, 1000])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_a_window_as_long_as_the_sequence_gives_softmax_attention(scale, window, is_causal, kind):
    q, k, v = (x.astype("float32") for x in three(2, scale=scale))
    options = {"window": window, "is_causal": is_causal, "chunk_size": 32}
    if kind == "means":
        got = block_mean_attention(q, k, v, block=window, **options)
    else:
        got = performer_attention(q, k, v, W, **options)
    exact = softmax_attention(q, k, v, is_causal=is_causal)
    assert np.abs(got - exact).max() <= (1e-6 if scale == 1 else 2e-5) * np.abs(v).max()


@both_orders
def test_means_of_equal_keys_are_exact_and_means_of_others_weigh_too_little(is_causal):
    """Jensen: with values that tell far from near, the share of the far keys is never above the true one."""
    q, k, _ = three()
    for keys, equal in ((np.repeat(normal(3, 4), 24, axis=0)[:70], True), (k, False)):
        exact = softmax_attention(q, keys, np.eye(70), is_causal=is_causal)
        got = means(q, keys, np.eye(70), is_causal=is_causal)
        far = ~near.near_mask(70, WINDOW)
        share, right = ((x * far).sum(axis=1) for x in (got, exact))
        assert (share <= right + 1e-14).all()
        if equal:
            np.testing.assert_allclose(got, exact, rtol=0, atol=1e-14)
        else:
            assert share.sum() < 0.99 * right.sum()


# gradients and transformations


@both_kinds
@both_orders
def test_gradients_are_finite_differences(is_causal, kind):
    torch = pytest.importorskip("torch")
    arguments = [torch.tensor(x, requires_grad=True) for x in three(2, n=13)]
    if kind == "means":
        call = partial(block_mean_attention, window=2, block=4, is_causal=is_causal)
    else:
        call = partial(performer_attention, W=W, window=2, is_causal=is_causal)
    assert torch.autograd.gradcheck(call, arguments)
    plain = [x.detach() for x in arguments]
    torch.testing.assert_close(call(*plain), call(*arguments).detach(), rtol=0, atol=1e-13)


@both_kinds
@both_orders
def test_the_core_passes_through_compile_and_vmap(is_causal, kind):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x) for x in three(2, n=24))
    call = partial(KINDS[kind][0], is_causal=is_causal)
    expected = call(q, k, v)
    torch.testing.assert_close(torch.func.vmap(partial(call, scale=0.5))(q, k, v), expected, rtol=1e-12, atol=1e-13)

    def core(q, k, U):
        far, factors = partial(near.far_by_means, scale=0.5, per=3), ()
        if kind == "features":
            far, factors = near.far_by_features, (q * 0.5**0.5, k * 0.5**0.5)
        return linear.divide(near.sums(q, k, U, 0.5, WINDOW, is_causal, far, *factors))

    torch.compiler.reset()
    with warnings.catch_warnings(action="ignore"):  # dynamo's, of array_api_compat's caches
        compiled = torch.compile(core, backend="aot_eager", fullgraph=True)(q, k, linear.with_ones(v))
    torch.testing.assert_close(compiled, core(q, k, linear.with_ones(v)), rtol=1e-13, atol=1e-14)


# laws

WIDE = draw(Softmax(), 128, 64, rng=0)


def wide(*lead, n=200, dtype="float32", scale=1.0):
    return (x.astype(dtype) for x in three(*lead, n=n, d=64, e=64, scale=scale))


def wide_calls(is_causal):
    yield partial(performer_attention, W=WIDE, window=16, is_causal=is_causal)
    yield partial(performer_attention, W=WIDE, window=16, is_causal=is_causal, feature="hyperbolic")
    yield partial(block_mean_attention, window=16, block=32, is_causal=is_causal)


@both_orders
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("scale", [1, 8, 32])
def test_outputs_are_finite_averages_at_every_scale(scale, dtype, is_causal):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x).to(getattr(torch, dtype)) for x in wide(2, scale=scale))
    v = torch.clamp(v, -1.0, 1.0)
    for call in wide_calls(is_causal):
        output = call(q, k, v)
        assert str(output.dtype) == f"torch.{dtype}" and bool(output.isfinite().all())
        assert float(output.abs().max()) <= 1 + 1e-2 * (dtype != "float32") + 1e-5


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_a_late_key_changes_nothing_before_it(scale):
    """Exact weights inside the window, and sums of earlier blocks: no bit of an earlier row hangs on a later key."""
    q, k, v = wide(2)
    k[:, :170] *= scale
    for call in wide_calls(is_causal=True):
        before = call(q, k, v)
        for factor in (30.0, 0.01, -8.0):
            other = k.copy()
            other[:, 170] *= factor
            assert np.abs(call(q, other, v) - before)[:, :170].max() <= 1e-6 * np.abs(v).max()


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_the_first_token_returns_its_value_and_padding_leaves_no_trace(scale):
    q, k, v = wide(2)
    k[:, :100] *= scale
    keep = np.arange(200) < 100
    for call in wide_calls(is_causal=True):
        np.testing.assert_allclose(call(q, k, v)[:, 0], v[:, 0], rtol=1e-6)
    for is_causal in (False, True):
        for call in wide_calls(is_causal):
            padded, short = call(q, k, v, key_mask=keep)[:, :100], call(q[:, :100], k[:, :100], v[:, :100])
            assert np.abs(padded - short).max() <= (1e-6 if scale == 1 else 2e-5) * np.abs(v).max()


@both_kinds
@both_orders
def test_a_masked_key_is_none_at_all(is_causal, kind):
    """Against the formula with weight 0; its value and its size leave no trace. All near keys of row 69 are masked."""
    torch = pytest.importorskip("torch")
    q, k, v = three(2)
    keep = np.random.default_rng(5).random((2, 70)) < 0.5
    keep[:, 0], keep[0, 48:] = True, False
    call = partial(KINDS[kind][0], is_causal=is_causal)
    got = call(q, k, v, key_mask=keep)
    for i in range(2):
        far = np.zeros((70, 70))
        if kind == "features":
            phi, psi = (MAPS["positive"](x[i] * 4**-0.25, W) for x in (q, k))
            far = phi @ psi.T
        exact = np.where(near.near_mask(70, WINDOW), np.exp(q[i] @ k[i].T / 2), far)
        if kind == "means":
            exact = exact + masked_means(q[i], k[i], keep[i], is_causal)
        kernel = np.tril(exact * keep[i]) if is_causal else exact * keep[i]
        np.testing.assert_allclose(got[i], kernel @ v[i] / kernel.sum(axis=1, keepdims=True), rtol=0, atol=1e-13)
    other = k.copy()
    other[~keep] *= 50
    np.testing.assert_allclose(call(q, other, v * keep[..., None], key_mask=keep), got, rtol=0, atol=1e-12)
    tensors = [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
    np.testing.assert_allclose(call(*tensors, key_mask=keep).detach().numpy(), got, rtol=0, atol=1e-13)


def masked_means(q, k, keep, is_causal):
    """``block_means_reference`` of the keys that are kept."""
    far, position = np.zeros((70, 70)), np.arange(70)
    for i in range(70):
        for side in (position < i,) if is_causal else (position < i, position > i):
            for block in range(3):
                some = ~near.near_mask(70, WINDOW)[i] & side & (position // (3 * WINDOW) == block) & keep
                if some.any():
                    far[i, some] = np.exp(q[i] @ k[some].mean(axis=0) / 2)
    return far


@both_kinds
@both_orders
def test_rows_at_once_change_nothing_but_rounding(is_causal, kind):
    q, k, v = three(2, scale=3.0)
    call = partial(KINDS[kind][0], q, k, v, is_causal=is_causal)
    for size in (1, 3, 1000):
        np.testing.assert_allclose(call(chunk_size=size), call(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("window", [1, 3, 8, 100])
@pytest.mark.parametrize("pieces", [[1] * 70, [64, 1, 5], [70]], ids=["tokens", "mixed", "whole"])
@pytest.mark.parametrize("kind", ["positive", "optimal_hyperbolic", "means"])
def test_steps_of_a_state_are_the_rows_of_the_parallel_form(kind, pieces, window, xp, dtype, close):
    q, k, v = (x.astype(dtype) for x in three(2, 3, scale=2.0))
    if kind == "means":
        step, options = block_mean_attention_step, {"window": window, "block": 2 * window}
        whole = block_mean_attention
    else:
        step, whole = performer_attention_step, partial(performer_attention, is_causal=True)
        options = {"W": W, "window": window, "feature": kind} | OPTIONS[kind]
    state, outputs, start = None, [], 0
    for n in pieces:
        now = [xp(x[..., start : start + n, :]) for x in (q, k, v)]
        output, state = step(state, *now, **options)
        outputs.append(xp.numpy(output))
        start += n
    close(np.concatenate(outputs, axis=-2), whole(*(x.astype(float) for x in (q, k, v)), **options))
    assert state.length == 70 and state.key.shape[-2] <= 2 * window and "length=70" in repr(state)


def test_a_step_leaves_its_state_alone_and_gradients_pass_through_it():
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(x, requires_grad=True) for x in three(2, n=30)]
    options = {"W": W, "window": 4}
    whole = performer_attention(*tensors, is_causal=True, **options)[:, 20:]
    _, state = performer_attention_step(None, *(x[:, :20] for x in tensors), **options)
    before = [x.clone() for x in (state.key, state.value, state.far.sums, state.far.maxima)]
    output, _ = performer_attention_step(state, *(x[:, 20:] for x in tensors), **options)
    for x, copy in zip((state.key, state.value, state.far.sums, state.far.maxima), before, strict=True):
        torch.testing.assert_close(x, copy, rtol=0, atol=0)
    pairs = (torch.autograd.grad(x.square().sum(), tensors) for x in (whole, output))
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@both_kinds
@both_orders
def test_heads_are_independent_and_in_any_layout(is_causal, kind):
    q, k, v = three(3, 6, n=30)
    call = partial(KINDS[kind][0], is_causal=is_causal)
    output = call(q, k, v)
    for i in np.ndindex(3, 6):
        np.testing.assert_allclose(output[i], call(q[i], k[i], v[i]), rtol=0, atol=1e-13)
    turned = (np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2) for x in (q, k, v))
    np.testing.assert_allclose(call(*turned), output, rtol=0, atol=1e-13)


# what is refused

Q, K, V = three(2, n=9)
REFUSED = {
    "B2-41-window": (performer_attention, (Q, K, V, W), {"window": -1}, "window must be an integer >= 0"),
    "B2-41-half": (performer_attention, (Q, K, V, W), {"window": 2.5}, "window must be an integer >= 0; got 2.5"),
    "lengths": (performer_attention, (Q[:, :5], K, V, W), {"window": 2}, "equally long where there is a window"),
    "sides": (block_mean_attention, (Q[:, :5], K, V), {}, "equally long where there is a window"),
    "B2-41-none": (block_mean_attention, (Q, K, V), {"window": 0}, "window must be an integer >= 1"),
    "multiple": (block_mean_attention, (Q, K, V), {"window": 4, "block": 6}, "block must be a multiple of window"),
    "B2-01-nan": (block_mean_attention, (Q, K * np.nan, V), {}, "key must be finite; got 72 NaN"),
    "B2-72-mask": (block_mean_attention, (Q, K, V), {"key_mask": np.ones(9)}, "key_mask must be of dtype bool"),
    "B2-66-masked": (block_mean_attention, (Q, K, V), {"key_mask": np.zeros(9, bool)}, "True for a key of each row"),
    "dropout": (block_mean_attention, (Q, K, V), {"dropout_p": 0.1}, "dropout_p must be left out"),
    "overflow": (block_mean_attention, (1e200 * Q, 1e200 * K, V), {}, "The output must be within"),
}


@pytest.mark.parametrize(("call", "arguments", "options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused_in_a_sentence(call, arguments, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(*arguments, **options)


def test_a_state_of_something_else_is_refused():
    _, plain = performer_attention_step(None, Q, K, V, W)
    _, state = performer_attention_step(None, Q, K, V, W, window=2)
    step = partial(performer_attention_step, query=Q, key=K, value=V, W=W)
    for other, options, message in (
        (plain, {"window": 2}, "state must be a NearState; got LinearState. .*with the same window"),
        (state, {}, "state must be a LinearState; got NearState"),
        (state, {"window": 3}, r"state.key must be of shape \(2, 6, 4\)"),
        (state, {"window": 2, "feature": "hyperbolic"}, r"state.far must be of shape \(2, 24, 4\)"),
        (NearState(state.key, state.value, None, 9), {"window": 2}, "state must be of window 2"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            step(other, **options)
    with pytest.raises(ValueError, match=r"state.far must be of shape \(2, 3, 8\)"):
        _, state = block_mean_attention_step(None, Q, K, V, window=2, block=4)
        block_mean_attention_step(state, Q, K, V, window=2, block=2)
