"""Figures of the course: one palette, one matplotlib style, and the steps that the figures of the pages share.

Figures are opaque PNGs on the paper of the light site. In dark mode the site filters them (``invert(0.9)
hue-rotate(180deg)``): the paper becomes the dark page, and every hue stays. `tests/test_palette.py` holds `PALETTE` and
the site's dark colours together. Figures name colours, ``PALETTE["blue"]``, and never write hex codes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from companion._core import checks

with checks.needs(__name__, "matplotlib", extra="notebooks"):
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from cycler import cycler
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

PALETTE = {
    "paper": "#fdfcf9",  # page and figure background
    "ink": "#23262b",  # text, axes, exact or predicted curves
    "muted": "#5d6168",  # ticks, captions, secondary text
    "rule": "#dcd9d0",  # grid, hairlines
    "blue": "#164ab3",  # Φ; first series
    "rust": "#ab3d0a",  # Ψ; second series
    "teal": "#559f99",
    "violet": "#9269d5",
    "gold": "#d08000",
}
"""Light values of the palette, name to hex; figures and site use the same."""

SERIES = ("blue", "rust", "teal", "violet", "gold")
"""Order of the colour cycle; each colour differs from the others and from ink under every colour blindness."""

SINGLE = (6.4, 3.7)
"""Figure size in inches of one panel: the default."""

WIDE = (6.4, 2.7)
"""Figure size in inches of two or three panels side by side."""

DASHED: dict[str, Any] = {"color": PALETTE["ink"], "linestyle": "--", "linewidth": 1.0}
"""The look of a line that others are held to: a limit, a prediction, the truth."""

SEQUENTIAL = LinearSegmentedColormap.from_list("course", [PALETTE["paper"], "#9db4dd", PALETTE["blue"], "#0b1f4d"])
"""Colour map of magnitudes: paper is zero, blue is large."""

DIVERGING = LinearSegmentedColormap.from_list(
    "course-diverging", [PALETTE["blue"], "#9db4dd", PALETTE["paper"], "#dfa88c", PALETTE["rust"]]
)
"""Colour map of signed numbers: blue below zero, paper at zero, rust above."""

for _map in (SEQUENTIAL, DIVERGING):
    if _map.name not in mpl.colormaps:
        mpl.colormaps.register(_map)


def use_style(*, crisp: bool = False) -> None:
    """Set matplotlib's rcParams to the style of the course; a page calls it once, in its setup cell.

    Text is STIX, the face of the site's prose and formulas, in sizes that read at the book's width and on a phone.
    ``crisp`` draws at twice the pixels of the site's column, for screens of high density.
    """
    ink, muted, rule, paper = (PALETTE[name] for name in ("ink", "muted", "rule", "paper"))
    mpl.rcParams.update(
        {
            "figure.figsize": SINGLE,
            "figure.dpi": 236 if crisp else 160,
            "figure.facecolor": paper,
            "savefig.facecolor": paper,
            "figure.constrained_layout.use": True,
            "axes.facecolor": paper,
            "axes.edgecolor": muted,
            "axes.labelcolor": ink,
            "axes.titlecolor": ink,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "axes.titlesize": 13,
            "axes.labelsize": 13,
            "axes.prop_cycle": cycler(color=[PALETTE[name] for name in SERIES]),
            "axes.formatter.use_mathtext": True,
            "grid.color": rule,
            "grid.linewidth": 0.6,
            "xtick.color": muted,
            "ytick.color": muted,
            "xtick.labelsize": 11.5,
            "ytick.labelsize": 11.5,
            "legend.frameon": False,
            "legend.fontsize": 12,
            "legend.handlelength": 1.6,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "text.color": ink,
            "font.family": ["STIXGeneral"],
            "font.size": 12.5,
            "mathtext.fontset": "stix",
            "image.cmap": "course",
            "image.interpolation": "nearest",
        }
    )


def series(
    named: Mapping[Any, Any], colours: Iterable[str] = SERIES, **options: Sequence[Any]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each value of ``named`` with its look, keywords for matplotlib: the label, a colour, and one of each option.

    >>> [look["marker"] for values, look in series({"exact": [0, 1], "estimate": [0, 2]}, marker="o^")]
    ['o', '^']
    """
    for i, (label, values), colour in zip(count(), named.items(), colours, strict=False):
        yield values, {"label": label, "color": PALETTE[colour]} | {key: each[i] for key, each in options.items()}


def band(ax: Axes, x: np.ndarray, middle: np.ndarray, half: np.ndarray, **look: Any) -> None:
    """Fill ``middle`` ± ``half``, a multiple of a standard error for instance."""
    ax.fill_between(x, middle - half, middle + half, linewidth=0, **look)


def note(ax: Axes, text: str, at: tuple[Any, Any], offset: tuple[float, float], **look: Any) -> None:
    """Write ``text`` beside the point ``at``; the offset is in points."""
    ax.annotate(text, at, xytext=offset, textcoords="offset points", **look)


def ticks(ax: Axes, *, x: Iterable[Any] | None = None, y: Iterable[Any] | None = None, form: str = "{}") -> None:
    """Put ticks at these numbers, each written as ``form``, and none between them."""
    for axis, numbers in ((ax.xaxis, x), (ax.yaxis, y)):
        if numbers is not None:
            axis.set_ticks(list(numbers), [form.format(number) for number in numbers])
    ax.minorticks_off()


def legend_below(fig: Figure, ncols: int, **options: Any) -> None:
    """One legend below all panels: that of the first."""
    fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=ncols, **options)


