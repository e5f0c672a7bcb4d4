"""Figures of Part V, near and far keys: the rank of attention without its near band, its weights, and what memory buys.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, SEQUENTIAL, Axes, Figure, plt

LOOKS = ("blue", "rust", "teal", "violet")


def tails(whole: dict[str, np.ndarray], far: dict[str, np.ndarray]) -> Axes:
    """What the best matrix of rank r leaves of each head's weights, r = 0, 1, ...: of all (dashed), of the far ones."""
    fig, ax = plt.subplots()
    for (name, curve), colour in zip(whole.items(), LOOKS, strict=True):
        ranks = np.arange(1, len(curve) + 1)  # r + 1, so that r = 0 has a place
        ax.loglog(ranks, curve, color=PALETTE[colour], linestyle="--", linewidth=1.1)
        ax.loglog(ranks, far[name], color=PALETTE[colour], label=name)
    ax.axhline(0.1, color=PALETTE["muted"], linewidth=0.8)
    ax.text(1.03, 0.105, "a tenth", color=PALETTE["muted"], va="bottom")
    ax.set(xlabel="rank r of the approximation", ylabel="left / norm of all weights")
    ax.set(xlim=(0.95, 400), ylim=(3e-3, 1.15))
    marks = [0, 1, 3, 10, 30, 100, 300]
    ax.set_xticks([r + 1 for r in marks], [str(r) for r in marks])
    ax.minorticks_off()
    fig.legend(loc="outside lower center", ncols=2)
    return ax


def weights(panels: dict[str, np.ndarray], window: int, cell: int = 4) -> Figure:
    """Roots of the weights of some heads, the largest of ``cell`` x ``cell`` entries each, and where near keys end."""
    fig, axes = plt.subplots(1, len(panels), figsize=(6.4, 3.5))
    for ax, (name, P) in zip(axes, panels.items(), strict=True):
        n = len(P)
        largest = P.reshape(n // cell, cell, n // cell, cell).max(axis=(1, 3))
        ax.imshow(np.sqrt(largest), cmap=SEQUENTIAL, vmin=0, vmax=0.6, extent=(0, n, n, 0))
        corners = np.arange(0, n - window + 1, window)  # a key of block b is far for queries from block b + 2 on
        ax.step(corners, np.minimum(corners + 2 * window, n), where="post", color=PALETTE["rust"], linewidth=1.0)
        ax.set(title=name, xlabel="key", xticks=range(0, n + 1, n // 4), yticks=range(0, n + 1, n // 4), ylabel="query")
        ax.grid(False)
    axes[-1].set(ylabel="", yticklabels=[])
    return fig


def budget(panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]], levels: dict[str, float]) -> Figure:
    """Error of the outputs against the numbers that a decoder keeps, a panel a head; ``levels`` has the dashed lines.

    ``panels`` maps a head to its curves: name to numbers kept and errors.
    """
    fig, axes = plt.subplots(2, 2, figsize=(6.4, 5.6), sharex=True)
    for ax, (name, curves) in zip(axes.flat, panels.items(), strict=True):
        for (label, (kept, error)), colour, marker in zip(curves.items(), ("ink", "rust", "blue"), "dso", strict=True):
            ax.loglog(kept, error, color=PALETTE[colour], marker=marker, markersize=4, label=label)
        ax.axhline(levels[name], **DASHED, label="features only, D = 256")
        errors = [error for _, found in curves.values() for error in found]
        top, least = 1.6 * max(levels[name], *errors), 0.6 * min(errors)
        ax.set(title=name, xlim=(1300, 17_000), ylim=(max(least, top / 2000), top))
        ax.set_xticks([2000, 4000, 8000, 16_000], ["2,000", "4,000", "8,000", "16,000"])
        ax.minorticks_off()
    for ax in axes[:, 0]:
        ax.set(ylabel="error of outputs")
    for ax in axes[1]:
        ax.set(xlabel="numbers kept")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, columnspacing=1.2)
    return fig
