"""Ridge regression on features for every penalty, and its exact cross-validation, from one pass over the rows.

Given G = Σ c φφᵀ, Σ c yφ and Σ c y² (all centred, which takes the sums of c, φ and y), the minimiser of Σ c (y - ⟨w, φ⟩
- b)² + penalty |w|² is w = V (Λ + penalty)⁻¹ Vᵀ Σ c yφ for every penalty, where G = V Λ Vᵀ. Sums can be subtracted:
kept for K parts of the rows, the sums of all parts but one are the total minus its own, and the squared error on that
part is a quadratic form in its sums. So cross-validation refits and tests K times without a look at the rows.

>>> phi, y = np.arange(6.0)[:, None], [0.1, 0.9, 2.1, 2.9, 4.1, 4.9]
>>> path = ridge_path(phi, y, penalties=[0.01, 1.0, 100.0], folds=3)
>>> path.coef[:, 0].round(3), path.error.round(3), path.best
(array([0.982, 0.93 , 0.146]), array([0.016, 0.038, 2.991]), 0)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from companion._core import arrays, checks
from companion._core.arrays import Array, host, namespace
from companion.svm.newton import SINGLE
from companion.svm.psd import read_weights
from companion.svm.sources import BLOCK, Source
from companion.svm.sums import Part, Sums, add_products, raise_not_finite, reduce_by_index, with_constant


@dataclass(frozen=True, eq=False)
class RidgePath:
    """Ridge regression for several penalties.

    Parameters
    ----------
    penalties : ndarray of shape (p,)
        As given.
    coef : ndarray of shape (p, D)
        The weights w for each penalty.
    intercept : ndarray of shape (p,)
        b, which is not penalised.
    error : ndarray of shape (p,), or None
        The mean squared error of cross-validation over all (weighted) rows; None without folds.
    """

    penalties: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    error: np.ndarray | None = None

    @property
    def best(self) -> int:
        """The index of the penalty of least error."""
        if self.error is None:
            checks.fail("folds", "given, so that errors are known", "None", "Pass folds=5.")
        return int(self.error.argmin())

    def __repr__(self) -> str:
        shapes = f"coef=array of shape {self.coef.shape}, intercept=array of shape {self.intercept.shape}"
        chosen = "" if self.error is None else f", best={self.best}: penalty {self.penalties[self.best]:.3g}"
        return f"RidgePath({shapes}{chosen})"


def ridge_path(
    features: Any,
    y: Any,
    *,
    penalties: Any,
    folds: Any = None,
    block_size: int = BLOCK,
    sample_weight: Any = None,
) -> RidgePath:
    """Ridge regression on features for every penalty, with exact cross-validation, in one pass over the rows.

    Float32 features are multiplied in float32 and added in float64, which moves coefficients by about 1e-8 Σ c |φ|² /
    penalty of their size. Where that could be 1 for the smallest penalty, a second pass multiplies in float64.

    Parameters
    ----------
    features : array of shape (n, D), function, or iterable of arrays of shape (., D)
        As for ``solve_primal``, without a constant.
    y : array of shape (n,)
        Targets.
    penalties : array of shape (p,)
        Positive, in units of Σ c φφᵀ: larger is smoother.
    folds : int, array of shape (n,), or None
        K: row i is in fold i mod K, whatever the blocks. An array says the fold of each row, from 0 to K - 1: shuffle
        it where neighbouring rows depend on each other. None: no cross-validation.
    block_size : int
        As for ``solve_primal``.
    sample_weight : array of shape (n,), or None
        Weights of at least 0 of the squared errors, also of the held-out ones.

    Returns
    -------
    RidgePath

    Raises
    ------
    TypeError, ValueError
        If features or y are no finite real arrays of a matching length, the features can be read once only, penalties
        or folds are out of range, a fold has no weight, or a penalty is lost to rounding.

    Notes
    -----
    Page: ``random-features/rff-svm``. It holds about 3 K D² numbers in float64 for K folds.
    """
    y, _ = arrays.read("y", host(y) if hasattr(y, "detach") else y, ndim=(1,))
    penalties = _read_penalties(penalties)
    checks.integer("block_size", block_size, minimum=1)
    weight = read_weights(sample_weight, len(y))
    fold = _read_folds(folds, len(y), weight)
    source = Source(features, np.column_stack([y, fold]).astype(np.float64), weight, int(block_size))
    n_folds = int(fold.max()) + 1
    sums = sums_of_folds(source, n_folds)
    needed = source.rounding * float(np.trace(sums.gram.sum(axis=0)))
    if source.rounding == SINGLE and penalties.min() < needed:
        source = source.variant(precise=True)
        sums = sums_of_folds(source, n_folds)
        needed = source.rounding * float(np.trace(sums.gram.sum(axis=0)))
    if penalties.min() < needed:
        fix = "Raise it, or scale the features."
        checks.fail("penalties", f"at least {needed:.2g}, the rounding of Σ c φφᵀ", f"{penalties.min():.3g}", fix)
    coef, intercept = solutions(sums.gram.sum(axis=0), sums.pull.sum(axis=1), penalties)
    return RidgePath(penalties, coef, intercept, None if folds is None else held_out(sums, penalties))


def sums_of_folds(source: Source, n_folds: int) -> Sums:
    """One pass: G, Σ c yφ and Σ c y² of each fold."""
    blocks = enumerate(source.blocks())
    return reduce_by_index((i, fold_sums(parts, n_folds, precise=source.precise)) for i, parts in blocks)


def fold_sums(parts: Iterable[Part], n_folds: int, *, precise: bool = False) -> Sums:
    """The sums of each fold over the rows of one block; labels are pairs of a target and a fold."""
    gram = pull = losses = None
    for phi, labels, c in parts:
        xp = namespace(phi)
        phi = xp.astype(phi, xp.float64, copy=False) if precise else phi
        y, fold, c = (xp.asarray(values, device=phi.device) for values in (labels[:, 0], labels[:, 1], c))
        inside = fold[:, None] == xp.arange(n_folds, dtype=fold.dtype, device=phi.device)
        weights = xp.where(inside, (c * y)[:, None], 0.0)  # (m, folds)
        if gram is None:
            p = phi.shape[1] + 1
            gram, pull, losses = xp.zeros((n_folds, p, p), dtype=xp.float64, device=phi.device), 0.0, 0.0
        pull, losses = pull + with_constant(phi, weights), losses + y @ weights
        _require_finite(phi, pull)
        for j in range(n_folds):
            add_products(gram[j, ...], phi, c, inside[:, j], 1)
    _require_finite(phi, gram)
    return Sums(host(gram), host(pull), host(losses)[None])


def _require_finite(phi: Array, sums: Array) -> None:
    xp = namespace(phi)
    if not bool(xp.isfinite(xp.sum(sums))):
        raise_not_finite(phi)


def solutions(gram: np.ndarray, pull: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (p, D) and intercepts (p,) for every penalty, from sums whose last feature is the constant 1."""
    total = gram[-1, -1]
    mean, mean_of_y = gram[-1, :-1] / total, pull[-1] / total
    values, vectors = eigh(gram[:-1, :-1] - total * np.outer(mean, mean), driver="evd", overwrite_a=True)
    along = vectors.T @ (pull[:-1] - mean * pull[-1])  # (D,)
    coef = along / (np.maximum(values, 0.0) + penalties[:, None]) @ vectors.T  # (p, D)
    return coef, mean_of_y - coef @ mean


