"""Linear attention: the kernel of query and key is ⟨φ(q), φ(k)⟩, so the sums over keys are made once for all queries.

    output_i = φ(q_i)ᵀ Σ_j φ(k_j) v_jᵀ / φ(q_i)ᵀ Σ_j φ(k_j),    causal: j <= i

(Katharopoulos et al. 2020, "Transformers are RNNs", sections 3.2 and 3.3). Time grows with the length, not its square.
A column of ones beside the values makes the denominator with the numerator; nothing is added to it: weights sum to 1.

Causal sums go by chunks c of C rows, with U = [V, 1]: the sums before a chunk are S_[c+1] = S_[c] + K_cᵀ U_c, its rows
are O_c = Q_c S_[c] + tril(Q_c K_cᵀ) U_c. Of logarithms of features every sum is kept as exp(maxima) · sums. A maximum
over a whole chunk would know of later keys, so that sums before these could vanish. So the keys of each left half, of
2, 4, ..., C rows, are summed for the queries of the right half, with maxima over that left half.

>>> linear_attention([[1.0, 0.0]], phi_key=[[1.0, 1.0], [3.0, 0.0]], value=[[0.0], [4.0]])
array([[3.]])
"""

from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, host, namespace
from companion.attention import shared

Scaled = tuple[Array, Array]
"""exp(top) · sums, as (sums, top): (..., r, e + 1) and (..., r, 1)."""


def causal_sums(phi_query: Array, phi_key: Array, columns: Array, size: int) -> Array:
    """Σ_{j <= i} ⟨φ(q_i), φ(k_j)⟩ [v_j, 1], for n rows in chunks of ``size``: (..., n, e + 1)."""
    xp = namespace(phi_query)
    Q, K, U = (chunks(x, size) for x in (phi_query, phi_key, columns))  # (..., n / C, C, D) or e + 1
    S = xp.cumulative_sum(K.mT @ U, axis=-3, include_initial=True)[..., :-1, :, :]  # (..., n / C, D, e + 1)
    return rows(Q @ S + xp.tril(Q @ K.mT) @ U)


def log_causal_sums(log_query: Array, log_key: Array, columns: Array, size: int) -> Scaled:
    """The same of logarithms of features; ``size`` is a power of 2."""
    Q, K, U = (chunks(x, size) for x in (log_query, log_key, columns))
    within = log_sums_within(Q, K, U)
    earlier = log_read(Q, *before(*log_sums(K, U)))
    sums, top = add(within, earlier)
    return rows(sums), rows(top)


def log_sums(log_key: Array, columns: Array) -> Scaled:
    """Σ_j φ(k_j) [v_j, 1] with the largest log φ of each feature as its scale: (..., D, e + 1) and (..., D, 1)."""
    xp = namespace(log_key)
    maxima = xp.max(log_key, axis=-2, keepdims=True)  # (..., 1, D)
    return xp.exp(log_key - maxima).mT @ columns, maxima.mT


def log_read(log_query: Array, sums: Array, maxima: Array) -> Scaled:
    """φ(q_i)ᵀ of the sums over keys, with a scale for each row: (..., n, e + 1) and (..., n, 1)."""
    xp = namespace(log_query)
    exponents = log_query + maxima.mT  # (..., n, D)
    top = xp.max(exponents, axis=-1, keepdims=True)
    return xp.exp(exponents - top) @ sums, top


def log_pairs(log_query: Array, log_key: Array, columns: Array) -> Scaled:
    """``log_read`` of ``log_sums`` by way of the pairs, which is faster where keys are fewer than features."""
    xp = namespace(log_query)
    maxima = xp.max(log_key, axis=-2, keepdims=True)  # (..., 1, D)
    exponents = log_query + maxima
    top = xp.max(exponents, axis=-1, keepdims=True)
    return xp.exp(exponents - top) @ xp.exp(log_key - maxima).mT @ columns, top


def log_sums_within(Q: Array, K: Array, U: Array) -> Scaled:
    """Σ_{j <= i} inside chunks of a power of 2: first j = i, then all left halves for their right halves."""
    sums, top = U, _log_sum_exp(Q + K)  # (..., C, e + 1), (..., C, 1)
    half = 1
    while half < Q.shape[-2]:
        later = log_pairs(_halves(Q, half)[1], _halves(K, half)[0], _halves(U, half)[0])
        (left, right), (low, high) = _halves(sums, half), _halves(top, half)
        right, high = add((right, high), later)
        sums, top = _join(left, right, sums), _join(low, high, top)
        half *= 2
    return sums, top


def add(one: Scaled, other: Scaled) -> Scaled:
    """exp(top) · sums of two, on the larger scale; associative."""
    xp = namespace(one[0])
    top = xp.maximum(one[1], other[1])
    return xp.exp(one[1] - top) * one[0] + xp.exp(other[1] - top) * other[0], top


