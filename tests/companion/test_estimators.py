"""The estimators against scikit-learn: its checks, its numbers, its tools, and the inputs that must be refused."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.kernel_ridge import KernelRidge as Peer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from companion import datasets, estimators, svm
from companion._core.checks import NotPSDError
from companion.estimators import DualSVC, KernelRidge
from companion.kernels import Gaussian, Laplacian, Polynomial, Precomputed
from companion.svm import psd, solve_dual


@parametrize_with_checks([DualSVC(), DualSVC(kernel=0.5 * Laplacian(2.0) + 1.0), KernelRidge()])  # no exceptions
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def moons():
    return datasets.moons(300, rng=0)


def standardised(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def digits():
    X, y = load_digits(return_X_y=True)
    chosen = np.isin(y, (2, 3, 5, 8))
    return X[chosen], y[chosen]


DATA = {
    "moons": moons,
    "breast-cancer": lambda: standardised(load_breast_cancer),
    "wine": lambda: standardised(load_wine),
    "digits": digits,
}


def peer(**parameters):
    return SVC(tol=1e-8, decision_function_shape="ovr", break_ties=True, **parameters)


@pytest.mark.parametrize("C", [1.0, 10.0])
@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_decides_as_scikit_learn_s_svc(data, C):
    """Ours at its default tolerance, the peer's tightened; the largest difference seen is 6e-5, on moons."""
    X, y = data()
    ours, theirs = DualSVC(C=C).fit(X, y), peer(C=C).fit(X, y)
    assert ours.converged_ and (ours.gap_ <= 1e-6).all()
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-3)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_array_equal(ours.support_, np.sort(theirs.support_))


def test_two_classes_have_the_layout_of_svc():
    X, y = moons()
    ours, theirs = DualSVC(C=2.0, tol=1e-10).fit(X, y), peer(C=2.0).fit(X, y)
    order = np.argsort(theirs.support_)
    assert ours.dual_coef_.shape == theirs.dual_coef_.shape and ours.decision_function(X).shape == (len(X),)
    np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_[:, order], atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)
    np.testing.assert_array_equal(ours.support_vectors_, X[ours.support_])


def test_each_pair_of_classes_is_a_machine_of_its_own():
    X, y = standardised(load_wine)
    model = DualSVC(C=3.0, kernel=Gaussian(4.0)).fit(X, y)
    assert model.dual_coef_.shape == (3, len(model.support_)) and model.gap_.shape == model.n_iter_.shape == (3,)
    for pair, (r, s) in enumerate([(0, 1), (0, 2), (1, 2)]):
        members = np.isin(y, (r, s))
        alone = solve_dual(Gaussian(4.0)(X[members]), np.where(y[members] == s, 1.0, -1.0), C=3.0)
        beta = np.zeros(len(y))
        beta[model.support_] = model.dual_coef_[pair]
        np.testing.assert_allclose(beta[members], alone.alpha * np.where(y[members] == s, 1, -1), atol=1e-12)
        assert (beta[~members] == 0).all() and model.intercept_[pair] == pytest.approx(alone.intercept, abs=1e-12)


def test_votes_decide_and_scores_break_ties():
    """Pairs (0, 1), (0, 2), (1, 2): a positive score is a vote for the later class."""
    cycle = np.array([[-0.1, 5.0, -0.3]])  # 0 beats 1, 2 beats 0, 1 beats 2: a vote each; sums -4.9, -0.1 + 0.3, 4.7
    decided = estimators.machines.one_against_one(cycle, 3)
    np.testing.assert_allclose(decided, [[1 - 4.9 / 3 / 5.9, 1 + 0.2 / 3 / 1.2, 1 + 4.7 / 3 / 5.7]])
    assert decided.argmax() == 2
    majority = estimators.machines.one_against_one(np.array([[0.1, -9.0, -0.1]]), 3)
    assert majority.argmax() == 1 and np.floor(majority + 0.5).tolist() == [[1, 2, 0]]


