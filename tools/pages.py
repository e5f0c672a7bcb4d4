"""A page of the course: NAME.md, which people edit, beside NAME.ipynb, the same page executed.

`toc()` lists the pages in reading order; a `Page` parses its two files once and answers what the rules ask.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
RUN_TIMES = ROOT / "book" / "back" / "run-times.json"
FENCE = re.compile(r"^[ >*-]*(?P<fence>:{3,}|`{3,}|~{3,})[ ]*\{(?P<name>[\w:-]+)\}")
OPTION = re.compile(r"^:(?P<key>[\w-]+):\s*(?P<value>.*)$")


def toc(root: Path = ROOT) -> list[str]:
    """The entries of _toc.yml in reading order, without extension and relative to book/: ``kernels/kernel-trick``."""
    tree = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    entries = [tree["root"], *(chapter["file"] for part in tree["parts"] for chapter in part["chapters"])]
    return [entry.removeprefix("book/").removesuffix(".ipynb") for entry in entries]


def repository(root: Path = ROOT) -> str:
    """The repository's address, which stands in pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def notebook_pages(root: Path = ROOT) -> list[Page]:
    return [page for name in toc(root) if (page := Page(name, root)).is_notebook]


@dataclass(frozen=True)
class Directive:
    """A colon or backtick fence: its name, options and the text inside."""

    fence: str
    name: str
    options: dict[str, str]
    body: str


@dataclass(frozen=True)
class Page:
    name: str  # relative to book/, without extension
    root: Path = ROOT

    @property
    def slug(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    @property
    def md(self) -> Path:
        return self.root / "book" / f"{self.name}.md"

    @property
    def ipynb(self) -> Path:
        return self.root / "book" / f"{self.name}.ipynb"

    @property
    def is_notebook(self) -> bool:
        return "kernelspec" in self.front_matter

    @property
    def is_chapter(self) -> bool:
        """Chapters lie in a part's folder; the start pages and the back matter follow fewer rules."""
        return "/" in self.name and not self.name.startswith("back/")

    @property
    def is_first_edition(self) -> bool:
        """Pages that were written before the mould of the second edition; their list may only shrink."""
        older = self.root / "book" / "first-edition.txt"
        return older.exists() and self.name in older.read_text(encoding="utf-8").split()

    @cached_property
    def text(self) -> str:
        return self.md.read_text(encoding="utf-8")

    @cached_property
    def front_matter(self) -> dict:
        return yaml.safe_load(self.text.split("---\n", 2)[1]) if self.text.startswith("---\n") else {}

    @property
    def course(self) -> dict:
        return self.front_matter.get("course", {})

    @cached_property
    def source(self):
        """The notebook of the .md: cells and metadata, no outputs."""
        import jupytext

        return jupytext.reads(self.text, fmt="md:myst")

    @property
    def kept_metadata(self) -> dict:
        """What of the page's front matter its notebook carries."""
        return {key: self.source.metadata[key] for key in ("kernelspec", "course") if key in self.source.metadata}

    @cached_property
    def notebook(self):
        """The stored notebook, with outputs."""
        import nbformat

        return nbformat.read(self.ipynb, as_version=4)

    @property
    def code_cells(self) -> list:
        return [cell for cell in self.source.cells if cell.cell_type == "code"]

    @cached_property
    def prose(self) -> str:
        """The markdown cells as one text: the page without its code cells."""
        if not self.is_notebook:
            return self.text.split("---\n", 2)[-1] if self.text.startswith("---\n") else self.text
        return "\n\n".join(cell.source for cell in self.source.cells if cell.cell_type == "markdown")

    @cached_property
    def directives(self) -> list[Directive]:
        return list(directives(self.prose))

    @cached_property
    def outputs_text(self) -> str:
        """All that the stored cells print, tables included; not the size of a figure, nor a source from `show`."""
        outputs = [o for cell in self.notebook.cells for o in cell.get("outputs", [])] if self.is_notebook else []
        texts = [o.get("text", "") for o in outputs]
        shown = [o["data"] for o in outputs if "data" in o]
        set_texts = [d.get("text/markdown", d.get("text/plain", "")) for d in shown if "image/png" not in d]
        return "\n".join([*texts, *(text for text in set_texts if not text.startswith("```"))])


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def pictures(cell) -> list[str]:
    """The PNGs that a stored cell shows, in base64."""
    return [output["data"]["image/png"] for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def figure(cell) -> dict[str, str]:
    """What the book says of a cell's figure: its name, caption and alt text, where there are such."""
    book = cell.metadata.get("mystnb", {})
    return {**book.get("figure", {}), **{key: text for key, text in book.get("image", {}).items() if key == "alt"}}


def directives(text: str):
    """The fenced directives of a markdown text, outer ones first."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if not (opening := FENCE.match(line)):
            continue
        end = next((i for i in range(start + 1, len(lines)) if lines[i].rstrip() == opening["fence"]), len(lines))
        inside, options = lines[start + 1 : end], {}
        while inside and (option := OPTION.match(inside[0])):
            options[option["key"]] = option["value"].strip()
            inside = inside[1:]
        yield Directive(opening["fence"], opening["name"], options, "\n".join(inside).strip())
