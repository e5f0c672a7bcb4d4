"""Gibbs sampling: one coordinate after the other is drawn from its exact law given the others.

If x has the law p, replacing x_j by a draw from p(x_j | the others) leaves the law as it is: a Metropolis–Hastings step
whose ratio is always 1. Geman & Geman 1984, "Stochastic relaxation, Gibbs distributions, and the Bayesian restoration
of images", section 5. The chain is slow where coordinates depend on each other strongly: for two normal ones with
correlation r, the autocorrelation of a sweep is r².

>>> r = 0.6  # two normal coordinates
>>> def conditional(rng, x, j):
...     return r * x[:, 1 - j] + (1 - r**2) ** 0.5 * rng.standard_normal(len(x))
>>> trace = gibbs(conditional, np.zeros((200, 2)), 300, n_warmup=20, rng=0)
>>> round(float((trace.draws[:, :, 0] * trace.draws[:, :, 1]).mean()), 1)
0.6
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Seed
from companion.mcmc.metropolis import LogDensity, read_values
from companion.mcmc.proposals import require_states
from companion.mcmc.trace import Trace

__all__ = ["by_enumeration", "categorical", "gibbs"]

Conditional = Callable[[np.random.Generator, np.ndarray, int], Any]  # (rng, (chains, dim), j) to (chains,)


def gibbs(
    conditional: Conditional, initial: Any, n_draws: int, *, n_warmup: int = 0, thin: int = 1, rng: Seed = None
) -> Trace:
    """Draws by sweeps over the coordinates, in many chains at once.

    Parameters
    ----------
    conditional : callable
        ``conditional(rng, x, j)`` draws coordinate j given the others: positions of shape (chains, dim) to new values
        of shape (chains,). ``by_enumeration`` makes one for few values, ``categorical`` draws from log weights.
    initial : array of shape (chains, dim)
        Integers stay integers.
    n_draws : int
        Draws to keep of each chain.
    n_warmup : int
        Sweeps before the first draw, which are not kept.
    thin : int
        Sweeps from draw to draw.
    rng : int, numpy.random.Generator or None
        Seed.

    Returns
    -------
    Trace
        Without log densities; every draw is accepted.

    Raises
    ------
    TypeError, ValueError
        If ``conditional`` returns something of a wrong shape or not finite, or a parameter is out of range.

    Notes
    -----
    Page: ``sampling/searching-for-text``. Reference: Geman & Geman 1984, section 5.
    """
    for name, value, least in (("n_draws", n_draws, 1), ("n_warmup", n_warmup, 0), ("thin", thin, 1)):
        checks.integer(name, value, least)
    given, _ = arrays.read_on_host("initial", initial)
    whole = np.asarray(initial).dtype.kind in "iu"
    x = np.array(given, dtype=np.int64 if whole else np.float64, order="F")  # (chains, dim)
    random, draws = arrays.generator(rng, "mcmc.gibbs"), np.empty((n_draws, *x.shape[::-1]), x.dtype)
    for sweep in range(-n_warmup, n_draws * thin):
        for j in range(x.shape[1]):
            x[:, j] = _drawn(conditional, random, x, j)
        if sweep >= 0 and (sweep + 1) % thin == 0:
            draws[sweep // thin] = x.T
    return Trace(draws.transpose(2, 0, 1), None, np.ones(len(x)), thin=thin)


def _drawn(conditional: Conditional, random: np.random.Generator, x: np.ndarray, j: int) -> np.ndarray:
    """New values of coordinate j, checked; the function sees what it cannot write into."""
    seen = x.view()
    seen.flags.writeable = False
    name = f"conditional(rng, x, {j})"
    values = read_values(conditional(random, seen, j), x, name)
    checks.finite(name, np.isfinite(values))
    if x.dtype.kind == "i" and (values != np.floor(values)).any():
        checks.fail(name, "made of integers, as initial is", "other numbers", "Make initial of floats.")
    return values


def categorical(rng: np.random.Generator, log_weights: Any) -> np.ndarray:
    """One draw from 0, ..., k - 1 for each row of logarithms of weights.

    Parameters
    ----------
    rng : numpy.random.Generator
    log_weights : array of shape (n, k)
        Up to a constant in each row; -inf for what is impossible.

    Returns
    -------
    ndarray of int, shape (n,)

    Raises
    ------
    ValueError
        If a row holds NaN or +inf, or nothing that is possible.
    """
    logs = np.asarray(log_weights)
    largest = logs.max(axis=-1, keepdims=True)  # NaN if there is one
    bad = np.flatnonzero(~np.isfinite(largest))
    if bad.size:
        fix = "Some value must be possible: -inf marks those that are not."
        checks.fail("log_weights", "below +inf, with a finite one in each row", f"row {logs[bad[0]]}", fix)
    sums = np.cumsum(np.exp(logs - largest), axis=-1)  # (n, k)
    return (sums <= rng.random((len(logs), 1)) * sums[:, -1:]).sum(axis=-1)


def by_enumeration(log_density: LogDensity, n_values: int) -> Conditional:
    """The exact conditional of a coordinate with the values 0, ..., n - 1: the density of each is computed.

    Parameters
    ----------
    log_density : callable
        log p, up to a constant: maps integers of shape (points, dim) to (points,); -inf where p is 0.
    n_values : int
        n, at least 2.

    Returns
    -------
    conditional : callable
        For ``gibbs``.

    Raises
    ------
    TypeError, ValueError
        If n is out of range; in a sweep, if a coordinate is no state or all its values are impossible.

    Examples
    --------
    >>> agree = lambda x: 2.0 * (x[:, 0] == x[:, 1])
    >>> trace = gibbs(by_enumeration(agree, 3), np.zeros((100, 2), int), 100, rng=0)
    >>> round(float((trace.draws[:, :, 0] == trace.draws[:, :, 1]).mean()), 2)  # e² / (e² + 2) = 0.79
    0.79
    """
    checks.integer("n_values", n_values, minimum=2)

    def conditional(rng: np.random.Generator, x: np.ndarray, j: int) -> np.ndarray:
        require_states("initial", x, n_values)
        points = np.repeat(x[None], n_values, axis=0)  # (n, chains, dim)
        points[:, :, j] = np.arange(n_values)[:, None]
        points = points.reshape(-1, x.shape[1])
        return categorical(rng, read_values(log_density(points), points).reshape(n_values, -1).T)

    return conditional
