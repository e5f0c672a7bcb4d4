"""What a page shows of the package: the source of a fast function, as Markdown.

>>> text = markdown(markdown)
>>> text.startswith("```python")
True
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable

FENCE = "```"


def source(function: Callable) -> None:
    """Display the source of ``function`` in a notebook, without its docstring.

    Parameters
    ----------
    function : callable
        A function or class of the package.

    Notes
    -----
    Needs IPython, which every notebook has.
    """
    from IPython.display import Markdown, display

    display(Markdown(markdown(function)))


def markdown(function: Callable) -> str:
    """The source of ``function`` as a fenced Markdown block, docstring removed."""
    text = inspect.cleandoc("\n" + inspect.getsource(function))
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        del lines[first.lineno - 1 : first.end_lineno]
    return f"{FENCE}python\n" + "\n".join(lines) + f"\n{FENCE}"
