"""Render the site with Jupyter Book from the stored outputs; a warning is an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tools.pages import ROOT, toc

HTML = ROOT / "_build" / "html"


def build_book(*options: str) -> Path:
    """Build the site from nothing and return its folder. Raises when the build warns, or leaves out a page.

    From nothing, because Sphinx repeats no warning about a page that it need not read again.
    """
    shutil.rmtree(HTML.parent, ignore_errors=True)
    command = [
        str(Path(sys.executable).parent / "jupyter-book"),
        "build",
        str(ROOT),
        "-W",
        "-n",
        "--keep-going",
        *options,
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    if missing := [name for name in toc() if not (HTML / "book" / f"{name}.html").exists()]:
        raise FileNotFoundError(f"the build left out {', '.join(missing)}")
    return HTML


def main(arguments: list[str]) -> int:
    try:
        html = build_book(*arguments)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"The book was not built: {error}", file=sys.stderr)
        return 1
    print(f"\nThe book is ready: open {(html / 'book' / 'intro.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
