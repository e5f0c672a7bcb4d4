"""The checks can fail: a healthy tiny page passes them all, and each small damage turns its check red and names the page.

Without this a green run proves little: a notebook without execution counts, for one, passes nbval with nothing compared.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from nbclient.exceptions import DeadKernelError

import course
from tools import live, notebooks, numbers, pixels, rules, trial
from tools.pages import ROOT, Page

HEALTHY = (ROOT / "tests" / "canary" / "canary.md").read_text()
FRAGILE = (ROOT / "tests" / "canary" / "fragile.md").read_text()
WRONG = (ROOT / "tests" / "canary" / "canary.toml").read_text()


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, f"the canary no longer says {old!r}"
    return text.replace(old, new, 1)


def saved(folder: Path, name: str, text: str) -> Page:
    """A page in a book of its own, without a notebook."""
    page = Page(name, folder)
    page.md.parent.mkdir(exist_ok=True)
    page.md.write_text(text)
    return page


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The healthy canary, executed once by the course's own writer."""
    return notebooks.shrink(notebooks.execute(saved(tmp_path_factory.mktemp("canary"), "canary", HEALTHY)))


@pytest.fixture(scope="module")
def stored(executed):
    return nbformat.writes(executed.notebook)


@pytest.fixture
def canary(executed, stored, tmp_path):
    """A canary whose text, stored notebook, stored live values or planted answers a test may damage.

    canary(md=(old, new)), canary(stored=[(old, new), …]), canary(live=[…]), canary(wrong=[…]); ``both`` damages text
    and notebook.
    """

    def make(name="canary", **damages):
        md, text, both, values = HEALTHY, stored, damages.get("both", ()), json.dumps(executed.live)
        for old, new in [*(damages[key] for key in ("md", "then") if key in damages), *both]:
            md = replaced(md, old, new)
        for old, new in [*damages.get("stored", ()), *both]:
            text = replaced(text, old, new)
        page = saved(tmp_path, name, md)
        page.ipynb.write_text(text)
        for old, new in damages.get("live", ()):
            values = replaced(values, old, new)
        live.write(page, json.loads(values))
        planted = tmp_path / "tests" / "planted" / f"{name}.toml"
        planted.parent.mkdir(parents=True, exist_ok=True)
        wrong = WRONG.replace("NAME", name)
        for old, new in damages.get("wrong", ()):
            wrong = replaced(wrong, old, new)
        planted.write_text(wrong)
        return page

    return make


def nbval(folder: Path) -> tuple[int, str]:
    """nbval with its riders on the folder's notebooks, exactly as the course runs it."""
    command = [sys.executable, "-m", "pytest", *course.NBVAL, "-p", "no:cacheprovider", "-q", "-k", "not noise", "-c", os.devnull, str(folder)]
    run = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


STORED, BOTH, WRONG_ANSWER, LIVE = "stored", "both", "wrong", "live"
DAMAGES = {  # on one page such as do not disturb each other: what is damaged, where it shows, what the report says
    "first": [
        (STORED, ("total 2.50", "total 2.51"), "Cell 1", "total 2.51"),
        (BOTH, ("default_rng(0)", "default_rng()"), "Cell 2", "draw"),
        (BOTH, ("x**2)", "x**2.2)"), "Cell 3", "figure fig-canary-curve changed"),
        (BOTH, ("double(0) == 0", "True"), "Cell 4", "the wrong answer first-two-is-added passes its check"),
        (BOTH, ("# try: 1, 2", "# try: 1, 0"), "Cell 6", "the live value 0 ends in ZeroDivisionError"),
    ],
    "second": [
        (BOTH, ("{total:.2f}", "{1 / 0:.2f}"), "Cell 1", "ZeroDivisionError"),
        (BOTH, ("plt.plot(x, x**2)", "pass"), "Cell 3", "Missing output fields"),
        (BOTH, ("double(2) == 4", "callable(double)"), "Cell 4", "the untouched stub of ex-canary-double passes"),
        (BOTH, ("double(0) == 0", "True"), "Cell 4", "the wrong answer second-two-is-added passes its check"),
    ],
    "third": [
        (WRONG_ANSWER, ("2 + x", "x.nothing"), "Cell 4", "not refused by its check, but by AttributeError in cell"),
        (LIVE, ('"text": "0.5', '"text": "0.6'), "Cell 6", "the live value 2 prints '0.5"),
        (LIVE, ('"4":', '"3":'), "Cell 6", "the live value 4 is not stored: run `make notebooks`"),
    ],
    "fourth": [
        (BOTH, ("x**parameter", "x ** (parameter + (parameter == 2) / 9)"), "Cell 6", "the live value 2: its picture changed"),
        (BOTH, ("# try: 1, 2, 4", "# try: 1, 2"), "Cell 6", "the live value 2: its picture changed"),
    ],
}


