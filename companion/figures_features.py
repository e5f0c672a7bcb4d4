"""Figures of Part II, random features: averages, spectra and features.

Each draws what its page computed, in the style of ``plotting``, and returns what it drew on. A curve has the shape of
the argument against which it is drawn, unless a function says otherwise.
"""

import numpy as np

from companion.plotting import DASHED, PALETTE, WIDE, Axes, Figure, band, legend_below, note, plt, series, ticks


def cosines(r: np.ndarray, exact: np.ndarray, estimates: list[np.ndarray], error: np.ndarray) -> Axes:
    """A kernel against the distance r: estimates of it, and a band of two predicted standard errors."""
    _, ax = plt.subplots()
    band(ax, r, exact, 2 * error, color=PALETTE["blue"], alpha=0.18, label="± 2 s.e., predicted")
    for estimate in estimates:
        ax.plot(r, estimate, color=PALETTE["blue"], linewidth=0.9)
    ax.plot([], [], color=PALETTE["blue"], linewidth=0.9, label="estimates")
    ax.plot(r, exact, color=PALETTE["ink"], label="kernel")
    ax.set(xlabel="distance $r$", ylabel="similarity", ylim=(-0.5, 1.15))
    ax.legend(loc="upper right")
    return ax


def enough(D: np.ndarray, typical: np.ndarray, worst: np.ndarray, predicted: np.ndarray, bounds: dict) -> Axes:
    """Typical and largest error over all pairs of points against D, beside what is predicted and what is guaranteed.

    ``bounds`` maps what is bounded to a pair of arrays, D and error.
    """
    fig, ax = plt.subplots()
    for (columns, errors), look in series(bounds, ("rust", "rust"), linestyle=(":", "--")):
        ax.loglog(columns, errors, **look)
    ax.loglog(D, worst, "^", color=PALETTE["rust"], label="worst pair, measured")
    ax.loglog(D, typical, "o", color=PALETTE["blue"], label="typical, measured")
    ax.loglog(D, predicted, color=PALETTE["blue"], label="typical, predicted")
    ax.set(xlabel="feature columns $D$", ylabel="error of an entry", ylim=(0.015, 1.2), xlim=(12, 1e5))
    fig.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
    return ax


def learner(D: np.ndarray, errors: np.ndarray, best: np.ndarray, exact: float) -> Axes:
    """Prediction error of ridge regression against D: random features, the first D eigenvectors of K, and K itself.

    ``errors`` has a row for each draw of the features, of which mean and range are shown.
    """
    _, ax = plt.subplots(figsize=WIDE)
    mean = errors.mean(axis=0)
    spread = [mean - errors.min(axis=0), errors.max(axis=0) - mean]
    ax.errorbar(D, mean, spread, marker="o", capsize=3, color=PALETTE["blue"], label="random features")
    ax.plot(D, best, "--", marker="^", color=PALETTE["rust"], label="eigenvectors of $K$")
    ax.axhline(exact, color=PALETTE["ink"], linewidth=1.0, label="kernel, no features")
    ax.set(xscale="log", xlabel="feature columns $D$", ylabel="prediction error", ylim=(0, None))
    ticks(ax, x=D)
    ax.legend(loc="upper right")
    return ax


