"""An author's JupyterLab (`lab --edit`): a page opens with text and outputs, and a save loses nothing."""

import shutil

import pytest
from jupytext import TextFileContentsManager

from tools.pages import ROOT, Page, notebook_pages


@pytest.fixture
def manager(tmp_path):
    """Jupytext's contents manager over a copy of book/, as `lab --edit` has it."""
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("_static"))
    return TextFileContentsManager(root_dir=str(tmp_path / "book"))


@pytest.mark.parametrize("page", notebook_pages(), ids=lambda page: page.name)
def test_open_and_save_keep_text_metadata_and_outputs(manager, page, tmp_path):
    path = f"{page.name}.ipynb"
    model = manager.get(path, type="notebook", content=True)
    assert [cell.source for cell in model["content"].cells] == [cell.source for cell in page.source.cells]
    assert any(cell.get("outputs") for cell in model["content"].cells), "opened without its outputs"
    manager.save(model, path)
    saved = Page(page.name, tmp_path)
    keep = [(c.cell_type, c.source, dict(c.metadata)) for c in page.source.cells]
    assert [(c.cell_type, c.source, dict(c.metadata)) for c in saved.source.cells] == keep
    assert saved.course == page.course
    assert saved.outputs_text == page.outputs_text
