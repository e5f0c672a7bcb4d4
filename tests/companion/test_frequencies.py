"""Frequencies: exact laws, exact geometry, and products on every backend.

Where chance is involved, thresholds are the inequalities in samples.py, with a chance of 1e-8 or less.
"""

import inspect
from functools import lru_cache

import numpy as np
import pytest
from samples import bernstein, dkw
from scipy.linalg import hadamard
from scipy.special import ndtr
from scipy.stats import chi2

from companion import frequencies, kernels
from companion._core import arrays
from companion.frequencies import SCHEMES, Frequencies, draw, haar_reference
from companion.frequencies import hadamard as factors
from companion.kernels import Cauchy, ExponentialPower, Gaussian, Laplacian, Matern, Softmax

KERNELS = {
    "gaussian": Gaussian([0.8, 1.0, 1.5]), "laplacian": Laplacian(1.5), "matern-1/2": Matern(0.5, 1.3),
    "matern-5/2": Matern(2.5, [1.0, 0.7, 1.2]), "cauchy": Cauchy(0.7, 0.9), "power": ExponentialPower(0.7, 2.0),
}  # fmt: skip
ISOTROPIC_ONLY = {"orthogonal", "orthogonal_coupled", "orthogonal_stratified", "fastfood"}
GAUSSIAN_ONLY = {"sorf", "gauss_hermite"}
BIASED = GAUSSIAN_ONLY | {"chains"}
CELLS = [
    (kernel, scheme)
    for kernel in KERNELS
    for scheme in SCHEMES
    if not (
        scheme in GAUSSIAN_ONLY
        and kernel != "gaussian"
        or scheme in ISOTROPIC_ONLY
        and kernel == "laplacian"
        or (kernel, scheme) == ("power", "chains")
    )
]
REPEATED = ("sobol", "halton", "orthogonal_stratified")  # rows of one draw are dependent
BLOCKS, REPEATS = 10_000, 1500
DELTAS = np.random.default_rng(1).standard_normal((10, 3))  # ten differences x - y
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def profile(kernel, deltas):
    return kernel(deltas, np.zeros((1, 3)))[:, 0]


class Recorder:
    """A spectrum that keeps the uniform numbers it is given: of five axes, or of three for each length."""

    isotropic, radius_uniforms = True, 3

    def __init__(self):
        self.seen = []

    def uniforms(self, dim):
        return dim + 2

    def from_uniform(self, U, dim):
        self.seen.append(U)
        return np.ones((len(U), dim))

    def radius(self, U, dim):
        self.seen.append(U)
        return np.ones(len(U))


def recording(kernel):
    """A kernel like that one whose spectrum is a recorder, and the recorder."""
    recorder = Recorder()
    return type("Recording", (type(kernel),), {"spectrum": recorder})(**kernel.get_params()), recorder


@lru_cache
def points(scheme):
    """Uniform numbers U of REPEATS draws of 4 rows, and the directions they came with, if any."""
    (kernel, recorder), rng = recording(Gaussian()), np.random.default_rng(3)
    W = [np.asarray(draw(kernel, 4, 3, scheme=scheme, rng=rng)) for _ in range(REPEATS)]
    return np.concatenate(recorder.seen), np.concatenate(W)


def independent_means(kernel, scheme):
    """Means of cos⟨w, δ⟩ over groups of rows, independent from group to group, of shape (n, 10)."""
    spectrum, size = kernel.spectrum, {"iid": 1, "sorf": 4, "fastfood": 4}.get(scheme, 3)  # rows of a block
    if scheme in ("sobol", "halton"):
        size, U = 4, points(scheme)[0]
        W = spectrum.from_uniform(U[:, : spectrum.uniforms(3)], 3) / kernel.lengthscale
    elif scheme == "orthogonal_stratified":
        size, (U, directions) = 4, points(scheme)
        W = spectrum.radius(U[:, : spectrum.radius_uniforms], 3)[:, None] * directions / kernel.lengthscale
    else:
        W = np.asarray(draw(kernel, size * BLOCKS, 3, scheme=scheme, rng=2))
    return np.cos(W @ DELTAS.T).reshape(-1, size, 10).mean(axis=1)


