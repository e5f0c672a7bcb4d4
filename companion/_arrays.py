"""Chooses between array backends: the border of the package, device and dtype rules, random streams.

The dense algebra is written once against the Python array API standard; this file is the only one that knows NumPy
from torch. Its rules: the output has the backend, device and dtype of the data argument; parameters are cast and moved
to it; integers and bools become float64; float16 is computed in float32. Shapes, dtypes and devices are always checked,
values (NaN, infinity, rounding bounds) on the host only, unless ``check_values_on_device()`` asks for more.

Integer seeds are combined with the purpose of the draw: data and frequencies made with the same seed are independent.

>>> a, b = generator(0, "data").random(), generator(0, "frequencies").random()
>>> a == generator(0, "data").random(), a == b
(True, False)
"""

import operator
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from numbers import Integral
from typing import Any

import array_api_compat as compat
import numpy as np

from companion import _checks

Array = Any
Seed = int | np.random.Generator | np.random.RandomState | None

TILE_ROWS, TILE_COLUMNS = 128, 2048  # a float64 tile is 2 MiB, the size of a level-2 cache
_values_on_device: ContextVar[bool] = ContextVar("values_on_device", default=False)


@contextmanager
def check_values_on_device() -> Iterator[None]:
    """Check values on accelerators too, inside a ``with`` block; each check waits for the device.

    Examples
    --------
    >>> with check_values_on_device():
    ...     pass
    """
    token = _values_on_device.set(True)
    try:
        yield
    finally:
        _values_on_device.reset(token)


def checks_values(x: Array) -> bool:
    """Whether the values of ``x`` may be read: it is on the host, or the caller asked."""
    return _values_on_device.get() or not _on_device(x)


def _on_device(x: Array) -> bool:
    return compat.is_cupy_array(x) or (compat.is_torch_array(x) and x.device.type != "cpu")


def namespace(*arrays: Array) -> Any:
    """The array API namespace of the data arguments."""
    return compat.array_namespace(*arrays)


def detached(x: Array) -> Array:
    """``x`` without its gradient; shares memory."""
    return x.detach() if compat.is_torch_array(x) else x


def host(x: Array) -> np.ndarray:
    """The values of ``x`` as a NumPy array, without gradient; may share memory."""
    return detached(x).cpu().numpy() if compat.is_torch_array(x) else np.asarray(x)


def parameter_values(value: Any) -> np.ndarray | None:
    """The values of a parameter for checking, or None where they may not be read."""
    return host(value) if checks_values(value) else None


def rounded(values: np.ndarray, like: Array) -> np.ndarray:
    """The values of a parameter in the dtype of a data argument, as `follow` casts them."""
    return values.astype(_dtype_name(like))


def data(name: str, value: Any, ndim: tuple[int, ...] = (2,)) -> tuple[Array, Any]:
    """Convert and check one data argument.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    value : array, data frame or (nested) sequence
        The argument.
    ndim : tuple of int
        The allowed numbers of axes.

    Returns
    -------
    x : array of dtype float32 or float64
        The argument, ready to compute with; may share memory with ``value``.
    dtype : dtype
        The dtype that results must have.

    Raises
    ------
    TypeError, ValueError
        If it is not a finite, dense, non-empty array of real numbers with one of the allowed numbers of axes, or
        holds an integer of more than 2**53 in size.
    """
    x = _as_array(name, value)
    _checks.shape(name, tuple(x.shape), ndim)
    xp = namespace(x)
    if checks_values(x) and not bool(xp.all(xp.isfinite(x))):
        _checks.finite(name, np.isfinite(host(x)))
    return (xp.astype(x, xp.float32) if _dtype_name(x) == "float16" else x), x.dtype


