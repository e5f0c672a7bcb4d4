"""Near keys exactly, a cheap factor for the far ones: one normaliser for both.

    output_i = Σ_j w_ij v_j / Σ_j w_ij,    w_ij = exp(scale ⟨q_i, k_j⟩) where j is near i, else (Φ Ψᵀ)_ij

Positions are cut into blocks of ``window``; near a query are the keys of its own block and of the one before and, where
attention is not causal, of the one after. For the far keys there are two factors.

    features    Φ = φ(q), Ψ = φ(k): random features, whose numerators and denominators stay unbiased
    means       Φ_ib = exp(scale ⟨q_i, mean key of b⟩), Ψ_jb = 1 if j is in b: all far keys of a block weigh the same

A block of means has whole blocks of ``block`` keys; those of an unfinished one have a mean of their own. By Jensen's
inequality means weigh far keys too little, never too much. Far weights can be e^-60 of near ones or e^60: every sum has
a scale of its own in each row, and two are added on the larger one.

>>> x = np.array([[0.0], [1.0], [2.0]])
>>> near_and_far_reference(x, x, x, far=np.ones((3, 3)), window=1, is_causal=True).round(3)
array([[0.   ],
       [0.731],
       [1.851]])
"""

import math
from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import arrays
from companion._core.arrays import Array, namespace
from companion.attention import linear
from companion.attention.linear import Scaled

Far = Callable[..., Scaled]
"""The sums over the keys before the block before, of queries, keys and [v, 1] in blocks."""


def weigh(Q: Array, K: Array, U: Array, scale: float, allowed: Array) -> Scaled:
    """Σ_j exp(scale ⟨q_i, k_j⟩) u_j over the keys that are allowed: (..., n, e + 1) and (..., n, 1)."""
    xp = namespace(Q)
    scores = xp.where(allowed, (scale * Q) @ K.mT, linear.lowest(Q))  # (..., n, l)
    top = xp.max(scores, axis=-1, keepdims=True)
    return xp.where(allowed, xp.exp(scores - top), 0.0) @ U, top


def near(Q: Array, K: Array, U: Array, scale: float, is_causal: bool) -> Scaled:
    """Over the keys of a query's own block and its neighbours, for blocks (..., B, w, d); u is 0 where none counts."""
    xp, size = namespace(Q), Q.shape[-2]
    K, U = (neighbours(x, is_causal) for x in (K, U))  # (..., B, 2w or 3w, d)
    counts = U[..., None, :, -1] > 0  # (..., B, 1, 2w or 3w)
    if not is_causal:
        return weigh(Q, K, U, scale, counts)
    past = xp.tril(xp.ones((size, 2 * size), device=compat.device(Q)), k=size) > 0
    return weigh(Q, K, U, scale, counts & past)


def far_by_features(log_query: Array, log_key: Array, U: Array) -> Scaled:
    """φ(q_i)ᵀ Σ_j φ(k_j) u_j over keys before the block before, for logarithms in blocks (..., B, w, D)."""
    earlier = linear.shifted(*linear.before(*log_sums(log_key, U)))
    return linear.log_read(log_query, *earlier)


def log_sums(log_key: Array, U: Array) -> Scaled:
    """``linear.log_sums`` over the keys that count."""
    return linear.log_sums(namespace(U).where(U[..., -1:] > 0, log_key, linear.lowest(log_key)), U)


