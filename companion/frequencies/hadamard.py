"""Frequencies kept as factors: chains of Hadamard matrices H and diagonal ones, SORF and Fastfood, and fast products.

H has p x p entries ±1, p a power of 2, and H Hᵀ = p I. With random signs D, B, a permutation P, a Gaussian vector g,
G = diag(g) and S = diag(r_i / |g|) for lengths r_i, a block of p frequencies is

    SORF      W = √p (H/√p) D1 (H/√p) D2 (H/√p) D3      (Yu et al. 2016, "Orthogonal random features")
    Fastfood  W = S H G P H B / √p                        (Le, Sarlós & Smola 2013, "Fastfood")

and d < p features are padded with zeros. Since H_p = H_a ⊗ H_b for p = a b, a product H x is two small matrix products:
p (a + b) multiplications instead of p², as fast as the machine multiplies. (The butterflies of the textbook need only
p log p, but they are bound by memory and lose to the plain product up to p = 1024.) On devices and under
autograd, where no block stays in a cache, the product is that with W itself.

>>> signs = np.array([[1.0, -1.0, 1.0, 1.0]] * 3)
>>> W = sorf(signs[:, None, :], shape=(4, 3))
>>> np.allclose(np.asarray(W), sorf_reference(signs)[:, :3])
True
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from companion._core.arrays import Array, follow, from_host, host, runs_on_numpy

_ROWS = 64  # samples at a time: they stay in the level-2 cache


def hadamard_reference(p: int) -> np.ndarray:
    """H_2p = [[H_p, H_p], [H_p, -H_p]], starting from H_1 = [[1]] (Sylvester's construction)."""
    H = np.ones((1, 1))
    while len(H) < p:
        H = np.block([[H, H], [H, -H]])
    return H


def sorf_reference(signs: np.ndarray) -> np.ndarray:
    """W = √p (H/√p) D1 (H/√p) D2 (H/√p) D3, straight from the formula."""
    p = signs.shape[1]
    H = hadamard_reference(p) / np.sqrt(p)
    D1, D2, D3 = (np.diag(s) for s in signs)
    return np.sqrt(p) * H @ D1 @ H @ D2 @ H @ D3


def fastfood_reference(radii: np.ndarray, g: np.ndarray, permutation: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """W = S H G P H B / √p with S = diag(radii / |g|), straight from the formula."""
    p = len(g)
    H, P = hadamard_reference(p), np.eye(p)[permutation]
    S = np.diag(radii / np.sqrt(np.sum(g**2)))
    return S @ H @ np.diag(g) @ P @ H @ np.diag(signs) / np.sqrt(p)


@dataclass(frozen=True, eq=False)
class Hadamard:
    """The first rows of blocks D_k H ... D_2 H D_1 H D_0, as a map X -> X Wᵀ; a permutation may follow the first H.

    Parameters
    ----------
    scales : ndarray of shape (k + 1, n_blocks, p)
        The diagonals D_0, ..., D_k of every block, in the order in which they are applied.
    shape : tuple of int
        (m, d).
    order : integer ndarray of shape (n_blocks, p), optional
        The permutation of every block.
    """

    scales: np.ndarray
    shape: tuple[int, int]
    order: np.ndarray | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        m, d = self.shape
        H = hadamard_reference(self.scales.shape[2])
        Z = np.eye(len(H), d) * self.scales[0][:, :, None]  # (n_blocks, p, d)
        for j, scale in enumerate(self.scales[1:]):
            Z = H @ Z
            if j == 0 and self.order is not None:
                Z = np.take_along_axis(Z, self.order[:, :, None], axis=1)
            Z *= scale[:, :, None]
        return np.asarray(Z.reshape(-1, d)[:m], dtype)

    def __truediv__(self, lengthscale: np.ndarray) -> "Hadamard":
        """W / lengthscale, column by column."""
        scales = self.scales.copy()
        scales[0, :, : self.shape[1]] /= lengthscale
        return Hadamard(scales, self.shape, self.order)

    @cached_property
    def matrix(self) -> np.ndarray:
        """W, made once."""
        return np.asarray(self)

    def project(self, X: Array) -> Array:
        """X Wᵀ of shape (..., m), for X of shape (..., d): by the matrix W itself where NumPy may not compute."""
        if not runs_on_numpy(X):
            return X @ follow(self.matrix, X).T
        x = host(X).reshape(-1, self.shape[1])
        A, B = (_sylvester(q).astype(x.dtype) for q in self._two_factors())
        P = self._in_the_cache(x, self.scales.astype(x.dtype), A, B)
        return from_host(P.reshape(*X.shape[:-1], self.shape[0]), X)

    def longest(self) -> float:
        """A bound of the lengths of the rows: the largest entries of a block's diagonals, times √p for each H."""
        p = self.scales.shape[2]
        return float(np.max(np.prod(np.abs(self.scales).max(axis=2) * p**0.5, axis=0))) / p**0.5

    def _in_the_cache(self, X: np.ndarray, scales: np.ndarray, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """The blocks of X Wᵀ side by side, a few samples at a time and without new memory for each.

        With p = a b and A, B of shapes (a, a), (b, b), the rows z of Z become z (A ⊗ B) by two small products.
        """
        (m, d), p, out = self.shape, scales.shape[2], np.empty((len(X), self.shape[0]), X.dtype)
        for i in range(0, len(X), _ROWS):
            n = min(_ROWS, len(X) - i)
            Z, T = np.empty((2, n, p), X.dtype)
            for k, first in enumerate(range(0, m, p)):
                np.multiply(X[i : i + n], scales[0, k, :d], out=Z[:, :d])
                Z[:, d:] = 0
                for j in range(1, len(scales)):
                    np.matmul(A, Z.reshape(n, len(A), len(B)), out=T.reshape(n, len(A), len(B)))
                    np.matmul(T.reshape(-1, len(B)), B, out=Z.reshape(-1, len(B)))
                    if j == 1 and self.order is not None:
                        Z, T = np.take(Z, self.order[k], axis=1, out=T, mode="clip"), Z
                    Z *= scales[j, k]
                out[i : i + n, first : first + p] = Z[:, : m - first]
        return out

    def _two_factors(self) -> tuple[int, int]:
        """a, b with a b = p, as equal as powers of 2 can be."""
        p = self.scales.shape[2]
        a = 1 << ((p.bit_length() - 1) // 2)
        return a, p // a


@lru_cache(maxsize=16)
def _sylvester(p: int) -> np.ndarray:
    return hadamard_reference(p)


def sorf(signs: np.ndarray, shape: tuple[int, int]) -> Hadamard:
    """SORF from signs of shape (3, n_blocks, p): the diagonals of D1, D2, D3."""
    D1, D2, D3 = signs
    p = signs.shape[2]
    return Hadamard(np.stack([D3, D2, D1, np.full_like(D1, 1 / p)]), shape)


def fastfood(
    radii: np.ndarray, g: np.ndarray, order: np.ndarray, signs: np.ndarray, shape: tuple[int, int]
) -> Hadamard:
    """Fastfood from radii, g, permutations and signs, all of shape (n_blocks, p)."""
    S = radii / np.linalg.norm(g, axis=1, keepdims=True)
    return Hadamard(np.stack([signs, g, S / np.sqrt(g.shape[1])]), shape, order)
