"""Our estimators and kernels under scikit-learn's names, and its own test files run with them: a plugin of pytest.

A name or parameter of theirs that ours has in another form is translated, such as gamma = 1 / (2 lengthscale²); what
ours has not, or not in that form, is left out and fails in their tests. ``sklearn-suite.md`` lists those with the
reason. Their ``tol`` is none of ours, a gap; ``random_state`` and ``n_jobs`` are taken, for nothing is drawn or split.
A file imports our names only where it stands in ``FILES``: what it compares us with stays scikit-learn's.
"""

import importlib
from contextlib import contextmanager
from math import sqrt
from unittest import mock

import numpy as np
from sklearn import svm

from companion import estimators
from companion.kernels import Callable, Gaussian, Laplacian, Polynomial
from companion.kernels.lengthscale import scale_lengthscale


def gamma_of(gamma, X):
    """Theirs as a number: "scale" is 1 / (d var(X)), "auto" and None 1 / d."""
    named = {"scale": lambda: 0.5 / scale_lengthscale(np.asarray(X)) ** 2, "auto": lambda: 1 / np.shape(X)[1]}
    return named["auto" if gamma is None else gamma]() if gamma is None or isinstance(gamma, str) else gamma


def rbf_kernel(X, Y=None, gamma=None):
    return Gaussian(1 / sqrt(2 * gamma_of(gamma, X)))(X, Y)


def laplacian_kernel(X, Y=None, gamma=None):
    return Laplacian(1 / gamma_of(gamma, X))(X, Y)


def linear_kernel(X, Y=None):
    return Polynomial(1, 0.0)(X, Y)


def polynomial_kernel(X, Y=None, degree=3, gamma=None, coef0=1):
    return polynomial(degree, gamma_of(gamma, X), coef0)(X, Y)


def polynomial(degree, gamma, coef0):
    """(gamma <x, y> + coef0)^degree."""
    return gamma**degree * Polynomial(degree, coef0 / gamma)


KERNELS = {"rbf": rbf_kernel, "laplacian": laplacian_kernel, "linear": linear_kernel, "polynomial": polynomial_kernel}


def rows(X):
    return [X[i, :] for i in range(X.shape[0])]


def pairwise_kernels(X, Y=None, metric="linear", n_jobs=None, **parameters):
    if callable(metric):  # theirs maps two rows to a number
        return Callable(lambda X, Y: [[metric(x, y, **parameters) for y in rows(Y)] for x in rows(X)])(X, Y)
    return KERNELS[metric](X, Y, **parameters)


def kernel_object(model, X):
    """The kernel that ``model`` describes by scikit-learn's parameters; None for the Gaussian of "scale"."""
    if callable(model.kernel) or model.kernel == "precomputed":
        return model.kernel
    make = {
        "rbf": lambda gamma: None if gamma == "scale" else Gaussian(1 / sqrt(2 * gamma_of(gamma, X))),
        "poly": lambda gamma: polynomial(model.degree, gamma_of(gamma, X), model.coef0),
        "linear": lambda gamma: Polynomial(1, 0.0),
    }
    return make[model.kernel](model.gamma)


@contextmanager
def with_ours(model, **parameters):
    theirs = {name: getattr(model, name) for name in parameters}
    vars(model).update(parameters)
    try:
        yield
    finally:
        vars(model).update(theirs)


class SVC(estimators.DualSVC):
    def __init__(
        self, *, C=1.0, kernel="rbf", degree=3, gamma="scale", coef0=0.0, tol=1e-3, class_weight=None, max_iter=-1,
        decision_function_shape="ovr", break_ties=False, random_state=None,
    ):  # fmt: skip
        self.C, self.kernel, self.degree, self.gamma, self.coef0 = C, kernel, degree, gamma, coef0
        self.tol, self.class_weight, self.max_iter, self.random_state = tol, class_weight, max_iter, random_state
        self.decision_function_shape, self.break_ties = decision_function_shape, break_ties

    def fit(self, X, y, sample_weight=None):
        if self.decision_function_shape != "ovr":
            raise ValueError("DualSVC has one score for each class.")
        max_iter = 1_000_000 if self.max_iter == -1 else self.max_iter
        with with_ours(self, kernel=kernel_object(self, X), tol=1e-6, max_iter=max_iter):
            return super().fit(X, y, sample_weight)

    @property
    def coef_(self):
        if self.kernel != "linear":
            raise AttributeError("coef_")
        return self.dual_coef_ @ self.support_vectors_

    @property
    def _gamma(self):
        return 0.5 / self.kernel_.lengthscale**2


class KernelRidge(estimators.KernelRidge):
    penalty = property(lambda self: self.alpha)

    def __init__(self, alpha=1, *, kernel="linear", gamma=None, degree=3, coef0=1):
        self.alpha, self.kernel, self.gamma, self.degree, self.coef0 = alpha, kernel, gamma, degree, coef0

    def fit(self, X, y, sample_weight=None):
        with with_ours(self, kernel=kernel_object(self, X)):
            return super().fit(X, y, sample_weight)


class RBFSampler(estimators.RandomFeatures):
    scheme, feature_map = None, "fourier_offset"
    kernel = property(lambda self: None if self.gamma == "scale" else Gaussian(1 / sqrt(2 * self.gamma)))
    random_weights_ = property(lambda self: np.asarray(self.frequencies_).T)
    random_offset_ = property(lambda self: self.offset_)
    _gamma = SVC._gamma

    def __init__(self, *, gamma=1.0, n_components=100, random_state=None):
        self.gamma, self.n_components, self.random_state = gamma, n_components, random_state


FUNCTIONS = [rbf_kernel, laplacian_kernel, linear_kernel, polynomial_kernel, pairwise_kernels]
FILES = {
    "sklearn.svm.tests.test_svm": ("sklearn.svm", [SVC]),
    "sklearn.tests.test_kernel_ridge": ("sklearn.kernel_ridge", [KernelRidge]),
    "sklearn.tests.test_kernel_approximation": ("sklearn.kernel_approximation", [RBFSampler]),
    "sklearn.metrics.tests.test_pairwise": ("sklearn.metrics.pairwise", FUNCTIONS),
}


def pytest_configure():
    svm.SVC = SVC  # read while the tests run, the other names when their files are imported
    for file, (module, names) in FILES.items():
        with mock.patch.multiple(module, **{ours.__name__: ours for ours in names}):
            importlib.import_module(file)


def pytest_collection_modifyitems(config, items):
    """Only the tests that meet one of our names, in their text or as a parameter."""
    deselected = [item for item in items if not meets_ours(item)]
    items[:] = [item for item in items if meets_ours(item)]
    config.hook.pytest_deselected(items=deselected)


def meets_ours(item):
    ours = FILES[item.module.__name__][1]
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if any(value in ours or type(value) in ours for value in given if callable(value) or hasattr(value, "fit")):
        return True
    code = item.function.__code__
    return any(name.__name__ in code.co_names for name in ours)
