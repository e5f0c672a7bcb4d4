"""The rules of a page, one function each: rule(page) yields a sentence for whatever is wrong.

`CHAPTER` rules hold for the chapters' pages, `MOULD` rules for those that are not in book/first-edition.txt, `NOTEBOOK`
rules for every executed page, `EVERY` rules for plain pages too. CONTRIBUTING.md lists them in prose; the tests run
them all on every page of _toc.yml, and on tiny broken pages that must break them.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from tools import api, exercises, live, numbers
from tools.pages import Page, figure, pictures, repository, tags, toc

TAIL = ("What goes wrong", "Check yourself", "Exercises", "In three lines", "Sources")
GENERIC = {
    "You will be able to", "What you need", "The question", "In one picture", "Why it is true", "The function",
    "Experiment", "Experiments", "Introduction", "Background", "Theory", "Results", "Summary", "Conclusion", *TAIL,
}  # fmt: skip
TAGS = {"setup", "key", "live", "solution", "check", "slide", "instructor", "hide-input", "hide-cell", "remove-cell"}
FOLDED = {"hide-input", "hide-cell", "remove-cell", "setup", "solution", "instructor"}
DIRECTIVES = {
    "exercise-start", "exercise-end", "solution-start", "solution-end",
    "prf:theorem", "prf:lemma", "prf:proof", "prf:definition", "prf:corollary",
    "note", "warning", "math", "glossary", "bibliography", "eval-rst", "code-block", "list-table", "figure",
}  # fmt: skip
IMPORTS = {"numpy", "scipy", "sklearn", "torch", "matplotlib", "arviz", "companion"}
IMPORTS |= {"collections", "dataclasses", "functools", "importlib", "itertools", "json", "math", "pathlib", "warnings"}
GLOBAL_DRAW = re.compile(
    r"(np|numpy)\.random\.(?!default_rng|Generator|SeedSequence)|torch\.(rand|normal|bernoulli|multinomial|manual_seed)"
)
DRAWS_ONLY_WITH = {"median_lengthscale": "n_points"}  # of all points the median is exact, and a seed changes nothing
PREFIX = {"exercise-start": "ex", "math": "eq", "figure": "fig", "prf:definition": "def"}
FRONT_MATTER = {"question", "objectives", "requires", "assumes", "track", "minutes"}
BOOTSTRAP = (
    'import importlib.util\n\nif importlib.util.find_spec("companion") is None:\n'
    '    %pip install -q "kernels-to-performers[notebooks] @ git+{repository}"'
)
MAX_SECONDS, MAX_KILOBYTES, MAX_COLUMNS = 30, 500, 88
MAX_OPENING, MAX_LINES, MAX_RESULTS, WORDS_A_MINUTE = 120, 12, 3, 120
Rule = Callable[[Page], Iterator[str]]


def front_matter(page: Page) -> Iterator[str]:
    """`course:` has its six keys; what a page requires comes before it; what it assumes stands in the self-test."""
    course, order = page.course, toc(page.root)
    if set(course) != FRONT_MATTER:
        yield f"front matter `course:` has the keys {sorted(course)}, expected {sorted(FRONT_MATTER)}"
        return
    if not 3 <= len(course["objectives"]) <= 5:
        yield f"{len(course['objectives'])} objectives, expected 3 to 5"
    if course["track"] not in ("core", "optional"):
        yield f"track is {course['track']!r}, expected core or optional"
    if set(course["minutes"]) != {"read", "exercises"} or not all(
        isinstance(m, int) for m in course["minutes"].values()
    ):
        yield "minutes needs whole numbers for read and exercises"
    before = {name.rsplit("/", 1)[-1] for name in order[: order.index(page.name)]} if page.name in order else set()
    for slug in course["requires"]:
        if slug not in before:
            yield f"requires {slug!r}, which does not come before it in _toc.yml"
    known = set(re.findall(r"^\(self-([\w-]+)\)=", Page("before-you-start", page.root).text, re.M))
    for key in course["assumes"]:
        if key not in known:
            yield f"assumes {key!r}, which before-you-start does not test"


def sections(page: Page) -> list[str]:
    """The headings of a page in order."""
    return re.findall(r"^## (.+)$", numbers.without_code(page.prose), re.M)


def headings(page: Page) -> Iterator[str]:
    """One title, two to five sections whose headings name their subject, then the five that every page ends with."""
    if len(titles := re.findall(r"^# (.+)$", numbers.without_code(page.prose), re.M)) != 1:
        yield f"{len(titles)} titles, expected one"
    found = sections(page)
    own, tail = found[: -len(TAIL)], tuple(found[-len(TAIL) :])
    if tail != TAIL:
        yield f"the page ends with the headings {', '.join(tail)}; expected {', '.join(TAIL)}"
    elif not 2 <= len(own) <= 5:
        yield f"{len(own)} sections of its own, expected 2 to 5"
    if generic := [heading for heading in own if heading in GENERIC]:
        yield f"the heading {generic[0]!r} does not name its subject"


def opening(page: Page) -> Iterator[str]:
    """The page opens with its question and a picture: setup cells hidden before the title, few words, a figure."""
    before, words = True, 0
    for number, (cell, stored) in enumerate(zip(page.source.cells, page.notebook.cells, strict=False)):
        if cell.cell_type == "code" and before and not {"setup", "remove-cell"} <= set(tags(cell)):
            yield f"cell {number} stands before the title and is not hidden with the tags setup and remove-cell"
        if cell.cell_type == "markdown":
            before, words = False, words + len(numbers.prose_only(cell.source).split())
            if "\n## " in cell.source:
                yield "no figure stands before the first section"
                return
        if pictures(stored):
            break
    if words > MAX_OPENING:
        yield f"{words} words before the first figure, at most {MAX_OPENING}"


def card(page: Page) -> Iterator[str]:
    """After the first picture a fold says what the front matter says: minutes, track, objectives, pages needed."""
    course, minutes = page.course, page.course.get("minutes", {})
    if not (found := re.search(r'<details class="card"><summary>(.*?)</summary>(.*?)</details>', page.prose, re.S)):
        yield 'no card, `<details class="card"><summary>…</summary> … </details>`'
        return
    summary = f"{minutes['read']} minutes to read, {minutes['exercises']} for the exercises · {course['track']} track"
    if found[1] != summary:
        yield f"the card says {found[1]!r}, the front matter {summary!r}"
    objectives = [line.removeprefix("- ").rstrip(".;") for line in found[2].splitlines() if line.startswith("- ")]
    if objectives != course["objectives"]:
        yield "the objectives of the card are not those of the front matter"
    if missing := [slug for slug in course["requires"] if f"{slug}.ipynb)" not in found[2]]:
        yield f"the card does not link {missing[0]}, which the page requires"


def shown(page: Page) -> list:
    """The code cells whose code a reader of the site sees."""
    return [cell for cell in page.code_cells if not FOLDED & set(tags(cell))]


def size(page: Page) -> Iterator[str]:
    """No visible cell above 12 lines, 2-5 figures, at most three results, at least four exercises."""
    for cell in shown(page):
        if (lines := sum(bool(line.strip()) for line in cell.source.splitlines())) > MAX_LINES:
            yield f"a visible cell has {lines} lines, at most {MAX_LINES}: {cell.source.strip().splitlines()[0]}"
    results = sum(d.name in ("prf:theorem", "prf:lemma", "prf:corollary") for d in page.directives)
    limits = [
        ("figures", sum(bool(pictures(cell)) for cell in page.notebook.cells), 2, 5),
        ("results", results, 0, MAX_RESULTS),
        ("exercises", len(exercises.exercises(page)), 4, 12),
        ("slides", sum("slide" in tags(cell) for cell in page.source.cells), 0, 12),
    ]
    for what, count, low, high in limits:
        if not low <= count <= high:
            yield f"{count} {what}, expected {low} to {high}"


def minutes(page: Page) -> Iterator[str]:
    """Minutes of reading: words / 120, half a minute for each formula, figure and visible cell, to the nearest five."""
    cells = [c.source for c in page.source.cells if c.cell_type == "markdown" and "instructor" not in tags(c)]
    text, _, rest = "\n\n".join(cells).partition("\n## Exercises")
    text += rest.partition("\n## In three lines")[2]
    formulas = len(re.findall(r"\$\$.*?\$\$|^:::+\{math\}", text, re.S | re.M))
    drawn = sum(bool(pictures(cell)) for cell in page.notebook.cells)
    wanted = len(numbers.prose_only(text).split()) / WORDS_A_MINUTE + (formulas + drawn + len(shown(page))) / 2
    if abs(page.course["minutes"]["read"] - wanted) > 2.5:
        yield f"the front matter says {page.course['minutes']['read']} minutes of reading, the formula {wanted:.0f}"


def plain_answers(page: Page) -> Iterator[str]:
    """No line that a visible cell prints ends in True or False: a number beside its limit says more."""
    for number, cell in enumerate(page.notebook.cells):
        if "remove-cell" in tags(cell) or "instructor" in tags(cell):
            continue
        for line in re.findall(
            r".*\b(?:True|False)$", "".join(o.get("text", "") for o in cell.get("outputs", [])), re.M
        ):
            yield f"cell {number} prints {line.strip()!r}: print the number beside its limit"


def teacher(page: Page) -> Iterator[str]:
    """One Markdown cell for teachers with a word on every section, and an exercise that only they see solved."""
    found = [c for c in page.source.cells if "instructor" in tags(c)]
    lesson = "\n".join(cell.source for cell in found if cell.cell_type == "markdown")
    if missing := [heading for heading in sections(page)[: -len(TAIL)] if heading not in lesson]:
        yield f"no instructor cell says how long the section {missing[0]!r} takes"
    if not any(exercise.for_teachers for exercise in exercises.exercises(page)):
        yield "no exercise has its solution in cells with the tag instructor"


def objectives_met(page: Page) -> Iterator[str]:
    """Each objective is met by an exercise or a quiz answer that carries the class objective-N."""
    met = set(re.findall(r"objective-(\d+)", page.prose))
    for number in range(1, len(page.course.get("objectives", [])) + 1):
        if str(number) not in met:
            yield f"no exercise or quiz answer has the class objective-{number}"


def quiz(page: Page) -> Iterator[str]:
    """Check yourself: three questions, their answers with reasons in <details class="answer …">."""
    part = page.prose.partition("## Check yourself")[2].partition("## Exercises")[0]
    answers = re.findall(r'<details class="[^"]*\banswer\b[^"]*">(.*?)</details>', part, re.S)
    if len(answers) != 3:
        yield f"{len(answers)} quiz answers, expected three"
    for number, answer in enumerate(answers, 1):
        if len(answer.split()) < 15:
            yield f"quiz answer {number} gives no reason"


def cell_tags(page: Page) -> Iterator[str]:
    """Tags come from the closed list; a solution's cells are folded in Jupyter."""
    for number, cell in enumerate(page.source.cells):
        if odd := set(tags(cell)) - TAGS:
            yield f"cell {number} has the unknown tags {sorted(odd)}"
        if "solution" in tags(cell) and cell.metadata.get("jupyter") != {"source_hidden": True, "outputs_hidden": True}:
            yield f"cell {number} is a solution and lacks `jupyter: {{source_hidden: true, outputs_hidden: true}}`"


