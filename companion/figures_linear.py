"""Figures of Part V, linear attention: two brackets, chunks, and what a state recalls.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

from typing import Any

import numpy as np

from companion import plotting
from companion.plotting import DASHED, PALETTE, SERIES, WIDE, Axes, Figure, note, plt, series, ticks

LARGEST = 1024
"""The length up to which ``brackets`` draws; its scale is the same for every length."""


def brackets(n: int, D: int, e: int) -> Axes:
    """Both ways to bracket (ΦΨᵀ)U to scale: factors left of and above the product that is formed first, filled."""
    gap, left = 40, 2 * LARGEST + 450  # where the second product's left factor begins
    _, ax = plt.subplots(figsize=(6.4, 3.5))
    looks: dict[str, dict[str, Any]] = {name: {"color": PALETTE[name]} for name in ("rust", "blue")}
    looks["factor"] = {"facecolor": PALETTE["rule"], "edgecolor": PALETTE["muted"], "linewidth": 0.6}
    corner = D + gap
    for x, y, width, height, look in (
        (0, 0, D, n, "factor"), (corner, n + gap, n, D, "factor"), (corner, 0, n, n, "rust"),
        (left - gap - n, 0, n, D, "factor"), (left, D + gap, e + 1, n, "factor"), (left, 0, e + 1, D, "blue"),
    ):  # fmt: skip
        ax.add_patch(plt.Rectangle((x, y), width, height, **looks[look]))
    note(ax, "$\\Phi$", (0, n), (0, 3), va="bottom")
    note(ax, "$\\Psi^{\\top}$", (corner + n, n + gap + D / 2), (4, 0), va="center")
    note(ax, "$\\Psi^{\\top}$", (left - gap - n / 2, D), (0, 3), ha="center", va="bottom")
    note(ax, "$U$", (left + (e + 1) / 2, D + gap + n), (0, 3), ha="center", va="bottom")
    text = f"first $\\Phi\\Psi^{{\\top}}$, {n} × {n}"
    note(ax, text, (0, 0), (0, -6), va="top", color=PALETTE["rust"])
    text = f"first $\\Psi^{{\\top}} U$, {D} × {e + 1}"
    note(ax, text, (left + e, 0), (0, -6), ha="right", va="top", color=PALETTE["blue"])
    ax.set(xlim=(-20, left + e + 30), ylim=(-120, LARGEST + D + 160), aspect="equal")
    ax.axis("off")
    return ax


def chunks(n: int, size: int, D: int, e: int, C: np.ndarray, best: float) -> Figure:
    """The pairs of a causal sequence in chunks, those that pass through the state in blue; counts against the size.

    Numbers of the states are blue too, those of the tables rust, as their pairs; all numbers held are black.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=WIDE, width_ratios=(1, 1.7))
    i, j = np.indices((n, n))
    kind = np.where(j > i, 0, np.where(i // size == j // size, 2, 1))
    for value, name in ((1, "blue"), (2, "rust")):
        at = np.argwhere(kind == value)
        left.scatter(at[:, 1], at[:, 0], 14, color=PALETTE[name], marker="s", linewidths=0)
    for k in range(0, n + 1, size):
        left.axhline(k - 0.5, color=PALETTE["muted"], linewidth=0.6)
        left.axvline(k - 0.5, color=PALETTE["muted"], linewidth=0.6)
    left.set(xlabel="key $j$", ylabel="query $i$", xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), xticks=[], yticks=[])
    left.set_aspect("equal")
    left.grid(False)
    states, tables, products = D * (e + 1) / C, C, 2 * D * (e + 1) + C * (D + e + 1)
    for values, colour, style in (
        (products, "violet", "-"), (states, "blue", ":"), (tables, "rust", ":"), (states + tables, "ink", "-"),
    ):  # fmt: skip
        right.loglog(C, values, style, color=PALETTE[colour])
    note(right, "multiplications", (C[0], products[0]), (4, 6), color=PALETTE["violet"])
    note(right, "numbers held", (best, 2 * best), (6, 22))
    note(right, "states", (C[0], states[0]), (30, -46), color=PALETTE["blue"])
    note(right, "tables", (C[0], tables[0]), (52, 8), color=PALETTE["rust"])
    right.axvline(best, **DASHED)
    right.set(xlabel="positions of a chunk $C$", ylabel="count a position", xlim=(C[0], C[-1]))
    ticks(right, x=[c for c in (1, 8, 64, 512, 4096) if C[0] <= c <= C[-1]])
    return fig


def recalled(n: np.ndarray, shares: dict[str, np.ndarray], errors: dict[str, np.ndarray], D: int) -> Figure:
    """Against the number of stored pairs: the share that is recalled, and squared errors, with the bound 1 - D/n."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDE[0], 3.3))
    colours = ("ink", "ink", *SERIES)
    for ax, curves in ((left, shares), (right, errors)):
        for values, look in series(curves, colours, linestyle=("-", ":", "-", "-", "--", "-"), marker="os^Dvx"):
            ax.plot(n, values, markersize=4, **look)
        ax.set(xscale="log", xlabel="stored pairs $n$")
        ticks(ax, x=n)
    grid = np.geomspace(D, n[-1])
    right.fill_between(grid, 1 - D / grid, color=PALETTE["rule"], alpha=0.8, linewidth=0)
    note(right, f"no state\nof $D = {D}$", (n[-1], 0.0), (-3, 5), ha="right", va="bottom", color=PALETTE["muted"])
    left.set(ylabel="recalled, %", ylim=(-3, 105))
    right.set(ylabel="squared error", ylim=(0, 1.05))
    plotting.legend_below(fig, ncols=3, columnspacing=1.2)
    return fig
