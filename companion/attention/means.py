"""Near keys exactly, and one mean key for each block of far ones: landmarks that the data give.

    output_i = Σ_j w_ij v_j / Σ_j w_ij,    w_ij = exp(scale ⟨q_i, k_j⟩) where j is near i,
                                           w_ij = exp(scale ⟨q_i, k̄_b⟩) where j is far, in block b of mean key k̄_b

A block of far keys so enters by its mean key, its mean value and its count: a factorisation Φ Ψᵀ of the far weights, as
random features are, but with columns from the data, n / ``block`` of them. Nothing is drawn. Since exp is convex, the
mean of exp(scale ⟨q, k⟩) over a block is at least exp(scale ⟨q, k̄⟩) (Jensen): far keys weigh too little, by a factor
of about exp(scale² Var⟨q, k⟩ / 2). Mean keys of chunks are also part of EVA (Zheng et al. 2023, "Efficient attention
via control variates").

>>> x = [[0.0], [1.0], [2.0]]
>>> block_mean_attention(x, x, value=x, window=1, block=2).round(3)
array([[0.   ],
       [0.731],
       [1.851]])
"""

from functools import partial
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, namespace
from companion.attention import _near, near, pieces, shared
from companion.attention.state import NearState, near_step


def block_mean_attention(
    query: Any,
    key: Any,
    value: Any,
    *,
    window: int = 64,
    block: int = 256,
    is_causal: bool = True,
    scale: float | None = None,
    key_mask: Any = None,
    chunk_size: int = 64,
    **kwargs: Any,
) -> Array:
    """Softmax attention over near keys and the mean keys of blocks of far ones, in one normaliser.

    Parameters
    ----------
    query : array of shape (..., n, d)
        Queries; leading axes are batches and heads.
    key : array of shape (..., n, d)
        Keys, with the same leading axes.
    value : array of shape (..., n, e)
        Values, one for each key.
    window : int
        Near keys enter by their exact weight: positions are cut into blocks of ``window``, and a query sees the keys of
        its own block and of the one before exactly (not causal: of the one after, too). At least 1; with window >= n it
        is softmax attention.
    block : int
        Far keys are averaged in blocks of as many, a multiple of ``window``; the far keys of a block that is not yet
        whole have a mean of their own.
    is_causal : bool
        Query i attends to the keys 0 ... i only.
    scale : float, optional
        Factor of the inner products ⟨query, key⟩, at least 0; 1/√d if left out.
    key_mask : array of bool of shape (n,) or (..., n), optional
        True where a key is attended to; the others enter no mean.
    chunk_size : int
        Rows that are computed at once, at most. It changes the time and the rounding only.

    Returns
    -------
    array of shape (..., n, e)
        Averages of the values, on the backend and device of the query, in the common dtype (float16 and bfloat16 are
        computed in float32). Gradients pass.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite, dense and real, shapes, backends or devices do not fit together, ``block`` is no
        multiple of ``window``, the mask is not of bools or leaves a query without a key, or an output overflows. Where
        values are not read (accelerators, vmap), a query without a key has the output 0.

    Notes
    -----
    Page: ``attention/near-and-far``. Core: ``attention.near.sums`` of ``far_by_means``; on the host, where causal,
    ``attention.pieces.stream``. References: ``near_and_far_reference`` with ``block_means_reference``. The time grows
    with n (2 window + n / block).
    """
    shared.refuse(kwargs)
    _read_sizes(window=window, block=block, chunk_size=chunk_size)
    (query, key, value), dtype = shared.read_all(query=query, key=key, value=value)
    size = shared.read_window(window, query, key)
    mask = shared.read_mask(key_mask, query, key, is_causal)
    scale, block = shared.read_scale(scale, query), block if size == window else size
    with shared.full_precision(query), np.errstate(over="ignore", invalid="ignore"):
        if is_causal and all(arrays.is_plain(x) and not arrays.requires_grad(x) for x in (query, key, value)):
            far: Any = partial(pieces.Means, scale, block)
            output = _near.run(query, key, value, mask, far, scale, size, chunk_size)
        else:
            far = partial(near.far_by_means, scale=scale, per=block // size)
            output = near.average(query, key, value, mask, scale, size, is_causal, far, block=block)
    arrays.in_range("The output", output, "Scale query, key or value down.")
    return namespace(output).astype(output, dtype, copy=False)


def block_mean_attention_step(
    state: NearState | None,
    query: Any,
    key: Any,
    value: Any,
    *,
    window: int = 64,
    block: int = 256,
    scale: float | None = None,
) -> tuple[Array, NearState]:
    """Causal attention over near keys and block means, of the next tokens, given the state of all before them.

    Parameters
    ----------
    state : NearState or None
        From the step before; None at the start.
    query, key : array of shape (..., n, d)
        The next queries and their keys; n is 1 where a token is decoded at a time.
    value : array of shape (..., n, e)
        Values, one for each key.
    window, block : int
        As in ``block_mean_attention``, and the same in every step.
    scale : float, optional
        Factor of the inner products, at least 0; 1/√d if left out.

    Returns
    -------
    output : array of shape (..., n, e)
        As the same rows of ``block_mean_attention`` of the whole sequence.
    state : NearState
        That of all tokens so far: at most 2 ``window`` keys and values, and d + e + 1 sums for each block of far keys.

    Raises
    ------
    TypeError, ValueError
        As ``block_mean_attention``, or if the state is of other shapes or of another window.

    Notes
    -----
    Page: ``attention/near-and-far``. Core: ``attention.pieces.stream``.

    Examples
    --------
    >>> x = [[0.0]]
    >>> output, state = block_mean_attention_step(None, x, x, [[3.0]])
    >>> block_mean_attention_step(state, x, x, [[0.0]])[0]
    array([[1.5]])
    """
    _read_sizes(window=window, block=block)
    (query, key, value), dtype = shared.read_all(query=query, key=key, value=value)
    scale, width = shared.read_scale(scale, query), query.shape[-1] + value.shape[-1] + 1

    def far_of(known: Any, n_far: int) -> pieces.Means:
        return pieces.Means(scale, block, None if known is None else known.sums, n_far)

    def shape(n_far: int) -> tuple[int, int]:
        return -(-n_far // block), width

    output, new = near_step(state, query, key, value, scale, window, far_of, shape)
    return namespace(output).astype(output, dtype, copy=False), new


def _read_sizes(**sizes: Any) -> None:
    """Refuse what is no size, and blocks that windows do not fill."""
    for name, number in sizes.items():
        checks.integer(name, number, minimum=1)
    if sizes["block"] % sizes["window"]:
        got = f"block {sizes['block']} and window {sizes['window']}"
        checks.fail("block", "a multiple of window", got, "For example block = 4 * window.")
