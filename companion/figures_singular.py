"""Figures of singular values: a photograph of low rank, the tails of spectra, the error of the randomised SVD."""

import numpy as np

from companion.plotting import DASHED, PALETTE, Axes, Figure, legend_below, plt, series, ticks


def compressed(photo: np.ndarray, s: np.ndarray, rank: int) -> Figure:
    """A photograph of rank ``rank``, and below it the singular values, of which the kept ones are filled."""
    fig, (top, low) = plt.subplots(2, 1, figsize=(6.4, 5.9), height_ratios=(3.05, 1))
    top.imshow(np.round(31 * np.clip(photo, 0, 1)), cmap="gray", vmin=0, vmax=31)  # few greys: small pictures
    top.set_axis_off()
    top.set_title(f"rank {rank}", loc="center")
    index = np.arange(1, len(s) + 1)
    low.semilogy(index, s, ".", color=PALETTE["muted"], markersize=3)
    low.semilogy(index[:rank], s[:rank], ".", color=PALETTE["blue"], markersize=6)
    low.axvspan(0, rank + 0.5, color=PALETTE["blue"], alpha=0.12, linewidth=0)
    low.set_ylabel(r"$\sigma_i$", fontsize=17)
    low.set(xlabel="term $i$", xlim=(0, len(s) + 1), ylim=(0.005, 300))
    ticks(low, y=(0.01, 1, 100))
    return fig


def tails(curves: dict[str, np.ndarray], even: int) -> Axes:
    """Relative error of the best matrix of rank r against r, a curve from r = 0 for each matrix.

    From the rank ``even`` on the two factors hold more numbers than the matrix.
    """
    fig, ax = plt.subplots()
    for tail, look in series(curves, ("ink", "blue", "rust"), linestyle=("-", "--", "-.")):
        ax.semilogy(np.arange(len(tail)), tail, **look)
    ax.axvspan(even, 142, color=PALETTE["rule"], alpha=0.6, linewidth=0)
    ax.annotate(
        "factors larger\nthan the matrix", ((even + 142) / 2, 0.5), ha="center", va="center", color=PALETTE["muted"]
    )
    ax.set(xlabel="rank $r$", ylabel="error of the best", xlim=(0, 142), ylim=(1e-3, 1.5))
    legend_below(fig, ncols=3)
    return ax


def above_the_best(
    ranks: list[int], measured: dict[str, np.ndarray], proved: dict[str, np.ndarray], krylov: np.ndarray
) -> Axes:
    """Per cent by which the randomised SVD is above the best, against the rank: means and ranges, and bounds.

    ``measured`` has an array (draws, ranks) for each number of power steps, ``krylov`` is one more; ``proved`` has an
    array of the shape of the ranks, with the same keys.
    """
    fig, ax = plt.subplots()
    for errors, look in series(measured, ("rust", "gold", "blue"), marker="os^"):
        ax.loglog(ranks, proved[look["label"]], "--", color=look["color"], linewidth=1.3)
        _ranges(ax, ranks, errors, look)
    _ranges(ax, ranks, krylov, {"label": "Krylov, $q = 1$", "color": PALETTE["violet"], "marker": "D"})
    ax.plot([], [], **DASHED, label="proved")
    ax.set(xlabel="rank $r$", ylabel="above the best, %", ylim=(1e-4, 500))
    ticks(ax, x=ranks)
    ticks(ax, y=(0.0001, 0.001, 0.01, 0.1, 1, 10, 100), form="{:g}")
    legend_below(fig, ncols=3, columnspacing=1.2)
    return ax


def _ranges(ax: Axes, ranks: list[int], errors: np.ndarray, look: dict) -> None:
    mean = errors.mean(axis=0)
    spread = [mean - errors.min(axis=0), errors.max(axis=0) - mean]
    ax.errorbar(ranks, mean, spread, capsize=3, linewidth=1.2, **look)
