"""The code in the README and in docs/ runs, each page top to bottom, notebooks of the site among them."""

import re
import signal
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(
    r"^```(?:python|\{code-cell\}[^\n]*)\n"
    r"(?:---\n.*?^---\n|(?::[^\n]*\n)*)"  # what the site is told of the cell
    r"(.*?)^```",
    re.DOTALL | re.MULTILINE,
)


def blocks(page):
    return CODE.findall(page.read_text(encoding="utf-8"))


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def _own_folder(tmp_path, monkeypatch):
    """A folder without a screen; what dask_jobqueue does to Ctrl-C when it is imported is undone."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context():
        plt.switch_backend("agg")
        yield
        plt.close("all")
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_own_folder")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_page_runs(page):
    exec(compile("\n".join(blocks(page)), str(page), "exec"), {"__name__": "docs"})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_names_its_two_commands():
    commands = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[:2] == ["reproduce", "test"]
