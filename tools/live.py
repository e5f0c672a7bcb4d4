"""Live figures: what a page's live cell prints and draws for each value of its parameter, stored and shown.

``NAME.live.json`` beside a page holds the parameter, its default and, for every other value of `# try:`, the text and
the picture of the live cell, as lossless WebP; the default's stand in the notebook. `tools.notebooks` writes the file,
`tools.riders` and the noise compare it. As a Sphinx extension this module puts a radio button for each value above the
figure; the style sheet shows the panel of the one that is checked. No script, and in print all panels. Neither Pillow
nor a kernel is imported, so that the site builds without them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from tools import exercises
from tools.pages import Page, pictures, tags

MAX_KILOBYTES = 120  # of the pictures of one page
VALUES = range(2, 9)  # how many; the style sheet knows eight
AGAIN = "run `make notebooks`"


def cell_of(notebook):
    """The live cell of a notebook, with values to try."""
    found = [cell for cell in notebook.cells if "live" in tags(cell) and exercises.tries(cell)]
    return found[0] if found else None


def others(cell) -> dict[str, str]:
    """The values of a live cell but its default, each with the cell's source for it."""
    default = exercises.parameter(cell)[1]
    return {value: exercises.with_value(cell.source, value) for value in exercises.tries(cell) if value != default}


def record(cell, values: dict[str, dict]) -> dict | None:
    """What is stored of a live cell that draws; None where it only prints."""
    name, default = exercises.parameter(cell)
    drawn = any("picture" in shown for shown in values.values())
    return {"parameter": name, "default": default, "values": values} if drawn else None


def shown(what: str, outcome: dict) -> dict:
    """The text and picture of a tried value. Raises where it fails, warns, or draws more than one picture."""
    if outcome["error"]:
        raise RuntimeError(f"{what} ends in {outcome['error']}: {outcome['message']}")
    if outcome["warned"]:
        raise RuntimeError(f"{what} warns: {outcome['warned'][:300]}")
    if len(outcome["pictures"]) > 1:
        raise RuntimeError(f"{what} draws {len(outcome['pictures'])} pictures")
    drawn = {"picture": "".join(outcome["pictures"][0].split())} if outcome["pictures"] else {}
    return {"text": outcome["text"], **drawn}


def file(page: Page) -> Path:
    return page.ipynb.with_suffix(".live.json")


def read(page: Page) -> dict | None:
    """What is stored of the page's live cell."""
    path = file(page)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(page: Page, found: dict | None) -> bool:
    """Store it, or remove what is stored of a cell that no longer draws; False when nothing has changed."""
    path, text = file(page), json.dumps(found, ensure_ascii=False, indent=1) + "\n" if found else None
    if text == (path.read_text(encoding="utf-8") if path.exists() else None):
        return False
    path.unlink(missing_ok=True) if text is None else path.write_text(text, encoding="utf-8")
    return True


def text(page: Page) -> str:
    """All that the stored values print."""
    return "\n".join(value["text"] for value in (read(page) or {"values": {}})["values"].values())


