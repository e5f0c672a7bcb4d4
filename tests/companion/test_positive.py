"""Positive features against their formula, their mean in every direction, and their exact errors against integrals."""

import math

import numpy as np
import pytest
from samples import normal as numbers
from scipy.integrate import quad
from scipy.special import roots_gegenbauer
from scipy.stats import binom, chi2, norm

from companion import features
from companion._core import arrays
from companion.features import hyperbolic, positive, standard_error
from companion.features.errors import block_covariance
from companion.features.positive import log_hyperbolic, log_positive
from companion.frequencies import Frequencies, draw
from companion.kernels import Gaussian, Softmax

MAPS = {"positive": positive, "hyperbolic": hyperbolic}
SHAPES = [(1, 1, 1), (128, 3, 7), (129, 64, 33), (2, 3, 20_000)]
each_map = pytest.mark.parametrize("name", MAPS)
each_shape = pytest.mark.parametrize(("n", "d", "m"), SHAPES, ids=lambda value: str(value))


def formula(name, X, W, weights=None):
    """φ, one number after the other: exp(⟨w_j, x⟩ - |x|²/2) times the root of the row's weight."""
    weights = np.full(len(W), 1 / len(W)) if weights is None else weights
    signs = [1] if name == "positive" else [1, -1]
    rows = [(s * w, math.sqrt(weight / len(signs))) for s in signs for w, weight in zip(W, weights, strict=True)]
    return np.array([[a * math.exp(float(w @ x) - float(x @ x) / 2) for w, a in rows] for x in X])


# maps against their formula


@each_map
@each_shape
def test_features_are_those_of_a_plain_loop(name, n, d, m, xp, dtype):
    X, W = numbers(n, d, scale=0.5).astype(dtype), numbers(m, d, seed=1).astype(dtype)
    phi = MAPS[name](xp(X, dtype), xp(W, dtype))
    logs = MAPS[name](xp(X, dtype), xp(W, dtype), log=True)
    expected = formula(name, X.astype(float), W.astype(float))
    assert str(phi.dtype).endswith(dtype) and str(logs.dtype).endswith(dtype)
    # each of d + 2 sums is rounded by at most eps of Σ |w_i x_i| + |x|²/2 + |log amplitude| (Higham 2002, eq. 3.5)
    terms = np.abs(X) @ np.abs(W).T + np.sum(X**2, axis=1)[:, None] / 2 + math.log(2 * m)
    bound = (d + 4) * float(np.finfo(dtype).eps) * np.tile(terms, features.COLUMNS[name])
    assert np.all(np.abs(xp.numpy(logs) - np.log(expected)) <= bound)
    assert np.all(np.abs(xp.numpy(phi) / expected - 1) <= 2 * bound)


@each_map
def test_the_logarithm_is_that_of_the_features_and_finite_where_they_are_not(name, xp, dtype, close):
    X, W = numbers(5, 3).astype(dtype), numbers(4, 3, seed=1)
    close(np.exp(xp.numpy(MAPS[name](xp(X), W, log=True))), xp.numpy(MAPS[name](xp(X), W)))
    far = np.concatenate([300 * X[:1], 100 * W[:1].astype(dtype)])
    for x, rows in ((far, W), (X, 1000 * W)):
        logs = xp.numpy(MAPS[name](xp(x.astype(dtype)), rows, log=True))
        assert np.all(np.isfinite(logs)) and np.abs(logs).max() > 709
        with pytest.raises(ValueError, match=r"φ\(X\) must be within the range of its dtype .*Use log=True"):
            MAPS[name](xp(x.astype(dtype)), rows)


KINDS = [(name, scheme) for name in MAPS for scheme in ("iid", "orthogonal", "fastfood", "sobol")]


@pytest.mark.parametrize(("name", "scheme"), [*KINDS, ("hyperbolic", "gauss_hermite")])
def test_frequencies_of_every_kind_are_taken_with_their_weights(name, scheme, xp, dtype, close, monkeypatch):
    monkeypatch.setattr("companion.frequencies.structured.FASTFOOD_COST", 0)
    X, W = numbers(6, 2, scale=0.5).astype(dtype), draw(Softmax(), 12, 2, scheme=scheme, rng=0)
    expected = formula(name, X.astype(float), np.asarray(W), W.weights)
    close(xp.numpy(MAPS[name](xp(X), W)), expected)
    close(xp.numpy(MAPS[name](xp(X), W.to(xp(X)))), expected)
    close(np.exp(xp.numpy(MAPS[name](xp(X), W, log=True))), expected)


