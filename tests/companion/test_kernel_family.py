"""Laplacian, Matérn, Cauchy, exponential power, softmax and precomputed kernels: formulas, peers, laws, gradients."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import cloud
from samples import normal as draw
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.gaussian_process import kernels as gp
from sklearn.metrics.pairwise import laplacian_kernel

from companion import _arrays, kernels
from companion.kernels import (
    Cauchy,
    Constant,
    ExponentialPower,
    Gaussian,
    Laplacian,
    Matern,
    Polynomial,
    Precomputed,
    Softmax,
    median_lengthscale,
    median_lengthscale_reference,
)

STATIONARY = {
    "laplacian": (Laplacian, kernels.laplacian_reference, {}),
    "matern-0.5": (Matern, kernels.matern_reference, {"nu": 0.5}),
    "matern-1.5": (Matern, kernels.matern_reference, {"nu": 1.5}),
    "matern-5.5": (Matern, kernels.matern_reference, {"nu": 5.5}),
    "matern-20.5": (Matern, kernels.matern_reference, {"nu": 20.5}),
    "matern-0.3": (Matern, kernels.matern_reference, {"nu": 0.3}),
    "matern-3": (Matern, kernels.matern_reference, {"nu": 3}),
    "cauchy": (Cauchy, kernels.cauchy_reference, {"beta": 1.0}),
    "cauchy-0.2": (Cauchy, kernels.cauchy_reference, {"beta": 0.2}),
    "cauchy-50": (Cauchy, kernels.cauchy_reference, {"beta": 50.0}),
    "power-0.4": (ExponentialPower, kernels.exponential_power_reference, {"alpha": 0.4}),
    "power-1.3": (ExponentialPower, kernels.exponential_power_reference, {"alpha": 1.3}),
    "power-2": (ExponentialPower, kernels.exponential_power_reference, {"alpha": 2}),
}
each = pytest.mark.parametrize(("make", "reference", "shape"), STATIONARY.values(), ids=STATIONARY.keys())
SMOOTH = {k: v for k, v in STATIONARY.items() if k not in ("matern-0.3", "matern-3")}  # without SciPy's Bessel function
each_smooth = pytest.mark.parametrize(("make", "reference", "shape"), SMOOTH.values(), ids=SMOOTH.keys())
FAMILY = [make(**shape) for make, _, shape in STATIONARY.values()] + [Matern(math.inf), Gaussian()]


@each
def test_equals_its_formula_on_every_backend(make, reference, shape, xp, dtype, close):
    X, Y = draw(21, 3).astype(dtype), draw(13, 3, seed=1).astype(dtype)
    Y[0] = X[0]
    scale = np.array([0.5, 1.0, 4.0])
    A, B, kernel = X.astype(float) / scale, Y.astype(float) / scale, make(**shape, lengthscale=scale)
    for got, expected in (
        (kernel(xp(X), xp(Y)), reference(A, B, **shape, lengthscale=1.0)),
        (kernel(xp(X)), reference(A, A, **shape, lengthscale=1.0)),
    ):
        assert type(got) is type(xp(X)) and got.dtype == xp(X).dtype
        close(xp.numpy(got), expected)
    K = xp.numpy(kernel(xp(X)))
    assert np.array_equal(K, K.T) and np.all(np.diag(K) == 1) and K.max() == 1
    assert np.array_equal(xp.numpy(kernel.diag(xp(X))), np.ones(21))


@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_softmax_equals_its_formula_on_every_backend(scale, xp, dtype, close):
    X, Y = draw(21, 3).astype(dtype), draw(13, 3, seed=1).astype(dtype)
    A, B = X.astype(float), Y.astype(float)
    close(xp.numpy(Softmax(scale)(xp(X), xp(Y))), kernels.softmax_reference(A, B, scale))
    K = xp.numpy(Softmax(scale)(xp(X)))
    close(K, kernels.softmax_reference(A, A, scale))
    assert np.array_equal(K, K.T)
    close(xp.numpy(Softmax(scale).diag(xp(X))), np.diag(K))


def test_softmax_gives_the_weights_of_torch_s_attention():
    torch = pytest.importorskip("torch")
    query, key, value = (torch.tensor(draw(7, 4, seed=seed)) for seed in range(3))
    weights = Softmax(scale=1 / math.sqrt(4))(query, key)
    expected = torch.nn.functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
    torch.testing.assert_close(weights @ value / weights.sum(dim=1, keepdim=True), expected)


@given(cloud(), st.sampled_from([0.25, 1.0]))
def test_softmax_is_a_gaussian_between_two_norms(X, scale):
    half = np.exp(scale * np.sum(X * X, axis=1) / 2)
    K = half[:, None] * Gaussian(1 / math.sqrt(scale))(X) * half
    np.testing.assert_allclose(Softmax(scale)(X), K, rtol=1e-12)


@pytest.mark.parametrize("n", [127, 129])
def test_equals_scikit_learn_across_tile_borders(n, dtype, close):
    X, Y = draw(n, 4).astype(dtype), draw(2100, 4, seed=1).astype(dtype)
    A, B = X.astype(float), Y.astype(float)
    close(Laplacian(2.0)(X), laplacian_kernel(A, gamma=0.5))
    close(Laplacian(2.0)(X, Y), laplacian_kernel(A, B, gamma=0.5))
    for nu in (0.5, 1.5, 2.5, math.inf):
        close(Matern(nu, 0.5)(X), gp.Matern(0.5, nu=nu)(A))
        close(Matern(nu, 0.5)(X, Y), gp.Matern(0.5, nu=nu)(A, B))
    close(Cauchy(0.7, 1.5)(X, Y), gp.RationalQuadratic(1.5 / math.sqrt(1.4), alpha=0.7)(A, B))


R = [2.0**-20, 0.125, 1.0, 2.0, 5.0]
BY_MPMATH = {  # 2^(1 - nu) / gamma(nu) s^nu besselk(nu, s), s = sqrt(2 nu) r, in 50 digits
    0.01: [0.27290412399229735, 0.07968132618779603, 0.04089263417275977, 0.028142708542645434, 0.01300147940032436],
    0.3: [0.9998001333386731, 0.7678298735514273, 0.30767514823308956, 0.1271393260283407, 0.010597901919218914],
    1.0: [0.9999999999871467, 0.9631105930363452, 0.44434252363223603, 0.13966747401529314, 0.0029747598807285934],
    2.5: [0.999999999999242, 0.9871986792014331, 0.5239941088318203, 0.13866021913850426, 0.0007509337888737549],
    7.7: [0.9999999999994774, 0.9910686324659393, 0.5772826512081579, 0.13622984041019728, 0.00011361943622398749],
    13.25: [0.9999999999995082, 0.9915884914307063, 0.5894030947732212, 0.13571200963339183, 4.8473181219394066e-05],
    20.4: [0.9999999999995218, 0.9918202642133108, 0.5953848994309601, 0.1355126202934703, 2.666509345433746e-05],
    20.5: [0.9999999999995219, 0.9918223017547568, 0.5954391394387637, 0.1355110687310002, 2.6498289696159615e-05],
}  # fmt: skip


@pytest.mark.parametrize(("nu", "expected"), BY_MPMATH.items())
def test_matern_has_14_digits_for_every_nu(nu, expected):
    np.testing.assert_allclose(Matern(nu)([[0.0]], np.array(R)[:, None])[0], expected, rtol=0, atol=3e-14)


NUS = [1e-300, 1e-6, 0.01, 0.3, 0.5, 1, 7.7, 19.99, 20.5, 20.9, math.inf]


@pytest.mark.parametrize("nu", NUS)
def test_matern_has_its_limits_at_zero_and_infinity(nu, xp, dtype):
    r = np.array([0, 1e-45, 1e-30, 1e-9, 0.1, 0.5, 1, 2, 20, 1e4, 1e15, 1e30]).astype(dtype)
    K = xp.numpy(Matern(nu)(xp(r[:1, None]), xp(r[:, None])))[0]
    assert np.all(np.isfinite(K)) and K[0] == 1 and float(K[-1]) < 1e-290
    assert np.all(np.diff(K) <= (1e-13 if dtype == "float64" else 1e-7)) and K.min() >= 0 and K.max() <= 1


@pytest.mark.parametrize("nu", [5.0, 20.5, 21.0, 80.0])
def test_matern_tends_to_the_gaussian_like_1_over_nu(nu):
    """By the formula, also where the kernel is refused: the advice there says how much it would differ."""
    r = np.linspace(0, 6, 200)[:, None]
    gap = np.abs(kernels.matern_reference(r[:1], r, nu, 1.0) - Gaussian()(r[:1], r)).max()
    assert gap == pytest.approx((math.sqrt(2) - 1) * math.exp(math.sqrt(2) - 2) / nu, rel=0.05)


@pytest.mark.parametrize("nu", [21, 30.0, 1e17])
def test_a_matern_kernel_that_is_nearly_the_gaussian_is_refused_with_the_difference(nu):
    message = rf"^nu must be below 21, or inf; got .*\. Use nu=inf, the Gaussian: .* about {0.23 / nu:.2g}\.$"
    kernel = Matern(20.9)
    kernel.nu = nu
    for call in (lambda: Matern(nu), lambda: kernel([[0.0]]), lambda: kernel.sample_spectrum(2, 2, rng=0)):
        with pytest.raises(ValueError, match=message):
            call()


@given(cloud())
def test_special_cases_are_each_other(X):
    for one, other in (
        (ExponentialPower(1.0, 0.7), Matern(0.5, 0.7)),
        (ExponentialPower(2.0, 0.7), Gaussian(0.7 / math.sqrt(2))),
        (Matern(math.inf, 0.7), Gaussian(0.7)),
    ):
        np.testing.assert_allclose(one(X), other(X), rtol=0, atol=1e-14)
    np.testing.assert_allclose(Cauchy(1e9, math.sqrt(2e9))(X), Gaussian()(X), rtol=0, atol=1e-8)
    np.testing.assert_allclose(Laplacian()(X[:, :1]), Matern(0.5)(X[:, :1]), rtol=0, atol=1e-15)
    by_feature = np.prod([Laplacian(0.7)(X[:, j : j + 1]) for j in range(X.shape[1])], axis=0)
    np.testing.assert_allclose(Laplacian(0.7)(X), by_feature, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kernel", FAMILY, ids=repr)
@settings(max_examples=10)
@given(X=cloud())
def test_is_psd_to_rounding_with_unit_diagonal_and_entries_in_0_1(kernel, dtype, X):
    K = kernel(X.astype(dtype))
    values = np.linalg.eigvalsh(K.astype(float))
    assert np.all(np.diag(K) == 1) and np.all((K >= 0) & (K <= 1)) and np.array_equal(K, K.T)
    assert values[0] >= -len(K) * np.finfo(dtype).eps * values[-1] * max(1, 4 * X.shape[1])


def width(kernel):
    """The w of 1 - |x - y|² / 2w² + ..., where the kernel is computed from |x - y|²; infinite where from |x - y|."""
    shape = kernel.get_params()
    if isinstance(kernel, Cauchy):
        return (2 * shape["beta"]) ** -0.5
    if shape.get("alpha") == 2:
        return 2**-0.5
    return 1.0 if isinstance(kernel, Gaussian) or shape.get("nu") == math.inf else math.inf


def rounding_of_the_product(kernel, X):
    """How much a kernel of |x - y|² may lose to its matrix product, where u = eps / 2 and M = max |z|².

    z is centred and measured in widths of the kernel. An inner product of n terms is off by n u times the sum of their
    absolute values (Higham 2002, eq. 3.5), so -|z|²/2 + ⟨z, v⟩ - |v|²/2 by 2 (d + 2) u M, and its two norms by d u M.
    Centring and dividing round each entry of z by 2 u, which changes |z - v|²/2 by at most 8 u M. Together
    (3 d + 12) u M; and the kernel, as a function of |z - v|²/2, has no slope beyond 1.
    """
    M = np.sum(((X - X.mean(axis=0)) / width(kernel)) ** 2, axis=1).max()
    return (3 * X.shape[1] + 12) * np.finfo(X.dtype).eps / 2 * M


@pytest.mark.parametrize("kernel", FAMILY, ids=repr)
@settings(max_examples=10)
@given(X=cloud(), shift=st.sampled_from([-1000.0, 1000.0]))
def test_does_not_see_a_shift(kernel, dtype, X, shift):
    X = X.astype(dtype)
    atol = 40 * np.finfo(dtype).eps + 2 * rounding_of_the_product(kernel, X)  # of the profile, and of both products
    np.testing.assert_allclose(kernel(X + shift), kernel(X), rtol=0, atol=atol)
    np.testing.assert_allclose(kernel(X + shift, X[:1] + shift), kernel(X, X[:1]), rtol=0, atol=atol)


@each
@settings(max_examples=10)
@given(X=cloud(), unit=st.floats(1e-3, 1e3))
def test_has_no_units(make, reference, shape, X, unit):
    K = make(**shape, lengthscale=0.7)(X)
    np.testing.assert_allclose(make(**shape, lengthscale=0.7 * unit)(X * unit), K, rtol=0, atol=1e-7)
    np.testing.assert_allclose(make(**shape, lengthscale=0.7 * 64)(X * 64), K, rtol=0, atol=1e-14)


@each
@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_has_no_units_even_at_the_ends_of_the_range(make, reference, shape, unit, xp):
    X = draw(8, 2)
    K = xp.numpy(make(**shape, lengthscale=unit)(xp(X * unit)))
    np.testing.assert_allclose(K, reference(X, X, **shape, lengthscale=1.0), rtol=1e-10)
    K = xp.numpy(make(**shape, lengthscale=[unit, 2 * unit])(xp(X * unit)))
    np.testing.assert_allclose(K, reference(X / [1, 2], X / [1, 2], **shape, lengthscale=1.0), rtol=1e-10)


@pytest.mark.parametrize("low", [500, 8000])
@pytest.mark.parametrize("kernel", FAMILY, ids=repr)
def test_stays_psd_far_from_the_origin(kernel, xp, low):
    x = np.linspace(low, low + 1, 200, dtype=np.float32)[:, None]
    matrices = [xp.numpy(kernel(xp(x)))]
    if "torch" in xp.name and getattr(kernel, "nu", 1.5) not in (0.3, 3):
        matrices.append(xp.numpy(kernel(xp(x).requires_grad_())))
    for K in matrices:
        values = np.linalg.eigvalsh(K.astype(float))
        assert values[0] >= -200 * np.finfo(np.float32).eps * values[-1]


@each
def test_near_points_keep_their_digits(make, reference, shape, xp):
    """A root of a difference of squares would give distances of 2e-8 where they are 1e-9."""
    X = draw(30, 3)
    Y = X + 1e-9 * draw(30, 3, seed=1)
    K = xp.numpy(make(**shape)(xp(X), xp(Y)))
    squared = make is Cauchy or shape == {"alpha": 2}  # smooth in |x - y|²: an error of 4e-11
    atol = 4e-11 if squared else 2e-14 if make is Matern else 1e-15  # for 1e-14 the reference is to blame
    np.testing.assert_allclose(K, reference(X, Y, **shape, lengthscale=1.0), rtol=0, atol=atol)
    if make is Laplacian or shape in ({"nu": 0.5}, {"alpha": 0.4}, {"alpha": 1.3}):
        assert np.all(1 - np.diag(K) > 1e-13)


@pytest.mark.parametrize("kernel", FAMILY, ids=repr)
def test_huge_and_tiny_values_have_their_limits(kernel, xp):
    huge = xp.numpy(kernel(xp([[1e200], [-1e200], [1e308], [-1.7e308]])))
    limit = 0.0 if not isinstance(kernel, Cauchy) else 1e-75
    np.testing.assert_allclose(huge, np.eye(4), rtol=0, atol=limit)
    tiny = xp.numpy(kernel(xp([[1e-200], [-1e-200], [5e-324]])))
    np.testing.assert_array_equal(tiny, np.ones((3, 3)))


@pytest.mark.parametrize("kernel", FAMILY, ids=repr)
def test_reflecting_huge_data_in_any_axis_changes_nothing(kernel):
    """At alpha = 0.001 even points 1e300 apart are similar, so that an overflow would show."""
    X = np.array([[1e300, 1.0], [2e300, 2e300], [1e-300, 3.0], [1.0, 1e300]])
    r = np.hypot(*(X[:, None] - X[None, :]).T)
    np.testing.assert_allclose(ExponentialPower(1e-3)(X), np.exp(-(r**1e-3)), rtol=1e-13)
    for k in (kernel, ExponentialPower(1e-3)):
        for signs in ([-1, -1], [-1, 1], [1, -1]):
            np.testing.assert_array_equal(k(X * signs), k(X))
            for some in (X[:1], X[2:3]):  # the larger data first, and second
                np.testing.assert_allclose(k(X * signs, some * signs), k(X, some), rtol=0, atol=1e-14)
                np.testing.assert_allclose(k(some * signs, X * signs), k(X, some).T, rtol=0, atol=1e-14)
            np.testing.assert_allclose(k(X, X[2:3])[:, 0], k(X)[:, 2], rtol=0, atol=1e-14)


@pytest.mark.parametrize("kernel", [Laplacian(), Matern(0.5), Cauchy(), ExponentialPower(0.4), Gaussian()], ids=repr)
def test_more_samples_than_a_block_of_rows_on_every_backend(kernel, xp, dtype, close):
    X = draw(300, 2, scale=10.0).astype(dtype)
    expected = kernel(X.astype(float))
    close(xp.numpy(kernel(xp(X))), expected)
    close(xp.numpy(kernel(xp(X), xp(X[:5]))), expected[:, :5])


def coinciding():
    X = draw(5, 2)
    X[3], X[4, 0] = X[0], X[1, 0]  # two equal points, and two that agree in one coordinate
    return X


@each_smooth
@pytest.mark.parametrize("shared", [True, False], ids=["K(X)", "K(X, Y)"])
def test_gradients_are_right_and_finite_where_points_coincide(make, reference, shape, shared):
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(X, requires_grad=True) for X in (coinciding(), coinciding()[:3]))
    lengthscale = torch.tensor([0.9, 1.7], dtype=torch.float64, requires_grad=True)

    def K(x, y, lengthscale):
        return make(**shape, lengthscale=lengthscale)(x, None if shared else y)

    for gradient in torch.autograd.grad(K(x, y, lengthscale).sum(), (x, lengthscale)):
        assert bool(torch.isfinite(gradient).all())
    assert torch.autograd.gradcheck(K, (x, y, lengthscale))


def test_softmax_gives_gradients_to_its_scale_and_to_the_data():
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(draw(4, 2, seed=seed), requires_grad=True) for seed in range(2))
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    for other in (y, None):
        assert torch.autograd.gradcheck(lambda x, scale, other=other: Softmax(scale)(x, other), (x, scale))


@pytest.mark.parametrize("kernel", [Cauchy(), Cauchy(0.2), Matern(math.inf), Softmax()], ids=repr)
def test_functions_of_the_squared_distance_have_second_derivatives(kernel):
    torch = pytest.importorskip("torch")
    assert torch.autograd.gradgradcheck(kernel, (torch.tensor(coinciding(), requires_grad=True),))


@each_smooth
def test_single_precision_gradients_are_finite_and_values_those_without_gradient(make, reference, shape, dtype, close):
    torch = pytest.importorskip("torch")
    X = torch.tensor(np.concatenate([coinciding(), 1e3 + coinciding(), [[1e4, -1e4]]]).astype(dtype))
    x = X.clone().requires_grad_()
    K = make(**shape)(x)
    (gradient,) = torch.autograd.grad(K.sum(), x)
    assert bool(torch.isfinite(gradient).all())
    np.testing.assert_allclose(K.detach(), make(**shape)(X), rtol=0, atol=1e-12 if dtype == "float64" else 1e-3)


TILED = [Laplacian(), Matern(0.5), Matern(5.5), Cauchy(), ExponentialPower(0.4), Softmax(0.01), Gaussian()]


@pytest.mark.parametrize("kernel", TILED, ids=repr)
def test_temporaries_are_tiles(kernel, dtype):
    X = draw(3000, 3, scale=0.1).astype(dtype)  # so near that float32 is not computed in float64
    tracemalloc.start()
    K = kernel(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < K.nbytes + 24 * 2**20 < 1.8 * K.nbytes  # 2 are two such matrices


@pytest.mark.parametrize("kernel", [*FAMILY, Softmax(), Polynomial(1), 1.0 * Polynomial(1), Constant(1.0)], ids=repr)
def test_the_input_is_neither_changed_nor_aliased_and_two_calls_share_nothing(kernel):
    X = draw(40, 3)
    before = X.copy()
    results = [kernel(X), kernel(X, X.copy()), kernel.diag(X), kernel(X)]
    assert not any(np.shares_memory(X, K) for K in results) and not np.shares_memory(results[0], results[3])
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(results[0], results[3])


@each_smooth
def test_a_device_is_never_made_to_wait_for_values(make, reference, shape):
    """Tensors on torch's meta device have no values, so any attempt to read one raises."""
    torch = pytest.importorskip("torch")
    X = torch.empty(5, 3, device="meta")
    for lengthscale in (2.0, torch.ones(3, device="meta")):
        kernel = make(**shape, lengthscale=lengthscale)
        assert kernel(X).device.type == "meta" and kernel(X, X[:2]).shape == (5, 2)
        assert kernel.diag(X).shape == (5,)
    for kernel in (Softmax(), Gaussian(torch.ones(3, device="meta")), 2.0 * Gaussian() + Polynomial(2)):
        assert kernel(X).device.type == "meta" and kernel(X, X[:2]).shape == (5, 2)


