"""What is special to a kernel: the ends of the range, digits of the Matérn family, monomials, matrices, the median."""

import math
from itertools import combinations, product
from math import comb, factorial, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SMOOTH, STATIONARY, cloud
from samples import normal as draw
from sklearn.base import clone

from companion import kernels
from companion._core.arrays import generator
from companion.kernels import Cauchy, Gaussian, Laplacian, Matern, Polynomial, Precomputed, Softmax, median_lengthscale
from companion.kernels.matern import matern_by_bessel

each = pytest.mark.parametrize("k", STATIONARY.values(), ids=STATIONARY.keys())


# Stationary kernels at the ends of the range


@each
def test_b2_04_05_huge_values_are_refused_and_tiny_ones_have_their_limit(k, xp):
    message = r"^.X / lengthscale.² must be within the range of its dtype .up to 1.8e\+308.; got an overflow. Scale"
    for huge in ([[1e200], [-1e200]], [[1.0], [-1.7e308]]):
        with pytest.raises(ValueError, match=message):
            k.make()(xp(huge))
    tiny = xp([[1e-200], [-1e-200], [5e-324]])
    np.testing.assert_array_equal(xp.numpy(k.make()(tiny)), np.ones((3, 3)))


@each
def test_what_leaves_the_range_of_single_precision_is_computed_in_double(k, xp):
    """Squares that overflow, with and without gradient; a lengthscale that rounds to 0; a tiny beta."""
    far, X = xp([[1e30], [-1e30]], "float32"), draw(9, 3).astype(np.float32)
    matrices, X[:, 1] = [k.make(1e-5)(far)], 2.0
    if "torch" in xp.name and k in SMOOTH.values():
        matrices.append(k.make(1e-5)(far.requires_grad_()))
    for K in matrices:
        np.testing.assert_allclose(xp.numpy(K), np.eye(2), rtol=0, atol=1e-13)
    K = xp.numpy(k.make([1.0, 1e-46, 1.0])(xp(X)))
    np.testing.assert_allclose(K, k.formula(X.astype(float), X.astype(float)), rtol=1e-6, atol=1e-40)
    np.testing.assert_array_equal(xp.numpy(Cauchy(1e-60)(xp(X))), np.ones((9, 9)))


# The Matérn family


R = [2.0**-20, 0.125, 1.0, 2.0, 5.0]
BY_MPMATH = {  # 2^(1 - nu) / gamma(nu) s^nu besselk(nu, s), s = sqrt(2 nu) r, in 50 digits
    0.01: [0.27290412399229735, 0.07968132618779603, 0.04089263417275977, 0.028142708542645434, 0.01300147940032436],
    0.3: [0.9998001333386731, 0.7678298735514273, 0.30767514823308956, 0.1271393260283407, 0.010597901919218914],
    1.0: [0.9999999999871467, 0.9631105930363452, 0.44434252363223603, 0.13966747401529314, 0.0029747598807285934],
    2.5: [0.999999999999242, 0.9871986792014331, 0.5239941088318203, 0.13866021913850426, 0.0007509337888737549],
    7.7: [0.9999999999994774, 0.9910686324659393, 0.5772826512081579, 0.13622984041019728, 0.00011361943622398749],
    20.4: [0.9999999999995218, 0.9918202642133108, 0.5953848994309601, 0.1355126202934703, 2.666509345433746e-05],
    20.5: [0.9999999999995219, 0.9918223017547568, 0.5954391394387637, 0.1355110687310002, 2.6498289696159615e-05],
}  # fmt: skip


@pytest.mark.parametrize(("nu", "expected"), BY_MPMATH.items())
def test_matern_has_14_digits_for_every_nu(nu, expected):
    np.testing.assert_allclose(Matern(nu)([[0.0]], np.array(R)[:, None])[0], expected, rtol=0, atol=3e-14)


@pytest.mark.parametrize("nu", [1e-300, 1e-6, 0.3, 0.5, 1, 19.99, 20.5, 20.9, math.inf])
def test_matern_has_its_limits_at_zero_and_infinity(nu, xp, dtype):
    r = np.array([0, 1e-45, 1e-30, 1e-9, 0.1, 0.5, 1, 2, 20, 1e4, 1e15, 1e30]).astype(dtype)
    K = xp.numpy(Matern(nu)(xp(r[:1, None]), xp(r[:, None])))[0]
    assert np.all(np.isfinite(K)) and K[0] == 1 and float(K[-1]) < 1e-290
    assert np.all(np.diff(K) <= (1e-13 if dtype == "float64" else 1e-7)) and K.min() >= 0 and K.max() <= 1


