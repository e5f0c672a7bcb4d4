"""Positive features: exponentials of the projections XWᵀ, with ⟨φ(x), φ(y)⟩ ≈ exp(⟨x, y⟩).

If w is N(0, I), then E exp⟨w, z⟩ = exp(|z|²/2). With z = x + y that is exp(⟨x, y⟩) = E e^{⟨w, x⟩ - |x|²/2} e^{⟨w, y⟩ -
|y|²/2}. With m rows w_j of W and D feature columns the estimates and their relative variances for independent rows are

    positive      exp(⟨w_j, x⟩ - |x|²/2) / √m        D = m     (exp(z²) - 1) / m      with z² = |x + y|²
    hyperbolic    exp(±⟨w_j, x⟩ - |x|²/2) / √(2m)    D = 2m    (cosh(z²) - 1) / m

(Choromanski et al. 2021, "Rethinking attention with Performers", lemmas 1 and 2.) In orthogonal blocks see ``errors``;
from longer rows with weights that make up for it, which err less where z is long, see ``optimal``.

>>> from companion.frequencies import draw
>>> from companion.kernels import Softmax
>>> phi = hyperbolic([[0.0, 0.0], [0.5, 0.0]], draw(Softmax(), 512, dim=2, rng=0))
>>> (phi @ phi.T).round(1)
array([[1. , 1. ],
       [1. , 1.3]])
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, detached, follow, namespace, readable
from companion.features.cosines import LARGEST_ANGLE_EPS, Angles, _structured_product, product
from companion.frequencies.base import Frequencies
from companion.frequencies.hadamard import Hadamard


def log_positive(X: Array, W: Array, log_amplitude: Array | float, inner: Angles = product) -> Array:
    """log φ(x) = ⟨w_j, x⟩ - |x|²/2 + log amplitude, for X (..., n, d) and W (m, d): (..., n, m)."""
    xp = namespace(X)
    half_square = xp.sum(X * X, axis=-1, keepdims=True) / 2  # (..., n, 1)
    return inner(X, W) + (log_amplitude - half_square)


def log_hyperbolic(X: Array, W: Array, log_amplitude: Array | float, inner: Angles = product) -> Array:
    """log φ(x) = ±⟨w_j, x⟩ - |x|²/2 + log amplitude, for X (..., n, d) and W (m, d): (..., n, 2m)."""
    xp = namespace(X)
    half_square = xp.sum(X * X, axis=-1, keepdims=True) / 2  # (..., n, 1)
    t, rest = inner(X, W), log_amplitude - half_square
    return xp.concat([rest + t, rest - t], axis=-1)


def tilted(W: Array, A: float) -> tuple[Array, Array]:
    """√(1-4A) w_j and log amplitudes A|w_j|² + (d/4) log(1-4A), for W (m, d) and A < 1/4: (m, d) and (m,)."""
    xp = namespace(W)
    return math.sqrt(1 - 4 * A) * W, A * xp.sum(W * W, axis=-1) + W.shape[-1] / 4 * math.log1p(-4 * A)


def positive(X: Any, W: Any, *, log: bool = False) -> Array:
    """One exponential for each row of W: ⟨φ(x), φ(y)⟩ has the mean exp(⟨x, y⟩), and no feature is negative.

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; leading axes are batches. For exp(scale ⟨x, y⟩) multiply all of them by √scale.
    W : Frequencies, or array of shape (m, d)
        Rows that are N(0, I) each, from ``frequencies.draw(Softmax(), ...)``: then there is no bias.
    log : bool
        Return log φ, which is finite where φ over- or underflows.

    Returns
    -------
    array of shape (..., n, m)
        Each exponential times the root of its row's weight (1/m where there are none); on the backend and device and in
        the dtype of X (float16 and bfloat16 are computed in float32). Gradients pass, also to W if it is a tensor.

    Raises
    ------
    TypeError, ValueError
        If X or W is no finite dense real matrix, their numbers of features differ, the features do not fit into memory,
        a feature overflows, or all features of a sample underflow: its estimates would be 0. Also for the half grids of
        the scheme "gauss_hermite", which ``hyperbolic`` takes.

    Notes
    -----
    Page: ``attention/performer``. Core: ``features.positive.log_positive``. Float32 data whose exponents are summed
    from terms above 8,192 are computed in float64. Of an estimate, eps times the largest of them is lost.

    Examples
    --------
    >>> positive([[0.0], [1.0]], W=[[0.5], [-0.5]]).round(3)
    array([[0.707, 0.707],
           [0.707, 0.26 ]])
    """
    require_whole(W)
    return _features(log_positive, X, W, columns=1, log=log)


def hyperbolic(X: Any, W: Any, *, log: bool = False) -> Array:
    """Two exponentials for each row of W, of w and of -w: ⟨φ(x), φ(y)⟩ has the mean exp(⟨x, y⟩).

    The odd powers of ⟨w, x + y⟩ cancel: for independent rows and at equal D the variance is that of ``positive`` times
    1 - exp(-|x + y|²).

    Parameters
    ----------
    X : array of shape (..., n, d)
        Samples; leading axes are batches. For exp(scale ⟨x, y⟩) multiply all of them by √scale.
    W : Frequencies, or array of shape (m, d)
        Rows, as for ``positive``.
    log : bool
        Return log φ, which is finite where φ over- or underflows.

    Returns
    -------
    array of shape (..., n, 2m)
        The features of all w_j, then those of all -w_j, each times the root of half its row's weight.

    Raises
    ------
    TypeError, ValueError
        As ``positive``, but for the half grids: -w is the other half.

    Notes
    -----
    Page: ``attention/performer``. Core: ``features.positive.log_hyperbolic``.

    Examples
    --------
    >>> hyperbolic([[0.0], [1.0]], W=[[0.5]]).round(3)
    array([[0.707, 0.707],
           [0.707, 0.26 ]])
    """
    return _features(log_hyperbolic, X, W, columns=2, log=log)


def require_whole(W: Any) -> None:
    """Refuse half grids, where features of -w are not made as well."""
    if isinstance(W, Frequencies) and W.scheme == "gauss_hermite":
        fix = "Use hyperbolic, whose features of -w are the other half."
        checks.fail("W", "a whole sample", "the half of a grid that scheme='gauss_hermite' keeps", fix)


def _features(
    core: Callable[..., Array], X: Any, W: Any, columns: int, log: bool, tilt: Callable[[int], float] | None = None
) -> Array:
    with np.errstate(all="ignore"):
        X, rows, dtype, log_amplitude, inner = _read(X, W, columns, log, tilt)
        xp, phi = namespace(X), core(X, rows, log_amplitude, inner)
        phi = xp.astype(phi if log else xp.exp(phi), dtype, copy=False)
    _require_range(phi, log)
    return phi


def _read(
    X: Any, W: Any, columns: int, log: bool, tilt: Callable[[int], float] | None
) -> tuple[Array, Any, Any, Any, Angles]:
    """X, W, the dtype of the result, the logarithm of each row's amplitude, and what multiplies X and W.

    ``tilt`` is a function of d: the number A of ``tilted``.
    """
    X, dtype = arrays.read("X", X, arrays.BATCHES)
    rows, weights, longest = read_rows(W)
    checks.same_features("X", tuple(X.shape), "W", tuple(rows.shape))
    size = (math.prod(X.shape[:-1]), columns * rows.shape[0])
    arrays.fits_memory("features", *size, X, "Transform X in blocks of rows.", copies=2)
    A = tilt(X.shape[-1]) if tilt else 0.0
    [X] = with_digits("X", [X], longest, A=A)
    log_amplitude = -math.log(columns * rows.shape[0]) / 2
    if weights is not None:
        log_amplitude = _half_logarithms(follow(weights, X), columns, log)
    if isinstance(rows, Hadamard):
        if A:
            log_amplitude = tilted(follow(rows.matrix, X), A)[1] + log_amplitude
            rows = rows / np.asarray((1 - 4 * A) ** -0.5)
        return X, rows, dtype, log_amplitude, _structured_product
    rows = follow(rows, X)
    if A:
        rows, logs = tilted(rows, A)
        log_amplitude = logs + log_amplitude
    return X, rows, dtype, log_amplitude, product


def read_rows(W: Any) -> tuple[Any, Array | None, float]:
    """The rows of W, dense or structured, their weights, if there are any, and the length of the longest."""
    if isinstance(W, Frequencies):
        return W.rows, W.weights, W.longest
    rows = arrays.read("W", W)[0]
    return rows, None, math.sqrt(arrays.largest_square(rows))


def with_digits(name: str, blocks: list[Array], longest: float, scale: float = 1.0, A: float = 0.0) -> list[Array]:
    """Data whose exponents keep their digits: in float64 if float32 rounds one by more than 0.001.

    Of ⟨w, x⟩ - |x|²/2 rounding changes at most eps (|x| |w| + |x|²/2); x is the data times the root of ``scale``. Of
    rows that are ``tilted`` by A it changes |A| |w|² as well.
    """
    xp, largest = namespace(blocks[0]), math.sqrt(scale * arrays.largest_square(*blocks))
    size, info = largest * (longest * math.sqrt(1 - 4 * A) + largest / 2), xp.finfo(blocks[0].dtype)
    size += abs(A) * longest**2
    if float(info.eps) * size <= LARGEST_ANGLE_EPS and longest < float(info.max):
        return blocks
    if not float(xp.finfo(xp.float64).eps) * size <= LARGEST_ANGLE_EPS:
        got = "an exponent, ⟨w, x⟩ - |x|²/2, of which float64 rounds away more than 0.001"
        checks.fail(name, "so small that its exponents keep their digits", got, f"Scale {name}.")
    return [xp.astype(x, xp.float64) for x in blocks]


def _half_logarithms(weights: Array, columns: int, log: bool) -> Array:
    """log √(weight / columns of a row)."""
    xp = namespace(weights)
    if log and readable(weights) and not bool(xp.all(weights > 0)):
        checks.fail("W", "without weights of 0 where log=True", "one of 0", "Leave out the rows of weight 0.")
    return xp.log(weights / columns) / 2


def _require_range(phi: Array, log: bool) -> None:
    """Refuse logarithms that overflow; features that overflow, and samples all of whose features underflow."""
    if not readable(phi):
        return
    xp = namespace(phi)
    phi, info = detached(phi), xp.finfo(phi.dtype)
    if log and not bool(xp.all(xp.isfinite(phi))):
        checks.no_overflow("log φ(X)", float(info.max), "Scale the data, or use float32.")
    largest = phi if log else xp.max(phi, axis=-1)
    if not log and not bool(xp.all((largest >= info.smallest_normal) & xp.isfinite(largest))):
        expected = f"within the range of its dtype ({float(info.smallest_normal):.2g} to {float(info.max):.3g})"
        got = "an overflow, or a sample whose features all underflow"
        checks.fail("φ(X)", expected, got, "Use log=True, or scale the data.")
