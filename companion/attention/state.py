"""Decoding: the sums over all keys so far are a state of constant size, to which each token adds a term.

    S_i = S_{i-1} + φ(k_i) [v_i, 1],    output_i = φ(q_i)ᵀ S_i, divided by its last entry

(Katharopoulos et al. 2020, "Transformers are RNNs", section 3.4). It is ``linear_attention`` with is_causal, in pieces
of any length. States of parts of a sequence add up, in any grouping.

>>> output, state = linear_attention_step(None, [[1.0]], phi_key=[[2.0]], value=[[3.0]])
>>> linear_attention_step(state, [[1.0]], phi_key=[[1.0]], value=[[0.0]])[0]
array([[2.]])
"""

from dataclasses import dataclass
from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, backend, follow, host, namespace
from companion.attention import _fast, linear, performer, pieces, shared


@dataclass(frozen=True, eq=False)
class LinearState:
    """The sums over keys that linear attention needs of them: Σ_j φ(k_j) [v_j, 1] = exp(maxima) · sums.

    Parameters
    ----------
    sums : array of shape (..., D, e + 1)
        A row for each feature; its last entry is the sum of the features.
    maxima : array of shape (..., D, 1), or None
        Where features are logarithms, the largest of each feature so far, which is its scale; else None.
    """

    sums: Array
    maxima: Array | None = None

    def merge(self, other: "LinearState") -> "LinearState":
        """The state of two parts of a sequence together; associative, up to rounding.

        Parameters
        ----------
        other : LinearState
            That of the other part.

        Returns
        -------
        LinearState

        Raises
        ------
        ValueError
            If only one of them is of logarithms, or shapes, backends or devices differ.
        """
        _check(other, "other", tuple(self.sums.shape), self.sums, self.maxima is not None)
        if self.maxima is None:
            return LinearState(self.sums + other.sums)
        return LinearState(*linear.add((self.sums, self.maxima), (other.sums, other.maxima)))

    def __repr__(self) -> str:
        return f"LinearState(sums=array of shape {tuple(self.sums.shape)}, log={self.maxima is not None})"


@dataclass(frozen=True, eq=False)
class NearState:
    """What attention with a window knows of the tokens so far: near keys as they are, far ones by sums.

    Parameters
    ----------
    key : array of shape (..., r, d)
        The last keys, from the block before the last on: at most 2 ``window`` of them.
    value : array of shape (..., r, e)
        Their values.
    far : LinearState or None
        The sums over the keys before: of features, or of the keys of each block beside those of [v, 1]; None of none.
    length : int
        The number of tokens so far.
    """

    key: Array
    value: Array
    far: LinearState | None
    length: int

    def __repr__(self) -> str:
        return f"NearState(length={self.length}, key=array of shape {tuple(self.key.shape)}, far={self.far})"


def linear_attention_step(
    state: LinearState | None, phi_query: Any, phi_key: Any, value: Any, *, log: bool = False
) -> tuple[Array, LinearState]:
    """Causal linear attention of the next tokens, given the state of all before them.

    Parameters
    ----------
    state : LinearState or None
        From the step before; None at the start.
    phi_query : array of shape (..., n, D)
        Features of the next queries, or their logarithms; n is 1 where a token is decoded at a time.
    phi_key : array of shape (..., n, D)
        Features of their keys.
    value : array of shape (..., n, e)
        Values, one for each key.
    log : bool
        The features are given as logarithms.

    Returns
    -------
    output : array of shape (..., n, e)
        As the same rows of ``linear_attention`` of the whole sequence with is_causal.
    state : LinearState
        That of all tokens so far, in float32 or float64.

    Raises
    ------
    TypeError, ValueError
        As ``linear_attention``, or if the state is of other shapes, or not of logarithms where these are given.

    Notes
    -----
    Page: ``attention/linear-attention``. Core: ``attention.linear.log_read`` of the state.
    """
    (query, key, value), dtype = shared.read_all(phi_query=phi_query, phi_key=phi_key, value=value)
    shared.check_causal(query, key)
    columns = linear.with_ones(value)
    with shared.full_precision(query), np.errstate(over="ignore", invalid="ignore"):
        new = LinearState(*linear.log_sums(key, columns)) if log else LinearState(key.mT @ columns)
        sums, top = linear.causal(query, key, columns, log, linear.chunk(64, query))
        if state is not None:
            _check(state, "state", tuple(new.sums.shape), query, log)
            sums = _with_earlier(state, query, sums, top)
            new = state.merge(new)
        output = linear.divide(sums)
    linear.require_weights(sums)
    return namespace(output).astype(output, dtype, copy=False), new


