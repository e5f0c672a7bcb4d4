"""Figures of Part II, random features: how the frequencies are drawn.

Each takes what its page computed, draws it in the style of ``plotting`` and returns what it drew on.
"""

from typing import Any

import numpy as np

from companion import plotting
from companion.plotting import PALETTE, SERIES, SINGLE, WIDE, Axes, Figure, plt


def inner_products(frequencies: dict[str, np.ndarray], k: np.ndarray, errors: dict[str, np.ndarray]) -> Figure:
    """Inner products of frequencies, a panel for each way to draw them, and the errors of their estimates of a kernel.

    Parameters
    ----------
    frequencies : dict of str to ndarray of shape (m, d)
        Two ways to draw, and what they drew.
    k : ndarray of shape (p,)
        Values of the kernel.
    errors : dict of str to ndarray of shape (p,)
        The same names to estimates minus k.
    """
    fig, axes = plt.subplots(1, 3, figsize=WIDE, layout="constrained", width_ratios=(1, 1, 1.3))
    limit = 0.6 * max(np.abs(W @ W.T).max() for W in frequencies.values())
    for ax, (name, W) in zip(axes, frequencies.items(), strict=False):
        plotting.matrix(ax, W @ W.T, f"{name}, $WW^{{\\top}}$", limit=limit)
        ax.images[0].set(cmap=plotting.DIVERGING.reversed(), clim=(-limit, limit))
        ax.set_aspect("equal")
    for (name, error), colour, marker in zip(errors.items(), ("blue", "rust"), "o^", strict=True):
        axes[2].plot(k, error, marker, markersize=3, markeredgewidth=0, color=PALETTE[colour], label=name)
    axes[2].set(title="estimate − $k$", xlabel="$k$")
    fig.legend(loc="outside lower center", ncols=2, markerscale=2)
    return fig


def spread(s: np.ndarray, densities: dict[str, np.ndarray], curve: np.ndarray, means: dict[str, float]) -> Axes:
    """A convex curve over two laws of its argument that share their mean, with the mean of the curve under each.

    Parameters
    ----------
    s : ndarray of shape (t,)
    densities : dict of str to ndarray of shape (t,)
        Name of the law to its density at s, drawn without a scale of its own.
    curve : ndarray of shape (t,)
    means : dict of str to float
        The same names to the mean of the curve.
    """
    _, ax = plt.subplots(figsize=SINGLE, layout="constrained")
    top = max(p.max() for p in densities.values())
    for (name, p), colour, style in zip(densities.items(), ("blue", "rust"), ("-", "--"), strict=True):
        ax.fill_between(s, 0.4 * p / top, color=PALETTE[colour], alpha=0.15, linewidth=0)
        ax.plot(s, 0.4 * p / top, style, color=PALETTE[colour], label=f"{name}: law of $s$")
        ax.axhline(means[name], linestyle=style, color=PALETTE[colour], linewidth=1.0)
        where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "color": PALETTE[colour]}
        where |= {"va": "bottom", "xytext": (0, 1)} if colour == "blue" else {"va": "top", "xytext": (0, -3)}
        ax.annotate(f"mean, {name}", (1, means[name]), textcoords="offset points", **where)
    ax.plot(s, curve, color=PALETTE["ink"], label="$j_d(z\\sqrt{s})$")
    ax.set(xlabel=r"$s = \|\omega_1 + \omega_2\|^2$", ylim=(min(0, curve.min()), 1.02), xlim=(s[0], s[-1]))
    ax.legend()
    return ax


def variance_ratios(z: np.ndarray, curves: dict[int, np.ndarray], spots: np.ndarray, points: dict) -> Axes:
    """Variance of orthogonal over independent frequencies against the distance: predicted curves, measured points.

    Parameters
    ----------
    z : ndarray of shape (t,)
        Distances over the lengthscale.
    curves : dict of int to ndarray of shape (t,)
        Dimension to predicted ratios at z.
    spots : ndarray of shape (p,)
    points : dict of int to (ndarray of shape (p,), ndarray of shape (p,))
        The same dimensions to measured ratios at spots and their standard errors.
    """
    _, ax = plt.subplots(layout="constrained")
    ax.axhline(1, color=PALETTE["ink"], linestyle=":", linewidth=1.2)
    for (dim, curve), colour, marker in zip(curves.items(), SERIES, "o^s", strict=False):
        ax.plot(z, curve, color=PALETTE[colour], linewidth=1.2)
        ratio, error = points[dim]
        ax.errorbar(spots, ratio, 2 * error, fmt=marker, color=PALETTE[colour], capsize=2, label=f"$d = {dim}$")
    ticks = np.arange(0, z[-1])
    ax.set_xticks(ticks, [f"{t:g}\n$k = {np.exp(-(t**2) / 2):.2g}$" for t in ticks])
    ax.set(xlabel=r"$z = \|\delta\|/\ell$", ylabel="variance over iid", ylim=(0, 1.2), xlim=(0, z[-1]))
    ax.legend(loc="lower right")
    return ax


