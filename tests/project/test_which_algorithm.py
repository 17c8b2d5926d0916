"""Each line of the table on docs/which-algorithm.md runs, gives what it says, and no algorithm is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mpsnh import algorithms

PAGE = (Path(__file__).parents[2] / "docs" / "which-algorithm.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| ")][1:]
MODELS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]


@pytest.fixture(scope="module")
def names():
    names = dict(vars(algorithms)) | {name: getattr(algorithms, name) for name in algorithms.__all__}
    exec(MODELS, names)
    return names


@pytest.mark.filterwarnings("ignore:NHDMRG. the level:RuntimeWarning")  # the bond dimensions are small
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].replace(" ", "-"))
def test_the_line_runs(row, names):
    *_, algorithm, model, gives = (cell.strip("`") for cell in row)
    *_, last = eval(algorithm, names).records(eval(model, names))
    assert gives in {kind.__name__ for kind in type(last).__mro__}


def test_no_algorithm_is_missing():
    assert {row[4].strip("`").partition("(")[0] for row in ROWS} == set(algorithms.__all__)
