"""The border of the package: what users pass becomes arrays to compute with, once; and random streams.

The dense algebra is written against the Python array API standard; this file is the only one that knows NumPy from
torch. Its rules: the output has the backend, device and dtype of the data argument; parameters are cast and moved to
it; integers and bools become float64; float16 and bfloat16 are computed in float32. Shapes, dtypes and devices are
always checked, values (NaN, infinity, rounding bounds) on the host only, unless ``check_values_on_device()`` asks.

Integer seeds are combined with the purpose of the draw: data and frequencies made with the same seed are independent.

>>> a, b = generator(0, "data").random(), generator(0, "frequencies").random()
>>> a == generator(0, "data").random(), a == b
(True, False)
"""

import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from hashlib import sha256
from numbers import Integral
from pathlib import Path
from typing import Any

import array_api_compat as compat
import numpy as np
from array_api_compat import array_namespace as namespace

from companion._core import checks

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

__all__ = ["namespace"]

Array = Any
Seed = int | np.random.Generator | np.random.RandomState | None

BATCHES = (2, 3, 4, 5, 6)  # the numbers of axes of data with leading axes
HALF = ("float16", "bfloat16")
GIB = 2**30
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_values_on_device: ContextVar[bool] = ContextVar("values_on_device", default=False)


@contextmanager
def check_values_on_device() -> Iterator[None]:
    """Check values on accelerators too, inside a ``with`` block; each check waits for the device."""
    token = _values_on_device.set(True)
    try:
        yield
    finally:
        _values_on_device.reset(token)


def readable(x: Array) -> bool:
    """Whether the values of ``x`` may be read: it is on the host, or the caller asked; under vmap there are none."""
    return isinstance(x, np.ndarray) or not (in_vmap(x) or (on_device(x) and not _values_on_device.get()))


def on_device(x: Array) -> bool:
    """Whether ``x`` is an array on an accelerator."""
    return compat.is_cupy_array(x) or (compat.is_torch_array(x) and x.device.type != "cpu")


def in_vmap(x: Array) -> bool:
    """Whether ``x`` stands for a whole batch inside ``torch.func.vmap``, also below a gradient of ``torch.func``."""
    if not compat.is_torch_array(x):
        return False
    functorch = sys.modules["torch"]._C._functorch
    while functorch.is_functorch_wrapped_tensor(x):
        if functorch.is_batchedtensor(x):
            return True
        x = functorch.get_unwrapped(x)
    return False


def requires_grad(x: Any) -> bool:
    """Whether ``x`` is a tensor that records a gradient."""
    return compat.is_torch_array(x) and x.requires_grad


def is_plain(x: Array) -> bool:
    """Whether ``x`` is a NumPy array, or a tensor on the host that ``torch.func`` and forward gradients do not see."""
    if isinstance(x, np.ndarray):
        return True
    if not compat.is_torch_array(x) or on_device(x):
        return False
    torch = sys.modules["torch"]
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(x)
    return not wrapped and torch.autograd.forward_ad.unpack_dual(x).tangent is None


def reaches_host(*arrays: Array | None) -> bool:
    """Whether NumPy and SciPy may compute with these: they are on the host and record no gradient."""
    return not any(x is not None and (on_device(x) or requires_grad(x) or in_vmap(x)) for x in arrays)


def runs_on_numpy(*arrays: Array) -> bool:
    """Whether NumPy computes with these: they are its own, or tensors on the host that record no gradient."""
    for x in arrays:
        if not (isinstance(x, np.ndarray) or (hasattr(x, "numpy") and reaches_host(x))):
            return False
    return True


def detached(x: Array) -> Array:
    """``x`` without its gradient; shares memory."""
    return x.detach() if compat.is_torch_array(x) else x


def host(x: Any) -> np.ndarray:
    """The values of ``x`` as a NumPy array, without gradient; may share memory."""
    return detached(x).cpu().numpy() if compat.is_torch_array(x) else np.asarray(x)