def far_by_means(Q: Array, K: Array, U: Array, scale: float, per: int) -> Scaled:
    """Σ_b exp(scale ⟨q_i, k̄_b⟩) Σ_{j in b} u_j over keys before the block before; a block b is ``per`` windows."""
    xp, B = namespace(Q), Q.shape[-3]
    known = block_sums(K, U)  # (..., B, d + e + 1)
    known = xp.reshape(known, (*known.shape[:-2], B // per, per, known.shape[-1]))
    so_far = xp.cumulative_sum(known, axis=-2, include_initial=True)  # (..., B / per, per + 1, d + e + 1)
    begun = xp.reshape(so_far[..., :-1, :], (*known.shape[:-3], B, 1, known.shape[-1]))
    whole = so_far[..., None, :, -1, :]  # (..., 1, B / per, d + e + 1)
    block = xp.arange(B, device=compat.device(Q))
    ended = (block[: B // per] + 1) * per <= block[:, None, None] - 1  # (B, 1, B / per)
    return linear.add(weigh_means(Q, whole, scale, ended), weigh_means(Q, linear.previous(begun), scale, True))


def block_sums(K: Array, U: Array) -> Array:
    """The sums of the keys that count, beside those of [v, 1], of blocks (..., w, d): (..., d + e + 1)."""
    xp = namespace(K)
    return xp.sum(xp.concat([xp.where(U[..., -1:] > 0, K, 0.0), U], axis=-1), axis=-2)


def weigh_means(Q: Array, known: Array, scale: float, allowed: Any) -> Scaled:
    """``weigh`` for the means of keys, from ``block_sums``."""
    count, d = known[..., -1:], Q.shape[-1]
    means = known[..., :d] / namespace(Q).where(count > 0, count, 1.0)
    return weigh(Q, means, known[..., d:], scale, allowed & (count.mT > 0))


def sums(
    query: Array, key: Array, columns: Array, scale: float, window: int, is_causal: bool, far: Far, *factors: Array
) -> Array:
    """Numerators and denominators, each row at a scale of its own: (..., n, e + 1).

    ``far`` is of ``factors``, the logarithms of features of query and key, or else of query and key themselves. The
    length is a multiple of ``window``, and of the blocks of means.
    """
    Q, K, U, *rest = (linear.chunks(x, window) for x in (query, key, columns, *factors))  # (..., B, w, d)
    rest = rest or [Q, K]
    total = linear.add(near(Q, K, U, scale, is_causal), far(*rest, U))
    if not is_causal:
        later, top = far(*map(_turned, (*rest, U)))
        total = linear.add(total, (_turned(later), _turned(top)))
    return linear.rows(total[0])


def _turned(x: Array) -> Array:
    """Blocks (..., B, w, d) from the last position to the first."""
    return namespace(x).flip(x, axis=(-3, -2))


def neighbours(x: Array, is_causal: bool) -> Array:
    """The blocks before and of each block, where not causal those after too, side by side: (..., B, 2w or 3w, d)."""
    parts = [linear.previous(x), x]
    if not is_causal:
        parts.append(_turned(linear.previous(_turned(x))))
    return namespace(x).concat(parts, axis=-2)


def average(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    scale: float,
    window: int,
    is_causal: bool,
    far: Far,
    *factors: Array,
    block: int = 1,
) -> Array:
    """The output (..., n, e) by ``sums``, for any length: rows that do not count fill the last block."""
    n, columns = query.shape[-2], linear.with_ones(value)
    lead = math.prod(query.shape[:-1])
    arrays.fits_memory("the weights of near keys", lead, 3 * window, query, "Use a smaller window.", copies=3)
    key, columns = linear.masked(key, columns, mask, log=False)
    missing = -n % max(window, block)
    query, key, columns, *rest = (linear.pad(x, missing) for x in (query, key, columns, *factors))
    return linear.divide(sums(query, key, columns, scale, window, is_causal, far, *rest)[..., :n, :])


def near_mask(n: int, window: int, is_causal: bool = False) -> np.ndarray:
    """Which key is near which query: (n, n)."""
    block = np.arange(n) // window
    mask = abs(block[:, None] - block) <= 1
    return np.tril(mask) if is_causal else mask


def near_and_far_reference(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, far: np.ndarray, window: int, is_causal: bool = False
) -> np.ndarray:
    """Softmax attention with ``far`` (n, n) in the place of exp(⟨q_i, k_j⟩/√d) where j is not near i, one sequence."""
    exact = np.exp(query @ key.T / np.sqrt(query.shape[1]))
    kernel = np.where(near_mask(len(query), window, is_causal), exact, far)
    kernel = np.tril(kernel) if is_causal else kernel
    return kernel @ value / kernel.sum(axis=1, keepdims=True)


def block_means_reference(
    query: np.ndarray, key: np.ndarray, window: int, block: int, is_causal: bool = False
) -> np.ndarray:
    """exp(⟨q_i, mean of the far keys in the block of j⟩/√d), 0 where j is near i: ``far`` of the reference."""
    n, d = query.shape
    far, position, mask = np.zeros((n, n)), np.arange(n), near_mask(n, window)
    for i in range(n):
        for side in (position < i,) if is_causal else (position < i, position > i):
            for start in range(0, n, block):
                some = ~mask[i] & side & (position // block == start // block)
                if some.any():
                    far[i, some] = np.exp(query[i] @ key[some].mean(axis=0) / np.sqrt(d))
    return far