def test_nbval_and_its_riders_pass_the_healthy_page_and_fail_each_damaged_one(canary, tmp_path):
    canary("healthy")
    for name, damages in DAMAGES.items():
        canary(name, **{kind: [pair for k, pair, *_ in damages if k == kind] for kind in (STORED, BOTH, WRONG_ANSWER, LIVE)})
    code, text = nbval(tmp_path / "book")
    assert code == 1, text
    failed = set(re.findall(r"^FAILED (?:\S*/)?(\w+)\.ipynb::(Cell \d)", text, re.M))
    assert failed == {(name, cell) for name, damages in DAMAGES.items() for _, _, cell, _ in damages}, text
    for name, damages in DAMAGES.items():
        report = "\n".join(re.findall(rf"^_+ .*\b{name}\.ipynb.*?(?=^_____|\Z|^=====)", text, re.M | re.S))
        assert [words for *_, words in damages if words not in report] == [], f"{name}:\n{text}"


def test_what_the_values_of_a_live_cell_show_is_compared(executed):
    """Each is drawn as the kernel draws the cell itself, and differs from what is stored of another."""
    one, two = executed.live["values"].values()
    assert notebooks.changed_live(executed.live, executed.live) == []
    swapped = notebooks.changed_live({**executed.live, "values": {"2": {**two, "text": one["text"]}, "4": two}}, executed.live)
    assert len(swapped) == 1 and re.match("the live value 2: its picture changed: 0.[0-9]+ of a tile", swapped[0])
    for stale in (None, {**executed.live, "values": {"2": one}}, {**executed.live, "default": "2"}):
        assert all("run `make notebooks`" in problem for problem in notebooks.changed_live(stale, executed.live) or [""])
    cells = executed.notebook.cells
    drawn, source = next((c.outputs, c.source) for c in cells if "live" in c.metadata.get("tags", []))
    before = [(str(i), c.source) for i, c in enumerate(cells) if c.cell_type == "code" and c.source != source]
    again = live.shown("the default", json.loads(trial.afresh(before, [("the live cell", source)])))
    assert again["text"] == "".join(output.get("text", "") for output in drawn)
    assert pixels.changed("the default", notebooks.pictures({"outputs": drawn}), [again["picture"]]) == []