def divide(sums: Array) -> Array:
    """Numerators by the last column; a row without a weight is 0."""
    total = sums[..., -1:]
    return sums[..., :-1] / namespace(sums).where(total != 0, total, 1.0)


def linear_attention_reference(
    phi_query: np.ndarray, phi_key: np.ndarray, value: np.ndarray, is_causal: bool = False
) -> np.ndarray:
    """Σ_j ⟨φ(q_i), φ(k_j)⟩ v_j / Σ_j ⟨φ(q_i), φ(k_j)⟩, straight from the formula, for one sequence."""
    kernel = phi_query @ phi_key.T
    kernel = np.tril(kernel) if is_causal else kernel
    return kernel @ value / kernel.sum(axis=1, keepdims=True)


def linear_attention(
    phi_query: Any,
    phi_key: Any,
    value: Any,
    *,
    log: bool = False,
    is_causal: bool = False,
    key_mask: Any = None,
    chunk_size: int = 64,
    **kwargs: Any,
) -> Array:
    """Linear attention: averages of the values, weighted by ⟨φ(query), φ(key)⟩, in time linear in the length.

    Parameters
    ----------
    phi_query : array of shape (..., n, D)
        Features of the queries, or their logarithms; leading axes are batches and heads.
    phi_key : array of shape (..., l, D)
        Features of the keys, with the same leading axes.
    value : array of shape (..., l, e)
        Values, one for each key.
    log : bool
        The features are given as logarithms, of any size: no product of them overflows or vanishes.
    is_causal : bool
        Query i attends to the keys 0 ... i only. n and l must be equal.
    key_mask : array of bool of shape (l,) or (..., l), optional
        True where a key is attended to; φ of the others is 0.
    chunk_size : int
        Rows of a chunk of causal attention, rounded up to a power of 2. It changes the time and the rounding only.

    Returns
    -------
    array of shape (..., n, e)
        On the backend and device of the query, in the common dtype (float16 and bfloat16 are computed in float32).
        Gradients pass.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite, dense and real, shapes, backends or devices do not fit together, the mask is not of
        bools or leaves a query without a key, or the weights of a query sum to zero (within their rounding where
        features are negative). Where values are not read (accelerators, vmap), such a row is 0 if the sum is exactly 0.

    Notes
    -----
    Page: ``attention/linear-attention``. Cores: ``attention.linear.causal_sums`` and ``log_causal_sums``. Reference:
    ``linear_attention_reference``. Arguments of torch's that are not taken are refused with what to do instead.

    Examples
    --------
    >>> phi = [[1.0, 0.0], [1.0, 1.0]]
    >>> linear_attention(phi, phi, value=[[0.0], [3.0]], is_causal=True)
    array([[0.],
           [2.]])
    """
    shared.refuse(kwargs)
    checks.integer("chunk_size", chunk_size, minimum=1)
    (query, key, value), dtype = shared.read_all(phi_query=phi_query, phi_key=phi_key, value=value)
    if is_causal:
        shared.check_causal(query, key)
    key, columns = masked(key, with_ones(value), shared.read_mask(key_mask, query, key, is_causal), log)
    with shared.full_precision(query), np.errstate(over="ignore", invalid="ignore"):
        total = sums(query, key, columns, log, chunk(chunk_size, query) if is_causal else 0)
        output = divide(total)
    require_weights(total, 0.0 if log else _rounding(query, key, is_causal))
    return namespace(output).astype(output, dtype, copy=False)


def sums(query: Array, key: Array, columns: Array, log: bool, size: int) -> Array:
    """Numerators and denominators, of any scale in a row; causal in chunks of ``size``, full if that is 0."""
    if size:
        return causal(query, key, columns, log, size)[0]
    return log_read(query, *log_sums(key, columns))[0] if log else query @ (key.mT @ columns)


def chunk(size: int, query: Array) -> int:
    """The rows of a chunk: a power of 2, and no more than the length needs."""
    return 1 << (min(size, query.shape[-2]) - 1).bit_length()


def causal(query: Array, key: Array, columns: Array, log: bool, size: int) -> tuple[Array, Array | None]:
    """The causal sums and, of logarithms, their scales, for any length: rows of zeros fill the last chunk."""
    n = query.shape[-2]
    Q, K, U = (pad(x, -n % size) for x in (query, key, columns))
    if not log:
        return causal_sums(Q, K, U, size)[..., :n, :], None
    sums, top = log_causal_sums(Q, K, U, size)
    return sums[..., :n, :], top[..., :n, :]


