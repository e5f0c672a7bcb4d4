"""What kernels do with bad or odd data: cases B2-nn of the catalogue bad-input.md, with the message the user reads."""

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from companion import _arrays, _checks, datasets
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
)

KERNELS = {
    "gaussian": Gaussian(), "polynomial": Polynomial(2), "algebra": Gaussian() + 2.0 * Polynomial(1),
    "laplacian": Laplacian(), "matern": Matern(), "matern-bessel": Matern(0.7), "matern-inf": Matern(np.inf),
    "cauchy": Cauchy(), "power": ExponentialPower(0.7), "softmax": Softmax(0.1),
}  # fmt: skip
every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
SHAPES = [
    lambda lengthscale=1.0: Gaussian(lengthscale),
    lambda lengthscale=1.0: Laplacian(lengthscale),
    lambda lengthscale=1.0: Matern(0.7, lengthscale),
    lambda lengthscale=1.0: Matern(1.5, lengthscale),
    lambda lengthscale=1.0: Matern(np.inf, lengthscale),
    lambda lengthscale=1.0: Cauchy(0.5, lengthscale),
    lambda lengthscale=1.0: ExponentialPower(1.3, lengthscale),
    lambda lengthscale=1.0: ExponentialPower(2, lengthscale),
]
stationary = pytest.mark.parametrize("make", SHAPES, ids=lambda make: repr(make()).replace(", lengthscale=1.0", ""))
X = np.random.default_rng(0).standard_normal((4, 3))


def test_every_case_that_a_test_cites_is_in_the_catalogue():
    folder = Path(__file__).parent
    numbers = Counter(re.findall(r"^\| (\d\d) \|", (folder / "bad-input.md").read_text(encoding="utf-8"), re.M))
    assert set(numbers.values()) == {1}, "a number stands for two cases"
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.parent.rglob("test_*.py")))
    runs = re.findall(r"\bB2-(\d+(?:, \d+)*)|\bdef test_b2((?:_\d+)+)", tests)  # B2-9, 13 and test_b2_31_32
    cited = {f"{int(number):02}" for run in runs for number in re.findall(r"\d+", "".join(run))}
    assert len(cited) > 40 and cited - set(numbers) == set()


def spoiled(value):
    bad = X.copy()
    bad[1, 2] = bad[3, 0] = value
    return bad


ON_EVERY_BACKEND = {
    "B2-01-nan": (spoiled(np.nan), r"X must be finite; got 2 NaN .* the first at index \(1, 2\)"),
    "B2-02-inf": (spoiled(np.inf), r"X must be finite; got 2 .* the first at index \(1, 2\)"),
    "B2-02-minus-inf": (spoiled(-np.inf), "X must be finite"),
    "B2-07-no-rows": (X[:0], r"X must be non-empty .* got shape \(0, 3\)"),
    "B2-08-no-features": (X[:, :0], r"X must be non-empty .* got shape \(4, 0\)"),
    "B2-10-1-d": (X[0], r"X must be a 2-D array .* got shape \(3,\). Use X.reshape\(-1, 1\) for one feature"),
    "B2-11-3-d": (X[None], r"X must be a 2-D array .* got shape \(1, 4, 3\). Batches are for attention only"),
    "B2-12-0-d": (X[0, 0].reshape(()), "X must be a 2-D array .* A single number has no axes"),
    "B2-18-complex": (X + 1j, "X must be real; got dtype complex128"),
}


@every_kernel
@pytest.mark.parametrize(("bad", "message"), ON_EVERY_BACKEND.values(), ids=ON_EVERY_BACKEND.keys())
def test_bad_data_are_refused_on_every_backend(kernel, bad, message, xp):
    for call in (lambda: kernel(xp(bad)), lambda: kernel.diag(xp(bad))):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match="^Y" + message.removeprefix("X").replace("X.reshape", "Y.reshape")):
        kernel(xp(X), xp(bad))


@every_kernel
def test_b2_21_different_features(kernel, xp):
    message = r"X and Y must be equal in their number of features; got shapes \(4, 3\) and \(4, 2\)"
    with pytest.raises(ValueError, match=message):
        kernel(xp(X), xp(X[:, :2]))