def kernel_errors(D: list[int], panels: dict[str, dict[str, np.ndarray]], predicted: dict) -> Figure:
    """Error of the kernel matrix against the number of features, a panel for each cloud of points.

    Parameters
    ----------
    D : list of int
    panels : dict of str to dict of str to ndarray of shape (len(D),)
        Title of the panel to name of the method to its errors.
    predicted : dict of str to list of ndarray of shape (len(D),)
        Title of the panel to errors that theory predicts.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=SINGLE, sharey=True, layout="constrained")
    for ax, (title, methods) in zip(axes, panels.items(), strict=True):
        for values in predicted[title]:
            ax.loglog(D, values, "--", color=PALETTE["ink"], linewidth=1.0, zorder=3)
        for (name, values), colour, marker in zip(methods.items(), SERIES, "o^sDv", strict=False):
            style = {"linestyle": ":" if name.startswith("columns") else "-", "markersize": 4}
            ax.loglog(D, values, marker=marker, color=PALETTE[colour], label=name, **style)
        ax.set(title=title, xlabel="features $D$")
        ax.set_xticks(D, [str(size) for size in D])
        ax.minorticks_off()
    axes[0].plot([], [], "--", color=PALETTE["ink"], linewidth=1.0, label="predicted")
    axes[0].set(ylabel="relative error", ylim=(3e-3, 0.7))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def frequency_sets(sets: dict[str, tuple[np.ndarray, np.ndarray]], limit: float = 4.2) -> Figure:
    """Sets of frequencies in the plane, a panel each; a dot's area is its weight.

    Parameters
    ----------
    sets : dict of str to (ndarray of shape (m, 2), ndarray of shape (m,))
        Title to frequencies and weights.
    limit : float
        Half the width of a panel.
    """
    fig, axes = plt.subplots(1, len(sets), figsize=WIDE, sharex=True, sharey=True, layout="constrained")
    for ax, (title, (W, weights)) in zip(axes, sets.items(), strict=True):
        area = 8 * weights / np.mean(weights)
        ax.scatter(*W.T, s=np.maximum(area, 1.2), color=PALETTE["blue"], linewidths=0)
        ax.set(title=title, xlabel=r"$\omega_1$", aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit))
        ax.set(xticks=(-3, 0, 3), yticks=(-3, 0, 3))
    axes[0].set_ylabel(r"$\omega_2$")
    return fig


def scheme_errors(x: list[int], errors: dict, predicted: dict, xlabel: str, ylim: tuple[float, float]) -> Axes:
    """Kernel errors of several schemes against a size, on logarithmic axes, with what theory predicts dashed.

    Parameters
    ----------
    x : list of p int
    errors, predicted : dict of str to list of p float
        Label to relative error, NaN where a scheme has none. A prediction has the colour of its label's error.
    xlabel : str
    ylim : tuple of two float
    """
    fig, ax = plt.subplots(layout="constrained")
    marks = zip((*SERIES, "ink"), "o^sDvX", strict=True)
    style = {label: (PALETTE[colour], mark) for label, (colour, mark) in zip(errors, marks, strict=False)}
    for label, values in predicted.items():
        ax.loglog(x, values, "--", color=style[label][0], linewidth=1.2)
    for label, values in errors.items():
        colour, mark = style[label]
        values = np.maximum(values, ylim[0] / 1000)  # how small a rounding error is, is chance
        ax.loglog(x, values, color=colour, marker=mark, linewidth=1.4, label=label)
    ax.set_xticks(x, [str(value) for value in x])
    ax.tick_params(axis="x", which="minor", bottom=False)
    ax.set(xlabel=xlabel, ylabel="relative error of $K$", ylim=ylim)
    fig.legend(loc="outside upper center", ncols=3)
    return ax


def beyond_the_grid(r: np.ndarray, kernel: np.ndarray, grids: dict[int, np.ndarray]) -> Axes:
    """What grids of several sizes estimate for two points, against the distance of the points.

    Parameters
    ----------
    r : ndarray of shape (p,)
        Distance in lengthscales.
    kernel : ndarray of shape (p,)
    grids : dict of int to ndarray of shape (p,)
        Number of nodes q to estimates; a mark stands at 2√q.
    """
    fig, ax = plt.subplots(layout="constrained")
    for (q, values), colour, line in zip(grids.items(), SERIES, ("-.", "-"), strict=False):
        ax.plot(r, values, line, color=PALETTE[colour], linewidth=1.5, label=f"$q = {q}$")
        ax.plot(2 * q**0.5, -1.08, "^", color=PALETTE[colour])
    ax.plot(r, kernel, color=PALETTE["ink"], linewidth=2.2, label="kernel")
    ax.set(xlabel=r"distance $z$, in lengthscales", ylabel="similarity", ylim=(-1.15, 1.1))
    fig.legend(loc="outside upper center", ncols=3)
    return ax


def against_their_bands(r: np.ndarray, panels: dict[str, tuple], ylabel: str, *, log: bool = False) -> Figure:
    """Estimates against the distance, with what they estimate and two standard errors to either side.

    Parameters
    ----------
    r : ndarray of shape (t,)
        Distances.
    panels : dict of str to tuple of ndarray of shape (t,), ndarray of shape (t,), ndarray of shape (draws, t)
        Title to limit, standard error, estimates.
    ylabel : str
    log : bool
        Whether the distances stand on a logarithmic axis.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True, layout="constrained")
    for ax, (title, (limit, error, estimates)) in zip(axes, panels.items(), strict=True):
        ax.fill_between(r, limit - 2 * error, limit + 2 * error, color=PALETTE["rule"], alpha=0.7, linewidth=0)
        ax.plot(r, estimates.T, color=PALETTE["rust"], linewidth=1.0)
        ax.plot(r, limit, "--", color=PALETTE["ink"], linewidth=1.2)
        ax.set(title=title, xlabel="$r$", xscale="log" if log else "linear", xlim=(r[0], r[-1]))
    low, high = min(e.min() for *_, e in panels.values()), max(e.max() for *_, e in panels.values())
    axes[0].set(ylabel=ylabel, ylim=(low - 0.05, min(high + 0.05, 3.0)))
    return fig