def with_ones(value: Array) -> Array:
    """[v, 1]: the last column of a weighted sum is then the sum of the weights."""
    xp = namespace(value)
    return xp.concat([value, xp.ones_like(value[..., :1])], axis=-1)


def masked(key: Array, columns: Array, mask: Array | None, log: bool) -> tuple[Array, Array]:
    """φ(k) = 0 where the mask is False. The least logarithm is not -∞, so its rows of [v, 1] are 0 as well."""
    if mask is None:
        return key, columns
    where, keep = namespace(key).where, mask[..., None]
    return where(keep, key, lowest(key) if log else 0.0), where(keep, columns, 0.0)


def lowest(x: Array) -> float:
    """A logarithm so low that it counts for nothing, and that sums of it with others stay finite."""
    return float(namespace(x).finfo(x.dtype).min) / 4


def require_weights(sums: Array, rounding: Any = 0.0) -> None:
    """Refuse a row whose weights sum to zero or to no more than ``rounding``, and sums that overflowed."""
    if not arrays.readable(sums):
        return
    values = host(sums)
    if not np.isfinite(values).all():
        checks.no_overflow("The sums", float(np.finfo(values.dtype).max), "Scale features or value down.")
    bad = np.argwhere(np.abs(values[..., -1]) <= rounding)
    if len(bad):
        got = f"a sum of zero, or of zero to rounding, in row {bad[0, -1]}"
        got += f" of the sequence at {tuple(bad[0, :-1].tolist())}" if bad.shape[1] > 1 else ""
        checks.fail("The weights of a query", "of a sum other than 0", got, "Use positive features, in log form.")


def _rounding(query: Array, key: Array, is_causal: bool) -> Any:
    """The rounding of each sum of weights, where entries of both signs may cancel; else 0."""
    if not arrays.readable(query) or not arrays.readable(key):
        return 0.0
    q, k = host(query), host(key)
    if (q >= 0).all() and (k >= 0).all():
        return 0.0
    reach = np.abs(k).cumsum(axis=-2) if is_causal else np.abs(k).sum(axis=-2, keepdims=True)
    return np.finfo(q.dtype).eps * np.sum(np.abs(q) * reach, axis=-1)


def before(sums: Array, maxima: Array) -> Scaled:
    """The sums before each chunk, of those of the chunks: (..., n / C, D, e + 1) and (..., n / C, D, 1).

    By doubling: after step t they hold those of the 2^t chunks before, so that few operations do for many chunks.
    """
    xp, state, step = namespace(sums), shifted(sums, maxima), 1
    while step < sums.shape[-3]:
        head, tail, past = (
            tuple(x[..., part, :, :] for x in state) for part in (slice(step), slice(step, None), slice(-step))
        )
        state = tuple(xp.concat(pair, axis=-3) for pair in zip(head, add(tail, past), strict=True))
        step *= 2
    return state


def shifted(sums: Array, maxima: Array) -> Scaled:
    """Those of the chunk before each; of the first, sums over no keys."""
    return previous(sums), previous(maxima, lowest(maxima))


def previous(x: Array, first: float = 0.0) -> Array:
    """The chunk before each, (..., n / C, C, d); before the first stands a constant."""
    xp = namespace(x)
    return xp.concat([xp.full_like(x[..., :1, :, :], first), x[..., :-1, :, :]], axis=-3)


def _log_sum_exp(x: Array) -> Array:
    xp = namespace(x)
    top = xp.max(x, axis=-1, keepdims=True)
    return top + xp.log(xp.sum(xp.exp(x - top), axis=-1, keepdims=True))


def chunks(x: Array, size: int) -> Array:
    """Rows in chunks: (..., n / C, C, d)."""
    return namespace(x).reshape(x, (*x.shape[:-2], x.shape[-2] // size, size, x.shape[-1]))


def rows(x: Array) -> Array:
    """Chunks as rows again: (..., n, d)."""
    return namespace(x).reshape(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))


def _halves(x: Array, half: int) -> tuple[Array, Array]:
    """Left and right halves of blocks of rows: (..., C / 2h, h, D) each."""
    x = namespace(x).reshape(x, (*x.shape[:-2], x.shape[-2] // (2 * half), 2, half, x.shape[-1]))
    return x[..., 0, :, :], x[..., 1, :, :]


def _join(left: Array, right: Array, like: Array) -> Array:
    xp = namespace(like)
    return xp.reshape(xp.concat([left, right], axis=-2), like.shape)


def pad(x: Array, missing: int) -> Array:
    """With rows of zeros below."""
    if missing == 0:
        return x
    zeros = namespace(x).zeros((*x.shape[:-2], missing, x.shape[-1]), dtype=x.dtype, device=compat.device(x))
    return namespace(x).concat([x, zeros], axis=-2)
