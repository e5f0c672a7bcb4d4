"""RandomFeatures against scikit-learn: its checks, its tools, and the inputs that must be refused."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from companion import datasets, features, frequencies
from companion.estimators import DualSVC, KernelRidge, RandomFeatures
from companion.kernels import Gaussian, Laplacian, Softmax

CHECKED = [
    RandomFeatures(),
    RandomFeatures(Laplacian(2.0), feature_map="fourier_offset"),
    RandomFeatures(Gaussian(2.0), scheme="fastfood"),
]


@parametrize_with_checks(CHECKED)  # and no exceptions
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def cloud(n=60, d=3, dtype="float64"):
    return np.random.default_rng(0).standard_normal((n, d)).astype(dtype)


def test_features_are_those_of_the_functions(dtype):
    X, kernel = cloud(dtype=dtype), Gaussian(2.0)
    model = RandomFeatures(kernel, n_components=64, random_state=3).fit(X)
    W = frequencies.draw(kernel, 32, 3, rng=3)
    assert model.transform(X).dtype == dtype
    np.testing.assert_array_equal(model.transform(X), features.fourier(X, W))
    model = RandomFeatures(kernel, n_components=64, feature_map="fourier_offset", scheme="iid", random_state=3).fit(X)
    W, offset = frequencies.draw(kernel, 64, 3, scheme="iid", rng=3), features.draw_offsets(64, rng=3)
    np.testing.assert_array_equal(model.transform(X), features.fourier_offset(X, W, offset))


@pytest.mark.parametrize("scheme", [None, *frequencies.SCHEMES])
def test_every_scheme_can_be_named(scheme):
    model = RandomFeatures(Gaussian(2.0), n_components=100, scheme=scheme, random_state=0)
    assert model.fit_transform(cloud()).shape == (60, 100)
    names = model.get_feature_names_out()
    assert len(names) == 100 and names[0] == "randomfeatures0"


def test_the_default_kernel_is_scikit_learn_s_scale():
    X = cloud() * [1.0, 5.0, 0.1]
    model = RandomFeatures(n_components=20_000, random_state=0).fit(X)
    K = rbf_kernel(X, gamma=1 / (3 * X.var()))
    np.testing.assert_allclose(model.kernel_(X), K, atol=1e-12)
    Z = model.transform(X)
    bound = 6.5 * features.standard_error(model.kernel_, X, n_frequencies=10_000)
    assert np.all(np.abs(Z @ Z.T - K) <= bound + 1e-9)


def test_a_grid_is_searched_over_the_kernel():
    X, y = datasets.moons(200, rng=0)
    pipeline = make_pipeline(RandomFeatures(Gaussian(), 128, random_state=0), RidgeClassifier(alpha=1e-3))
    grid = {"randomfeatures__kernel__lengthscale": [0.3, 1.0, 30.0], "randomfeatures__scheme": ["iid", "sobol"]}
    search = GridSearchCV(pipeline, grid, error_score="raise").fit(X, y)
    assert search.best_params_["randomfeatures__kernel__lengthscale"] < 30
    assert search.best_estimator_[0].kernel_.lengthscale == search.best_params_["randomfeatures__kernel__lengthscale"]
    assert search.score(X, y) > 0.85


def test_an_odd_number_of_columns_of_pairs_is_refused_with_its_two_neighbours():
    with pytest.raises(ValueError, match="n_components must be even: .*; got 7. Use n_components=6 or 8."):
        RandomFeatures(n_components=7).fit(cloud())
    assert RandomFeatures(n_components=1, random_state=0).fit_transform(cloud()).shape == (60, 2)
    assert RandomFeatures(n_components=7, feature_map="fourier_offset").fit_transform(cloud()).shape == (60, 7)


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
@pytest.mark.parametrize("name", ["fourier", "fourier_offset"])
def test_sparse_samples_have_the_features_of_dense_ones_and_are_not_made_dense(name, make, dtype, close, monkeypatch):
    X = cloud(300, 6, dtype) * (np.random.default_rng(1).random((300, 6)) < 0.3)
    monkeypatch.setattr(sparse.csr_array, "toarray", None)
    monkeypatch.setattr(sparse.csr_matrix, "toarray", None)
    for scale, scheme in ((1.0, None), (1e5 if dtype == "float32" else 1.0, "fastfood")):
        dense = (scale * X).astype(dtype)
        model = RandomFeatures(n_components=80, scheme=scheme, feature_map=name, random_state=0)
        Z, expected = clone(model).fit_transform(make(dense)), model.fit(dense).transform(dense)
        assert Z.dtype == dtype
        close(Z, expected)
        close(model.transform(make(dense)), expected)
    twice = sparse.csr_array((np.array([1.0, 2.0], dtype), [0, 0], [0, 2]), (1, 6))
    close(
        RandomFeatures(random_state=0).fit_transform(twice),
        RandomFeatures(random_state=0).fit_transform([[3, *[0] * 5]]),
    )
    assert twice.nnz == 2
    nothing = make((5, 6), dtype=dtype)
    assert (
        RandomFeatures().fit(nothing).kernel_.lengthscale == RandomFeatures().fit(np.zeros((5, 6))).kernel_.lengthscale
    )


@pytest.mark.parametrize(("X", "message"), [([[2**53 + 1]], "of integers"), ([[1e17, 0]], "so small that its angles")])
def test_sparse_samples_are_checked_as_dense_ones(X, message):
    with pytest.raises(ValueError, match="^X must be .*" + message):
        RandomFeatures(Gaussian(), random_state=0).fit_transform(sparse.csr_array(X))


@pytest.mark.parametrize("model", [RandomFeatures(n_components=8, random_state=0), DualSVC(), KernelRidge()], ids=repr)
def test_the_lengthscale_of_the_default_kernel_is_searched(model):
    X, y = datasets.moons(60, rng=0)
    last = [RidgeClassifier()] if isinstance(model, RandomFeatures) else []
    name = f"{type(model).__name__.lower()}__kernel__lengthscale"
    search = GridSearchCV(make_pipeline(model, *last), {name: [0.1, 1.0]}, cv=2).fit(X, y)
    best = search.best_params_[name]
    assert search.best_estimator_[0].kernel_.lengthscale == best and model.kernel is None
    same = clone(model).set_params(kernel__lengthscale=best).fit(X, y)
    assert repr(same.kernel_) == repr(clone(model).set_params(kernel=Gaussian(best)).fit(X, y).kernel_)


def test_seeds():
    X = cloud()
    first, again, other = (RandomFeatures(random_state=seed).fit_transform(X) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert not np.array_equal(*(RandomFeatures().fit_transform(X) for _ in range(2)))
    state = np.random.RandomState(0)
    assert not np.array_equal(*(RandomFeatures(random_state=state).fit_transform(X) for _ in range(2)))
    model = RandomFeatures(random_state=0).fit(X)
    assert np.array_equal(clone(model).fit_transform(X), model.transform(X))


def test_the_kernel_that_was_given_is_not_touched():
    kernel = Gaussian(2.0)
    model = RandomFeatures(kernel).fit(cloud())
    assert model.kernel is kernel and model.kernel_ is not kernel
    kernel.set_params(lengthscale=5.0)
    assert model.kernel_.lengthscale == 2.0


ONLY = "RandomFeatures is for a stationary kernel or None; got "
REFUSED = {
    "kernel-name": (RandomFeatures("rbf"), TypeError, ONLY + "'rbf'"),
    "softmax": (RandomFeatures(Softmax()), ValueError, ONLY + "Softmax"),
    "sum": (RandomFeatures(Gaussian() + Laplacian()), ValueError, "unite their features"),
    "scheme": (RandomFeatures(scheme="qmc"), ValueError, "scheme must be one of iid, orthogonal"),
    "map": (RandomFeatures(feature_map="cos"), ValueError, "feature_map must be one of fourier, fourier_offset"),
    "seed": (RandomFeatures(random_state="a"), TypeError, "random_state must be a non-negative integer"),
    "columns": (RandomFeatures(n_components=0), ValueError, "n_components must be an integer >= 1"),
    "orthogonal-laplacian": (RandomFeatures(Laplacian(), scheme="orthogonal"), ValueError, "isotropic"),
}


@pytest.mark.parametrize(("model", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_features_is_refused(model, error, message):
    with pytest.raises(error, match=message):
        model.fit(cloud())


def test_transform_needs_a_fit_and_the_same_columns():
    with pytest.raises(NotFittedError):
        RandomFeatures().transform(cloud())
    with pytest.raises(ValueError, match="X has 2 features, but RandomFeatures is expecting 3"):
        RandomFeatures().fit(cloud()).transform(cloud(d=2))
