"""Singular values: the best approximation of rank r, and one nearly as good from a few products with thin matrices.

    M = Σ_i σ_i u_i v_iᵀ, the best of rank r is M_r, its first r terms: |M - M_r|_F² = Σ_{j>r} σ_j², |M - M_r| = σ_{r+1}

(Eckart & Young 1936; Mirsky 1960 for the spectral norm.) The randomised one projects M onto an orthonormal basis of
M(MᵀM)^q Ω with c > r Gaussian columns Ω (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1), or of all powers up
to q, the block Krylov space (Musco & Musco 2015, algorithm 2), and keeps the first r terms of the projection, M̂_r:

    E |M - M̂_r|_F²  ≤  Σ_{j>r} σ_j² + 1/(c - r - 1) Σ_{i≤r} Σ_{j>r} σ_j² (σ_j/σ_i)^{4q},    c > r + 1,

where the second sum is r/(c - r - 1) Σ_{j>r} σ_j² for q = 0 (Halko, Martinsson & Tropp, theorem 10.5, for the whole
projection). For with the pseudo-inverse Ω₁⁺ of Ω in the first r singular directions, M(MᵀM)^q ΩΩ₁⁺Σ₁^{-2q} differs
from M_r by Σ₂^{2q+1} Ω₂ Ω₁⁺ Σ₁^{-2q}, and E Ω₁⁺ᵀΩ₁⁺ = I/(c - r - 1).

>>> U, s, Vh = truncated_svd([[3.0, 0.0], [4.0, 5.0]], rank=1)
>>> s.round(3), (U * s @ Vh).round(3).tolist()
(array([6.708]), [[1.5, 1.5], [4.5, 4.5]])
>>> randomized_svd([[3.0, 0.0], [4.0, 5.0]], rank=1, rng=0)
SVD(2 x 2, rank 1, s from 6.71 to 6.71)
"""

import math
from typing import Any, NamedTuple

import array_api_compat as compat
import numpy as np
from scipy import linalg

from companion._core import arrays, checks
from companion._core.arrays import Array, Seed, detached, follow, generator, namespace, on_device, readable

FINE = 1e-2  # below this share of the largest singular value, float32 products lose four digits or more
MODERATE = 30  # matrices whose largest entry is beyond 2**±30 are scaled


class SVD(NamedTuple):
    """Singular vectors and values of an approximation ``U @ diag(s) @ Vh``.

    Parameters
    ----------
    U : array of shape (n, r)
        Left singular vectors, orthonormal columns. The first entry of a column that is within one per cent of the
        largest in size is positive: a sign that the last bits do not turn.
    s : array of shape (r,)
        Singular values, in falling order, none negative.
    Vh : array of shape (r, p)
        Right singular vectors, orthonormal rows.
    """

    U: Array
    s: Array
    Vh: Array

    @property
    def rank(self) -> int:
        """The number of terms."""
        return self.s.shape[0]

    @property
    def product(self) -> Array:
        """The matrix U diag(s) Vh, of shape (n, p)."""
        return (self.U * self.s) @ self.Vh

    def __repr__(self) -> str:
        size = f"{self.U.shape[0]} x {self.Vh.shape[1]}, rank {self.rank}"
        return f"SVD({size}, s from {float(self.s[0]):.3g} to {float(self.s[-1]):.3g})"


class ResidualNorms(NamedTuple):
    """How far an approximation is off, from the matrix itself: nothing about the best one is used.

    Parameters
    ----------
    frobenius : float
        The Frobenius norm of the difference.
    spectral_low, spectral_high : float
        Bounds of its spectral norm. The lower one always holds.
    failure : float
        An upper limit for the probability that the spectral norm is above ``spectral_high``.
    """

    frobenius: float
    spectral_low: float
    spectral_high: float
    failure: float


def leading(A: Array, rank: int) -> tuple[Array, Array, Array]:
    """The first ``rank`` terms of the singular value decomposition of A (n, p)."""
    U, s, Vh = namespace(A).linalg.svd(A, full_matrices=False)
    return U[:, :rank], s[:rank], Vh[:rank, :]