def performer_attention_step(
    state: LinearState | NearState | None,
    query: Any,
    key: Any,
    value: Any,
    W: Any,
    *,
    feature: str = "positive",
    second_moment: float | None = None,
    window: int = 0,
    scale: float | None = None,
) -> tuple[Array, LinearState | NearState]:
    """Causal Performer attention of the next tokens, given the state of all before them.

    Parameters
    ----------
    state : LinearState, NearState or None
        From the step before, NearState where there is a window; None at the start.
    query, key : array of shape (..., n, d)
        The next queries and their keys; n is 1 where a token is decoded at a time.
    value : array of shape (..., n, e)
        Values, one for each key.
    W : Frequencies, or array of shape (m, d)
        As in ``performer_attention``, and the same in every step, as are the options.
    feature : {"positive", "hyperbolic", "optimal_positive", "optimal_hyperbolic"}
        One exponential for each row of W, or two.
    second_moment : float, optional
        For the optimal features, as in ``performer_attention``.
    window : int
        Size of a block of keys that enter by their exact weight, as in ``performer_attention``.
    scale : float, optional
        Factor of the inner products, at least 0; 1/√d if left out.

    Returns
    -------
    output : array of shape (..., n, e)
        As the same rows of ``performer_attention`` of the whole sequence with is_causal.
    state : LinearState or NearState
        That of all tokens so far: m or 2m features of e + 1 sums and a maximum each, in float32 or float64; where there
        is a window, beside at most 2 ``window`` keys and values.

    Raises
    ------
    TypeError, ValueError
        As ``performer_attention``, or if the state is of other shapes or no state of logarithms.

    Notes
    -----
    Page: ``attention/linear-attention``. Core: as ``linear_attention_step``, of ``features.positive``.

    Examples
    --------
    >>> x, W = [[0.0]], [[1.0], [-1.0]]
    >>> output, state = performer_attention_step(None, x, x, [[3.0]], W)
    >>> performer_attention_step(state, x, x, [[0.0]], W)[0]
    array([[1.5]])
    """
    checks.integer("window", window, minimum=0)
    if window:
        return _windowed(state, query, key, value, W, feature, second_moment, window, scale)
    return _without_window(state, query, key, value, W, feature, second_moment, scale)


def _without_window(
    state: Any, query: Any, key: Any, value: Any, W: Any, feature: str, second_moment: Any, scale: Any
) -> tuple[Array, LinearState]:
    """``performer_attention_step`` without a window."""
    sums = [state.sums, state.maxima] if isinstance(state, LinearState) else []
    if shared.are_plain_tensors(query, key, value, *sums) and not arrays.requires_grad(W):
        state = LinearState(*map(host, sums)) if sums else state
        q, k, v = (host(x) for x in (query, key, value))
        output, new = _without_window(state, q, k, v, W, feature, second_moment, scale)
        output, S, maxima = (arrays.from_host(host(x), query) for x in (output, new.sums, new.maxima))
        return output, LinearState(S, maxima)
    checks.known("feature", feature, list(performer.FEATURES))
    (query, key, value), dtype = shared.read_all(query=query, key=key, value=value)
    shared.check_causal(query, key)
    scale = shared.read_scale(scale, query)
    rows, logs, query, key = performer.read_rows_beside(W, query, key, scale, feature, second_moment)
    if state is not None:
        D = rows.shape[0] * (1 + feature.endswith("hyperbolic"))
        _check(state, "state", (*query.shape[:-2], D, value.shape[-1] + 1), query, True)
    if not all(arrays.is_plain(x) and not arrays.requires_grad(x) for x in (query, key, value, rows, *sums)):
        x, y = (performer.FEATURES[feature](z * scale**0.5, rows, follow(logs, z)) for z in (query, key))
        output, state = linear_attention_step(state, x, y, value, log=True)
        return namespace(output).astype(output, dtype, copy=False), state
    S, maxima = (None, _fast.NONE) if state is None else (host(state.sums), host(state.maxima).mT)
    maps = performer.host_maps(rows, logs, scale, feature)
    with np.errstate(over="ignore", invalid="ignore"):
        results = _fast.step(host(query), host(key), host(value), maps, S, maxima)
    output, S, maxima = (x if isinstance(query, np.ndarray) else arrays.from_host(x, query) for x in results)
    arrays.in_range("The output", output, "Scale value down.")
    return namespace(output).astype(output, dtype, copy=False), LinearState(S, maxima.mT)


