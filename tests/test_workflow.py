"""The workflow takes no more power than it needs, and runs what anyone can run at home."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import course

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} +# v\d+\.\d+\.\d+")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return request.param.read_text(encoding="utf-8")


def test_there_is_a_workflow():
    assert [path.name for path in WORKFLOWS] == ["ci.yml"]


def test_actions_are_pinned_by_hash_with_the_version_beside_it(workflow):
    uses = re.findall(r"^\s*-?\s*uses:\s*(.+?)\s*$", workflow, re.M)
    assert uses
    assert [use for use in uses if not PINNED.fullmatch(use)] == []


def test_one_action_has_one_hash(workflow):
    hashes = set(re.findall(r"uses:\s*(\S+)@(\w+)", workflow))
    assert len(hashes) == len({action for action, _ in hashes})


def test_permissions_are_read_only_except_where_the_site_is_published(workflow):
    tree = yaml.safe_load(workflow)
    assert tree["permissions"] == {"contents": "read"}
    writing = {name: job for name, job in tree["jobs"].items() if "permissions" in job}
    assert set(writing) == {"publish"}
    publish = writing["publish"]
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert "refs/heads/main" in publish["if"] and "push" in publish["if"]
    assert "test" in publish["needs"]
    assert not any("run" in step or "checkout" in step.get("uses", "") for step in publish["steps"])


def test_pull_requests_run_without_secrets_or_credentials(workflow):
    tree = yaml.safe_load(workflow)
    triggers = tree[True]  # YAML reads the key `on` as a truth value
    assert set(triggers) == {"push", "pull_request"}
    assert "pull_request_target" not in workflow and "secrets." not in workflow
    for name, job in tree["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False, name


def test_no_text_of_an_event_reaches_a_shell(workflow):
    for job in yaml.safe_load(workflow)["jobs"].values():
        assert not any("${{" in step.get("run", "") for step in job["steps"])


def test_versions_stand_in_constraints_and_nowhere_here(workflow):
    assert re.findall(r"\b[\w.-]+\s*[=~<>!]=\s*\d[\w.]*", workflow) == []
    floor = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    matrices = [job["strategy"]["matrix"] for job in yaml.safe_load(workflow)["jobs"].values() if "strategy" in job]
    assert all(floor in matrix["python"] for matrix in matrices) and len(matrices) == 2
    assert set(re.findall(r"python-version: (.+)", workflow)) == {"${{ matrix.python }}"}


def test_the_matrix_has_every_instruction_set_and_more_than_one_thread(workflow):
    matrix = yaml.safe_load(workflow)["jobs"]["pages"]["strategy"]["matrix"]
    assert set(matrix["instructions"]) == {"native", *course.INSTRUCTIONS}
    assert matrix["threads"] == ["1", "2"]
    assert set(yaml.safe_load(workflow)["jobs"]["publish"]["needs"]) == {"test", "pages"}


def test_ci_runs_what_anyone_runs(workflow):
    assert "run: bash .ci/run" in workflow
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.startswith("#!") and "set -euo pipefail" in script
    assert script.rstrip().endswith("make test")
