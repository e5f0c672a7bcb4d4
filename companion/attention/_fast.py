"""Performer attention on the host in one pass: features of a few rows at a time, which stay in the cache.

Rows of a chunk c meet the sums over all keys before it, S, and each other. With φ(q) = Φ_c, φ(k) = Ψ_c, U = [V, 1]:

    N_c = Φ_c S + tril(Φ_c Ψ_cᵀ) U_c,    output = N[:e] / N[e],    S += Ψ_cᵀ U_c

Every feature of keys is divided by its maximum over the keys so far, to which S is brought when that rises by more than
``LAG``; every row of Φ by its largest product with these maxima. A late key of a chunk that raises a maximum can leave
too little of an early row's weights. Where less than ``LEAST`` is left, the chunk is done in halves; a single row is 1.

Backward, with G = [g, -⟨g, output⟩] and Φ divided by N[e], is the same operation three times (Katharopoulos et al.
2020, section 3.3.1), of which the last two run backwards in time:

    dΦ = causal(G, U, Ψ)    dΨ = reversed causal(U, G, Φ)    dU = reversed causal(Ψ, Φ, G)

Features are made anew, so that memory does not grow with them. ``performer.sums`` is the core that this is held to.

>>> x, value = np.zeros((1, 2, 1)), np.array([[[1.0], [3.0]]])
>>> run(x, x, value, None, Maps(np.ones((1, 1)), scale=1.0), size=2)
array([[[1.],
        [2.]]])
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from companion._core.arrays import Array, from_host, host, requires_grad

LAG = 20.0  # sums of keys e^20 above their scale do not overflow
LEAST = 2.0**-40  # of a row's largest product: what underflows is smaller by many digits
HEADS = 4  # at once: their chunks of 64 rows and 128 features fill the level-2 cache
ROWS = 96  # of keys or queries at once where all see all
MASKED = -1e30

NONE = np.empty(0)  # maxima over no keys

Piece = tuple[int, int, np.ndarray]
"""First row, last row + 1, and the maxima (h, 1, D) that the keys of these rows are divided by."""


@dataclass(frozen=True)
class Maps:
    """Logarithms of features, up to what cancels in the quotient.

    ``W`` is (d, m), times the root of the scale; where rows have weights, ``logs`` has the logarithms of the roots of
    those of the D features.
    """

    W: np.ndarray
    scale: float
    both_signs: bool = False
    logs: np.ndarray | None = None

    def inner(self, X: np.ndarray) -> np.ndarray:
        """⟨w, x⟩, or of both signs: (h, C, D)."""
        t = X @ self.W
        if self.both_signs:
            t = np.concatenate([t, -t], axis=-1)
        return t if self.logs is None else t + self.logs

    def keys(self, K: np.ndarray, keep: np.ndarray | None) -> np.ndarray:
        """⟨w, k⟩ - |k|²/2."""
        exponents = self.inner(K)
        exponents -= np.vecdot(K, K)[..., None] * (self.scale / 2)
        return exponents if keep is None else np.where(keep[..., None], exponents, MASKED)

    def pull(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient with respect to X of that with respect to ``inner``."""
        m = self.W.shape[1]
        return ((gradient[..., :m] - gradient[..., m:]) if self.both_signs else gradient) @ self.W.T


@dataclass
class Sequences:
    """A few heads: query and key (h, n or l, d), value (h, l, e), and which keys count (h or 1, l), or None."""

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    keep: np.ndarray | None
    maps: Maps

    def columns(self, part: slice) -> np.ndarray:
        """[V, 1] of some keys; 0 where they do not count."""
        V = self.value[:, part]
        U = np.ones((*V.shape[:-1], V.shape[-1] + 1), V.dtype)
        U[..., :-1] = V
        return U if self.keep is None else U * self.keep[:, part, None]

    def key_exponents(self, part: slice) -> np.ndarray:
        """log φ of some keys: (h, C, D)."""
        return self.maps.keys(self.key[:, part], None if self.keep is None else self.keep[:, part])

    def key_features(self, part: slice, maxima: np.ndarray) -> np.ndarray:
        """φ of some keys, divided by exp(maxima)."""
        exponents = self.key_exponents(part)
        exponents -= maxima
        return np.exp(exponents, out=exponents)

    def query_exponents(self, part: slice, maxima: np.ndarray) -> np.ndarray:
        """log φ of some queries, times exp(maxima)."""
        exponents = self.maps.inner(self.query[:, part])
        exponents += maxima
        return exponents

    def zeros(self) -> np.ndarray:
        """Sums over no keys: (h, D, e + 1)."""
        D = self.maps.W.shape[1] * (1 + self.maps.both_signs)
        return np.zeros((len(self.key), D, self.value.shape[-1] + 1), self.key.dtype)


