"""Random Fourier features: cosines of the projections XWᵀ, with ⟨φ(x), φ(y)⟩ ≈ k(x, y).

A stationary kernel with k(0) = 1 is an average of cosines, k(δ) = E cos⟨ω, δ⟩ (Bochner's theorem). With m frequencies
ω_j, the rows of W, and D feature columns the estimates and their variances for independent frequencies are

    pairs   [cos⟨ω_j, x⟩, sin⟨ω_j, x⟩] / √m       D = 2m    Var = (1 + k(2δ) - 2 k(δ)²) / D
    offset  √(2/m) cos(⟨ω_j, x⟩ + b_j)             D = m     Var = (1 + k(2δ)/2 - k(δ)²) / D

(Rahimi & Recht 2007, "Random features for large-scale kernel machines"; Sutherland & Schneider 2015, "On the error of
random Fourier features", section 2, both variances).

>>> from companion.frequencies import draw
>>> from companion.kernels import Gaussian
>>> phi = fourier([[0.0, 0.0], [1.0, 0.0]], draw(Gaussian(), 512, dim=2, rng=0))
>>> (phi @ phi.T).round(1)
array([[1. , 0.6],
       [0.6, 1. ]])
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, Seed, follow, host, namespace
from companion.features import _fast
from companion.frequencies.base import Frequencies
from companion.frequencies.hadamard import Hadamard

Angles = Callable[[Array, Any], Array]
LARGEST_ANGLE_EPS = 2.0**-10  # of an angle t: its rounding, eps·|t|, is then below 0.001 radians


def product(X: Array, W: Array) -> Array:
    """The angles ⟨ω_j, x_i⟩: X (..., n, d) and W (m, d) give (..., n, m)."""
    return X @ W.mT


def long_product(X: Array, W: Array) -> Array:
    """The same without full turns, in float64: float32 rounds an angle of 8,192 by 0.001 radians."""
    xp = namespace(X)
    angles = xp.astype(X, xp.float64) @ xp.astype(W, xp.float64).mT
    return xp.astype(xp.remainder(angles, 2 * math.pi), X.dtype)


def pairs(X: Array, W: Array, amplitude: Array | float, angles: Angles = product) -> Array:
    """φ(x) = amplitude [cos⟨ω_j, x⟩, sin⟨ω_j, x⟩], for X (..., n, d) and W (m, d): (..., n, 2m)."""
    xp = namespace(X)
    t = angles(X, W)  # (..., n, m)
    return xp.concat([xp.cos(t) * amplitude, xp.sin(t) * amplitude], axis=-1)


def offset_cosines(X: Array, W: Array, offset: Array, amplitude: Array | float, angles: Angles = product) -> Array:
    """φ(x) = amplitude cos(⟨ω_j, x⟩ + b_j), for X (..., n, d), W (m, d) and b (m,): (..., n, m)."""
    xp = namespace(X)
    return xp.cos(angles(X, W) + offset) * amplitude


def cosine_average_reference(X: np.ndarray, Y: np.ndarray, W: np.ndarray) -> np.ndarray:
    """K_ij = mean over the rows ω of W of cos⟨ω, x_i - y_j⟩, straight from the formula."""
    return np.array([[np.mean(np.cos(W @ (x - y))) for y in Y] for x in X])


def fourier_reference(X: np.ndarray, W: np.ndarray) -> np.ndarray:
    """φ(x) = [cos⟨ω_1, x⟩, ..., cos⟨ω_m, x⟩, sin⟨ω_1, x⟩, ..., sin⟨ω_m, x⟩] / √m, straight from the formula."""
    return np.array([np.append(np.cos(W @ x), np.sin(W @ x)) for x in X]) / np.sqrt(len(W))


def fourier(X: Any, W: Any) -> Array:
    """Pairs of a cosine and a sine for each frequency: ⟨φ(x), φ(y)⟩ is an average of cos⟨ω, x - y⟩.

    Parameters
    ----------
    X : array of shape (..., n, d), or sparse matrix of shape (n, d)
        Samples; leading axes are batches. A sparse matrix of SciPy is not made dense.
    W : Frequencies, or array of shape (m, d)
        Frequencies, from ``frequencies.draw`` or any others; what they were drawn for is the kernel that is estimated.

    Returns
    -------
    array of shape (..., n, 2m)
        Cosines, then sines, each times the root of its frequency's weight (1/m where there are none), so that every
        row has norm 1; on the backend and device and in the dtype of X (float16 and bfloat16 are computed in float32).
        Gradients pass, also to W if it is a tensor.

    Raises
    ------
    TypeError, ValueError
        If X or W is no finite dense real matrix, their numbers of features differ, the angles ⟨ω, x⟩ are so large that
        rounding leaves less than 0.001 radians of them, or the features do not fit into memory.

    Notes
    -----
    Page: ``random-features/random-fourier-features``. Core: ``features.cosines.pairs``. Reference:
    ``fourier_reference``. Angles of float32 data that may exceed 8,192 are computed in float64, on the host. A
    lengthscale is learned as ``fourier(X / lengthscale, W)``, with W drawn for lengthscale 1. In a torch module keep
    ``W.to(X)``.

    Examples
    --------
    >>> fourier([[0.0], [1.0]], W=[[np.pi / 2]]).round(3)
    array([[1., 0.],
           [0., 1.]])
    """
    sparse = hasattr(X, "tocsr")
    X, W, dtype, amplitude, angles = (_read_sparse if sparse else _read)(X, W, columns=2)
    if sparse or (arrays.runs_on_numpy(X) and (isinstance(W, Hadamard) or arrays.runs_on_numpy(W))):
        phi = _fast.pairs(X, W, amplitude, angles, short=angles is not long_product)
    else:
        phi = pairs(X, _cast(W, X, angles), amplitude, angles)
    return namespace(phi).astype(phi, dtype, copy=False)


def fourier_offset(X: Any, W: Any, offset: Any) -> Array:
    """One cosine with a random offset for each frequency: ⟨φ(x), φ(y)⟩ has the mean E cos⟨ω, x - y⟩.

    Twice the frequencies of ``fourier`` at equal D, but a larger variance wherever k(δ)² >= k(2δ)/2; not even φ(x)'s
    own norm is exact.

    Parameters
    ----------
    X : array of shape (..., n, d), or sparse matrix of shape (n, d)
        Samples; leading axes are batches. A sparse matrix of SciPy is not made dense.
    W : Frequencies, or array of shape (m, d)
        Frequencies, as for ``fourier``.
    offset : array of shape (m,)
        The b_j, uniform between 0 and 2π: ``draw_offsets(m)``.

    Returns
    -------
    array of shape (..., n, m)
        On the backend and device and in the dtype of X.

    Raises
    ------
    TypeError, ValueError
        As ``fourier``, or if there is not one offset for each frequency.

    Notes
    -----
    Page: ``random-features/random-fourier-features``. Core: ``features.cosines.offset_cosines``.

    Examples
    --------
    >>> fourier_offset([[0.0], [1.0]], W=[[np.pi]], offset=[0.0]).round(3)
    array([[ 1.414],
           [-1.414]])
    """
    if hasattr(X, "tocsr"):
        X, W, dtype, amplitude, angles = _read_sparse(X, W, columns=1)
        X, angles = X @ W.T, _projected
    else:
        X, W, dtype, amplitude, angles = _read(X, W, columns=1)
    offset = arrays.read("offset", offset, ndim=(1,))[0]
    checks.one_each("offset", tuple(offset.shape), "W", tuple(W.shape))
    phi = offset_cosines(X, _cast(W, X, angles), follow(offset, X), math.sqrt(2) * amplitude, angles)
    return namespace(X).astype(phi, dtype, copy=False)


def draw_offsets(n_frequencies: int, *, rng: Seed = None) -> np.ndarray:
    """Offsets for ``fourier_offset``: uniform between 0 and 2π.

    Parameters
    ----------
    n_frequencies : int
        How many, at least 1.
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed; an integer gives a stream that is independent of the frequencies drawn with it.

    Returns
    -------
    ndarray of shape (n_frequencies,)

    Raises
    ------
    TypeError, ValueError
        If an argument is no such number.
    """
    checks.integer("n_frequencies", n_frequencies, minimum=1)
    return arrays.generator(rng, "offsets").uniform(0.0, 2 * np.pi, n_frequencies)


def _read(X: Any, W: Any, columns: int) -> tuple[Array, Any, Any, Any, Angles]:
    """X, W, the dtype of the result, the amplitude of each frequency, and how their angles keep their digits."""
    X, dtype = arrays.read("X", X, arrays.BATCHES)
    rows, weights = (W.rows, W.weights) if isinstance(W, Frequencies) else (arrays.read("W", W)[0], None)
    checks.same_features("X", tuple(X.shape), "W", tuple(rows.shape))
    size = (math.prod(X.shape[:-1]), columns * rows.shape[0])
    arrays.fits_memory("features", *size, X, "Transform X in blocks of rows.")
    amplitude = rows.shape[0] ** -0.5 if weights is None else follow(weights, X) ** 0.5
    longest = rows.longest() ** 2 if isinstance(rows, Hadamard) else arrays.largest_square(rows)
    info = namespace(X).finfo(X.dtype)
    short = arrays.largest_square(X) * longest * float(info.eps) ** 2 <= LARGEST_ANGLE_EPS**2
    if not (short and longest < float(info.max) * float(info.max)):
        return X, _in_float64(X, rows), dtype, amplitude, long_product
    return X, rows, dtype, amplitude, _structured_product if isinstance(rows, Hadamard) else product


def _read_sparse(X: Any, W: Any, columns: int) -> tuple[Any, np.ndarray, Any, Any, Angles]:
    """The same for a sparse matrix, which becomes CSR, and NumPy's W; float64 where angles are not short."""
    X, weights = read_csr("X", X), W.weights if isinstance(W, Frequencies) else None
    W = arrays.read_on_host("W", np.asarray(W) if isinstance(W, Frequencies) else W)[0]
    checks.same_features("X", X.shape, "W", W.shape)
    arrays.fits_memory("features", X.shape[0], columns * len(W), X.data, "Transform X in blocks of rows.")
    amplitude = len(W) ** -0.5 if weights is None else np.sqrt(host(weights))
    dtype, info = X.dtype, np.finfo(X.dtype)
    longest = float(X.multiply(X).sum(axis=1, dtype=np.float64).max()) * arrays.largest_square(W)
    if longest * float(info.eps) ** 2 <= LARGEST_ANGLE_EPS**2:
        return X, W.astype(dtype), dtype, amplitude, product
    X, W = X.astype(np.float64), W.astype(np.float64)
    _require_digits(float(np.abs(X @ W.T).max()))
    return X, W, dtype, amplitude, product