def live_cell(page: Page) -> Iterator[str]:
    """One live cell a page, with values to try; in the mould it draws, and what it draws is stored (`tools.live`)."""
    cells = [cell for cell in page.code_cells if "live" in tags(cell)]
    if len(cells) != 1 or not exercises.tries(cells[0]):
        yield f"{len(cells)} live cells, expected one with a comment `# try: a, b, c` on its parameter"
        return
    yield from live.problems(page)


def key_cell(page: Page) -> Iterator[str]:
    """The functions of key cells are the package's, to the letter of their syntax (docstrings apart): a reference, or
    a core that reads like the formula."""
    nodes = [node for cell in page.code_cells if "key" in tags(cell) for node in ast.parse(cell.source).body]
    if not nodes or not all(isinstance(node, ast.FunctionDef) for node in nodes):
        yield "there must be a cell with the tag key, and such a cell holds functions only"
    for function in (node for node in nodes if isinstance(node, ast.FunctionDef)):
        known = [syntax(n) for n in functions(page.root) if n.name == function.name]
        if not known:
            yield f"the key function {function.name} is not a function of the package"
        elif syntax(function) not in known:
            yield f"the key function {function.name} differs from companion's"


def functions(root: Path) -> list[ast.FunctionDef]:
    """The functions of the package, read from the source."""
    nodes = (node for path in api.files(root).values() for node in api.tree(path).body)
    return [node for node in nodes if isinstance(node, ast.FunctionDef)]


