"""Softmax attention, exactly: each output is an average of the values, weighted by a kernel of query and key.

    output_i = Σ_j w_ij v_j,    w_ij = exp(scale ⟨q_i, k_j⟩) / Σ_l exp(scale ⟨q_i, k_l⟩),    scale = 1/√dim

(Vaswani et al. 2017, "Attention is all you need", equation 1). It is the Nadaraya–Watson smoother with the kernel
exp(scale ⟨q, k⟩) (Tsai et al. 2019, "Transformer dissection"). Time and memory grow with the product of the lengths.
The largest exponent of a row is subtracted first, which cancels, so nothing overflows; a weight is off by about eps
times the size of the largest exponent.

>>> softmax_attention([[0.0]], key=[[1.0], [2.0]], value=[[1.0], [3.0]])
array([[2.]])
"""

import math
from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import arrays
from companion._core.arrays import Array, namespace
from companion.attention import shared


def softmax_weights(query: Array, key: Array, scale: float, allowed: Array | None = None) -> Array:
    """w_ij, for query (..., n, d), key (..., l, d) and ``allowed``, True where i may attend to j: (..., n, l)."""
    xp = namespace(query)
    scores = (query * scale) @ key.mT  # (..., n, l)
    if allowed is None:
        weights = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
        return weights / xp.sum(weights, axis=-1, keepdims=True)
    scores = xp.where(allowed, scores, xp.finfo(scores.dtype).min / 2)
    weights = xp.where(allowed, xp.exp(scores - xp.max(scores, axis=-1, keepdims=True)), 0.0)
    total = xp.sum(weights, axis=-1, keepdims=True)
    return weights / xp.where(total > 0, total, 1.0)  # a row that may attend to nothing is 0


def attention(query: Array, key: Array, value: Array, scale: float, allowed: Array | None = None) -> Array:
    """The average Σ_j w_ij v_j, for value (..., l, e): (..., n, e)."""
    return softmax_weights(query, key, scale, allowed) @ value


def softmax_attention_reference(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Σ_j exp(⟨q_i, k_j⟩/√d) v_j / Σ_j exp(⟨q_i, k_j⟩/√d), straight from the formula, for one sequence."""
    kernel = np.exp(query @ key.T / np.sqrt(query.shape[-1]))
    return kernel @ value / kernel.sum(axis=1, keepdims=True)


def softmax_attention(
    query: Any,
    key: Any,
    value: Any,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    key_mask: Any = None,
    **kwargs: Any,
) -> Array:
    """Softmax attention: averages of the values, weighted by exp(scale ⟨query, key⟩).

    Parameters
    ----------
    query : array of shape (..., n, d)
        Queries; leading axes are batches and heads.
    key : array of shape (..., l, d)
        Keys, with the same leading axes.
    value : array of shape (..., l, e)
        Values, one for each key.
    is_causal : bool
        Query i attends to the keys 0 ... i only. n and l must be equal.
    scale : float, optional
        Factor of the inner products, at least 0; 1/√d if left out.
    key_mask : array of bool of shape (l,) or (..., l), optional
        True where a key is attended to.

    Returns
    -------
    array of shape (..., n, e)
        On the backend and device of the query, in the common dtype (float16 and bfloat16 are computed in float32).
        Gradients pass.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite, dense and real, shapes, backends or devices do not fit together, the mask is not of
        bools or leaves a query without a key, an inner product overflows, or the weights do not fit into memory. Where
        values are not read (accelerators, vmap), a query without a key has the output 0.

    Notes
    -----
    Page: ``attention/attention-is-a-kernel-smoother``. Core: ``attention.exact.attention``. Reference:
    ``softmax_attention_reference``. Arguments of torch's that are not taken are refused with what to do instead.

    Examples
    --------
    >>> x = [[0.0], [1.0], [2.0]]
    >>> softmax_attention(x, x, value=x, is_causal=True).round(3)
    array([[0.   ],
           [0.731],
           [1.851]])
    """
    shared.refuse(kwargs)
    (query, key, value), dtype = shared.read_all(query=query, key=key, value=value)
    mask = shared.read_mask(key_mask, query, key, is_causal)
    scale = shared.read_scale(scale, query)
    rows = math.prod(query.shape[:-1])
    arrays.fits_memory("the weights", rows, key.shape[-2], query, "Use fewer queries at once.", copies=3)
    with shared.full_precision(query), np.errstate(over="ignore", invalid="ignore"):
        output = attention(query, key, value, scale, _allowed(query, key, mask, is_causal))
    arrays.in_range("scale * query @ key.T", output, "Scale query and key down, or pass them in float64.")
    return namespace(output).astype(output, dtype, copy=False)


def _allowed(query: Array, key: Array, mask: Array | None, is_causal: bool) -> Array | None:
    """Which query may attend to which key: (n, l) or (..., n or 1, l)."""
    mask = None if mask is None else mask[..., None, :]
    if not is_causal:
        return mask
    shared.check_causal(query, key)
    position = namespace(key).arange(key.shape[-2], device=compat.device(key))
    past = position[:, None] >= position[None, :]  # (n, l)
    return past if mask is None else past & mask
