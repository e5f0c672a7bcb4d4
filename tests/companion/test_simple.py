"""The maps of one line against torch's functions and closed forms, and the mean of rectified projections."""

import math

import numpy as np
import pytest
from samples import normal as numbers
from scipy.integrate import quad
from scipy.stats import binom

from companion import features
from companion._core import arrays
from companion.attention import linear_attention
from companion.features import elu_plus_one, relu, taylor
from companion.features.simple import linear_above_zero, one_and_x, rectified
from companion.frequencies import Frequencies, draw
from companion.kernels import Softmax

ROWS = numbers(7, 3, seed=1)
MAPS = {
    "elu": (elu_plus_one, lambda x: x + 1 if x > 0 else math.exp(x)),
    "relu": (relu, lambda x: max(x, 0.0)),
}
ALL = {"elu": elu_plus_one, "relu": relu, "relu-of-rows": lambda X: relu(X, ROWS), "taylor": taylor}
each_map = pytest.mark.parametrize("phi", ALL.values(), ids=ALL.keys())


# maps against their formula


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (2, 3, 4, 5)], ids=str)
def test_entries_are_those_of_the_formula(name, shape, xp, dtype, close):
    phi, formula = MAPS[name]
    X = numbers(*shape, scale=3.0).astype(dtype)
    got = phi(xp(X))
    assert str(got.dtype).endswith(dtype)
    close(xp.numpy(got), np.vectorize(formula)(X.astype(float)))


@pytest.mark.parametrize("weights", [None, np.arange(1, 8) / 28], ids=["equal", "weights"])
def test_rectified_projections_are_those_of_a_plain_loop(weights, xp, dtype, close):
    X, W = numbers(2, 5, 3).astype(dtype), ROWS.astype(dtype)
    root = np.full(7, 7**-0.5) if weights is None else np.sqrt(weights)
    expected = [[[r * max(float(w @ x), 0.0) for w, r in zip(W, root, strict=True)] for x in part] for part in X]
    rows = xp(W) if weights is None else Frequencies(W, "by hand", False, weights)
    got = relu(xp(X), rows)
    assert str(got.dtype).endswith(dtype)
    close(xp.numpy(got), expected)


@pytest.mark.parametrize("scheme", ["iid", "orthogonal", "fastfood", "sobol"])
def test_frequencies_of_every_kind_are_taken(scheme, xp, dtype, close, monkeypatch):
    monkeypatch.setattr("companion.frequencies.structured.FASTFOOD_COST", 0)
    X, W = numbers(6, 2).astype(dtype), draw(Softmax(), 12, 2, scheme=scheme, rng=0)
    expected = np.maximum(X.astype(float) @ np.asarray(W).T, 0) / math.sqrt(12)
    close(xp.numpy(relu(xp(X), W)), expected)
    close(xp.numpy(relu(xp(X), W.to(xp(X)))), expected)


def test_the_first_order_of_the_exponential(xp, dtype, close):
    X, Y = numbers(2, 4, 3).astype(dtype), numbers(2, 5, 3, seed=1).astype(dtype)
    phi_x, phi_y = (xp.numpy(taylor(xp(Z))) for Z in (X, Y))
    assert phi_x.shape == (2, 4, 4)
    close(phi_x @ phi_y.mT, 1 + X.astype(float) @ Y.astype(float).mT)
    t = np.linspace(-1e-3, 1e-3, 9)[:, None]
    error = np.exp(t[:, 0]) - (taylor(t) @ taylor([[1.0]]).T)[:, 0]
    np.testing.assert_allclose(error, t[:, 0] ** 2 / 2, atol=2e-10)


def test_elu_is_that_of_torch_and_stays_positive_where_torch_rounds():
    torch = pytest.importorskip("torch")
    X = torch.linspace(-40, 40, 1001, dtype=torch.float64)[:, None]
    torch.testing.assert_close(elu_plus_one(X), torch.nn.functional.elu(X) + 1, rtol=1e-13, atol=1e-15)
    X = X.float()
    assert (torch.nn.functional.elu(X) + 1 == 0).any() and (elu_plus_one(X) > 0).all()
    torch.testing.assert_close(relu(X), torch.relu(X), rtol=0, atol=0)


