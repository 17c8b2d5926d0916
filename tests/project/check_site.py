"""The built site is whole: links, pictures, names, formulas, and every public name in the API (`make docs-test`)."""

from __future__ import annotations

import importlib
import re
import zlib

import pytest

from tests.support.site import SITE, WITHOUT_CONTENT, pages

PACKAGES = ("mpsnh", "mpsnh.models", "mpsnh.algorithms", "mpsnh.observables", "mpsnh.statistics")
PAGES = sorted(pages().items())


def name_of(page):
    return page.path.relative_to(SITE.resolve()).as_posix()


@pytest.mark.parametrize("page", [page for _, page in PAGES], ids=name_of)
class TestPage:
    def test_links_lead_somewhere(self, page):
        broken = []
        for link in page.links:
            file, name = page.target(link) or (SITE / "index.html", "")
            known = pages()[file].names if file in pages() else ()
            if not file.exists() or (name and file in pages() and name not in known):
                broken.append(link)
        assert broken == []

    def test_pictures_are_there_and_have_a_text(self, page):
        assert [link for link in page.pictures if not (target := page.target(link)) or not target[0].exists()] == []
        assert page.without_text == []

    def test_names_are_given_once(self, page):
        assert [name for name, times in page.names.items() if times > 1] == []

    def test_nothing_is_left_of_markup(self, page):
        text = re.sub(r"<(pre|code|script|style|svg).*?</\1>", "", page.text, flags=re.DOTALL)
        assert re.findall(r"problematic|system-message|:math:|:ref:|\]\(", text) == []


def test_every_page_is_reached_from_the_first():
    reached, front = set(), {(SITE / "index.html").resolve()}
    while front:
        reached |= front
        targets = [page.target(link) for path in front for page in [pages()[path]] for link in page.links]
        front = {target[0] for target in targets if target and target[0] in pages()} - reached
    assert [name_of(page) for path, page in PAGES if path not in reached and path.name not in WITHOUT_CONTENT] == []


def test_every_public_name_is_in_the_api():
    inventory = zlib.decompress((SITE / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    listed = {line.split()[0] for line in inventory.splitlines()}
    public = {f"{package}.{name}" for package in PACKAGES for name in importlib.import_module(package).__all__}
    assert sorted(public - listed) == []


def test_all_scripts_of_the_gallery_have_a_thumbnail():
    scripts = {path.stem for path in (SITE.parents[1] / "docs" / "gallery").glob("*.py")}
    shown = pages()[(SITE / "examples" / "index.html").resolve()].pictures
    assert {re.search(r"sphx_glr_(\w+)_thumb", picture)[1] for picture in shown if "_thumb" in picture} == scripts
