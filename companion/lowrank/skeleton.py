"""Real columns and rows: the interpolative decomposition and CUR.

    interpolative    A ≈ A[:, columns] Z, Z (r, p)       columns: pivots of a sketch;  Z = C⁺A by least squares
    cur              A ≈ left core right                 left, right: orthonormal bases of r columns and r rows

The sketch is ΩA for r + 10 Gaussian rows Ω, after one power step: with S an orthonormal basis of its rows and Q one of
the columns of AS, the pivots are those of B = QᵀA (l, p), l = r + 10, whose singular values are nearly those of A.
(Cheng, Gimbutas, Martinsson & Rokhlin 2005, "On the compression of low rank matrices": r columns exist with
|Z_ij| <= 1 and |A - CZ| <= √(1 + r(p - r)) σ_{r+1}; Halko, Martinsson & Tropp 2011, "Finding structure with
randomness", section 5.2; Voronin & Martinsson 2017, "Efficient algorithms for CUR and interpolative matrix
decompositions".) For CUR

    |A - left core right|_F² <= |A - CC⁺A|_F² + |A - AR⁺R|_F²,    core = leftᵀ A rightᵀ,

where C and R are the columns and rows. The core C⁺AR⁺ of textbooks gives the same product in exact arithmetic, and has
entries of the size 1/σ_r, whose rounding errors C and R multiply; between orthonormal bases nothing is multiplied.

A pivoted QR exists in LAPACK only: the sketch B goes to the host for its pivots, whatever the device of A.

>>> A = np.outer([1.0, 2.0, 3.0], [1.0, 0.0, -2.0, 4.0])
>>> interpolative(A, 2, rng=0)
Interpolative(1 of 4 columns, A is exhausted)
>>> cur(A, 1, rng=0).product().round(12).tolist() == A.tolist()
True
"""

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat as compat
import numpy as np
from scipy import linalg

from companion._core import arrays, checks
from companion._core.arrays import Array, Seed, detached, follow, host, namespace
from companion.lowrank.svd import scaled

OVERSAMPLES = 10
ROUNDING = 10.0  # and the root of the number of columns: pivots below so many eps of the largest are rounding


@dataclass(frozen=True, repr=False)
class Interpolative:
    """A ≈ A[:, columns] @ coefficients: a matrix from some of its own columns.

    Parameters
    ----------
    columns : numpy.ndarray of shape (r,)
        Indices of the chosen columns, in the order of the pivots: the first are the most important.
    coefficients : array of shape (r, p)
        The weights Z with which the chosen columns give all columns. Those of the chosen ones are unit vectors.
    stop : str
        ``"rank"`` where as many columns were chosen as were asked for, ``"exhausted"`` where fewer give the matrix to
        rounding.
    """

    columns: np.ndarray
    coefficients: Array
    stop: str = "rank"

    def product(self, A: Any) -> Array:
        """The approximation of the decomposed matrix.

        Parameters
        ----------
        A : array of shape (n, p)
            The matrix that was decomposed, or one with other rows of the same p columns.

        Returns
        -------
        array of shape (n, p)
            A[:, columns] @ coefficients.
        """
        A, dtype = arrays.read("A", A)
        _require_columns(A, self.coefficients)
        xp = namespace(A)
        return xp.astype(_take(A, self.columns, 1) @ follow(self.coefficients, A), dtype, copy=False)

    def error(self, A: Any) -> float:
        """The relative error |A - A[:, columns] Z|_F / |A|_F; 0 for a matrix of zeros. It costs a product.

        Parameters
        ----------
        A : array of shape (n, p)
            The matrix that was decomposed.

        Returns
        -------
        float
        """
        return _relative(arrays.read("A", A)[0], self.product(A))

    def __repr__(self) -> str:
        r, p = self.coefficients.shape
        return f"Interpolative({r:,} of {p:,} columns{_said(self.stop)})"


@dataclass(frozen=True, repr=False)
class CUR:
    """A ≈ left @ core @ right, where left spans r columns of A and right r rows of it.

    Parameters
    ----------
    columns : numpy.ndarray of shape (r,)
        Indices of the chosen columns, the most important first.
    rows : numpy.ndarray of shape (s,)
        Indices of the chosen rows; s = r unless A is exhausted earlier in one of the two directions.
    left : array of shape (n, r)
        An orthonormal basis of the chosen columns.
    core : array of shape (r, s)
        leftᵀ A rightᵀ.
    right : array of shape (s, p)
        An orthonormal basis of the chosen rows, row by row.
    stop : str
        ``"rank"``, or ``"exhausted"`` where fewer columns or rows give the matrix to rounding.
    """

    columns: np.ndarray
    rows: np.ndarray
    left: Array
    core: Array
    right: Array
    stop: str = "rank"

    def product(self) -> Array:
        """The approximation left @ core @ right.

        Returns
        -------
        array of shape (n, p)
        """
        return self.left @ self.core @ self.right

    def error(self, A: Any) -> float:
        """The relative error |A - left core right|_F / |A|_F; 0 for a matrix of zeros. It costs a product.

        Parameters
        ----------
        A : array of shape (n, p)
            The matrix that was decomposed.

        Returns
        -------
        float
        """
        A = arrays.read("A", A)[0]
        _require_columns(A, self.right)
        left, core, right = (follow(factor, A) for factor in (self.left, self.core, self.right))
        return _relative(A, left @ core @ right)

    def __repr__(self) -> str:
        (n, r), (s, p) = self.left.shape, self.right.shape
        return f"CUR({r:,} of {p:,} columns, {s:,} of {n:,} rows{_said(self.stop)})"