def test_half_a_grid_is_completed_by_pairs_and_refused_by_positive_features():
    X, W = numbers(6, 2, scale=0.5), draw(Softmax(), 400, 2, scheme="gauss_hermite")
    phi = hyperbolic(X, W)
    np.testing.assert_allclose(phi @ phi.T, Softmax()(X), rtol=1e-9)
    half = positive(X, Frequencies(W.rows, "by hand", False, W.weights))
    assert np.abs(half @ half.T / Softmax()(X) - 1).max() > 0.5  # what is refused
    for rows in (W, W.to(X)):
        with pytest.raises(ValueError, match="W must be a whole sample; .*'gauss_hermite' keeps. Use hyperbolic"):
            positive(X, rows)


def test_the_two_halves_of_a_pair_are_the_features_of_w_and_of_minus_w_and_odd_parts_cancel(dtype):
    X, W = numbers(7, 3, scale=0.5).astype(dtype), numbers(5, 3, seed=1).astype(dtype)
    pair = hyperbolic(X, W)
    np.testing.assert_array_equal(hyperbolic(X, -W), np.roll(pair, 5, axis=1))
    np.testing.assert_array_equal(hyperbolic(-X, W), np.roll(pair, 5, axis=1))
    halves = np.concatenate([positive(X, W), positive(X, -W)], axis=1) / math.sqrt(2)
    np.testing.assert_allclose(pair, halves, rtol=20 * np.finfo(dtype).eps)
    X, W = X.astype(float), W.astype(float)
    even = [[np.mean(np.cosh(W @ (x + y))) * np.exp(-(x @ x + y @ y) / 2) for y in X] for x in X]
    np.testing.assert_allclose(hyperbolic(X, W) @ hyperbolic(X, W).T, even, rtol=1e-13)


@each_map
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(name, half):
    torch = pytest.importorskip("torch")
    X, W = torch.from_numpy(numbers(5, 64, scale=0.2)).to(getattr(torch, half)), numbers(8, 64, seed=1)
    for log in (False, True):
        phi = MAPS[name](X, W, log=log)
        assert phi.dtype == X.dtype
        assert torch.equal(phi, MAPS[name](X.float(), W, log=log).to(X.dtype))
    if half == "float16":
        with pytest.raises(ValueError, match=r"log φ\(X\) must be within the range of its dtype \(up to 6.55e\+04\)"):
            MAPS[name](300 * X, W, log=True)


@each_map
@pytest.mark.parametrize("log", [False, True], ids=["plain", "log"])
def test_a_batch_is_the_loop_over_its_slices_and_gradients_pass(name, log):
    torch = pytest.importorskip("torch")
    X, W = torch.from_numpy(numbers(2, 3, 5, 4, scale=0.5)), torch.from_numpy(numbers(6, 4, seed=1))
    phi = MAPS[name](X, W, log=log)
    loop = torch.stack([torch.stack([MAPS[name](x, W, log=log) for x in head]) for head in X])
    torch.testing.assert_close(phi, loop, rtol=0, atol=1e-13)
    X, W = X[0].clone().requires_grad_(), W.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: MAPS[name](x, w, log=log), (X, W))
    weighted = Frequencies(W.detach().numpy(), "by hand", False, np.arange(1, 7) / 21)
    assert torch.autograd.gradcheck(lambda x: MAPS[name](x, weighted, log=log), (X,))


@pytest.mark.parametrize("core", [log_positive, log_hyperbolic])
@pytest.mark.filterwarnings("ignore:Dynamo detected", "ignore::DeprecationWarning")
def test_cores_compile_without_a_break_and_vectorise(core):
    torch = pytest.importorskip("torch")
    X, W = torch.from_numpy(numbers(3, 5, 4)), torch.from_numpy(numbers(7, 4, seed=1))
    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(core, backend="aot_eager", fullgraph=True)(X, W, 0.5), core(X, W, 0.5))
    torch.testing.assert_close(torch.func.vmap(core, in_dims=(0, None, None))(X, W, 0.5), core(X, W, 0.5))


def test_exponents_whose_terms_cancel_keep_their_digits_in_float32(xp):
    x, near = np.float32([[4000.0, 1.0]]), np.float32([[2000.0 + 2.0**-12, 2.0]])
    exact = float(near[0].astype(float) @ x[0].astype(float) - np.sum(x.astype(float) ** 2) / 2)
    got = xp.numpy(positive(xp(x), xp(near)))
    assert got.dtype == np.float32 and got.item() == pytest.approx(math.exp(exact), rel=1e-6)
    plain = np.exp(log_positive(x, near, 0.0)).item()
    assert abs(plain / math.exp(exact) - 1) > 1e-3


