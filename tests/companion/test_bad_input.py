"""What kernels do with bad or odd data: cases B2-nn of the catalogue bad-input.md, with the message the user reads."""

import re
from collections import Counter
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from samples import STATIONARY

from companion import datasets, kernels
from companion._core import arrays, checks
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
    "gaussian": Gaussian(), "algebra": Laplacian() + 2.0 * Polynomial(2) * Cauchy(), "bessel": Matern(0.7),
    "matern": Matern(), "power": ExponentialPower(0.7), "softmax": Softmax(0.1),
}  # fmt: skip
every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
SHAPES = {
    "gaussian": Gaussian, "laplacian": Laplacian, "matern": partial(Matern, 1.5), "bessel": partial(Matern, 0.7),
    "cauchy": partial(Cauchy, 1), "power": partial(ExponentialPower, 1.3), "square": partial(ExponentialPower, 2),
}  # fmt: skip
stationary = pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES.keys())
X = np.random.default_rng(0).standard_normal((4, 3))


def test_every_case_that_a_test_cites_is_in_the_catalogue():
    folder = Path(__file__).parent
    numbers = Counter(re.findall(r"^\| (\d\d) \|", (folder / "bad-input.md").read_text(encoding="utf-8"), re.M))
    assert set(numbers.values()) == {1}, "a number stands for two cases"
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.parent.rglob("test_*.py")))
    runs = re.findall(r"\bB2-(\d+(?:, \d+)*)|\bdef test_b2((?:_\d+)+)", tests)  # B2-9, 13 and test_b2_31_32
    cited = {f"{int(number):02}" for run in runs for number in re.findall(r"\d+", "".join(run))}
    assert len(cited) > 40 and cited - set(numbers) == set()


# Data


def test_all_kernels_are_called_through_one_border():
    """So what it refuses needs no test for each of them."""
    classes = {cls for cls in vars(kernels).values() if isinstance(cls, type) and issubclass(cls, kernels.Kernel)}
    assert len(classes) >= 12
    assert all(cls.__call__ is kernels.Kernel.__call__ and cls.diag is kernels.Kernel.diag for cls in classes)


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


@pytest.mark.parametrize(("bad", "message"), ON_EVERY_BACKEND.values(), ids=ON_EVERY_BACKEND.keys())
def test_bad_data_are_refused_on_every_backend(bad, message, xp):
    kernel, of_y = Gaussian() + 2.0 * Polynomial(1), "^Y" + message.removeprefix("X").replace("X.reshape", "Y.reshape")
    for call, says in ((kernel, message), (kernel.diag, message), (partial(kernel, xp(X)), of_y)):
        with pytest.raises(ValueError, match=says):
            call(xp(bad))


def test_b2_21_different_features(xp):
    message = r"X and Y must be equal in their number of features; got shapes \(4, 3\) and \(4, 2\)"
    with pytest.raises(ValueError, match=message):
        Gaussian()(xp(X), xp(X[:, :2]))


NOT_NUMBERS = {
    "B2-12-float": (1.0, TypeError, "X must be an array; got float"),
    "B2-12-numpy-float": (np.float64(1.0), TypeError, "X must be an array; got float64"),
    "B2-12-none": (None, TypeError, "X must be an array; got NoneType"),
    "dictionary": ({"a": [1.0]}, TypeError, "X must be an array; got dict"),
    "string": ("data.csv", TypeError, "X must be an array; got str"),
    "B2-07-empty-list": ([], ValueError, "X must be a 2-D array"),
    "B2-20-strings": ([["1", "2"]], ValueError, "X must be of dtype .* got strings. Cast to float"),
    "B2-20-object-strings": (np.array([[1, "2"]], object), ValueError, "cannot be converted .the string '2'."),
    "B2-18-object-complex": (np.array([[1, 2j]], object), ValueError, "X must be an array of real numbers"),
    "dates": (np.array([["2020-01-01"]], "datetime64[D]"), ValueError, "X must be of dtype .* got dtype datetime64"),
    "records": (np.zeros((2, 2), [("a", float)]), ValueError, "X must be of dtype"),
    "long-double": (np.zeros((2, 2), np.longdouble), ValueError, "Cast to float64"),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, "all rows equally long"),
    "none-inside": ([[1.0, None]], ValueError, r"X must be finite; .* index \(0, 1\)"),
    "B2-34-masked": (np.ma.array([[1.0, 2.0]], mask=[[0, 1]]), ValueError, "without masked entries; got 1 masked."),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "error", "message"), NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
