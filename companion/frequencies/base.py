"""The matrix W of frequencies, and what every scheme that draws it checks.

>>> W = Frequencies([[1.0, 2.0]], scheme="by hand", unbiased=False)
>>> W.project([[1.0, 1.0], [0.0, 1.0]])
array([[3.],
       [2.]])
"""

import copy
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, Seed, detached, follow, host, namespace, readable
from companion.frequencies.hadamard import Hadamard
from companion.kernels.base import Constant, Kernel, Product, Sum, only_for
from companion.kernels.dot import Polynomial, Softmax
from companion.kernels.gaussian import Gaussian
from companion.kernels.precomputed import Precomputed
from companion.kernels.stationary import Stationary, check_size

_ANY = "use 'iid', 'sobol' or 'halton'"
_ISOTROPIC = f"kernels whose spectrum is isotropic ({_ANY} for one that is a product of laws per feature)"
_GAUSSIAN = f"the Gaussian kernel ('orthogonal' and 'fastfood' take every isotropic one; for any, {_ANY})"
_ADVICE: dict[type, str] = {
    Sum: "Draw for each term and put their features side by side.",
    Product: "numpy.asarray(W1) + numpy.asarray(W2), drawn for its factors with different seeds, has its spectrum; the "
    "features of c * k are sqrt(c) times those of k.",
    Constant: "Its one feature is sqrt(value): append that column.",
    Polynomial: "Its features are monomials, not waves: expand them, or use the exact kernel.",
    Precomputed: "A matrix of similarities has no frequencies: use it as it is, or factorise it.",
    Softmax: "Multiply X by sqrt(scale) and draw for Softmax().",
}


