"""Linear attention against its formula with all weights, its laws, its state, and what it refuses."""

import warnings
from functools import partial

import numpy as np
import pytest
from samples import normal

from companion.attention import (
    LinearState,
    linear,
    linear_attention,
    linear_attention_reference,
    linear_attention_step,
)

LENGTHS = [1, 2, 7, 64, 65, 130]
both_forms = pytest.mark.parametrize("log", [False, True], ids=["features", "logarithms"])
both_orders = pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])


def three(*lead, n=37, D=6, e=5, scale=1.0):
    """Logarithms of features of queries and keys, and values."""
    return normal(*lead, n, D, scale=scale), normal(*lead, n, D, seed=1, scale=scale), normal(*lead, n, e, seed=2)


def inputs(log, *lead, **options):
    q, k, v = three(*lead, **options)
    return (q, k, v) if log else (np.exp(q), np.exp(k), v)


def log_reference(log_query, log_key, value, is_causal):
    """The formula in the log domain, with n x n x D exponents."""
    exponents = log_query[:, None] + log_key[None]  # (n, n, D)
    if is_causal:
        exponents[~np.tri(len(exponents), dtype=bool)] = -np.inf
    kernel = np.exp(exponents - exponents.max(axis=(1, 2), keepdims=True)).sum(axis=2)
    return kernel @ value / kernel.sum(axis=1, keepdims=True)


def some_keys(*shape):
    mask = np.random.default_rng(3).random(shape) < 0.5
    mask[..., 0] = True
    return mask


# against the formula


@both_forms
@both_orders
@pytest.mark.parametrize("n", LENGTHS)
def test_the_output_is_that_of_the_formula(n, is_causal, log, xp, dtype, close):
    q, k, v = (x.astype(dtype) for x in inputs(log, 2, n=n))
    got = linear_attention(xp(q), xp(k), xp(v), log=log, is_causal=is_causal)
    assert str(got.dtype).endswith(dtype)
    reference = log_reference if log else linear_attention_reference
    for i in range(2):
        close(xp.numpy(got)[i], reference(*(x[i].astype(float) for x in (q, k, v)), is_causal))


@both_orders
@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0, 100.0, 1e3])
def test_logarithms_of_any_size_give_finite_and_right_outputs(scale, is_causal, dtype):
    """An exponent of size s is off by eps s, and its weight by as much of itself: 4 eps s after four roundings."""
    q, k, v = (x.astype(dtype) for x in three(n=130, scale=scale))
    got = linear_attention(q, k, v, log=True, is_causal=is_causal)
    expected = log_reference(*(x.astype(float) for x in (q, k, v)), is_causal)
    reach, eps = max(np.abs(q).max() + np.abs(k).max(), 50.0), np.finfo(dtype).eps
    assert np.abs(got - expected).max() <= 4 * eps * reach * np.abs(v).max()


@both_orders
def test_other_lengths_of_query_and_key_and_leading_axes(is_causal):
    q, k, v = inputs(False, 2, 3)
    q = q if is_causal else q[..., :5, :]
    got = linear_attention(q, k, v, is_causal=is_causal)
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(got[i], linear_attention_reference(q[i], k[i], v[i], is_causal), rtol=0, atol=1e-13)


@both_forms
@both_orders
def test_gradients_are_those_of_the_formula_with_all_weights(is_causal, log):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x, requires_grad=True) for x in inputs(log, n=21))
    kernel = torch.logsumexp(q[:, None] + k[None], dim=-1).exp() if log else q @ k.mT
    kernel = kernel.tril() if is_causal else kernel
    expected = kernel @ v / kernel.sum(dim=-1, keepdim=True)
    got, toward = (
        linear_attention(q, k, v, log=log, is_causal=is_causal, chunk_size=8),
        torch.tensor(normal(21, 5, seed=4)),
    )
    pairs = (torch.autograd.grad((output * toward).sum(), (q, k, v)) for output in (got, expected))
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12 * max(1.0, float(other.abs().max())))


# laws


@both_forms
def test_the_size_of_a_chunk_changes_nothing_but_rounding(log):
    q, k, v = inputs(log, 2, n=100)
    one = linear_attention(q, k, v, log=log, is_causal=True, chunk_size=1)
    for size in (2, 3, 8, 64, 100, 1000):
        other = linear_attention(q, k, v, log=log, is_causal=True, chunk_size=size)
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-13)


