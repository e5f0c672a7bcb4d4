"""A measured number in prose is printed on its page.

Every decimal, every `N×` and every `N %` of the prose, outside mathematics, code and sentences with a citation, must
be a whole token of what the page's cells print. nbval recomputes what they print, so the sentences are under test.
"""

from __future__ import annotations

import re

from tools import live
from tools.pages import Page, figure

TOKEN = re.compile(
    r"(?<![A-Za-z0-9.,])(?<![A-Za-z0-9]_)"  # whole, and no index: x_1.5
    r"[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:(?<=\d)|(?=\.\d))(?:\.\d+)?(?:[eE][-+−]?\d+)?(?!\.?\d)"
    r"(?:\s?(?:×(?!\s?[\d$])|x\b|%|per ?cent\b))?"
)
NAMED = re.compile(  # numbers that name or define something, and measure nothing
    r"\b(?:Sections?|Theorems?|Lemma|Chapter|Figs?\.|Figure|Equation|Python|version)\s[\d.]+\d|\d[\d.]*-bit"
    r"|\d[\d.]*\s?%(?:\s(?:confidence\s)?(?:interval|quantile|level|band))"
)
SENTENCE = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!al)(?<!cf)(?<!vs)(?<=[.!?:;])\s+|\n(?=\s*(?:[-*+|]|\d+\.)\s)")
FENCED = re.compile(r"^[ >]*(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^[ >]*(?P=fence)[ ]*$", re.M | re.S)
INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
MATHS = [
    re.compile(r"^:::+\{math\}.*?^:::+[ ]*$", re.M | re.S),
    re.compile(r"\$\$.*?\$\$(?:\s*\([\w-]+\))?", re.S),
    re.compile(r"(?<![\\$])\$(?!\$).+?(?<!\\)\$", re.S),
    re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.S),
]
MARKUP = [
    re.compile(r"^:::+.*$", re.M),  # fences
    re.compile(r"^:[\w-]+:.*$", re.M),  # their options
    re.compile(r"^\([\w-]+\)=[ ]*$", re.M),  # labels
    re.compile(r"<[^>\n]+>"),  # HTML tags
    re.compile(r"\]\([^)\n]*\)"),  # the address of a link
]


def without_code(text: str) -> str:
    return FENCED.sub(" ", text)


def prose_only(text: str) -> str:
    """The words a reader reads: no fenced code, no mathematics, no markup. Inline code counts as a word."""
    text = INLINE_CODE.sub("code", without_code(text))
    for pattern in (*MATHS, *MARKUP):
        text = pattern.sub(" ", text)
    return text


def claims(text: str) -> list[str]:
    """The tokens of a text that assert a measured number."""
    sentences = [s for paragraph in re.split(r"\n\s*\n", prose_only(text)) for s in SENTENCE.split(paragraph)]
    own = [NAMED.sub(" ", sentence) for sentence in sentences if "{cite}" not in sentence]
    found = [normal(token) for sentence in own for token in TOKEN.findall(sentence)]
    return [token for token in found if "." in token or "e" in token or token[-1] in "×%"]


def normal(token: str) -> str:
    """One spelling: no spaces or thousands commas, ASCII minus, `3×` for 3x, `4%` for 4 per cent."""
    token = re.sub(r"[\s,]", "", token).replace("−", "-").lower()
    return re.sub(r"percent$", "%", re.sub(r"x$", "×", token))


def printed(text: str) -> set[str]:
    """The number tokens of what cells print."""
    return {normal(token) for token in TOKEN.findall(text)}


def unprinted(page: Page) -> list[str]:
    """The claims of a page, its captions and alt texts included, that its cells do not print.

    A live cell prints with every value that it offers.
    """
    shown = printed(f"{page.outputs_text}\n{live.text(page)}")
    told = [figure(cell) for cell in page.code_cells] if page.is_notebook else []
    captions = [about.get(key, "") for about in told for key in ("caption", "alt")]
    return [token for token in claims("\n\n".join([page.prose, *captions])) if token not in shown]