def kernels_and_schemes(panels: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Errors of a kernel matrix: a panel for each setting, a row for each kernel, a mark for each way to draw.

    Parameters
    ----------
    panels : dict of str to dict of str to dict of str to float
        Title to kernel to scheme to error; the first scheme is the prediction, drawn as a stroke.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.1), sharey=True, layout="constrained")
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        table = {scheme: [row[scheme] for row in rows.values()] for scheme in next(iter(rows.values()))}
        looks = zip(("ink", *SERIES), "|o^s", (0, 0.15, 0, -0.15), strict=False)
        for (scheme, errors), (colour, marker, shift) in zip(table.items(), looks, strict=False):
            size = 18 if marker == "|" else 6
            height = np.arange(len(rows)) + shift
            ax.plot(errors, height, marker, color=PALETTE[colour], markersize=size, label=scheme)
        ax.set(title=title, xlabel="relative error", xlim=(0, None), ylim=(len(rows) - 0.5, -0.5))
        ax.set_yticks(range(len(rows)), rows.keys())
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, handletextpad=0.2)
    return fig


def against_columns(panels: dict[str, tuple[dict, dict]], sizes: list[int], xlabel: str, ylabel: str) -> Figure:
    """Errors of several feature maps against their size, each with a line that it is to meet.

    Parameters
    ----------
    panels : dict of str to (dict of str to ndarray or float, dict of str to ndarray)
        Title to references, a curve or a level each, drawn dashed, and measured errors, under the same names.
    sizes : list of int
    xlabel, ylabel : str
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDE[0], 3.1), sharey=True, layout="constrained", squeeze=False)
    colours = dict(zip(next(iter(panels.values()))[1], (("blue", "o"), ("rust", "^"), ("teal", "s")), strict=False))
    for ax, (title, (references, measured)) in zip(axes[0], panels.items(), strict=True):
        for name, values in references.items():
            line = np.broadcast_to(values, len(sizes))
            ax.loglog(sizes, line, "--", color=PALETTE[colours[name][0]], linewidth=1.2)
        for name, values in measured.items():
            colour, marker = colours[name]
            joined = "none" if np.ndim(references.get(name, 0.0)) else "-"
            ax.loglog(sizes, values, marker, linestyle=joined, color=PALETTE[colour], label=name)
        ax.set(title=title, xlabel=xlabel)
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.minorticks_off()
    low, high = axes[0, 0].get_ylim()
    ticks = [tick for tick in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5) if low < tick < high]
    axes[0, 0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0, 0].set(ylabel=ylabel)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig
