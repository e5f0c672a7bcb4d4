"""Ridge regression from sums over rows, and the task on which its page measures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from companion import datasets
from companion.svm import ridge_from_sums_reference, row_sums_reference


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