def _windowed(
    state: Any, query: Any, key: Any, value: Any, W: Any, feature: str, second_moment: Any, window: int, scale: Any
) -> tuple[Array, NearState]:
    """``performer_attention_step`` with a window."""
    checks.known("feature", feature, list(performer.FEATURES))
    (query, key, value), dtype = shared.read_all(query=query, key=key, value=value)
    scale = shared.read_scale(scale, query)
    rows, logs, query, key = performer.read_rows_beside(W, query, key, scale, feature, second_moment)
    logs = follow(logs, query) + performer.log_constant(W, rows, feature)
    D = rows.shape[0] * (1 + feature.endswith("hyperbolic"))

    def log_map(x: Array) -> Array:
        return performer.FEATURES[feature](x * scale**0.5, rows, logs)

    def far_of(known: LinearState | None, n_far: int) -> pieces.Features:
        return pieces.Features(log_map) if known is None else pieces.Features(log_map, known.sums, known.maxima)

    output, new = near_step(state, query, key, value, scale, window, far_of, lambda n_far: (D, value.shape[-1] + 1))
    return namespace(output).astype(output, dtype, copy=False), new


def near_step(
    state: Any, query: Array, key: Array, value: Array, scale: float, window: int, far_of: Any, shape: Any
) -> tuple[Array, NearState]:
    """The next rows and the state after them: ``pieces.stream`` of the keys kept and the new ones.

    ``far_of`` makes what holds far keys of ``NearState.far`` and their number; ``shape`` is that of its sums.
    """
    shared.check_causal(query, key)
    xp, columns = namespace(query), linear.with_ones(value)
    known, length = None, 0
    if state is not None:
        _check_near(state, query, value, window, shape)
        known, length = state.far, state.length
        kept = (xp.astype(x, query.dtype, copy=False) for x in (state.key, linear.with_ones(state.value)))
        key, columns = (xp.concat([old, new], axis=-2) for old, new in zip(kept, (key, columns), strict=True))
    n_far = pieces.kept_from(length, window)
    with shared.full_precision(query), np.errstate(over="ignore", invalid="ignore"):
        output, far = pieces.stream(query, key, columns, far_of(known, n_far), scale, window)
    arrays.in_range("The output", output, "Scale query, key or value down.")
    length += query.shape[-2]
    first = pieces.kept_from(length, window) - n_far
    known = None if far.sums is None else LinearState(far.sums, getattr(far, "maxima", None))
    return output, NearState(key[..., first:, :], columns[..., first:, :-1], known, length)


def _check_near(state: Any, query: Array, value: Array, window: int, shape: Any) -> None:
    """Refuse what is no state of this attention."""
    if not isinstance(state, NearState):
        fix = "Pass what the step before returned, with the same window."
        checks.fail("state", "a NearState", type(state).__name__, fix, TypeError)
    n_far = pieces.kept_from(state.length, window)
    kept = (*query.shape[:-2], state.length - n_far)
    for name, x, wanted in (("key", state.key, query.shape[-1]), ("value", state.value, value.shape[-1])):
        _require_place(f"state.{name}", x, (*kept, wanted), query)
    if (state.far is None) != (n_far == 0):
        checks.fail("state", f"of window {window}", "one of another window", "Use the same window in every step.")
    if state.far is not None:
        _require_place("state.far", state.far.sums, (*query.shape[:-2], *shape(n_far)), query)


def _with_earlier(state: LinearState, query: Array, sums: Array, top: Array | None) -> Array:
    """The sums of rows with those over the keys of the state."""
    if state.maxima is None:
        return sums + query @ state.sums
    return linear.add((sums, top), linear.log_read(query, state.sums, state.maxima))[0]


def _check(state: Any, name: str, shape: tuple[int, ...], like: Array, log: bool) -> None:
    """Refuse what is no state of these features."""
    if not isinstance(state, LinearState):
        fix = "Pass what the step before returned."
        checks.fail(name, "a LinearState", type(state).__name__, fix, TypeError)
    if (state.maxima is not None) != log:
        got = "one of features" if log else "one of logarithms"
        checks.fail(name, f"of {'logarithms' if log else 'features'}", got, "Use the same log=... in every step.")
    _require_place(name, state.sums, shape, like)


def _require_place(name: str, x: Array, shape: tuple[int, ...], like: Array) -> None:
    """Refuse a part of a state that has another shape, backend or device."""
    if tuple(x.shape) == shape and type(x) is type(like) and x.device == like.device:
        return
    found, wanted = _place(tuple(x.shape), x), _place(shape, like)
    if found != wanted:
        fix = "A state goes on with the heads, features, window and device it began with."
        checks.fail(name, f"of {wanted}", found, fix)


def _place(shape: tuple[int, ...], x: Array) -> str:
    return f"shape {shape} of {backend(x)} on {compat.device(x)}"
