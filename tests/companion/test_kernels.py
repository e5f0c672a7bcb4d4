"""What every kernel promises: its formula, the laws of kernels, its digits, gradients, and a core to build on."""

import itertools
import math
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SMOOTH, STATIONARY, cloud
from samples import normal as draw
from sklearn.base import clone
from sklearn.gaussian_process import kernels as gp
from sklearn.metrics.pairwise import laplacian_kernel, polynomial_kernel, rbf_kernel

from companion import kernels
from companion._core import arrays, tiles
from companion.kernels import Cauchy, Constant, ExponentialPower, Gaussian, Laplacian, Matern, Polynomial, Softmax
from companion.kernels.cauchy import cauchy
from companion.kernels.distances import squared_differences
from companion.kernels.dot import polynomial, softmax
from companion.kernels.exponential_power import exponential_power, exponential_square
from companion.kernels.gaussian import gaussian
from companion.kernels.laplacian import laplacian
from companion.kernels.matern import matern, matern_by_bessel

SCALE = np.array([0.5, 1.0, 4.0])
KERNELS = {
    name: (k.make(SCALE), lambda X, Y, k=k: k.formula(X / SCALE, Y / SCALE)) for name, k in STATIONARY.items()
} | {
    "polynomial": (Polynomial(), lambda X, Y: (X @ Y.T + 1) ** 3),
    "polynomial-1": (Polynomial(1, 0.0), lambda X, Y: X @ Y.T),
    "polynomial-6": (Polynomial(6, 0.5), lambda X, Y: (X @ Y.T + 0.5) ** 6),
    "softmax": (Softmax(0.3), lambda X, Y: np.exp(0.3 * X @ Y.T)),
    "constant": (Constant(2.5), lambda X, Y: np.full((len(X), len(Y)), 2.5)),
    "sum": (Gaussian() + Polynomial(2), lambda X, Y: rbf_kernel(X, Y, 0.5) + (X @ Y.T + 1) ** 2),
    "product": (Gaussian() * Polynomial(1), lambda X, Y: rbf_kernel(X, Y, 0.5) * (X @ Y.T + 1)),
    "scaled": (3.0 * Gaussian(2.0) + 1.0, lambda X, Y: 3 * rbf_kernel(X, Y, 1 / 8) + 1),
}
named = pytest.mark.parametrize(("kernel", "formula"), KERNELS.values(), ids=KERNELS.keys())
each = pytest.mark.parametrize("k", STATIONARY.values(), ids=STATIONARY.keys())
each_smooth = pytest.mark.parametrize("k", SMOOTH.values(), ids=SMOOTH.keys())
CORES = {
    "gaussian": gaussian, "gaussian-differences": partial(gaussian, squares=squared_differences),
    "laplacian": laplacian, "matern": partial(matern, p=2), "cauchy": partial(cauchy, beta=0.7),
    "power": partial(exponential_power, alpha=1.3), "square": exponential_square,
    "polynomial": partial(polynomial, degree=3, coef0=0.5), "softmax": partial(softmax, scale=0.3),
}  # fmt: skip
FAST = {
    "gaussian": kernels._fast.gaussian, "cauchy": partial(kernels._fast.cauchy, beta=0.7),
    "softmax": partial(kernels._fast.softmax, scale=0.3),
}  # fmt: skip
each_core = pytest.mark.parametrize("core", CORES.values(), ids=CORES.keys())


@named
def test_equals_its_formula_on_every_backend(kernel, formula, xp, dtype, close):
    X, Y = draw(130, 3).astype(dtype), draw(13, 3, seed=1).astype(dtype)  # more than one tile
    Y[0] = X[0]
    x, y, X, Y = xp(X), xp(Y), X.astype(float), Y.astype(float)
    exact = formula(X, X)
    for got, expected in ((kernel(x, y), formula(X, Y)), (kernel(x), exact), (kernel.diag(x), exact.diagonal())):
        assert type(got) is type(x) and got.dtype == x.dtype
        close(xp.numpy(got), expected)
    K = xp.numpy(kernel(x))
    assert np.array_equal(K, K.T)
    if isinstance(kernel, kernels.Stationary):
        assert np.all(np.diag(K) == 1) and K.max() == 1 and np.all(xp.numpy(kernel.diag(x)) == 1)
    if "torch" in xp.name and getattr(kernel, "nu", 1.5) not in (0.3, 3):
        close(xp.numpy(kernel(x.clone().requires_grad_())), exact)


