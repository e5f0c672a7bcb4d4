"""The spectrum of every stationary kernel: its density, its sampler, its radius, and the kernel that they must give.

Statistical thresholds come from Bernstein's inequality with the exact variance, or from Hoeffding's: each comparison
fails by chance for at most one seed in 10^8.
"""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import samples
from scipy import stats
from scipy.special import gammaln, ndtri

from companion._core.arrays import generator
from companion.kernels import Cauchy, ExponentialPower, Gaussian, Laplacian, Matern
from companion.kernels.spectra import bounded, norms, uniform

ISOTROPIC = {
    "gaussian": Gaussian, "matern-0.3": partial(Matern, 0.3), "matern-1.5": partial(Matern, 1.5),
    "matern-20.9": partial(Matern, 20.9), "matern-inf": partial(Matern, math.inf),
    "cauchy-0.4": partial(Cauchy, 0.4), "cauchy-1": partial(Cauchy, 1.0),
    "cauchy-100": partial(Cauchy, 100), "power-0.4": partial(ExponentialPower, 0.4),
    "power-1": partial(ExponentialPower, 1), "power-1.5": partial(ExponentialPower, 1.5),
    "power-1.99": partial(ExponentialPower, 1.99), "power-2": partial(ExponentialPower, 2),
}  # fmt: skip
ALL = ISOTROPIC | {"laplacian": Laplacian}
KNOWN = {name: make for name, make in ALL.items() if name not in ("power-0.4", "power-1.5", "power-1.99")}
RADIAL = {name: make for name, make in KNOWN.items() if name in ISOTROPIC}
isotropic = pytest.mark.parametrize("make", ISOTROPIC.values(), ids=ISOTROPIC.keys())
known = pytest.mark.parametrize("make", KNOWN.values(), ids=KNOWN.keys())  # with a density in closed form
radial = pytest.mark.parametrize("make", RADIAL.values(), ids=RADIAL.keys())
every = pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())


def profile(kernel, distance):
    """k as a function of the distance, for lengthscale 1."""
    return kernel([[0.0]], np.reshape(distance, (-1, 1)))[0]


def log_grid(dim):
    """Nodes of the trapezoidal rule in log r, fine enough for a radius of d Gaussians, with its density times r."""
    step = 0.1 if dim < 10 else 0.02
    r = np.exp(np.arange(-60.0, 40.0, step))
    return r, step, np.exp((1 - dim / 2) * math.log(2) - gammaln(dim / 2) + dim * np.log(r) - r**2 / 2)