def from_host(values: np.ndarray, like: Array) -> Array:
    """A NumPy result as an array of the backend of ``like``, which is on the host; shares memory where it can."""
    return sys.modules["torch"].from_numpy(values) if compat.is_torch_array(like) else namespace(like).asarray(values)


def dtype_name(x: Array) -> str:
    """The name of the dtype of ``x`` on any backend."""
    return x.dtype.name if isinstance(x, np.ndarray) else str(x.dtype).rpartition(".")[2]


def largest_square(*blocks: Array | None) -> float:
    """The largest |x|² over the rows of all blocks, without gradient; 0 where values may not be read."""
    largest = 0.0
    for x in blocks:
        if x is not None and readable(x):
            xp, x = namespace(x), x.detach() if hasattr(x, "detach") else x
            square = float(xp.max(xp.vecdot(x, x)))
            largest = square if not square <= largest else largest  # NaN wins
    return largest


def follow(value: Any, like: Array) -> Array:
    """Cast and move a parameter to the backend, dtype and device of a data argument; gradients pass."""
    if isinstance(value, np.ndarray) and isinstance(like, np.ndarray):
        with np.errstate(over="ignore"):
            return value.astype(like.dtype, copy=False)
    if compat.is_torch_array(value) and compat.is_torch_array(like):
        return value.to(dtype=like.dtype, device=like.device)
    if requires_grad(value):
        checks.on_host("a parameter that goes with NumPy data", "a tensor that requires grad", "parameter.detach()")
    return namespace(like).asarray(host(value).astype(np.float64), dtype=like.dtype, device=compat.device(like))


def read(name: str, value: Any, ndim: tuple[int, ...] = (2,)) -> tuple[Array, Any]:
    """Convert and check one data argument: (x in float32 or float64, the dtype that results must have).

    ``ndim`` are the allowed numbers of axes, ``BATCHES`` where there may be leading ones; ``name`` is for messages.
    Raises TypeError or ValueError if ``value`` is not a finite, dense, non-empty array (or list, or data frame) of real
    numbers, or holds an integer of more than 2**53 in size. x may share memory with ``value``.
    """
    x = value if type(value) is np.ndarray and value.dtype in _FLOATS else _converted(name, value)
    if x.ndim not in ndim or 0 in x.shape:
        checks.shape(name, tuple(x.shape), ndim)
    xp = namespace(x)
    if readable(x):
        with np.errstate(all="ignore"):  # the sum tells it without a second array, unless it overflows
            finite = bool(xp.isfinite(xp.sum(x))) or bool(xp.all(xp.isfinite(x)))
        if not finite:
            checks.finite(name, np.isfinite(host(xp.astype(x, xp.float64))))
    if isinstance(x, np.ndarray) and x.dtype in _FLOATS:
        return x, x.dtype
    return (xp.astype(x, xp.float32) if dtype_name(x) in HALF else x), x.dtype


def read_beside(X: Array, dtype: Any, value: Any) -> tuple[Array, Array, Any]:
    """Convert and check a second data argument ``Y`` of a kernel: (X, Y, dtype of the result), in a common dtype."""
    Y, dtype_y = read("Y", value)
    require_one_place("X and Y", (X, Y), "one of them, for example torch.as_tensor(Y), or move it, Y.to(X.device).")
    checks.same_features("X", tuple(X.shape), "Y", tuple(Y.shape))
    xp = namespace(X)
    common = xp.result_type(X, Y)
    return xp.astype(X, common, copy=False), xp.astype(Y, common, copy=False), xp.result_type(dtype, dtype_y)


def in_range(name: str, result: Array, fix: str) -> Array:
    """The result; refuses one that left the range of its dtype. The sum of all entries tells it, as in ``read``."""
    if readable(result):
        xp, values = namespace(result), detached(result)
        with np.errstate(all="ignore"):
            finite = bool(xp.isfinite(xp.sum(values))) or bool(xp.all(xp.isfinite(values)))
        if not finite:
            checks.no_overflow(name, float(xp.finfo(values.dtype).max), fix)
    return result