def test_a_page_is_written_and_its_time_kept_when_its_results_change(executed, stored, tmp_path, monkeypatch):
    page, times, seconds = saved(tmp_path, "canary", HEALTHY), tmp_path / "run-times.json", iter([1.0, 2.0, 3.0, 4.0, 5.0])
    monkeypatch.setattr(notebooks, "RUN_TIMES", times)
    monkeypatch.setattr(notebooks, "toc", lambda: ["canary", "other", "not-yet-run"])
    monkeypatch.setattr(notebooks, "execute", lambda _: executed._replace(seconds=next(seconds)))

    def kept():
        return {name: value["seconds"] for name, value in json.loads(times.read_text()).items()}

    assert notebooks.write(page) and page.ipynb.read_text() == stored + "\n" and kept() == {"canary": 1.0}
    times.write_text(json.dumps({name: {"seconds": 9.0} for name in ("canary", "other", "gone")}))
    before = page.ipynb.stat().st_mtime_ns
    assert not notebooks.write(page) and page.ipynb.stat().st_mtime_ns == before
    assert kept() == {"canary": 9.0, "other": 9.0}
    page.ipynb.write_text(stored.replace("total 2.50", "total 2.51") + "\n")
    assert notebooks.write(page) and page.ipynb.read_text() == stored + "\n" and kept() == {"canary": 3.0, "other": 9.0}
    times.write_text(json.dumps({"other": {"seconds": 9.0}}))
    assert not notebooks.write(page) and kept() == {"canary": 4.0, "other": 9.0}
    assert live.read(page) == executed.live and list(live.problems(page)) == []
    live.file(page).unlink()
    assert notebooks.write(page) and live.read(page) == executed.live


def picture(y: float, error: str) -> bytes:
    """A PNG with a curve, a marker and a number."""
    figure = Figure()
    ax, png = figure.subplots(), io.BytesIO()
    ax.plot(np.linspace(0, 1, 50), np.linspace(0, 1, 50) ** 2)
    ax.plot([0.5], [y], "o", markersize=4)
    ax.set_title(f"error {error}")
    figure.savefig(png, dpi=72)
    return png.getvalue()


def test_figure_check_fails_one_moved_marker_and_one_changed_digit():
    stored = picture(0.8, "0.12")
    assert pixels.changed_share(stored, picture(0.8, "0.12")) == 0
    for changed in (picture(0.82, "0.12"), picture(0.8, "0.13")):
        assert pixels.changed_share(stored, changed) > pixels.TILE_TOLERANCE


def test_noise_fails_each_cell_that_hinges_on_last_bits_and_no_other(tmp_path):
    page = saved(tmp_path, "fragile", FRAGILE)
    run = notebooks.shrink(notebooks.execute(page))
    page.ipynb.write_text(nbformat.writes(run.notebook))
    live.write(page, run.live)
    assert notebooks.compare(page, run) == []
    problems = notebooks.compare(page, notebooks.execute_noisily(page))
    fragile = [number for number, cell in enumerate(page.source.cells) if "fragile" in cell.source]
    assert len(fragile) == 5
    assert sorted({int(number) for problem in problems for number in re.findall(r"^fragile: cell (\d+)", problem)}) == fragile
    assert [problem[:32] for problem in problems if "live value" in problem] == ["fragile: the live value 1 prints"]


TINY = HEALTHY.partition("# Canary")[0] + "# Tiny\n\n```{{code-cell}} python3\n{code}\n```\n"


def test_a_page_runs_on_this_python_whatever_kernels_are_registered(tmp_path, monkeypatch):
    foreign = tmp_path / "kernels" / "python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text('{"argv": ["no-such-python"], "display_name": "Foreign", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    notebook = notebooks.execute(saved(tmp_path, "tiny", TINY.format(code="import sys; print(sys.executable)"))).notebook
    assert notebooks.printed(notebook.cells[-1]) == f"stdout{sys.executable}\n"


def test_a_kernel_that_dies_is_named_in_one_sentence(tmp_path):
    page = saved(tmp_path, "tiny", TINY.format(code="import os; os._exit(1)"))
    with pytest.raises(DeadKernelError, match="^the kernel of .* died on tiny: is its memory enough.$"):
        notebooks.execute(page)


def test_the_healthy_page_keeps_the_rules(canary):
    page = canary()
    checked = (rules.pair, rules.live_cell, rules.outputs, rules.printed_numbers, rules.cell_tags, rules.labels, rules.figure_metadata, rules.code_style, rules.exercise_blocks)
    assert [problem for rule in (*checked, rules.followed_by_prose, rules.directive_kinds) for problem in rule(page)] == []


DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA="  # the header of a PNG of one pixel
PADDING = 160_000 * "A"  # of base64 in front of a picture
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
    (rules.code_style, {"md": ("total = np", f"long = '{81 * 'x'}'\ntotal = np")}, "a line 2 characters too long"),
    (rules.code_style, {"md": ("import numpy as np", "import numpy as np\nfrom tools import pages")}, "imports tools"),
    (rules.figure_metadata, {"stored": [('"A parabola on the unit interval."', '"Curve."')]}, "alt text"),
    (rules.followed_by_prose, {"md": ("A curve.\n", "")}, "is not followed by a sentence"),
    (rules.cell_tags, {"md": ("[check]", "[chekc]")}, "unknown tags"),
    (rules.labels, {"md": ("name: fig-canary-curve", "name: curve")}, "the label curve"),
    (rules.exercise_blocks, {"md": ("### BEGIN SOLUTION", "###")}, "BEGIN SOLUTION"),
    (rules.exercise_blocks, {"md": (', "Twice two is four."', "")}, "each with a message"),
    (rules.live_cell, {"both": [("# try: 1, 2, 4", "# try: 1, 4, 2")]}, "`# try:` differs: run `make notebooks`"),
    (rules.live_cell, {"both": [("# try: 1, 2, 4", "# try: 2, 4")]}, "with its own, 1, among them"),
    (rules.live_cell, {"live": [('"parameter": "parameter"', '"parameter": "power"')]}, "holds power = 2, 4"),
    (rules.live_cell, {"live": [('"picture": "', '"sound": "')]}, "with parameter = 2 the live cell draws nothing"),
    (rules.live_cell, {"live": [('"picture": "', f'"picture": "{DOT}", "was": "')]}, "another size"),
    (rules.live_cell, {"live": [('"picture": "', f'"picture": "{PADDING}')]}, "kB, the limit is 120"),
    (rules.directive_kinds, {"md": ("A curve.", "A curve.\n\n:::{margin}\nx\n:::")}, "the directive margin"),
    (rules.citations, {"md": ("A curve.", "A curve {cite}`x`.")}, "a citation is not written"),
    (rules.citations, {"md": ("A curve.", "A curve (see above) {cite}`x`.")}, "a citation is not written"),
    (rules.directive_kinds, {"md": ("A curve.", "A curve.\n\n- ~~~ {margin}\n  x\n  ~~~")}, "the directive margin"),
    (rules.code_style, {"md": ("default_rng(0)", "default_rng(None)")}, "without a seed"),
    (rules.code_style, {"md": ("total = np", "from companion import datasets\n\ndatasets.rings(9)\ntotal = np")}, "without a seed"),
    (rules.code_style, {"md": ("total = np", "from companion.datasets import moons as two\n\ntwo(9, noise=0.1)\ntotal = np")}, "seed of its own: two(9"),
    (rules.code_style, {"md": ("total = np", "from companion import kernels\n\nk = kernels.Gaussian()\nk.sample_radius(9, 2, rng=None)\ntotal = np")}, "of its own: k.sample_radius"),
    (rules.code_style, {"md": ("total = np", "import torch\n\ntorch.manual_seed(0)\ntotal = np")}, "without a seed"),
]  # fmt: skip


