"""A kernel on indices, k(i, j) = K[i, j], for similarities that come as a matrix.

>>> Precomputed([[2.0, 1.0], [1.0, 3.0]])([[1], [0]])
array([[3., 1.],
       [1., 2.]])
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, follow, host, namespace, readable
from companion.kernels.base import Kernel

_ROWS = 256


@dataclass(eq=False, repr=False)
class Precomputed(Kernel):
    """k(i, j) = K[i, j]: a kernel on indices, for similarities that come as a matrix. Data are columns of indices.

    As everywhere, the result follows the data, not K: it has the backend, device and dtype of the indices (float64 for
    integers). Only the entries that are asked for are moved there. Of the two entries [i, j] and [j, i], which may
    differ by rounding, the upper one is read.

    Parameters
    ----------
    K : array of shape (N, N)
        Finite and symmetric to rounding. Whether it is positive semidefinite is not tested, since that takes as long as
        a fit: ``svm.solve_ridge`` tests it.

    Raises
    ------
    TypeError, ValueError
        If K is not a finite symmetric matrix; on a call, if the data are not a column of whole numbers from 0 to N - 1.

    Notes
    -----
    Do not change K in place afterwards: it is not copied.
    """

    K: Any
    _takes_indices = True
    _copies = 2.1

    def __sklearn_clone__(self) -> "Precomputed":
        return type(self)(self.K)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "K":
            matrix, dtype = arrays.read("K", value)
            checks.square("K", tuple(matrix.shape))
            if readable(matrix):
                tolerance = 100 * float(namespace(matrix).finfo(dtype).eps) * float(np.abs(host(matrix)).max())
                checks.symmetric("K", _asymmetry(host(matrix)), tolerance)
            self._matrix = matrix
        super().__setattr__(name, value)

    def _gram(self, X: Array, Y: Array | None) -> Array:
        i = self._indices("X", X)[:, None]  # (n, 1)
        j = (i if Y is None else self._indices("Y", Y)[:, None]).T  # (1, m)
        n = i.shape[0]
        blocks = [self._entries(i[p : min(p + _ROWS, n), :], j, X) for p in range(0, n, _ROWS)]
        return namespace(X).concat(blocks, axis=0)

    def _diag(self, X: Array) -> Array:
        indices = self._indices("X", X)
        return self._entries(indices, indices, X)

    def _entries(self, i: Array, j: Array, like: Array) -> Array:
        xp = namespace(i)
        return follow(self._matrix[xp.minimum(i, j), xp.maximum(i, j)], like)

    def _indices(self, name: str, X: Array) -> Array:
        n = self._matrix.shape[0]
        if X.shape[1] != 1:
            fix = "For all samples: numpy.arange(n)[:, None]."
            expected = "a column of indices, of shape (n_samples, 1), for a precomputed kernel"
            checks.fail(name, expected, f"shape {tuple(X.shape)}", fix)
        values = host(X) if readable(X) else np.zeros(0)
        bad = values[~((values == np.floor(values)) & (values >= 0) & (values < n))]
        if bad.size:
            fix = "Index i stands for row and column i of the precomputed matrix."
            checks.fail(name, f"made of whole numbers from 0 to {n - 1}", f"{bad[0]:g}", fix)
        xp = namespace(self._matrix)
        return xp.astype(follow(arrays.detached(X)[:, 0], self._matrix), xp.int64)  # (n,)

    def __repr__(self) -> str:
        return f"Precomputed(<{' x '.join(map(str, self._matrix.shape))} matrix>)"


def _asymmetry(K: np.ndarray) -> float:
    blocks = range(0, len(K), _ROWS)
    return max(float(np.abs(K[i : i + _ROWS] - K.T[i : i + _ROWS]).max()) for i in blocks)
