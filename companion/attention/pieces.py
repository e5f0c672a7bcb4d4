"""Near keys exactly, a factor for the far ones, in pieces: what decoding keeps, and the parallel form on the host.

At position t, in block b = t // window, the keys from block b - 1 on are kept as they are, at most 2 · window of them.
The others are far: they are known by sums only. When a block begins, the keys of the one before the last become far.

    near     Σ_j exp(scale ⟨q, k_j⟩) [v_j, 1]                    of the keys kept
    far      φ(q)ᵀ Σ_j φ(k_j) [v_j, 1]                           features: D sums, at any length
             Σ_b exp(scale ⟨q, k̄_b⟩) Σ_{j in b} [v_j, 1]          means: a mean key for each block of keys

and the output is the quotient of their sum: ``near.sums`` in pieces, to which the tests hold it.

>>> import numpy as np
>>> x = np.array([[0.0], [1.0], [2.0]])
>>> stream(x, x, linear.with_ones(x), Means(scale=1.0, block=2), scale=1.0, window=1)[0].round(3)
array([[0.   ],
       [0.731],
       [1.851]])
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat as compat

from companion._core.arrays import Array, namespace
from companion.attention import linear, near
from companion.attention.linear import Scaled

Weigh = Callable[[Array, Array, Array, float, Array], Scaled]


@dataclass(frozen=True, eq=False)
class Features:
    """Far keys by random features: ``log_map`` returns log φ of queries or keys; the sums over keys are at a scale."""

    log_map: Callable[[Array], Array]
    sums: Array | None = None
    maxima: Array | None = None

    def taken(self, K: Array, U: Array) -> "Features":
        """With more keys (..., w, d) and their [v, 1]."""
        new = near.log_sums(self.log_map(K), U)
        if self.sums is not None:
            new = linear.add((self.sums, self.maxima), new)
        return Features(self.log_map, *new)

    def read(self, Q: Array) -> Scaled:
        """For queries (..., C, d): (..., C, e + 1) and (..., C, 1)."""
        return linear.log_read(self.log_map(Q), self.sums, self.maxima)


@dataclass(frozen=True, eq=False)
class Means:
    """Far keys by the mean key of each block: the sums of its keys beside those of [v, 1], (..., B, d + e + 1).

    ``length`` counts the keys; the last block may be unfinished.
    """

    scale: float
    block: int
    sums: Array | None = None
    length: int = 0

    def taken(self, K: Array, U: Array) -> "Means":
        """With more keys (..., w, d) of a block, and their [v, 1]."""
        new = near.block_sums(K, U)[..., None, :]  # (..., 1, d + e + 1)
        if self.sums is not None:
            whole = self.sums.shape[-2] - (self.length % self.block > 0)
            parts = [self.sums[..., :whole, :], self.sums[..., whole:, :] + new if whole < self.sums.shape[-2] else new]
            new = namespace(new).concat(parts, axis=-2)
        return Means(self.scale, self.block, new, self.length + K.shape[-2])

    def read(self, Q: Array) -> Scaled:
        """For queries (..., C, d): (..., C, e + 1) and (..., C, 1)."""
        return near.weigh_means(Q, self.sums, self.scale, True)


def weigh_near(Q: Array, K: Array, U: Array, scale: float, later: Array) -> Scaled:
    """``near.weigh`` where the last keys are those of the queries: nobody sees a later one, or one that counts not."""
    xp, rows = namespace(Q), Q.shape[-2]
    scores = (scale * Q) @ K.mT  # (..., C, l)
    own = scores[..., -rows:] + later[:rows, :rows]
    scores = xp.concat([scores[..., :-rows], own], axis=-1)
    scores = xp.where(U[..., None, :, -1] > 0, scores, linear.lowest(Q))
    top = xp.max(scores, axis=-1, keepdims=True)
    return xp.exp(scores - top) @ U, top


def stream(
    Q: Array, K: Array, U: Array, far: Any, scale: float, window: int, size: int = 64, weigh: Weigh = weigh_near
) -> tuple[Array, Any]:
    """Outputs (..., n, e) for the queries beside the last n keys, and what is far after them.

    Keys before these are those kept, at most 2 ``window``, a whole block of them first. At most ``size`` rows at once.
    """
    xp, length, kept = namespace(Q), K.shape[-2], K.shape[-2] - Q.shape[-2]
    outputs, later = [], _later(Q, min(window, size))
    for start in range(kept // window * window, length, window):
        if start >= 2 * window:
            old = slice(start - 2 * window, start - window)
            far = far.taken(K[..., old, :], U[..., old, :])
        for first in range(max(start, kept), min(start + window, length), size):
            rows = slice(first, min(first + size, start + window, length))
            seen, q = slice(max(start - window, 0), rows.stop), Q[..., first - kept : rows.stop - kept, :]
            total = weigh(q, K[..., seen, :], U[..., seen, :], scale, later)
            if far.sums is not None:
                total = linear.add(total, far.read(q))
            outputs.append(linear.divide(total[0]))
    return xp.concat(outputs, axis=-2), far


def kept_from(length: int, window: int) -> int:
    """The first position whose key is kept as it is when ``length`` are known: that of the block before the last."""
    return max((length - 1) // window - 1, 0) * window


def _later(Q: Array, size: int) -> Array:
    """What removes a later key: 0 on and below the diagonal, else the least logarithm."""
    xp, device = namespace(Q), compat.device(Q)
    return xp.triu(xp.full((size, size), linear.lowest(Q), dtype=Q.dtype, device=device), k=1)
