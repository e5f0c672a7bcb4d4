"""A product as a sum of columns times rows, of which a sample is kept.

    AB = Σ_i a_i b_iᵀ        a_i column i of A, b_i row i of B, n terms of sizes w_i = |a_i||b_i|, with the sum S

    scheme       estimate                               E |error|_F²                              for nothing
    draws        (1/r) Σ_t a_i b_iᵀ / p_i, i = i_t      (Σ_i w_i²/p_i - |AB|_F²) / r              Σ_i w_i²/p_i / r
    bernoulli    Σ_i a_i b_iᵀ / q_i over kept i         Σ_i (1/q_i - 1) w_i²                      the same
    top          Σ_i a_i b_iᵀ over the r largest w_i    |Σ_i a_i b_iᵀ over the others|_F²         (Σ_i w_i over them)²

Draws and Bernoulli are unbiased, top is not. Of all probabilities of draws, p_i = w_i/S has the smallest error,
(S² - |AB|_F²)/r (Drineas, Kannan & Mahoney 2006, "Fast Monte Carlo algorithms for matrices I", section 4): as long as
r < S²/|AB|_F² - 1 the zero matrix is closer. Bernoulli keeps term i with the probability q_i = min(1, κ w_i), r terms
in expectation (Adelman et al. 2021, "Faster neural network training with approximate tensor operations"). It beats
optimal draws where no q_i is 1 exactly if r Σ_i w_i² > |AB|_F², and loses where terms are alike.

>>> A, B = [[3.0, 0.0, 1.0]], [[2.0], [9.0], [6.0]]
>>> column_row(A, B, 2, rng=0).product, column_row_error(A, B, 2), column_row_error(A, B, 2, probabilities="uniform")
(array([[12.]]), 0.0, 36.0)
"""

import math
import warnings
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import device

from companion._core import arrays, checks
from companion._core.arrays import Array, Seed, detached, host, namespace
from companion._core.checks import NumericalWarning

SCHEMES = ("optimal", "uniform", "bernoulli", "top")


@dataclass(frozen=True, eq=False, repr=False)
class ColumnRow:
    """A product of which some terms were kept: ``product = (A[:, indices] * weights) @ B[indices]``.

    Parameters
    ----------
    product : array of shape (l, e)
        The estimate of AB.
    indices : array of shape (k,), integer
        The terms that were kept, each once, in increasing order; k is at most the number of draws.
    weights : array of shape (k,)
        What each kept term is multiplied by.
    probabilities : array of shape (n,)
        Of each term, that a draw hits it ("optimal", "uniform", an array), or that it is kept ("bernoulli", "top").
        Zero for terms that are zero; all of them are zero if AB has no other terms.
    error_bound : float
        Not below E |AB - product|_F², and exactly that for "bernoulli".
    """

    product: Array
    indices: Array
    weights: Array
    probabilities: Array
    error_bound: float

    def __repr__(self) -> str:
        kept, n = self.indices.shape[0], self.probabilities.shape[0]
        return f"ColumnRow({kept} of {n} terms, E |error|_F^2 <= {self.error_bound:.3g})"


def column_row_reference(A: np.ndarray, B: np.ndarray, r: int, rng: np.random.Generator) -> np.ndarray:
    """The estimate of AB from r draws with the optimal probabilities."""
    w = np.linalg.norm(A, axis=0) * np.linalg.norm(B, axis=1)  # (n,)
    p = w / w.sum()
    i = rng.choice(len(p), r, p=p)  # with replacement
    return (A[:, i] / (r * p[i])) @ B[i]


def kept_terms(A: Array, B: Array, indices: Array, weights: Array) -> Array:
    """Σ_k weights_k a_i b_iᵀ over i = indices_k, as one small product."""
    return (columns(A, indices) * weights) @ namespace(B).take(B, indices, axis=0)


def keep_probabilities(w: np.ndarray, r: int) -> np.ndarray:
    """q_i = min(1, κ w_i) with Σ q_i = r; if r terms or fewer are not zero, 1 for each of them."""
    if r >= np.count_nonzero(w):
        return np.where(w > 0, 1.0, 0.0)
    falling = np.sort(w)[::-1]
    rest = np.cumsum(falling[::-1])[::-1]  # the sum from here on
    sure = int(np.argmax((r - np.arange(r + 1)) * falling[: r + 1] <= rest[: r + 1]))
    return np.minimum(1.0, (r - sure) * (w / rest[sure]))


