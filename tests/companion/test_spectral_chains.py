"""Frequencies from a log density alone: the law of the last states, their error, and what the warning sees.

Where chance is involved, thresholds are the inequalities in samples.py, with a chance of 1e-8 or less.
"""

import warnings

import numpy as np
import pytest
from samples import dkw
from scipy import stats

from companion._core.checks import ConvergenceWarning
from companion.frequencies import chains, draw, from_log_density
from companion.frequencies.chains import INSIDE, OUTSIDE, rank_sum, starts, warn_of_travelling
from companion.kernels import Cauchy, ExponentialPower, Gaussian, Laplacian, Matern


def normal(w):
    return -(w**2).sum(axis=1) / 2


def distance(u):
    """Of the empirical distribution function of u from the uniform one."""
    n = len(u)
    return np.abs(np.sort(u) - np.arange(n) / n).max() - 1 / n


class OnlyDensity:
    """A user's kernel, exp(-|δ|²/2), that knows its spectrum point by point and up to a constant."""

    def spectral_log_density(self, W):
        return 7 - (W**2).sum(axis=1) / 2


@pytest.mark.parametrize("dim", [1, 2, 5, 16])
def test_last_states_have_the_law_of_the_spectrum_wherever_chains_started(dim):
    W = np.asarray(from_log_density(normal, n := 20_000, dim, rng=3))
    for part in (W, W[::2], W[1::2]):  # all, those that started inside, outside
        assert distance(stats.chi2.cdf((part**2).sum(axis=1), dim)) < dkw(len(part))
        assert distance(stats.norm.cdf(part[:, 0])) < dkw(len(part))
    assert W.shape == (n, dim)


def test_a_density_without_the_square_has_another_law():
    """What the test above is there to see: exp(-|w|/2), whose length has the law Γ(d, 2)."""
    W = np.asarray(
        from_log_density(lambda w: -np.sqrt((w**2).sum(axis=1)) / 2, 20_000, 2, width=3.5, n_steps=60, rng=0)
    )
    radius = np.linalg.norm(W, axis=1)
    assert distance(stats.gamma(2, scale=2).cdf(radius)) < dkw(len(W)) < distance(stats.chi(2).cdf(radius))


@pytest.mark.parametrize("kernel", [Gaussian([0.1, 10.0]), Matern(2.5, 3.0), Cauchy(2.0)], ids=repr)
def test_kernels_are_drawn_from_by_their_log_density(kernel):
    W = np.asarray(chains(kernel, 20_000, 2, rng=1))
    exact = kernel.sample_spectrum(20_000, 2, rng=2)
    scaled = [np.linalg.norm(w * kernel.lengthscale, axis=1) for w in (W, exact)]
    assert stats.ks_2samp(*scaled).statistic < 2 * dkw(20_000)


def test_the_error_of_the_kernel_is_that_of_independent_draws_to_5_percent():
    """(1 + k(2δ) - 2 k(δ)²) / (2 m) is the exact square; 2,000 sets of m = 500 know its root to 1 %."""
    delta = np.array([[0.5, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]])
    k, k2 = (np.exp(-((c * delta) ** 2).sum(axis=1) / 2) for c in (1, 2))
    errors = [
        np.cos(np.asarray(from_log_density(normal, 50_000, 2, rng=seed)) @ delta.T).reshape(100, 500, 4).mean(axis=1)
        - k
        for seed in range(20)
    ]
    ratio = np.sqrt((np.concatenate(errors) ** 2).mean(axis=0) / ((1 + k2 - 2 * k**2) / 1000))
    assert abs(np.sqrt((ratio**2).mean()) - 1) < 0.05 and abs(ratio - 1).max() < 0.1


def test_an_object_or_a_function_is_enough():
    W = draw(OnlyDensity(), 300, 3, scheme="chains", rng=4)
    assert (W.shape, W.scheme, W.unbiased) == ((300, 3), "chains", False)
    np.testing.assert_array_equal(np.asarray(W), np.asarray(from_log_density(normal, 300, 3, rng=4)))
    np.testing.assert_allclose(np.asarray(W), np.asarray(chains(Gaussian(), 300, 3, 4)), rtol=1e-12)


def test_starts_are_too_far_inside_and_too_far_out_in_turn():
    z = starts(np.random.default_rng(0), 100, 4)
    standard = np.random.default_rng(0).standard_normal((100, 4))
    np.testing.assert_array_equal(z[::2], INSIDE * standard[::2])
    np.testing.assert_array_equal(z[1::2], OUTSIDE * standard[1::2])
    assert INSIDE < 1 < OUTSIDE


@pytest.mark.parametrize("width", [0.001, 0.01, 10.0, 100.0])
def test_chains_that_are_still_under_way_are_noticed(width):
    with pytest.warns(ConvergenceWarning, match="chains have not arrived after 30 steps"):
        from_log_density(normal, 500, 2, width=width, rng=0)


def test_chains_that_remember_their_start_are_noticed():
    with pytest.warns(ConvergenceWarning) as heard:
        from_log_density(normal, 2000, 16, n_steps=40, rng=0)
    message = str(heard[0].message)
    assert "|w|² still depends on the start, by" in message and "standard errors. Give the width" in message


def test_chains_that_stand_still_are_noticed():
    squares = np.random.default_rng(0).random(64)
    with pytest.warns(ConvergenceWarning, match="0 of 64 moved in the last quarter"):
        warn_of_travelling(np.column_stack([squares, squares]), 30)


def test_chains_that_have_arrived_are_left_in_peace():
    """z goes beyond 5 with a chance below 1e-6 each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(50):
            from_log_density(normal, 500, 2, rng=seed)
        warn_of_travelling(np.random.default_rng(0).random((101, 2)), 30)


def test_the_rank_sum_is_scipy_s():
    x, y = np.random.default_rng(0).random(41), np.random.default_rng(1).random(40) ** 2
    assert rank_sum(x, y) == pytest.approx(stats.ranksums(x, y).statistic, rel=1e-12)


REFUSED = {
    "n_steps must be an integer >= 4": (ValueError, {"n_steps": 3}),
    "width must be .*positive": (ValueError, {"width": 0.0}),
    "width must be a number or an array of shape": (ValueError, {"width": [1.0, 1.0, 1.0]}),
    "rng must be a non-negative integer": (TypeError, {"rng": "0"}),
}


@pytest.mark.parametrize(("message", "case"), REFUSED.items())
def test_arguments_out_of_range_are_refused(message, case):
    error, options = case
    with pytest.raises(error, match=message):
        from_log_density(normal, 10, 2, **options)


def test_what_has_no_density_is_refused():
    with pytest.raises(ValueError, match="alpha"):
        chains(ExponentialPower(0.7), 10, 2)
    with pytest.raises(ValueError, match="finite for every chain"):
        from_log_density(lambda w: np.where(w[:, 0] > 0, 0.0, -np.inf), 10, 2, rng=0)
    assert np.isfinite(np.asarray(chains(Laplacian(), 10, 2, 0))).all()
