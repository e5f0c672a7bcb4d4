"""How many draws of W carry the denominator of a query: a diagnosis from the features at hand, without the answer.

The denominator of query q is a sum over the rows of W. Row r contributes t_r = φ_r(q) Σ_j φ_r(k_j) >= 0; of features in
pairs, of w and of -w, both. The effective sample size (Kish 1965, "Survey Sampling") counts the rows that matter,

    size = (Σ_r t_r)² / Σ_r t_r²,    from 1, one row is all, to m, all rows are alike.

For m independent rows the standard error of the denominator, estimated from them and in units of itself, is exactly
√((1/size - 1/m) m/(m - 1)), about 1/√size where size is well below m. Of a single key size/m tends to 1/s, with s the
second moment of ``features.optimal``, as m grows far above s. With m below s the size is larger than m/s: as every
diagnosis from the draws themselves it knows nothing of rows that never came.

>>> phi = [[1.0, 1.0, 0.0], [2.0, 0.0, 0.0]]
>>> effective_sample_size(phi, phi)
array([1.6, 1. ])
"""

import math
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import host
from companion._core.checks import ApproximationWarning
from companion.attention import shared
from companion.attention._fast import parts
from companion.features.positive import log_hyperbolic

BLOCK = 2**20  # numbers of a block of features

Map = Callable[[np.ndarray], np.ndarray]
"""Logarithms of features (..., n, D) of some queries or keys (..., n, d)."""


def effective_sample_size_reference(phi_query: np.ndarray, phi_key: np.ndarray) -> np.ndarray:
    """(Σ t)² / Σ t² for t = φ(q_i) ⊙ Σ_j φ(k_j), one sequence, each feature a draw."""
    terms = phi_query * phi_key.sum(axis=0)  # (n, D)
    return terms.sum(axis=1) ** 2 / np.sum(terms**2, axis=1)


def effective_sample_size(
    phi_query: Any,
    phi_key: Any,
    *,
    log: bool = False,
    pairs: bool = False,
    is_causal: bool = False,
    key_mask: Any = None,
) -> np.ndarray:
    """How many draws carry the denominator of each query, from 1 to the number m of draws.

    Parameters
    ----------
    phi_query : array of shape (..., n, D)
        Features of the queries, or their logarithms; leading axes are batches and heads.
    phi_key : array of shape (..., l, D)
        Features of the keys, with the same leading axes.
    log : bool
        The features are given as logarithms, of any size.
    pairs : bool
        Features r and r + D/2 are of one draw, w and -w, as those of ``features.hyperbolic``: m = D/2. Else m = D.
    is_causal : bool
        Query i attends to the keys 0 ... i only. n and l must be equal.
    key_mask : array of bool of shape (l,) or (..., l), optional
        True where a key is attended to.

    Returns
    -------
    ndarray of shape (..., n)
        In float64, computed on the host, without gradient; 0 where all terms of a query are 0.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite, dense and real, a feature is negative, the number of features is odd where they are
        in pairs, or shapes and mask do not fit together.

    Notes
    -----
    Page: ``attention/variance-of-positive-features``. Reference: ``effective_sample_size_reference``.
    For independent rows of W and as a guide for orthogonal ones, which err less;
    of rows with weights, as those of a grid, it tells no error.

    Examples
    --------
    >>> phi = [[1.0, 1.0], [9.0, 1.0]]
    >>> effective_sample_size(phi, phi, is_causal=True).round(2)
    array([2.  , 1.04])
    """
    query, key = (_logarithms(name, x, log) for name, x in (("phi_query", phi_query), ("phi_key", phi_key)))
    checks.same_features("phi_query", query.shape, "phi_key", key.shape)
    if query.shape[:-2] != key.shape[:-2]:
        got = f"shapes {query.shape} and {key.shape}"
        checks.fail("phi_query and phi_key", "equal in their leading axes", got, "")
    if pairs and query.shape[-1] % 2:
        checks.fail("phi_query", "of an even number of features where they are in pairs", f"{query.shape[-1]}", "")
    if is_causal:
        shared.check_causal(query, key)
    mask = shared.read_mask(key_mask, query, key, is_causal)
    return sizes(query, key, lambda x: x, query.shape[-1], mask, pairs, is_causal)


