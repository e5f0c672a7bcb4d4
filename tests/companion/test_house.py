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
from statistics import median

import numpy as np
import pytest

import companion
from companion.features import fourier
from companion.frequencies import draw
from companion.kernels import Gaussian
from tools import api

ROOT = Path(__file__).resolve().parents[2]
FILES = api.files()
FIGURES = sorted(name.partition(".")[2] for name in FILES if name.startswith("companion.figures_"))
LEAVES = ["datasets", "plotting", *FIGURES, "show"]
ORDER = f"""
    _core _core.checks _core.arrays _core.tiles checkpoint
    kernels._fast kernels.distances kernels.spectra kernels.base kernels.stationary kernels.gaussian kernels.laplacian
    kernels.matern kernels.cauchy kernels.exponential_power kernels.dot kernels.precomputed kernels.lengthscale kernels
    mcmc.direct mcmc.noise mcmc.proposals mcmc.metropolis mcmc.diagnostics mcmc.trace mcmc.blocks mcmc.chains
    mcmc.gibbs mcmc.anneal mcmc
    frequencies.hadamard frequencies.base frequencies.independent frequencies.orthogonal frequencies.structured
    frequencies.grids frequencies.chains frequencies
    features._fast features.cosines features.positive features.optimal features.simple features.binning features.errors
    features
    svm.psd svm.ridge svm.smo svm.dual svm.weights svm.sums svm.newton svm.kernel_newton svm.sources
    svm.primal svm.path svm
    lowrank.inverse lowrank.svd lowrank.products lowrank.skeleton lowrank.landmarks lowrank.choice lowrank
    attention.shared attention.scale attention.exact attention.linear attention._fast attention.effective attention.near
    attention.pieces attention._near attention.performer attention.state attention.means attention
    estimators.shared estimators.machines estimators.maps estimators.landmarks estimators.linear estimators nn
    ngram
    {" ".join(LEAVES)}
""".split()  # lowest first
ORDER = ["companion", *(f"companion.{name}" for name in ORDER)]
CORES = {
    "ngram": ["backed_off"],
    "kernels.gaussian": ["gaussian"], "kernels.laplacian": ["laplacian"], "kernels.cauchy": ["cauchy"],
    "kernels.matern": ["matern", "matern_by_bessel"], "kernels.dot": ["polynomial", "softmax"],
    "kernels.exponential_power": ["exponential_power", "exponential_square"],
    "attention.exact": ["softmax_weights", "attention"],
    "attention.linear": ["causal_sums", "log_causal_sums", "log_sums_within", "log_pairs", "log_sums", "log_read",
                         "add", "divide"],
    "attention.performer": ["sums"],
    "attention.near": ["weigh", "near", "far_by_features", "far_by_means", "sums"],
    "features.cosines": ["pairs", "offset_cosines", "product", "long_product"],
    "features.positive": ["log_positive", "log_hyperbolic", "tilted"],
    "lowrank.choice": ["tail_errors"],
    "mcmc.metropolis": ["metropolis"],
    "svm.sums": ["scores", "losses_between", "with_constant"],
    "features.simple": ["linear_above_zero", "rectified", "one_and_x"],
    "lowrank.inverse": ["inverse_by_svd", "penrose"],
    "lowrank.svd": ["leading", "times", "subspace", "krylov", "projected", "oriented"],
    "lowrank.products": ["kept_terms"],
    "lowrank.skeleton": ["sketches", "least_squares", "through_bases"],
}  # fmt: skip
ON_THE_HOST = ["matern_by_bessel"]  # a core that only SciPy computes
MODULES = [name.partition(".")[2] for name in ORDER if name in FILES and re.fullmatch(r"companion\.[a-z]\w*", name)]
DRAWING = [f"companion.{name}" for name in LEAVES[1:-1]]  # long by nature, and a figure is no doctest
each_file = pytest.mark.parametrize("name", FILES)


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(path):
    """Names of the modules of companion that a file imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        names = [alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "companion":
            yield from (f"{node.module}.{n}" if f"{node.module}.{n}" in FILES else node.module for n in names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "relative"
        elif isinstance(node, ast.Import):
            yield from (name for name in names if name.split(".")[0] == "companion")


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


@each_file
def test_imports_go_downwards_only_and_nobody_imports_a_leaf(name):
    assert name in ORDER, f"{name} has no place in the order of imports"
    for other in imported_modules(FILES[name]):
        assert other in ORDER[: ORDER.index(name)], f"{name} imports {other}, which is not below it"
        drawing = name in DRAWING and other == "companion.plotting"
        assert other.partition(".")[2] not in LEAVES or drawing, f"{name} imports the leaf {other}"


def test_the_package_names_its_modules_in_the_order_of_their_imports():
    assert companion.__all__ == [name for name in MODULES if name not in FIGURES]
    assert all(importlib.import_module(f"companion.{name}") for name in MODULES)
    assert companion.__version__


def test_every_folder_is_built_into_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = [path.parent.relative_to(ROOT) for path in (ROOT / "companion").rglob("__init__.py")]
    assert sorted(settings["packages"]) == sorted([".".join(f.parts) for f in folders] + ["companion._results"])


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)


PLAIN = [name for name in MODULES if name not in (*LEAVES, "estimators")] + ["datasets"]


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


EXTRAS = [(["companion.estimators"], "scikit-learn", "sklearn"), (DRAWING, "matplotlib", "notebooks")]


@pytest.mark.parametrize(("names", "missing", "extra"), EXTRAS)
def test_what_an_extra_brings_is_asked_for_by_the_name_of_the_extra(names, missing, extra):
    module = missing.replace("scikit-learn", "sklearn")
    code = f"""import importlib, sys; sys.modules[{module!r}] = None
