"""The pseudo-inverse: it comes nearest to solving A w = y, and of all that come nearest it gives the shortest w.

    A = Σ_i σ_i u_i v_iᵀ,    A⁺ = Σ_{σ_i > t} v_i u_iᵀ / σ_i,    t = rtol · σ_1, by default max(n, p) · eps · σ_1

(Penrose 1955, "A generalized inverse for matrices", whose four conditions A⁺ alone meets; the sum is a consequence of
the singular value decomposition.) What is dropped is a decision: A⁺ is discontinuous where the rank changes. An error E
of A moves A⁺ by about |E| / σ² at most, for the smallest σ kept, and by at least 1 / |E| where it changes the rank
(Wedin 1973, "Perturbation theory for pseudo-inverses"). To solve one system ``numpy.linalg.lstsq`` does better.

>>> pinv([[1.0, 1.0], [1.0, 1.0]]).round(3)
array([[0.25, 0.25],
       [0.25, 0.25]])
>>> numerical_rank([2.0, 1e-17], (2, 2))
Rank(rank=1, threshold=8.88e-16, kept=2, dropped=1e-17)
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, detached, namespace, readable
from companion._core.checks import NumericalWarning

NEAR = 2.0
"""How near to the threshold, as a factor, a singular value makes the rank doubtful. Rounding alone stays below half."""


class Rank(NamedTuple):
    """How many singular values count, and what stands on both sides of the threshold.

    Parameters
    ----------
    rank : int
        The number of singular values above the threshold.
    threshold : float
        rtol times the largest singular value.
    kept : float
        The smallest singular value above the threshold; infinite without one.
    dropped : float
        The largest one that is not; 0 without one. Where kept / dropped is large, the rank does not hinge on rtol.
    """

    rank: int
    threshold: float
    kept: float
    dropped: float

    def __repr__(self) -> str:
        numbers = (f"{name}={getattr(self, name):.3g}" for name in self._fields[1:])
        return f"Rank(rank={self.rank}, {', '.join(numbers)})"


def inverse_by_svd(U: Array, s: Array, Vh: Array, rtol: float) -> Array:
    """A⁺ = V S⁺ Uᵀ of A = U S Vᵀ, where S⁺ holds 1 / σ for σ > rtol · σ_1 and else 0."""
    xp = namespace(s)
    kept = s > rtol * s[..., :1]
    inverse = xp.where(kept, 1 / xp.where(kept, s, 1.0), 0.0)
    return (Vh.mT * inverse[..., None, :]) @ U.mT


def penrose(A: Array, B: Array) -> Array:
    """|ABA - A| / |A|, |BAB - B| / |B|, |(AB)ᵀ - AB| / |AB| and |(BA)ᵀ - BA| / |BA|, Frobenius norms, 0 / 0 = 0."""
    xp = namespace(A)
    AB, BA = A @ B, B @ A
    pairs = (AB @ A, A), (BA @ B, B), (AB.mT, AB), (BA.mT, BA)
    errors = xp.stack([xp.linalg.matrix_norm(got - wanted) for got, wanted in pairs], axis=-1)
    sizes = xp.stack([xp.linalg.matrix_norm(wanted) for _, wanted in pairs], axis=-1)
    return errors / xp.where(sizes > 0, sizes, 1.0)


def pinv_reference(A: np.ndarray, rtol: float) -> np.ndarray:
    """A⁺ straight from the formula."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    kept = s > rtol * s[0]
    return (Vt[kept].T / s[kept]) @ U[:, kept].T


