"""Figures of Part V, the scale of attention: how many keys share the weight of a query, against the number of keys.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. Numbers of keys have the
shape of the lengths against which they are drawn.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, plt, series


def keys_in_use(lengths: np.ndarray, measured: dict[str, np.ndarray], predicted: list[np.ndarray]) -> Axes:
    """Keys that share the weight against keys that are seen, measured as dots and predicted as lines.

    ``predicted`` has an array for each of ``measured``, in its order, NaN where nothing is predicted.
    """
    fig, ax = plt.subplots()
    ax.plot(lengths, lengths, **DASHED)
    ax.text(60, 130, "all keys", color=PALETTE["muted"], ha="right")
    for (curve, look), told in zip(series(measured, ("rust", "blue")), predicted, strict=True):
        ax.plot(lengths, told, color=look["color"])
        ax.plot(lengths, curve, "o", **look)
    ax.set(xscale="log", yscale="log", xlim=(7, 4.2e4), ylim=(0.9, 4.2e4))
    ax.set(xlabel="keys that a query sees, n", ylabel="keys that share the weight")
    fig.legend(loc="outside lower center", ncols=2)
    return ax


def tails(lengths: np.ndarray, panels: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Keys that share the weight against keys that are seen: a panel below the other for each law of the scores."""
    fig, axes = plt.subplots(len(panels), 1, figsize=(WIDE[0], 6.2), sharex=True)
    styles = {"marker": ("o", "s", ""), "linestyle": ("-", "-", "--"), "markersize": (4,) * 3}
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        for curve, look in series(curves, ("rust", "blue", "ink"), **styles):
            ax.loglog(lengths, curve, **look)
        ax.set(title=title, ylabel="keys in use", ylim=(0.9, 4e3), xlim=(7, 4.2e4))
    axes[-1].set(xlabel="keys that a query sees, n")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2)
    return fig
