"""Feature maps against their formulas, and their errors against integrals that know nothing of the closed forms."""

import math
import shutil

import numpy as np
import pytest
from samples import bernstein
from samples import normal as numbers
from scipy.integrate import quad
from scipy.special import jv
from scipy.stats import cauchy, chi2

from companion import features
from companion._core import arrays
from companion.features import _fast, cosines, draw_grids, draw_offsets, fourier, fourier_offset, standard_error
from companion.frequencies import draw
from companion.kernels import Cauchy, ExponentialPower, Gaussian, Laplacian, Matern, Polynomial, Softmax

SHAPES = [(1, 1, 1), (128, 3, 7), (129, 64, 33), (2, 3, 20_000)]
each_shape = pytest.mark.parametrize(("n", "d", "m"), SHAPES, ids=lambda value: str(value))
each_cosine = pytest.mark.parametrize("name", ["fourier", "fourier_offset"])
binning, needed = features.random_binning, features.features_needed


def fourier_offset_reference(X, W, offset):
    return np.array([np.cos(W @ x + offset) for x in X]) * np.sqrt(2 / len(W))


def weighted():
    return draw(Gaussian(), 12, dim=2, scheme="gauss_hermite")


# cosines and sines

ANGLES = {
    "small": np.linspace(-7.0, 7.0, 40_001),
    "large": np.random.default_rng(0).uniform(-1e5, 1e5, 40_000),
    "as-large-as-any-that-is-not-refused": np.random.default_rng(0).uniform(-(2.0**42), 2.0**42, 40_000),
    "poles-of-the-tangent": np.arange(-4001, 4001, 2) * np.pi,
    "tiny": np.array([0.0, -0.0, 5e-324, -1e-300, 1e-8, -1e-8]),
}


@pytest.mark.parametrize("t", ANGLES.values(), ids=ANGLES.keys())
def test_cosine_and_sine_from_a_tangent_are_right_to_the_last_digits(t):
    out, pair = np.empty((len(t), 2, 3)), np.stack([np.cos(t), np.sin(t)], axis=1)[:, :, None]
    _fast.by_tangent(np.tan, t[:, None] / 2 * np.ones(3), 1.0, out)
    assert np.abs(out - pair).max() <= 1e-15  # five units in the last place of 1


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 4e-7), ("float64", 3e-15)])
def test_cosine_and_sine_from_a_quotient_keep_their_bound(dtype, bound):
    """Random and quarter turns, and those next to a half; each step is rounded as IEEE says, alike on every machine."""
    half = 0.5 - np.arange(1000) * float(np.finfo(dtype).epsneg) / 2
    t = np.concatenate([np.random.default_rng(0).uniform(-10, 10, 300_000), np.arange(-40, 40) / 4, half, -half])
    t, out = t.astype(dtype)[:, None], np.empty((len(t), 2, 1), dtype)
    radians = 2 * np.pi * (t - np.rint(t)).astype(float)
    _fast.by_tangent(_fast.quotient, t.copy(), 1.0, out)
    assert np.abs(out - np.stack([np.cos(radians), np.sin(radians)], axis=1)).max() <= bound


def test_the_tangent_is_numpy_s_where_numpy_sends_it_to_avx_512(monkeypatch):
    for current, fast in (("X86_V4", True), ("AVX512_SKX", True), ("baseline(X86_V2)", False), ("NEON", False)):
        found = {"tan": {"dd": {"current": current, "available": "X86_V4"}}}
        monkeypatch.setattr(np.lib.introspect, "opt_func_info", lambda found=found, **_: found)
        assert _fast.has_fast_tangent() == fast


@pytest.mark.parametrize("fast", [True, False], ids=["tangent", "quotient"])
@pytest.mark.parametrize("scheme", ["iid", "fastfood", "gauss_hermite"])
def test_both_ways_on_the_host_are_the_core(fast, scheme, dtype, close, monkeypatch):
    monkeypatch.setattr(_fast, "FAST_TANGENT", fast)
    monkeypatch.setattr("companion.frequencies.structured.FASTFOOD_COST", 0)
    torch, W = pytest.importorskip("torch"), draw(Gaussian(), 300, 2, scheme=scheme, rng=0)
    amplitude, rows = len(np.asarray(W)) ** -0.5 if W.weights is None else W.weights**0.5, np.asarray(W)
    X, far = numbers(300, 2).astype(dtype), 1e5 if dtype == "float32" else 10.0
    for x in (X, X * np.asarray(far, dtype), torch.from_numpy(X)):
        close(np.asarray(fourier(x, W)), cosines.pairs(np.asarray(x).astype(float), rows, amplitude))


