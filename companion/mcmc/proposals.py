"""Where a chain may go next: x' from a law q(· | x), with the log Hastings ratio log q(x | x') - log q(x' | x).

    Gaussian walk    x' = x + s z                          symmetric: the ratio is 1
    Langevin         x' = x + s²/2 ∇log p(x) + s z         two Gaussians with different centres
    independence     x' from q whatever x is               q(x) / q(x')
    ring, sites      a neighbour, one other value          symmetric
    graph            a neighbour, each alike               degree(x) / degree(x')

A proposal is called with a generator and a state. It is made of two parts: ``noise``, which may be drawn for many steps
at once, and ``move``, which turns one step's noise into new positions. Hastings 1970, "Monte Carlo sampling methods
using Markov chains and their applications", section 2; Langevin: Roberts & Tweedie 1996, "Exponential convergence of
Langevin distributions and their discrete approximations", section 1.4.

>>> from companion.mcmc.metropolis import State
>>> x = State(np.zeros((1000, 2)), np.zeros(1000))
>>> position, log_hastings = gaussian_proposal(0.5)(np.random.default_rng(0), x)
>>> position.shape, round(float(position.std()), 2), log_hastings
((1000, 2), 0.5, 0.0)
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, namespace
from companion.mcmc import noise as noises
from companion.mcmc.noise import Shape, Source

__all__ = ["gaussian_proposal", "graph_proposal", "independence_proposal", "langevin_proposal", "ring_proposal"]
__all__ += ["site_proposal"]


class Proposal:
    """Two parts of one step: its noise, and the move that the noise makes. Other callables may stand in for it."""

    discrete = False  # positions are integers
    accepts_all = False  # accepting everything is no sign of a mistake

    def __call__(self, rng: Source, state: Any) -> tuple[Array, Any]:
        """New positions of shape (chains, dim), and the log Hastings ratio: of shape (chains,), or 0.0."""
        return self.move(state, self.noise(rng, (1, *state.position.shape), state.position)[0])

    def noise(self, rng: Source, shape: Shape, like: Array) -> Any:
        """The noise of many steps: its first axis are the steps, ``shape`` is (steps, chains, dim)."""
        raise NotImplementedError

    def move(self, state: Any, noise: Any) -> tuple[Array, Any]:
        """The new positions and the log Hastings ratio; may write into the noise."""
        raise NotImplementedError

    def check(self, position: Array) -> None:
        """Refuse positions for which the proposal is not made."""


@dataclass(frozen=True, eq=False)
class Gaussian(Proposal):
    """x' = x + s L z with L Lᵀ = Σ, or L = 1."""

    scale: Any  # a number or (d,)
    factor: np.ndarray | None = None  # L

    def noise(self, rng: Source, shape: Shape, like: Array) -> Array:
        """s L z for every step and chain."""
        z = noises.normal(rng, shape, like)  # (steps, chains, d), in memory (steps, d, chains)
        if self.factor is not None:
            z = (arrays.follow(self.factor, like) @ z.mT).mT
        z *= arrays.follow(self.scale, like)
        return z

    def move(self, state: Any, noise: Array) -> tuple[Array, float]:
        """x + noise; a step back is as likely as a step there."""
        noise += state.position
        return noise, 0.0

    def scaled(self, ratio: float) -> "Gaussian":
        """The same with steps longer by a ratio."""
        return replace(self, scale=self.scale * ratio)

    def target(self, dim: int) -> float:
        """The rate of acceptance at which a normal density is explored fastest: 0.44 for dim = 1, then to 0.234."""
        return 0.234 + 0.21 / dim

    def check(self, position: Array) -> None:
        """Refuse positions whose dimension is not that of the scale."""
        _one_per_coordinate(self.scale, self.factor, position)


