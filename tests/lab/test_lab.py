"""A reader's copy of a page in JupyterLab: it opens in a real browser, every cell runs, and prints what the book
shows."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

import course
from tools.pages import Page

PAGE = "kernels/kernel-trick"
RUN_ALL = """async () => {
  const app = window.jupyterapp;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await app.commands.execute('notebook:run-all-cells');
  return panel.content.model.sharedModel.toJSON().cells;
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over copies of the pages, as `make lab` starts it, with settings of its own; yields its address."""
    folder = tmp_path_factory.mktemp("lab")
    course.copy_pages(target=folder / "work")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    environment = {**os.environ, **{name: str(folder / name.lower()) for name in names}, "PYTHONPATH": str(course.ROOT)}
    options = [
        f"--ServerApp.root_dir={folder / 'work'}",
        "--no-browser",
        "--allow-root",
        "--IdentityProvider.token=",
        f"--ServerApp.port={port}",
    ]
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        *options,
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


def test_a_copy_runs_in_lab_and_prints_what_the_book_shows(lab, chromium):
    tab = chromium.new_page()
    tab.goto(f"{lab}/lab/tree/{PAGE}.ipynb")
    tab.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    cells = [cell for cell in tab.evaluate(RUN_ALL) if cell["cell_type"] == "code"]
    tab.close()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), f"{PAGE}: not every cell ran"
    errors = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert errors == [], f"{PAGE} in JupyterLab: {errors[0]['ename']}: {errors[0]['evalue']}"
    stored = [cell for cell in Page(PAGE).notebook.cells if cell.cell_type == "code"]
    assert [texts(cell) for cell in cells] == [texts(cell) for cell in stored]


def test_lab_typesets_theorems_and_mathematics(lab, chromium):
    tab = chromium.new_page()
    tab.goto(f"{lab}/lab/tree/{PAGE}.ipynb")
    tab.wait_for_selector(".jp-MarkdownCell .katex, .jp-MarkdownCell mjx-container", timeout=60_000)
    tab.wait_for_selector(".jp-MarkdownCell >> text=Theorem", timeout=60_000)
    tab.close()