# maps against their formulas


@each_shape
def test_pairs_equal_the_reference(n, d, m, xp, dtype, close):
    X, W = numbers(n, d), numbers(m, d, seed=1)
    X = X.astype(dtype).astype(float)  # so that the reference sees the same samples
    W = W.astype(dtype).astype(float)
    phi = fourier(xp(X, dtype), xp(W, dtype))
    assert str(phi.dtype).endswith(dtype)
    close(xp.numpy(phi), features.fourier_reference(X, W))


@each_shape
def test_offset_features_equal_the_reference(n, d, m, xp, dtype, close):
    X, W, offset = numbers(n, d), numbers(m, d, seed=1), draw_offsets(m, rng=0)
    X, W, offset = (A.astype(dtype).astype(float) for A in (X, W, offset))
    phi = fourier_offset(xp(X, dtype), xp(W, dtype), xp(offset, dtype))
    close(xp.numpy(phi), fourier_offset_reference(X, W, offset))


def test_weights_are_those_of_the_frequencies(xp, dtype, close):
    X = numbers(5, 2)
    W, weights = np.asarray(weighted()), weighted().weights
    phi = xp.numpy(fourier(xp(X, dtype), weighted()))
    close(phi @ phi.T, np.array([[weights @ np.cos(W @ (x - y)) for y in X] for x in X]))
    offsets = 2 * np.pi * np.arange(3)[:, None] / 3 * np.ones(len(W))
    products = [(p := xp.numpy(fourier_offset(xp(X, dtype), weighted(), b))) @ p.T for b in offsets]
    close(np.mean(products, axis=0), phi @ phi.T)