def column_row(A: Any, B: Any, n_samples: int, *, probabilities: Any = "optimal", rng: Seed = None) -> ColumnRow:
    """Estimate the product AB from a sample of its n terms, column i of A times row i of B.

    Parameters
    ----------
    A : array of shape (l, n)
        The left factor. Its columns are gathered fastest where A is the transpose of a contiguous array.
    B : array of shape (n, e)
        The right factor.
    n_samples : int
        Number r of draws ("optimal", "uniform", an array), of terms to keep ("top"), or its mean ("bernoulli").
    probabilities : {"optimal", "uniform", "bernoulli", "top"} or array of shape (n,)
        "optimal" draws term i with p_i proportional to w_i = |a_i||b_i|, with replacement; "uniform" with 1/n, an array
        with its own numbers. "bernoulli" keeps each term independently with q_i = min(1, κ w_i). "top" keeps the r
        terms of largest w_i as they are: it draws nothing, and is biased.
    rng : int, numpy Generator or None
        Source of randomness: the same draws on every backend.

    Returns
    -------
    ColumnRow
        The product on the backend and device and in the dtype of A and B (float16 and bfloat16 are computed in
        float32), what was kept, and the error that is to be expected. Gradients pass through the product, with the
        sample and its weights fixed.

    Raises
    ------
    TypeError, ValueError
        If A or B is no finite dense real matrix, if their inner dimensions, backends or devices differ, n_samples is no
        integer of at least 1, a probability is 0 where the term is not, or the product leaves the range of its dtype.

    Warns
    -----
    NumericalWarning
        Where the zero matrix is probably closer to AB than the sample: for "optimal" if r < S²/|AB|_F² - 1. The norm of
        AB is estimated from the sample itself, by its pairs of different terms, at the price of reading the product
        once; not from one draw, and on an accelerator only inside ``check_values_on_device``. Ignore the warning where
        many such estimates are averaged.

    Notes
    -----
    Page: ``low-rank/column-row``. Core: ``lowrank.products.kept_terms``, a product of n/k the work; the sizes take
    (l + e) n operations, and a term drawn twice is multiplied once, with twice the weight. ``error_bound`` is infinite
    where it leaves the range of a float. Not tested on CUDA.

    Examples
    --------
    >>> A = [[1.0, 2.0, 3.0], [1.0, 0.0, 1.0]]
    >>> column_row(A, [[1.0], [1.0], [2.0]], 2, probabilities="top")
    ColumnRow(2 of 3 terms, E |error|_F^2 <= 2)
    """
    A, B, dtype = _read(A, B)
    checks.integer("n_samples", n_samples, minimum=1)
    w, unit = _sizes(A, B)
    kind, p = _scheme(w, int(n_samples), probabilities)
    weights = _drawn(kind, p, int(n_samples), arrays.generator(rng, "lowrank.column_row"))
    bound = _bound(kind, w, p, n_samples)
    indices = np.flatnonzero(weights)
    kept = _place(indices, A), _place(weights[indices], A)
    with np.errstate(over="ignore", invalid="ignore"):
        product = kept_terms(A, B, *kept)
        result = namespace(A).astype(product, dtype, copy=False)
    if arrays.readable(product):
        square = _square(product, unit)
        if not math.isfinite(square) or product.dtype != dtype:
            arrays.in_range("AB", result, "Scale A or B.")
        _warn_if_zero_is_closer(kind, square, w, weights, n_samples, bound, unit)
    return ColumnRow(result, *kept, _place(p, A), bound * unit * unit)