@pytest.mark.parametrize("labels", [[-1, 1], [False, True], ["ham", "spam"], [7.0, 9.0], list("cab")], ids=str)
def test_b2_51_labels_of_any_kind(labels):
    X = np.random.default_rng(0).standard_normal((60, 2)) * 0.3
    codes = np.arange(60) % len(labels)
    X += 4 * np.stack([np.cos(2 * codes), np.sin(2 * codes)], axis=1)
    y = np.array(labels)[codes]
    for target in (y, y.tolist(), y.astype(object) if y.dtype.kind == "U" else y):
        model = DualSVC().fit(X, target)
        assert model.classes_.tolist() == sorted(labels)
        np.testing.assert_array_equal(model.predict(X), y)
        assert model.predict(X).dtype == model.classes_.dtype


def test_no_kernel_is_the_gaussian_with_scikit_learn_s_scale():
    X, y = moons()
    for scale in (1.0, 1e-3, 1e3):
        np.testing.assert_allclose(DualSVC().fit(scale * X, y).kernel_.lengthscale, np.sqrt(2 * X.var() / 2) * scale)
    for huge in ([[1e200], [-1e200]], [[-1e200], [-3e200]], [[0.0, -1e200], [0.0, -1e200 / 3], [0.0, 0.0]]):
        scale = np.sqrt(len(huge[0]) / 2) * np.std(np.array(huge) / 1e200) * 1e200
        assert DualSVC().fit(huge, [0, 1, 1][: len(huge)]).kernel_.lengthscale == pytest.approx(scale, rel=1e-12)
    constant = DualSVC().fit(np.zeros((4, 3)), [0, 0, 0, 1])
    assert constant.kernel_.lengthscale == 0.5**0.5
    theirs = SVC().fit(np.zeros((4, 3)), [0, 0, 0, 1])
    probe = np.ones((1, 3))
    np.testing.assert_allclose(constant.kernel_(probe, np.zeros((1, 3))), np.exp(-theirs._gamma * 3))
    np.testing.assert_array_equal(constant.predict(probe), theirs.predict(probe))


def test_the_lengthscales_of_a_kernel_are_its_own_and_its_clones_have_theirs():
    X, given = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0])
    kernel = Gaussian(given) * Gaussian(3.0)
    K, copy = kernel(X), clone(DualSVC(kernel=kernel)).kernel
    given[:] = -1.0
    np.testing.assert_array_equal(kernel(X), K)
    kernel.k1.lengthscale = [5.0, 5.0]
    np.testing.assert_array_equal(copy(X), K)
    with pytest.raises(ValueError, match="read-only"):
        copy.k1.lengthscale[0] = -1.0  # would pass every check


@pytest.mark.parametrize("model", [DualSVC(C=2.0), KernelRidge(penalty=0.5)], ids=["svc", "ridge"])
def test_a_precomputed_kernel_is_sliced_by_cross_validation(model):
    X, y = moons()
    kernel = Gaussian(0.6)
    direct = cross_val_predict(clone(model).set_params(kernel=kernel), X, y, cv=3)
    sliced = cross_val_predict(clone(model).set_params(kernel="precomputed"), kernel(X), y, cv=3)
    np.testing.assert_allclose(sliced, direct, atol=1e-9)
    new, _ = datasets.moons(20, rng=1)
    fitted = clone(model).set_params(kernel="precomputed").fit(kernel(X), y)
    assert fitted.n_features_in_ == len(X)
    same = clone(model).set_params(kernel=kernel).fit(X, y)
    np.testing.assert_allclose(fitted.predict(kernel(new, X)), same.predict(new), atol=1e-9)
    with pytest.raises(ValueError, match="X has 299 features, but .* is expecting 300 features"):
        fitted.predict(kernel(new, X)[:, 1:])


@pytest.mark.parametrize("model", [DualSVC(), KernelRidge()], ids=["svc", "ridge"])
def test_a_function_is_a_kernel(model):
    X, y = moons()
    theirs = clone(model).set_params(kernel=Gaussian(0.5)).fit(X, y)
    ours = clone(model).set_params(kernel=lambda X, Y: np.exp(-2 * cdist(X, Y, "sqeuclidean"))).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6)
    with pytest.raises(NotPSDError, match="It is no kernel matrix"):
        clone(model).set_params(kernel=lambda X, Y: -(X @ Y.T)).fit(X, y)
    with pytest.raises(ValueError, match=r"function\(X, Y\) must be of shape \(300, 300\)"):
        clone(model).set_params(kernel=lambda x, y: x[0] * y[0]).fit(X, y)


