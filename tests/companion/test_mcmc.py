"""Rejection and importance sampling: their exact laws, and finite spaces on which every sum can be written out.

Where chance is left, a threshold comes from the exact law or from the inequality of Dvoretzky, Kiefer and Wolfowitz
with Massart's constant, each with a false alarm of at most 1e-6.
"""

import itertools
from contextlib import nullcontext

import numpy as np
import pytest
from scipy import stats

from companion import mcmc
from companion._core.checks import NumericalWarning
from companion.mcmc import importance, importance_reference, rejection, rejection_reference

ALARM = 1e-6


def laplace(x):
    return -np.abs(x).sum(axis=1)  # the constant is log 2 per coordinate


def cauchy(x):
    return -np.log1p(x**2).sum(axis=1)  # log pi per coordinate; laplace - cauchy <= 0, and 0 at x = 0


def normal(x):
    return stats.norm.logpdf(x).sum(axis=1)


def draw_cauchy(dim):
    return lambda rng, n: rng.standard_cauchy((n, dim))


def laplace_from_cauchy(n, dim=1, rng=0, **other):
    keywords = {"sample": draw_cauchy(dim), "proposal_log_density": cauchy, "log_bound": 0.0} | other
    return rejection(laplace, n, rng=rng, **keywords)


def near(draws, cdf):
    """The largest distance between empirical and true distribution function, as a share of its threshold."""
    threshold = np.sqrt(np.log(2 / ALARM) / (2 * len(draws)))
    return stats.ks_1samp(draws, cdf, method="asymp").statistic / threshold


@pytest.mark.parametrize(("n", "batch"), [(1000, 7), (20_000, 2**16)])
def test_what_rejection_keeps_has_the_law_of_the_density(n, batch, monkeypatch):
    monkeypatch.setattr(mcmc.direct, "_LARGEST_BATCH", batch)
    draws = laplace_from_cauchy(n, 3).draws
    assert draws.shape == (n, 3) and draws.dtype == np.float64
    assert all(near(column, stats.laplace.cdf) < 1 for column in draws.T)
    assert near(np.abs(draws).sum(axis=1), stats.gamma(3).cdf) < 1


def test_the_distance_can_tell_a_wrong_law():
    draws = laplace_from_cauchy(20_000).draws[:, 0]
    assert near(draws, stats.norm(scale=np.sqrt(2)).cdf) > 1 and near(1.2 * draws, stats.laplace.cdf) > 1


@pytest.mark.parametrize(("dim", "log_bound"), [(1, 1.0), (4, 0.0)])
def test_the_number_of_proposals_has_its_exact_law(dim, log_bound):
    """Each proposal is kept with probability ∫p / (M ∫q): the number until the n-th is negative binomial."""
    n, rate = 500, (2 / np.pi) ** dim * np.exp(-log_bound)
    run = laplace_from_cauchy(n, dim, log_bound=log_bound)
    below, above = stats.nbinom(n, rate).cdf(run.n_proposed - n), stats.nbinom(n, rate).sf(run.n_proposed - n - 1)
    assert min(below, above) > ALARM / 2
    assert run.acceptance_rate == n / run.n_proposed
    assert repr(run) == repr(laplace_from_cauchy(n, dim, log_bound=np.array(log_bound, np.float32)))
    assert -0.5 < run.largest_log_ratio <= 0


def test_rejection_against_its_reference():
    drawn = []

    def sample(rng, n):
        points = rng.standard_cauchy((n, 2))
        coins = np.random.default_rng()
        coins.bit_generator.state = rng.bit_generator.state  # the fast function draws its coins next
        drawn.append((points, np.exp(-coins.standard_exponential(n))))
        return points

    run = laplace_from_cauchy(1000, 2, sample=sample)
    points, uniforms = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    kept = rejection_reference(laplace, cauchy, 0.0, points, uniforms)
    np.testing.assert_array_equal(run.draws, kept[:1000])
    at = run.n_proposed
    np.testing.assert_array_equal(run.draws, rejection_reference(laplace, cauchy, 0.0, points[:at], uniforms[:at]))
    assert len(rejection_reference(laplace, cauchy, 0.0, points[: at - 1], uniforms[: at - 1])) == 999


