"""Kernels k(x, y) = ⟨φ(x), φ(y)⟩: similarities that are inner products, and the matrices K of all pairs.

A function k is a kernel if every matrix K with K_ij = k(x_i, x_j) is symmetric and positive semidefinite (PSD). Sums
and products of kernels are kernels; differences need not be (Aronszajn 1950, "Theory of reproducing kernels", part I,
sections 6 and 8; Schölkopf & Smola 2002, "Learning with Kernels", chapters 2 and 13). A kernel object maps data X of
shape (n, d) and Y of shape (m, d) to K of shape (n, m), on the backend and device and in the dtype of X.

Stationary kernels see x - y only: the Gaussian, the Laplacian, the Matérn family (Rasmussen & Williams 2006, "Gaussian
Processes for Machine Learning", equations 4.9 and 4.14 to 4.18), powers of Cauchy's and of the exponential. They own
their spectrum, the law of the frequencies w with k(x, y) = E cos⟨w, x - y⟩. Rounding: functions of |x - y|² (Gaussian,
Cauchy) lose at most eps^(2/3), about 4e-11 in float64 and 2e-5 in float32; the others lose some
eps.

>>> k = Gaussian(lengthscale=2.0) + 0.5 * Polynomial(degree=2)
>>> k([[0.0], [2.0]]).round(3)
array([[ 1.5  ,  1.107],
       [ 1.107, 13.5  ]])
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist
from scipy.special import gamma, gammaln, kv, kve

from companion import _arrays, _checks, _refusals, _spectra
from companion._arrays import Array, Seed
from companion._distances import exp_below_zero, exp_minus, of_distance, of_squared_distance, row_blocks
from companion._gram import DIFFERENCE, Constant, Kernel, Product, Stationary, Sum, check_parameter

__all__ = ["Cauchy", "Constant", "ExponentialPower", "Gaussian", "Kernel", "Laplacian", "Matern", "Polynomial"]
__all__ += ["Precomputed", "Product", "Softmax", "Stationary", "Sum", "median_lengthscale"]
__all__ += ["cauchy_reference", "exponential_power_reference", "gaussian_reference", "laplacian_reference"]
__all__ += ["matern_reference", "median_lengthscale_reference", "polynomial_reference", "precomputed_reference"]
__all__ += ["softmax_reference"]

_ALMOST_GAUSSIAN = 21.0  # from this nu on a Matérn kernel is taken for the Gaussian
_NUMBERS = "p + 1/2 with a whole number p <= 20, or inf"


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


def laplacian_reference(X: np.ndarray, Y: np.ndarray, lengthscale: float) -> np.ndarray:
    """K_ij = exp(-Σ_c |x_ic - y_jc| / lengthscale), straight from the formula.

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
    >>> laplacian_reference(np.array([[0.0, 0.0]]), np.array([[1.0, 1.0]]), lengthscale=2.0).round(3)
    array([[0.368]])
    """
    return np.array([[np.exp(-np.sum(np.abs(x - y)) / lengthscale) for y in Y] for x in X])


def matern_reference(X: np.ndarray, Y: np.ndarray, nu: float, lengthscale: float) -> np.ndarray:
    """K_ij = 2^(1 - nu) / Γ(nu) s^nu K_nu(s) with s = √(2 nu) |x_i - y_j| / lengthscale, and 1 at s = 0.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (m, d)
        Samples.
    nu : float
        Positive; Γ(nu) overflows above 171.
    lengthscale : float
        In the units of X.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> matern_reference(np.array([[0.0]]), np.array([[0.0], [1.0]]), nu=1.5, lengthscale=1.0).round(3)
    array([[1.   , 0.483]])
    """

    def similarity(x: np.ndarray, y: np.ndarray) -> float:
        s = np.sqrt(2 * nu) * np.sqrt(np.sum((x - y) ** 2)) / lengthscale
        return 2 ** (1 - nu) / gamma(nu) * s**nu * kv(nu, s) if s > 0 else 1.0

    return np.array([[similarity(x, y) for y in Y] for x in X])


def cauchy_reference(X: np.ndarray, Y: np.ndarray, beta: float, lengthscale: float) -> np.ndarray:
    """K_ij = (1 + |x_i - y_j|² / lengthscale²)^-beta, straight from the formula.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (m, d)
        Samples.
    beta : float
        Positive.
    lengthscale : float
        In the units of X.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> cauchy_reference(np.array([[0.0]]), np.array([[0.0], [1.0]]), beta=1.0, lengthscale=1.0)
    array([[1. , 0.5]])
    """
    return np.array([[(1 + np.sum((x - y) ** 2) / lengthscale**2) ** -beta for y in Y] for x in X])


def exponential_power_reference(X: np.ndarray, Y: np.ndarray, alpha: float, lengthscale: float) -> np.ndarray:
    """K_ij = exp(-(|x_i - y_j| / lengthscale)^alpha), straight from the formula.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (m, d)
        Samples.
    alpha : float
        Above 0, at most 2.
    lengthscale : float
        In the units of X.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> exponential_power_reference(np.array([[0.0]]), np.array([[0.0], [4.0]]), alpha=0.5, lengthscale=1.0).round(3)
    array([[1.   , 0.135]])
    """
    return np.array([[np.exp(-((np.sqrt(np.sum((x - y) ** 2)) / lengthscale) ** alpha)) for y in Y] for x in X])


def softmax_reference(X: np.ndarray, Y: np.ndarray, scale: float) -> np.ndarray:
    """K_ij = exp(scale ⟨x_i, y_j⟩), straight from the formula.

    Parameters
    ----------
    X, Y : array of shape (n, d), array of shape (m, d)
        Samples.
    scale : float
        Positive.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> softmax_reference(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0], [0.5, 0.25]]), scale=1.0).round(3)
    array([[1.   , 2.718]])
    """
    return np.array([[np.exp(scale * np.sum(x * y)) for y in Y] for x in X])


def precomputed_reference(K: np.ndarray, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """The entries K[i, j], straight from the definition.

    Parameters
    ----------
    K : array of shape (N, N)
        All similarities.
    X, Y : integer array of shape (n, 1), integer array of shape (m, 1)
        Indices.

    Returns
    -------
    ndarray of shape (n, m)

    Examples
    --------
    >>> precomputed_reference(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1]]), np.array([[0], [1]]))
    array([[1., 3.]])
    """
    return np.array([[K[i, j] for j in Y[:, 0]] for i in X[:, 0]])


def median_lengthscale_reference(X: np.ndarray) -> float:
    """The median of |x_i - x_j| over all pairs i < j, straight from the definition.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.

    Returns
    -------
    float

    Examples
    --------
    >>> median_lengthscale_reference(np.array([[0.0], [1.0], [3.0]]))
    2.0
    """
    return float(np.median([np.sqrt(np.sum((X[i] - X[j]) ** 2)) for j in range(len(X)) for i in range(j)]))


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
    Page: ``kernels/kernel-trick``. Reference: ``gaussian_reference``.

    Examples
    --------
    >>> Gaussian(lengthscale=2.0)([[0.0], [2.0]]).round(4)
    array([[1.    , 0.6065],
           [0.6065, 1.    ]])
    """

    lengthscale: Any = 1.0

    def _spectrum(self) -> _spectra.Spectrum:
        return _spectra.Normal()

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return of_squared_distance(exp_below_zero, X, Y, self._lengthscale(X))


