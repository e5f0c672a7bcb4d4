"""The places that say a version or an address agree, and a failure names the one that does not."""

import platform
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distributions, version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import course
from tools.pages import ROOT, repository

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    Requirement(line)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in group
]
PIN_LINES = [
    line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.strip() and not line.startswith("#")
]
PINS = {canonicalize_name(line.split("==")[0]): Version(line.split("==")[1]) for line in PIN_LINES if "==" in line}


def files():
    """The text files of the project that are not vendored."""
    if shutil.which("git") is None:
        pytest.skip("no git here")
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if names.returncode:
        pytest.skip("not a git checkout")
    vendored = ("book/_static/mathjax/", "book/_static/fonts/", "tests/site/axe")
    for name in names.stdout.split("\n"):
        if (
            name
            and not name.startswith(vendored)
            and (ROOT / name).exists()
            and (ROOT / name).suffix not in (".npz", ".png", ".woff2")
        ):
            yield name, (ROOT / name).read_text(encoding="utf-8")


def test_pins_are_exact_and_without_local_suffix():
    assert [line for line in PIN_LINES if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)] == []


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_dependency_has_a_pin_in_its_range(requirement):
    pin = PINS.get(canonicalize_name(requirement.name))
    assert pin is not None, f"constraints.txt has no pin for {requirement.name} of pyproject.toml"
    assert pin in requirement.specifier, (
        f"constraints.txt pins {requirement.name} to {pin}, pyproject.toml asks for {requirement.specifier}"
    )


def test_environment_is_at_its_pins():
    """Run in the course's environment; whoever tests in their own environment sees which packages differ."""
    wrong = []
    for name, pin in PINS.items():
        try:
            installed = Version(version(name)).public
        except PackageNotFoundError:
            continue
        if installed != str(pin):
            wrong.append(f"{name} is {installed} here, {pin} in constraints.txt")
    assert wrong == []


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or not version("torch").endswith("+cpu"),
    reason="other systems and torch builds bring packages of their own",
)
def test_everything_installed_is_pinned():
    ours, tools = "kernels-to-performers", {"pip", "setuptools", "wheel"}
    names = {canonicalize_name(d.metadata["Name"]) for d in distributions()} - {ours} - tools
    assert sorted(names - set(PINS)) == [], "constraints.txt has no pin for these"


def test_python_floor_is_one():
    floor = ".".join(map(str, course.MIN_PYTHON))
    assert PROJECT["requires-python"] == f">={floor}", "pyproject.toml and course.py disagree"
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    [python] = [entry for entry in conda if isinstance(entry, str) and entry.startswith("python=")]
    assert Version(python.removeprefix("python=")) in SpecifierSet(PROJECT["requires-python"]), (
        "environment.yml and pyproject.toml disagree"
    )


def test_environment_yml_names_no_other_version():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    [pip] = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    assert [e for e in conda if isinstance(e, str) and "=" in e and not e.startswith("python=")] == []
    assert "-c constraints.txt" in pip and all(not re.search(r"[=<>]=", entry) for entry in pip)


def test_version_of_the_project_is_one():
    import companion

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changelog = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    found = {
        "CITATION.cff": citation["version"],
        "CHANGELOG.md": changelog and changelog[1],
        "companion": companion.__version__,
    }
    assert found == dict.fromkeys(found, PROJECT["version"])


def test_repository_address_is_one():
    address = repository()
    owner = re.escape(address.rsplit("/", 1)[0])
    for name, text in files():
        for found in re.findall(rf"{owner}/[\w.-]+", text):
            assert found.removesuffix(".git").rstrip(".") == address, f"{name} says {found}, pyproject.toml {address}"
    assert yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"] == address
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == address


def test_the_index_of_torch_stands_in_one_place():
    host = course.TORCH_CPU_INDEX.split("/")[2]
    assert [name for name, text in files() if host in text] == ["course.py"]


def test_no_machine_path_is_committed():
    bad = re.compile(r"/(root|home/\w+|Users/\w+)/|/work/mai[n]")
    assert [f"{name}: {match[0]}" for name, text in files() for match in bad.finditer(text)] == []