def test_what_is_no_matrix_of_numbers_is_refused(bad, error, message):
    with pytest.raises(error, match=message):
        Gaussian()(bad)


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


@pytest.mark.parametrize("format", ["csr_matrix", "csr_array", "coo_array"])
def test_b2_33_sparse(format):
    sparse, torch = pytest.importorskip("scipy.sparse"), pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"X must be dense .sparse input is not supported.; .* X.toarray\(\)"):
        Gaussian()(getattr(sparse, format)(X))
    with pytest.raises(TypeError, match=r"X must be dense .* X.to_dense\(\)"):
        Gaussian()(torch.eye(3).to_sparse())


@every_kernel
def test_b2_16_17_half_precision_is_computed_in_single(kernel, xp):
    if xp.name == "array-api-strict":
        pytest.skip("the standard has no float16")
    half = xp(np.random.default_rng(0).standard_normal((9, 20)), "float16")
    for call in (kernel, kernel.diag):
        got, exact = call(half), xp.numpy(call(xp(xp.numpy(half), "float32")))
        assert got.dtype == half.dtype
        np.testing.assert_array_equal(xp.numpy(got), exact.astype(np.float16))
    if "torch" in xp.name:
        brain = half.bfloat16()
        for call in (kernel, kernel.diag):
            assert call(brain).dtype == brain.dtype and (call(brain) == call(brain.float()).bfloat16()).all()
        assert kernel(half, brain).dtype == brain.float().dtype and kernel(half[:3].int()).dtype == half.double().dtype


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
    rounding = STATIONARY["cauchy-1"].rounding(grid, grid, np.finfo(np.float32).eps)  # of the narrowest of them
    for half in (np.float16, np.float32):
        K = kernel(grid.astype(half))
        assert K.dtype == half
        np.testing.assert_allclose(K, expected, rtol=2 * np.finfo(half).eps + rounding)
    for one, other in ((np.float16, np.float32), (np.float32, np.float64)):  # the larger of two precisions
        for first, second in ((one, other), (other, one)):
            K = kernel(grid.astype(first), grid[:2].astype(second))
            assert K.dtype == other
            np.testing.assert_allclose(K, expected[:, :2], rtol=2 * np.finfo(other).eps + rounding)


@pytest.mark.parametrize("kernel", [Polynomial(), Polynomial(1), Polynomial(1) + 1.0, 1e200 * Polynomial(1)])
def test_b2_04_overflow_is_an_error_not_an_infinity(kernel, xp):
    message = r"K must be within the range of its dtype \(up to 1.8e\+308\); got an overflow. Scale the data"
    for call in (kernel, kernel.diag, lambda X: kernel(X, xp([[1e200], [1.0]]))):
        with pytest.raises(ValueError, match=message):
            call(xp([[1e200], [-1e180]]))
    assert bool(np.isfinite(xp.numpy(Polynomial(1)(xp([[1e154], [1e154]])))).all()), "finite, and their sum is not"


def test_b2_16_overflow_of_the_result_s_dtype():
    with pytest.raises(ValueError, match="up to 6.55e.04"), np.errstate(over="ignore"):
        Polynomial(5)(np.array([[20.0]], np.float16))
    with pytest.raises(ValueError, match="up to 3.4e.38"):
        Polynomial(20)(np.array([[20.0]], np.float32))


# Parameters, which are checked when they are set


def refused_when_set(make, good, name, bad, error, message):
    """In the constructor, by set_params and by assignment; the kernel keeps what it had."""
    kernel = make(good)
    before = repr(kernel.get_params())
    for call in (make, lambda value: kernel.set_params(**{name: value}), partial(setattr, kernel, name)):
        with pytest.raises(error, match=message):
            call(bad)
    assert repr(kernel.get_params()) == before


NUMBERS = {
    "B2-23-negative": (-1.0, "got -1.0"), "B2-23-nan": (np.nan, "got nan"), "B2-24-zero": (0.0, "got 0.0"),
    "minus-inf": (-np.inf, "got -inf"), "B2-27-word": ("auto", "got 'auto'"), "true": (True, "got True"),
    "none": (None, "got None"), "complex": (1j, "got 1j"), "empty": ([], r"got shape \(0,\)|got \[\]"),
}  # fmt: skip
POSITIVE = {
    "nu": Matern, "beta": Cauchy, "alpha": ExponentialPower, "scale": Softmax, "lengthscale-gaussian": Gaussian,
    **{f"lengthscale-{name}": make for name, make in SHAPES.items()},
}  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), NUMBERS.values(), ids=NUMBERS.keys())
@pytest.mark.parametrize(("name", "make"), POSITIVE.items(), ids=POSITIVE.keys())
def test_what_is_no_positive_number_is_refused(name, make, bad, message):
    name, _, per_feature = name.partition("-")
    expected = f"^{name} must be a positive finite number{' or an array .*' if per_feature else ''}; {message}"
    refused_when_set(make, 1.0, name, bad, ValueError, expected)