def test_the_references_of_the_pages_are_the_kernels():
    X, Y = draw(6, 3), draw(5, 3, seed=1)
    np.testing.assert_allclose(Gaussian(1.5)(X, Y), kernels.gaussian_reference(X, Y, 1.5), rtol=1e-13)
    np.testing.assert_allclose(Softmax(0.3)(X, Y), kernels.softmax_reference(X, Y, 0.3), rtol=1e-13)


@pytest.mark.parametrize("n", [127, 129])
def test_equals_scikit_learn_across_tile_borders(n, dtype, close):
    X, Y = draw(n, 4).astype(dtype), draw(1030, 4, seed=1).astype(dtype)
    A, B = X.astype(float), Y.astype(float)
    for kernel, peer in (
        (Gaussian(2.0), partial(rbf_kernel, gamma=1 / 8)), (Laplacian(2.0), partial(laplacian_kernel, gamma=0.5)),
        (Polynomial(3, 0.5), partial(polynomial_kernel, degree=3, gamma=1.0, coef0=0.5)),
        *((Matern(nu, 0.5), gp.Matern(0.5, nu=nu)) for nu in (0.5, 1.5, 2.5, math.inf)),
        (Cauchy(0.7, 1.5), gp.RationalQuadratic(1.5 / math.sqrt(1.4), alpha=0.7)),
    ):  # fmt: skip
        close(kernel(X), peer(A))
        close(kernel(X, Y), peer(A, B))


# Cores: pure functions of batches


@pytest.mark.parametrize("name", CORES)
def test_tiles_of_any_size_equal_one_call_of_the_core(name, monkeypatch):
    """Whether the core fills them, or its fast twin where it has one."""
    monkeypatch.setattr(tiles, "ROWS", 4)
    monkeypatch.setattr(tiles, "COLUMNS", 5)
    core, Y = CORES[name], draw(11, 2, seed=1)
    with np.errstate(divide="ignore"):
        for n, fast in itertools.product(range(1, 27), {None, FAST.get(name)}):
            X = draw(n, 2)
            K = tiles.gram(core, X, None, fast=fast)
            np.testing.assert_allclose(K, core(X, X), rtol=1e-13, atol=1e-14)
            np.testing.assert_allclose(tiles.gram(core, X, Y, fast=fast), core(X, Y), rtol=1e-13, atol=1e-14)
            assert np.array_equal(K, K.T)


@pytest.mark.parametrize("core", [*CORES.values(), partial(matern_by_bessel, nu=0.7)], ids=[*CORES, "bessel"])
def test_a_core_of_a_batch_is_the_loop_over_its_matrices(core):
    torch = pytest.importorskip("torch")
    X, Y = draw(2, 4, 10, 3), draw(2, 4, 7, 3, seed=1)
    loop = np.array([[core(x, y) for x, y in zip(*pair, strict=True)] for pair in zip(X, Y, strict=True)])
    np.testing.assert_allclose(core(X, Y), loop, rtol=1e-13)
    np.testing.assert_allclose(core(torch.tensor(X), torch.tensor(Y)), loop, rtol=1e-13)


@each_core
def test_a_core_passes_through_compile_vmap_and_autograd(core):
    torch = pytest.importorskip("torch")
    X, Y = (torch.tensor(draw(4, n, 3, seed=n), requires_grad=True) for n in (5, 3))
    K = core(X, Y)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # dynamo's, of array_api_compat's caches
        compiled = torch.compile(core, backend="aot_eager", fullgraph=True)(X, Y)
    torch.testing.assert_close(compiled, K, rtol=1e-13, atol=0)
    gradients = (torch.autograd.grad(matrix.square().sum(), (X, Y)) for matrix in (compiled, K))
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(torch.func.vmap(core)(X, Y), K, rtol=1e-13, atol=0)
    assert torch.autograd.gradcheck(core, (X[0], Y[0]))


