"""What the package offers, read from its source: the site is built where torch is not installed.

A module of ``companion`` is a file or a folder. Its public names are those of its ``__all__``, or else the functions
and classes that it defines. What a name stands for may be defined in another file, and is looked up there.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from tools.pages import ROOT

Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Found:
    """A name: the statement that binds it, and the module and file where that stands."""

    name: str
    module: str
    file: Path
    node: ast.stmt


def files(root: Path = ROOT) -> dict[str, Path]:
    """All files of the package by the names of their modules: ``companion``, ``companion.kernels.base``, ..."""
    paths = sorted((root / "companion").rglob("*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def file(module: str, root: Path = ROOT) -> Path:
    """``companion.kernels`` is companion/kernels/__init__.py, ``companion.show`` is companion/show.py."""
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def public(module: str, root: Path = ROOT) -> list[Found]:
    """The public functions and classes of a module, in the order of its ``__all__``; a missing name is an error."""
    body = tree(file(module, root)).body
    own = [n.name for n in body if isinstance(n, Definition) and not n.name.startswith("_")]
    lists = [n.value for n in body if isinstance(n, ast.Assign | ast.AugAssign) and "__all__" in bound(n)]
    names = [name for value in lists for name in ast.literal_eval(value)] or own
    found = {name: find(module, name, root) for name in names}
    if missing := [name for name, definition in found.items() if definition is None]:
        raise LookupError(f"the __all__ of {module} lists {', '.join(missing)}, which it does not have")
    return [definition for definition in found.values() if definition and isinstance(definition.node, Definition)]


def find(module: str, name: str, root: Path = ROOT) -> Found | None:
    """What a name of a module stands for, through its imports from the package."""
    path = file(module, root)
    for node in tree(path).body:
        if name in bound(node):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("companion."):
                [original] = [a.name for a in node.names if name in (a.name, a.asname)]
                return find(node.module, original, root)
            return Found(name, module, path, node)
    return None


def bound(node: ast.stmt) -> list[str]:
    """The names that a statement binds."""
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]