def against_the_best(panels: dict[str, tuple]) -> Figure:
    """Error of a kernel matrix against D: random features and the best matrix of rank D, a panel for each data set.

    A panel holds D, the features' predicted and measured errors there, and the best errors at the ranks 1, 2, ...
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True)
    for ax, (title, (D, predicted, measured, best)) in zip(axes, panels.items(), strict=True):
        ax.loglog(D, predicted, color=PALETTE["blue"], label="features, predicted")
        ax.loglog(D, measured, "o", color=PALETTE["blue"], label="measured")
        ax.loglog(np.arange(1, len(best) + 1), best, "--", color=PALETTE["rust"], label="best of rank $D$")
        ax.set(title=title, xlabel="$D$", xlim=(1, 1.3 * D[-1]), ylim=(1e-6, 2))
    axes[0].set_ylabel("relative error of $K$")
    fig.set_layout_engine("constrained", wspace=0.06)
    legend_below(fig, ncols=3)
    return fig


def averages_of_cosines(delta: np.ndarray, panels: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Cosines, their average and its limit with two standard errors, a panel for each law of the frequencies.

    A panel holds the m cosines, of shape (len(delta), m), the limit and the standard error.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True)
    for ax, (name, (waves, limit, error)) in zip(axes, panels.items(), strict=True):
        ax.plot(delta, waves[:, :3], color=PALETTE["muted"], alpha=0.6, linewidth=0.8)
        band(ax, delta, limit, 2 * error, color=PALETTE["muted"], alpha=0.35)
        ax.plot(delta, waves.mean(axis=1), color=PALETTE["blue"])
        ax.plot(delta, limit, **DASHED)
        ax.set(title=f"{name} frequencies", xlabel=r"$\delta$", ylim=(-1.05, 1.05))
    return fig


def spectral_pairs(
    delta: np.ndarray,
    omega: np.ndarray,
    pairs: dict[str, tuple[np.ndarray, np.ndarray]],
    titles: tuple[str, str],
    *,
    log: bool = False,
) -> Figure:
    """Functions of the difference delta beside functions of the frequency omega; what is negative in either is filled.

    With ``log`` the second axis is logarithmic, down to 1e-4.
    """
    fig, axes = plt.subplots(1, 2, figsize=WIDE)
    for curves, look in series(pairs, linestyle=("-", "--", "-.", ":")):
        for ax, x, curve in zip(axes, (delta, omega), curves, strict=True):
            ax.plot(x, curve, **look)
            if curve.min() < 0:
                ax.fill_between(x, np.minimum(curve, 0), color=look["color"], alpha=0.35, linewidth=0)
    for ax, title, name in zip(axes, titles, (r"$\delta$", r"$\omega$"), strict=True):
        ax.set(title=title, xlabel=name)
    if log:
        axes[1].set(yscale="log", ylim=(1e-4, 1))
    legend_below(fig, ncols=4, columnspacing=1.2)
    return fig


def against_distance(
    distances: np.ndarray, r: np.ndarray, pairs: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> Axes:
    """Estimates of pairs of points against their distance, with the kernel and a band of two standard errors.

    ``pairs`` maps a label to estimates at the distances, and kernel and standard error at r.
    """
    _, ax = plt.subplots()
    for (estimates, kernel, error), look in series(pairs, marker="o^"):
        band(ax, r, kernel, 2 * error, color=look["color"], alpha=0.18)
        ax.plot(r, kernel, color=look["color"], linewidth=1.2)
        ax.scatter(distances, estimates, 9, linewidths=0, **look)
    ax.set(xlabel=r"distance $r$", ylabel="estimate", xlim=(0, r[-1]))
    ax.legend(markerscale=2)
    return ax


def averages(delta: np.ndarray, exact: np.ndarray, estimates: dict[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """A curve and estimates of it, each with its standard error: the band holds the middle 95 % of such estimates."""
    _, ax = plt.subplots(figsize=WIDE)
    for (estimate, error), look in series(estimates, ("rust", "blue")):
        band(ax, delta, exact, 1.96 * error, color=look["color"], alpha=0.2)
        ax.plot(delta, estimate, **look)
    ax.plot(delta, exact, "--", color=PALETTE["ink"], linewidth=1.3, label=r"$e^{-\delta^2/2}$")
    ax.set(xlabel=r"$\delta$", ylabel=r"average of $\cos(w\delta)$", xlim=(delta[0], delta[-1]))
    ax.set_yticks((0, 0.5, 1))
    ax.legend(loc="upper right")
    return ax


def promises(error: np.ndarray, measured: np.ndarray, claims: dict[str, np.ndarray]) -> Axes:
    """How often an average is off by more than an error: measured, approximated (the first claim), promised.

    Measured shares of zero are left out.
    """
    fig, ax = plt.subplots(figsize=WIDE)
    for values, look in series(claims, ("ink", "blue", "rust", "gold"), linestyle=("--", "-", "-", "-")):
        ax.semilogy(error, np.minimum(values, 1), **look)
    seen = measured > 0
    ax.semilogy(error[seen], measured[seen], "o", color=PALETTE["muted"], markersize=4, label="measured")
    ax.set(xlabel=r"error $\varepsilon$", ylabel="probability", ylim=(1e-5, 2), xlim=(0, error[-1]))
    ax.set_xticks((0, 0.05, 0.1, 0.15, 0.2))
    fig.legend(loc="outside upper center", ncols=3, columnspacing=1.2)
    return ax


def root_law(draws: np.ndarray, errors: np.ndarray, predicted: np.ndarray, others: dict[str, np.ndarray]) -> Axes:
    """Errors of averages against the number of draws, the law that predicts them, and what does not obey it.

    ``errors`` has a row for each repeat, ``predicted`` two: what half of the errors exceed, and what 5 % exceed.
    """
    fig, ax = plt.subplots()
    spread = np.geomspace(0.85, 1.18, len(errors))[:, None]
    ax.loglog((draws * spread).ravel(), errors.ravel(), ".", color=PALETTE["blue"], markersize=3)
    for values, style, label in zip(predicted, ("-", "--"), ("half are below", "95 % are below"), strict=True):
        ax.loglog(draws, values, style, color=PALETTE["ink"], linewidth=1.3, label=f"predicted: {label}")
    for values, look in series(others, ("rust", "teal"), marker="^s"):
        ax.loglog(draws, values, **look)
    ax.set(xlabel="draws $m$", ylabel="error of the average", ylim=(3e-6, 5))
    ax.minorticks_off()
    fig.legend(loc="outside upper center", ncols=2)
    return ax


def shares(dims: np.ndarray, measured: dict[str, np.ndarray], predicted: dict[str, np.ndarray]) -> Axes:
    """The useful share of draws against the dimension, measured as markers and predicted as lines."""
    _, ax = plt.subplots(figsize=WIDE)
    for values, look in series(measured, ("rust", "blue"), marker="o^"):
        ax.semilogy(dims, predicted[look["label"]], "--", color=look["color"], linewidth=1.3)
        ax.semilogy(dims, values, linestyle="none", **look)
    ax.set(xlabel="dimension $d$", ylabel="useful share")
    ax.legend(loc="lower left")
    return ax


def light_tails(
    scales: np.ndarray, held: np.ndarray, claimed: np.ndarray, actual: np.ndarray, theory: tuple[np.ndarray, np.ndarray]
) -> Figure:
    """Importance sampling against the width of its proposal: how often its intervals hold, and the errors behind that.

    ``held`` is the share of claimed 95 % intervals that hold the truth, ``claimed`` the median claimed standard error,
    ``actual`` the root mean square error; ``theory`` is a pair: widths, and standard errors where they exist.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    left.axhline(0.95, color=PALETTE["ink"], linestyle="--", linewidth=1.3)
    left.plot(scales, held, "o-", color=PALETTE["blue"])
    note(left, "claimed", (scales[-1], 0.95), (0, -4), ha="right", va="top")
    left.set(ylabel="intervals that hold", ylim=(0, 1.03))
    right.semilogy(scales, actual, "o", color=PALETTE["rust"], label="actual")
    right.semilogy(scales, claimed, "^", color=PALETTE["blue"], label="claimed")
    right.semilogy(*theory, "--", color=PALETTE["ink"], linewidth=1.3, label="theory")
    right.set(ylabel="standard error", ylim=(0.01, 0.25))
    ticks(right, y=(0.01, 0.02, 0.05, 0.1, 0.2))
    right.legend(loc="upper right")
    for ax in (left, right):
        ax.axvspan(scales[0] - 0.1, 0.5**0.5, color=PALETTE["rule"], alpha=0.6, linewidth=0)
        ax.set(xlabel="width of the proposal", xlim=(scales[0] - 0.1, scales[-1] + 0.1))
    return fig