def sketches(A: Array, omega: Array) -> tuple[Array, Array]:
    """Sketches of the columns, AS (n, l), and of the rows, QᵀA (l, p), from Gaussian rows omega (l, n)."""
    qr = namespace(A).linalg.qr
    S, _ = qr((omega @ A).mT)  # (p, l)
    T = A @ S
    return T, qr(T)[0].mT @ A


def least_squares(C: Array, A: Array) -> Array:
    """C⁺A for columns C (n, r) of full rank: the coefficients of the best combinations of C."""
    xp = namespace(A)
    Q, R = xp.linalg.qr(C)
    return xp.linalg.solve(R, Q.mT @ A)  # R is triangular: its LU decomposition is itself


def through_bases(A: Array, C: Array, R: Array) -> tuple[Array, Array, Array]:
    """Orthonormal bases of columns C (n, r) and of rows R (s, p), and A between them."""
    qr = namespace(A).linalg.qr
    left, right = qr(C)[0], qr(R.mT)[0]
    return left, left.mT @ A @ right, right.mT


def interpolative_reference(A: np.ndarray, rank: int) -> tuple[list[int], np.ndarray]:
    """Columns one by one, each the longest of what the earlier ones leave; then least squares."""
    rest, columns = A.copy(), []
    for _ in range(rank):
        j = int(np.argmax(np.sum(rest**2, axis=0)))
        q = rest[:, j] / np.linalg.norm(rest[:, j])
        rest = rest - np.outer(q, q @ rest)
        columns.append(j)
    return columns, np.linalg.lstsq(A[:, columns], A)[0]


