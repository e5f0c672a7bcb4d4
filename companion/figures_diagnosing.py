"""Figures of Part IV, whether a chain has worked: its step, its autocorrelations, its company, and what convicts it.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, legend_below, note, plt, series, ticks


def steps(curves: dict[str, tuple], dots: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Figure:
    """Acceptance rate and autocorrelation time over the dimension, against the scaled step.

    Each of ``curves``, this dimension and the limit, is (step, rate, time), as ``dots`` are, which were measured.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDE[0], 3.0))
    for (name, (step, *values)), look in zip(curves.items(), ({"color": PALETTE["blue"]}, DASHED), strict=True):
        for ax, curve in zip(axes, values, strict=True):
            ax.plot(step, curve, label=name, **look)
    for ax, measured in zip(axes, dots[1:], strict=True):
        ax.plot(dots[0], measured, "o", color=PALETTE["rust"], label="measured")
        ax.set(xlabel="step $c$", xlim=(0, 6.2))
        ticks(ax, x=range(0, 7))
    axes[0].set(title="acceptance rate", ylim=(0, 1))
    axes[1].set(title="autocorrelation time / $d$", yscale="log", ylim=(2.5, 50))
    ticks(axes[1], y=(3, 5, 10, 20, 40))
    legend_below(fig, 3)
    return fig


def sums(curves: np.ndarray, stops: np.ndarray, truth: float) -> Axes:
    """Estimates of the autocorrelation time by sums up to a lag, (chains, lags), and where Geyer's rule stops them."""
    _, ax = plt.subplots(figsize=WIDE)
    for curve, stop, colour in zip(curves, stops, ("blue", "rust", "teal", "violet"), strict=True):
        ax.plot(curve, color=PALETTE[colour], linewidth=1.2)
        ax.plot(stop, curve[stop], "o", color=PALETTE[colour], markersize=7)
    ax.axhline(truth, **DASHED)
    ax.set(xlabel="last lag of the sum", ylabel=r"$1 + 2\sum \hat\rho_t$", xlim=(0, curves.shape[1]))
    return ax


def traces(panels: dict[str, np.ndarray]) -> Figure:
    """Positions of chains, (chains, draws), below each other for each case."""
    fig, axes = plt.subplots(len(panels), 1, figsize=(WIDE[0], 1.35 * len(panels) + 0.4), sharex=True)
    for ax, (title, x) in zip(axes, panels.items(), strict=True):
        for path, colour in zip(x, ("blue", "rust", "teal", "violet"), strict=True):
            ax.plot(path, color=PALETTE[colour], linewidth=0.7)
        ax.set(title=title, ylim=(-9, 9), xlim=(0, x.shape[1]), yticks=(-5, 0, 5))
    axes[-1].set(xlabel="draw")
    return fig


def histograms(draws: dict[str, np.ndarray], x: np.ndarray, density: np.ndarray) -> Figure:
    """A histogram for each sampler, on the density that it should have."""
    fig, axes = plt.subplots(1, len(draws), figsize=(WIDE[0], 2.1), sharey=True)
    for ax, (name, sample) in zip(axes, draws.items(), strict=True):
        ax.hist(sample, np.arange(-4, 4.1, 0.4), density=True, color=PALETTE["blue"], alpha=0.45)
        ax.plot(x, density, **DASHED)
        ax.set(title=name, xlim=(-4, 4), xticks=(-2, 0, 2), yticks=(0, 0.2, 0.4))
        ax.grid(False)
    return fig


def departures(distances: dict[str, np.ndarray], limit: float) -> Axes:
    """Distance from the target after each number of steps that began with exact draws, for each sampler."""
    fig, ax = plt.subplots(figsize=(WIDE[0], 3.3))
    for curve, look in series(distances, marker="osd^v", markersize=(4,) * 5):
        ax.semilogy(curve, **look)
    ax.axhline(limit, **DASHED)
    note(ax, "limit", (len(curve) - 1, limit), (0, -15), ha="right", color=PALETTE["ink"])
    ax.set(xlabel="steps from exact draws", ylabel="distance", ylim=(1e-3, 0.04))
    ticks(ax, x=range(len(curve)), y=(0.001, 0.003, 0.01, 0.03))
    legend_below(fig, 5)
    return ax
