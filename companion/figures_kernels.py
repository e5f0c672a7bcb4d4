"""Figures of Part I, kernel machines: one function a figure, so that a page's cells show mathematics only.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. X has shape (n, 2), and
labels are -1 and +1, unless a function says otherwise.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from companion import plotting
from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, note, plt, series


def _classes(labels: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """For the classes -1 and +1: the mask of its points, and its colour and marker."""
    for value, colour, marker in ((-1, "rust", "o"), (1, "blue", "^")):
        yield labels == value, {"color": PALETTE[colour], "marker": marker}


def _level(ax: Axes, height: float, text: str, **look: Any) -> None:
    """A horizontal line, named at its right end."""
    ax.axhline(height, **look)
    ax.annotate(text, (0.98, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=11)


def three_views(X: np.ndarray, labels: np.ndarray, K: np.ndarray, Phi: np.ndarray) -> Figure:
    """Points and their Gram matrix K above; below, the first two of the coordinates Phi that were found from K alone.

    No entry of K is larger than 1 in size. A dashed vertical line stands where one separates the classes below.
    """
    fig, axes = plt.subplot_mosaic("PT;FF", figsize=(WIDE[0], 6.2), height_ratios=[1, 1.35])
    points, table, found = axes["P"], axes["T"], axes["F"]
    names = ("inner ring", "outer ring")
    for ax, places in ((points, X), (found, Phi)):
        for (chosen, look), name in zip(_classes(labels), names, strict=True):
            ax.scatter(places[chosen, 0], places[chosen, 1], s=14, linewidths=0, label=name, **look)
        ax.set_aspect("equal")
    points.set(title="points", xlabel="$x_1$", ylabel="$x_2$")
    plotting.matrix(table, K, "their similarities", limit=1.0)
    middles = [np.mean(np.flatnonzero(chosen)) for chosen, _ in _classes(labels)]
    table.set_yticks(middles, names, rotation=90, va="center")
    table.set_aspect("equal")
    inner, outer = Phi[labels < 0, 0], Phi[labels > 0, 0]
    if inner.max() < outer.min():
        found.axvline((inner.max() + outer.min()) / 2, **DASHED)
    found.set(title="found from the similarities alone", xlabel=r"$\phi_1$", ylabel=r"$\phi_2$")
    found.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    found.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), markerscale=1.6)
    return fig


def fits(X: np.ndarray, y: np.ndarray, grid: np.ndarray, truth: np.ndarray, curves: dict[str, np.ndarray]) -> Figure:
    """Data in one dimension and curves fitted to them, one below the other; truth and curves stand on the grid."""
    fig, axes = plt.subplots(len(curves), 1, figsize=(WIDE[0], 1.9 * len(curves)), sharex=True, squeeze=False)
    for ax, (title, curve) in zip(axes[:, 0], curves.items(), strict=True):
        ax.plot(X[:, 0], y, ".", color=PALETTE["muted"], markersize=4, label="data")
        ax.plot(grid[:, 0], truth, label="truth", **DASHED)
        ax.plot(grid[:, 0], curve, color=PALETTE["blue"], label="fit")
        ax.set(title=title, ylim=(y.min() - 0.3, y.max() + 0.3))
    axes[-1, 0].set_xlabel("$x$")
    plotting.legend_below(fig, ncols=3)
    return fig


def poles(penalties: np.ndarray, norms: dict[str, np.ndarray], eigenvalues: np.ndarray) -> Axes:
    """The norm of ridge coefficients against the penalty, with the penalties at which an indefinite matrix has none.

    These are the absolute values of its negative eigenvalues.
    """
    _, ax = plt.subplots()
    for values, look in series(norms):
        ax.loglog(penalties, values, **look)
    inside = -eigenvalues[(-eigenvalues > penalties[0]) & (-eigenvalues < penalties[-1])]
    marks: dict[str, Any] = {"color": PALETTE["ink"], "markersize": 9, "transform": ax.get_xaxis_transform()}
    ax.plot(inside, np.full(inside.shape, 0.02), "|", label="negative eigenvalues, sign changed", **marks)
    ax.set(xlabel=r"penalty $\lambda$", ylabel=r"norm of the coefficients $\alpha$")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 0.1))
    return ax


def margins(X: np.ndarray, labels: np.ndarray, w: np.ndarray, intercept: float, notes: list[str]) -> Axes:
    """Points in the plane, a note beside each, and the lines where ⟨w, x⟩ + intercept is -1, 0 and 1; w[0] is not 0."""
    _, ax = plt.subplots(figsize=WIDE)
    low, high = X[:, 1].min() - 0.45, X[:, 1].max() + 0.6
    heights = np.array([low, high])
    left, middle, right = ((value - intercept - w[1] * heights) / w[0] for value in (-1, 0, 1))
    ax.fill_betweenx(heights, left, right, color=PALETTE["rule"], alpha=0.5, linewidth=0)
    for line, value in ((left, "−1"), (middle, "0"), (right, "+1")):
        ax.plot(line, heights, "-" if value == "0" else "--", color=PALETTE["ink"], linewidth=1.2)
        note(ax, f"$f + b =${value}", (line[1], high), (0, 2), ha="center")
    for chosen, look in _classes(labels):
        ax.plot(*X[chosen].T, linestyle="none", markersize=9, **look)
    for (first, second), text in zip(X, notes, strict=True):
        note(ax, text, (first, second), (8, 0), va="center", fontsize=12)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", ylim=(low, high), xlim=(X[:, 0].min() - 0.4, X[:, 0].max() + 0.7))
    ax.set_yticks([-1, 0, 1])
    ax.grid(False)
    return ax


def hinge_and_line(C: float, alpha: float) -> Axes:
    """The hinge C max(0, u), lines through 0 below it, and what the one of slope alpha loses on either side."""
    _, ax = plt.subplots(figsize=WIDE)
    u = np.array([-1.6, 0.0, 1.6])
    for slope in np.linspace(0, C, 6):
        ax.plot(u, slope * u, color=PALETTE["rule"], linewidth=1.0)
    ax.plot(u, C * np.maximum(0, u), color=PALETTE["ink"], linewidth=2.2)
    ax.plot(u, alpha * u, color=PALETTE["blue"])
    for at, text, ha, offset in (
        (-1.25, r"$\alpha\,\max(0, -u)$", "left", (-3, 5)),
        (1.25, r"$(C - \alpha)\,\max(0, u)$", "right", (-12, 5)),
    ):
        top = C * max(0, at)
        ax.plot([at, at], [alpha * at, top], color=PALETTE["rust"], linewidth=2.5, solid_capstyle="butt")
        note(ax, text, (at, top), offset, color=PALETTE["rust"], ha=ha, va="bottom")
    for text, slope, colour in ((r"$C\,\max(0, u)$", C, "ink"), (r"$\alpha u$", alpha, "blue")):
        place = u[-1] + 0.05, slope * u[-1]
        ax.annotate(text, place, va="center", color=PALETTE[colour], annotation_clip=False)
    ax.set(xlabel=r"$u = 1 - y\,(f(x) + b)$", xlim=(u[0], 2.25), ylim=(-0.95 * C, 1.75 * C))
    ax.set_xticks([-1, 0, 1], ["−1, outside", "0, on the line", "1, short"])
    ax.set_yticks([0, C], ["0", "$C$"])
    return ax


def closing_in(steps: np.ndarray, primal: np.ndarray, dual: np.ndarray, optimum: float) -> Figure:
    """Primal and dual values against the steps of a solver, and their gap beside the errors that it bounds."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDE[0], 3.3))
    left.axhline(optimum, color=PALETTE["muted"], linewidth=1.0, linestyle=":")
    left.loglog(steps, primal, color=PALETTE["rust"])
    left.loglog(steps, dual, color=PALETTE["blue"])
    note(left, r"primal $\mathcal{P}$", (steps[0], primal[0]), (2, 9), color=PALETTE["rust"])
    note(left, r"dual $\mathcal{D}$", (steps[2], dual[2]), (8, -12), color=PALETTE["blue"])
    left.set(xlabel="steps", title="two values", ylim=(dual[0] / 2, 3 * primal.max()))
    right.loglog(steps, primal - dual, color=PALETTE["ink"], label="gap, known")
    right.loglog(steps, primal - optimum, "--", color=PALETTE["rust"], label=r"error of $\mathcal{P}$")
    right.loglog(steps, optimum - dual, "--", color=PALETTE["blue"], label=r"error of $\mathcal{D}$")
    right.set(xlabel="steps", title="their gap")
    right.legend(loc="lower left")
    return fig


