"""Cells tried out in a child of a page's kernel: they see all that the page has defined, and leave nothing behind.

`tools.riders` asks the kernel for `fork(…)`. Where a system cannot fork, it runs this module as a new process, which
gets the cells before them, too. Standard library only, so that the kernel imports nothing that its page does not.
"""

from __future__ import annotations

import io
import json
import os
import sys
import warnings

Cells = list[tuple[str, str]]  # (label, source)


def outcome(cells: Cells, names: dict) -> list[str]:
    """Run the cells in ``names``: the label of the one that raised, its exception and message, or three times ""."""
    for label, source in cells:
        try:
            exec(compile(source, f"<{label}>", "exec"), names)
        except BaseException as error:
            return [label, type(error).__name__, str(error)[:300]]
    return ["", "", ""]


def silence() -> None:
    """Nothing that the child prints, shows or draws reaches the page; it computes on one thread."""
    sys.stdout = sys.stderr = io.StringIO()
    if (shell := getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()) is not None:
        shell.display_pub.publish = lambda *_, **__: None
    if (plt := sys.modules.get("matplotlib.pyplot")) is not None:
        plt.show = lambda *_, **__: plt.close("all")
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
            silence()
            os.write(write, json.dumps(outcome(cells, names)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer or json.dumps(["the child", "died", "without a word"])


if __name__ == "__main__":
    cells = json.load(sys.stdin)
    import matplotlib.pyplot  # noqa: F401  so that `silence` finds it

    answer, out = silence(), sys.__stdout__
    print(json.dumps(outcome(cells, {"__name__": "__main__"})), file=out)
