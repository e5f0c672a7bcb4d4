"""Landmarks: a kernel matrix from some of its columns, K ≈ C W⁺ Cᵀ with C = k(X, S) and W = k(S, S) for points S.

With a Cholesky factor W = L Lᵀ the approximation is F Fᵀ with F = C L⁻ᵀ, and k(x, S) L⁻ᵀ are features of any x. The
rest K - F Fᵀ is positive semidefinite, so its trace is an error that is known while it falls (Williams & Seeger 2001,
"Using the Nyström method to speed up kernel machines").

``rp_cholesky`` draws each landmark with probability proportional to the diagonal of the rest (Chen, Epperly, Tropp &
Webber 2025, "Randomly pivoted Cholesky", algorithm 1). Their theorem: for ε > 0 and every rank r,

    E tr(K - F Fᵀ) <= (1 + ε) Σ_{j>r} λ_j    once k >= r/ε + r log(1/(ε η)),    η = Σ_{j>r} λ_j / tr K.

>>> from companion.kernels import Gaussian
>>> X = np.linspace(0, 1, 500)[:, None]
>>> approximation = rp_cholesky(Gaussian(0.5), X, 8, rng=0)
>>> bool(np.abs(Gaussian(0.5)(X) - approximation.factor @ approximation.factor.T).max() < 1e-4)
True
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh, lapack, solve_triangular

from companion._core import arrays, checks
from companion._core.arrays import Array, Seed, detached, follow, host, namespace
from companion.kernels.base import Kernel, only_for

METHODS = ("block", "accelerated", "simple", "greedy")
LARGEST_BLOCK = 256
KEPT = 0.3  # of a candidate's rest, what others of its block must leave for "block" to take it
NOISE = 8.0  # units of rounding that a diagonal of the rest must exceed to be told from zero
NO_KERNEL = 1e-4  # of K_ii: a rest that is so far below zero is not rounding, in float32 either


@dataclass(frozen=True)
class LowRank:
    """K ≈ F Fᵀ from landmarks, with the same features for new samples.

    Parameters
    ----------
    factor : array of shape (n, rank)
        F, on the backend and device and in the dtype of the data.
    pivots : ndarray of shape (rank,)
        Which rows are the landmarks, in the order of the columns of F: rows of X, or of the landmarks that were given.
    residual_trace : float
        tr(K - F Fᵀ), the sum of the eigenvalues of what is missing.
    stop : {"rank", "rtol", "exhausted"}
        Why there are no more columns: as many as asked for, a small enough rest, or a rest of zero to rounding.
    kernel : Kernel
        k.
    landmarks : array of shape (rank, d)
        S, the samples that stand for all.
    """

    factor: Array
    pivots: np.ndarray
    residual_trace: float
    stop: str
    kernel: Kernel = field(repr=False)
    landmarks: Array = field(repr=False)

    def __repr__(self) -> str:
        n, rank = self.factor.shape
        return f"LowRank(n={n}, rank={rank}, residual_trace={self.residual_trace:.3g}, stop={self.stop!r})"

    @cached_property
    def coefficients(self) -> np.ndarray:
        """L⁻ᵀ in float64, of shape (rank, rank), from k(S, S) in float64."""
        L, info = lapack.dpotrf(_core_matrix(self.kernel, self.landmarks), lower=1, clean=1)
        if info:  # rounding of the kernel's own: the rows of the landmarks in F are L as well
            L = np.tril(host(self.factor)[self.pivots].astype(np.float64))
        return _inverse(L).T

    def features(self, X: Any) -> Array:
        """The features k(x, S) L⁻ᵀ of samples: their products are the approximated similarities.

        Parameters
        ----------
        X : array of shape (m, d)
            Samples, on the backend and device of the landmarks. Gradients with respect to them pass.

        Returns
        -------
        array of shape (m, rank)
            Rows of F, for the rows of X that it was made of, and what belongs beside them for others.

        Raises
        ------
        TypeError, ValueError
            As a call of the kernel does.
        """
        return features(self.kernel, X, self.landmarks, self.coefficients)


def rp_cholesky_reference(K: np.ndarray, rank: int, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """F and the pivots, from the whole matrix K, a pivot at a time."""
    F, d, pivots = np.zeros((len(K), rank)), np.diag(K).copy(), []
    for j in range(rank):
        i = rng.choice(len(K), p=d / d.sum())
        g = K[:, i] - F @ F[i]
        F[:, j] = g / np.sqrt(g[i])
        d = np.maximum(d - F[:, j] ** 2, 0)
        pivots.append(i)
    return F, pivots


def nystroem(kernel: Any, X: Any, landmarks: Any) -> LowRank:
    """K ≈ C W⁺ Cᵀ from given landmarks.

    Parameters
    ----------
    kernel : Kernel
        Any of ``companion.kernels``; for ``Precomputed`` the samples are columns of indices.
    X : array of shape (n, d)
        Samples.
    landmarks : array of shape (m,) or (m, d)
        Which rows of X, as integers, or the landmarks themselves, as samples.

    Returns
    -------
    LowRank
        Of rank m, or less where landmarks are redundant to rounding: these are left out, and ``stop`` is "exhausted".

    Raises
    ------
    TypeError, ValueError
        If the data are not finite matrices, an index is out of range, or ``kernel`` is no kernel object.
    NotPSDError
        If the kernel is seen not to be positive semidefinite.

    Notes
    -----
    Page: ``low-rank/landmarks``. It evaluates n (m + 1) + m² entries. W is factored in float64, with pivots: what its
    smallest pivots hold below the rounding of the dtype of X is noise, and left out.

    Examples
    --------
    >>> from companion.kernels import Gaussian
    >>> nystroem(Gaussian(), [[0.0], [1.0], [2.0]], [0, 2, 0])
    LowRank(n=3, rank=2, residual_trace=0.352, stop='exhausted')
    """
    _require_kernel(kernel)
    x, dtype = arrays.read("X", X)
    S, rows = read_landmarks(x, landmarks)
    kept, coefficients = landmark_map(kernel, S)
    S = _rows(S, kept)
    F = features(kernel, x, S, coefficients)
    diagonal = _diagonal(kernel, x)
    rest = diagonal - _squares(F, axis=1)
    _require_no_negative_rest(kernel, x, rest, diagonal, S)
    stop = "rank" if len(kept) == len(rows) else "exhausted"
    found = LowRank(namespace(F).astype(F, dtype), rows[kept], max(0.0, float(rest.sum())), stop, kernel, S)
    vars(found)["coefficients"] = coefficients
    return found


def rp_cholesky(
    kernel: Any, X: Any, rank: int, *, method: str = "block", rtol: float = 0.0, rng: Seed = None
) -> LowRank:
    """K ≈ F Fᵀ from landmarks that are drawn with probability proportional to what is still missing of K_ii.

    Parameters
    ----------
    kernel : Kernel
        Any of ``companion.kernels``; for ``Precomputed`` the samples are columns of indices.
    X : array of shape (n, d)
        Samples, of which the landmarks are taken.
    rank : int
        The largest number of landmarks, at most n.
    method : {"block", "accelerated", "simple", "greedy"}
        "simple" draws one landmark after the other. "accelerated" has the same law: it draws a block of candidates, and
        accepts each with the share of its rest that the accepted ones before it leave. "block" accepts those of which
        a share of 0.3 is left, so its law is another one, and its landmarks are as good in experience, not by theorem.
        "greedy" takes the largest rest.
    rtol : float
        Stop as soon as tr(K - F Fᵀ) <= rtol · tr K.
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed.

    Returns
    -------
    LowRank
        Of a smaller rank where the rest is zero to rounding: ``stop`` is "exhausted" then.

    Raises
    ------
    TypeError, ValueError
        If X is no finite matrix, a parameter is out of range, F does not fit into memory, or ``kernel`` is no kernel
        object.
    NotPSDError
        If K has a negative diagonal, or a column that a positive semidefinite matrix cannot have.

    Notes
    -----
    Page: ``low-rank/landmarks``. Reference: ``rp_cholesky_reference``. It evaluates n (rank + 1) entries of K, and the
    similarities of candidates within a block. The products of blocks are in the dtype of X; the candidates' are in
    float64. Of tensors no gradient is recorded: ``LowRank.features`` passes those of new samples.

    "accelerated" is by rejection: Epperly, Tropp & Webber 2024, "Embrace rejection", arXiv 2410.03969.

    Examples
    --------
    >>> from companion.kernels import Gaussian
    >>> X = np.random.default_rng(0).standard_normal((300, 2))
    >>> rp_cholesky(Gaussian(), X, 300, rtol=0.01, rng=0).stop
    'rtol'
    """
    _require_kernel(kernel)
    x, dtype = arrays.read("X", X)
    checks.integer("rank", rank, minimum=1)
    checks.at_most("rank", rank, x.shape[0], "There are no more samples than that.")
    checks.known("method", method, METHODS)
    checks.positive("rtol", np.asarray(rtol), allow_zero=True)
    arrays.fits_memory("F", rank, x.shape[0], x, "Lower the rank.", copies=1.5)
    return Pivoting(kernel, detached(x), int(rank), method, float(rtol), arrays.generator(rng, "landmarks")).run(dtype)


class Pivoting:
    """The rows of Fᵀ so far, and the diagonal of what is missing, which stays on the host in float64."""

    def __init__(self, kernel: Kernel, x: Array, rank: int, method: str, rtol: float, rng: np.random.Generator) -> None:
        xp = namespace(x)
        self.kernel, self.x, self.rank, self.method, self.rtol, self.rng = kernel, x, rank, method, rtol, rng
        self.rows = xp.empty((rank, x.shape[0]), dtype=x.dtype, device=x.device)
        self.diagonal = _diagonal(kernel, x)
        self.rest, self.pivots = self.diagonal.copy(), np.empty(0, np.int64)
        self.eps, self.noise = float(xp.finfo(x.dtype).eps), 0.0

    def run(self, dtype: Any) -> LowRank:
        """Add blocks of landmarks until there is a reason to stop."""
        while not (stop := self.reason()):
            self.add(*self.candidates())
        rank, xp = len(self.pivots), namespace(self.x)
        factor = xp.astype(self.rows[:rank, :].T, dtype, copy=False)
        return LowRank(factor, self.pivots, float(self.rest.sum()), stop, self.kernel, _rows(self.x, self.pivots))

    def choose(self) -> np.ndarray:
        """The pivots alone: the columns of the last block are not needed."""
        while not self.reason():
            new, L = self.candidates()
            if len(self.pivots) + len(new) == self.rank:
                return np.concatenate([self.pivots, new])
            self.add(new, L)
        return self.pivots

    def reason(self) -> str:
        """Why to stop, or nothing."""
        if len(self.pivots) == self.rank:
            return "rank"
        if self.rtol and self.rest.sum() <= self.rtol * self.diagonal.sum():
            return "rtol"
        return "" if self.told_from_zero().any() else "exhausted"

    def told_from_zero(self) -> np.ndarray:
        """The samples of which more than rounding is missing: that of the dtype, or what was seen where zero is due."""
        return self.rest > max(NOISE * self.eps, 4 * self.noise) * self.diagonal

    def candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """Pivots of the next block, and the Cholesky factor of the rest between them."""
        weights = np.where(self.told_from_zero(), self.rest, 0.0)
        if self.method == "greedy":
            drawn = np.array([weights.argmax()])
        else:
            size = 1 if self.method == "simple" else min(LARGEST_BLOCK, 2 * self.rank, 16 + len(weights) // 20)
            drawn = sample(weights, size, self.rng)
        known = host(_columns(self.rows[: len(self.pivots), :], drawn)).astype(np.float64)
        H = _core_matrix(self.kernel, _rows(self.x, drawn)) - known.T @ known
        share = self.rng.random(len(drawn)) if self.method == "accelerated" else np.full(len(drawn), KEPT)
        least = np.maximum(share * H.diagonal(), NOISE * self.eps * self.diagonal[drawn])
        least[0] = 0.0
        taken, L = accept(H, least, self.rank - len(self.pivots))
        return drawn[taken], L

    def add(self, new: np.ndarray, L: np.ndarray) -> None:
        """The rows of new pivots, and what they leave of the diagonal."""
        start, stop = len(self.pivots), len(self.pivots) + len(new)
        above = self.rows[:start, :]
        G = self.kernel(_rows(self.x, new), self.x)
        G -= _columns(above, new).T @ above
        self.rows[start:stop, :] = follow(_inverse(L), G) @ G
        self.pivots = np.concatenate([self.pivots, new])
        self.rest -= _squares(self.rows[start:stop, :], axis=0)
        rounding = float(np.max(np.abs(self.rest[new]) / self.diagonal[new]))  # of a landmark nothing is missing
        self.rest[new] = 0.0
        below = _require_no_negative_rest(self.kernel, self.x, self.rest, self.diagonal, _rows(self.x, self.pivots))
        self.noise = max(self.noise, below, rounding)
        np.maximum(self.rest, 0.0, out=self.rest)


def sample(weights: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Independent indices of such probabilities, up to a factor."""
    sums = np.cumsum(weights)
    found = np.searchsorted(sums, rng.random(size) * sums[-1], side="right")
    return np.minimum(found, np.flatnonzero(weights)[-1])