@pytest.mark.parametrize("scheme", ["orthogonal", "fastfood", "gauss_hermite"])
def test_every_point_has_norm_one(scheme, dtype, close):
    W = draw(Gaussian(0.3), 50, dim=3, scheme=scheme, rng=0)
    close(np.sum(fourier(numbers(40, 3).astype(dtype), W) ** 2, axis=1), np.ones(40))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_batch_is_the_loop_over_its_slices_with_gradients_to_samples_frequencies_and_lengthscale(dtype):
    torch = pytest.importorskip("torch")
    X = torch.from_numpy(numbers(2, 4, 100, 16)).to(getattr(torch, dtype))
    W, lengthscale = torch.from_numpy(numbers(8, 16, seed=1)), torch.full((16,), 2.0, dtype=torch.float64)
    X, W, lengthscale = (a.requires_grad_() for a in (X, W, lengthscale))
    inputs = (X, W, lengthscale)
    phi = fourier(X / lengthscale.to(X.dtype), W)
    loop = torch.stack([torch.stack([fourier(x / lengthscale.to(X.dtype), W) for x in head]) for head in X])
    assert phi.shape == (2, 4, 100, 16) and phi.dtype == X.dtype
    tolerance = {"float64": 1e-13, "float32": 1e-5, "bfloat16": 0.02}[dtype]
    torch.testing.assert_close(phi, loop, rtol=0, atol=tolerance)
    toward = torch.from_numpy(numbers(2, 4, 100, 16, seed=2)).to(X.dtype)
    for one, other in zip(
        torch.autograd.grad((phi * toward).sum(), inputs, retain_graph=True),
        torch.autograd.grad((loop * toward).sum(), inputs), strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(one, other, rtol=10 * tolerance, atol=10 * tolerance)
    plain, W = X.detach().float(), W.detach()
    np.testing.assert_allclose(fourier(plain.numpy(), W.numpy()), fourier(plain, W), rtol=0, atol=1e-6)


def test_gradients_pass_to_samples_frequencies_and_offsets():
    import torch

    X, W, offset = (torch.from_numpy(a).requires_grad_() for a in (numbers(3, 2), numbers(4, 2, seed=1), numbers(4)))
    assert torch.autograd.gradcheck(fourier, (X, W))
    assert torch.autograd.gradcheck(fourier_offset, (X, W, offset))
    assert torch.autograd.gradcheck(lambda x: fourier(x, weighted()), (X,))
    assert torch.autograd.gradcheck(lambda x: fourier(x, draw(Gaussian(), 4, 2, scheme="fastfood", rng=0)), (X,))
    assert torch.autograd.gradcheck(lambda x: fourier(1e6 * x, W), (X.to(torch.float64),), eps=1e-12, atol=1.0)


CORES = {
    "pairs": lambda X, W: cosines.pairs(X, W, 0.5),
    "offset": lambda X, W: cosines.offset_cosines(X, W, W[:, 0], 0.5),
    "long": lambda X, W: cosines.pairs(X, W, 0.5, cosines.long_product),
}


INDUCTOR = pytest.mark.skipif(not shutil.which("g++"), reason="torch's inductor needs a C++ compiler, g++")


COMPILED = [*((name, "aot_eager") for name in CORES)]
COMPILED += [pytest.param("pairs", "inductor", marks=[pytest.mark.inductor, INDUCTOR])]


@pytest.mark.parametrize(("name", "backend"), COMPILED)
@pytest.mark.filterwarnings("ignore:Dynamo detected", "ignore::DeprecationWarning")
def test_cores_compile_without_a_break_and_vectorise(name, backend):
    core = CORES[name]
    torch = pytest.importorskip("torch")
    X, W = torch.from_numpy(numbers(3, 5, 4)).requires_grad_(), torch.from_numpy(numbers(7, 4, seed=1)).requires_grad_()
    torch.compiler.reset()
    compiled = torch.compile(core, backend=backend, fullgraph=True)(X, W)
    torch.testing.assert_close(compiled, core(X, W))
    for one, other in zip(*(torch.autograd.grad(phi.sum(), (X, W)) for phi in (compiled, core(X, W))), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(torch.func.vmap(core, in_dims=(0, None))(X, W), core(X, W))


def moves(call):
    """The operations of torch in a call that copy, or take tensors of another device than their result's."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):
        found = ()

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            devices = {a.device for a in (*args, result) if hasattr(a, "device")}
            self.found += (str(function),) if "copy" in str(function) or len(devices) > 1 else ()
            return result

    with Watch() as watch:
        call()
    return watch.found


@pytest.mark.parametrize("scheme", ["iid", "fastfood", "gauss_hermite"])
def test_frequencies_are_cast_and_moved_once_and_a_forward_on_a_device_transfers_nothing(scheme, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("companion.frequencies.structured.FASTFOOD_COST", 0)
    W, X, module = draw(Gaussian(), 12, 2, scheme=scheme, rng=0), torch.zeros(2, 5, 2, device="meta"), torch.nn.Module()
    kept = W.to(X)
    module.register_buffer("W", kept.rows)
    assert (
        moves(lambda: fourier(X, W)) and not moves(lambda: fourier(X, kept)) and not moves(lambda: fourier(X, module.W))
    )
    assert fourier(X, kept).shape == (2, 5, 2 * W.shape[0])
    for like in (torch.zeros(1), torch.zeros(1, dtype=torch.bfloat16), np.zeros(1, np.float32)):
        rows = W.to(like).rows
        assert type(rows) is type(like) and str(rows.dtype).endswith("float32")
        np.testing.assert_allclose(np.asarray(rows), np.asarray(W), rtol=1e-6)
    X = numbers(5, 2).astype(np.float32)
    np.testing.assert_allclose(fourier(torch.from_numpy(X), W.to(torch.zeros(1))), fourier(X, W), rtol=0, atol=1e-5)


def test_data_far_away_keep_their_angles(xp):
    X, W = numbers(4, 2).astype(np.float32) + np.float32(4000.0), numbers(64, 2, seed=1) * 10
    got, exact = xp.numpy(fourier(xp(X), W)), features.fourier_reference(X.astype(float), W)
    assert got.dtype == np.float32 and np.abs(got - exact).max() * 8 < 1e-6
    plain = np.cos(X @ W.astype(np.float32).T) / 8
    assert np.abs(plain - exact[:, :64]).max() * 8 > 1e-3


# errors

PROFILES = {
    "gaussian": (Gaussian(), lambda g: quad(lambda w: g(w) * np.exp(-w * w / 2) / np.sqrt(2 * np.pi), -40, 40)[0]),
    "laplacian": (Laplacian(), lambda g: _over_cauchy(g)),
    "exponential": (Matern(0.5), lambda g: _over_cauchy(g)),
}


def _over_cauchy(g):
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    return float(np.mean(g(cauchy.ppf(u))))


@pytest.mark.parametrize(("kernel", "mean"), PROFILES.values(), ids=PROFILES.keys())
@pytest.mark.parametrize("r", [0.1, 0.7, 2.0])
def test_the_error_of_one_frequency_is_the_spread_over_its_law(kernel, mean, r):
    k = kernel([[0.0]], [[r]]).item()
    pair = mean(lambda w: (np.cos(w * r) - k) ** 2)
    assert standard_error(kernel, [[0.3]], [[0.3 + r]], n_frequencies=1).item() ** 2 == pytest.approx(pair, rel=2e-4)


@pytest.mark.parametrize("r", [0.1, 0.7, 2.0])
def test_the_error_of_one_offset_cosine_is_the_spread_over_both_laws(r):
    k, mean = np.exp(-r * r / 2), PROFILES["gaussian"][1]
    offsets = 2 * np.pi * np.arange(5) / 5  # exact for cosines of up to 4b
    spread = [mean(lambda w, b=b: (2 * np.cos(w * 0.3 + b) * np.cos(w * (0.3 + r) + b) - k) ** 2) for b in offsets]
    error = standard_error(Gaussian(), [[0.3]], [[0.3 + r]], n_frequencies=1, feature_map="fourier_offset").item()
    assert error**2 == pytest.approx(np.mean(spread), rel=1e-9)


def _pair_of_orthogonal_rows(z, d):
    """E cos⟨ω_1, δ⟩ cos⟨ω_2, δ⟩ = E j(z |ω_1 + ω_2|) for the Fourier transform j of the uniform law on the sphere."""

    def sphere(t):
        return math.gamma(d / 2) * (2 / t) ** (d / 2 - 1) * jv(d / 2 - 1, t)

    low, high = chi2.ppf([1e-14, 1 - 1e-14], 2 * d)
    return quad(lambda s: sphere(z * math.sqrt(s)) * chi2.pdf(s, 2 * d), low, high, limit=400, epsabs=1e-12)[0]


@pytest.mark.parametrize("d", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("z", [0.2, 1.0, 3.0])
def test_the_error_of_orthogonal_rows_is_their_covariance_over_the_blocks(d, z):
    rest, y = d // 2 + 1, np.zeros((1, d))
    y[0, 0] = 2.0 * z
    m, blocks = 2 * d + rest, [d, d, rest]
    one = (1 - np.exp(-(z**2))) ** 2 / 2
    covariance = _pair_of_orthogonal_rows(z, d) - np.exp(-(z**2)) if d > 1 else 0.0
    expected = sum(b * one + b * (b - 1) * covariance for b in blocks) / m**2
    got = standard_error(Gaussian(2.0), np.zeros((1, d)), y, n_frequencies=m, scheme="orthogonal").item()
    assert got**2 == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_offsets_are_uniform_on_a_whole_turn():
    b, n = np.sort(draw_offsets(10_000, rng=3)) / (2 * np.pi), 10_000
    assert np.abs(b - (np.arange(n) + 0.5) / n).max() < math.sqrt(math.log(2e8) / (2 * n)) + 0.5 / n  # DKW, 1e-8


def test_the_error_of_orthogonal_rows_counts_distances_in_lengthscales():
    X, scale = numbers(6, 3), np.array([0.5, 2.0, 7.0])
    stretched = standard_error(Gaussian(scale), X * scale, n_frequencies=5, scheme="orthogonal")
    np.testing.assert_allclose(stretched, standard_error(Gaussian(), X, n_frequencies=5, scheme="orthogonal"), 1e-9)


@pytest.mark.parametrize("far", [1e3, 1e9, 1e150])
def test_far_apart_every_scheme_has_the_error_of_independent_cosines(far):
    for scheme in ("iid", "orthogonal"):
        error = standard_error(Gaussian(), [[0.0, 0.0]], [[far, 1.0]], n_frequencies=8, scheme=scheme)
        assert error.item() == pytest.approx(0.25, rel=1e-12)


def test_the_error_of_near_points_far_from_the_origin_keeps_its_digits():
    here, there = np.array([[0.0], [2.0**-10]]), np.array([[1024.0], [1024.0 + 2.0**-10]])
    for scheme in ("iid", "orthogonal"):
        a, b = (standard_error(Gaussian(), X, n_frequencies=1, scheme=scheme) for X in (here, there))
        np.testing.assert_array_equal(a, b)


def test_the_diagonal_of_pairs_has_no_error_and_that_of_offsets_has():
    X = numbers(5, 3)
    assert not standard_error(Gaussian(), X, n_frequencies=8).diagonal().any()
    assert not standard_error(Gaussian(), X, n_frequencies=8, scheme="orthogonal").diagonal().any()
    np.testing.assert_allclose(
        standard_error(Gaussian(), X, n_frequencies=8, feature_map="fourier_offset").diagonal(), 0.25
    )


KERNELS = [Gaussian([0.5, 2.0]), Laplacian([0.5, 2.0]), Matern(1.5), Matern(0.7), Cauchy(0.5), ExponentialPower(0.5)]


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@each_cosine
def test_independent_frequencies_stay_inside_the_error(kernel, name):
    X, m = np.array([[0.0, 0.0], [0.1, -0.1], [0.5, 0.3], [1.0, 2.0], [-3.0, 1.0]]), 40_000
    arguments = (draw_offsets(m, rng=1),) if name == "fourier_offset" else ()
    phi = features.MAPS[name](X, draw(kernel, m, 2, scheme="iid", rng=1), *arguments)
    error = standard_error(kernel, X, n_frequencies=m, feature_map=name)
    bound = bernstein(error**2 * m, m, chance=1e-10)  # 300 entries in all
    bound += (name == "fourier_offset") * bernstein(0, m, chance=1e-10)  # values up to 2 in size
    assert np.all(np.abs(phi @ phi.T - kernel(X)) <= bound + 1e-12)


def test_the_same_seed_for_data_and_frequencies_leaves_them_independent():
    X = np.random.default_rng(7).standard_normal((30, 30))
    W = np.asarray(draw(Gaussian(), 30, 30, scheme="iid", rng=7))
    assert not np.isin(W.round(6), X.round(6)).any()
    phi, exact = fourier(X, draw(Gaussian(), 4000, 30, scheme="iid", rng=7)), Gaussian()(X)
    bound = bernstein(standard_error(Gaussian(), X, n_frequencies=1) ** 2, 4000)
    assert np.all(np.abs(phi @ phi.T - exact) <= bound + 1e-12)
    streams = [np.random.default_rng(7), *(arrays.generator(7, use) for use in ("data", "frequencies", "grids"))]
    assert not any(np.isin(draw_offsets(30, rng=7), 2 * np.pi * stream.random(900)).any() for stream in streams)


@each_cosine
@pytest.mark.parametrize("kernel", [Gaussian(3.0), Cauchy(), ExponentialPower(0.5), Laplacian([1.0, 3.0])], ids=repr)
def test_features_needed_are_enough_and_two_fewer_are_not(kernel, name):
    D = needed(kernel, 0.03, feature_map=name)
    columns = features.COLUMNS[name]
    r = np.geomspace(1e-3, 1e15, 20_001)[:, None] * np.array([[1.0, 0.0]][:1])
    worst = [
        standard_error(kernel, np.zeros((1, 2)), r, n_frequencies=m, feature_map=name).max()
        for m in (D // columns, D // columns - 1)
    ]
    assert worst[0] <= 0.03 + 1e-9 and worst[1] > 0.03 - 1e-6
    X = np.array([[0.0, 0.0], [0.5, 0.0]])
    some = needed(kernel, 0.03, X=X, feature_map=name)
    assert some <= D and standard_error(kernel, X, n_frequencies=some // columns, feature_map=name).max() <= 0.03


def test_a_heavy_tail_needs_a_few_more_than_one_over_the_error_squared():
    assert needed(Gaussian(), 0.05) == 400
    assert 400 < needed(Cauchy(), 0.05) <= 430


@pytest.mark.parametrize("beta", [0.01, 0.02, 0.1])
def test_the_features_of_a_slow_decay_are_those_of_its_power_law(beta):
    a = 4.0**-beta  # k(2r) = a k(r) where r is large, and 1 + a k - 2 k² has the maximum 1 + a²/8
    assert needed(Cauchy(beta), 1e-4) == pytest.approx((1 + a**2 / 8) / 1e-8, rel=1e-6)


def test_large_angles_of_float32_that_cancel_are_not_lost():
    X, W = np.float32([[1e7 + 1, 1e7]]), [[0.3, -0.3]]
    np.testing.assert_allclose(fourier(X, W), [[np.cos(0.3), np.sin(0.3)]], rtol=0, atol=1e-6)


def test_frequencies_beyond_float32_are_not_lost(monkeypatch):
    monkeypatch.setattr("companion.frequencies.structured.FASTFOOD_COST", 0)
    X = np.float32([[1e-36], [2e-36]])
    for W in (np.array([[1e39], [3e38]]), draw(Gaussian(1e-39), 3, 1, scheme="fastfood", rng=0)):
        np.testing.assert_allclose(fourier(X, W), fourier(X.astype(float), W), rtol=0, atol=1e-6)


# random binning


def test_cells_are_those_of_the_grids():
    X, grids = numbers(40, 2), draw_grids(Laplacian([0.5, 2.0]), 50, dim=2, n_buckets=2**20, rng=0)
    Z = binning(X, grids)
    assert Z.shape == (40, 50 * 2**20) and np.all(np.diff(Z.indptr) == 50) and Z.dtype == np.float64
    expected = features.random_binning_reference(X, X, grids.pitch, grids.offset)
    np.testing.assert_allclose((Z @ Z.T).toarray(), expected, atol=1e-12)
    assert binning(X.astype(np.float32), grids).dtype == np.float32
    assert not np.isin(grids.pitch, arrays.generator(0, "data").gamma(2.0, size=(50, 2))).any()  # another stream


@pytest.mark.parametrize("lengthscale", [0.7, [0.5, 2.0]], ids=["one", "per-feature"])
def test_grids_keep_two_points_together_as_often_as_the_kernel_says(lengthscale):
    kernel, X, n_grids = Laplacian(lengthscale), np.array([[0.0, 0.0], [0.05, 0.1], [0.5, 0.3], [1.0, -1.0]]), 40_000
    grids = draw_grids(kernel, n_grids, dim=2, rng=3)
    got, k = features.random_binning_reference(X, X, grids.pitch, grids.offset), kernel(X)
    bound = bernstein(k * (1 - k), n_grids, bound=1.0)
    assert np.all(np.abs(got - k) <= bound)


def test_few_cells_share_a_bucket():
    grids = draw_grids(Laplacian(), 20, dim=2, n_buckets=2**12, rng=0)
    X = numbers(200, 2) * 100  # hardly two points in one cell
    Z = binning(X, grids)
    excess = (Z @ Z.T).toarray() - features.random_binning_reference(X, X, grids.pitch, grids.offset)
    assert excess.min() >= -1e-12 and excess.mean() <= 2 * 2 / 2**12


# refusals

X = numbers(4, 3)
W = numbers(5, 3, seed=1)


def spoiled(A):
    A = A.copy()
    A[0, 1] = np.nan
    return A


LAPLACIAN, BINS = Laplacian(), draw_grids(Laplacian(), 2, dim=3, rng=0)
BAD = {
    "nan": (lambda: fourier(spoiled(X), W), "X must be finite"),
    "nan-frequencies": (lambda: fourier(X, spoiled(W)), "W must be finite"),
    "features": (lambda: fourier(X[:, :2], W), r"X and W must be equal in their number of features; got .* \(4, 2\)"),
    "drawn-for-others": (lambda: fourier(X[:, :2], draw(Gaussian(), 5, 3, rng=0)), "X and W must be equal"),
    "offsets": (
        lambda: fourier_offset(X, W, np.zeros(4)),
        r"offset must be of shape \(5,\), one entry for each row",
    ),
    "far-away": (lambda: fourier(X - 1e15, abs(W)), "X must be so small that its angles .* Centre or scale X"),
    "far-away-offset": (lambda: fourier_offset(X + 1e15, W, np.zeros(5)), "X must be so small"),
    "no-frequencies": (lambda: error(n_frequencies=0), "n_frequencies must be an integer >= 1"),
    "map": (lambda: error(feature_map="cos"), "feature_map must be one of"),
    "error": (lambda: needed(Gaussian(), 0.0), "error must be a positive finite number"),
    "error-below-rounding": (
        lambda: needed(Gaussian(), 1e-160),
        "error must be at least 1e-7; got 1e-160",
    ),
    "binning-features": (
        lambda: binning(X[:, :2], BINS),
        "X and grids must be equal in their number of feat",
    ),
    "binning-far-away": (
        lambda: binning(X + 1e20, BINS),
        r"X must be within 2\*\*53 cells of the origin",
    ),
    "binning-far-below": (
        lambda: binning(X - 1e20, BINS),
        r"X must be within 2\*\*53 cells of the origin",
    ),
    "binning-tensor": (lambda: binning(torch_zeros(2, 3), BINS), "X must be a NumPy array"),
    "buckets": (lambda: draw_grids(LAPLACIAN, 2, 2, n_buckets=100), "n_buckets must be a power of 2; got 100"),
    "one-bucket": (lambda: draw_grids(LAPLACIAN, 2, 2, n_buckets=1), "n_buckets must be an integer >= 2; got 1"),
    "huge-buckets": (lambda: draw_grids(LAPLACIAN, 2, 2, n_buckets=2**32), "n_buckets must be at most 2.1"),
    "no-grids": (lambda: draw_grids(LAPLACIAN, 0, 2), "n_grids must be an integer >= 1; got 0"),
    "grids-without-axes": (lambda: draw_grids(LAPLACIAN, 2, 0), "dim must be an integer >= 1; got 0"),
    "grids-kernel": (lambda: draw_grids(Gaussian(), 2, 1), "Random binning is for kernels.Laplacian.*; got Gaussian"),
    "no-offsets": (lambda: draw_offsets(0), "n_frequencies must be an integer >= 1"),
    "polynomial": (lambda: error(Polynomial()), "An exact error is for a stationary kernel"),
    "no-kernel": (lambda: error("rbf"), "An exact error is for a stationary kernel; got 'rbf'"),
    "softmax": (
        lambda: needed(Softmax(), 0.1),
        "An exact error is for a stationary kernel; got Softmax",
    ),
    "orthogonal": (lambda: error(Matern(), scheme="orthogonal"), "is for kernels.Gaussian with 'fourier'; got Matern"),
    "orthogonal-offset": (
        lambda: error(scheme="orthogonal", feature_map="fourier_offset"),
        "orthogonal scheme's exact error is for kernels.Gaussian with 'fourier'",
    ),
}
WRONG_TYPE = {"binning-tensor", "no-kernel"}


def error(kernel=None, n_frequencies=2, **options):
    return standard_error(kernel or Gaussian(), X, n_frequencies=n_frequencies, **options)


def torch_zeros(*shape):
    return pytest.importorskip("torch").zeros(*shape)


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_sentence(case):
    call, message = BAD[case]
    with pytest.raises(TypeError if case in WRONG_TYPE else ValueError, match=message):
        call()


def test_features_that_do_not_fit_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(arrays.os, "sysconf", lambda name: 30)
    with pytest.raises(ValueError, match=r"features must be small enough .* Transform X in blocks of rows"):
        fourier(np.zeros((100, 3)), W)


@pytest.mark.parametrize("scheme", ["iid", "fastfood"])
def test_every_backend_gives_the_same_features(scheme, xp, dtype, close):
    samples = numbers(9, 6).astype(dtype)
    W = draw(Gaussian(2.0), 10, 6, scheme=scheme, rng=0)
    close(xp.numpy(fourier(xp(samples), W)), features.fourier_reference(samples.astype(float), np.asarray(W)))