def cosines(kernel, shift, n):
    """k, and how far the mean of n cosines may be from it, with the exact variance of a cosine."""
    k, k2 = (kernel([c * shift], [0 * shift])[0, 0] for c in (1.0, 2.0))
    return k, samples.bernstein((1 + k2 - 2 * k**2) / 2, n, chance=1e-8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# The density against the kernel


@pytest.mark.parametrize("dim", [1, 2, 5, 820])
@radial
def test_a_gaussian_average_of_the_kernel_is_one_of_the_density(make, dim):
    """∫ p(w) exp(-s²|w|²/2) dw = E k(s z) with z ~ N(0, I): without oscillation, and all s together determine p."""
    kernel = make()
    r, step, chi = log_grid(dim)
    log_density = kernel.radius_log_density(r, dim)
    for s in np.array([0.0, 0.01, 0.3, 1.0, 4.0, 100.0]) / math.sqrt(dim):
        left = np.exp(log_density + np.log(r) - (s * r) ** 2 / 2).sum() * step
        right = (profile(kernel, s * r) * chi).sum() * step
        assert left == pytest.approx(right, rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("alpha", [0.05, 0.4, 1.5, 1.99])
def test_an_exponential_power_has_a_density_only_where_it_has_a_closed_form(alpha):
    message = rf"^alpha must be 1 or 2 .* got alpha = {alpha}, whose density has no closed form. .*sample_spectrum"
    kernel = ExponentialPower(alpha)
    for call in (lambda: kernel.spectral_log_density([[0.0, 1.0]]), lambda: kernel.radius_log_density([1.0], 2)):
        with pytest.raises(ValueError, match=message):
            call()


def bessel(n, r):
    """log(r^(n + 1/2) K_(n + 1/2)(r)), a polynomial times exp(-r) (DLMF 10.49.12)."""
    k = np.arange(n + 1)
    terms = gammaln(n + k + 1) - gammaln(k + 1) - gammaln(n - k + 1) - k * math.log(2) + (n - k) * np.log(r)[:, None]
    return np.logaddexp.reduce(terms, axis=1) - r + 0.5 * math.log(math.pi / 2)


CLOSED = [  # beta, d
    (1, 1, lambda r: -r - math.log(2)),
    (1, 3, lambda r: -r - np.log(4 * math.pi * r)),
    (410.5, 820, lambda r: -r + gammaln(410) - math.log(2) - 410 * math.log(math.pi) - gammaln(820)),
    (20, 1, lambda r: bessel(19, r) - math.log(2 * math.pi) / 2 - 19 * math.log(2) - gammaln(20)),
    (21, 1, lambda r: bessel(20, r) - math.log(2 * math.pi) / 2 - 20 * math.log(2) - gammaln(21)),
    (1, 43, lambda r: bessel(20, r) - 41 * np.log(r) - 21.5 * math.log(2 * math.pi)),
]


@pytest.mark.parametrize(("beta", "dim", "expected"), CLOSED)
def test_cauchy_densities_in_closed_form_from_tiny_to_huge_frequencies(beta, dim, expected):
    r = np.array([1e-300, 1e-30, 1e-9, 1e-7, 1e-3, 0.5, 1, 7, 60, 1e4, 1e9, 1e12])
    W = r[:, None] * np.eye(dim)[0]
    np.testing.assert_allclose(Cauchy(beta).spectral_log_density(W), expected(r), rtol=1e-13, atol=1e-12)


def test_the_density_of_cauchy_is_infinite_at_zero_from_d_equal_2_beta_on():
    for beta, dim in [(1, 2), (1, 3), (0.2, 1), (2, 820)]:
        assert Cauchy(beta).spectral_log_density(np.zeros((1, dim)))[0] == np.inf
        assert np.isfinite(Cauchy(beta).spectral_log_density(np.full((1, dim), 1e-300)))
    assert np.isfinite(Cauchy(1.1).spectral_log_density([[0.0, 0.0]]))


@pytest.mark.parametrize("beta", [1e8, 1e12, 1e16, 1e20])
def test_cauchy_becomes_gaussian_without_loss_of_digits(beta):
    W = np.array([[0.0, 0.0], [1.0, 0.5], [-3.0, 2.0]])
    got = Cauchy(beta, np.sqrt(2 * beta)).spectral_log_density(W)
    np.testing.assert_allclose(got, Gaussian().spectral_log_density(W), rtol=0, atol=1e-14 + 100 / beta)


def test_densities_are_those_of_scipy():
    W, spread = normal(6, 3) * 3, np.array([0.01, 0.1, 1, 3, 30, 1e4])[:, None]
    expected = stats.multivariate_normal(np.zeros(3), np.diag([4.0, 1.0, 0.25])).logpdf(W)
    np.testing.assert_allclose(Gaussian([0.5, 1.0, 2.0]).spectral_log_density(W), expected, rtol=1e-13)
    expected = stats.cauchy(scale=[2.0, 1.0, 0.5]).logpdf(W).sum(axis=1)
    np.testing.assert_allclose(Laplacian([0.5, 1.0, 2.0]).spectral_log_density(W), expected, rtol=1e-13)
    for nu in (1e-3, 0.2, 1.5, 20.9):
        expected = stats.multivariate_t(np.zeros(3), np.eye(3), df=2 * nu).logpdf(W * spread)
        np.testing.assert_allclose(Matern(nu).spectral_log_density(W * spread), expected, rtol=1e-9, atol=1e-9)


@known
def test_a_lengthscale_stretches_the_density(make):
    W = normal(5, 3, seed=1)
    for lengthscale in (np.array([0.2, 1.0, 7.0]), 3.0):
        expected = make().spectral_log_density(W * lengthscale) + np.log(lengthscale * np.ones(3)).sum()
        np.testing.assert_allclose(make(lengthscale).spectral_log_density(W), expected, rtol=1e-13)


@radial
def test_the_density_of_the_radius_is_that_of_the_frequency_times_the_sphere(make):
    kernel, r = make(), np.array([1e-3, 0.3, 1.0, 5.0])
    for dim, area in ((1, np.log(2) + 0 * r), (2, np.log(2 * np.pi * r)), (3, np.log(4 * np.pi * r**2))):
        W = r[:, None] * np.eye(dim)[0]
        np.testing.assert_allclose(kernel.radius_log_density(r, dim), kernel.spectral_log_density(W) + area, rtol=1e-12)


@radial
def test_at_radius_zero_the_density_of_the_radius_has_its_limit(make):
    for dim in (1, 2, 5):
        zero, tiny, less = make().radius_log_density([0.0, 1e-200, 1e-250], dim)
        assert zero == pytest.approx(tiny, abs=1e-6) or zero == math.copysign(math.inf, less - tiny)


# The sampler against the density and against the kernel


@every
def test_the_average_of_cosines_is_the_kernel(make):
    """Along an axis, along a diagonal, near and far, with one lengthscale and with one per feature."""
    for lengthscale in (3.0, np.array([0.5, 2.0, 5.0])):
        kernel = make(lengthscale)
        W = kernel.sample_spectrum(50_000, 3, rng=2)
        for shift in np.array([[0.05, 0, 0], [1, 0, 0], [0.6, -0.6, 0.6], [2, 2, 2]]) * lengthscale:
            k, bound = cosines(kernel, shift, len(W))
            assert abs(np.cos(W @ shift).mean() - k) < bound


@isotropic
@pytest.mark.parametrize("dim", [1, 50])
def test_a_gaussian_average_of_the_kernel_is_one_of_the_radii(make, dim):
    """E exp(-s²R²/2) = E k(s z) with z ~ N(0, I), within Hoeffding's bound: it holds where no density is known."""
    kernel = make()
    r, step, chi = log_grid(dim)
    U = np.random.default_rng(6).random((30_000, kernel.spectrum.radius_uniforms))
    for radii in (kernel.sample_radius(30_000, dim, rng=0), kernel.spectrum.radius(U, dim)):
        for s in np.array([0.01, 0.3, 1.0, 4.0]) / math.sqrt(dim):
            expected = (profile(kernel, s * r) * chi).sum() * step
            gap = np.exp(-((s * radii) ** 2) / 2).mean() - expected
            assert abs(gap) < math.sqrt(math.log(2 / 1e-8) / (2 * len(radii)))


@isotropic
def test_radii_increase_with_each_of_their_uniform_numbers(make):
    spectrum, random = make().spectrum, np.random.default_rng(4)
    for dim in (1, 7):
        U = random.random((2000, spectrum.radius_uniforms))
        more = U + (1 - U) * random.random((2000, 1)) * (np.arange(U.shape[1]) == random.integers(U.shape[1]))
        assert (spectrum.radius(more, dim) >= spectrum.radius(U, dim)).all()


def test_sample_radius_is_the_transform_of_uniform_numbers_whatever_the_lengthscale():
    U = generator(5, "radii").random((10, 2))
    for kernel in (Cauchy(0.7), Cauchy(0.7, 2.0)):
        np.testing.assert_array_equal(kernel.sample_radius(10, 3, rng=5), kernel.spectrum.radius(U, 3))


def test_quantiles_of_the_radius_keep_their_digits_in_both_tails():
    u = np.array([1e-100, 1e-20, 1e-6, 0.3, 0.999, 1 - 1e-9, 1 - 2.0**-53])
    rest = np.array([1.0, 1.0, 1 - 1e-6, 0.7, 1 - 0.999, 1 - (1 - 1e-9), 2.0**-53])
    tangent = np.where(u < 0.5, np.tan(np.pi * u / 2), 1 / np.tan(np.pi * rest / 2))
    np.testing.assert_allclose(Matern(0.5).spectrum.radius(u[:, None], 1), bounded(tangent), rtol=1e-12)
    for nu in (1e-20, 1e-3, 0.1, 1.5, 20.9):  # in two dimensions P(R > r) = (1 + r² / (2 nu))^-nu
        with np.errstate(over="ignore"):
            expected = np.sqrt(2 * nu * np.expm1(-np.where(u < 0.5, np.log1p(-u), np.log(rest)) / nu))
        np.testing.assert_allclose(Matern(nu).spectrum.radius(u[:, None], 2), bounded(expected), rtol=1e-10)
    half_normal = Gaussian().spectrum.radius(u[:4, None], 1)
    np.testing.assert_allclose(half_normal, -ndtri((1 - u[:4]) / 2), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kernel", [Matern(0.01), Matern(1e-4), Cauchy(0.01), ExponentialPower(0.02)], ids=repr)
def test_the_roughest_kernels_have_finite_frequencies(kernel):
    W, shift = kernel.sample_spectrum(20_000, 2, rng=0), np.array([0.5, -0.5])
    assert np.isfinite(W.astype(np.float32)).all() and np.abs(W).max() < 4e12  # from there angles lose digits
    k, bound = cosines(kernel, shift, len(W))
    assert abs(np.cos(W @ shift).mean() - k) < bound


def test_lengths_are_bounded_without_a_jump_or_a_tie():
    r = np.array([0.0, 1e-300, 1.0, 9.99e9, 1e10, 1.001e10, 1e12, 1e15, np.inf])
    squeezed = bounded(r)
    assert (squeezed[:5] == r[:5]).all() and (np.diff(squeezed) > 0).all() and squeezed[-1] == 2e10


class Zeros:
    """A generator that draws the closed end of [0, 1), once in 2^53 draws of a true one."""

    def random(self, shape):
        return np.zeros(shape)

    standard_normal = random


@every
def test_the_closed_end_of_the_uniform_numbers_gives_finite_frequencies(make):
    spectrum = make().spectrum
    U = uniform(Zeros(), (2, spectrum.uniforms(3)))
    assert ((U > 0) & (U < 2.0**-53)).all() and np.isfinite(spectrum.from_uniform(U, 3)).all()
    assert np.isfinite(spectrum.sample(Zeros(), 2, 3)).all()


def test_norms_and_densities_are_even_however_long_the_frequency():
    W = np.array([[1.0, 1e300, 1.0], [1e300, 2e300, 3e300], [0.0, 1e-300, 0.0], [1e-300, 2e-300, 3e-300]])
    expected = [1e300, 14**0.5 * 1e300, 1e-300, 14**0.5 * 1e-300]
    for signs in itertools.product([-1, 1], repeat=3):
        np.testing.assert_allclose(norms(W * signs), expected, rtol=1e-15)
        for kernel in (Gaussian(), Matern(0.3), Cauchy(0.4), Cauchy(100), Laplacian()):
            np.testing.assert_array_equal(kernel.spectral_log_density(W * signs), kernel.spectral_log_density(W))


# Seeds, arrays, errors


@every
def test_one_seed_gives_the_same_frequencies_and_another_gives_others(make):
    kernel = make()
    np.testing.assert_array_equal(kernel.sample_spectrum(5, 3, rng=7), kernel.sample_spectrum(5, 3, rng=7))
    np.testing.assert_array_equal(kernel.sample_spectrum(5, 3, rng=7) / 2, make(2.0).sample_spectrum(5, 3, rng=7))
    assert not np.isin(kernel.sample_spectrum(5, 3, rng=7), kernel.sample_spectrum(5, 3, rng=8)).any()
    assert not np.isin(kernel.sample_spectrum(5, 3), kernel.sample_spectrum(5, 3)).any()
    moving = np.random.default_rng(0)
    assert not np.isin(kernel.sample_spectrum(5, 3, rng=moving), kernel.sample_spectrum(5, 3, rng=moving)).any()


@pytest.mark.parametrize("name", ["gaussian", "cauchy-0.4", "power-1", "laplacian"])
def test_densities_follow_backend_and_dtype(name, xp, dtype, close):
    if xp.name == "torch-cuda":
        pytest.skip("densities are computed on the host")
    W, r, lengthscale = normal(4, 2).astype(dtype), np.array([0.5, 2.0], dtype), np.array([0.5, 2.0], dtype)
    kernel = ALL[name](lengthscale)
    got = kernel.spectral_log_density(xp(W))
    assert type(got) is type(xp(W)) and xp.numpy(got).dtype == dtype
    close(xp.numpy(got), kernel.spectral_log_density(W.astype("float64")))
    assert kernel.spectral_log_density(W.astype("float16")).dtype == "float16"
    if kernel.isotropic:
        close(xp.numpy(kernel.radius_log_density(xp(r), 3)), kernel.radius_log_density(r.astype("float64"), 3))
    on_backend = ALL[name](xp(lengthscale))
    np.testing.assert_array_equal(on_backend.sample_spectrum(3, 2, rng=0), kernel.sample_spectrum(3, 2, rng=0))


def test_what_records_a_gradient_is_refused_with_advice():
    torch = pytest.importorskip("torch")
    W = torch.ones((2, 2), requires_grad=True)
    with pytest.raises(TypeError, match=r"W must be .*; got a tensor .* with a gradient. Pass W.detach\(\).cpu\(\)"):
        Gaussian().spectral_log_density(W)
    kernel = Gaussian(torch.tensor(2.0, requires_grad=True))
    message = "lengthscale .* requires grad. Draw for lengthscale 1 and pass X / length"
    for call in (lambda: kernel.sample_spectrum(3, 2), lambda: kernel.spectral_log_density([[0.0, 1.0]])):
        with pytest.raises(ValueError, match=message):
            call()
    assert kernel.sample_radius(3, 2).shape == (3,)


G = Gaussian([1.0, 2.0])
REFUSED = [
    ([0.0, 1.0], ValueError, r"W must be a 2-D array .* got shape \(2,\)"),
    ([[0.0, 1.0, 2.0]], ValueError, r"lengthscale must be a number or an array of shape \(3,\), .* got shape \(2,\)"),
    ([[1e308, 1e308]], ValueError, r"W \* lengthscale must be within the range of its dtype .* got an overflow"),
    (lambda: G.sample_spectrum(0, 2), ValueError, "n must be an integer >= 1; got 0"),
    (lambda: G.sample_spectrum(2, 0), ValueError, "dim must be an integer >= 1; got 0"),
    (lambda: G.sample_spectrum(2.0, 2), TypeError, "n must be an integer >= 1; got 2.0"),
    (lambda: G.sample_spectrum(10**9, 10**6), ValueError, "W must be small enough .* Draw fewer frequencies"),
    (lambda: Gaussian(5e-324).sample_spectrum(2, 2, rng=0), ValueError, "W must be within .* Raise the lengthscale"),
    (lambda: G.sample_radius(2, True), TypeError, "dim must be an integer >= 1; got True"),
    (lambda: G.radius_log_density([-1.0], 2), ValueError, "radius must be non-negative; got -1. It is the length"),
    (lambda: G.radius_log_density([[1.0]], 2), ValueError, r"radius must be a 1-D array .* got shape \(1, 1\)"),
    (lambda: G.radius_log_density([1.0], 0), ValueError, "dim must be an integer >= 1; got 0"),
]


@pytest.mark.parametrize(("bad", "error", "message"), REFUSED)
def test_bad_frequencies_counts_seeds_and_radii_are_refused(bad, error, message):
    with pytest.raises(error, match=message):
        bad() if callable(bad) else G.spectral_log_density(bad)


def test_the_laplacian_has_no_law_of_the_radius_and_says_why():
    message = "spectrum is isotropic; got Laplacian.* independent coordinates: use sample_s"
    for call in (lambda: Laplacian().sample_radius(3, 2), lambda: Laplacian().radius_log_density([1.0], 2)):
        with pytest.raises(ValueError, match=message):
            call()
    assert not Laplacian.isotropic and Gaussian.isotropic and "isotropic" not in repr(Laplacian())