@dataclass(eq=False)
class Laplacian(Stationary):
    """k(x, y) = exp(-Σ_c |x_c - y_c| / lengthscale_c): the sum is the 1-norm; scikit-learn's gamma is 1 / lengthscale.

    A product of one exponential per feature, so not isotropic; with the 2-norm it would be ``Matern(nu=0.5)``.

    Parameters
    ----------
    lengthscale : float, 0-d array or array of shape (d,)
        The 1-norm distance over which the similarity falls to 1/e = 0.37, in the units of X; one per feature if it is
        an array.

    Raises
    ------
    ValueError
        If a lengthscale is not positive and finite, or their number is not the number of features; on a call, if it
        rounds to zero in the dtype of X.

    Notes
    -----
    Page: ``kernels/cost-of-the-gram-matrix``. Reference: ``laplacian_reference``. Gradients are of first order, 0 in a
    coordinate where two samples agree.

    Examples
    --------
    >>> Laplacian(lengthscale=2.0)([[0.0, 0.0], [1.0, 1.0]]).round(4)
    array([[1.    , 0.3679],
           [0.3679, 1.    ]])
    """

    lengthscale: Any = 1.0
    isotropic = False

    def _spectrum(self) -> _spectra.Spectrum:
        return _spectra.Cauchys()

    def _gram(self, X: Array, Y: Array | None) -> Array:
        return of_distance(exp_minus, X, Y, self._lengthscale(X), p=1)


