"""Figures of Part II, the support vector machine on features: boundaries among points, and disagreement.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on.
"""

from collections.abc import Callable

import numpy as np

from companion.plotting import DASHED, PALETTE, Axes, plt, ticks


def boundaries(X: np.ndarray, y: np.ndarray, exact: Callable, estimate: Callable) -> Axes:
    """Points of two classes, and where two decision functions of points (n, 2) change sign."""
    fig, ax = plt.subplots(figsize=(6.4, 3.9))
    for label, colour, mark in (-1, "rust", "^"), (1, "blue", "o"):
        ax.plot(*X[y == label].T, mark, color=PALETTE[colour], markersize=2.4, alpha=0.45, linestyle="")
    x1, x2 = np.meshgrid(np.linspace(-2.1, 3.1, 121), np.linspace(-1.5, 2.0, 91))
    grid = np.column_stack([x1.ravel(), x2.ravel()])
    ax.contour(
        x1, x2, exact(grid).reshape(x1.shape), levels=[0.0], colors=DASHED["color"], linestyles="--", linewidths=1.6
    )
    ax.contour(x1, x2, estimate(grid).reshape(x1.shape), levels=[0.0], colors=PALETTE["teal"], linewidths=2.2)
    ax.plot([], [], color=PALETTE["teal"], linewidth=2.2, label="features")
    ax.plot([], [], "--", color=DASHED["color"], linewidth=1.6, label="kernel")
    ax.set(xlim=(-2.1, 3.1), ylim=(-1.5, 2.0), xlabel="$x_1$", ylabel="$x_2$")
    fig.legend(loc="outside lower center", ncols=2)
    return ax


def disagreement(D: np.ndarray, shares: np.ndarray, predicted: np.ndarray) -> Axes:
    """Share of points on which features and the kernel disagree, a row for each draw, against the feature columns."""
    fig, ax = plt.subplots(figsize=(6.4, 3.3))
    ax.loglog(D, predicted, **DASHED, label="falling as $1/\\sqrt{D}$")
    for share in shares:
        ax.loglog(D, share, "o", color=PALETTE["teal"], markersize=4)
    ax.loglog([], [], "o", color=PALETTE["teal"], markersize=4, label="one draw each")
    ax.set(xlabel="feature columns $D$", ylabel="share of other answers", ylim=(5e-4, 0.3))
    ticks(ax, x=D)
    fig.legend(loc="outside lower center", ncols=2)
    return ax
