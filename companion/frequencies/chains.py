"""Frequencies of a spectrum of which only the log density is known: the last states of many short Markov chains.

Each row of W is the last state of a chain of its own, x' = x + s z accepted with probability min(1, p(x') / p(x)), so
rows are independent as those of ``iid`` are; their law comes as close to p as the chains have come. The error left in a
mean falls like exp(-t / t₀) with the steps t, t₀ of the order of d steps where p is nearly Gaussian. Where p can be
drawn from, ``iid`` is exact and costs 30 to 250 times less (benchmark `mcmc`).

    forgotten    half of the chains start too far inside, half too far out: at the end |w|² has the same ranks in both
    at rest      in a reversible chain with the law p, |w|² is as likely to grow from one state to a later one as to
                 shrink: counted over the last quarter of the steps

Metropolis et al. 1953, "Equation of state calculations by fast computing machines". To compare groups of many short
chains is the idea of Margossian et al. 2024, "Nested R-hat: assessing the convergence of Markov chain Monte Carlo when
running many short chains"; for two groups of n and ranks, R-hat² is about 1 + (z² - 1)/n with the z of Wilcoxon's rank
sum.

>>> W = from_log_density(lambda w: -abs(w).sum(axis=1), n_frequencies=5, dim=2, rng=0)
>>> W.shape, W.scheme, W.unbiased
((5, 2), 'chains', False)
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Seed
from companion.frequencies.base import Frequencies, stationary
from companion.kernels.stationary import check_size, host_lengthscale
from companion.mcmc import gaussian_proposal, sample_chains

LEAST_CHAINS = 64  # fewer cannot be compared
INSIDE, OUTSIDE = 0.5, 2.0  # how far out the two halves of the chains start, in widths of the spectrum
LARGEST_Z = 5.0  # standard errors: chance goes beyond with probability 6e-7


def chains(kernel: Any, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """The last states of m short chains that know ``kernel.spectral_log_density`` and nothing else of the kernel.

    Parameters
    ----------
    kernel : Kernel, or any object with the method ``spectral_log_density``
        The method maps frequencies of shape (n, d) to log p, up to a constant, of shape (n,). Chains start, and make
        steps, as fits 1 / ``kernel.lengthscale`` where there is one.
    n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Not exactly unbiased: how far the chains came is for you to check, and what neither half of them has reached no
        check can see. Heavy tails, as of ``Laplacian``, are such a case. Where the kernel can be drawn from, ``"iid"``
        costs 30 to 250 times less (benchmark `mcmc`).

    Raises
    ------
    TypeError, ValueError
        As ``from_log_density``, or if the kernel has no spectral density in closed form.

    Warns
    -----
    ConvergenceWarning
        As ``from_log_density``.

    Notes
    -----
    Page: ``sampling/sampling-a-spectral-density``.
    """
    if isinstance(kernel, type) or not hasattr(kernel, "spectral_log_density"):
        kernel = stationary(kernel)
    check_size(n_frequencies, dim, ("n_frequencies", "dim"))
    width = 1 / host_lengthscale(kernel, dim) if hasattr(kernel, "lengthscale") else 1.0
    return from_log_density(kernel.spectral_log_density, n_frequencies, dim, width=width, rng=rng)


def from_log_density(
    log_density: Callable[[Any], Any],
    n_frequencies: int,
    dim: int,
    *,
    width: Any = 1.0,
    n_steps: int | None = None,
    rng: Seed = None,
) -> Frequencies:
    """Frequencies from the logarithm of any spectral density: the last states of many short chains.

    Parameters
    ----------
    log_density : callable
        log p, up to a constant: maps frequencies of shape (n, d) to (n,); -inf where p is 0.
    n_frequencies, dim, rng : as in ``draw``
    width : float or array of shape (d,)
        The rough standard deviation of the frequencies: chains start around 0 at half of it and at twice as much, and
        the scale of their steps adapts from there.
    n_steps : int, optional
        Steps of each chain, at least 4: half of them adapt the scale. 30, or 15 d where that is more.

    Returns
    -------
    Frequencies
        Independent rows, whose law is p as far as the chains came.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or as ``mcmc.sample_chains``.

    Warns
    -----
    ConvergenceWarning
        If |w|² depends on the start or has a direction, by more than 5 standard errors, or hardly any chain moves.
    NumericalWarning
        As ``mcmc.sample_chains``.

    Notes
    -----
    Page: ``sampling/sampling-a-spectral-density``.

    Examples
    --------
    >>> W = from_log_density(lambda w: -(w**2).sum(axis=1) / 2, 10_000, 2, rng=0)  # the Gaussian kernel
    >>> float(np.cos(np.asarray(W) @ [1.0, 0.0]).mean().round(1)), float(np.exp(-0.5).round(1))
    (0.6, 0.6)
    """
    check_size(n_frequencies, dim, ("n_frequencies", "dim"))
    n_steps = max(30, 15 * dim) if n_steps is None else n_steps
    checks.integer("n_steps", n_steps, minimum=4)
    checks.positive("width", width := np.asarray(width, np.float64), ndim=1)
    checks.per_feature("width", width.shape, dim)
    draws, quarter = arrays.generator(rng, "frequencies"), n_steps // 4
    start = starts(draws, max(n_frequencies, LEAST_CHAINS), dim) * width
    propose = gaussian_proposal(2.38 / dim**0.5 * width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", checks.ConvergenceWarning)  # of short chains some may stay where they are
        trace = sample_chains(
            log_density, start, 2, propose=propose, n_warmup=n_steps - 2 * quarter, thin=quarter, rng=draws
        )
    warn_of_travelling(np.sum((trace.draws / width) ** 2, axis=2), n_steps)
    return Frequencies(trace.draws[:n_frequencies, 1], "chains", False)


def starts(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """Where chains start, in widths: every other one too far inside, its neighbour too far out."""
    distances = np.where(np.arange(n) % 2, OUTSIDE, INSIDE)
    return distances[:, None] * rng.standard_normal((n, dim))


def warn_of_travelling(squares: np.ndarray, n_steps: int) -> None:
    """Warn if |w|² (chains, 2), three quarters along and at the end, remembers the start or has a direction."""
    before, end = squares.T
    z = rank_sum(end[::2], end[1::2])
    grew, shrank = int((end > before).sum()), int((end < before).sum())
    if abs(z) > LARGEST_Z:
        found = f"|w|² still depends on the start, by {abs(z):.3g} standard errors"
    elif grew + shrank < len(end) / 10:
        found = f"{grew + shrank} of {len(end)} moved in the last quarter"
    elif abs(grew - shrank) > LARGEST_Z * (grew + shrank) ** 0.5:
        found = f"|w|² grew in {grew} of them and shrank in {shrank} over the last quarter"
    else:
        return
    fix = "Give the width of the spectrum, or more n_steps; heavy tails may need another way."
    warnings.warn(f"chains have not arrived after {n_steps} steps: {found}. {fix}", checks.ConvergenceWarning, 4)


def rank_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Wilcoxon's statistic: how far the ranks of x sum away from where chance puts them, in standard errors."""
    n, m = len(x), len(y)
    ranks = np.argsort(np.argsort(np.concatenate([x, y])))  # from 0
    excess = ranks[:n].sum() - n * (n + m - 1) / 2
    return float(excess / np.sqrt(n * m * (n + m + 1) / 12))
