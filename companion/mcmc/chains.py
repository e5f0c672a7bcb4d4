"""Draws from a density by many Metropolis–Hastings chains at once: warm-up, the draws that are kept, what to warn of.

Warm-up adapts the scale s of a proposal towards a rate of acceptance a: after the k-th block of 8 steps, log s grows by
2 k^-0.6 (rate - a) (Robbins & Monro 1951, "A stochastic approximation method"). Then s is frozen: a chain whose steps
go on depending on its past has another law than p.

>>> from companion.mcmc.proposals import gaussian_proposal
>>> normal = lambda x: -(x**2).sum(axis=1) / 2
>>> trace = sample_chains(normal, np.zeros((100, 2)), 500, propose=gaussian_proposal(9.0), n_warmup=200, rng=0)
>>> trace, round(trace.propose.scale, 1)
(Trace(100 chains, 500 draws, dim 2, acceptance_rate=0.342), 1.8)
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from companion import checkpoint as records
from companion._core import arrays, checks
from companion._core.arrays import Array, namespace
from companion.mcmc import noise
from companion.mcmc.blocks import Slot, advance
from companion.mcmc.metropolis import LogDensity, Propose, State, init, read_position
from companion.mcmc.trace import Trace

__all__ = ["sample_chains"]

BLOCK, WARMUP_BLOCK = 32, 8  # steps whose noise is drawn at once


def sample_chains(
    log_density: LogDensity,
    initial: Any,
    n_draws: int,
    *,
    propose: Propose,
    n_warmup: int = 0,
    thin: int = 1,
    rng: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1000,
    progress: bool = False,
) -> Trace:
    """Draws from a density by Metropolis–Hastings, in many chains at once.

    Parameters
    ----------
    log_density : callable
        log p, up to a constant: maps positions of shape (chains, dim) to (chains,); -inf where p is 0. It must not
        change its argument.
    initial : array of shape (chains, dim)
        Where the chains start: NumPy, or a tensor on any device; the draws follow it. Integers for discrete proposals.
    n_draws : int
        Draws to keep of each chain.
    propose : callable
        ``gaussian_proposal(1.0)`` and its relatives, or any ``propose(rng, state)`` as for ``step``.
    n_warmup : int
        Steps before the first draw, which are not kept. The scale of a Gaussian or Langevin proposal adapts in them.
    thin : int
        Steps from draw to draw. For the last states of many chains alone, n_draws = 1 and thin = the steps.
    rng : int, numpy.random.Generator, torch.Generator or None
        Seed. A torch.Generator draws on its device, and is faster there; for tensors only.
    checkpoint : str, path or None
        Where to keep a record of the run. If there is one, the run goes on from it, and its draws are those of a run
        that was never broken, bit for bit; call with the same arguments.
    every : int
        Steps from record to record, to the next end of a block of 32. A record holds all draws so far.
    progress : bool
        Whether to show a bar of steps, which needs tqdm.

    Returns
    -------
    Trace

    Raises
    ------
    TypeError, ValueError
        As ``init``; if the density or the log Hastings ratio becomes NaN or +inf, with the position; if a parameter is
        out of range; if the record is damaged or of another run.
    ImportError
        If ``progress`` is asked for and tqdm is missing.

    Warns
    -----
    ConvergenceWarning
        If no proposal was accepted, or chains did not move that should have.
    NumericalWarning
        If every proposal was accepted.

    Notes
    -----
    Page: ``sampling/metropolis-hastings``. Reference: ``step``, in a loop.
    """
    limits = (("n_draws", n_draws, 1), ("n_warmup", n_warmup, 0), ("thin", thin, 1), ("every", every, 1))
    for name, value, least in limits:
        checks.integer(name, value, least)
    state = start(initial, log_density, propose)
    source = noise.source(rng, "mcmc.chains", state.position)
    run = Run(log_density, propose, source, state, Plan(int(n_draws), int(n_warmup), int(thin)))
    record = Record(checkpoint, every, run, rng)
    with bar(progress, run.plan.n_steps, run.done) as note:
        while run.done < run.plan.n_steps:
            note(run.block())
            record.keep(run)
    report(run.n_accepted, run.plan.n_steps - run.plan.n_warmup, getattr(propose, "accepts_all", False))
    return run.trace()


KEPT = ("draws", "log_densities", "accepted")


def start(initial: Any, log_density: LogDensity, propose: Any) -> State:
    """The state at the start, which the proposal must be made for."""
    discrete = getattr(propose, "discrete", False)
    getattr(propose, "check", lambda _: None)(read_position(initial, discrete))
    return init(initial, log_density, discrete=discrete)


@dataclass(frozen=True)
class Plan:
    """Which steps there are, and which states are kept."""

    n_draws: int
    n_warmup: int
    thin: int

    @property
    def n_steps(self) -> int:
        """Warm-up included."""
        return self.n_warmup + self.n_draws * self.thin

    def block(self, done: int) -> int:
        """The length of the next block, which never reaches across the end of the warm-up."""
        if done < self.n_warmup:
            return min(WARMUP_BLOCK, self.n_warmup - done)
        return min(BLOCK, self.n_steps - done)

    def drawn(self, done: int) -> int:
        """How many draws are made after so many steps."""
        return max(done - self.n_warmup, 0) // self.thin


class Run:
    """A run of many chains: the state, what is kept of it so far, and how far it came."""

    def __init__(self, log_density: LogDensity, propose: Any, rng: Any, state: State, plan: Plan) -> None:
        self.log_density, self.propose, self.rng, self.state, self.plan = log_density, propose, rng, state, plan
        self.done = 0  # steps
        (chains, dim), n = state.position.shape, plan.n_draws
        arrays.fits_memory("the draws", n, chains * (dim + 1), state.log_density, "Keep fewer: thin=.")
        xp = namespace(state.position)
        where = {"device": state.position.device}
        self.draws = xp.empty((n, dim, chains), dtype=state.position.dtype, **where)
        self.log_densities = xp.empty((n, chains), dtype=state.log_density.dtype, **where)
        self.accepted = xp.empty((n, chains), dtype=xp.bool, **where)
        self.n_accepted = xp.zeros(chains, dtype=xp.int64, **where)
        self.scratch = [_slot(state), _slot(state)]

    def block(self) -> int:
        """Makes the next block of steps; returns its length."""
        n, thin, warm = self.plan.block(self.done), self.plan.thin, self.done < self.plan.n_warmup
        draws = slice(self.plan.drawn(self.done), self.plan.drawn(self.done + n))
        first = self.plan.n_warmup + (draws.start + 1) * thin - 1 - self.done  # the step that makes the next draw
        slots = [self.scratch[(self.done + t) % 2] for t in range(n)]
        slots[first::thin] = list(zip(self.draws[draws].mT, self.log_densities[draws], strict=True))
        self.state, accepted = advance(self.state, self.rng, self.log_density, self.propose, slots)
        if warm:
            self.adapt(accepted)
        else:
            self.n_accepted += namespace(accepted).sum(accepted, axis=0)
            self.accepted[draws] = accepted[first::thin]
        self.done += n
        return n

    def adapt(self, accepted: Array) -> None:
        """Lengthens the steps where more is accepted than should be."""
        if hasattr(self.propose, "scaled"):
            k, dim = 1 + self.done // WARMUP_BLOCK, self.state.position.shape[1]
            rate = float(arrays.host(accepted).mean())
            self.propose = self.propose.scaled(float(np.exp(2 * k**-0.6 * (rate - self.propose.target(dim)))))

    def content(self) -> dict[str, Any]:
        """All that a run needs to go on, of numbers and arrays."""
        kept = {name: getattr(self, name)[: self.plan.drawn(self.done)] for name in KEPT}
        rng = self.rng.get_state() if noise.by_torch(self.rng) else self.rng.bit_generator.state
        return kept | {
            "done": self.done, "rng": rng, "position": self.state.position.T, "log_density": self.state.log_density,
            "n_accepted": self.n_accepted, "scale": getattr(self.propose, "scale", None),
        }  # fmt: skip

    def restore(self, content: dict[str, Any]) -> None:
        """Go on from a record."""
        like, self.done = self.state.position, content["done"]
        for name in KEPT:
            getattr(self, name)[: len(content[name])] = _moved(content[name], like)
        self.state = State(_moved(content["position"], like).T, _moved(content["log_density"], like))
        self.n_accepted = _moved(content["n_accepted"], like)
        if content["scale"] is not None:
            self.propose = replace(self.propose, scale=content["scale"])
        if noise.by_torch(self.rng):
            self.rng.set_state(content["rng"])
        else:
            self.rng.bit_generator.state = content["rng"]

    def trace(self) -> Trace:
        """What is returned."""
        xp = namespace(self.log_densities)
        rate = xp.astype(self.n_accepted, self.log_densities.dtype) / (self.plan.n_draws * self.plan.thin)
        draws = xp.permute_dims(self.draws, (2, 0, 1))  # (chain, draw, dim)
        return Trace(draws, self.log_densities.T, rate, self.accepted.T, self.propose, self.plan.thin)


class Record:
    """The record of a run on disk: read when the run begins, written every so many steps and at the end."""

    def __init__(self, path: str | os.PathLike[str] | None, every: int, run: Run, rng: Any) -> None:
        self.path, self.every = path, every
        if path is None:
            return
        self.fields = _fields(run, rng)
        if Path(path).exists():
            run.restore(records.load(path, expect=self.fields))
        self.saved = run.done

    def keep(self, run: Run) -> None:
        """Save, where it is time."""
        if self.path is not None and (run.done - self.saved >= self.every or run.done == run.plan.n_steps):
            records.save(self.path, run.content(), fields=self.fields)
            self.saved = run.done


def _fields(run: Run, rng: Any) -> dict[str, Any]:
    """What a run that goes on must agree in. The start and its densities stand for the function, as far as they can."""
    position, values = run.state.position, run.state.log_density
    start, seed = (arrays.host(x).tobytes() for x in (position, values)), rng if isinstance(rng, int) else None
    numbers = [getattr(run.propose, name, None) for name in ("scale", "factor")]
    return asdict(run.plan) | {
        "initial and its log density": sha256(b"".join(start)).hexdigest(),
        "dtype and backend": f"{arrays.dtype_name(position)}, {arrays.backend(position)}",
        "rng": f"{_generator_name(run.rng)}, seed {seed}",
        "propose": f"{type(run.propose).__name__} {[x if x is None else np.asarray(x).tolist() for x in numbers]}",
    }


def _generator_name(rng: Any) -> str:
    return type(getattr(rng, "bit_generator", rng)).__name__


def _slot(state: State) -> Slot:
    xp, (chains, dim) = namespace(state.position), state.position.shape
    where = {"device": state.position.device}
    position = xp.empty((dim, chains), dtype=state.position.dtype, **where)
    return position.T, xp.empty(chains, dtype=state.log_density.dtype, **where)


def _moved(x: Array, like: Array) -> Array:
    """What a record brings back, on the device of the run."""
    return x if isinstance(like, np.ndarray) else x.to(like.device)


def report(n_accepted: Array, n_steps: int, accepts_all: bool) -> None:
    """Warn of chains that did not move where chance cannot explain it, and of proposals that are all accepted."""
    counts = arrays.host(n_accepted)
    rate, frozen, total = counts.mean() / n_steps, int((counts == 0).sum()), n_steps * len(counts)
    fix = "Make the scale of the proposal smaller, or start where the density is large."
    if rate == 0 and total >= 20:
        _warn(f"none of {total} proposals was accepted: the draws are the start. {fix}", checks.ConvergenceWarning)
    elif frozen and n_steps >= 20 and (rate < 0.1 or len(counts) * (1 - rate) ** n_steps < 0.01):
        message = f"{frozen} of {len(counts)} chains never moved in {n_steps} steps. {fix}"
        _warn(message, checks.ConvergenceWarning)
    elif rate == 1 and total >= 100 and not accepts_all:
        fix = "Make the scale larger, or look whether the log density is constant."
        _warn(f"all {total} proposals were accepted: steps are too short. {fix}", checks.NumericalWarning)


def _warn(message: str, category: type[Warning]) -> None:
    warnings.warn(message, category, stacklevel=4)


@contextmanager
def bar(progress: bool, n_steps: int, done: int) -> Iterator[Callable[[int], Any]]:
    """What hears how many steps were made: a bar of tqdm, or nobody."""
    if not progress:
        yield lambda n: None
        return
    with checks.needs("progress=True", "tqdm", extra="progress"):
        from tqdm.auto import tqdm
    with tqdm(total=n_steps, initial=done, unit=" steps") as shown:
        yield shown.update
