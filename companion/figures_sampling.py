"""Figures of Part IV, Metropolis–Hastings: a walk and its histogram, laws of wrong rules, forgetting, and what it costs.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, plt, series, ticks

LOOKS = ("blue", "rust", "teal", "violet")


def walk(track: np.ndarray, last: np.ndarray, grid: np.ndarray, density: np.ndarray) -> Figure:
    """The positions of one chain, (steps + 1,), beside a histogram of the last ones of many and the density."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.0), sharey=True, width_ratios=[3, 2])
    left.plot(track, color=PALETTE["blue"], drawstyle="steps-post", linewidth=1.3)
    left.set(xlabel="step", ylabel="position", xlim=(0, len(track) - 1), ylim=(grid[0], grid[-1]))
    edges = np.linspace(grid[0], grid[-1], 61)
    share = np.histogram(last, edges)[0] / len(last) / (edges[1] - edges[0])
    right.stairs(share, edges, orientation="horizontal", fill=True, color=PALETTE["blue"], alpha=0.45)
    right.plot(density, grid, **DASHED)
    right.set(xlabel="density", xlim=(0, 0.5), xticks=[0, 0.2, 0.4])
    return fig


def laws(target: np.ndarray, rules: dict[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """Shares of five states: dashed the target, bars as predicted for some rules of acceptance, dots as counted.

    ``rules`` maps a name to two arrays of the shape of ``target``, what is predicted and what was counted.
    """
    fig, ax = plt.subplots()
    place, wide = np.arange(len(target)), 0.8 / len(rules)
    for k, ((predicted, counted), look) in enumerate(series(rules, LOOKS)):
        at = place + (k - (len(rules) - 1) / 2) * wide
        ax.bar(at, predicted, 0.9 * wide, alpha=0.6, **look)
        ax.plot(at, counted, "o", color=PALETTE["ink"], markersize=3.5)
    ax.hlines(target, place - 0.45, place + 0.45, **DASHED)
    ax.set(xlabel="state", ylabel="share", xticks=place, ylim=(0, 0.42))
    ax.grid(False, axis="x")
    fig.legend(loc="outside lower center", ncols=len(rules))
    return ax


def forgetting(curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """Largest distance from p after k = 0, 1, ... steps, and dashed its bound, on a logarithmic axis."""
    fig, ax = plt.subplots()
    for ((distance, bound), look), thick in zip(series(curves, LOOKS), (1.8, 1.8, 1.8, 1.1), strict=False):
        ax.semilogy(distance, linewidth=thick, **look)
        ax.semilogy(bound, color=look["color"], linestyle="--", linewidth=1.0)
    steps = len(next(iter(curves.values()))[0])
    ax.set(xlabel="steps", ylabel="distance from the target", xlim=(0, steps - 1), ylim=(1e-6, 30))
    fig.legend(loc="outside lower center", ncols=2)
    return ax


def price(dims: np.ndarray, chain: np.ndarray, rejection: tuple[np.ndarray, np.ndarray]) -> Axes:
    """Evaluations of the density for one independent draw, against the dimension: by a chain, by rejection, directly."""
    fig, ax = plt.subplots(figsize=(WIDE[0], 3.2))
    ax.loglog(*rejection, color=PALETTE["rust"], label="rejection, predicted")
    ax.loglog(dims, chain, "o-", color=PALETTE["blue"], label="chain, measured")
    ax.axhline(1, **DASHED, label="direct draw")
    ax.set(xlabel="dimension", ylabel="evaluations / draw", ylim=(0.7, 1500))
    ticks(ax, x=dims)
    fig.legend(loc="outside lower center", ncols=3)
    return ax
