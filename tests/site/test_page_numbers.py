"""What tools.sphinx_course puts on a page: numbers that no other page moves, the line under the title, and folds."""

import json
import re
import subprocess
import sys

import pytest

from tools.pages import ROOT, Page, toc

CONF = "extensions = ['sphinx_exercise', 'sphinx_proof', 'tools.sphinx_course']\nsmartquotes = False\n"
COURSE = {"minutes": {"read": 15, "exercises": 30}, "track": "optional", "requires": ["first"]}
PAGE = """:course: {course}

{title}
=======

.. math:: x = 1
   :label: eq-{name}

.. figure:: dot.png
   :name: fig-{name}

   A dot.

.. prf:theorem::
   :label: thm-{name}

   True.

.. exercise::
   :label: ex-{name}

   Why?

.. solution:: ex-{name}
   :class: dropdown

   Because of that.

.. prf:proof::
   :class: dropdown

   Read it twice.

By :eq:`eq-{name}`, :numref:`fig-{name}` and :prf:ref:`thm-{name}`.

{more}
"""
FROM_ELSEWHERE = "From the other page: :eq:`eq-first`, :numref:`fig-first`, :prf:ref:`thm-first`."


def text(html):
    """The html as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", "", html).split())


def built(folder, *names):
    """The last of the pages in a book of these pages; each refers to itself, the last one also to `first`."""
    (folder / "part").mkdir(parents=True)
    (folder / "conf.py").write_text(CONF)
    entries = "".join(f"   part/{name}\n" for name in names)
    (folder / "index.rst").write_text(f"Book\n====\n\n.. toctree::\n\n{entries}")
    picture = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010800000000")  # a header is enough
    (folder / "part" / "dot.png").write_bytes(picture)
    for name in names:
        course = json.dumps(COURSE if name == names[-1] else {**COURSE, "requires": []})
        more = FROM_ELSEWHERE if name == names[-1] else ""
        (folder / "part" / f"{name}.rst").write_text(
            PAGE.format(name=name, title=name.capitalize(), course=course, more=more)
        )
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-E", str(folder), str(folder / "html")]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return (folder / "html" / "part" / f"{names[-1]}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return built(tmp_path_factory.mktemp("two"), "first", "last")


def test_every_number_starts_again_on_a_page(page):
    assert 'class="eqno">(1)' in page
    assert re.findall(r'caption-number">(.*?)\s*</span>', page) == ["Fig. 1", "Theorem 1", "Exercise 1"]
    assert "By (1), Fig. 1 and Theorem 1." in text(page)


def test_a_reference_to_another_page_names_it(page):
    assert "From the other page: (1) of First, Fig. 1 of First, Theorem 1 of First." in text(page)


def test_a_new_page_moves_no_number_of_another(page, tmp_path):
    def article(html):
        return html.split('<div class="body"')[1].split('<div class="sphinxsidebar"')[0]

    assert article(built(tmp_path / "three", "new", "first", "last")) == article(page)


def test_what_has_the_class_dropdown_is_a_fold_under_its_title(page):
    found = re.findall(r"<details class=\"(.*?)\"[^>]*>\s*<summary>(.*?)</summary>(.*?)</details>", page, re.S)
    assert [tuple(map(text, fold)) for fold in found] == [
        ("solution fold", "Solution to Exercise 1", "Because of that."),
        ("fold", "Proof", "Read it twice."),
    ]
    assert "dropdown" not in page and "<a" not in found[0][1]


def test_the_line_under_the_title_says_minutes_track_and_what_it_requires(page):
    line = re.search(r'</h1>\s*<p class="chapter-line">(.*?)</p>', page)[1]
    assert text(line) == "15 min to read, 30 for the exercises · optional track · builds on First"
    assert 'href="first.html"' in line


def test_every_chapter_of_the_site_has_the_line(html):
    for name in toc():
        lines = re.findall(r'<p class="chapter-line">(.*?)</p>', (html / "book" / f"{name}.html").read_text("utf-8"))
        chapter = Page(name)
        assert len(lines) == (chapter.is_chapter and 'class="card"' not in chapter.text), name
        for line in lines:
            minutes, linked = chapter.course["minutes"], re.findall(r'href="(?:[^"]*/)?([\w-]+)\.html"', line)
            assert f"{minutes['read']} min to read, {minutes['exercises']} for" in line, name
            assert chapter.course["track"] in line and linked == chapter.course["requires"], name
