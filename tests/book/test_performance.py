"""The page of measurements: a figure first, set tables, nothing printed; and every recording stands on it."""

import re

import nbformat
import pytest

from tools import numbers
from tools.pages import ROOT, Page, figure, pictures

PAGE = Page("back/performance")
OUTPUTS = [output for cell in PAGE.notebook.cells for output in cell.get("outputs", [])]
TABLES = [output["data"]["text/markdown"] for output in OUTPUTS if "text/markdown" in output.get("data", {})]
DRAWN = [number for number, cell in enumerate(PAGE.notebook.cells) if pictures(cell)]


def test_it_prints_nothing_and_shows_tables_and_one_figure():
    assert {output.output_type for output in OUTPUTS} == {"display_data"}, "print nothing here: use show.table"
    assert all({"image/png", "text/markdown"} & set(output["data"]) for output in OUTPUTS)
    assert len(DRAWN) == 1 and len(TABLES) >= 10


def test_tables_are_set_with_one_space_around_each_cell():
    for table in TABLES:
        heads, rule, *rows = table.splitlines()
        assert rows and re.fullmatch(r"\|(:--\|)+", rule), table
        assert all(row.count("|") == heads.count("|") for row in rows), table
        text = re.sub(r"\$.*?\$", "number", table)
        assert not re.search(r"[{}\[\]']|[^| ] {2,}[^ ]", text), f"a dict, or padding: {table}"


def test_the_figure_comes_before_the_first_section_and_after_few_words():
    before = [cell for cell in PAGE.notebook.cells[: DRAWN[0]] if cell.cell_type == "markdown"]
    text = "\n".join(cell.source for cell in before)
    assert "\n## " not in text and len(numbers.prose_only(text).split()) <= 60
    assert figure(PAGE.notebook.cells[DRAWN[0]])["name"] == "fig-performance-ratios"


def test_every_recording_is_read_and_its_machine_named_at_the_end():
    code = "\n".join(cell.source for cell in PAGE.code_cells)
    recorded = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    assert recorded and recorded <= set(re.findall(r'"(\w+)"', code))
    named = set(re.split(r"[|,\s]+", TABLES[-1].splitlines()[0]))
    assert recorded <= named, "show.machine comes last, with all records"


@pytest.mark.parametrize(("markdown", "citable"), [("| peer | 1.93 |", True), ("```python\nx = 1.93\n```", False)])
def test_prose_may_cite_a_table_but_no_source(markdown, citable):
    output = nbformat.v4.new_output("display_data", {"text/markdown": markdown, "text/plain": "<object>"})
    page = Page(PAGE.name)
    page.__dict__["notebook"] = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])])
    assert ("1.93" in numbers.printed(page.outputs_text)) is citable
    assert "object" not in page.outputs_text
