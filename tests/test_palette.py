"""One palette: the site's light values are the figures', its dark values are what its filter makes of them."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

plotting = pytest.importorskip("companion.plotting", reason="needs matplotlib")
STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
CSS = (STATIC / "course.css").read_text(encoding="utf-8")
TEXT = ("ink", "muted", "blue", "rust", "pine")
GROUNDS = ("paper", "shade")

# The matrix of CSS hue-rotate(180deg), https://www.w3.org/TR/filter-effects-1/#feColorMatrixElement
LUMA = np.array([0.213, 0.715, 0.072])
HUE_ROTATE = 2 * LUMA * np.ones((3, 1)) - np.eye(3)
# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Ottosson (2020), OKLab from linear RGB; a just noticeable difference is about 0.02.
TO_LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                   [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
TO_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                   [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


def block(selector):
    """The colours set in the first rule of the style sheet whose selector ends so."""
    body = re.search(re.escape(selector) + r" \{(.*?)\n\}", CSS, re.S).group(1)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", body))


LIGHT, DARK = block('html[data-theme="light"]'), block('html[data-theme="dark"]')


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def filtered(colour):
    """``invert(0.9) hue-rotate(180deg)``, each step clipped as browsers do."""
    inverted = np.clip(0.9 + (1 - 2 * 0.9) * rgb(colour), 0, 1)
    return np.clip(HUE_ROTATE @ inverted, 0, 1)


def linear(colour):
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """The contrast ratio of WCAG 2."""
    low, high = sorted(linear(rgb(colour)) @ [0.2126, 0.7152, 0.0722] for colour in (a, b))
    return (high + 0.05) / (low + 0.05)


def test_light_values_are_those_of_the_figures():
    assert {name: LIGHT.get(name) for name in plotting.PALETTE} == plotting.PALETTE


def test_dark_mode_filters_figures_so():
    assert "--figure-filter: invert(0.9) hue-rotate(180deg);" in CSS


@pytest.mark.parametrize("name", LIGHT)
def test_dark_values_are_the_filtered_light_values(name):
    np.testing.assert_allclose(rgb(DARK[name]), filtered(LIGHT[name]), atol=1.01 / 255)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("name", TEXT)
def test_text_is_legible(colours, name, ground):
    assert contrast(colours[name], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", plotting.SERIES)
def test_curves_are_visible(colours, name):
    assert contrast(colours[name], colours["paper"]) >= 3


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_curves_are_told_apart(colours, vision):
    seen = {}
    for name in (*plotting.SERIES, "ink"):
        cones = TO_LMS @ np.clip(VISION[vision] @ linear(rgb(colours[name])), 0, 1)
        seen[name] = TO_LAB @ np.cbrt(cones)
    apart = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in combinations(seen, 2)}
    assert min(apart.values()) >= 0.11, min(apart, key=apart.get)


@pytest.mark.parametrize("mark", ["mark-light.svg", "mark-dark.svg", "favicon.svg"])
def test_the_mark_has_the_colours_of_the_palette(mark):
    used = set(re.findall(r"#[0-9a-f]{6}", (STATIC / mark).read_text(encoding="utf-8")))
    assert used <= set(LIGHT.values()) | set(DARK.values())


def test_style_is_opaque_on_paper():
    with plotting.mpl.rc_context():
        plotting.use_style()
        assert plotting.mpl.rcParams["figure.facecolor"] == plotting.PALETTE["paper"]
        assert plotting.mpl.rcParams["savefig.facecolor"] == plotting.PALETTE["paper"]