@pytest.mark.parametrize("model", [DualSVC(), KernelRidge()], ids=["svc", "ridge"])
def test_parameters_of_the_kernel_are_searched(model):
    X, y = moons()
    model = clone(model).set_params(kernel=Gaussian(1.0))
    search = GridSearchCV(model, {"kernel__lengthscale": [1e-3, 0.5, 100.0]}, cv=3).fit(X, y)
    assert search.best_params_ == {"kernel__lengthscale": 0.5} and model.kernel.lengthscale == 1.0
    search.best_estimator_.set_params(kernel__lengthscale=7.0)
    assert search.best_estimator_.kernel.lengthscale == 7.0
    before = search.best_estimator_.kernel_.lengthscale
    assert before == 0.5  # what was fitted is not changed by a parameter that was set later


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_kernel_matrix_is_certified_once_if_no_formula_does(monkeypatch, n_classes):
    calls, certify = [], psd.is_psd
    monkeypatch.setattr(psd, "is_psd", lambda K, tolerance: calls.append(K.shape) or certify(K, tolerance))
    X, y = standardised(load_wine)
    X, y = X[y < n_classes], y[y < n_classes]
    for kernel in (None, 2.0 * Laplacian() + 1.0):  # positive semidefinite by the formula
        DualSVC(kernel=kernel).fit(X, y)
    assert calls == []
    DualSVC(kernel="precomputed").fit(Gaussian(3.0)(X), y)
    DualSVC(kernel=Precomputed(Gaussian(3.0)(X)) + 1.0).fit(np.arange(len(X))[:, None], y)
    assert calls == [(len(X), len(X))] * 2


@pytest.mark.parametrize("given", ["none", "dict", "balanced"])
def test_weights_of_classes_and_samples_are_those_of_svc(given):
    X, y = standardised(load_wine)
    class_weight = {"none": None, "dict": {0: 3.0, 2: 0.2}, "balanced": "balanced"}[given]
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    weight /= np.bincount(y, weight)[y] / np.bincount(y)[y]  # SVC's "balanced" does not see these weights
    ours = DualSVC(kernel=Gaussian(3.0), class_weight=class_weight, tol=1e-10).fit(X, y, sample_weight=weight)
    theirs = peer(kernel="precomputed", class_weight=class_weight).fit(Gaussian(3.0)(X), y, sample_weight=weight)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(Gaussian(3.0)(X)), atol=1e-5)


@pytest.mark.parametrize("model", [DualSVC(tol=1e-12, class_weight="balanced"), KernelRidge()], ids=["svc", "ridge"])
@pytest.mark.parametrize("precomputed", [False, True])
def test_weights_are_repetitions_and_zero_drops_a_sample(model, precomputed):
    X, y = standardised(load_wine)
    weight = np.where(y == 1, 0, np.random.default_rng(0).integers(0, 4, len(y)))
    K, repeated = Gaussian(3.0)(X), np.repeat(np.arange(len(y)), weight)
    if precomputed:
        model, data = clone(model).set_params(kernel="precomputed"), (K, K[np.ix_(repeated, repeated)], K[:, repeated])
    else:
        data = X, X[repeated], X
    ours, twin = clone(model).fit(data[0], y, sample_weight=weight), clone(model).fit(data[1], y[repeated])
    np.testing.assert_array_equal(getattr(ours, "classes_", [0, 2]), [0, 2])
    np.testing.assert_allclose(ours.predict(data[0]), twin.predict(data[2]), atol=1e-9)
    assert (weight[getattr(ours, "support_", repeated)] > 0).all()


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [("even", "None, 'balanced' or a dict; got 'even'"), ({"0": 2.0}, r"keys of \[0, 1\]; got the key '0'"),
     ({0: -1.0}, r"class_weight\[0\] must be a positive finite number; got -1.0"), ([1, 2], "got")],
)  # fmt: skip
def test_bad_class_weights_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        DualSVC(class_weight=class_weight).fit(X4, Y4)