def size_and_content(K: np.ndarray, values: np.ndarray, floor: float) -> Figure:
    """A Gram matrix beside its eigenvalues, falling; floor is what rounding does to one of them."""
    fig, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    plotting.matrix(left, K, f"$K$, {len(K)} × {len(K)}")
    left.set_aspect("equal")
    right.semilogy(np.arange(1, len(values) + 1), np.maximum(values, floor / 10), color=PALETTE["blue"])
    _level(right, floor, "rounding", color=PALETTE["muted"], linestyle=":", linewidth=1.2)
    right.set(title="its eigenvalues", xlabel="$i$", ylabel=r"$\lambda_i$", ylim=(floor / 10, 3 * values[0]))
    return fig


def support_vectors(sizes: list[int], counts: dict[str, np.ndarray], slope: float) -> Axes:
    """Numbers of support vectors against numbers of points, with the line that label noise forces.

    ``counts`` has a row for each draw, of which mean and range are shown; slope is twice the Bayes error.
    """
    _, ax = plt.subplots(figsize=WIDE)
    for values, look in series(counts, ("rust", "blue"), marker="o^"):
        mean = values.mean(axis=0)
        ax.errorbar(sizes, mean, [mean - values.min(axis=0), values.max(axis=0) - mean], capsize=3, **look)
    ax.loglog(sizes, slope * np.array(sizes), label=r"$2R^* n$, moons", **DASHED)
    ax.set(xlabel="points $n$", ylabel=r"support vectors", ylim=(12, 500))
    plotting.ticks(ax, x=sizes, y=(20, 50, 100, 200, 500))
    ax.legend()
    return ax


