"""Landmark features as a scikit-learn transformer: the products of the features are the Nyström approximation of K.

>>> import numpy as np
>>> X = np.random.default_rng(0).standard_normal((50, 3))
>>> LandmarkFeatures(n_components=8, random_state=0).fit_transform(X).shape
(50, 8)
"""

from typing import Any, Self

import numpy as np

from companion._core import arrays, checks
from companion.estimators.shared import WithKernel, require_random_state
from companion.kernels import Kernel, Precomputed
from companion.lowrank.landmarks import Pivoting, landmark_map, read_landmarks

with checks.needs("companion.estimators", "scikit-learn", extra="sklearn"):
    from sklearn import base
    from sklearn.cluster import kmeans_plusplus
    from sklearn.utils import Tags
    from sklearn.utils.validation import check_is_fitted

CHOICES = ("rp_cholesky", "uniform", "kmeans++")
_SEEDS = 2**31


class LandmarkFeatures(base.ClassNamePrefixFeaturesOutMixin, base.TransformerMixin, WithKernel):
    """Features of any kernel from landmarks: samples whose similarities to x stand for x.

    Parameters
    ----------
    kernel : Kernel, callable, "precomputed" or None
        As for ``DualSVC``. For "precomputed", ``fit`` takes K between the training samples, and ``transform`` the rows
        k(x, x_i) of samples x.
    n_components : int
        The largest number of landmarks; there are no more features, and fewer where further landmarks would be
        redundant to the rounding of the dtype of X. Without a meaning where the landmarks are given.
    landmarks : {"rp_cholesky", "uniform", "kmeans++"} or array
        How the landmarks are chosen among the samples: by ``lowrank.rp_cholesky``; all alike; or as far from each other
        as scikit-learn's ``kmeans_plusplus`` sets them. Or the landmarks: samples of shape (m, d), or rows of X, as
        integers of shape (m,).
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        Seed.

    Attributes
    ----------
    kernel_ : Kernel or "precomputed"
        As for ``DualSVC``.
    landmarks_ : ndarray of shape (D, d), or None
        The landmarks; None for a precomputed kernel.
    landmark_indices_ : ndarray of shape (D,), or None
        Which samples they are; None where samples were given.
    coefficients_ : ndarray of shape (D, D)
        L⁻ᵀ of k(S, S) = L Lᵀ, in float64.

    Notes
    -----
    Page: ``low-rank/landmarks``. Features depend on the set of landmarks only, not on the order in which they were
    chosen. The work is in the dtype of X, and k(S, S) is factored in float64 for float32 data too.
    """

    def __init__(
        self,
        kernel: Any = None,
        n_components: int = 100,
        landmarks: Any = "rp_cholesky",
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.n_components = n_components
        self.landmarks = landmarks
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Choose the landmarks, and factor the kernel matrix between them.

        Parameters
        ----------
        X : array of shape (n, d), or (n, n) for a precomputed kernel
        y : ignored
        sample_weight : array of shape (n,), or None
            Weights of at least 0, for the lengthscale of the default kernel and for "kmeans++". A sample of weight 0 is
            no landmark.

        Returns
        -------
        LandmarkFeatures

        Raises
        ------
        TypeError, ValueError, NotPSDError
            If X is no finite real matrix, a parameter is out of range, K is zero, or it is seen not to be positive
            semidefinite.
        """
        require_random_state(self.random_state)
        checks.integer("n_components", self.n_components, minimum=1)
        X = self._read(X)
        weight = self._read_weights(sample_weight, len(X))
        self.kernel_ = "precomputed" if self._is_precomputed() else self._kernel_of(X, weight)
        kernel, samples = self.kernel_, X
        if self._is_precomputed():
            kernel, samples = Precomputed(X), np.arange(len(X), dtype=X.dtype)[:, None]
        chosen, S = self._chosen(kernel, samples, weight)
        kept, self.coefficients_ = landmark_map(kernel, S)
        if not len(kept):
            checks.fail("K", "other than zero between the landmarks", "zeros", "Check the kernel and the landmarks.")
        self.landmark_indices_ = None if chosen is None else chosen[kept]
        self.landmarks_ = None if self._is_precomputed() else S[kept]
        self._n_features_out = len(kept)
        return self

    def _chosen(self, kernel: Kernel, X: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Which samples are landmarks, in an order that does not depend on their choice, and the landmarks."""
        if not isinstance(self.landmarks, str):
            given = np.ndim(self.landmarks) != 1
            if given and self._is_precomputed():
                fix = "Similarities to other points are not in K."
                checks.fail("landmarks", "rows of K for a precomputed kernel", f"{np.ndim(self.landmarks)} axes", fix)
            S, rows = read_landmarks(X, self.landmarks)
            return None if given else rows, S
        checks.known("landmarks", self.landmarks, CHOICES)
        drawn = np.flatnonzero(weight)
        k, own = min(self.n_components, len(drawn)), X if len(drawn) == len(X) else X[drawn]
        rng = arrays.generator(self.random_state, "landmarks")
        if self.landmarks == "rp_cholesky":
            drawn = drawn[Pivoting(kernel, own, k, "block", 0.0, rng).choose()]
        elif self.landmarks == "uniform":
            drawn = rng.choice(drawn, k, replace=False)
        else:
            if self._is_precomputed():
                fix = "Use landmarks='rp_cholesky'."
                checks.fail("landmarks", "other than 'kmeans++' for a precomputed kernel", "'kmeans++'", fix)
            seed = int(rng.integers(_SEEDS))
            drawn = drawn[kmeans_plusplus(own, k, sample_weight=weight[drawn], random_state=seed)[1]]
        drawn = drawn[np.lexsort(X[drawn].T)]
        return drawn, X[drawn]

    def transform(self, X: Any) -> np.ndarray:
        """The features k(x, S) L⁻ᵀ of samples.

        Parameters
        ----------
        X : array of shape (n, d), or (n, n_train) for a precomputed kernel

        Returns
        -------
        ndarray of shape (n, D)
            In the dtype of X, float32 or float64.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        K = X[:, self.landmark_indices_] if self.landmarks_ is None else self.kernel_(X, self.landmarks_)
        return (K @ self.coefficients_.astype(K.dtype)).astype(X.dtype, copy=False)