def require_one_place(names: str, values: Sequence[Array], fix: str) -> None:
    """Refuse arrays on different backends or devices; ``fix`` says what to convert."""
    for what, place in (("backend", backend), ("device", lambda x: str(compat.device(x)))):
        found = [place(x) for x in values]
        if len(set(found)) > 1:
            got = (" and " if len(found) == 2 else ", ").join(found)
            checks.fail(names, f"on the same {what}", got, f"Convert {fix}")


def read_on_host(name: str, value: Any, ndim: tuple[int, ...] = (2,)) -> tuple[np.ndarray, np.dtype]:
    """As :func:`read`, for routines that are NumPy only: tensors are refused with advice, not converted."""
    require_host(name, value)
    return read(name, value, ndim)


def require_host(name: str, value: Any) -> None:
    """Refuse, with advice, what a NumPy routine would misread: tensors, sparse and masked data, missing values."""
    if compat.is_torch_array(value):
        place = f"a tensor on {value.device}" + (" that requires grad" if value.requires_grad else "")
        checks.on_host(name, place, f"{name}.detach().cpu().numpy()")
    if compat.is_array_api_obj(value) and not isinstance(value, np.ndarray):
        checks.on_host(name, type(value).__name__, f"numpy.asarray({name})")
    checks.dense(name, value)
    _complete(name, value)


def check_positive(name: str, value: Any, **limits: Any) -> None:
    """Refuse a parameter that is out of range, as ``checks.positive`` does, where its values may be read."""
    if isinstance(value, float) and 0 < value < math.inf:
        return
    if readable(value):
        checks.positive(name, host(value), **limits)


def number(name: str, value: Any, infinite: bool = False, **limits: Any) -> float:
    """A positive parameter of which no gradient is computed, as a float."""
    if requires_grad(value):
        fix = f"Pass {name}.item(): no gradient with respect to it is computed."
        checks.fail(name, "a number", "a tensor that requires grad", fix, TypeError)
    values = host(value)
    if not (infinite and values.dtype.kind == "f" and values.ndim == 0 and values == math.inf):
        checks.positive(name, values, **limits)
    return float(values)


def _converted(name: str, value: Any) -> Array:
    checks.dense(name, value)
    if isinstance(value, np.ndarray | list | tuple) or hasattr(value, "columns") or hasattr(value, "iloc"):
        value = _from_host(name, value)
    elif not compat.is_array_api_obj(value) or isinstance(value, np.generic):
        fix = "Pass a NumPy array, a torch tensor, a list of lists or a data frame."
        checks.fail(name, "an array", type(value).__name__, fix, TypeError)
    xp = namespace(value)
    if xp.isdtype(value.dtype, ("bool", "integral")):
        if readable(value):
            _exact(name, host(value))
        return xp.astype(value, xp.float64)
    checks.dtype(name, dtype_name(value))
    return value


def _from_host(name: str, value: Any) -> np.ndarray:
    _complete(name, value)
    try:
        given = np.asarray(value)
        x = _numbers(given) if given.dtype == object else given
    except (ValueError, TypeError, RuntimeError) as error:
        fix = "Every entry must be a real number and all rows equally long."
        checks.fail(name, "an array of real numbers", f"entries that cannot be converted ({error})", fix)
    if not isinstance(value, np.ndarray) and given.dtype.kind == "f" and np.any(np.abs(given) >= 2**53):
        # lists and data frames may hold integers beside floats
        given = np.asarray(value.astype(object) if hasattr(value, "columns") else value, dtype=object)
    _exact(name, given)
    if x.dtype.kind not in "biuf":
        checks.dtype(name, x.dtype.name)
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _complete(name: str, value: Any) -> None:
    """Refuse a data frame with missing values."""
    if hasattr(value, "isna") and hasattr(value, "columns") and (gaps := value.isna().any(axis=0).to_numpy()).any():
        columns = ", ".join(map(repr, value.columns[gaps]))
        got = f"missing values in column(s) {columns}"
        checks.fail(name, "free of missing values", got, "Fill or drop those rows.")


