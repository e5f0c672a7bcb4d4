"""Companion package of the course *From Kernels to Performers*: a module for each tool, a folder where it is large.

Import the module you need, for example ``from companion.kernels import Gaussian``. Importing ``companion`` itself
loads nothing else; torch, scikit-learn and matplotlib are loaded only by what needs them. ``__all__`` is the order of
the imports: a module imports only from those before it and from ``_core``, and only figures import ``plotting``.

A function is a core and a wrapper. The core is its formula: pure, on arrays of shape (..., n, d) of any backend, fit
for ``torch.compile``, ``vmap`` and autograd. The wrapper converts and checks the arguments once, and calls it.

>>> from companion.kernels import Gaussian
>>> Gaussian()([[0.0], [0.0]])
array([[1., 1.],
       [1., 1.]])
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["checkpoint", "kernels", "mcmc", "frequencies", "features", "svm", "lowrank", "attention", "estimators"]
__all__ += ["ngram", "datasets", "plotting", "show"]

try:
    __version__ = version("kernels-to-performers")
except PackageNotFoundError:
    __version__ = "0+checkout"
