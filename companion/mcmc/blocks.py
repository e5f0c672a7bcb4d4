"""A block of Metropolis–Hastings steps for all chains at once: the fast path of ``metropolis.step``.

The same step, faster: the noise of a block is drawn at once, the density of a position is kept until it is left, a
coordinate of all chains is one run of memory, results are written where they will stay. A proposal is accepted where
log p(x) - log p(x') - log Hastings <= -log u; a density of 0 makes the left side +inf. What is -inf or NaN there is
looked at when the block is over: on a device nothing waits for it before.

>>> from companion.mcmc.proposals import gaussian_proposal
>>> state, rng = State(np.zeros((1000, 1)), np.zeros(1000)), np.random.default_rng(0)
>>> normal = lambda x: -(x[:, 0] ** 2) / 2
>>> slots = [(np.empty((1000, 1)), np.empty(1000)) for _ in range(32)]
>>> state, accepted = advance(state, rng, normal, gaussian_proposal(2.4), slots)
>>> accepted.shape, round(float(accepted.mean()), 1), round(float(state.position.var()), 1)
((32, 1000), 0.4, 1.0)
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, namespace
from companion.mcmc import noise
from companion.mcmc.metropolis import (
    LogDensity,
    State,
    evaluate,
    read_hastings,
    read_values,
    require_no_nan,
)
from companion.mcmc.noise import Source

Slot = tuple[Array, Array]  # (chains, dim) and (chains,), to be written


def advance(
    state: State, rng: Source, log_density: LogDensity, propose: Any, slots: Sequence[Slot]
) -> tuple[State, Array]:
    """One step for each slot, where its state is written: (the last state, what was accepted, (steps, chains))."""
    n, (chains, dim) = len(slots), state.position.shape
    exponentials = noise.exponential(rng, (n, chains), state.log_density)
    made = propose.noise(rng, (n, chains, dim), state.position) if hasattr(propose, "noise") else [None] * n
    library = np if isinstance(exponentials, np.ndarray) else sys.modules["torch"]
    drops, accepted = library.empty_like(exponentials), library.empty_like(exponentials, dtype=library.bool)
    look, bits, proposals = Density(log_density, state), bits_like(state), []
    with _quietly(state.position):
        for e, drop, accept, column, slot, z in zip(
            exponentials, drops, accepted, accepted[..., None], slots, made, strict=True
        ):
            position, hastings = _proposed(propose, rng, state, z)
            values = look(position)
            library.subtract(state.log_density, values, out=drop)  # (chains,)
            if hastings is not None:
                drop -= hastings
            library.less_equal(drop, e, out=accept)
            state = select(accept, column, State(position, values), state, slot, bits)
            proposals.append((position, hastings))
    inspect(drops, proposals, log_density)
    return state, accepted


def _proposed(propose: Any, rng: Source, state: State, z: Any) -> tuple[Array, Any]:
    """New positions and their log Hastings ratio, None for 0."""
    if z is not None:
        position, hastings = propose.move(state, z)
    else:
        position, hastings = propose(rng, State(_look(state.position), state.log_density))
        position, hastings = read_move(position, state), read_hastings(hastings, state)
    return position, None if isinstance(hastings, float) and hastings == 0.0 else hastings


def read_move(position: Any, state: State) -> Array:
    """New positions from a user's own proposal, of the kind that the state has."""
    if type(position) is not type(state.position) or position.shape != state.position.shape:
        got = f"{type(position).__name__} of shape {tuple(np.shape(position))}"
        expected = f"like the state's, of shape {tuple(state.position.shape)}"
        checks.fail("the proposed position", expected, got, "")
    if position.dtype != state.position.dtype:
        position = namespace(position).astype(position, state.position.dtype)
    return position


class Density:
    """A log density that sees positions it cannot change unnoticed; its answers are checked as far as costs nothing."""

    def __init__(self, log_density: LogDensity, state: State) -> None:
        self.log_density, self.like = log_density, state.log_density
        self.look = self.on_numpy if isinstance(state.position, np.ndarray) else self.on_torch

    def __call__(self, position: Array) -> Array:
        """log p at the positions, of shape (chains,)."""
        values = self.look(position)
        like = self.like
        if type(values) is type(like) and values.shape == like.shape and values.dtype == like.dtype:
            if isinstance(values, np.ndarray) or values.device == like.device:
                return values
        return namespace(like).astype(read_values(values, position), like.dtype)

    def on_numpy(self, position: np.ndarray) -> Any:
        """NumPy itself refuses to write into what is read only."""
        return self.log_density(_look(position))

    def on_torch(self, position: Array) -> Any:
        """A tensor counts the changes that are made to it."""
        before = position._version
        values = self.log_density(position)
        if position._version != before:
            fix = "Copy x first, or avoid +=."
            checks.fail("log_density(x)", "computed without changing x", "x changed by the call", fix)
        return values


def _look(x: Array) -> Array:
    """An array that cannot be written into, where it is NumPy's."""
    if isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    return x


def bits_like(state: State) -> Slot:
    """Arrays of integers as wide as the numbers of a state, to be written; None for tensors, which need none."""
    if not isinstance(state.position, np.ndarray):
        return None, None
    position = np.empty_like(state.position.T, f"i{state.position.itemsize}").T
    return position, np.empty_like(state.log_density, f"i{state.log_density.itemsize}")


def select(accept: Array, column: Array, new: State, old: State, slot: Slot, bits: Slot) -> State:
    """Each chain's new state where accepted, else the old one, written into the slot; ``column`` is accept[:, None]."""
    if isinstance(accept, np.ndarray):
        mask = -accept.astype(bits[1].dtype)  # all bits, or none
        _select_bits(mask, new.log_density, old.log_density, slot[1], bits[1])
        mask = mask.astype(bits[0].dtype, copy=False)[:, None]
        _select_bits(mask, new.position, old.position, slot[0], bits[0])
    else:
        where = sys.modules["torch"].where
        where(accept, new.log_density, old.log_density, out=slot[1])
        where(column, new.position, old.position, out=slot[0])
    return State(*slot)


def _select_bits(mask: np.ndarray, new: np.ndarray, old: np.ndarray, out: np.ndarray, bits: np.ndarray) -> None:
    """old ^ ((old ^ new) & mask) of the bits: three times as fast as a choice, since there is no branch to guess."""
    before = old.view(bits.dtype)
    np.bitwise_xor(before, new.view(bits.dtype), out=bits)
    np.bitwise_and(bits, mask, out=bits)
    np.bitwise_xor(bits, before, out=out.view(bits.dtype))


def inspect(drops: Array, proposals: Sequence[tuple[Array, Any]], log_density: LogDensity) -> None:
    """Refuse NaN, a density of +inf and a bad log Hastings ratio, with the position; an overflow alone is none."""
    if bool(drops.min() > -np.inf):  # one pass; NaN wins
        return
    suspect = ~(arrays.host(drops) > -np.inf).all(axis=1)
    for t in np.flatnonzero(suspect).tolist():
        position, hastings = proposals[t]
        values = evaluate(log_density, position)
        require_no_nan(values, position, 0.0 if hastings is None else hastings)
        if (np.isnan(arrays.host(drops[t])) & (arrays.host(values) > -np.inf)).any():
            checks.fail("log_density(x)", "the same whenever it is called", "NaN, and then a number", "")


def _quietly(like: Array) -> AbstractContextManager:
    """No gradients, and no warnings of overflows that ``inspect`` judges."""
    if isinstance(like, np.ndarray):
        return np.errstate(over="ignore", invalid="ignore")
    return sys.modules["torch"].no_grad()