@both_forms
def test_the_first_token_returns_its_value(log, dtype):
    q, k, v = (x.astype(dtype) for x in inputs(log, 2, n=130, scale=8.0))
    output = linear_attention(q, k, v, log=log, is_causal=True)
    np.testing.assert_allclose(output[:, 0], v[:, 0], rtol=4 * np.finfo(dtype).eps)


@both_forms
@both_orders
def test_equal_values_are_returned_as_they_are(is_causal, log, dtype, close):
    q, k, v = (x.astype(dtype) for x in inputs(log, n=130))
    close(linear_attention(q, k, np.full_like(v, 0.7), log=log, is_causal=is_causal), np.full(v.shape, 0.7))


@both_forms
@both_orders
def test_masked_keys_leave_no_trace(is_causal, log, dtype):
    """As if they had been taken out; each further column of the formula is 0."""
    q, k, v = (x.astype(dtype) for x in inputs(log, 2, n=130))
    mask = some_keys(2, 130)
    output = linear_attention(q, k, v, log=log, is_causal=is_causal, key_mask=mask)
    k[~mask], v[~mask] = 500.0, -1e9
    spoiled = linear_attention(q, k, v, log=log, is_causal=is_causal, key_mask=mask)
    np.testing.assert_allclose(spoiled, output, rtol=0, atol=1e-6)
    for i, kept in enumerate(mask):
        short = [x[i][kept].astype(float) for x in (q, k, v)]
        wanted = (log_reference if log else linear_attention_reference)(*short, is_causal)
        rows = output[i][kept]
        if not is_causal:
            wanted = (log_reference if log else linear_attention_reference)(q[i].astype(float), *short[1:], False)
            rows = output[i]
        np.testing.assert_allclose(rows, wanted, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)


def padded_last(log):
    q, k, v = inputs(log, n=130)
    whole = linear_attention(q[:100], k[:100], v[:100], log=log)
    return linear_attention(q, k, v, log=log, key_mask=np.arange(130) < 100)[:100], whole


@both_forms
def test_padding_is_as_a_shorter_sequence(log):
    np.testing.assert_allclose(*padded_last(log), rtol=0, atol=1e-13)


@both_orders
@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_a_constant_factor_of_all_keys_cancels_beside_masked_keys_and_a_chunk_that_is_not_full(shift, is_causal):
    q, k, v = three(n=130)
    call = partial(linear_attention, value=v, log=True, is_causal=is_causal, key_mask=some_keys(130))
    np.testing.assert_allclose(call(q, k + shift), call(q, k), rtol=0, atol=1e-10)
    np.testing.assert_allclose(call(q + shift, k), call(q, k), rtol=0, atol=1e-10)


def leak(log, xp, q, k, v, late):
    """Outputs of float32 before and after key 100, whose chunk begins at row 64, and its value are replaced."""
    changed, values = k.copy(), v.copy()
    changed[100], values[100] = late, -5.0
    arrays = ([xp(x, "float32") for x in (q, a, b)] for a, b in ((k, v), (changed, values)))
    before, after = (xp.numpy(linear_attention(*x, log=log, is_causal=True)) for x in arrays)
    np.testing.assert_array_equal(before[:64], after[:64])
    np.testing.assert_allclose(before[64:100], after[64:100], rtol=0, atol=1e-6)
    return np.abs(before[100:] - after[100:]).max()


@pytest.mark.parametrize("earlier", [1.0, 8.0])
@pytest.mark.parametrize("late", [-3.0, 3.0, 1000.0])
def test_a_later_logarithm_is_not_seen(late, earlier, xp):
    """Of positive features, ⟨w, x⟩ - |x|²/2 with x of scale ``earlier``, while the late key is small or huge."""
    q, k, v = three(n=130)
    assert leak(True, xp, q, earlier * k - 3 * earlier**2, v, late) > 0.01


@pytest.mark.parametrize("late", [0.0, 30.0, 1e6])
def test_a_later_feature_is_not_seen(late, xp):
    assert leak(False, xp, *inputs(False, n=130), late) > 0.01


# the state


