"""Kernels against their formulas, against scikit-learn, and against the laws that the mathematics promises."""

from itertools import product
from math import comb, factorial, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import cloud
from samples import normal as draw
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

from companion import _arrays, kernels
from companion.kernels import Constant, Gaussian, Matern, Polynomial, Softmax, gaussian_reference, polynomial_reference

ARD = np.array([0.5, 1.0, 4.0])
KERNELS = {
    "gaussian": (Gaussian(1.5), lambda X, Y: gaussian_reference(X, Y, 1.5)),
    "gaussian-ard": (Gaussian([0.5, 1.0, 4.0]), lambda X, Y: gaussian_reference(X / ARD, Y / ARD, 1.0)),
    "polynomial": (Polynomial(), lambda X, Y: polynomial_reference(X, Y, 3, 1.0)),
    "polynomial-1": (Polynomial(1, 0.0), lambda X, Y: X @ Y.T),
    "polynomial-6": (Polynomial(6, 0.5), lambda X, Y: polynomial_reference(X, Y, 6, 0.5)),
    "constant": (Constant(2.5), lambda X, Y: np.full((len(X), len(Y)), 2.5)),
    "sum": (Gaussian() + Polynomial(2), lambda X, Y: gaussian_reference(X, Y, 1) + polynomial_reference(X, Y, 2, 1)),
    "product": (Gaussian() * Polynomial(1), lambda X, Y: gaussian_reference(X, Y, 1) * (X @ Y.T + 1)),
    "scaled": (3.0 * Gaussian(2.0) + 1.0, lambda X, Y: 3 * gaussian_reference(X, Y, 2.0) + 1),
}  # fmt: skip
named = pytest.mark.parametrize(("kernel", "reference"), KERNELS.values(), ids=KERNELS.keys())


@named
def test_equals_its_formula_on_every_backend(kernel, reference, xp, dtype, close):
    X, Y = draw(21, 3).astype(dtype), draw(13, 3, seed=1).astype(dtype)
    X64, Y64 = X.astype(float), Y.astype(float)
    x, y = xp(X), xp(Y)
    for got, expected in ((kernel(x, y), reference(X64, Y64)), (kernel(x), reference(X64, X64))):
        assert type(got) is type(x) and got.dtype == x.dtype
        close(xp.numpy(got), expected)
    close(xp.numpy(kernel.diag(x)), np.diag(reference(X64, X64)))
    if "torch" in xp.name:
        close(xp.numpy(kernel(x.clone().requires_grad_())), reference(X64, X64))
    K = xp.numpy(kernel(xp(draw(150, 3), dtype)))  # more than one tile
    assert np.array_equal(K, K.T)


@pytest.mark.parametrize("n", [127, 129, 2100])
def test_equals_scikit_learn_across_tile_borders(n, dtype, close):
    X, Y = draw(n, 4).astype(dtype), draw(200, 4, seed=1).astype(dtype)
    A, B = X.astype(float), Y.astype(float)
    close(Gaussian(2.0)(X), rbf_kernel(A, gamma=1 / 8))
    close(Gaussian(2.0)(Y, X), rbf_kernel(B, A, gamma=1 / 8))
    close(Polynomial(3, 0.5)(Y, X), polynomial_kernel(B, A, degree=3, gamma=1.0, coef0=0.5))


@pytest.mark.parametrize("n", range(1, 27))
def test_tiles_of_any_size_give_the_same_matrix(n, monkeypatch):
    monkeypatch.setattr(_arrays, "TILE_ROWS", 4)
    monkeypatch.setattr(_arrays, "TILE_COLUMNS", 7)
    X, Y = draw(n, 2), draw(9, 2, seed=1)
    np.testing.assert_allclose(Gaussian()(X), gaussian_reference(X, X, 1.0), atol=1e-14)
    np.testing.assert_allclose(Gaussian()(X, Y), gaussian_reference(X, Y, 1.0), atol=1e-14)
    np.testing.assert_allclose(Polynomial()(X), polynomial_reference(X, X, 3, 1.0), rtol=1e-12)
    assert np.array_equal(Polynomial()(X), Polynomial()(X).T)


