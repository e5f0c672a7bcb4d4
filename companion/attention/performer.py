"""Performer attention: softmax attention estimated by positive random features, in time linear in the length.

With x = √scale q and y = √scale k the similarity exp(⟨x, y⟩) is the mean of ⟨φ(x), φ(y)⟩, for the features

    φ(x) = exp(⟨w_r, x⟩ - |x|²/2),    r = 1 ... m,    w_r ~ N(0, I)

(Choromanski et al. 2021, "Rethinking attention with Performers"), so that ``linear_attention`` of φ(x) and φ(y) has
unbiased numerators and denominators; their quotient is not unbiased. The error of a similarity in units of itself grows
with |x + y|: see ``features.positive``. The factor exp(-|x|²/2) of a query cancels, as do constants; nothing is added.

>>> from companion.frequencies import draw
>>> from companion.kernels import Softmax
>>> W = draw(Softmax(), 512, dim=2, rng=0)
>>> performer_attention([[0.5, 0.0]], key=[[0.5, 0.0], [0.0, 0.5]], value=[[1.0], [0.0]], W=W, scale=1.0).round(1)
array([[0.6]])
"""

import math
from functools import partial
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, follow, host, namespace
from companion.attention import _fast, _near, effective, linear, near, shared
from companion.attention.linear import linear_attention_reference
from companion.features.optimal import require_lengths, tilt_for
from companion.features.positive import log_hyperbolic, log_positive, read_rows, require_whole, tilted, with_digits
from companion.frequencies.hadamard import Hadamard

FEATURES = {"positive": log_positive, "hyperbolic": log_hyperbolic}
FEATURES |= {f"optimal_{name}": log_map for name, log_map in FEATURES.items()}  # of rows that are tilted before


def sums(
    query: Array, key: Array, columns: Array, W: Array, logs: Array | float, log_map: Any, mask: Any, size: int
) -> Array:
    """Numerators and denominators, each row at a scale of its own, for query and key times √scale: (..., n, e + 1).

    ``log_map`` is ``log_positive`` or ``log_hyperbolic``, ``logs`` its log amplitude. Causal in chunks of ``size``, a
    power of 2; 0 if every query sees every key.
    """
    log_query, log_key = (log_map(x, W, logs) for x in (query, key))
    log_key, columns = linear.masked(log_key, columns, mask, log=True)
    return linear.sums(log_query, log_key, columns, True, size)


def performer_attention_reference(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, W: np.ndarray, is_causal: bool = False
) -> np.ndarray:
    """Linear attention with φ(x) = exp(Wx - |x|²/2), x = q/d^¼ or k/d^¼, straight from the formula, one sequence."""
    X, Y = (x / x.shape[1] ** 0.25 for x in (query, key))
    phi_query, phi_key = (np.exp(x @ W.T - np.sum(x * x, axis=1, keepdims=True) / 2) for x in (X, Y))
    return linear_attention_reference(phi_query, phi_key, value, is_causal)


