"""A function of all pairs of rows, K = core(X, Y), made tile by tile on the host: temporaries stay in the cache.

If Y is X, only the tiles from the diagonal on are computed, and mirrored: K is exactly symmetric.

>>> X = np.array([[0.0], [1.0], [3.0]])
>>> gram(lambda X, Y: X @ Y.T, X, None)
array([[0., 0., 0.],
       [0., 1., 3.],
       [0., 3., 9.]])
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from companion._core.arrays import Array, detached, from_host, host, namespace, runs_on_numpy

ROWS, COLUMNS = 128, 1024  # a float64 tile is 1 MiB: it and the temporaries of a core stay in the cache
Core = Callable[..., Array]
Fill = Callable[..., None]
Fast = Callable[..., tuple[np.ndarray, np.ndarray, Fill]]


def gram(
    core: Core,
    X: Array,
    Y: Array | None,
    *,
    largest: float | None = None,
    dtype: Any = None,
    fast: Fast | None = None,
    **parameters: Array,
) -> Array:
    """core(X, Y) of shape (n, m), where ``None`` for Y means X: by tiles where NumPy may compute, else by one call.

    ``core`` maps (n, p), (m, q) to (n, m); entry i, j depends on X_i and Y_j only. ``largest`` is what k(x, x) is for
    every x: no entry exceeds it, whatever rounding did, and the diagonal has it exactly. ``dtype`` is that of the
    result, if not that of X. ``fast`` is the same as ``core``, faster: it turns X and Y into other rows and a function
    (rows, rows, out) that fills a tile. ``parameters`` are further arguments of both, arrays where X is.
    """
    if not isinstance(X, np.ndarray):
        return _elsewhere(core, X, Y, largest, dtype, fast, parameters)
    symmetric, Y = Y is None, X if Y is None else Y
    K = np.empty((len(X), len(Y)), dtype or X.dtype)
    fill, columns = None, COLUMNS
    if fast is not None and K.dtype == X.dtype:
        (X, Y, fill), columns = fast(X, Y, **parameters), 2 * COLUMNS  # no temporaries
    for i in range(0, len(X), ROWS):
        j = min(i + ROWS, len(X))
        for p in range(i if symmetric else 0, len(Y), columns):
            q = min(p + columns, len(Y))
            tile = K[i:j, p:q]  # (<= ROWS, <= COLUMNS)
            if fill is None:
                tile[...] = core(X[i:j], Y[p:q], **parameters)
            else:
                fill(X[i:j], Y[p:q], tile)
            if largest is not None:
                np.minimum(tile, largest, out=tile)
            if symmetric:
                mirror = max(p, j)
                K[mirror:q, i:j] = K[i:j, mirror:q].T
        if symmetric:
            square = K[i:j, i:j]
            square[...] = square / 2 + square.T / 2
            square[np.diag_indices(j - i)] = square.diagonal() if largest is None else largest
    return K


def _elsewhere(
    core: Core, X: Array, Y: Array | None, largest: float | None, dtype: Any, fast: Any, parameters: dict[str, Array]
) -> Array:
    """As ``gram``: through NumPy for tensors on the host that record no gradient, else by one call of ``core``."""
    xp = namespace(X)
    if runs_on_numpy(X, X if Y is None else Y, *parameters.values()):
        on_host = {name: host(value) for name, value in parameters.items()}
        K = gram(core, host(X), None if Y is None else host(Y), largest=largest, fast=fast, **on_host)
        return xp.astype(from_host(K, X), dtype or X.dtype, copy=False)
    K = core(X, X if Y is None else Y, **parameters)
    if largest is not None:  # only rounding exceeds it, so the gradient stays
        K = K - xp.clip(detached(K) - largest, min=0.0)
    if Y is None:
        K = K / 2 + K.T / 2
        if largest is not None:
            K = xp.where(xp.eye(K.shape[0], dtype=xp.bool, device=K.device), largest, K)
    return xp.astype(K, dtype or X.dtype, copy=False)
