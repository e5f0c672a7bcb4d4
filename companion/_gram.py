"""What every kernel object does: calls, the diagonal, sums and products, parameters, refusals.

Sums k1 + k2, products k1 * k2 and non-negative multiples of kernels are kernels; differences need not be (Aronszajn
1950, "Theory of reproducing kernels", part I, sections 6 and 8: the product is the restriction of k1(x, y) k2(u, v) to
x = u, y = v). Rounding of K is that of its parts: a sum or product adds one half unit in the last place.

>>> from companion.kernels import Gaussian
>>> (2.0 * Gaussian() + 1.0)([[0.0]])
array([[3.]])
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NoReturn, Self, cast

import numpy as np

from companion import _arrays, _checks
from companion._arrays import Array, Seed
from companion._spectra import Mixture, Spectrum, uniform

DIFFERENCE = "A difference of kernels need not be positive semidefinite."


class Kernel(ABC):
    """A positive semidefinite similarity: ``K = kernel(X, Y)``, ``kernel.diag(X)``, ``k1 + k2``, ``k1 * k2``.

    Subclasses are dataclasses whose fields are their parameters. They implement ``_gram`` and ``_diag`` on data that
    has been converted and checked. Kernels compare by identity.
    """

    __array_ufunc__ = None  # so that numpy scalars leave 2.0 * kernel to __rmul__
    _bounded = False
    _remedy = "Scale the data, lower the degree, or use float64."

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
        self._refuse(X, Y)
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
        self._refuse(X)
        X, _, dtype = _arrays.data_pair(X, None)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return self._in_range(self._diag(X), dtype)

    def _refuse(self, *data: Any) -> None:  # noqa: B027, most kernels refuse nothing
        """Raise for data that would turn into other numbers than was meant."""

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
            _checks.no_overflow("K", float(xp.finfo(dtype).max), self._remedy)
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
        _checks.fail("The operation", "a sum or a product", "a difference", DIFFERENCE)

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
        check_parameter("value", self.value, allow_zero=True, why=DIFFERENCE)

    def _gram(self, X: Array, Y: Array | None) -> Array:
        xp = _arrays.namespace(X)
        ones = xp.ones((X.shape[0], (X if Y is None else Y).shape[0]), dtype=X.dtype, device=X.device)
        return _arrays.multiply_(ones, _arrays.follow(self.value, X))

    def _diag(self, X: Array) -> Array:
        return _arrays.ones_like_rows(X) * _arrays.follow(self.value, X)


@dataclass(eq=False)
class Sum(Kernel):
    """k(x, y) = k1(x, y) + k2(x, y): the features of both, side by side.

    Parameters
    ----------
    k1, k2 : Kernel
        The terms.

    Examples
    --------
    >>> from companion.kernels import Gaussian
    >>> Gaussian() + 1.0
    Gaussian(lengthscale=1.0) + Constant(value=1.0)
    """

    k1: Kernel
    k2: Kernel

    def _refuse(self, *data: Any) -> None:
        self.k1._refuse(*data)
        self.k2._refuse(*data)

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
    >>> from companion.kernels import Gaussian
    >>> 2.0 * (Gaussian() + Gaussian(3.0))
    Constant(value=2.0) * (Gaussian(lengthscale=1.0) + Gaussian(lengthscale=3.0))
    """

    k1: Kernel
    k2: Kernel

    def _refuse(self, *data: Any) -> None:
        self.k1._refuse(*data)
        self.k2._refuse(*data)

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return _arrays.multiply_(self.k1._gram(X, Y), self.k2._gram(X, Y))

    def _diag(self, X: Array) -> Array:
        return self.k1._diag(X) * self.k2._diag(X)

    def __repr__(self) -> str:
        return " * ".join(f"({k!r})" if isinstance(k, Sum) else repr(k) for k in (self.k1, self.k2))


