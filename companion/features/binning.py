"""Random binning: φ(x) says into which cell of each of many random grids x falls.

Along one axis a grid of pitch t with a uniform offset keeps two points together with probability max(0, 1 - |δ|/t);
averaged over t with the density t k''(t) this is k(δ). It is a density if the profile k is convex: exp(-|δ|) gives
Gamma(2, 1). The Gaussian's profile is not convex, and no such grids exist (Rahimi & Recht 2007, section 4).

>>> grids = draw_grids(Laplacian(), 1000, dim=1, rng=0)
>>> Z = random_binning([[0.0], [1.0]], grids)
>>> (Z @ Z.T).toarray().round(1)
array([[1. , 0.4],
       [0.4, 1. ]])
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from companion._core import arrays, checks
from companion._core.arrays import Seed
from companion.kernels.base import Kernel, only_for
from companion.kernels.laplacian import Laplacian
from companion.kernels.stationary import host_lengthscale


def random_binning_reference(X: np.ndarray, Y: np.ndarray, pitch: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """K_ij = share of the grids of which x_i and y_j fall into one cell, straight from the definition."""
    cell_x, cell_y = (np.floor((Z[:, None] - offset) / pitch) for Z in (X, Y))  # (n, n_grids, d)
    return np.array([[np.mean(np.all(a == b, axis=1)) for b in cell_y] for a in cell_x])


@dataclass(frozen=True, eq=False)
class Grids:
    """Random grids for ``random_binning``; see ``draw_grids``.

    Parameters
    ----------
    pitch, offset : ndarray of shape (n_grids, d)
        Edges of the cells of each grid, and a corner of one of them.
    multipliers : ndarray of shape (n_grids, d), dtype uint64
        Odd numbers that hash a cell to a column.
    n_buckets : int
        Columns for the cells of each grid, a power of 2.
    """

    pitch: np.ndarray
    offset: np.ndarray
    multipliers: np.ndarray
    n_buckets: int


def draw_grids(kernel: Kernel, n_grids: int, dim: int, *, n_buckets: int = 2**14, rng: Seed = None) -> Grids:
    """Grids whose random cells estimate a Laplacian kernel.

    Parameters
    ----------
    kernel : Laplacian
        The kernel; its axes get independent pitches.
    n_grids : int
        How many, at least 1: a row of the features has as many entries that are not zero.
    dim : int
        Columns of the data.
    n_buckets : int
        Columns for the cells of each grid, a power of 2, at least 2. Two cells share a column with a probability of
        at most 2 / n_buckets, which is what hashing may add to the estimate.
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed.

    Returns
    -------
    Grids

    Raises
    ------
    TypeError, ValueError
        If the kernel is another one, or an argument is no such number.

    Notes
    -----
    Page: ``random-features/beyond-the-gaussian``.
    """
    if not isinstance(kernel, Laplacian):
        only_for("Random binning", kernel, "kernels.Laplacian, a product of convex profiles")
    for name, value, least in (("n_grids", n_grids, 1), ("dim", dim, 1), ("n_buckets", n_buckets, 2)):
        checks.integer(name, value, minimum=least)
    if n_buckets & (n_buckets - 1):
        near = 1 << int(n_buckets).bit_length()
        checks.fail("n_buckets", "a power of 2", repr(n_buckets), f"For example n_buckets={near}.")
    checks.at_most("n_buckets", n_buckets, 2**31, "So many cells need no hashing.")
    random = arrays.generator(rng, "grids")
    pitch = random.gamma(2.0, size=(n_grids, dim)) * host_lengthscale(kernel, dim)
    offset = pitch * random.random((n_grids, dim))
    multipliers = random.integers(2**63, size=(n_grids, dim), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return Grids(pitch, offset, multipliers, int(n_buckets))


def random_binning(X: Any, grids: Grids) -> csr_array:
    """One entry for each grid: the cell that x falls into. ⟨φ(x), φ(y)⟩ is the share of grids that keep them together.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples: a NumPy array, a list of lists or a data frame.
    grids : Grids
        From ``draw_grids``.

    Returns
    -------
    scipy.sparse.csr_array of shape (n, n_grids * n_buckets)
        1/√n_grids at the hashed cell of each grid, in the dtype of X.

    Raises
    ------
    TypeError, ValueError
        If X is no finite dense real matrix of the grids' dimension, or lies more than 2**53 cells from the origin.

    Notes
    -----
    Page: ``random-features/beyond-the-gaussian``. Reference: ``random_binning_reference``, without the hashing.
    """
    X, dtype = arrays.read_on_host("X", X)
    checks.same_features("X", X.shape, "grids", grids.pitch.shape)
    (n, dim), n_grids = X.shape, len(grids.pitch)
    hashed = np.zeros((n, n_grids), np.uint64)
    for c in range(dim):
        cell = np.floor((X[:, c, None].astype(np.float64) - grids.offset[:, c]) / grids.pitch[:, c])  # (n, n_grids)
        if not (largest := float(np.abs(cell).max())) < 2**53:
            fix = "Centre X, or raise the lengthscale."
            checks.fail("X", "within 2**53 cells of the origin", f"{largest:.2g} cells", fix)
        hashed += cell.astype(np.int64).view(np.uint64) * grids.multipliers[:, c]
    bucket = hashed >> np.uint64(65 - grids.n_buckets.bit_length())  # the first log2(n_buckets) bits
    columns = bucket.astype(np.int64) + grids.n_buckets * np.arange(n_grids)
    values = np.full(n * n_grids, n_grids**-0.5, dtype)
    return csr_array((values, columns.ravel(), n_grids * np.arange(n + 1)), (n, n_grids * grids.n_buckets))