def performer_attention(
    query: Any,
    key: Any,
    value: Any,
    W: Any,
    *,
    feature: str = "positive",
    second_moment: float | None = None,
    is_causal: bool = False,
    window: int = 0,
    scale: float | None = None,
    key_mask: Any = None,
    chunk_size: int = 64,
    min_sample_size: float | None = None,
    **kwargs: Any,
) -> Array:
    """Softmax attention estimated by positive random features, in time linear in the length.

    Parameters
    ----------
    query : array of shape (..., n, d)
        Queries; leading axes are batches and heads.
    key : array of shape (..., l, d)
        Keys, with the same leading axes.
    value : array of shape (..., l, e)
        Values, one for each key.
    W : Frequencies, or array of shape (m, d)
        Rows that are N(0, I) each, from ``frequencies.draw(Softmax(), ...)``; all heads use the same.
    feature : {"positive", "hyperbolic", "optimal_positive", "optimal_hyperbolic"}
        One exponential for each row of W, or two, of w and of -w: D = m or 2m features. The optimal ones are of rows
        that suit ``second_moment``.
    second_moment : float, optional
        For the optimal features: the mean of scale |query + key|², from ``features.mean_square`` of data like these. It
        is not estimated here, since a causal output must not depend on later keys.
    is_causal : bool
        Query i attends to the keys 0 ... i only. n and l must be equal.
    window : int
        Near keys enter by their exact weight, in the same normaliser: positions are cut into blocks of ``window``, and
        a query sees the keys of its own block and of the one before exactly (not causal: of the one after, too). The
        others are estimated by features, without bias. 0 for none; with window >= n it is softmax attention.
    scale : float, optional
        Factor of the inner products ⟨query, key⟩, at least 0; 1/√d if left out.
    key_mask : array of bool of shape (l,) or (..., l), optional
        True where a key is attended to; φ of the others is 0.
    chunk_size : int
        Rows of a chunk of causal attention, rounded up to a power of 2. It changes the time and the rounding only.
    min_sample_size : float, optional
        Warn if the denominator of a query hangs on fewer rows of W than this, by ``effective_sample_size``: below 25 it
        is off by about a fifth. That takes a few times as long as the attention, and is left out where values are not
        read. Not with a window.

    Returns
    -------
    array of shape (..., n, e)
        Averages of the values, on the backend and device of the query, in the common dtype (float16 and bfloat16 are
        computed in float32). Gradients pass; on the host those of query, key and value once, in memory that does not
        grow with D. If W is a tensor that requires grad, they pass to it too, without a limit, as on other devices and
        with a window.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite, dense and real, shapes, backends or devices do not fit together, the mask is not of
        bools or leaves a query without a key, exponents lose their digits, or an output overflows. Where values are not
        read (accelerators, vmap), a query without a key has the output 0.

    Warns
    -----
    ApproximationWarning
        Only if ``min_sample_size`` is given.

    Notes
    -----
    Pages: ``attention/performer``, ``attention/near-and-far``. Core: ``attention.performer.sums``; on the host
    ``attention._fast`` computes the same with features of a chunk at a time. With a window: ``attention.near.sums``, on
    the host ``attention.pieces.stream``. References: ``performer_attention_reference``, ``near_and_far_reference``.
    Arguments of torch's that are not taken are refused with what to do instead.

    Examples
    --------
    >>> x = [[0.0], [1.0], [2.0]]
    >>> performer_attention(x, x, value=x, W=[[1.0], [-1.0]], is_causal=True).round(3)
    array([[0.   ],
           [0.597],
           [0.995]])
    """
    options: dict[str, Any] = {
        "feature": feature,
        "second_moment": second_moment,
        "is_causal": is_causal,
        "window": window,
        "scale": scale,
        "chunk_size": chunk_size,
        "min_sample_size": min_sample_size,
    } | kwargs
    if shared.are_plain_tensors(query, key, value) and not arrays.requires_grad(W):
        output = performer_attention(host(query), host(key), host(value), W, key_mask=key_mask, **options)
        return arrays.from_host(output, query)
    shared.refuse(kwargs)
    checks.integer("chunk_size", chunk_size, minimum=1)
    checks.known("feature", feature, list(FEATURES))
    (query, key, value), dtype = shared.read_all(query=query, key=key, value=value)
    if is_causal:
        shared.check_causal(query, key)
    window = shared.read_window(window, query, key)
    mask = shared.read_mask(key_mask, query, key, is_causal)
    scale = shared.read_scale(scale, query)
    rows, log_weights, query, key = read_rows_beside(W, query, key, scale, feature, second_moment)
    how = (mask, scale, FEATURES[feature], is_causal, window)
    effective.warn_below(min_sample_size, query, key, rows, log_weights, *how)
    value = namespace(value).astype(value, query.dtype, copy=False)
    on_host = all(map(arrays.is_plain, (query, key, value, rows))) and not arrays.requires_grad(rows)
    computed = query, key, value, rows, log_weights, mask, scale, feature
    with shared.full_precision(query), np.errstate(over="ignore", invalid="ignore"):
        if window:
            constant, in_pieces = log_constant(W, rows, feature), on_host and is_causal
            output = _with_window(*computed, window, is_causal, chunk_size, constant, in_pieces)
        else:
            size = linear.chunk(chunk_size, query) if is_causal else 0
            output = (_on_host if on_host else _by_core)(*computed, size)
    arrays.in_range("The output", output, "Scale value down.")
    return namespace(output).astype(output, dtype, copy=False)