@named
def test_vmap_takes_a_kernel_and_is_the_loop(kernel, formula):
    torch = pytest.importorskip("torch")
    if getattr(kernel, "nu", 1.5) in (0.3, 3):
        pytest.skip("its Bessel function is SciPy's")
    X, Y = torch.tensor(draw(3, 5, 3)), torch.tensor(draw(4, 3))
    vmap, slope = torch.func.vmap, torch.func.grad(lambda x: kernel(x, Y).sum())
    torch.testing.assert_close(vmap(kernel)(X), torch.stack([kernel(x) for x in X]))
    torch.testing.assert_close(vmap(kernel, (None, 0))(Y, X), torch.stack([kernel(Y, x) for x in X]))
    torch.testing.assert_close(vmap(kernel.diag)(X), torch.stack([kernel.diag(x) for x in X]))
    torch.testing.assert_close(vmap(slope)(X), torch.stack([slope(x) for x in X]))
    scales = torch.tensor([0.5, 2.0], dtype=torch.float64)
    expected = torch.stack([Gaussian(s)(Y) for s in scales])
    torch.testing.assert_close(vmap(lambda s: Gaussian(s)(Y))(scales), expected)


# Sums, products, and the laws of kernels


@settings(max_examples=10)
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


@each
@settings(max_examples=5)
@given(X=cloud())
def test_is_psd_to_rounding_with_unit_diagonal_and_entries_in_0_1(k, dtype, X):
    K = k.make()(X.astype(dtype))
    values = np.linalg.eigvalsh(K.astype(float))
    assert np.all(np.diag(K) == 1) and np.all((K >= 0) & (K <= 1)) and np.array_equal(K, K.T)
    assert values[0] >= -len(K) * np.finfo(dtype).eps * values[-1] * max(1, 4 * X.shape[1])


@each
@settings(max_examples=5)
@given(X=cloud(), shift=st.sampled_from([-1000.0, 1000.0]))
def test_does_not_see_a_shift(k, dtype, X, shift):
    kernel, X, eps = k.make(), X.astype(dtype), np.finfo(dtype).eps
    inner = eps if k.width else np.finfo(float).eps  # on the host, differences are taken in float64
    for Y in (X, X[:1]):
        gap = np.abs(kernel(X + shift, Y + shift) - kernel(X, Y).astype(float))
        assert np.all(gap <= 40 * eps + 2 * k.rounding(X.astype(float), Y.astype(float), inner))


@each
@pytest.mark.parametrize("unit", [1e-300, 1e-3, 64.0, 1e300])
def test_has_no_units_even_at_the_ends_of_the_range(k, unit, xp):
    X = draw(8, 2)
    np.testing.assert_allclose(xp.numpy(k.make(unit)(xp(X * unit))), k.formula(X, X), rtol=1e-10)
    K = xp.numpy(k.make([unit, 2 * unit])(xp(X * unit)))
    np.testing.assert_allclose(K, k.formula(X / [1, 2], X / [1, 2]), rtol=1e-10)


# Digits


@each
def test_stays_psd_far_from_the_origin(k, xp):
    x = xp(np.linspace(8000, 8001, 200, dtype=np.float32)[:, None])
    matrices = [k.make()(x)]
    if "torch" in xp.name and k in SMOOTH.values():
        matrices.append(k.make()(x.requires_grad_()))
    for K in matrices:
        values = np.linalg.eigvalsh(xp.numpy(K).astype(float))
        assert values[0] >= -200 * np.finfo(np.float32).eps * values[-1]


@each
def test_near_points_keep_their_digits(k, xp):
    """A root of a difference of squares would give distances of 2e-8 where they are 1e-9."""
    X = draw(30, 3)
    Y = X + 1e-9 * draw(30, 3, seed=1)
    gap = np.abs(xp.numpy(k.make()(xp(X), xp(Y))) - k.formula(X, Y))
    assert np.all(gap <= k.rounding(X, Y) + 2e-14)  # for 1e-14 SciPy's kv is to blame
    if k.profile(1e-9) < 1 - 1e-10:  # a cusp
        assert np.all(1 - np.diag(xp.numpy(k.make()(xp(X), xp(Y)))) > 1e-10)


