"""Each script of the gallery is short, runs and draws one picture."""

import ast
import runpy
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

GALLERY = sorted((Path(__file__).parents[2] / "docs" / "gallery").glob("*.py"))
LONGEST = 40


@pytest.fixture(autouse=True)
def _without_a_screen():
    with mpl.rc_context():
        plt.switch_backend("agg")
        plt.close("all")  # which other tests may have left
        yield
        plt.close("all")


@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_script_is_short_and_draws_one_picture(script):
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(text)), "the docstring is the text of its page"
    runpy.run_path(str(script))
    (number,) = plt.get_fignums()
    assert all(axes.has_data() for axes in plt.figure(number).axes)
