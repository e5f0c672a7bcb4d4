"""Samplers that are right and samplers that are not, and what catches them: ``KILLS`` is the table.

Each sampler is Metropolis–Hastings for N(0, 1) in plain NumPy, the wrong ones with one line changed. What may catch it
is in ``TESTS``: functions of a sampler's name that say whether it passes. A right one fails with a chance of
1e-6 at most, except by tolerances of taste, of the kind that is common.

>>> run("right", 2000, 50).shape, exact_start("right"), exact_start("inverted")
((2000, 50), True, False)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from companion.mcmc import transition_matrix

ALARM = 1e-6


def normal(x):
    """log p of the standard normal density, without its constant."""
    return -(x**2) / 2


def walk(rng, x):
    """x' = x + 2.4 z, and a log Hastings ratio of 0."""
    return x + 2.4 * rng.standard_normal(len(x)), 0.0


def drift(rng, x):
    """x' = x / 2 + 1.2 z: towards the middle, so the way there is not as likely as the way back."""
    new = x / 2 + 1.2 * rng.standard_normal(len(x))
    return new, ((new - x / 2) ** 2 - (x - new / 2) ** 2) / (2 * 1.2**2)


def stretch(rng, x):
    """x' = ± x exp(1.2 z): the step back is shorter by the factor |x / x'|, which is its Jacobian."""
    factor = np.exp(1.2 * rng.standard_normal(len(x)))
    return x * factor * rng.choice([-1.0, 1.0], len(x)), np.log(factor)


@dataclass(frozen=True)
class Sampler:
    """A sampler with its mistake."""

    mistake: str
    propose: Callable = walk
    log_density: Callable = normal
    hastings: bool = True
    accept: Callable = lambda u, log_ratio: np.log(u) <= log_ratio
    stays: bool = True  # a rejected proposal counts the old position once more

    def step(self, rng, x):
        """One step of many chains, (chains,) to (chains,)."""
        new, log_hastings = self.propose(rng, x)
        log_ratio = self.log_density(new) - self.log_density(x) + self.hastings * log_hastings
        accepted = self.accept(rng.random(len(x)), log_ratio)
        if not self.stays:  # propose again until something is accepted
            while not accepted.all():
                again = np.flatnonzero(~accepted)
                new[again], _ = self.propose(rng, x[again])
                log_ratio = self.log_density(new[again]) - self.log_density(x[again])
                accepted[again] = self.accept(rng.random(len(again)), log_ratio)
        return np.where(accepted, new, x)


def barker(u, log_ratio):
    """Accept with probability ρ / (1 + ρ): right, but slower."""
    return u <= 1 / (1 + np.exp(-log_ratio))


def half_barker(u, log_ratio):
    """Accept with probability ρ / (1 + ρ) if ρ < 1, else always."""
    return (u <= 1 / (1 + np.exp(-log_ratio))) | (log_ratio >= 0)


SAMPLERS = {
    "right": Sampler("none"),
    "right-drift": Sampler("none", propose=drift),
    "right-stretch": Sampler("none", propose=stretch),
    "right-barker": Sampler("none: Barker's rule is another right one", accept=barker),
    "no-hastings": Sampler("a drift without its Hastings term", propose=drift, hastings=False),
    "no-jacobian": Sampler("a multiplicative step without its Jacobian", propose=stretch, hastings=False),
    "inverted": Sampler("the ratio upside down", accept=lambda u, r: np.log(u) <= -r),
    "square-root": Sampler("the root of the ratio", accept=lambda u, r: np.log(u) <= r / 2),
    "half-barker": Sampler("Barker's rule below 1, Metropolis' above", accept=half_barker),
    "rejections-dropped": Sampler("rejected proposals are not counted", stays=False),
    "never-below": Sampler("no uniform number below 0.02", accept=lambda u, r: np.log(0.02 + 0.98 * u) <= r),
    "norm-not-squared": Sampler("exp(-|w|/2) for exp(-|w|²/2)", log_density=lambda x: -np.abs(x) / 2),
    "uphill-only": Sampler("better positions only", accept=lambda u, r: r >= 0),
    "ratio-plus": Sampler("0.01 added to the ratio", accept=lambda u, r: u <= np.exp(np.minimum(r, 0)) + 0.01),
}