def syntax(function: ast.FunctionDef) -> str:
    """The function's syntax tree without docstring and annotations."""
    function = copy.deepcopy(function)
    function.returns = None
    for node in ast.walk(function.args):
        if isinstance(node, ast.arg):
            node.annotation = None
    if ast.get_docstring(function):
        function.body = function.body[1:]
    return ast.dump(function)


def exercise_blocks(page: Page) -> Iterator[str]:
    """Exercises are labelled, classed and solved; those in code have a gap to fill and a check."""
    for exercise in exercises.exercises(page):
        yield from (f"exercise {exercise.label}: {problem}" for problem in exercise.problems())


def labels(page: Page) -> Iterator[str]:
    """Labels say what they name and on which page: eq-, fig-, thm-, ex- and the slug."""
    found = [("eq", name) for name in re.findall(r"\$\$\s*\(([\w-]+)\)", page.prose)]
    for directive in page.directives:
        if "label" in directive.options and directive.name != "solution-start":
            found.append((PREFIX.get(directive.name, "thm"), directive.options["label"]))
    found += [("fig", figure(cell)["name"]) for cell in page.code_cells if "name" in figure(cell)]
    for prefix, name in found:
        if not re.fullmatch(rf"{prefix}-{page.slug}-[\w-]+", name):
            yield f"the label {name} is not {prefix}-{page.slug}-WORD"