def test_gaussian_is_centred_even_where_the_rounding_bound_is_not_tested(monkeypatch):
    """On a device the bound would make it wait; centring alone must keep such data PSD there."""
    monkeypatch.setattr(_arrays, "checks_values", lambda x: False)
    K = Gaussian()(np.linspace(500, 501, 513, dtype=np.float32)[:, None])
    assert np.linalg.eigvalsh(K.astype(float))[0] >= -1e-4


@given(cloud(), st.floats(0.1, 10))
def test_sums_products_and_scales_act_on_matrices_and_stay_psd(X, c):
    k1, k2, k3, k4 = Gaussian(), Polynomial(2), Matern(0.5), Softmax(0.5)
    for kernel, K in (
        (k1 + k2, k1(X) + k2(X)), (k1 * k2, k1(X) * k2(X)), ((k1 + k2) * k3, (k1(X) + k2(X)) * k3(X)),
        (c * k1, c * k1(X)), (k3 * c, c * k3(X)), (k1 + c, k1(X) + c), (c + k1, k1(X) + c),
        (sum([k1, k4]), k1(X) + k4(X)), (k3 * k4, k3(X) * k4(X)), ((k3 + c) * k2, (k3(X) + c) * k2(X)),
    ):  # fmt: skip
        np.testing.assert_allclose(kernel(X), K, rtol=1e-14)
        np.testing.assert_allclose(kernel.diag(X), np.diag(K), rtol=1e-13)
        values = np.linalg.eigvalsh(K)
        assert values[0] >= -100 * len(X) * np.finfo(float).eps * values[-1]


def monomials(X, degree, coef0):
    """Features whose inner product is (⟨x, y⟩ + coef0)^degree: all monomials, with multinomial weights."""
    columns = []
    for powers in product(range(degree + 1), repeat=X.shape[1]):
        if (rest := degree - sum(powers)) >= 0:
            count = factorial(degree) / (factorial(rest) * prod(map(factorial, powers)))
            columns.append(np.sqrt(count * coef0**rest) * np.prod(X ** np.array(powers), axis=1))
    return np.stack(columns, axis=1)  # (n, (d + degree choose degree))