def raised(exponents: np.ndarray, S: np.ndarray, maxima: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and maxima, on a larger scale if the exponents of new keys are too large for the present one, or none is."""
    top = exponents if exponents.shape[-2] == 1 else exponents.max(axis=-2, keepdims=True)  # (h, 1, D)
    if not maxima.size:
        return S, top.copy()
    if (top - maxima).max() <= LAG:
        return S, maxima
    top = np.maximum(top, maxima)
    return S * np.exp(maxima - top).mT, top


def query_features(exponents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """exp(exponents - top), in their place, and top, the largest of each row."""
    top = exponents.max(axis=-1, keepdims=True)
    exponents -= top
    return np.exp(exponents, out=exponents), top


def full(x: Sequences, output: np.ndarray, log_total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write the outputs and the logarithms of the sums of weights where all queries see all keys; S and its maxima."""
    S, maxima = x.zeros(), NONE
    for part in parts(x.key.shape[1], ROWS):
        exponents = x.key_exponents(part)
        S, maxima = raised(exponents, S, maxima)
        exponents -= maxima
        S += np.exp(exponents, out=exponents).mT @ x.columns(part)
    for part in parts(x.query.shape[1], ROWS):
        phi, top = query_features(x.query_exponents(part, maxima))
        write(phi @ S, top, output[:, part], log_total[:, part])
    return S, maxima


def causal(
    x: Sequences, output: np.ndarray, log_total: np.ndarray, size: int, S: np.ndarray, maxima: np.ndarray
) -> tuple[np.ndarray, list[Piece]]:
    """Write the outputs and the logarithms of the sums of weights where query i sees keys j <= i; S, and the pieces.

    S and its maxima before the first row are those of all keys before; of none, zeros and an empty array.
    """
    pieces, lower = list[Piece](), np.tri(size, dtype=x.key.dtype)
    todo = list(parts(x.key.shape[1], size))[::-1]
    while todo:
        part = todo.pop()
        rows, psi, U = part.stop - part.start, x.key_exponents(part), x.columns(part)
        new, top = raised(psi, S, maxima)
        psi -= top
        np.exp(psi, out=psi)
        phi, largest = query_features(x.query_exponents(part, top))
        N = (phi @ psi.mT * lower[:rows, :rows]) @ U
        N += phi @ new
        if rows > 1 and not np.min(N[..., -1]) >= LEAST:
            middle = (part.start + part.stop) // 2
            todo += [slice(middle, part.stop), slice(part.start, middle)]
            continue
        write(N, largest, output[:, part], log_total[:, part])
        S, maxima = new + psi.mT @ U, top
        pieces.append((part.start, part.stop, maxima))
    return S, pieces


def row(x: Sequences, S: np.ndarray, maxima: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``causal`` of a single row, of all heads at once: outputs (h, 1, e), S and its maxima."""
    one = slice(0, 1)
    psi = x.key_exponents(one)
    S, maxima = raised(psi, S, maxima)
    psi -= maxima
    new = np.einsum("hoD,hoe->hDe", np.exp(psi, out=psi), x.columns(one))  # faster than a product
    new += S
    N = query_features(x.query_exponents(one, maxima))[0] @ new
    return N[..., :-1] / N[..., -1:], new, maxima


def write(N: np.ndarray, top: np.ndarray, output: np.ndarray, log_total: np.ndarray) -> None:
    """N[:e] / N[e], and the logarithm of exp(top) N[e]; a row without a key is 0."""
    total = np.where(N[..., -1:] > 0, N[..., -1:], 1.0)
    np.divide(N[..., :-1], total, out=output)
    np.add(top, np.log(total), out=log_total)


def parts(length: int, size: int) -> Iterator[slice]:
    """The chunks of a sequence."""
    return (slice(i, min(i + size, length)) for i in range(0, length, size))


@dataclass
class Gradient:
    """Of ``Sequences`` by its output: what of both is known, and where to write."""

    x: Sequences
    output: np.ndarray
    log_total: np.ndarray
    toward: np.ndarray
    query: np.ndarray
    key: np.ndarray
    value: np.ndarray

    def rows(self, part: slice, maxima: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Φ divided by the sum of weights, and G = [g, -⟨g, output⟩]."""
        exponents = self.x.query_exponents(part, maxima)
        exponents -= self.log_total[:, part]
        g, output = self.toward[:, part], self.output[:, part]
        return np.exp(exponents, out=exponents), np.concatenate([g, -np.vecdot(g, output)[..., None]], axis=-1)

    def write_query(self, part: slice, phi: np.ndarray, dphi: np.ndarray) -> None:
        """Of Φ, whose logarithm is linear in the query."""
        self.query[:, part] = self.x.maps.pull(phi * dphi)

    def write_key(self, part: slice, psi: np.ndarray, dpsi: np.ndarray, dU: np.ndarray) -> None:
        """Of Ψ, whose logarithm is ⟨w, k⟩ - |k|²/2, and of U = [V, 1]."""
        dlog, keep = psi * dpsi, self.x.keep
        K, V = self.key[:, part], self.value[:, part]
        K[...] = self.x.maps.pull(dlog)
        K -= (self.x.maps.scale * np.sum(dlog, axis=-1, keepdims=True)) * self.x.key[:, part]
        V[...] = dU[..., :-1] if keep is None else dU[..., :-1] * keep[:, part, None]


def full_backward(g: Gradient, S: np.ndarray, maxima: np.ndarray) -> None:
    """Write the gradients where all queries see all keys."""
    dS = np.zeros_like(S)
    for part in parts(g.query.shape[1], ROWS):
        phi, G = g.rows(part, maxima)
        g.write_query(part, phi, G @ S.mT)
        dS += phi.mT @ G
    for part in parts(g.key.shape[1], ROWS):
        psi = g.x.key_features(part, maxima)
        g.write_key(part, psi, g.x.columns(part) @ dS.mT, psi @ dS)


def causal_backward(g: Gradient, pieces: list[Piece]) -> None:
    """Write the gradients where query i sees keys j <= i."""
    S, later, scale = g.x.zeros(), g.x.zeros(), pieces[0][2]
    for start, stop, maxima in pieces:
        part, lower = slice(start, stop), np.tri(stop - start, dtype=S.dtype)
        psi, U, (phi, G) = g.x.key_features(part, maxima), g.x.columns(part), g.rows(part, maxima)
        S, scale = (S if scale is maxima else S * np.exp(scale - maxima).mT), maxima
        g.write_query(part, phi, G @ S.mT + (G @ U.mT * lower) @ psi)
        S += psi.mT @ U
    for start, stop, maxima in reversed(pieces):
        part, upper = slice(start, stop), np.tri(stop - start, dtype=S.dtype).T
        psi, U, (phi, G) = g.x.key_features(part, maxima), g.x.columns(part), g.rows(part, maxima)
        later, scale = (later if scale is maxima else later * np.exp(maxima - scale).mT), maxima
        dpsi = U @ later.mT + (U @ G.mT * upper) @ phi
        g.write_key(part, psi, dpsi, psi @ later + (psi @ phi.mT * upper) @ G)
        later += phi.mT @ G


def heads(*values: np.ndarray | None) -> Iterator[tuple[Any, ...]]:
    """Groups of at most ``HEADS`` sequences of arrays (..., n, d) as views (h, n, d); nothing is copied."""
    lead = next(x.shape for x in values if x is not None)[:-2] or (1,)
    axis = max(range(len(lead)), key=lead.__getitem__)
    views = [x if x is None else np.moveaxis(x.reshape((*lead, *x.shape[-2:])), axis, -3) for x in values]
    for i in np.ndindex(*lead[:axis], *lead[axis + 1 :]):
        for h in range(0, lead[axis], HEADS):
            yield tuple(x if x is None else x[i][h : h + HEADS] for x in views)


def forward(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, keep: np.ndarray | None, maps: Maps, size: int
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """The outputs (..., n, e), logarithms of sums of weights, and what ``backward`` needs; full if ``size`` is 0."""
    output = np.empty((*query.shape[:-1], value.shape[-1]), value.dtype)
    log_total, known = np.empty((*query.shape[:-1], 1), value.dtype), []
    keep = None if keep is None else np.broadcast_to(keep, key.shape[:-1])[..., None]
    for q, k, v, used, out, total in heads(query, key, value, keep, output, log_total):
        x = Sequences(q, k, v, None if used is None else used[..., 0], maps)
        known.append(causal(x, out, total, size, x.zeros(), NONE)[1] if size else full(x, out, total))
    return output, log_total, known


def backward(
    toward: np.ndarray, arrays: tuple[Any, ...], maps: Maps, result: tuple[np.ndarray, np.ndarray, list[Any]], size: int
) -> list[np.ndarray]:
    """Gradients of query, key and value; ``arrays`` and ``result`` are those of ``forward``."""
    (query, key, value, keep), (output, log_total, known) = arrays, result
    gradients = [np.empty(x.shape, x.dtype) for x in (query, key, value)]
    keep = None if keep is None else np.broadcast_to(keep, key.shape[:-1])[..., None]
    groups = heads(query, key, value, keep, output, log_total, toward, *gradients)
    for (q, k, v, used, *rest), before in zip(groups, known, strict=True):
        x = Sequences(q, k, v, None if used is None else used[..., 0], maps)
        causal_backward(Gradient(x, *rest), before) if size else full_backward(Gradient(x, *rest), *before)
    return gradients


@cache
def recorded() -> Any:
    """``forward`` as an operation of torch's autograd, whose gradient is ``backward``."""
    torch = sys.modules["torch"]

    class Recorded(torch.autograd.Function):  # type: ignore[name-defined]
        @staticmethod
        def forward(ctx: Any, query: Any, key: Any, value: Any, keep: Any, maps: Maps, size: int) -> Any:
            output, *ctx.rest = forward(host(query), host(key), host(value), keep, maps, size)
            output = torch.from_numpy(output)
            ctx.keep, ctx.maps, ctx.size = keep, maps, size
            ctx.save_for_backward(query, key, value, output)
            return output

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, toward: Any) -> Any:
            *arrays, output = (host(x) for x in ctx.saved_tensors)
            gradients = backward(host(toward), (*arrays, ctx.keep), ctx.maps, (output, *ctx.rest), ctx.size)
            return *map(torch.from_numpy, gradients), None, None, None

    return Recorded


def run(query: Array, key: Array, value: Array, keep: np.ndarray | None, maps: Maps, size: int) -> Array:
    """The outputs for NumPy arrays or tensors on the host, of which gradients pass once; full if ``size`` is 0."""
    if any(requires_grad(x) for x in (query, key, value)):
        return recorded().apply(query, key, value, keep, maps, size)
    output = forward(host(query), host(key), host(value), keep, maps, size)[0]
    return output if isinstance(query, np.ndarray) else from_host(output, query)


def step(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, maps: Maps, S: np.ndarray | None, maxima: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs of the next rows (..., n, e), and the state after them: S (..., D, e + 1), its maxima (..., 1, D)."""
    q, k, v = (x.reshape(-1, *x.shape[-2:]) for x in (query, key, value))
    x, lead = Sequences(q, k, v, None, maps), query.shape[:-2]
    S = x.zeros() if S is None else S.reshape(-1, *S.shape[-2:])
    maxima = maxima.reshape(-1, *maxima.shape[-2:]) if maxima.size else maxima
    if query.shape[-2] == 1:
        output, S, maxima = row(x, S, maxima)
    else:
        output, total = np.empty(v.shape, S.dtype), np.empty((*v.shape[:-1], 1), S.dtype)
        S, pieces = causal(x, output, total, ROWS, S, maxima)
        maxima = pieces[-1][2]
    return output.reshape(value.shape), S.reshape(*lead, *S.shape[1:]), maxima.reshape(*lead, *maxima.shape[1:])