@dataclass(frozen=True, eq=False)
class Langevin(Proposal):
    """x' = x + s²/2 ∇log p(x) + s z."""

    scale: Any  # a number or (d,)
    gradient: Callable[[Array], Array]

    def noise(self, rng: Source, shape: Shape, like: Array) -> Array:
        """z."""
        return noises.normal(rng, shape, like)

    def move(self, state: Any, noise: Array) -> tuple[Array, Array]:
        """The new positions, and (|z|² - |z'|²) / 2 with the z' that leads back."""
        s = arrays.follow(self.scale, state.position)
        position = state.position + s**2 / 2 * self._slope(state.position) + s * noise
        back = (state.position - position - s**2 / 2 * self._slope(position)) / s  # z'
        return position, ((noise**2).sum(-1) - (back**2).sum(-1)) / 2

    def _slope(self, position: Array) -> Array:
        slope = self.gradient(position)
        if slope.shape != position.shape:
            checks.fail("gradient(x)", f"of the shape of x, {tuple(position.shape)}", f"shape {tuple(slope.shape)}", "")
        return slope

    def scaled(self, ratio: float) -> "Langevin":
        """The same with steps longer by a ratio."""
        return replace(self, scale=self.scale * ratio)

    def target(self, dim: int) -> float:
        """The rate of acceptance at which a normal density of many dimensions is explored fastest."""
        return 0.574

    def check(self, position: Array) -> None:
        """Refuse positions whose dimension is not that of the scale."""
        _one_per_coordinate(self.scale, None, position)


@dataclass(frozen=True, eq=False)
class Independence(Proposal):
    """x' from q, whatever x is."""

    sample: Callable[[Any, int], Array]
    log_density: Callable[[Array], Array]
    accepts_all = True

    def noise(self, rng: Source, shape: Shape, like: Array) -> Array:
        """The new positions themselves."""
        steps, chains, dim = shape
        drawn = self.sample(rng, steps * chains)
        if np.shape(drawn) != (steps * chains, dim):
            expected = f"of shape ({steps * chains}, {dim}), here with n = {steps * chains}"
            checks.fail("sample(rng, n)", expected, f"shape {tuple(np.shape(drawn))}", "")
        return arrays.follow(drawn, like).reshape(shape)

    def move(self, state: Any, noise: Array) -> tuple[Array, Array]:
        """log q(x) - log q(x')."""
        return noise, self.log_density(state.position) - self.log_density(noise)

    def check(self, position: Array) -> None:
        """Refuse positions that the proposal never draws: they would never be left."""
        lost = np.flatnonzero(~(arrays.host(self.log_density(position)) > -np.inf))
        if lost.size:
            got = f"a log density that is not above -inf at chain {lost[0]}"
            checks.fail("initial", "where the independence proposal draws", got, "Draw initial from it.")


@dataclass(frozen=True, eq=False)
class Ring(Proposal):
    """x' = x ± 1 modulo n, in every coordinate."""

    n_values: int
    discrete = True

    def noise(self, rng: Source, shape: Shape, like: Array) -> Array:
        """+1 or -1."""
        return 2 * noises.integers(rng, 2, shape, like) - 1

    def move(self, state: Any, noise: Array) -> tuple[Array, float]:
        """(x + noise) modulo n."""
        return (state.position + noise) % self.n_values, 0.0

    def check(self, position: Array) -> None:
        """Refuse what is no state."""
        require_states("initial", position, self.n_values)


@dataclass(frozen=True, eq=False)
class Graph(Proposal):
    """x' is one of the neighbours of x, each with the same chance."""

    table: np.ndarray  # (n, largest degree): the neighbours of each state, the last ones repeated
    degree: np.ndarray  # (n,)
    discrete = True

    def noise(self, rng: Source, shape: Shape, like: Array) -> Array:
        """Integers so large that their remainder by any degree is uniform, to one part in 2^40."""
        return noises.integers(rng, 2**62, shape[:-1], like)

    def move(self, state: Any, noise: Array) -> tuple[Array, Array]:
        """A neighbour, and log(degree(x) / degree(x'))."""
        xp, x = namespace(state.position), state.position[:, 0]
        table, degree = (xp.asarray(a, device=x.device) for a in (self.table, self.degree))
        position = table[x, noise % degree[x]]
        return position[:, None], xp.log(degree[x] / degree[position])

    def check(self, position: Array) -> None:
        """Refuse what is no state."""
        if position.shape[1] != 1:
            checks.fail("initial", "of shape (chains, 1) for a walk on a graph", f"shape {tuple(position.shape)}", "")
        require_states("initial", position, len(self.table))


