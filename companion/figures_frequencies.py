"""Figures of Part II, random features: how the frequencies are drawn.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

import numpy as np

from companion import plotting
from companion.plotting import DASHED, PALETTE, SERIES, WIDE, Axes, Figure, band, legend_below, note, plt, series, ticks


def inner_products(frequencies: dict[str, np.ndarray], k: np.ndarray, errors: dict[str, np.ndarray]) -> Figure:
    """Inner products of frequencies, a panel for each way to draw them, and the errors of their estimates of k."""
    fig, axes = plt.subplots(1, 3, figsize=WIDE, width_ratios=(1, 1, 1.3))
    limit = 0.6 * max(np.abs(W @ W.T).max() for W in frequencies.values())
    for ax, (name, W) in zip(axes, frequencies.items(), strict=False):
        plotting.matrix(ax, W @ W.T, f"{name}, $WW^{{\\top}}$", limit=limit, signed=True)
        ax.set_aspect("equal")
    for error, look in series(errors, marker="o^"):
        axes[2].plot(k, error, linestyle="none", markersize=3, markeredgewidth=0, **look)
    axes[2].set(title="estimate − $k$", xlabel="$k$")
    fig.legend(loc="outside lower center", ncols=2, markerscale=2)
    return fig


def spread(s: np.ndarray, densities: dict[str, np.ndarray], curve: np.ndarray, means: dict[str, float]) -> Axes:
    """A convex curve over two laws of its argument that share their mean, with the mean of the curve under each.

    The densities are drawn without a scale of their own.
    """
    _, ax = plt.subplots()
    top = max(p.max() for p in densities.values())
    places = ("bottom", (0, 1)), ("top", (0, -3))
    for (name, p), colour, style, (va, offset) in zip(densities.items(), SERIES, ("-", "--"), places, strict=False):
        ax.fill_between(s, 0.4 * p / top, color=PALETTE[colour], alpha=0.15, linewidth=0)
        ax.plot(s, 0.4 * p / top, style, color=PALETTE[colour], label=f"{name}: law of $s$")
        ax.axhline(means[name], linestyle=style, color=PALETTE[colour], linewidth=1.0)
        look = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": va, "color": PALETTE[colour]}
        note(ax, f"mean, {name}", (1, means[name]), offset, **look)
    ax.plot(s, curve, color=PALETTE["ink"], label="$j_d(z\\sqrt{s})$")
    ax.set(xlabel=r"$s = \|\omega_1 + \omega_2\|^2$", ylim=(min(0, curve.min()), 1.02), xlim=(s[0], s[-1]))
    ax.legend()
    return ax


def variance_ratios(z: np.ndarray, curves: dict[int, np.ndarray], spots: np.ndarray, points: dict) -> Axes:
    """Variance of orthogonal over independent frequencies against the distance: predicted curves, measured points.

    ``curves`` maps a dimension to ratios at z, ``points`` to a pair: the ratios at spots and their standard errors.
    """
    _, ax = plt.subplots()
    ax.axhline(1, color=PALETTE["ink"], linestyle=":", linewidth=1.2)
    for (dim, curve), colour, marker in zip(curves.items(), SERIES, "o^s", strict=False):
        ax.plot(z, curve, color=PALETTE[colour], linewidth=1.2)
        ratio, error = points[dim]
        ax.errorbar(spots, ratio, 2 * error, fmt=marker, color=PALETTE[colour], capsize=2, label=f"$d = {dim}$")
    at = np.arange(0, z[-1])
    ax.set_xticks(at, [f"{t:g}\n$k = {np.exp(-(t**2) / 2):.2g}$" for t in at])
    ax.set(xlabel=r"$z = \|\delta\|/\ell$", ylabel="variance over iid", ylim=(0, 1.2), xlim=(0, z[-1]))
    ax.legend(loc="lower right")
    return ax


def kernel_errors(D: list[int], panels: dict[str, dict[str, np.ndarray]], predicted: dict) -> Figure:
    """Error of the kernel matrix against D, a panel for each cloud of points, in it a curve for each method.

    ``predicted`` maps a panel's title to a list of errors that theory predicts.
    """
    fig, axes = plt.subplots(1, len(panels), sharey=True)
    for ax, (title, methods) in zip(axes, panels.items(), strict=True):
        for values in predicted[title]:
            ax.loglog(D, values, zorder=3, **DASHED)
        for values, look in series(methods, marker="o^sDv"):
            style = ":" if look["label"].startswith("columns") else "-"
            ax.loglog(D, values, linestyle=style, markersize=4, **look)
        ax.set(title=title, xlabel="features $D$")
        ticks(ax, x=D)
    axes[0].plot([], [], label="predicted", **DASHED)
    axes[0].set(ylabel="relative error", ylim=(3e-3, 0.7))
    legend_below(fig, ncols=3)
    return fig


def frequency_sets(sets: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Sets of frequencies in the plane, a panel each: W of shape (m, 2) and its weights, the areas of the dots."""
    fig, axes = plt.subplots(1, len(sets), figsize=WIDE, sharex=True, sharey=True)
    for ax, (title, (W, weights)) in zip(axes, sets.items(), strict=True):
        area = np.maximum(8 * weights / np.mean(weights), 1.2)
        ax.scatter(W[:, 0], W[:, 1], s=area, color=PALETTE["blue"], linewidths=0)
        ax.set(title=title, xlabel=r"$\omega_1$", aspect="equal", xlim=(-4.2, 4.2), ylim=(-4.2, 4.2))
        ax.set(xticks=(-3, 0, 3), yticks=(-3, 0, 3))
    axes[0].set_ylabel(r"$\omega_2$")
    return fig


