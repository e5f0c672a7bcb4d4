"""What the estimators share: reading data and weights, the default kernel, the kernel between new and kept samples.

>>> from companion.estimators import DualSVC
>>> DualSVC().set_params(kernel__lengthscale=2.0).kernel
Gaussian(lengthscale=2.0)
"""

from numbers import Number
from typing import Any, Self

import numpy as np

from companion._core import arrays, checks
from companion.kernels import Callable, Gaussian, Kernel
from companion.kernels.lengthscale import scale_lengthscale
from companion.svm.psd import read_matrix, read_weights

with checks.needs("companion.estimators", "scikit-learn", extra="sklearn"):
    from sklearn import base, exceptions
    from sklearn.utils import Tags
    from sklearn.utils.validation import validate_data

NUMBERS: dict[str, Any] = {"numbers": (Number, np.bool_)}  # what the entries of y may be: one of these kinds
LABELS: dict[str, Any] = {"strings": str}


class ConvergenceWarning(checks.ConvergenceWarning, exceptions.ConvergenceWarning):
    """The warning of ``svm``, and scikit-learn's: a filter for either finds it."""


class Reading(base.BaseEstimator):
    """Reading data and weights, as every estimator does."""

    def _is_precomputed(self) -> bool:
        return False

    def _read(self, X: Any, **others: Any) -> Any:
        """X as checked floating-point numbers (and y, if it is among the others), as scikit-learn's rules demand."""
        y = others.get("y")
        y = np.asarray(y, dtype=object) if hasattr(y, "columns") else y
        for name, value in (("X", X), ("y", y)):
            arrays.require_host(name, value)
        if y is not None:
            require_entries(y, NUMBERS if others.get("y_numeric") else NUMBERS | LABELS)
        checked = validate_data(self, X, dtype="numeric", **others)
        X, *y = checked if "y" in others else (checked,)
        X = read_matrix("X", X) if self._is_precomputed() else arrays.read_on_host("X", X)[0]
        return (X, *y) if y else X

    def _read_weights(self, sample_weight: Any, n: int) -> np.ndarray:
        """A weight for each sample, from any container that scikit-learn takes."""
        if sample_weight is not None:
            arrays.require_host("sample_weight", sample_weight)
            sample_weight = np.asarray(sample_weight)
        return read_weights(sample_weight, n)


class WithKernel(Reading):
    """What the estimators share: reading data, the default kernel, and the kernel between new samples and kept ones."""

    kernel: Any
    kernel_: Any
    _copies = 1.0  # of K in float64, at the peak of a fit

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._is_precomputed()
        return tags

    def set_params(self, **params: Any) -> Self:
        """Change parameters, as scikit-learn does; ``kernel__lengthscale`` of ``kernel=None`` makes it a Gaussian.

        Parameters
        ----------
        **params
            Names as in ``get_params``.

        Returns
        -------
        BaseEstimator
        """
        if self.kernel is None and "kernel" not in params and any(name.startswith("kernel__") for name in params):
            self.kernel = Gaussian()
        return super().set_params(**params)

    def _is_precomputed(self) -> bool:
        return isinstance(self.kernel, str) and self.kernel == "precomputed"

    def _gram_of(self, X: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """K between the training samples; sets ``kernel_``."""
        if self._is_precomputed():
            self.kernel_ = "precomputed"
            return X
        self.kernel_ = self._kernel_of(X, weight)
        arrays.fits_memory("K", len(X), len(X), np.empty(0), copies=self._copies)
        return self.kernel_(X)

    def _kernel_of(self, X: np.ndarray, weight: np.ndarray) -> Kernel:
        """The kernel to fit with, found to be one."""
        if not isinstance(self.kernel, Kernel | None) and (not callable(self.kernel) or isinstance(self.kernel, type)):
            fix, expected = "For example companion.kernels.Gaussian(lengthscale=2.0).", "a kernel object, a function"
            checks.fail("kernel", expected + " (X, Y) -> K, 'precomputed' or None", repr(self.kernel), fix, TypeError)
        return self._kernel_or_default(X, weight)

    def _kernel_or_default(self, X: np.ndarray, weight: np.ndarray | None = None) -> Kernel:
        if self.kernel is None:
            return Gaussian(scale_lengthscale(X, weight))
        return base.clone(self.kernel) if isinstance(self.kernel, Kernel) else Callable(self.kernel)

    def _keep(self, X: np.ndarray, kept: np.ndarray | slice) -> np.ndarray | None:
        """The training samples that predictions need; a precomputed kernel needs their indices only."""
        return None if self._is_precomputed() else X[kept].copy()

    def _gram(self, X: Any, samples: np.ndarray | None, kept: np.ndarray | slice) -> np.ndarray:
        """K between new samples and the kept ones."""
        X = self._read(X, reset=False)
        return X[:, kept] if samples is None else self.kernel_(X, samples)


def require_entries(y: Any, kinds: dict[str, Any]) -> None:
    """Refuse a y with a missing entry, or with entries of more than one kind."""
    values = y if isinstance(y, np.ndarray) else np.asarray(y, dtype=object)  # NumPy makes strings of a list with one
    if values.dtype.kind in "biuU" or values.size == 0 or (values.dtype.kind == "f" and not np.isnan(values).any()):
        return
    kind = next((kind for kind in kinds.values() if isinstance(values.flat[0], kind)), ())
    for index, value in np.ndenumerate(values):
        if not isinstance(value, kind) or value != value:  # NaN is not equal to itself
            expected = f"made of {' or of '.join(kinds)}, without missing values"
            got = f"{value!r} at index {index[0] if len(index) == 1 else index}"
            checks.fail("y", expected, got, "Drop such samples, or convert all entries to one kind.")


def require_random_state(random_state: Any) -> None:
    """Refuse what is neither a seed, nor a generator of NumPy, nor None."""
    if not isinstance(random_state, np.random.Generator | np.random.RandomState | None):
        checks.seed("random_state", random_state)


def read_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels that occur, sorted, and the index of each entry's; refuses a single one."""
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        got = f"one class, {classes.tolist()[0]!r}"
        checks.fail("y", "of two or more classes", got, "Check how the samples were selected and weighted.")
    return classes, codes
