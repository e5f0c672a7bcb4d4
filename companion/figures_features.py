"""Figures of Part II, random features: averages, spectra and features.

Each takes what its page computed, draws it in the style of ``plotting`` and returns what it drew on.
"""

from typing import Any

import numpy as np

from companion.plotting import PALETTE, SERIES, SINGLE, WIDE, Axes, Figure, plt


def cosines(r: np.ndarray, exact: np.ndarray, curves: dict[int, list], errors: dict[int, np.ndarray]) -> Figure:
    """A kernel against the distance, estimates of it, and a band of two standard errors, a panel for each D.

    Parameters
    ----------
    r, exact : ndarray of shape (p,)
        Distances and the kernel there.
    curves : dict of int to list of ndarray of shape (p,)
        D to estimates.
    errors : dict of int to ndarray of shape (p,)
        D to predicted standard errors.
    """
    fig, axes = plt.subplots(1, len(curves), figsize=WIDE, sharey=True, layout="constrained")
    for ax, (D, estimates) in zip(axes, curves.items(), strict=True):
        low, high = exact - 2 * errors[D], exact + 2 * errors[D]
        ax.fill_between(r, low, high, color=PALETTE["blue"], alpha=0.18, linewidth=0, label="± 2 s.e., predicted")
        for estimate in estimates:
            ax.plot(r, estimate, color=PALETTE["blue"], linewidth=0.9)
        ax.plot([], [], color=PALETTE["blue"], linewidth=0.9, label="estimates")
        ax.plot(r, exact, color=PALETTE["ink"], label="kernel")
        ax.set(title=f"$D = {D}$", xlabel="distance $r$")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def two_maps(r: np.ndarray, predicted: np.ndarray, at: np.ndarray, measured: np.ndarray) -> Axes:
    """Standard errors of the two Fourier maps, pairs and offset, at equal D against the distance.

    Parameters
    ----------
    r : ndarray of shape (p,)
    predicted : ndarray of shape (2, p)
        √D times the standard error of pairs and of the map with offsets.
    at : ndarray of shape (q,)
        The distances of the measurements.
    measured : ndarray of shape (2, q)
        √D times the root mean square errors.
    """
    _, ax = plt.subplots(figsize=WIDE, layout="constrained")
    for name, line, marks, colour, marker in zip(
        ("pairs", "offset"), predicted, measured, ("blue", "rust"), "o^", strict=True
    ):
        ax.plot(r, line, color=PALETTE[colour], label=f"{name}, predicted")
        ax.plot(at, marks, marker, color=PALETTE[colour], label=f"{name}, measured")
    ax.set(xlabel=r"distance $r / \ell$", ylabel=r"s.e. $\times \sqrt{D}$", ylim=(0, 1.1))
    ax.legend(loc="lower right")
    return ax


def enough(D: np.ndarray, typical: np.ndarray, worst: np.ndarray, predicted: np.ndarray, bounds: dict) -> Axes:
    """Typical and largest error over all pairs of points against D, beside what is predicted and what is guaranteed.

    Parameters
    ----------
    D, typical, worst, predicted : ndarray of shape (p,)
    bounds : dict of str to (ndarray, ndarray)
        What is bounded to pairs of D and error.
    """
    fig, ax = plt.subplots(figsize=SINGLE, layout="constrained")
    for (name, (columns, errors)), style in zip(bounds.items(), (":", "--"), strict=True):
        ax.loglog(columns, errors, style, color=PALETTE["rust"], label=name)
    ax.loglog(D, worst, "^", color=PALETTE["rust"], label="worst pair, measured")
    ax.loglog(D, typical, "o", color=PALETTE["blue"], label="typical, measured")
    ax.loglog(D, predicted, color=PALETTE["blue"], label="typical, predicted")
    ax.set(xlabel="feature columns $D$", ylabel="error of an entry", ylim=(0.015, 1.2), xlim=(12, 1e5))
    fig.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
    return ax