def accept(H: np.ndarray, least: np.ndarray, most: int) -> tuple[list[int], np.ndarray]:
    """Of the candidates, one after the other, those whose rest in H exceeds ``least``; and the Cholesky factor of H.

    The first ``most`` of them. The rest of a candidate is H_jj less what those accepted before it explain.
    """
    taken: list[int] = []
    columns, rest = np.empty((min(most, len(H)), len(H))), H.diagonal().copy()
    for j in range(len(H)):
        m = len(taken)
        if m < most and rest[j] > least[j]:
            columns[m] = (H[j] - columns[:m, j] @ columns[:m]) / rest[j] ** 0.5
            rest -= columns[m] ** 2
            taken.append(j)
    return taken, columns[: len(taken), taken].T


def landmark_map(kernel: Kernel, S: Array) -> tuple[np.ndarray, np.ndarray]:
    """Which landmarks are not redundant, the most telling first, and L⁻ᵀ for them: W = L Lᵀ with pivots, in float64."""
    W, eps = _core_matrix(kernel, S), float(namespace(S).finfo(S.dtype).eps)
    if not len(W):
        return np.empty(0, np.int64), W
    _require_diagonal(W.diagonal())
    tolerance = (len(W) * np.finfo(np.float64).eps + eps) * W.diagonal().max()
    L, order, rank, _ = lapack.dpstrf(W, tol=tolerance, lower=1)
    kept, L = order[:rank] - 1, np.tril(L)
    rest = W.diagonal()[order - 1] - np.sum(L[:, :rank] ** 2, axis=1)
    _require_no_negative_rest(kernel, S, rest[np.argsort(order)], W.diagonal(), _rows(S, kept))
    return kept, _inverse(L[:rank, :rank]).T