def figure_metadata(page: Page) -> Iterator[str]:
    """A cell that draws shows one figure, with a name, a caption and a one-sentence alt text; the mould: crisp."""
    for number, cell in enumerate(page.notebook.cells):
        if not (count := len(pictures(cell))):
            continue
        if count > 1:
            yield f"cell {number} draws {count} figures: one cell, one figure"
        if not {"name", "caption"} <= set(figure(cell)):
            yield f"cell {number} draws a figure without `mystnb: figure: {{name, caption}}`"
        alt = figure(cell).get("alt", "")
        if not (20 <= len(alt) <= 300 and alt.endswith(".") and not re.search(r"[.!?]\s+[A-Z]", alt)):
            yield f"cell {number} draws a figure whose alt text is not one sentence: {alt!r}"
        shown = [output.metadata for output in cell.outputs if "image/png" in output.get("data", {})]
        if page.is_chapter and not page.is_first_edition and not all("image/png" in about for about in shown):
            yield f"cell {number} draws a figure that is not crisp: `plotting.use_style(crisp=True)`"


def followed_by_prose(page: Page) -> Iterator[str]:
    """Every code cell that a reader sees is followed by a sentence that says what to see."""
    cells = page.source.cells
    for number, cell in enumerate(cells):
        if cell.cell_type != "code" or {"setup", "solution", "check", "remove-cell"} & set(tags(cell)):
            continue
        following = cells[number + 1] if number + 1 < len(cells) else None
        text = following.source.lstrip() if following is not None and following.cell_type == "markdown" else ""
        paragraph = text.split("\n\n")[0]
        if paragraph.startswith(("#", ":::", "<", "![", "|")) or len(numbers.prose_only(paragraph).split()) < 2:
            yield f"cell {number} is not followed by a sentence"


