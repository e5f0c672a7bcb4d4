"""Render the site with Jupyter Book from the stored outputs; a warning is an error."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.pages import ROOT, toc

HTML = ROOT / "_build" / "html"
LOG = HTML.parent / "build.log"


class BuildError(Exception):
    """The site was not built as it should be; the message says why, the whole story stands in the log."""


def complaints(log: str) -> str:
    """What a log of Sphinx complains of; its end where there is no complaint."""
    lines = log.splitlines()
    return "\n".join([line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)] or lines[-15:])


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
    utf8, environment = {"encoding": "utf-8", "errors": "replace"}, {**os.environ, "PYTHONIOENCODING": "utf-8:replace"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environment}
    done = subprocess.run(command, cwd=ROOT, **pipes, **utf8)
    log = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)  # Jupyter Book paints whoever reads
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text(log, encoding="utf-8")
    if done.returncode:
        raise BuildError(complaints(log))
    if missing := [name for name in toc() if not (HTML / "book" / f"{name}.html").exists()]:
        raise BuildError(f"the build left out {', '.join(missing)}")
    return HTML


def main(arguments: list[str]) -> int:
    if words := [argument for argument in arguments if not argument.startswith("-")]:
        print(f"book takes options of `jupyter-book build`, no further words; got {' '.join(words)}.", file=sys.stderr)
        return 2
    print("Building the book ...", flush=True)
    try:
        html = build_book(*arguments)
    except BuildError as error:
        print(f"The book was not built:\n{error}\nThe whole log: {LOG}", file=sys.stderr)
        return 1
    print(f"The book is ready: open {(html / 'book' / 'intro.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
