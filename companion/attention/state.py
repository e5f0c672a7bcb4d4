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
from companion.attention import _fast, linear, performer, shared


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
    state: LinearState | None,
    query: Any,
    key: Any,
    value: Any,
    W: Any,
    *,
    feature: str = "positive",
    second_moment: float | None = None,
    scale: float | None = None,
) -> tuple[Array, LinearState]:
    """Causal Performer attention of the next tokens, given the state of all before them.

    Parameters
    ----------
    state : LinearState or None
        From the step before; None at the start.
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
    scale : float, optional
        Factor of the inner products, at least 0; 1/√d if left out.

    Returns
    -------
    output : array of shape (..., n, e)
        As the same rows of ``performer_attention`` of the whole sequence with is_causal.
    state : LinearState
        That of all tokens so far: m or 2m features of e + 1 sums and a maximum each, in float32 or float64.

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
    sums = [state.sums, state.maxima] if isinstance(state, LinearState) else []
    if shared.are_plain_tensors(query, key, value, *sums) and not arrays.requires_grad(W):
        state = LinearState(*map(host, sums)) if sums else state
        q, k, v = (host(x) for x in (query, key, value))
        options: dict[str, Any] = {"feature": feature, "second_moment": second_moment, "scale": scale}
        output, new = performer_attention_step(state, q, k, v, W, **options)
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
    if tuple(state.sums.shape) == shape and type(state.sums) is type(like) and state.sums.device == like.device:
        return
    found, wanted = _place(tuple(state.sums.shape), state.sums), _place(shape, like)
    if found != wanted:
        checks.fail(name, f"of {wanted}", found, "A state goes on with the heads, features and device it began with.")


def _place(shape: tuple[int, ...], x: Array) -> str:
    return f"shape {shape} of {backend(x)} on {compat.device(x)}"
