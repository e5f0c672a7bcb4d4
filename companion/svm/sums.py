"""What one pass over the rows tells the support vector machine on features: a sum over blocks, in a fixed order.

Features φ_i with a constant 1 appended, labels y_i = ±1 and weights c_i. At the weights w of a machine row i has the
slack h_i = max(0, 1 - y_i ⟨w, φ_i⟩), and is active where h_i > 0. The machine minimises P(w) = |w|²/2 + Σ_i c_i h_i². A
Newton step from ``old`` to ``new`` needs, at new, Σ_i c_i h_i y_i φ_i, the losses Σ_i c_i h_i² along the way, and the
change of G = Σ_active c_i φ_i φ_iᵀ: a sum over the rows that became active, minus one over those that no longer are.
Both margins are computed from the weights, so that no state is kept between passes, and a pass repeated is the same.

Float32 features are multiplied in float32, 4,096 rows at a time, and added in float64: G errs by about 1e-8 Σ c |φ|².

>>> part = np.array([[2.0], [0.5]]), np.array([[1.0], [-1.0]]), np.array([1.0, 1.0])
>>> sums = block_sums([part], None, np.zeros((2, 1)))
>>> sums.gram[0], sums.pull[:, 0], sums.losses[:, 0]
(array([[4.25, 2.5 ],
       [2.5 , 2.  ]]), array([1.5, 0. ]), array([2.]))
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from companion._core import checks
from companion._core.arrays import Array, dtype_name, host, namespace

STEPS = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)  # where, between old and new, the losses are computed
ROWS = 4096  # of a product in float32
FAN_IN = 8
Part = tuple[Array, np.ndarray, np.ndarray]  # features (m, D), labels (m, k) and weights (m,) of some rows


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over rows for k machines, which add up over blocks. The constant feature is the last of D + 1.

    Parameters
    ----------
    gram : ndarray of shape (k, D + 1, D + 1), or (1, D + 1, D + 1) if it is the same for all
        The change of Σ_active c φ φᵀ.
    pull : ndarray of shape (D + 1, k)
        Σ c h y φ at the new weights.
    losses : ndarray of shape (steps, k)
        Σ c h² at each step from the old to the new weights.
    """

    gram: np.ndarray
    pull: np.ndarray
    losses: np.ndarray

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.gram + other.gram, self.pull + other.pull, self.losses + other.losses)


def block_sums(
    parts: Iterable[Part],
    old: np.ndarray | None,
    new: np.ndarray,
    steps: tuple[float, ...] = STEPS,
    *,
    precise: bool = False,
) -> Sums:
    """The sums over the rows of one block, which comes in parts of at most ``ROWS`` rows.

    Parameters
    ----------
    parts : iterable of (features (m, D), labels (m, k), weights (m,))
        Features on any backend and device: what stays large stays there.
    old : ndarray of shape (D + 1, k), or None
        The weights whose active rows are in the caller's G; None: no row is.
    new : ndarray of shape (D + 1, k)
        The weights to try.
    steps : tuple of float
        Where the losses are computed, 1 at ``new``. Without ``old``, there only.
    precise : bool
        Multiply in float64 whatever the features are in.

    Returns
    -------
    Sums

    Raises
    ------
    ValueError
        If features are not finite, or their products overflow.
    """
    gram = pull = losses = None
    alike = old is None and not new.any()
    for phi, y, c in parts:
        xp = namespace(phi)
        phi = xp.astype(phi, xp.float64, copy=False) if precise else phi
        y, c = (xp.asarray(values, device=phi.device) for values in (y, c))
        after = margins(phi, y, new)
        before = None if old is None else margins(phi, y, old)
        slack = xp.clip(1 - after, min=0.0)  # (m, k)
        if gram is None:
            p = phi.shape[1] + 1
            gram = xp.zeros((1 if alike else y.shape[1], p, p), dtype=xp.float64, device=phi.device)
            pull, losses = 0.0, 0.0
        pull = pull + with_constant(phi, c[:, None] * slack * y)
        losses = losses + losses_between(before, after, c, steps)
        for j in range(gram.shape[0]):
            now = after[:, j] < 1
            if before is None:
                add_products(gram[j, ...], phi, c, now, 1)
            else:
                was = before[:, j] < 1
                add_products(gram[j, ...], phi, c, now & ~was, 1)
                add_products(gram[j, ...], phi, c, was & ~now, -1)
    if not bool(xp.isfinite(xp.sum(gram))):
        raise_not_finite(phi)
    return Sums(host(gram), host(pull), host(losses))


def margins(phi: Array, y: Array, weights: np.ndarray) -> Array:
    """y f = y ⟨w, φ⟩ in float64: (m, D), (m, k) and (D + 1, k) give (m, k)."""
    xp = namespace(phi)
    f = xp.stack([scores(phi, w) for w in np.ascontiguousarray(weights.T)], axis=1)
    if not bool(xp.isfinite(xp.sum(f))):
        raise_not_finite(phi)
    return y * f


