"""What every kernel object does: calls, the diagonal, sums and products, parameters.

Sums k1 + k2, products k1 * k2 and non-negative multiples of kernels are kernels; differences need not be (Aronszajn
1950, "Theory of reproducing kernels", part I, sections 6 and 8: the product is the restriction of k1(x, y) k2(u, v) to
x = u, y = v). Rounding of K is that of its parts: a sum or product adds one half unit in the last place.

>>> from companion.kernels import Gaussian
>>> (2.0 * Gaussian() + 1.0)([[0.0]])
array([[3.]])
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import partial
from numbers import Real
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, check_positive, follow, namespace

DIFFERENCE = "A difference of kernels need not be positive semidefinite."


class Kernel(ABC):
    """A positive semidefinite similarity: ``K = kernel(X, Y)``, ``kernel.diag(X)``, ``k1 + k2``, ``k1 * k2``.

    Subclasses are dataclasses whose fields are their parameters, checked by ``_limits`` whenever they are set. They
    implement ``_gram`` and ``_diag`` on data that has been converted and checked. Kernels compare by identity.
    """

    __array_ufunc__ = None  # so that numpy scalars leave 2.0 * kernel to __rmul__
    _limits: ClassVar[Mapping[str, Callable[[str, Any], Any]]] = {}
    _bounded = False  # no entry can overflow
    _copies = 1.0  # of K in memory, at the peak
    _takes_indices: Any = False
    _remedy = "Scale the data, lower the degree, or use float64."

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._limits:
            self._limits[name](name, value)
            if isinstance(value, np.ndarray | list):
                value = np.array(value)  # the caller's may change, unchecked
                value.flags.writeable = False
        object.__setattr__(self, name, value)

    def __call__(self, X: Any, Y: Any | None = None) -> Array:
        """All similarities between the rows of X and the rows of Y.

        Parameters
        ----------
        X : array of shape (n, d)
            Samples: NumPy, torch, or any array API array; lists and data frames become NumPy arrays.
        Y : array of shape (m, d), optional
            Samples on the same backend and device; X if left out, and K is then exactly symmetric.

        Returns
        -------
        array of shape (n, m)
            K, on the backend and device and in the dtype of the data (float16 and bfloat16 are computed in float32).
            Gradients with respect to the data and to tensor parameters pass.

        Raises
        ------
        TypeError, ValueError
            If the data are not finite dense real matrices with equal numbers of features, if K overflows, or if K
            does not fit into memory.
        """
        if self._takes_indices:
            _refuse_masks(X, Y)
        x, dtype = arrays.read("X", X)
        y = None
        if Y is not None and Y is not X:
            x, y, dtype = arrays.read_beside(x, dtype, Y)
        arrays.fits_memory("K", x.shape[0], (x if y is None else y).shape[0], x, copies=self._copies)
        with np.errstate(all="ignore"):
            K = self._gram(x, y)
            return K if self._bounded and K.dtype == dtype else self._in_range(K, dtype)

    def diag(self, X: Any) -> Array:
        """The similarities k(x, x), without the rest of K.

        Parameters
        ----------
        X : array of shape (n, d)
            Samples.

        Returns
        -------
        array of shape (n,)
            The diagonal of ``kernel(X)``.

        Raises
        ------
        TypeError, ValueError
            As a call does.
        """
        if self._takes_indices:
            _refuse_masks(X)
        X, dtype = arrays.read("X", X)
        with np.errstate(all="ignore"):
            return self._in_range(self._diag(X), dtype)

    def __sklearn_clone__(self) -> "Kernel":
        own = self.get_params(deep=False).items()
        return type(self)(**{k: v.__sklearn_clone__() if isinstance(v, Kernel) else deepcopy(v) for k, v in own})

    @abstractmethod
    def _gram(self, X: Array, Y: Array | None) -> Array:
        """K for checked data, where None for Y means X; the result is a new array."""

    @abstractmethod
    def _diag(self, X: Array) -> Array:
        """The diagonal of K for checked data."""

    def _in_range(self, K: Array, dtype: Any) -> Array:
        K = namespace(K).astype(K, dtype, copy=False)
        return K if self._bounded else arrays.in_range("K", K, self._remedy)

    def __add__(self, other: Any) -> "Kernel":
        return Sum(self, _as_kernel(other)) if _is_operand(other) else NotImplemented

    def __radd__(self, other: Any) -> "Kernel":
        return Sum(_as_kernel(other), self) if _is_operand(other) else NotImplemented

    def __mul__(self, other: Any) -> "Kernel":
        return Product(self, _as_kernel(other)) if _is_operand(other) else NotImplemented

    def __rmul__(self, other: Any) -> "Kernel":
        return Product(_as_kernel(other), self) if _is_operand(other) else NotImplemented

    def __sub__(self, other: Any) -> NoReturn:
        checks.fail("The operation", "a sum or a product", "a difference", DIFFERENCE)

    __rsub__ = __sub__

    def __neg__(self) -> NoReturn:
        self.__sub__(0)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, as scikit-learn names them.

        Parameters
        ----------
        deep : bool
            Include the parameters of the kernels that this one is made of, as ``k1__lengthscale``.

        Returns
        -------
        dict
            Parameter names and values.
        """
        params = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        kernels = {name: value for name, value in params.items() if deep and isinstance(value, Kernel)}
        nested = {f"{name}__{inner}": v for name, kernel in kernels.items() for inner, v in kernel.get_params().items()}
        return params | nested

    def set_params(self, **params: Any) -> Self:
        """Change parameters, checked as in the constructor.

        Parameters
        ----------
        **params
            Names as in ``get_params``.

        Returns
        -------
        Kernel
            This object.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or a value is not allowed; none of its own parameters is changed then.
        """
        own = self.get_params(deep=False)
        for key in params:
            checks.known("parameter name", key.partition("__")[0], list(own))
        flat = {key: value for key, value in params.items() if "__" not in key}
        vars(self).update(vars(type(self)(**(own | flat))))
        for key, value in params.items():
            name, nested, inner = key.partition("__")
            if nested:
                part = getattr(self, name)
                checks.known("parameter name", key if not isinstance(part, Kernel) else name, list(own))
                part.set_params(**{inner: value})
        return self


