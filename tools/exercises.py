"""Exercises: their blocks, their solutions, the stubs made from these, and the checks that tell one from the other.

A code exercise is a function whose answer stands between `### BEGIN SOLUTION` and `### END SOLUTION`, followed by a
`check` cell of two to four asserts. The stub is the same function with the answer cut out, so the two cannot drift
apart.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.pages import Page, tags

LEVELS, KINDS = {"level-1", "level-2", "level-3"}, {"kind-paper", "kind-code", "kind-explore"}
ANSWER = re.compile(r"^(?P<indent>[ ]*)### BEGIN SOLUTION\n.*?^[ ]*### END SOLUTION[ ]*$", re.M | re.S)
ASKED = re.compile(r"^:::+\{exercise-start\}\n:label: ([\w-]+)|^## ", re.M)
SOLUTION_GATE = re.compile(r"^:::+\{solution-(start|end)\}[ ]*([\w-]*)", re.M)
TRY = re.compile(r"^(?P<assignment>[ ]*\w+(?:: ?\w+)? = )(?P<value>.+?)(?P<comment>\s*# try: (?P<values>.+))$", re.M)


@dataclass(frozen=True)
class Exercise:
    label: str
    classes: frozenset[str]
    page: Page
    solved: bool
    for_teachers: bool  # the solution stands in cells with the tag instructor
    solution: int | None  # index of the solution's first code cell
    check: int | None  # index of the check cell

    @property
    def is_code(self) -> bool:
        return "kind-code" in self.classes

    def cell(self, index: int | None) -> str:
        return self.page.source.cells[index].source

    @property
    def stub(self) -> str:
        return stub(self.cell(self.solution))

    def problems(self) -> Iterator[str]:
        if not re.fullmatch(rf"ex-{self.page.slug}-[\w-]+", self.label):
            yield f"its label is not ex-{self.page.slug}-WORD"
        if len(self.classes & LEVELS) != 1 or len(self.classes & KINDS) != 1:
            yield f"its class needs one of {sorted(LEVELS)} and one of {sorted(KINDS)}"
        if not self.solved:
            yield "it has no solution"
        if not self.is_code:
            return
        if self.solution is None or not ANSWER.search(self.cell(self.solution)):
            yield "its solution has no cell with a function and ### BEGIN SOLUTION … ### END SOLUTION"
        if self.check is None:
            yield "no check cell follows its solution"
            return
        asserts = [node for node in ast.walk(ast.parse(self.cell(self.check))) if isinstance(node, ast.Assert)]
        if not 2 <= len(asserts) <= 4 or not all(node.msg for node in asserts):
            yield f"its check has {len(asserts)} asserts, expected two to four, each with a message"


def stub(solution: str) -> str:
    """The solution with its answer cut out: what a student starts from."""
    return ANSWER.sub(r"\g<indent>raise NotImplementedError", solution)


def solution_cells(page: Page) -> dict[str, dict[str, int]]:
    """Label of each solved exercise to the indices of its first `solution` cell and of the `check` cell after it.

    A solution stands between gates that name its exercise, or in `instructor` cells right after it.
    """
    found: dict[str, dict[str, int]] = {}
    label, asked, inside = "", "", False
    for index, cell in enumerate(page.source.cells):
        if "instructor" in tags(cell) and asked:
            label = asked
            found.setdefault(label, {"teacher": index})
        if cell.cell_type == "markdown":
            for gate, name in SOLUTION_GATE.findall(cell.source):
                inside = gate == "start"
                label = name or label
                found.setdefault(label, {})
            asked = ([asked] + ASKED.findall(cell.source))[-1]
        elif (inside or asked == label) and "solution" in tags(cell):
            found[label].setdefault("solution", index)
        elif label and "check" in tags(cell):
            found[label].setdefault("check", index)
    return found


def exercises(page: Page) -> list[Exercise]:
    """The exercises of a page, each with the cells of its solution and its check."""
    cells, found = solution_cells(page), []
    for directive in page.directives:
        if directive.name == "exercise-start":
            label, classes = directive.options.get("label", ""), frozenset(directive.options.get("class", "").split())
            own = cells.get(label, {})
            at = own.get("solution"), own.get("check")
            found.append(Exercise(label, classes, page, label in cells, "teacher" in own, *at))
    return found


def parameter(cell) -> tuple[str, str]:
    """The name of a live cell's parameter and the value that it has, as source text."""
    match = TRY.search(cell.source)
    name, value = re.split(r"\s*(?::[^=]*)?=\s*", match["assignment"] + match["value"].strip(), maxsplit=1)
    return name.strip(), repr(ast.literal_eval(value))


def tries(cell) -> list[str]:
    """The values a live cell offers, as source text."""
    match = TRY.search(cell.source)
    return [repr(value) for value in ast.literal_eval(f"[{match['values']}]")] if match else []


def with_value(source: str, value: str) -> str:
    """The live cell with its parameter set to `value`."""
    return TRY.sub(rf"\g<assignment>{value}\g<comment>", source, count=1)