def pinv(A: Any, *, rtol: float | None = None, return_rank: bool = False) -> Any:
    """The pseudo-inverse A⁺: A⁺ y is the shortest of all w that minimise |A w - y|.

    Parameters
    ----------
    A : array of shape (..., n, p)
        A matrix, or a batch of matrices.
    rtol : float, optional
        Singular values up to rtol times the largest count as 0: at least 0, less than 1. By default max(n, p) times the
        eps of A's own dtype, at most 1/2: for entries with rounding errors. For larger errors E of the entries choose
        it so that rtol · σ_1 is above |E|.
    return_rank : bool
        Whether the number of singular values kept is returned, too.

    Returns
    -------
    array of shape (..., p, n), or a pair
        A⁺ on the backend and device and in the dtype of A (float16 and bfloat16 are computed in float32; integers
        give float64), and on request the rank: an int, or of a batch an array of shape (...). Gradients pass, of a
        matrix whose rank stays; ``torch.func.vmap`` too.

    Raises
    ------
    TypeError, ValueError
        If A is no finite dense real matrix or batch, rtol is out of range, or A⁺ does not fit its dtype.

    Warns
    -----
    NumericalWarning
        If a singular value is within a factor of 2 of the threshold, so that A⁺ hinges on rtol (on the host).

    Notes
    -----
    Page: ``low-rank/pseudo-inverse``. Core: ``lowrank.inverse.inverse_by_svd``; reference: ``pinv_reference``. Where a
    tensor records a gradient, ``torch.linalg.pinv`` computes A⁺, since the gradient of singular vectors is infinite
    where singular values are equal. In half precision the default drops much: eps is 1e-3 and 8e-3.

    Examples
    --------
    >>> pinv([[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]], return_rank=True)
    (array([[0.5, 0. , 0. ],
           [0. , 0. , 0. ]]), 1)
    """
    A, dtype = arrays.read("A", A, arrays.BATCHES)
    xp, rtol = namespace(A), _tolerance(rtol, tuple(A.shape), namespace(A).finfo(dtype).eps)
    U, s, Vh = xp.linalg.svd(detached(A) if _differentiated(A) else A, full_matrices=False)
    _warn_near(arrays.in_range("singular values of A", s, "Scale A down: pinv(A) = c * pinv(c * A)."), rtol)
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = xp.linalg.pinv(A, rtol=rtol) if _differentiated(A) else inverse_by_svd(U, s, Vh, rtol)
        inverse = arrays.in_range("A⁺", xp.astype(inverse, dtype, copy=False), "Scale A up: pinv(A) = c * pinv(c * A).")
    return (inverse, _count(s, rtol)) if return_rank else inverse


def numerical_rank(s: Any, shape: tuple[int, int], *, rtol: float | None = None) -> Rank:
    """How many singular values count, where the threshold is, and what stands next to it on both sides.

    Parameters
    ----------
    s : array of shape (k,)
        Singular values, in any order; of a dtype whose eps gives the default of ``rtol``.
    shape : (int, int)
        The shape of their matrix.
    rtol : float, optional
        The threshold over the largest singular value; by default max(shape) · eps, as in ``pinv``.

    Returns
    -------
    Rank
        Its rank, threshold, kept and dropped; the last two are the singular values next to the threshold.

    Raises
    ------
    TypeError, ValueError
        If s is not finite or has a negative entry, or rtol is out of range.

    Notes
    -----
    Page: ``low-rank/pseudo-inverse``.
    """
    s, dtype = arrays.read("s", s, ndim=(1,))
    values = arrays.host(s).astype(np.float64)
    if (values < 0).any():
        checks.fail("s", "made of singular values, at least 0", f"{values.min():.3g}", "Eigenvalues: pass abs(values).")
    threshold = _tolerance(rtol, shape, namespace(s).finfo(dtype).eps) * float(values.max())
    kept = values > threshold
    above, below = values[kept].min(initial=math.inf), values[~kept].max(initial=0.0)
    return Rank(int(kept.sum()), threshold, float(above), float(below))