@pytest.mark.parametrize(("kernel", "scheme"), [cell for cell in CELLS if cell[1] not in BIASED - {"sorf"}])
def test_estimates_are_unbiased_where_the_scheme_says_so(kernel, scheme):
    """The mean over equally distributed rows has at most the variance of one row, (1 + k(2δ) - 2 k(δ)²) / 2."""
    kernel = KERNELS[kernel]
    means = independent_means(kernel, scheme)
    k, k2 = profile(kernel, DELTAS), profile(kernel, 2 * DELTAS)
    inside = np.abs(means.mean(axis=0) - k) <= bernstein((1 + k2 - 2 * k**2) / 2, len(means))
    assert inside.all() == draw(kernel, 8, 3, scheme=scheme, rng=0).unbiased


# Directions and lengths


@pytest.mark.parametrize(("m", "dim"), [(7, 3), (2, 5), (12, 4), (3, 1)])
def test_directions_are_those_of_the_reference(m, dim):
    """Of the last block only the columns G that are needed are drawn: d numbers for each row."""
    slow = frequencies.orthogonal_reference(m, dim, np.random.default_rng(5))
    whole, rng = m - m % dim, np.random.default_rng(5)
    rng.standard_normal((whole, dim))
    G = rng.standard_normal((dim, m % dim))
    for scheme in ("orthogonal", "orthogonal_coupled", "orthogonal_stratified"):
        fast = unit(np.asarray(draw(Gaussian(), m, dim, scheme=scheme, rng=np.random.default_rng(5))))
        np.testing.assert_allclose(fast[:whole], unit(slow)[:whole], rtol=0, atol=1e-13)
        R = fast[whole:] @ G  # the rows are orthonormal: with diag(R) > 0 this is the factorisation
        np.testing.assert_allclose(R, np.triu(R), rtol=0, atol=1e-13)
        assert (np.diag(R) > 0).all()


def unit(W):
    return W / np.linalg.norm(W, axis=1, keepdims=True)


@pytest.mark.parametrize("scheme", ["orthogonal", "orthogonal_coupled", "orthogonal_stratified"])
@pytest.mark.parametrize("kernel", ["gaussian", "matern-1/2", "cauchy", "power"])
def test_rows_of_a_block_are_orthogonal_and_blocks_are_not(scheme, kernel):
    kernel = type(KERNELS[kernel])(**(KERNELS[kernel].get_params() | {"lengthscale": 2.0}))
    Q = unit(np.asarray(draw(kernel, 11, 4, scheme=scheme, rng=0)))
    for block in (Q[:4], Q[4:8], Q[8:]):
        np.testing.assert_allclose(block @ block.T, np.eye(len(block)), rtol=0, atol=1e-13)
    assert np.abs(Q[:4] @ Q[4:8].T).max() > 1e-3


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_first_entry_of_a_haar_matrix_has_a_random_sign(dim):
    n = 10_000
    W = np.asarray(draw(Gaussian(), n * dim, dim, rng=1))
    for row in range(dim):
        assert abs(np.sign(W[row::dim, 0]).mean()) < bernstein(1.0, n, bound=1.0)
    Q = np.array([haar_reference(3, np.random.default_rng(i))[0, 0] for i in range(1000)])
    assert abs(np.sign(Q).mean()) < bernstein(1.0, 1000, bound=1.0)


@pytest.mark.parametrize("dim", [2, 3])
def test_no_rotation_changes_the_law_of_a_haar_matrix(dim):
    """The characteristic function E exp(i tr(AᵀQ)) is the same at A, at RA and at AR for every orthogonal R."""
    rng = np.random.default_rng(0)
    n = 20_000
    Q = unit(np.asarray(draw(Gaussian(), n * dim, dim, rng=4))).reshape(n, dim, dim)
    for _ in range(5):
        A, R = rng.standard_normal((dim, dim)) * 1.5, haar_reference(dim, rng)
        first, second = (np.exp(1j * np.einsum("nij,ij->n", Q, B)) for B in (A, R @ A))
        third = np.exp(1j * np.einsum("nij,ij->n", Q, A @ R))
        for other in (second, third):
            gap = (first - other).mean()  # each part has size <= 2 and variance <= 4
            assert max(abs(gap.real), abs(gap.imag)) < bernstein(4.0, n, bound=4.0, chance=1e-8)


