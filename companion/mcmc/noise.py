"""Random numbers beside a position of shape (chains, dim): by NumPy on the host, or by torch on its device.

NumPy draws in float64, then casts and moves, so that every backend sees the same numbers. A ``torch.Generator`` draws
where it lives. In memory the chains are the last axis, whatever the shape says: a coordinate of all chains is one run
of numbers, which adds, compares and copies at full speed.

>>> z = normal(np.random.default_rng(0), (2, 5, 3), np.zeros((5, 3)))
>>> z.shape, z.mT.flags.c_contiguous
((2, 5, 3), True)
"""

import sys
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array

Shape = tuple[int, ...]
Source = Any  # a numpy.random.Generator or a torch.Generator


def source(rng: Any, purpose: str, like: Array) -> Source:
    """What draws: a ``torch.Generator`` on the device of ``like``, or the NumPy stream of a seed and a purpose."""
    if not by_torch(rng):
        return arrays.generator(rng, purpose)
    if isinstance(like, np.ndarray):
        fix = "Pass a seed or a numpy.random.Generator, or initial as a tensor."
        checks.fail("rng", "a seed or a NumPy generator for NumPy positions", "a torch.Generator", fix, TypeError)
    if rng.device.type != like.device.type:
        checks.fail("rng and initial", "on the same device", f"{rng.device} and {like.device}", "Move one of them.")
    return rng


def ready(rng: Any, like: Array) -> Source:
    """A generator that moves on from call to call; a seed would give the same numbers at every step."""
    if not (by_torch(rng) or isinstance(rng, np.random.Generator)):
        fix = "Make one outside the loop: numpy.random.default_rng(0)."
        checks.fail("rng", "a generator", repr(rng), fix, TypeError)
    return source(rng, "", like)


def by_torch(rng: Any) -> bool:
    """Whether this is a ``torch.Generator``."""
    return "torch" in sys.modules and isinstance(rng, sys.modules["torch"].Generator)


def normal(rng: Source, shape: Shape, like: Array) -> Array:
    """Standard normal numbers of shape (steps, chains, dim)."""
    n, chains, dim = shape
    if by_torch(rng):
        return sys.modules["torch"].randn((n, dim, chains), **_beside(rng, like)).mT
    return arrays.follow(rng.standard_normal((n, dim, chains)), like).swapaxes(-1, -2)


def exponential(rng: Source, shape: Shape, like: Array) -> Array:
    """Standard exponential numbers: what -log u is for a uniform u. torch's own are five times slower."""
    if not by_torch(rng):
        return arrays.follow(rng.standard_exponential(shape), like)
    u = sys.modules["torch"].empty(shape, dtype=like.dtype, device=like.device)
    half_a_step = 2.0**-25 if u.itemsize == 4 else 2.0**-54  # so that no u is 0
    return u.uniform_(half_a_step, 1.0, generator=rng).log_().neg_()


def integers(rng: Source, high: int, shape: Shape, like: Array) -> Array:
    """Uniform integers from 0 to high - 1, as int64 on the device of ``like``."""
    if by_torch(rng):
        return sys.modules["torch"].randint(high, shape, generator=rng, device=like.device)
    drawn = rng.integers(high, size=shape)
    return drawn if isinstance(like, np.ndarray) else sys.modules["torch"].from_numpy(drawn).to(like.device)


def _beside(rng: Source, like: Array) -> dict[str, Any]:
    return {"generator": rng, "dtype": like.dtype, "device": like.device}