def held_out(sums: Sums, penalties: np.ndarray) -> np.ndarray:
    """The mean squared error of cross-validation for every penalty."""
    gram, pull = sums.gram.sum(axis=0), sums.pull.sum(axis=1)
    error = np.zeros(len(penalties))
    for part, its_pull, its_square in zip(sums.gram, sums.pull.T, sums.losses[0], strict=True):
        coef, intercept = solutions(gram - part, pull - its_pull, penalties)
        w = np.column_stack([coef, intercept])  # (p, D + 1)
        error += np.maximum(0.0, its_square - 2 * w @ its_pull + ((w @ part) * w).sum(axis=1))
    return error / gram[-1, -1]


def _read_penalties(penalties: Any) -> np.ndarray:
    values, _ = arrays.read_on_host("penalties", np.atleast_1d(penalties), ndim=(1,))
    if not (values > 0).all():
        checks.fail("penalties", "positive", f"{values.min():g}", "A tiny penalty is least squares.")
    return values.astype(np.float64)


def _read_folds(folds: Any, n: int, weight: np.ndarray) -> np.ndarray:
    """The fold of each row: every one, and its complement, has a row of positive weight."""
    if folds is None:
        return np.zeros(n, dtype=int)
    if np.ndim(folds) == 0:
        checks.integer("folds", folds, minimum=2)
        fold = np.arange(n) % int(folds)
        n_folds = int(folds)
    else:
        fold = np.asarray(folds)
        if fold.shape != (n,) or fold.dtype.kind not in "iu" or fold.min() < 0 or fold.max() < 1:
            got = f"shape {fold.shape}, dtype {fold.dtype.name}"
            checks.fail("folds", f"an integer >= 2, or {n} integers from 0 to K - 1", got, "")
        n_folds = int(fold.max()) + 1
    used = np.bincount(fold, weight > 0, minlength=n_folds)
    if not used.all():
        checks.fail("folds", "such that each has rows of positive weight", f"none in fold {int(used.argmin())}", "")
    return fold


def row_sums_reference(
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[int, Any, Any, float]:
    """The sums n, ΦᵀΦ, Φᵀy and yᵀy over blocks (features (m, D), targets (m,)) of any sizes."""
    n, G, b, yy = 0, 0.0, 0.0, 0.0
    for phi, y in blocks:
        n, yy = n + len(y), yy + y @ y
        G = G + (phi.T @ phi).astype(np.float64)
        b = b + phi.T @ y
    return n, G, b, yy


def ridge_from_sums_reference(
    G: np.ndarray, b: np.ndarray, penalties: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Weights, a row for each penalty, and the effective dimension Σ λ_i / (λ_i + penalty) at each."""
    values, U = np.linalg.eigh(G)
    c = U.T @ b
    w = [U @ (c / (values + penalty)) for penalty in penalties]
    used = [np.sum(values / (values + penalty)) for penalty in penalties]
    return np.array(w), np.array(used)
