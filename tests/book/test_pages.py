"""Every rule of tools.rules on every page of the course."""

import ast

import pytest

from tools import rules
from tools.pages import ROOT, RUN_TIMES, Page, notebook_pages, toc

PAGES = [Page(name) for name in toc()]
CASES = [(page, rule) for page in PAGES for rule in rules.rules_of(page)]
EXCEPTIONS = ROOT / "tests" / "book" / "nbval-exceptions.txt"
NBVAL_TAGS = {"nbval-ignore-output", "nbval-skip", "nbval-check-output", "raises-exception"}


@pytest.mark.parametrize(("page", "rule"), CASES, ids=[f"{page.name}-{rule.__name__}" for page, rule in CASES])
def test_page_keeps_rule(page, rule):
    assert [f"{page.name}: {problem}" for problem in rule(page)] == []


def test_every_page_is_in_the_toc():
    files = {path.relative_to(ROOT / "book").with_suffix("").as_posix() for path in (ROOT / "book").rglob("*.md")}
    assert files == set(toc())
    assert {path.with_suffix(".md").exists() for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts} <= {True}


def test_labels_are_unique_in_the_course():
    seen = {}
    for page in PAGES:
        for directive in page.directives:
            if label := directive.options.get("label"):
                assert label not in seen, f"{page.name} and {seen[label]} both use the label {label}"
                seen[label] = page.name


def exceptions():
    """`page cell tag reason` on each line of the list of exceptions."""
    lines = [line.split(maxsplit=3) for line in EXCEPTIONS.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert all(len(line) == 4 for line in lines), f"each line of {EXCEPTIONS.name} reads: page cell tag reason"
    return {(page, int(cell), tag) for page, cell, tag, _ in lines}


def test_what_nbval_does_not_compare_is_listed():
    found = set()
    for page in notebook_pages():
        for number, cell in enumerate(page.source.cells):
            marked = NBVAL_TAGS & set(cell.metadata.get("tags", []))
            marked |= {"comment"} if "NBVAL_" in cell.source else set()
            found |= {(page.name, number, tag) for tag in marked}
    assert found == exceptions()
    assert len(found) <= 10, "the list of exceptions is short, or nothing is compared"


def test_objectives_are_the_list_on_the_page():
    for page in filter(lambda page: page.is_first_edition, PAGES):
        part = page.prose.partition("## You will be able to")[2].partition("## ")[0]
        bullets = [line.removeprefix("- ").rstrip(".;") for line in part.splitlines() if line.startswith("- ")]
        assert bullets == page.course["objectives"], page.name


def test_the_readme_shows_the_figure_of_the_intro():
    from tools.notebooks import PICTURE, figures

    page, name, file = PICTURE
    assert dict(figures(Page(page).notebook))[name] == (ROOT / "book" / "_static" / file).read_bytes(), "run `make notebooks`"


def test_run_times_are_recorded_and_within_budget():
    import json

    times = json.loads(RUN_TIMES.read_text())
    assert set(times) == {page.name for page in notebook_pages()}, "run `make notebooks`"
    slow = [name for name, record in times.items() if record["seconds"] > rules.MAX_SECONDS]
    assert slow == [], f"slower than {rules.MAX_SECONDS} s: {slow}"


def test_api_page_shows_every_module():
    import companion

    shown = [d.body for d in Page("back/api").directives if d.name == "eval-rst"]
    assert [body.removeprefix(".. companion-module:: ") for body in shown] == list(companion.__all__)


def test_the_list_of_the_first_edition_only_shrinks():
    chapters = "margins-and-duality support-vector-machine cost-of-the-gram-matrix monte-carlo bochner"
    chapters += " orthogonal-frequencies quasi-random-frequencies beyond-the-gaussian"
    assert {page.slug for page in PAGES if page.is_first_edition} <= set(chapters.split())


def test_contributing_names_every_heading_and_tag():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert [word for word in (*rules.TAIL, *sorted(rules.TAGS)) if word not in text] == []


def test_every_rule_says_what_it_holds():
    tree = ast.parse((ROOT / "tools" / "rules.py").read_text())
    rule_names = {rule.__name__ for rule in (*rules.EVERY, *rules.NOTEBOOK, *rules.CHAPTER, *rules.MOULD)}
    assert {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in rule_names and ast.get_docstring(n)} == rule_names