def test_lengths_follow_the_law_of_the_kernel():
    n = 10_000
    for scheme in ("iid", "orthogonal", "orthogonal_coupled", "fastfood"):
        W = np.asarray(draw(Gaussian(0.5), 4 * n, 4, scheme=scheme, rng=6))[::4]
        u = np.sort(chi2.cdf(np.sum((0.5 * W) ** 2, axis=1), df=4))
        assert np.abs(u - np.arange(n) / n).max() < dkw(n) + 1 / n


def test_coupled_lengths_have_mirrored_quantiles_and_an_odd_one_is_free():
    W = np.asarray(draw(Gaussian(2.0), 8, 3, scheme="orthogonal_coupled", rng=0)) * 2.0
    F = chi2.cdf(np.sum(W**2, axis=1), df=3)  # blocks 0 1 2 | 3 4 5 | 6 7
    np.testing.assert_allclose(F[[0, 3, 6]] + F[[1, 4, 7]], 1, rtol=0, atol=1e-12)
    assert abs(F[2] + F[3] - 1) > 1e-3 and abs(F[1] + F[2] - 1) > 1e-3


def test_stratified_lengths_have_one_quantile_in_each_part():
    W = np.asarray(draw(Gaussian(), 50, 3, scheme="orthogonal_stratified", rng=0))
    strata = np.floor(50 * chi2.cdf(np.sum(W**2, axis=1), df=3)).astype(int)
    assert sorted(strata) == list(range(50)) and list(strata) != list(range(50))


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("scheme", ["sobol", "halton", "orthogonal_stratified", "orthogonal_coupled"])
def test_the_uniform_numbers_of_every_row_are_uniform(scheme, m):
    """Each one, and its place in its m-th part. Then each row has the spectral law."""
    n, rng = 600, np.random.default_rng(11)
    dim = 1 if scheme in ("sobol", "halton") else 2  # one uniform number each: ndtr(w), and 1 - exp(-|w|²/2)
    W = np.array([np.asarray(draw(Gaussian(), m, dim, scheme=scheme, rng=rng)) for _ in range(n)])  # (n, m, dim)
    U = ndtr(W[:, :, 0]) if dim == 1 else -np.expm1(-np.sum(W**2, axis=2) / 2)  # (n, m)
    for column in (*U.T, *(m * U.T % 1)):
        assert np.abs(np.sort(column) - (np.arange(n) + 0.5) / n).max() < dkw(n, 1e-9) + 0.5 / n


def test_every_uniform_number_of_a_coupled_length_is_mirrored(monkeypatch):
    kernel, recorder = recording(Gaussian())
    draw(kernel, 4, 2, scheme="orthogonal_coupled", rng=0)
    np.testing.assert_allclose(recorder.seen[0][::2] + recorder.seen[0][1::2], 1, rtol=0, atol=1e-15)


# Structured blocks


@pytest.mark.parametrize("p", [1, 2, 8, 64])
def test_hadamard(p):
    np.testing.assert_array_equal(frequencies.hadamard_reference(p), hadamard(p))


