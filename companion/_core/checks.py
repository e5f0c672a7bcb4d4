"""Words every error of the package: which argument, what was expected, what was got, what to do.

A message reads ``X must be a 2-D array of shape (n_samples, n_features); got shape (3,). Use X.reshape(-1, 1) ...``.
A wrong kind of object raises ``TypeError``, a wrong value ``ValueError``. Nothing of the package is imported here.

>>> shape("X", (3,), ndim=(2,))  # doctest: +ELLIPSIS
Traceback (most recent call last):
ValueError: X must be a 2-D array of shape (n_samples, n_features); got shape (3,). Use X.reshape(-1, 1) for ...
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any, NoReturn

import numpy as np

_NDIM = {1: "1-D array of shape (n_samples,)", 2: "2-D array of shape (n_samples, n_features)"}


class NotPSDError(np.linalg.LinAlgError):
    """A matrix that must be positive (semi-)definite is not; as every LinAlgError it is a ValueError.

    Parameters
    ----------
    message : str
        What was expected, what was got and what to do.
    smallest_eigenvalue : float
        The smallest eigenvalue of the matrix, also kept as an attribute.
    """

    def __init__(self, message: str, smallest_eigenvalue: float) -> None:
        super().__init__(message)
        self.smallest_eigenvalue = smallest_eigenvalue


class NumericalWarning(RuntimeWarning):
    """The result is finite, but rounding has spoiled more of it than is normal."""


class ConvergenceWarning(NumericalWarning):
    """An iteration stopped before it reached the accuracy that was asked for; the result says how far it came."""


class ApproximationWarning(NumericalWarning):
    """An estimate by random draws hangs on few of them: it is off by much more than it looks."""


@contextmanager
def needs(module: str, package: str, extra: str) -> Iterator[None]:
    """Around imports: where they fail, say which extra of the course brings the package that ``module`` needs."""
    try:
        yield
    except ImportError as error:
        message = f'{module} needs {package}: pip install "kernels-to-performers[{extra}]" ({error})'
        raise type(error)(message, name=error.name, path=error.path) from error


def fail(name: str, expected: str, got: str, fix: str, error: type[Exception] = ValueError) -> NoReturn:
    """Raise ``error`` with a message in the form of the house."""
    raise error(f"{name} must be {expected}; got {got}. {fix}".rstrip())


def dense(name: str, value: Any) -> None:
    """Refuse sparse, masked and ``np.matrix`` containers, whose values would be misread or silently made dense."""
    if isinstance(value, np.matrix):
        fail(name, "an array", "np.matrix", f"Use np.asarray({name}).", TypeError)
    if np.ma.is_masked(value):
        masked = int(np.ma.count_masked(value))
        fail(name, "without masked entries", f"{masked} masked", f"Fill or drop them: {name}.filled(...).")
    layout = str(getattr(value, "layout", "torch.strided"))
    if hasattr(value, "tocsr") or layout != "torch.strided":
        fix = f"Convert it yourself if it fits: {name}.toarray() (SciPy), {name}.to_dense() (torch)."
        fail(name, "dense (sparse input is not supported)", type(value).__name__, fix, TypeError)


def dtype(name: str, got: str) -> None:
    """Refuse element types that are not real numbers of a supported precision; ``got`` is the name of the type."""
    if got.startswith("complex"):
        fail(name, "real", f"dtype {got}", f"Stack the real and imaginary parts of {name} as features.")
    if got in ("float16", "bfloat16", "float32", "float64"):
        return
    advice = "Cast to float64." if got in ("longdouble", "float128", "float96") else "Cast to float32 or float64."
    got = "strings" if got.lower().startswith(("str", "bytes")) else f"dtype {got}"
    fail(name, "of dtype float16, bfloat16, float32, float64, integer or bool", got, advice)


def shape(name: str, got: tuple[int, ...], ndim: tuple[int, ...]) -> None:
    """Refuse a wrong number of axes and empty axes."""
    if len(got) not in ndim:
        fix = "Batches are for attention only: loop over the first axis."
        if name == "K":
            fix = "Pass a whole kernel matrix, kernel(X)."
        elif len(got) == 2:
            fix = f"Use {name}.ravel() if it is one column."
        elif len(got) == 1:
            fix = f"Use {name}.reshape(-1, 1) for one feature, {name}.reshape(1, -1) for one sample."
        elif len(got) == 0:
            fix = "A single number has no axes."
        expected = "a " + " or a ".join(_NDIM[n] for n in ndim if n in _NDIM)
        if max(ndim) > 2:
            expected = "an array of shape (..., n_samples, n_features)"
        fail(name, expected, f"shape {got}", fix)
    if 0 in got:
        fail(name, "non-empty (at least 1 sample and 1 feature)", f"shape {got}", "Check how it was selected.")


def finite(name: str, ok: np.ndarray) -> None:
    """Refuse NaN and infinity; ``ok`` is the host mask of finite entries."""
    if not ok.all():
        bad = np.argwhere(~ok)
        index = tuple(int(i) for i in bad[0])
        got = f"{len(bad)} NaN or infinite entries, the first at index {index}"
        fail(name, "finite", got, "Drop or impute them.")


def no_overflow(name: str, largest: float, fix: str) -> NoReturn:
    """Refuse to return a result that left the range of its dtype; ``largest`` is that range."""
    fail(name, f"within the range of its dtype (up to {largest:.3g})", "an overflow", fix)


def same_features(name_x: str, x: tuple[int, ...], name_y: str, y: tuple[int, ...]) -> None:
    """Refuse two data arguments with different numbers of features."""
    if x[-1] != y[-1]:
        fix = "Both need one column per feature, in the same order."
        fail(f"{name_x} and {name_y}", "equal in their number of features", f"shapes {x} and {y}", fix)


def same_length(name_x: str, x: tuple[int, ...], name_y: str, y: tuple[int, ...]) -> None:
    """Refuse two data arguments with different numbers of samples."""
    if x[0] != y[0]:
        fix = "Row i of both must belong to sample i."
        fail(f"{name_x} and {name_y}", "equal in their number of samples", f"shapes {x} and {y}", fix)


def one_each(name: str, got: tuple[int, ...], name_w: str, w: tuple[int, ...]) -> None:
    """Refuse a vector that has not one entry for each row of a matrix."""
    if got[0] != w[0]:
        fail(name, f"of shape ({w[0]},), one entry for each row of {name_w}", f"shape {got}", "")


def on_host(name: str, got: str, advice: str) -> NoReturn:
    """Refuse an argument that a NumPy routine cannot take without losing its device or its gradient."""
    fail(name, "a NumPy array (or a list)", got, f"Pass {advice}: no gradient flows through this function.", TypeError)


def positive(name: str, values: np.ndarray, *, allow_zero: bool = False, why: str = "", ndim: int = 0) -> None:
    """Refuse a parameter that is not real, finite and positive (or zero, if allowed), of at most ``ndim`` axes."""
    expected = ("a non-negative" if allow_zero else "a positive") + " finite number"
    expected += " or an array with one per feature" if ndim else ""
    if values.dtype.kind not in "iuf":
        fail(name, expected, repr(values.tolist()), why)
    if values.ndim > ndim or values.size == 0:
        fail(name, expected, f"shape {values.shape}", why)
    ok = np.isfinite(values) & ((values >= 0) if allow_zero else (values > 0))
    if not ok.all():
        fail(name, expected, repr(values.tolist()), why)


def at_most(name: str, value: float, largest: float, why: str) -> None:
    """Refuse a parameter above its largest value."""
    if value > largest:
        fail(name, f"at most {largest:g}", repr(value), why)


def per_feature(name: str, got: tuple[int, ...], n_features: int) -> None:
    """Refuse a parameter array that has not one entry per feature."""
    if got not in ((), (n_features,)):
        fail(name, f"a number or an array of shape ({n_features},), one entry per feature of X", f"shape {got}", "")


def integer(name: str, value: Any, minimum: int) -> None:
    """Refuse what is not an integer of at least ``minimum``; bools are not integers here."""
    expected = f"an integer >= {minimum}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        fail(name, expected, repr(value), f"Use int({name}) if that is what you mean.", TypeError)
    if value < minimum:
        fail(name, expected, repr(value), "")


def seed(name: str, value: Any) -> None:
    """Refuse what is not a seed."""
    expected = "a non-negative integer, a numpy Generator or RandomState, or None"
    if not isinstance(value, Integral) or isinstance(value, bool):
        fail(name, expected, repr(value), f"For example {name}=0.", TypeError)
    if value < 0:
        fail(name, expected, repr(value), f"For example {name}=0.")


def known(name: str, value: str, valid: Sequence[str]) -> None:
    """Refuse a name that is not in the list."""
    if value not in valid:
        fail(name, f"one of {', '.join(valid)}", repr(value), "")


def square(name: str, got: tuple[int, ...]) -> None:
    """Refuse a matrix that is not square."""
    if got[0] != got[1]:
        fail(name, "square, one row and one column per sample", f"shape {got}", "Pass kernel(X), not kernel(X, Y).")


def symmetric(name: str, gap: float, tolerance: float) -> None:
    """Refuse a matrix whose entries differ from their mirror images by up to ``gap``, more than ``tolerance``."""
    if gap > tolerance:
        fix = f"If that is rounding, pass ({name} + {name}.T) / 2."
        fail(name, "symmetric", f"entries that differ from their mirror image by up to {gap:.3g}", fix)


def psd(name: str, smallest: float, tolerance: float) -> None:
    """Refuse a matrix whose smallest eigenvalue is below ``-tolerance``."""
    if smallest < -tolerance:
        raise NotPSDError(
            f"{name} must be positive semidefinite; got smallest eigenvalue {smallest:.3g} (rounding explains "
            f"-{tolerance:.1g}). It is no kernel matrix: check the kernel, or clip its negative eigenvalues.",
            smallest,
        )
