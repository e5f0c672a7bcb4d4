"""A reader's copy of a page in JupyterLab, in a real browser: it prints what the book shows, its exercise waits for an
answer, and what opens is the intro."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tools.exercises import exercises
from tools.lab import copy_pages
from tools.pages import ROOT, Page, tags

PAGE = "kernels/kernel-trick"
SERVE = "import sys; from tools.lab import serve; serve(*sys.argv[1:2], sys.argv[2:])"
RUN_ALL = """async (answers) => {
  const app = window.jupyterapp;
  const panel = app.shell.currentWidget;
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("not run in two minutes")), 120_000));
  await panel.context.ready;
  await Promise.race([panel.sessionContext.ready, late]);
  for (const cell of panel.content.model.cells) {
    if (cell.sharedModel.source.includes('raise NotImplementedError') && answers.length) {
      cell.sharedModel.setSource(answers.shift());
    }
  }
  await Promise.race([app.commands.execute('notebook:run-all-cells'), late]);
  return panel.content.model.sharedModel.toJSON().cells;
}"""

SCROLL = """(text) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const cells = [...notebook.model.cells].map((cell) => cell.sharedModel.source.includes(text));
  notebook.activeCellIndex = cells.indexOf(true);
  notebook.activeCell.node.scrollIntoView();
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over copies of the pages, as `make lab` starts it, with settings of its own; yields its address.

    The machine has a kernel of the same name that does not start.
    """
    folder = tmp_path_factory.mktemp("lab")
    copy_pages(target=folder / "work")
    foreign = folder / "share" / "kernels" / "python3" / "kernel.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text(json.dumps({"argv": ["no-such-python"], "display_name": "Another", "language": "python"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    environment = {**os.environ, **{name: str(folder / name.lower()) for name in names}, "PYTHONPATH": str(ROOT)}
    environment["JUPYTER_PATH"] = str(folder / "share")
    options = [
        "--no-browser",
        "--allow-root",
        "--IdentityProvider.token=",
        f"--ServerApp.port={port}",
    ]
    command = [
        *(sys.executable, "-c", SERVE, str(folder / "work"), *options),
        "--LabApp.expose_app_in_browser=True",
        "--ServerApp.disable_check_xsrf=True",
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as server,
    ):
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/api", server, folder / "log")
            yield address
        finally:
            server.terminate()
            server.wait(30)


def wait_for(url, server, log, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def texts(cell):
    """What a code cell prints."""
    outputs = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.get("outputs", [])]
    return ["".join(text) for text in outputs]


@pytest.fixture(scope="module")
def runs(lab, chromium):
    """The code cells of the copy after running all: as it was opened, and with the solutions in place of the stubs."""
    answers = [e.cell(e.solution) for e in exercises(Page(PAGE)) if e.is_code]
    tab = chromium.new_page()
    tab.goto(f"{lab}/lab/tree/{PAGE}.ipynb?reset")
    tab.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    runs = [tab.evaluate(RUN_ALL, answer) for answer in ([], answers)]
    tab.close()
    return [[cell for cell in cells if cell["cell_type"] == "code"] for cells in runs]


def printed(cells):
    """What the cells print, stubs and solutions apart."""
    exercise = ("NotImplementedError", "### BEGIN SOLUTION")
    return [texts(cell) for cell in cells if not any(word in "".join(cell["source"]) for word in exercise)]


def errors(cells):
    return [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


def test_a_copy_prints_what_the_book_shows_up_to_the_check_of_its_first_stub(runs):
    stored = [c for c in Page(PAGE).notebook.cells if c.cell_type == "code" and "solution" not in tags(c)]
    check = next(number for number, cell in enumerate(stored) if "check" in tags(cell))
    assert printed(runs[0])[:check] == [texts(cell) for cell in stored[:check]]
    assert [(e["ename"], e["evalue"]) for e in errors(runs[0])] == [("NotImplementedError", "Your answer goes here.")]


def test_the_checks_pass_once_the_answers_are_written(runs):
    stored = [c for c in Page(PAGE).notebook.cells if c.cell_type == "code" and "solution" not in tags(c)]
    assert errors(runs[1]) == []
    assert printed(runs[1]) == [texts(cell) for cell in stored]


def test_lab_opens_the_intro_and_does_not_ask_about_news(lab):
    with urllib.request.urlopen(lab, timeout=30) as answer:
        assert answer.url == f"{lab}/lab/tree/intro.ipynb"
    address = f"{lab}/lab/api/settings/@jupyterlab/apputils-extension:notification"
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert json.load(answer)["schema"]["properties"]["fetchNews"]["default"] == "false"


def test_lab_typesets_theorems_and_mathematics_and_folds_solutions(lab, chromium):
    tab = chromium.new_page()
    tab.goto(f"{lab}/lab/tree/{PAGE}.ipynb?reset")
    tab.wait_for_selector(".jp-MarkdownCell .katex, .jp-MarkdownCell mjx-container", timeout=60_000)
    tab.wait_for_selector(".jp-MarkdownCell >> text=Theorem", timeout=60_000)
    tab.evaluate(SCROLL, "{dropdown} Solution")
    solution = tab.locator(".jp-Notebook-cell.jp-mod-active details")  # one cell, whatever Lab renders meanwhile
    formula = solution.locator(".katex").first
    solution.wait_for(timeout=60_000)
    assert not formula.is_visible()
    for _ in range(60):  # a cell that is rendered once more is folded again
        if formula.is_visible():
            break
        if solution.get_attribute("open") is None:
            solution.locator("summary").click()
        tab.wait_for_timeout(500)
    assert formula.is_visible()
    tab.close()