def test_gaussian_is_centred_even_where_the_rounding_bound_is_not_tested(monkeypatch):
    """On a device the bound would make it wait; centring alone must keep such data PSD there."""
    monkeypatch.setattr(arrays, "readable", lambda x: False)
    K = Gaussian()(np.linspace(500, 501, 513, dtype=np.float32)[:, None])
    assert np.linalg.eigvalsh(K.astype(float))[0] >= -1e-4


@pytest.mark.parametrize("name", ["gaussian", "cauchy-50.0", "power-2"])
def test_a_function_of_the_squared_distance_keeps_its_promised_accuracy_at_every_spread(name, xp, dtype):
    k = STATIONARY[name]
    for spread in (1.0, 10.0, 100.0, 1e3, 1e4, 1e8):
        X = (np.repeat(draw(20, 3, scale=spread), 10, axis=0) + draw(200, 3, seed=1)).astype(dtype)
        X *= np.asarray(k.width, dtype)
        K, exact = xp.numpy(k.make()(xp(X))), k.formula(X.astype(float), X.astype(float))
        centring = 2.0**-51 * np.ptp(X.astype(float), axis=0).sum() / k.width  # twice eps times the diameter
        np.testing.assert_allclose(K, exact, rtol=0, atol=2 * np.finfo(dtype).eps ** (2 / 3) + centring)
        assert np.array_equal(K, K.T) and np.all(np.diag(K) == 1)


def test_equal_samples_are_not_more_than_equal(xp, dtype):
    """An exponent that should be 0 comes out of the matrix product as ±1e-16; K must not exceed 1 for that."""
    x = xp(np.repeat(draw(60, 7), 2, axis=0), dtype)
    assert xp.numpy(Gaussian(3.0)(x)).max() == 1
    if "torch" in xp.name:
        assert Gaussian(3.0)(x.requires_grad_()).max() == 1


# Gradients


def coinciding():
    X = draw(5, 2)
    X[3], X[4, 0] = X[0], X[1, 0]  # two equal points, and two that agree in one coordinate
    return X


@each_smooth
@pytest.mark.parametrize("shared", [True, False], ids=["K(X)", "K(X, Y)"])
def test_gradients_are_right_and_finite_where_points_coincide(k, shared):
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(X, requires_grad=True) for X in (coinciding(), coinciding()[:3]))
    lengthscale = torch.tensor([0.9, 1.7], dtype=torch.float64, requires_grad=True)

    def K(x, y, lengthscale):
        return k.make(lengthscale)(x, None if shared else y)

    for gradient in torch.autograd.grad(K(x, y, lengthscale).sum(), (x, lengthscale)):
        assert bool(torch.isfinite(gradient).all())
    assert torch.autograd.gradcheck(K, (x, y, lengthscale))
    if k.width:
        assert torch.autograd.gradgradcheck(K, (x, y, lengthscale))


@pytest.mark.parametrize("shared", [True, False], ids=["K(X)", "K(X, Y)"])
def test_gradients_pass_through_differences_sums_products_and_parameters(shared):
    torch = pytest.importorskip("torch")
    X, parameters = coinciding(), torch.tensor([0.5, 0.7], dtype=torch.float64, requires_grad=True)
    x, y, far = (torch.tensor(A, requires_grad=True) for A in (X, X[:3], X + 1e6 * np.eye(5)[:, :1]))

    def mixture(x, y, parameters):
        coef0, scale = parameters
        k = scale * Gaussian(scale) * Polynomial(2, coef0) + Polynomial(3) + Softmax(scale)
        return k(x, None if shared else y)

    assert torch.autograd.gradcheck(mixture, (x, y, parameters))
    assert torch.autograd.gradgradcheck(mixture, (x, y, parameters))
    assert torch.autograd.gradgradcheck(lambda x: Gaussian()(x, None if shared else x[1:]), far)


def test_a_lengthscale_is_learned_by_gradient_descent():
    """One per feature, through its logarithm, in a kernel of the data's dtype: the loss falls at every step."""
    torch = pytest.importorskip("torch")
    X, log = torch.tensor(draw(20, 2), dtype=torch.float32), torch.zeros(2, dtype=torch.float64, requires_grad=True)
    target, losses = Gaussian([0.7, 3.0])(X), []
    for _ in range(40):
        loss = ((Gaussian(log.exp())(X) - target) ** 2).mean()
        (gradient,) = torch.autograd.grad(loss, log)
        log = (log - 2 * gradient).detach().requires_grad_()
        losses.append(loss.item())
    assert np.all(np.diff(losses) < 0) and losses[-1] < losses[0] / 100