def _exact(name: str, x: np.ndarray) -> None:
    """Refuse integers that float64 would change: in an integer array, or as objects."""
    if x.dtype == object:
        x = np.array([v for v in x.flat if isinstance(v, Integral)], object)
    if x.size and (x.dtype == object or (x.dtype.kind in "iu" and x.itemsize == 8)):
        if (largest := max(int(x.max()), int(x.min()), key=abs)) and abs(largest) > 2**53:
            fix = f"Subtract an offset, or round on purpose: numpy.asarray({name}, dtype=float)."
            expected = "made of integers from -2**53 to 2**53, which float64 holds exactly"
            checks.fail(name, expected, str(largest), fix)


def _numbers(x: np.ndarray) -> np.ndarray:
    strings = [v for v in x.flat if isinstance(v, str | bytes)]
    if strings:
        raise ValueError(f"the string {strings[0]!r}")
    return x.astype(np.float64)


def backend(x: Array) -> str:
    """The name of the library that ``x`` is an array of."""
    return namespace(x).__name__.removeprefix("array_api_compat.")


NO_MATRIX = "Work on a subset, or on random features or landmarks, which need no n x n matrix."


def container_limit(root: Path = Path("/")) -> float:
    """The smallest memory limit of this process's control groups (versions 2 and 1) in bytes; infinite without one."""
    mounts = {"": ("sys/fs/cgroup", "memory.max"), "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes")}
    limits = [math.inf]
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controller, group = line.split(":", 2)
            mount, name = mounts.get(controller, ("", ""))
            inner = root / mount / group.strip("/")
            files = [folder / name for folder in (inner, *inner.parents)]
            limits += [float(f.read_text().replace("max", "inf")) for f in files if name and f.is_file()]
    return min(limits)


CONTAINER_LIMIT = container_limit()  # read once: it takes longer than a small kernel matrix


def fits_memory(name: str, rows: int, columns: int, like: Array, fix: str = NO_MATRIX, copies: float = 1.0) -> None:
    """Refuse a matrix in the dtype of ``like`` that the memory of its device cannot hold, before it is allocated.

    ``copies`` is how many such matrices the routine holds at its peak. On the host the limit is the smallest of those
    of the machine, the container and the process (``ulimit -v``).
    """
    available = math.inf
    if isinstance(like, np.ndarray) or not on_device(like):
        available = CONTAINER_LIMIT
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            available = min(available, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        if resource is not None and (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
            available = min(available, limit)
    elif compat.is_torch_array(like) and like.device.type == "cuda":
        available = sys.modules["torch"].cuda.get_device_properties(like.device).total_memory
    needed = copies * int(rows) * int(columns) * namespace(like).finfo(like.dtype).bits / 8
    if needed > available:
        got = f"{rows} x {columns} entries" + (f", {copies:g} times at the peak," if copies > 1 else "")
        got += f" = {needed / GIB:,.1f} GiB"
        checks.fail(name, f"small enough for {available / GIB:,.1f} GiB of memory", got, fix)


def generator(rng: Seed, purpose: str) -> np.random.Generator:
    """The random stream for one purpose, such as ``"frequencies"``.

    An integer seeds a stream of its own for every purpose; a generator is used as it is, and moves on; None draws fresh
    entropy from the system. Draw in float64, then cast and move: every backend and device then sees the same numbers.
    """
    if rng is None or isinstance(rng, np.random.Generator | np.random.RandomState):
        return np.random.default_rng(rng)
    if not (type(rng) is int and rng >= 0):
        checks.seed("rng", rng)
    key = int.from_bytes(sha256(purpose.encode()).digest()[:8], "little")
    return np.random.default_rng(np.random.SeedSequence(int(rng), spawn_key=(key,)))
