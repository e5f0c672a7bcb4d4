"""What a page shows beside its own results: the source of a function of the package, and timings that were recorded.

>>> text = markdown(markdown)
>>> text.startswith("```python")
True
"""

import ast
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from companion._core import checks

RESULTS = Path(__file__).parent / "_results", Path(__file__).parents[1] / "benchmarks" / "results"
"""Where recorded timings lie: in an installed package, in a checkout."""


def source(function: Callable) -> None:
    """Display the source of a function or class of the package in a notebook, without its docstring."""
    with checks.needs(__name__, "IPython", extra="notebooks"):
        from IPython.display import Markdown, display

    display(Markdown(markdown(function)))


def markdown(function: Callable) -> str:
    """The source of ``function`` as a fenced Markdown block, without its docstring."""
    text = inspect.cleandoc("\n" + inspect.getsource(function))
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
        first = node.body[0]
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(["```python", *lines, "```"])


def recorded(name: str) -> dict[str, Any]:
    """The timings of ``benchmarks/results/NAME.json``, with the machine and the versions they were taken on.

    A ValueError lists the benchmarks that there are.

    >>> sorted(recorded("gram"))
    ['gram', 'machine', 'ridge', 'setting', 'versions']
    """
    found = {path.stem: path for folder in RESULTS if folder.is_dir() for path in folder.glob("*.json")}
    checks.known("name", name, sorted(found))
    return json.loads(found[name].read_text(encoding="utf-8"))