# no bias


def directions(d):
    """The diagonal, where rows from a QR decomposition without its signs are wrong, its opposite, axes, and others."""
    others = numbers(8, d, seed=5)
    V = np.concatenate([np.ones((1, d)), -np.ones((1, d)), np.eye(d)[:1], -np.eye(d)[-1:], others])
    return V / np.linalg.norm(V, axis=1)[:, None]


GROUPS, OFF = 20, 5.0  # a group's mean is more than 5 standard errors off with a chance of at most 1/25 (Chebyshev)


def median_of_means(values):
    """The median of the means of 20 groups.

    It is off by more than 5 standard errors of a group only if 10 groups are, whatever the tails: a chance of 2e-9.
    """
    return np.median(values.reshape(GROUPS, -1).mean(axis=1))


def bar(deviation, n):
    """How far off the median of means is of n values with such a standard deviation, but for a chance of 2e-9."""
    return OFF * deviation / math.sqrt(n / GROUPS)


def test_the_rate_of_false_alarms_is_that_of_the_text():
    assert binom.sf(GROUPS // 2 - 1, GROUPS, OFF**-2) < 2e-9


def blocks(d, n, corrected=True):
    """n blocks of d rows with the scheme, or with the directions of a QR decomposition as LAPACK leaves its signs."""
    if corrected:
        return np.asarray(draw(Softmax(), n * d, d, scheme="orthogonal", rng=0)).reshape(n, d, d)
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((n, d, d)))[0].transpose(0, 2, 1)
    return Q * np.sqrt(rng.chisquare(d, (n, d, 1)))


def biases(name, d, W, **options):
    """For each direction v: the bias of the estimate at x = y = v/2 over its bar, (relative bias, bar)."""
    n, X, rows = len(W), directions(d) / 2, {"n_frequencies": d, "scheme": "orthogonal"}
    phi = features.MAPS[name](X, W.reshape(n * d, d), **options).reshape(len(X), features.COLUMNS[name], n, d)
    estimates = (phi**2).sum(axis=(1, 3)) * n / Softmax().diag(X)[:, None]  # one for each block
    error = [standard_error(Softmax(), x[None], feature_map=name, **rows, **options) for x in X]
    deviation = np.ravel(error) / Softmax().diag(X)
    return np.array([median_of_means(e) - 1 for e in estimates]), bar(deviation, n)


@pytest.mark.parametrize(("d", "n"), [(4, 10_000), (16, 10_000), (64, 3000)])
def test_orthogonal_rows_are_unbiased_in_every_direction_where_uncorrected_ones_are_not(d, n):
    """At z² = |x + y|² = 1; 72 comparisons, each with a rate of false alarms of 2e-9."""
    W = blocks(d, n)
    for name in MAPS:
        bias, allowed = biases(name, d, W)
        assert np.all(np.abs(bias) <= allowed), (name, bias / allowed)
    bias, allowed = biases("positive", d, blocks(d, n, corrected=False))
    assert bias[0] < -allowed[0]  # along the diagonal; the even estimate of pairs does not see the signs


# exact errors


def relative_error(z2, name, scheme="iid", m=1, d=3, scale=1.0):
    """√(v/m) at two samples with |x + y|² = z2 (times scale), neither along the other."""
    x, y = np.zeros((1, d)), np.zeros((1, d))
    x[0, 0], y[0, 0] = np.array([1.3, -0.3]) * math.sqrt(z2 / scale)
    if d > 1:
        x[0, -1], y[0, -1] = 0.4, -0.4
    kernel = Softmax(scale)
    return (standard_error(kernel, x, y, n_frequencies=m, scheme=scheme, feature_map=name) / kernel(x, y)).item()


def over_a_row(z2, name):
    """The variance of e^{tz - z²/2}, or of its even part in t, over the law N(0, 1) of t = ⟨w, z⟩ / |z|."""
    z = math.sqrt(z2)
    g = {"positive": lambda t: np.exp(t * z - z2 / 2), "hyperbolic": lambda t: np.cosh(t * z) * np.exp(-z2 / 2)}[name]
    return quad(lambda t: (g(t) - 1) ** 2 * norm.pdf(t), -12 - 2 * z, 12 + 2 * z, limit=400, epsabs=0)[0]


