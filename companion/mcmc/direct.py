"""Draws from a density p that is only known point by point: rejection and importance sampling.

Both draw from a proposal q instead, and correct for it by the ratio ρ(x) = p(x) / q(x).

Rejection (von Neumann 1951, "Various techniques used in connection with random digits"; Owen 2013, "Monte Carlo theory,
methods and examples", chapter 4): if ρ <= M everywhere, keep x with probability ρ(x) / M. What is kept has the law p
exactly; it is the share 1/M of what was proposed if p and q are normalised, in general the share ∫p / (M ∫q).

Importance (Owen 2013, sections 9.1 to 9.3): E_p f ≈ Σ_i a_i f(x_i) with a_i = ρ(x_i) / Σ_j ρ(x_j), in which constants
of p and q cancel. By the delta method its standard error is about (Σ_i a_i² (f(x_i) - mean)²)^(1/2), as if there were
1 / Σ_i a_i² draws from p. If E_q ρ² is infinite, that formula is worthless: it returns small numbers all the same.

>>> target, cauchy = lambda x: -abs(x[:, 0]), lambda x: -np.log1p(x[:, 0] ** 2)  # exp(-|x|) and 1 / (1 + x²)
>>> draw = lambda rng, n: rng.standard_cauchy((n, 1))
>>> rejection(target, 1000, sample=draw, proposal_log_density=cauchy, log_bound=0.0, rng=0)
Rejection(acceptance_rate=0.6553, n_proposed=1526, largest_log_ratio=-0.0006203)
>>> run = importance(target, 1000, sample=draw, proposal_log_density=cauchy, rng=0)
>>> run, round(run.estimate(run.draws[:, 0] ** 2).mean, 1)  # E x² = 2
(Importance(ess=872.7 of 1000, largest_weight=0.0015, log_mean_ratio=-0.418), 1.9)
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Seed

__all__ = ["Estimate", "Importance", "Rejection", "importance", "importance_reference", "rejection"]
__all__ += ["rejection_reference"]

LogDensity = Callable[[np.ndarray], Any]  # (n, d) to (n,)
Sample = Callable[[np.random.Generator, int], Any]  # a generator and n to (n, d)

_LARGEST_BATCH = 2**16


@dataclass(frozen=True, eq=False)
class Rejection:
    """Accepted draws, and the rate of acceptance.

    Parameters
    ----------
    draws : ndarray of shape (n, d)
        Independent draws from the density.
    acceptance_rate : float
        The share of the proposals that were accepted, n / n_proposed.
    n_proposed : int
        Proposals up to the last draw that was accepted.
    largest_log_ratio : float
        The largest log p - log q that was met. If it stays far below ``log_bound``, a smaller bound may do.
    """

    draws: np.ndarray
    acceptance_rate: float
    n_proposed: int
    largest_log_ratio: float

    def __repr__(self) -> str:
        rate, largest = f"{self.acceptance_rate:.4g}", f"{self.largest_log_ratio:.4g}"
        return f"Rejection(acceptance_rate={rate}, n_proposed={self.n_proposed}, largest_log_ratio={largest})"


@dataclass(frozen=True)
class Estimate:
    """An estimate with its error.

    Parameters
    ----------
    mean : float or ndarray of shape (t,)
    standard_error : float or ndarray of shape (t,)
        Estimated from the same draws.
    """

    mean: Any
    standard_error: Any


@dataclass(frozen=True, eq=False)
class Importance:
    """Draws from a proposal with the weights that turn them into draws from the density.

    Parameters
    ----------
    draws : ndarray of shape (n, d)
        Independent draws from the proposal.
    log_weights : ndarray of shape (n,)
        Logarithms of weights that sum to 1; -inf where the density is zero.
    log_mean_ratio : float
        log (1/n) Σ_i p(x_i) / q(x_i): estimates log ∫p / ∫q, so it is about 0 if both are normalised.
    ess : float
        Effective sample size 1 / Σ_i a_i², from 1 to n.
    largest_weight : float
        From 1/n to 1. Where one draw carries much of the sum, the next such draw will change the answer.
    """

    draws: np.ndarray
    log_weights: np.ndarray
    log_mean_ratio: float
    ess: float
    largest_weight: float

    def __repr__(self) -> str:
        numbers = f"ess={self.ess:.4g} of {len(self.draws)}, largest_weight={self.largest_weight:.2g}"
        return f"Importance({numbers}, log_mean_ratio={self.log_mean_ratio:.4g})"

    def estimate(self, values: Any, *, self_normalised: bool = True) -> Estimate:
        """The average under the density of a function whose values at the draws are given.

        Parameters
        ----------
        values : array of shape (n,) or (n, t)
            Values at ``draws``, one column per function.
        self_normalised : bool
            True divides by the sum of the ratios: needs no constants of p and q, and has a bias of order 1/n. False
            divides by n: unbiased, but right only if p and q are both normalised.

        Returns
        -------
        Estimate
            With the standard error of the delta method, or that of a mean of n terms.

        Raises
        ------
        TypeError, ValueError
            If values are not finite real numbers, one row per draw, or the result is out of range.
        """
        values, _ = arrays.read_on_host("values", values, ndim=(1, 2))
        checks.same_length("values", values.shape, "draws", self.draws.shape)
        n, weights = len(values), np.exp(self.log_weights)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = weights @ values
            error = np.sqrt(weights**2 @ (values - mean) ** 2)
            if not self_normalised:
                terms = (n * np.exp(self.log_mean_ratio) * weights * values.T).T  # (n,) or (n, t)
                mean, error = terms.mean(axis=0), terms.std(axis=0, ddof=1) / np.sqrt(n)
        if not (np.isfinite(mean).all() and np.isfinite(error).all()):
            checks.no_overflow("the estimate", float(np.finfo(float).max), "Scale values, or the densities, down.")
        return Estimate(float(mean), float(error)) if values.ndim == 1 else Estimate(mean, error)


def rejection_reference(
    log_density: Callable, proposal_log_density: Callable, log_bound: float, proposals: np.ndarray, uniforms: np.ndarray
) -> np.ndarray:
    """The proposals x_i with u_i < p(x_i) / (M q(x_i)), straight from the definition."""
    log_ratio = log_density(proposals) - proposal_log_density(proposals)  # (n,)
    return proposals[uniforms < np.exp(log_ratio - log_bound)]


def importance_reference(
    log_density: LogDensity, proposal_log_density: LogDensity, draws: np.ndarray, values: np.ndarray
) -> tuple[float, float, float]:
    """Σ_i a_i f_i, (Σ_i a_i² (f_i - mean)²)^(1/2) and 1 / Σ_i a_i² with the weights a_i = ρ_i / Σ_j ρ_j."""
    ratio = np.exp(log_density(draws) - proposal_log_density(draws))  # (n,)
    weights = ratio / np.sum(ratio)
    mean = np.sum(weights * values)
    error = np.sqrt(np.sum(weights**2 * (values - mean) ** 2))
    return float(mean), float(error), float(1 / np.sum(weights**2))


def rejection(
    log_density: LogDensity,
    n_draws: int,
    *,
    sample: Sample,
    proposal_log_density: LogDensity,
    log_bound: float,
    max_proposals: int = 10_000_000,
    rng: Seed = None,
) -> Rejection:
    """Independent draws from a density p, out of proposals from q, where p <= M q everywhere.

    Parameters
    ----------
    log_density : callable
        log p, up to a constant: maps points of shape (n, d) to shape (n,); -inf outside the support.
    n_draws : int
        How many to keep.
    sample : callable
        ``sample(rng, n)`` draws n proposals from q, of shape (n, d), with the generator that it is given.
    proposal_log_density : callable
        log q, up to a constant.
    log_bound : float
        log M, for p and q with these same constants. It must hold everywhere: only points that are met can be checked.
    max_proposals : int
        Give up after so many.
    rng : int, numpy.random.Generator or None
        Seed of the draws.

    Returns
    -------
    Rejection
        The draws, float64, and their diagnostics.

    Raises
    ------
    TypeError, ValueError
        If a log ratio exceeds the bound (by more than rounding), ``max_proposals`` are not enough, a callable returns
        something of a wrong shape or type, NaN or infinity (but log p may be -inf), or a parameter is out of range.

    Warns
    -----
    NumericalWarning
        If log p or log q is so large that floating point spaces such numbers more than 0.01 apart.

    Notes
    -----
    Page: ``random-features/monte-carlo``. Reference: ``rejection_reference``.
    """
    checks.integer("n_draws", n_draws, minimum=1)
    checks.integer("max_proposals", max_proposals, minimum=1)
    log_bound = _finite_number("log_bound", log_bound)
    random = arrays.generator(rng, "mcmc.rejection")
    kept, n_kept, n_proposed, largest = [], 0, 0, -np.inf
    while n_kept < n_draws:
        size = min(max(n_draws, n_proposed), _LARGEST_BATCH, max_proposals - n_proposed)
        if size == 0:
            _give_up(n_proposed, f"{n_kept} of {n_draws}", largest - log_bound)
        points, log_ratio = _proposals(random, size, log_density, sample, proposal_log_density)
        _require_bound(log_bound, log_ratio, points)
        accepted = np.flatnonzero(log_ratio - log_bound > -random.standard_exponential(size))[: n_draws - n_kept]
        kept.append(points[accepted])
        n_kept, largest = n_kept + len(accepted), max(largest, float(log_ratio.max()))
        n_proposed += size if n_kept < n_draws else int(accepted[-1]) + 1
    return Rejection(np.concatenate(kept), n_draws / n_proposed, n_proposed, largest)


def _finite_number(name: str, value: Any) -> float:
    values = arrays.host(value)
    if arrays.requires_grad(value) or values.ndim or values.dtype.kind not in "iuf" or not np.isfinite(values):
        checks.fail(name, "a finite number", repr(value), "")
    return float(values)


def _give_up(n_proposed: int, kept: str, slack: float) -> NoReturn:
    got = f"{n_proposed} proposals, {kept} draws kept, largest log ratio minus log_bound {slack:.3g}"
    fix = "Lower log_bound, choose a proposal nearer to the density, or use a Markov chain."
    checks.fail("max_proposals", "enough for n_draws", got, fix)


def _require_bound(log_bound: float, log_ratio: np.ndarray, points: np.ndarray) -> None:
    """Refuse a bound that a log ratio exceeds by more than rounding explains."""
    if log_ratio.max() > log_bound + 1e-9 + 8 * np.spacing(abs(log_bound)):
        got = f"{log_bound:.6g}, below {log_ratio.max():.6g} at x = {points[np.argmax(log_ratio)]}"
        fix = "Find the largest ratio, or a proposal with heavier tails: draws under a wrong bound have a wrong law."
        checks.fail("log_bound", "at least log p - log q everywhere", got, fix)


def importance(
    log_density: LogDensity, n_draws: int, *, sample: Sample, proposal_log_density: LogDensity, rng: Seed = None
) -> Importance:
    """Draws from a proposal q, weighted so that their averages are those of a density p.

    Parameters
    ----------
    log_density, sample, rng : as for ``rejection``
    n_draws : int
        At least 2.
    proposal_log_density : callable
        log q, up to a constant. q must be positive wherever p is, and its tails no lighter than those of p.

    Returns
    -------
    Importance
        Draws and log weights, float64, with effective sample size and largest weight; ``estimate`` averages.

    Raises
    ------
    TypeError, ValueError
        As ``rejection`` for what callables return, or if every draw has density zero, or n_draws is out of range.

    Warns
    -----
    NumericalWarning
        As ``rejection``.

    Notes
    -----
    Page: ``random-features/monte-carlo``. Reference: ``importance_reference``.
    """
    checks.integer("n_draws", n_draws, minimum=2)
    random = arrays.generator(rng, "mcmc.importance")
    points, log_ratio = _proposals(random, n_draws, log_density, sample, proposal_log_density)
    largest = float(log_ratio.max())
    if largest == -np.inf:
        fix = "The proposal misses the support of the density."
        checks.fail("log_density(x)", "above -inf for some draw", f"-inf for all {n_draws}", fix)
    with np.errstate(over="ignore"):
        log_ratio = log_ratio - largest  # first: beside a big number the logarithm of the sum would be rounded away
    ratio = np.exp(log_ratio)  # (n,), the largest is 1
    total = np.sum(ratio)
    ess = np.clip(total**2 / np.sum(ratio**2), 1, n_draws)  # only rounding exceeds these
    log_mean_ratio = largest + np.log(total / n_draws)
    return Importance(points, log_ratio - np.log(total), float(log_mean_ratio), float(ess), float(1 / total))


def _proposals(
    random: np.random.Generator, n: int, log_density: LogDensity, sample: Sample, proposal_log_density: LogDensity
) -> tuple[np.ndarray, np.ndarray]:
    """n points from the proposal and their log p - log q, both checked; no array is shared with what users pass."""
    points, _ = arrays.read_on_host("sample(rng, n)", sample(random, n))
    points = points.astype(np.float64)
    if len(points) != n:
        checks.fail("sample(rng, n)", f"of shape (n, d), here with n = {n}", f"shape {points.shape}", "")
    log_p = _log_values("log_density(x)", log_density(points.copy()), points)
    log_q = _log_values("proposal_log_density(x)", proposal_log_density(points.copy()), points)
    checks.finite("proposal_log_density(x), where sample drew x,", np.isfinite(log_q))
    return points, _log_ratio(log_p, log_q)


def _log_ratio(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """log p - log q, with a warning where the densities that count are too large to have two decimals."""
    fix = "Subtract a constant from the log density."
    with np.errstate(over="ignore"):
        log_ratio = log_p - log_q
    if np.isinf(log_ratio[log_p > -np.inf]).any():
        checks.no_overflow("log p - log q", float(np.finfo(float).max), fix)
    best = np.argmax(log_ratio)
    spacing = np.spacing(max(abs(log_p[best]), abs(log_q[best])))
    if spacing > 0.01:
        message = f"log p or log q is rounded to multiples of {spacing:.2g}, and so are their ratios. {fix}"
        warnings.warn(message, checks.NumericalWarning, stacklevel=4)
    return log_ratio


def _log_values(name: str, values: Any, points: np.ndarray) -> np.ndarray:
    """One log density per point; zero density, -inf, is one."""
    arrays.require_host(name, values)
    values = np.asarray(values)
    if values.dtype.kind not in "iuf" or values.shape != points.shape[:1]:
        expected = f"made of real numbers, one per row of x: shape {points.shape[:1]}"
        checks.fail(name, expected, f"shape {values.shape}, dtype {values.dtype}", "Sum over the last axis of x.")
    bad = np.flatnonzero(np.isnan(values) | (values == np.inf))
    if bad.size:
        got = f"{values[bad[0]]} at x = {points[bad[0]]}"
        checks.fail(name, "a number or -inf", got, "Where the density is 0, -inf.")
    return values.astype(np.float64)