def size(picture: str) -> tuple[int, int]:
    """Width and height of a PNG or a lossless WebP in base64."""
    head = base64.b64decode(picture[:48])
    if kind(head) == "png":
        return struct.unpack(">II", head[16:24])
    bits = int.from_bytes(head[21:25], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def kind(content: bytes) -> str:
    """The ending of a picture's file."""
    return "png" if content.startswith(b"\x89PNG") else "webp"


def problems(page: Page) -> Iterator[str]:
    """What is wrong with the stored values of a page's live cell: nothing is executed to find it."""
    cell, stored = cell_of(page.notebook), read(page)
    if cell is None or page.is_first_edition:
        yield from [] if stored is None else [f"{file(page).name} belongs to no live figure: delete it"]
        return
    if stored is None or not (drawn := pictures(cell)):
        yield f"the live cell draws nothing, or {file(page).name} is missing: {AGAIN}"
        return
    (name, default), values = exercises.parameter(cell), stored["values"]
    if default not in exercises.tries(cell) or len(exercises.tries(cell)) not in VALUES:
        yield f"the live cell needs {VALUES[0]} to {VALUES[-1]} values, with its own, {default}, among them"
    if (stored["parameter"], stored["default"], [*values]) != (name, default, [*others(cell)]):
        yield f"{file(page).name} holds {stored['parameter']} = {', '.join(values)}, `# try:` differs: {AGAIN}"
    if odd := {o.output_type for o in cell.outputs} - {"stream", "display_data"}:
        yield f"the live cell may print and draw; it has an output of the type {min(odd)}"
    for value, one in values.items():
        if "picture" not in one:
            yield f"with {name} = {value} the live cell draws nothing"
        elif size(one["picture"]) != size(drawn[0]):
            yield f"with {name} = {value} the picture has another size: the same limits and labels for every value"
    bytes_ = sum(
        len(base64.b64decode(picture)) for picture in [*drawn, *(v.get("picture", "") for v in values.values())]
    )
    if bytes_ > 1000 * MAX_KILOBYTES:
        yield f"the pictures of the live cell have {bytes_ / 1000:.0f} kB, the limit is {MAX_KILOBYTES}"


# ------------------------------------------------------------------------------------------------------- the site


def plain(value: str) -> str:
    """A value as a reader sees it: a string without quotes."""
    return value.strip("'\"")


def buttons(name: str, default: str, values: list[str]) -> str:
    """The opening of a group of radio buttons, one for each value."""
    button = '<label><input type="radio" name="live"{}> {}</label>'
    choices = [button.format(" checked" if v == default else "", escape(plain(v))) for v in values]
    return f'<fieldset class="live"><legend>{name}</legend><div class="values">{"".join(choices)}</div>'


def panel(image: nodes.image, said: str, texts: str) -> nodes.container:
    """What the cell shows with one value: the value, for print; what is printed, and the picture."""
    box = nodes.container("", nodes.paragraph("", said, classes=["value"]), classes=["panel"])
    if texts:
        box += nodes.literal_block(texts, texts, language="none", classes=["output", "stream"])
    image["alt"] = f"{image['alt']} With {': '.join([said, *[' '.join(texts.split())] * bool(texts)])}."
    box += image
    return box


def live_figure(app: Sphinx, document: nodes.document) -> None:
    """Into the figure of the live cell: a button and a panel for each value."""
    page = Page(app.env.docname.removeprefix("book/"), Path(app.srcdir))
    if page.ipynb != Path(app.env.doc2path(app.env.docname)) or (stored := read(page)) is None:
        return
    app.env.note_dependency(str(file(page)))
    cell, (name, default) = cell_of(page.notebook), (stored["parameter"], stored["default"])
    own = {"text": "".join(o.get("text", "") for o in cell.outputs), "picture": pictures(cell)[0]}
    output = next(n for n in document.findall(nodes.container) if "tag_live" in n["classes"]).children[-1]
    figure, panels = next(output.findall(nodes.figure)), nodes.container(classes=["panels"])
    drawn = figure.children[0]  # it holds the picture, and a text for builders that show none
    for value in exercises.tries(cell):
        one, image = stored["values"].get(value, own), next(drawn.findall(nodes.image)).deepcopy()
        image["uri"] = written(app, one["picture"])
        panels += panel(image, f"{name} = {plain(value)}", one["text"])
    figure.replace(drawn, panels)
    output.clear()
    opening = nodes.raw("", buttons(name, default, exercises.tries(cell)), format="html")
    output += [opening, figure, nodes.raw("", "</fieldset>", format="html")]


def written(app: Sphinx, picture: str) -> str:
    """Write a picture where myst-nb writes those of the notebooks, and return its address for Sphinx."""
    content = base64.b64decode(picture)
    path = Path(app.outdir).parent / "jupyter_execute" / f"{hashlib.sha256(content).hexdigest()}.{kind(content)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"/{Path(os.path.relpath(path, app.srcdir)).as_posix()}"


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", live_figure, priority=400)  # before Sphinx collects the images
    return {"parallel_read_safe": True}
