"""Functions of the distances between all pairs of samples, without the digits that a matrix product would lose.

A smooth function of |x - y|² takes it from one matrix product, |x|² + |y|² - 2⟨x, y⟩, which loses about eps·max|x|² to
rounding, where x is centred and measured in lengthscales. Where this exceeds eps^(2/3), float32 is computed in float64,
and float64 from differences.

A function of r = |x - y|_p itself would lose half of its digits that way: near r = 0 an error δ of r² is an error √δ of
r. Such distances always come from differences: on the host in float64, to a few eps of r itself wherever the data lie;
under autograd and on devices in the dtype of the data, to eps·max|x|. Their gradient (first order) is 0 where x = y.

The expansion and its rounding: Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 1.7 (the same
cancellation in a variance) and equation (3.5) (inner products).

>>> of_distance(exp_minus, np.array([[0.0], [3.0]]), None, np.array(3.0), p=1).round(3)
array([[1.   , 0.368],
       [0.368, 1.   ]])
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.spatial.distance import cdist

from companion import _arrays, _checks
from companion._arrays import Array

_ROWS = 256
_METRIC = {1: "cityblock", 2: "euclidean"}


def exp_below_zero(exponent: Array) -> Array:
    """exp(exponent) of an own temporary, which only rounding makes positive."""
    return _arrays.exp_(_arrays.clip_above_(exponent, 0.0))


def exp_minus(distance: Array) -> Array:
    """exp(-distance) of an own temporary."""
    return _arrays.exp_(_arrays.multiply_(distance, -1.0))


def of_distance(profile: Callable[[Array], Array], X: Array, Y: Array | None, lengthscale: Array, p: int) -> Array:
    """profile(|(x - y) / lengthscale|_p) for all pairs and p = 1 or 2; profile may overwrite its argument."""
    if _arrays.runs_on_numpy(X, Y, lengthscale):
        x, y = _arrays.host(X), None if Y is None else _arrays.host(Y)
        return _arrays.from_host(_tiled(profile, x, y, _arrays.host(lengthscale), p), X)
    Z, V = _scaled(X, Y, lengthscale)
    distance = _arrays.torch_distances(Z, Z if V is None else V, p)
    if distance is not None:
        _require_range(Z, V)
        return profile(distance)
    xp = _arrays.namespace(X)
    X64, Y64, scale64 = (None if a is None else xp.astype(a, xp.float64) for a in (X, Y, lengthscale))
    parts = (_distance(part, X64 if Y is None else Y64, scale64, p) for part in row_blocks(X64))
    return xp.concat([xp.astype(profile(part), X.dtype) for part in parts], axis=0)


def _tiled(
    profile: Callable[[Array], Array], X: np.ndarray, Y: np.ndarray | None, lengthscale: np.ndarray, p: int
) -> np.ndarray:
    A, B, mantissa, exponent = _scaled_exactly(X, Y, lengthscale)
    weights = mantissa**-p * np.ones(X.shape[1]) if mantissa.ndim else None  # (d,)

    def block(a: np.ndarray, b: np.ndarray, _: np.ndarray) -> np.ndarray:
        distance = cdist(a, b, _METRIC[p], w=weights)
        if weights is None:
            distance /= mantissa
        return np.ldexp(distance, exponent, out=distance) if exponent else distance

    return _arrays.tiles(block, A, B, profile, symmetric=Y is None, dtype=X.dtype)


def _scaled_exactly(
    X: np.ndarray, Y: np.ndarray | None, lengthscale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """A, B, m, e in float64 with (x - y) / lengthscale = 2^e (a - b) / m: no rounding, and no square overflows."""
    mantissa, exponent = np.frexp(lengthscale.astype(np.float64))
    largest = np.abs(X if Y is None else np.concat([X, Y])).max(axis=0).astype(np.float64)  # (d,)
    excess = np.where(largest > 0, np.frexp(largest)[1] - exponent, 0)
    shift = max(0, int(excess.max()) - 500)
    A = np.ldexp(X.astype(np.float64), -exponent - shift)  # (n, d)
    return A, A if Y is None else np.ldexp(Y.astype(np.float64), -exponent - shift), mantissa, shift


def _distance(X: Array, Y: Array, lengthscale: Array, p: int) -> Array:
    xp, total = _arrays.namespace(X), 0.0
    for difference in _differences(X, Y, lengthscale):
        total = total + (difference * difference if p == 2 else xp.abs(difference))
    return xp.sqrt(total) if p == 2 else total


def _require_range(*blocks: Array | None) -> None:
    for Z in (_arrays.detached(block) for block in blocks if block is not None and _arrays.checks_values(block)):
        xp = _arrays.namespace(Z)
        if not bool(xp.isfinite(xp.sum(Z * Z))):
            largest = float(xp.finfo(Z.dtype).max)
            _checks.no_overflow("|X / lengthscale|²", largest, "Scale the data, or use float64.")


def of_squared_distance(profile: Callable[[Array], Array], X: Array, Y: Array | None, lengthscale: Array) -> Array:
    """profile(-|x - y|² / (2 lengthscale²)) for all pairs, without loss where the matrix product would lose digits."""
    xp = _arrays.namespace(X)
    Z, V = _scaled(X, Y, lengthscale)
    if not _arrays.checks_values(X) or _product_is_accurate(Z, V):
        A, B = _exponent_factors(Z, V)
        return _arrays.pairwise(A, B, profile, symmetric=Y is None, diagonal=0.0 if Y is None else None)
    if X.dtype == xp.float32:
        X64, Y64, lengthscale64 = (None if a is None else xp.astype(a, xp.float64) for a in (X, Y, lengthscale))
        return xp.astype(of_squared_distance(profile, X64, Y64, lengthscale64), xp.float32)
    return xp.concat([profile(_exponent(part, X if Y is None else Y, lengthscale)) for part in row_blocks(X)], axis=0)


def _scaled(X: Array, Y: Array | None, lengthscale: Array) -> tuple[Array, Array | None]:
    centre = _arrays.namespace(X).mean(_arrays.detached(X), axis=0)  # (d,)
    return (X - centre) / lengthscale, None if Y is None else (Y - centre) / lengthscale


def _product_is_accurate(*blocks: Array | None) -> bool:
    """Whether eps·max|z|² <= eps^(2/3): an entry of K then loses at most 4e-11 (float64) or 2e-5 (float32)."""
    for Z in (_arrays.detached(block) for block in blocks if block is not None):
        xp = _arrays.namespace(Z)
        if not float(xp.max(xp.sum(Z * Z, axis=1))) <= xp.finfo(Z.dtype).eps ** (-1 / 3):
            return False
    return True


def _exponent_factors(Z: Array, V: Array | None) -> tuple[Array, Array]:
    """Factors A, B with A Bᵀ = -|z - v|²/2: the rows (z, -|z|²/2, 1) and (v, 1, -|v|²/2)."""
    half, one = _minus_half_norms(Z), _arrays.ones_like_rows(Z)[:, None]  # (n, 1), (n, 1)
    A = _arrays.columns(Z, half, one)  # (n, d + 2)
    if V is None:
        return A, _arrays.columns(Z, one, half)
    return A, _arrays.columns(V, _arrays.ones_like_rows(V)[:, None], _minus_half_norms(V))  # (m, d + 2)


def _minus_half_norms(Z: Array) -> Array:
    return -_arrays.namespace(Z).sum(Z * Z, axis=1, keepdims=True) / 2


def _exponent(X: Array, Y: Array, lengthscale: Array) -> Array:
    """-|x - y|² / (2 lengthscale²) from differences, one feature at a time, so that nothing cancels."""
    total = 0.0
    for difference in _differences(X, Y, lengthscale):
        total = total - difference * difference / 2
    return total


def _differences(X: Array, Y: Array, lengthscale: Array) -> Iterator[Array]:
    scales = lengthscale * _arrays.namespace(X).ones(X.shape[1], dtype=X.dtype, device=X.device)  # (d,)
    for j in range(X.shape[1]):
        yield (X[:, j][:, None] - Y[:, j][None, :]) / scales[j]  # (n, m)


def row_blocks(X: Array) -> list[Array]:
    """A matrix in blocks of rows, so that temporaries stay small."""
    return [X[i : min(i + _ROWS, X.shape[0]), :] for i in range(0, X.shape[0], _ROWS)]