def scheme_errors(x: list[int], errors: dict, predicted: dict, xlabel: str, ylim: tuple[float, float]) -> Axes:
    """Relative errors of several schemes against a size x, with what theory predicts dashed, in the scheme's colour.

    An error is NaN where a scheme has none.
    """
    fig, ax = plt.subplots()
    looks = {look["label"]: look for _, look in series(errors, (*SERIES, "ink"), marker="o^sDvX")}
    for label, values in predicted.items():
        ax.loglog(x, values, "--", color=looks[label]["color"], linewidth=1.2)
    for label, values in errors.items():
        values = np.maximum(values, ylim[0] / 1000)  # how small a rounding error is, is chance
        ax.loglog(x, values, linewidth=1.4, **looks[label])
    ax.set_xticks(x, [str(value) for value in x])
    ax.tick_params(axis="x", which="minor", bottom=False)
    ax.set(xlabel=xlabel, ylabel="relative error of $K$", ylim=ylim)
    fig.legend(loc="outside upper center", ncols=3)
    return ax


def beyond_the_grid(r: np.ndarray, kernel: np.ndarray, grids: dict[int, np.ndarray]) -> Axes:
    """What grids of q nodes estimate for two points, against their distance in lengthscales; a mark stands at 2√q."""
    fig, ax = plt.subplots()
    for (q, values), colour, line in zip(grids.items(), SERIES, ("-.", "-"), strict=False):
        ax.plot(r, values, line, color=PALETTE[colour], linewidth=1.5, label=f"$q = {q}$")
        ax.plot(2 * q**0.5, -1.08, "^", color=PALETTE[colour])
    ax.plot(r, kernel, color=PALETTE["ink"], linewidth=2.2, label="kernel")
    ax.set(xlabel=r"distance $z$, in lengthscales", ylabel="similarity", ylim=(-1.15, 1.1))
    fig.legend(loc="outside upper center", ncols=3)
    return ax


def against_their_bands(r: np.ndarray, panels: dict[str, tuple], ylabel: str, *, log: bool = False) -> Figure:
    """Estimates against the distance, with what they estimate and two standard errors to either side.

    A panel holds limit, standard error and estimates, of shape (draws, len(r)); ``log`` makes the distances' axis so.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True)
    for ax, (title, (limit, error, estimates)) in zip(axes, panels.items(), strict=True):
        band(ax, r, limit, 2 * error, color=PALETTE["rule"], alpha=0.7)
        ax.plot(r, estimates.T, color=PALETTE["rust"], linewidth=1.0)
        ax.plot(r, limit, "--", color=PALETTE["ink"], linewidth=1.2)
        ax.set(title=title, xlabel="$r$", xscale="log" if log else "linear", xlim=(r[0], r[-1]))
    low, high = min(e.min() for *_, e in panels.values()), max(e.max() for *_, e in panels.values())
    axes[0].set(ylabel=ylabel, ylim=(low - 0.05, min(high + 0.05, 3.0)))
    return fig


def kernels_and_schemes(panels: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Errors of a kernel matrix: a panel for each setting, a row for each kernel, a mark for each way to draw.

    The first way is the prediction, drawn as a stroke.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.1), sharey=True)
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        table = {scheme: [row[scheme] for row in rows.values()] for scheme in next(iter(rows.values()))}
        looks = series(table, ("ink", *SERIES), marker="|o^s", markersize=(18, 6, 6, 6))
        for (errors, look), shift in zip(looks, (0, 0.15, 0, -0.15), strict=False):
            ax.plot(errors, np.arange(len(rows)) + shift, linestyle="none", **look)
        ax.set(title=title, xlabel="relative error", xlim=(0, None), ylim=(len(rows) - 0.5, -0.5))
        ax.set_yticks(range(len(rows)), rows.keys())
    legend_below(fig, ncols=2, handletextpad=0.2)
    return fig


def against_columns(panels: dict[str, tuple[dict, dict]], sizes: list[int], xlabel: str, ylabel: str) -> Figure:
    """Errors of several feature maps against their size, each with a line that it is to meet.

    A panel holds two dictionaries by the maps' names: references, a curve or a level each, and measured errors.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.1), sharey=True, squeeze=False)
    for ax, (title, (references, measured)) in zip(axes[0], panels.items(), strict=True):
        looks = {look["label"]: look for _, look in series(measured, marker="o^s")}
        for name, values in references.items():
            line = np.broadcast_to(values, len(sizes))
            ax.loglog(sizes, line, "--", color=looks[name]["color"], linewidth=1.2)
        for name, values in measured.items():
            joined = "none" if np.ndim(references.get(name, 0.0)) else "-"
            ax.loglog(sizes, values, linestyle=joined, **looks[name])
        ax.set(title=title, xlabel=xlabel)
        ticks(ax, x=sizes, form="{:,}")
    low, high = axes[0, 0].get_ylim()
    ticks(axes[0, 0], y=[tick for tick in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5) if low < tick < high])
    axes[0, 0].set(ylabel=ylabel)
    legend_below(fig, ncols=3)
    return fig
