"""Figures of Part V, the scale of attention: how many keys share the weight of a query, against the number of keys.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. Entropies and numbers of
keys have the shape of the lengths against which they are drawn.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, Axes, Figure, plt, series


def keys_in_use(lengths: np.ndarray, fine: np.ndarray, curves: dict[str, tuple[np.ndarray, ...]]) -> Axes:
    """Keys that share the weight against keys that are seen, measured as dots and predicted as lines.

    Each of ``curves`` holds at ``lengths`` the entropy, its standard error and whether the scores are frozen, and at
    ``fine`` the keys predicted, NaN where nothing is.
    """
    fig, ax = plt.subplots()
    ax.plot(lengths, lengths, **DASHED)
    ax.text(60, 130, "all keys", color=PALETTE["muted"], ha="right")
    for (H, error, frozen, told), look in series(curves, ("rust", "blue")):
        ax.plot(fine, told, color=look["color"])
        ax.vlines(lengths, np.exp(H - 2 * error), np.exp(H + 2 * error), color=look["color"])
        ax.plot(lengths, np.exp(H), "o", **look)
        ax.plot(lengths[frozen], np.exp(H[frozen]), "o", color=look["color"], markerfacecolor=PALETTE["paper"])
    ax.set(xscale="log", yscale="log", xlim=(7, 4.2e4), ylim=(0.9, 4.2e4))
    ax.set(xlabel="keys that a query sees, n", ylabel="keys that share the weight")
    fig.legend(loc="outside lower center", ncols=2)
    return ax


def plateau(ns: np.ndarray, H: np.ndarray, bars: np.ndarray, told: dict[str, np.ndarray], freezing: float) -> Axes:
    """The measured entropy with bars, and two formulas, against the number of keys; frozen beyond ``freezing``."""
    _, ax = plt.subplots()
    ax.axvspan(freezing, ns[-1] * 1.2, color=PALETTE["rule"], alpha=0.6, linewidth=0)
    ax.text(ns[-1] * 1.1, 0.8, "frozen", color=PALETTE["muted"], ha="right")
    for curve, look in series(told, ("rust", "ink"), linestyle=("-", "--")):
        ax.plot(ns, curve, **look)
    top = int(np.argmax(told["parabola"]))
    ax.annotate("its top", (ns[top], told["parabola"][top]), (ns[top], 1.3), color=PALETTE["rust"], ha="center",
                arrowprops={"arrowstyle": "-", "color": PALETTE["rust"]})  # fmt: skip
    ax.errorbar(ns, H, bars, fmt="o", color=PALETTE["blue"], capsize=3, elinewidth=1.2, label="measured")
    ax.set(xscale="log", xlim=(ns[0] * 0.85, ns[-1] * 1.2), ylim=(-1.6, 3.6))
    ax.set(xlabel="keys that a query sees, n", ylabel="entropy H")
    ax.legend(loc="lower left")
    return ax


def tails(lengths: np.ndarray, panels: dict[str, dict[str, list[float]]]) -> Figure:
    """Keys that share the weight against keys that are seen: a panel for each law of the scores, two a row."""
    fig, axes = plt.subplots(len(panels) // 2, 2, figsize=(6.4, 5.2), sharex=True, sharey=True)
    styles = {"marker": ("o", "s", ""), "linestyle": ("-", "-", "--"), "markersize": (4,) * 3}
    for ax, (title, curves) in zip(axes.flat, panels.items(), strict=True):
        for curve, look in series(curves, ("rust", "blue", "ink"), **styles):
            ax.loglog(lengths, curve, **look)
        ax.set(title=title, ylim=(0.9, 2e3), xlim=(7, 4.2e4))
    for ax in axes[:, 0]:
        ax.set_ylabel("keys in use")
    for ax in axes[-1]:
        ax.set_xlabel("keys seen, n")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2)
    return fig