def read_csr(name: str, value: Any) -> Any:
    """A sparse matrix in SciPy's CSR format with entries in float32 or float64, checked as a dense one is."""
    X = value.tocsr()
    if X.ndim != 2 or 0 in X.shape:
        checks.shape(name, X.shape, (2,))
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    data = arrays.read(name, X.data, (1,))[0] if X.nnz else X.data.astype(np.float64)
    return type(X)((data, X.indices, X.indptr), shape=X.shape)


def _projected(P: Array, _: Any) -> Array:
    return P


def _structured_product(X: Array, W: Hadamard) -> Array:
    return W.project(X)


def _cast(W: Any, X: Array, angles: Angles) -> Any:
    return follow(W, X) if angles is product else W


def _in_float64(X: Array, rows: Any) -> Array:
    """W in float64 beside X; refuses data whose angles with W have lost their digits in float64 too."""
    xp = namespace(X)
    W = follow(rows.matrix if isinstance(rows, Hadamard) else rows, xp.astype(arrays.detached(X), xp.float64))
    if X.dtype == xp.float64:
        _require_digits(float(xp.max(xp.abs(arrays.detached(X) @ arrays.detached(W).mT))))
    return W


def _require_digits(largest: float) -> None:
    """Refuse data of which an angle, in float64, has lost its digits."""
    if not largest * float(np.finfo(np.float64).eps) <= LARGEST_ANGLE_EPS:
        got = f"an angle of {largest:.2g} radians, of which float64 rounds away more than 0.001"
        fix = "Centre or scale X, or take a smoother kernel, whose frequencies have a lighter tail."
        checks.fail("X", "so small that its angles with the frequencies keep their digits", got, fix)