# Memory, devices, parameters


@pytest.mark.parametrize("kernel", [Gaussian(), Matern(5.5), Softmax(0.01)], ids=repr)
def test_temporaries_are_tiles(kernel, dtype):
    X = draw(3000, 3, scale=0.1).astype(dtype)
    tracemalloc.start()
    K = kernel(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < K.nbytes + 24 * 2**20 < 1.8 * K.nbytes  # 2 are two such matrices


@named
def test_the_input_is_neither_changed_nor_aliased_and_two_calls_share_nothing(kernel, formula):
    X = draw(40, 3)
    before = X.copy()
    results = [kernel(X), kernel(X, X.copy()), kernel.diag(X), kernel(X)]
    assert not any(np.shares_memory(X, K) for K in results) and not np.shares_memory(results[0], results[3])
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(results[0], results[3])


@each_smooth
def test_a_device_is_never_made_to_wait_for_values(k):
    """Tensors on torch's meta device have no values, so any attempt to read one raises."""
    torch = pytest.importorskip("torch")
    X = torch.empty(5, 3, device="meta")
    for kernel in (k.make(2.0), k.make(torch.ones(3, device="meta")), 2.0 * k.make() * Polynomial(2) + Softmax()):
        assert kernel(X).device.type == "meta" and kernel(X, X[:2]).shape == (5, 2) and kernel.diag(X).shape == (5,)


@named
def test_the_repr_is_python_and_a_clone_has_its_own_parameters(kernel, formula):
    X = draw(6, 3)
    copy = eval(repr(kernel), {"inf": math.inf, "array": np.array, **vars(kernels)})
    np.testing.assert_array_equal(copy(X), kernel(X))
    copy, before = clone(kernel), repr(kernel)
    name, value = list(copy.get_params().items())[-1]
    assert copy is not kernel and repr(copy) == before
    assert copy.set_params(**{name: value}) is copy and repr(copy.set_params(**{name: 2})) != repr(kernel) == before


def test_parameters_are_those_of_scikit_learn():
    kernel = 2.0 * Gaussian(np.array([1.0, 2.0])) + Polynomial(degree=2)
    assert kernel.get_params()["k1__k2__lengthscale"] is kernel.k1.k2.lengthscale
    assert set(kernel.get_params(deep=False)) == {"k1", "k2"}
    assert kernel.set_params(k2__degree=5, k1__k2__lengthscale=3.0) is kernel
    assert (kernel.k2.degree, kernel.k1.k2.lengthscale) == (5, 3.0)
    kernel.set_params(k2=Gaussian(), k2__lengthscale=4.0)
    assert kernel.k2.lengthscale == 4.0
    assert repr((Gaussian() + 1.0) * Gaussian()).startswith("(Gaussian(lengthscale=1.0) + Constant(value=1.0)) * G")


def test_numbers_of_any_kind_are_parameters_and_a_factor_gets_its_gradient():
    torch = pytest.importorskip("torch")
    X = draw(4, 2)
    for two in (2, 2.0, np.float32(2), np.int64(2), np.array(2.0), torch.tensor(2.0)):
        for make in (Cauchy, Matern, ExponentialPower):
            np.testing.assert_array_equal(make(two)(X), make(2.0)(X))
        for kernel in (two * Gaussian(), Gaussian() * two):
            np.testing.assert_array_equal(kernel(X), 2 * Gaussian()(X))
    two, X = torch.tensor(2.0, requires_grad=True), torch.tensor(X)
    for kernel, slope in (
        (two * Gaussian(), Gaussian()(X)), (Gaussian() * two, Gaussian()(X)),
        (Polynomial(2, two), 2 * Polynomial(1, 2.0)(X)), (Softmax(two), Softmax(2.0)(X) * (X @ X.T)),
    ):  # fmt: skip
        (gradient,) = torch.autograd.grad(kernel(X).sum(), two)
        assert gradient.item() == pytest.approx(slope.sum().item(), rel=1e-6)
