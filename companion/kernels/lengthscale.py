"""A first guess of the lengthscale: the median distance between samples.

>>> median_lengthscale([[0.0], [1.0], [3.0]])
2.0
"""

from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from companion._core import checks
from companion._core.arrays import Seed, fits_memory, generator, host, read


def median_lengthscale(X: Any, *, n_points: int | None = None, rng: Seed = None) -> float:
    """The median distance |x_i - x_j| over the pairs i < j: a first guess of a lengthscale, from the data alone.

    With it, ``Gaussian`` gives half of the pairs a similarity above exp(-1/2) = 0.61. It knows neither targets nor the
    number of samples, so compare it with a tenth and with ten times as much.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples, at least 2; give features that have units of their own a common scale first.
    n_points : int, optional
        Use that many rows, drawn without replacement; all of them if left out, or if there are no more.
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed of that draw.

    Returns
    -------
    float
        In the units of X, computed on the host in float64, without a gradient.

    Raises
    ------
    TypeError, ValueError
        If X is not a finite matrix of at least 2 rows, the distances do not fit into memory, or half of all pairs
        coincide.
    """
    X = host(read("X", X)[0])
    if n_points is not None:
        checks.integer("n_points", n_points, minimum=2)
        if n_points < len(X):
            rows = generator(rng, "rows of the median lengthscale")
            X = X[rows.choice(len(X), size=n_points, replace=False)]
    if len(X) < 2:
        checks.fail("X", "made of at least 2 samples, one pair", f"shape {X.shape}", "")
    X = X.astype(np.float64)
    fits_memory("distances", len(X), len(X) // 2, X, "Pass n_points=2000, for example.")
    _, exponent = np.frexp(np.abs(X).max())  # a power of 2, so that no square overflows and nothing is rounded
    half = float(np.ldexp(np.median(pdist(np.ldexp(X, -exponent)), overwrite_input=True), exponent))
    if half == 0:
        got = "a median distance of 0: at least half of all pairs coincide"
        fix = "Drop duplicates, numpy.unique(X, axis=0), or choose the lengthscale yourself."
        checks.fail("X", "made of samples that differ", got, fix)
    return half


def scale_lengthscale(X: Any, weight: np.ndarray | None = None) -> float:
    """√(d·var(X)/2), scikit-learn's ``gamma="scale"``, without overflow; √(1/2) if X is constant.

    X is dense or in CSR format, a row of weight 2 counts twice, and the variance is that of all entries.
    """
    values = X.data if hasattr(X, "tocsr") else X
    size = float(np.abs(values).max(initial=0.0)) or 1.0
    Z = values / size
    if hasattr(X, "tocsr"):
        share = np.ones(X.shape[0]) if weight is None else weight / weight.max()
        share = np.repeat(share / share.sum() / X.shape[1], np.diff(X.indptr))  # of each entry that is stored
        mean = share @ Z
        deviation = float(share @ (Z - mean) ** 2 + max(0.0, 1 - share.sum()) * mean**2) ** 0.5
    elif weight is None or (weight == weight[0]).all():
        deviation = float(Z.std(dtype=np.float64))
    else:
        share = weight / weight.max() / (weight / weight.max()).sum() / X.shape[1]
        mean = share @ Z.sum(axis=1)
        deviation = float(share @ ((Z - mean) ** 2).sum(axis=1)) ** 0.5
    return float(size * deviation * (X.shape[1] / 2) ** 0.5 or 0.5**0.5)
