"""The functions of the course as scikit-learn estimators: they clone, sit in pipelines and are searched over.

``RandomFeatures`` turns samples into features with ⟨φ(x), φ(y)⟩ ≈ k(x, y), by ``frequencies`` and ``features``. The
others are kernel machines f(x) = Σ_i a_i k(x, x_i) + b; ``svm`` finds the a_i and says how exact they are.

Classification between classes r < s solves the dual of ``svm.solve_dual``; f_rs(x) > 0 means class s. More than two
classes are decided one against one (Knerr, Personnaz & Dreyfus 1990, "Single-layer learning revisited"; Hsu & Lin 2002,
"A comparison of methods for multiclass support vector machines", section II-B). Class s scores

    votes_s + F_s / (3 (|F_s| + 1)),    votes_s = the pairs that s wins,    F_s = Σ_{r<s} f_rs - Σ_{r>s} f_sr,

so that the F_s, less than 1/3 in size when squashed, only break ties: the score and the prediction of scikit-learn's
``SVC(decision_function_shape="ovr", break_ties=True)``. Regression solves (K + penalty I) a = y, without b
(Schölkopf & Smola 2002, "Learning with Kernels", section 4.2).

>>> from companion.datasets import moons
>>> from sklearn.linear_model import RidgeClassifier
>>> from sklearn.pipeline import make_pipeline
>>> X, y = moons(200, rng=0)
>>> linear = make_pipeline(RandomFeatures(Gaussian(0.5), random_state=0), RidgeClassifier())
>>> [model.fit(X, y).score(X, y) > 0.85 for model in (DualSVC(C=10.0), linear)]
[True, True]
>>> KernelRidge(penalty=1e-6, kernel=Gaussian()).fit([[0.0], [2.0]], [1.0, 3.0]).predict([[0.0], [2.0]]).round(3)
array([1., 3.])
"""

import warnings
from itertools import combinations
from numbers import Number
from typing import Any, Self

import numpy as np

from companion import features, frequencies
from companion._core import arrays, checks
from companion.kernels import Constant, Gaussian, Kernel, Polynomial, Product, Softmax, Stationary, Sum
from companion.kernels.base import only_for
from companion.svm import DualSolution, solve_ridge
from companion.svm.dual import limits_of, not_converged, require_bounds, solve_convex
from companion.svm.psd import between, convex, read_matrix, read_weights, require_size

with checks.needs(__name__, "scikit-learn", extra="sklearn"):
    from sklearn import base, exceptions
    from sklearn.utils import Tags
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["ConvergenceWarning", "DualSVC", "KernelRidge", "RandomFeatures"]

NUMBERS: dict[str, Any] = {"numbers": (Number, np.bool_)}  # what the entries of y may be: one of these kinds
LABELS: dict[str, Any] = {"strings": str}


class ConvergenceWarning(checks.ConvergenceWarning, exceptions.ConvergenceWarning):
    """The warning of ``svm``, and scikit-learn's: a filter for either finds it."""