@pytest.mark.parametrize("kernel", [*FAMILY, Softmax(0.5)], ids=repr)
def test_repr_is_python_and_parameters_are_those_of_scikit_learn(kernel):
    X = draw(6, 3)
    np.testing.assert_array_equal(eval(repr(kernel), {"inf": math.inf, **vars(kernels)})(X), kernel(X))
    copy = clone(kernel)
    assert copy is not kernel and repr(copy) == repr(kernel)
    name, value = next(iter(kernel.get_params().items()))
    assert kernel.set_params(**{name: value}) is kernel
    assert repr(copy.set_params(**{name: 0.75})).startswith(f"{type(kernel).__name__}({name}=0.75")


def test_shape_may_be_any_kind_of_number():
    torch = pytest.importorskip("torch")
    for two in (2, np.float32(2), np.int64(2), np.array(2.0), torch.tensor(2.0)):
        X = draw(4, 2)
        np.testing.assert_array_equal(Cauchy(two)(X), Cauchy(2.0)(X))
        np.testing.assert_array_equal(Matern(two)(X), Matern(2.0)(X))
        np.testing.assert_array_equal(ExponentialPower(two)(X), ExponentialPower(2.0)(X))


def test_precomputed_picks_entries_and_follows_the_indices(xp, dtype):
    K = Gaussian()(draw(300, 2))
    rows, columns = np.array([[3], [299], [3], [0]]), np.array([[299], [7]])
    for given_K, atol in ((K, 0), (xp(K), 0), (xp(K, "float32"), 1e-7)):
        kernel = Precomputed(given_K)
        for kind in (dtype, "int64", "int32"):
            got = kernel(xp(rows, kind), xp(columns, kind))
            assert type(got) is type(xp(K)) and got.dtype == xp(K, dtype if kind == dtype else "float64").dtype
            expected = kernels.precomputed_reference(K, rows, columns).astype(xp.numpy(got).dtype)
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
    X = draw(9, 2)
    indices = np.arange(9)[:, None]
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