STATES = np.array([[0.0], [1.0], [2.0], [3.0]])
P, Q = np.array([0.1, 0.0, 0.3, 0.6]), np.array([0.2, 0.3, 0.4, 0.1])
VALUES = np.array([1.0, -2.0, 0.5, 3.0])
TRUTH, RATIO = P @ VALUES, P / Q


def log_table(probabilities, constant=0.0):
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities) + constant
    return lambda x: logs[x[:, 0].astype(int)]


def weighed(points, constant=0.0):
    """importance() with these draws instead of random ones; p times exp(constant)."""
    return importance(
        log_table(P, constant), len(points), sample=lambda rng, n: points, proposal_log_density=log_table(Q)
    )


@pytest.fixture
def proportional():
    """Ten draws that hold each state exactly as often as the proposal expects: averages become exact sums."""
    return np.repeat(STATES, (10 * Q).round().astype(int), axis=0)


@pytest.mark.parametrize("constant", [0.0, 700.0, -1e5])
def test_importance_against_exact_sums_on_a_finite_space(proportional, constant):
    run, values = weighed(proportional, constant), VALUES[proportional[:, 0].astype(int)]
    second = Q @ RATIO**2  # E_q ρ²
    assert run.ess == pytest.approx(10 / second, rel=1e-9)
    assert run.largest_weight == pytest.approx(RATIO.max() / 10, rel=1e-9)
    assert run.log_mean_ratio == pytest.approx(constant, abs=1e-9)
    np.testing.assert_allclose(np.exp(run.log_weights), RATIO[proportional[:, 0].astype(int)] / 10, atol=1e-12)
    estimate = run.estimate(values)
    assert estimate.mean == pytest.approx(TRUTH, rel=1e-9)
    assert estimate.standard_error == pytest.approx(np.sqrt(Q @ (RATIO**2 * (VALUES - TRUTH) ** 2) / 10), rel=1e-9)


@pytest.mark.parametrize("constant", [700.0, 1e15, -1e15])
def test_weights_sum_to_one_and_the_sample_size_is_possible_whatever_the_constant(proportional, constant):
    rounded = pytest.warns(NumericalWarning, match="rounded to multiples of 0.12, .* Subtract a constant")
    with rounded if abs(constant) > 1e13 else nullcontext():
        run = weighed(proportional, constant)
    assert np.exp(run.log_weights).sum() == pytest.approx(1, rel=1e-12) and 1 <= run.ess <= 10
    with rounded if abs(constant) > 1e13 else nullcontext():
        same = weighed(STATES[[2] * 7], constant)
    assert same.ess == 7 and same.largest_weight == pytest.approx(1 / 7, rel=1e-12)


def test_log_densities_that_leave_the_range_of_floats_are_refused():
    with pytest.raises(ValueError, match="^log p - log q must be within the range .* Subtract a constant"):
        bare_importance(lambda x: np.full(4, 1e308), proposal_log_density=lambda x: np.full(4, -1e308))


def test_the_plain_estimate_is_unbiased_and_so_is_its_squared_error():
    """All 64 outcomes of three draws, each with its probability."""
    means, squares, chances = [], [], []
    for outcome in itertools.product(range(4), repeat=3):
        if set(outcome) == {1}:  # all weights are zero, which importance refuses: the plain estimate is 0
            estimate = mcmc.Estimate(0.0, 0.0)
        else:
            estimate = weighed(STATES[list(outcome)]).estimate(VALUES[list(outcome)], self_normalised=False)
        chances.append(np.prod(Q[list(outcome)]))
        means.append(estimate.mean)
        squares.append(estimate.standard_error**2)
    assert np.dot(chances, means) == pytest.approx(TRUTH, rel=1e-12)
    variance = Q @ (RATIO * VALUES) ** 2 - TRUTH**2
    assert np.dot(chances, squares) == pytest.approx(variance / 3, rel=1e-12)


