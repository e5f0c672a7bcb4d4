"""The copies that `lab` makes: exercises ask before they answer, all else is the page's, a reader's file stays."""

import ast
import builtins
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.exercises import ANSWER, exercises
from tools.lab import copy_pages, for_reader
from tools.pages import ROOT, notebook_pages, tags

FOLDED = "::::{dropdown} Solution"
PAGES = notebook_pages()
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    copy_pages(target=folder)
    return {page.name: nbformat.read(folder / f"{page.name}.ipynb", as_version=4).cells for page in PAGES}


def code(cells, *without):
    return [cell for cell in cells if cell.cell_type == "code" and not set(without) & set(tags(cell))]


def is_stub(cell):
    return cell.cell_type == "code" and "NotImplementedError" in cell.source


def lines(source):
    return {line.strip() for line in source.splitlines() if len(line.strip()) > 12}


@each_page
def test_cells_outside_the_exercises_are_the_pages(copies, page):
    kept = [cell for cell in code(copies[page.name], "check") if not is_stub(cell)]
    wanted = code(page.notebook.cells, "solution", "check", "instructor")
    assert [(c.source, c.metadata, c.outputs) for c in kept] == [(c.source, c.metadata, c.outputs) for c in wanted]


@each_page
def test_stub_then_check_then_solution(copies, page):
    cells = copies[page.name]
    for exercise in (e for e in exercises(page) if e.is_code):
        solution, check = (ANSWER.search(exercise.cell(exercise.solution))[0], exercise.cell(exercise.check))
        answer = max(lines(solution), key=len)
        (asked,) = [i for i, cell in enumerate(cells) if is_stub(cell) and cell.source.startswith(exercise.stub[:20])]
        (checked,) = [i for i, cell in enumerate(cells) if cell.source == check]
        answered = [i for i, cell in enumerate(cells) if answer in cell.source and cell.cell_type == "markdown"]
        assert asked < checked and [i > checked for i in answered] == ([] if exercise.for_teachers else [True])
        assert cells[checked].execution_count is None and cells[checked].outputs == [], "a check that nobody has run"


@each_page
def test_a_solution_is_folded_text_and_nowhere_else(copies, page):
    cells, solutions = copies[page.name], [c for c in page.notebook.cells if "solution" in tags(c)]
    elsewhere = lines("\n".join(c.source for c in page.notebook.cells if "solution" not in tags(c)))
    open_text = "\n".join(c.source for c in cells if not c.source.startswith(FOLDED))
    folded = "\n".join(c.source for c in cells if c.source.startswith(FOLDED))
    public = [exercise for exercise in exercises(page) if exercise.solved and not exercise.for_teachers]
    assert folded.count(FOLDED) == len(public)
    for cell in solutions:
        own = lines(ANSWER.search(cell.source)[0] if ANSWER.search(cell.source) else cell.source)
        own = {line for line in own if not line.startswith("###")}
        assert own <= lines(folded) or ("instructor" in tags(cell) and not own & lines(folded) - elsewhere)
        assert not own & lines(open_text) - elsewhere
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert [word for word in ("{solution-", "{cite}", "{numref}", "<details", "new cell here") if word in text] == []
    assert text.count("::::{dropdown}") == len(re.findall(r"^::::$", text, re.M))


@each_page
def test_every_name_is_defined_above(copies, page):
    defined = set(dir(builtins))
    for cell in (cell for cell in code(copies[page.name]) if "%pip" not in cell.source):
        names = list(ast.walk(ast.parse(cell.source)))
        defined |= {n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        defined |= {n.arg for n in names if isinstance(n, ast.arg)}
        defined |= {n.name for n in names if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler)}
        defined |= {(n.asname or n.name).split(".")[0] for n in names if isinstance(n, ast.alias)}
        loaded = {n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        assert loaded - defined == set()


def test_instructors_cells_stay_with_the_instructor():
    cells = [new_markdown_cell("# Title"), new_code_cell("secret = 1", metadata={"tags": ["instructor"]})]
    cells.append(new_markdown_cell("An aside to whoever teaches.", metadata={"tags": ["instructor"]}))
    solved = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    cells.append(new_code_cell(solved, metadata={"tags": ["solution", "instructor"]}))
    title, stub = (cell.source for cell in for_reader(new_notebook(cells=cells), "page", {}).cells)
    assert title == "# Title" and is_stub(new_code_cell(stub)) and "return" not in stub


def test_an_equation_of_another_page_is_named_with_it(tmp_path):
    source, target = tmp_path / "book", tmp_path / "work"
    source.mkdir()
    here = new_markdown_cell("# Here\n\n$$x = 1$$ (eq-here-x)\n\nBy {eq}`eq-here-x` and {eq}`eq-there-z`.")
    there = new_markdown_cell("# There\n\n$$y = 1$$ (eq-there-y)\n\n:::{math}\n:label: eq-there-z\nz = 1\n:::")
    nbformat.write(new_notebook(cells=[here]), source / "here.ipynb")
    nbformat.write(new_notebook(cells=[there]), source / "there.ipynb")
    copy_pages(source, target)
    copy = nbformat.read(target / "here.ipynb", as_version=4).cells[0].source
    assert copy.endswith("By {eq}`eq-here-x` and (2) of There.")


def test_a_readers_page_is_never_overwritten(tmp_path):
    source, target = tmp_path / "book", tmp_path / "work"
    (source / "part").mkdir(parents=True)
    (source / "part" / "page.md").write_text("text")
    nbformat.write(new_notebook(cells=[new_markdown_cell("as published")]), source / "part" / "page.ipynb")
    (source / "notation.md").write_text("plain page")
    assert copy_pages(source, target) == (2, 0)
    assert not (target / "part" / "page.md").exists(), "a pair is copied as its notebook"
    (target / "part" / "page.ipynb").write_text("my notes")
    assert copy_pages(source, target) == (0, 2)
    assert (target / "part" / "page.ipynb").read_text() == "my notes"


def test_copying_leaves_the_book_as_it_is(tmp_path):
    before = {path: path.read_bytes() for path in (ROOT / "book").rglob("*.ipynb")}
    copy_pages(target=tmp_path)
    assert {path: path.read_bytes() for path in (ROOT / "book").rglob("*.ipynb")} == before