NOT_NUMBERS = {
    "B2-12-float": (1.0, TypeError, "X must be an array; got float"),
    "B2-12-numpy-float": (np.float64(1.0), TypeError, "X must be an array; got float64"),
    "B2-12-none": (None, TypeError, "X must be an array; got NoneType"),
    "dictionary": ({"a": [1.0]}, TypeError, "X must be an array; got dict"),
    "string": ("data.csv", TypeError, "X must be an array; got str"),
    "B2-07-empty-list": ([], ValueError, "X must be a 2-D array"),
    "B2-20-strings": ([["1", "2"]], ValueError, "X must be of dtype .* got dtype str"),
    "B2-20-object-strings": (np.array([[1, "2"]], object), ValueError, "cannot be converted .the string '2'."),
    "B2-18-object-complex": (np.array([[1, 2j]], object), ValueError, "X must be an array of real numbers"),
    "dates": (np.array([["2020-01-01"]], "datetime64[D]"), ValueError, "X must be of dtype .* got dtype datetime64"),
    "records": (np.zeros((2, 2), [("a", float)]), ValueError, "X must be of dtype"),
    "long-double": (np.zeros((2, 2), np.longdouble), ValueError, "Cast to float64"),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, "all rows equally long"),
    "none-inside": ([[1.0, None]], ValueError, r"X must be finite; .* index \(0, 1\)"),
    "B2-34-masked": (np.ma.array([[1.0, 2.0]], mask=[[0, 1]]), ValueError, "without masked entries; got 1 masked."),
}  # fmt: skip


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, -(2**63), 2**64 - 1, 10**30])
def test_b2_14_integers_that_float64_would_change_are_refused(value):
    message = rf"X must be made of integers from -2\*\*53 to 2\*\*53, .* got {value}. Subtract an offset"
    for bad in ([[0], [value]], [[0.5], [value]], np.array([[value]]), np.array([[0], [value]], object)):
        with pytest.raises(ValueError, match=message):
            Gaussian()(bad)


def test_b2_14_big_integers_on_every_backend_and_in_a_data_frame(xp):
    pd = pytest.importorskip("pandas")
    limit = np.array([[-(2**53)], [2**53]])
    np.testing.assert_array_equal(xp.numpy(Gaussian()(xp(limit))), np.eye(2))
    frames = [pd.DataFrame({"a": [1.5], "id": pd.array([2**53 + 1], dtype=dtype)}) for dtype in ("int64", "Int64")]
    for bad in (xp(limit + 1), *frames):
        with pytest.raises(ValueError, match="X must be made of integers .* got 9007199254740993"):
            Gaussian()(bad)
    huge = pd.DataFrame({"height": [1e30, 2.0**60]}, dtype="float32")
    assert Gaussian()(huge).dtype == np.float32
    np.testing.assert_array_equal(Gaussian()(huge), np.eye(2))


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_b2_35_matrix():
    with pytest.raises(TypeError, match=r"X must be an array; got np.matrix. Use np.asarray\(X\)"):
        Gaussian()(np.matrix([[1.0]]))


@every_kernel
@pytest.mark.parametrize(("bad", "error", "message"), NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
def test_what_is_no_matrix_of_numbers_is_refused(kernel, bad, error, message):
    with pytest.raises(error, match=message):
        kernel(bad)


@pytest.mark.parametrize("format", ["csr_matrix", "csr_array", "coo_array"])
def test_b2_33_sparse(format):
    sparse, torch = pytest.importorskip("scipy.sparse"), pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"X must be dense .sparse input is not supported.; .* X.toarray\(\)"):
        Gaussian()(getattr(sparse, format)(X))
    with pytest.raises(TypeError, match=r"X must be dense .* X.to_dense\(\)"):
        Gaussian()(torch.eye(3).to_sparse())