def subspace(A: Array, omega: Array, n_iter: int) -> Array:
    """An orthonormal basis of A(AᵀA)^q Ω: (n, c) from A (n, p) and Ω (p, c)."""
    Q, _ = qr(times(A, omega))
    for _ in range(n_iter):
        P, _ = qr(times(A.mT, Q))
        Q, _ = qr(times(A, P))
    return Q


def krylov(A: Array, omega: Array, n_iter: int) -> Array:
    """An orthonormal basis of [AΩ, A(AᵀA)Ω, ..., A(AᵀA)^q Ω]: (n, min(n, (q + 1) c)) from A (n, p) and Ω (p, c)."""
    blocks = [qr(times(A, omega))[0]]
    for _ in range(n_iter):
        P, _ = qr(times(A.mT, blocks[-1]))
        blocks.append(qr(times(A, P))[0])
    return qr(namespace(A).concat(blocks, axis=1))[0]


def projected(A: Array, Q: Array, rank: int) -> tuple[Array, Array, Array]:
    """The first ``rank`` terms of QQᵀA = Q Rᵀ Pᵀ with AᵀQ = PR, so that the matrix that is decomposed is small."""
    P, R = qr(times(A.mT, Q))
    U, s, Vh = leading(R.mT, rank)
    return Q @ U, s, Vh @ P.mT


def oriented(U: Array, Vh: Array) -> tuple[Array, Array]:
    """The same terms with the sign that ``SVD`` promises."""
    xp, size = namespace(U), namespace(U).abs(U)
    large = xp.astype(size >= 0.99 * xp.max(size, axis=0), U.dtype)
    first = xp.argmax(large, axis=0)
    rows = xp.arange(U.shape[0], device=compat.device(U))[:, None]
    sign = xp.sign(xp.sum(xp.where(rows == first, U, xp.zeros_like(U)), axis=0))
    return U * sign, sign[:, None] * Vh


METHODS = {"subspace": subspace, "krylov": krylov}


def times(A: Array, Q: Array) -> Array:
    """AQ, computed as (QᵀAᵀ)ᵀ: then its columns are contiguous, as LAPACK wants them."""
    return (Q.mT @ A.mT).mT


def qr(Y: Array) -> tuple[Array, Array]:
    """The thin QR factorisation of Y, which may be overwritten. NumPy's own takes three times as long, in float64."""
    if isinstance(Y, np.ndarray):
        return linalg.qr(Y, mode="economic", overwrite_a=True, check_finite=False)
    Q, R = namespace(Y).linalg.qr(Y)
    return Q, R


def doubled(x: Array) -> Array:
    """``x`` in float64, for singular values that float32 would lose; an accelerator keeps the dtype it has."""
    xp = namespace(x)
    return x if on_device(x) else xp.astype(x, xp.float64, copy=False)


