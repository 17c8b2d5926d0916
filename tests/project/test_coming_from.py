"""The code of other packages on docs/coming-from.md runs where they are installed, and gives our numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text(encoding="utf-8")
OURS, THEIRS = ([*re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)] for kind in ("python", "py"))
PACKAGES = ("quspin", "quimb", "qutip", "tenpy", "dmrgpy")


def package(code):
    """The first package that some code imports."""
    return next(name for name in PACKAGES if re.search(rf"(from|import) {name}\b", code))


@pytest.fixture(scope="module")
def names():
    names = {"__name__": "docs"}
    exec("\n".join(OURS), names)
    return names


@pytest.mark.filterwarnings("ignore")  # what they warn of is theirs
@pytest.mark.parametrize("code", THEIRS, ids=package)
def test_their_numbers_are_ours(code, names):
    pytest.importorskip(package(code))
    exec(code, dict(names))


def test_each_of_them_compares_a_number():
    assert {package(code) for code in THEIRS} == set(PACKAGES)
    assert all("assert " in code for code in THEIRS)