@pytest.mark.parametrize("kernel", [*KERNELS.values(), Gaussian(20.0), Softmax(0.01)], ids=repr)
def test_b2_16_17_half_precision_is_computed_in_single_and_bfloat16_is_refused(kernel, xp):
    if xp.name == "array-api-strict":
        pytest.skip("the standard has no float16")
    half = np.random.default_rng(0).standard_normal((9, 20)).astype(np.float16)
    expected = xp.numpy(kernel(xp(half, "float32"))).astype(np.float16)
    K = kernel(xp(half))
    assert K.dtype == xp(half).dtype
    np.testing.assert_array_equal(xp.numpy(K), expected)
    torch = pytest.importorskip("torch")
    assert (
        kernel(torch.eye(3, dtype=torch.int32)).dtype == kernel(torch.eye(3, dtype=torch.bool)).dtype == torch.float64
    )
    with pytest.raises(ValueError, match="got dtype bfloat16. Cast to float32"):
        kernel(torch.zeros(2, 2, dtype=torch.bfloat16))


def test_b2_31_32_data_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"height": [1.0, 2.0], "age": [30, 40]})
    np.testing.assert_array_equal(Gaussian()(frame), Gaussian()(frame.to_numpy()))
    frame["age"] = frame["age"].astype("Int64")
    np.testing.assert_array_equal(Gaussian()(frame), Gaussian()([[1.0, 30.0], [2.0, 40.0]]))
    for missing in (pd.NA, np.nan, None):
        broken = frame.astype({"age": object})
        broken.loc[1, "age"] = missing
        with pytest.raises(ValueError, match=r"X must be free of .*; got missing values in column\(s\) 'age'"):
            Gaussian()(broken)
    with pytest.raises(ValueError, match="reshape"):
        Gaussian()(frame["height"])


def test_b2_36_two_devices_and_39_two_backends():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"X and Y must be on the same device; got cpu and meta. .*Y.to\(X.device\)"):
        Gaussian()(torch.zeros(2, 2), torch.zeros(2, 2, device="meta"))
    with pytest.raises(ValueError, match=r"X and Y must be on the same backend; got torch and numpy. .*as_tensor\(Y\)"):
        Gaussian()(torch.zeros(2, 2), np.zeros((2, 2)))


@every_kernel
def test_odd_data_are_accepted(kernel, tmp_path):
    """B2-9, 13, 14, 15, 16, 19, 28, 29, 30, 34 without masked entries, and a shared argument."""
    grid = np.array([[0, 1, 2], [3, 4, 1], [1, 1, 0]])
    expected = kernel(grid.astype(float))
    grid.astype(float).tofile(tmp_path / "grid")
    file = np.memmap(tmp_path / "grid", dtype=np.float64, mode="r", shape=grid.shape)
    for same in (
        grid.tolist(), tuple(map(tuple, grid.tolist())), grid, grid.astype(np.uint8), grid.astype(object),
        np.array([[Decimal(int(v)) for v in row] for row in grid]), np.asfortranarray(grid.astype(float)),
        grid[::-1, ::-1].astype(float)[::-1, ::-1], grid.astype(">f8"), grid.astype(">i2"),
        np.ma.array(grid.astype(float)), file,
    ):  # fmt: skip
        K = kernel(same)
        assert type(K) is np.ndarray and K.dtype == np.float64 and K.dtype.isnative
        np.testing.assert_allclose(K, expected, rtol=1e-14)
    np.testing.assert_array_equal(kernel(grid, grid), expected)
    assert kernel(grid > 1).dtype == np.float64
    assert kernel(grid[:1]).shape == (1, 1)
    # Computed in float32, |z - v|²/2 is off by (3 d + 12) u max|z|²: rounding_of_the_product in test_kernel_family.py
    # says why. The narrowest of these kernels, Cauchy's, has |z|² = 2 |x - centre|².
    largest = 2 * np.sum((grid - grid.mean(axis=0)) ** 2, axis=1).max()
    rounding = (3 * 3 + 12) * largest * np.finfo(np.float32).eps / 2
    for half in (np.float16, np.float32):
        K = kernel(grid.astype(half))
        assert K.dtype == half
        np.testing.assert_allclose(K, expected, rtol=2 * np.finfo(half).eps + rounding)
    assert kernel(grid.astype(np.float16), grid.astype(np.float32)).dtype == np.float32
    assert kernel(grid.astype(np.float32), grid.astype(np.float64)).dtype == np.float64


