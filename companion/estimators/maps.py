"""Random features as a scikit-learn transformer: linear methods on them are kernel methods.

>>> import numpy as np
>>> RandomFeatures(n_components=8, random_state=0).fit_transform(np.zeros((2, 3))).shape
(2, 8)
"""

from typing import Any, Self

import numpy as np
from scipy import sparse

from companion import features, frequencies
from companion._core import checks
from companion.estimators.shared import WithKernel, require_random_state
from companion.features.cosines import read_csr
from companion.kernels import Stationary
from companion.kernels.base import only_for

with checks.needs("companion.estimators", "scikit-learn", extra="sklearn"):
    from sklearn import base
    from sklearn.utils import Tags
    from sklearn.utils.validation import check_is_fitted, validate_data


class RandomFeatures(base.ClassNamePrefixFeaturesOutMixin, base.TransformerMixin, WithKernel):
    """Random features of a stationary kernel: linear methods on them are kernel methods at the cost of n × D.

    Parameters
    ----------
    kernel : Kernel or None
        A stationary kernel such as ``Gaussian(2.0)``; None: the Gaussian that ``DualSVC`` takes. Either way its
        parameters are searched as ``kernel__lengthscale``.
    n_components : int
        Feature columns D. ``feature_map="fourier"`` has two for each frequency: D is even, and 1 gives the smallest
        map, of 2. The scheme "gauss_hermite", whose grids have sizes of their own, may give fewer or more.
    scheme : str or None
        How frequencies are drawn, a name in ``frequencies.SCHEMES``; None: orthogonal for kernels with an isotropic
        spectrum, iid for others.
    feature_map : {"fourier", "fourier_offset"}
        What is done with the projections, by the function of this name in ``features``.
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
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Draw the frequencies for the number of columns of X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d)
        y : ignored
        sample_weight : array of shape (n,), or None
            Weights of at least 0 of the samples, for the lengthscale of the default kernel.

        Returns
        -------
        RandomFeatures

        Raises
        ------
        TypeError, ValueError
            If X is no finite real matrix, the kernel is not stationary, the scheme does not draw for it, or a
            parameter is out of range.
        """
        fix = "For example companion.kernels.Gaussian(2.0); for a sum of kernels unite their features (FeatureUnion)."
        if not isinstance(self.kernel, Stationary | None):
            only_for("RandomFeatures", self.kernel, "a stationary kernel or None", fix)
        require_random_state(self.random_state)
        checks.known("feature_map", self.feature_map, ("fourier", "fourier_offset"))
        checks.integer("n_components", self.n_components, minimum=1)
        X = self._read(X)
        weight = None if sample_weight is None else self._read_weights(sample_weight, X.shape[0])
        self.kernel_ = self._kernel_or_default(X, weight)
        columns = features.COLUMNS[self.feature_map]
        if self.n_components % columns and self.n_components > 1:
            fix = f"Use n_components={self.n_components - 1} or {self.n_components + 1}."
            checks.fail("n_components", "even: cosine and sine come in pairs", str(self.n_components), fix)
        wanted, seed = -(-self.n_components // columns), self.random_state
        self.frequencies_ = frequencies.draw(self.kernel_, wanted, X.shape[1], scheme=self.scheme, rng=seed)
        drawn = self.frequencies_.shape[0]
        self.offset_ = features.draw_offsets(drawn, rng=seed) if self.feature_map == "fourier_offset" else None
        self._n_features_out = drawn * columns
        return self

    def _read(self, X: Any, **others: Any) -> Any:
        if not sparse.issparse(X):
            return super()._read(X, **others)
        return read_csr("X", validate_data(self, X, accept_sparse="csr", dtype=None, **others))

    def transform(self, X: Any) -> np.ndarray:
        """The features of samples.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n, D)
            In the dtype of X, float32 or float64.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        arguments = (self.frequencies_,) if self.offset_ is None else (self.frequencies_, self.offset_)
        return features.MAPS[self.feature_map](X, *arguments)