for name in {names}:
    try: importlib.import_module(name)
    except ModuleNotFoundError as error: print(error)"""
    said = python(code).stdout.splitlines()
    wanted = f'pip install "kernels-to-performers[{extra}]"'
    assert len(said) == len(names) and all(text.startswith("companion.") and wanted in text for text in said), said
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(requirement.startswith(missing) for requirement in extras[extra])


def test_the_version_works_from_a_plain_checkout():
    code = "import importlib.metadata as m; m.version = lambda _: (_ for _ in ()).throw(m.PackageNotFoundError())\n"
    assert python(code + "import companion; print(companion.__version__)").stdout.strip() == "0+checkout"


@each_file
def test_a_file_can_be_read_in_one_sitting_and_opens_with_an_example(name):
    doc = ast.get_docstring(tree(FILES[name]))
    assert code_lines(FILES[name]) <= 250 and doc and (">>> " in doc or name in DRAWING)


@pytest.mark.parametrize("module", [m for m in ("_core", *MODULES) if f"companion.{m}" not in DRAWING])
def test_half_of_the_functions_of_a_module_have_at_most_8_lines(module):
    inside = (path for name, path in FILES.items() if name.split(".")[1:2] == [module])
    assert median(code_lines(function) for path in inside for function in functions(path)) <= 8


@pytest.mark.parametrize(("module", "core"), [(module, core) for module, cores in CORES.items() for core in cores])
def test_a_core_is_the_formula_and_knows_no_backend(module, core):
    [node] = [f for f in functions(FILES[f"companion.{module}"]) if f.name == core]
    assert code_lines(node) <= 12
    names = {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}
    backends = names & {"isinstance", "np", "numpy", "torch"} or [name for name in names if name.startswith("check")]
    assert core in ON_THE_HOST or not backends


KERNEL = Gaussian()
W = draw(KERNEL, 8, dim=3, rng=0)
ENTERED = {
    "kernel": (lambda X: Gaussian()(X), 12),
    "fourier": (lambda X: fourier(X, W), 12),
    "draw": (lambda X: draw(KERNEL, 8, 3, rng=0), 16),
}


@pytest.mark.parametrize(("call", "most"), ENTERED.values(), ids=ENTERED.keys())
def test_a_call_can_be_followed(call, most):
    """The different functions of the package that a call enters."""
    entered, X = set(), np.random.default_rng(0).standard_normal((20, 3))

    def note(frame, event, _):
        if event == "call" and Path(frame.f_code.co_filename).is_relative_to(ROOT / "companion"):
            entered.add(frame.f_code)

    sys.setprofile(note)
    try:
        call(X)
    finally:
        sys.setprofile(None)
    assert 2 <= len(entered) <= most, sorted(code.co_qualname for code in entered)


@each_file
def test_examples_in_docstrings_run(name):
    results = doctest.testmod(importlib.import_module(name))
    assert not results.failed and (results.attempted or name in DRAWING)


def with_methods(names, module):
    """Functions, classes and methods that a reader may call: (qualified name, object)."""
    for key in names:
        value = getattr(importlib.import_module(module), key)
        if inspect.isfunction(value) or inspect.isclass(value):
            yield key, value
        if inspect.isclass(value):
            methods = ((m, f) for m, f in vars(value).items() if inspect.isfunction(f))
            yield from ((f"{key}.{m}", f) for m, f in methods if not m.startswith("_") or m == "__call__")


def documented_problems(label, value):
    doc = inspect.getdoc(value) or ""
    if not doc:
        yield f"{label} has no docstring"
    if label.endswith("_reference") or (inspect.isclass(value) and issubclass(value, Warning)):
        return  # a formula, and what takes a message
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


@pytest.mark.parametrize("name", [name for name in MODULES if name not in LEAVES])
def test_public_functions_have_numpydoc_docstrings(name):
    public = with_methods([found.name for found in api.public(f"companion.{name}")], f"companion.{name}")
    assert [problem for label, value in public for problem in documented_problems(label, value)] == []


@each_file
def test_other_functions_have_docstrings(name):
    own = [n.name for n in tree(FILES[name]).body if isinstance(n, api.Definition) and not n.name.startswith("_")]
    assert [label for label, value in with_methods(own, name) if not inspect.getdoc(value)] == []


def test_the_check_of_imports_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from companion import svm\nimport companion.nn\nfrom companion.show import source\nfrom . import x\n"
        "from companion._core import arrays\nfrom companion.kernels.base import Kernel\n"
    )
    found = [name.removeprefix("companion.") for name in imported_modules(bad)]
    assert found == ["svm", "nn", "show", "relative", "_core.arrays", "kernels.base"]


def test_the_count_of_code_lines_leaves_out_docstrings_comments_and_blanks(tmp_path):
    file = tmp_path / "file.py"
    file.write_text(
        '"""Doc.\n\nMore.\n"""\n\n# comment\nx = 1\n\n\ndef f():\n    """Doc."""\n    return (\n        1\n    )\n'
    )
    assert code_lines(file) == 5
