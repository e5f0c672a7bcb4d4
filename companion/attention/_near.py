"""Causal attention with near keys and far factors on the host: ``pieces.stream`` with its two hot steps in place.

>>> x = np.zeros((1, 3, 1))
>>> run(x, x, np.arange(3.0).reshape(1, 3, 1), None, lambda: pieces.Means(1.0, block=2), 1.0, 1, 64)
array([[[0. ],
        [0.5],
        [1. ]]])
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from companion._core.arrays import Array, from_host, host
from companion.attention import linear, pieces
from companion.attention._fast import NONE, Maps, heads, query_features, raised


class Sums:
    """``pieces.Features`` whose sums are raised in place, and brought to a new scale only where they must be."""

    def __init__(self, maps: Maps, constant: float) -> None:
        self.maps, self.constant, self.maxima = maps, constant, NONE
        self.sums: np.ndarray | None = None

    def taken(self, K: np.ndarray, U: np.ndarray) -> "Sums":
        """With more keys (h, w, d) and their [v, 1]."""
        exponents = self.maps.keys(K, None if U[..., -1].all() else U[..., -1] > 0)
        sums = np.zeros((len(K), exponents.shape[-1], U.shape[-1]), U.dtype) if self.sums is None else self.sums
        self.sums, self.maxima = raised(exponents, sums, self.maxima)
        exponents -= self.maxima
        self.sums += np.exp(exponents, out=exponents).mT @ U
        return self

    def read(self, Q: np.ndarray) -> linear.Scaled:
        """For queries (h, C, d): (h, C, e + 1) and (h, C, 1)."""
        exponents = self.maps.inner(Q)
        exponents += self.maxima
        phi, top = query_features(exponents)
        top += self.constant - self.maps.scale / 2 * np.vecdot(Q, Q)[..., None]
        return phi @ self.sums, top


def weigh_near(Q: np.ndarray, K: np.ndarray, U: np.ndarray, scale: float, later: np.ndarray) -> linear.Scaled:
    """``pieces.weigh_near`` in place."""
    rows = Q.shape[-2]
    scores = (scale * Q) @ K.mT  # (h, C, l)
    scores[..., -rows:] += later[:rows, :rows]
    if not U[..., -1].all():
        np.copyto(scores, linear.lowest(Q), where=U[..., None, :, -1] == 0)
    top = scores.max(axis=-1, keepdims=True)
    scores -= top
    return np.exp(scores, out=scores) @ U, top


def run(
    query: Array, key: Array, value: Array, mask: Any, far: Callable[[], Any], scale: float, size: int, rows: int
) -> Array:
    """The outputs (..., n, e), for blocks of ``size`` keys and ``rows`` at once; ``far`` makes what holds far keys."""
    q, k, v = (host(x) for x in (query, key, value))
    output = np.empty((*q.shape[:-1], v.shape[-1]), v.dtype)
    keep = None if mask is None else np.broadcast_to(host(mask), k.shape[:-1])[..., None]
    for Q, K, V, used, out in heads(q, k, v, keep, output):
        U = linear.with_ones(V) if used is None else linear.with_ones(V) * used
        out[...] = pieces.stream(Q, K, U, far(), scale, size, rows, weigh_near)[0]
    return output if isinstance(query, np.ndarray) else from_host(output, query)
