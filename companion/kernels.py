"""Kernels k(x, y) = ⟨φ(x), φ(y)⟩: similarities that are inner products, and the matrices K of all pairs.

A function k is a kernel if every matrix K with K_ij = k(x_i, x_j) is symmetric and positive semidefinite (PSD). Sums
and products of kernels are kernels; differences need not be (Aronszajn 1950, "Theory of reproducing kernels", part I,
sections 6 and 8; Schölkopf & Smola 2002, "Learning with Kernels", chapters 2 and 13). A kernel object maps data X of
shape (n, d) and Y of shape (m, d) to K of shape (n, m), on the backend and device and in the dtype of X.

The Gaussian takes |x - y|² = |x|² + |y|² - 2⟨x, y⟩ from one matrix product. That loses about eps·max|x|² to rounding,
where x is centred and measured in lengthscales. Where this exceeds eps^(2/3), float32 is computed in float64, and
float64 from differences.

>>> k = Gaussian(lengthscale=2.0) + 0.5 * Polynomial(degree=2)
>>> k([[0.0], [2.0]]).round(3)
array([[ 1.5  ,  1.107],
       [ 1.107, 13.5  ]])
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NoReturn, Self

import numpy as np

from companion import _arrays, _checks
from companion._arrays import Array

__all__ = ["Constant", "Gaussian", "Kernel", "Polynomial", "Product", "Stationary", "Sum"]
__all__ += ["gaussian_reference", "polynomial_reference"]

_DIFFERENCE = "A difference of kernels need not be positive semidefinite."
_ROWS = 256


def gaussian_reference(X: np.ndarray, Y: np.ndarray, lengthscale: float) -> np.ndarray:
    """K_ij = exp(-|x_i - y_j|² / (2 lengthscale²)), straight from the formula.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (m, d)
        Samples.
    lengthscale : float
        In the units of X.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> gaussian_reference(np.array([[0.0]]), np.array([[0.0], [1.0]]), lengthscale=1.0).round(3)
    array([[1.   , 0.607]])
    """
    return np.array([[np.exp(-np.sum((x - y) ** 2) / (2 * lengthscale**2)) for y in Y] for x in X])


def polynomial_reference(X: np.ndarray, Y: np.ndarray, degree: int, coef0: float) -> np.ndarray:
    """K_ij = (⟨x_i, y_j⟩ + coef0)^degree, straight from the formula.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (m, d)
        Samples.
    degree : int
        At least 1.
    coef0 : float
        At least 0.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> polynomial_reference(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), degree=2, coef0=1.0)
    array([[144.]])
    """
    return np.array([[(np.sum(x * y) + coef0) ** degree for y in Y] for x in X])


class Kernel(ABC):
    """A positive semidefinite similarity: ``K = kernel(X, Y)``, ``kernel.diag(X)``, ``k1 + k2``, ``k1 * k2``.

    Subclasses are dataclasses whose fields are their parameters. They implement ``_gram`` and ``_diag`` on data that
    has been converted and checked. Kernels compare by identity.
    """

    __array_ufunc__ = None  # so that numpy scalars leave 2.0 * kernel to __rmul__
    _bounded = False

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
            K, on the backend and device and in the dtype of the data (float16 is computed in float32). Gradients with
            respect to the data and to tensor parameters pass.

        Raises
        ------
        TypeError, ValueError
            If the data are not finite dense real matrices with equal numbers of features, if K overflows, or if K
            does not fit into memory.
        """
        X, Y, dtype = _arrays.data_pair(X, Y)
        size = (X.shape[0], (X if Y is None else Y).shape[0])
        itemsize = _arrays.namespace(X).finfo(dtype).bits // 8
        _checks.fits_memory("K", size, itemsize, _arrays.memory(X))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return self._in_range(self._gram(X, Y), dtype)

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
        X, _, dtype = _arrays.data_pair(X, None)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return self._in_range(self._diag(X), dtype)

    @abstractmethod
    def _gram(self, X: Array, Y: Array | None) -> Array:
        """K for checked data; the result is an own temporary. Y is None for Y = X."""

    @abstractmethod
    def _diag(self, X: Array) -> Array:
        """The diagonal of K for checked data."""

    def _in_range(self, K: Array, dtype: Any) -> Array:
        xp = _arrays.namespace(K)
        K = xp.astype(K, dtype, copy=False)
        if not self._bounded and _arrays.checks_values(K) and not _all_finite(_arrays.detached(K)):
            _checks.no_overflow("K", float(xp.finfo(dtype).max), "Scale the data, lower the degree, or use float64.")
        return K

    def __add__(self, other: Any) -> "Kernel":
        return Sum(self, _as_kernel(other)) if _is_operand(other) else NotImplemented

    def __radd__(self, other: Any) -> "Kernel":
        return Sum(_as_kernel(other), self) if _is_operand(other) else NotImplemented

    def __mul__(self, other: Any) -> "Kernel":
        return Product(self, _as_kernel(other)) if _is_operand(other) else NotImplemented

    def __rmul__(self, other: Any) -> "Kernel":
        return Product(_as_kernel(other), self) if _is_operand(other) else NotImplemented

    def __sub__(self, other: Any) -> NoReturn:
        _checks.fail("The operation", "a sum or a product", "a difference", _DIFFERENCE)

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
            If a name is unknown or a value is not allowed; nothing of this kernel is changed then.
        """
        own = self.get_params(deep=False)
        for key in params:
            _checks.known("parameter name", key.partition("__")[0], list(own))
        flat = {key: value for key, value in params.items() if "__" not in key}
        vars(self).update(vars(type(self)(**(own | flat))))
        for key, value in params.items():
            name, nested, inner = key.partition("__")
            if nested:
                part = getattr(self, name)
                _checks.known("parameter name", key if not isinstance(part, Kernel) else name, list(own))
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

    Examples
    --------
    >>> Constant(2.0)([[0.0], [1.0]])
    array([[2., 2.],
           [2., 2.]])
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        _check_parameter("value", self.value, allow_zero=True, why=_DIFFERENCE)

    def _gram(self, X: Array, Y: Array | None) -> Array:
        xp = _arrays.namespace(X)
        ones = xp.ones((X.shape[0], (X if Y is None else Y).shape[0]), dtype=X.dtype, device=X.device)
        return _arrays.multiply_(ones, _arrays.follow(self.value, X))

    def _diag(self, X: Array) -> Array:
        return _ones_like_rows(X) * _arrays.follow(self.value, X)


@dataclass(eq=False)
class Sum(Kernel):
    """k(x, y) = k1(x, y) + k2(x, y): the features of both, side by side.

    Parameters
    ----------
    k1, k2 : Kernel
        The terms.

    Examples
    --------
    >>> Gaussian() + 1.0
    Gaussian(lengthscale=1.0) + Constant(value=1.0)
    """

    k1: Kernel
    k2: Kernel

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return _arrays.add_(self.k1._gram(X, Y), self.k2._gram(X, Y))

    def _diag(self, X: Array) -> Array:
        return self.k1._diag(X) + self.k2._diag(X)

    def __repr__(self) -> str:
        return f"{self.k1!r} + {self.k2!r}"


@dataclass(eq=False)
class Product(Kernel):
    """k(x, y) = k1(x, y) k2(x, y): all products of a feature of k1 and a feature of k2 (Schur's product theorem).

    Parameters
    ----------
    k1, k2 : Kernel
        The factors.

    Examples
    --------
    >>> 2.0 * (Gaussian() + Gaussian(3.0))
    Constant(value=2.0) * (Gaussian(lengthscale=1.0) + Gaussian(lengthscale=3.0))
    """

    k1: Kernel
    k2: Kernel

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return _arrays.multiply_(self.k1._gram(X, Y), self.k2._gram(X, Y))

    def _diag(self, X: Array) -> Array:
        return self.k1._diag(X) * self.k2._diag(X)

    def __repr__(self) -> str:
        return " * ".join(f"({k!r})" if isinstance(k, Sum) else repr(k) for k in (self.k1, self.k2))


@dataclass(eq=False)
class Stationary(Kernel):
    """A kernel of (x - y) / lengthscale alone, with k(x, x) = 1.

    Parameters
    ----------
    lengthscale : float, 0-d array or array of shape (d,)
        The distance over which the similarity falls off, in the units of X; one per feature if it is an array.

    Raises
    ------
    ValueError
        If a lengthscale is not positive and finite, or their number is not the number of features; on a call, if it
        rounds to zero in the dtype of X.
    """

    lengthscale: Any = 1.0
    _bounded = True

    def __post_init__(self) -> None:
        _check_parameter("lengthscale", self.lengthscale, ndim=1)

    def _diag(self, X: Array) -> Array:
        self._lengthscale(X)
        return _ones_like_rows(X)

    def _lengthscale(self, X: Array) -> Array:
        values = _arrays.parameter_values(self.lengthscale)
        if values is not None:  # it may have been set since the constructor checked it
            _checks.positive("lengthscale", values, ndim=1)
            _checks.positive_when_rounded("lengthscale", values, _arrays.rounded(values, X))
        lengthscale = _arrays.follow(self.lengthscale, X)
        _checks.per_feature("lengthscale", tuple(lengthscale.shape), X.shape[1])
        return lengthscale


@dataclass(eq=False)
class Gaussian(Stationary):
    """k(x, y) = exp(-|x - y|² / (2 lengthscale²)), the RBF kernel; scikit-learn's gamma is 1 / (2 lengthscale²).

    On CUDA the rounding bound of the module is tested only inside ``check_values_on_device()``.

    Parameters
    ----------
    lengthscale : float, 0-d array or array of shape (d,)
        The distance over which the similarity falls to exp(-1/2) = 0.61, in the units of X; one per feature if it is an
        array.

    Raises
    ------
    ValueError
        If a lengthscale is not positive and finite, or their number is not the number of features; on a call, if it
        rounds to zero in the dtype of X.

    Notes
    -----
    Page: ``kernels/kernel-trick``. Slow twin: ``gaussian_reference``.

    Examples
    --------
    >>> Gaussian(lengthscale=2.0)([[0.0], [2.0]]).round(4)
    array([[1.    , 0.6065],
           [0.6065, 1.    ]])
    """

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return _of_squared_distance(_exp_below_zero, X, Y, self._lengthscale(X))


@dataclass(eq=False)
class Polynomial(Kernel):
    """k(x, y) = (⟨x, y⟩ + coef0)^degree: its features are all monomials up to that degree (exactly that, if coef0 = 0).

    Parameters
    ----------
    degree : int
        At least 1.
    coef0 : float
        At least 0, in the units of X squared. A negative one would give lower powers of ⟨x, y⟩ negative coefficients:
        a difference of kernels, which need not be positive semidefinite.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range; on a call, if a value of K overflows.

    Notes
    -----
    Page: ``kernels/kernel-trick``. Slow twin: ``polynomial_reference``.

    Examples
    --------
    >>> Polynomial(degree=2)([[1.0, 2.0]], [[3.0, 4.0]])
    array([[144.]])
    """

    degree: int = 3
    coef0: Any = 1.0

    def __post_init__(self) -> None:
        _checks.integer("degree", self.degree, minimum=1)
        _check_parameter("coef0", self.coef0, allow_zero=True, why=_DIFFERENCE)

    def _gram(self, X: Array, Y: Array | None) -> Array:
        one = _ones_like_rows(X)[:, None]
        A = _columns(X, one * _arrays.follow(self.coef0, X))  # (n, d + 1)
        B = _columns(X, one) if Y is None else _columns(Y, _ones_like_rows(Y)[:, None])  # (m, d + 1)
        return _arrays.pairwise(A, B, self._power, symmetric=Y is None)

    def _diag(self, X: Array) -> Array:
        return self._power(_arrays.namespace(X).sum(X * X, axis=1) + _arrays.follow(self.coef0, X))

    def _power(self, product: Array) -> Array:
        return _integer_power(product, int(self.degree))


def _is_operand(other: Any) -> bool:
    return isinstance(other, Kernel) or _checks.is_scale(other)


def _as_kernel(other: Any) -> Kernel:
    return other if isinstance(other, Kernel) else Constant(other)


def _check_parameter(name: str, value: Any, **limits: Any) -> None:
    values = _arrays.parameter_values(value)
    if values is not None:
        _checks.positive(name, values, **limits)


def _all_finite(K: Array) -> bool:
    xp = _arrays.namespace(K)
    return math.isfinite(float(xp.sum(K))) or bool(xp.all(xp.isfinite(K)))


def _ones_like_rows(X: Array) -> Array:
    return _arrays.namespace(X).ones(X.shape[0], dtype=X.dtype, device=X.device)


def _columns(*blocks: Array) -> Array:
    return _arrays.namespace(*blocks).concat(blocks, axis=1)


def _integer_power(x: Array, n: int) -> Array:
    if n == 1:
        return x
    half = _integer_power(x, n // 2)
    return half * half * x if n % 2 else half * half


def _exp_below_zero(exponent: Array) -> Array:
    return _arrays.exp_(_arrays.clip_above_(exponent, 0.0))


def _of_squared_distance(profile: Callable[[Array], Array], X: Array, Y: Array | None, lengthscale: Array) -> Array:
    """profile(-|x - y|² / (2 lengthscale²)) for all pairs, without loss where the matrix product would lose digits."""
    xp = _arrays.namespace(X)
    Z, V = _scaled(X, Y, lengthscale)
    if not _arrays.checks_values(X) or _product_is_accurate(Z, V):
        A, B = _exponent_factors(Z, V)
        return _arrays.pairwise(A, B, profile, symmetric=Y is None, diagonal=0.0 if Y is None else None)
    if X.dtype == xp.float32:
        X64, Y64, lengthscale64 = (None if a is None else xp.astype(a, xp.float64) for a in (X, Y, lengthscale))
        return xp.astype(_of_squared_distance(profile, X64, Y64, lengthscale64), xp.float32)
    return xp.concat([profile(_exponent(part, X if Y is None else Y, lengthscale)) for part in _parts(X)], axis=0)


def _scaled(X: Array, Y: Array | None, lengthscale: Array) -> tuple[Array, Array | None]:
    centre = _arrays.namespace(X).mean(_arrays.detached(X), axis=0)  # (d,)
    return (X - centre) / lengthscale, None if Y is None else (Y - centre) / lengthscale


def _product_is_accurate(*blocks: Array | None) -> bool:
    """Whether eps·max|z|² <= eps^(2/3): an entry of K then loses at most 4e-11 (float64) or 2e-5 (float32)."""
    for Z in (_arrays.detached(block) for block in blocks if block is not None):
        xp = _arrays.namespace(Z)
        if not float(xp.max(xp.sum(Z * Z, axis=1))) <= xp.finfo(Z.dtype).eps ** (-1 / 3):
            return False
    return True


def _exponent_factors(Z: Array, V: Array | None) -> tuple[Array, Array]:
    """Factors A, B with A Bᵀ = -|z - v|²/2: the rows (z, -|z|²/2, 1) and (v, 1, -|v|²/2)."""
    half, one = _minus_half_norms(Z), _ones_like_rows(Z)[:, None]  # (n, 1), (n, 1)
    A = _columns(Z, half, one)  # (n, d + 2)
    if V is None:
        return A, _columns(Z, one, half)
    return A, _columns(V, _ones_like_rows(V)[:, None], _minus_half_norms(V))  # (m, d + 2)


def _minus_half_norms(Z: Array) -> Array:
    return -_arrays.namespace(Z).sum(Z * Z, axis=1, keepdims=True) / 2


def _exponent(X: Array, Y: Array, lengthscale: Array) -> Array:
    """-|x - y|² / (2 lengthscale²) from differences, one feature at a time, so that nothing cancels."""
    total = 0.0
    scales = lengthscale * _arrays.namespace(X).ones(X.shape[1], dtype=X.dtype, device=X.device)  # (d,)
    for j in range(X.shape[1]):
        difference = (X[:, j][:, None] - Y[:, j][None, :]) / scales[j]  # (n, m)
        total = total - difference * difference / 2
    return total


def _parts(X: Array) -> list[Array]:
    return [X[i : min(i + _ROWS, X.shape[0]), :] for i in range(0, X.shape[0], _ROWS)]