def over_two_rows(z2, d):
    """c + 1 = E exp(r ⟨u, z⟩ - z²), where r u = w_1 + w_2: r² is chi²(2d), and cos θ = ⟨u, z⟩ / |z| a direction's."""
    if d == 2:  # cos θ of a uniform angle
        cosine, weight = np.cos(np.pi * (np.arange(200) + 0.5) / 200), np.full(200, 1 / 200)
    else:
        cosine, weight = roots_gegenbauer(200, d / 2 - 1)  # density (1 - cos²θ)^((d - 3)/2)
        weight = weight / weight.sum()
    z, high = math.sqrt(z2), chi2.isf(1e-16, 2 * d) + 60 * z2
    mean = lambda s: weight @ np.exp(math.sqrt(s) * z * cosine - z2)  # noqa: E731
    return quad(lambda s: mean(s) * chi2.pdf(s, 2 * d), 0, high, limit=1000, epsabs=0, epsrel=1e-11)[0]


@each_map
@pytest.mark.parametrize("z2", [1e-3, 0.3, 1.0, 4.0, 9.0])
def test_the_error_of_one_row_is_the_spread_over_its_law(name, z2):
    for scale in (1.0, 0.125, 7.0):
        assert relative_error(z2, name, scale=scale) ** 2 == pytest.approx(over_a_row(z2, name), rel=1e-7)


@pytest.mark.parametrize("d", [2, 3, 4, 16, 64])
@pytest.mark.parametrize("z2", [0.3, 1.0, 4.0, 16.0])
def test_the_covariance_of_two_rows_of_a_block_is_its_integral(z2, d):
    assert block_covariance(z2, d) == pytest.approx(over_two_rows(z2, d) - 1, rel=1e-7, abs=1e-11)


@each_map
@pytest.mark.parametrize("d", [1, 2, 3, 16])
@pytest.mark.parametrize("z2", [0.3, 1.0, 4.0])
def test_the_error_of_orthogonal_rows_counts_the_pairs_within_blocks(name, z2, d):
    rest = d // 2 + 1
    sizes = [d, d, rest]
    m, c = sum(sizes), over_two_rows(z2, d) - 1 if d > 1 else 0.0
    expected = sum(b * over_a_row(z2, name) + b * (b - 1) * c for b in sizes) / m**2
    got = relative_error(z2, name, "orthogonal", m, d, scale=2.0)
    assert got**2 == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("d", [2, 3])
@each_map
def test_drawn_blocks_have_the_covariance(name, d):
    """The first two rows of 200,000 blocks; E g_1² g_2² is the integral at 2z, and an even part's is smaller."""
    n, z2 = 200_000, 2.0
    W = np.asarray(draw(Softmax(), n * d, d, scheme="orthogonal", rng=1)).reshape(n, d, d)[:, :2]
    t = W @ directions(d)[-1] * math.sqrt(z2)
    g = (np.exp(t) if name == "positive" else np.cosh(t)) * np.exp(-z2 / 2)
    c = block_covariance(z2, d)
    square = over_two_rows(4 * z2, d) * np.exp(4 * z2 - 2 * z2)
    allowed = bar(math.sqrt(square - (1 + c) ** 2), n)
    assert abs(median_of_means(g[:, 0] * g[:, 1]) - 1 - c) <= allowed < abs(c) / 1.5  # so that c = 0 would be seen


@each_map
@pytest.mark.parametrize("scheme", ["iid", "orthogonal"])
def test_drawn_estimates_have_the_error(name, scheme):
    """Of 200,000 estimates ḡ from d = 4 rows at z² = 1/4. Their fourth moment is at most that of g - 1 (Jensen), which
    is in turn at most that of a positive feature, since an even part is a mean of two of them."""
    n, d, z2 = 200_000, 4, 0.25
    if scheme == "orthogonal":
        W = np.asarray(draw(Softmax(), n * d, d, scheme=scheme, rng=2))
    else:
        W = numbers(n * d, d, seed=2)
    t = (W @ directions(d)[-1]).reshape(n, d) * math.sqrt(z2)
    g = np.exp(t - z2 / 2) if name == "positive" else np.cosh(t) * np.exp(-z2 / 2)
    one, two, three, four = (np.exp(p * (p - 1) * z2 / 2) for p in (1, 2, 3, 4))  # E g^p of positive features
    fourth = four - 4 * three + 6 * two - 4 * one + 1
    v = relative_error(z2, name, scheme, d, d) ** 2
    assert abs(median_of_means((g.mean(axis=1) - 1) ** 2) - v) <= bar(math.sqrt(fourth), n)


