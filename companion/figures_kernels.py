"""Figures of Part I, kernel machines: one function a figure, so that a page's cells show mathematics only.

Each takes what its page computed, draws it in the style of ``plotting`` and returns what it drew on.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from companion import plotting
from companion.plotting import PALETTE, SERIES, SINGLE, WIDE, Axes, Figure, plt


def three_views(X: np.ndarray, labels: np.ndarray, K: np.ndarray, Phi: np.ndarray) -> Figure:
    """Points, their Gram matrix, and the coordinates that the matrix's eigenvectors give them.

    Parameters
    ----------
    X : ndarray of shape (n, 2)
    labels : ndarray of shape (n,)
        -1 and +1.
    K : ndarray of shape (n, n)
        The Gram matrix of X.
    Phi : ndarray of shape (n, D)
        Feature vectors recovered from K, the first two columns are drawn.
    """
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=WIDE, layout="constrained")
    for ax, points in ((left, X), (right, Phi)):
        for value, colour, marker in ((-1, "rust", "o"), (1, "blue", "^")):
            chosen = labels == value
            ax.scatter(points[chosen, 0], points[chosen, 1], s=11, color=PALETTE[colour], marker=marker, linewidths=0)
    left.set(title="points", xlabel="$x_1$", ylabel="$x_2$")
    plotting.matrix(middle, K, "Gram matrix")
    gap = (Phi[labels < 0, 0].max() + Phi[labels > 0, 0].min()) / 2
    right.axvline(gap, color=PALETTE["ink"], linestyle="--", linewidth=1.0)
    right.set(title="points from the matrix", xlabel=r"$\phi_1$", ylabel=r"$\phi_2$")
    left.set_aspect("equal", adjustable="datalim")
    right.set_aspect("equal", adjustable="datalim")
    fig.set_layout_engine("constrained", wspace=0.08)
    return fig


def fits(X: np.ndarray, y: np.ndarray, grid: np.ndarray, truth: np.ndarray, curves: dict[str, np.ndarray]) -> Figure:
    """One-dimensional data and, in a panel each, the curves fitted to them.

    Parameters
    ----------
    X : ndarray of shape (n, 1)
    y : ndarray of shape (n,)
    grid : ndarray of shape (m, 1)
        Where the curves are evaluated.
    truth : ndarray of shape (m,)
        The noiseless curve.
    curves : dict of str to ndarray of shape (m,)
        Title of the panel to fitted curve.
    """
    fig, axes = plt.subplots(1, len(curves), figsize=WIDE, sharey=True, layout="constrained")
    for ax, (title, curve) in zip(np.atleast_1d(axes), curves.items(), strict=True):
        ax.plot(X[:, 0], y, ".", color=PALETTE["muted"], markersize=3.5, label="data")
        ax.plot(grid[:, 0], truth, "--", color=PALETTE["ink"], linewidth=1.0, label="truth")
        ax.plot(grid[:, 0], curve, color=PALETTE["blue"], label="fit")
        ax.set(title=title, xlabel="$x$", ylim=(y.min() - 0.3, y.max() + 0.3))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def poles(penalties: np.ndarray, norms: dict[str, np.ndarray], eigenvalues: np.ndarray) -> Axes:
    """The size of ridge coefficients against the penalty, with the penalties at which an indefinite matrix has none.

    Parameters
    ----------
    penalties : ndarray of shape (p,)
    norms : dict of str to ndarray of shape (p,)
        Label to norm of the coefficients.
    eigenvalues : ndarray
        The eigenvalues of the indefinite matrix; a mark stands at the absolute value of each negative one.
    """
    _, ax = plt.subplots(layout="constrained")
    for (label, values), colour in zip(norms.items(), ("blue", "rust"), strict=False):
        ax.loglog(penalties, values, color=PALETTE[colour], label=label)
    inside = np.abs(eigenvalues[(-eigenvalues > penalties[0]) & (-eigenvalues < penalties[-1])])
    ax.plot(
        inside,
        np.full(inside.shape, 0.02),
        "|",
        transform=ax.get_xaxis_transform(),
        color=PALETTE["ink"],
        markersize=9,
        label="negative eigenvalues, sign changed",
    )
    ax.set(xlabel=r"penalty $\lambda$", ylabel=r"norm of the coefficients $\alpha$")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 0.1))
    return ax


def margins(X: np.ndarray, labels: np.ndarray, w: np.ndarray, intercept: float, notes: list[str]) -> Axes:
    """Points in the plane, the line ⟨w, x⟩ + intercept = 0 and the two margin lines, where it is -1 and +1.

    Parameters
    ----------
    X : ndarray of shape (n, 2)
    labels : ndarray of shape (n,)
        -1 and +1.
    w : ndarray of shape (2,)
        Its first coordinate must not be zero.
    intercept : float
    notes : list of n str
        What to write beside each point.
    """
    _, ax = plt.subplots(figsize=WIDE, layout="constrained")
    low, high = X[:, 1].min() - 0.45, X[:, 1].max() + 0.6
    heights = np.array([low, high])
    left, middle, right = ((level - intercept - w[1] * heights) / w[0] for level in (-1, 0, 1))
    ax.fill_betweenx(heights, left, right, color=PALETTE["rule"], alpha=0.5, linewidth=0)
    for line, level in ((left, "−1"), (middle, "0"), (right, "+1")):
        ax.plot(line, heights, "-" if level == "0" else "--", color=PALETTE["ink"], linewidth=1.2)
        ax.annotate(f"$f + b =${level}", (line[1], high), xytext=(0, 2), textcoords="offset points", ha="center")
    for value, colour, marker in ((-1, "rust", "o"), (1, "blue", "^")):
        chosen = labels == value
        ax.plot(*X[chosen].T, marker, color=PALETTE[colour], markersize=9)
    for point, note in zip(X, notes, strict=True):
        ax.annotate(note, point, xytext=(8, 0), textcoords="offset points", va="center", fontsize=12)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", ylim=(low, high), xlim=(X[:, 0].min() - 0.4, X[:, 0].max() + 0.7))
    ax.set_yticks([-1, 0, 1])
    ax.grid(False)
    return ax


def hinge_and_line(C: float, alpha: float) -> Axes:
    """The hinge C max(0, u), one of the lines αu below it, and what the line loses on either side.

    Parameters
    ----------
    C : float
    alpha : float
        The slope that is drawn, between 0 and C.
    """
    _, ax = plt.subplots(figsize=WIDE, layout="constrained")
    u = np.array([-1.6, 0.0, 1.6])
    for slope in np.linspace(0, C, 6):
        ax.plot(u, slope * u, color=PALETTE["rule"], linewidth=1.0)
    ax.plot(u, C * np.maximum(0, u), color=PALETTE["ink"], linewidth=2.2)
    ax.plot(u, alpha * u, color=PALETTE["blue"])
    for at, text, beside in ((-1.25, r"$\alpha\,\max(0, -u)$", "left"), (1.25, r"$(C - \alpha)\,\max(0, u)$", "right")):
        top = C * max(0, at)
        ax.plot([at, at], [alpha * at, top], color=PALETTE["rust"], linewidth=2.5, solid_capstyle="butt")
        place: dict[str, Any] = {"xytext": (-3 if at < 0 else -12, 5), "ha": beside, "va": "bottom"}
        ax.annotate(text, (at, top), color=PALETTE["rust"], textcoords="offset points", **place)
    end = u[-1] + 0.05
    ax.annotate(r"$C\,\max(0, u)$", (end, C * u[-1]), va="center", annotation_clip=False)
    ax.annotate(r"$\alpha u$", (end, alpha * u[-1]), va="center", color=PALETTE["blue"], annotation_clip=False)
    ax.set(xlabel=r"$u = 1 - y\,(f(x) + b)$", xlim=(u[0], 2.25), ylim=(-0.95 * C, 1.75 * C), yticks=[0, C])
    ax.set_xticks([-1, 0, 1], ["−1, outside", "0, on the line", "1, short"])
    ax.set_yticklabels(["0", "$C$"])
    return ax


def closing_in(steps: np.ndarray, primal: np.ndarray, dual: np.ndarray, optimum: float) -> Figure:
    """Primal and dual values against the steps of a solver, and their gap beside the error that it bounds.

    Parameters
    ----------
    steps : ndarray of shape (t,)
    primal, dual : ndarray of shape (t,)
        The values after so many steps.
    optimum : float
        The value both tend to.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDE[0], 3.3), layout="constrained")
    left.axhline(optimum, color=PALETTE["muted"], linewidth=1.0, linestyle=":")
    left.loglog(steps, primal, color=PALETTE["rust"])
    left.loglog(steps, dual, color=PALETTE["blue"])
    for text, colour, at, offset in (
        (r"primal $\mathcal{P}$", "rust", (steps[0], primal[0]), (2, 9)),
        (r"dual $\mathcal{D}$", "blue", (steps[2], dual[2]), (8, -12)),
    ):
        left.annotate(text, at, xytext=offset, textcoords="offset points", color=PALETTE[colour])
    left.set(xlabel="steps", title="two values", ylim=(dual[0] / 2, 3 * primal.max()))
    right.loglog(steps, primal - dual, color=PALETTE["ink"], label="gap, known")
    right.loglog(steps, primal - optimum, "--", color=PALETTE["rust"], label=r"error of $\mathcal{P}$")
    right.loglog(steps, optimum - dual, "--", color=PALETTE["blue"], label=r"error of $\mathcal{D}$")
    right.set(xlabel="steps", title="their gap")
    right.legend(loc="lower left")
    return fig


