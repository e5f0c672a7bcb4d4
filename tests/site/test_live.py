"""Live figures in a browser: one panel at a time by click and by key, without a script; all of them in print.

The canary has one, in a small site of its own, so that these checks are never empty; test_site.py makes them on the
book's pages.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import exercises, live, notebooks
from tools.pages import ROOT, Page

HERE = Path(__file__).parent
CHECKS, AXE = ((HERE / name).read_text(encoding="utf-8") for name in ("checks.js", "axe.min.js"))
CONF = f"""
extensions = ["myst_nb", "sphinx_exercise", "tools.live"]
root_doc, include_patterns, nb_execution_mode, numfig = "book/canary", ["book/*.ipynb"], "off", True
numfig_format, html_theme, html_title = {{"figure": "Fig. %s"}}, "sphinx_book_theme", "Canary"
html_scaled_image_link, html_context = False, {{"default_mode": "auto"}}
html_static_path, html_css_files = [{str(ROOT / "book" / "_static")!r}], ["course.css"]
html_js_files, myst_enable_extensions = ["course.js"], ["colon_fence"]
"""
SHOWN = "nodes => nodes.map((node, i) => node.getClientRects().length ? i : -1).filter(i => i >= 0)"
LEFT = "nodes => new Set(nodes.map(node => node.getBoundingClientRect().left)).size"


@pytest.fixture(scope="module")
def canary(tmp_path_factory) -> tuple[Page, str]:
    """The page tests/canary/canary.md, executed, and the address of its site."""
    root = tmp_path_factory.mktemp("canary")
    page = Page("canary", root)
    page.md.parent.mkdir()
    page.md.write_text((ROOT / "tests" / "canary" / "canary.md").read_text())
    run = notebooks.shrink(notebooks.execute(page))
    nbformat.write(run.notebook, page.ipynb)
    live.write(page, run.live)
    (root / "conf.py").write_text(CONF)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-E", str(root), str(root / "_build" / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return page, (root / "_build" / "html" / "book" / "canary.html").as_uri()


def check_switching(page: Page, address: str, chromium) -> None:
    """One panel is shown, that of the button which was clicked or reached by an arrow key; in print, all are."""
    stored, values = live.read(page), exercises.tries(live.cell_of(page.notebook))
    context = chromium.new_context(
        java_script_enabled=False, viewport={"width": 390, "height": 900}, color_scheme="dark"
    )
    tab = context.new_page()
    tab.goto(address)
    group, panels, radios = (tab.locator(f"fieldset.live {part}") for part in ("legend", ".panel", "input"))
    assert group.inner_text().split()[0] == stored["parameter"] and radios.count() == panels.count() == len(values)
    default = values.index(stored["default"])
    assert panels.evaluate_all(SHOWN) == [default]
    for number, label in enumerate(tab.locator("fieldset.live label").all()):
        box = label.bounding_box()
        assert min(box["width"], box["height"]) >= 44, f"a touch target of {box['width']} x {box['height']} px"
        label.click()
        assert panels.evaluate_all(SHOWN) == [number]
    for number in range(len(values)):  # from the last on to the first
        tab.keyboard.press("ArrowRight")
        assert panels.evaluate_all(SHOWN) == [number]
    tab.keyboard.press("ArrowLeft")
    assert panels.evaluate_all(SHOWN) == [len(values) - 2]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.emulate_media(media="print")
    assert panels.evaluate_all(SHOWN) == [*range(len(values))] and panels.evaluate_all(LEFT) == 2
    assert radios.evaluate_all(SHOWN) == [] and tab.locator("fieldset.live p.value").evaluate_all(SHOWN) != []
    assert {image.evaluate("node => getComputedStyle(node).filter") for image in panels.locator("img").all()} == {
        "none"
    }
    context.close()


def check_panels(page: Page, address: str, chromium) -> None:
    """Every panel says its value and what is printed, and has a picture of its own, also for who cannot see it."""
    cell, stored = live.cell_of(page.notebook), live.read(page)
    own = {"text": "".join(output.get("text", "") for output in cell.outputs)}
    tab = chromium.new_page()
    tab.goto(address)
    pictures = set()
    for value, panel in zip(exercises.tries(cell), tab.locator("fieldset.live .panel").all(), strict=True):
        text = stored["values"].get(value, own)["text"]
        image, said = panel.locator("img"), f"{stored['parameter']} = {live.plain(value)}"
        assert said in image.get_attribute("alt") and " ".join(text.split()) in image.get_attribute("alt")
        assert panel.locator("p.value").text_content() == said and panel.locator("pre").all_text_contents() == [text]
        assert image.evaluate("node => node.decode().then(() => node.naturalWidth)") > 1_200
        pictures.add(image.get_attribute("src"))
    assert len(pictures) == len(exercises.tries(cell))
    assert tab.locator("fieldset.live figcaption .caption-number").count() == 1
    tab.close()


def test_panels_switch_without_a_script_by_click_and_by_key_and_print(canary, chromium):
    check_switching(*canary, chromium)


def test_every_panel_says_its_value_and_what_is_printed(canary, chromium):
    check_panels(*canary, chromium)


def test_it_is_clean_by_all_checks_of_a_page(canary, chromium):
    """With scripts, and by axe; the book's pages are checked so in test_site.py."""
    tab = chromium.new_page(viewport={"width": 390, "height": 900}, color_scheme="dark")
    faults = []
    tab.on("console", lambda message: message.type == "error" and faults.append(message.text))
    tab.on("request", lambda request: request.url.startswith(("file:", "data:")) or faults.append(request.url))
    tab.goto(canary[1])
    assert tab.evaluate(CHECKS, None) + faults == []
    tab.evaluate(AXE)  # which asks for the style sheets again, and no file may ask for files
    assert tab.evaluate(CHECKS, "page") == []
    look = "() => getComputedStyle(document.querySelector('fieldset.live img')).filter"
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark" and "invert" in tab.evaluate(look)
    tab.emulate_media(media="print")
    assert tab.evaluate(look) == "none", "on paper a figure is light, whatever the screen is"
    tab.close()
