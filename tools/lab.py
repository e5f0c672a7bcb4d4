"""JupyterLab over copies of the pages in work/, which are the reader's; with --edit, over the pages themselves.

In a copy an exercise asks before it answers: the function with its answer cut out, the check, and then the solution,
folded, as text. So nothing is defined that the reader has not written, and a check passes only for that. What only the
site knows how to show (numbers of figures, captions, keys of citations) stands there in plain words.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools.exercises import ANSWER, stub
from tools.pages import ROOT, figure, tags

WORK = ROOT / "work"
CONFIG = ROOT / "tools" / "jupyter"  # no question about news; wide names; below the reader's own settings
GATE = re.compile(r"^:::+\{solution-(start|end)\}.*\n(?::[\w-]+:.*\n)*:::+[ ]*\n?", re.M)
DETAILS = re.compile(r"^<details[^>]*><summary>(.*?)</summary>\n(.*?)\n</details>", re.M | re.S)
CITE = re.compile(r"\s*\{cite\}`[^`]*`")  # author and year stand before it
NUMREF = re.compile(r"\{numref\}`([\w-]+)`")
EQREF = re.compile(r"\{eq\}`([\w-]+)`")
EQUATION = re.compile(r"\$\$[ ]*\(([\w-]+)\)|^:::+\{math\}\n:label: ([\w-]+)", re.M)
INVITATION = "In Jupyter, put your version into a new cell here; it has to pass this:"
STUB_ABOVE = "Write your version into the cell above; it has to pass this:"
UNWRITTEN = 'raise NotImplementedError("Your answer goes here.")'


def parts(cells: list) -> Iterator[tuple[str, object]]:
    """The cells of a notebook, the markdown ones cut at the gates: text, code, and the start and end of a solution."""
    for cell in cells:
        if cell.cell_type == "code":
            yield "code", cell
            continue
        for number, text in enumerate(GATE.split(cell.source)):
            if number % 2:
                yield text, None
            elif text.strip():
                yield "text", text.strip()


def for_reader(notebook: nbformat.NotebookNode, slug: str, elsewhere: dict[str, str]) -> nbformat.NotebookNode:
    """The notebook with stubs, their checks not yet run, solutions folded behind these, and nothing for instructors.

    `elsewhere` says what to call the equations of other pages.
    """
    cells, solution, held = [], None, []
    figures = [figure(cell)["name"] for cell in notebook.cells if "name" in figure(cell)]
    for kind, content in parts([cell for cell in map(without_answer, notebook.cells) if cell]):
        if kind == "start":
            solution = []
        elif kind == "end":
            fold, has_stub = folded(solution), any(not isinstance(c, str) and ANSWER.search(c.source) for c in solution)
            (held if has_stub else cells).append(fold)
            solution = None
        elif solution is not None:
            solution.append(content)
            if kind == "code" and ANSWER.search(content.source):
                cells.append(new_code_cell(stub(content.source).replace("raise NotImplementedError", UNWRITTEN)))
        elif kind == "text":
            cells.append(new_markdown_cell(content))
        else:
            cells.append(content)
            if "check" in tags(content):
                content.update(outputs=[], execution_count=None)
                cells, held = [*cells, *held], []
            if "name" in figure(content):
                number = figures.index(figure(content)["name"]) + 1
                cells.append(new_markdown_cell(f"**Fig. {number}.** {figure(content)['caption']}"))
    for number, cell in enumerate(cells := [*cells, *held]):
        cell.id = f"{slug}-{number:03d}"
        if cell.cell_type == "markdown":
            cell.source = in_plain_words(cell.source, figures, elsewhere)
    notebook.cells = cells
    return notebook


def without_answer(cell: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """The cell, for an instructor's answer the stub, and None for all else that is an instructor's."""
    if "instructor" not in tags(cell):
        return cell
    if cell.cell_type == "code" and ANSWER.search(cell.source):
        return new_code_cell(stub(cell.source).replace("raise NotImplementedError", UNWRITTEN))
    return None


def folded(solution: list) -> nbformat.NotebookNode:
    """A solution as one text that the reader opens: its prose, its code and what that prints."""
    text = [part if isinstance(part, str) else shown(part) for part in solution]
    return new_markdown_cell(dropdown("Solution", "\n\n".join(text)))


def dropdown(title: str, text: str) -> str:
    """What JupyterLab folds with its formulas typeset; in <details> it leaves them raw."""
    return f"::::{{dropdown}} {title}\n{text.strip()}\n::::"


def shown(cell: nbformat.NotebookNode) -> str:
    code = re.sub(r"^[ ]*### (BEGIN|END) SOLUTION[ ]*\n?", "", cell.source, flags=re.M).rstrip()
    printed = "".join(output.get("text", "") for output in cell.outputs).rstrip()
    return f"```python\n{code}\n```" + (f"\n\nprints\n\n```text\n{printed}\n```" if printed else "")


def in_plain_words(text: str, figures: list[str], elsewhere: dict[str, str]) -> str:
    text = NUMREF.sub(lambda match: f"Fig. {figures.index(match[1]) + 1}", text)
    text = EQREF.sub(lambda match: elsewhere.get(match[1], match[0]), text)
    text = DETAILS.sub(lambda match: dropdown(match[1], match[2]), text)
    return CITE.sub("", text).replace(INVITATION, STUB_ABOVE)


def equations(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Each labelled equation as another page names it: ``(2) of Bochner's theorem``."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title = re.search(r"^# (.+)$", text, re.M)
    labels = [first or second for first, second in EQUATION.findall(text)]
    return {label: f"({number}) of {title[1]}" for number, label in enumerate(labels, 1)}


def copy_pages(source: Path = ROOT / "book", target: Path = WORK) -> tuple[int, int]:
    """Copy the pages a reader runs; what is there is the reader's and stays. Returns how many were copied and kept."""
    copied = kept = 0
    files = [page for page in source.rglob("*.ipynb") if ".ipynb_checkpoints" not in page.parts]
    notebooks = {page: nbformat.read(page, as_version=4) for page in files}
    named = {page: equations(notebook) for page, notebook in notebooks.items()}
    plain = [page for page in source.rglob("*.md") if not page.with_suffix(".ipynb").exists()]
    for page in sorted([*notebooks, *plain]):
        place = target / page.relative_to(source)
        if place.exists():
            kept += 1
            continue
        if page in notebooks:
            elsewhere = {label: name for other in named if other != page for label, name in named[other].items()}
            text = nbformat.writes(for_reader(notebooks[page], page.stem, elsewhere)) + "\n"
        else:
            text = page.read_text(encoding="utf-8")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_suffix(".part").write_text(text, encoding="utf-8", newline="\n")
        os.replace(place.with_suffix(".part"), place)  # all of it or nothing: what is there is never copied again
        copied += 1
    return copied, kept


class OwnKernel(KernelSpecManager):
    """The kernel of this Python alone, whatever kernels are registered on the machine."""

    def _kernel_dirs_default(self) -> list[str]:
        return []


def serve(folder: Path, arguments: list[str]) -> None:
    """JupyterLab on `folder`, open at the intro, whose map has the pages in the course's order."""
    from jupyterlab.labapp import LabApp

    paths = [os.environ.get("JUPYTER_CONFIG_PATH"), str(CONFIG)]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    options = [f"--ServerApp.root_dir={folder}", "--LabApp.default_url=/lab/tree/intro.ipynb"]
    options += ["--ServerApp.kernel_spec_manager_class=tools.lab.OwnKernel"]
    LabApp.launch_instance([*options, *arguments])


def main(arguments: list[str]) -> None:
    if "--edit" not in arguments:
        copied, kept = copy_pages()
        print(f"{copied} pages copied to work/, {kept} kept as you left them (delete a file there to have it fresh)")
    folder = ROOT / "book" if "--edit" in arguments else WORK
    serve(folder, [a for a in arguments if a != "--edit"])


if __name__ == "__main__":
    main(sys.argv[1:])