@pytest.mark.parametrize("nu", [5.0, 20.5, 21.0, 80.0])
def test_matern_tends_to_the_gaussian_like_1_over_nu(nu):
    """By the core, also where the kernel is refused: the advice there says how much it would differ."""
    r = np.linspace(0, 6, 200)[:, None]
    gap = np.abs(matern_by_bessel(r[:1], r, nu) - Gaussian()(r[:1], r)).max()
    assert gap == pytest.approx((math.sqrt(2) - 1) * math.exp(math.sqrt(2) - 2) / nu, rel=0.05)


@pytest.mark.parametrize("nu", [21, 30.0, 1e17])
def test_a_matern_kernel_that_is_nearly_the_gaussian_is_refused_with_the_difference(nu):
    message = rf"^nu must be below 21, or inf; got .*\. Use nu=inf, the Gaussian: .* about {0.23 / nu:.2g}\.$"
    kernel = Matern(20.9)
    for call in (lambda: Matern(nu), lambda: setattr(kernel, "nu", nu), lambda: kernel.set_params(nu=nu)):
        with pytest.raises(ValueError, match=message):
            call()
    assert kernel.nu == 20.9


@settings(max_examples=20)
@given(cloud())
def test_special_cases_are_each_other(X):
    np.testing.assert_allclose(Cauchy(1e9, math.sqrt(2e9))(X), Gaussian()(X), rtol=0, atol=1e-8)
    np.testing.assert_allclose(Laplacian()(X[:, :1]), Matern(0.5)(X[:, :1]), rtol=0, atol=1e-15)
    by_feature = np.prod([Laplacian(0.7)(X[:, j : j + 1]) for j in range(X.shape[1])], axis=0)
    np.testing.assert_allclose(Laplacian(0.7)(X), by_feature, rtol=0, atol=1e-14)


# Functions of the inner product


def test_softmax_gives_the_weights_of_torch_s_attention():
    torch = pytest.importorskip("torch")
    query, key, value = (torch.tensor(draw(7, 4, seed=seed)) for seed in range(3))
    weights = Softmax(scale=1 / math.sqrt(4))(query, key)
    expected = torch.nn.functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
    torch.testing.assert_close(weights @ value / weights.sum(dim=1, keepdim=True), expected)


@settings(max_examples=20)
@given(cloud(), st.sampled_from([0.25, 1.0]))
def test_softmax_is_a_gaussian_between_two_norms(X, scale):
    half = np.exp(scale * np.sum(X * X, axis=1) / 2)
    K = half[:, None] * Gaussian(1 / math.sqrt(scale))(X) * half
    np.testing.assert_allclose(Softmax(scale)(X), K, rtol=1e-12)


def monomials(X, degree, coef0):
    """Features whose inner product is (⟨x, y⟩ + coef0)^degree: all monomials, with multinomial weights."""
    columns = []
    for powers in product(range(degree + 1), repeat=X.shape[1]):
        if (rest := degree - sum(powers)) >= 0:
            count = factorial(degree) / (factorial(rest) * prod(map(factorial, powers)))
            columns.append(np.sqrt(count * coef0**rest) * np.prod(X ** np.array(powers), axis=1))
    return np.stack(columns, axis=1)  # (n, (d + degree choose degree))