def two_shares(n: np.ndarray, measured: np.ndarray, columns: float, rows: np.ndarray) -> Axes:
    """Excess error against the number of rows n: shares of missing columns and of too few rows, and the measured."""
    _, ax = plt.subplots()
    ax.fill_between(n, 0, columns, color=PALETTE["blue"], alpha=0.3, linewidth=0, label="missing columns")
    ax.fill_between(n, columns, columns + rows, color=PALETTE["rust"], alpha=0.3, linewidth=0, label="too few rows")
    ax.plot(n, measured, "o", color=PALETTE["ink"], label="measured")
    ax.set(xscale="log", xlabel="rows $n$", ylabel="excess error", ylim=(0, 0.18))
    ax.set_yticks((0, 0.05, 0.1, 0.15))
    ticks(ax, x=n[::2], form="{:,}")
    ax.legend(loc="upper right")
    return ax


def learning_curves(
    n: np.ndarray, D: list[int], errors: np.ndarray, predicted: np.ndarray, kernel: tuple[np.ndarray, np.ndarray]
) -> Axes:
    """Excess error against the number of rows, a curve for each number of columns; ``kernel`` is n and its own error.

    ``errors`` has the shape (repeats, columns, rows): markers are means, with two standard errors, lines are predicted.
    """
    fig, ax = plt.subplots()
    mean, error = errors.mean(axis=0), errors.std(axis=0, ddof=1) / len(errors) ** 0.5
    named = {f"$D = {D[i]}$": i for i in range(len(D))}
    for i, look in series(named, marker="os^Dv"):
        ax.plot(n, predicted[i], "--", color=look["color"], linewidth=1.2)
        ax.errorbar(n, mean[i], 2 * error[i], linestyle="none", capsize=2, **look)
    ax.plot(*kernel, "x", color=PALETTE["ink"], markersize=8, mew=1.6, label="kernel")
    ax.plot([], [], **DASHED, label="predicted")
    ax.set(xscale="log", yscale="log", xlabel="rows $n$", ylabel="excess error", ylim=(0.008, 0.095))
    ticks(ax, x=n, form="{:,}")
    ticks(ax, y=(0.01, 0.02, 0.05))
    legend_below(fig, ncols=4, columnspacing=1.2)
    return ax


def equal_prices(grid: np.ndarray, budgets: list[float], panels: dict[str, dict], model: np.ndarray) -> Figure:
    """Excess error against D where n D² is fixed, a curve for each budget and a panel for each penalty.

    A panel maps a budget to pairs of D and error; ``model`` has a row for each budget, errors at the columns ``grid``.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True)
    for ax, (title, points) in zip(axes, panels.items(), strict=True):
        named = {f"{budget / 1e6:,.0f} million": i for i, budget in enumerate(budgets)}
        for i, look in series(named, ("gold", "teal", "rust", "blue"), marker="os^D"):
            ax.loglog(*np.transpose(points[budgets[i]]), linewidth=1.2, **look)
            ax.loglog(grid, model[i], "--", color=look["color"], linewidth=1.0)
        ax.set(title=title, xlabel="columns $D$", ylim=(0.01, 0.15), xlim=(26, 620))
        ticks(ax, x=(32, 64, 128, 256, 512))
    ticks(axes[0], y=(0.01, 0.02, 0.05, 0.1))
    axes[0].set_ylabel("excess error")
    legend_below(fig, ncols=2)
    return fig
