"""What a page shows beside its own results: the source of a function of the package, and timings that were recorded.

All is displayed as Markdown, so that the book and Jupyter set it. A row more in a recording is a row more in the table
that shows it, and a table more costs a page one line.

>>> text = markdown(markdown)
>>> text.startswith("```python")
True
"""

import ast
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from companion._core import checks

RESULTS = Path(__file__).parent / "_results", Path(__file__).parents[1] / "benchmarks" / "results"
"""Where recorded timings lie: in an installed package, in a checkout."""

OURS = "companion"
"""The package's name in a recording; ``companion, torch tensor`` is a variant of it."""

LIMITS = (
    "product of one triangle", "exponential of one triangle",
    "product", "cosines and sines", "exponentials", "writing once", "random numbers",
)  # fmt: skip
"""Rows that are no competitors: what a part of the task costs on the machine when nothing else is done."""

SUM = "limit, all parts"
"""The row that a table adds below the limits; no recording has it."""

Times = Mapping[str, Any]
"""Names of rows, each with a recorded time (see benchmarks/timing.py), a number or a text."""


def source(function: Callable) -> None:
    """Display the source of a function or class of the package in a notebook, without its docstring."""
    _display(markdown(function))


def table(columns: Mapping[str, Times], corner: str = "competitor", *, milliseconds: bool = False) -> None:
    """Display recorded times as a table with a column for each key of ``columns``: see `tabulated`."""
    _display(tabulated(columns, corner, milliseconds=milliseconds))


def machine(records: Mapping[str, Mapping[str, Any]]) -> None:
    """Display where the recordings were made, and with which versions; those of one machine share a column."""
    columns: dict[str, dict[str, str]] = {}
    for names, group in _by_machine(records).items():
        about = group[0]["machine"]
        units = ", ".join(about["vector_units"]) or "none named"
        processor = about["cpu"].replace("(R)", "").replace("(TM)", "")
        columns[names] = {"processor": processor, "vector units": units, "threads": str(about["threads"])}
        columns[names]["system"] = about["system"]
        for package in dict.fromkeys(name for record in group for name in record["versions"]):
            found = (record["versions"].get(package) for record in group)
            columns[names][package] = ", ".join(dict.fromkeys(filter(None, found)))
    _display(tabulated(columns, ""))


def tabulated(columns: Mapping[str, Times], corner: str = "competitor", *, milliseconds: bool = False) -> str:
    """Recorded times as a Markdown table: a column for each key of ``columns``, a row for each name in any of them.

    A time is written as its ratio to the package's with the quartiles, and on request with its median in milliseconds.
    A competitor below 1 is called a loss. The package's rows are bold; limits come last, in italics, with their sum.
    Numbers and texts are written as they are.

    >>> times = {"companion": {"times_ours": 1.0}, "writing once": {"times_ours": 0.1}}
    >>> times |= {"peer": {"times_ours": 0.5, "quartiles": [0.48, 0.52]}}
    >>> print(tabulated({"float32": times, "error": {"peer": 0.02}}))
    | competitor | float32 | error |
    |:--|:--|:--|
    | **companion** | 1 |  |
    | peer | 0.50 (0.48–0.52) loss | 0.02 |
    | *limit: writing once* | *0.10* |  |
    | *limit, all parts* | *0.10* |  |
    """
    full = {heading: {**rows, **_sum_of_limits(rows)} for heading, rows in columns.items()}
    names = list(dict.fromkeys(name for rows in full.values() for name in rows))
    names.sort(key=_is_limit)  # the sort keeps the order of all others
    lines = [[corner, *full], [":--"] * (1 + len(full))]
    for name in names:
        mark = "*" if _is_limit(name) else "**" if _is_ours(name) else ""
        cells = [_cell(name, rows.get(name, ""), milliseconds) for rows in full.values()]
        label = f"limit: {name}" if name in LIMITS else name
        lines.append([f"{mark}{label}{mark}", *(f"*{text}*" if text and mark == "*" else text for text in cells)])
    rule = "|" + "|".join(lines[1]) + "|"
    return "\n".join(rule if line is lines[1] else f"| {' | '.join(line)} |" for line in lines)


def peers(times: Times) -> dict[str, Any]:
    """What a figure shows of a task: its competitors, and the limit as one row.

    >>> peers({"companion": {"times_ours": 1.0}, "product": {"times_ours": 0.3}, "writing once": {"times_ours": 0.1}})
    {'limit': {'times_ours': 0.4}}
    """
    rows = {name: row for name, row in times.items() if name not in LIMITS and not _is_ours(name)}
    total = _sum_of_limits(times)
    return rows | {"limit": total[SUM]} if total else rows


def over_ours(runs: Mapping[str, Mapping[str, Any]], name: str, key: str) -> dict[str, Any]:
    """Rows of a table: for each n, what ``name`` needed over what the package needed, each in a process of its own.

    >>> runs = {"companion": {"n": [100, 2000], "seconds": [1.0, 4.0]}, "peer": {"seconds": [2.0, 1.0]}}
    >>> over_ours(runs, "peer", "seconds")
    {'100': {'times_ours': 2.0}, '2,000': {'times_ours': 0.25}}
    """
    ours = runs[OURS]
    pairs = zip(ours["n"], runs[name][key], ours[key], strict=True)
    return {f"{n:,}": {"times_ours": theirs / own} for n, theirs, own in pairs}


def number(value: float) -> str:
    """A number as a table writes it: about three digits, with a power of ten if it is small.

    >>> print(number(179.7), number(12.26), number(0.262), number(4.7e-06), number(0))
    180 12.3 0.26 $4.7 \\times 10^{-6}$ 0
    """
    size = abs(value)
    if size == 0 or size >= 99.95:
        return f"{value:,.0f}"
    if size >= 0.01:
        return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
    digits, _, power = f"{value:.1e}".partition("e")
    return rf"${digits} \times 10^{{{int(power)}}}$"


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


def _display(text: str) -> None:
    with checks.needs(__name__, "IPython", extra="notebooks"):
        from IPython.display import Markdown, display

    display(Markdown(text))


def _is_ours(name: str) -> bool:
    return name.partition(",")[0] == OURS


def _is_limit(name: str) -> bool:
    return name in LIMITS or name == SUM


def _sum_of_limits(times: Times) -> dict[str, Any]:
    """The limit of a task as a row of its own, where it is recorded: the sum of its parts' ratios."""
    parts = [times[name]["times_ours"] for name in LIMITS if isinstance(times.get(name), Mapping)]
    return {SUM: {"times_ours": sum(parts)}} if parts else {}


def _cell(name: str, value: Any, milliseconds: bool) -> str:
    """What a table says of a recorded time, a number or a text."""
    if not isinstance(value, Mapping):
        return value if isinstance(value, str) else number(value)
    text = "1" if name == OURS else number(value["times_ours"])
    if name != OURS and "quartiles" in value:
        text += " ({}–{})".format(*map(number, value["quartiles"]))
    if round(value["times_ours"], 2) < 1 and not _is_ours(name) and not _is_limit(name):
        text += " loss"
    return f"{text}, {number(1000 * value['seconds'])} ms" if milliseconds else text


def _by_machine(records: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The recordings of each machine, under their names."""
    groups: dict[str, list[str]] = {}
    for name, record in records.items():
        groups.setdefault(json.dumps(record["machine"]), []).append(name)
    return {", ".join(names): [records[name] for name in names] for names in groups.values()}