@given(cloud(columns=(1, 3)), st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_polynomial_is_the_inner_product_of_its_monomials(X, degree, coef0):
    Phi = monomials(X, degree, coef0)
    assert Phi.shape[1] == comb(X.shape[1] + degree, degree)
    np.testing.assert_allclose(Polynomial(degree, coef0)(X), Phi @ Phi.T, rtol=1e-11, atol=1e-11)


def test_gaussian_is_as_exact_where_the_matrix_product_is_not(xp):
    cases = (("float64", [0, 1e8, 1e8 + 1]), ("float32", [0, 1e4, 1e4 + 1]), ("float32", [0, 1e6, 1e6 + 1]))
    for dtype, x in (*cases, ("float64", [0, 1e15, 1e15 + 1])):
        X = np.array(x)[:, None]
        K = xp.numpy(Gaussian()(xp(X, dtype)))
        np.testing.assert_allclose(K, gaussian_reference(X, X, 1.0), atol=4 * np.finfo(dtype).eps)
        K = xp.numpy(Gaussian()(xp(X[:1], dtype), xp(X, dtype)))
        np.testing.assert_allclose(K, gaussian_reference(X[:1], X, 1.0), atol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("spread", [1.0, 10.0, 100.0, 1e3, 1e4])
def test_gaussian_keeps_its_promised_accuracy_at_every_spread(xp, dtype, spread):
    X = (np.repeat(draw(30, 3, scale=spread), 10, axis=0) + draw(300, 3, seed=1)).astype(dtype)
    exact = np.exp(-cdist(X, X, "sqeuclidean") / 2)
    K = xp.numpy(Gaussian()(xp(X)))
    np.testing.assert_allclose(K, exact, rtol=0, atol=2 * np.finfo(dtype).eps ** (2 / 3))
    assert np.array_equal(K, K.T) and np.all(np.diag(K) == 1)


def test_equal_samples_are_not_more_than_equal(xp, dtype):
    """An exponent that should be 0 comes out of the matrix product as ±1e-16; K must not exceed 1 for that."""
    K = xp.numpy(Gaussian(3.0)(xp(np.repeat(draw(60, 7), 2, axis=0), dtype)))
    assert K.max() == 1
    if "torch" in xp.name:
        assert Gaussian(3.0)(xp(np.repeat(draw(60, 7), 2, axis=0), dtype).requires_grad_()).max() == 1


@pytest.mark.parametrize("shared", [True, False], ids=["K(X)", "K(X, Y)"])
@pytest.mark.parametrize("far", [0.0, 1e6], ids=["product", "differences"])
def test_gradients_to_second_order_even_where_points_coincide(shared, far):
    torch = pytest.importorskip("torch")
    X = draw(4, 2, scale=1.0)
    X[3] = X[0]
    X[:2] += far
    x = torch.tensor(X, requires_grad=True)
    y = torch.tensor(X[:3].copy(), requires_grad=True)
    lengthscale = torch.tensor([0.9, 1.7], dtype=torch.float64, requires_grad=True)
    coef0 = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)

    def gaussian(x, y, lengthscale):
        return Gaussian(lengthscale)(x, None if shared else y)

    def mixture(x, y, lengthscale, coef0):
        k = 2.0 * Gaussian(lengthscale) * Polynomial(2, coef0) + Polynomial(3)
        return k(x, None if shared else y)

    assert torch.autograd.gradcheck(gaussian, (x, y, lengthscale))
    assert torch.autograd.gradgradcheck(gaussian, (x, y, lengthscale))
    assert torch.autograd.gradcheck(lambda x: (Gaussian() + Gaussian(2.0))(x), x)
    if not far:
        assert torch.autograd.gradcheck(mixture, (x, y, lengthscale, coef0))


def test_parameters_are_those_of_scikit_learn():
    kernel = 2.0 * Gaussian(np.array([1.0, 2.0])) + Polynomial(degree=2)
    assert kernel.get_params()["k1__k2__lengthscale"] is kernel.k1.k2.lengthscale
    assert set(kernel.get_params(deep=False)) == {"k1", "k2"}
    copy = clone(kernel)
    assert copy is not kernel and repr(copy) == repr(kernel)
    assert kernel.set_params(k2__degree=5, k1__k2__lengthscale=3.0) is kernel
    assert (kernel.k2.degree, kernel.k1.k2.lengthscale, copy.k2.degree) == (5, 3.0, 2)
    kernel.set_params(k2=Gaussian(), k2__lengthscale=4.0)
    assert kernel.k2.lengthscale == 4.0


@pytest.mark.parametrize("bad", [{"lengthscale": -1.0}, {"gamma": 1.0}, {"lengthscale__x": 1.0}])
def test_a_refused_parameter_changes_nothing(bad):
    kernel = Gaussian(3.0)
    with pytest.raises(ValueError, match="must be"):
        kernel.set_params(**bad)
    assert kernel.get_params() == {"lengthscale": 3.0}


def test_the_repr_is_python():
    for kernel, _ in KERNELS.values():
        X = draw(6, 3)
        np.testing.assert_array_equal(eval(repr(kernel), vars(kernels))(X), kernel(X))
    mixed = "(Gaussian(lengthscale=1.0) + Constant(value=1.0)) * Gaussian(lengthscale=1.0)"
    assert repr((Gaussian() + 1.0) * Gaussian()) == mixed


def test_numbers_of_any_kind_scale_a_kernel_from_both_sides_and_a_tensor_gets_its_gradient():
    torch = pytest.importorskip("torch")
    X = draw(4, 2)
    for two in (2, 2.0, np.float32(2), np.int64(2), np.array(2.0)):
        for kernel in (two * Gaussian(), Gaussian() * two):
            np.testing.assert_array_equal(kernel(X), 2 * Gaussian()(X))
    two, X = torch.tensor(2.0, requires_grad=True), torch.tensor(X)
    for kernel in (two * Gaussian(), Gaussian() * two):
        (gradient,) = torch.autograd.grad(kernel(X).sum(), two)
        assert gradient.item() == pytest.approx(Gaussian()(X).sum().item(), rel=1e-6)
