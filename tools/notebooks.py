"""Execute the pages: NAME.md -> NAME.ipynb, byte for byte the same when nothing changed; or compare and write nothing.

The writer leaves out whatever would differ between two runs (ids, time stamps, versions), so a changed notebook is a
changed result. `--check` executes a page and compares all that it prints and draws with what is stored; `--check
--noise` does so on another instruction set and with noise in the last bits (see tools/noise.py), which no stored digit
and no picture may show. `--seed 1` and `--eps 16` choose other noise.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import sys
import time

import nbformat
import numpy as np
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager
from PIL import Image

from tools import noise
from tools.pages import ROOT, RUN_TIMES, Page, figure, notebook_pages, pictures, toc

TIMEOUT = 120  # seconds a cell may take
PIXEL_TOLERANCE = 24  # of 255: what antialiasing may move without the curve moving
TILE, TILE_TOLERANCE = 16, 0.05  # no more than that share of any tile may change: one marker moved, one digit, is more
PICTURE = ("intro", "fig-intro-picture", "one-picture.png")  # the figure that README.md shows
FAILURES = (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError)


class ThisPython(AsyncKernelManager):
    """Starts the kernel of the running Python, as nbval does, whatever kernels are registered on the machine."""

    def __init__(self, **options):
        super().__init__(**options, kernel_spec_manager=NbvalKernelspecManager())


def execute(
    page: Page, first: str = "", allow_errors: bool = False, **environment: str
) -> tuple[nbformat.NotebookNode, float]:
    """The executed notebook of the page's .md and the seconds it took.

    The kernel runs the code ``first`` before the page, which does not see it, and has the variables of ``environment``.
    """
    notebook = page.source.copy()
    notebook.metadata = nbformat.NotebookNode(page.kept_metadata)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{page.slug}-{number:03d}"
    start = time.monotonic()
    client = NotebookClient(
        notebook,
        kernel_name=CURRENT_ENV_KERNEL_NAME,
        kernel_manager_class=ThisPython,
        timeout=TIMEOUT,
        allow_errors=allow_errors,
        record_timing=False,
        coalesce_streams=True,  # how often a cell flushes is chance
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
    return notebook, time.monotonic() - start


def execute_noisily(page: Page, seed: int = 0, eps: float = noise.EPS) -> nbformat.NotebookNode:
    """The page executed with noise in the last bits, on another instruction set; its errors are outputs."""
    first = f"import tools.noise\ntools.noise.install({seed}, {eps})"
    return execute(page, first, allow_errors=True, **noise.other_instructions())[0]


def figures(notebook: nbformat.NotebookNode) -> list[tuple[str, bytes]]:
    """(name of the figure, PNG) for every picture a cell shows."""
    return [
        (figure(cell).get("name", cell.id), base64.b64decode(png)) for cell in notebook.cells for png in pictures(cell)
    ]


def changed_share(old: bytes, new: bytes) -> float:
    """In the tile that differs most, the share of pixels antialiasing does not explain; 1 if the sizes differ."""
    a, b = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int16) for png in (old, new))
    if a.shape != b.shape:
        return 1.0
    changed = np.max(np.abs(a - b), axis=-1) > PIXEL_TOLERANCE  # (height, width)
    changed = np.pad(changed, [(0, -side % TILE) for side in changed.shape])
    tiles = changed.reshape(changed.shape[0] // TILE, TILE, changed.shape[1] // TILE, TILE)
    return float(tiles.mean(axis=(1, 3)).max())


def changed_pictures(stored, fresh) -> list[str]:
    """What differs between the pictures of a stored cell and those that it draws now."""
    old, new = (list(map(base64.b64decode, pictures(cell))) for cell in (stored, fresh))
    name = f"figure {figure(stored).get('name', 'without a name')}"
    if len(old) != len(new):
        return [f"{name}: {len(old)} pictures are stored, {len(new)} are drawn"]
    shares = [changed_share(a, b) for a, b in zip(old, new, strict=True)]
    return [f"{name} changed: {share:.3f} of a tile" for share in shares if share > TILE_TOLERANCE]


def printed(cell) -> str:
    """All that a cell prints, warnings, errors and results included; a picture counts as its text."""
    texts = [f"{o.get('name', '')}{o.get('text', '')}{o.get('evalue', '')}" for o in cell.get("outputs", [])]
    shown = [item for o in cell.get("outputs", []) for item in sorted(o.get("data", {}).items())]
    texts += [text for kind, text in shown if "image" not in kind]
    return "\n".join(texts)


def compare(page: Page, fresh: nbformat.NotebookNode) -> list[str]:
    """What differs between the stored notebook of a page and an executed one: text to the letter, pictures by tiles."""
    problems = []
    for number, (old, new) in enumerate(zip(page.notebook.cells, fresh.cells, strict=True)):
        if (was := printed(old)) != (now := printed(new)):
            pairs = zip([*was.splitlines(), ""], [*now.splitlines(), ""], strict=False)
            line, found = next(((a, b) for a, b in pairs if a != b), (was, now))
            problems.append(f"{page.name}: cell {number} prints {found[:200]!r}, stored is {line[:200]!r}")
        problems += [f"{page.name}: cell {number}, {problem}" for problem in changed_pictures(old, new)]
    return problems


def write(page: Page) -> bool:
    """Write the page's notebook, the README's picture and the run time; False when the notebook is as it was."""
    notebook, seconds = execute(page)
    text = nbformat.writes(notebook) + "\n"
    changed = not page.ipynb.exists() or page.ipynb.read_text(encoding="utf-8") != text
    if changed:
        page.ipynb.write_text(text, encoding="utf-8")
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
                problems, verdict = compare(page, execute(page)[0]), "as stored"
            else:
                verdict = "written" if write(page) else "unchanged"
        except FAILURES as error:
            problems = [f"{page.name}: it does not run\n{error}"]
        failed |= bool(problems)
        print(f"{time.monotonic() - start:.1f} s, {'; '.join(problems) or verdict}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