@dataclass(frozen=True, eq=False, repr=False)
class Frequencies:
    """The matrix W of frequencies, as every feature map takes it; ``numpy.asarray`` gives its entries.

    Parameters
    ----------
    rows : array of shape (m, d)
        W, or what multiplies as W does.
    scheme : str
        How it was drawn.
    unbiased : bool
        Whether every row has the spectral law of the kernel, so that the mean of the estimate is the kernel exactly.
    weights : ndarray of shape (m,), optional
        The weights of the rows in the estimate, where they are not 1/m: not negative, of sum 1.

    Raises
    ------
    TypeError, ValueError
        If ``rows`` is not a finite matrix, or ``weights`` are not such numbers, one for each row.
    """

    rows: Any
    scheme: str
    unbiased: bool
    weights: Any = None

    def __post_init__(self) -> None:
        rows = self.rows
        if not isinstance(rows, Hadamard):
            plain = type(rows) is np.ndarray and rows.ndim == 2 and rows.dtype == np.float64
            if not (plain and np.isfinite(rows).all()):
                rows = arrays.read_on_host("rows", rows)[0]
            object.__setattr__(self, "rows", np.array(rows, np.float64))
        if self.weights is not None:
            weights = np.array(arrays.read_on_host("weights", self.weights, ndim=(1,))[0], np.float64)
            checks.one_each("weights", weights.shape, "W", self.shape)
            if weights.min() < 0 or abs(weights.sum() - 1) > 1e-6:
                got = f"smallest {weights.min():.3g}, sum {weights.sum():.9g}"
                checks.fail("weights", "not negative, of sum 1", got, "Divide by weights.sum().")
            object.__setattr__(self, "weights", weights)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d): the numbers of frequencies and of features of the data."""
        return tuple(self.rows.shape)

    @property
    def structured(self) -> bool:
        """Whether W is kept as factors, because ``project`` is faster with them than with W itself."""
        return isinstance(self.rows, Hadamard)

    @cached_property
    def longest(self) -> float:
        """The length of the longest row; 0 where values are not read."""
        return self.rows.longest() if self.structured else math.sqrt(arrays.largest_square(self.rows))

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return f"Frequencies(<{size} matrix>, scheme={self.scheme!r}, unbiased={self.unbiased})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        rows = self.rows if self.structured else host(self.rows)
        return np.array(rows, dtype=dtype, copy=copy is not False)  # what is done to it does not change W

    def to(self, like: Array) -> "Frequencies":
        """These frequencies where ``like`` is, cast and moved once: maps of such data then transfer nothing.

        Parameters
        ----------
        like : array
            Data, or an empty array of its backend, dtype and device. For float16 and bfloat16, in which angles would
            lose their digits, W is kept in float32.

        Returns
        -------
        Frequencies
            ``rows`` is an array of the backend of ``like``: the dense matrix, also where W was kept as factors. In a
            torch module, ``register_buffer("W", frequencies.to(like).rows)``, and give ``self.W`` to the map.
        """
        xp, moved = namespace(like), copy.copy(self)
        like = xp.astype(like, xp.float32) if arrays.dtype_name(like) in arrays.HALF else like
        object.__setattr__(moved, "rows", follow(self.rows.matrix if self.structured else self.rows, like))
        if self.weights is not None:
            object.__setattr__(moved, "weights", follow(self.weights, like))
        return moved

    def project(self, X: Any) -> Array:
        """X Wᵀ: the inner products ⟨x_i, w_j⟩ of all samples and all frequencies.

        Parameters
        ----------
        X : array of shape (..., n, d)
            Samples.

        Returns
        -------
        array of shape (..., n, m)
            On the backend and device and in the dtype of X (float16 and bfloat16 are computed in float32); gradients
            pass.

        Raises
        ------
        TypeError, ValueError
            If X is not a finite dense real array of d columns, or if a product overflows.
        """
        X, dtype = arrays.read("X", X, arrays.BATCHES)
        checks.same_features("X", tuple(X.shape), "W", self.shape)
        xp = namespace(X)
        with np.errstate(over="ignore", invalid="ignore"):
            P = self.rows.project(X) if self.structured else X @ follow(self.rows, X).mT
            P = xp.astype(P, dtype, copy=False)
        if readable(P) and not bool(xp.all(xp.isfinite(detached(P)))):
            checks.no_overflow("X Wᵀ", float(xp.finfo(dtype).max), "Scale the data, or use float64.")
        return P


def stationary(kernel: Any) -> Stationary:
    """The kernel whose spectrum is drawn from; N(0, I) for the softmax kernel."""
    if isinstance(kernel, Softmax) and float(host(kernel.scale)) == 1.0:
        return Gaussian()
    if not isinstance(kernel, Stationary):
        fix = _ADVICE.get(type(kernel), "For example companion.kernels.Gaussian(lengthscale=2.0).")
        error = ValueError if isinstance(kernel, Kernel) else TypeError
        checks.fail("kernel", "stationary, or Softmax(scale=1.0)", repr(kernel), fix, error)
    return kernel


def arguments(
    scheme: str,
    kernel: Any,
    n: Any,
    dim: Any,
    rng: Seed,
    *,
    isotropic: bool = False,
    gaussian: bool = False,
    copies: int = 1,
) -> tuple[Stationary, int, int, np.random.Generator]:
    """The arguments of a scheme that holds so many copies of W at its peak, or the reason why it cannot draw."""
    kernel = stationary(kernel)
    if gaussian and not isinstance(kernel, Gaussian):
        only_for(f"scheme={scheme!r}", kernel, _GAUSSIAN)
    if isotropic and not kernel.isotropic:
        only_for(f"scheme={scheme!r}", kernel, _ISOTROPIC)
    check_size(n, dim, ("n_frequencies", "dim"))
    arrays.fits_memory("W", n, dim, np.empty(0), "Draw fewer frequencies.", copies)
    return kernel, int(n), int(dim), arrays.generator(rng, "frequencies")


def inside(U: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1] without the two ends, where quantiles are infinite; a change with probability below 1e-15."""
    return np.clip(U, 2.0**-54, 1 - 2.0**-53)
