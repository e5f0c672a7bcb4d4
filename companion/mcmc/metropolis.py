"""The Metropolis–Hastings step: draws from a density p that is only known up to a constant.

From x propose x' from q(· | x), and go there with probability min(1, ρ), ρ = p(x') q(x | x') / (p(x) q(x' | x)); else
stay, and count x once more. Then p(x) P(x → x') = min(p(x) q(x' | x), p(x') q(x | x')) is symmetric in x and x', so the
chain leaves p as it is: if x has the law p, the next state has it too. Metropolis, Rosenbluth, Rosenbluth, Teller &
Teller 1953, "Equation of state calculations by fast computing machines"; Hastings 1970, "Monte Carlo sampling methods
using Markov chains and their applications", equations 2 to 4.

The average over n draws of a chain has the error of n / τ independent ones, τ >= 1 being the integrated autocorrelation
time; for the best Gaussian walk on N(0, I) in d dimensions τ is about 3 d.

>>> from companion.mcmc.proposals import gaussian_proposal
>>> log_density = lambda x: -abs(x).sum(axis=1)
>>> rng, state = np.random.default_rng(0), init(np.zeros((20_000, 1)), log_density)
>>> for _ in range(80):
...     state, info = step(rng, state, log_density, gaussian_proposal(2.0))
>>> round(float((state.position**2).mean()), 1)  # E x² = 2
2.0
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, namespace
from companion.mcmc import noise

__all__ = ["Info", "State", "init", "step", "transition_matrix"]

LogDensity = Callable[[Any], Any]  # (chains, dim) to (chains,)
Propose = Callable[[Any, Any], tuple[Any, Any]]


@dataclass(frozen=True, eq=False)
class State:
    """Where many chains are.

    Parameters
    ----------
    position : array of shape (chains, dim)
    log_density : array of shape (chains,)
        At the positions, so that no step computes it twice.
    """

    position: Array
    log_density: Array


@dataclass(frozen=True, eq=False)
class Info:
    """What happened in a step.

    Parameters
    ----------
    accepted : bool array of shape (chains,)
    log_ratio : array of shape (chains,)
        log ρ: a proposal is accepted with probability min(1, ρ).
    """

    accepted: Array
    log_ratio: Array


def metropolis(old: State, new: State, log_hastings: Array | float, exponential: Array) -> tuple[State, Info]:
    """Each chain goes to the new position if u <= ρ; ``exponential`` is -log u, of shape (chains,)."""
    xp = namespace(old.position)
    log_ratio = new.log_density - old.log_density + log_hastings  # (chains,)
    accepted = log_ratio >= -exponential
    position = xp.where(accepted[:, None], new.position, old.position)
    log_density = xp.where(accepted, new.log_density, old.log_density)
    return State(position, log_density), Info(accepted, log_ratio)


def transition_matrix(log_density: np.ndarray, proposal: np.ndarray) -> np.ndarray:
    """P of the chain on finitely many states: P_ij = min(Q_ij, p_j Q_ji / p_i) for i ≠ j, and P_ii what is left.

    Parameters
    ----------
    log_density : array of shape (n,)
        log p of the states, up to a constant.
    proposal : array of shape (n, n)
        Q_ij is the probability to propose j at i.

    Returns
    -------
    ndarray of shape (n, n)
        p P = p, and p_i P_ij is symmetric.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit, or the rows of Q are no probabilities.

    Notes
    -----
    Page: ``sampling/metropolis-hastings``. Reference: Hastings 1970, equations 2 to 4.
    """
    Q, _ = arrays.read_on_host("proposal", proposal)
    logs, _ = arrays.read_on_host("log_density", log_density, ndim=(1,))
    checks.square("proposal", Q.shape)
    checks.one_each("log_density", logs.shape, "proposal", Q.shape)
    if Q.min() < 0 or np.abs(Q.sum(axis=1) - 1).max() > 1e-9:
        checks.fail("proposal", "made of rows of probabilities", f"sums {Q.sum(axis=1)}", "")
    with np.errstate(over="ignore"):
        P = np.minimum(Q, np.exp(logs - logs[:, None]) * Q.T)  # (n, n)
    np.fill_diagonal(P, 0.0)
    np.fill_diagonal(P, 1 - P.sum(axis=1))
    return P


def init(position: Any, log_density: LogDensity, *, discrete: bool = False) -> State:
    """The state of many chains at their start.

    Parameters
    ----------
    position : array of shape (chains, dim)
        NumPy, or a tensor on any device.
    log_density : callable
        log p, up to a constant: maps (chains, dim) to (chains,); -inf where p is 0.
    discrete : bool
        Whether positions are integers, as for ``ring_proposal``; else they become floats.

    Returns
    -------
    State

    Raises
    ------
    TypeError, ValueError
        If an argument or what ``log_density`` returns is of a wrong type, shape or device; if ``log_density`` changes
        its argument; if the density of a chain is 0, infinite or NaN at its start.

    Notes
    -----
    Page: ``sampling/metropolis-hastings``.
    """
    position = read_position(position, discrete)
    return State(position, _above_zero(position, evaluate(log_density, position)))


def step(rng: Any, state: State, log_density: LogDensity, propose: Propose) -> tuple[State, Info]:
    """One step of Metropolis–Hastings for every chain.

    Parameters
    ----------
    rng : numpy.random.Generator or torch.Generator
        Moves on.
    state : State
        From ``init`` or the last step.
    log_density : callable
        As for ``init``.
    propose : callable
        ``propose(rng, state)`` gives new positions of shape (chains, dim) and the log Hastings ratio, of shape
        (chains,) or a number: log q(x | x') - log q(x' | x).

    Returns
    -------
    state : State
        A chain whose proposal was rejected is where it was.
    info : Info

    Raises
    ------
    TypeError, ValueError
        As ``init`` at the proposed positions, where -inf is a rejection.

    Notes
    -----
    Page: ``sampling/metropolis-hastings``. Many steps are faster in ``sample_chains``.
    """
    rng = noise.ready(rng, state.position)
    exponential = noise.exponential(rng, state.log_density.shape, state.log_density)
    position, log_hastings = propose(rng, state)
    proposed = evaluate(log_density, position)
    hastings = read_hastings(log_hastings, state)
    require_no_nan(proposed, position, hastings)
    with np.errstate(over="ignore", invalid="ignore"):
        return metropolis(state, State(position, proposed), hastings, exponential)


def read_position(value: Any, discrete: bool, name: str = "initial") -> Array:
    """Positions in float32 or float64, or integers where states are discrete; a copy, in memory (dim, chains)."""
    x, dtype = arrays.read(name, value)
    if not (isinstance(x, np.ndarray) or compat.is_torch_array(x)):
        checks.fail(name, "a NumPy array or a torch tensor", type(value).__name__, "", TypeError)
    if arrays.requires_grad(x):
        checks.fail(name, "without gradient", "a tensor that requires grad", f"Pass {name}.detach().", TypeError)
    if arrays.dtype_name(value if hasattr(value, "dtype") else x) in arrays.HALF:
        checks.fail(name, "in float32 or float64", str(dtype), "Half precision stops small steps.")
    xp = namespace(x)
    if discrete:
        if not bool((xp.floor(x) == x).all()):
            checks.fail(name, "made of integers for a discrete proposal", "other numbers", "")
        x = xp.astype(x, xp.int64)
    out = xp.empty((x.shape[1], x.shape[0]), dtype=x.dtype, device=x.device).T
    out[...] = x
    return out


def evaluate(log_density: LogDensity, position: Array) -> Array:
    """log p at the positions, checked; the function sees a copy, and must leave it as it is."""
    xp = namespace(position)
    seen = xp.asarray(position, copy=True)
    values = read_values(log_density(seen), position)
    if not bool((seen == position).all()):
        got = "x changed by the call"
        checks.fail("log_density(x)", "computed without changing x", got, "Copy x first, or avoid +=.")
    return xp.asarray(values, copy=True)


def read_values(values: Any, position: Array, name: str = "log_density(x)") -> Array:
    """One real number for each chain, on the backend and device of the positions, in float32 or float64."""
    if isinstance(position, np.ndarray):
        arrays.require_host(name, values)
        values = np.asarray(values)
    elif not compat.is_torch_array(values):
        checks.fail(name, "a tensor, as x is", type(values).__name__, "Use torch's functions.", TypeError)
    xp, chains = namespace(values), position.shape[0]
    if tuple(values.shape) != (chains,):
        expected = f"one number for each chain, of shape ({chains},)"
        checks.fail(name, expected, f"shape {tuple(values.shape)}", "Sum over the last axis of x.")
    if xp.isdtype(values.dtype, "bool") or not xp.isdtype(values.dtype, ("real floating", "integral")):
        checks.fail(name, "made of real numbers", f"dtype {arrays.dtype_name(values)}", "")
    arrays.require_one_place(f"{name} and x", (values, position), "what log_density returns: keep it where x is.")
    if arrays.requires_grad(values):
        values = values.detach()
    return values if arrays.dtype_name(values) in ("float32", "float64") else xp.astype(values, xp.float64)


def read_hastings(value: Any, state: State) -> Array | float:
    """A log Hastings ratio: a number, or one for each chain."""
    if isinstance(value, int | float):
        return float(value)
    return read_values(value, state.position, "the log Hastings ratio")


def require_no_nan(values: Array, position: Array, hastings: Array | float = 0.0) -> None:
    """Refuse NaN and +inf, which no density has, nor a ratio where the density is not 0; -inf is the logarithm of 0."""
    values, position = arrays.host(values), arrays.host(position)
    bad = np.flatnonzero(~(values < np.inf))
    if bad.size:
        got = f"{values[bad[0]]} for chain {bad[0]} at x = {position[bad[0]]}"
        checks.fail("log_density(x)", "a number or -inf", got, "Where the density is 0, -inf.")
    ratio = np.broadcast_to(arrays.host(hastings), values.shape)
    bad = np.flatnonzero(~(ratio < np.inf) & (values > -np.inf))
    if bad.size:
        got = f"{ratio[bad[0]]} for chain {bad[0]} at x' = {position[bad[0]]}"
        checks.fail("the log Hastings ratio", "a number or -inf", got, "q(x' | x) is 0 only where x' is not drawn.")


def _above_zero(position: Array, values: Array) -> Array:
    on_host = arrays.host(values)
    bad = np.flatnonzero(~np.isfinite(on_host))
    if bad.size:
        got = f"{on_host[bad[0]]} for chain {bad[0]} at x = {arrays.host(position)[bad[0]]}"
        checks.fail("log_density(initial)", "finite for every chain", got, "Start where the density is positive.")
    return values
