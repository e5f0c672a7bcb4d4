"""Stationary kernels: functions of (x - y) / lengthscale alone, with k(x, x) = 1, and the law of their frequencies.

A call measures the data in lengthscales, from their centre, and gives them to the kernel's core. It computes what
float32 would lose in float64: on the host always for a function of |x - y|, which has digits near 0 to lose; for a
smooth function of |x - y|² where eps·max|x|² exceeds eps^(2/3), and float64 takes differences there.

>>> from companion.kernels import Gaussian
>>> Gaussian(lengthscale=[1.0, 2.0])([[0.0, 0.0]], [[1.0, 2.0]]).round(4)
array([[0.3679]])
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, Seed, check_positive, follow, host, namespace
from companion._core.tiles import gram
from companion.kernels.base import Kernel
from companion.kernels.distances import squared_differences
from companion.kernels.spectra import Mixture, Spectrum, uniform

ROUGH = 1e300  # the slope of a kernel that has a kink or a cusp where x = y
EXACT_ENOUGH = {name: float(np.finfo(name).eps) ** (-1 / 3) for name in ("float32", "float64")}
"""The largest slope·|x|² for which a matrix product is exact enough: eps·slope·|x|² <= eps^(2/3)."""


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
        If a lengthscale is not positive and finite, or their number is not the number of features; on a call, if data
        in lengthscales have squares beyond the range of float64.
    """

    lengthscale: Any
    isotropic = True
    _bounded = True
    _limits = {"lengthscale": partial(check_positive, ndim=1)}
    _core: Any  # (X, Y) -> K, for data in lengthscales; a smooth one also takes ``squares``
    _fast: Any = None  # the same by ``_fast``, where that is faster
    _slope: Any = ROUGH  # the largest slope of k as a function of |x - y|²/2

    @property
    @abstractmethod
    def spectrum(self) -> Spectrum:
        """The law of the frequencies for lengthscale 1."""

    def _gram(self, X: Array, Y: Array | None) -> Array:
        xp, core, dtype = namespace(X), self._core, X.dtype
        Z, V, spread = self._scaled(X, Y)
        if dtype == xp.float32 and not self._slope * spread <= EXACT_ENOUGH["float32"]:
            Z, V, spread = self._scaled(*(None if x is None else xp.astype(x, xp.float64) for x in (X, Y)))
        if not math.isfinite(spread):
            checks.no_overflow("|X / lengthscale|²", float(xp.finfo(Z.dtype).max), "Scale the data.")
        if self._slope < ROUGH and not self._slope * spread <= EXACT_ENOUGH["float64"]:
            return gram(partial(core, squares=squared_differences), Z, V, largest=1.0, dtype=dtype)
        return gram(core, Z, V, largest=1.0, dtype=dtype, fast=self._fast)

    def _diag(self, X: Array) -> Array:
        self._scaled(X, None)
        return namespace(X).ones(X.shape[0], dtype=X.dtype, device=X.device)

    def _scaled(self, X: Array, Y: Array | None) -> tuple[Array, Array | None, float]:
        """The data in lengthscales, from their centre, and the largest |x|²."""
        centre, lengthscale = namespace(X).mean(X, axis=0), self.lengthscale  # (d,), () or (d,)
        if type(lengthscale) is not float:  # a NumPy float would make float32 data float64
            lengthscale = follow(lengthscale, X)
            checks.per_feature("lengthscale", tuple(lengthscale.shape), X.shape[1])
        Z = (X - centre) / lengthscale  # (n, d)
        V = None if Y is None else (Y - centre) / lengthscale  # (m, d)
        return Z, V, arrays.largest_square(Z, V)

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
        lengthscale = host_lengthscale(self, values.shape[1])
        with np.errstate(over="ignore"):
            scaled = values * lengthscale  # (n, d)
        if not np.isfinite(scaled).all():
            checks.no_overflow("W * lengthscale", float(np.finfo(np.float64).max), "Scale the data.")
        log_volume = float(np.sum(np.log(np.broadcast_to(lengthscale, values.shape[1]))))
        return finish(self.spectrum.log_density(scaled) + log_volume)

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
        check_size(n, dim)
        return for_lengthscale(self, self.spectrum.sample(arrays.generator(rng, "frequencies"), n, dim))

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
        """
        spectrum = mixture(self)
        check_size(n, dim)
        return spectrum.radius(uniform(arrays.generator(rng, "radii"), (n, spectrum.radius_uniforms)), dim)

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
        """
        spectrum = mixture(self)
        checks.integer("dim", dim, minimum=1)
        values, finish = self._host_values("radius", radius, 1)
        if values.min() < 0:
            checks.fail("radius", "non-negative", f"{values.min():g}", "It is the length of a frequency.")
        return finish(spectrum.radius_log_density(values, dim))

    def _host_values(self, name: str, value: Any, ndim: int) -> tuple[np.ndarray, Callable[[np.ndarray], Array]]:
        x, dtype = arrays.read(name, value, (ndim,))
        if not arrays.reaches_host(x):
            checks.on_host(name, "a tensor on a device or with a gradient", f"{name}.detach().cpu()")
        xp = namespace(x)
        return host(x).astype(np.float64), lambda y: xp.astype(arrays.from_host(y, x), dtype, copy=False)


def mixture(kernel: Stationary) -> Mixture:
    """The spectrum, for kernels where it is isotropic: a mixture of Gaussians, with a law of the radius."""
    if not kernel.isotropic:
        fix = "Its frequencies have independent coordinates: use sample_spectrum, or Matern(nu=0.5)."
        checks.fail("The kernel", "one whose spectrum is isotropic", repr(kernel), fix)
    return cast(Mixture, kernel.spectrum)


def host_lengthscale(kernel: Stationary, dim: int) -> np.ndarray:
    """The lengthscale as NumPy numbers, () or (dim,), for draws."""
    if isinstance(kernel.lengthscale, float):
        return np.asarray(kernel.lengthscale)
    if arrays.requires_grad(kernel.lengthscale):
        fix = "Draw for lengthscale 1 and pass X / lengthscale: so its gradient is kept."
        checks.fail("lengthscale", "without gradient to draw frequencies", "a tensor that requires grad", fix)
    lengthscale = host(kernel.lengthscale).astype(np.float64)
    checks.per_feature("lengthscale", lengthscale.shape, dim)
    return lengthscale


def for_lengthscale(kernel: Stationary, rows: Any) -> Any:
    """Frequencies for lengthscale 1, a matrix or its factors, become those of the kernel."""
    with np.errstate(over="ignore"):
        rows = rows / host_lengthscale(kernel, rows.shape[1])
    if not np.isfinite(getattr(rows, "scales", rows)).all():
        checks.no_overflow("W", float(np.finfo(np.float64).max), "Raise the lengthscale.")
    return rows


def check_size(n: int, dim: int, names: tuple[str, str] = ("n", "dim")) -> None:
    """Refuse numbers of frequencies and features that are no counts, or too large for the memory."""
    for name, value in zip(names, (n, dim), strict=True):
        if not (type(value) is int and value >= 1):
            checks.integer(name, value, minimum=1)
    arrays.fits_memory("W", n, dim, np.empty(0), "Draw fewer frequencies.")