@pytest.mark.parametrize("bad", [{"gamma": 1.0}, {"lengthscale__x": 1.0}, {"lengthscale": 2.0, "x": 1.0}])
def test_an_unknown_parameter_is_refused_and_changes_nothing(bad):
    kernel = Gaussian(3.0)
    with pytest.raises(ValueError, match="^parameter name must be one of lengthscale; got"):
        kernel.set_params(**bad)
    assert kernel.get_params() == {"lengthscale": 3.0}


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
    for make in SHAPES.values():
        np.testing.assert_array_equal(make(torch.tensor(2.0))(X), make(2.0)(X))
        with pytest.raises(TypeError, match="a tensor that requires grad"):
            make(torch.tensor(2.0, requires_grad=True))(X)
    for make, name in ((Matern, "nu"), (Cauchy, "beta"), (ExponentialPower, "alpha")):
        message = rf"{name} must be a number; got a tensor that requires grad. Pass {name}.item\(\): no gradient with"
        refused_when_set(make, 1.0, name, torch.tensor(1.5, requires_grad=True), TypeError, message)


POWER, SUMMAND = partial(Polynomial, coef0=2.0), partial(Polynomial, 3)
SHAPED = {
    "alpha": (ExponentialPower, 2.5, ValueError, "at most 2; got 2.5. Above 2 this function is not positive"),
    "scale": (Softmax, -1.0, ValueError, r"a positive .* got -1.0. With a negative scale k\(x, x\) <"),
    "nu": (Matern, -1.0, ValueError, "a positive .* inf is allowed too, and means the Gaussian."),
    "B2-24-inf-beta": (Cauchy, np.inf, ValueError, "a positive finite number; got inf"),
    "B2-24-inf": (Gaussian, np.inf, ValueError, "a positive finite number or an array .*; got inf"),
    "one-negative": (Gaussian, [1.0, -2.0], ValueError, r"a positive .*; got \[1.0, -2.0\]"),
    "B2-25-2-d": (Gaussian, np.ones((1, 3)), ValueError, r"a positive .*; got shape \(1, 3\)"),
    "degree-0": (POWER, 0, ValueError, "an integer >= 1; got 0"),
    "B2-41-degree-2.0": (POWER, 2.0, TypeError, r"an integer >= 1; got 2.0. Use int\(degree\)"),
    "B2-41-degree-True": (POWER, True, TypeError, "an integer >= 1; got True"),
    "coef0-negative": (SUMMAND, -1.0, ValueError, "a non-negative .* need not be positive"),
    "coef0-array": (SUMMAND, [1.0], ValueError, r"a non-negative .* got shape \(1,\)"),
    "value": (Constant, -1.0, ValueError, "a non-negative .* need not be positive"),
}


@pytest.mark.parametrize(("make", "bad", "error", "message"), SHAPED.values(), ids=SHAPED.keys())
def test_what_makes_no_kernel_is_refused(make, bad, error, message):
    name = list(make(1).get_params())[1 if make is SUMMAND else 0]
    refused_when_set(make, 1, name, bad, error, f"^{name} must be {message}")