def test_importance_against_its_reference():
    run = bare_importance(n=500, sample=draw_cauchy(2))
    values = np.cos(run.draws[:, 0])
    mean, error, ess = importance_reference(laplace, cauchy, run.draws, values)
    estimate = run.estimate(values)
    np.testing.assert_allclose([estimate.mean, estimate.standard_error, run.ess], [mean, error, ess], rtol=1e-12)
    assert isinstance(estimate.mean, float) and isinstance(estimate.standard_error, float)
    both = run.estimate(np.column_stack([np.sin(run.draws[:, 1]), values]))
    np.testing.assert_allclose([both.mean[1], both.standard_error[1]], [mean, error], rtol=1e-12)


def test_seeds_and_generators():
    once, again = laplace_from_cauchy(50, rng=3), laplace_from_cauchy(50, rng=3)
    np.testing.assert_array_equal(once.draws, again.draws)
    assert not np.isin(once.draws, laplace_from_cauchy(50, rng=4).draws).any()
    assert not np.isin(once.draws, laplace_from_cauchy(50, rng=np.random.default_rng(3)).draws).any()
    assert not np.isin(once.draws, bare_importance(n=50, rng=3).draws).any()
    assert not np.array_equal(laplace_from_cauchy(50, rng=None).draws, laplace_from_cauchy(50, rng=None).draws)


def test_float32_draws_and_densities_are_computed_in_float64():
    run = importance(
        lambda x: normal(x).astype(np.float32), 100, sample=lambda rng, n: rng.standard_normal((n, 1), np.float32),
        proposal_log_density=normal, rng=0,
    )  # fmt: skip
    assert run.draws.dtype == run.log_weights.dtype == np.float64 and run.ess == pytest.approx(100)


def test_a_bound_that_does_not_hold_is_refused():
    message = r"^log_bound must be at least log p - log q everywhere; got -0.5, below -0.0\d+ at x = \[.*heavier tails"
    with pytest.raises(ValueError, match=message):
        laplace_from_cauchy(100, log_bound=-0.5)
    assert laplace_from_cauchy(5, sample=lambda rng, n: np.zeros((n, 1)), log_bound=-1e-10).n_proposed == 5  # rounding
    message = r"got 2, below \d+.* at x = "
    with pytest.raises(ValueError, match=message):
        rejection(cauchy, 1000, sample=lambda rng, n: rng.laplace(size=(n, 1)), proposal_log_density=laplace,
                  log_bound=2.0, rng=0)  # fmt: skip


def test_rejection_gives_up():
    message = (
        r"^max_proposals must be enough for n_draws; got 100 proposals, 0 of 10 draws kept, largest log ratio minus "
        r"log_bound -50. Lower log_bound"
    )
    with pytest.raises(ValueError, match=message):
        laplace_from_cauchy(10, max_proposals=100, log_bound=50.0, sample=lambda rng, n: np.zeros((n, 1)))


def test_draws_that_all_miss_the_support_are_refused():
    with pytest.raises(ValueError, match=r"^log_density\(x\) must be above -inf for some draw; got -inf for all 5"):
        weighed(np.ones((5, 1)))


def bare_importance(log_density=laplace, n=4, **other):
    keywords = {"sample": draw_cauchy(1), "proposal_log_density": cauchy, "rng": 0} | other
    return importance(log_density, n, **keywords)


def bare_rejection(log_density=laplace, **other):
    keywords = {"n_draws": 4, "sample": draw_cauchy(1), "proposal_log_density": cauchy, "log_bound": 0.0, "rng": 0}
    return rejection(log_density, **(keywords | other))


every_call = pytest.mark.parametrize("call", [bare_rejection, bare_importance])


@every_call
def test_callables_may_change_and_keep_their_arrays(call):
    def own(density):
        def change(x):
            x += 1.0
            return density(x - 1.0)

        return change

    def sample(rng, n):
        kept.append(draw_cauchy(1)(rng, n))
        return kept[-1]

    kept, right = [], call(sample=draw_cauchy(1))
    run = call(own(laplace), sample=sample, proposal_log_density=own(cauchy))
    for buffer in kept:
        buffer[:] = 7.0
    np.testing.assert_array_equal(run.draws, right.draws)
    assert repr(run) == repr(right)


def tensor(x):
    return pytest.importorskip("torch").zeros(len(x))


