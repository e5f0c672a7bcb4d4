"""The rules of the house: who imports whom, how long a file is, what a docstring says, what nobody may call."""

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

import companion

ROOT = Path(__file__).resolve().parents[2]
LEAVES = ["datasets", "plotting", "figures_kernels", "figures_features", "figures_frequencies", "show"]
ORDER = [
    *"_checks _refusals _arrays checkpoint _distances _spectra _gram kernels".split(),
    *"mcmc _hadamard frequencies features svm lowrank attention estimators nn".split(),
    *LEAVES,
]
DRAWING = [ROOT / "companion" / f"{name}.py" for name in LEAVES[1:-1]]  # long by nature, and a figure is no doctest
FILES = sorted((ROOT / "companion").glob("*.py"))
MODULES = [path.stem for path in FILES if path.stem != "__init__"]
OURS = sorted(p for folder in ("companion", "tools", "tests", "benchmarks") for p in (ROOT / folder).rglob("*.py"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_module = pytest.mark.parametrize("name", MODULES)


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(path):
    """Names of the modules of companion that a file imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "companion":
            inside = node.module.split(".")[1:]
            yield from inside[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "relative"
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (parts[1] if len(parts) > 1 else "companion" for parts in names if parts[0] == "companion")


def functions(path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def code_lines(node_or_path):
    """Lines that hold code: docstrings, comments and blanks apart."""
    source = node_or_path if isinstance(node_or_path, Path) else None
    parsed = tree(source) if source else node_or_path
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = [n.body[0] for n in ast.walk(parsed) if isinstance(n, documented) and ast.get_docstring(n) is not None]
    skip = {line for d in docs for line in range(d.lineno, d.end_lineno + 1)}
    if not source:
        return len(set(range(parsed.lineno, parsed.end_lineno + 1)) - skip)
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    with source.open("rb") as stream:
        tokens = [t for t in tokenize.tokenize(stream.readline) if t.type not in empty | {tokenize.ENCODING}]
    return len({line for t in tokens for line in range(t.start[0], t.end[0] + 1)} - skip)


@each_module
def test_imports_go_downwards_only_and_nobody_imports_a_leaf(name):
    assert name in ORDER, f"companion/{name}.py has no place in the order of imports"
    for other in imported_modules(ROOT / "companion" / f"{name}.py"):
        assert other in ORDER[: ORDER.index(name)], f"{name} imports {other}, which is not below it"
        drawing = name.startswith("figures_") and other == "plotting"
        assert other not in LEAVES or drawing, f"{name} imports the leaf {other}"


def test_the_package_names_its_modules_in_the_order_of_their_imports():
    assert companion.__all__ == [name for name in ORDER if name in MODULES and not name.startswith("_")]
    assert all(importlib.import_module(f"companion.{name}") for name in companion.__all__)
    assert companion.__version__


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)


PLAIN = [name for name in ORDER if name in MODULES and name not in (*LEAVES, "estimators")] + ["datasets"]


@pytest.mark.parametrize("names", [PLAIN, ["estimators"]], ids=["plain", "estimators"])
def test_importing_loads_nothing_heavy_and_opens_no_connection(names):
    heavy = ["torch", "matplotlib", "arviz"]
    if names == PLAIN:  # not scikit-learn either, which loads pandas where it is installed
        heavy += ["sklearn", "pandas"]
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise OSError('no network in an import')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        f"from companion import {', '.join(names)}\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    assert python(code).stdout.strip() == "[]"


FIGURES = [name for name in MODULES if name == "plotting" or name.startswith("figures_")]


@pytest.mark.parametrize(
    ("names", "missing", "extra"), [(["estimators"], "scikit-learn", "sklearn"), (FIGURES, "matplotlib", "notebooks")]
)
def test_what_an_extra_brings_is_asked_for_by_the_name_of_the_extra(names, missing, extra):
    module = missing.replace("scikit-learn", "sklearn")
    code = f"""import importlib, sys; sys.modules[{module!r}] = None
for name in {names}:
    try: importlib.import_module("companion." + name)
    except ModuleNotFoundError as error: print(error)"""
    said = python(code).stdout.splitlines()
    wanted = f'pip install "kernels-to-performers[{extra}]"'
    assert len(said) == len(names) and all(text.startswith("companion.") and wanted in text for text in said), said
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(requirement.startswith(missing) for requirement in extras[extra])


def test_the_example_of_the_readme_prints_what_it_says():
    [code] = re.findall(r"^```python\n(.+?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert python(code).stdout.splitlines() == re.findall(r"^print\(.+\)  # (.+)$", code, re.M)


def test_the_version_works_from_a_plain_checkout():
    code = "import importlib.metadata as m; m.version = lambda _: (_ for _ in ()).throw(m.PackageNotFoundError())\n"
    assert python(code + "import companion; print(companion.__version__)").stdout.strip() == "0+checkout"


@each_file
def test_a_file_can_be_read_in_one_sitting(path):
    assert code_lines(path) <= 250
    if (found := functions(path)) and path not in DRAWING:
        assert sum(code_lines(f) <= 10 for f in found) >= len(found) / 2


@each_file
def test_a_file_opens_with_a_docstring_that_has_an_example(path):
    doc = ast.get_docstring(tree(path))
    assert doc and (">>> " in doc or path in DRAWING)


@each_file
def test_examples_in_docstrings_run(path):
    module = importlib.import_module("companion" if path.stem == "__init__" else f"companion.{path.stem}")
    results = doctest.testmod(module)
    assert not results.failed and (results.attempted or path in DRAWING)


def public_functions(name):
    """Functions, classes and methods of a module that a reader may call: (qualified name, object)."""
    module = importlib.import_module(f"companion.{name}")
    for key, value in vars(module).items():
        home = getattr(value, "__module__", None) or ""
        shown = key in getattr(module, "__all__", ()) and home.startswith("companion._")  # defined in a private module
        if key.startswith("_") or (home != module.__name__ and not shown):
            continue
        if inspect.isclass(value) and issubclass(value, Exception) and home != module.__name__:
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            yield key, value
        if inspect.isclass(value):
            methods = ((m, f) for m, f in vars(value).items() if inspect.isfunction(f))
            yield from ((f"{key}.{m}", f) for m, f in methods if not m.startswith("_") or m == "__call__")


def documented_problems(label, value):
    doc = inspect.getdoc(value) or ""
    if not doc:
        yield f"{label} has no docstring"
    if inspect.isclass(value) and issubclass(value, Warning):  # it takes a message, and returns nothing
        return
    arguments = [p for p in inspect.signature(value).parameters if p not in ("self", "args", "kwargs", "params")]
    for argument in arguments:
        if not re.search(rf"^[\w, *]*\b{argument}\b[\w, ]* : ", doc, re.M):
            yield f"{label} does not document {argument}"
    returns = inspect.signature(value).return_annotation if inspect.isfunction(value) else None
    if returns not in (None, "None", inspect.Signature.empty) and not re.search(r"^(Returns|Yields)\n-+$", doc, re.M):
        yield f"{label} does not say what it returns"
    for heading, rule in re.findall(r"^([A-Z]\w+(?: \w+)?)\n(-{3,})$", doc, re.M):
        if len(heading) != len(rule):
            yield f"{label}: the rule under {heading} has the wrong length"
    if re.search(r":\w+:`", doc):
        yield f"{label} uses a role, which a terminal does not render"


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("_") and name not in LEAVES])
def test_public_functions_have_numpydoc_docstrings(name):
    assert [p for label, value in public_functions(name) for p in documented_problems(label, value)] == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("_") or name in LEAVES])
def test_other_functions_have_docstrings(name):
    assert [label for label, value in public_functions(name) if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("_")])
def test_functions_are_annotated(name):
    bare = []
    for function in functions(ROOT / "companion" / f"{name}.py"):
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        named = [a for a in arguments if a.arg not in ("self", "cls")]
        if function.returns is None or any(a.annotation is None for a in named):
            bare.append(function.name)
    assert bare == []


UNSAFE_ARGUMENTS = {("weights_only", False), ("allow_pickle", True), ("trust_remote_code", True)}
ALLOWED_RANDOM = {"default_rng", "Generator", "RandomState", "SeedSequence", "BitGenerator", "PCG64"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}


def forbidden(path):
    """Calls that run code from a file or touch the global random state."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"import {n}" for n in names if n.split(".")[0] in UNSAFE_MODULES)
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            is_global = re.fullmatch(r"(np|numpy)\.random\.\w+", text) and node.attr not in ALLOWED_RANDOM
            if is_global or text == "joblib.load":
                yield text
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            if (node.arg, node.value.value) in UNSAFE_ARGUMENTS:
                yield f"{node.arg}={node.value.value}"


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_unsafe_and_no_global_random_state(path):
    assert list(forbidden(path)) == []


def test_the_check_for_unsafe_calls_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    lines = ["import pick" + "le", "np.random." + "seed(0)", "joblib." + "load(f)", "load(f, weights_only" + "=False)"]
    bad.write_text("\n".join(lines))
    assert len(list(forbidden(bad))) == 4


def test_the_check_of_imports_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from companion import svm\nimport companion.nn\nfrom companion.show import source\nfrom . import x\n"
    )
    assert list(imported_modules(bad)) == ["svm", "nn", "show", "relative"]


def test_the_count_of_code_lines_leaves_out_docstrings_comments_and_blanks(tmp_path):
    file = tmp_path / "file.py"
    file.write_text(
        '"""Doc.\n\nMore.\n"""\n\n# comment\nx = 1\n\n\ndef f():\n    """Doc."""\n    return (\n        1\n    )\n'
    )
    assert code_lines(file) == 5


@pytest.mark.parametrize("command", (["check"], ["format", "--check"]), ids=" ".join)
def test_ruff_has_no_complaint(command):
    run = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_mypy_has_no_complaint():
    pytest.importorskip("mypy", reason="mypy comes with the extra 'test'")
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.startswith("Success"), run.stdout + run.stderr
