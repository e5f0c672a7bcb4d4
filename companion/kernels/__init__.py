"""Kernels k(x, y) = ⟨φ(x), φ(y)⟩: similarities that are inner products, and the matrices K of all pairs.

A function k is a kernel if every matrix K with K_ij = k(x_i, x_j) is symmetric and positive semidefinite (PSD). Sums
and products of kernels are kernels; differences need not be (Aronszajn 1950, "Theory of reproducing kernels", part I,
sections 6 and 8; Schölkopf & Smola 2002, "Learning with Kernels", chapters 2 and 13). A kernel object maps data X of
shape (n, d) and Y of shape (m, d) to K of shape (n, m), on the backend and device and in the dtype of X.

Each file holds a kernel or a family: the formula, its core, the law of its frequencies, the class. Stationary kernels
see x - y only and own their spectrum, the law of the frequencies w with k(x, y) = E cos⟨w, x - y⟩.

>>> k = Gaussian(lengthscale=2.0) + 0.5 * Polynomial(degree=2)
>>> k([[0.0], [2.0]]).round(3)
array([[ 1.5  ,  1.107],
       [ 1.107, 13.5  ]])
"""

from companion.kernels.base import Constant, Kernel, Product, Sum
from companion.kernels.cauchy import Cauchy
from companion.kernels.dot import Polynomial, Softmax, softmax_reference
from companion.kernels.exponential_power import ExponentialPower
from companion.kernels.gaussian import Gaussian, gaussian_reference
from companion.kernels.laplacian import Laplacian
from companion.kernels.lengthscale import median_lengthscale
from companion.kernels.matern import Matern
from companion.kernels.precomputed import Callable, Precomputed
from companion.kernels.stationary import Stationary

__all__ = ["Callable", "Cauchy", "Constant", "ExponentialPower", "Gaussian", "Kernel", "Laplacian", "Matern"]
__all__ += ["Polynomial", "Precomputed", "Product", "Softmax", "Stationary", "Sum", "median_lengthscale"]
__all__ += ["gaussian_reference", "softmax_reference"]