def test_b2_38_orders_that_need_scipy_say_so():
    torch = pytest.importorskip("torch")
    message = r"^nu must be p \+ 1/2 with a whole number p <= 20, or inf; got 0.7 with data on a device or "
    recorded, one = torch.zeros(3, 2, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    for kernel in (Matern(0.7), 2.0 * Matern(0.7), Matern(0.7, one)):
        for x in (recorded, torch.zeros(3, 2, device="meta")):
            with pytest.raises(ValueError, match=message):
                kernel(x)


def test_b2_04_overflow_of_softmax_says_what_to_do(xp):
    message = "K must be .* overflow. Scale the data, pass scale=1/math.sqrt.X.shape.1.. or less, or use float64"
    for big, dtype in ((30.0, "float64"), (10.0, "float32")):
        x = xp(big * np.eye(3), dtype)
        for call in (Softmax(), Softmax().diag):
            with pytest.raises(ValueError, match=message):
                call(x)
        assert Softmax(1e-2)(x).shape == (3, 3)


# Precomputed matrices and their indices


MATRICES = {
    "B2-45-asymmetric": ([[1.0, 0.5], [0.4, 1.0]], "symmetric; got .* by up to 0.1. If "),
    "B2-54-not-square": (X, r"square, .* got shape \(4, 3\). Pass kernel\(X\), not kernel\(X, Y"),
    "B2-01-nan": ([[np.nan]], r"finite; got 1 NaN .* index \(0, 0\)"),
    "B2-10-1-d": ([1.0], r"a 2-D array .* got shape \(1,\). Pass a whole kernel matrix"),
    "B2-07-empty": (np.zeros((0, 0)), "non-empty"),
    "B2-20-strings": ([["a"]], "of dtype .* got strings"),
    "none": (None, "an array; got NoneType"),
}


@pytest.mark.parametrize(("bad", "message"), MATRICES.values(), ids=MATRICES.keys())
def test_bad_precomputed_matrices_are_refused(bad, message):
    refused_when_set(Precomputed, np.eye(3), "K", bad, (TypeError, ValueError), "^K must be " + message)


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


MEDIANS = {
    "one-sample": (X[:1], {}, r"X must be made of at least 2 samples, one pair; got shape \(1, 3\)"),
    "equal-samples": (
        np.repeat([[0.0], [1.0]], [9, 2], axis=0), {},
        r"X must be made of samples that differ; got a median distance of 0: at least half .* numpy.unique\(X",
    ),
    "B2-78-too-long": (
        np.broadcast_to(np.zeros((1, 1), np.float32), (3_000_000, 1)), {},
        "distances must be small enough .* = 33,527.6 GiB. Pass n_points=2000, for example",
    ),
    "B2-01-nan": (spoiled(np.nan), {}, "X must be finite"),
    "B2-41-n_points-1": (X, {"n_points": 1}, "n_points must be an integer >= 2; got 1"),
    "B2-41-n_points-2.0": (X, {"n_points": 2.0}, "n_points must be an integer >= 2; got 2.0"),
    "B2-63-seed": (X, {"n_points": 2, "rng": -1}, "rng must be a non-negative integer"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "options", "message"), MEDIANS.values(), ids=MEDIANS.keys())
def test_bad_samples_for_the_median_lengthscale_are_refused(data, options, message):
    with pytest.raises((TypeError, ValueError), match="^" + message):
        median_lengthscale(data, **options)


DATASETS = {
    "n-1": ({"n": 1}, ValueError, "n must be an integer >= 2; got 1.$"),
    "B2-41-n-2.5": ({"n": 2.5}, TypeError, r"n must be an integer >= 2; got 2.5. Use int\(n\)"),
    "noise-nan": ({"noise": np.nan}, ValueError, "noise must be a non-negative finite number; got nan. It is a stand"),
    "noise-negative": ({"noise": -0.1}, ValueError, "noise must be .*; got -0.1"),
    "noise-array": ({"noise": [0.1, 0.2]}, ValueError, r"noise must be .*; got shape \(2,\)"),
}


@pytest.mark.parametrize("make", [datasets.moons, datasets.rings, datasets.wave, datasets.lifted_moons])
@pytest.mark.parametrize(("bad", "error", "message"), DATASETS.values(), ids=DATASETS.keys())
def test_bad_sizes_and_noise_of_data_sets_are_refused(make, bad, error, message):
    with pytest.raises(error, match="^" + message):
        make(**({"n": 4, "rng": 0} | bad))
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


def test_b2_78_a_matrix_that_does_not_fit_is_refused_before_it_is_made():
    long = np.broadcast_to(np.zeros((1, 1), np.float32), (3_000_000, 1))
    for kernel in (Gaussian(), Polynomial() + Softmax()):
        with pytest.raises(ValueError, match=r"small enough .* got 3000000 x 3000000 .* = (33,527.6|70,408.0) GiB"):
            kernel(long)


def test_values_on_a_device_are_checked_only_when_asked(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(arrays, "on_device", arrays.compat.is_torch_array)
    bad, negative = torch.tensor(spoiled(np.nan)), torch.tensor(-1.0)
    assert bool(torch.isnan(Gaussian(negative)(bad)).any()) and not arrays.readable(bad)
    with arrays.check_values_on_device():
        for call, message in ((lambda: Gaussian()(bad), "X must be"), (lambda: Gaussian(negative), "lengthscale must")):
            with pytest.raises(ValueError, match=message):
                call()


def test_messages_name_argument_expectation_finding_and_remedy():
    with pytest.raises(TypeError, match="^spam must be eggs; got ham. Buy eggs.$"):
        checks.fail("spam", "eggs", "ham", "Buy eggs.", TypeError)
