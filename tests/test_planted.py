"""Each patch in tests/planted/ is a mistake that a reader would make; its named test must catch it.

A patch is a unified diff headed by four lines, ``page:``, ``mistake:``, ``symptom:`` and ``test:``, the last of them a
pytest node id. The mistake is made in a copy of the tree, and the named test is run there: green before, red after.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATCHES = sorted((ROOT / "tests" / "planted").glob("*.patch"))
FIELDS = ("page", "mistake", "symptom", "test")
COPIED = ["companion", "tests", "book", "tools", "benchmarks", "pyproject.toml", "course.py", "_config.yml", "_toc.yml"]
SKIPPED = shutil.ignore_patterns("_build", ".*", "__pycache__", "node_modules", "*.egg-info")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here to apply patches with")
WHERE = "import companion, pathlib; print(pathlib.Path(companion.__file__).resolve().parents[1])"


def header(patch):
    """The fields above the diff; a missing, empty or unknown one is an error."""
    top = patch.read_text(encoding="utf-8").split("\ndiff --git ", 1)[0]
    fields = dict(re.findall(r"^(\w+): *(.*\S)$", top, re.M))
    assert set(fields) == set(FIELDS), f"{patch.name}: header has {sorted(fields)}, expected {list(FIELDS)}"
    return fields


def copy_of_the_tree(folder):
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=SKIPPED)
        elif source.exists():
            shutil.copy2(source, folder / name)
    return folder


def run(command, folder):
    """Run a command that sees the copy and nothing of the original: no repository around it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "PYTEST_", "COV_"))}
    environment |= {
        "PYTHONPATH": str(folder),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def run_tests(nodes, folder):
    options = ["-q", "-p", "no:cacheprovider", "-rfE", "--tb=line", "--rootdir", str(folder)]
    return run([sys.executable, "-m", "pytest", *options, *nodes], folder)


def apply(patch, folder):
    done = run(["git", "apply", "--verbose", str(patch)], folder)
    assert done.returncode == 0 and "Applied patch" in done.stderr, f"{patch.name} does not apply: {done.stderr}"


@pytest.fixture(scope="module")
def green(tmp_path_factory):
    """One run of all named tests in an unchanged copy."""
    nodes = sorted({header(patch)["test"] for patch in PATCHES})
    return run_tests(nodes, copy_of_the_tree(tmp_path_factory.mktemp("green")))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_the_mistake_is_caught(patch, green, tmp_path):
    node = header(patch)["test"]
    assert green.returncode == 0, f"not green without any mistake:\n{green.stdout}{green.stderr}"
    damaged = copy_of_the_tree(tmp_path)
    apply(patch, damaged)
    assert run([sys.executable, "-c", WHERE], damaged).stdout.strip() == str(damaged.resolve())
    after = run_tests([node], damaged)
    assert after.returncode == 1, f"{node} does not fail with the mistake:\n{after.stdout}{after.stderr}"
    assert f"FAILED {node}" in after.stdout and "ERROR" not in after.stdout, after.stdout


def test_there_are_patches():
    assert PATCHES


@pytest.mark.parametrize("missing", FIELDS)
def test_a_header_without_a_field_is_refused(missing, tmp_path):
    bad = tmp_path / "bad.patch"
    bad.write_text("\n".join(f"{field}: something" for field in FIELDS if field != missing) + "\ndiff --git a/x b/x\n")
    with pytest.raises(AssertionError, match="bad.patch: header has"):
        header(bad)


def test_a_patch_that_changes_nothing_is_refused(tmp_path):
    bad = tmp_path / "bad.patch"
    bad.write_text("page: x\ndiff --git a/none.py b/none.py\n--- a/none.py\n+++ b/none.py\n@@ -1 +1 @@\n-a\n+b\n")
    with pytest.raises(AssertionError, match="does not apply"):
        apply(bad, tmp_path)
