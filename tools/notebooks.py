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
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from tools.pages import ROOT, Page, has_figure, notebook_pages

TIMES = ROOT / "book" / "back" / "run-times.json"
TIMEOUT = 120  # seconds a cell may take
KEPT_METADATA = ("kernelspec", "course")
PIXEL_TOLERANCE = 24  # of 255: what antialiasing may move without the curve moving
SHARE_TOLERANCE = 1e-3  # of the pixels: a glyph rendered by another font library, not a changed curve
PICTURE = ("intro", "fig-intro-picture", "one-picture.png")  # the figure that README.md shows


def execute(page: Page) -> tuple[nbformat.NotebookNode, float]:
    """The executed notebook of the page's .md and the seconds it took."""
    notebook = page.source.copy()
    notebook.metadata = nbformat.NotebookNode(
        {key: page.source.metadata[key] for key in KEPT_METADATA if key in page.source.metadata}
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{page.slug}-{number:03d}"
    start = time.monotonic()
    NotebookClient(
        notebook,
        timeout=TIMEOUT,
        record_timing=False,
        extra_arguments=["--log-level=40"],
        resources={"metadata": {"path": str(page.md.parent)}},
    ).execute()
    notebook.metadata.language_info = nbformat.NotebookNode(name="python")
    nbformat.validate(notebook)
    return notebook, time.monotonic() - start


def figures(notebook: nbformat.NotebookNode) -> list[tuple[str, bytes]]:
    """(name of the figure, PNG) for every picture a cell shows."""
    return [
        (
            cell.metadata.get("mystnb", {}).get("figure", {}).get("name", cell.id),
            base64.b64decode(output.data["image/png"]),
        )
        for cell in notebook.cells
        if has_figure(cell)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def changed_share(old: bytes, new: bytes) -> float:
    """The share of pixels that differ by more than antialiasing explains; 1 when the sizes differ."""
    a, b = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int16) for png in (old, new))
    if a.shape != b.shape:
        return 1.0
    return float(np.mean(np.max(np.abs(a - b), axis=-1) > PIXEL_TOLERANCE))


def compare_figures(page: Page) -> list[str]:
    """What differs between the stored figures of the page and those that its .md draws now."""
    stored, fresh = figures(page.notebook), figures(execute(page)[0])
    if [name for name, _ in stored] != [name for name, _ in fresh]:
        return [f"{page.name}: the stored figures are {[n for n, _ in stored]}, the page draws {[n for n, _ in fresh]}"]
    shares = [(name, changed_share(old, new)) for (name, old), (_, new) in zip(stored, fresh, strict=True)]
    return [
        f"{page.name}: figure {name} changed ({share:.2%} of its pixels)"
        for name, share in shares
        if share > SHARE_TOLERANCE
    ]


def write(page: Page) -> bool:
    """Write the page's notebook, the picture of the README and the run time; False when nothing changed."""
    notebook, seconds = execute(page)
    text = nbformat.writes(notebook) + "\n"
    if page.ipynb.exists() and page.ipynb.read_text(encoding="utf-8") == text:
        return False
    page.ipynb.write_text(text, encoding="utf-8")
    times = json.loads(TIMES.read_text()) if TIMES.exists() else {}
    times[page.name] = {"seconds": round(seconds, 1), "kilobytes": round(len(text.encode()) / 1000)}
    TIMES.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n")
    if page.name == PICTURE[0]:
        (ROOT / "book" / "_static" / PICTURE[2]).write_bytes(dict(figures(notebook))[PICTURE[1]])
    return True


def main(arguments: list[str], root: Path = ROOT) -> int:
    wanted = [a.removeprefix("book/").removesuffix(".md").removesuffix(".ipynb") for a in arguments if a != "--check"]
    pages = [page for page in notebook_pages(root) if not wanted or page.name in wanted]
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
        except CellExecutionError as error:
            problems = [f"{page.name}: a cell raised an exception\n{error}"]
        failed |= bool(problems)
        print(f"{time.monotonic() - start:.1f} s, {'; '.join(problems) or verdict}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