@every_kernel
def test_two_precisions_give_the_larger(kernel, xp):
    single, double = X.astype(np.float32), X[:2]
    for first, second in ((single, double), (double, single)):
        K = kernel(xp(first), xp(second))
        assert K.dtype == xp(double).dtype
        np.testing.assert_allclose(xp.numpy(K), kernel(first.astype(float), second.astype(float)), rtol=1e-13)


def test_b2_04_05_huge_and_tiny_values(xp):
    huge = xp.numpy(Gaussian()(xp([[1e200], [-1e200], [1e308], [-1.7e308]])))
    np.testing.assert_array_equal(huge, np.eye(4))
    tiny = xp.numpy(Gaussian()(xp([[1e-200], [-1e-200], [5e-324]])))
    np.testing.assert_array_equal(tiny, np.ones((3, 3)))


@pytest.mark.parametrize("kernel", [Polynomial(), Polynomial(1), Polynomial(1) + Gaussian(), 1e200 * Polynomial(1)])
def test_b2_04_overflow_is_an_error_not_an_infinity(kernel, xp):
    message = r"K must be within the range of its dtype \(up to 1.8e\+308\); got an overflow. Scale the data"
    for call in (kernel, kernel.diag, lambda X: kernel(X, xp([[1e200], [1.0]]))):
        with pytest.raises(ValueError, match=message):
            call(xp([[1e200], [-1e180]]))


def test_b2_16_overflow_of_the_result_s_dtype():
    with pytest.raises(ValueError, match="up to 6.55e.04"), np.errstate(over="ignore"):
        Polynomial(5)(np.array([[20.0]], np.float16))
    with pytest.raises(ValueError, match="up to 3.4e.38"):
        Polynomial(20)(np.array([[20.0]], np.float32))


LENGTHSCALES = {
    "B2-23-negative": (-1.0, "got -1.0"),
    "B2-23-nan": (np.nan, "got nan"),
    "B2-24-zero": (0.0, "got 0.0"),
    "B2-24-inf": (np.inf, "got inf"),
    "B2-23-one-negative": ([1.0, -2.0], r"got \[1.0, -2.0\]"),
    "B2-25-2-d": (np.ones((1, 3)), r"got shape \(1, 3\)"),
    "B2-25-empty": ([], r"got shape \(0,\)|got \[\]"),
    "B2-27-word": ("auto", "got 'auto'"),
    "bool": (True, "got True"),
    "complex": (1j, "got 1j"),
    "none": (None, "got None"),
}


@stationary
@pytest.mark.parametrize(("bad", "message"), LENGTHSCALES.values(), ids=LENGTHSCALES.keys())
def test_bad_lengthscales_are_refused_at_construction_and_on_a_call(bad, message, make):
    kernel = make()
    kernel.lengthscale = bad
    for call in (lambda: make(bad), lambda: kernel(X), lambda: kernel.diag(X)):
        with pytest.raises(
            ValueError, match="^lengthscale must be a positive finite number or an array .*; " + message
        ):
            call()


@stationary
def test_b2_24_a_lengthscale_that_rounds_to_zero_in_the_data_s_dtype(xp, make):
    message = r"lengthscale must be positive in float32; got 1e-46, which rounds to zero. Use float64 data or a larger"
    for call in (make(1e-46), make(1e-46).diag, Gaussian() + make(1e-46)):
        with pytest.raises(ValueError, match=message):
            call(xp(X, "float32"))
    with pytest.raises(ValueError, match=r"got \[1.0, 1e-46, 1.0\], which rounds"):
        make([1.0, 1e-46, 1.0])(xp(X, "float32"))
    for K in (make(1e-46)(xp(X, "float64")), make(1e-45)(xp(X, "float32"))):
        np.testing.assert_allclose(xp.numpy(K), np.eye(4), rtol=0, atol=1e-40)


