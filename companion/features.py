"""What is done with the projections XWᵀ: features φ with ⟨φ(x), φ(y)⟩ ≈ k(x, y), and the exact error of each entry.

A stationary kernel with k(0) = 1 is an average of cosines, k(δ) = E cos⟨ω, δ⟩ (Bochner's theorem). With m frequencies
ω_j, the rows of W, and D feature columns the estimates and their variances for independent frequencies are

    pairs   [cos⟨ω_j, x⟩, sin⟨ω_j, x⟩] / √m       D = 2m    Var = (1 + k(2δ) - 2 k(δ)²) / D
    offset  √(2/m) cos(⟨ω_j, x⟩ + b_j)             D = m     Var = (1 + k(2δ)/2 - k(δ)²) / D

(Rahimi & Recht 2007, "Random features for large-scale kernel machines"; Sutherland & Schneider 2015, "On the error of
random Fourier features", section 2, both variances). In orthogonal blocks of b <= d Gaussian frequencies two rows of a
block have the covariance 1F1(d; d/2; -z²/2) - exp(-z²) with z = |δ| / lengthscale (the series: Choromanski et al.
2018, "The geometry of random features"). Random binning counts how often x and y fall into one cell of a random grid.

>>> from companion.frequencies import draw
>>> from companion.kernels import Gaussian
>>> X = np.array([[0.0, 0.0], [1.0, 0.0]])
>>> phi = fourier(X, draw(Gaussian(), 512, dim=2, rng=0))
>>> (phi @ phi.T).round(1)
array([[1. , 0.6],
       [0.6, 1. ]])
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist
from scipy.special import hyp1f1

from companion import _arrays, _checks, _refusals
from companion._arrays import Array, Seed
from companion._gram import only_for
from companion.frequencies import Frequencies
from companion.kernels import Gaussian, Kernel, Laplacian, Stationary

__all__ = [
    "COLUMNS",
    "MAPS",
    "Grids",
    "cosine_average_reference",
    "draw_grids",
    "draw_offsets",
    "features_needed",
    "fourier",
]
__all__ += ["fourier_offset", "fourier_offset_reference", "fourier_reference", "random_binning"]
__all__ += ["random_binning_reference", "standard_error"]

_ROWS = 128  # of a product's block: its angles stay in the level-2 cache
_ELEMENTS = 2**14  # of a block of cosines and sines
_LARGEST_ANGLE_EPS = 2.0**-10  # of an angle t: its rounding, eps·|t|, is then below 0.001 radians


def cosine_average_reference(X: np.ndarray, Y: np.ndarray, W: np.ndarray) -> np.ndarray:
    """K_ij = mean over the rows ω of W of cos⟨ω, x_i - y_j⟩, straight from the formula.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (l, d)
        Samples.
    W : array of shape (m, d)
        Frequencies.

    Returns
    -------
    ndarray of shape (n, l)

    Examples
    --------
    >>> cosine_average_reference(np.array([[0.0]]), np.array([[0.0], [1.0]]), W=np.array([[0.0], [np.pi]]))
    array([[1., 0.]])
    """
    return np.array([[np.mean(np.cos(W @ (x - y))) for y in Y] for x in X])


def fourier_reference(X: np.ndarray, W: np.ndarray) -> np.ndarray:
    """φ(x) = [cos⟨ω_1, x⟩, ..., cos⟨ω_m, x⟩, sin⟨ω_1, x⟩, ..., sin⟨ω_m, x⟩] / √m, straight from the formula.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    W : array of shape (m, d)
        Frequencies.

    Returns
    -------
    ndarray of shape (n, 2m)

    Examples
    --------
    >>> fourier_reference(np.array([[1.0]]), W=np.array([[0.0], [np.pi]])).round(3)
    array([[ 0.707, -0.707,  0.   ,  0.   ]])
    """
    return np.array([np.append(np.cos(W @ x), np.sin(W @ x)) for x in X]) / np.sqrt(len(W))


def fourier_offset_reference(X: np.ndarray, W: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """φ(x) = √(2/m) [cos(⟨ω_1, x⟩ + b_1), ..., cos(⟨ω_m, x⟩ + b_m)], straight from the formula.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    W : array of shape (m, d)
        Frequencies.
    offset : array of shape (m,)
        The b_j.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> fourier_offset_reference(np.array([[1.0]]), W=np.array([[0.0], [np.pi]]), offset=np.zeros(2))
    array([[ 1., -1.]])
    """
    return np.array([np.cos(W @ x + offset) for x in X]) * np.sqrt(2 / len(W))


def random_binning_reference(X: np.ndarray, Y: np.ndarray, pitch: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """K_ij = share of the grids of which x_i and y_j fall into one cell, straight from the definition.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (l, d)
        Samples.
    pitch, offset : array of shape (n_grids, d)
        Edges of the cells of each grid, and a corner of one of them.

    Returns
    -------
    ndarray of shape (n, l)

    Examples
    --------
    >>> X, pitch = np.array([[0.1], [0.9], [1.1]]), np.array([[1.0], [2.0]])
    >>> random_binning_reference(X, X, pitch, offset=np.zeros((2, 1)))
    array([[1. , 1. , 0.5],
           [1. , 1. , 0.5],
           [0.5, 0.5, 1. ]])
    """
    cell_x, cell_y = (np.floor((Z[:, None] - offset) / pitch) for Z in (X, Y))  # (n, n_grids, d)
    return np.array([[np.mean(np.all(a == b, axis=1)) for b in cell_y] for a in cell_x])


def fourier(X: Any, W: Any) -> Array:
    """Pairs of a cosine and a sine for each frequency: ⟨φ(x), φ(y)⟩ is an average of cos⟨ω, x - y⟩.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    W : Frequencies, or array of shape (m, d)
        Frequencies, from ``frequencies.draw`` or any others; what they were drawn for is the kernel that is estimated.

    Returns
    -------
    array of shape (n, 2m)
        Cosines, then sines, each times the root of its frequency's weight (1/m where there are none), so that every
        row has norm 1; on the backend and device and in the dtype of X. Gradients pass, also to W if it is a tensor.

    Raises
    ------
    TypeError, ValueError
        If X or W is no finite dense real matrix, their numbers of features differ, the angles ⟨ω, x⟩ are so large that
        rounding leaves less than 0.001 radians of them, or the features do not fit into memory.

    Notes
    -----
    Page: ``random-features/random-fourier-features``. Reference: ``fourier_reference``. Angles of float32 data beyond
    8,192 are computed in float64.

    Examples
    --------
    >>> fourier([[0.0], [1.0]], W=[[np.pi / 2]]).round(3)
    array([[1., 0.],
           [0., 1.]])
    """
    X, W, dtype, amplitude = _read(X, W, columns_per_frequency=2)
    if _arrays.runs_on_numpy(X) and (isinstance(W, Frequencies) or _arrays.runs_on_numpy(W)):
        return _finish(_arrays.from_host(_fill_pairs(X, W, amplitude), X), dtype)
    angles = _angles(X, W)  # (n, m)
    xp, amplitude = _arrays.namespace(X), _arrays.follow(amplitude, X)
    return _finish(_arrays.columns(xp.cos(angles) * amplitude, xp.sin(angles) * amplitude), dtype)


def fourier_offset(X: Any, W: Any, offset: Any) -> Array:
    """One cosine with a random offset for each frequency: ⟨φ(x), φ(y)⟩ has the mean E cos⟨ω, x - y⟩.

    Twice the frequencies of ``fourier`` at equal D, but a larger variance wherever k(δ)² >= k(2δ)/2; not even φ(x)'s
    own norm is exact.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    W : Frequencies, or array of shape (m, d)
        Frequencies, as for ``fourier``.
    offset : array of shape (m,)
        The b_j, uniform between 0 and 2π: ``draw_offsets(m)``.

    Returns
    -------
    array of shape (n, m)
        On the backend and device and in the dtype of X.

    Raises
    ------
    TypeError, ValueError
        As ``fourier``, or if there is not one offset for each frequency.

    Notes
    -----
    Page: ``random-features/random-fourier-features``. Reference: ``fourier_offset_reference``.

    Examples
    --------
    >>> fourier_offset([[0.0], [1.0]], W=[[np.pi]], offset=[0.0]).round(3)
    array([[ 1.414],
           [-1.414]])
    """
    X, W, dtype, amplitude = _read(X, W, columns_per_frequency=1)
    offset = _arrays.data("offset", offset, ndim=(1,))[0]
    _checks.one_each("offset", tuple(offset.shape), "W", tuple(W.shape))
    xp, amplitude = _arrays.namespace(X), _arrays.follow(math.sqrt(2) * amplitude, X)
    return _finish(xp.cos(_arrays.add_(_angles(X, W), _arrays.follow(offset, X))) * amplitude, dtype)


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

    Examples
    --------
    >>> draw_offsets(3, rng=0).shape
    (3,)
    """
    _checks.integer("n_frequencies", n_frequencies, minimum=1)
    return _arrays.generator(rng, "offsets").uniform(0.0, 2 * np.pi, n_frequencies)