def scores(phi: Array, weights: np.ndarray) -> Array:
    """⟨w, φ⟩ in float64, for one machine: a column's bits must not depend on how many others there are.

    Beside float32 features w is split into two parts in float32, whose sum has its digits.
    """
    xp = namespace(phi)
    w = xp.asarray(weights[:-1], device=phi.device)
    near = xp.astype(w, phi.dtype)
    f = xp.astype(phi @ near, xp.float64) + float(weights[-1])
    if phi.dtype == xp.float64:
        return f
    return f + xp.astype(phi @ xp.astype(w - xp.astype(near, xp.float64), phi.dtype), xp.float64)


def with_constant(phi: Array, values: Array) -> Array:
    """Σ_i values_i φ_i with the constant feature, in float64: (m, D) and (m, k) give (D + 1, k)."""
    xp = namespace(phi)
    columns = [xp.astype(values[:, j], phi.dtype) @ phi for j in range(values.shape[1])]
    return xp.concat([xp.astype(xp.stack(columns, axis=1), xp.float64), xp.sum(values, axis=0)[None, :]])


def losses_between(before: Array | None, after: Array, c: Array, steps: tuple[float, ...]) -> Array:
    """Σ c h² at each step between the margins y f of the old and of the new weights: (steps, k)."""
    xp = namespace(after)
    if before is None:
        return (c @ xp.clip(1 - after, min=0.0) ** 2)[None, :]
    start, change = 1 - before, before - after
    return xp.stack([c @ xp.clip(start + t * change, min=0.0) ** 2 for t in steps])


def add_products(gram: Array, phi: Array, c: Array, rows: Array, sign: int) -> None:
    """Add ± Σ_rows c φ φᵀ to G: one product of a matrix with itself, which costs half of any other."""
    xp = namespace(phi)
    chosen = xp.nonzero(rows)[0]
    if chosen.shape[0] == 0:
        return
    root = xp.astype(c[chosen] ** 0.5, phi.dtype)
    part = xp.take(phi, chosen, axis=0) * root[:, None]
    products = part.mT @ part
    if sign > 0:
        gram[:-1, :-1] += products
    else:
        gram[:-1, :-1] -= products
    border = sign * xp.astype(part.mT @ root, xp.float64)
    gram[:-1, -1] += border
    gram[-1, :-1] += border
    gram[-1, -1] += sign * xp.sum(c[chosen])


def raise_not_finite(phi: Array) -> None:
    """Say which entries of a part are not finite, or that they are too large."""
    checks.finite("features", np.isfinite(host(phi)))
    fix = "Scale the features down."
    checks.fail("features", f"so small that their products stay finite in {dtype_name(phi)}", "an overflow", fix)


def reduce_by_index(arrivals: Iterable[tuple[int, Sums]], fan_in: int = FAN_IN) -> Sums:
    """The sum over blocks by one fixed tree: the same bits in whatever order (index, Sums) arrive.

    Node i of a level is the sum, in order, of nodes fan_in·i, fan_in·i + 1, ... of the level below; the blocks are the
    lowest. If they arrive in order, one partial sum a level is held; what comes too early waits.

    Parameters
    ----------
    arrivals : iterable of (int, Sums)
        Every index from 0 on, once.
    fan_in : int
        Children of a node. Another number rounds otherwise.

    Returns
    -------
    Sums

    Raises
    ------
    ValueError
        If an index is missing or comes twice.
    """
    tree = _Tree(fan_in)
    for index, sums in arrivals:
        tree.put(0, index, sums)
    return tree.root()


class _Tree:
    """Levels of waiting nodes, and of the groups of ``fan_in`` nodes that are being added."""

    def __init__(self, fan_in: int) -> None:
        self.fan_in = fan_in
        self.waiting: list[dict[int, Sums]] = []
        self.groups: list[dict[int, tuple[int, Sums]]] = []  # of each: how many were added, and their sum

    def put(self, level: int, index: int, sums: Sums) -> None:
        """A node is known: add what can be added, and pass complete groups on."""
        if level == len(self.waiting):
            self.waiting.append({})
            self.groups.append({})
        self.waiting[level][index] = sums
        group, width = index // self.fan_in, self.fan_in
        added, total = self.groups[level].pop(group, (0, sums))
        while (node := self.waiting[level].pop(group * width + added, None)) is not None:
            added, total = added + 1, total + node if added else node
        if added == width:
            self.put(level + 1, group, total)
        elif added:
            self.groups[level][group] = added, total

    def root(self) -> Sums:
        """The whole sum, once all blocks have arrived: the last group of each level has fewer nodes."""
        level = 0
        while level < len(self.groups):
            if self.waiting[level] or len(self.groups[level]) > 1:
                break
            for group, (_, total) in self.groups[level].items():
                if level == len(self.groups) - 1:
                    return total
                self.put(level + 1, group, total)
            level += 1
        raise ValueError("arrivals must have every block index from 0 on once; got an index twice, or not at all.")