def code_style(page: Page) -> Iterator[str]:
    """No `;` at a cell's end, no magics, few imports, a seed in each call, no generator that travels between cells."""
    generators: dict[str, int] = {}
    aliases: dict[str, str] = {}
    for number, cell in enumerate(page.source.cells):
        if cell.cell_type != "code" or "remove-cell" in tags(cell):
            continue
        if re.search(r";\s*(#.*)?$", cell.source):
            yield f"cell {number} ends in `;`, which nbval cannot compare: end it with plt.show()"
        if (wide := max(map(len, cell.source.splitlines()), default=0) - MAX_COLUMNS) > 0:
            yield f"cell {number} has a line {wide} characters too long: {MAX_COLUMNS} fit on the page"
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            yield f"cell {number} is not Python: no magics, no shell"
            continue
        nodes = list(ast.walk(tree))
        aliases |= {a.asname: a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names if a.asname}
        yield from (f"cell {number} {problem}" for problem in code_problems(tree, aliases))
        loaded = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        own = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        own |= {n.arg for n in nodes if isinstance(n, ast.arg)}
        for name in sorted((loaded - own) & set(generators)):
            where = f"the generator {name} of cell {generators[name]}"
            yield f"cell {number} uses {where}: results would depend on the order of cells"
        for node in (n for n in tree.body if isinstance(n, ast.Assign) and "default_rng" in ast.unparse(n.value)):
            drawn = isinstance(node.value, ast.Call) and not ast.unparse(node.value.func).endswith("default_rng")
            names = [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
            generators |= dict.fromkeys([] if drawn else names, number)


def code_problems(tree: ast.Module, aliases: dict[str, str]) -> Iterator[str]:
    """What a cell may not do: import book machinery, draw without a seed of its own."""
    for node in ast.walk(tree):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        if odd := [name for name in modules if name.split(".")[0] not in IMPORTS or name == "numpy.random"]:
            yield f"imports {odd[0]}, which no page needs"
        if isinstance(node, ast.Call) and (unseeded(node, aliases) or GLOBAL_DRAW.match(ast.unparse(node.func))):
            yield f"draws without a seed of its own: {ast.unparse(node)}"


def unseeded(call: ast.Call, aliases: dict[str, str]) -> bool:
    """Whether a call leaves out the seed that it could be given. The last part of its name decides, so that neither
    the way of importing nor the object before a method matters."""
    name = ast.unparse(call.func).rpartition(".")[2]
    name, words = aliases.get(name, name), {keyword.arg for keyword in call.keywords}
    if name not in seed_parameters() or DRAWS_ONLY_WITH.get(name) not in words | {None}:
        return False
    seed, place = seed_parameters()[name]
    given = [keyword.value for keyword in call.keywords if keyword.arg in (seed, None)]
    given += [value for i, value in enumerate(call.args) if i == place or isinstance(value, ast.Starred)]
    return all(ast.unparse(value) == "None" for value in given)


@lru_cache
def seed_parameters() -> dict[str, tuple[str, int]]:
    """The parameter for a seed, and its place or -1 where it has none, of everything in the package that may be called
    without: functions and methods with `rng`, classes with `random_state`, read from the source."""
    found = {"default_rng": ("seed", 0)}
    trees = map(api.tree, api.files().values())
    for owner in (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef)):
        bound = isinstance(owner, ast.ClassDef)  # the first parameter is self
        for function in (n for n in owner.body if isinstance(n, ast.FunctionDef)):
            places = [a.arg for a in (*function.args.posonlyargs, *function.args.args)][bound:]
            optional = places[len(places) - len(function.args.defaults) :] + [
                a.arg for a, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if value
            ]
            name = owner.name if bound and function.name == "__init__" else function.name
            for seed in {"rng", "random_state"}.intersection([] if name.startswith("_") else optional):
                found[name] = (seed, places.index(seed) if seed in places else -1)
    return found


