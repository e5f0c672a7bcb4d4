"""Figures of *Choosing columns*: the errors of a kernel matrix, what they do to a prediction, and heavy tails.

Each draws what the page computed, in the style of ``plotting``, and returns what it drew on.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, legend_below, plt, ticks

SIZES = (8, 16, 32, 64, 128, 256)


def drawn_and_chosen(
    D: np.ndarray, drawn: np.ndarray, predicted: np.ndarray, chosen: np.ndarray, floor: np.ndarray
) -> Axes:
    """Relative error of K against D: draws beside their prediction, landmarks, and the best matrix of each rank.

    ``floor`` holds the best errors at the ranks 0, 1, 2, ...; the other curves belong to the columns D.
    """
    fig, ax = plt.subplots()
    ax.loglog(D, predicted, color=PALETTE["blue"], label="draws, predicted")
    ax.loglog(D, drawn, "o", color=PALETTE["blue"], label="draws, measured")
    ax.loglog(D, chosen, "^", color=PALETTE["rust"], label="landmarks")
    ax.loglog(np.arange(1, len(floor)), floor[1:], **DASHED, label="best of rank $D$")
    ax.set(xlabel="columns $D$", ylabel="relative error of $K$", xlim=(7, 290), ylim=(1e-9, 2))
    ticks(ax, x=SIZES)
    legend_below(fig, ncols=2)
    return ax


def two_views(errors: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], exact: float) -> Figure:
    """Wrong answers in per cent, against the error of K on the left and against D on the right.

    ``errors`` maps a method to columns D, errors of K and shares of wrong answers; ``exact`` is the exact kernel's.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDE[0], 3.0), sharey=True)
    colours, marks = ("blue", "teal", "gold", "rust"), "os^D"
    for (name, (D, of_kernel, wrong)), colour, mark in zip(errors.items(), colours, marks, strict=True):
        look = {"color": PALETTE[colour], "marker": mark, "linewidth": 1.2, "label": name}
        axes[0].plot(of_kernel, 100 * wrong, **look)
        axes[1].plot(D, 100 * wrong, **look)
    for ax in axes:
        ax.axhline(100 * exact, **DASHED, label="exact kernel")
    axes[0].set(xscale="log", xlabel="error of $K$", ylabel="wrong answers in %", ylim=(0, 9.5))
    axes[1].set(xscale="log", xlabel="columns $D$", xlim=(55, 600))
    ticks(axes[0], x=(0.01, 0.03, 0.1, 0.3))
    ticks(axes[1], x=(64, 128, 256, 512))
    legend_below(fig, ncols=3, columnspacing=1.2)
    return fig


def two_tails(panels: dict[str, dict[str, np.ndarray]], D: np.ndarray) -> Figure:
    """Relative error of K against D, a panel for each kernel: draws, landmarks and the best of each rank.

    A panel maps "drawn", "landmarks" and "best" to errors: the first two at the columns D, the last from rank 0 on.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.0), sharey=True)
    for ax, (title, found) in zip(axes, panels.items(), strict=True):
        ax.loglog(D, found["drawn"], "o-", color=PALETTE["blue"], linewidth=1.2, label="orthogonal draws")
        ax.loglog(D, found["landmarks"], "^-", color=PALETTE["rust"], linewidth=1.2, label="landmarks")
        ax.loglog(np.arange(1, len(found["best"])), found["best"][1:], **DASHED, label="best of rank $D$")
        ax.set(title=title, xlabel="columns $D$", xlim=(14, 600), ylim=(1e-3, 1))
        ticks(ax, x=(16, 64, 256))
    axes[0].set_ylabel("relative error of $K$")
    legend_below(fig, ncols=3, columnspacing=1.2)
    return fig
