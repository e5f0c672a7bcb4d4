"""Figures of Part IV, sampling a spectral density: what frequencies of chains are worth, and how chains arrive.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, plt, series, ticks

LOOKS = ("rust", "blue", "teal", "violet")


def errors(m: np.ndarray, measured: dict[str, np.ndarray], predicted: np.ndarray) -> Axes:
    """Root mean square error of the kernel against the number of frequencies, with the error of independent ones."""
    fig, ax = plt.subplots()
    for curve, look in series(measured, LOOKS, marker="os^"):
        ax.loglog(m, curve, markersize=4.5, **look)
    ax.loglog(m, predicted, label="independent, predicted", zorder=1, **DASHED)
    ticks(ax, x=m, y=(0.02, 0.05, 0.1, 0.2, 0.5))
    ax.set(xlabel="frequencies $m$", ylabel="error of $k$", ylim=(0.014, 0.7))
    fig.legend(loc="outside lower center", ncols=2)
    return ax


def arrival(per_dimension: np.ndarray, panels: dict[str, dict[str, np.ndarray]], allowed: dict[str, float]) -> Figure:
    """Mean estimate less k against the steps per dimension, a panel for each dimension, a curve for each start.

    ``allowed`` maps the title of a panel to the standard error of 500 independent draws.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True)
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        ax.axhspan(-allowed[title], allowed[title], color=PALETTE["ink"], alpha=0.12, linewidth=0)
        ax.axhline(0, **DASHED)
        for curve, look in series(curves, LOOKS):
            ax.plot(per_dimension, curve, **look)
        ax.set(title=title, xlabel="steps / $d$", xlim=(0, per_dimension[-1]))
    axes[0].set(ylabel="mean estimate − $k$")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return fig


def density(grid: np.ndarray, log_density: np.ndarray, W: np.ndarray) -> Axes:
    """Contours of a density of two coordinates on a square grid, and frequencies that were drawn from it."""
    _, ax = plt.subplots(figsize=(4.4, 4.0))
    ax.plot(*W.T, "o", markersize=2.2, color=PALETTE["blue"], alpha=0.6, markeredgewidth=0)
    levels = log_density.max() + np.array([-4.5, -3, -2, -1, -0.3])
    ax.contour(grid, grid, log_density, levels, colors=PALETTE["ink"], linewidths=0.8, linestyles="solid")
    ax.set(xlabel=r"$\omega_1$", ylabel=r"$\omega_2$", xlim=(grid[0], grid[-1]), ylim=(grid[0], grid[-1]))
    ax.set_aspect("equal")
    return ax