def test_lengthscales_on_a_device_are_read_only_when_asked():
    torch = pytest.importorskip("torch")
    assert Gaussian(torch.tensor(1e-46, device="meta")).diag(torch.zeros(2, 1, device="meta")).shape == (2,)
    with pytest.raises(ValueError, match="which rounds to zero"):
        Gaussian(1e-46).diag(torch.zeros(2, 1, device="meta"))


@stationary
def test_b2_25_wrong_number_of_lengthscales(xp, make):
    message = r"lengthscale must be a number or an array of shape \(3,\), one entry per feature of X; got shape \(2,\)"
    for call in (make([1.0, 2.0]), make([1.0, 2.0]).diag):
        with pytest.raises(ValueError, match=message):
            call(xp(X))


@stationary
def test_b2_26_40_lengthscales_of_any_kind_follow_the_data(xp, dtype, make):
    expected = make(2.0)(xp(X, dtype))
    twos = np.full(3, 2.0)
    for lengthscale in (2, np.float32(2), np.array(2.0), np.array(2.0, ">f4"), [2, 2, 2], twos, xp(twos), xp(2.0)):
        K = make(lengthscale)(xp(X, dtype))
        assert K.dtype == expected.dtype
        np.testing.assert_allclose(xp.numpy(K), xp.numpy(expected), rtol=0, atol=1e-15 if dtype == "float64" else 1e-7)


def test_b2_26_38_tensor_parameters_with_numpy_data():
    torch = pytest.importorskip("torch")
    for make in SHAPES:
        np.testing.assert_array_equal(make(torch.tensor(2.0))(X), make(2.0)(X))
        with pytest.raises(TypeError, match="a tensor that requires grad"):
            make(torch.tensor(2.0, requires_grad=True))(X)
    for make, name in ((Matern, "nu"), (Cauchy, "beta"), (ExponentialPower, "alpha")):
        message = rf"{name} must be a number; got a tensor that requires grad. Pass {name}.item\(\): no gradient with"
        with pytest.raises(TypeError, match=message):
            make(torch.tensor(1.5, requires_grad=True))


SINGLE = X.astype(np.float32)
NO_KERNELS = {
    "alpha": (lambda: ExponentialPower(2.5), "alpha must be at most 2; got 2.5. Above 2 this function is not positive"),
    "scale": (
        lambda: Softmax(-1.0),
        r"scale must be a positive .* got -1.0. With a negative scale k\(x, x\) <",
    ),
    "nu": (lambda: Matern(-1.0), "inf is allowed too, and means the Gaussian."),
    "beta-inf": (lambda: Cauchy(np.inf), "must be a positive finite number; got inf"),
    "alpha-inf": (lambda: ExponentialPower(np.inf), "must be a positive finite number; got inf"),
    "scale-inf": (lambda: Softmax(np.inf), "must be a positive finite number; got inf"),
    "beta-single": (lambda: Cauchy(1e-60)(SINGLE), "beta must be positive in float32; got 1e-60, which rounds to zero"),
    "width": (lambda: Cauchy(2.0, 1e-45)(SINGLE), r"lengthscale / sqrt\(2 \* beta\) must be positive in float32; got"),
}


@pytest.mark.parametrize(("call", "message"), NO_KERNELS.values(), ids=NO_KERNELS.keys())
def test_b2_24_what_is_no_kernel_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


POLYNOMIALS = {
    "degree-0": ({"degree": 0}, ValueError, "degree must be an integer >= 1; got 0"),
    "degree-2.0": ({"degree": 2.0}, TypeError, r"degree must be an integer >= 1; got 2.0. Use int\(degree\)"),
    "degree-True": ({"degree": True}, TypeError, "degree must be an integer >= 1; got True"),
    "degree-string": ({"degree": "2"}, TypeError, "degree must be an integer >= 1; got '2'"),
    "coef0-negative": ({"coef0": -1.0}, ValueError, "coef0 must be a non-negative .* need not be positive"),
    "coef0-nan": ({"coef0": np.nan}, ValueError, "coef0 must be a non-negative finite number; got nan"),
    "coef0-array": ({"coef0": [1.0]}, ValueError, r"coef0 must be .* got shape \(1,\)"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "error", "message"), POLYNOMIALS.values(), ids=POLYNOMIALS.keys())
