"""What single methods refuse, in the words of ``_checks``: labels, bounds, indices, weights, distances too large.

``_checks`` knows what data and parameters must be everywhere; here is what one solver, sampler or map asks beyond that.

>>> power_of_two("n_buckets", 100)
Traceback (most recent call last):
ValueError: n_buckets must be a power of 2; got 100. For example n_buckets=128.
"""

import math
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from companion._checks import NotPSDError, fail


def power_of_two(name: str, value: int) -> None:
    """Refuse an integer that is no power of 2."""
    if value & (value - 1):
        near = 1 << int(value).bit_length()
        fail(name, "a power of 2", repr(value), f"For example {name}={near}.")


def cells(name: str, largest: float) -> None:
    """Refuse data so far from the origin that float64 does not tell neighbouring cells of a grid apart."""
    if not largest < 2**53:
        fail(
            name,
            "within 2**53 cells of the origin",
            f"{largest:.2g} cells",
            f"Centre {name}, or raise the lengthscale.",
        )


def angles(name: str, largest: float) -> NoReturn:
    """Refuse data whose angles with the frequencies have lost their digits in float64."""
    got = f"an angle of {largest:.2g} radians, of which float64 rounds away more than 0.001"
    fix = f"Centre or scale {name}, or take a smoother kernel, whose frequencies have a lighter tail."
    fail(name, "so small that its angles with the frequencies keep their digits", got, fix)


def weights(name: str, values: np.ndarray) -> None:
    """Refuse weights of an average that are negative or do not sum to 1."""
    if values.min() < 0 or abs(values.sum() - 1) > 1e-6:
        got = f"smallest {values.min():.3g}, sum {values.sum():.9g}"
        fail(name, "not negative, of sum 1", got, f"Divide by {name}.sum().")


def indices(name: str, got: tuple[int, ...], values: np.ndarray | None, n: int) -> None:
    """Refuse what is not a column of whole numbers from 0 to n - 1; ``values`` is None where they may not be read."""
    if got[1] != 1:
        fix = "For all samples: numpy.arange(n)[:, None]."
        fail(name, "a column of indices, of shape (n_samples, 1), for a precomputed kernel", f"shape {got}", fix)
    if values is not None:
        bad = values[~((values == np.floor(values)) & (values >= 0) & (values < n))]
        if bad.size:
            fix = "Index i stands for row and column i of the precomputed matrix."
            fail(name, f"made of whole numbers from 0 to {n - 1}", f"{bad[0]:g}", fix)


def no_mask(name: str, value: Any) -> None:
    """Refuse booleans where indices are meant: True would be read as index 1."""
    if str(getattr(value, "dtype", "")).endswith("bool"):
        fix = f"Use numpy.flatnonzero({name})[:, None]."
        fail(name, "made of indices, for a precomputed kernel", "booleans", fix, TypeError)


def at_least_two(name: str, got: tuple[int, ...]) -> None:
    """Refuse a single sample where pairs are needed."""
    if got[0] < 2:
        fail(name, "made of at least 2 samples, one pair", f"shape {got}", "")


def distinct(name: str, half: float) -> None:
    """Refuse samples of which so many coincide that the median distance is zero."""
    if half == 0:
        fix = "Drop duplicates, numpy.unique(X, axis=0), or choose the lengthscale yourself."
        fail(name, "made of samples that differ", "a median distance of 0: at least half of all pairs coincide", fix)


def singular(name: str, penalty: float, smallest: float) -> NoReturn:
    """Refuse a system that has no unique solution to rounding."""
    raise NotPSDError(
        f"{name} must be positive definite; got smallest eigenvalue {smallest:.3g} with penalty={penalty:g}, which is "
        "zero to rounding: no unique solution. Raise penalty, or drop duplicate samples.",
        smallest,
    )


def half_precision(name: str, dtype: np.dtype) -> None:
    """Refuse a kernel matrix in float16, whose rounding alone may give it negative eigenvalues of 0.001 of its size."""
    if dtype == np.float16:
        fix = "Its rounding alone can make it indefinite: compute it from float32 or float64 data."
        fail(name, "a kernel matrix in float32 or float64", "dtype float16", fix)


def signs(name: str, values: np.ndarray) -> None:
    """Refuse labels that are not -1 and +1, or of one class only."""
    labels = np.unique(values)
    if not np.isin(labels, (-1.0, 1.0)).all():
        shown = ", ".join(f"{label:g}" for label in labels[:5]) + (", ..." if len(labels) > 5 else "")
        fix = "Two other labels: numpy.where(y == positive, 1.0, -1.0). More classes: estimators.DualSVC."
        fail(name, "made of the labels -1 and +1", f"the values {shown}", fix)
    if len(labels) < 2:
        fail(name, "of two classes, -1 and +1", f"{labels[0]:g} only", "Check how the samples were selected.")


def classes(name: str, labels: np.ndarray) -> None:
    """Refuse labels of one class only."""
    if len(labels) < 2:
        got = f"one class, {labels.tolist()[0]!r}"
        fail(name, "of two or more classes", got, "Check how the samples were selected.")


