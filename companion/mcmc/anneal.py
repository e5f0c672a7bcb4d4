"""Simulated annealing: Metropolis–Hastings for the density p^(1/T), whose mass gathers at its maxima as T falls.

A worse position is accepted with probability (p(x') / p(x))^(1/T). If T_k = c / log(1 + k) with c at least the depth of
the deepest well that is not the best, the chain ends at a maximum with probability 1 on a finite space (Hajek 1988,
"Cooling schedules for optimal annealing", theorem 1). That is slow; what is used in practice falls like a power,
T_k = a^k, and guarantees nothing. Kirkpatrick, Gelatt & Vecchi 1983, "Optimization by simulated annealing".

>>> from companion.mcmc.proposals import gaussian_proposal
>>> two_hills = lambda x: np.logaddexp(-((x[:, 0] - 3) ** 2), 1 - (x[:, 0] + 3) ** 2)
>>> temperatures = geometric_schedule(5.0, 0.01, 300)
>>> found = anneal(two_hills, np.full((20, 1), 3.0), temperatures, propose=gaussian_proposal(1.0), rng=0)
>>> found.best[np.argmax(found.best_log_density)].round(1)
array([-3.])
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, namespace
from companion.mcmc import noise
from companion.mcmc.chains import start
from companion.mcmc.metropolis import (
    LogDensity,
    Propose,
    State,
    evaluate,
    metropolis,
    read_hastings,
    require_no_nan,
)

__all__ = ["Annealed", "anneal", "geometric_schedule", "logarithmic_schedule"]


@dataclass(frozen=True, eq=False)
class Annealed:
    """The best position that each chain has seen, and where it ended.

    Parameters
    ----------
    best : array of shape (chains, dim)
    best_log_density : array of shape (chains,)
    position : array of shape (chains, dim)
        The last one.
    log_density : array of shape (chains,)
        At the last position.
    acceptance_rate : array of shape (chains,)
    """

    best: Array
    best_log_density: Array
    position: Array
    log_density: Array
    acceptance_rate: Array

    def __repr__(self) -> str:
        best, rate = float(self.best_log_density.max()), float(arrays.host(self.acceptance_rate).mean())
        return f"Annealed({len(self.best)} chains, best_log_density={best:.6g}, acceptance_rate={rate:.3g})"


def anneal(log_density: LogDensity, initial: Any, temperatures: Any, *, propose: Propose, rng: Any = None) -> Annealed:
    """Search for a maximum of a density, in many chains at once; the best that a chain has seen is kept.

    Parameters
    ----------
    log_density : callable
        Maps positions of shape (chains, dim) to (chains,); -inf for what is not allowed.
    initial : array of shape (chains, dim)
        NumPy, or a tensor on any device. Integers for discrete proposals.
    temperatures : array of shape (steps,)
        T of each step, for example ``geometric_schedule(5.0, 0.01, 1000)``.
    propose : callable
        As for ``sample_chains``.
    rng : int, numpy.random.Generator, torch.Generator or None
        Seed.

    Returns
    -------
    Annealed

    Raises
    ------
    TypeError, ValueError
        As ``sample_chains``, or if a temperature is not positive and finite.

    Notes
    -----
    Page: ``sampling/searching-for-text``.
    """
    T, _ = arrays.read_on_host("temperatures", temperatures, ndim=(1,))
    checks.positive("temperatures", T, ndim=1)
    state = best = start(initial, log_density, propose)
    random = noise.source(rng, "mcmc.anneal", state.position)
    n_accepted = 0.0 * state.log_density
    for temperature in T:
        state, accepted = _step(random, state, log_density, propose, float(temperature))
        best = _better(state, best)
        n_accepted = n_accepted + namespace(accepted).astype(accepted, n_accepted.dtype)
    return Annealed(best.position, best.log_density, state.position, state.log_density, n_accepted / len(T))


def _step(rng: Any, state: State, log_density: LogDensity, propose: Propose, temperature: float) -> tuple[State, Array]:
    """``metropolis.step`` for the density p^(1/T)."""
    exponential = noise.exponential(rng, state.log_density.shape, state.log_density)
    position, log_hastings = propose(rng, state)
    values = evaluate(log_density, position)
    hastings = read_hastings(log_hastings, state)
    require_no_nan(values, position, hastings)
    cold, proposed = State(state.position, state.log_density / temperature), State(position, values / temperature)
    with np.errstate(over="ignore", invalid="ignore"):
        _, info = metropolis(cold, proposed, hastings, exponential)
    return _choose(info.accepted, State(position, values), state), info.accepted


def _better(state: State, best: State) -> State:
    return _choose(state.log_density > best.log_density, state, best)


def _choose(where: Array, yes: State, no: State) -> State:
    xp = namespace(yes.position)
    position = xp.where(where[:, None], yes.position, no.position)
    return State(position, xp.where(where, yes.log_density, no.log_density))


def geometric_schedule(start: float, stop: float, n_steps: int) -> np.ndarray:
    """Temperatures that fall by the same factor at every step.

    Parameters
    ----------
    start, stop : float
        The first and the last.
    n_steps : int

    Returns
    -------
    ndarray of shape (n_steps,)

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range.
    """
    checks.integer("n_steps", n_steps, minimum=2)
    return np.geomspace(arrays.number("start", start), arrays.number("stop", stop), n_steps)


def logarithmic_schedule(depth: float, n_steps: int) -> np.ndarray:
    """T_k = depth / log(1 + k) for k = 1, 2, ...: slow, and with Hajek's guarantee.

    Parameters
    ----------
    depth : float
        At least the depth of the deepest well, in log p, that is not the best.
    n_steps : int

    Returns
    -------
    ndarray of shape (n_steps,)

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range.
    """
    checks.integer("n_steps", n_steps, minimum=1)
    return arrays.number("depth", depth) / np.log1p(np.arange(1, n_steps + 1))