def data_pair(X: Any, Y: Any | None) -> tuple[Array, Array | None, Any]:
    """Convert and check two data arguments of a kernel; the results are (X, Y or None, dtype of the result)."""
    x, dtype = data("X", X)
    if Y is None or Y is X:
        return x, None, dtype
    y, dtype_y = data("Y", Y)
    _checks.same_place("X", _backend(x), "Y", _backend(y), "backend")
    _checks.same_place("X", str(compat.device(x)), "Y", str(compat.device(y)), "device")
    _checks.same_features("X", tuple(x.shape), "Y", tuple(y.shape))
    xp = namespace(x)
    common = xp.result_type(x, y)
    return xp.astype(x, common, copy=False), xp.astype(y, common, copy=False), xp.result_type(dtype, dtype_y)


def host_data(name: str, value: Any, ndim: tuple[int, ...] = (2,)) -> tuple[np.ndarray, np.dtype]:
    """As :func:`data`, for routines that are NumPy only: tensors are refused with advice, not converted."""
    require_host(name, value)
    return data(name, value, ndim)


def require_host(name: str, value: Any) -> None:
    """Refuse, with advice, what a NumPy routine would misread: tensors, sparse and masked data, missing values."""
    if compat.is_torch_array(value):
        place = f"a tensor on {value.device}" + (" that requires grad" if value.requires_grad else "")
        _checks.on_host(name, place, f"{name}.detach().cpu().numpy()")
    if compat.is_array_api_obj(value) and not isinstance(value, np.ndarray):
        _checks.on_host(name, type(value).__name__, f"numpy.asarray({name})")
    _checks.dense(name, value)
    _complete(name, value)


def follow(value: Any, like: Array) -> Array:
    """Cast and move a parameter to the backend, dtype and device of a data argument; gradients pass."""
    if compat.is_torch_array(value) and compat.is_torch_array(like):
        return value.to(dtype=like.dtype, device=like.device)
    if compat.is_torch_array(value) and value.requires_grad:
        _checks.on_host("a parameter that goes with NumPy data", "a tensor that requires grad", "parameter.detach()")
    return namespace(like).asarray(rounded(host(value), like), device=compat.device(like))


def _as_array(name: str, value: Any) -> Array:
    _checks.dense(name, value)
    if isinstance(value, np.ndarray | list | tuple) or hasattr(value, "columns") or hasattr(value, "iloc"):
        value = _from_host(name, value)
    elif not compat.is_array_api_obj(value) or isinstance(value, np.generic):
        _checks.not_an_array(name, value)
    xp = namespace(value)
    if xp.isdtype(value.dtype, ("bool", "integral")):
        if checks_values(value):
            _exact(name, host(value))
        return xp.astype(value, xp.float64)
    _checks.dtype(name, _dtype_name(value))
    return value


def _from_host(name: str, value: Any) -> np.ndarray:
    _complete(name, value)
    try:
        given = np.asarray(value)
        x = _numbers(given) if given.dtype == object else given
    except (ValueError, TypeError, RuntimeError) as error:
        _checks.unreadable(name, error)
    if not isinstance(value, np.ndarray) and given.dtype.kind == "f" and np.any(np.abs(given) >= 2**53):
        # lists and data frames may hold integers beside floats
        given = np.asarray(value.astype(object) if hasattr(value, "columns") else value, dtype=object)
    _exact(name, given)
    if x.dtype.kind not in "biuf":
        _checks.dtype(name, x.dtype.name)
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _complete(name: str, value: Any) -> None:
    """Refuse a data frame with missing values."""
    if hasattr(value, "isna") and hasattr(value, "columns"):
        _checks.no_missing_columns(name, list(value.columns[value.isna().any(axis=0).to_numpy()]))


def _exact(name: str, x: np.ndarray) -> None:
    """Refuse integers that float64 would change: in an integer array, or as objects."""
    if x.dtype == object:
        x = np.array([v for v in x.flat if isinstance(v, Integral)], object)
    if x.size and (x.dtype == object or (x.dtype.kind in "iu" and x.itemsize == 8)):
        _checks.exact_integers(name, int(x.min()), int(x.max()))


