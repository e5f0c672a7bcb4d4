"""The functions of the course as scikit-learn estimators: they clone, sit in pipelines and are searched over.

``RandomFeatures`` and ``LandmarkFeatures`` turn samples into features with ⟨φ(x), φ(y)⟩ ≈ k(x, y): by ``frequencies``
and ``features``, or by ``lowrank``. The others are kernel machines f(x) = Σ_i a_i k(x, x_i) + b, and ``PrimalSVC`` is
one on features, ⟨w, φ(x)⟩ + b; ``svm`` finds the coefficients and says how exact they are.

>>> from companion.datasets import moons
>>> from sklearn.linear_model import RidgeClassifier
>>> from sklearn.pipeline import make_pipeline
>>> X, y = moons(200, rng=0)
>>> linear = make_pipeline(RandomFeatures(random_state=0), RidgeClassifier())
>>> [model.fit(X, y).score(X, y) > 0.85 for model in (DualSVC(C=10.0), linear)]
[True, True]
"""

from companion.estimators.landmarks import LandmarkFeatures
from companion.estimators.linear import PrimalSVC
from companion.estimators.machines import DualSVC, KernelRidge
from companion.estimators.maps import RandomFeatures
from companion.estimators.shared import ConvergenceWarning

__all__ = ["ConvergenceWarning", "DualSVC", "KernelRidge", "LandmarkFeatures", "PrimalSVC", "RandomFeatures"]