@dataclass(eq=False)
class Matern(Stationary):
    """k(x, y) = 2^(1 - nu) / Γ(nu) s^nu K_nu(s) with s = √(2 nu) |x - y| / lengthscale: as smooth as nu says.

    With nu = p + 1/2 it is exp(-s) times a polynomial of degree p: exp(-r), (1 + s) exp(-s), (1 + s + s²/3) exp(-s) for
    1/2, 3/2, 5/2. As nu grows it becomes the Gaussian, from which it differs by at most about 0.23 / nu.

    Parameters
    ----------
    nu : float
        Positive and below 21, or inf for the Gaussian. The kernel's space is that of nu + d/2 square-integrable
        derivatives. Half-integers and inf work on every backend and with gradients; other values go through SciPy's
        Bessel function, to 1e-13, on the host and without gradients; that takes 0.4 µs per pair.
    lengthscale : float, 0-d array or array of shape (d,)
        In the units of X; one per feature if it is an array.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range, or the number of lengthscales is not the number of features; on a call, if the
        data are on a device or record a gradient and nu is one of the values that need SciPy.

    Notes
    -----
    Reference: ``matern_reference``. The kernel is E exp(-r²V/2) with V = nu / G and G ~ Gamma(nu, 1), where
    E V - 1 and Var V are 1/nu to first order. So it is the Gaussian plus (x²/2 - x) exp(-x) / nu with x = r²/2, and the
    largest difference is that at x = 2 - √2, (√2 - 1) exp(√2 - 2) / nu = 0.23 / nu. Gradients are of first order, and 0
    where samples coincide; for inf they are of any order.

    Examples
    --------
    >>> Matern(nu=1.5)([[0.0], [1.0]]).round(4)
    array([[1.    , 0.4834],
           [0.4834, 1.    ]])
    """

    nu: float = 1.5
    lengthscale: Any = 1.0

    def __post_init__(self) -> None:
        self._nu()
        super().__post_init__()

    def _nu(self) -> float:
        nu = _shape_number("nu", self.nu, why="inf is allowed too, and means the Gaussian.", infinite=True)
        _refusals.almost_gaussian("nu", nu, _ALMOST_GAUSSIAN)
        return nu

    def _spectrum(self) -> _spectra.Spectrum:
        return _spectra.student(self._nu())

    def _gram(self, X: Array, Y: Array | None) -> Array:
        nu, lengthscale = self._nu(), self._lengthscale(X)
        if nu == math.inf:
            return of_squared_distance(exp_below_zero, X, Y, lengthscale)
        if (nu - 0.5).is_integer():
            return of_distance(partial(_matern_of_half_integer, int(nu)), X, Y, lengthscale, p=2)
        if not _arrays.reaches_host(X, Y, lengthscale):
            _checks.elementary("nu", nu, _NUMBERS)
        return of_distance(partial(_matern_by_bessel, nu), X, Y, lengthscale, p=2)


@dataclass(eq=False)
class Cauchy(Stationary):
    """k(x, y) = (1 + |x - y|² / lengthscale²)^-beta: a power for a tail. Also called rational quadratic.

    scikit-learn's ``RationalQuadratic(alpha=beta, length_scale=lengthscale / sqrt(2 * beta))``. It is a mixture of
    Gaussians of all widths, which become one as beta grows with lengthscale = √(2 beta).

    Parameters
    ----------
    beta : float
        Positive: the similarity falls as |x - y|^(-2 beta).
    lengthscale : float, 0-d array or array of shape (d,)
        The distance at which the similarity is 2^-beta, in the units of X; one per feature if it is an array.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range, or the number of lengthscales is not the number of features; on a call, if one
        rounds to zero in the dtype of X.

    Notes
    -----
    Reference: ``cauchy_reference``.

    Examples
    --------
    >>> Cauchy()([[0.0], [2.0]])
    array([[1. , 0.2],
           [0.2, 1. ]])
    """

    beta: float = 1.0
    lengthscale: Any = 1.0

    def __post_init__(self) -> None:
        self._beta()
        super().__post_init__()

    def _beta(self) -> float:
        return _shape_number("beta", self.beta)

    def _spectrum(self) -> _spectra.Spectrum:
        return _spectra.GammaMixture(self._beta())

    def _gram(self, X: Array, Y: Array | None) -> Array:
        beta = self._beta()
        _checks.positive_when_rounded("beta", np.asarray(beta), _arrays.rounded(np.asarray(beta), X))
        width = self._lengthscale(X) / math.sqrt(2 * beta)  # that of the Gaussian with the same peak
        if (values := _arrays.parameter_values(self.lengthscale)) is not None:
            values = np.asarray(values / math.sqrt(2 * beta))
            _checks.positive_when_rounded("lengthscale / sqrt(2 * beta)", values, _arrays.rounded(values, X))
        return of_squared_distance(partial(_cauchy, beta), X, Y, width)