def _numbers(x: np.ndarray) -> np.ndarray:
    strings = [v for v in x.flat if isinstance(v, str | bytes)]
    if strings:
        raise ValueError(f"the string {strings[0]!r}")
    return x.astype(np.float64)


def _dtype_name(x: Array) -> str:
    return x.dtype.name if isinstance(x, np.ndarray) else str(x.dtype).rpartition(".")[2]


def _backend(x: Array) -> str:
    return namespace(x).__name__.removeprefix("array_api_compat.")


def memory(x: Array) -> int | None:
    """Bytes of memory of the device that holds ``x``, where the system tells."""
    if _on_device(x):
        is_cuda = compat.is_torch_array(x) and x.device.type == "cuda"
        return sys.modules["torch"].cuda.get_device_properties(x.device).total_memory if is_cuda else None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _writable(x: Array) -> bool:
    if compat.is_torch_array(x):
        return not x.requires_grad
    return isinstance(x, np.ndarray)


def exp_(x: Array) -> Array:
    """exp(x) of an own temporary, in place where that is allowed."""
    return namespace(x).exp(x, out=x) if _writable(x) else namespace(x).exp(x)


def add_(x: Array, y: Array | float) -> Array:
    """x + y of an own temporary ``x``, in place where that is allowed."""
    return operator.iadd(x, y) if _writable(x) and (isinstance(y, float) or _writable(y)) else x + y


def multiply_(x: Array, y: Array | float) -> Array:
    """x * y of an own temporary ``x``, in place where that is allowed."""
    return operator.imul(x, y) if _writable(x) and (isinstance(y, float) or _writable(y)) else x * y


def clip_above_(x: Array, bound: float) -> Array:
    """min(x, bound) of an own temporary, in place; its gradient is that of ``x``, so that it exists at the bound."""
    if compat.is_torch_array(x):
        detached(x).clamp_(max=bound)
    elif isinstance(x, np.ndarray):
        np.minimum(x, bound, out=x)
    else:
        x[x > bound] = bound
    return x


def ones_like_rows(X: Array) -> Array:
    """A one for each row of ``X``, shape (n,)."""
    return namespace(X).ones(X.shape[0], dtype=X.dtype, device=X.device)


def columns(*blocks: Array) -> Array:
    """Blocks of columns side by side."""
    return namespace(*blocks).concat(blocks, axis=1)


def _set_diagonal(x: Array, value: float) -> None:
    if compat.is_torch_array(x):
        detached(x).fill_diagonal_(value)
    elif isinstance(x, np.ndarray):
        np.fill_diagonal(x, value)
    else:
        for i in range(x.shape[0]):
            x[i, i] = value


def runs_on_numpy(*arrays: Array | None) -> bool:
    """Whether NumPy may compute with these: they are its own, or tensors on the host that record no gradient."""
    return all(x is None or isinstance(x, np.ndarray) or (_is_torch_host(x) and not x.requires_grad) for x in arrays)


def requires_grad(x: Any) -> bool:
    """Whether ``x`` is a tensor that records a gradient."""
    return compat.is_torch_array(x) and x.requires_grad


def reaches_host(*arrays: Array | None) -> bool:
    """Whether SciPy may compute with these: they are on the host and record no gradient."""
    return not any(x is not None and (_on_device(x) or requires_grad(x)) for x in arrays)


def _is_torch_host(x: Array) -> bool:
    return compat.is_torch_array(x) and not _on_device(x)


def from_host(values: np.ndarray, like: Array) -> Array:
    """A NumPy result as an array of the backend of ``like``, which is on the host; shares memory where it can."""
    return sys.modules["torch"].from_numpy(values) if compat.is_torch_array(like) else namespace(like).asarray(values)


def torch_distances(Z: Array, V: Array, p: int) -> Array | None:
    """|z - v|_p from differences, with a gradient of 0 where z = v; None where the arrays are not torch's."""
    if not compat.is_torch_array(Z):
        return None
    return sys.modules["torch"].cdist(Z, V, p=float(p), compute_mode="donot_use_mm_for_euclid_dist")