def growth(fit: dict[str, dict]) -> Figure:
    """Recorded training times and peaks of memory of several programs against n, with lines of slope 2."""
    fig, axes = plt.subplots(1, 2, figsize=WIDE)
    for ax, key, title in zip(axes, ("seconds", "mebibytes"), ("time, s", "memory, MiB"), strict=True):
        for columns, look in series(fit, marker="o^sDv"):
            ax.loglog(columns["n"], columns[key], **look)
        n = np.array(columns["n"])
        start = max(columns[key][0] for columns in fit.values())
        ax.loglog(n, 2 * start * (n / n[0]) ** 2, label="slope 2", **DASHED)
        ax.set(title=title, xlabel="points $n$")
        plotting.ticks(ax, x=n[::2], form="{:,}")
    plotting.legend_below(fig, ncols=2)
    return fig


def spectra(kernels: dict[str, np.ndarray], dimensions: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Eigenvalues by kernel, and by dimension with their limits, all divided by n; a dimension's name is TeX."""
    fig, (left, right) = plt.subplots(1, 2, sharey=True)
    for values, look in series(kernels):
        left.loglog(np.arange(1, len(values) + 1), values.clip(1e-20), **look)
    for (values, limit), look in series({f"${name}$": pair for name, pair in dimensions.items()}):
        index = np.arange(1, len(values) + 1)
        right.loglog(index, values.clip(1e-20), **look)
        right.loglog(index, limit, **DASHED)
    right.plot([], [], label="limit", **DASHED)
    left.set(title="moons", xlabel="$i$", ylabel=r"$\lambda_i / n$", ylim=(1e-8, 2))
    right.set(title=r"normal data, $\ell = \sqrt{d}$", xlabel="$i$")
    for ax in (left, right):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, columnspacing=1.0)
    return fig


def plateau(spectra: dict[str, np.ndarray], cutoffs: dict[str, float]) -> Axes:
    """The absolute eigenvalues of one matrix in several precisions, falling, with the cutoff of each.

    A cutoff is what counts as rank; nothing below the smallest is drawn.
    """
    _, ax = plt.subplots()
    floor = min(cutoffs.values())
    for label, colour in zip(spectra, (PALETTE["rust"], PALETTE["blue"]), strict=False):
        values = spectra[label]
        index = np.arange(1, len(values) + 1)
        ax.semilogy(index, np.where(values > floor, values, np.nan), color=colour, label=label)
        if np.any(negative := values < -floor):
            ax.semilogy(index[negative], -values[negative], ":", color=colour, label=f"{label}, sign changed")
        _level(ax, cutoffs[label], f"cutoff, {label}", color=colour, linestyle="--", linewidth=1.0)
    ax.set(xlabel="$i$", ylabel=r"$\lambda_i$", xlim=(-15, len(values) + 15))
    ax.legend(loc="upper right")
    return ax