@both_forms
@pytest.mark.parametrize("sizes", [[1] * 30, [7, 1, 22], [30]], ids=["tokens", "pieces", "whole"])
def test_steps_are_the_parallel_form(sizes, log, xp, dtype, close):
    q, k, v = (x.astype(dtype) for x in inputs(log, 2, n=30))
    expected, state, start, outputs = linear_attention(q, k, v, log=log, is_causal=True), None, 0, []
    for size in sizes:
        piece = (xp(x[:, start : start + size]) for x in (q, k, v))
        output, state = linear_attention_step(state, *piece, log=log)
        outputs.append(xp.numpy(output))
        start += size
    close(np.concatenate(outputs, axis=1), expected)
    assert tuple(state.sums.shape) == (2, 6, 6) and repr(state) == f"LinearState(sums=array of shape (2, 6, 6), {log=})"


def unscaled(state):
    return state.sums if state.maxima is None else np.exp(state.maxima) * state.sums


@both_forms
def test_states_of_parts_add_up_in_any_grouping(log):
    q, k, v = inputs(log, 2, n=30, scale=2.0)
    a, b, c = (
        linear_attention_step(None, q[:, s], k[:, s], v[:, s], log=log)[1] for s in map(slice, (0, 4, 19), (4, 19, 30))
    )
    whole = unscaled(linear_attention_step(None, q, k, v, log=log)[1])
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a.merge(b))):
        np.testing.assert_allclose(unscaled(merged), whole, rtol=1e-13, atol=1e-12)
    features = np.exp(k) if log else k
    np.testing.assert_allclose(whole[..., :-1], features.mT @ v, rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(whole[..., -1], features.sum(axis=1), rtol=1e-13)
    rest = linear_attention_step(a.merge(b), q[:, 19:], k[:, 19:], v[:, 19:], log=log)[0]
    np.testing.assert_allclose(rest, linear_attention(q, k, v, log=log, is_causal=True)[:, 19:], rtol=0, atol=1e-13)


@both_forms
def test_half_precision_goes_in_and_out_and_the_state_keeps_more(log):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x).bfloat16() for x in inputs(log, n=30))
    output, state = linear_attention_step(None, q, k, v, log=log)
    assert output.dtype == torch.bfloat16 and state.sums.dtype == torch.float32
    expected = linear_attention(q.double(), k.double(), v.double(), log=log, is_causal=True)
    assert (output.double() - expected).abs().max() <= 2**-8 * v.abs().max()
    assert linear_attention(q, k, v, log=log, is_causal=True).equal(output)


# cores


def log_core(q, k, u):
    return linear.divide(linear.log_causal_sums(q, k, u, 4)[0])


CORES = {
    "causal": lambda q, k, u: linear.divide(linear.causal_sums(q.exp(), k.exp(), u, 8)),
    "log-causal": log_core,
    "log-full": lambda q, k, u: linear.divide(linear.log_read(q, *linear.log_sums(k, u))[0]),
}


