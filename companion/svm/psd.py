"""What a kernel matrix K must be to rounding: symmetric, and positive semidefinite (PSD).

K + tI has a Cholesky factor if no eigenvalue of K is below -t, and only then. Here t = min(n·eps, 4·eps^(2/3))·|K| is
what rounding explains, and |K| the largest absolute row sum, which lies between the spectral norm and √n times it. eps
is that of float32 if all entries are float32 numbers, in whatever container, and else that of float64.

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
SINGLE = 7  # the digits of float32
_ROWS, _VECTORS = 256, 8


def read_matrix(name: str, value: Any) -> np.ndarray:
    """A kernel matrix in float32 or float64; float16 is refused, whose rounding alone may reach 0.001 of |K|."""
    K, dtype = arrays.read_on_host(name, value)
    if dtype == np.float16:
        fix = "Its rounding alone can make it indefinite: compute it from float32 or float64 data."
        checks.fail(name, "a kernel matrix in float32 or float64", "dtype float16", fix)
    return K


def read_weights(value: Any, n: int) -> np.ndarray:
    """A weight of at least 0 for each of n samples; 1 where none are given."""
    if value is None:
        return np.ones(n)
    weight, _ = arrays.read_on_host("sample_weight", value, ndim=(1,))
    checks.one_each("sample_weight", weight.shape, "the data", (n,))
    if (weight < 0).any() or not weight.any():
        first = int(weight.argmin())
        got = f"{weight[first]:g} at index {first}" if weight[first] < 0 else "zeros only"
        checks.fail("sample_weight", "non-negative, and positive for some samples", got, "Zero drops a sample.")
    return weight.astype(np.float64)


def between(K: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """K between the kept samples."""
    return K if len(kept) == len(K) and (kept[:-1] < kept[1:]).all() else K[np.ix_(kept, kept)]


def convex(K: np.ndarray) -> np.ndarray:
    """K in float64, found symmetric and PSD to the rounding of its content, and made PSD where that is coarser."""
    dtype, K = precision(K), K.astype(np.float64, copy=False)
    require_symmetric(K, dtype)
    size = require_size(K)
    least, largest = (rounding(kind, len(K)) * size for kind in (K.dtype, dtype))
    return K if is_psd(K, least) else _shifted(K, least, largest)


def precision(K: np.ndarray) -> np.dtype:
    """float32 if every entry is a number of that precision, else float64: a container may hold coarser numbers."""
    single = np.dtype(np.float32)
    with np.errstate(over="ignore"):
        blocks = (K[i : i + _ROWS] for i in range(0, len(K), _ROWS))
        return single if all((block.astype(single) == block).all() for block in blocks) else K.dtype


def require_size(K: np.ndarray) -> float:
    """|K|; refused where the dual would over- or underflow."""
    size = norm(K)
    if size and not SMALLEST <= size <= LARGEST:
        fix = "Divide K by s and multiply C by s: the decision function stays the same."
        got = f"a largest row sum of {size:.3g}"
        checks.fail("K", f"zero or of a size from {SMALLEST:g} to {LARGEST:g}", got, fix)
    return size


def _shifted(K: np.ndarray, least: float, largest: float) -> np.ndarray:
    """K + δI, where δ grows in factors of 8 from least up to what rounding explains."""
    shift = 8 * least
    while shift < largest and cholesky(K, shift)[1]:
        shift *= 8
    if shift >= largest:
        shift = largest
        require_rounded(K, largest)
    K = K.copy()
    K[np.diag_indices(len(K))] += shift
    return K


def require_rounded(K: np.ndarray, tolerance: float) -> None:
    """As ``require_psd``; the error says so where K looks rounded to fewer digits than its dtype has."""
    try:
        require_psd(K, tolerance)
    except checks.NotPSDError as error:
        digits = digits_of(K, error.smallest_eigenvalue)
        if not digits:
            raise
        smallest, fix = error.smallest_eigenvalue, "K.astype('float32')" if digits == SINGLE else "K unrounded"
        raise checks.NotPSDError(
            f"K must be positive semidefinite; got smallest eigenvalue {smallest:.3g}, which looks like rounding to "
            f"about {digits} digits: pass {fix}, or regularise, K + {-2 * smallest:.1g} * numpy.eye(len(K)).",
            smallest,
        ) from None


def digits_of(K: np.ndarray, smallest: float) -> int | None:
    """To how many digits K looks rounded, if that explains its smallest eigenvalue.

    The largest eigenvalue of n² errors of up to half a unit of the last digit is about √n/3 of these units.
    """
    if -smallest <= rounding(np.dtype(np.float32), len(K)) * norm(K):
        return SINGLE
    entries = np.abs(K[:_ROWS][K[:_ROWS] != 0])
    for base, counts in ((10.0, range(2, 7)), (2.0, range(7, 24))):
        leading = np.floor(np.log(entries) / np.log(base)) + 1
        for digits in counts:
            scaled = entries * base ** (digits - leading)
            if np.abs(scaled - np.rint(scaled)).max() < 1e-6:
                explained = len(K) ** 0.5 * base ** (leading.max() - digits)
                return round(digits * np.log10(base)) if -smallest <= explained else None
    return None


def require_psd(K: np.ndarray, tolerance: float) -> None:
    """Refuse a K with an eigenvalue below -tolerance: K + tolerance I then has no Cholesky factor."""
    _, info = cholesky(K, tolerance)
    if info:
        checks.psd("K", smallest_eigenvalue(K), tolerance)


def is_psd(K: np.ndarray, tolerance: float) -> bool:
    """Whether no eigenvalue is below -tolerance, in n²r operations if K has numerical rank r: K = L Lᵀ + R, R small.

    R is seen through eight Gaussian vectors z. If its norm were above the tolerance, the mean of their |R z|² would be
    above tolerance² times that of eight squares of standard normals, which is below 1/100 with probability 1e-7.
    Where it is not that small, a Cholesky factorisation of K + tolerance I decides.
    """
    rows = pivoted_cholesky(K, tolerance / len(K) / 10, len(K) // 8)
    z = arrays.generator(0, "certificate").standard_normal((len(K), _VECTORS))
    R_z = K @ z - rows.T @ (rows @ z)
    return bool(np.sum(R_z**2) <= _VECTORS * tolerance**2 / 100) or not cholesky(K, tolerance)[1]


def pivoted_cholesky(K: np.ndarray, tolerance: float, most: int) -> np.ndarray:
    """Lᵀ with K = L Lᵀ + R and a diagonal of R within the tolerance, or ``most`` rows of it."""
    rows, rest = np.empty((most, len(K))), K.diagonal().copy()
    for k in range(most):
        p = int(rest.argmax())
        if rest[p] <= tolerance:
            return rows[:k]
        rows[k] = (K[p] - rows[:k, p] @ rows[:k]) / rest[p] ** 0.5
        rest -= rows[k] ** 2
    return rows


@np.errstate(over="ignore")
def require_symmetric(K: np.ndarray, dtype: np.dtype) -> None:
    """Refuse a K that is not square, or has entries off their mirror images by 100 eps of the largest."""
    checks.square("K", K.shape)
    largest = gap = 0.0
    for i in range(0, len(K), _ROWS):
        for j in range(0, i + 1, _ROWS):  # tiles that stay in the cache
            tile, mirrored = K[i : i + _ROWS, j : j + _ROWS], K[j : j + _ROWS, i : i + _ROWS].T
            largest = max(largest, float(tile.max()), -float(tile.min()))
            gap = max(gap, float(np.abs(tile - mirrored).max()))
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