CHAPTER = "kernels/kernel-trick"
BROKEN_CHAPTER = [
    (rules.front_matter, ("  track: core\n", ""), "has the keys"),
    (rules.front_matter, ("requires: []", "requires: [rff-svm]"), "requires 'rff-svm'"),
    (rules.front_matter, ("assumes: [psd, ", "assumes: [psi, "), "assumes 'psi'"),
    (rules.headings, ("## What goes wrong", "## Pitfalls"), "Pitfalls"),
    (rules.headings, ("## New kernels from old", "## Theory"), "'Theory' does not name its subject"),
    (rules.headings, ("## A kernel on words", "## One\n\n## A kernel on words"), "6 sections of its own"),
    (rules.opening, ("**When is a similarity an inner product?**", "word " * 40), "words before the first figure"),
    (rules.opening, (":tags: [setup, remove-cell]\n\nimport math", ":tags: [setup]\n\nimport math"), "not hidden"),
    (rules.opening, ("**When is a similarity an inner product?**", "## Why\n"), "no figure stands before"),
    (rules.card, ("<summary>60 minutes", "<summary>5 minutes"), "the card says '5 minutes"),
    (rules.card, ("requires: []", "requires: [bochner]"), "does not link bochner"),
    (rules.size, ("def pairs(word):", "def pairs(word):\n" + "    word = word\n" * 9), "a visible cell has"),
    (rules.minutes, ("{read: 60", "{read: 45"), "says 45 minutes of reading"),
    (rules.plain_answers, ("always zero    error 0.54", "always zero: True"), "prints 'always zero: True'"),
    (rules.teacher, ("## New kernels from old", "## Four rules"), "how long the section 'Four rules' takes"),
    (rules.teacher, ("instructor", "slide"), "solution in cells with the tag instructor"),
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
    shutil.copy(ROOT / "book" / "first-edition.txt", tmp_path / "book" / "first-edition.txt")
    for name in ("_toc.yml", "pyproject.toml", "companion"):
        (tmp_path / name).symlink_to(ROOT / name)
    for end in ("ipynb", "live.json"):
        shutil.copy(ROOT / "book" / f"{CHAPTER}.{end}", tmp_path / "book" / f"{CHAPTER}.{end}")
    page = Page(CHAPTER, tmp_path)
    assert list(rule(page)) == []
    path = page.md if damage[0] in page.text else page.ipynb
    assert damage[0] in path.read_text(), f"the chapter no longer says {damage[0]!r}"
    path.write_text(path.read_text().replace(*damage))
    found = list(rule(Page(CHAPTER, tmp_path)))
    assert any(words in problem for problem in found), found


def test_every_rule_is_shown_to_fail():
    shown = {rule for rule, _, _ in (*BROKEN, *BROKEN_CHAPTER)}
    assert {rule.__name__ for rule in {*rules.EVERY, *rules.NOTEBOOK, *rules.CHAPTER, *rules.MOULD} - shown} == set()


@pytest.mark.parametrize(("rule", "damage", "words"), BROKEN, ids=[f"{rule.__name__}-{words}" for rule, _, words in BROKEN])
def test_rule_fails_the_damaged_page(canary, rule, damage, words):
    found = list(rule(canary(**damage)))
    assert any(words in problem for problem in found), found


def test_figures_are_crisp_except_in_the_first_edition(canary, tmp_path):
    for folder in ("book", "tests/planted"):
        (tmp_path / folder / "part").mkdir(parents=True)
    pale = [('"image/png": {', '"image/gif": {')]
    for older, damage, found in (("", [], 0), ("", pale, 1), ("part/canary", pale, 0)):
        (tmp_path / "book" / "first-edition.txt").write_text(older)
        problems = list(rules.figure_metadata(canary("part/canary", stored=damage)))
        assert sum("not crisp" in problem for problem in problems) == found == len(problems)


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
        (":::{math}\n:label: eq-a-b\nx = 0.5\n:::\n\nIt is 0.75.\n\n::::{math}\n0.6\n::::", ["0.75"]),
    ],
)  # fmt: skip
def test_claims(text, tokens):
    assert numbers.claims(text) == tokens


def test_a_claim_is_a_whole_token_of_what_is_printed():
    assert "0.75" not in numbers.printed("10.75 and 0.755 and 0.75e3")
    assert {"0.75", "3.2×", "12%"} <= numbers.printed("a 0.75, b 3.2× c 12 %")