def cur_reference(A: np.ndarray, columns: Any, rows: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """left, core and right of the chosen columns and rows: what `cur` does once it has chosen."""
    left = np.linalg.qr(A[:, columns])[0]
    right = np.linalg.qr(A[rows].T)[0].T
    return left, left.T @ A @ right.T, right


def interpolative(A: Any, rank: int, *, refit: bool = True, rng: Seed = None) -> Interpolative:
    """Choose columns of A from which all others are combined: A ≈ A[:, columns] @ coefficients.

    Parameters
    ----------
    A : array of shape (n, p)
        The matrix.
    rank : int
        How many columns to choose, at most min(n, p). Where fewer give A to rounding, fewer are chosen.
    refit : bool, default True
        Compute the coefficients by least squares on the true columns. Without it they come from the sketch: the error
        is larger, and a fifth of the time is saved.
    rng : int, numpy.random.Generator or None
        For the rows of the sketch.

    Returns
    -------
    Interpolative
        With ``columns``, ``coefficients`` and ``stop``; the coefficients are on the backend and device and in the dtype
        of A (float16 and bfloat16 are computed in float32). Gradients pass through refitted coefficients.

    Raises
    ------
    TypeError, ValueError
        If A is no finite dense real matrix, or the rank is no integer from 1 to min(n, p).

    Notes
    -----
    Page: ``low-rank/interpolative-and-cur``. Cores: ``lowrank.skeleton.sketches`` and ``least_squares``. A greedy
    choice is usually close to the best; on matrices made against it, Kahan's, its error exceeds σ_{r+1} exponentially.

    Examples
    --------
    >>> A = np.array([[1.0, 2.0, 0.0, 1.0], [0.0, 0.0, 3.0, 3.0]])
    >>> found = interpolative(A, 2, rng=0)
    >>> found.columns.tolist(), (found.coefficients.round(3) + 0.0).tolist()
    ([3, 1], [[0.0, 0.0, 1.0, 1.0], [0.5, 1.0, -0.5, 0.0]])
    """
    A, dtype = _read(A, rank)
    A, _ = scaled(A)
    _, B = sketches(detached(A), _gaussian_rows(A, rank, rng))
    columns, R, order = _pivots(B, rank)
    refits = refit and len(columns) > 0
    coefficients = least_squares(_take(A, columns, 1), A) if refits else follow(_on_sketch(R, order), A)
    return Interpolative(columns, _cast("coefficients", coefficients, dtype), _stop(rank, columns))


def cur(A: Any, rank: int, *, rng: Seed = None) -> CUR:
    """Choose columns and rows of A, and approximate A between their spans: A ≈ left @ core @ right.

    Parameters
    ----------
    A : array of shape (n, p)
        The matrix.
    rank : int
        How many columns and rows to choose, at most min(n, p). Where fewer give A to rounding, fewer are chosen.
    rng : int, numpy.random.Generator or None
        For the rows of the sketch.

    Returns
    -------
    CUR
        With ``columns``, ``rows``, ``left``, ``core``, ``right`` and ``stop``; on the backend and device and in the
        dtype of A (float16 and bfloat16 are computed in float32). Gradients pass, for the choice that was made.

    Raises
    ------
    TypeError, ValueError
        If A is no finite dense real matrix, the rank is no integer from 1 to min(n, p), or the core overflows.

    Notes
    -----
    Page: ``low-rank/interpolative-and-cur``. Cores: ``lowrank.skeleton.sketches`` and ``through_bases``. The rows are
    the pivots of the sketch of the columns, which is there anyway: no further pass over A.

    Examples
    --------
    >>> found = cur(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 9.0]]), 2, rng=0)
    >>> found, found.columns.tolist(), found.rows.tolist()
    (CUR(2 of 3 columns, 2 of 3 rows), [2, 1], [2, 1])
    """
    A, dtype = _read(A, rank)
    A, scale = scaled(A)
    T, B = sketches(detached(A), _gaussian_rows(A, rank, rng))
    columns, rows = _pivots(B, rank)[0], _pivots(T.mT, rank)[0]
    factors = through_bases(A, _take(A, columns, 1), _take(A, rows, 0))
    with np.errstate(over="ignore"):
        left, core, right = factors[0], factors[1] * scale, factors[2]
        left, core, right = (_cast("the core", x, dtype) for x in (left, core, right))
    return CUR(columns, rows, left, core, right, _stop(rank, columns, rows))


def _read(A: Any, rank: int) -> tuple[Array, Any]:
    A, dtype = arrays.read("A", A)
    checks.integer("rank", rank, minimum=1)
    checks.at_most("rank", int(rank), min(A.shape), f"A matrix of shape {tuple(A.shape)} has no higher rank.")
    return A, dtype


def _gaussian_rows(A: Array, rank: int, rng: Seed) -> Array:
    """Ω, (l, n): ten rows more than columns are wanted, where the matrix has so many."""
    shape = min(int(rank) + OVERSAMPLES, *A.shape), A.shape[0]
    return follow(arrays.generator(rng, "lowrank.sketch").standard_normal(shape), detached(A))


def _pivots(B: Array, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pivot columns of a sketch, as many as are above rounding; their rows of R, and the order of R's columns."""
    R, order = linalg.qr(host(B), mode="r", pivoting=True, check_finite=False)
    sizes = np.abs(np.diag(R))[:rank]
    lost = (ROUNDING + math.sqrt(max(B.shape))) * float(np.finfo(R.dtype).eps)
    r = int(np.count_nonzero(sizes > lost * sizes[0]))
    return order[:r].astype(np.intp), R[:r], order


def _on_sketch(R: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The coefficients with which the pivot columns of a sketch give its columns."""
    Z = np.zeros_like(R)
    Z[:, order] = linalg.solve_triangular(R[:, : len(R)], R) if len(R) else 0
    return Z


def _take(A: Array, indices: np.ndarray, axis: int) -> Array:
    xp = namespace(A)
    return xp.take(A, xp.asarray(indices, device=compat.device(A)), axis=axis)


def _cast(name: str, x: Array, dtype: Any) -> Array:
    """The result in the dtype of the data; refuses what leaves its range."""
    return arrays.in_range(name, namespace(x).astype(x, dtype, copy=False), "Scale the matrix, or use float64.")


def _relative(A: Array, product: Array) -> float:
    """|A - product|_F / |A|_F, in float64 and in units of the largest entry of A."""
    A, scale = scaled(host(A).astype(np.float64))
    size = float(np.linalg.norm(A))
    return float(np.linalg.norm(A - host(product) / scale)) / size if size else 0.0


def _require_columns(A: Array, coefficients: Array) -> None:
    if A.shape[1] != coefficients.shape[1]:
        got = f"shape {tuple(A.shape)}"
        checks.fail("A", f"a matrix with {coefficients.shape[1]} columns, as the decomposed one", got, "")


def _stop(rank: int, *chosen: np.ndarray) -> str:
    return "rank" if all(len(indices) == rank for indices in chosen) else "exhausted"


def _said(stop: str) -> str:
    return ", A is exhausted" if stop == "exhausted" else ""
