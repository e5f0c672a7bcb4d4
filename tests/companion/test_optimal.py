"""Optimal positive features against their formula, their mean, their exact errors against integrals, and the best A."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from samples import normal as numbers
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import norm
from test_positive import bar, biases, blocks, directions, median_of_means, over_two_rows

from companion import features
from companion.attention import linear_attention, performer_attention, performer_attention_step
from companion.features import hyperbolic, mean_square, optimal_hyperbolic, optimal_positive, positive, standard_error
from companion.features.errors import block_covariance
from companion.features.optimal import TILTS, log_second_moment
from companion.features.positive import tilted
from companion.frequencies import Frequencies, draw
from companion.kernels import Softmax

MAPS = {"optimal_positive": optimal_positive, "optimal_hyperbolic": optimal_hyperbolic}
PLAIN = {"optimal_positive": positive, "optimal_hyperbolic": hyperbolic}
each_map = pytest.mark.parametrize("name", MAPS)
GRID = [(d, q) for d in (1, 2, 3, 16, 64) for q in (1e-4, 0.1, 1.0, 2.0, 4.0, 20.0)]


def gaussian(power, A, d, z2):
    """E T^power of single exponentials, T = (1-4A)^{d/2} e^{2A|w|² + √(1-4A) ⟨w, z⟩ - z²/2}: a Gaussian integral."""
    a, b2 = 2 * power * A, power**2 * (1 - 4 * A) * z2
    constant = (1 - 4 * A) ** (power * d / 2) * (1 - 2 * a) ** (-d / 2)
    return constant * math.exp(b2 / (2 - 4 * a) - power * z2 / 2)


def over_a_row(name, A, d, z2):
    """log E T² over the law of a row: an integral along z, and d - 1 across it, by sums over 4,001 equal steps.

    They are exact to rounding for such exponentials: the Gaussian is narrow beside the ends and wide beside a step.
    """
    spread, both = math.sqrt(1 - 8 * A), name == "optimal_hyperbolic"
    shift = math.sqrt(1 - 4 * A) * math.sqrt(z2)
    t = np.linspace(-1, 1, 4001) * (14 + 2 * shift / spread) / spread  # ⟨w, z⟩ / |z|
    one = math.log(t[1] - t[0]) + math.log(1 - 4 * A) + 4 * A * t**2 + norm.logpdf(t)
    g = np.logaddexp(shift * t, -shift * t) - math.log(2) if both else shift * t
    return logsumexp(one + 2 * g) - z2 + (d - 1) * logsumexp(one)


def paper(q, d):
    """A = (1 - 1/ρ)/8 of Likhosherstov et al. (2022)."""
    rho = (math.sqrt((2 * q + d) ** 2 + 8 * d * q) - 2 * q - d) / (4 * q)
    return (1 - 1 / rho) / 8


def formula(name, X, W, A, weights=None):
    """φ, one number after the other."""
    weights = np.full(len(W), 1 / len(W)) if weights is None else weights
    signs = [1] if name == "optimal_positive" else [1, -1]
    B, d = math.sqrt(1 - 4 * A), W.shape[1]
    rows = [(s * w, math.sqrt(weight / len(signs))) for s in signs for w, weight in zip(W, weights, strict=True)]
    exponent = lambda w, x: A * (w @ w) + B * (w @ x) - x @ x / 2 + d / 4 * math.log(1 - 4 * A)  # noqa: E731
    return np.array([[a * math.exp(exponent(w, x)) for w, a in rows] for x in X])


# the best A


@pytest.mark.parametrize(("d", "q"), GRID)
def test_a_is_that_of_the_paper_and_has_the_least_second_moment(d, q):
    assert TILTS["optimal_positive"](q, d) == pytest.approx(paper(q, d), rel=1e-8)
    for name, best in TILTS.items():
        A = best(q, d)
        log_s = lambda t, name=name: over_a_row(name, -math.exp(t), d, q)  # noqa: E731
        if q >= 0.1:  # the minimum is flat: of log s rounding hides more than A's digits
            found = minimize_scalar(log_s, bounds=(math.log(-A) - 0.5, math.log(-A) + 0.5), method="bounded")
            assert found.x == pytest.approx(math.log(-A), abs=0.01)
        assert log_s(math.log(-A)) <= min(log_s(math.log(-A) + step) for step in (-0.3, 0.3)) + 1e-10


@each_map
@pytest.mark.parametrize(("d", "q"), GRID)
def test_the_second_moment_is_its_integral_for_any_a(name, d, q):
    for A in (TILTS[name](q, d), -0.3 / d, 0.1 / d):
        got = float(log_second_moment(np.asarray(q), A, d, name == "optimal_hyperbolic"))
        assert got == pytest.approx(over_a_row(name, A, d, q), rel=1e-8, abs=1e-12 * d)
        if name == "optimal_positive":
            assert got == pytest.approx(math.log(gaussian(2, A, d, q)), rel=1e-9, abs=1e-13)


def test_a_second_moment_next_to_1_keeps_its_digits():
    """With 50 digits: s - 1 is 5e-15 at z² = 1e-7, where 1 + 5e-15 in float64 has one digit of it."""
    d, z2, A = 16, Decimal(1) / 10**7, Decimal(TILTS["optimal_hyperbolic"](1e-7, 16))
    with localcontext(prec=50):
        u = 1 - 8 * A
        s = ((1 - 4 * A) / u.sqrt()) ** d * (-z2).exp() * (((1 + 1 / u) * z2).exp() + 1) / 2
    got = float(log_second_moment(np.asarray(1e-7), float(A), d, pairs=True))
    assert got == pytest.approx(float(s.ln()), rel=1e-6) and 1e-15 < got < 1e-14


@each_map
@pytest.mark.parametrize("d", [1, 2, 16, 64])
def test_the_variance_is_never_above_that_of_plain_features_and_at_zero_it_is(name, d):
    plain = name.removeprefix("optimal_")
    for q in (1e-6, 0.01, 0.5, 1.0, 2.0, 4.0, 16.0):
        x = np.zeros((1, d))
        x[0, -1] = math.sqrt(q) / 2
        for scheme in ("iid", "orthogonal"):
            how = {"n_frequencies": 2 * d, "scheme": scheme}
            ours = standard_error(Softmax(), x, feature_map=name, second_moment=q, **how).item()
            theirs = standard_error(Softmax(), x, feature_map=plain, **how).item()
            assert ours <= theirs * (1 + 1e-9)
        same = standard_error(Softmax(), x, feature_map=name, second_moment=0, n_frequencies=3)
        assert same == standard_error(Softmax(), x, feature_map=plain, n_frequencies=3)
    zero = standard_error(Softmax(), 0 * x, feature_map=name, second_moment=1.0, n_frequencies=1).item()
    A = TILTS[name](1.0, d)
    assert zero == pytest.approx(math.sqrt(gaussian(2, A, d, 0) - 1), rel=1e-9)  # what is paid at z = 0


# maps against their formula


@each_map
@pytest.mark.parametrize(("n", "d", "m"), [(1, 1, 1), (128, 3, 7), (40, 64, 33)], ids=str)
def test_features_are_those_of_a_plain_loop(name, n, d, m, xp, dtype):
    X, W = numbers(n, d, scale=0.5).astype(dtype), numbers(m, d, seed=1).astype(dtype)
    q = mean_square(X)
    phi = MAPS[name](xp(X, dtype), xp(W, dtype), second_moment=q)
    logs = MAPS[name](xp(X, dtype), xp(W, dtype), second_moment=q, log=True)
    A = TILTS[name](q, d)
    expected = formula(name, X.astype(float), W.astype(float), A)
    assert str(phi.dtype).endswith(dtype) and str(logs.dtype).endswith(dtype)
    # each of 2d + 4 operations rounds by at most eps of the sum of all terms in size (Higham 2002, eq. 3.5)
    terms = 2 * math.sqrt(1 - 4 * A) * np.abs(X) @ np.abs(W).T + np.sum(X**2, axis=1)[:, None] / 2
    terms = terms + abs(A) * np.sum(W**2, axis=1) + d * math.log1p(-4 * A) / 4 + math.log(2 * m)
    bound = (d + 6) * float(np.finfo(dtype).eps) * np.tile(terms, features.COLUMNS[name])
    assert np.all(np.abs(xp.numpy(logs) - np.log(expected)) <= bound)
    assert np.all(np.abs(xp.numpy(phi) / expected - 1) <= 2 * bound)


@each_map
def test_without_a_second_moment_they_are_plain_features(name, xp, dtype):
    X, W = numbers(5, 3).astype(dtype), numbers(4, 3, seed=1)
    for log in (False, True):
        got = MAPS[name](xp(X), W, second_moment=0.0, log=log)
        np.testing.assert_array_equal(xp.numpy(got), xp.numpy(PLAIN[name](xp(X), W, log=log)))


@each_map
def test_logarithms_are_finite_where_features_are_not(name, xp, dtype):
    X, W = 300 * numbers(2, 3).astype(dtype), numbers(4, 3, seed=1)
    logs = xp.numpy(MAPS[name](xp(X), W, second_moment=2.0, log=True))
    assert np.all(np.isfinite(logs)) and np.abs(logs).max() > 709
    with pytest.raises(ValueError, match=r"φ\(X\) must be within the range of its dtype .*Use log=True"):
        MAPS[name](xp(X), W, second_moment=2.0)


KINDS = [(name, scheme) for name in MAPS for scheme in ("iid", "orthogonal", "fastfood", "sobol")]


@pytest.mark.parametrize(("name", "scheme"), [*KINDS, ("optimal_hyperbolic", "gauss_hermite")])
def test_frequencies_of_every_kind_are_taken_with_their_weights(name, scheme, xp, dtype, close, monkeypatch):
    monkeypatch.setattr("companion.frequencies.structured.FASTFOOD_COST", 0)
    X, W = numbers(6, 2, scale=0.5).astype(dtype), draw(Softmax(), 12, 2, scheme=scheme, rng=0)
    expected = formula(name, X.astype(float), np.asarray(W), TILTS[name](1.5, 2), W.weights)
    for rows in (W, W.to(xp(X))):
        close(xp.numpy(MAPS[name](xp(X), rows, second_moment=1.5)), expected)
        close(np.exp(xp.numpy(MAPS[name](xp(X), rows, second_moment=1.5, log=True))), expected)


def test_a_grid_integrates_the_weights_too():
    X, W = numbers(6, 2, scale=0.5), draw(Softmax(), 400, 2, scheme="gauss_hermite")
    phi = optimal_hyperbolic(X, W, second_moment=mean_square(X))
    np.testing.assert_allclose(phi @ phi.T, Softmax()(X), rtol=1e-6)


@each_map
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(name, half):
    torch = pytest.importorskip("torch")
    X, W = torch.from_numpy(numbers(5, 64, scale=0.2)).to(getattr(torch, half)), numbers(8, 64, seed=1)
    for log in (False, True):
        phi = MAPS[name](X, W, second_moment=4.0, log=log)
        assert phi.dtype == X.dtype
        assert torch.equal(phi, MAPS[name](X.float(), W, second_moment=4.0, log=log).to(X.dtype))


@each_map
def test_gradients_pass_to_samples_and_rows_and_batches_are_loops(name):
    torch = pytest.importorskip("torch")
    X, W = torch.from_numpy(numbers(2, 5, 4, scale=0.5)), torch.from_numpy(numbers(6, 4, seed=1))
    phi = MAPS[name](X, W, second_moment=1.5)
    torch.testing.assert_close(phi[1], MAPS[name](X[1], W, second_moment=1.5), rtol=0, atol=1e-13)
    X, W = X[0].clone().requires_grad_(), W.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: MAPS[name](x, w, second_moment=1.5), (X, W))


@pytest.mark.filterwarnings("ignore:Dynamo detected", "ignore::DeprecationWarning")
def test_the_core_compiles_without_a_break():
    torch = pytest.importorskip("torch")
    W = torch.from_numpy(numbers(7, 4, seed=1))
    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(tilted, backend="aot_eager", fullgraph=True)(W, -0.1), tilted(W, -0.1))


def test_weights_of_long_rows_keep_their_digits_in_float32():
    """A |w|² is -13,000 and more: float32 would round it by 0.001."""
    x, W, q = np.float32([[1.0, 2.0]]), np.float32([[300.25, 301.5]]), 0.5
    got = optimal_positive(x, W, second_moment=q, log=True)
    exact = tilted(W.astype(float), TILTS["optimal_positive"](q, 2))[1].item()
    B = math.sqrt(1 - 4 * TILTS["optimal_positive"](q, 2))
    exact += B * float(W[0].astype(float) @ x[0].astype(float)) - 2.5
    assert abs(exact) > 8192 and got.dtype == np.float32 and got.item() == np.float32(exact)


@pytest.mark.parametrize("lead", [(), (2, 3)], ids=str)
def test_the_mean_square_is_the_mean_over_all_pairs(lead, xp):
    X, Y = numbers(*lead, 7, 4), numbers(*lead, 5, 4, seed=1) + 1
    pairs = np.sum((X[..., :, None, :] + Y[..., None, :, :]) ** 2, axis=-1)
    assert mean_square(xp(X), xp(Y)) == pytest.approx(pairs.mean(), rel=1e-12)
    assert mean_square(xp(X)) == pytest.approx(mean_square(X, X), rel=1e-12)


# no bias, and the error


@pytest.mark.parametrize(("d", "n"), [(4, 10_000), (16, 4000)])
@each_map
def test_orthogonal_rows_are_unbiased_in_every_direction(name, d, n):
    """At z² = 1, with A for 1 and for 3; 24 to 40 comparisons, each with a rate of false alarms of 2e-9."""
    W = blocks(d, n)
    for q in (1.0, 3.0):
        bias, allowed = biases(name, d, W, second_moment=q)
        assert np.all(np.abs(bias) <= allowed), (q, bias / allowed)


@each_map
@pytest.mark.parametrize("scheme", ["iid", "orthogonal"])
def test_drawn_estimates_have_the_error(name, scheme):
    """Of 200,000 estimates ḡ from d = 4 rows at z² = 1/4. Their fourth moment is at most that of g - 1 (Jensen), which
    is in turn at most that of single exponentials, since an even part is a mean of two of them."""
    n, d, z2, q = 200_000, 4, 0.25, 1.0
    A = TILTS[name](q, d)
    if scheme == "orthogonal":
        W = np.asarray(draw(Softmax(), n * d, d, scheme=scheme, rng=2))
    else:
        W = numbers(n * d, d, seed=2)
    rows, logs = tilted(W, A)
    t, weights = (rows @ directions(d)[-1]).reshape(n, d) * math.sqrt(z2), np.exp(2 * logs).reshape(n, d)
    g = (np.exp(t) if name == "optimal_positive" else np.cosh(t)) * np.exp(-z2 / 2) * weights
    one, two, three, four = (gaussian(p, A, d, z2) for p in (1, 2, 3, 4))
    fourth = four - 4 * three + 6 * two - 4 * one + 1
    v = relative_error(name, z2, q, d, scheme, d) ** 2
    assert one == pytest.approx(1, rel=1e-12)
    assert abs(median_of_means((g.mean(axis=1) - 1) ** 2) - v) <= bar(math.sqrt(fourth), n)


def relative_error(name, z2, q, d, scheme="iid", m=1, scale=1.0):
    """√(v/m) at two samples with |x + y|² = z2 (times scale), neither along the other."""
    x, y = np.zeros((1, d)), np.zeros((1, d))
    x[0, 0], y[0, 0] = np.array([1.3, -0.3]) * math.sqrt(z2 / scale)
    if d > 1:
        x[0, -1], y[0, -1] = 0.4, -0.4
    kernel = Softmax(scale)
    options = {"n_frequencies": m, "scheme": scheme, "feature_map": name, "second_moment": q}
    return (standard_error(kernel, x, y, **options) / kernel(x, y)).item()


@each_map
@pytest.mark.parametrize("d", [1, 3, 16])
@pytest.mark.parametrize("z2", [0.3, 1.0, 4.0, 9.0])
def test_the_error_is_that_of_the_integrals_also_away_from_the_mean(name, z2, d):
    for q in (z2, 2.0):
        v = math.expm1(over_a_row(name, TILTS[name](q, d), d, z2))
        for scale in (1.0, 7.0):
            assert relative_error(name, z2, q, d, scale=scale) ** 2 == pytest.approx(v, rel=1e-7)
        sizes = [d, d, d // 2 + 1]
        c = over_two_rows(z2, d) - 1 if d > 1 else 0.0
        expected = sum(b * v + b * (b - 1) * c for b in sizes) / sum(sizes) ** 2
        assert relative_error(name, z2, q, d, "orthogonal", sum(sizes)) ** 2 == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("d", [2, 3])
@each_map
def test_drawn_blocks_have_the_covariance_of_plain_features(name, d):
    """The first two rows of 200,000 blocks. E g_1² g_2² of single exponentials is the integral at another z."""
    n, z2 = 200_000, 2.0
    A = TILTS[name](z2, d)
    W = np.asarray(draw(Softmax(), n * d, d, scheme="orthogonal", rng=1)).reshape(n, d, d)[:, :2]
    rows, logs = tilted(W.reshape(-1, d), A)
    t, weights = (rows @ directions(d)[-1]).reshape(n, 2) * math.sqrt(z2), np.exp(2 * logs).reshape(n, 2)
    g = (np.exp(t) if name == "optimal_positive" else np.cosh(t)) * np.exp(-z2 / 2) * weights
    c, u = block_covariance(z2, d), 1 - 8 * A
    other = 4 * z2 * (1 - 4 * A) / u
    square = ((1 - 4 * A) ** 2 / u) ** d * over_two_rows(other, d) * math.exp(other - 2 * z2)
    allowed = bar(math.sqrt(square - (1 + c) ** 2), n)
    assert abs(median_of_means(g[:, 0] * g[:, 1]) - 1 - c) <= allowed < abs(c) / 1.5  # so that c = 0 would be seen


@each_map
def test_the_error_is_finite_far_out_and_features_needed_are_enough(name):
    X = 17 * directions(4)[[0, 2]]
    z2, A = float(np.sum((X[0] + X[1]) ** 2)), TILTS[name](800.0, 4)
    error = standard_error(Softmax(), X[:1], X[1:], n_frequencies=4, feature_map=name, second_moment=800.0).item()
    log_s = 4 * math.log((1 - 4 * A) / math.sqrt(1 - 8 * A)) + z2 / (1 - 8 * A)
    log_s -= math.log(2) * (name == "optimal_hyperbolic")
    assert math.log(error) == pytest.approx(float(X[0] @ X[1]) + log_s / 2 - math.log(4) / 2, rel=1e-6)
    X, how = numbers(5, 3, scale=0.5), {"feature_map": name, "second_moment": 1.5}
    D = features.features_needed(Softmax(0.5), 0.03, X=X, **how)
    m = D // features.COLUMNS[name]
    errors = [standard_error(Softmax(0.5), X, n_frequencies=k, **how).max() for k in (m, m - 1)]
    assert D == m * features.COLUMNS[name] and errors[0] <= 0.03 < errors[1]


@pytest.mark.parametrize(("d", "share"), [(16, 1 / 6), (64, 1 / 3)])
@pytest.mark.parametrize("z2", [0.5, 1.0, 2.0])
def test_pairs_in_orthogonal_blocks_have_a_fraction_of_the_square_error_of_orthogonal_positive_features(z2, d, share):
    x = np.zeros((1, d))
    x[0, 0] = math.sqrt(z2) / 2
    error = lambda name, m, **q: standard_error(  # noqa: E731
        Softmax(), x, n_frequencies=m, scheme="orthogonal", feature_map=name, **q
    ).item()
    assert (error("optimal_hyperbolic", 128, second_moment=z2) / error("positive", 256)) ** 2 <= share


# attention


@each_map
@pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])
def test_attention_takes_them_at_once_by_steps_and_as_tensors(name, is_causal):
    q, k, v = (numbers(2, 70, 4, seed=seed) for seed in range(3))
    weighted = Frequencies(numbers(5, 4, seed=4), "mine", False, [0.1, 0.2, 0.3, 0.4, 0.0])
    for W in (draw(Softmax(), 12, 4, rng=0), weighted):
        moment = mean_square(q / 4**0.25, k / 4**0.25)
        phi = [MAPS[name](x / 4**0.25, positive_weights(W), second_moment=moment, log=True) for x in (q, k)]
        expected = linear_attention(*phi, v, log=True, is_causal=is_causal)
        how = {"feature": name, "second_moment": moment}
        got = performer_attention(q, k, v, W, is_causal=is_causal, **how)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)
        if is_causal:
            first, state = performer_attention_step(None, q[:, :9], k[:, :9], v[:, :9], W, **how)
            rest, _ = performer_attention_step(state, q[:, 9:], k[:, 9:], v[:, 9:], W, **how)
            np.testing.assert_allclose(np.concatenate([first, rest], axis=1), expected, rtol=0, atol=1e-12)


def positive_weights(W):
    """W without its rows of weight 0, of which there are no logarithms."""
    if W.weights is None:
        return W
    kept = W.weights > 0
    return Frequencies(np.asarray(W)[kept], "mine", False, W.weights[kept])


@each_map
def test_gradients_of_attention_pass_to_tensors_and_rows(name):
    torch = pytest.importorskip("torch")
    q, k, v, W = (torch.from_numpy(numbers(6, 3, seed=seed, scale=0.7)).requires_grad_() for seed in range(4))
    how = {"feature": name, "second_moment": 2.0, "is_causal": True}
    assert torch.autograd.gradcheck(lambda *x: performer_attention(*x, W.detach(), **how), (q, k, v))
    assert torch.autograd.gradcheck(lambda w: performer_attention(q.detach(), k.detach(), v.detach(), w, **how), (W,))
    half = performer_attention(*(x.detach().bfloat16() for x in (q, k, v)), W.detach(), **how)
    assert half.dtype == torch.bfloat16


# refusals

X, W = numbers(4, 3), numbers(5, 3, seed=1)
SORF = draw(Softmax(), 4, 3, scheme="sorf", rng=0)
BAD = {
    "nan": (lambda f: f(X * [np.nan, 1, 1], W, second_moment=1.0), ValueError, "X must be finite"),
    "nan-rows": (lambda f: f(X, W * np.nan, second_moment=1.0), ValueError, "W must be finite"),
    "features": (lambda f: f(X[:, :2], W, second_moment=1.0), ValueError, "X and W must be equal in their number"),
    "large": (lambda f: f(1e8 * X, W, second_moment=1.0), ValueError, "X must be so small that its exponents keep"),
    "none": (lambda f: f(X, W, second_moment=None), ValueError, "second_moment must be a non-negative .*; got None. "
        "Take features.mean_square"),
    "negative": (lambda f: f(X, W, second_moment=-1.0), ValueError, "second_moment must be a non-negative finite"),
    "nan-moment": (lambda f: f(X, W, second_moment=math.nan), ValueError, "second_moment must be a non-negative"),
    "infinite": (lambda f: f(X, W, second_moment=math.inf), ValueError, "second_moment must be a non-negative"),
    "array": (lambda f: f(X, W, second_moment=np.ones(3)), ValueError, r"second_moment must be .* got shape \(3,\)"),
    "huge": (lambda f: f(X, W, second_moment=1e10), ValueError, r"second_moment must be at most 1e\+09"),
    "sorf": (lambda f: f(X, SORF, second_moment=1.0), ValueError, "W must be of rows with the lengths of Gaussian"),
    "weights": (lambda f: f(X, W, second_moment=1e9), ValueError, r"φ\(X\) must be within .* Use log=True"),
}  # fmt: skip
how = {"n_frequencies": 2}
OTHERS = {
    "missing": (lambda: standard_error(Softmax(), X, feature_map="optimal_positive", **how), "second_moment must be a"),
    "unneeded": (lambda: standard_error(Softmax(), X, feature_map="positive", second_moment=1.0, **how),
        "second_moment must be left out for 'positive'; got 1.0. Use feature 'optimal_positive'"),
    "cosines": (lambda: standard_error(Softmax(), X, feature_map="optimal_positive", second_moment=-2, **how),
        "second_moment must be a non-negative"),
    "attention": (lambda: performer_attention(X, X, X, W, second_moment=1.0), "second_moment must be left out for"),
    "attention-missing": (lambda: performer_attention(X, X, X, W, feature="optimal_positive"), "second_moment must"),
    "attention-sorf": (lambda: performer_attention(X, X, X, SORF, feature="optimal_positive", second_moment=1.0),
        "W must be of rows with the lengths"),
    "half-grid": (lambda: optimal_positive(X[:, :2], draw(Softmax(), 9, 2, scheme="gauss_hermite"), second_moment=1.0),
        "W must be a whole sample"),
    "pairs": (lambda: mean_square(X, X[:, :2]), "X and Y must be equal in their number of features"),
    "leading": (lambda: mean_square(X, X[None]), "X and Y must be equal in their leading axes"),
    "nan-pairs": (lambda: mean_square(X, X * np.nan), "Y must be finite"),
}  # fmt: skip


@each_map
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_sentence(case, name):
    call, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        call(MAPS[name])


@pytest.mark.parametrize("case", OTHERS)
def test_what_does_not_fit_together_is_refused(case):
    call, message = OTHERS[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_second_moment_that_records_a_gradient_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"second_moment must be a number; .* Pass second_moment.item\(\)"):
        optimal_positive(X, W, second_moment=torch.tensor(1.0, requires_grad=True))
    assert optimal_positive(X, W, second_moment=torch.tensor(1.0)).shape == (4, 5)