def column_row_error(A: Any, B: Any, n_samples: int, *, probabilities: Any = "optimal") -> float:
    """The exact E |AB - product|_F² of `column_row`; except for "bernoulli" it costs the product itself.

    Parameters
    ----------
    A : array of shape (l, n)
        The left factor.
    B : array of shape (n, e)
        The right factor.
    n_samples : int
        Number of draws, or of terms kept, as in `column_row`.
    probabilities : {"optimal", "uniform", "bernoulli", "top"} or array of shape (n,)
        The scheme, as in `column_row`.

    Returns
    -------
    float
        The expected squared error in the Frobenius norm, computed in float64; for "top" the squared error.

    Raises
    ------
    TypeError, ValueError
        As `column_row`; also if the square leaves the range of a float.

    Notes
    -----
    Page: ``low-rank/column-row``. No gradient flows through it.

    Examples
    --------
    >>> column_row_error([[1.0, 1.0]], [[1.0], [-1.0]], 4)  # (S² - 0) / r
    1.0
    """
    A, B, _ = _read(A, B)
    checks.integer("n_samples", n_samples, minimum=1)
    A, B = (namespace(x).astype(detached(x), namespace(x).float64) for x in (A, B))
    w, unit = _sizes(A, B)
    kind, p = _scheme(w, int(n_samples), probabilities)
    error = _bound(kind, w, p, n_samples)
    with np.errstate(over="ignore", invalid="ignore"):
        if kind == "top":
            others = _place(np.flatnonzero(p == 0), A)
            error = _square(columns(A, others) @ namespace(B).take(B, others, axis=0), unit)
        elif kind == "draws":
            error = max(error - _square(A @ B, unit) / n_samples, 0.0)  # of equal numbers rounding may leave less
    if unit * unit == 0.0:
        return 0.0
    if not math.isfinite(result := error * unit * unit):
        checks.no_overflow("the squared error", float(np.finfo(np.float64).max), "Scale A or B.")
    return result


def columns(A: Array, indices: Array) -> Array:
    """These columns of A, read in the order in which A lies in memory."""
    xp, rows = namespace(A), A.mT
    in_order = rows.flags.c_contiguous if isinstance(rows, np.ndarray) else getattr(rows, "is_contiguous", bool)()
    return xp.take(rows, indices, axis=0).mT if in_order else xp.take(A, indices, axis=1)


def _read(A: Any, B: Any) -> tuple[Array, Array, Any]:
    """Both factors in a common dtype, and the dtype of the result."""
    A, dtype_a = arrays.read("A", A)
    B, dtype_b = arrays.read("B", B)
    arrays.require_one_place("A and B", (A, B), "one of them, for example torch.as_tensor(B), or move it.")
    if A.shape[1] != B.shape[0]:
        got = f"shapes {tuple(A.shape)} and {tuple(B.shape)}"
        checks.fail("A and B", "equal in their inner dimension, the columns of A and the rows of B", got, "")
    if arrays.in_vmap(A) or arrays.in_vmap(B):
        checks.fail("A and B", "arrays of numbers", "a batch of torch.func.vmap", "Loop over the batch.", TypeError)
    arrays.fits_memory("the product", A.shape[0], B.shape[1], A, "Multiply blocks of rows of A.")
    xp = namespace(A)
    common = xp.result_type(A, B)
    return xp.astype(A, common, copy=False), xp.astype(B, common, copy=False), xp.result_type(dtype_a, dtype_b)


def _sizes(A: Array, B: Array) -> tuple[np.ndarray, float]:
    """w_i = |a_i||b_i| on the host, in units of a power of two that is not below the largest; and that unit."""
    (m_a, e_a), (m_b, e_b) = _norms(detached(A), 0), _norms(detached(B), 1)
    m, e = m_a * m_b, e_a + e_b
    if not np.isfinite(m).all():
        checks.fail("A and B", "finite", "NaN or infinite entries", "Drop or impute them.")
    top = np.max(e[m > 0]) if m.any() else 0
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(m, e - top), float(np.ldexp(1.0, top))


