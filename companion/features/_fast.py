"""The pairs of ``cosines.pairs`` on the host, a few rows at a time: angles, cosines and sines stay in the cache.

In float64 both come from one tangent u = tan(t/2), four times as fast: cos t = 2/(1 + u²) - 1 and sin t = 2u/(1 + u²),
and neither magnifies an error: the derivatives by log u are at most 1 and 1/2. NumPy's cosine of float64 is not
vectorised, its tangent is where the processor has AVX-512; torch's cosine and sine are everywhere.

>>> t, cosine, sine = np.array([[0.0, 3.0]]), np.empty((1, 2)), np.empty((1, 2))
>>> by_tangent(t, cosine, sine)
>>> np.allclose(cosine, np.cos(t)), np.allclose(sine, np.sin(t))
(True, True)
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from companion._core.arrays import Array, from_host, host
from companion.frequencies.hadamard import Hadamard

ROWS = 128  # of a product's block: its angles stay in the level-2 cache
_ELEMENTS = 2**14  # of a block of cosines and sines


def pairs(X: Array, W: Any, amplitude: Any, angles: Callable) -> Array:
    """``cosines.pairs`` for X and W with which NumPy may compute."""
    x = (X if isinstance(X, np.ndarray) else host(X)).reshape(-1, X.shape[-1])
    if not isinstance(W, Hadamard):
        W = np.asfortranarray(W if isinstance(W, np.ndarray) else host(W))  # Wᵀ without strides
    write = by_torch if x.dtype == np.float64 and not isinstance(X, np.ndarray) else by_tangent
    m = W.shape[0]
    phi = np.empty((len(x), 2 * m), x.dtype)
    amplitude = np.tile(np.asarray(amplitude, x.dtype), 2 if np.ndim(amplitude) else 1)  # (2m,) or (1,)
    for i in range(0, len(x), ROWS):
        block = phi[i : i + ROWS]
        write(angles(x[i : i + ROWS], W), block[:, :m], block[:, m:])
        block *= amplitude
    phi = phi.reshape(*X.shape[:-1], 2 * m)
    return phi if isinstance(X, np.ndarray) else from_host(phi, X)


def by_tangent(t: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> None:
    """Write cos(t) and sin(t)."""
    if t.dtype != np.float64:
        np.cos(t, out=cosine)
        np.sin(t, out=sine)
        return
    rows = max(1, _ELEMENTS // t.shape[1])
    for i in range(0, len(t), rows):
        part = slice(i, i + rows)
        u = np.multiply(t[part], 0.5)
        np.tan(u, out=u)
        v = np.multiply(u, u)
        v += 1
        np.divide(2, v, out=v)
        np.subtract(v, 1, out=cosine[part])
        np.multiply(u, v, out=sine[part])


def by_torch(t: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> None:
    """Write cos(t) and sin(t) as torch computes them."""
    torch = sys.modules["torch"]
    for function, out in ((torch.cos, cosine), (torch.sin, sine)):
        function(torch.from_numpy(t), out=torch.from_numpy(out))
