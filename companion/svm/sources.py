"""Features in memory as a source of sums: an array, a function of a slice, or blocks that can be read again.

Nothing but one part of the rows is held at a time, whatever the features are made of, and the four kinds of source give
the same bits for the same blocks.

>>> y, c = np.array([[1.0], [-1.0], [1.0]]), np.ones(3)
>>> phi = np.array([[2.0], [0.5], [1.0]])
>>> whole, lazy = (Source(given, y, c, block_size=2) for given in (phi, lambda rows: phi[rows]))
>>> at = np.zeros((2, 1))
>>> bool((whole.passes(None, at).gram == lazy.passes(None, at).gram).all())
True
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array
from companion.svm.newton import DOUBLE, SINGLE
from companion.svm.sums import ROWS, STEPS, Part, Sums, block_sums, reduce_by_index

BLOCK = 65_536  # rows
_FAST = (np.dtype(np.float64), np.dtype(np.float32))
Reader = Callable[[slice], Any]


class Source:
    """Rows of features with their labels (n, k) and weights (n,), of which every ``every``-th is used."""

    def __init__(
        self, features: Any, y: np.ndarray, c: np.ndarray, block_size: int, precise: bool = False, every: int = 1
    ) -> None:
        self.features = features if callable(features) or is_blocks(features) else read_block(features, "features")
        self.y, self.c, self.block_size, self.precise, self.every = y, c, block_size, precise, every
        if not callable(features) and not is_blocks(features):
            checks.same_length("features", tuple(self.features.shape), "y", y.shape)
        self.n_columns = 0  # not yet known
        first = next(part for parts in self.blocks() for part in parts)[0]
        self.n_columns, self.dtype = int(first.shape[1]), arrays.dtype_name(first)

    def variant(self, precise: bool, every: int = 1) -> "Source":
        """The same rows, in another precision or only some of them."""
        return Source(self.features, self.y, self.c, self.block_size, precise, every)

    @property
    def rounding(self) -> float:
        """Of the sums of products, in units of their trace."""
        return DOUBLE if self.precise or self.dtype == "float64" else SINGLE

    def passes(
        self,
        old: np.ndarray | None,
        new: np.ndarray,
        steps: tuple[float, ...] = STEPS,
        columns: Any = slice(None),
    ) -> Sums:
        """One pass over the rows, for the machines whose columns of labels these are."""
        blocks = enumerate(self.blocks(columns))
        return reduce_by_index((i, block_sums(parts, old, new, steps, precise=self.precise)) for i, parts in blocks)

    def blocks(self, columns: Any = slice(None)) -> Iterator[Iterator[Part]]:
        """The parts of each block."""
        for start, stop, read in self._readers():
            first = start + -start % self.every
            if first < stop:
                yield self._parts(first, stop, read, columns)

    def _readers(self) -> Iterator[tuple[int, int, Reader]]:
        n, size = len(self.y), self.block_size
        if not is_blocks(self.features):
            read = self.features if callable(self.features) else self.features.__getitem__
            yield from ((start, min(start + size, n), read) for start in range(0, n, size))
            return
        start = 0
        for block in self.features:
            block = read_block(block, "a block of features", self.n_columns)
            stop = start + len(block)
            if stop <= n:
                yield start, stop, _within(block, start)
            start = stop
        if start != n:
            fix = "Row i of both must belong to sample i."
            checks.fail("features and y", "equal in their number of samples", f"{start} and {n}", fix)

    def _parts(self, first: int, stop: int, read: Reader, columns: Any) -> Iterator[Part]:
        for start in range(first, stop, ROWS * self.every):
            rows = slice(start, min(start + ROWS * self.every, stop), self.every)
            n_rows = len(range(rows.start, rows.stop, rows.step))
            phi = read(rows)
            if callable(self.features):
                phi = read_block(phi, "features(rows)", self.n_columns)
                if len(phi) != n_rows:
                    got = f"shape {tuple(phi.shape)} for {rows}"
                    checks.fail("features(rows)", f"of shape ({n_rows}, D), a row for each sample", got, "")
            yield phi, self.y[rows][:, columns], self.c[rows] * self.every


def _within(block: Array, start: int) -> Reader:
    return lambda rows: block[rows.start - start : rows.stop - start : rows.step]


def is_blocks(features: Any) -> bool:
    """Whether these are blocks, not one array; an iterator, which could be read only once, is refused."""
    if callable(features) or hasattr(features, "shape") or hasattr(features, "columns"):
        return False
    if not isinstance(features, Iterable) or isinstance(features, str | bytes | dict):
        return False
    if iter(features) is features:
        fix = "Pass a list of blocks, an object whose __iter__ starts again, or a function (slice) -> features."
        got = f"an iterator ({type(features).__name__})"
        checks.fail("features", "readable once for each pass", got, fix, TypeError)
    if isinstance(features, list | tuple):
        return bool(features) and getattr(features[0], "ndim", 0) == 2
    return True


def read_block(value: Any, name: str, n_columns: int = 0) -> Array:
    """Features as a matrix in float32 or float64: of NumPy, or of torch where they are on an accelerator."""
    if type(value) in (np.ndarray, np.memmap) and value.dtype in _FAST and value.ndim == 2 and 0 not in value.shape:
        phi = np.asarray(value)
    else:
        if arrays.requires_grad(value):
            checks.on_host(name, "a tensor that requires grad", f"{name}.detach()")
        phi, _ = arrays.read(name, value)
        phi = phi if arrays.on_device(phi) or not compat.is_torch_array(phi) else arrays.host(phi)
    if n_columns and phi.shape[1] != n_columns:
        checks.fail(name, f"of {n_columns} columns, as the first", f"{phi.shape[1]}", "")
    return phi
