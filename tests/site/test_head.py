"""What a built page tells search engines, cards and editors; the map of the site; folds in the index of the search."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from sphinx.search.en import SearchEnglish

from tools.pages import Page, repository, toc

PAGES = toc()
FOLD = re.compile(r'<details class="(?:answer|[\w -]*\bfold\b)[^>]*>(.*?)</details>', re.S)


class Head(HTMLParser):
    """The title of a page, its meta tags by name or property, and its links by relation."""

    def __init__(self, text: str):
        super().__init__()
        self.title, self.meta, self.links, self.inside = "", {}, {}, False
        self.feed(text.partition("</head>")[0])

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.inside = tag == "title"
        if tag == "meta":
            self.meta[given.get("name") or given.get("property")] = given.get("content")
        if tag == "link":
            self.links[given["rel"]] = given["href"]

    def handle_data(self, data):
        self.title += data if self.inside else ""

    def handle_endtag(self, tag):
        self.inside = False


def text_of(html, page):
    return (html / "book" / f"{page}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def heads(html) -> dict[str, Head]:
    return {page: Head(text_of(html, page)) for page in PAGES}


@pytest.fixture(scope="module")
def home() -> str:
    """The site's address on GitHub Pages, which follows from the repository's in pyproject.toml."""
    owner, name = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", repository()).groups()
    return f"https://{owner}.github.io/{name}/"


def test_every_page_has_a_title_and_a_description_of_its_own(heads):
    for what in (lambda head: head.title, lambda head: head.meta.get("description")):
        found = [what(head) for head in heads.values()]
        assert all(found) and len(set(found)) == len(PAGES), found
    for page, head in heads.items():
        question = Page(page).course.get("question")
        assert question is None or head.meta["description"] == question, page
        assert not re.search(r"[$`\\{}]", head.meta["description"]), page
        assert head.title.count("From Kernels to Performers") == 1, page


def test_every_page_has_its_canonical_address(heads, home):
    for page, head in heads.items():
        assert head.links.get("canonical") == head.meta.get("og:url") == f"{home}book/{page}.html"


def test_every_page_has_a_card_with_a_picture(html, heads, home):
    for page, head in heads.items():
        card = {key: text for key, text in head.meta.items() if key and key.startswith(("og:", "twitter:"))}
        assert card["twitter:card"] == "summary_large_image" and card["og:site_name"] == "From Kernels to Performers"
        assert card["og:description"] == head.meta["description"] and head.title.startswith(card["og:title"]), page
        assert len(card["og:image:alt"]) > 20, page
        assert card["og:image"].startswith(home), page
        assert (html / card["og:image"].removeprefix(home)).stat().st_size < 300_000, page
    own = [
        page for page in PAGES if Page(page).is_chapter and heads[page].meta["og:image"] in repr(heads["intro"].meta)
    ]
    assert own == [], "these pages have figures of their own"


def test_the_edit_link_leads_to_the_text_that_people_edit(pages):
    for page in PAGES:
        edits = {link for link in pages[f"book/{page}.html"].links if "/edit/" in link}
        assert edits == {f"{repository()}/edit/main/book/{page}.md"} and Page(page).md.is_file()


def test_the_sitemap_lists_all_pages(html, home):
    found = [node.text for node in ElementTree.parse(html / "sitemap.xml").iter() if node.tag.endswith("}loc")]
    assert sorted(found) == sorted(f"{home}book/{page}.html" for page in PAGES)


def words(html):
    """The plain words of a piece of html, without formulas and code."""
    html = re.sub(
        r'<span class="math.*?</span>|<div class="(?:math|highlight).*?</div>|<code.*?</code>', " ", html, flags=re.S
    )
    return set(re.findall(r"(?<![\w-])[a-z]{5,}(?![\w-])", unescape(re.sub(r"<[^>]+>", " ", html))))


def pages_with(stem, index):
    """The numbers of the pages that the search finds for a stem, in their text or in one of their headings."""
    found = (index[kind].get(stem, []) for kind in ("terms", "titleterms"))
    return [number for places in found for number in (places if isinstance(places, list) else [places])]


def test_what_is_folded_can_be_searched(html):
    """Every word that a page has only in its folds stands in the index of the site's search, for that page."""
    index = (html / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(index[index.index("{") : index.rindex("}") + 1])
    language = SearchEnglish({})
    for number, page in ((index["docnames"].index(f"book/{page}"), page) for page in PAGES if Page(page).is_chapter):
        article = text_of(html, page).partition("<article")[2].partition("</article>")[0]
        folds = "".join(FOLD.findall(article))
        only = words(folds) - words(FOLD.sub("", article)) - set(language.stopwords)
        assert len(only) > 3, page
        lost = [word for word in only if number not in pages_with(language.stem(word), index)]
        assert lost == [], page