@pytest.mark.parametrize("core", CORES.values(), ids=CORES.keys())
def test_a_core_passes_through_compile_vmap_and_autograd(core):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.tensor(x) for x in three(2, n=24, D=3, e=2))
    u = linear.with_ones(v)
    arguments = [x.requires_grad_() for x in (q, k, u)]
    output = core(*arguments)
    torch.compiler.reset()
    with warnings.catch_warnings(action="ignore"):  # dynamo's, of array_api_compat's caches
        compiled = torch.compile(core, backend="aot_eager", fullgraph=True)(*arguments)
    torch.testing.assert_close(compiled, output, rtol=1e-13, atol=1e-14)
    for one, other in zip(*(torch.autograd.grad(o.square().sum(), arguments) for o in (compiled, output)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(torch.func.vmap(core)(*arguments), output, rtol=1e-13, atol=1e-14)
    assert torch.autograd.gradcheck(core, [x[:1] for x in arguments])


@both_forms
@both_orders
def test_where_values_are_not_read_a_query_without_a_key_has_the_output_zero_and_no_gradient(is_causal, log):
    torch = pytest.importorskip("torch")
    arguments = [torch.tensor(x, requires_grad=True) for x in inputs(log, 2)]
    mask = torch.tensor([[False] * 37, [True] * 37])
    call = partial(linear_attention, log=log, is_causal=is_causal)
    output = torch.func.vmap(lambda q, k, v, m: call(q, k, v, key_mask=m))(*arguments, mask)
    assert not output[0].any() and output[1].all()
    torch.testing.assert_close(output[1], call(*(x[1] for x in arguments)), rtol=0, atol=1e-13)
    assert all(not g[0].any() and g.isfinite().all() for g in torch.autograd.grad(output.square().sum(), arguments))


# what is refused

Q, K, V = inputs(False, 2, 3, n=9)
ZERO = K.copy()
ZERO[1, 2] = 0.0
SIGNS = np.array([[1.0, 1.0]]), np.array([[0.1, -0.3], [0.2, 0.0]]), np.ones((2, 1))
REFUSED = {
    "B2-01-nan": ((Q * np.nan, K, V), {}, r"phi_query must be finite; got 324 NaN"),
    "dimensions": ((Q[..., :3], K, V), {}, "phi_query and phi_key must be equal in their last axis"),
    "length": ((Q, K, V[..., :8, :]), {}, "phi_key and value must be equally long: axis -2 is the length"),
    "heads": (
        (Q, K[:, :1], V[:, :1]),
        {},
        r"equal in all axes before the last two; .*repeat_interleave\(groups, dim=-3\)",
    ),
    "causal": ((Q[..., :5, :], K, V), {"is_causal": True}, "equally long where is_causal.*; got lengths 5 and 9"),
    "mask-dtype": ((Q, K, V), {"key_mask": np.ones(9)}, "key_mask must be of dtype bool"),
    "all-masked": ((Q, K, V), {"key_mask": np.zeros(9, bool)}, "key_mask must be True for a key of each row"),
    "padding": ((Q, K, V), {"key_padding_mask": np.zeros(9, bool)}, "key_mask=~key_padding_mask"),
    "B2-41-chunk": ((Q, K, V), {"chunk_size": 0}, "chunk_size must be an integer >= 1"),
    "zero": (
        (Q, ZERO, V),
        {},
        r"The weights of a query must be of a sum other than 0; .* in row 0 of the sequence at \(1, 2\)",
    ),
    "zero-causal": (
        (K, K * (np.arange(9) > 3)[:, None], V),
        {"is_causal": True},
        r"in row 0 of the sequence at \(0, 0\)",
    ),
    "signs": (SIGNS, {}, r"got a sum of zero, or of zero to rounding, in row 0\. Use positive features"),
    "B2-04-overflow": ((1e200 * Q, 1e200 * K, V), {}, "The sums must be within the range of its dtype"),
}


@pytest.mark.parametrize(("arguments", "options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused_in_a_sentence(arguments, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        linear_attention(*arguments, **options)


def test_weights_that_cancel_in_a_later_row_are_refused_and_negative_sums_are_not():
    q, k, v = np.ones((3, 2)), np.array([[0.1, 0.2], [-0.3, 0.0], [0.4, 0.4]]), np.ones((3, 1))
    with pytest.raises(ValueError, match="zero to rounding, in row 1"):
        linear_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(linear_attention(q, k, v), v, rtol=1e-14)
    np.testing.assert_allclose(linear_attention(q, -k, v), v, rtol=1e-14)


def test_a_state_of_something_else_is_refused():
    torch = pytest.importorskip("torch")
    state = linear_attention_step(None, Q, K, V)[1]
    for other, arguments, log, message in (
        (K, (Q, K, V), False, "state must be a LinearState; got ndarray. Pass what the step before returned"),
        (state, (Q, K, V), True, "state must be of logarithms; got one of features. Use the same log"),
        (
            state,
            (Q[0], K[0], V[0]),
            False,
            r"state must be of shape \(3, 6, 6\) of numpy on cpu; got shape \(2, 3, 6, 6\)",
        ),
        (
            state,
            map(torch.tensor, (Q, K, V)),
            False,
            r"state must be of shape \(2, 3, 6, 6\) of torch on cpu; got .*numpy",
        ),
        (None, (Q, K[..., :5, :], V[..., :5, :]), False, "equally long"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            linear_attention_step(other, *arguments, log=log)
    with pytest.raises(ValueError, match="other must be of features; got one of logarithms"):
        state.merge(LinearState(state.sums, state.sums[..., :1]))
    assert repr(state) == "LinearState(sums=array of shape (2, 3, 6, 6), log=False)"