def sizes(
    query: np.ndarray, key: np.ndarray, log_map: Map, D: int, mask: np.ndarray | None, pairs: bool, is_causal: bool
) -> np.ndarray:
    """The effective sample sizes (..., n), from blocks of rows whose features are made one after the other."""
    rows = max(1, BLOCK // (D * math.prod(query.shape[:-2])))
    keys = (_masked(log_map(key[..., part, :]), mask, part) for part in parts(key.shape[-2], rows))
    if is_causal:
        sums = _running(keys)
    else:
        total = np.logaddexp.reduce([np.logaddexp.reduce(K, axis=-2, keepdims=True) for K in keys])
        sums = (total for _ in parts(query.shape[-2], rows))
    blocks = zip(parts(query.shape[-2], rows), sums, strict=True)
    return np.concatenate([_size(log_map(query[..., part, :]) + S, pairs) for part, S in blocks], axis=-1)


def warn_below(
    least: float | None,
    query: Any,
    key: Any,
    rows: Any,
    logs: Any,
    mask: Any,
    scale: float,
    log_map: Any,
    is_causal: bool,
    window: int,
) -> None:
    """One ``ApproximationWarning`` if queries have a smaller size than ``least``, where values may be read.

    The others are what ``performer.sums`` takes, but for query and key, which are not times √scale.
    """
    if least is None:
        return
    least = arrays.number("min_sample_size", least)
    if window:
        fix = "With exact weights beside them, features do not carry the whole denominator."
        checks.fail("min_sample_size", "left out where there is a window", f"{least:g}", fix)
    if not all(arrays.readable(x) for x in (query, key, rows, mask) if x is not None):
        return
    query, key, W = (host(x).astype(np.float64, copy=False) for x in (query, key, rows))
    logs, pairs, mask = host(logs), log_map is log_hyperbolic, None if mask is None else host(mask)
    root = math.sqrt(scale)
    found = sizes(query, key, lambda x: log_map(x * root, W, logs), len(W) * (1 + pairs), mask, pairs, is_causal)
    if few := int(np.sum(found < least)):
        warnings.warn(_warning(few, found, least, len(W)), ApproximationWarning, stacklevel=_callers_level())


def _warning(few: int, found: np.ndarray, least: float, m: int) -> str:
    return (
        f"{few:,} of {found.size:,} queries have an effective sample size below {least:g} of {m:,} rows of W, the "
        f"smallest {found.min():.2g}: their denominators are off by about 1/√size of themselves; more rows help, "
        "and shorter queries and keys, a window of exact scores, or softmax_attention."
    )


def _size(log_terms: np.ndarray, pairs: bool) -> np.ndarray:
    """(Σ t)² / Σ t² along the last axis, 0 if all t are 0."""
    top = log_terms.max(axis=-1, keepdims=True)
    t = np.exp(log_terms - np.where(np.isfinite(top), top, 0.0))
    if pairs:
        half = t.shape[-1] // 2
        t = t[..., :half] + t[..., half:]
    squares = np.vecdot(t, t)
    return t.sum(axis=-1) ** 2 / np.where(squares > 0, squares, 1.0)


def _running(keys: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Logarithms of the sums up to each key, a block (..., C, D) at a time."""
    before = None
    for K in keys:
        K = K if before is None else np.concatenate([before, K], axis=-2)
        S = np.logaddexp.accumulate(K, axis=-2)
        yield S if before is None else S[..., 1:, :]
        before = S[..., -1:, :]


def _logarithms(name: str, value: Any, log: bool) -> np.ndarray:
    phi = host(arrays.read(name, value, arrays.BATCHES)[0]).astype(np.float64)
    if log:
        return phi
    if phi.min() < 0:
        fix = "Terms of both signs have no such size; take positive features."
        checks.fail(name, "without negative features", f"one of {phi.min():.3g}", fix)
    with np.errstate(divide="ignore"):
        return np.log(phi)


def _masked(log_key: np.ndarray, mask: np.ndarray | None, part: slice) -> np.ndarray:
    return log_key if mask is None else np.where(mask[..., part, None], log_key, -np.inf)


def _callers_level() -> int:
    """The level of the first line outside the package, for a warning of the function that asks."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("companion."):
        level, frame = level + 1, frame.f_back
    return level
