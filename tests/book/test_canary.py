"""The checks can fail: a healthy tiny page passes them all, and each small damage turns its check red and names the page.

Without this a green run proves little: a notebook without execution counts, for one, passes nbval with nothing compared.
"""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import exercises, notebooks, numbers, rules
from tools.pages import ROOT, Page

HEALTHY = (ROOT / "tests" / "canary" / "canary.md").read_text()


class Canary(Page):
    """The canary in a folder of its own."""

    md = property(lambda self: self.root / f"{self.name}.md")
    ipynb = property(lambda self: self.root / f"{self.name}.ipynb")


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, f"the canary no longer says {old!r}"
    return text.replace(old, new, 1)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The healthy canary, executed once by the course's own writer."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "canary.md").write_text(HEALTHY)
    notebook, _ = notebooks.execute(Canary("canary", folder))
    return nbformat.writes(notebook)


@pytest.fixture
def canary(stored, tmp_path):
    """A canary whose .md or stored notebook a test may damage: canary(md=(old, new)) or canary(stored=(old, new))."""

    def make(name="canary", **damages):
        md = HEALTHY
        for old, new in (damages[key] for key in ("md", "then") if key in damages):
            md = replaced(md, old, new)
        (tmp_path / f"{name}.md").write_text(md)
        text = stored
        for old, new in damages.get("stored", ()):
            text = replaced(text, old, new)
        (tmp_path / f"{name}.ipynb").write_text(text)
        return Canary(name, tmp_path)

    return make