def machine(X: np.ndarray, y: np.ndarray, alpha: np.ndarray, C: float, decision: Callable) -> Axes:
    """A support vector machine in the plane: its boundary, its margins, and its points by their dual coefficients.

    A coefficient that a bound holds is exactly 0 or C; decision maps points of shape (m, 2) to m numbers.
    """
    fig, ax = plt.subplots()
    first, second = (np.linspace(column.min() - 0.1, column.max() + 0.1, 100) for column in X.T)
    grid = np.stack(np.meshgrid(first, second), axis=-1)  # (100, 100, 2)
    heights = decision(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    for (chosen, look), name in zip(_classes(y), ("−1", "+1"), strict=True):
        crowd, support = chosen & (alpha == 0), chosen & (alpha > 0)
        ax.scatter(X[crowd, 0], X[crowd, 1], s=7, linewidths=0, alpha=0.25, **look)
        label = f"support vectors, class {name}"
        ax.scatter(X[support, 0], X[support, 1], s=15, linewidths=0, label=label, **look)
    free = (alpha > 0) & (alpha < C)
    ax.scatter(X[free, 0], X[free, 1], s=70, facecolors="none", edgecolors=PALETTE["ink"], linewidths=1.1, label="free")
    lines: dict[str, Any] = {"levels": [-1, 0, 1], "linestyles": ["--", "-", "-."], "linewidths": [1.2, 1.8, 1.2]}
    ax.contour(first, second, heights, colors=PALETTE["ink"], **lines)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    fig.legend(loc="outside upper center", ncols=3)
    return ax


def slider(gammas: np.ndarray, ranks: np.ndarray, supports: np.ndarray, train: np.ndarray, fresh: np.ndarray) -> Figure:
    """What a narrower kernel does to a machine: rank of K and support vectors above, accuracies (0 to 1) below."""
    fig, (top, bottom) = plt.subplots(2, 1, sharex=True)
    for ax, curves in (
        (top, {"rank of $K$": ranks, "support vectors": supports}),
        (bottom, {"training points": train, "fresh points": fresh}),
    ):
        for values, look in series(curves, marker="o^"):
            ax.semilogx(gammas, values, **look)
        ax.legend(loc="best")
    top.set(ylabel="number", ylim=(0, None))
    bottom.set(ylabel="accuracy", xlabel=r"$\gamma = 1/(2\ell^2)$")
    return fig


def intercepts(f: np.ndarray, y: np.ndarray, right: float, wrong: float, gaps: np.ndarray, lost: np.ndarray) -> Figure:
    """The hard-margin intercept on classes that overlap: where it falls among the values of f, and what it costs.

    f holds one machine's decisions without intercept, right and wrong are its intercepts. gaps and lost belong to
    several machines with the wrong one: duality gaps, and percentage points of accuracy lost.
    """
    fig, (left, cost) = plt.subplots(1, 2, figsize=WIDE)
    bins = np.linspace(f.min(), f.max(), 41)
    for value, colour, name, side in ((-1, "rust", "−1 ", "right"), (1, "blue", " +1", "left")):
        counts, edges, _ = left.hist(f[y == value], bins, histtype="step", linewidth=1.5, color=PALETTE[colour])
        peak = np.argmax(counts)
        left.annotate(name, (edges[peak + (value > 0)], counts[peak]), color=PALETTE[colour], ha=side, va="top")
    height = left.get_ylim()[1]
    for position, other, style, name in ((-right, -wrong, "-", "right"), (-wrong, -right, "--", "wrong")):
        left.axvline(position, color=PALETTE["ink"], linestyle=style, linewidth=1.3)
        side = "right" if position < other else "left"
        left.annotate(f" {name} ", (position, 1.1 * height), ha=side, va="center")
    for position, colour in ((f[y < 0].max(), "rust"), (f[y > 0].min(), "blue")):
        arrow = {"arrowstyle": "-|>", "color": PALETTE[colour]}
        left.annotate("", (position, 0), (position, 0.3 * height), arrowprops=arrow)
    left.set(xlabel="$f(x_i)$", ylabel="points", ylim=(0, 1.2 * height))
    cost.axhline(0, color=PALETTE["ink"], linewidth=1.0)
    cost.semilogx(gaps, lost, "^", color=PALETTE["rust"])
    cost.set(xlabel="duality gap", ylabel="accuracy lost, points")
    return fig