@settings(max_examples=20)
@given(cloud(columns=(1, 3)), st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_polynomial_is_the_inner_product_of_its_monomials(X, degree, coef0):
    Phi = monomials(X, degree, coef0)
    assert Phi.shape[1] == comb(X.shape[1] + degree, degree)
    np.testing.assert_allclose(Polynomial(degree, coef0)(X), Phi @ Phi.T, rtol=1e-11, atol=1e-11)


# Precomputed matrices


def test_precomputed_picks_entries_and_follows_the_indices(xp, dtype):
    K = Gaussian()(draw(300, 2))
    rows, columns = np.array([[3], [299], [3], [0]]), np.array([[299], [7]])
    for given_K, atol in ((K, 0), (xp(K), 0), (xp(K, "float32"), 1e-7)):
        kernel = Precomputed(given_K)
        for kind in (dtype, "int64", "int32"):
            got = kernel(xp(rows, kind), xp(columns, kind))
            assert type(got) is type(xp(K)) and got.dtype == xp(K, dtype if kind == dtype else "float64").dtype
            expected = K[rows, columns.T].astype(xp.numpy(got).dtype)
            np.testing.assert_allclose(xp.numpy(got), expected, rtol=0, atol=atol)
        every = xp.numpy(kernel(xp(np.arange(300)[:, None])))
        np.testing.assert_allclose(every, K, rtol=0, atol=atol)
        np.testing.assert_allclose(xp.numpy(kernel.diag(xp(rows))), K[rows[:, 0], rows[:, 0]], rtol=0, atol=atol)


def test_precomputed_is_exactly_symmetric_whatever_rounding_did_to_the_matrix():
    K = np.corrcoef(draw(300, 4))
    K[np.triu_indices(300, 1)] *= 1 + 1e-15
    kernel, indices = Precomputed(K), np.arange(300)[:, None]
    assert not np.array_equal(K, K.T) and np.array_equal(kernel(indices), kernel(indices).T)
    np.testing.assert_array_equal(kernel(indices[:9], indices), kernel(indices)[:9])
    np.testing.assert_array_equal(kernel(indices, indices[:9]), kernel(indices)[:, :9])


def test_precomputed_is_a_kernel_like_any_other():
    X, indices = draw(9, 2), np.arange(9)[:, None]
    kernel = 2.0 * Precomputed(Gaussian()(X)) * Precomputed(Laplacian()(X)) + 1.0
    np.testing.assert_allclose(kernel(indices), (2.0 * Gaussian() * Laplacian() + 1.0)(X), rtol=1e-15)
    kernel = Precomputed([[2, 1], [1, 2]])
    assert repr(kernel) == "Precomputed(<2 x 2 matrix>)" and repr(clone(kernel)) == repr(kernel)
    assert kernel.get_params() == {"K": [[2, 1], [1, 2]]}
    assert kernel.set_params(K=[[5.0]])([[0]]) == 5
    kernel.K = np.array([[7.0]])
    assert kernel([[0]]) == 7


def test_precomputed_passes_gradients_to_its_matrix():
    torch = pytest.importorskip("torch")
    K = torch.eye(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(Precomputed(K)(torch.tensor([[0], [2]]), torch.tensor([[2]])).sum(), K)
    np.testing.assert_array_equal(gradient, [[0, 0, 1], [0, 0, 0], [0, 0, 1]])
    assert Precomputed(torch.eye(3, device="meta"))(torch.empty(2, 1, device="meta")).shape == (2, 2)


# Functions of the user


def test_a_function_is_a_kernel_like_any_other(xp, dtype, close):
    def spoils_its_data(X, Y):
        K = Gaussian()(X, Y)
        X *= 0
        return K

    x, y = xp(draw(9, 2), dtype), xp(draw(4, 2, seed=1), dtype)
    before, kernel = xp.numpy(x).copy(), 2.0 * kernels.Callable(spoils_its_data) + 1.0
    for got, expected in (
        (kernel(x), Gaussian()(x)),
        (kernel(x, y), Gaussian()(x, y)),
        (kernel.diag(x), x[:, 0] * 0 + 1),
    ):
        assert got.dtype == x.dtype and type(got) is type(x)
        close(xp.numpy(got), 2 * xp.numpy(expected) + 1)
    assert np.array_equal(xp.numpy(x), before) and np.array_equal(*(A := xp.numpy(kernel(x)), A.T))
    kept = np.eye(4)
    assert not np.shares_memory(kernels.Callable(lambda X, Y: kept)(draw(4, 2), draw(4, 2)), kept)
    assert clone(kernel).k1.k2.function is spoils_its_data


FUNCTIONS = {
    "number": (lambda X, Y: 1.0, "must be an array; got float"),
    "of-two-samples": (lambda X, Y: X[0] * Y[0], r"must be of shape \(4, 4\): .* got shape \(3,\). It is called once"),
    "nan": (lambda X, Y: X @ Y.T * np.nan, "must be finite; got 16 NaN"),
    "asymmetric": (lambda X, Y: X @ Y[::-1].T, "must be symmetric; got entries that differ"),
    "no-function": ("rbf", r"must be a function \(X, Y\) -> K; got 'rbf'. For example lambda"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "message"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_function_that_gives_no_kernel_matrix_is_refused(function, message):
    with pytest.raises((TypeError, ValueError), match=r"^function(\(X, [XY]\))? " + message):
        kernels.Callable(function)(draw(4, 3))


# The median lengthscale


@settings(max_examples=8)
@given(X=cloud(rows=(2, 12)), unit=st.sampled_from([1e-200, 1.0, 1e200]))
def test_median_lengthscale_equals_its_definition(xp, X, unit):
    X = X + np.arange(len(X))[:, None]
    median = np.median([np.linalg.norm(x - y) for x, y in combinations(X, 2)])
    for x in (X, X - X.max()):  # none positive
        assert median_lengthscale(xp(x * unit)) == pytest.approx(median * unit, rel=1e-13)
    assert median_lengthscale(xp(X, "float32")) == median_lengthscale(X) and type(median_lengthscale(X)) is float


def test_median_lengthscale_of_some_rows():
    X = draw(500, 2)
    some = [median_lengthscale(X, n_points=100, rng=seed) for seed in (0, 0, 1, np.random.default_rng(0))]
    assert some[0] == some[1] != some[2]
    assert median_lengthscale(X, n_points=500) == median_lengthscale(X, n_points=9999) == median_lengthscale(X)
    rows = generator(0, "rows of the median lengthscale").choice(500, size=100, replace=False)
    assert len(set(rows)) == 100 and some[0] == median_lengthscale(X[rows])