def penrose_residuals(A: Any, B: Any) -> Array:
    """By how much B misses each of the four conditions that A⁺ alone meets, relative to what stands in them.

    Parameters
    ----------
    A : array of shape (..., n, p)
        A matrix, or a batch of matrices.
    B : array of shape (..., p, n)
        What may be their pseudo-inverse.

    Returns
    -------
    array of shape (..., 4)
        |ABA - A| / |A|, |BAB - B| / |B|, |(AB)ᵀ - AB| / |AB| and |(BA)ᵀ - BA| / |BA| in Frobenius norms, 0 where both
        are 0; in the dtype of A and B. Rounding leaves about eps · σ_1 / σ_r.

    Raises
    ------
    TypeError, ValueError
        If A and B are no finite matrices on one backend and device whose shapes are each other's transposes, or a
        product leaves the range of its dtype.

    Notes
    -----
    Page: ``low-rank/pseudo-inverse``. Core: ``lowrank.inverse.penrose``. Penrose 1955, equations 3 to 6.

    Examples
    --------
    >>> penrose_residuals([[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]).round(3)
    array([0., 0., 0., 1.])
    """
    A, dtype = arrays.read("A", A, arrays.BATCHES)
    B, other = arrays.read("B", B, arrays.BATCHES)
    arrays.require_one_place("A and B", (A, B), "one of them, for example torch.as_tensor(B), or move it.")
    wanted = (*A.shape[:-2], A.shape[-1], A.shape[-2])
    if tuple(B.shape) != wanted:
        checks.fail("B", f"of shape {wanted}, that of A's transpose", f"shape {tuple(B.shape)}", "")
    xp = namespace(A)
    A, B = (xp.astype(x, xp.result_type(A, B), copy=False) for x in (A, B))
    scale = xp.max(xp.abs(detached(A)), axis=(-2, -1), keepdims=True)
    scale = xp.where(scale > 0, scale, 1.0)  # neither residuals nor products change, and squares do not overflow
    with np.errstate(over="ignore", invalid="ignore"):
        found = penrose(A / scale, B * scale)
    found = xp.astype(found, xp.result_type(dtype, other), copy=False)
    return arrays.in_range("products of A and B", found, "Scale B down.")


def _tolerance(rtol: Any, shape: tuple[int, ...], eps: float) -> float:
    """The threshold over the largest singular value."""
    if rtol is None:
        return min(max(shape[-2:]) * float(eps), 0.5)
    value = arrays.number("rtol", rtol, allow_zero=True, why="It is a share of the largest singular value.")
    if value >= 1:
        checks.fail("rtol", "less than 1", repr(rtol), "It is a share of the largest singular value; 1 would drop all.")
    return value


def _differentiated(A: Array) -> bool:
    """Whether a gradient of any mode is recorded: that of singular vectors is infinite where values are equal."""
    if arrays.requires_grad(A):
        return True
    return arrays.backend(A) == "torch" and not (arrays.on_device(A) or arrays.in_vmap(A) or arrays.is_plain(A))


def _count(s: Array, rtol: float) -> Any:
    """How many singular values of each matrix count; an int where there is one matrix and it may be read."""
    xp = namespace(s)
    count = xp.sum(xp.astype(s > rtol * s[..., :1], xp.int64), axis=-1)
    return int(count) if s.ndim == 1 and readable(s) else count


def _warn_near(s: Array, rtol: float) -> None:
    """Warn where a singular value is within a factor ``NEAR`` of a threshold above 0."""
    if not readable(s) or rtol == 0:
        return
    xp, limit, rest = namespace(s), rtol * s[..., :1], s[..., 1:]  # the largest is always kept
    near = int(xp.sum(xp.astype((rest > limit / NEAR) & (rest < limit * NEAR), xp.int64)))
    if near:
        found = f"{near} singular values are" if near > 1 else "1 singular value is"
        message = f"{found} within a factor of {NEAR:g} of the threshold, {rtol=:.2g} times the largest: "
        message += "the rank hinges on it. Set rtol inside a gap of svdvals(A), or use a penalty."
        warnings.warn(message, NumericalWarning, stacklevel=3)
