"""What a built page of the documentation has: its links, pictures, names and text."""

from __future__ import annotations

import functools
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from typing_extensions import override

SITE = Path(__file__).parents[2] / "build" / "docs"
WITHOUT_CONTENT = {"genindex.html", "py-modindex.html", "search.html"}
"""Pages that Sphinx makes itself."""


class Page(HTMLParser):
    """A page, read once."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.without_text: list[str] = []
        self.names: Counter[str] = Counter()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.names[given["id"]] += 1
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img":
            self.pictures.append(given["src"])
            named = given.get("alt") or given["src"].endswith("_thumb.png")  # whose title stands beside it
            self.without_text += [] if named else [given["src"]]

    def target(self, link: str) -> tuple[Path, str] | None:
        """Return the file and the name on its page that a link leads to, or None if it leaves the site."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return None
        file = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return file, unquote(parts.fragment)


@functools.cache
def pages() -> dict[Path, Page]:
    """Return all pages of the site that `make docs` has built."""
    built = {path.resolve(): Page(path.resolve()) for path in SITE.rglob("*.html") if "_static" not in path.parts}
    if not built:
        raise FileNotFoundError(f"there is no site in {SITE}: make docs")
    return built
