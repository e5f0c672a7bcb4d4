"""Figures of Part V, the Performer: two errors that mirror each other, attention from features, and a test for bias.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, plt, series

LOOKS = ("rust", "blue", "teal")


def mirror(angle: np.ndarray, predicted: dict[str, np.ndarray], measured: dict[str, tuple]) -> Axes:
    """Relative standard errors of one similarity against the angle of query and key, with dots where measured.

    ``measured`` maps the names of ``predicted`` to a pair of arrays, angles and errors.
    """
    fig, ax = plt.subplots()
    for (name, curve), colour in zip(predicted.items(), LOOKS, strict=True):
        ax.semilogy(angle, curve, color=PALETTE[colour], label=name)
        ax.semilogy(*measured[name], "o", color=PALETTE[colour])
    ax.axhline(1, **DASHED)
    ax.text(2, 1.25, "as large as the similarity itself", color=PALETTE["muted"])
    ax.set(xlabel="angle between query and key (degrees)", ylabel="error / similarity")
    ax.set(xlim=(0, 180), xticks=range(0, 181, 30), ylim=(2e-3, 12))
    fig.legend(loc="outside lower center", ncols=3)
    return ax


def outputs(length: np.ndarray, panels: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Relative error of attention's outputs against the mean squared length, a panel below the other for each data."""
    fig, axes = plt.subplots(len(panels), 1, figsize=(WIDE[0], 5.6), sharex=True)
    styles = {"marker": ("o", "o", "o", "", ""), "linestyle": ("-", "-", "-", "-.", "--"), "markersize": (4,) * 5}
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        for curve, look in series(curves, ("rust", "blue", "teal", "violet", "ink"), **styles):
            ax.loglog(length, curve, **look)
        ax.set(title=title, ylabel="error of outputs", ylim=(2e-3, 200), xlim=(length[0] * 0.93, length[-1] * 1.07))
    axes[-1].set(xlabel="mean squared length of query and key")
    axes[-1].set_xticks(length, [f"{x:g}" for x in length], minor=False)
    axes[-1].minorticks_off()
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2)
    return fig


def directions(names: list[str], ratios: dict[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """Mean estimate over truth in several directions, with bars of five standard errors, for several ways to draw."""
    fig, ax = plt.subplots(figsize=WIDE)
    place = np.arange(len(names))
    ax.axhline(1, **DASHED)
    for (mean, error), look in series(ratios, ("rust", "blue", "teal"), marker="sod", zorder=(2.1, 2.2, 2.3)):
        shift = 0.15 * (look["zorder"] - 2.2) / 0.1
        ax.errorbar(place + shift, mean, 5 * error, capsize=3, linewidth=1.2, linestyle="", **look)
    ax.set_xticks(place, names)
    ax.set(ylabel="mean / truth", ylim=(0.82, 1.08), xlim=(-0.6, len(names) - 0.4))
    fig.legend(loc="outside lower center", ncols=3)
    return ax