def read_rows_beside(
    W: Any, query: Array, key: Array, scale: float, feature: str, second_moment: float | None
) -> tuple[Any, Any, Array, Array]:
    """Dense rows beside the query, their log amplitudes, and query and key in a dtype that suffices."""
    if not feature.endswith("hyperbolic"):
        require_whole(W)
    A = tilt_for(feature, second_moment, query.shape[-1])
    if A:
        require_lengths(W)
    rows, weights, longest = read_rows(W)
    checks.same_features("query", tuple(query.shape), "W", tuple(rows.shape))
    query, key = with_digits("query and key", [query, key], longest, scale, A)
    rows, logs = np.asarray(rows) if isinstance(rows, Hadamard) else rows, 0.0
    if weights is not None:
        weights = host(weights)
        rows, logs = rows[weights > 0], np.log(weights[weights > 0]) / 2
    rows = follow(rows, query)
    if A:
        rows, tilts = tilted(rows, A)
        logs = tilts + (follow(logs, query) if weights is not None else 0.0)
    return rows, logs, query, key


def log_constant(W: Any, rows: Array, feature: str) -> float:
    """The part of log φ that is the same for all features, which cancels unless exact weights stand beside them."""
    weighted = getattr(W, "weights", None) is not None
    return -math.log((1 + feature.endswith("hyperbolic")) * (1 if weighted else rows.shape[0])) / 2


def _with_window(
    query: Array,
    key: Array,
    value: Array,
    rows: Array,
    logs: Any,
    mask: Any,
    scale: float,
    feature: str,
    window: int,
    is_causal: bool,
    chunk_size: int,
    constant: float,
    in_pieces: bool,
) -> Array:
    """Near keys exactly: ``_near`` where it may be ``in_pieces`` and no gradient is asked; else ``near``."""
    if in_pieces and not any(map(arrays.requires_grad, (query, key, value))):
        far = partial(_near.Sums, host_maps(rows, logs, scale, feature), 2 * constant)
        return _near.run(query, key, value, mask, far, scale, window, chunk_size)
    root, logs = math.sqrt(scale), (follow(logs, query) if np.ndim(logs) else logs) + constant
    factors = (FEATURES[feature](x * root, rows, logs) for x in (query, key))
    return near.average(query, key, value, mask, scale, window, is_causal, near.far_by_features, *factors)


def _on_host(
    query: Array, key: Array, value: Array, rows: Array, logs: Any, mask: Any, scale: float, feature: str, size: int
) -> Array:
    """Features of a chunk at a time: ``_fast``."""
    keep = None if mask is None else host(mask)
    return _fast.run(query, key, value, keep, host_maps(rows, logs, scale, feature), size)


def host_maps(rows: Array, logs: Any, scale: float, feature: str) -> _fast.Maps:
    """What ``_fast`` needs of the rows."""
    W, both = host(rows), feature.endswith("hyperbolic")
    W = np.ascontiguousarray(W.T * np.asarray(math.sqrt(scale), W.dtype))
    logs = np.asarray(np.tile(host(logs), 2) if both else host(logs), W.dtype) if np.ndim(logs) else None
    return _fast.Maps(W, scale, both, logs)


def _by_core(
    query: Array, key: Array, value: Array, rows: Array, logs: Any, mask: Any, scale: float, feature: str, size: int
) -> Array:
    """All features at once: on accelerators, under vmap and compile, and where the rows require a gradient."""
    root, logs = math.sqrt(scale), follow(logs, query) if np.ndim(logs) else logs
    return linear.divide(
        sums(query * root, key * root, linear.with_ones(value), rows, logs, FEATURES[feature], mask, size)
    )
