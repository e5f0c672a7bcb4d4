"""The built site in a real browser: each page at two widths, light and dark, and what a reader does once per book."""

from __future__ import annotations

import io
import json
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

import nbformat
import pytest
import test_live
from PIL import Image

from tools import live
from tools.pages import ROOT, Page, repository, toc
from tools.sphinx_course import for_readers

HERE = Path(__file__).parent
CHECKS = (HERE / "checks.js").read_text(encoding="utf-8")
CUT = (HERE / "cut.js").read_text(encoding="utf-8")
AXE = (HERE / "axe.min.js").read_text(encoding="utf-8")
PAGES = toc()
NOTEBOOKS = [name for name in PAGES if Page(name).is_notebook]

STATES = [(390, "dark", "page"), (1280, "light", "page"), (1280, "dark", "frame"), (390, "light", "frame")]
FIRST_FIGURE = """[...document.querySelectorAll("article img")].find((image) => image.checkVisibility())
  .getBoundingClientRect().top + scrollY"""
RESIZED = """() => { window.resized = new Promise((done) => {
  let timer;
  addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(done, 400); });
}); }"""  # after the timers of the theme (300 ms) and of course.js (150 ms), which begin with the same event


def resize(tab, width):
    tab.evaluate(RESIZED)
    tab.set_viewport_size({"width": width, "height": 900})
    tab.evaluate("resized")


@pytest.mark.parametrize("page", PAGES)
def test_page(visit, page):
    """One visit, four states of the tab: a phone, then wide, as when the phone is turned, and back. Colours in the
    article depend on the scheme, or on the width, but not on both at once, so that each of its two audits sees one of
    both."""
    tab, problems = visit(page, *STATES[0][:2]), []
    tab.evaluate(AXE)
    for width, scheme, audit in STATES:
        if width != tab.viewport_size["width"]:
            resize(tab, width)
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
        found = tab.evaluate(CHECKS, audit) + tab.evaluate(CUT, is_in_mould(page))
        problems += [f"{page}, {width} px, {scheme}: {problem}" for problem in found]
        if width == 1280 and is_in_mould(page) and (top := tab.evaluate(FIRST_FIGURE)) > 1200:
            problems.append(f"{page}: the first figure begins at {top} px, below one screen and a half")
    assert problems + visit.faults == []


def is_in_mould(page):
    """Whether a page is a chapter that is not in its first edition: its outputs must fit a phone."""
    return Page(page).is_chapter and not Page(page).is_first_edition


DISPLAYED = "mjx-container[display]"
FAULTS = {  # what a style sheet may do wrong, and what the measure says to it
    ".cell_input pre { background: none !important; }": "scrolls without a sign: pre",
    ".cell_input pre { overflow: hidden !important; }": "hides",
    f"{DISPLAYED} {{ width: 6rem; overflow: hidden !important; }}": "hides",
    f"{DISPLAYED} mjx-math {{ padding-right: 600px; }}": None,
    f"{DISPLAYED} {{ overflow: visible !important; width: 500px; }}": "runs out of the column",
    "mjx-container:not([display]) mjx-mi { padding-right: 400px; }": "runs out of the column",
    "figure img { width: 420px !important; max-width: none !important; }": "runs out of the column",
}