def test_gradients_are_those_of_torch_at_zero_and_far_out_too():
    torch = pytest.importorskip("torch")
    at = torch.tensor([[0.0, 1.0, -1.0, 1e4, -1e4]], dtype=torch.float64)
    for ours, theirs in ((elu_plus_one, torch.nn.functional.elu), (relu, torch.relu)):
        X, Y = at.clone().requires_grad_(), at.clone().requires_grad_()
        ours(X).sum().backward()
        theirs(Y).sum().backward()
        torch.testing.assert_close(X.grad, Y.grad, rtol=1e-15, atol=1e-15)


@each_map
def test_gradients_pass_and_a_batch_is_the_loop_over_its_slices(phi):
    torch = pytest.importorskip("torch")
    X = torch.from_numpy(numbers(2, 2, 5, 3))
    loop = torch.stack([torch.stack([phi(x) for x in head]) for head in X])
    torch.testing.assert_close(phi(X), loop, rtol=0, atol=1e-15)
    assert torch.autograd.gradcheck(phi, (X.clone().requires_grad_(),))
    W = torch.from_numpy(ROWS).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: relu(X[0], w), (W,))


@each_map
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(phi, half):
    torch = pytest.importorskip("torch")
    X = torch.from_numpy(numbers(5, 3)).to(getattr(torch, half))
    assert phi(X).dtype == X.dtype
    assert torch.equal(phi(X), phi(X.float()).to(X.dtype))


CORES = {
    "elu": lambda X: linear_above_zero(X),
    "relu": lambda X: rectified(X, 0.5),
    "taylor": lambda X: one_and_x(X),
}


@pytest.mark.parametrize("core", CORES.values(), ids=CORES.keys())
@pytest.mark.filterwarnings("ignore:Dynamo detected", "ignore::DeprecationWarning")
def test_cores_compile_without_a_break_and_vectorise(core):
    torch = pytest.importorskip("torch")
    X = torch.from_numpy(numbers(3, 5, 4))
    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(core, backend="aot_eager", fullgraph=True)(X), core(X))
    torch.testing.assert_close(torch.func.vmap(core)(X), core(X))


@each_map
def test_what_is_passed_stays_as_it_is_and_is_not_returned(phi, xp):
    """B2-76, 77."""
    values = numbers(4, 3) + 5  # where relu changes nothing
    X = xp(values)
    result = phi(X)
    np.testing.assert_array_equal(xp.numpy(X), values)
    assert not np.shares_memory(xp.numpy(result), xp.numpy(X))


# the kernel of rectified projections


def arc_cosine(x, y):
    """|x||y| (sin θ + (π - θ) cos θ) / 2π."""
    size = np.linalg.norm(x) * np.linalg.norm(y)
    angle = np.arccos(np.clip(x @ y / size, -1, 1))
    return size * (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.0, math.pi / 2, 2.5, math.pi])
def test_the_closed_form_is_the_mean_over_the_plane(angle):
    """E r² = 2 times the mean over the angle a of max(cos a, 0) max(cos(a - θ), 0)."""
    x, y = np.array([1.0, 0.0]), np.array([math.cos(angle), math.sin(angle)])
    product = lambda a: max(math.cos(a), 0) * max(math.cos(a - angle), 0)  # noqa: E731
    bends = sorted({math.pi / 2, (angle + math.pi / 2), (angle - math.pi / 2) % (2 * math.pi), 3 * math.pi / 2})
    mean = quad(product, 0, 2 * math.pi, points=bends, epsabs=1e-13)[0] / (2 * math.pi)
    assert arc_cosine(3 * x, 2 * y) == pytest.approx(6 * 2 * mean, abs=1e-12)
    assert arc_cosine(x, x) == pytest.approx(1 / 2) and arc_cosine(x, -x) == pytest.approx(0, abs=1e-12)


GROUPS, OFF = 20, 5.0  # a median of means is more than 5 standard errors of a group off with a chance of 2e-9


