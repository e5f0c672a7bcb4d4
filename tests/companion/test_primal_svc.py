"""The classifier on features against scikit-learn: its checks, LinearSVC, its tools, and what must be refused."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from companion import datasets, svm
from companion.estimators import ConvergenceWarning, PrimalSVC, RandomFeatures, linear
from companion.kernels import Gaussian
from companion.svm.sums import ROWS

MAP = RandomFeatures(n_components=20, random_state=0)


@parametrize_with_checks([PrimalSVC(), PrimalSVC(features=MAP, class_weight="balanced")])  # no exceptions
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def peer(**parameters):
    return LinearSVC(loss="squared_hinge", tol=1e-10, max_iter=10**6, **parameters)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decides_as_linear_svc(n_classes):
    X, y = wine()
    X, y = X[y < n_classes], y[y < n_classes]
    ours, theirs = PrimalSVC(C=0.1).fit(X, y), peer(C=0.1).fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape and ours.intercept_.shape == theirs.intercept_.shape
    assert ours.converged_ and (ours.gap_ <= 1e-6).all() and ours.features_ is None
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-4)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("n_components", [30, 400])
def test_it_is_a_transformer_and_a_linear_machine_in_one(n_components):
    X, y = load_digits(return_X_y=True)
    X, y = X[:700] / 16, y[:700]
    features = RandomFeatures(Gaussian(1.5), n_components, random_state=0)
    ours = PrimalSVC(C=10.0, features=features).fit(X, y)
    piped = make_pipeline(clone(features), PrimalSVC(C=10.0)).fit(X, y)
    np.testing.assert_array_equal(ours.coef_, piped[-1].coef_)
    np.testing.assert_allclose(ours.decision_function(X), piped.decision_function(X), atol=1e-10)
    assert ours.features_ is not features and not hasattr(features, "frequencies_")
    phi = ours.features_.transform(X)
    for s in (0, 7):
        alone = svm.solve_primal(phi, np.where(y == s, 1, -1), C=10.0)
        np.testing.assert_allclose(ours.coef_[s], alone.coef, atol=1e-6)


def test_features_are_made_a_part_at_a_time():
    class Watched(RandomFeatures):
        most = 0

        def transform(self, X):
            Watched.most = max(Watched.most, len(X))
            return super().transform(X)

    X, y = datasets.moons(3 * ROWS, rng=0)
    model = PrimalSVC(features=Watched(Gaussian(0.5), 20, random_state=0)).fit(X, y)
    assert model.decision_function(X).shape == y.shape and Watched.most == ROWS


def test_features_that_fit_are_made_once_and_change_nothing(monkeypatch):
    X, y = datasets.moons(3 * ROWS, rng=0)
    X, made, transform = X.astype(np.float32), [], RandomFeatures.transform
    monkeypatch.setattr(RandomFeatures, "transform", lambda self, X: made.append(len(X)) or transform(self, X))
    model, fits = PrimalSVC(features=RandomFeatures(Gaussian(0.5), 20, random_state=0)), []
    for room, times in ((0, None), (ROWS * 20 * 4, None), (10**9, 1)):
        monkeypatch.setattr(linear, "KEEP", room)
        made.clear()
        fits.append(clone(model).fit(X, y).coef_)
        whole = sum(n for n in made if n == ROWS) / (3 * ROWS)
        assert whole == times if times else whole > 2
    np.testing.assert_array_equal(fits[1:], fits[:1] * 2)


@pytest.mark.parametrize("features", [None, MAP])
def test_weights_are_repetitions_and_zero_drops_a_sample(features):
    X, y = wine()
    weight = np.where(y == 1, 0, np.random.default_rng(0).integers(0, 4, len(y)))
    repeated = np.repeat(np.arange(len(y)), weight)
    model = PrimalSVC(features=features, class_weight="balanced")
    ours, twin = clone(model).fit(X, y, sample_weight=weight), clone(model).fit(X[repeated], y[repeated])
    assert ours.classes_.tolist() == [0, 2]
    np.testing.assert_allclose(ours.decision_function(X), twin.decision_function(X), atol=1e-9)


def test_the_weight_of_a_class_is_that_of_its_samples_in_every_machine():
    X, y = wine()
    ours = PrimalSVC(class_weight={0: 3.0, 2: 0.2}).fit(X, y)
    same = PrimalSVC().fit(X, y, sample_weight=np.array([3.0, 1.0, 0.2])[y])
    np.testing.assert_array_equal(ours.coef_, same.coef_)
    two = y < 2
    theirs = peer(class_weight={0: 3.0}).fit(X[two], y[two])
    np.testing.assert_allclose(PrimalSVC(class_weight={0: 3.0}).fit(X[two], y[two]).coef_, theirs.coef_, atol=1e-4)


@pytest.mark.parametrize("labels", [[-1, 1], [False, True], ["ham", "spam"], [7.0, 9.0], list("cab")], ids=str)
def test_b2_51_labels_of_any_kind(labels):
    codes = np.arange(60) % len(labels)
    X = np.stack([np.cos(2 * codes), np.sin(2 * codes)], axis=1)
    X += np.random.default_rng(0).standard_normal((60, 2)) / 10
    model = PrimalSVC(C=10.0).fit(X, np.array(labels)[codes])
    assert model.classes_.tolist() == sorted(labels)
    np.testing.assert_array_equal(model.predict(X), np.array(labels)[codes])


def test_parameters_of_the_features_are_searched():
    X, y = datasets.moons(300, rng=0)
    model = PrimalSVC(C=10.0, features=RandomFeatures(Gaussian(1.0), 60, random_state=0))
    search = GridSearchCV(model, {"features__kernel__lengthscale": [1e-3, 0.5, 100.0]}, cv=3).fit(X, y)
    assert search.best_params_ == {"features__kernel__lengthscale": 0.5}


def test_single_precision_is_computed_in_single_and_a_memory_map_is_taken(tmp_path):
    X, y = datasets.moons(500, rng=0)
    X.astype(np.float32).tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", np.float32, mode="r").reshape(-1, 2)
    features = RandomFeatures(Gaussian(0.5), 20, random_state=0)
    single, double = (PrimalSVC(features=features).fit(data, y) for data in (mapped, X))
    np.testing.assert_allclose(single.decision_function(mapped), double.decision_function(X), atol=1e-4)
    assert single.features_.transform(mapped[:1]).dtype == np.float32 and single.coef_.dtype == np.float64


def test_b2_55_not_converged_warns_once_and_names_the_class():
    X, y = wine()
    names = np.array(["barolo", "grignolino", "barbera"], object)[y]
    message = r"^3 of 3 machines did not converge, worst '\w+'. The relative duality gap is .* passes, above tol=1e-06"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        model = PrimalSVC(max_iter=1).fit(X, names)
    assert len(caught) == 1 and caught[0].filename == __file__ and not model.converged_
    assert issubclass(caught[0].category, svm.ConvergenceWarning) and model.n_iter_.tolist() == [1, 1, 1]


X4, Y4 = np.array([[0.0], [1.0], [5.0], [6.0]]), [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"C": 0.0}, ValueError, "C must be a positive finite number; got 0.0"),
        ({"C": np.inf}, ValueError, "C must be a positive finite number; got inf"),
        ({"tol": 1.0}, ValueError, "tol must be at most 0.5"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1"),
        ({"class_weight": "even"}, ValueError, "class_weight must be None, 'balanced' or a dict; got 'even'"),
        ({"features": "rff"}, TypeError, "features must be a transformer or None; got 'rff'. For example RandomFeat"),
        ({"features": RandomFeatures}, TypeError, "features must be a transformer or None"),
    ],
)
def test_b2_27_53_bad_parameters_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        PrimalSVC(**parameters).fit(X4, Y4)


def test_b2_50_56_57_one_class_no_fit_and_other_features():
    with pytest.raises(ValueError, match="y must be of two or more classes; got one class, 'a'"):
        PrimalSVC().fit(X4, ["a"] * 4)
    with pytest.raises(NotFittedError):
        PrimalSVC().predict(X4)
    with pytest.raises(ValueError, match="X has 2 features, but PrimalSVC is expecting 1"):
        PrimalSVC().fit(X4, Y4).predict(np.zeros((1, 2)))