def test_only_support_vectors_are_kept_and_as_copies():
    X, y = moons()
    model = DualSVC(C=10.0).fit(X, y)
    expected = model.decision_function(X)
    assert len(model.support_) == len(model.support_vectors_) < len(X) / 2
    beta = np.zeros(len(X))
    beta[model.support_] = model.dual_coef_[0]
    np.testing.assert_allclose(model.kernel_(X) @ beta + model.intercept_[0], expected, atol=1e-12)
    probe = X.copy()
    X[:] = 0
    np.testing.assert_array_equal(model.decision_function(probe), expected)


def test_b2_55_not_converged_warns_once_and_names_the_pair():
    X, y = standardised(load_wine)
    names = np.array(["barolo", "grignolino", "barbera"], object)[y]
    message = r"^3 of 3 pairs of classes did not converge, worst '\w+' against '\w+'. The relative duality gap is 0.9"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        model = DualSVC(max_iter=1).fit(X, names)
    assert len(caught) == 1 and caught[0].filename == __file__
    kind = caught[0].category
    assert issubclass(kind, svm.ConvergenceWarning) and kind is estimators.ConvergenceWarning
    assert not model.converged_ and model.n_iter_.tolist() == [1, 1, 1] and (model.gap_ > 0.5).all()
    with pytest.warns(ConvergenceWarning, match="1 of 1 pairs .* worst 0 against 1. .* use a finite C"):
        DualSVC(C=np.inf).fit(np.zeros((2, 1)), [0, 1])


@pytest.mark.parametrize("order", [(0, 0, 1), (1, 0, 0), (0, 1, 0)], ids=str)
def test_one_pair_that_converges_does_not_speak_for_the_others(order):
    """Two classes lie upon each other, and far away one sample: 20 steps are too few for that pair."""
    rng = np.random.default_rng(0)
    X = np.concatenate([np.full((1, 2), 50.0) if far else rng.standard_normal((20, 2)) for far in order])
    y = np.repeat(np.arange(3), [1 if far else 20 for far in order])
    first, second = np.flatnonzero(np.array(order) == 0)
    with pytest.warns(ConvergenceWarning, match=f"^[12] of 3 pairs .* worst {first} against {second}. ") as caught:
        model = DualSVC(C=10.0, max_iter=20).fit(X, y)
    assert not model.converged_ and (model.gap_ <= 1e-6).any()
    assert [(0, 1), (0, 2), (1, 2)][model.gap_.argmax()] == (first, second)
    assert str(caught[0].message).startswith(str((model.gap_ > 1e-6).sum()))


@pytest.mark.parametrize(("model", "y"), [(DualSVC(), ["a", "a", "b", "b"]), (KernelRidge(), [1.0, 2.0, 3.0, 4.0])])
def test_b2_31_32_data_frames(model, y):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"height": [1.0, 2.0, 5.0, 6.0], "age": pd.array([3, 4, 3, 4], dtype="Int64")})
    X, y, model = frame.to_numpy(float), pd.Series(y), clone(model).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["height", "age"]
    np.testing.assert_array_equal(model.predict(frame), clone(model).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["age", "height"]])
    frame.loc[1, "age"] = pd.NA
    for call in (lambda: model.fit(frame, y), lambda: model.predict(frame)):
        with pytest.raises(ValueError, match=r"X must be free of missing values; .* column\(s\) 'age'. Fill or drop"):
            call()


X4 = np.array([[0.0], [1.0], [5.0], [6.0]])
Y4 = [0, 0, 1, 1]
each_model = pytest.mark.parametrize("model", [DualSVC(), KernelRidge()], ids=["svc", "ridge"])

BAD_X = {
    "B2-01-nan": (X4 * np.nan, ValueError, "Input X contains NaN"),
    "B2-07-no-rows": (X4[:0], ValueError, "minimum of 1 is required"),
    "B2-14-big-integers": (2**53 + np.arange(1, 5)[:, None], ValueError, "X must be made of integers"),
    "B2-18-complex": (X4 * 1j, ValueError, "Complex data not supported"),
    "B2-20-strings": (X4.astype(str), ValueError, "not compatible with arrays of bytes/strings"),
    "B2-33-sparse-matrix": (sparse.csr_matrix(X4), TypeError, r"X must be dense \(sparse input is not .*; .* X.toarr"),
    "B2-34-masked": (np.ma.array(X4, mask=X4 > 5), ValueError, "X must be without masked entries; got 1 masked"),
    "B2-35-matrix": (X4.view(np.matrix), TypeError, r"X must be an array; got np.matrix. Use np.asarray\(X\)"),
}  # fmt: skip


