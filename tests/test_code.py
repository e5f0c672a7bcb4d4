"""All Python of the repository: nothing unsafe, no global random state, no complaint of ruff or mypy; the README."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = sorted(p for folder in ("companion", "tools", "tests", "benchmarks") for p in (ROOT / folder).rglob("*.py"))

UNSAFE_ARGUMENTS = {("weights_only", False), ("allow_pickle", True), ("trust_remote_code", True)}
ALLOWED_RANDOM = {"default_rng", "Generator", "RandomState", "SeedSequence", "BitGenerator", "PCG64"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}


def forbidden(path):
    """Calls that run code from a file or touch the global random state."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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


@pytest.mark.parametrize("command", (["check"], ["format", "--check"]), ids=" ".join)
def test_ruff_has_no_complaint(command):
    run = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_mypy_has_no_complaint():
    pytest.importorskip("mypy", reason="mypy comes with the extra 'test'")
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.startswith("Success"), run.stdout + run.stderr


def test_the_example_of_the_readme_prints_what_it_says():
    [code] = re.findall(r"^```python\n(.+?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == re.findall(r"^print\(.+\)  # (.+)$", code, re.M)