def size_and_content(K: np.ndarray, values: np.ndarray, floor: float) -> Figure:
    """A Gram matrix beside its eigenvalues.

    Parameters
    ----------
    K : ndarray of shape (n, n)
    values : ndarray of shape (n,)
        Its eigenvalues, falling.
    floor : float
        What rounding does to an eigenvalue.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=WIDE, layout="constrained")
    plotting.matrix(left, K, f"$K$, {len(K)} × {len(K)}")
    left.set_aspect("equal")
    right.semilogy(np.arange(1, len(values) + 1), np.maximum(values, floor / 10), color=PALETTE["blue"])
    _rounding(right, floor)
    right.set(title="its eigenvalues", xlabel="$i$", ylabel=r"$\lambda_i$", ylim=(floor / 10, 3 * values[0]))
    return fig


def support_vectors(sizes: list[int], counts: dict[str, np.ndarray], slope: float) -> Axes:
    """Numbers of support vectors against numbers of points, with the line that label noise forces.

    Parameters
    ----------
    sizes : list of int
    counts : dict of str to ndarray of shape (draws, len(sizes))
        Name of the data to numbers of support vectors, of which mean and range are drawn.
    slope : float
        Twice the Bayes error of the noisy data.
    """
    _, ax = plt.subplots(figsize=WIDE, layout="constrained")
    for (label, values), colour, marker in zip(counts.items(), ("rust", "blue"), "o^", strict=False):
        mean = values.mean(axis=0)
        spread = np.array([mean - values.min(axis=0), values.max(axis=0) - mean])
        ax.errorbar(sizes, mean, spread, marker=marker, capsize=3, color=PALETTE[colour], label=label)
    ax.loglog(sizes, slope * np.array(sizes), "--", color=PALETTE["ink"], linewidth=1.0, label=r"$2R^* n$, moons")
    ax.set(xlabel="points $n$", ylabel=r"support vectors", xticks=sizes, ylim=(12, 500))
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.set_yticks((20, 50, 100, 200, 500), ("20", "50", "100", "200", "500"))
    ax.minorticks_off()
    ax.legend()
    return ax


def growth(fit: dict[str, dict]) -> Figure:
    """Recorded training times and peaks of memory against the number of points, with lines of slope 2.

    Parameters
    ----------
    fit : dict of str to dict
        Name of the program to its ``n``, ``seconds`` and ``mebibytes``.
    """
    fig, axes = plt.subplots(1, 2, figsize=WIDE, layout="constrained")
    for ax, key, title in zip(axes, ("seconds", "mebibytes"), ("time, s", "memory, MiB"), strict=True):
        for (name, columns), colour, marker in zip(fit.items(), SERIES, "o^sDv", strict=False):
            ax.loglog(columns["n"], columns[key], marker=marker, color=PALETTE[colour], label=name)
        n = np.array(columns["n"])
        start = max(columns[key][0] for columns in fit.values())
        ax.loglog(n, 2 * start * (n / n[0]) ** 2, "--", color=PALETTE["ink"], linewidth=1.0, label="slope 2")
        ax.set(title=title, xlabel="points $n$")
        ax.set_xticks(n[::2], [f"{size:,}" for size in n[::2]])
        ax.minorticks_off()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def spectra(kernels: dict[str, np.ndarray], dimensions: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Eigenvalues by kernel, and by dimension with their limits, all divided by n.

    Parameters
    ----------
    kernels : dict of str to ndarray of shape (n,)
        Label to eigenvalues.
    dimensions : dict of str to (ndarray of shape (n,), ndarray of shape (n,))
        Label, in TeX, to eigenvalues and their limits.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=SINGLE, sharey=True, layout="constrained")
    for (label, values), colour in zip(kernels.items(), SERIES, strict=False):
        left.loglog(np.arange(1, len(values) + 1), values.clip(1e-20), color=PALETTE[colour], label=label)
    for (label, (values, limit)), colour in zip(dimensions.items(), SERIES, strict=False):
        index = np.arange(1, len(values) + 1)
        right.loglog(index, values.clip(1e-20), color=PALETTE[colour], label=f"${label}$")
        right.loglog(index, limit, "--", color=PALETTE["ink"], linewidth=1.0)
    right.plot([], [], "--", color=PALETTE["ink"], linewidth=1.0, label="limit")
    left.set(title="moons", xlabel="$i$", ylabel=r"$\lambda_i / n$", ylim=(1e-8, 2))
    right.set(title=r"normal data, $\ell = \sqrt{d}$", xlabel="$i$")
    for ax in (left, right):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, columnspacing=1.0)
    return fig


def plateau(spectra: dict[str, np.ndarray], cutoffs: dict[str, float]) -> Axes:
    """The absolute eigenvalues of one matrix in several precisions, with the cutoff of each.

    Parameters
    ----------
    spectra : dict of str to ndarray of shape (n,)
        Label to eigenvalues, falling.
    cutoffs : dict of str to float
        The same labels to what counts as rank; nothing below the smallest is drawn.
    """
    _, ax = plt.subplots(layout="constrained")
    floor = min(cutoffs.values())
    for (label, values), colour in zip(spectra.items(), ("rust", "blue"), strict=False):
        index = np.arange(1, len(values) + 1)
        ax.semilogy(index, np.where(values > floor, values, np.nan), color=PALETTE[colour], label=label)
        if np.any(negative := values < -floor):
            ax.semilogy(index[negative], -values[negative], ":", color=PALETTE[colour], label=f"{label}, sign changed")
        ax.axhline(cutoffs[label], color=PALETTE[colour], linestyle="--", linewidth=1.0)
        where = (0.98, cutoffs[label]), ("axes fraction", "data")
        ax.annotate(f"cutoff, {label}", where[0], xycoords=where[1], ha="right", va="bottom", fontsize=11)
    ax.set(xlabel="$i$", ylabel=r"$\lambda_i$", xlim=(-15, len(values) + 15))
    ax.legend(loc="upper right")
    return ax


def _rounding(ax: Axes, floor: float) -> None:
    ax.axhline(floor, color=PALETTE["muted"], linestyle=":", linewidth=1.2)
    ax.annotate("rounding", (0.98, floor), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=11)


def machine(X: np.ndarray, y: np.ndarray, alpha: np.ndarray, C: float, decision: Callable) -> Axes:
    """A support vector machine in the plane: its boundary, its margins, and its points by their dual coefficients.

    Parameters
    ----------
    X : ndarray of shape (n, 2)
    y : ndarray of shape (n,)
        -1 and +1.
    alpha : ndarray of shape (n,)
        Dual coefficients, exactly 0 or C where a bound holds them.
    C : float
    decision : callable
        Maps points of shape (m, 2) to decisions of shape (m,).
    """
    fig, ax = plt.subplots(layout="constrained")
    first, second = (np.linspace(column.min() - 0.1, column.max() + 0.1, 100) for column in X.T)
    grid = np.stack(np.meshgrid(first, second), axis=-1)  # (100, 100, 2)
    heights = decision(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    for value, colour, marker, name in ((-1, "rust", "o", "−1"), (1, "blue", "^", "+1")):
        for chosen, size, opacity, label in (
            ((y == value) & (alpha == 0), 7, 0.25, None),
            ((y == value) & (alpha > 0), 15, 1.0, f"support vectors, class {name}"),
        ):
            style: dict[str, Any] = {"color": PALETTE[colour], "marker": marker, "linewidths": 0, "alpha": opacity}
            ax.scatter(X[chosen, 0], X[chosen, 1], s=size, label=label, **style)
    free = (alpha > 0) & (alpha < C)
    ax.scatter(X[free, 0], X[free, 1], s=70, facecolors="none", edgecolors=PALETTE["ink"], linewidths=1.1, label="free")
    lines: dict[str, Any] = {"levels": [-1, 0, 1], "linestyles": ["--", "-", "-."], "linewidths": [1.2, 1.8, 1.2]}
    ax.contour(first, second, heights, colors=PALETTE["ink"], **lines)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    fig.legend(loc="outside upper center", ncols=3)
    return ax


def slider(gammas: np.ndarray, ranks: np.ndarray, supports: np.ndarray, train: np.ndarray, fresh: np.ndarray) -> Figure:
    """What happens to a machine as its kernel narrows: rank and support vectors above, accuracies below.

    Parameters
    ----------
    gammas : ndarray of shape (g,)
    ranks, supports : ndarray of shape (g,)
        Numerical rank of K, number of support vectors.
    train, fresh : ndarray of shape (g,)
        Accuracies, from 0 to 1.
    """
    fig, (top, bottom) = plt.subplots(2, 1, figsize=SINGLE, sharex=True, layout="constrained")
    for ax, series in (
        (top, {"rank of $K$": ranks, "support vectors": supports}),
        (bottom, {"training points": train, "fresh points": fresh}),
    ):
        for (label, values), colour, marker in zip(series.items(), ("blue", "rust"), "o^", strict=True):
            ax.semilogx(gammas, values, marker=marker, color=PALETTE[colour], label=label)
        ax.legend(loc="best")
    top.set(ylabel="number", ylim=(0, None))
    bottom.set(ylabel="accuracy", xlabel=r"$\gamma = 1/(2\ell^2)$")
    return fig


def intercepts(f: np.ndarray, y: np.ndarray, right: float, wrong: float, gaps: np.ndarray, lost: np.ndarray) -> Figure:
    """The hard-margin intercept on classes that overlap: where it falls among the values of f, and what it costs.

    Parameters
    ----------
    f : ndarray of shape (n,)
        Decisions without intercept at the training points of one machine.
    y : ndarray of shape (n,)
        -1 and +1.
    right, wrong : float
        Intercepts of that machine.
    gaps, lost : ndarray of shape (s,)
        Of several machines with the wrong intercept: duality gap, percentage points of accuracy lost.
    """
    fig, (left, cost) = plt.subplots(1, 2, figsize=WIDE, layout="constrained")
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
