"""Figures of Part V, attention: averages, their weights, and which key has the largest.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

import numpy as np

from companion import plotting
from companion.plotting import DASHED, PALETTE, SERIES, WIDE, Axes, Figure, mpl, note, plt, series


def around_the_clock(
    hour: np.ndarray,
    reading: np.ndarray,
    curves: tuple[np.ndarray, np.ndarray, np.ndarray],
    asked: float,
    share: np.ndarray,
) -> Figure:
    """Readings around a day, the truth and a weighted mean of the readings; below, the weights of one hour.

    ``curves`` are hours, the truth there and the weighted mean there; ``share`` has the weight of each reading when
    ``asked``, as a part of the largest.
    """
    fig, (above, below) = plt.subplots(2, 1, figsize=(WIDE[0], 3.9), height_ratios=[2.4, 1], sharex=True)
    grid, truth, mean = curves
    above.plot(hour, reading, "o", color=PALETTE["muted"], markersize=4, label="readings")
    above.plot(grid, truth, label="truth", **DASHED)
    above.plot(grid, mean, color=PALETTE["blue"], label="weighted mean")
    above.axvline(asked, color=PALETTE["rust"], linewidth=1.0)
    above.set(ylabel="temperature (°C)", ylim=(4, 26), yticks=[5, 15, 25])
    fig.legend(loc="outside upper center", ncols=3)
    below.vlines(hour, 0, share, color=PALETTE["rust"], linewidth=2.4)
    below.axvline(asked, color=PALETTE["rust"], linewidth=1.0)
    below.set(ylabel="weight", ylim=(0, 1.05), yticks=[0, 1], yticklabels=["0", "largest"])
    below.set(xlabel="hour", xlim=(0, 24), xticks=range(0, 25, 3))
    return fig


def masks(words: list[str], panels: dict[str, np.ndarray]) -> Figure:
    """Matrices of weights, a panel each: a row for each word that asks, a column for each word that is asked.

    Each weight is printed in its cell; a cell that is exactly zero stays empty.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True)
    for ax, (title, weights) in zip(axes, panels.items(), strict=True):
        plotting.matrix(ax, weights, title, limit=1.0)
        ax.set_aspect("equal")
        ax.set_xticks(range(len(words)), words, rotation=90)
        for row, column in np.argwhere(weights):
            weight = weights[row, column]
            look = {"size": 7, "ha": "center", "va": "center", "color": PALETTE["paper" if weight > 0.4 else "ink"]}
            ax.text(column, row, f"{weight:.2f}".removeprefix("0"), **look)
    axes[0].set_yticks(range(len(words)), words)
    return fig


def smoothers(x: np.ndarray, y: np.ndarray, grid: np.ndarray, truth: np.ndarray, curves: dict[str, np.ndarray]) -> Axes:
    """Data on a line, the truth, and what several methods make of the data."""
    fig, ax = plt.subplots()
    ax.plot(x, y, "o", color=PALETTE["muted"], markersize=3.5, label="data")
    ax.plot(grid, truth, label="truth", **DASHED)
    for curve, look in series(curves, ("rust", "blue", "teal")):
        ax.plot(grid, curve, **look)
    ax.set(xlabel="position", ylabel="value", ylim=(-1.75, 1.75), xlim=(grid[0], grid[-1]))
    fig.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
    return ax


def winners(reach: float, keys: np.ndarray, panels: dict[str, np.ndarray]) -> Figure:
    """For every query of a square, which of at most five keys has the largest weight: a panel for each rule.

    A panel is a matrix of indices, its rows from the bottom to the top of the square [-reach, reach]².
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.3), sharey=True)
    colours = [PALETTE[name] for name in SERIES[: len(keys)]]
    for ax, (title, index) in zip(axes, panels.items(), strict=True):
        look = {"cmap": mpl.colors.ListedColormap(colours), "vmin": -0.5, "vmax": len(keys) - 0.5, "alpha": 0.3}
        ax.imshow(index, origin="lower", extent=(-reach, reach, -reach, reach), **look)
        for number, (place, colour) in enumerate(zip(keys, colours, strict=True), 1):
            ax.plot(*place, "o", color=colour, markersize=7)
            note(ax, f"$k_{number}$", tuple(place), (6, 4))
        ax.plot(0, 0, "+", color=PALETTE["ink"], markersize=9)
        ax.set(title=title, xlabel="first coordinate of the query", xticks=range(-2, 3), yticks=range(-2, 3))
        ax.grid(False)
    axes[0].set_ylabel("second coordinate")
    return fig