def run(name, chains, steps, seed=0, start=0.5):
    """Positions of shape (chains, steps)."""
    rng, x = np.random.default_rng([seed, 3]), np.full(chains, start)
    return np.stack([x := SAMPLERS[name].step(rng, x) for _ in range(steps)], axis=1)


def exact_start(name, chains=20_000, steps=5, seed=1):
    """Start from exact draws: the states after any number of steps are independent draws again, if the step is right.

    Kolmogorov and Smirnov's distance against the bound of Dvoretzky, Kiefer, Wolfowitz and Massart.
    """
    x, rng = np.random.default_rng([seed, 1]).standard_normal(chains), np.random.default_rng([seed, 2])
    for _ in range(steps):
        x = SAMPLERS[name].step(rng, x)
    return distance(x) <= np.sqrt(np.log(2 / ALARM) / (2 * chains))


def long_start(name):
    """The same with ten times the chains."""
    return exact_start(name, chains=200_000)


LOG_P = np.array([0.0, 1.0, 0.5, -1.0, 2.0])
PATH = np.array([[0, 1, 0, 0, 0], [0.5, 0, 0.5, 0, 0], [0, 0.5, 0, 0.5, 0], [0, 0, 0.5, 0, 0.5], [0, 0, 0, 1, 0]])


def along_the_path(rng, x):
    """A neighbour on the path 0 - 1 - 2 - 3 - 4: an end has one, and is proposed by its neighbour half of the time."""
    new = np.where(x == 0, 1, np.where(x == 4, 3, x + rng.choice([-1, 1], len(x))))
    return new, np.log(PATH[new, x] / PATH[x, new])


def finite(name, each=100_000):
    """Five states: counts of one step from each against the exact transition matrix, by chi-square.

    A mistake in the density itself is not seen: the test brings its own.
    """
    sampler = replace(SAMPLERS[name], propose=along_the_path, log_density=lambda x: LOG_P[x])
    x, P = np.repeat(np.arange(5), each), transition_matrix(LOG_P, PATH)
    counts = np.zeros((5, 5))
    np.add.at(counts, (x, sampler.step(np.random.default_rng(4), x)), 1)
    return fits(counts, P)


def fits(counts, P):
    """Counts of transitions against P: nothing that is impossible, and chi-square within its 1e-6 quantile."""
    possible, expected = P > 1e-12, counts.sum(axis=1, keepdims=True) * P
    if counts[~possible].any():
        return False
    chi_square = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    return chi_square <= stats.chi2(possible.sum() - len(P)).isf(ALARM)


def error_bars(name, chains=400, steps=400):
    """From exact draws, the means of x and x² in each chain, which are independent: t-statistics in their limits."""
    x = run(name, chains, steps, seed=3, start=np.random.default_rng(5).standard_normal(chains))
    limit = stats.t(chains - 1).isf(ALARM / 4)
    errors = [x.mean(axis=1), (x**2).mean(axis=1) - 1]
    return all(abs(e.mean()) <= limit * e.std(ddof=1) / np.sqrt(chains) for e in errors)


def taste(name):
    """32 chains, 1,000 draws after 1,000 steps: mean within 0.08, deviation within 0.05, distance below 0.05."""
    x = run(name, 32, 2000)
    rate, kept = np.mean(np.diff(x, axis=1) != 0), x[:, 1000:].ravel()
    near = abs(kept.mean()) < 0.08 and abs(kept.std() - 1) < 0.05 and distance(kept) < 0.05
    return bool(near and 0.1 < rate < 0.9)


def distance(x):
    """The largest distance between the empirical distribution function and that of N(0, 1)."""
    return stats.ks_1samp(x, stats.norm.cdf, method="asymp").statistic


TESTS = {f.__name__: f for f in (exact_start, long_start, finite, error_bars, taste)}
ALL, SHARP = set(TESTS), {"long_start", "finite", "error_bars"}
KILLS = {
    "right": set(), "right-drift": set(), "right-stretch": set(), "right-barker": {"finite"}, "no-hastings": ALL,
    "no-jacobian": ALL, "inverted": ALL, "square-root": ALL, "half-barker": ALL, "rejections-dropped": ALL,
    "never-below": SHARP, "norm-not-squared": ALL - {"finite"}, "uphill-only": ALL, "ratio-plus": SHARP | {"taste"},
}  # fmt: skip