def test_bad_polynomials_are_refused(bad, error, message):
    with pytest.raises(error, match=message):
        Polynomial(**bad)


NUMBERS = {
    "negative": (-1.0, "got -1.0"), "zero": (0.0, "got 0.0"), "nan": (np.nan, "got nan"), "true": (True, "got True"),
    "word": ("auto", "got 'auto'"), "none": (None, "got None"), "complex": (1j, "got 1j"),
    "array": ([1.0], r"got shape \(1,\)"), "minus-inf": (-np.inf, "got -inf"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), NUMBERS.values(), ids=NUMBERS.keys())
@pytest.mark.parametrize("make", [Matern, Cauchy, ExponentialPower, Softmax], ids=lambda make: make.__name__)
def test_b2_23_24_bad_shapes_and_scales_are_refused(make, bad, message):
    name = next(iter(make(1.0).get_params()))
    with pytest.raises(ValueError, match=f"^{name} must be a positive finite number; {message}"):
        make(bad)
    kernel = make(1.0)
    with pytest.raises(ValueError, match=f"^{name} must be a positive finite number; {message}"):
        kernel.set_params(**{name: bad})
    if make is not Softmax:
        setattr(kernel, name, bad)
        with pytest.raises(ValueError, match=f"^{name} must be a positive finite number; {message}"):
            kernel(X)


def test_b2_38_orders_that_need_scipy_say_so():
    torch = pytest.importorskip("torch")
    message = r"^nu must be p \+ 1/2 with a whole number p <= 20, or inf; got 0.7 with data on a device or "
    recorded, one = torch.zeros(3, 2, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    for kernel in (Matern(0.7), 2.0 * Matern(0.7), Matern(0.7, one)):
        for x in (recorded, torch.zeros(3, 2, device="meta")):
            with pytest.raises(ValueError, match=message):
                kernel(x)


def test_b2_04_far_points_under_autograd_are_refused():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[1e30], [-1e30]], requires_grad=True)
    for kernel in (Laplacian(1e-5), Matern(lengthscale=1e-5), ExponentialPower(0.5, 1e-5)):
        np.testing.assert_allclose(kernel(x.detach()), np.eye(2), atol=1e-30)
        with pytest.raises(ValueError, match=r"^.X / lengthscale.² must be within the range .*up to 3.4e\+38"):
            kernel(x)


def test_b2_04_overflow_of_softmax_says_what_to_do(xp):
    message = "overflow. Scale the data, pass scale=1/math.sqrt.X.shape.1.. or less, or use float64"
    for big, dtype in ((30.0, "float64"), (10.0, "float32")):
        x = xp(big * np.eye(3), dtype)
        for call, says in ((Softmax(), message), (Softmax().diag, message), (Softmax() * Gaussian(), "Scale the data")):
            with pytest.raises(ValueError, match="K must be within .* overflow. Scale" if says != message else message):
                call(x)
        assert Softmax(1e-2)(x).shape == (3, 3)
    if xp.name != "array-api-strict":
        with pytest.raises(ValueError, match="up to 6.55e.04"):
            Softmax()(xp(4.0 * np.eye(3), "float16"))


MATRICES = {
    "B2-45-asymmetric": (
        [[1.0, 0.5], [0.4, 1.0]],
        ValueError,
        "K must be symmetric; got .* by up to 0.1. If ",
    ),
    "B2-54-not-square": (X, ValueError, r"K must be square, .* got shape \(4, 3\). Pass kernel\(X\), not kernel\(X, Y"),
    "B2-01-nan": ([[np.nan]], ValueError, r"K must be finite; got 1 NaN .* index \(0, 0\)"),
    "B2-10-1-d": ([1.0], ValueError, r"K must be a 2-D array .* got shape \(1,\). Pass a whole kernel matrix"),
    "B2-07-empty": (np.zeros((0, 0)), ValueError, "K must be non-empty"),
    "B2-18-complex": (np.eye(2) + 0j, ValueError, "K must be real"),
    "B2-20-strings": ([["a"]], ValueError, "K must be of dtype"),
    "none": (None, TypeError, "K must be an array; got NoneType"),
}