def test_the_error_is_exact_far_out_and_zero_where_it_is():
    X = 17 * directions(4)[[0, 2]]  # exp(z²) overflows, the errors do not
    for name in MAPS:
        error = standard_error(Softmax(), X[:1], X[1:], n_frequencies=4, feature_map=name).item()
        z2, xy = float(np.sum((X[0] + X[1]) ** 2)), float(X[0] @ X[1])
        half = {"positive": 0.0, "hyperbolic": math.log(2) / 2}[name]
        assert math.log(error) == pytest.approx(xy + z2 / 2 - math.log(4) / 2 - half, rel=1e-12)
        assert standard_error(Softmax(), X, -X, n_frequencies=4, feature_map=name).diagonal().max() == 0
        for scheme in ("iid", "orthogonal"):
            near = standard_error(Softmax(), [[0.0, 0.0]], n_frequencies=4, scheme=scheme, feature_map=name)
            assert near.item() == 0


@each_map
def test_features_needed_are_enough_and_fewer_are_not(name):
    X, columns = numbers(5, 3, scale=0.5), features.COLUMNS[name]
    D = features.features_needed(Softmax(0.5), 0.03, X=X, feature_map=name)
    m = D // columns
    errors = [standard_error(Softmax(0.5), X, n_frequencies=k, feature_map=name).max() for k in (m, m - 1)]
    assert D == m * columns and errors[0] <= 0.03 < errors[1]


# refusals

X, W = numbers(4, 3), numbers(5, 3, seed=1)
NO_WEIGHT = Frequencies(W, "by hand", False, [0.5, 0.5, 0.0, 0.0, 0.0])


def error(kernel, **options):
    return standard_error(kernel, X, n_frequencies=2, **options)


def sparse(A):
    from scipy.sparse import csr_array

    return csr_array(A)


BAD = {
    "B2-01": (lambda f: f(X * [np.nan, 1, 1], W), ValueError, "X must be finite"),
    "nan-rows": (lambda f: f(X, W * np.nan), ValueError, "W must be finite"),
    "B2-10": (lambda f: f(X[0], W), ValueError, "X must be an array of shape"),
    "B2-21": (lambda f: f(X[:, :2], W), ValueError, "X and W must be equal in their number of features"),
    "B2-33": (lambda f: f(sparse(X), W), TypeError, "X must be dense .* X.toarray"),
    "B2-04": (lambda f: f(1e8 * X, W), ValueError, "X must be so small that its exponents keep their .* Scale X"),
    "B2-04-log": (lambda f: f(1e200 * X, W, log=True), ValueError, "X must be so small that its exponents"),
    "B2-04-float32": (lambda f: f(np.float32(1e30) * X.astype("f4"), W), ValueError, "X must be so small that"),
    "overflow": (lambda f: f(X, 1e4 * W), ValueError, r"φ\(X\) must be within .*; got an overflow, or .* Use log=True"),
    "underflow": (lambda f: f(100 * X, W), ValueError, r"φ\(X\) must be within .* all underflow. Use log=True"),
    "no-weight": (lambda f: f(X, NO_WEIGHT, log=True), ValueError, "W must be without weights of 0 where log=True"),
}  # fmt: skip
NO_ERROR = {
    "softmax-by-cosines": (lambda: error(Softmax()), "stationary kernel; got Softmax.* Use feature_map='positive'"),
    "gaussian": (lambda: error(Gaussian(), feature_map="positive"), "'positive' is for kernels.Softmax; got Gaussian"),
    "too-far": (lambda: standard_error(Softmax(), 30 * X, n_frequencies=2, feature_map="positive"),
        "The standard error must be within the range of its dtype .* Scale the data"),
    "no-samples": (lambda: features.features_needed(Softmax(), 0.1, feature_map="positive"), "X must be given"),
    "too-many": (lambda: features.features_needed(Softmax(), 0.1, X=5 * X, feature_map="positive"),
        "error must be at least 1e-9 of the error of one frequency"),
}  # fmt: skip


@each_map
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_sentence(case, name):
    call, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        call(MAPS[name])


@pytest.mark.parametrize("case", NO_ERROR)
def test_errors_that_are_not_known_are_refused(case):
    call, message = NO_ERROR[case]
    with pytest.raises(ValueError, match=message):
        call()


@each_map
def test_rows_of_weight_zero_are_features_of_zero(name):
    np.testing.assert_allclose(MAPS[name](X, NO_WEIGHT), formula(name, X, W, NO_WEIGHT.weights), rtol=1e-13)


@each_map
def test_features_that_do_not_fit_are_refused_before_they_are_made(name, monkeypatch):
    monkeypatch.setattr(arrays.os, "sysconf", lambda key: 30)
    with pytest.raises(ValueError, match=r"features must be small enough .* Transform X in blocks of rows"):
        MAPS[name](np.zeros((100, 3)), W)