DENSITIES = {
    "B2-58-nan": (lambda x: [0, np.nan, 0, 0], ValueError, r" must be a number or -inf; got nan at x = \[-?\d"),
    "infinite": (lambda x: np.full(len(x), np.inf), ValueError, " must be a number or -inf; got inf at x = "),
    "B2-60-column": (lambda x: -np.abs(x), ValueError, r" one per row of x: shape \(4,\); got shape \(4, 1\), .* Sum"),
    "complex": (lambda x: np.zeros(len(x)) * 1j, ValueError, " must be made of real numbers.* dtype complex128"),
    "bool": (lambda x: x[:, 0] > 0, ValueError, " must be made of real numbers.* dtype bool"),
    "B2-60-tensor": (tensor, TypeError, r" must be a NumPy array \(or a list\); got a tensor on cpu"),
}  # fmt: skip


@every_call
@pytest.mark.parametrize(("bad", "error", "message"), DENSITIES.values(), ids=DENSITIES.keys())
def test_bad_log_densities_are_refused(call, bad, error, message):
    with pytest.raises(error, match=r"^proposal_log_density\(x\).*" + message):
        call(proposal_log_density=bad)
    with pytest.raises(error, match=r"^log_density\(x\).*" + message):
        call(bad)


@every_call
def test_a_proposal_that_draws_what_it_calls_impossible_is_refused(call):
    message = r"^proposal_log_density\(x\), where sample drew x, must be finite; got 4 NaN or infinite entries"
    with pytest.raises(ValueError, match=message):
        call(proposal_log_density=lambda x: np.full(len(x), -np.inf))


SAMPLES = {
    "B2-10-1-d": (lambda rng, n: rng.random(n), ValueError, r" must be a 2-D array .* got shape \(4,\). Use sample"),
    "too-few": (lambda rng, n: rng.random((n - 1, 1)), ValueError, r" must be of shape \(n, d\), here with n = 4; got"),
    "B2-01-nan": (lambda rng, n: np.full((n, 1), np.nan), ValueError, " must be finite; got 4 NaN"),
    "B2-60-tensor": (lambda rng, n: tensor(np.zeros((n, 1))), TypeError, " must be a NumPy array"),
}


@every_call
@pytest.mark.parametrize(("bad", "error", "message"), SAMPLES.values(), ids=SAMPLES.keys())
def test_bad_proposals_are_refused(call, bad, error, message):
    with pytest.raises(error, match=r"^sample\(rng, n\)" + message):
        call(sample=bad)


NUMBERS = {
    "n_draws-0": ({"n_draws": 0}, ValueError, "n_draws must be an integer >= 1; got 0"),
    "max_proposals-0": ({"max_proposals": 0}, ValueError, "max_proposals must be an integer >= 1; got 0"),
    "log_bound-nan": ({"log_bound": np.nan}, ValueError, "log_bound must be a finite number; got nan"),
    "log_bound-none": ({"log_bound": None}, ValueError, "log_bound must be a finite number; got None"),
    "log_bound-bool": ({"log_bound": np.array(True)}, ValueError, "log_bound must be a finite number; got array"),
    "log_bound-1-d": ({"log_bound": np.array([0.1])}, ValueError, "log_bound must be a finite number; got array"),
    "B2-63-seed": ({"rng": -1}, ValueError, "rng must be a non-negative integer"),
}


@pytest.mark.parametrize(("bad", "error", "message"), NUMBERS.values(), ids=NUMBERS.keys())
def test_bad_parameters_of_rejection_are_refused(bad, error, message):
    with pytest.raises(error, match="^" + message):
        bare_rejection(**bad)


def test_bad_values_and_sizes_of_importance_are_refused():
    with pytest.raises(ValueError, match="^n_draws must be an integer >= 2; got 1"):
        bare_importance(n=1)
    run = bare_importance()
    with pytest.raises(ValueError, match=r"^values and draws must be equal in their number of samples; got shapes"):
        run.estimate(np.zeros(3))
    with pytest.raises(ValueError, match="^values must be finite; got 1 NaN"):
        run.estimate([0.0, np.nan, 0.0, 0.0])
    big = bare_importance(lambda x: laplace(x) + 1e4)
    assert big.estimate(np.ones(4)).mean == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"^the estimate must be within the range of its dtype .* an overflow. Scale"):
        big.estimate(np.ones(4), self_normalised=False)