@pytest.mark.parametrize("scheme", ["iid", "orthogonal"])
def test_the_mean_is_half_of_the_arc_cosine_kernel_in_every_direction(scheme):
    """24 comparisons. A product of two of N(0, |x|²) has a variance of at most 3 |x|²|y|²; blocks of 4 rows have means.

    The variance of a block's mean is at most that of one row, whatever their correlation.
    """
    assert binom.sf(GROUPS // 2 - 1, GROUPS, OFF**-2) < 2e-9
    d, n = 4, 40_000
    W = np.asarray(draw(Softmax(), n * d, d, scheme=scheme, rng=0))
    X = np.concatenate([np.ones((1, d)), -np.ones((1, d)), np.eye(d)[:2], numbers(4, d)])
    phi = relu(X, W).reshape(len(X), n, d) * math.sqrt(n * d)
    for i in range(len(X)):
        for j in range(max(0, i - 2), i + 1):
            values = (phi[i] * phi[j]).mean(axis=1).reshape(GROUPS, -1).mean(axis=1)
            size = np.linalg.norm(X[i]) * np.linalg.norm(X[j])
            bar = OFF * math.sqrt(3 / (n / GROUPS)) * size
            assert abs(np.median(values) - arc_cosine(X[i], X[j])) <= bar


# in attention


def test_features_that_are_positive_average_and_those_of_taylor_may_leave_the_range_of_the_values():
    q, k, v = numbers(50, 4, scale=1.5), numbers(50, 4, seed=1, scale=1.5), numbers(50, 2, seed=2)
    for phi in (elu_plus_one, lambda X: relu(X, draw(Softmax(), 64, 4, rng=0))):
        output = linear_attention(phi(q), phi(k), v)
        assert np.all(output >= v.min(axis=0) - 1e-12) and np.all(output <= v.max(axis=0) + 1e-12)
    output = linear_attention(taylor(q), taylor(k), v, is_causal=True)
    assert np.any(output > v.max(axis=0)) or np.any(output < v.min(axis=0))
    with pytest.raises(ValueError, match="The weights of a query must be of a sum other than 0"):
        linear_attention(relu([[-1.0]]), relu([[1.0]]), [[1.0]])


# refusals

X, BAD = numbers(4, 3), np.array([[1.0, np.nan, 2.0]])


def sparse(A):
    from scipy.sparse import csr_array

    return csr_array(A)


REFUSED = {
    "B2-01": (lambda f: f(BAD), ValueError, "X must be finite"),
    "B2-07": (lambda f: f(X[:0]), ValueError, "X must be non-empty"),
    "B2-10": (lambda f: f(X[0]), ValueError, "X must be an array of shape"),
    "B2-18": (lambda f: f(X + 1j), ValueError, "X must be real"),
    "B2-33": (lambda f: f(sparse(X)), TypeError, "X must be dense .* X.toarray"),
}


@each_map
@pytest.mark.parametrize("case", REFUSED)
def test_bad_data_are_refused_in_one_sentence(case, phi):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call(phi)


HALF_GRID = draw(Softmax(), 400, 3, scheme="gauss_hermite")
REFUSED_ROWS = {
    "nan-rows": (lambda: relu(X, ROWS * np.nan), "W must be finite"),
    "B2-21": (lambda: relu(X[:, :2], ROWS), "X and W must be equal in their number of features"),
    "B2-04": (lambda: relu(1e200 * X, 1e200 * ROWS), r"φ\(X\) must be within the range of its dtype .*Scale the data"),
    "half-grid": (lambda: relu(X, HALF_GRID), "W must be a whole sample; .*'gauss_hermite' keeps. Use hyperbolic"),
}


@pytest.mark.parametrize("case", REFUSED_ROWS)
def test_rows_that_do_not_fit_are_refused(case):
    call, message = REFUSED_ROWS[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_features_beyond_float16_are_refused():
    torch = pytest.importorskip("torch")
    X = torch.full((1, 3), 6e4, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"φ\(X\) must be within the range of its dtype \(up to 6.55e\+04\)"):
        relu(X, 10 * np.ones((1, 3)))


def test_features_that_do_not_fit_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(arrays.os, "sysconf", lambda key: 30)
    with pytest.raises(ValueError, match=r"features must be small enough .* Transform X in blocks of rows"):
        relu(np.zeros((100, 3)), ROWS)


def test_they_are_no_estimates_with_an_exact_error():
    assert not {"elu_plus_one", "relu", "taylor"} & set(features.MAPS)
