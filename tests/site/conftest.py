"""The site, built once and served from this machine, and a browser that watches what its pages ask for."""

from __future__ import annotations

import functools
import os
import threading
import time
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools.build import HTML, BuildError, build_book

TYPESET = """async () => {
  if (document.querySelector(".math")) {
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("formulas not typeset in 30 s")), 30_000));
    await Promise.race([MathJax.startup.promise, late]);
  }
  await document.fonts.ready;
}"""


@pytest.fixture(scope="session")
def html(tmp_path_factory) -> Path:
    """The folder of the site, built by the first of xdist's workers that asks; the others wait for it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return build_book()
    asked = tmp_path_factory.getbasetemp().parent / "site"
    outcome = asked / "outcome"
    try:
        asked.mkdir()
    except FileExistsError:
        while not outcome.exists():
            time.sleep(0.2)
    else:
        fault = "the worker that built the site was interrupted"
        try:
            build_book()
            fault = ""
        except BuildError as error:
            fault = str(error)
        finally:
            (asked / "part").write_text(fault, encoding="utf-8")
            (asked / "part").replace(outcome)  # all of it or nothing
    if fault := outcome.read_text(encoding="utf-8"):
        raise BuildError(fault)
    return HTML


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site(html):
    """The address at which the site is served, with a final slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def left_behind(request) -> bool:
    """Whether a request ended because its page was left: no fault of the page."""
    return request.failure == "net::ERR_ABORTED"


@pytest.fixture
def visit(chromium, site):
    """``visit(url, width=..., scheme=...)`` opens a page and waits for its formulas; ``visit.faults`` lists faults."""
    contexts, faults = [], []

    def watch(tab, home):
        def fault(kind, text):
            faults.append(f"{urlsplit(tab.url).path}: {kind}: {text}")

        tab.on("console", lambda message: message.type == "error" and fault("console", message.text))
        tab.on("pageerror", lambda error: fault("script", str(error)))
        tab.on("request", lambda r: r.url.startswith((home, "data:", "blob:")) or fault("request elsewhere", r.url))
        tab.on("requestfailed", lambda r: left_behind(r) or fault("request failed", r.url))
        tab.on("response", lambda answer: answer.status >= 400 and fault(f"status {answer.status}", answer.url))

    def visit(url, width=1280, scheme="light"):
        url = url if "://" in url else f"{site}book/{url}.html"
        view = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "reduced_motion": "reduce"}
        context = chromium.new_context(**view)
        contexts.append(context)
        tab = context.new_page()
        watch(tab, "file:" if url.startswith("file:") else site)
        tab.goto(url)
        tab.evaluate(TYPESET)
        return tab

    visit.faults = faults
    yield visit
    for context in contexts:
        context.close()


class Links(HTMLParser):
    """The ids of a page and where its links and files point."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.files = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        fetched = tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "modulepreload")
        if given.get("href"):
            (self.files if fetched else self.links).append(given["href"])
        if given.get("src"):
            self.files.append(given["src"])


@pytest.fixture(scope="session")
def pages(html) -> dict[str, Links]:
    """Every html file of the site, by its path."""
    files = (path for path in html.rglob("*.html") if "_static" not in path.parts)
    return {path.relative_to(html).as_posix(): Links(path) for path in files}