@dataclass(frozen=True, eq=False)
class Grids:
    """Random grids for ``random_binning``; see ``draw_grids``.

    Parameters
    ----------
    pitch, offset : ndarray of shape (n_grids, d)
        Edges of the cells of each grid, and a corner of one of them.
    multipliers : ndarray of shape (n_grids, d), dtype uint64
        Odd numbers that hash a cell to a column.
    n_buckets : int
        Columns for the cells of each grid, a power of 2.

    Examples
    --------
    >>> draw_grids(Laplacian(), 8, dim=2, rng=0).pitch.shape
    (8, 2)
    """

    pitch: np.ndarray
    offset: np.ndarray
    multipliers: np.ndarray
    n_buckets: int


def draw_grids(kernel: Kernel, n_grids: int, dim: int, *, n_buckets: int = 2**14, rng: Seed = None) -> Grids:
    """Grids whose random cells estimate a Laplacian kernel.

    Along one axis a grid of pitch t with a uniform offset keeps two points together with probability max(0, 1 - |δ|/t);
    averaged over t with the density t k''(t) this is k(δ). It is a density if the profile k is convex: exp(-|δ|) gives
    Gamma(2, 1). The Gaussian's profile is not convex, and no such grids exist.

    Parameters
    ----------
    kernel : Laplacian
        The kernel; its axes get independent pitches.
    n_grids : int
        How many, at least 1: a row of the features has as many entries that are not zero.
    dim : int
        Columns of the data.
    n_buckets : int
        Columns for the cells of each grid, a power of 2, at least 2. Two cells share a column with a probability of
        at most 2 / n_buckets, which is what hashing may add to the estimate.
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed.

    Returns
    -------
    Grids

    Raises
    ------
    TypeError, ValueError
        If the kernel is another one, or an argument is no such number.

    Notes
    -----
    Page: ``random-features/beyond-the-gaussian``. Rahimi & Recht 2007, section 4.

    Examples
    --------
    >>> grids = draw_grids(Laplacian(), 1000, dim=1, rng=0)
    >>> Z = random_binning([[0.0], [1.0]], grids)
    >>> (Z @ Z.T).toarray().round(1)
    array([[1. , 0.4],
           [0.4, 1. ]])
    """
    if not isinstance(kernel, Laplacian):
        only_for("Random binning", kernel, "kernels.Laplacian, a product of convex profiles")
    for name, value, least in (("n_grids", n_grids, 1), ("dim", dim, 1), ("n_buckets", n_buckets, 2)):
        _checks.integer(name, value, minimum=least)
    _refusals.power_of_two("n_buckets", n_buckets)
    _checks.at_most("n_buckets", n_buckets, 2**31, "So many cells need no hashing.")
    random = _arrays.generator(rng, "grids")
    pitch = random.gamma(2.0, size=(n_grids, dim)) * kernel._host_lengthscale(dim)
    offset = pitch * random.random((n_grids, dim))
    multipliers = random.integers(2**63, size=(n_grids, dim), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return Grids(pitch, offset, multipliers, int(n_buckets))


def random_binning(X: Any, grids: Grids) -> csr_array:
    """One entry for each grid: the cell that x falls into. ⟨φ(x), φ(y)⟩ is the share of grids that keep them together.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples: a NumPy array, a list of lists or a data frame.
    grids : Grids
        From ``draw_grids``.

    Returns
    -------
    scipy.sparse.csr_array of shape (n, n_grids * n_buckets)
        1/√n_grids at the hashed cell of each grid, in the dtype of X.

    Raises
    ------
    TypeError, ValueError
        If X is no finite dense real matrix of the grids' dimension, or lies more than 2**53 cells from the origin.

    Notes
    -----
    Page: ``random-features/beyond-the-gaussian``. Reference: ``random_binning_reference``, without the hashing.

    Examples
    --------
    >>> random_binning([[0.0], [1.0]], draw_grids(Laplacian(), 4, dim=1, rng=0)).shape
    (2, 65536)
    """
    X, dtype = _arrays.host_data("X", X)
    _checks.same_features("X", X.shape, "grids", grids.pitch.shape)
    (n, dim), n_grids = X.shape, len(grids.pitch)
    hashed = np.zeros((n, n_grids), np.uint64)
    for c in range(dim):
        cell = np.floor((X[:, c, None].astype(np.float64) - grids.offset[:, c]) / grids.pitch[:, c])  # (n, n_grids)
        _refusals.cells("X", float(np.abs(cell).max()))
        hashed += cell.astype(np.int64).view(np.uint64) * grids.multipliers[:, c]
    bucket = hashed >> np.uint64(65 - grids.n_buckets.bit_length())  # the first log2(n_buckets) bits
    columns = bucket.astype(np.int64) + grids.n_buckets * np.arange(n_grids)
    values = np.full(n * n_grids, n_grids**-0.5, dtype)
    return csr_array((values, columns.ravel(), n_grids * np.arange(n + 1)), (n, n_grids * grids.n_buckets))


def standard_error(
    kernel: Kernel,
    X: Any,
    Y: Any | None = None,
    *,
    n_frequencies: int,
    scheme: str = "iid",
    feature_map: str = "fourier",
) -> np.ndarray:
    """The exact standard deviation of every entry of Φ(X) Φ(Y)ᵀ around kernel(X, Y).

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel.
    X, Y : array of shape (n, d), array of shape (l, d)
        Samples; Y = X if left out.
    n_frequencies : int
        The number m of frequencies, not of feature columns.
    scheme : {"iid", "orthogonal"}
        How they are drawn. Orthogonal: for the Gaussian and ``fourier`` only.
    feature_map : {"fourier", "fourier_offset"}
        What is done with them.

    Returns
    -------
    ndarray of shape (n, l)
        In float64; errors below 1e-7 are lost to rounding, or below 1e-7 r if samples lie r > 1 lengthscales apart.

    Raises
    ------
    TypeError, ValueError
        If the data are refused, or no closed form is known: repeat the draw with other seeds then.

    Notes
    -----
    Page: ``random-features/random-fourier-features`` and ``random-features/orthogonal-frequencies``.

    Examples
    --------
    >>> standard_error(Gaussian(), [[0.0]], [[0.0], [1.0], [9.0]], n_frequencies=128).round(4)
    array([[0.    , 0.0395, 0.0625]])
    """
    _checks.integer("n_frequencies", n_frequencies, minimum=1)
    _checks.known("scheme", scheme, ("iid", "orthogonal"))
    _checks.known("feature_map", feature_map, list(MAPS))
    if not isinstance(kernel, Stationary):
        only_for("An exact error", kernel, "a stationary kernel")
    X, Y, _ = _arrays.data_pair(X, Y)
    centre = _arrays.host(X)[0].astype(np.float64)  # only differences count, and near 0 they keep their digits
    X, Y = (None if Z is None else _arrays.host(Z) - centre for Z in (X, Y))
    k, k2 = kernel(X, Y), kernel(2 * X, None if Y is None else 2 * Y)  # (n, l), (n, l)
    variance = _VARIANCE[feature_map](k, k2)  # of one frequency
    if scheme == "orthogonal":
        if not isinstance(kernel, Gaussian) or feature_map != "fourier":
            only_for("The orthogonal scheme's exact error", kernel, "kernels.Gaussian with 'fourier'")
        variance = variance + _orthogonal_covariance(kernel, X, Y) * _neighbours(n_frequencies, X.shape[1])
    return np.sqrt(np.maximum(variance, 0.0) / n_frequencies)


def features_needed(kernel: Kernel, error: float, *, X: Any = None, feature_map: str = "fourier") -> int:
    """The number D of feature columns from which on every entry has a standard error of at most ``error``.

    For independent frequencies; other schemes need fewer, or about as many where the kernel is nearly zero.

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel.
    error : float
        The standard error allowed, above 0; the kernel's largest value is 1.
    X : array of shape (n, d), optional
        Only the pairs of these samples count; if left out, every distance does.
    feature_map : {"fourier", "fourier_offset"}
        What is done with the frequencies; ``fourier`` has two columns for each.

    Returns
    -------
    int
        D.

    Raises
    ------
    TypeError, ValueError
        As ``standard_error``, or if ``error`` is not a number from 1e-7 on.

    Notes
    -----
    Page: ``random-features/random-fourier-features``. A fixed pair lies within 5 standard errors but for a chance below
    1e-6 if D is not small; all pairs of n samples at once need about √(2 log n²) instead of 5.

    Examples
    --------
    >>> features_needed(Gaussian(), 0.05), features_needed(Gaussian(), 0.05, feature_map="fourier_offset")
    (400, 400)
    """
    _checks.positive("error", np.asarray(error))
    if error < 1e-7:
        _checks.fail("error", "at least 1e-7", repr(error), "Rounding hides smaller ones: use the exact kernel.")
    if X is None:
        worst = _largest_error(kernel, feature_map)
    else:
        worst = float(standard_error(kernel, X, n_frequencies=1, feature_map=feature_map).max())
    return COLUMNS[feature_map] * max(1, math.ceil((worst / error) ** 2 * (1 - 1e-12)))


def _read(X: Any, W: Any, columns_per_frequency: int) -> tuple[Array, Any, Any, Any]:
    """X, W, the dtype of the result, and the amplitude of each frequency."""
    X, dtype = _arrays.data("X", X)
    if not isinstance(W, Frequencies):
        W = _arrays.data("W", W)[0]
    _checks.same_features("X", tuple(X.shape), "W", tuple(W.shape))
    size = (X.shape[0], columns_per_frequency * W.shape[0])
    itemsize = _arrays.namespace(X).finfo(X.dtype).bits // 8
    _checks.fits_memory("features", size, itemsize, _arrays.memory(X), "Transform X in blocks of rows.")
    weights = W.weights if isinstance(W, Frequencies) else None
    return X, W, dtype, np.asarray(W.shape[0] ** -0.5) if weights is None else np.sqrt(weights)


def _finish(features: Array, dtype: Any) -> Array:
    return _arrays.namespace(features).astype(features, dtype, copy=False)


def _angles(X: Array, W: Any) -> Array:
    """⟨ω_j, x_i⟩; where float32 would lose them, from float64 and without their full turns."""
    angles = W.project(X) if isinstance(W, Frequencies) else X @ _arrays.follow(W, X).T  # (n, m)
    if not _arrays.checks_values(X):
        return angles
    xp, values = _arrays.namespace(X), _arrays.detached(angles)
    largest = max(float(xp.max(values)), -float(xp.min(values)))
    if largest * float(xp.finfo(X.dtype).eps) <= _LARGEST_ANGLE_EPS:
        return angles
    if X.dtype == xp.float64:
        _refusals.angles("X", largest)
    return _reduced_angles(X, W)


def _reduced_angles(X: Array, W: Any) -> Array:
    xp = _arrays.namespace(X)
    return xp.astype(xp.remainder(_angles(xp.astype(X, xp.float64), W), 2 * math.pi), X.dtype)


def _angles_of_blocks(X: np.ndarray, W: Any) -> Callable[[np.ndarray], np.ndarray]:
    """``_angles`` for blocks of rows of X, without new memory for each where that can be."""
    structured = isinstance(W, Frequencies) and W.structured
    entries = W.rows.scales if structured else np.asarray(_arrays.host(W))
    with np.errstate(over="ignore"):
        cast = entries.astype(X.dtype)
        bound = _longest(X) * (W.rows.longest() if structured else _longest(entries))
    if not bound * np.finfo(X.dtype).eps <= _LARGEST_ANGLE_EPS or not np.isfinite(cast).all():
        slow = _angles if X.dtype == np.float64 else _reduced_angles
        return lambda rows: slow(rows, W)
    if structured:
        return W.rows.project
    cast, angles = np.ascontiguousarray(cast.T), np.empty((_ROWS, len(cast)), X.dtype)
    return lambda rows: np.matmul(rows, cast, out=angles[: len(rows)])


def _longest(X: np.ndarray) -> float:
    return float(np.sqrt(np.max(np.sum(X.astype(np.float64) ** 2, axis=1))))


def _fill_pairs(X: Array, W: Any, amplitude: np.ndarray) -> np.ndarray:
    write = _arrays.torch_cos_sin(X) or _cos_sin
    X, m = _arrays.host(X), W.shape[0]
    out, angles_of = np.empty((len(X), 2 * m), X.dtype), _angles_of_blocks(X, W)
    amplitude = np.tile(amplitude, 2 if amplitude.ndim else 1).astype(X.dtype)
    for i in range(0, len(X), _ROWS):
        angles, block = angles_of(X[i : i + _ROWS]), out[i : i + _ROWS]
        write(angles, block[:, :m], block[:, m:])
        block *= amplitude
    return out


def _cos_sin(t: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> None:
    """Write cos(t) and sin(t); in float64 both from one tangent u = tan(t/2), four times as fast.

    cos t = 2/(1 + u²) - 1 and sin t = 2u/(1 + u²), and neither magnifies an error: the derivatives by log u are at most
    1 and 1/2. NumPy's cosine of float64 is not vectorised, its tangent is where the processor has AVX-512.
    """
    if t.dtype != np.float64:
        np.cos(t, out=cosine)
        np.sin(t, out=sine)
        return
    rows = max(1, _ELEMENTS // t.shape[1])
    for i in range(0, len(t), rows):
        part = slice(i, i + rows)
        u = np.multiply(t[part], 0.5)
        np.tan(u, out=u)
        v = np.multiply(u, u)
        v += 1
        np.divide(2, v, out=v)
        np.subtract(v, 1, out=cosine[part])
        np.multiply(u, v, out=sine[part])


def _pairs_variance(k: Any, k2: Any) -> Any:
    return (1 + k2 - 2 * k**2) / 2


def _offset_variance(k: Any, k2: Any) -> Any:
    return 1 + k2 / 2 - k**2


def _largest_error(kernel: Kernel, feature_map: str) -> float:
    """The supremum over all distances of the standard error of one frequency; at infinity it is 1/√2 or 1."""
    if not isinstance(kernel, Stationary):
        only_for("An exact error", kernel, "a stationary kernel")
    profile = type(kernel)(**(kernel.get_params() | {"lengthscale": 1.0}))

    def error(log_distance: Any) -> Any:
        distance = np.exp(np.reshape(log_distance, (-1, 1)))
        return standard_error(profile, [[0.0]], distance, n_frequencies=1, feature_map=feature_map)[0]

    grid = np.linspace(-150.0, 150.0, 3001)
    best = grid[np.argmax(error(grid))]
    near = minimize_scalar(lambda x: -error(x).item(), bounds=(best - 0.1, best + 0.1), method="bounded")
    return max(-float(near.fun), 0.5**0.5 if feature_map == "fourier" else 1.0)


def _orthogonal_covariance(kernel: Gaussian, X: np.ndarray, Y: np.ndarray | None) -> np.ndarray:
    """Of cos⟨ω_1, δ⟩ and cos⟨ω_2, δ⟩ for two rows of a block."""
    scale, d = kernel._host_lengthscale(X.shape[1]), X.shape[1]
    half = cdist(X / scale, (X if Y is None else Y) / scale, "sqeuclidean") / 2  # z²/2
    half = np.minimum(half, 1e5)  # where both terms are 0 to rounding
    return hyp1f1(d, d / 2, -half) - np.exp(-2 * half)


def _neighbours(m: int, d: int) -> float:
    """How many other rows share a row's block, on average: blocks of d rows and a last one of the rest."""
    full, rest = divmod(m, d)
    return (full * d * (d - 1) + rest * (rest - 1)) / m


MAPS: dict[str, Callable[..., Array]] = {"fourier": fourier, "fourier_offset": fourier_offset}
"""Name of a feature map to its function."""

COLUMNS = {"fourier": 2, "fourier_offset": 1}
"""Feature columns that a map makes of one frequency."""

_VARIANCE = {"fourier": _pairs_variance, "fourier_offset": _offset_variance}
