"""How many columns a kernel matrix needs: as many as a blind draw asks for, or as few as its spectrum allows.

Errors are relative in the Frobenius norm, |K - F Fᵀ| / |K|, for a factor F of D columns:

    blind draws    (Σ_ij (1 + k(2δ_ij) - 2 k(δ_ij)²) / (D Σ_ij k(δ_ij)²))^½    root mean square, δ_ij = x_i - x_j
    at best        (Σ_{i>D} σ_i² / Σ_i σ_i²)^½                                any factor, also one made of the data

The first is the error of D/2 independent frequencies, cosine and sine (Sutherland & Schneider 2015, "On the error of
random Fourier features", section 2). The second is the theorem of Eckart & Young (1936).

>>> X = np.linspace(0, 3, 200)[:, None]
>>> columns_needed(Gaussian(), X, 0.01)
ColumnsNeeded(drawn=8476, best=4)
"""

from typing import Any, NamedTuple

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, namespace
from companion.features.errors import standard_error
from companion.kernels.gaussian import Gaussian  # noqa: F401  for the example above

ROUNDED = 1e-14  # relative errors of best_errors below this are those of the singular values


class ColumnsNeeded(NamedTuple):
    """Columns for one error: of blind draws, and at best.

    Parameters
    ----------
    drawn : int
        Cosines and sines of independent frequencies.
    best : int
        The least rank of any matrix with that error.
    """

    drawn: int
    best: int


def best_errors_reference(K: np.ndarray) -> np.ndarray:
    """The relative error at the ranks 0, 1, 2, ...: the root of the tail of the squared singular values."""
    tails = np.cumsum(np.linalg.svdvals(K)[::-1] ** 2)[::-1]
    return np.sqrt(tails / tails[0])


def drawn_error_reference(kernel: Any, X: np.ndarray, D: int) -> float:
    """The root mean square relative error of D/2 independent frequencies, cosine and sine."""
    K, twice = kernel(X), kernel(2 * X)
    return np.sqrt(np.sum(1 + twice - 2 * K**2) / np.sum(K**2) / D)


def tail_errors(s: Array) -> Array:
    """From singular values in falling order, the error at each rank below their number."""
    xp = namespace(s)
    tails = xp.flip(xp.cumulative_sum(xp.flip((s / s[0]) ** 2)))
    return xp.sqrt(tails / tails[0])


def best_errors(K: Any) -> Array:
    """The least relative error ‖K - A‖_F / ‖K‖_F of matrices A of rank 0, 1, 2, ..., min(n, p) - 1.

    Parameters
    ----------
    K : array of shape (n, p)
        Any matrix but zero: of similarities, of weights of attention, of data.

    Returns
    -------
    array of shape (min(n, p),)
        Entry D is the error at rank D. In float64 entries below 1e-14 are rounding, in float32 those below 1e-5.

    Raises
    ------
    TypeError, ValueError
        If K is not a finite matrix, or is zero.

    Notes
    -----
    Page: ``low-rank/choosing-columns``. Reference: ``best_errors_reference``. Eckart & Young (1936). All singular
    values of an n × n matrix cost of order n³ operations: take the similarities of a thousand samples.

    Examples
    --------
    >>> best_errors([[4.0, 0.0], [0.0, 3.0]])
    array([1. , 0.6])
    """
    K, dtype = arrays.read("K", K)
    xp = namespace(K)
    if not bool(xp.any(K != 0)):
        checks.fail("K", "not zero", f"{K.shape[0]} x {K.shape[1]} zeros", "An error relative to zero has no meaning.")
    K = K / xp.max(xp.abs(K))
    return xp.astype(tail_errors(xp.linalg.svdvals(K)), dtype, copy=False)


def drawn_error(kernel: Any, X: Any, n_columns: int, *, scheme: str = "iid") -> float:
    """The relative error ‖K - ΦΦᵀ‖_F / ‖K‖_F of random Fourier features, root mean square over draws, before drawing.

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel; for ``scheme="orthogonal"`` the Gaussian.
    X : array of shape (n, d)
        Samples, of which all n² pairs count.
    n_columns : int
        D, an even number: cosine and sine of D/2 frequencies.
    scheme : {"iid", "orthogonal"}
        How the frequencies are drawn.

    Returns
    -------
    float
        The error. For independent frequencies it is √(c/D) with c from kernel and data, whatever the spectrum of K.

    Raises
    ------
    TypeError, ValueError
        If the data or the kernel are refused, or ``n_columns`` is no even number from 2 on.

    Notes
    -----
    Page: ``low-rank/choosing-columns``. Reference: ``drawn_error_reference``, for "iid".

    Examples
    --------
    >>> X = np.linspace(0, 3, 200)[:, None]
    >>> round(drawn_error(Gaussian(), X, 64), 3), round(drawn_error(Gaussian(), X, 256), 3)
    (0.115, 0.058)
    """
    checks.integer("n_columns", n_columns, minimum=2)
    if n_columns % 2:
        checks.fail("n_columns", "even", str(n_columns), "A frequency has two columns, its cosine and its sine.")
    error = standard_error(kernel, X, n_frequencies=n_columns // 2, scheme=scheme)
    K = arrays.host(kernel(X)).astype(np.float64)
    return float(np.linalg.norm(error) / np.linalg.norm(K))


def columns_needed(kernel: Any, X: Any, error: float) -> ColumnsNeeded:
    """How many columns it takes for a relative error of K: blindly drawn ones, and the best ones there are.

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel.
    X : array of shape (n, d)
        Samples. A thousand, drawn at random, stand for more: then ``best`` says what more of them need as long as it is
        far below a thousand.
    error : float
        The error allowed, above 0 and below 1.

    Returns
    -------
    ColumnsNeeded
        ``drawn``, the least even D of ``drawn_error`` at most ``error``; ``best``, the least rank at which
        ``best_errors`` is at most ``error``, at most n.

    Raises
    ------
    TypeError, ValueError
        As ``drawn_error``; or if ``error`` is not such a number, or below 1e-14, which rounding hides.

    Notes
    -----
    Page: ``low-rank/choosing-columns``. Landmarks need more than ``best``.
    """
    checks.positive("error", np.asarray(error))
    if not ROUNDED <= error < 1:
        checks.fail("error", f"between {ROUNDED:g} and 1", repr(error), "It is relative to the norm of K.")
    at_two = drawn_error(kernel, X, 2)
    K = arrays.host(kernel(X)).astype(np.float64)
    drawn = 2 * max(1, int(np.ceil((at_two / error) ** 2 * (1 - 1e-12))))
    return ColumnsNeeded(drawn, int(np.sum(best_errors(K) > error)))