def features(kernel: Kernel, X: Any, S: Array, coefficients: np.ndarray) -> Array:
    """k(X, S) L⁻ᵀ; zero columns for no landmarks."""
    if not len(coefficients):
        x = arrays.read("X", X)[0]
        return namespace(x).zeros((x.shape[0], 0), dtype=x.dtype, device=x.device)
    K = kernel(X, S)
    return K @ follow(coefficients, K)


def _core_matrix(kernel: Kernel, S: Array) -> np.ndarray:
    """k(S, S) in float64 on the host."""
    return host(kernel(namespace(S).astype(S, namespace(S).float64))) if S.shape[0] else np.empty((0, 0))


def _inverse(L: np.ndarray) -> np.ndarray:
    return solve_triangular(L, np.eye(len(L)), lower=True, check_finite=False) if len(L) else L


def _squares(F: Array, axis: int) -> np.ndarray:
    """The sums of squares along an axis, in float64 on the host."""
    xp = namespace(F)
    return host(xp.sum(F * F, axis=axis, dtype=xp.float64))


def _rows(x: Array, indices: np.ndarray) -> Array:
    return x[indices] if isinstance(x, np.ndarray) else namespace(x).take(x, _moved(indices, x), axis=0)


def _columns(x: Array, indices: np.ndarray) -> Array:
    return x[:, indices] if isinstance(x, np.ndarray) else namespace(x).take(x, _moved(indices, x), axis=1)


