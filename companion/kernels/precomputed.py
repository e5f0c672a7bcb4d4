"""Similarities that a user brings: as a matrix, k(i, j) = K[i, j] on indices, or as a function of the data.

>>> Precomputed([[2.0, 1.0], [1.0, 3.0]])([[1], [0]])
array([[3., 1.],
       [1., 2.]])
>>> Callable(lambda X, Y: np.minimum(X, Y.T))([[1.0], [2.0]])
array([[1., 1.],
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
                _check_symmetric("K", host(matrix), namespace(matrix).finfo(dtype).eps)
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


def _check_function(name: str, value: Any) -> None:
    if not callable(value):
        checks.fail(name, "a function (X, Y) -> K", repr(value), "For example lambda X, Y: X @ Y.T.", TypeError)


@dataclass(eq=False)
class Callable(Kernel):
    """K = function(X, Y): a kernel that is given as a function of two matrices of samples, as ``SVC`` takes it.

    Parameters
    ----------
    function : callable
        Maps arrays of shapes (n, d) and (m, d), copies of the data, to an array of shape (n, m). Whether K is positive
        semidefinite is not tested here: the estimators test it.

    Raises
    ------
    TypeError, ValueError
        If ``function`` cannot be called; on a call, if what it returns has another shape, is not finite, or is not
        symmetric to rounding where Y is X.
    """

    function: Any
    _limits = {"function": _check_function}

    def _gram(self, X: Array, Y: Array | None) -> Array:
        K = self._called(X, X if Y is None else Y)
        if Y is None and readable(K):
            _check_symmetric("function(X, X)", host(K), namespace(K).finfo(K.dtype).eps)
        K = follow(K, X)
        return K / 2 + K.T / 2 if Y is None else namespace(X).asarray(K, copy=True)

    def _diag(self, X: Array) -> Array:
        rows = (X[i : i + 1, :] for i in range(X.shape[0]))
        return follow(namespace(X).concat([self._called(x, x)[0, :] for x in rows]), X)

    def _called(self, X: Array, Y: Array) -> Array:
        xp, name, shape = namespace(X), "function(X, Y)", (X.shape[0], Y.shape[0])
        K = arrays.read(name, self.function(xp.asarray(X, copy=True), xp.asarray(Y, copy=True)), (0, 1, 2))[0]
        if tuple(K.shape) != shape:
            fix = "It is called once, with both matrices of samples."
            checks.fail(
                name, f"of shape {shape}: a row for each of X, a column for each of Y", f"shape {tuple(K.shape)}", fix
            )
        return K


def _check_symmetric(name: str, K: np.ndarray, eps: float) -> None:
    checks.symmetric(name, _asymmetry(K), 100 * float(eps) * float(np.abs(K).max()))


def _asymmetry(K: np.ndarray) -> float:
    blocks = range(0, len(K), _ROWS)
    return max(float(np.abs(K[i : i + _ROWS] - K.T[i : i + _ROWS]).max()) for i in blocks)
