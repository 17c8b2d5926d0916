"""The built site in a browser: navigation, search, copying, dark mode, and the width of a phone (`make docs-test`)."""

from __future__ import annotations

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import sync_playwright

from tests.support.site import SITE

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = {"width": 390, "height": 844}
PAGES = (
    *("index", "getting-started", "which-algorithm", "coming-from", "examples/index", "api", "benchmarks"),
    *("tutorials/disorder", "tutorials/bosons", "howto/convergence", "howto/trust"),
)


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of each request."""


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.route("**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
    page.mistakes = []
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.on("response", lambda reply: page.mistakes.append(reply.url) if reply.status >= 400 else None)
    yield page
    context.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_open_without_mistakes(page, address, name, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/{name}.html")
    assert page.mistakes == []
    assert page.locator("h1").first.is_visible()
    small = "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    assert page.evaluate(small) == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_on_a_phone(page, address, name):
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_navigation(page, address):
    page.goto(f"{address}/index.html")
    page.locator(".sidebar-tree").get_by_text("Which algorithm for which model").click()
    assert page.locator("h1").inner_text().startswith("Which algorithm for which model")


def test_search_finds_a_class(page, address):
    page.goto(f"{address}/search.html?q=NHTEBD")
    page.locator("#search-results li a").first.wait_for()
    assert "NHTEBD" in page.locator("#search-results").inner_text()


def test_code_is_copied_without_prompts(page, address):
    page.goto(f"{address}/api/mpsnh.models.NonHermitianXXZ.html")
    page.locator("div.highlight", has_text=">>>").first.hover()
    page.locator("button.copybtn").first.click()
    page.wait_for_timeout(200)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("print(NonHermitianXXZ")


def test_dark_mode_is_dark(page, address):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/index.html")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")) < 64


@pytest.mark.parametrize("name", ["oracles", "benchmarks", "conventions"])
def test_formulas_are_set(page, address, name):
    page.goto(f"{address}/{name}.html")
    if page.locator(".math").count():
        page.locator("mjx-container").first.wait_for()
        count = "document.querySelectorAll('{}').length"
        page.wait_for_function(f"{count.format('.math')} == {count.format('mjx-container')}")
    assert page.locator("mjx-merror").count() == 0
    assert page.mistakes == []