@pytest.mark.parametrize(("bad", "error", "message"), MATRICES.values(), ids=MATRICES.keys())
def test_bad_precomputed_matrices_are_refused(bad, error, message):
    with pytest.raises(error, match="^" + message):
        Precomputed(bad)
    kernel = Precomputed(np.eye(3))
    with pytest.raises(error, match="^" + message):
        kernel.set_params(K=bad)
    kernel.K = bad
    with pytest.raises(error, match="^" + message):
        kernel([[0]])


INDICES = {
    "too-large": ([[4]], "made of whole numbers from 0 to 3; got 4. Index i stands for row and column i"),
    "negative": ([[0], [-1]], "made of whole numbers from 0 to 3; got -1"),
    "fraction": ([[0.0], [0.5]], "made of whole numbers from 0 to 3; got 0.5"),
    "rows-of-X": (X, r"a column of indices, of shape \(n_samples, 1\), for a precomputed kernel; got shape \(4, 3\)"),
    "B2-10-1-d": (np.arange(4), "a 2-D array"),
    "B2-01-nan": ([[np.nan]], "finite"),
}


@pytest.mark.parametrize(("bad", "message"), INDICES.values(), ids=INDICES.keys())
def test_bad_indices_are_refused(bad, message, xp):
    kernel = Precomputed(np.eye(4))
    for call in (kernel, kernel.diag, 2.0 * kernel):
        with pytest.raises(ValueError, match="^X must be " + message):
            call(xp(bad))
    bad = np.asarray(bad)
    if bad.ndim == 2 and bad.shape[1] == 1:
        with pytest.raises(ValueError, match="^Y must be " + message):
            kernel(xp([[0]]), xp(bad))


P = Precomputed(np.eye(3))
WITH_PRECOMPUTED = [P, P + Gaussian(), Gaussian() + P, P * Gaussian(), Gaussian() * P, 2.0 * (1.0 + Gaussian() * P)]


@pytest.mark.parametrize("kernel", WITH_PRECOMPUTED, ids=repr)
def test_a_mask_is_no_column_of_indices_wherever_the_precomputed_kernel_stands(kernel, xp):
    mask, indices = xp(np.array([[True], [False], [True]])), xp(np.array([[0], [2]]))
    for call in (lambda: kernel(mask), lambda: kernel(indices, mask), lambda: kernel.diag(mask)):
        with pytest.raises(TypeError, match="made of indices, for a precomputed kernel; got booleans. .*flatnonzero"):
            call()
    assert kernel(indices).shape == (2, 2)


def test_b2_39_a_precomputed_tensor_with_a_gradient_needs_tensor_indices():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="got a tensor that requires grad"):
        Precomputed(torch.eye(2, requires_grad=True))([[0]])


MEDIANS = {
    "one-sample": ({"X": X[:1]}, ValueError, r"X must be made of at least 2 samples, one pair; got shape \(1, 3\)"),
    "equal-samples": (
        {"X": np.repeat([[0.0], [1.0]], [9, 2], axis=0)}, ValueError,
        r"X must be made of samples that differ; got a median distance of 0: at least half .* numpy.unique\(X",
    ),
    "B2-78-too-long": (
        {"X": np.broadcast_to(np.zeros((1, 1), np.float32), (3_000_000, 1))}, ValueError,
        "distances must be small enough .* = 33,527.6 GiB. Pass n_points=2000, for example",
    ),
    "B2-01-nan": ({"X": spoiled(np.nan)}, ValueError, "X must be finite"),
    "B2-10-1-d": ({"X": X[0]}, ValueError, "X must be a 2-D array"),
    "n_points-1": ({"X": X, "n_points": 1}, ValueError, "n_points must be an integer >= 2; got 1"),
    "n_points-2.0": ({"X": X, "n_points": 2.0}, TypeError, "n_points must be an integer >= 2; got 2.0"),
    "B2-63-seed": ({"X": X, "n_points": 2, "rng": -1}, ValueError, "rng must be a non-negative integer"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "error", "message"), MEDIANS.values(), ids=MEDIANS.keys())
