"""What a kernel matrix K must be to rounding: symmetric, and positive semidefinite (PSD).

K + tI has a Cholesky factor if no eigenvalue of K is below -t, and only then. Here t = min(n·eps, 4·eps^(2/3))·|K| is
what rounding explains, with eps of the dtype in which K came and |K| its largest absolute row sum, which lies between
the spectral norm and √n times it.

>>> require_psd(np.array([[1.0, 2.0], [2.0, 1.0]]), tolerance=1e-15)  # doctest: +ELLIPSIS
Traceback (most recent call last):
companion._core.checks.NotPSDError: K must be positive semidefinite; got smallest eigenvalue -1 (rounding explains ...
"""

from typing import Any

import numpy as np
from scipy.linalg import eigvalsh, lapack

from companion._core import arrays, checks

EPS = float(np.finfo(np.float64).eps)
SMALLEST, LARGEST = 1e-100, 1e100  # of |K| and of C in the dual: nothing over- or underflows in between
_ROWS = 256


def read_matrix(name: str, value: Any) -> np.ndarray:
    """A kernel matrix in float32 or float64; float16 is refused, whose rounding alone may reach 0.001 of |K|."""
    K, dtype = arrays.read_on_host(name, value)
    if dtype == np.float16:
        fix = "Its rounding alone can make it indefinite: compute it from float32 or float64 data."
        checks.fail(name, "a kernel matrix in float32 or float64", "dtype float16", fix)
    return K


def convex(K: np.ndarray) -> np.ndarray:
    """K in float64, found symmetric and PSD to the rounding of its dtype, and made PSD where that is coarser."""
    dtype, K = K.dtype, K.astype(np.float64, copy=False)
    require_symmetric(K, dtype)
    size = norm(K)
    if size and not SMALLEST <= size <= LARGEST:
        fix = "Divide K by s and multiply C by s: the decision function stays the same."
        got = f"a largest row sum of {size:.3g}"
        checks.fail("K", f"zero or of a size from {SMALLEST:g} to {LARGEST:g}", got, fix)
    tolerance = rounding(dtype, len(K)) * size
    if dtype == np.float64:
        certify_psd(K, tolerance)
        return K
    return _shifted(K, rounding(K.dtype, len(K)) * size, tolerance)


def _shifted(K: np.ndarray, least: float, largest: float) -> np.ndarray:
    """K if float64 finds it PSD, else K + δI, where δ grows in factors of 8 up to what rounding explains."""
    shift = least
    while shift < largest and cholesky(K, shift)[1]:
        shift *= 8
    if shift >= largest:
        shift = largest
        require_psd(K, largest)
    if shift > least:
        K[np.diag_indices(len(K))] += shift
    return K


def require_psd(K: np.ndarray, tolerance: float) -> None:
    """Refuse a K with an eigenvalue below -tolerance: K + tolerance I then has no Cholesky factor."""
    _, info = cholesky(K, tolerance)
    if info:
        checks.psd("K", smallest_eigenvalue(K), tolerance)


def certify_psd(K: np.ndarray, tolerance: float) -> None:
    """As ``require_psd``, in n²r operations if K has numerical rank r: K = L Lᵀ + R, where R turns out small."""
    factor, pivots, rank, _ = lapack.dpstrf(K.T, tol=tolerance / len(K), lower=1)  # K.T: in the order of Fortran
    if rank == len(K):  # all pivots are positive
        return
    L = np.empty((len(K), rank))
    L[pivots - 1] = np.tril(factor[:, :rank])  # undo the pivoting
    square_of_norm = 0.0  # of R, by Frobenius; every block row up to the diagonal counts twice
    for i in range(0, len(K), _ROWS):
        j = min(i + _ROWS, len(K))
        square_of_norm += 2 * float(np.linalg.norm(K[i:j, :j] - L[i:j] @ L[:j].T)) ** 2
    if not square_of_norm <= tolerance**2:
        require_psd(K, tolerance)


@np.errstate(over="ignore")
def require_symmetric(K: np.ndarray, dtype: np.dtype) -> None:
    """Refuse a K that is not square, or has entries off their mirror images by 100 eps of the largest."""
    checks.square("K", K.shape)
    largest = gap = 0.0
    for i in range(0, len(K), _ROWS):
        left, above = K[i : i + _ROWS, : i + _ROWS], K[: i + _ROWS, i : i + _ROWS]  # up to the diagonal
        largest = max(largest, float(left.max()), -float(left.min()))
        gap = max(gap, float(np.abs(left - above.T).max()))
    checks.symmetric("K", gap, 100 * float(np.finfo(dtype).eps) * largest)


@np.errstate(over="ignore")
def norm(K: np.ndarray) -> float:
    """|K|, the largest absolute row sum."""
    return max(float(np.abs(K[i : i + _ROWS]).sum(axis=1).max()) for i in range(0, len(K), _ROWS))


def rounding(dtype: np.dtype, n: int) -> float:
    """The share of |K| by which rounding may have moved an eigenvalue of a K that came in ``dtype``."""
    eps = float(np.finfo(dtype).eps)
    return min(n * eps, 4 * eps ** (2 / 3))


def cholesky(K: np.ndarray, shift: float) -> tuple[np.ndarray, int]:
    """The lower Cholesky factor of K + shift I, and 0 if it exists."""
    A = np.array(K.T, order="F")
    A[np.diag_indices(len(A))] += shift
    return lapack.dpotrf(A, lower=1, clean=0, overwrite_a=1)


def smallest_eigenvalue(K: np.ndarray) -> float:
    """λ_min."""
    return float(eigvalsh(K, subset_by_index=[0, 0])[0])
