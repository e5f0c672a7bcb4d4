"""scikit-learn's own tests on our classes under its names: what fails is in sklearn-suite.md, and fails as told."""

import importlib.util
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sklearn_names import FILES

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
PIN = re.search(r"^scikit-learn==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)[1]
FOREIGN = ("PYTEST_", "SKLEARN_")  # the caller's variables that would change what is run
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FIXED = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(map(str, (ROOT, FOLDER))),
    "SKLEARN_RUN_FLOAT32_TESTS": "1", "SCIPY_ARRAY_API": "1", "SKLEARN_TESTS_GLOBAL_RANDOM_SEED": "42",
} | dict.fromkeys(THREADS, "1")  # fmt: skip


def table():
    """Pattern of test, what the failure says, for each pattern of each row."""
    for line in (FOLDER / "sklearn-suite.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            tests, says = (re.findall(r"`([^`]+)`", cell) for cell in line.split(" | ")[:2])
            yield from ((test, says[0]) for test in tests)


def outcomes(folder):
    """What each test says that was not skipped: the message of its failure, "" if it passed."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    options = "-p sklearn_names -p no:cacheprovider -q --tb=no -W ignore -c pytest.ini --junitxml=outcomes.xml --pyargs"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    command = [sys.executable, "-m", "pytest", *options.split(), *FILES]
    run = subprocess.run(command, cwd=folder, env=environment | FIXED, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr  # 1: tests failed, and nothing else went wrong
    for case in ElementTree.parse(folder / "outcomes.xml").iter("testcase"):
        kinds = {child.tag: child.get("message") for child in case}
        if "skipped" not in kinds:
            yield case.get("name"), kinds.get("failure", kinds.get("error", ""))


@pytest.mark.skipif(version("scikit-learn") != PIN, reason=f"the list holds for scikit-learn {PIN}")
@pytest.mark.skipif(importlib.util.find_spec("sklearn.svm.tests") is None, reason="scikit-learn came without its tests")
def test_the_suite_of_scikit_learn_fails_where_the_list_says(tmp_path):
    found, listed = dict(outcomes(tmp_path)), {}
    for pattern, says in table():
        ids = [name for name in found if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name)]
        assert ids and not listed.keys() & ids, f"{pattern} is no test, or listed twice"
        listed |= dict.fromkeys(ids, says)
    failed = {name: message for name, message in found.items() if message}
    assert failed.keys() - listed.keys() == set(), "not listed, but these fail"
    assert listed.keys() - failed.keys() == set(), "listed, but these pass"
    assert {name: text for name, text in failed.items() if listed[name] not in text} == {}, "these fail otherwise"
    assert list(found.values()).count("") >= 78  # 92 with torch