class Stationary(Kernel):
    """A kernel of (x - y) / lengthscale alone, with k(x, x) = 1: an average of cosines, E cos⟨w, x - y⟩.

    The law of the frequencies w, its spectrum, comes with it (Bochner's theorem; Rahimi & Recht 2007, "Random Features
    for Large-Scale Kernel Machines", theorem 1). The attribute ``isotropic`` says whether for lengthscale 1 the law
    depends on the length of w alone; of the kernels here the Laplacian's does not.

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

    lengthscale: Any
    isotropic = True
    _bounded = True

    def __post_init__(self) -> None:
        check_parameter("lengthscale", self.lengthscale, ndim=1)

    def _diag(self, X: Array) -> Array:
        self._lengthscale(X)
        return _arrays.ones_like_rows(X)

    def spectral_log_density(self, W: Any) -> Array:
        """The logarithm of the density p of the spectrum, k(x, y) = ∫ cos⟨w, x - y⟩ p(w) dw, at the rows of W.

        Parameters
        ----------
        W : array of shape (n, d)
            Frequencies, in radians per unit of X; on the host and without gradient.

        Returns
        -------
        array of shape (n,)
            log p(w), normalised; +inf where the density is infinite, at w = 0 for ``Cauchy`` with 2 beta <= d. It has
            the backend and dtype of W, but no gradient: it goes through SciPy, in float64.

        Raises
        ------
        TypeError, ValueError
            If W is not a finite matrix of that many features, or is on a device or records a gradient, or the density
            has no closed form: that of ``ExponentialPower`` has one for alpha = 1 and 2 only.

        Notes
        -----
        Page: ``random-features/bochner``.

        Examples
        --------
        >>> from companion.kernels import Gaussian
        >>> Gaussian(lengthscale=2.0).spectral_log_density([[0.0], [1.0]]).round(4)
        array([-0.2258, -2.2258])
        """
        values, finish = self._host_values("W", W, 2)
        lengthscale = self._host_lengthscale(values.shape[1])
        with np.errstate(over="ignore"):
            scaled = values * lengthscale  # (n, d)
        if not np.isfinite(scaled).all():
            _checks.no_overflow("W * lengthscale", float(np.finfo(np.float64).max), "Scale the data.")
        log_volume = float(np.sum(np.log(np.broadcast_to(lengthscale, values.shape[1]))))
        return finish(self._spectrum().log_density(scaled) + log_volume)

    def sample_spectrum(self, n: int, dim: int, *, rng: Seed = None) -> np.ndarray:
        """Independent frequencies w ~ p, the rows of W: the average of cos⟨w, x - y⟩ estimates k(x, y) without bias.

        Parameters
        ----------
        n : int
            How many.
        dim : int
            The number d of features.
        rng : int, numpy.random.Generator, numpy.random.RandomState or None
            Seed; an integer draws frequencies that are independent of data made with the same integer.

        Returns
        -------
        ndarray of shape (n, dim)
            In float64, in radians per unit of X. Those of more than about 1e10 / lengthscale, which only very rough
            kernels have, are shortened to at most twice that, so that their angles keep digits: the average of cosines
            notices at distances below 1e-10 lengthscales, or with the probability of a frequency beyond 1e20.

        Raises
        ------
        TypeError, ValueError
            If a number is no positive integer, or a lengthscale requires grad, is too small, or not one per feature.

        Notes
        -----
        Page: ``random-features/bochner``. The average of m cosines has the standard deviation
        √((1 + k(2δ) - 2 k(δ)²) / (2m)) at δ = x - y.

        Examples
        --------
        >>> from companion.kernels import Gaussian
        >>> W = Gaussian().sample_spectrum(100_000, 2, rng=0)
        >>> float(np.cos(W @ [1.0, 0.0]).mean().round(1)), float(Gaussian()([[1.0, 0.0]], [[0.0, 0.0]])[0, 0].round(1))
        (0.6, 0.6)
        """
        self._host_lengthscale(_size(n, dim))
        return self._for_lengthscale(self._spectrum().sample(_arrays.generator(rng, "frequencies"), n, dim))

    def sample_radius(self, n: int, dim: int, *, rng: Seed = None) -> np.ndarray:
        """Independent lengths |lengthscale·w| of frequencies w ~ p, for kernels whose spectrum is isotropic.

        Parameters
        ----------
        n : int
            How many.
        dim : int
            The number d of features.
        rng : int, numpy.random.Generator, numpy.random.RandomState or None
            Seed.

        Returns
        -------
        ndarray of shape (n,)
            In float64, without unit: a direction times this, divided by the lengthscale, is a frequency.

        Raises
        ------
        TypeError, ValueError
            If a number is no positive integer, or the spectrum is not isotropic.

        Examples
        --------
        >>> from companion.kernels import Gaussian
        >>> float((Gaussian().sample_radius(100_000, 4, rng=0) ** 2).mean().round(1))
        4.0
        """
        spectrum = self._mixture()
        _size(n, dim)
        return spectrum.radius(uniform(_arrays.generator(rng, "radii"), (n, spectrum.radius_uniforms)), dim)

    def radius_log_density(self, radius: Any, dim: int) -> Array:
        """The logarithm of the density of the lengths that ``sample_radius`` draws.

        Parameters
        ----------
        radius : array of shape (n,)
            Lengths, not negative; on the host and without gradient.
        dim : int
            The number d of features.

        Returns
        -------
        array of shape (n,)
            log p(w) at |w| = radius for lengthscale 1, plus the logarithm of the area of the sphere of that radius; on
            the backend and in the dtype of ``radius``, without gradient.

        Raises
        ------
        TypeError, ValueError
            If ``radius`` is not finite or negative, dim is no positive integer, the spectrum is not isotropic, or its
            density has no closed form.

        Examples
        --------
        >>> from companion.kernels import Gaussian
        >>> np.exp(Gaussian().radius_log_density([0.0, 1.0], dim=2)).round(4)
        array([0.    , 0.6065])
        """
        spectrum = self._mixture()
        _checks.integer("dim", dim, minimum=1)
        values, finish = self._host_values("radius", radius, 1)
        if values.min() < 0:
            _checks.fail("radius", "non-negative", f"{values.min():g}", "It is the length of a frequency.")
        return finish(spectrum.radius_log_density(values, dim))

    @abstractmethod
    def _spectrum(self) -> Spectrum:
        """The law of the frequencies for lengthscale 1."""

    def _mixture(self) -> Mixture:
        """The spectrum, for kernels where it is isotropic: a mixture of Gaussians, with a law of the radius."""
        if not self.isotropic:
            fix = "Its frequencies have independent coordinates: use sample_spectrum, or Matern(nu=0.5)."
            _checks.fail("The kernel", "one whose spectrum is isotropic", repr(self), fix)
        return cast(Mixture, self._spectrum())

    def _host_values(self, name: str, value: Any, ndim: int) -> tuple[np.ndarray, Callable[[np.ndarray], Array]]:
        x, dtype = _arrays.data(name, value, (ndim,))
        if not _arrays.reaches_host(x):
            _checks.on_host(name, "a tensor on a device or with a gradient", f"{name}.detach().cpu()")
        xp = _arrays.namespace(x)
        return _arrays.host(x).astype(np.float64), lambda y: xp.astype(_arrays.from_host(y, x), dtype, copy=False)

    def _for_lengthscale(self, rows: Any) -> Any:
        """Frequencies for lengthscale 1, a matrix or its factors, become those of the kernel."""
        with np.errstate(over="ignore"):
            rows = rows / self._host_lengthscale(rows.shape[1])
        if not np.isfinite(getattr(rows, "scales", rows)).all():
            _checks.no_overflow("W", float(np.finfo(np.float64).max), "Raise the lengthscale.")
        return rows

    def _host_lengthscale(self, dim: int) -> np.ndarray:
        if _arrays.requires_grad(self.lengthscale):
            fix = "Draw for lengthscale 1 and pass X / lengthscale: so its gradient is kept."
            _checks.fail("lengthscale", "without gradient to draw frequencies", "a tensor that requires grad", fix)
        lengthscale = _arrays.host(self.lengthscale).astype(np.float64)  # () or (d,)
        _checks.positive("lengthscale", lengthscale, ndim=1)
        _checks.per_feature("lengthscale", lengthscale.shape, dim)
        return lengthscale

    def _lengthscale(self, X: Array) -> Array:
        values = _arrays.parameter_values(self.lengthscale)
        if values is not None:  # it may have been set since the constructor checked it
            _checks.positive("lengthscale", values, ndim=1)
            _checks.positive_when_rounded("lengthscale", values, _arrays.rounded(values, X))
        lengthscale = _arrays.follow(self.lengthscale, X)
        _checks.per_feature("lengthscale", tuple(lengthscale.shape), X.shape[1])
        return lengthscale


def _size(n: int, dim: int) -> int:
    """Refuse numbers of frequencies and features that are no counts, or too large for the memory; returns dim."""
    _checks.integer("n", n, minimum=1)
    _checks.integer("dim", dim, minimum=1)
    _checks.fits_memory("W", (n, dim), 8, _arrays.memory(np.empty(0)), "Draw fewer frequencies.")
    return dim


def _is_operand(other: Any) -> bool:
    return isinstance(other, Kernel) or _checks.is_scale(other)


def _as_kernel(other: Any) -> Kernel:
    return other if isinstance(other, Kernel) else Constant(other)


def check_parameter(name: str, value: Any, **limits: Any) -> None:
    """Refuse a parameter that is out of range, where its values may be read."""
    values = _arrays.parameter_values(value)
    if values is not None:
        _checks.positive(name, values, **limits)


def only_for(what: str, kernel: Any, expected: str, fix: str = "") -> NoReturn:
    """Refuse a kernel for which something is not defined or not known: a wrong value, and no kernel a wrong type."""
    error = ValueError if isinstance(kernel, Kernel) else TypeError
    raise error(f"{what} is for {expected}; got {kernel!r}. {fix}".rstrip())


def _all_finite(K: Array) -> bool:
    xp = _arrays.namespace(K)
    return math.isfinite(float(xp.sum(K))) or bool(xp.all(xp.isfinite(K)))
