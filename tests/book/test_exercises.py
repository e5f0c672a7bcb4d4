"""Solutions pass their checks, stubs fail them, and every live cell runs with the values it offers.

That one planted wrong answer fails, too, is in tests/planted: patches whose `test:` is test_solution_passes.
"""

import pytest

from tools import exercises
from tools.pages import ROOT, notebook_pages

CODE = [e for page in notebook_pages() for e in exercises.exercises(page) if e.is_code]
LIVE = [(page, index, value) for page in notebook_pages() for index, cell in enumerate(page.source.cells) for value in exercises.tries(cell) if "live" in cell.metadata.get("tags", [])]


@pytest.mark.parametrize("exercise", CODE, ids=lambda e: e.label)
def test_solution_passes(exercise):
    assert exercises.passes(exercise, exercise.cell(exercise.solution)), f"{exercise.page.name}: the solution of {exercise.label} fails its check"


@pytest.mark.parametrize("exercise", CODE, ids=lambda e: e.label)
def test_stub_fails(exercise):
    assert "NotImplementedError" in exercise.stub
    assert not exercises.passes(exercise, exercise.stub), f"{exercise.page.name}: the untouched stub of {exercise.label} passes its check"


@pytest.mark.parametrize("exercise", CODE, ids=lambda e: e.label)
def test_a_wrong_answer_is_planted(exercise):
    tests = [line for patch in (ROOT / "tests" / "planted").glob("*.patch") for line in patch.read_text().splitlines() if line.startswith("test:")]
    assert any(f"test_solution_passes[{exercise.label}]" in line for line in tests), f"{exercise.label} has no wrong answer in tests/planted"


@pytest.mark.parametrize(("page", "index", "value"), LIVE, ids=[f"{page.name}-{value}" for page, _, value in LIVE])
def test_live_cell_runs_with_each_value(page, index, value):
    source = exercises.with_value(page.source.cells[index].source, value)
    assert exercises.TRY.search(page.source.cells[index].source)["assignment"] + value in source
    exec(compile(source, f"{page.name}.md", "exec"), exercises.namespace(page, index))