def _norms(X: Array, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Norms m 2^e along an axis; where squares leave the range of the dtype, of vectors over their largest entries."""
    xp = namespace(X)
    limits = xp.finfo(X.dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = host(xp.sum(X * X, axis=axis)).astype(np.float64)
        if np.all((squares > limits.smallest_normal / limits.eps) & (squares < np.inf)):
            return np.frexp(np.sqrt(squares))
        largest = xp.max(xp.abs(X), axis=axis, keepdims=True)
        scaled = X / xp.where(largest > 0, largest, xp.ones_like(largest))
        m, e = np.frexp(host(largest).astype(np.float64).ravel())
        return m * np.sqrt(host(xp.sum(scaled * scaled, axis=axis))), e


def _scheme(w: np.ndarray, r: int, probabilities: Any) -> tuple[str, np.ndarray]:
    """The kind of scheme, draws, bernoulli or top, and its probabilities."""
    if not isinstance(probabilities, str):
        return "draws", _given(w, probabilities)
    checks.known("probabilities", probabilities, SCHEMES)
    if probabilities == "top":
        kept = np.zeros(len(w))
        kept[np.argsort(-w, kind="stable")[:r]] = 1.0  # the first of equals
        return "top", np.where(w > 0, kept, 0.0)
    if probabilities == "bernoulli":
        return "bernoulli", keep_probabilities(w, r)
    return "draws", w / (w.sum() or 1.0) if probabilities == "optimal" else np.full(len(w), 1 / len(w))


def _given(w: np.ndarray, probabilities: Any) -> np.ndarray:
    """A user's probabilities of a draw, checked and normalised."""
    p, expected = host(probabilities), "non-negative numbers that sum to 1, or the name of a scheme"
    if p.dtype.kind not in "fiu" or p.shape != w.shape:
        got = f"shape {p.shape} of {p.dtype}"
        checks.fail("probabilities", f"of shape {w.shape}, one number for each column of A", got, "")
    p = p.astype(np.float64)
    if not (np.all(p >= 0) and abs(p.sum() - 1) < 1e-5):
        checks.fail("probabilities", expected, f"a sum of {p.sum():g}, the least {p.min():g}", "Divide by their sum.")
    if np.any(lost := (p == 0) & (w > 0)):
        got = f"0 for term {np.argmax(lost)}"
        checks.fail("probabilities", "above 0 for every term that is not 0", got, "No sample would hold that term.")
    return p / p.sum()


def _drawn(kind: str, p: np.ndarray, r: int, random: np.random.Generator) -> np.ndarray:
    """What each term is multiplied by, zero if it is left out."""
    if kind == "top" or not p.any():
        return p
    if kind == "bernoulli":
        hits = (random.random(len(p)) < p).astype(np.float64)
    else:
        hits = np.bincount(random.choice(len(p), r, p=p), minlength=len(p)) / r
    return np.divide(hits, p, out=np.zeros(len(p)), where=hits > 0)


def _bound(kind: str, w: np.ndarray, p: np.ndarray, r: int) -> float:
    """What is known of the expected squared error without the product, in squared units."""
    if kind == "top":
        return float(w[p == 0].sum() ** 2)
    w, p = w[p > 0], p[p > 0]
    with np.errstate(over="ignore"):
        return float(np.sum(w * w * (1 / p - 1))) if kind == "bernoulli" else float(np.sum(w * (w / p))) / r


def _square(product: Array, unit: float) -> float:
    """|product|_F² in squared units; its entries are divided only if their squares leave the range of the dtype."""
    xp = namespace(product)
    x = xp.reshape(detached(product), (-1,))
    with np.errstate(all="ignore"):
        if not (0 < (square := float(xp.vecdot(x, x))) < math.inf):
            x = x / (unit or 1.0)
            return float(xp.vecdot(x, x))
        return float(np.float64(square) / unit / unit)


def _warn_if_zero_is_closer(
    kind: str, square: float, w: np.ndarray, weights: np.ndarray, r: int, bound: float, unit: float
) -> None:
    """Warn if |AB|_F² seems to be below the error.

    |AB|_F² = Σ_i w_i² + Σ_{i≠j} ⟨a_i, a_j⟩⟨b_i, b_j⟩. The first sum is known, and the pairs of different terms in the
    sample estimate the second one without bias: what |product|_F² has beside Σ_i (weights_i w_i)², times r / (r - 1)
    for draws.
    """
    if kind == "top" or r == 1 or not (0 < unit < math.inf and math.isfinite(square)):
        return
    draws = kind == "draws"
    pairs = square - float(np.sum((weights * w) ** 2))
    norm = float(np.sum(w * w)) + (pairs * r / (r - 1) if draws else pairs)
    if (bound - norm / r if draws else bound) <= norm:
        return
    if draws:
        needed = r * bound / norm - 1 if norm > 0 else math.inf
    else:  # the first number of terms with a smaller error
        sizes = range(1, len(w))
        needed = 1 + bisect_left(sizes, -norm, key=lambda k: -_bound(kind, w, keep_probabilities(w, k), k))
    message = (
        f"n_samples must be above {needed:,.0f}, as the sample estimates, for the result to be closer to AB than "
        f"the zero matrix is; got {r}. Take more, or ignore this where many such results are averaged."
    )
    warnings.warn(message, NumericalWarning, stacklevel=3)


def _place(values: np.ndarray, like: Array) -> Array:
    """A host array on the backend and device of ``like``; numbers that are no indices in its dtype."""
    values = values.astype(arrays.dtype_name(like), copy=False) if values.dtype.kind == "f" else values
    return namespace(like).asarray(values, device=device(like))
