"""Figures of Part III, products of which some terms are kept: errors against the number of terms, and an average.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, legend_below, note, plt, series, ticks


def against_zero(r: np.ndarray, errors: np.ndarray, predicted: np.ndarray) -> Axes:
    """Relative errors of sampled products against the terms drawn, a row for each repeat, beside those of zero."""
    fig, ax = plt.subplots()
    ax.axhspan(1, 40, color=PALETTE["rust"], alpha=0.08, linewidth=0)
    ax.axhline(1, color=PALETTE["rust"], label="the answer zero")
    ax.loglog(r, predicted, **DASHED, label="predicted")
    for row in errors:
        ax.loglog(r, row, "o", color=PALETTE["blue"], markersize=4)
    ax.plot([], [], "o", color=PALETTE["blue"], markersize=4, label="one sample each")
    note(ax, "worse than zero", (11, 22), (0, 0), color=PALETTE["rust"], va="center")
    ax.set(xlabel="terms drawn $r$, of 2,000", ylabel="relative error", xlim=(9, 1200), ylim=(0.1, 40))
    ticks(ax, x=(10, 30, 100, 300, 1000), form="{:,}")
    ticks(ax, y=(0.1, 0.3, 1, 3, 10, 30))
    fig.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
    return ax


def schemes(r: np.ndarray, panels: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Relative errors of ways to keep r terms, a panel for each product; a curve may end where it reaches zero."""
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.3), sharey=True)
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        ax.axhline(1, color=PALETTE["muted"], linewidth=0.8)
        colours, lines = ("blue", "teal", "rust", "gold", "ink"), ("-", "-", "-", ":", "--")
        for values, look in series(curves, colours, marker="os^xv", markersize=(9, 5, 6, 6, 6), linestyle=lines):
            shown = values > 0
            ax.loglog(r[shown], values[shown], linewidth=1.4, **look)
        ax.set(title=title, xlabel="terms $r$, of 2,000", ylim=(0.0005, 6), xlim=(8, 1000))
        ticks(ax, x=(10, 30, 100, 300), y=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3))
    axes[0].set_ylabel("relative error")
    legend_below(fig, ncols=3, columnspacing=1.2)
    return fig


def sampled_averages(x: np.ndarray, exact: np.ndarray, estimates: dict[str, np.ndarray]) -> Axes:
    """A curve of weighted averages, and the same from some of the terms."""
    fig, ax = plt.subplots(figsize=(WIDE[0], 3.1))
    for values, look in series(estimates, ("gold", "blue")):
        ax.plot(x, values, linewidth=1.3, **look)
    ax.plot(x, exact, **DASHED, label="all 2,000")
    ax.set(xlabel="$x$", ylabel="average", xlim=(x[0], x[-1]))
    fig.legend(loc="outside lower center", ncols=3)
    return ax