def matrix(ax: Axes, K: np.ndarray, title: str, *, limit: float | None = None, signed: bool | None = None) -> None:
    """Draw a matrix as an image: paper is zero, blue is positive, rust is negative.

    ``limit`` is the magnitude that gets the full colour, by default the largest; ``signed`` says whether there is rust,
    by default where entries are clearly negative.
    """
    limit = limit or np.abs(K).max()
    signed = K.min() < -0.02 * limit if signed is None else signed
    colours = DIVERGING.reversed() if signed else SEQUENTIAL
    ax.imshow(K, cmap=colours, vmin=-limit if signed else 0, vmax=limit, aspect="auto")
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)


def one_picture(K: np.ndarray, Phi: np.ndarray) -> Figure:
    """The course's one picture: an n × n matrix of similarities beside the product of a tall and a flat factor."""
    n, D = Phi.shape
    width, height = 6.4, 3.2  # everything below in inches
    side, thin, gap, low = 2.35, 0.3, 0.1, 0.3
    start = width - side - 0.05
    fig = plt.figure(figsize=(width, height), layout="none")
    for values, text, (x, y, w, h) in (
        (K, f"$K$,  {n} × {n}", (0.05, low, side, side)),
        (Phi, rf"$\Phi$,  {n} × {D}", (start - gap - thin, low, thin, side)),
        (Phi.T, rf"$\Phi^{{\top}}$,  {D} × {n}", (start, low + side + gap, side, thin)),
        (Phi @ Phi.T, r"$\Phi\,\Phi^{\top}$", (start, low, side, side)),
    ):
        ax = fig.add_axes((x / width, y / height, w / width, h / height))
        matrix(ax, values, "", limit=1)
        place, va = (1.2, "bottom") if h < w else (-0.02, "top")
        ax.annotate(text, (0.5, place), xycoords="axes fraction", ha="center", va=va)
    middle = (start - gap - thin + side) / 2 / width + 0.01, (low + side / 2) / height
    fig.text(*middle, "≈", fontsize=28, ha="center", va="center")
    return fig


PEERS = {"QP": "cvxopt"} | dict.fromkeys(("libsvm", "RBFSampler", "LinearSVC", "SVC"), "scikit-learn")
"""Competitors of the benchmarks that are parts of a package, and the package."""

Recorded = Mapping[str, Mapping[str, Any]]


def paired_ratios(parts: Mapping[str, Mapping[str, Recorded]]) -> Axes:
    """What competitors cost over what the package costs, on a logarithmic axis: paired medians with their quartiles.

    ``parts`` maps a part of the course to its tasks, and a task to what was recorded of its competitors. The row
    "limit" is the physical limit. Where a competitor costs less than the package, its mark has a ring.
    """
    lines = [line for part, tasks in parts.items() for line in ((part, {}), *tasks.items())]
    _, ax = plt.subplots(figsize=(SINGLE[0], 1.05 + 0.2 * len(lines)))
    packages = dict.fromkeys(_package(name) for _, rows in lines for name in rows if name != "limit")
    looks = {
        look["label"]: look
        for _, look in series(packages, (*SERIES, "muted", "ink", "teal", "blue"), marker="os^DvPX<*")
    }
    for y, (_, rows) in enumerate(lines):
        for name, row in rows.items():
            at = row["times_ours"]
            if name == "limit":
                ax.plot(at, y, "|", color=PALETTE["ink"], markersize=11, mew=2, label="limit")
                continue
            look = looks[_package(name)]
            ax.plot(row.get("quartiles", [at, at]), [y, y], color=look["color"], linewidth=1.2)
            if at < 1:
                ax.plot(at, y, "o", color=PALETTE["rust"], mfc="none", markersize=12, mew=1.2, label="loss")
            ax.plot(at, y, linestyle="", markersize=6, **look)
    _finish_ratios(ax, [label for label, _ in lines], parts)
    return ax


def _package(competitor: str) -> str:
    """The package of a competitor: its name stands before the comma, as in "torch, by hand"."""
    name = competitor.partition(",")[0]
    return PEERS.get(name, name)


def _finish_ratios(ax: Axes, labels: Sequence[str], parts: Iterable[str]) -> None:
    """The line of the package, both sides of it, the names of the tasks and one legend below."""
    ax.set(xscale="log", xlabel="theirs over ours", ylim=(len(labels) - 0.5, -0.6))
    low, high = ax.get_xlim()
    ax.axvline(1.0, color=PALETTE["ink"], linewidth=1.2)
    ax.axvspan(low, 1.0, color=PALETTE["rust"], alpha=0.06, linewidth=0)
    note(ax, "package loses", (1.0, 0), (-5, 0), ha="right", va="center", color=PALETTE["rust"])
    note(ax, "package wins", (1.0, 0), (5, 0), ha="left", va="center", color=PALETTE["blue"])
    ticks(ax, x=[x for x in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000) if low < x < high])
    ax.set(xlim=(low, high), yticks=range(len(labels)), yticklabels=labels)
    for label in ax.get_yticklabels():
        if label.get_text() in parts:
            label.set(fontweight="bold", color=PALETTE["ink"])
    ax.grid(False, axis="y")
    entries = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    order = [label for label in entries if label not in ("limit", "loss")]
    order += [label for label in ("limit", "loss") if label in entries]
    look = {"ncols": min(len(entries), 5), "columnspacing": 1.0, "handlelength": 0.9, "handletextpad": 0.45}
    ax.figure.legend([entries[label] for label in order], order, loc="outside lower center", **look)
