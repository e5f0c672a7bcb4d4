"""Execute the pages: NAME.md -> NAME.ipynb, byte for byte the same when nothing changed; or compare and write nothing.

The writer leaves out whatever would differ between two runs (ids, time stamps, versions), so a changed notebook is a
changed result. `--check` executes a page and compares all that it prints and draws with what is stored; `--check
--noise` does so on another instruction set and with noise in the last bits (see tools/noise.py), which no stored digit
and no picture may show. `--seed 1` and `--eps 16` choose other noise.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
from queue import Empty
from typing import NamedTuple

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

from tools import live, noise, trial
from tools.pages import ROOT, RUN_TIMES, Page, figure, notebook_pages, pictures, toc
from tools.pixels import changed, compact

TIMEOUT = 120  # seconds a cell may take
PICTURE = ("intro", "fig-intro-picture", "one-picture.png")  # the figure that README.md shows
FAILURES = (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError)


class ThisPython(AsyncKernelManager):
    """Starts the kernel of the running Python, as nbval does, whatever kernels are registered on the machine."""

    def __init__(self, **options):
        super().__init__(**options, kernel_spec_manager=NbvalKernelspecManager())


class Run(NamedTuple):
    """A page executed: its notebook, the seconds it took, and what its live cell shows for the other values."""

    notebook: nbformat.NotebookNode
    seconds: float
    live: dict | None = None


def execute(page: Page, first: str = "", allow_errors: bool = False, **environment: str) -> Run:
    """The page's .md executed.

    The kernel runs the code ``first`` before the page, which does not see it, and has the variables of ``environment``.
    Before a live cell it forks, and a child tries each other value; pages of the first edition are left as they are.
    """
    notebook = page.source.copy()
    notebook.metadata = nbformat.NotebookNode(page.kept_metadata)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{page.slug}-{number:03d}"
    start, values = time.monotonic(), {}
    live_cell = None if page.is_first_edition else live.cell_of(notebook)

    async def try_values(cell, cell_index) -> None:
        for value, source in live.others(cell).items() if cell is live_cell else ():
            before = [(f"cell {i}", c.source) for i, c in enumerate(notebook.cells[:cell_index]) if trial.runs(c)]
            outcome = await tried(client.kc, before, [("the live cell", source)], environment)
            values[value] = live.shown(f"{page.name}: the live value {value}", outcome)

    client = NotebookClient(
        notebook,
        kernel_name=CURRENT_ENV_KERNEL_NAME,
        kernel_manager_class=ThisPython,
        timeout=TIMEOUT,
        allow_errors=allow_errors,
        record_timing=False,
        coalesce_streams=True,  # how often a cell flushes is chance
        on_cell_execute=try_values,
        extra_arguments=["--log-level=40"],
        resources={"metadata": {"path": str(page.md.parent)}},
    )
    if first:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    try:
        client.execute(env={**os.environ, **environment})
    except DeadKernelError as error:
        raise DeadKernelError(f"the kernel of {sys.executable} died on {page.name}: is its memory enough?") from error
    if first:
        del notebook.cells[0]
    notebook.metadata.language_info = nbformat.NotebookNode(name="python")
    nbformat.validate(notebook)
    return Run(notebook, time.monotonic() - start, live.record(live_cell, values) if live_cell else None)


async def tried(kc, before: trial.Cells, cells: trial.Cells, environment: dict[str, str]) -> dict:
    """The outcome of cells in a child of a kernel that has run those before them."""
    if not hasattr(os, "fork"):
        return json.loads(trial.afresh(before, cells, **environment))
    asked = kc.execute("", silent=True, allow_stdin=False, user_expressions={"answer": trial.call(cells)})
    while True:
        try:
            reply = await kc.get_shell_msg(timeout=TIMEOUT)
        except Empty:
            raise CellTimeoutError(f"the live cell takes more than {TIMEOUT} s") from None
        if reply["parent_header"].get("msg_id") == asked:
            return trial.answer(reply)


def execute_noisily(page: Page, seed: int = 0, eps: float = noise.EPS) -> Run:
    """The page executed with noise in the last bits, on another instruction set; its errors are outputs."""
    first = f"import tools.noise\ntools.noise.install({seed}, {eps})"
    return execute(page, first, allow_errors=True, **noise.other_instructions())


def shrink(run: Run) -> Run:
    """A run with every picture in its compact form, as it is stored; a crisp one is shown at half its pixels."""
    outputs = [o for cell in run.notebook.cells for o in cell.get("outputs", []) if "data" in o]
    for data, metadata in [(output.data, output.metadata) for output in outputs]:
        if "image/png" in data and (png := compact(data["image/png"])) != data["image/png"]:
            data["image/png"], metadata["image/png"] = png, {"width": live.size(png)[0] // 2}
    for value in run.live["values"].values() if run.live else ():
        value |= {"picture": compact(value["picture"], "WEBP")} if "picture" in value else {}
    return run


def figures(notebook: nbformat.NotebookNode) -> list[tuple[str, bytes]]:
    """(name of the figure, PNG) for every picture a cell shows."""
    return [
        (figure(cell).get("name", cell.id), base64.b64decode(png)) for cell in notebook.cells for png in pictures(cell)
    ]


def changed_pictures(stored, fresh) -> list[str]:
    """What differs between the pictures of a stored cell and those that it draws now."""
    return changed(f"figure {figure(stored).get('name', 'without a name')}", pictures(stored), pictures(fresh))


def changed_value(value: str, old: dict | None, new: dict) -> list[str]:
    """What differs between a live value as it is stored and as it is shown now."""
    if old is None:
        return [f"the live value {value} is not stored: {live.AGAIN}"]
    name, (was, now) = f"the live value {value}", ([v["picture"]] if "picture" in v else [] for v in (old, new))
    texts = [f"{name} prints {new['text'][:200]!r}, stored is {old['text'][:200]!r}"] * (old["text"] != new["text"])
    return texts + changed(f"{name}: its picture", was, now)


def changed_live(stored: dict | None, fresh: dict | None) -> list[str]:
    """What differs between the stored values of a live cell and those that it shows now."""
    old, new = (found and (found["parameter"], found["default"], [*found["values"]]) for found in (stored, fresh))
    if old != new:
        return [f"the stored values of the live cell are {old}, now they are {new}: {live.AGAIN}"]
    values = fresh["values"] if fresh else {}
    return [problem for value in values for problem in changed_value(value, stored["values"][value], values[value])]


def printed(cell) -> str:
    """All that a cell prints, warnings, errors and results included; a picture counts as its text."""
    texts = [f"{o.get('name', '')}{o.get('text', '')}{o.get('evalue', '')}" for o in cell.get("outputs", [])]
    shown = [item for o in cell.get("outputs", []) for item in sorted(o.get("data", {}).items())]
    texts += [text for kind, text in shown if "image" not in kind]
    return "\n".join(texts)


def compare(page: Page, fresh: Run) -> list[str]:
    """What differs between a page as it is stored and as it was executed: text to the letter, pictures by tiles."""
    problems = [f"{page.name}: {problem}" for problem in changed_live(live.read(page), fresh.live)]
    for number, (old, new) in enumerate(zip(page.notebook.cells, fresh.notebook.cells, strict=True)):
        if (was := printed(old)) != (now := printed(new)):
            pairs = zip([*was.splitlines(), ""], [*now.splitlines(), ""], strict=False)
            line, found = next(((a, b) for a, b in pairs if a != b), (was, now))
            problems.append(f"{page.name}: cell {number} prints {found[:200]!r}, stored is {line[:200]!r}")
        problems += [f"{page.name}: cell {number}, {problem}" for problem in changed_pictures(old, new)]
    return problems


def write(page: Page) -> bool:
    """Write the page's notebook, its live values, the README's picture and the run time; False when nothing changed."""
    notebook, seconds, values = shrink(execute(page))
    text = nbformat.writes(notebook) + "\n"
    changed = not page.ipynb.exists() or page.ipynb.read_text(encoding="utf-8") != text
    if changed:
        page.ipynb.write_text(text, encoding="utf-8")
    changed |= live.write(page, values)
    record(page, changed, {"seconds": round(seconds, 1), "kilobytes": round(len(text.encode()) / 1000)})
    if page.name == PICTURE[0]:
        (ROOT / "book" / "_static" / PICTURE[2]).write_bytes(dict(figures(notebook))[PICTURE[1]])
    return changed


def record(page: Page, changed: bool, times: dict) -> None:
    """Keep the run times of the pages in _toc.yml, this one's anew where its results changed."""
    old = json.loads(RUN_TIMES.read_text()) if RUN_TIMES.exists() else {}
    new = {name: old[name] for name in toc() if name in old}
    if changed or page.name not in new:
        new[page.name] = times
    RUN_TIMES.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="notebooks", description="Execute pages and write their notebooks.")
    parser.add_argument("pages", nargs="*", help="names such as kernels/kernel-trick; none: all of _toc.yml")
    parser.add_argument("--check", action="store_true", help="compare with what is stored and write nothing")
    parser.add_argument("--noise", action="store_true", help="check with noise in the last bits")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--eps", type=float, default=noise.EPS, help="size of the noise")
    asked = parser.parse_args(arguments)
    wanted = [name.removeprefix("book/").removesuffix(".md").removesuffix(".ipynb") for name in asked.pages]
    pages = [page for page in notebook_pages() if not wanted or page.name in wanted]
    if unknown := set(wanted) - {page.name for page in pages}:
        print(f"no such page in _toc.yml: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    failed = False
    for page in pages:
        print(f"{page.name} … ", end="", flush=True)
        start, problems = time.monotonic(), []
        try:
            if asked.noise:
                problems, verdict = compare(page, execute_noisily(page, asked.seed, asked.eps)), "as stored"
            elif asked.check:
                problems, verdict = compare(page, execute(page)), "as stored"
            else:
                verdict = "written" if write(page) else "unchanged"
        except FAILURES as error:
            problems = [f"{page.name}: it does not run\n{error}"]
        failed |= bool(problems)
        print(f"{time.monotonic() - start:.1f} s, {'; '.join(problems) or verdict}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
