"""Figures of Part V, the variance of positive features: four maps, rows of one length, trained heads, a warning light.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, SINGLE, Axes, Figure, legend_below, note, plt, series, ticks

MAPS = ("rust", "blue", "gold", "teal")  # positive, pairs, longer, both
LOOKS = {"linestyle": ("-", "-", "--", "--"), "marker": "osos"}
SQUARES = (0.25, 0.5, 1, 2, 4, 8, 16)
TOP = 4
SHARES = (0.001, 0.01, 0.1, 1, 10)


def four_maps(square: np.ndarray, predicted: dict[str, np.ndarray], measured: dict[str, tuple]) -> Axes:
    """Relative standard errors of one similarity against |x + y|², with dots where measured.

    ``measured`` maps the names of ``predicted`` to a pair of arrays, squares and errors.
    """
    fig, ax = plt.subplots()
    for curve, look in series(predicted, MAPS, **LOOKS):
        marker = look.pop("marker")
        ax.loglog(square, curve, **look)
        ax.loglog(*measured[look["label"]], marker, color=look["color"])
    _error_axes(ax, (square[0], square[-1]))
    legend_below(fig, 2)
    return ax


def made_for(square: np.ndarray, plain: np.ndarray, best: np.ndarray, curves: dict[float, np.ndarray]) -> Axes:
    """Relative standard errors against |x + y|²: rows made for one |x + y|² each, which a mark shows, and the best."""
    fig, ax = plt.subplots()
    ax.loglog(square, plain, color=PALETTE["blue"], label="as drawn")
    ax.loglog(square, best, ":", color=PALETTE["ink"], linewidth=2.4, label="made for each", zorder=3)
    for (q, curve), colour in zip(curves.items(), ("gold", "teal", "violet"), strict=True):
        ax.loglog(square, curve, "--", color=PALETTE[colour], label=f"made for {q:g}")
        height = np.exp(np.interp(np.log(q), np.log(square), np.log(curve)))
        ax.loglog(q, height, "s", color=PALETTE[colour], clip_on=False, zorder=4)
    _error_axes(ax, (square[0], square[-1]))
    legend_below(fig, 3, columnspacing=1.2)
    return ax


def _error_axes(ax: Axes, ends: tuple[float, float]) -> None:
    ax.axhline(1, **DASHED)
    note(ax, "as large as the similarity itself", (ends[0], 1), (4, 4), color=PALETTE["muted"])
    ax.set(xlabel="$|x + y|^2$", ylabel="error / similarity", xlim=ends, ylim=(1e-3, 20))
    ticks(ax, x=[q for q in SQUARES if ends[0] <= q <= ends[1]], y=SHARES, form="{:g}")


def heads(errors: dict[str, dict[str, np.ndarray]], controls: dict[str, dict[str, float]]) -> Figure:
    """Errors of attention: for each head those of each map over the draws, with the controls as lines.

    ``errors`` maps a head to its maps and their errors, ``controls`` a head to what draws nothing.
    """
    fig, axes = plt.subplots(2, 2, figsize=(SINGLE[0], 4.6), sharey=True)
    for ax, (head, maps) in zip(axes.flat, errors.items(), strict=True):
        for place, (found, look) in enumerate(series(maps, MAPS, marker=LOOKS["marker"])):
            ax.semilogy(np.full(len(found), place), found, look["marker"], color=look["color"], alpha=0.5, ms=4)
            ax.semilogy([place - 0.3, place + 0.3], [np.median(found)] * 2, color=look["color"], label=look["label"])
        for (name, value), style in zip(controls[head].items(), (":", "-."), strict=True):
            if value < TOP:
                ax.axhline(value, color=PALETTE["ink"], linestyle=style, linewidth=1.2, label=name)
            else:
                note(ax, f"{name}: above {TOP}", (len(maps) - 0.4, TOP), (-2, -4), ha="right", va="top")
        ax.set(title=head, xticks=[], xlim=(-0.6, len(maps) - 0.4), ylim=(0.2, TOP))
        ticks(ax, y=(0.3, 0.5, 1, 2, 4), form="{:g}")
        ax.grid(False, axis="x")
    for ax in axes[:, 0]:
        ax.set(ylabel="error of outputs")
    legend_below(fig, 3, columnspacing=1.2)
    return fig


def warning_light(size: dict[str, np.ndarray], error: dict[str, np.ndarray], m: int, least: float) -> Axes:
    """Relative error of each query's output against its effective sample size, and the standard error that this tells.

    Sizes below ``least`` are shaded.
    """
    fig, ax = plt.subplots()
    x = np.geomspace(1, m * 0.999, 200)
    ax.axvspan(0.9, least, color=PALETTE["rust"], alpha=0.08, linewidth=0)
    for (sizes, look), errors in zip(series(size, ("teal", "rust"), marker="os"), error.values(), strict=True):
        ax.loglog(sizes, errors, linestyle="", markersize=3, alpha=0.6, **look)
    ax.loglog(x, np.sqrt(1 / x - 1 / m), color=PALETTE["ink"], label="told by the size")
    ax.set(xlabel="effective sample size", ylabel="error of the output", xlim=(0.9, m * 1.1), ylim=(1e-2, 5))
    ticks(ax, x=[1, 2, 5, 10, 25, 50, m], y=(0.01, 0.1, 1), form="{:g}")
    legend_below(fig, 3, columnspacing=1.2)
    return ax
