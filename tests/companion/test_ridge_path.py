"""Ridge regression for every penalty and fold from one pass, against refits, scikit-learn, and bad input; its task."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from companion import datasets
from companion.features import fourier
from companion.frequencies import draw
from companion.kernels import Gaussian
from companion.svm import path as module
from companion.svm import ridge_from_sums_reference, ridge_path, row_sums_reference, solve_ridge

PENALTIES = np.geomspace(1e-3, 1e2, 6)
W = draw(Gaussian(0.5), 10, dim=1, rng=0)


def problem(n=300, precision="float64"):
    X, y = datasets.wave(n, rng=0)
    return fourier(X, W).astype(precision), y


def refit(phi, y, penalty, weight, train):
    return Ridge(alpha=penalty).fit(phi[train].astype(float), y[train], sample_weight=weight[train])


@pytest.mark.parametrize("weighted", [False, True])
def test_every_penalty_is_a_fit_and_every_fold_a_refit(weighted, dtype):
    phi, y = problem(precision=dtype)
    weight = np.random.default_rng(0).integers(0, 4, 300) if weighted else np.ones(300)
    path = ridge_path(phi, y, penalties=PENALTIES, folds=5, sample_weight=weight if weighted else None)
    accuracy, full = 1e-8 if dtype == "float64" else 1e-4, phi.astype(float)
    for i, penalty in enumerate(PENALTIES):
        whole = refit(phi, y, penalty, weight, np.full(300, True))
        np.testing.assert_allclose(full @ path.coef[i] + path.intercept[i], whole.predict(full), atol=accuracy)
        room = {"float64": 1e-8, "float32": 1e-6 + 1e-8 * 300 / penalty}[dtype] * np.linalg.norm(whole.coef_)
        np.testing.assert_allclose(path.coef[i], whole.coef_, atol=room)
        np.testing.assert_allclose(path.intercept[i], whole.intercept_, atol=max(accuracy, room))
        squares = 0.0
        for fold in range(5):
            train = np.arange(300) % 5 != fold
            rest = y[~train] - refit(phi, y, penalty, weight, train).predict(phi[~train].astype(float))
            squares += weight[~train] @ rest**2
        np.testing.assert_allclose(path.error[i], squares / weight.sum(), rtol=accuracy)
    assert path.best == path.error.argmin() and 0 < path.best < 5
    assert repr(path).endswith(f"best={path.best}: penalty {PENALTIES[path.best]:.3g})")


@pytest.mark.parametrize("penalty", PENALTIES)
def test_it_is_kernel_ridge_regression_on_centred_features(penalty):
    phi, y = problem()
    phi = phi - phi.mean(axis=0)
    dual = solve_ridge(phi @ phi.T, y - y.mean(), penalty=penalty)
    path = ridge_path(phi, y, penalties=PENALTIES)
    np.testing.assert_allclose(path.coef[list(PENALTIES).index(penalty)], phi.T @ dual.coef, atol=1e-9)
    assert path.error is None and repr(path) == (
        "RidgePath(coef=array of shape (6, 20), intercept=array of shape (6,))"
    )


def test_one_pass_and_the_same_bits_from_every_source():
    phi, y = problem(9000)
    read = []

    def features(rows):
        read.append(rows)
        return phi[rows]

    whole, lazy, blocks = (
        ridge_path(given, y, penalties=PENALTIES, folds=3, block_size=2000)
        for given in (phi, features, [phi[i : i + 2000] for i in range(0, 9000, 2000)])
    )
    for other in (lazy, blocks):
        np.testing.assert_array_equal(other.coef, whole.coef)
        np.testing.assert_array_equal(other.error, whole.error)
    assert read[0] == read[1] and sum(r.stop - r.start for r in read[1:]) == 9000
    apart = ridge_path(phi, y, penalties=PENALTIES, folds=3, block_size=77)
    np.testing.assert_allclose(apart.coef, whole.coef, atol=1e-9)
    np.testing.assert_allclose(apart.error, whole.error, rtol=1e-9)


def test_folds_are_those_that_are_given():
    phi, y = problem()
    fold = np.random.default_rng(0).permutation(300) % 4
    path = ridge_path(phi, y, penalties=[0.1], folds=fold)
    ours = np.empty(300)
    for k in range(4):
        ours[fold == k] = refit(phi, y, 0.1, np.ones(300), fold != k).predict(phi[fold == k])
    np.testing.assert_allclose(path.error[0], np.mean((y - ours) ** 2), rtol=1e-10)
    np.testing.assert_array_equal(
        ridge_path(phi, y, penalties=[0.1], folds=np.arange(300) % 4).error,
        ridge_path(phi, y, penalties=[0.1], folds=4).error,
    )


def test_b2_82_a_penalty_below_rounding_is_refused_with_both_numbers_after_float64_has_been_tried(monkeypatch):
    phi, y = problem(precision="float32")
    tried, sums = [], module.sums_of_folds
    monkeypatch.setattr(module, "sums_of_folds", lambda source, n: tried.append(source.precise) or sums(source, n))
    ridge_path(phi, y, penalties=[1e-4])
    assert tried == [False]
    ours = ridge_path(phi, y, penalties=[1e-6, 1.0]).coef[0]
    assert tried == [False, False, True]
    np.testing.assert_allclose(ours, Ridge(alpha=1e-6).fit(phi.astype(float), y).coef_, rtol=1e-4)
    with pytest.raises(
        ValueError, match=r"penalties must be at least 1.2e-14, the rounding of .*; got 1e-16. Raise it"
    ):
        ridge_path(phi, y, penalties=[1e-16, 1.0])


def test_torch_gives_what_numpy_gives(xp):
    if not xp.name.startswith("torch"):
        pytest.skip("of torch only")
    phi, y = problem()
    expected = ridge_path(phi, y, penalties=PENALTIES, folds=5)
    got = ridge_path(xp(phi), xp(y), penalties=PENALTIES, folds=5)
    np.testing.assert_allclose(got.coef, expected.coef, atol=1e-9)
    parts = [(xp(phi), np.stack([y, np.arange(300.0) % 3], axis=1), np.ones(300))]
    theirs, ours = module.fold_sums(parts, 3), module.fold_sums([(phi, *parts[0][1:])], 3)
    for name in ("gram", "pull", "losses"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), atol=1e-10)


PHI, Y = np.random.default_rng(0).standard_normal((6, 2)), np.arange(6.0)
BAD = {
    "penalty-zero": ({"penalties": [0.0, 1.0]}, ValueError, "penalties must be positive; got 0"),
    "penalty-nan": ({"penalties": [np.nan]}, ValueError, "penalties must be finite"),
    "one-fold": ({"folds": 1}, ValueError, "folds must be an integer >= 2; got 1"),
    "B2-41-fraction": ({"folds": 2.5}, TypeError, "folds must be an integer >= 2; got 2.5"),
    "more-folds-than-rows": ({"folds": 7}, ValueError, "folds must be such that each .*; got none in fold 6"),
    "fold-missing": ({"folds": [0, 0, 2, 2, 0, 2]}, ValueError, "got none in fold 1"),
    "fold-lengths": ({"folds": [0, 1]}, ValueError, "folds must be an integer >= 2, or 6 integers from 0 to K - 1"),
    "fold-zeros": ({"folds": [0] * 6}, ValueError, "folds must be an integer >= 2, or 6 integers"),
    "fold-without-weight": ({"folds": 2, "sample_weight": [1, 0] * 3}, ValueError, "got none in fold 1"),
    "block": ({"block_size": 0}, ValueError, "block_size must be an integer >= 1"),
    "B2-01-nan": ({"features": PHI * np.nan}, ValueError, "features must be finite; got 12 NaN"),
    "B2-04-overflow": ({"features": PHI * 1e200}, ValueError, "features must be so small that their products stay"),
    "B2-22-lengths": ({"y": Y[:5]}, ValueError, "equal in their number of samples"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(bad, error, message):
    given = {"features": PHI, "y": Y, "penalties": [1.0]} | bad
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        ridge_path(given.pop("features"), given.pop("y"), **given)


def test_the_best_penalty_needs_folds():
    with pytest.raises(ValueError, match="folds must be given, so that errors are known"):
        _ = ridge_path(PHI, Y, penalties=1.0).best


@pytest.fixture
def task():
    random = np.random.default_rng(1)
    return random.standard_normal((40, 6)), random.standard_normal(40)


@given(cuts=st.sets(st.integers(1, 39)))
def test_any_cut_into_blocks_gives_the_sums_of_all_rows(cuts):
    random = np.random.default_rng(1)
    phi, y = random.standard_normal((40, 6)), random.standard_normal(40)
    edges = [0, *sorted(cuts), 40]
    n, G, b, yy = row_sums_reference((phi[i:j], y[i:j]) for i, j in zip(edges, edges[1:], strict=False))
    assert n == 40
    np.testing.assert_allclose(G, phi.T @ phi, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(b, phi.T @ y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(yy, y @ y, rtol=1e-12)


def test_what_comes_in_float32_is_added_in_float64():
    rows = [2.0**12, 1.0, 1.0]  # the square of the first is the largest number to which float32 cannot add one
    blocks = [(np.array([[row]], np.float32), np.ones(1)) for row in rows]
    _, G, b, _ = row_sums_reference(blocks)
    assert G.dtype == b.dtype == np.float64
    assert G[0, 0] == 2.0**24 + 2
    assert b[0] == 2.0**12 + 2


def test_every_penalty_is_scikit_learns_ridge(task):
    phi, y = task
    _, G, b, _ = row_sums_reference([task])
    penalties = [0.01, 1.0, 30.0]
    w, used = ridge_from_sums_reference(G, b, penalties)
    for penalty, found, dimension in zip(penalties, w, used, strict=True):
        theirs = Ridge(alpha=penalty, fit_intercept=False).fit(phi, y)
        np.testing.assert_allclose(found, theirs.coef_, rtol=1e-10)
        hat = phi @ np.linalg.solve(phi.T @ phi + penalty * np.eye(6), phi.T)
        np.testing.assert_allclose(dimension, np.trace(hat), rtol=1e-10)


def test_the_total_minus_a_part_is_the_fit_to_the_other_rows(task):
    phi, y = task
    (_, G, b, _), (_, G_k, b_k, yy_k) = row_sums_reference([task]), row_sums_reference([(phi[:9], y[:9])])
    w = ridge_from_sums_reference(G - G_k, b - b_k, [2.0])[0][0]
    np.testing.assert_allclose(w, Ridge(alpha=2.0, fit_intercept=False).fit(phi[9:], y[9:]).coef_, rtol=1e-10)
    np.testing.assert_allclose(yy_k - 2 * b_k @ w + w @ G_k @ w, np.sum((y[:9] - phi[:9] @ w) ** 2), rtol=1e-10)


def test_lifted_moons_are_moons_in_a_plane():
    X, y = datasets.lifted_moons(20_000, rng=3)
    assert X.shape == (20_000, 20) and set(y) == {-1.0, 1.0}
    values = np.linalg.eigvalsh(np.cov(X.T))
    assert (np.abs(values[:18] / datasets.LIFT**2 - 1) < 0.1).all()  # six standard errors, and the spread of 18 values
    assert (values[18:] > 0.2).all()


def test_no_prediction_beats_the_mean_label():
    """With z = y - f and g of the point: E z g = 0 for every g. Sums of n terms of at most 2 stay below 6 sqrt(n)."""
    X, y = datasets.lifted_moons(20_000, rng=4)
    f = datasets.lifted_moons_mean(X)
    assert np.abs(f).max() <= 1 - 2 * datasets.FLIPPED
    for g in (np.ones(len(y)), np.sign(f), X[:, 0] > 0, np.abs(f) > 0.5):
        assert abs(np.sum((y - f) * g)) < 6 * np.sqrt(len(y))
