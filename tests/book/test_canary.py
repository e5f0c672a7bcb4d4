"""The checks can fail: a healthy tiny page passes them all, and each small damage turns its check red and names the page.

Without this a green run proves little: a notebook without execution counts, for one, passes nbval with nothing compared.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import course
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
    command = [sys.executable, "-m", "pytest", *course.NBVAL, "-p", "no:cacheprovider", "-q", "-c", os.devnull, str(folder)]
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


def test_figure_check_fails_one_moved_marker_and_one_changed_digit(canary):
    mark = 'plt.plot(x, x**2)\nplt.plot([0.5], [{y}], "o", markersize=4)\nplt.title("error 0.1{d}")'
    before, _ = notebooks.execute(canary(md=("plt.plot(x, x**2)", mark.format(y=0.8, d=2))))
    for change in ({"y": 0.82, "d": 2}, {"y": 0.8, "d": 3}):
        after, _ = notebooks.execute(canary(md=("plt.plot(x, x**2)", mark.format(**change))))
        [(_, old)], [(_, new)] = notebooks.figures(before), notebooks.figures(after)
        assert notebooks.changed_share(old, old) == 0
        assert notebooks.changed_share(old, new) > notebooks.TILE_TOLERANCE


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
    (rules.citations, {"md": ("A curve.", "A curve (see above) {cite}`x`.")}, "a citation is not written"),
    (rules.directive_kinds, {"md": ("A curve.", "A curve.\n\n- ~~~ {margin}\n  x\n  ~~~")}, "the directive margin"),
    (rules.code_style, {"md": ("default_rng(0)", "default_rng(None)")}, "without a seed"),
    (rules.code_style, {"md": ("total = np", "from companion import datasets\n\ndatasets.rings(9)\ntotal = np")}, "without a seed"),
    (rules.code_style, {"md": ("total = np", "import torch\n\ntorch.manual_seed(0)\ntotal = np")}, "without a seed"),
]  # fmt: skip


CHAPTER = "kernels/kernel-trick"
BROKEN_CHAPTER = [
    (rules.front_matter, ("  track: core\n", ""), "has the keys"),
    (rules.front_matter, ("requires: []", "requires: [rff-svm]"), "requires 'rff-svm'"),
    (rules.front_matter, ("assumes: [psd, ", "assumes: [psi, "), "assumes 'psi'"),
    (rules.headings, ("## What goes wrong", "## Pitfalls"), "Pitfalls"),
    (rules.size, ("## The question", "## The question\n\n" + "word " * 800), "words, expected 900 to 1600"),
    (rules.objectives_met, ("objective-4", "objective-3"), "objective-4"),
    (rules.quiz, ('<details class="answer objective-1">', "<details>"), "2 quiz answers"),
    (rules.live_cell, ("# try:", "# maybe:"), "live cells"),
    (rules.key_cell, ("    return np.linalg.solve(K + penalty", "    return np.linalg.solve(K + 2 * penalty"), "differs"),
    (rules.key_cell, ("def ridge_reference(K, y, penalty):", "def ridge_reference(K, y, penalty=1):"), "differs"),
    (rules.key_cell, (":tags: [key, slide]", ":tags: [slide]"), "with the tag key"),
    (rules.bootstrap, ("is None:\n    %pip", "is not None:\n    %pip"), "bootstrap cell"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "damage", "words"), BROKEN_CHAPTER, ids=[f"{r.__name__}-{w}" for r, _, w in BROKEN_CHAPTER])
def test_rule_fails_a_damaged_chapter(tmp_path, rule, damage, words):
    for name in (CHAPTER, "before-you-start"):
        (tmp_path / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "book" / f"{name}.md", tmp_path / "book" / f"{name}.md")
    for name in ("_toc.yml", "pyproject.toml", "companion"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "book" / f"{CHAPTER}.ipynb", tmp_path / "book" / f"{CHAPTER}.ipynb")
    page = Page(CHAPTER, tmp_path)
    assert list(rule(page)) == []
    text = page.text
    assert damage[0] in text, f"the chapter no longer says {damage[0]!r}"
    page.md.write_text(text.replace(*damage))
    found = list(rule(Page(CHAPTER, tmp_path)))
    assert any(words in problem for problem in found), found


def test_every_rule_is_shown_to_fail():
    shown = {rule for rule, _, _ in (*BROKEN, *BROKEN_CHAPTER)}
    assert {rule.__name__ for rule in {*rules.EVERY, *rules.NOTEBOOK, *rules.CHAPTER} - shown} == set()


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
        ("It took 1,234.5 and .5 and 1E-3 and _0.12_, in 0.2s.", ["1234.5", ".5", "1e-3", "0.12", "0.2"]),
        ("Some 3x faster, 40 percent less, 5 per cent more.", ["3×", "40%", "5%"]),
        ("A 64 × 64 matrix, $64$ × 3, Section 2.3, Python 3.11, a 1.5-bit code, the 95 % interval.", []),
        ("- Choromanski (2021) {cite}`c` has 0.5\n- we have 0.6", ["0.6"]),
        ("See Rahimi et al. (2007) {cite}`r`. 0.99 is ours.", ["0.99"]),
        ("| a | b |\n|---|---|\n| Peng (2021) {cite}`p` | 0.1 |\n| ours | 0.2 |", ["0.2"]),
        ("1. one\n\n   ```python\n   x = 0.5\n   ```\n", []),
    ],
)  # fmt: skip
def test_claims(text, tokens):
    assert numbers.claims(text) == tokens


def test_a_claim_is_a_whole_token_of_what_is_printed():
    assert "0.75" not in numbers.printed("10.75 and 0.755 and 0.75e3")
    assert {"0.75", "3.2×", "12%"} <= numbers.printed("a 0.75, b 3.2× c 12 %")