def test_bad_samples_for_the_median_lengthscale_are_refused(bad, error, message):
    with pytest.raises(error, match="^" + message):
        median_lengthscale(**bad)


DATASETS = {
    "n-0": ({"n": 0}, ValueError, "n must be an integer >= 2; got 0.$"),
    "n-1": ({"n": 1}, ValueError, "n must be an integer >= 2; got 1.$"),
    "n-2.5": ({"n": 2.5}, TypeError, r"n must be an integer >= 2; got 2.5. Use int\(n\)"),
    "n-string": ({"n": "3"}, TypeError, "n must be an integer >= 2; got '3'"),
    "n-True": ({"n": True}, TypeError, "n must be an integer >= 2; got True"),
    "noise-nan": ({"noise": np.nan}, ValueError, "noise must be a non-negative finite number; got nan. It is a stand"),
    "noise-inf": ({"noise": np.inf}, ValueError, "noise must be .*; got inf"),
    "noise-negative": ({"noise": -0.1}, ValueError, "noise must be .*; got -0.1"),
    "noise-string": ({"noise": "0.1"}, ValueError, "noise must be .*; got '0.1'"),
    "noise-array": ({"noise": [0.1, 0.2]}, ValueError, r"noise must be .*; got shape \(2,\)"),
}


@pytest.mark.parametrize("make", [datasets.moons, datasets.rings, datasets.wave])
@pytest.mark.parametrize(("bad", "error", "message"), DATASETS.values(), ids=DATASETS.keys())
def test_bad_sizes_and_noise_of_data_sets_are_refused(make, bad, error, message):
    with pytest.raises(error, match="^" + message):
        make(**({"n": 4, "rng": 0} | bad))


@pytest.mark.parametrize("make", [datasets.moons, datasets.rings, datasets.wave])
def test_the_smallest_data_set_without_noise(make):
    x, y = make(np.int64(2), noise=0, rng=0)
    assert x.shape[0] == y.shape[0] == 2 and np.isfinite(x).all() and np.isfinite(y).all()


def test_differences_of_kernels_are_refused():
    for call in (
        lambda: -1.0 * Gaussian(), lambda: Gaussian() * -2, lambda: Gaussian() + -1.0, lambda: Constant(-1.0),
        lambda: Gaussian() - Gaussian(), lambda: Gaussian() - 0.5, lambda: 1.0 - Gaussian(), lambda: -Gaussian(),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="difference of kernels need not be positive semidefinite"):
            call()
    for other in ("2", None, True, [1.0], X):
        with pytest.raises(TypeError):
            Gaussian() * other
        with pytest.raises(TypeError):
            other + Gaussian()


@every_kernel
def test_b2_78_a_matrix_that_does_not_fit_is_refused_before_it_is_made(kernel):
    long = np.broadcast_to(np.zeros((1, 1), np.float32), (3_000_000, 1))
    with pytest.raises(ValueError, match=r"K must be small enough .* got 3000000 x 3000000 entries = 33,527.6 GiB"):
        kernel(long)


def test_values_on_a_device_are_checked_only_when_asked(monkeypatch):
    monkeypatch.setattr(_arrays, "_on_device", lambda x: True)
    monkeypatch.setattr(_arrays, "memory", lambda x: None)
    assert np.isnan(Gaussian()(spoiled(np.nan))).any()
    with _arrays.check_values_on_device(), pytest.raises(ValueError, match="X must be finite"):
        Gaussian()(spoiled(np.nan))
    assert not _arrays.checks_values(X)


def test_messages_name_argument_expectation_finding_and_remedy():
    with pytest.raises(TypeError, match="^spam must be eggs; got ham. Buy eggs.$"):
        _checks.fail("spam", "eggs", "ham", "Buy eggs.", TypeError)
