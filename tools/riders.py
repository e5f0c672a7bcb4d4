"""A pytest plugin: everything that is checked on a page rides on nbval's one execution of it, save the noise.

nbval executes every cell and compares what it prints. On the same run, in the same kernel,

- the pictures that a cell draws are compared with those that are stored;
- before the solution of an exercise the kernel forks: in a child the untouched stub, in others each wrong answer of
  tests/planted stands in the solution's place, and the check must refuse it, by an assertion of its own;
- before a live cell the kernel forks, and each other value of its `# try:` must run, and show what is stored.

After the last cell the page is executed a second time, with noise (see tools/noise.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from tools import exercises, live, notebooks, planted, trial
from tools.pages import Page, tags
from tools.trial import Cells


@dataclass(frozen=True)
class Trial:
    """Cells to try before cell ``index`` of a page, and the exceptions of the last of them that are right."""

    what: str
    index: int
    cells: Cells
    right: tuple[str, ...]
    value: str = ""  # of a live cell

    def fault(self, outcome: dict, page: Page) -> str | None:
        """What is wrong with an outcome."""
        label, error, message = outcome["label"], outcome["error"], outcome["message"]
        if not self.right:
            return "; ".join(self.changed(outcome, live.read(page)))
        if not error:
            return f"{self.what} passes its check"
        if label != self.cells[-1][0] or error not in self.right:
            return f"{self.what} is not refused by its check, but by {error} in {label}: {message}"
        return None

    def changed(self, outcome: dict, stored: dict | None) -> list[str]:
        """What is wrong with a live value: it fails, or shows other things than are stored."""
        try:
            now = live.shown(self.what, outcome)
        except RuntimeError as error:
            return [str(error)]
        return notebooks.changed_value(self.value, stored["values"].get(self.value), now) if stored else []


def trials(page: Page) -> Iterator[Trial]:
    """The stubs, wrong answers and live values of a page."""
    wrong = [mistake for mistake in planted.mistakes(page.root) if mistake.page == page.name and mistake.exercise]
    cells = page.source.cells
    for exercise in (e for e in exercises.exercises(page) if e.is_code):
        refused = ("AssertionError", "NotImplementedError")
        answers = {f"the untouched stub of {exercise.label}": (exercise.stub, refused)}
        for mistake in (m for m in wrong if m.exercise == exercise.label):
            text = planted.replaced(exercise.cell(exercise.solution), mistake.old, mistake.new)
            answers[f"the wrong answer {mistake.name}"] = text, ("AssertionError",)
        after = [(f"cell {i}", cells[i]) for i in range(exercise.solution + 1, exercise.check + 1)]
        rest = [(label, cell.source) for label, cell in after if trial.runs(cell) and "solution" not in tags(cell)]
        for what, (text, right) in answers.items():
            sources = [("the answer", text), *rest]
            yield Trial(what, exercise.solution, sources, right)
    for index, cell in enumerate(cells):
        for value, source in live.others(cell).items() if cell is live.cell_of(page.source) else ():
            yield Trial(f"the live value {value}", index, [("the live cell", source)], (), value)


def attempt(cell: IPyNbCell, planned: Trial, page: Page) -> str | None:
    """Run a trial in a child of the cell's kernel, and say what is wrong with its outcome."""
    if not hasattr(os, "fork"):
        before = [(f"cell {i}", c.source) for i, c in enumerate(page.source.cells[: planned.index]) if trial.runs(c)]
        return planned.fault(json.loads(trial.afresh(before, planned.cells)), page)
    client = cell.parent.kernel.kc
    call = {"answer": trial.call(planned.cells)}
    asked = client.execute("", silent=True, allow_stdin=False, user_expressions=call)
    deadline = time.monotonic() + cell.config.option.nbval_cell_timeout
    while True:
        reply = client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
        if reply["parent_header"].get("msg_id") == asked:
            break
    try:
        return planned.fault(trial.answer(reply), page)
    except RuntimeError as error:
        return f"{planned.what}: {error}"


def page_of(path: Path) -> Page:
    """The page of a notebook in a folder called book."""
    book = next(parent for parent in path.parents if parent.name == "book")
    return Page(path.relative_to(book).with_suffix("").as_posix(), book.parent)


@lru_cache(maxsize=1)
def riders_of(path: Path) -> tuple[Page, list[Trial]]:
    """The page of a notebook and its trials, read once for all its cells."""
    page = page_of(path)
    return page, list(trials(page))


class Noise(pytest.Item):
    """The page executed a second time, with noise in the last bits: nothing that is stored may change."""

    def runtest(self) -> None:
        page = page_of(self.path)
        if problems := notebooks.compare(page, notebooks.execute_noisily(page)):
            raise AssertionError("\n".join(problems))

    def repr_failure(self, excinfo):
        again = f"`python3 course.py notebooks --noise {page_of(self.path).name}`"
        return f"{excinfo.value}\nIt hinges on last bits, and {again} repeats this."

    def reportinfo(self):
        return self.path, 0, f"{page_of(self.path).name}: noise"


def pytest_configure(config) -> None:
    collect, runtest = IPyNbFile.collect, IPyNbCell.runtest

    def collect_with_noise(file):
        yield from collect(file)
        yield Noise.from_parent(file, name="noise")

    def run_with_riders(cell):
        page, planned = riders_of(cell.path)
        index = next(i for i, other in enumerate(cell.parent.nb.cells) if other is cell.cell)
        faults = [attempt(cell, one, page) for one in planned if one.index == index]
        runtest(cell)
        faults += notebooks.changed_pictures(cell.cell, nbformat.NotebookNode(outputs=cell.test_outputs or []))
        if faults := [fault for fault in faults if fault]:
            cell.raise_cell_error("; ".join(faults))

    if config.option.nbval:
        IPyNbFile.collect, IPyNbCell.runtest = collect_with_noise, run_with_riders
