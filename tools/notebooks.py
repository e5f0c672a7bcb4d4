"""Execute the pages: NAME.md -> NAME.ipynb, byte for byte the same when nothing changed; or compare figures and write
nothing.

The writer leaves out whatever would differ between two runs (ids, time stamps, versions), so a changed notebook is a
changed result. nbval compares what the cells print; it does not look at pictures, so `--check` does.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import time

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

from tools.pages import ROOT, RUN_TIMES, Page, figure, notebook_pages, pictures, toc

TIMEOUT = 120  # seconds a cell may take
PIXEL_TOLERANCE = 24  # of 255: what antialiasing may move without the curve moving
TILE, TILE_TOLERANCE = 16, 0.05  # no more than that share of any tile may change: one marker moved, one digit, is more
PICTURE = ("intro", "fig-intro-picture", "one-picture.png")  # the figure that README.md shows


def execute(page: Page) -> tuple[nbformat.NotebookNode, float]:
    """The executed notebook of the page's .md and the seconds it took."""
    notebook = page.source.copy()
    notebook.metadata = nbformat.NotebookNode(page.kept_metadata)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{page.slug}-{number:03d}"
    start = time.monotonic()
    NotebookClient(
        notebook,
        timeout=TIMEOUT,
        record_timing=False,
        coalesce_streams=True,  # how often a cell flushes is chance
        extra_arguments=["--log-level=40"],
        resources={"metadata": {"path": str(page.md.parent)}},
    ).execute()
    notebook.metadata.language_info = nbformat.NotebookNode(name="python")
    nbformat.validate(notebook)
    return notebook, time.monotonic() - start


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


def compare_figures(page: Page) -> list[str]:
    """What differs between the stored figures of the page and those that its .md draws now."""
    stored, fresh = figures(page.notebook), figures(execute(page)[0])
    if [name for name, _ in stored] != [name for name, _ in fresh]:
        return [f"{page.name}: the stored figures are {[n for n, _ in stored]}, the page draws {[n for n, _ in fresh]}"]
    pairs = zip(stored, fresh, strict=True)
    changed = [name for (name, old), (_, new) in pairs if changed_share(old, new) > TILE_TOLERANCE]
    return [f"{page.name}: figure {name} changed" for name in changed]


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
    wanted = [a.removeprefix("book/").removesuffix(".md").removesuffix(".ipynb") for a in arguments if a != "--check"]
    pages = [page for page in notebook_pages() if not wanted or page.name in wanted]
    if unknown := set(wanted) - {page.name for page in pages}:
        print(f"no such page in _toc.yml: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    failed = False
    for page in pages:
        print(f"{page.name} … ", end="", flush=True)
        start = time.monotonic()
        try:
            problems = compare_figures(page) if "--check" in arguments else []
            verdict = "figures as stored" if "--check" in arguments else "written" if write(page) else "unchanged"
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            problems = [f"{page.name}: it does not run\n{error}"]
        failed |= bool(problems)
        print(f"{time.monotonic() - start:.1f} s, {'; '.join(problems) or verdict}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