def test_what_a_phone_cuts_is_seen(visit):
    """The measure of test_page refuses each of these faults, and no formula that scrolls under a shadow."""
    tab = visit(next(name for name in NOTEBOOKS if Page(name).is_chapter))
    resize(tab, 390)
    assert not any(
        tab.evaluate(f"[...document.querySelectorAll('{DISPLAYED}')].map(x => x.scrollWidth > x.clientWidth)")
    )
    assert tab.evaluate(CUT, False) == []
    style = tab.add_style_tag(content=".cell_output pre { font-size: 30px !important; }")
    assert any("characters do not fit: pre" in problem for problem in tab.evaluate(CUT, True))
    style.evaluate("style => style.remove()")
    for fault, complaint in FAULTS.items():
        style = tab.add_style_tag(content=fault)
        problems = tab.evaluate(CUT, False)
        assert any(problem.startswith(complaint) for problem in problems) if complaint else not problems, fault
        style.evaluate("style => style.remove()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_shadow_lies_where_code_goes_on(visit, scheme):
    """On the right at first, on the left when it has been scrolled to its end, nowhere on code that fits."""
    tab = visit(next(name for name in NOTEBOOKS if Page(name).is_chapter), width=390, scheme=scheme)
    boxes = tab.locator(".cell_input pre:visible")
    hidden = boxes.evaluate_all("all => all.map(box => box.scrollWidth - box.clientWidth)")
    fits, long = (boxes.nth(hidden.index(width)) for width in (0, max(hidden)))

    def shadows(box):
        """Whether the left and the right edge, above the text, differ from the middle."""
        image = Image.open(io.BytesIO(box.screenshot())).convert("L")
        left, middle, right = (image.getpixel((x, 4)) for x in (4, image.width // 2, image.width - 4))
        return abs(left - middle) > 25, abs(right - middle) > 25

    assert shadows(fits) == (False, False) and shadows(long) == (False, True)
    long.evaluate("box => { box.scrollLeft = box.scrollWidth }")
    assert shadows(long) == (True, False)


def test_dark_figures_lie_on_the_dark_page(visit):
    """The filter of dark mode turns a figure's paper into exactly the page's background."""
    page = next(name for name in NOTEBOOKS if "image/png" in Page(name).ipynb.read_text(encoding="utf-8"))
    tab = visit(page, scheme="dark")
    figure = Image.open(io.BytesIO(tab.locator(".cell_output img:visible").first.screenshot())).convert("RGB")
    page = tab.evaluate("getComputedStyle(document.querySelector('.bd-container')).backgroundColor")
    assert f"rgb{figure.getpixel((3, 3))}" == page


def test_links_and_files_exist(html, pages):
    problems = []
    for name, page in pages.items():
        elsewhere = [link for link in page.links + page.files if urlsplit(link).scheme or link.startswith("//")]
        files = set(page.files).intersection(elsewhere)
        problems += [f"{name}: a file from elsewhere: {link}" for link in files if not link.startswith("data:")]
        for link in set(page.links + page.files).difference(elsewhere):
            target, anchor = urldefrag(urljoin(f"/{name}", link))
            path = unquote(urlsplit(target).path).lstrip("/")
            if not (html / path).is_file():
                problems.append(f"{name}: {link} does not exist")
            elif anchor and path in pages and unquote(anchor) not in pages[path].ids:
                problems.append(f"{name}: {link}: no such place in the page")
    assert problems == []


def test_launch_and_repository_buttons(pages):
    owner_repo = repository().removeprefix("https://github.com/")
    for name in PAGES:
        links = pages[f"book/{name}.html"].links
        assert repository() in links, f"{name}: no repository button"
        launch = [link for link in links if "colab.research.google.com" in link or "mybinder.org" in link]
        path = f"book/{name}.ipynb"
        expected = [
            f"https://mybinder.org/v2/gh/{owner_repo}/main?urlpath=lab/tree/{path}",
            f"https://colab.research.google.com/github/{owner_repo}/blob/main/{path}",
        ]
        assert sorted(launch) == (sorted(expected) if name in NOTEBOOKS else []), name
        assert (ROOT / path).is_file() == (name in NOTEBOOKS), name


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_download_is_the_notebook(html, pages, name):
    links = [link for link in pages[f"book/{name}.html"].links if link.endswith(".ipynb") and "://" not in link]
    assert len(links) == 1, f"{name}: {links}"
    served = (html / "book" / Path(name).parent / links[0]).resolve().read_text(encoding="utf-8")
    nbformat.validate(nbformat.reads(served, as_version=4))
    stored = (ROOT / "book" / f"{name}.ipynb").read_text(encoding="utf-8")
    assert json.loads(served) == json.loads(for_readers(stored)) and "instructor" not in served, name


def tab_until(tab, selector, limit=80):
    for _ in range(limit):
        tab.keyboard.press("Tab")
        if tab.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{tab.url}: Tab does not reach {selector}")


def test_keyboard(visit):
    tab = visit(PAGES[0])
    tab_until(tab, "#pst-skip-link a", limit=1)
    ink, paper = (tab.evaluate(f"getComputedStyle(document.{node}).color") for node in ("body", "activeElement"))
    assert paper == tab.evaluate("getComputedStyle(document.body).backgroundColor") != ink, (
        "the skip link is not legible"
    )
    tab.keyboard.press("Enter")
    assert urlsplit(tab.url).fragment == "main-content"
    tab.reload()
    tab_until(tab, "button.search-button__button")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("dialog[open] input[type=search]:focus")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("dialog[open]", state="hidden")
    tab_until(tab, "nav.bd-links a")
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    target = tab.evaluate("document.activeElement.href")
    assert outline == "solid", "the focus is not visible"
    tab.keyboard.press("Enter")
    tab.wait_for_url(target)
    assert visit.faults == []


def test_search_works_offline(visit):
    tab = visit(PAGES[1])
    heading = tab.locator("article h1").evaluate("node => node.firstChild.data").strip()
    tab.keyboard.press("Control+k")
    tab.wait_for_selector("dialog[open] input[type=search]:focus")
    tab.keyboard.type(heading)
    tab.keyboard.press("Enter")
    tab.wait_for_selector(f"#search-results li a[href*='{PAGES[1]}.html']")
    assert visit.faults == []


def test_theme_button(visit):
    tab = visit(PAGES[0])
    seen = {}
    for _ in range(3):
        mode = tab.evaluate("document.documentElement.dataset.mode")
        seen[mode] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        tab.locator("button.theme-switch-button").last.click()
        tab.wait_for_function("mode => document.documentElement.dataset.mode !== mode", arg=mode)
    assert set(seen) == {"auto", "light", "dark"}
    assert seen["auto"] == seen["light"] != seen["dark"]
    assert visit.faults == []


def test_solutions_and_answers_open_by_keyboard(visit, pages):
    tab = visit(with_solution(pages))
    for fold in (tab.locator("details.solution").first, tab.locator("details.answer").first):
        content = fold.locator("summary ~ *").first
        assert not content.is_visible()
        fold.locator("summary").focus()
        tab.keyboard.press("Enter")
        content.wait_for(state="visible")
        tab.keyboard.press("Space")
        content.wait_for(state="hidden")
    assert visit.faults == []


def with_solution(pages):
    return next(name for name in NOTEBOOKS if any("solution" in name for name in pages[f"book/{name}.html"].ids))


SEEN = "[...document.querySelectorAll('details > summary + *')].map(node => node.checkVisibility())"


def test_what_is_folded_prints(visit, pages):
    """By the style sheet alone; where a browser does not know how, a script opens the folds and closes them again."""
    tab = visit(with_solution(pages))
    tab.locator("details").first.evaluate("fold => { fold.open = true }")
    on_screen = tab.evaluate(SEEN)
    assert on_screen == [True] + [False] * (len(on_screen) - 1) and len(on_screen) > 3
    tab.emulate_media(media="print")
    assert all(tab.evaluate(SEEN))
    tab.emulate_media(media="screen")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(tab.evaluate(SEEN))
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(SEEN) == on_screen


def test_a_search_in_the_page_opens_a_fold(visit, site, pages):
    page = with_solution(pages)
    answer = (
        visit(page).locator("details.answer p").first.evaluate("p => p.firstChild.data.trim().split(' ').slice(-4)")
    )
    tab = visit(f"{site}book/{page}.html#:~:text={quote(' '.join(answer))}")
    tab.wait_for_selector("details.answer[open]")
    assert tab.locator("details[open]").count() == 1


def test_opens_from_a_file(visit, html):
    files = {name: html / "book" / f"{name}.html" for name in PAGES}
    page = max(PAGES, key=lambda name: files[name].read_text(encoding="utf-8").count('class="math'))
    tab = visit(files[page].as_uri())
    assert tab.locator("mjx-container").count() > 0, page
    assert tab.evaluate(CHECKS, None) + visit.faults == []


@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if live.read(Page(name))])
def test_live_figure(name, site, chromium):
    address = f"{site}book/{name}.html"
    test_live.check_switching(Page(name), address, chromium)
    test_live.check_panels(Page(name), address, chromium)
