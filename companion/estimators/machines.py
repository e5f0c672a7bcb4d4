"""Kernel machines as scikit-learn estimators: the support vector machine through its dual, and kernel ridge regression.

Classification between classes r < s solves the dual of ``svm.solve_dual``; f_rs(x) > 0 means class s. More than two
classes are decided one against one (Knerr, Personnaz & Dreyfus 1990, "Single-layer learning revisited"; Hsu & Lin 2002,
"A comparison of methods for multiclass support vector machines", section II-B). Class s scores

    votes_s + F_s / (3 (|F_s| + 1)),    votes_s = the pairs that s wins,    F_s = Σ_{r<s} f_rs - Σ_{r>s} f_sr,

so that the F_s, less than 1/3 in size when squashed, only break ties: the score and the prediction of scikit-learn's
``SVC(decision_function_shape="ovr", break_ties=True)``. Regression solves (K + penalty I) a = y, without b
(Schölkopf & Smola 2002, "Learning with Kernels", section 4.2).

>>> from companion.kernels import Gaussian
>>> KernelRidge(penalty=1e-6, kernel=Gaussian()).fit([[0.0], [2.0]], [1.0, 3.0]).predict([[0.0], [2.0]]).round(3)
array([1., 3.])
"""

import warnings
from itertools import combinations
from typing import Any, Self

import numpy as np

from companion._core import checks
from companion.estimators.shared import ConvergenceWarning, WithKernel, read_classes
from companion.kernels import Constant, Kernel, Polynomial, Product, Softmax, Stationary, Sum
from companion.svm import DualSolution, solve_ridge
from companion.svm.dual import limits_of, not_converged, require_bounds, solve_convex
from companion.svm.psd import between, convex, require_size
from companion.svm.weights import class_weights

with checks.needs("companion.estimators", "scikit-learn", extra="sklearn"):
    from sklearn import base
    from sklearn.utils import Tags
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted


class DualSVC(base.ClassifierMixin, WithKernel):
    """The support vector machine through its dual, for two or more classes, with a certificate for each pair.

    Parameters
    ----------
    C : float
        The regularisation parameter, positive: the weight of the slacks; ``inf`` is the hard margin.
    kernel : Kernel, callable, "precomputed" or None
        A kernel object such as ``Gaussian(2.0)``, whose parameters are searched as ``kernel__lengthscale`` (of None,
        those of ``Gaussian()``); a function (X, Y) -> K of two matrices of samples, as ``kernels.Callable`` takes it;
        "precomputed": X is the kernel matrix, between the training samples to fit and between new and training samples
        to predict; None: the Gaussian with lengthscale √(d·var(X)/2), with the variance of all entries, which is
        scikit-learn's ``gamma="scale"``, 1/(d·var(X)) (gamma = 1 if X is constant). Sample weights weigh it, too.
    tol : float
        The relative duality gap to reach in every pair.
    max_iter : int
        The largest number of iterations in every pair of classes, counted as in ``svm.solve_dual``.
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
        self.classes_, codes = read_classes(y[kept])
        order = np.argsort(codes, kind="stable")  # class by class: a class, and a pair of neighbours, is a slice of K
        kept, codes = kept[order], codes[order]
        bounds = weight[kept] * class_weights(self.class_weight, self.classes_, codes, weight[kept])
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
        return scores[:, 0] if len(self.classes_) == 2 else one_against_one(scores, len(self.classes_))

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


def _solve_pair(K: np.ndarray, part: list[slice], limits: tuple[float, float, int], weight: np.ndarray) -> DualSolution:
    """The machine of two classes, which are slices of K."""
    first, second = part
    block = K[first.start : second.stop, first.start : second.stop]
    if first.stop < second.start:
        block = np.block([[K[rows, columns] for columns in part] for rows in part])
    y = np.repeat([-1.0, 1.0], [first.stop - first.start, second.stop - second.start])
    return solve_convex(block, y, *limits, np.concatenate([weight[first], weight[second]]))


def one_against_one(scores: np.ndarray, n_classes: int) -> np.ndarray:
    """Votes and squashed sums of scores: a column for each class, from one for each pair."""
    votes, sums = np.zeros((2, len(scores), n_classes))
    for score, (r, s) in zip(scores.T, combinations(range(n_classes), 2), strict=True):
        votes[:, s] += score > 0
        votes[:, r] += score <= 0
        sums[:, s] += score
        sums[:, r] -= score
    return votes + sums / (3 * (np.abs(sums) + 1))


class KernelRidge(base.RegressorMixin, WithKernel):
    """Kernel ridge regression, for one output or several.

    Parameters
    ----------
    penalty : float or array of shape (n_outputs,)
        At least 0, in the units of the kernel; larger is smoother. An array has one for each output.
    kernel : Kernel, callable, "precomputed" or None
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