@each_model
@pytest.mark.parametrize(("bad", "error", "message"), BAD_X.values(), ids=BAD_X.keys())
def test_bad_samples_are_refused(model, bad, error, message):
    for call in (lambda: clone(model).fit(bad, Y4), lambda: clone(model).fit(X4, Y4).predict(bad)):
        with pytest.raises(error, match=message):
            call()


@each_model
def test_b2_37_38_tensors_are_refused_with_advice(model):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(X4, requires_grad=True)
    message = r"X must be a NumPy array \(or a list\); got a tensor on cpu that .* Pass X.detach\(\).cpu\(\).numpy\(\)"
    for call in (lambda: clone(model).fit(tensor, Y4), lambda: clone(model).fit(X4, Y4).predict(tensor)):
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(TypeError, match=r"y must be a NumPy array .* Pass y.detach\(\).cpu\(\).numpy\(\)"):
        clone(model).fit(X4, torch.tensor(Y4))


@each_model
def test_b2_56_57_before_fit_and_with_other_features(model):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        clone(model).predict(X4)
    with pytest.raises(ValueError, match="X has 2 features, but .* is expecting 1 features"):
        clone(model).fit(X4, Y4).predict(np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[4, 3\]"):
        clone(model).fit(X4, Y4[:3])
    with pytest.raises(ValueError, match="requires y to be passed"):
        clone(model).fit(X4, None)


def test_b2_52_a_column_of_labels_warns_and_numbers_are_no_labels():
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        assert DualSVC().fit(X4, np.array(Y4)[:, None]).predict(X4).tolist() == Y4
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        DualSVC().fit(X4, [0.1, 0.2, 0.3, 0.4])


pd = pytest.importorskip("pandas")
ODD = [
    (np.array(["a", None, "b", "b"], object), "None"), (["a", np.nan, "b", "b"], "nan"), (["a", 1, "b", "b"], "1"),
    ([True, "a", "b", "b"], "'a'"), (np.array([1.0, np.nan, 1, 2]), r"np.float64\(nan\)"), ([b"a", b"b"] * 2, "b'a'"),
    (pd.array(["a", pd.NA, "b", "b"], dtype="string"), "<NA>"), (pd.Series([1, None, 2, 2], dtype="Int64"), "<NA>"),
    (pd.Series(["a", None, "b", "b"], dtype="category"), "nan"), (pd.Series(["a", pd.NaT, "b", "b"]), "NaT"),
    (np.array(["NaT", "2026", "2026", "2027"], "M8[s]"), "np.datetime64.*"), ([[0], [None], [1], [1]], "None"),
    (pd.DataFrame({"t": ["a", None, "b", "b"]}, dtype=object), "None"),
]  # fmt: skip


@pytest.mark.parametrize(("y", "odd"), ODD, ids=lambda value: f"{type(value).__name__}-{value}"[:40])
def test_b2_20_odd_entries_of_y_are_named_with_their_index(y, odd):
    for model in (DualSVC(), KernelRidge()):
        with pytest.raises(ValueError, match=r"^y must be made of (numbers|.* strings), .*; got .* at index \(?[01]"):
            model.fit(X4, y)
    with pytest.raises(ValueError, match=rf"got {odd} at index "):
        DualSVC().fit(X4, y)


HALF = np.eye(4, dtype=np.float16)
INDEFINITE = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
NO_KERNELS = {
    "string": ("rbf", X4, TypeError, "kernel must be a kernel object, a function .* or None; got 'rbf'. For"),
    "class": (Gaussian, X4, TypeError, "kernel must be a kernel object"),
    "B2-54-not-square": ("precomputed", np.ones((4, 3)), ValueError, r"K must be square, .* got shape \(4, 3\)"),
    "B2-16-float16": ("precomputed", HALF, ValueError, "^X must be a kernel matrix in .*; got dtype float16"),
    "B2-46-indefinite": ("precomputed", INDEFINITE, NotPSDError, "K must be positive semi.*; got smallest eigenvalue"),
}


@each_model
@pytest.mark.parametrize(("kernel", "X", "error", "message"), NO_KERNELS.values(), ids=NO_KERNELS.keys())
def test_what_is_no_kernel_and_no_kernel_matrix_is_refused_when_fitted(model, kernel, X, error, message):
    with pytest.raises(error, match=message):
        clone(model).set_params(kernel=kernel).fit(X, Y4)


@each_model
def test_a_precomputed_matrix_of_float32_numbers_is_taken_in_any_container(model):
    X = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    K, y, model = X @ X.T, np.arange(30) % 2, clone(model).set_params(kernel="precomputed")
    expected = model.fit(K, y).predict(K)
    for given in (K.astype(float), K.tolist()):
        np.testing.assert_allclose(model.fit(given, y).predict(given), expected, atol=1e-4)


def test_b2_50_53_one_class_and_bad_parameters_are_refused_and_an_infinite_c_is_the_hard_margin():
    with pytest.raises(ValueError, match="y must be of two or more classes; got one class, 'a'. Check how"):
        DualSVC().fit(X4, ["a"] * 4)
    for bad in ({"C": 0.0}, {"tol": -1.0}, {"max_iter": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
            DualSVC(**bad).fit(X4, Y4)
    model = DualSVC(C=np.inf, kernel=Polynomial(1, 0.0)).fit(X4, Y4)
    np.testing.assert_allclose(model.decision_function([[1.0], [3.0], [5.0]]), [-1, 0, 1], atol=1e-12)
    assert model.support_.tolist() == [1, 2] and model.converged_


def test_single_precision_stays_and_half_is_computed_in_single():
    X, y = moons()
    expected = DualSVC().fit(X, y).decision_function(X)
    single = DualSVC().fit(X.astype(np.float32), y)
    assert single.support_vectors_.dtype == np.float32
    np.testing.assert_allclose(single.decision_function(X.astype(np.float32)), expected, atol=1e-3)
    half = DualSVC().fit(X.astype(np.float16), y)
    assert half.support_vectors_.dtype == np.float32


@pytest.mark.parametrize("outputs", [None, 3])
def test_ridge_is_scikit_learn_s(outputs):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3)), rng.standard_normal(50 if outputs is None else (50, outputs))
    new = rng.standard_normal((7, 3))
    ours = KernelRidge(penalty=0.3, kernel=Gaussian(1.5)).fit(X, y)
    theirs = Peer(alpha=0.3, kernel="rbf", gamma=1 / (2 * 1.5**2)).fit(X, y)
    np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=1e-11)
    np.testing.assert_allclose(ours.predict(new), theirs.predict(new), atol=1e-11)
    assert 0 <= ours.residual_ < 1e-14 and ours.X_fit_ is not X
    with pytest.raises(ValueError, match="penalty must be a non-negative finite number; got -1.0"):
        KernelRidge(penalty=-1.0).fit(X, y)
    with pytest.raises(ValueError, match="sample_weight must be a 1-D array .*; got shape"):
        KernelRidge().fit(X, y, sample_weight=2.0)


def test_cloning_does_not_copy_a_precomputed_matrix():
    K = np.eye(5) + 0.5
    model = DualSVC(kernel=Precomputed(K) + 1.0).fit(np.arange(5)[:, None], [0, 1, 0, 1, 0])
    assert model.kernel_.k1.K is K


@pytest.mark.parametrize(("model", "copies"), [(DualSVC(), 1.5), (KernelRidge(), 2.6)], ids=["svc", "ridge"])
def test_b2_78_a_fit_is_refused_where_its_peak_does_not_fit_and_the_peak_is_not_more(model, copies, monkeypatch):
    X, y = datasets.moons(600, rng=0)
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (copies + 0.3) * 8 * 600**2  # temporaries of a tile
    monkeypatch.setattr("companion._core.arrays.CONTAINER_LIMIT", (copies - 0.1) * 8 * 600**2)
    with pytest.raises(ValueError, match=f"K must be small enough .* {copies:g} times at the peak"):
        model.fit(X, y)