@given(cloud(rows=(2, 12)), st.sampled_from([1e-200, 1.0, 1e200]))
def test_median_lengthscale_equals_its_definition(X, unit):
    X = X + np.arange(len(X))[:, None]
    expected = median_lengthscale_reference(X)
    for x in (X, X - X.max()):  # none positive
        assert median_lengthscale(x * unit) == pytest.approx(expected * unit, rel=1e-13)
    assert type(median_lengthscale(X)) is float


def test_half_of_the_pairs_are_nearer_than_the_median_lengthscale(xp):
    X = draw(40, 3)
    lengthscale = median_lengthscale(xp(X, "float32"))
    K = Gaussian(lengthscale)(X)[np.triu_indices(40, 1)]
    assert np.mean(K > math.exp(-0.5)) == 0.5
    assert lengthscale == pytest.approx(np.median(cdist(X, X)[np.triu_indices(40, 1)]), rel=1e-6)


def test_median_lengthscale_of_some_rows():
    X = draw(500, 2)
    some = [median_lengthscale(X, n_points=100, rng=seed) for seed in (0, 0, 1, np.random.default_rng(0))]
    assert some[0] == some[1] != some[2]
    assert median_lengthscale(X, n_points=500) == median_lengthscale(X, n_points=9999) == median_lengthscale(X)
    rows = _arrays.generator(0, "rows of the median lengthscale").choice(500, size=100, replace=False)
    assert len(set(rows)) == 100 and some[0] == median_lengthscale(X[rows])
