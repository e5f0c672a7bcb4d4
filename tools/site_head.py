"""A Sphinx extension: what search engines, cards and editors are told of a page, and the map of the site.

The site's address follows from the repository's, which stands in pyproject.toml. A page's description is the question
of its front matter, or its first sentence; its picture is its first figure, or else the one of the start page.
"""

from __future__ import annotations

import json
import re
from html import escape
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx

from tools.pages import repository


def address() -> str:
    """Where GitHub serves the site, with a final slash."""
    owner, name = urlsplit(repository()).path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def description(app: Sphinx, docname: str) -> str:
    """The question of a page, or its first sentence."""
    course = json.loads(app.env.metadata[docname].get("course", "{}"))
    paragraph = next(app.env.get_doctree(docname).findall(nodes.paragraph)).astext()
    return course.get("question") or re.match(r".*?[.?](?=\s|$)|.*", " ".join(paragraph.split()))[0]


def picture(app: Sphinx, docname: str) -> tuple[str, str]:
    """The address and the alt text of a page's first figure, or of the start page's."""
    for name in (docname, app.config.root_doc):
        for image in app.env.get_doctree(name).findall(nodes.image):
            if (uri := image["uri"]) in app.env.images:
                return f"{address()}_images/{app.env.images[uri][1]}", image.get("alt", "")
    raise LookupError("the start page has no figure")


def tags(app: Sphinx, docname: str) -> dict[str, str]:
    image, alt = picture(app, docname)
    return {
        "description": description(app, docname),
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": app.env.titles[docname].astext(),
        "og:description": description(app, docname),
        "og:url": address() + app.builder.get_target_uri(docname),
        "og:image": image,
        "og:image:alt": alt,
        "twitter:card": "summary_large_image",
    }


def add_tags(app: Sphinx, docname: str, template: str, context: dict, document: nodes.document | None) -> None:
    if document is None:  # the index and the page of the search
        return
    if docname == app.config.root_doc:
        context["docstitle"] = ""  # which is this page's own title
    for name, content in tags(app, docname).items():
        key = "property" if name.startswith("og:") else "name"
        context["metatags"] += f'<meta {key}="{name}" content="{escape(content)}" />\n'


def edit_source(app: Sphinx, docname: str, template: str, context: dict, document: nodes.document | None) -> None:
    """The theme offers to edit the notebook, which a tool writes; people edit the .md beside it."""
    for group in context["header_buttons"]:
        for button in group.get("buttons", []):
            if button.get("label") == "source-edit-button":
                button["url"] = button["url"].replace(".ipynb", ".md")


def set_address(app: Sphinx, config) -> None:
    config.html_baseurl = address()


def write_sitemap(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.format == "html":
        places = (escape(address() + app.builder.get_target_uri(name)) for name in sorted(app.env.found_docs))
        lines = [f"  <url><loc>{place}</loc></url>" for place in places]
        opening = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        (app.outdir / "sitemap.xml").write_text("\n".join([opening, *lines, "</urlset>\n"]), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", set_address)
    app.connect("html-page-context", add_tags)
    app.connect("html-page-context", edit_source, priority=900)  # after the theme has made its buttons
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True}
