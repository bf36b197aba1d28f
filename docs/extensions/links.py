"""After a build: every link inside the site leads to a file, and to a place in it. What does not is an error."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)
LEADS = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}


class Page(HTMLParser):
    """links: what a page leads to; places: the ids in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.places.update(filter(None, (found.get("id"), found.get("name"))))
        lead = found.get(LEADS.get(tag, ""))
        if lead:
            self.links.append(lead)


def check(app: Sphinx, failed: Exception | None) -> None:
    if failed is None and app.builder.format == "html":
        made = (path for path in Path(app.outdir).rglob("*.html") if "_static" not in path.parts)
        for wrong in broken({path.resolve(): Page(path) for path in made}):
            log.error("a link leads nowhere: %s", wrong)
            app.statuscode = 1


def broken(pages: Mapping[Path, Page]) -> list[str]:
    """Links of the pages to files, or places in them, that are not there; other sites are not looked at."""
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{path.name}: {link}: no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                found.append(f"{path.name}: {link}: no such place")
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