def torch_cos_sin(X: Array) -> Callable[..., None] | None:
    """For float64 tensors, torch's way to write cos(t) and sin(t) into NumPy arrays; None for others."""
    if not _is_torch_host(X) or _dtype_name(X) != "float64":
        return None
    torch = sys.modules["torch"]

    def write(t: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> None:
        for function, out in ((torch.cos, cosine), (torch.sin, sine)):
            function(torch.from_numpy(t), out=torch.from_numpy(out))

    return write


def pairwise(
    A: Array, B: Array, finish: Callable[[Array], Array], *, symmetric: bool, diagonal: float | None = None
) -> Array:
    """finish(A @ B.T), for an elementwise function that may overwrite its argument.

    Without gradients on the host it runs in NumPy, in tiles that stay in the cache; if the product is symmetric, only
    the upper triangle is computed and mirrored.

    Parameters
    ----------
    A, B : array of shape (n, p), array of shape (m, p)
        The factors.
    finish : callable
        Elementwise; gets an own temporary.
    symmetric : bool
        The product is symmetric up to rounding: make it exactly so.
    diagonal : float, optional
        The exact diagonal of a symmetric product, set before ``finish``.

    Returns
    -------
    array of shape (n, m)
    """
    if runs_on_numpy(A, B):
        return from_host(tiles(_product, host(A), host(B), finish, symmetric=symmetric, diagonal=diagonal), A)
    return finish(_symmetrised(A @ B.T, diagonal) if symmetric else A @ B.T)


def _symmetrised(product: Array, diagonal: float | None) -> Array:
    product = (product + product.T) / 2
    if diagonal is not None:
        _set_diagonal(product, diagonal)
    return product


def _product(A: np.ndarray, B: np.ndarray, out: np.ndarray) -> np.ndarray:
    return np.matmul(A, B.T, out=out)


def tiles(
    block: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    A: np.ndarray,
    B: np.ndarray,
    finish: Callable[[np.ndarray], np.ndarray],
    *,
    symmetric: bool,
    diagonal: float | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """As ``pairwise``, for ``block(rows of A, rows of B, out)``, which may fill ``out`` or return another array."""
    n, m = len(A), len(B)
    out = np.empty((n, m), dtype or A.dtype)
    for i in range(0, n, TILE_ROWS):
        j = min(i + TILE_ROWS, n)
        for p in range(i if symmetric else 0, m, TILE_COLUMNS):
            q = min(p + TILE_COLUMNS, m)
            tile = out[i:j, p:q]  # (<= TILE_ROWS, <= TILE_COLUMNS)
            values = block(A[i:j], B[p:q], tile)
            if symmetric and p == i:
                values[:, : j - i] = _symmetrised(values[:, : j - i], diagonal)
            done = finish(values)
            if done is not tile:
                tile[...] = done
            if symmetric:
                mirror = max(p, j)
                out[mirror:q, i:j] = out[i:j, mirror:q].T
    return out


def generator(rng: Seed, purpose: str) -> np.random.Generator:
    """The random stream for one purpose.

    Parameters
    ----------
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        An integer seeds a stream of its own for every purpose; a generator is used as it is, and moves on; None draws
        fresh entropy from the system.
    purpose : str
        What is drawn, for example ``"frequencies"``.

    Returns
    -------
    numpy.random.Generator
        Draw in float64, then cast and move: every backend and device then sees the same numbers.

    Raises
    ------
    TypeError, ValueError
        If ``rng`` is not a seed: a bool, a float, a string, a negative integer.

    Examples
    --------
    >>> generator(0, "data").standard_normal(2).dtype
    dtype('float64')
    """
    if rng is None or isinstance(rng, np.random.Generator | np.random.RandomState):
        return np.random.default_rng(rng)
    _checks.seed("rng", rng)
    key = int.from_bytes(sha256(purpose.encode()).digest()[:8], "little")
    return np.random.default_rng(np.random.SeedSequence(int(rng), spawn_key=(key,)))