class _WithKernel(base.BaseEstimator):
    """What the estimators share: reading data, the default kernel, and the kernel between new samples and kept ones."""

    kernel: Any
    kernel_: Any
    _copies = 1.0  # of K in float64, at the peak of a fit

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._is_precomputed()
        return tags

    def _is_precomputed(self) -> bool:
        return isinstance(self.kernel, str) and self.kernel == "precomputed"

    def _read(self, X: Any, **others: Any) -> Any:
        """X as checked floating-point numbers (and y, if it is among the others), as scikit-learn's rules demand."""
        y = others.get("y")
        y = np.asarray(y, dtype=object) if hasattr(y, "columns") else y
        for name, value in (("X", X), ("y", y)):
            arrays.require_host(name, value)
        if y is not None:
            _require_entries(y, NUMBERS if others.get("y_numeric") else NUMBERS | LABELS)
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

    def _gram_of(self, X: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """K between the training samples; sets ``kernel_``."""
        if self._is_precomputed():
            self.kernel_ = "precomputed"
            return X
        if not isinstance(self.kernel, Kernel | None):
            fix = "For example companion.kernels.Gaussian(lengthscale=2.0)."
            checks.fail("kernel", "a kernel object, 'precomputed' or None", repr(self.kernel), fix, TypeError)
        self.kernel_ = self._kernel_or_default(X, weight)
        arrays.fits_memory("K", len(X), len(X), np.empty(0), copies=self._copies)
        return self.kernel_(X)

    def _kernel_or_default(self, X: np.ndarray, weight: np.ndarray | None = None) -> Kernel:
        return Gaussian(_lengthscale(X, weight)) if self.kernel is None else base.clone(self.kernel)

    def _keep(self, X: np.ndarray, kept: np.ndarray | slice) -> np.ndarray | None:
        """The training samples that predictions need; a precomputed kernel needs their indices only."""
        return None if self._is_precomputed() else X[kept].copy()

    def _gram(self, X: Any, samples: np.ndarray | None, kept: np.ndarray | slice) -> np.ndarray:
        """K between new samples and the kept ones."""
        X = self._read(X, reset=False)
        return X[:, kept] if samples is None else self.kernel_(X, samples)


class DualSVC(base.ClassifierMixin, _WithKernel):
    """The support vector machine through its dual, for two or more classes, with a certificate for each pair.

    Parameters
    ----------
    C : float
        The regularisation parameter, positive: the weight of the slacks; ``inf`` is the hard margin.
    kernel : Kernel, "precomputed" or None
        A kernel object such as ``Gaussian(2.0)``, whose parameters are then searched as ``kernel__lengthscale``;
        "precomputed": X is the kernel matrix, between the training samples to fit and between new and training samples
        to predict; None: the Gaussian with lengthscale √(d·var(X)/2), with the variance of all entries, which is
        scikit-learn's ``gamma="scale"``, 1/(d·var(X)) (gamma = 1 if X is constant). Sample weights weigh it, too.
    tol : float
        The relative duality gap to reach in every pair.
    max_iter : int
        The largest number of iterations in every pair of classes; each updates two coefficients. Newton steps between
        them, as in ``svm.solve_dual(newton=True)``, do not count.
    class_weight : dict, "balanced" or None
        Factors of C for the samples of each class; a class that the dict does not name has 1. "balanced": inversely
        proportional to the sum of the sample weights in the class.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    kernel_ : Kernel or "precomputed"
        The kernel that was used.
    support_ : ndarray of shape (n_SV,)
        Indices of the samples that support a pair of classes, in ascending order.
    support_vectors_ : ndarray of shape (n_SV, d), or None
        Those samples; None for a precomputed kernel.
    dual_coef_ : ndarray of shape (n_classes (n_classes - 1) / 2, n_SV)
        α_i times +1 for the later class of a pair and -1 for the earlier one, 0 for samples of other classes; a row for
        each pair (0, 1), (0, 2), ..., (1, 2), .... For two classes that is scikit-learn's layout, for more it is not.
    intercept_, gap_, n_iter_ : ndarray of shape (n_classes (n_classes - 1) / 2,)
        Of each pair, as in ``svm.DualSolution``.
    converged_ : bool
        Whether every gap is at most ``tol``.

    Notes
    -----
    There are no probabilities, since a margin is none: use ``sklearn.calibration.CalibratedClassifierCV``.
    There is no cosine kernel: normalise the rows of X and use ``Polynomial(1, 0.0)``.

    Page: ``kernels/support-vector-machine``.
    """

    _copies = 1.5

    def __init__(
        self,
        C: float = 1.0,
        kernel: Any = None,
        tol: float = 1e-6,
        max_iter: int = 1_000_000,
        class_weight: Any = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Solve the dual of every pair of classes, on blocks of one kernel matrix.

        A matrix that no kernel of the package made is certified once to be positive semidefinite. A kernel object of
        the package is so by its formula.

        Parameters
        ----------
        X : array of shape (n, d), or (n, n) for a precomputed kernel
            Samples: a NumPy array, a list of lists or a data frame.
        y : array of shape (n,)
            Labels: integers, strings, booleans or whole floats.
        sample_weight : array of shape (n,), or None
            Weights of at least 0, by which C is multiplied. 2 counts a sample twice, 0 drops it.

        Returns
        -------
        DualSVC

        Raises
        ------
        TypeError, ValueError, NotPSDError
            As ``svm.solve_dual``, or if y has one class only or no classes.

        Warns
        -----
        ConvergenceWarning
            If a pair of classes stays above ``tol``; it names the worst.
        """
        limits = limits_of(self.C, self.tol, self.max_iter)
        X, y = self._read(X, y=y)
        check_classification_targets(y)
        weight = self._read_weights(sample_weight, len(y))
        kept = np.flatnonzero(weight)
        self.classes_, codes = np.unique(y[kept], return_inverse=True)
        if len(self.classes_) < 2:
            got = f"one class, {self.classes_.tolist()[0]!r}"
            checks.fail("y", "of two or more classes", got, "Check how the samples were selected and weighted.")
        order = np.argsort(codes, kind="stable")  # class by class: a class, and a pair of neighbours, is a slice of K
        kept, codes = kept[order], codes[order]
        bounds = weight[kept] * _class_weights(self.class_weight, self.classes_, codes, weight[kept])
        require_bounds(limits[0], bounds)
        K = self._convex_gram(X, kept, weight[kept])
        edges = np.searchsorted(codes, range(len(self.classes_) + 1))
        pairs = list(combinations(range(len(self.classes_)), 2))
        parts = [[slice(*edges[c : c + 2]) for c in pair] for pair in pairs]
        solutions = [_solve_pair(K, part, limits, bounds) for part in parts]
        self._keep_solutions(X, [[kept[of_class] for of_class in part] for part in parts], solutions)
        if not self.converged_:
            worst = int(self.gap_.argmax())
            first, second = self.classes_[list(pairs[worst])].tolist()
            message = f"{np.sum(self.gap_ > self.tol)} of {len(pairs)} pairs of classes did not converge, worst "
            message += f"{first!r} against {second!r}. {not_converged(solutions[worst], *limits)}"
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The signed scores of new samples.

        Parameters
        ----------
        X : array of shape (n, d), or (n, n_train) for a precomputed kernel

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
            f(x) for two classes, positive for the later one; else each class's votes and squashed sum of scores.
        """
        check_is_fitted(self)
        K = self._gram(X, self.support_vectors_, self.support_)  # (n, n_SV)
        scores = K @ self.dual_coef_.T + self.intercept_  # (n, n_pairs)
        return scores[:, 0] if len(self.classes_) == 2 else _one_against_one(scores, len(self.classes_))

    def predict(self, X: Any) -> np.ndarray:
        """The class of the largest score; of two, the later one where f(x) > 0.

        Parameters
        ----------
        X : array of shape (n, d), or (n, n_train) for a precomputed kernel

        Returns
        -------
        ndarray of shape (n,)
        """
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)]

    def _convex_gram(self, X: np.ndarray, kept: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """K between the kept samples, in float64 and PSD: by the formula of the kernel, or as ``convex`` finds it."""
        if self._is_precomputed():
            return convex(between(self._gram_of(X, weight), kept))
        K = self._gram_of(X[kept].astype(np.float64, copy=False), weight)
        if not _is_psd_by_its_formula(self.kernel_):
            return convex(K)
        require_size(K)
        return K

    def _keep_solutions(self, X: np.ndarray, members: list[list[np.ndarray]], solutions: list[DualSolution]) -> None:
        """The fitted attributes, from the members of both classes of each pair."""
        signed = np.zeros((len(solutions), len(X)))
        for row, (first, second), solution in zip(signed, members, solutions, strict=True):
            row[first] = -solution.alpha[: len(first)]
            row[second] = solution.alpha[len(first) :]
        self.support_ = np.flatnonzero(signed.any(axis=0))
        self.support_vectors_ = self._keep(X, self.support_)
        self.dual_coef_ = signed[:, self.support_]
        self.intercept_ = np.array([solution.intercept for solution in solutions])
        self.gap_ = np.array([solution.gap for solution in solutions])
        self.n_iter_ = np.array([solution.n_iter for solution in solutions])
        self.converged_ = all(solution.converged for solution in solutions)


def _is_psd_by_its_formula(kernel: Kernel) -> bool:
    """Whether the parts of a kernel are positive definite functions of the package, which need no certificate."""
    if isinstance(kernel, Sum | Product):
        return _is_psd_by_its_formula(kernel.k1) and _is_psd_by_its_formula(kernel.k2)
    return isinstance(kernel, Stationary | Polynomial | Softmax | Constant)


def _class_weights(given: Any, classes: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weight of its class, for each sample."""
    if given is None:
        return np.ones(len(codes))
    if isinstance(given, str) and given == "balanced":
        sizes = np.bincount(codes, weights=weight)
        return (sizes.sum() / len(classes) / sizes)[codes]
    labels = classes.tolist()
    if not isinstance(given, dict):
        checks.fail("class_weight", "None, 'balanced' or a dict", repr(given), f"For example {{{labels[0]!r}: 2.0}}.")
    unknown = [key for key in given if key not in labels]
    if unknown and any(label not in given for label in labels):
        checks.fail("class_weight", f"a dict with keys of {labels}", f"the key {unknown[0]!r}", "")
    for key, value in given.items():
        arrays.number(f"class_weight[{key!r}]", value)
    return np.array([float(given.get(label, 1.0)) for label in labels])[codes]


def _solve_pair(K: np.ndarray, part: list[slice], limits: tuple[float, float, int], weight: np.ndarray) -> DualSolution:
    """The machine of two classes, which are slices of K."""
    first, second = part
    block = K[first.start : second.stop, first.start : second.stop]
    if first.stop < second.start:
        block = np.block([[K[rows, columns] for columns in part] for rows in part])
    y = np.repeat([-1.0, 1.0], [first.stop - first.start, second.stop - second.start])
    return solve_convex(block, y, *limits, np.concatenate([weight[first], weight[second]]), newton=True)


def _one_against_one(scores: np.ndarray, n_classes: int) -> np.ndarray:
    """Votes and squashed sums of scores: a column for each class, from one for each pair."""
    votes, sums = np.zeros((2, len(scores), n_classes))
    for score, (r, s) in zip(scores.T, combinations(range(n_classes), 2), strict=True):
        votes[:, s] += score > 0
        votes[:, r] += score <= 0
        sums[:, s] += score
        sums[:, r] -= score
    return votes + sums / (3 * (np.abs(sums) + 1))


class KernelRidge(base.RegressorMixin, _WithKernel):
    """Kernel ridge regression, for one output or several.

    Parameters
    ----------
    penalty : float or array of shape (n_outputs,)
        At least 0, in the units of the kernel; larger is smoother. An array has one for each output.
    kernel : Kernel, "precomputed" or None
        As for ``DualSVC``.

    Attributes
    ----------
    kernel_ : Kernel or "precomputed"
        As for ``DualSVC``.
    dual_coef_ : ndarray of shape (n,) or (n, n_outputs)
        The coefficients a, in the dtype of the kernel matrix.
    X_fit_ : ndarray of shape (n, d), or None
        The training samples; None for a precomputed kernel.
    residual_ : float
        As in ``svm.RidgeSolution``.

    Notes
    -----
    Page: ``kernels/kernel-trick``.
    """

    _copies = 2.6

    def __init__(self, penalty: Any = 1.0, kernel: Any = None) -> None:
        self.penalty = penalty
        self.kernel = kernel

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Solve (K + penalty I) a = y.

        Parameters
        ----------
        X : array of shape (n, d), or (n, n) for a precomputed kernel
        y : array of shape (n,) or (n, n_outputs)
        sample_weight : array of shape (n,), or None
            Weights of at least 0 of the squared errors. 2 counts a sample twice, 0 drops it.

        Returns
        -------
        KernelRidge

        Raises
        ------
        TypeError, ValueError, NotPSDError
            As ``svm.solve_ridge``.

        Warns
        -----
        NumericalWarning
            Likewise.
        """
        X, y = self._read(X, y=y, multi_output=True, y_numeric=True)
        weight = self._read_weights(sample_weight, len(y))
        solution = solve_ridge(self._gram_of(X, weight), y, penalty=self.penalty, sample_weight=weight)
        self.dual_coef_, self.residual_ = solution.coef, solution.residual
        self.X_fit_ = self._keep(X, slice(None))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The values f(x) = Σ_i a_i k(x, x_i).

        Parameters
        ----------
        X : array of shape (n, d), or (n, n_train) for a precomputed kernel

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
        """
        check_is_fitted(self)
        return self._gram(X, self.X_fit_, slice(None)) @ self.dual_coef_


class RandomFeatures(base.ClassNamePrefixFeaturesOutMixin, base.TransformerMixin, _WithKernel):
    """Random features of a stationary kernel: linear methods on them are kernel methods at the cost of n × D.

    Parameters
    ----------
    kernel : Kernel or None
        A stationary kernel such as ``Gaussian(2.0)``, whose parameters are then searched as ``kernel__lengthscale``;
        None, which has none to search: the Gaussian that ``DualSVC`` takes.
    n_components : int
        Feature columns D. ``feature_map="fourier"`` has two for each frequency, so an odd number is rounded up; the
        scheme "gauss_hermite", whose grids have sizes of their own, may give fewer or more.
    scheme : str or None
        How frequencies are drawn, a name in ``frequencies.SCHEMES``; None: orthogonal for kernels with an isotropic
        spectrum, iid for others.
    feature_map : {"fourier", "fourier_offset"}
        What is done with the projections, a name in ``features.MAPS``.
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        Seed; an integer gives frequencies that are independent of any data drawn with the same integer.

    Attributes
    ----------
    kernel_ : Kernel
        As for ``DualSVC``.
    frequencies_ : Frequencies
        The frequencies, drawn without a look at X but for the default kernel.
    offset_ : ndarray of shape (n_components,), or None
        Offsets of ``fourier_offset``.

    Notes
    -----
    Page: ``random-features/random-fourier-features``.
    """

    def __init__(
        self,
        kernel: Any = None,
        n_components: int = 100,
        scheme: str | None = None,
        feature_map: str = "fourier",
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.n_components = n_components
        self.scheme = scheme
        self.feature_map = feature_map
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the frequencies for the number of columns of X.

        Parameters
        ----------
        X : array of shape (n, d)
        y : ignored

        Returns
        -------
        RandomFeatures

        Raises
        ------
        TypeError, ValueError
            If X is no finite dense real matrix, the kernel is not stationary, the scheme does not draw for it, or a
            parameter is out of range.
        """
        fix = "For example companion.kernels.Gaussian(2.0); for a sum of kernels unite their features (FeatureUnion)."
        if not isinstance(self.kernel, Stationary | None):
            only_for("RandomFeatures", self.kernel, "a stationary kernel or None", fix)
        if not isinstance(self.random_state, np.random.Generator | np.random.RandomState | None):
            checks.seed("random_state", self.random_state)
        checks.known("feature_map", self.feature_map, list(features.MAPS))
        checks.integer("n_components", self.n_components, minimum=1)
        X = self._read(X)
        self.kernel_ = self._kernel_or_default(X)
        columns = features.COLUMNS[self.feature_map]
        wanted, seed = -(-self.n_components // columns), self.random_state
        self.frequencies_ = frequencies.draw(self.kernel_, wanted, X.shape[1], scheme=self.scheme, rng=seed)
        drawn = self.frequencies_.shape[0]
        self.offset_ = features.draw_offsets(drawn, rng=seed) if self.feature_map == "fourier_offset" else None
        self._n_features_out = drawn * columns
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The features of samples.

        Parameters
        ----------
        X : array of shape (n, d)

        Returns
        -------
        ndarray of shape (n, D)
            In the dtype of X, float32 or float64.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        arguments = (self.frequencies_,) if self.offset_ is None else (self.frequencies_, self.offset_)
        return features.MAPS[self.feature_map](X, *arguments)


def _require_entries(y: Any, kinds: dict[str, Any]) -> None:
    """Refuse a y with a missing entry, or with entries of more than one kind."""
    values = y if isinstance(y, np.ndarray) else np.asarray(y, dtype=object)  # NumPy makes strings of a list with one
    if values.dtype.kind in "biuU" or values.size == 0:
        return
    kind = next((kind for kind in kinds.values() if isinstance(values.flat[0], kind)), ())
    for index, value in np.ndenumerate(values):
        if not isinstance(value, kind) or value != value:  # NaN is not equal to itself
            expected = f"made of {' or of '.join(kinds)}, without missing values"
            got = f"{value!r} at index {index[0] if len(index) == 1 else index}"
            checks.fail("y", expected, got, "Drop such samples, or convert all entries to one kind.")


def _lengthscale(X: np.ndarray, weight: np.ndarray | None = None) -> float:
    """√(d·var(X)/2), without overflow; √(1/2) if X is constant. A sample of weight 2 counts twice."""
    size = float(np.abs(X).max()) or 1.0
    deviation = float((X / size).std(dtype=np.float64))
    if weight is not None and (weight != weight[0]).any():
        share = weight / weight.max() / (weight / weight.max()).sum() / X.shape[1]
        mean = share @ (X / size).sum(axis=1)
        deviation = float(share @ ((X / size - mean) ** 2).sum(axis=1)) ** 0.5
    return size * deviation * (X.shape[1] / 2) ** 0.5 or 0.5**0.5
