"""Figures of Part III, real columns and rows: chosen pictures and pixels, errors against the rank, cores.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on.
"""

import numpy as np

from companion.plotting import DASHED, DIVERGING, PALETTE, SEQUENTIAL, Axes, Figure, legend_below, note, plt, ticks

INKED = SEQUENTIAL, 0.0, 16.0  # pictures of scikit-learn's digits: paper, and the full ink


def tiles(rows: dict[str, np.ndarray], signed: tuple[str, ...] = (), across: int = 8) -> Figure:
    """Rows of small pictures, columns of a matrix (64, k) each, with their names above; those of both signs in two
    colours, each in units of its largest entry.
    """
    fig, axes = plt.subplots(
        len(rows), across, subplot_kw={"box_aspect": 1}, figsize=(6.4, 0.99 * len(rows)), layout="none"
    )
    fig.subplots_adjust(0.005, 0.005, 0.995, 0.94, wspace=0.06, hspace=0.36)
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        line[0].set_title(name, fontsize=13, pad=3)
        for k, ax in enumerate(line):
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set(visible=True, color=PALETTE["rule" if k < pictures.shape[1] else "paper"])
            if k < pictures.shape[1]:
                _tile(ax, pictures[:, k], name in signed)
    return fig


def _tile(ax: Axes, picture: np.ndarray, signed: bool) -> None:
    limit = np.abs(picture).max()
    cmap, low, high = (DIVERGING.reversed(), -limit, limit) if signed else INKED
    ax.imshow(picture.reshape(8, 8), cmap=cmap, vmin=low, vmax=high)


def against_the_best(panels: dict[str, tuple]) -> Figure:
    """Relative errors against the rank, one panel above the other: real columns, greedy and random, and the best.

    A panel holds r, the errors of greedy columns and of random ones (draws, r), and the smallest possible errors.
    """
    fig, axes = plt.subplots(len(panels), 1, figsize=(6.4, 5.6))
    for ax, (title, (r, greedy, chance, best)) in zip(axes, panels.items(), strict=True):
        ax.fill_between(r, best, np.sqrt(r + 1) * best, color=PALETTE["blue"], alpha=0.13, linewidth=0)
        for k, errors in enumerate(chance):
            ax.semilogy(r, errors, "^", color=PALETTE["rust"], markersize=4, label="random columns" * (k == 0) or None)
        ax.semilogy(r, greedy, "o-", color=PALETTE["blue"], linewidth=1.2, label="greedy columns")
        ax.semilogy(r, best, **DASHED, label="best of rank $r$")
        ax.set(title=title, ylabel="relative error")
        ticks(ax, x=r)
    axes[-1].set_xlabel("columns $r$")
    legend_below(fig, ncols=3)
    return fig


def chosen_pixels(mean: np.ndarray, rows: np.ndarray) -> Axes:
    """The mean picture, of shape (64,), and the pixels that are kept, numbered in the order of their choice."""
    _, ax = plt.subplots(figsize=(3.6, 3.5))
    ax.imshow(mean.reshape(8, 8), cmap=SEQUENTIAL, vmin=0, vmax=28)
    for k, row in enumerate(rows, 1):
        y, x = divmod(int(row), 8)
        ax.plot(x, y, "s", color=PALETTE["paper"], markersize=17, mec=PALETTE["rust"], mew=1.6)
        note(ax, str(k), (x, y), (0, -0.5), ha="center", va="center", color=PALETTE["ink"])
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax


def cores(r: np.ndarray, best: np.ndarray, bound: np.ndarray, stable: np.ndarray, textbook: np.ndarray,
          predicted: np.ndarray) -> Axes:  # fmt: skip
    """Relative errors of CUR against r, with its core in float16: of textbooks and between bases, and their limits."""
    fig, ax = plt.subplots(figsize=(6.4, 4.2))
    ax.semilogy(r, predicted, color=PALETTE["rust"], linewidth=1.2, label="predicted from rounding")
    ax.semilogy(r, textbook, "^", color=PALETTE["rust"], markersize=6, label="core $C^+MR^+$")
    ax.semilogy(r, bound, color=PALETTE["blue"], linewidth=1.2, label="bound, and rounding")
    ax.semilogy(r, stable, "o", color=PALETTE["blue"], label="core between bases")
    ax.semilogy(r, best, **DASHED, label="best of rank $r$")
    ax.set(xlabel="columns and rows $r$", ylabel="relative error")
    ax.set_ylim(1e-6, 30)
    ticks(ax, x=r)
    fig.legend(loc="outside lower center", ncols=2)
    return ax
