"""Planted mistakes: each is made in memory, and a test that claims to see it must turn red.

``tests/planted/PAGE.toml`` holds a page's mistakes, a table each: ``mistake`` and ``symptom`` in words, ``old`` and
``new`` text, and either ``where``, a function of the package, with the ``test`` that must fail, or ``exercise``: then
the text is that of its solution, and its check must refuse it (`tools.riders` sees to these).

``python -m tools.planted`` makes the mistakes of the package, each in a child of one process that has imported all
that tests import but the package, and prints a line of JSON for each: its name, and why it was not caught, or "".
With ``-`` it takes the records from its input. Where a system cannot fork, each child is a fresh process.
"""

from __future__ import annotations

import ast
import gc
import importlib
import json
import multiprocessing
import os
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from multiprocessing.connection import Connection
from pathlib import Path

from tools.pages import ROOT

WARM = (
    "array_api_strict array_api_compat.numpy array_api_compat.torch cvxopt hypothesis.strategies hypothesis.extra.numpy"
    " matplotlib.pyplot numpy pandas pytest scipy.linalg scipy.optimize scipy.spatial scipy.special scipy.stats"
    " sklearn.datasets sklearn.kernel_approximation sklearn.kernel_ridge sklearn.model_selection sklearn.pipeline"
    " sklearn.svm sklearn.utils.estimator_checks torch"
).split()
OPTIONS = ["-q", "-p", "no:cacheprovider", "--tb=line"]


@dataclass(frozen=True)
class Mistake:
    """A mistake that a reader would make, and who notices."""

    name: str
    page: str
    mistake: str
    symptom: str
    old: str
    new: str
    where: str = ""
    test: str = ""
    exercise: str = ""
    raises: str = "AssertionError"  # what the test ends in, where it is not an assertion of its own

    def __post_init__(self) -> None:
        if bool(self.exercise) == bool(self.where and self.test):
            raise ValueError(f"{self.name}: it needs `where` and `test`, or else `exercise`")


@lru_cache
def mistakes(root: Path = ROOT) -> tuple[Mistake, ...]:
    """All records, page by page."""
    folder, found = root / "tests" / "planted", []
    for file in sorted(folder.rglob("*.toml")):
        page = file.relative_to(folder).with_suffix("").as_posix()
        records = tomllib.loads(file.read_text(encoding="utf-8"))
        found += [Mistake(name, page, **record) for name, record in records.items()]
    return tuple(found)


def replaced(text: str, old: str, new: str) -> str:
    """``text`` with the one occurrence of ``old`` replaced."""
    if text.count(old) != 1 or old == new:
        raise ValueError(f"the text {old!r} occurs {text.count(old)} times, and becomes {new!r}")
    return text.replace(old, new)


def damaged(mistake: Mistake, root: Path = ROOT) -> tuple[Path, str]:
    """The file of the function and its text with the mistake."""
    parts = mistake.where.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if (path := root.joinpath(*parts[:cut]).with_suffix(".py")).exists():
            break
    else:
        raise ValueError(f"{mistake.name}: no module of the package holds {mistake.where}")
    text = path.read_text(encoding="utf-8")
    node = ast.parse(text)
    for name in parts[cut:]:
        node = next((n for n in node.body if getattr(n, "name", None) == name), None)
        if node is None:
            raise ValueError(f"{mistake.name}: {path.name} has no {'.'.join(parts[cut:])}")
    lines = text.splitlines(keepends=True)
    first, last = node.lineno - 1, node.end_lineno
    inside = replaced("".join(lines[first:last]), mistake.old, mistake.new)
    return path, "".join([*lines[:first], inside, *lines[last:]])


class Referee:
    """A pytest plugin that keeps what the test raised."""

    raised: list[str] = []

    def pytest_runtest_makereport(self, item, call):
        if call.excinfo is not None:
            kinds = " ".join(kind.__name__ for kind in call.excinfo.type.__mro__)
            self.raised.append(kinds if call.when == "call" else call.when)


def verdict(mistake: Mistake) -> str:
    """Make the mistake in this process, which has not imported the package, and run its test; "" where it is caught."""
    import pytest

    path, text = damaged(mistake)
    get_data, path_stats = SourceFileLoader.get_data, SourceFileLoader.path_stats

    def stats(loader, name):
        if Path(name) == path:
            raise OSError("no bytecode")
        return path_stats(loader, name)

    SourceFileLoader.get_data = lambda loader, name: text.encode() if Path(name) == path else get_data(loader, name)
    SourceFileLoader.path_stats = stats
    referee = Referee()
    code = pytest.main([*OPTIONS, mistake.test], plugins=[referee])
    if code != 1 or not referee.raised:
        return f"{mistake.test} does not fail: exit code {int(code)}"
    if not {mistake.raises, "Failed"} & set(" ".join(referee.raised).split()):
        return f"{mistake.test} does not fail by {mistake.raises}, but by {referee.raised}"
    return ""


def judge(mistake: Mistake, answer: Connection, log: str) -> None:
    """Send the verdict on a mistake that is made in this process, which writes into the file ``log``."""
    with open(log, "w") as out:
        os.dup2(out.fileno(), 1), os.dup2(out.fileno(), 2)
        answer.send(verdict(mistake))


def in_a_child(mistake: Mistake) -> str:
    """The verdict on a mistake that is made in a child of this process, with what its test printed."""
    processes = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    receiver, sender = processes.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        child = processes.Process(target=judge, args=(mistake, sender, str(log)))
        child.start()
        sender.close()
        try:
            found = receiver.recv()
        except EOFError:
            found = "the child died"
        child.join()
        return found and f"{found}\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}"


def main(arguments: list[str]) -> int:
    for name in [name for name in os.environ if name.startswith(("PYTEST_", "COV_"))]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    for module in WARM:
        importlib.import_module(module)
    assert "companion" not in sys.modules
    gc.collect()
    gc.freeze()  # else every child walks the heap of torch when it ends
    for mistake in [Mistake(**record) for record in json.load(sys.stdin)] if arguments else mistakes():
        if mistake.where:
            print(json.dumps([mistake.name, in_a_child(mistake)]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
