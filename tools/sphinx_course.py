"""A Sphinx extension: the back matter, numbers that belong to their page, the line under a chapter's title, and folds.

``.. companion-module:: kernels`` shows the docstring of a module, a file or a folder, and its public functions and
classes; ``.. run-times::`` shows book/back/run-times.json. The site must build where torch is not installed, so nothing
of the package is imported.

Equations, figures, theorems and exercises are counted from 1 on every page, so that no page moves the numbers of
another; a reference to another page's names that page. Cells with the tag instructor are not for the site, nor for the
notebooks that readers download from it. What has the class ``dropdown`` becomes ``<details>``: folded without a script,
open to the browser's search and to a printer.
"""

from __future__ import annotations

import ast
import copy
import json
import re
from dataclasses import replace
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, NumpyDocstring
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from tools import api
from tools.api import Definition, Found
from tools.pages import RUN_TIMES, Page

ATTRIBUTES = [("Attributes", "params_style")]  # by default their types would become links to nowhere
NAPOLEON = Config(napoleon_use_rtype=False, napoleon_use_param=False, napoleon_custom_sections=ATTRIBUTES)
LITERAL = re.compile(r"(``.+?``)")


def signature(found: Found) -> str:
    """Name and arguments without annotations, which the docstring spells out; a class shows its constructor."""
    node = found.node
    if isinstance(node, ast.FunctionDef):
        return f"{node.name}({arguments(node)})"
    init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    return f"{node.name}({arguments(init) if init else ', '.join(fields(found).values())})"


def fields(found: Found) -> dict[str, str]:
    """The public fields of a dataclass, those of its bases first, with their defaults."""
    bases = [api.find(found.module, base.id) for base in found.node.bases if isinstance(base, ast.Name)]
    shown = {name: text for base in bases if base and is_dataclass(base.node) for name, text in fields(base).items()}
    for n in found.node.body:
        if isinstance(n, ast.AnnAssign) and not n.target.id.startswith("_"):
            shown[n.target.id] = f"{n.target.id}={ast.unparse(n.value)}" if n.value else n.target.id
    return shown


def is_dataclass(node: ast.stmt) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in getattr(node, "decorator_list", []))


def arguments(node: ast.FunctionDef) -> str:
    bare = copy.deepcopy(node.args)
    for argument in (*bare.posonlyargs, *bare.args, *bare.kwonlyargs, bare.vararg, bare.kwarg):
        if argument is not None:
            argument.annotation = None
    bare.args = [argument for argument in bare.args if argument.arg not in ("self", "cls")]
    return ast.unparse(bare)


def docstring(node: ast.AST) -> list[str]:
    """The docstring as RST. Its formulas write norms as |x|, which RST would take for a substitution."""
    lines = str(NumpyDocstring(ast.get_docstring(node) or "", NAPOLEON)).splitlines()
    return [line if line.lstrip().startswith((">>>", "...")) else escaped(line) for line in lines]


def escaped(line: str) -> str:
    return "".join(part if LITERAL.match(part) else part.replace("|", r"\|") for part in LITERAL.split(line))


def definition(found: Found, module: str, kind: str | None = None) -> list[str]:
    """The RST of one object: a py: directive, its docstring, and a class's public methods and properties."""
    node, is_class = found.node, isinstance(found.node, ast.ClassDef)
    kind = kind or ("class" if is_class else "function")
    lines = [
        f".. py:{kind}:: {signature(found) if kind != 'property' else node.name}",
        *([f"   :module: {module}"] if kind in ("class", "function") else []),
        "",
    ]
    inner = docstring(node)
    for member in members(node) if is_class else []:
        is_property = "property" in {ast.unparse(decorator) for decorator in member.decorator_list}
        inner += ["", *definition(replace(found, node=member), module, "property" if is_property else "method")]
    return [*lines, *(f"   {line}" for line in inner), ""]


def members(node: ast.ClassDef) -> list[Definition]:
    """The public methods of a class that have a docstring."""
    found = [n for n in node.body if isinstance(n, Definition) and not n.name.startswith("_")]
    return [n for n in found if ast.get_docstring(n)]


class CompanionModule(SphinxDirective):
    """The public names of one module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = f"companion.{self.arguments[0]}"
        path = api.file(module)
        try:
            names = api.public(module)
        except (LookupError, OSError) as error:
            raise self.error(str(error)) from error
        lines = [*docstring(api.tree(path)), ""]
        for file in {path, *(found.file for found in names)}:
            self.env.note_dependency(str(file))
        for found in names:
            lines += definition(found, module)
        return parsed(self, lines, path)


class RunTimes(SphinxDirective):
    """The recorded seconds and kilobytes of every page."""

    def run(self) -> list[nodes.Node]:
        path = RUN_TIMES
        self.env.note_dependency(str(path))
        times = json.loads(path.read_text())
        lines = [".. list-table::", "   :header-rows: 1", "", "   * - page", "     - seconds", "     - kB"]
        for page, record in times.items():
            lines += [f"   * - :doc:`/book/{page}`", f"     - {record['seconds']}", f"     - {record['kilobytes']}"]
        return parsed(self, lines, path)


def parsed(directive: SphinxDirective, lines: list[str], source: Path) -> list[nodes.Node]:
    container = nodes.container()
    directive.state.nested_parse(StringList(lines, source=str(source)), 0, container)
    return container.children


def number_by_page(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Count every kind of numbered thing from 1 on each page; Sphinx has counted through the book."""
    for kinds in env.toc_fignumbers.values():
        for kind, numbers in kinds.items():
            kinds[kind] = {label: (number,) for number, label in enumerate(numbers, 1)}
    return []