@dataclass(frozen=True, eq=False)
class Site(Proposal):
    """One coordinate, drawn uniformly, takes one of its other values."""

    n_values: int
    discrete = True

    def noise(self, rng: Source, shape: Shape, like: Array) -> Array:
        """A coordinate and a shift between 1 and n - 1, in one integer."""
        return noises.integers(rng, shape[2] * (self.n_values - 1), shape[:2], like)

    def move(self, state: Any, noise: Array) -> tuple[Array, float]:
        """The value there plus the shift, modulo n."""
        xp = namespace(state.position)
        here = xp.arange(state.position.shape[1], device=noise.device) == noise[:, None] // (self.n_values - 1)
        shift = 1 + noise[:, None] % (self.n_values - 1)
        return xp.where(here, (state.position + shift) % self.n_values, state.position), 0.0

    def check(self, position: Array) -> None:
        """Refuse what is no state."""
        require_states("initial", position, self.n_values)


def gaussian_proposal(scale: Any, *, covariance: Any = None) -> Gaussian:
    """The Gaussian random walk x' = x + s z with z from N(0, I), or from N(0, covariance).

    Parameters
    ----------
    scale : float or array of shape (d,)
        s, the standard deviation of a step, also for each coordinate. 2.38 / √d times that of the density is best
        where the density is normal.
    covariance : array of shape (d, d), optional
        Of z.

    Returns
    -------
    proposal
        Maps a generator and a state to new positions and the log Hastings ratio, which is 0.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range; ``NotPSDError`` if the covariance is not positive definite.

    Notes
    -----
    Page: ``sampling/metropolis-hastings``. Reference: Hastings 1970, section 2.
    """
    return Gaussian(_scale(scale), None if covariance is None else _factor(covariance))


def langevin_proposal(scale: Any, *, gradient: Any = None, log_density: Any = None) -> Langevin:
    """The Langevin proposal x' = x + s²/2 ∇log p(x) + s z with z from N(0, I).

    Parameters
    ----------
    scale : float or array of shape (d,)
        s.
    gradient : callable, optional
        ∇log p: maps positions of shape (chains, d) to that shape.
    log_density : callable, optional
        log p of tensors, from which torch computes the gradient: give either.

    Returns
    -------
    proposal
        Maps a generator and a state to new positions and the log Hastings ratio. It computes two gradients a step.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range, or not exactly one of the functions is given.

    Notes
    -----
    Page: ``sampling/metropolis-hastings``. Reference: Roberts & Tweedie 1996, section 1.4.
    """
    if (gradient is None) == (log_density is None):
        given = "neither" if gradient is None else "both"
        checks.fail("gradient or log_density", "given, one of them", given, "log_density is for tensors.", TypeError)
    return Langevin(_scale(scale), _autograd(log_density) if gradient is None else gradient)


def independence_proposal(sample: Callable[[Any, int], Any], log_density: Callable[[Any], Any]) -> Independence:
    """Proposals from one law q, wherever the chain is: what rejection and importance sampling draw from.

    Parameters
    ----------
    sample : callable
        ``sample(rng, n)`` draws n points from q, of shape (n, d), with the generator that it is given.
    log_density : callable
        log q, up to a constant: maps (n, d) to (n,). Where q has lighter tails than p, a chain may be stuck for long.

    Returns
    -------
    proposal
        Maps a generator and a state to new positions and the log Hastings ratio log q(x) - log q(x').

    Notes
    -----
    Page: ``sampling/metropolis-hastings``. Reference: Hastings 1970, section 2.
    """
    return Independence(sample, log_density)


def ring_proposal(n_values: int) -> Ring:
    """A step to one of the two neighbours on a ring of the states 0, ..., n - 1, in every coordinate.

    Parameters
    ----------
    n_values : int
        n, at least 3.

    Returns
    -------
    proposal
        Maps a generator and a state to new positions and the log Hastings ratio, which is 0.

    Raises
    ------
    TypeError, ValueError
        If n is out of range.
    """
    checks.integer("n_values", n_values, minimum=3)
    return Ring(int(n_values))