def kernel(name: str, value: Any, known: bool) -> None:
    """Refuse what is not a way to name the kernel of an estimator."""
    if not known:
        fix = "For example companion.kernels.Gaussian(lengthscale=2.0)."
        fail(name, "a kernel object, 'precomputed' or None", repr(value), fix, TypeError)


def box(name: str, value: Any, smallest: float, largest: float) -> None:
    """Refuse a bound on dual coefficients that is out of range; infinity (hard margin) is allowed."""
    number = np.asarray(value)
    real = number.ndim == 0 and isinstance(number.item(), int | float) and number.dtype.kind != "b"
    if not real or not (smallest <= float(number) <= largest or float(number) == np.inf):
        expected = f"a positive number from {smallest:g} to {largest:g}, or inf (hard margin)"
        fail(name, expected, repr(number.tolist()), "")


def magnitude(name: str, norm: float, smallest: float, largest: float) -> None:
    """Refuse a kernel matrix, neither zero nor of a size between the bounds, whose products would leave the range."""
    if norm and not smallest <= norm <= largest:
        fix = f"Divide {name} by s and multiply C by s: the decision function stays the same."
        fail(name, f"zero or of a size from {smallest:g} to {largest:g}", f"a largest row sum of {norm:.3g}", fix)


def not_converged(gap: float, tol: float, n_iter: int, max_iter: int, C: float) -> str:
    """The text of a warning: an iteration that stopped before the gap was small."""
    if not np.isfinite(C):
        fix = "If no function of this kernel separates the classes, use a finite C"
        fix += "; otherwise raise max_iter." if n_iter >= max_iter else "."
    elif n_iter >= max_iter:
        fix = "Raise max_iter or tol, or lower C."
    else:
        fix = "Rounding stops all progress: raise tol or lower C."
    return f"The relative duality gap is {gap:.2g} after {n_iter} iterations, above tol={tol:.2g}. {fix}"


def number(name: str, value: Any) -> None:
    """Refuse what is not a finite real number."""
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        fail(name, "a finite number", repr(value), "")


def n_rows(name: str, got: tuple[int, ...], n: int) -> None:
    """Refuse an array with another number of rows than was asked for."""
    if got[0] != n:
        fail(name, f"of shape (n, d), here with n = {n}", f"shape {got}", "")


def log_values(name: str, values: np.ndarray, points: np.ndarray) -> None:
    """Refuse what is not one log density per row of ``points``; zero density, -inf, is one."""
    if values.dtype.kind not in "iuf" or values.shape != points.shape[:1]:
        expected = f"made of real numbers, one per row of x: shape {points.shape[:1]}"
        fail(name, expected, f"shape {values.shape}, dtype {values.dtype}", "Sum over the last axis of x.")
    bad = np.flatnonzero(np.isnan(values) | (values == np.inf))
    if bad.size:
        fail(name, "a number or -inf", f"{values[bad[0]]} at x = {points[bad[0]]}", "Where the density is 0, -inf.")


def log_bound(name: str, bound: float, log_ratio: np.ndarray, points: np.ndarray) -> None:
    """Refuse a bound that a log ratio exceeds by more than rounding explains."""
    if log_ratio.max() > bound + 1e-9 + 1e-13 * abs(bound):
        got = f"{bound:.6g}, below {log_ratio.max():.6g} at x = {points[np.argmax(log_ratio)]}"
        fix = "Find the largest ratio, or a proposal with heavier tails: draws under a wrong bound have a wrong law."
        fail(name, "at least log p - log q everywhere", got, fix)


def almost_gaussian(name: str, nu: float, bound: float) -> None:
    """Refuse a Matérn kernel so smooth that it is the Gaussian to a hundredth, but for that one itself."""
    if bound <= nu < np.inf:
        fix = f"Use {name}=inf, the Gaussian: no entry differs by more than about {0.23 / nu:.2g}."
        fail(name, f"below {bound:g}, or inf", f"{nu:g}", fix)


def no_density(alpha: float) -> NoReturn:
    """Refuse to evaluate the density of a spectrum that has no closed form."""
    got = f"alpha = {alpha:g}, whose density has no closed form"
    fail("alpha", "1 or 2 for a spectral density", got, "Draw from it instead: kernel.sample_spectrum(n, dim).")


def few_accepted(n_kept: int, n_draws: int, n_proposed: int, slack: float) -> NoReturn:
    """Refuse to go on with a rejection that accepts hardly anything."""
    got = f"{n_kept} of {n_draws} draws kept, largest log ratio minus log_bound {slack:.3g}"
    fix = "Lower log_bound, choose a proposal nearer to the density, or use a Markov chain."
    fail("max_proposals", "enough for n_draws", f"{n_proposed} proposals, {got}", fix)


def no_weight(name: str, n: int) -> NoReturn:
    """Refuse draws that all have density zero."""
    fail(name, "above -inf for some draw", f"-inf for all {n}", "The proposal misses the support of the density.")