def _moved(indices: np.ndarray, like: Array) -> Array:
    return namespace(like).asarray(indices, device=like.device)


def _diagonal(kernel: Kernel, x: Array) -> np.ndarray:
    diagonal = host(kernel.diag(x)).astype(np.float64)
    _require_diagonal(diagonal)
    return diagonal


def read_landmarks(x: Array, landmarks: Any) -> tuple[Array, np.ndarray]:
    """The landmarks as samples, and their numbers."""
    value = landmarks if hasattr(landmarks, "ndim") else np.asarray(landmarks)
    if value.ndim != 1:
        x, S, _ = arrays.read_beside(x, x.dtype, value)
        return S, np.arange(S.shape[0])
    rows, n = host(value), x.shape[0]
    if rows.dtype.kind not in "iu" or not rows.size or rows.min() < 0 or rows.max() >= n:
        expected = f"rows of X, integers from 0 to {n - 1}, or samples, of shape (m, {x.shape[1]})"
        got = f"dtype {rows.dtype}" if rows.dtype.kind not in "iu" else f"{rows.tolist()[:5]}"
        checks.fail("landmarks", expected, got, "For example landmarks=[0, 5, 7], or landmarks=X[[0, 5, 7]].")
    return _rows(x, rows), rows


def _require_kernel(kernel: Any) -> None:
    if not isinstance(kernel, Kernel):
        only_for("A landmark approximation", kernel, "a kernel object", "For a matrix K: Precomputed(K), with indices.")


def _require_diagonal(diagonal: np.ndarray) -> None:
    if diagonal.min() < 0:
        i = int(diagonal.argmin())
        fix = "It is no kernel: check the formula."
        message = f"K must be positive semidefinite; got K[{i}, {i}] = {diagonal[i]:.3g}. {fix}"
        raise checks.NotPSDError(message, float(diagonal[i]))


def _require_no_negative_rest(kernel: Kernel, x: Array, rest: np.ndarray, diagonal: np.ndarray, S: Array) -> float:
    """How far the rest is below zero, in units of K_ii; refused where rounding does not explain it."""
    scale = np.where(diagonal > 0, diagonal, diagonal.max()) if (diagonal <= 0).any() else diagonal
    i = int((below := -rest / np.where(scale > 0, scale, 1.0)).argmax())
    if below[i] > NO_KERNEL:
        xp = namespace(x)
        least = float(eigvalsh(_core_matrix(kernel, xp.concat([S, x[i : i + 1, :]])))[0])
        message = (
            f"K must be positive semidefinite; got an eigenvalue of {least:.3g} between {S.shape[0] + 1} samples. "
        )
        raise checks.NotPSDError(message + "It is no kernel matrix: check the kernel.", least)
    return max(0.0, float(below[i]))