@dataclass(eq=False)
class ExponentialPower(Stationary):
    """k(x, y) = exp(-(|x - y| / lengthscale)^alpha): the characteristic function of a stable law.

    alpha = 2 is ``Gaussian(lengthscale / sqrt(2))``, alpha = 1 is ``Matern(nu=0.5)``. Above 2 it is no kernel
    (Schoenberg 1938, "Metric spaces and positive definite functions").

    Parameters
    ----------
    alpha : float
        Above 0, at most 2; smaller is rougher.
    lengthscale : float, 0-d array or array of shape (d,)
        The distance over which the similarity falls to 1/e = 0.37, in the units of X; one per feature if it is an
        array.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range, or the number of lengthscales is not the number of features; on a call, if a
        lengthscale rounds to zero in the dtype of X.

    Notes
    -----
    Reference: ``exponential_power_reference``. Gradients are of first
    order (any order for alpha = 2), and set to 0 where samples coincide, where none exists for alpha <= 1.

    Examples
    --------
    >>> ExponentialPower(alpha=0.5)([[0.0], [4.0]]).round(4)
    array([[1.    , 0.1353],
           [0.1353, 1.    ]])
    """

    alpha: float
    lengthscale: Any = 1.0

    def __post_init__(self) -> None:
        self._alpha()
        super().__post_init__()

    def _alpha(self) -> float:
        alpha = _shape_number("alpha", self.alpha)
        _checks.at_most("alpha", alpha, 2.0, "Above 2 this function is not positive semidefinite.")
        return alpha

    def _spectrum(self) -> _spectra.Spectrum:
        return _spectra.stable(self._alpha())

    def _gram(self, X: Array, Y: Array | None) -> Array:
        alpha, lengthscale = self._alpha(), self._lengthscale(X)
        if alpha == 2:
            return of_squared_distance(exp_below_zero, X, Y, lengthscale / math.sqrt(2))
        return of_distance(partial(_exp_minus_power, alpha), X, Y, lengthscale, p=2)


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
    Page: ``kernels/kernel-trick``. Reference: ``polynomial_reference``.

    Examples
    --------
    >>> Polynomial(degree=2)([[1.0, 2.0]], [[3.0, 4.0]])
    array([[144.]])
    """

    degree: int = 3
    coef0: Any = 1.0

    def __post_init__(self) -> None:
        _checks.integer("degree", self.degree, minimum=1)
        check_parameter("coef0", self.coef0, allow_zero=True, why=DIFFERENCE)

    def _gram(self, X: Array, Y: Array | None) -> Array:
        one, Y_or_X = _arrays.ones_like_rows, X if Y is None else Y
        A = _arrays.columns(X, one(X)[:, None] * _arrays.follow(self.coef0, X))  # (n, d + 1)
        B = _arrays.columns(Y_or_X, one(Y_or_X)[:, None])  # (m, d + 1)
        return _arrays.pairwise(A, B, self._power, symmetric=Y is None)

    def _diag(self, X: Array) -> Array:
        return self._power(_arrays.namespace(X).sum(X * X, axis=1) + _arrays.follow(self.coef0, X))

    def _power(self, product: Array) -> Array:
        return _integer_power(product, int(self.degree))


@dataclass(eq=False)
class Softmax(Kernel):
    """k(x, y) = exp(scale ⟨x, y⟩): the weights of attention before each row is divided by its sum.

    It is not stationary: it grows with the norms, k(x, x) = exp(scale |x|²), and its features are all monomials.
    Divided by exp(scale |x|² / 2) exp(scale |y|² / 2) it is ``Gaussian(1 / sqrt(scale))``.

    Parameters
    ----------
    scale : float
        Positive, as in torch's ``scaled_dot_product_attention``, where 1 / sqrt(d) is the default; here it is 1.

    Raises
    ------
    ValueError
        If ``scale`` is not positive and finite; on a call, if a value of K overflows.

    Notes
    -----
    Page: ``kernels/cost-of-the-gram-matrix``. Reference: ``softmax_reference``. Relative to its size, an entry
    loses about eps·scale·|x||y|.

    Examples
    --------
    >>> Softmax()([[1.0, 2.0]], [[0.0, 0.0], [0.5, 0.25]]).round(4)
    array([[1.    , 2.7183]])
    """

    scale: Any = 1.0
    _remedy = "Scale the data, pass scale=1/math.sqrt(X.shape[1]) or less, or use float64."

    def __post_init__(self) -> None:
        check_parameter("scale", self.scale, why="With a negative scale k(x, x) < k(x, -x).")

    def _gram(self, X: Array, Y: Array | None) -> Array:
        A = X * _arrays.follow(self.scale, X)
        return _arrays.pairwise(A, X if Y is None else Y, _arrays.exp_, symmetric=Y is None)

    def _diag(self, X: Array) -> Array:
        return _arrays.exp_(_arrays.namespace(X).sum(X * X, axis=1) * _arrays.follow(self.scale, X))


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
    Reference: ``precomputed_reference``. Do not change K in place afterwards: it is not copied.

    Examples
    --------
    >>> k = Precomputed([[2.0, 1.0], [1.0, 3.0]])
    >>> k([[1], [0], [1]], [[0]])
    array([[1.],
           [2.],
           [1.]])
    """

    K: Any

    def __sklearn_clone__(self) -> "Precomputed":
        return type(self)(self.K)

    def __post_init__(self) -> None:
        matrix, dtype = _arrays.data("K", self.K)
        _checks.square("K", tuple(matrix.shape))
        if _arrays.checks_values(matrix):
            values = _arrays.host(matrix)
            tolerance = 100 * float(_arrays.namespace(matrix).finfo(dtype).eps) * float(np.abs(values).max())
            _checks.symmetric("K", _asymmetry(values), tolerance)
        self._matrix, self._checked = matrix, self.K

    def _refuse(self, *data: Any) -> None:
        for value in data:
            _refusals.no_mask("X", value)

    def _gram(self, X: Array, Y: Array | None) -> Array:
        rows = self._indices("X", X)[:, None]  # (n, 1)
        columns = rows if Y is None else self._indices("Y", Y)[:, None]
        return _arrays.namespace(X).concat([self._entries(part, columns.T, X) for part in row_blocks(rows)], axis=0)

    def _diag(self, X: Array) -> Array:
        indices = self._indices("X", X)
        return self._entries(indices, indices, X)

    def _entries(self, i: Array, j: Array, like: Array) -> Array:
        xp = _arrays.namespace(i)
        return _arrays.follow(self._matrix[xp.minimum(i, j), xp.maximum(i, j)], like)

    def _indices(self, name: str, X: Array) -> Array:
        if self._checked is not self.K:
            self.__post_init__()
        values = _arrays.host(X) if _arrays.checks_values(X) else None
        _refusals.indices(name, tuple(X.shape), values, self._matrix.shape[0])
        xp = _arrays.namespace(self._matrix)
        return xp.astype(_arrays.follow(_arrays.detached(X)[:, 0], self._matrix), xp.int64)  # (n,)

    def __repr__(self) -> str:
        return f"Precomputed(<{' x '.join(map(str, self._matrix.shape))} matrix>)"