@pytest.mark.parametrize("p", [1, 2, 4, 32, 128])
def test_structured_blocks_are_their_formulas(p):
    rng = np.random.default_rng(0)
    signs, g, radii = rng.choice([-1.0, 1.0], (3, 2, p)), rng.standard_normal((2, p)), rng.random((2, p))
    order = np.array([rng.permutation(p) for _ in range(2)])
    for m, d in [(2 * p, p), (p + 1, p // 2 + 1), (2 * p - p // 2, p)]:
        got = np.asarray(factors.sorf(signs, (m, d)))
        slow = np.concatenate([frequencies.sorf_reference(signs[:, b]) for b in range(2)])[:m, :d]
        np.testing.assert_allclose(got, slow, rtol=0, atol=1e-13 * p)
        got = np.asarray(factors.fastfood(radii, g, order, signs[0], (m, d)))
        blocks = [frequencies.fastfood_reference(radii[b], g[b], order[b], signs[0, b]) for b in range(2)]
        np.testing.assert_allclose(got, np.concatenate(blocks)[:m, :d], rtol=0, atol=1e-13 * p)
        np.testing.assert_allclose(np.linalg.norm(np.concatenate(blocks), axis=1), radii.ravel(), rtol=1e-12)


@pytest.mark.parametrize("scheme", ["sorf", "fastfood"])
def test_the_fast_way_is_taken_where_it_is_fast_and_changes_nothing(scheme, monkeypatch):
    for m, dim, structured in [(16, 16, False), (4096, 256, False), (1024, 1024, True), (4, 1024, False)]:
        assert draw(Gaussian(), m, dim, scheme=scheme, rng=0).structured == structured
    slow = draw(Gaussian([0.5] * 9), 20, 9, scheme=scheme, rng=0)
    monkeypatch.setattr(f"companion.frequencies.structured.{scheme.upper()}_COST", 0)
    fast = draw(Gaussian([0.5] * 9), 20, 9, scheme=scheme, rng=0)
    assert (slow.structured, fast.structured) == (False, True) and slow.shape == fast.shape
    np.testing.assert_allclose(np.asarray(fast), np.asarray(slow), rtol=0, atol=1e-12)


# Points instead of draws


def test_sobol_points_are_a_net():
    """Each dyadic interval of length 1/m holds one coordinate of one point; in 2-D each dyadic box of area 1/m one."""
    m = 64
    U = ndtr(0.5 * np.asarray(draw(Gaussian(0.5), m, 4, scheme="sobol", rng=3)))
    for column in U.T:
        assert sorted(np.floor(m * column)) == list(range(m))
    for a in (1, 2, 4, 8, 16, 32, 64):
        boxes = np.floor(U[:, 0] * a) * (m // a) + np.floor(U[:, 1] * (m // a))
        assert sorted(boxes) == list(range(m))


def test_halton_points_fill_every_part():
    """The first b^j points have one coordinate in each interval of length b^-j, for the b-th axis' prime b."""
    for axis, m in [(0, 64), (1, 81), (2, 25)]:
        U = ndtr(np.asarray(draw(Gaussian(), m, 3, scheme="halton", rng=3)))
        assert sorted(np.floor(m * U[:, axis] * (1 + 1e-14))) == list(range(m))


def test_sobol_points_are_cut_but_not_changed_and_fill_their_cells():
    whole, part = (np.asarray(draw(Gaussian(), m, 3, scheme="sobol", rng=4)) for m in (64, 50))
    cells = [np.floor(ndtr(W) * 2**30) for W in (whole[:50], part)]
    assert (np.abs(cells[0] - cells[1]) <= 1).all()
    position = ndtr(whole) * 2**30 % 1  # inside the cells: not all at an end
    assert ((position > 0.01) & (position < 0.99)).mean() > 0.5


@pytest.mark.parametrize(("kernel", "scheme"), [cell for cell in CELLS if cell[1] in REPEATED])
def test_points_become_frequencies_through_the_spectrum(kernel, scheme):
    W, spectrum = draw(KERNELS[kernel], 40, 3, scheme=scheme, rng=0), KERNELS[kernel].spectrum
    kernel, recorder = recording(KERNELS[kernel])
    recorder.uniforms, recorder.radius_uniforms = spectrum.uniforms, getattr(spectrum, "radius_uniforms", None)
    directions = np.asarray(draw(kernel, 40, 3, scheme=scheme, rng=0))  # ones / lengthscale for Sobol and Halton
    (U,) = recorder.seen
    assert len(U) == 40 and (0 < U).all() and (U < 1).all()
    rows = spectrum.radius(U, 3)[:, None] if scheme == "orthogonal_stratified" else spectrum.from_uniform(U, 3)
    np.testing.assert_allclose(np.asarray(W), rows * directions, rtol=1e-14)


@pytest.mark.parametrize(("m", "dim", "q"), [(113, 2, 19), (3, 1, 8), (14, 3, 3)])
def test_gauss_hermite_is_the_heaviest_half_of_the_whole_grid(m, dim, q):
    W = draw(Gaussian(2.0), m, dim, scheme="gauss_hermite")
    nodes, weights = frequencies.gauss_hermite_reference(q, dim)
    heaviest = np.argsort(-weights)[: 2 * m]  # in pairs of mirror images; the origin, if it is a node, comes first
    if q % 2:
        heaviest = heaviest[: 2 * m - 1]
    assert W.shape == ((len(heaviest) + 1) // 2, dim)
    share = weights[heaviest].sum()
    assert share >= 1 - 1e-3 and abs(W.weights.sum() - 1) < 1e-12
    delta = 1.5 * np.random.default_rng(0).standard_normal((20, dim))
    expected = np.cos(delta @ nodes[heaviest].T / 2) @ weights[heaviest] / share
    np.testing.assert_allclose(np.cos(W.project(delta)) @ W.weights, expected, rtol=0, atol=1e-12)


def test_gauss_hermite_takes_the_smallest_grid_where_fewer_frequencies_are_asked_for():
    """Its nodes are (±1, ..., ±1): the estimate is the product of the cosines."""
    W, delta = draw(Gaussian(), 1, 11, scheme="gauss_hermite"), np.linspace(-1, 1, 11)
    assert W.shape == (2**10, 11)
    np.testing.assert_allclose(np.cos(W.project([delta])) @ W.weights, np.prod(np.cos(delta)), rtol=1e-12)


# Products


def small(scheme, monkeypatch, structured):
    if structured:
        monkeypatch.setattr("companion.frequencies.structured.SORF_COST", 0)
        monkeypatch.setattr("companion.frequencies.structured.FASTFOOD_COST", 0)
    return draw(Gaussian([0.5, 1.0, 1.5, 2.0, 3.0]), 21, 5, scheme=scheme, rng=0)


each_product = pytest.mark.parametrize(("scheme", "structured"), [("iid", False), ("sorf", True), ("fastfood", True)])


@each_product
def test_project_is_the_product_with_the_matrix(scheme, structured, xp, dtype, close, monkeypatch):
    W = small(scheme, monkeypatch, structured)
    for n in (1, 300):
        X = np.random.default_rng(0).standard_normal((n, 5)).astype(dtype)
        given = xp(X)
        P = W.project(given)
        assert W.structured == structured and type(P) is type(given) and P.dtype == given.dtype
        assert getattr(P, "device", None) == getattr(given, "device", None)
        close(xp.numpy(P), X.astype(float) @ np.asarray(W).T)
        np.testing.assert_array_equal(xp.numpy(given), X)
    if xp.name != "array-api-strict":  # the standard has no float16
        half = X.astype(np.float16)
        P = W.project(xp(half))
        assert P.dtype == xp(half).dtype
        np.testing.assert_allclose(xp.numpy(P), half.astype(float) @ np.asarray(W).T, rtol=2**-10, atol=1e-4)


@pytest.mark.parametrize("scheme", ["sorf", "fastfood"])
def test_large_structured_products(scheme, dtype, close):
    W = draw(Gaussian(3.0), 1500, 700, scheme=scheme, rng=0)
    assert W.structured
    X = np.random.default_rng(0).standard_normal((130, 700)).astype(dtype)
    P = W.project(X)
    assert P.flags.c_contiguous
    close(P, X.astype(float) @ np.asarray(W).T)
    if scheme == "fastfood":
        order = W.rows.order
        np.testing.assert_array_equal(np.sort(order, axis=1), np.tile(np.arange(1024), (2, 1)))
        assert (order[0] != order[1]).any() and (order != np.arange(1024)).any()


# Shapes, seeds, attributes


@every_scheme
@pytest.mark.parametrize(("m", "dim"), [(1, 1), (2, 5), (7, 3), (65, 2), (np.int64(9), np.int32(4))])
def test_shapes(scheme, m, dim):
    W = draw(Gaussian(np.full(dim, 2.0)), m, dim, scheme=scheme, rng=0)
    assert W.scheme == scheme and W.shape == np.asarray(W).shape and all(type(size) is int for size in W.shape)
    assert W.shape[1] == dim and (W.shape[0] == m or scheme == "gauss_hermite") and np.isfinite(np.asarray(W)).all()
    assert (W.weights is not None) == (scheme == "gauss_hermite")
    assert np.asarray(W).dtype == np.float64 and np.asarray(W, np.float32).dtype == np.float32
    X = np.random.default_rng(0).standard_normal((3, dim))
    np.testing.assert_allclose(W.project(X), X @ np.asarray(W).T, rtol=0, atol=1e-13 * dim)


@every_scheme
def test_a_scheme_is_a_function_of_the_module_that_draw_calls(scheme):
    function, W = getattr(frequencies, scheme), draw(Gaussian(), 8, 3, scheme=scheme, rng=1)
    assert function is SCHEMES[scheme] and list(inspect.signature(function).parameters) == [
        "kernel", "n_frequencies", "dim", "rng"]  # fmt: skip
    assert W.unbiased == (scheme not in BIASED)
    for same in (function(Gaussian(), 8, 3, 1), draw(Softmax(), 8, 3, scheme=scheme, rng=1)):
        np.testing.assert_array_equal(np.asarray(same), np.asarray(W))


@pytest.mark.parametrize(("kernel", "scheme"), CELLS)
def test_the_lengthscale_divides(kernel, scheme):
    kernel = KERNELS[kernel]
    lengthscale, params = np.array([0.25, 1.0, 8.0]), kernel.get_params() | {"lengthscale": 1.0}
    scaled = draw(type(kernel)(**(params | {"lengthscale": lengthscale})), 12, 3, scheme=scheme, rng=0)
    plain = draw(type(kernel)(**params), 12, 3, scheme=scheme, rng=0)
    np.testing.assert_allclose(np.asarray(scaled), np.asarray(plain) / lengthscale, rtol=1e-13)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "gauss_hermite"])
def test_seeds(scheme):
    def W(rng):
        return np.asarray(draw(Gaussian(), 6, 3, scheme=scheme, rng=rng))

    np.testing.assert_array_equal(W(0), W(0))
    assert not np.isin(W(0), W(1)).any() or scheme == "sorf"
    moving = np.random.default_rng(0)
    first = W(moving)
    assert (first != W(moving)).any() and (W(None) != W(None)).any()
    np.testing.assert_array_equal(first, W(np.random.default_rng(0)))
    moved = np.random.default_rng(0)
    moved.random()
    assert (first != W(moved)).any() and np.isfinite(W(np.random.RandomState(0))).all()


def test_the_default_scheme_follows_the_spectrum_and_independent_rows_are_those_of_the_kernel():
    for kernel in KERNELS.values():
        assert draw(kernel, 4, 3, rng=0).scheme == ("orthogonal" if kernel.isotropic else "iid")
        W = draw(kernel, 9, 3, scheme="iid", rng=5)
        np.testing.assert_array_equal(np.asarray(W), kernel.sample_spectrum(9, 3, rng=5))


def test_frequencies_are_frozen_and_short_to_print():
    W = draw(Gaussian(), 4, 2, rng=0)
    with pytest.raises(AttributeError):
        W.scheme = "iid"
    assert repr(W) == "Frequencies(<4 x 2 matrix>, scheme='orthogonal', unbiased=True)"
    rows = np.ones((1, 2), np.float32)
    by_hand = Frequencies(rows, "by hand", False)
    rows[:] = 7  # they were copied to float64
    np.asarray(by_hand)[:] = 7
    assert np.asarray(by_hand).dtype == np.float64 and np.array_equal(by_hand, [[1.0, 1.0]])


# Refusals


@pytest.mark.parametrize("scheme", sorted(ISOTROPIC_ONLY))
def test_the_1_norm_laplacian_has_no_radius(scheme):
    message = f"scheme='{scheme}' is for kernels whose spectrum is isotropic .*'iid', 'sobol' or 'halton'.*; got Laplac"
    with pytest.raises(ValueError, match=message):
        draw(Laplacian(), 4, 2, scheme=scheme)


@pytest.mark.parametrize("scheme", sorted(GAUSSIAN_ONLY))
@pytest.mark.parametrize("kernel", [Laplacian(), Matern(1.5), Cauchy(), ExponentialPower(2.0)], ids=repr)
def test_schemes_for_the_gaussian_only(scheme, kernel):
    message = f"scheme='{scheme}' is for the Gaussian kernel .*; got {type(kernel).__name__}"
    with pytest.raises(ValueError, match=message):
        draw(kernel, 4, 2, scheme=scheme)


REFUSED = {
    "sum": (Gaussian() + Gaussian(2.0), "Draw for each term"),
    "product": (2.0 * Gaussian(), r"asarray\(W1\) . numpy.asarray\(W2\), drawn for its factors with different seeds"),
    "constant": (kernels.Constant(2.0), r"its one feature is sqrt\(value\)"),
    "polynomial": (kernels.Polynomial(2), "Its features are monomials"),
    "precomputed": (kernels.Precomputed(np.eye(2)), "A matrix of similarities has no frequencies"),
    "softmax": (Softmax(0.5), r"Multiply X by sqrt\(scale\)"),
    "class": (Gaussian, "For example companion.kernels.Gaussian"),
}


@pytest.mark.parametrize(("kernel", "message"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("scheme", [None, "iid", "orthogonal", "sobol", "gauss_hermite"])
def test_kernels_without_a_spectrum_are_refused(kernel, message, scheme):
    error = ValueError if isinstance(kernel, kernels.Kernel) else TypeError
    with pytest.raises(error, match=r"(?i)kernel must be stationary, or Softmax\(scale=1.0\); got .*" + message):
        draw(kernel, 4, 2, scheme=scheme)


OUT_OF_RANGE = [
    ((0, 2), {}, ValueError, "n_frequencies must be an integer >= 1; got 0"),
    ((2, -1), {}, ValueError, "dim must be an integer >= 1; got -1"),
    ((2.0, 2), {}, TypeError, "n_frequencies must be an integer"),
    ((2, True), {}, TypeError, "dim must be an integer"),
    ((2, 2), {"scheme": "orf"}, ValueError, "scheme must be one of iid, orthogonal, .*; got 'orf'"),
    ((2, 2), {"rng": "0"}, TypeError, "rng must be a non-negative integer"),
    ((10**9, 10**6), {}, ValueError, "W must be small enough"),
    ((511, 12), {"scheme": "gauss_hermite"}, ValueError, r"at least 2\*\*11 for scheme='gauss_hermite'; got 511"),
    ((5, 100_000), {"scheme": "gauss_hermite"}, ValueError, r"at least 2\*\*99999 for .* each of the 100000 axes"),
    ((4, 21_202), {"scheme": "sobol"}, ValueError, "dim must be at most 21201; got 21202. There are no more axes"),
    ((4, 2001), {"scheme": "halton"}, ValueError, "dim must be at most 2000; got 2001. Permuting .* use 'sobol'"),
]


@pytest.mark.parametrize(("sizes", "options", "error", "message"), OUT_OF_RANGE)
def test_arguments_out_of_range_are_refused(sizes, options, error, message):
    with pytest.raises(error, match=message):
        draw(Gaussian(), *sizes, **options)


def test_lengthscales_that_no_frequency_can_follow_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"lengthscale must be a number or an array of shape \(2,\)"):
        draw(Gaussian([1.0, 2.0, 3.0]), 2, 2)
    with pytest.raises(ValueError, match="lengthscale must be without gradient .* pass X / lengthscale"):
        draw(Gaussian(torch.tensor(1.0, requires_grad=True)), 2, 2)
    W = draw(Gaussian(torch.tensor([1.0, 2.0])), 3, 2, rng=0)
    np.testing.assert_array_equal(np.asarray(W), np.asarray(draw(Gaussian([1.0, 2.0]), 3, 2, rng=0)))
    for scheme in ("iid", "orthogonal", "fastfood", "gauss_hermite"):
        with pytest.raises(ValueError, match="W must be within the range of its dtype .* Raise the lengthscale"):
            draw(Gaussian(5e-324), 4, 2, scheme=scheme, rng=0)


@pytest.mark.parametrize(("scheme", "structured"), [("iid", False), ("fastfood", True)])
def test_a_product_that_overflows_is_refused(scheme, structured, xp, monkeypatch):
    W = small(scheme, monkeypatch, structured)
    with pytest.raises(ValueError, match="X Wᵀ must be within the range of its dtype .*; got an overflow"):
        W.project(xp(np.full((2, 5), 3e38), "float32"))


BY_HAND = {
    "rows must be a 2-D array": ([1.0, 2.0], None),
    "rows must be finite": ([[np.nan]], None),
    r"weights must be of shape \(1,\), one entry for each row of W": ([[1.0]], [0.5, 0.5]),
    r"weights must be not negative, of sum 1; got smallest -0.5.* Divide by": ([[1.0], [2.0]], [1.5, -0.5]),
    r"weights must be not negative, of sum 1; .* Divide by weights.sum\(\)": ([[1.0], [2.0]], [0.5, 0.4]),
}


@pytest.mark.parametrize(("message", "arguments"), BY_HAND.items())
def test_what_is_no_matrix_of_frequencies_is_refused(message, arguments):
    with pytest.raises(ValueError, match=message):
        Frequencies(arguments[0], "by hand", False, weights=arguments[1])


LIMITS = {  # W is 32,000 bytes, the peak of drawing it 160,000
    "machine": ("os.sysconf", lambda name: 300), "container": ("CONTAINER_LIMIT", 90_000),
    "process": ("resource.getrlimit", lambda name: (90_000, -1)),
}  # fmt: skip


@pytest.mark.parametrize(("where", "limit"), LIMITS.values(), ids=LIMITS.keys())
def test_a_peak_above_the_smallest_limit_of_memory_is_refused_with_a_way_out(where, limit, monkeypatch):
    monkeypatch.setattr(f"companion._core.arrays.{where}", limit)
    assert draw(Gaussian(), 4, 1000, scheme="iid", rng=0).shape == (4, 1000)
    with pytest.raises(ValueError, match="Gaussian matrices .* 4 x 1000 .* 5 times at .* Use scheme='fastfood', or"):
        draw(Gaussian(), 4, 1000, rng=0)
    with pytest.raises(ValueError, match="W must be .* 5 times at the peak, .* Draw fewer"):
        draw(Gaussian(), 4, 1000, scheme="sobol", rng=0)


@pytest.mark.parametrize(("line", "name"), [("0::", "memory.max"), ("4:memory:", "memory/memory.limit_in_bytes")])
def test_the_limit_of_a_container_is_the_smallest_of_its_groups(line, name, tmp_path):
    assert arrays.container_limit(tmp_path) == np.inf
    file = tmp_path / "sys/fs/cgroup" / name
    texts = {tmp_path / "proc/self/cgroup": f"1:cpu:/c\n{line}/a/b\n", file: "max"}
    texts |= {file.parent / "a" / file.name: "7\n", file.parent / "a/b" / file.name: "9\n"}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert arrays.container_limit(tmp_path) == 7


@pytest.mark.parametrize("scheme", ["sorf", "fastfood"])
def test_a_bound_of_the_lengths_of_rows_that_are_kept_as_factors(scheme, monkeypatch):
    W = small(scheme, monkeypatch, True)
    longest = np.linalg.norm(np.asarray(W), axis=1).max()
    assert longest <= W.rows.longest() * (1 + 1e-12) <= 20 * longest