@dataclass(eq=False)
class Constant(Kernel):
    """k(x, y) = value: the kernel of one constant feature, √value. Numbers in sums and products become this.

    Parameters
    ----------
    value : float
        At least 0.

    Raises
    ------
    ValueError
        If ``value`` is negative or not finite.
    """

    value: float = 1.0
    _limits = {"value": partial(check_positive, allow_zero=True, why=DIFFERENCE)}

    def _gram(self, X: Array, Y: Array | None) -> Array:
        shape = (X.shape[0], (X if Y is None else Y).shape[0])
        return namespace(X).ones(shape, dtype=X.dtype, device=X.device) * follow(self.value, X)

    def _diag(self, X: Array) -> Array:
        return namespace(X).ones(X.shape[0], dtype=X.dtype, device=X.device) * follow(self.value, X)


@dataclass(eq=False)
class _Pair(Kernel):
    """Two kernels, joined."""

    k1: Kernel
    k2: Kernel
    _copies = 2.1

    @property
    def _takes_indices(self) -> bool:  # type: ignore[override]
        return bool(self.k1._takes_indices or self.k2._takes_indices)


@dataclass(eq=False)
class Sum(_Pair):
    """k(x, y) = k1(x, y) + k2(x, y): the features of both, side by side.

    Parameters
    ----------
    k1, k2 : Kernel
        The terms.
    """

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return self.k1._gram(X, Y) + self.k2._gram(X, Y)

    def _diag(self, X: Array) -> Array:
        return self.k1._diag(X) + self.k2._diag(X)

    def __repr__(self) -> str:
        return f"{self.k1!r} + {self.k2!r}"


@dataclass(eq=False)
class Product(_Pair):
    """k(x, y) = k1(x, y) k2(x, y): all products of a feature of k1 and a feature of k2 (Schur's product theorem).

    Parameters
    ----------
    k1, k2 : Kernel
        The factors.

    Examples
    --------
    >>> from companion.kernels import Gaussian
    >>> 2.0 * (Gaussian() + Gaussian(3.0))
    Constant(value=2.0) * (Gaussian(lengthscale=1.0) + Gaussian(lengthscale=3.0))
    """

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return self.k1._gram(X, Y) * self.k2._gram(X, Y)

    def _diag(self, X: Array) -> Array:
        return self.k1._diag(X) * self.k2._diag(X)

    def __repr__(self) -> str:
        return " * ".join(f"({k!r})" if isinstance(k, Sum) else repr(k) for k in (self.k1, self.k2))


def _is_operand(other: Any) -> bool:
    number = isinstance(other, Real) and not isinstance(other, bool)
    return isinstance(other, Kernel) or number or getattr(other, "shape", None) == ()


def _as_kernel(other: Any) -> Kernel:
    return other if isinstance(other, Kernel) else Constant(other)


def only_for(what: str, kernel: Any, expected: str, fix: str = "") -> NoReturn:
    """Refuse a kernel for which something is not defined or not known: a wrong value, and no kernel a wrong type."""
    error = ValueError if isinstance(kernel, Kernel) else TypeError
    raise error(f"{what} is for {expected}; got {kernel!r}. {fix}".rstrip())


def _refuse_masks(*data: Any) -> None:
    for name, value in zip("XY", data, strict=False):
        if str(getattr(value, "dtype", "")).endswith("bool"):  # True would be read as index 1
            fix = f"Use numpy.flatnonzero({name})[:, None]."
            checks.fail(name, "made of indices, for a precomputed kernel", "booleans", fix, TypeError)