def learner(D: np.ndarray, errors: np.ndarray, best: np.ndarray, exact: float) -> Axes:
    """Prediction error of ridge regression with features against D.

    Parameters
    ----------
    D : ndarray of shape (p,)
    errors : ndarray of shape (draws, p)
        With random features: mean and range are drawn.
    best : ndarray of shape (p,)
        With the first D eigenvectors of the kernel matrix.
    exact : float
        With the kernel itself.
    """
    _, ax = plt.subplots(figsize=WIDE, layout="constrained")
    mean = errors.mean(axis=0)
    spread = np.array([mean - errors.min(axis=0), errors.max(axis=0) - mean])
    ax.errorbar(D, mean, spread, marker="o", capsize=3, color=PALETTE["blue"], label="random features")
    ax.plot(D, best, "--", marker="^", color=PALETTE["rust"], label="eigenvectors of $K$")
    ax.axhline(exact, color=PALETTE["ink"], linewidth=1.0, label="kernel, no features")
    ax.set(xscale="log", xlabel="feature columns $D$", ylabel="prediction error", ylim=(0, None))
    ax.set_xticks(D, [str(columns) for columns in D])
    ax.minorticks_off()
    ax.legend(loc="upper right")
    return ax


def against_the_best(panels: dict[str, tuple]) -> Figure:
    """Error of a kernel matrix against D: random features and the best matrix of rank D, a panel for each data set.

    Parameters
    ----------
    panels : dict of str to (ndarray of shape (p,), ndarray of shape (p,), ndarray of shape (p,), ndarray of shape (q,))
        Title to D, predicted errors and measured errors of the features, and errors at the ranks 1 to q.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True, layout="constrained")
    for ax, (title, (D, predicted, measured, best)) in zip(axes, panels.items(), strict=True):
        ax.loglog(D, predicted, color=PALETTE["blue"], label="features, predicted")
        ax.loglog(D, measured, "o", color=PALETTE["blue"], label="measured")
        ax.loglog(np.arange(1, len(best) + 1), best, "--", color=PALETTE["rust"], label="best of rank $D$")
        ax.set(title=title, xlabel="$D$", xlim=(1, 1.3 * D[-1]), ylim=(1e-6, 2))
    axes[0].set_ylabel("relative error of $K$")
    fig.set_layout_engine("constrained", wspace=0.06)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def averages_of_cosines(delta: np.ndarray, panels: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Cosines, their average and its limit with two standard errors, a panel for each law of the frequencies.

    Parameters
    ----------
    delta : ndarray of shape (p,)
    panels : dict of str to (ndarray of shape (p, m), ndarray of shape (p,), ndarray of shape (p,))
        Name of the law to the m cosines, the limit of their average and its standard error.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True, layout="constrained")
    for ax, (name, (waves, limit, error)) in zip(axes, panels.items(), strict=True):
        ax.plot(delta, waves[:, :3], color=PALETTE["muted"], alpha=0.6, linewidth=0.8)
        ax.fill_between(delta, limit - 2 * error, limit + 2 * error, color=PALETTE["muted"], alpha=0.35, linewidth=0)
        ax.plot(delta, waves.mean(axis=1), color=PALETTE["blue"])
        ax.plot(delta, limit, "--", color=PALETTE["ink"], linewidth=1.0)
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
    """Functions of the difference beside functions of the frequency, in the same colours.

    Parameters
    ----------
    delta : ndarray of shape (p,)
    omega : ndarray of shape (q,)
    pairs : dict of str to (ndarray of shape (p,), ndarray of shape (q,))
        Label to the function of delta and the one of omega; what is negative in either is filled.
    titles : (str, str)
    log : bool
        Whether the axis of the second has a logarithmic scale, down to 1e-4.
    """
    fig, axes = plt.subplots(1, 2, figsize=WIDE, layout="constrained")
    for (label, curves), colour, style in zip(pairs.items(), SERIES, ("-", "--", "-.", ":"), strict=False):
        for ax, x, curve in zip(axes, (delta, omega), curves, strict=True):
            ax.plot(x, curve, style, color=PALETTE[colour], label=label)
            if curve.min() < 0:
                ax.fill_between(x, np.minimum(curve, 0), color=PALETTE[colour], alpha=0.35, linewidth=0)
    for ax, title, name in zip(axes, titles, (r"$\delta$", r"$\omega$"), strict=True):
        ax.set(title=title, xlabel=name)
    if log:
        axes[1].set(yscale="log", ylim=(1e-4, 1))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.2)
    return fig


def against_distance(
    distances: np.ndarray, r: np.ndarray, series: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> Axes:
    """Estimates of pairs against their distance, each with the kernel it tends to and a band of two standard errors.

    Parameters
    ----------
    distances : ndarray of shape (n,)
    r : ndarray of shape (p,)
    series : dict of str to (ndarray of shape (n,), ndarray of shape (p,), ndarray of shape (p,))
        Label to estimates at the distances, kernel and standard error at r.
    """
    _, ax = plt.subplots(layout="constrained")
    for (label, (estimates, kernel, error)), colour, marker in zip(series.items(), ("blue", "rust"), "o^", strict=True):
        ax.fill_between(r, kernel - 2 * error, kernel + 2 * error, color=PALETTE[colour], alpha=0.18, linewidth=0)
        ax.plot(r, kernel, color=PALETTE[colour], linewidth=1.2)
        style: dict[str, Any] = {"s": 9, "linewidths": 0, "label": label}
        ax.scatter(distances, estimates, color=PALETTE[colour], marker=marker, **style)
    ax.set(xlabel=r"distance $r$", ylabel="estimate", xlim=(0, r[-1]))
    ax.legend(markerscale=2)
    return ax


def averages(delta: np.ndarray, exact: np.ndarray, estimates: dict[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """A curve and estimates of it, each with the band that holds the middle 95 % of such estimates.

    Parameters
    ----------
    delta, exact : ndarray of shape (t,)
    estimates : dict of str to (ndarray of shape (t,), ndarray of shape (t,))
        Label to estimate and its exact standard error.
    """
    _, ax = plt.subplots(figsize=WIDE, layout="constrained")
    for (label, (estimate, error)), colour in zip(estimates.items(), ("rust", "blue"), strict=False):
        low, high = exact - 1.96 * error, exact + 1.96 * error
        ax.fill_between(delta, low, high, color=PALETTE[colour], alpha=0.2, linewidth=0)
        ax.plot(delta, estimate, color=PALETTE[colour], label=label)
    ax.plot(delta, exact, "--", color=PALETTE["ink"], linewidth=1.3, label=r"$e^{-\delta^2/2}$")
    ax.set(xlabel=r"$\delta$", ylabel=r"average of $\cos(w\delta)$", xlim=(delta[0], delta[-1]))
    ax.set_yticks((0, 0.5, 1))
    ax.legend(loc="upper right")
    return ax


def promises(error: np.ndarray, measured: np.ndarray, claims: dict[str, np.ndarray]) -> Axes:
    """How often an average is off by more than an error: measured, approximated, promised.

    Parameters
    ----------
    error, measured : ndarray of shape (t,)
        Errors and shares of averages beyond them; shares of zero are left out.
    claims : dict of str to ndarray of shape (t,)
        Label to claimed probabilities; the first is an approximation and drawn dashed.
    """
    fig, ax = plt.subplots(figsize=WIDE, layout="constrained")
    for (label, values), colour in zip(claims.items(), ("ink", "blue", "rust", "gold"), strict=False):
        style = "--" if colour == "ink" else "-"
        ax.semilogy(error, np.minimum(values, 1), style, color=PALETTE[colour], label=label)
    seen = measured > 0
    ax.semilogy(error[seen], measured[seen], "o", color=PALETTE["muted"], markersize=4, label="measured")
    ax.set(xlabel=r"error $\varepsilon$", ylabel="probability", ylim=(1e-5, 2), xlim=(0, error[-1]))
    ax.set_xticks((0, 0.05, 0.1, 0.15, 0.2))
    fig.legend(loc="outside upper center", ncols=3, columnspacing=1.2)
    return ax


def root_law(draws: np.ndarray, errors: np.ndarray, predicted: np.ndarray, others: dict[str, np.ndarray]) -> Axes:
    """Errors of averages against the number of draws, with the law that predicts them and what does not obey it.

    Parameters
    ----------
    draws : ndarray of shape (t,)
    errors : ndarray of shape (repeats, t)
        Absolute errors, each drawn as a dot.
    predicted : ndarray of shape (2, t)
        Bounds of the middle half of the absolute errors, and the bound that 5 % exceed.
    others : dict of str to ndarray of shape (t,)
        Label to errors of something else.
    """
    fig, ax = plt.subplots(layout="constrained")
    spread = np.geomspace(0.85, 1.18, len(errors))[:, None]
    ax.loglog((draws * spread).ravel(), errors.ravel(), ".", color=PALETTE["blue"], markersize=3)
    for values, style, label in zip(predicted, ("-", "--"), ("half are below", "95 % are below"), strict=True):
        ax.loglog(draws, values, style, color=PALETTE["ink"], linewidth=1.3, label=f"predicted: {label}")
    for (label, values), colour, marker in zip(others.items(), ("rust", "teal"), "^s", strict=False):
        ax.loglog(draws, values, marker=marker, color=PALETTE[colour], label=label)
    ax.set(xlabel="draws $m$", ylabel="error of the average", ylim=(3e-6, 5))
    ax.minorticks_off()
    fig.legend(loc="outside upper center", ncols=2)
    return ax


def shares(dims: np.ndarray, measured: dict[str, np.ndarray], predicted: dict[str, np.ndarray]) -> Axes:
    """The useful share of draws against the dimension, measured as markers and predicted as lines.

    Parameters
    ----------
    dims : ndarray of shape (t,)
    measured, predicted : dict of str to array of shape (t,)
        The same labels.
    """
    _, ax = plt.subplots(figsize=WIDE, layout="constrained")
    for (label, values), colour, marker in zip(measured.items(), ("rust", "blue"), "o^", strict=False):
        ax.semilogy(dims, predicted[label], "--", color=PALETTE[colour], linewidth=1.3)
        ax.semilogy(dims, values, marker, color=PALETTE[colour], label=label)
    ax.set(xlabel="dimension $d$", ylabel="useful share")
    ax.legend(loc="lower left")
    return ax


def light_tails(
    scales: np.ndarray, held: np.ndarray, claimed: np.ndarray, actual: np.ndarray, theory: tuple[np.ndarray, np.ndarray]
) -> Figure:
    """Importance sampling against the width of its proposal: how often its intervals hold, and the errors behind that.

    Parameters
    ----------
    scales, held : ndarray of shape (t,)
        Widths, and shares of claimed 95 % intervals that hold the truth.
    claimed, actual : ndarray of shape (t,)
        Median claimed standard error, root mean square error.
    theory : (ndarray of shape (u,), ndarray of shape (u,))
        Widths, and standard errors where they exist.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=WIDE, layout="constrained")
    left.axhline(0.95, color=PALETTE["ink"], linestyle="--", linewidth=1.3)
    left.plot(scales, held, "o-", color=PALETTE["blue"])
    left.annotate("claimed", (scales[-1], 0.95), xytext=(0, -4), textcoords="offset points", ha="right", va="top")
    left.set(ylabel="intervals that hold", ylim=(0, 1.03))
    right.semilogy(scales, actual, "o", color=PALETTE["rust"], label="actual")
    right.semilogy(scales, claimed, "^", color=PALETTE["blue"], label="claimed")
    right.semilogy(*theory, "--", color=PALETTE["ink"], linewidth=1.3, label="theory")
    right.set(ylabel="standard error", ylim=(0.01, 0.25))
    right.set_yticks((0.01, 0.02, 0.05, 0.1, 0.2), ("0.01", "0.02", "0.05", "0.1", "0.2"))
    right.minorticks_off()
    right.legend(loc="upper right")
    for ax in (left, right):
        ax.axvspan(scales[0] - 0.1, 0.5**0.5, color=PALETTE["rule"], alpha=0.6, linewidth=0)
        ax.set(xlabel="width of the proposal", xlim=(scales[0] - 0.1, scales[-1] + 0.1))
    return fig
