"""Cells tried out in a child of a page's kernel: they see all that the page has defined, and leave nothing behind.

`tools.riders` and `tools.notebooks` ask the kernel for `fork(…)`. Where a system cannot fork, they run this module as a
new process, which gets the cells before them, too. Standard library only, so that the kernel imports nothing that its
page does not.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

Cells = list[tuple[str, str]]  # (label, source)


def outcome(cells: Cells, names: dict) -> dict:
    """Run the cells in ``names``: the label of the one that raised, its exception and message, or three times "".

    And what the last of them has printed, warned of and shown, its pictures in base64.
    """
    found, text, warned, pictures = {"label": "", "error": "", "message": ""}, io.StringIO(), io.StringIO(), []
    silence(text, warned, pictures)
    for label, source in cells:
        for stream in (text, warned):
            stream.seek(0), stream.truncate()
        pictures.clear()
        try:
            exec(compile(source, f"<{label}>", "exec"), names)
        except BaseException as error:
            found = {"label": label, "error": type(error).__name__, "message": str(error)[:300]}
            break
    return {**found, "text": text.getvalue(), "warned": warned.getvalue(), "pictures": pictures}


def silence(text: io.StringIO, warned: io.StringIO, pictures: list[str]) -> None:
    """Nothing that the child prints, shows or draws reaches the page, but these; it computes on one thread."""
    sys.stdout, sys.stderr = text, warned
    if (shell := getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()) is not None:
        shell.display_pub.publish = lambda *_, **__: None
    if (plt := sys.modules.get("matplotlib.pyplot")) is not None:

        def show(*_, **__):
            from IPython.core.pylabtools import print_figure  # what the kernel draws with

            pictures.extend(print_figure(plt.figure(number), base64=True) for number in plt.get_fignums())
            plt.close("all")

        plt.show = show
    if "threadpoolctl" in sys.modules:  # threads do not survive a fork
        sys.modules["threadpoolctl"].threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def fork(cells: Cells, names: dict) -> str:
    """The outcome of the cells in a child of this process, as JSON."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's threads, which the child does not use
        child = os.fork()
    if child == 0:
        try:
            with open(write, "w", encoding="utf-8") as pipe:
                pipe.write(json.dumps(outcome(cells, names)))
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    dead = {
        "label": "the child",
        "error": "died",
        "message": "without a word",
        "text": "",
        "warned": "",
        "pictures": [],
    }
    return answer or json.dumps(dead)


def call(cells: Cells) -> str:
    """The expression that has a kernel fork and try the cells; its value is the outcome as JSON."""
    return f"__import__('tools.trial', fromlist=['fork']).fork({cells!r}, get_ipython().user_ns)"


def answer(reply: dict) -> dict:
    """The outcome from a kernel's reply to `call`. Raises where the kernel could not fork."""
    found = reply["content"]["user_expressions"]["answer"]
    if found["status"] != "ok":
        raise RuntimeError(f"it could not be tried: {found['ename']}: {found['evalue']}")
    return json.loads(ast.literal_eval(found["data"]["text/plain"]))


def runs(cell) -> bool:
    """Whether a cell of a page counts among those before another: not the one that installs the package."""
    return cell.cell_type == "code" and "%pip" not in cell.source


def afresh(before: Cells, cells: Cells, **environment: str) -> str:
    """The outcome, as JSON, of the cells in a process of their own that has run those before them."""
    command, around = [sys.executable, "-m", "tools.trial"], {**os.environ, **environment}
    pipes = {"capture_output": True, "text": True, "env": around, "cwd": Path(__file__).resolve().parent.parent}
    return subprocess.run(command, input=json.dumps([*before, *cells]), check=True, **pipes).stdout


if __name__ == "__main__":
    cells, out = json.load(sys.stdin), sys.stdout
    import matplotlib.pyplot  # noqa: F401  so that `silence` finds it

    print(json.dumps(outcome(cells, {"__name__": "__main__"})), file=out)