def site_proposal(n_values: int) -> Site:
    """One coordinate, drawn uniformly, takes one of its other values out of 0, ..., n - 1: for words and texts.

    Parameters
    ----------
    n_values : int
        n, at least 2.

    Returns
    -------
    proposal
        Maps a generator and a state to new positions and the log Hastings ratio, which is 0.

    Raises
    ------
    TypeError, ValueError
        If n is out of range.
    """
    checks.integer("n_values", n_values, minimum=2)
    return Site(int(n_values))


def graph_proposal(neighbours: Sequence[Sequence[int]]) -> Graph:
    """A step to a neighbour on a graph, each with the same chance; neighbours may differ in number.

    Parameters
    ----------
    neighbours : sequence of sequences of int
        The neighbours of each state 0, ..., n - 1. If j is one of i, i must be one of j.

    Returns
    -------
    proposal
        Maps a generator and a state to new positions and the log Hastings ratio log(degree(x) / degree(x')).

    Raises
    ------
    ValueError
        If a state has no neighbours, one twice, one that is no state, or one that has it not.

    Examples
    --------
    >>> path = graph_proposal([[1], [0, 2], [1]])
    >>> path.degree
    array([1, 2, 1])
    """
    lists, n = [list(of) for of in neighbours], len(neighbours)
    for i, of in enumerate(lists):
        lost = [j for j in of if not (isinstance(j, int | np.integer) and 0 <= j < n and i in lists[j])]
        if not of or lost or len(set(of)) < len(of):
            got = f"{of} for state {i}"
            checks.fail(
                "neighbours", "states, each once, that have the state too", got, "A step back must be possible."
            )
    most = max(map(len, lists))
    table = np.array([of + of[-1:] * (most - len(of)) for of in lists])
    return Graph(table, np.array([len(of) for of in lists]))


def require_states(name: str, position: Array, n_values: int) -> None:
    """Refuse what is no state 0, ..., n - 1."""
    bad = np.argwhere((arrays.host(position) < 0) | (arrays.host(position) >= n_values))
    if bad.size:
        got = f"{arrays.host(position)[tuple(bad[0])]} at chain {bad[0][0]}, coordinate {bad[0][1]}"
        checks.fail(name, f"made of the states 0, ..., {n_values - 1}", got, "")


def _scale(scale: Any) -> Any:
    values = arrays.host(scale).astype(np.float64) if not isinstance(scale, float) else np.asarray(scale)
    checks.positive("scale", values, why="It is the standard deviation of a step.", ndim=1)
    return values if values.ndim else float(values)


def _factor(covariance: Any) -> np.ndarray:
    """The Cholesky factor of a covariance."""
    matrix, _ = arrays.read_on_host("covariance", covariance)
    checks.square("covariance", matrix.shape)
    checks.symmetric("covariance", float(np.abs(matrix - matrix.T).max()), 1e-12 * float(np.abs(matrix).max()))
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        smallest = float(np.linalg.eigvalsh(matrix)[0])
        message = f"covariance must be positive definite; got smallest eigenvalue {smallest:.3g}. Add to its diagonal."
        raise checks.NotPSDError(message, smallest) from None


def _one_per_coordinate(scale: Any, factor: np.ndarray | None, position: Array) -> None:
    for name, shape in (("scale", np.shape(scale)), ("covariance", () if factor is None else factor.shape)):
        if shape and shape[-1] != position.shape[1]:
            checks.fail(name, f"for {position.shape[1]} coordinates, as initial has", f"shape {shape}", "")


def _autograd(log_density: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The gradient of a log density of tensors. The chains do not see each other: the sum has all their gradients."""

    def gradient(position: Array) -> Array:
        if isinstance(position, np.ndarray):
            fix = "Pass initial as a tensor, or the gradient as a function."
            checks.fail("initial", "a tensor for a gradient by torch", "a NumPy array", fix, TypeError)
        torch = sys.modules["torch"]
        with torch.enable_grad():
            x = position.detach().clone().requires_grad_()
            return torch.autograd.grad(log_density(x).sum(), x)[0]

    return gradient
