"""Figures of the course: one palette and one matplotlib style.

Figures are single opaque PNGs on the paper of the light site. In dark mode the site filters them
(``invert(0.9) hue-rotate(180deg)``), so the paper becomes the dark page and every hue stays what it was; the dark
palette of the site is this filter applied to `PALETTE`. `tests/test_palette.py` holds the two together.

Chapters draw with names, never with hex codes: ``ax.plot(D, error, color=PALETTE["blue"])``. Their figures are in
``figures_kernels`` and so on, one module a part.
"""

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

SQUARE = (4.2, 4.0)
"""Figure size in inches of one square panel, a matrix for instance."""

OURS = "companion"
"""What the benchmarks call the package."""

SEQUENTIAL = LinearSegmentedColormap.from_list("course", [PALETTE["paper"], "#9db4dd", PALETTE["blue"], "#0b1f4d"])
"""Colour map of magnitudes: paper is zero, blue is large."""

DIVERGING = LinearSegmentedColormap.from_list(
    "course-diverging", [PALETTE["blue"], "#9db4dd", PALETTE["paper"], "#dfa88c", PALETTE["rust"]]
)
"""Colour map of signed numbers: blue below zero, paper at zero, rust above."""


def use_style() -> None:
    """Set matplotlib's rcParams to the style of the course.

    Call it once in a page's setup cell. The figure background is opaque and equal to the page's paper, text is
    STIX (the face of the site's prose and formulas, shipped with matplotlib), and sizes are those that read at the
    book's width and on a phone: do not pass ``figsize`` other than `SINGLE`, `WIDE` and `SQUARE`.
    """
    ink, muted, rule, paper = (PALETTE[name] for name in ("ink", "muted", "rule", "paper"))
    mpl.rcParams.update(
        {
            "figure.figsize": SINGLE,
            "figure.dpi": 160,
            "savefig.dpi": "figure",
            "figure.facecolor": paper,
            "savefig.facecolor": paper,
            "figure.constrained_layout.use": True,
            "axes.facecolor": paper,
            "axes.edgecolor": muted,
            "axes.labelcolor": ink,
            "axes.titlecolor": ink,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "axes.titlesize": 13,
            "axes.titleweight": "normal",
            "axes.labelsize": 13,
            "axes.prop_cycle": cycler(color=[PALETTE[name] for name in SERIES]),
            "axes.formatter.use_mathtext": True,
            "grid.color": rule,
            "grid.linewidth": 0.6,
            "xtick.color": muted,
            "ytick.color": muted,
            "xtick.labelsize": 11.5,
            "ytick.labelsize": 11.5,
            "xtick.minor.visible": False,
            "ytick.minor.visible": False,
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


for _map in (SEQUENTIAL, DIVERGING):
    if _map.name not in mpl.colormaps:
        mpl.colormaps.register(_map)


def matrix(ax: Axes, K: np.ndarray, title: str, *, limit: float | None = None) -> None:
    """Draw a matrix as an image on ``ax``: paper is zero, blue is positive, rust is negative.

    Parameters
    ----------
    ax : matplotlib Axes
    K : ndarray of shape (n, m)
    title : str
    limit : float or None
        The magnitude that gets the full colour; the largest entry where None.
    """
    limit = limit or np.abs(K).max()
    signed = K.min() < -0.02 * limit
    ax.imshow(
        K, cmap=DIVERGING.reversed() if signed else SEQUENTIAL, vmin=-limit if signed else 0, vmax=limit, aspect="auto"
    )
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)


def one_picture(K: np.ndarray, Phi: np.ndarray) -> Figure:
    """The course's one picture: an n × n matrix of similarities beside the product of a tall and a flat factor.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        The matrix.
    Phi : ndarray of shape (n, D)
        The factor, ``K ≈ Phi @ Phi.T``.
    """
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
        above = h < w
        ax.annotate(
            text, (0.5, 1.2 if above else -0.02), xycoords="axes fraction", ha="center", va="bottom" if above else "top"
        )
    fig.text(
        (start - gap - thin + side) / 2 / width + 0.01,
        (low + side / 2) / height,
        "≈",
        fontsize=28,
        ha="center",
        va="center",
    )
    return fig


def paired_ratios(groups: dict[str, dict[str, dict]]) -> Axes:
    """Times of the competitors over ours: medians of paired ratios with their quartiles, on a logarithmic axis.

    Parameters
    ----------
    groups : dict of str to dict of str to dict
        Task to competitor to its ``times_ours`` and ``quartiles``, as the benchmarks record them; ours are left out.
    """
    rows = [(f"{task}: {name}", row) for task, table in groups.items() for name, row in table.items() if name != OURS]
    _, ax = plt.subplots(figsize=(SINGLE[0], 1.0 + 0.2 * len(rows)), layout="constrained")
    for y, (_, row) in enumerate(rows):
        low, high = row["quartiles"]
        colour = PALETTE["rust" if row["times_ours"] < 1 else "blue"]
        ax.plot([low, high], [y, y], color=colour)
        ax.plot(row["times_ours"], y, "o", color=colour)
    ax.axvline(1.0, color=PALETTE["ink"], linestyle="--", linewidth=1.0)
    ax.set(xscale="log", xlabel="time over ours, 1 is as fast")
    ax.set_yticks(range(len(rows)), [label for label, _ in rows])
    ax.set_xticks((0.2, 0.5, 1, 2, 5, 10, 50), ("0.2", "0.5", "1", "2", "5", "10", "50"))
    ax.minorticks_off()
    ax.invert_yaxis()
    return ax
