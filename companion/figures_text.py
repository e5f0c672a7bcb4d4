"""Figures of Part IV, searching for text: chains beside the exact law, what they reach at a temperature, penalties.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A text is shown by its
logarithm of probability, log p.
"""

from typing import Any

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, legend_below, plt, series, ticks

BAND: dict[str, Any] = {"color": PALETTE["ink"], "alpha": 0.15, "linewidth": 0}


def arrival(log_p: np.ndarray, mean: float, sd: float) -> Axes:
    """log p of chains, of shape (chains, sweeps), against the sweep, and the exact law: its mean and one deviation.

    Of the later sweeps some are left out, so that lines stay apart.
    """
    fig, ax = plt.subplots()
    sweep = np.unique(np.geomspace(1, log_p.shape[1], 18).round().astype(int))
    ax.axhspan(mean - sd, mean + sd, **BAND)
    ax.axhline(mean, **DASHED, label="exact: mean, and one standard deviation")
    lines = ax.semilogx(sweep, log_p[:, sweep - 1].T, color=PALETTE["blue"], linewidth=0.9)
    lines[0].set_label("chains")
    ax.set(xlabel="sweeps over the text", ylabel=r"$\log\, p$", xlim=(1, sweep[-1]), ylim=(-150, -20))
    ticks(ax, x=(1, 3, 10, 30, 100))
    legend_below(fig, ncols=2)
    return ax


def temperatures(T: np.ndarray, exact: tuple, at: np.ndarray, reached: dict[str, np.ndarray], best: float) -> Axes:
    """log p against the temperature: the exact mean and deviation, two arrays, what chains reach, and the best text."""
    fig, ax = plt.subplots(figsize=(6.4, 3.9))
    mean, sd = exact
    ax.fill_between(T, mean - sd, mean + sd, **BAND)
    ax.semilogx(T, mean, color=PALETTE["ink"], label="exact law")
    ax.axhline(best, **DASHED, label="best text")
    for means, look in series(reached, ("rust", "blue"), marker="so"):
        ax.plot(at, means, linestyle="", markersize=5.5, **look)
    ax.set(xlabel="temperature $T$", ylabel=r"mean of $\log\, p$", xlim=(T[0] * 0.93, T[-1] * 1.07), ylim=(-150, -15))
    ticks(ax, x=at)
    legend_below(fig, ncols=4)
    return ax


def penalties(w: np.ndarray, misses: np.ndarray, log_p: np.ndarray, rival: float) -> Figure:
    """Misses and log p of single chains, of shape (weights, chains), against the penalty, with a rival's log p."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDE[0], 3.0))
    for ax, values in zip(axes, (misses, log_p), strict=True):
        ax.set_xscale("log")
        ax.plot(w, values, "o", color=PALETTE["rust"], markersize=4, alpha=0.6, mew=0)
        ax.plot(w, values.mean(axis=1), color=PALETTE["rust"], label="with a penalty")
        ax.set(xlabel="penalty $w$")
        ticks(ax, x=w)
    axes[0].set(ylabel="pairs that differ", ylim=(-0.5, 11))
    axes[1].set(ylabel=r"$\log\, p$", ylim=(-205, -40))
    axes[1].axhline(rival, **DASHED, label="mirrored half")
    fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig
