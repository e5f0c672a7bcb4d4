"""Figures of Part III, the pseudo-inverse: equations as lines, errors near a change of rank, thresholds, rounding.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, legend_below, note, plt, series, ticks

SIDE = (-1.6, 3.4), (-0.75, 2.35)
"""The part of the plane that ``equations`` shows."""


def equations(A: np.ndarray, y: np.ndarray, w: np.ndarray) -> Axes:
    """Each row of A w = y as a line of the plane, curves of equal misfit |A w - y|, the origin and an answer w.

    Rows have length one, so that the misfit of an equation is the distance to its line.
    """
    (left, right), (low, high) = SIDE
    _, ax = plt.subplots(figsize=(6.4, 4.1))
    grid = np.stack(np.meshgrid(np.linspace(left, right, 121), np.linspace(low, high, 81)), axis=-1)
    misfit = np.linalg.norm(grid @ A.T - y, axis=-1)
    least = np.linalg.norm(A @ w - y)
    levels = np.sqrt(least**2 + np.array([0.2, 0.5, 1.1]) ** 2)
    ax.contour(grid[..., 0], grid[..., 1], misfit, levels=levels, colors=PALETTE["teal"], linewidths=1.0)
    for a, offset in zip(A, y, strict=True):
        at, along = offset * a, 9 * np.array([-a[1], a[0]])
        ax.plot(*np.transpose([at - along, at + along]), color=PALETTE["muted"], linewidth=1.2)
    ax.plot(*np.transpose([[0, 0], w]), color=PALETTE["blue"], linewidth=1.6)
    ax.plot(0, 0, "o", color=PALETTE["ink"], markersize=5)
    ax.plot(*w, "o", color=PALETTE["blue"], markersize=9)
    note(ax, "0", (0, 0), (-6, -4), ha="right", va="top")
    ax.set(xlim=(left, right), ylim=(low, high), xlabel="$w_1$", ylabel="$w_2$", aspect="equal")
    ax.grid(False)
    return ax


def change_of_rank(size: np.ndarray, curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """How far the pseudo-inverse moves against the size of an error: measured as marks, predicted as dashed lines."""
    fig, ax = plt.subplots(figsize=(6.4, 3.5))
    for (measured, predicted), look in series(curves, ("rust", "blue"), marker="^o"):
        ax.loglog(size, predicted, "--", color=look["color"], linewidth=1.2)
        ax.loglog(size, measured, linestyle="none", **look)
    ax.plot([], [], **DASHED, label="predicted")
    ax.set(xlabel="size of the error $\\|E\\|$", ylabel="change of $A^+$")
    fig.legend(loc="outside lower center", ncols=3)
    return ax


def thresholds(threshold: np.ndarray, panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]) -> Figure:
    """Error of an answer against the threshold, a panel for each spectrum: measured as marks, predicted as lines.

    A panel maps a method to its measured and predicted errors; the measured ones are drawn at every third threshold.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.0), sharey=True)
    for ax, (title, methods) in zip(axes, panels.items(), strict=True):
        for (measured, predicted), look in series(methods, ("blue", "gold"), marker="os"):
            ax.loglog(threshold, predicted, color=look["color"], linewidth=1.2)
            hollow = {"markersize": 7, "markerfacecolor": "none"} if look["marker"] == "s" else {"markersize": 4}
            ax.loglog(threshold[::3], measured[::3], linestyle="none", **hollow, **look)
        ax.set(title=title, xlabel="threshold $t$", ylim=(0.03, 300))
        ticks(ax, x=(1e-4, 1e-2, 1))
        ax.set_xticklabels(["$10^{-4}$", "$10^{-2}$", "1"])
    axes[0].set_ylabel("error of $w$")
    legend_below(fig, ncols=2)
    return fig


def rounded_once(kappa: np.ndarray, measured: dict[str, np.ndarray], predicted: dict[str, np.ndarray]) -> Axes:
    """Error of a solution against the condition number for each matrix that was rounded, beside what is predicted."""
    fig, ax = plt.subplots(figsize=(6.4, 3.5))
    for values, look in series(measured, ("blue", "rust"), marker="o^"):
        ax.loglog(kappa, predicted[look["label"]], "--", color=look["color"], linewidth=1.2)
        ax.loglog(kappa, values, linestyle="none", **look)
    ax.plot([], [], **DASHED, label="predicted")
    ax.axhline(1.0, color=PALETTE["muted"], linewidth=0.8)
    note(ax, "no digit is left", (kappa[0], 1.0), (0, 3), color=PALETTE["muted"])
    ax.set(xlabel="condition number $\\kappa = \\sigma_1/\\sigma_p$", ylabel="relative error of $w$", ylim=(1e-8, 60))
    fig.legend(loc="outside lower center", ncols=3)
    return ax
