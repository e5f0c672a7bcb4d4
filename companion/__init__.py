"""Companion package of the course *From Kernels to Performers*: one flat module per tool.

Import the module you need, for example ``from companion.kernels import Gaussian``. Importing ``companion`` itself
loads no module and no dependency; torch, scikit-learn and matplotlib are loaded only by what needs them. The modules
stand in ``__all__`` in the order of their imports: one imports only from those before it, and from ``datasets``,
``plotting`` and ``show`` nobody does but the figures of the chapters.

>>> from companion.kernels import Gaussian
>>> Gaussian()([[0.0], [0.0]])
array([[1., 1.],
       [1., 1.]])
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["kernels", "mcmc", "frequencies", "features", "svm", "estimators"]
__all__ += ["datasets", "plotting", "figures_kernels", "figures_features", "figures_frequencies", "show"]

try:
    __version__ = version("kernels-to-performers")
except PackageNotFoundError:
    __version__ = "0+checkout"
