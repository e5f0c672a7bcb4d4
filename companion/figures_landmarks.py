"""Figures of Part III, landmarks: which points were chosen, and how the error falls with their number.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, SEQUENTIAL, Axes, Figure, legend_below, plt, series, ticks


def chosen(X: np.ndarray, panels: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Points of the plane, dark where much of them is missing, and the landmarks among them.

    ``panels`` maps a title to the rows that are landmarks, and to the diagonal of the rest.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(6.4, 3.5), sharex=True, sharey=True)
    for ax, (title, (rows, rest)) in zip(axes, panels.items(), strict=True):
        order = np.argsort(rest, kind="stable")
        look = {"c": rest[order], "cmap": SEQUENTIAL, "vmin": -0.15, "vmax": 1.0, "s": 13, "linewidths": 0}
        shown = ax.scatter(*X[order].T, **look)
        ax.plot(*X[rows].T, "o", mfc="none", color=PALETTE["rust"], markersize=7.5, mew=1.3, clip_on=False)
        ax.set(title=title, xticks=(-4, 0, 4), yticks=(-4, 0, 4), xlim=(-5.7, 5.7), ylim=(-5.7, 5.7), aspect="equal")
    fig.colorbar(shown, ax=axes, location="bottom", shrink=0.6, aspect=30, label="missing of $K_{ii}$").ax.set_xlim(
        0, 1
    )
    return fig


def errors_by_choice(D: np.ndarray, optimum: np.ndarray, curves: dict[str, np.ndarray]) -> Axes:
    """The trace of the rest against the number of landmarks, a curve for each way to choose them, and the optimum."""
    fig, ax = plt.subplots(figsize=(6.4, 3.9))
    for errors, look in series(curves, ("rust", "gold", "violet", "blue"), marker="^sDo"):
        ax.semilogy(D, errors, linewidth=1.4, **look)
    ax.semilogy(D, optimum, **DASHED, label="best of rank $D$")
    ax.set(xlabel="landmarks $D$", ylabel="trace of the rest", ylim=(0.005, 200))
    ticks(ax, x=D)
    ax.set_yticks((0.01, 0.1, 1, 10, 100), ("0.01", "0.1", "1", "10", "100"))
    legend_below(fig, ncols=3)
    return ax


def guarantee(D: np.ndarray, runs: np.ndarray, bound: np.ndarray, optimum: np.ndarray) -> Axes:
    """Trace errors of repeated runs, a row each, beside the bound on their mean and the optimum."""
    fig, ax = plt.subplots(figsize=(6.4, 3.6))
    ax.fill_between(D, runs.min(axis=0), runs.max(axis=0), color=PALETTE["blue"], alpha=0.2, linewidth=0)
    ax.semilogy(D, runs.mean(axis=0), color=PALETTE["blue"], label="measured, mean and range")
    ax.semilogy(D, bound, color=PALETTE["rust"], linestyle="-.", label="bound on the mean")
    ax.semilogy(D, optimum, **DASHED, label="best of rank $D$")
    ax.set(xlabel="landmarks $D$", ylabel="trace of the rest", xlim=(0, D[-1]), ylim=(0.01, 3000))
    ax.set_yticks((0.01, 0.1, 1, 10, 100, 1000), ("0.01", "0.1", "1", "10", "100", "1,000"))
    legend_below(fig, ncols=2)
    return ax