def randomized_svd_reference(
    M: np.ndarray, omega: np.ndarray, rank: int, n_iter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The randomised SVD of M (n, p) from Ω (p, c) in plain NumPy: what ``randomized_svd`` does, signs apart."""
    Q, _ = np.linalg.qr(M @ omega)
    for _ in range(n_iter):
        Q, _ = np.linalg.qr(M.T @ Q)
        Q, _ = np.linalg.qr(M @ Q)
    U, s, Vh = np.linalg.svd(Q.T @ M, full_matrices=False)
    return Q @ U[:, :rank], s[:rank], Vh[:rank]


def truncated_svd(A: Any, rank: int) -> SVD:
    """The best approximation of rank ``rank``, in the Frobenius and in the spectral norm, by LAPACK.

    Parameters
    ----------
    A : array of shape (n, p)
        Any real matrix.
    rank : int
        The number of terms, from 1 to min(n, p).

    Returns
    -------
    SVD
        On the backend and device and in the dtype of A; on the host it is computed in float64. Gradients pass where
        the singular values differ.

    Raises
    ------
    TypeError, ValueError
        If A is no finite dense real matrix, the rank is out of range, or a singular value overflows the dtype.

    Notes
    -----
    Page: ``low-rank/singular-values``. Core: ``lowrank.svd.leading``. Of order n p min(n, p) operations.

    Examples
    --------
    >>> truncated_svd([[2.0, 0.0], [0.0, -3.0]], rank=1).product
    array([[ 0.,  0.],
           [ 0., -3.]])
    """
    A, dtype, scale = _read(A, rank)
    return _finished(leading(doubled(A), rank), dtype, scale)


def randomized_svd(
    A: Any, rank: int, *, n_oversamples: int = 10, n_iter: int = 2, method: str = "subspace", rng: Seed = None
) -> SVD:
    """An approximation of rank ``rank`` nearly as good as the best, from a few products of A with thin matrices.

    Parameters
    ----------
    A : array of shape (n, p)
        Any real matrix.
    rank : int
        The number of terms, from 1 to min(n, p).
    n_oversamples : int
        How many more columns the sketch has.
    n_iter : int
        Power steps q. Each takes a product with Aᵀ and one with A, with a QR factorisation after either.
    method : "subspace" or "krylov"
        Keep the last power only, or all of them: the Krylov space costs a larger last projection, and its error falls
        faster with ``n_iter``.
    rng : int, Generator or None
        Of the Gaussian sketch, drawn on the host in float64.

    Returns
    -------
    SVD
        On the backend and device and in the dtype of A (float16 and bfloat16 are computed in float32). Gradients pass.

    Raises
    ------
    TypeError, ValueError
        If A is no finite dense real matrix, the rank is out of range, another argument is no integer >= 0, the method
        is unknown, or a singular value overflows the dtype.

    Notes
    -----
    Page: ``low-rank/singular-values``. Cores: ``lowrank.svd.subspace``, ``krylov`` and ``projected``. 2q + 2 products
    of A with rank + n_oversamples columns; the last of Krylov with q + 1 times as many. Products with a float32 matrix
    are in float32. Where its last singular value is below a hundredth of the first, the host repeats the last
    projection in float64. Bounds: see the module; for what came out, ``residual_norms``.

    Examples
    --------
    >>> A = np.outer([1.0, 2.0, 2.0], [3.0, 4.0])
    >>> randomized_svd(A, rank=1, rng=0).s.round(6)
    array([15.])
    """
    A, dtype, scale = _read(A, rank)
    checks.integer("n_oversamples", n_oversamples, 0)
    checks.integer("n_iter", n_iter, 0)
    checks.known("method", method, tuple(METHODS))
    width = min(rank + n_oversamples, *A.shape)
    omega = follow(generator(rng, "lowrank.randomized_svd").standard_normal((width, A.shape[1])), A).mT
    Q = METHODS[method](A, omega, n_iter)
    found = projected(A, Q, rank)
    if A.dtype == namespace(A).float32 and not on_device(A) and bool(found[1][-1] < FINE * found[1][0]):
        found = projected(doubled(A), qr(doubled(Q))[0], rank)
    return _finished(found, dtype, scale)


def residual_norms(
    A: Any, approximation: Any, *, n_probes: int = 10, n_iter: int = 2, failure: float = 1e-6, rng: Seed = None
) -> ResidualNorms:
    """How far A is from U diag(s) Vh: the Frobenius norm, and bounds of the spectral norm from random vectors.

    Parameters
    ----------
    A : array of shape (n, p)
        The matrix.
    approximation : SVD, or arrays U of shape (n, r), s of shape (r,), Vh of shape (r, p)
        What stands for it, however it was found; on the backend and device of A.
    n_probes : int
        Gaussian vectors ω.
    n_iter : int
        Power steps k: with R = A - U diag(s) Vh the bounds come from R(RᵀR)^k ω, and tighten as k grows.
    failure : float
        The probability, between 0 and 1, with which the upper bound may be wrong.
    rng : int, Generator or None
        Of the vectors.

    Returns
    -------
    ResidualNorms
        Plain numbers. On the host they are computed in float64.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite, dense and real, shapes or places do not fit, or another argument is out of range.

    Notes
    -----
    Page: ``low-rank/singular-values``. Halko, Martinsson & Tropp (2011), lemma 4.1: |B| is at most
    failure^(-1/n_probes) √(2/π) max |Bω| but for that probability, here for B = R(RᵀR)^k, whose norm is |R|^(2k + 1).
    The difference is formed, so that no digits cancel, in memory of the size of A. If U diag(s) Vh is the projection
    of A onto U, as it is here in exact arithmetic, its Frobenius norm is the root of |A|_F² - Σ s².

    Examples
    --------
    >>> found = residual_norms(np.diag([3.0, 2.0, 1.0]), truncated_svd(np.diag([3.0, 2.0, 1.0]), rank=1), rng=0)
    >>> round(found.frobenius, 3), 1.9 < found.spectral_low <= 2 <= found.spectral_high < 2.24
    (2.236, True)
    """
    A, _, scale = _read(A, 1)
    U, s, Vh = _read_terms(A, approximation)
    checks.integer("n_probes", n_probes, 1)
    checks.integer("n_iter", n_iter, 0)
    if not 0 < failure < 1:
        checks.fail("failure", "a probability between 0 and 1", repr(failure), "For example 1e-6.")
    xp, R = namespace(A), doubled(A) - doubled(U) * (doubled(s) / scale) @ doubled(Vh)
    largest = float(xp.max(xp.abs(R))) or 1.0
    R = R / largest
    frobenius = float(xp.sum(R * R)) ** 0.5
    omega = follow(generator(rng, "lowrank.residual_norms").standard_normal((A.shape[1], n_probes)), R)
    low, high = spectral_bounds(R / (frobenius or 1.0), omega, n_iter, failure)
    unit = frobenius * largest * scale
    return ResidualNorms(unit, low * unit, min(high, 1.0) * unit, failure)


def spectral_bounds(R: Array, omega: Array, n_iter: int, failure: float) -> tuple[float, float]:
    """Bounds of |R|, R of Frobenius norm 1 or 0: one that holds, one that does but for a probability ``failure``."""
    xp = namespace(R)
    before, y = omega, R @ omega
    for _ in range(n_iter):
        before = R.mT @ y
        y = R @ before
    lengths = xp.linalg.vector_norm(y, axis=0)
    starts = xp.linalg.vector_norm(before, axis=0)
    low = float(xp.max(xp.where(starts > 0, lengths / xp.where(starts > 0, starts, starts + 1), starts)))
    high = failure ** (-1 / omega.shape[1]) * math.sqrt(2 / math.pi) * float(xp.max(lengths))
    return low, high ** (1 / (2 * n_iter + 1))


def _read(A: Any, rank: int) -> tuple[Array, Any, float]:
    """A divided by a power of two, the dtype of results, and that power: 1.0 unless entries are huge or tiny."""
    A, dtype = arrays.read("A", A)
    checks.integer("rank", rank, 1)
    if rank > min(A.shape):
        checks.fail(
            "rank", f"at most {min(A.shape)}, the smaller side of A", repr(rank), f"A has shape {tuple(A.shape)}."
        )
    A, scale = scaled(A)
    return A, dtype, scale


def scaled(A: Array) -> tuple[Array, float]:
    """A divided by a power of two, and that power: 1.0 unless entries are huge or tiny."""
    xp = namespace(A)
    ends = (float(end(detached(A))) for end in (xp.max, xp.min)) if readable(A) else (1.0,)
    exponent = math.frexp(max(map(abs, ends)))[1] - 1
    if abs(exponent) <= MODERATE:
        return A, 1.0
    return A / 2.0**exponent, 2.0**exponent


def _read_terms(A: Array, approximation: Any) -> list[Array]:
    U, s, Vh = approximation
    terms = [arrays.read(name, x, (ndim,))[0] for name, x, ndim in (("U", U, 2), ("s", s, 1), ("Vh", Vh, 2))]
    arrays.require_one_place("A, U, s and Vh", (A, *terms), "all to the place of A.")
    shapes = tuple(tuple(x.shape) for x in terms)
    n, r, p = A.shape[0], terms[1].shape[0], A.shape[1]
    if shapes != ((n, r), (r,), (r, p)):
        fix = "Pass what truncated_svd or randomized_svd returned for A."
        checks.fail("approximation", f"of shapes ({n}, r), (r,), (r, {p})", f"shapes {shapes}", fix)
    return terms


def _finished(terms: tuple[Array, Array, Array], dtype: Any, scale: float) -> SVD:
    """The terms of the scaled matrix as those of the matrix, with signs, in the dtype of results."""
    U, s, Vh = terms
    U, Vh = oriented(U, Vh)
    xp = namespace(s)
    with np.errstate(over="ignore", under="ignore"):
        U, s, Vh = (xp.astype(x, dtype, copy=False) for x in (U, s * scale, Vh))
    return SVD(U, arrays.in_range("the singular values", s, "Scale A, or use a wider dtype."), Vh)
