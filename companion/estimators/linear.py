"""The support vector machine on features as a scikit-learn classifier: linear in the features, so linear in n.

One machine for each class against the others, f_s(x) = ⟨w_s, φ(x)⟩ + b_s, by ``svm.solve_primal``; the class of the
largest score is predicted, and of two classes the later one where f(x) > 0.

>>> from companion.datasets import moons
>>> from companion.estimators import RandomFeatures
>>> X, y = moons(400, rng=0)
>>> model = PrimalSVC(C=10.0, features=RandomFeatures(random_state=0)).fit(X, y)
>>> model.coef_.shape, model.score(X, y) > 0.9
((1, 100), True)
"""

import warnings
from typing import Any, Self

import numpy as np

from companion._core import checks
from companion.estimators.shared import ConvergenceWarning, Reading, read_classes
from companion.svm import PrimalSolution, solve_primal
from companion.svm.primal import not_converged
from companion.svm.sums import ROWS
from companion.svm.weights import class_weights

with checks.needs("companion.estimators", "scikit-learn", extra="sklearn"):
    from sklearn import base
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, has_fit_parameter

KEEP = 3 * 2**24  # bytes


class _Kept:
    """The features of a slice of samples, made again in every pass but for the first ``KEEP`` bytes of them."""

    def __init__(self, transformer: Any, X: np.ndarray) -> None:
        self.transformer, self.X, self.room = transformer, X, KEEP
        self.kept: dict[tuple[int, int, int], Any] = {}

    def __call__(self, rows: slice) -> Any:
        key = rows.start, rows.stop, rows.step
        if key in self.kept:
            return self.kept[key]
        phi = self.transformer.transform(self.X[rows])
        if rows.step == 1 and getattr(phi, "nbytes", KEEP) <= self.room:
            self.kept[key], self.room = phi, self.room - phi.nbytes
        return phi


class PrimalSVC(base.ClassifierMixin, Reading):
    """The support vector machine on features, with the squared hinge, through its primal.

    Parameters
    ----------
    C : float
        The weight of the squared slacks, positive and finite.
    features : transformer or None
        What makes features of samples, for example ``RandomFeatures(n_components=500)``; a clone is fitted to X, and
        transforms 4,096 samples at a time. The first 48 MiB of features are kept, the others made again in every pass.
        None: the columns of X are the features.
    tol : float
        The relative duality gap to reach for every class.
    max_iter : int
        The largest number of passes over X.
    class_weight : dict, "balanced" or None
        Factors of C for the samples of each class, in all machines; as for ``DualSVC``.
    progress : bool
        Whether to show a bar of passes, which needs tqdm.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    features_ : transformer or None
        The fitted clone.
    coef_ : ndarray of shape (n_classes, D), or (1, D) for two classes
        The weights.
    intercept_, gap_, n_iter_ : ndarray of shape (n_classes,), or (1,) for two classes
        As in ``svm.PrimalSolution``.
    converged_ : bool
        Whether every gap is at most ``tol``.

    Notes
    -----
    For two classes and ``features=None`` it is ``LinearSVC(loss="squared_hinge")``; for more, the weight of a class is
    that of its samples in every machine, where ``LinearSVC`` weighs only the class that stands against the others.

    Page: ``random-features/rff-svm``.
    """

    def __init__(
        self,
        C: float = 1.0,
        features: Any = None,
        tol: float = 1e-6,
        max_iter: int = 100,
        class_weight: Any = None,
        progress: bool = False,
    ) -> None:
        self.C = C
        self.features = features
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.progress = progress

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Solve the primal of every class against the others, in the same passes over X.

        Parameters
        ----------
        X : array of shape (n, d)
            Samples: a NumPy array (a memory map stays on disk), a list of lists or a data frame.
        y : array of shape (n,)
            Labels: integers, strings, booleans or whole floats.
        sample_weight : array of shape (n,), or None
            Weights of at least 0, by which C is multiplied. 2 counts a sample twice, 0 drops it.

        Returns
        -------
        PrimalSVC

        Raises
        ------
        TypeError, ValueError
            As ``svm.solve_primal``, or if y has one class only or no classes, or ``features`` is no transformer.

        Warns
        -----
        ConvergenceWarning
            If a class stays above ``tol``; it names the worst.
        """
        X, y = self._read(X, y=y)
        check_classification_targets(y)
        weight = self._read_weights(sample_weight, len(y))
        kept = weight > 0
        self.classes_, codes = read_classes(y[kept])
        weight[kept] *= class_weights(self.class_weight, self.classes_, codes, weight[kept])
        self.features_ = self._fitted_features(X, y, weight)
        later = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        signs = np.where(y[:, None] == later, 1.0, -1.0)  # (n, machines)
        limits: dict[str, Any] = {"C": self.C, "tol": self.tol, "max_iter": self.max_iter, "progress": self.progress}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", checks.ConvergenceWarning)
            features = X if self.features_ is None else _Kept(self.features_, X)
            solution = solve_primal(features, signs, sample_weight=weight, **limits)
        self._keep_solution(solution, later)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The signed scores of new samples.

        Parameters
        ----------
        X : array of shape (n, d)

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
            f(x) for two classes, positive for the later one; else the score of each class against the others.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        scores = np.empty((len(X), len(self.intercept_)))
        for start in range(0, len(X), ROWS):
            rows = slice(start, start + ROWS)
            phi = X[rows] if self.features_ is None else self.features_.transform(X[rows])
            scores[rows] = phi @ self.coef_.T.astype(phi.dtype, copy=False) + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The class of the largest score; of two, the later one where f(x) > 0.

        Parameters
        ----------
        X : array of shape (n, d)

        Returns
        -------
        ndarray of shape (n,)
        """
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)]

    def _fitted_features(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Any:
        if self.features is None:
            return None
        if isinstance(self.features, type) or not all(hasattr(self.features, name) for name in ("fit", "transform")):
            fix = "For example RandomFeatures(n_components=500)."
            checks.fail("features", "a transformer or None", repr(self.features), fix, TypeError)
        weighs = has_fit_parameter(self.features, "sample_weight")
        return base.clone(self.features).fit(X, y, **({"sample_weight": weight} if weighs else {}))

    def _keep_solution(self, solution: PrimalSolution, later: np.ndarray) -> None:
        """The fitted attributes, and a warning where a machine did not converge."""
        self.coef_, self.intercept_ = solution.coef.T.copy(), solution.intercept
        self.gap_, self.n_iter_, self.converged_ = solution.gap, solution.n_iter, solution.converged
        if not solution.converged:
            worst = later.tolist()[int(self.gap_.argmax())]
            message = f"{np.sum(self.gap_ > self.tol)} of {len(later)} machines did not converge, worst {worst!r}. "
            message += not_converged(self.gap_, self.n_iter_, self.tol, self.max_iter)
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