def home_of(env: BuildEnvironment, reference: pending_xref) -> str | None:
    """The page of the equation, figure, theorem or exercise that a reference by number means."""
    target, homes = reference["reftarget"], {}
    if reference.get("refdomain") == "math":
        homes = {label: page for label, (page, _) in env.get_domain("math").equations.items()}
    elif reference.get("refdomain") == "prf":
        homes = {label: entry["docname"] for label, entry in getattr(env, "proof_list", {}).items()}
    elif reference.get("reftype") == "numref":
        homes = {label: page for label, (page, *_) in env.get_domain("std").anonlabels.items()}
    return homes.get(target)


class NamePage(SphinxPostTransform):
    """``(2)`` becomes ``(2) of Bochner's theorem`` where the reference leads to another page."""

    default_priority = 9  # just before references are resolved

    def run(self, **_) -> None:
        for reference in list(self.document.findall(pending_xref)):
            home = home_of(self.env, reference)
            if home not in (None, self.env.docname):
                place = reference.parent.index(reference) + 1
                reference.parent.insert(place, nodes.Text(f" of {self.env.titles[home].astext()}"))


def chapter_line(app: Sphinx, document: nodes.document) -> None:
    """Under the title of a chapter without a card: minutes, track, and the pages it builds on."""
    page = Page(app.env.docname.removeprefix("book/"))
    course = json.loads(app.env.metadata[app.env.docname].get("course", "{}"))
    if not page.is_chapter or not course or 'class="card"' in "".join(n.astext() for n in document.findall(nodes.raw)):
        return
    minutes = course["minutes"]
    times = f"{minutes['read']} min to read, {minutes['exercises']} for the exercises"
    line = nodes.paragraph("", f"{times} · {course['track']} track · ", classes=["chapter-line"])
    line += nodes.Text("builds on " if course["requires"] else "builds on no other page")
    known = {name.rsplit("/", 1)[-1]: name for name in app.env.found_docs}
    for number, slug in enumerate(course["requires"]):
        xref = pending_xref(
            "", nodes.inline(), refdomain="std", reftype="doc", reftarget=f"/{known[slug]}", refexplicit=False
        )
        xref["refdoc"] = app.env.docname
        line += [*([nodes.Text(", ")] if number else []), xref]
    next(document.findall(nodes.title)).parent.insert(1, line)


def for_readers(text: str) -> str:
    """The text of a notebook without the cells that are an instructor's."""
    notebook = json.loads(text)
    notebook["cells"] = [c for c in notebook["cells"] if "instructor" not in c["metadata"].get("tags", [])]
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def read_for_readers(app: Sphinx, name: str, source: list[str]) -> None:
    if app.env.doc2path(name).endswith(".ipynb"):
        source[0] = for_readers(source[0])


def download_for_readers(app: Sphinx, error: Exception | None) -> None:
    for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
        path.write_text(for_readers(path.read_text(encoding="utf-8")), encoding="utf-8")


class fold(nodes.Element):
    """``<details>``: a summary, and what it folds."""


class summary(nodes.TextElement):
    """The line of a fold that is always seen."""


class Fold(SphinxPostTransform):
    """A solution, a note or a proof of the class ``dropdown`` is folded under its title."""

    default_priority = 900  # when the numbers in titles are known

    def run(self, **_) -> None:
        for node in list(self.document.findall(is_dropdown)):
            node["classes"].remove("dropdown")
            title = next((child for child in node.children if isinstance(child, nodes.title)), None)
            if title is None:  # a proof, whose first word is its title
                first = next(node.findall(nodes.Text))
                first.parent.replace(first, nodes.Text(first.removeprefix("Proof. ")))
                node["ids"] = []  # the same on every proof
                folded = fold("", summary("", "Proof"), node.deepcopy())
            else:
                node.remove(title)
                for link in list(title.findall(nodes.reference)):
                    link.replace_self(link.children)  # a click on the line shall open it
                folded = fold("", summary("", "", *title.children), *node.children, **node.attributes)
            node.parent.replace(node, folded)


def in_tags(tag: str, name: str) -> tuple:
    """The visitors of a node that is one element of HTML."""
    return (
        lambda self, node: self.body.append(self.starttag(node, tag, CLASS=name)),
        lambda self, node: self.body.append(f"</{tag}>\n"),
    )


def is_dropdown(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and "dropdown" in node.get("classes", [])


def setup(app: Sphinx) -> dict:
    app.add_directive("companion-module", CompanionModule)
    app.add_directive("run-times", RunTimes)
    app.add_post_transform(NamePage)
    app.connect("source-read", read_for_readers)
    app.connect("build-finished", download_for_readers)
    app.add_post_transform(Fold)
    app.add_node(fold, html=in_tags("details", "fold"))
    app.add_node(summary, html=in_tags("summary", ""))
    app.connect("env-get-updated", number_by_page, priority=900)  # after Sphinx has counted
    app.connect("doctree-read", chapter_line, priority=600)  # after the front matter was read
    return {"parallel_read_safe": True}