def nbval(folder: Path) -> tuple[int, str]:
    """nbval on the folder's notebooks, exactly as the course runs it."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-q", "-c", os.devnull, str(folder)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


DAMAGES = {
    "changed-number": [("total 2.50", "total 2.51")],
    "exception": [("print(f\\\"total {total:.2f}\\\")", "print(f\\\"total {1 / 0:.2f}\\\")")],
    "unseeded-draw": [("default_rng(0)", "default_rng()")],
}


def test_nbval_passes_the_healthy_page_and_fails_each_damaged_one(canary, tmp_path):
    canary("healthy")
    for name, damage in DAMAGES.items():
        canary(name, stored=damage)
    code, text = nbval(tmp_path)
    failed = {line.split("::")[0].removeprefix("FAILED ").removesuffix(".ipynb") for line in text.splitlines() if line.startswith("FAILED")}
    assert code == 1, text
    assert failed == set(DAMAGES), text


def test_figure_check_passes_the_healthy_curve(canary):
    assert notebooks.compare_figures(canary()) == []


def test_figure_check_fails_a_changed_curve(canary):
    [problem] = notebooks.compare_figures(canary(md=("x**2", "x**2.2")))
    assert "canary: figure fig-canary-curve changed" in problem


def test_figure_check_fails_a_missing_curve(canary):
    [problem] = notebooks.compare_figures(canary(md=("plt.plot(x, x**2)\nplt.show()", "pass")))
    assert problem.startswith("canary: the stored figures are")


def test_the_healthy_page_keeps_the_rules(canary):
    page = canary()
    checked = (rules.pair, rules.outputs, rules.printed_numbers, rules.cell_tags, rules.labels, rules.figure_metadata, rules.code_style, rules.exercise_blocks)
    assert [problem for rule in (*checked, rules.followed_by_prose, rules.directive_kinds) for problem in rule(page)] == []


BROKEN = [
    (rules.printed_numbers, {"md": ("total is 2.50", "total is 2.60")}, "'2.60'"),
    (rules.printed_numbers, {"md": ("A curve.", "A curve 3× as high.")}, "'3×'"),
    (rules.printed_numbers, {"md": ("A curve.", "A curve 40 % as high.")}, "'40%'"),
    (rules.pair, {"md": ("A seeded draw.", "A draw with a seed.")}, "cell 5 differs"),
    (rules.pair, {"md": (":tags: [check]", ":tags: [check, slide]")}, "differs between the .md and the notebook"),
    (rules.outputs, {"stored": [('"execution_count": 2', '"execution_count": null')]}, "no execution count"),
    (rules.outputs, {"stored": [('"name": "stdout"', '"name": "stderr"')]}, "an error or a warning"),
    (rules.outputs, {"stored": [('"image/png"', '"text/html"')]}, "text/html"),
    (rules.code_style, {"md": ("default_rng(0)", "default_rng()")}, "without a seed"),
    (rules.code_style, {"md": ("np.random.default_rng(0).standard_normal()", "np.random.randn()")}, "without a seed"),
    (rules.code_style, {"md": ("import numpy as np", "import numpy as np\n\nrng = np.random.default_rng(1)"), "then": ("np.random.default_rng(0)", "rng")}, "uses the generator rng of cell 1"),
    (rules.code_style, {"md": ("plt.show()", "plt.show();")}, "ends in `;`"),
    (rules.code_style, {"md": ("import numpy as np", "import numpy as np\nfrom tools import pages")}, "imports tools"),
    (rules.figure_metadata, {"stored": [('"A parabola on the unit interval."', '"Curve."')]}, "alt text"),
    (rules.followed_by_prose, {"md": ("A curve.\n", "")}, "is not followed by a sentence"),
    (rules.cell_tags, {"md": ("[check]", "[chekc]")}, "unknown tags"),
    (rules.labels, {"md": ("name: fig-canary-curve", "name: curve")}, "the label curve"),
    (rules.exercise_blocks, {"md": ("### BEGIN SOLUTION", "###")}, "BEGIN SOLUTION"),
    (rules.exercise_blocks, {"md": (', "Twice two is four."', "")}, "each with a message"),
    (rules.directive_kinds, {"md": ("A curve.", "A curve.\n\n:::{margin}\nx\n:::")}, "the directive margin"),
    (rules.citations, {"md": ("A curve.", "A curve {cite}`x`.")}, "a citation is not written"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "damage", "words"), BROKEN, ids=[f"{rule.__name__}-{words}" for rule, _, words in BROKEN])
def test_rule_fails_the_damaged_page(canary, rule, damage, words):
    found = list(rule(canary(**damage)))
    assert any(words in problem for problem in found), found


def test_exercise_check_tells_solution_stub_and_toothless_check_apart(canary):
    [exercise] = exercises.exercises(canary())
    assert exercises.passes(exercise, exercise.cell(exercise.solution))
    assert not exercises.passes(exercise, exercise.stub)
    [toothless] = exercises.exercises(canary(md=('assert double(2) == 4, "Twice two is four."\nassert double(0) == 0', "assert callable(double)")))
    assert exercises.passes(toothless, toothless.stub), "a stub that passes its check is what test_exercises must report"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("An error of 0.12 and $0.13$.", ["0.12"]),
        ("It is 3× faster, by 40 %, not `0.5`.", ["3×", "40%"]),
        ("Rahimi (2007) {cite}`r` found 0.9. We find −0.8.", ["-0.8"]),
        ("In 2007 there were 12 of them.", []),
        ("Below 1e-8, with x_1.5 and v2.3.1 apart.", ["1e-8"]),
        ("$$\n0.5\n$$ (eq-a-b)\n\n:::{exercise-start}\n:label: ex-a-1.5\n:::\nIs it 0.75?", ["0.75"]),
        ("<details class=\"answer\">\n\nIt is 0.25.\n\n</details>", ["0.25"]),
        ("```{code-cell}\nx = 0.5\n```\nThen 1.5e-3 follows.", ["1.5e-3"]),
    ],
)  # fmt: skip
def test_claims(text, tokens):
    assert numbers.claims(text) == tokens


def test_a_claim_is_a_whole_token_of_what_is_printed():
    assert "0.75" not in numbers.printed("10.75 and 0.755 and 0.75e3")
    assert {"0.75", "3.2×", "12%"} <= numbers.printed("a 0.75, b 3.2× c 12 %")