def directive_kinds(page: Page) -> Iterator[str]:
    """Directives are few and of known kinds, so that the notebook reads in Jupyter and Colab too."""
    for directive in page.directives:
        if directive.name not in DIRECTIVES:
            yield f"the directive {directive.name} is not one the course uses"
        elif directive.fence.startswith("`") and directive.name not in (
            "glossary",
            "bibliography",
            "eval-rst",
            "code-block",
        ):
            yield f"the directive {directive.name} uses backticks: write ::: so that Jupyter shows its text"


def citations(page: Page) -> Iterator[str]:
    """A citation names author and year in words, for readers in Jupyter: Aronszajn (1950) {cite}`aronszajn1950`."""
    for match in re.finditer(r"(\(\d{4}[a-z]?\))?[,;]?\s*\{cite[:\w]*\}`", page.prose):
        if not match[1] or "{cite}" not in match[0]:
            found = page.prose[max(0, match.start() - 40) : match.end()]
            yield f"a citation is not written `Author (year) {{cite}}…`: …{found}"


def pair(page: Page) -> Iterator[str]:
    """The notebook is the .md executed: the same cells with the same metadata."""
    if not page.ipynb.exists():
        yield "has no notebook: run `make notebooks`"
        return
    stored = [(c.cell_type, c.source, dict(c.metadata)) for c in page.notebook.cells]
    wanted = [(c.cell_type, c.source, dict(c.metadata)) for c in page.source.cells]
    if len(stored) != len(wanted):
        yield f"the notebook has {len(stored)} cells, the .md {len(wanted)}: run `make notebooks`"
    if different := [number for number, (a, b) in enumerate(zip(stored, wanted, strict=False)) if a != b]:
        count = len(different)
        yield f"cell {different[0]} differs between the .md and the notebook ({count} do): run `make notebooks`"
    kept = page.kept_metadata
    if {key: page.notebook.metadata.get(key) for key in kept} != kept:
        yield "the front matter differs between the .md and the notebook: run `make notebooks`"


def outputs(page: Page) -> Iterator[str]:
    """Stored outputs exist, hold no HTML, script, error or warning, and are small."""
    for number, cell in enumerate(page.notebook.cells):
        if cell.cell_type == "code" and cell.execution_count is None:
            yield f"cell {number} has no execution count, so nbval would compare nothing: run `make notebooks`"
        for output in cell.get("outputs", []):
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"cell {number} stores an error or a warning"
            if odd := set(output.get("data", {})) - {"text/plain", "text/markdown", "text/latex", "image/png"}:
                yield f"cell {number} stores {min(odd)}"
    if (kilobytes := page.ipynb.stat().st_size / 1000) > MAX_KILOBYTES:
        yield f"the notebook has {kilobytes:.0f} kB, the limit is {MAX_KILOBYTES}"


def bootstrap(page: Page) -> Iterator[str]:
    """The first cell installs the package on Colab and is not shown in the book."""
    cell = page.source.cells[0]
    if cell.source != BOOTSTRAP.format(repository=repository(page.root)) or set(tags(cell)) != {"setup", "remove-cell"}:
        yield "the first cell is not the course's bootstrap cell, with the tags setup and remove-cell"


def printed_numbers(page: Page) -> Iterator[str]:
    """A measured number in prose is printed on its page."""
    for token in numbers.unprinted(page):
        yield f"the prose says {token!r}, which no cell prints"


EVERY: tuple[Rule, ...] = (directive_kinds, citations, printed_numbers)
NOTEBOOK: tuple[Rule, ...] = (
    pair,
    outputs,
    bootstrap,
    front_matter,
    cell_tags,
    labels,
    figure_metadata,
    followed_by_prose,
    code_style,
)
CHAPTER: tuple[Rule, ...] = (objectives_met, quiz, live_cell, key_cell, exercise_blocks)
MOULD: tuple[Rule, ...] = (headings, opening, card, size, minutes, plain_answers, teacher)


def rules_of(page: Page) -> tuple[Rule, ...]:
    own = (*CHAPTER, *(() if page.is_first_edition else MOULD)) if page.is_chapter else ()
    return (*EVERY, *(NOTEBOOK if page.is_notebook else ()), *own)