def median_lengthscale(X: Any, *, n_points: int | None = None, rng: Seed = None) -> float:
    """The median distance |x_i - x_j| over the pairs i < j: a first guess of a lengthscale, from the data alone.

    With it, ``Gaussian`` gives half of the pairs a similarity above exp(-1/2) = 0.61. It knows neither targets nor the
    number of samples, so compare it with a tenth and with ten times as much.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples, at least 2; give features that have units of their own a common scale first.
    n_points : int, optional
        Use that many rows, drawn without replacement; all of them if left out, or if there are no more.
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed of that draw.

    Returns
    -------
    float
        In the units of X, computed on the host in float64, without a gradient.

    Raises
    ------
    TypeError, ValueError
        If X is not a finite matrix of at least 2 rows, the distances do not fit into memory, or half of all pairs
        coincide.

    Notes
    -----
    Reference: ``median_lengthscale_reference``.

    Examples
    --------
    >>> median_lengthscale([[0.0], [1.0], [3.0]])
    2.0
    """
    X = _arrays.host(_arrays.data("X", X)[0])
    if n_points is not None:
        _checks.integer("n_points", n_points, minimum=2)
        if n_points < len(X):
            rows = _arrays.generator(rng, "rows of the median lengthscale")
            X = X[rows.choice(len(X), size=n_points, replace=False)]
    _refusals.at_least_two("X", X.shape)
    _checks.fits_memory("distances", (len(X), len(X) // 2), 8, _arrays.memory(X), "Pass n_points=2000, for example.")
    _, exponent = np.frexp(np.abs(X).max())  # a power of 2, so that no square overflows and nothing is rounded
    distances = pdist(np.ldexp(X.astype(np.float64), -exponent))
    half = float(np.ldexp(np.median(distances, overwrite_input=True), exponent))
    _refusals.distinct("X", half)
    return half


def _shape_number(name: str, value: Any, *, why: str = "", infinite: bool = False) -> float:
    if _arrays.requires_grad(value):
        _checks.not_differentiable(name)
    values = _arrays.host(value)
    if not (infinite and values.dtype.kind == "f" and values.ndim == 0 and values == math.inf):
        _checks.positive(name, values, why=why)
    return float(values)


def _exp_minus_power(alpha: float, distance: Array) -> Array:
    """exp(-distance^alpha); the logarithm of 0 is -inf, which gives exactly 1."""
    with np.errstate(divide="ignore"):
        logarithm = _arrays.namespace(distance).log(distance)
    return exp_minus(_arrays.exp_(_arrays.multiply_(logarithm, alpha)))


def _cauchy(beta: float, exponent: Array) -> Array:
    """(1 + r²)^-beta for exponent = -beta r²."""
    xp = _arrays.namespace(exponent)
    ratio = _arrays.multiply_(_arrays.clip_above_(exponent, 0.0), -1.0 / beta)
    return _arrays.exp_(_arrays.multiply_(xp.log1p(ratio), -beta))


def _matern_of_half_integer(p: int, distance: Array) -> Array:
    """exp(-s) Σ_i c_i s^i for nu = p + 1/2 and s = √(2 nu) distance (Rasmussen & Williams 2006, equation 4.16)."""
    info = _arrays.namespace(distance).finfo(distance.dtype)
    zero = 2.0 - math.log(float(info.smallest_normal) * float(info.eps))  # exp(-zero) is 0 in this dtype
    s = _arrays.clip_above_(_arrays.multiply_(distance, math.sqrt(2 * p + 1)), zero)
    if p == 0:
        return exp_minus(s)
    f = math.factorial
    coefficients = [f(p) * f(2 * p - i) * 2**i / (f(2 * p) * f(p - i) * f(i)) for i in range(p + 1)]
    polynomial = _horner(coefficients, s)
    return _arrays.multiply_(polynomial, exp_minus(s))


def _matern_by_bessel(nu: float, distance: Array) -> Array:
    r = _arrays.host(distance)
    s = np.clip(math.sqrt(2 * nu) * r, 1e-300, 2000.0)  # K is 0 from 2000 on
    logarithm = nu * np.log(s) + np.log(kve(nu, s)) - s + ((1 - nu) * math.log(2) - gammaln(nu))
    return _arrays.follow(np.where(r > 0, np.exp(np.minimum(logarithm, 0.0)), 1.0), distance)


def _horner(coefficients: Sequence[float], x: Array) -> Array:
    """Σ_i coefficients[i] x^i, a new array."""
    total = x * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        total = _arrays.multiply_(_arrays.add_(total, c), x)
    return _arrays.add_(total, coefficients[0])


def _asymmetry(K: np.ndarray) -> float:
    return max(float(np.abs(A - B).max()) for A, B in zip(row_blocks(K), row_blocks(K.T), strict=True))


def _integer_power(x: Array, n: int) -> Array:
    if n == 1:
        return x
    half = _integer_power(x, n // 2)
    return half * half * x if n % 2 else half * half
