"""Runs the study and writes what it found."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mpsnh.extras import extra
from mpsnh.studies.ha2023.data import Study
from mpsnh.studies.ha2023.estimates import percent
from mpsnh.studies.ha2023.figures import FIGURES
from mpsnh.studies.ha2023.scales import LOCALISED, THERMAL
from mpsnh.studies.ha2023.statements import DRIFTS, STATEMENTS, Statement
from mpsnh.studies.study import draw, draw_again, load

with extra("cli"):
    from rich import box
    from rich.console import Console
    from rich.table import Table


def reproduce(
    scale: str = "quick",
    only: Sequence[str] = (),
    out: Path = Path("out"),
    seed: int = 0,
    executor: Executor | None = None,
) -> list[Path]:
    """Compute and draw figures of the paper, each as PNG, PDF and dataset, and print what holds of its statements.

    Parameters
    ----------
    scale : str
        Name of a scale in `SCALES`.
    only : sequence of str
        Names of figures; all of them, and the table of statements, if empty.
    out : Path
        Folder for the results.
    seed : int
        Number of the first realisation: the study uses this one and those that follow.
    executor : concurrent.futures.Executor, optional
        Where the realisations run; the numbers do not depend on it.

    Returns
    -------
    list of Path
        The files written for the figures.

    Raises
    ------
    ValueError
        If the scale or a figure is unknown, or `out` holds the results of a study with other parameters.

    Examples
    --------
    >>> reproduce(only=["fig9"])
    Traceback (most recent call last):
    ValueError: figure 'fig9' is unknown; there are: fig2, fig3a, fig3b, fig4a, fig4b, fig4c, fig4d, x, ...
    """
    study = Study(scale, Path(out), seed, executor)
    written = draw(study, FIGURES, only)
    if not only:
        study.save("statements", study.statements())
        _print(study.out)
    return written


def redraw(folder: Path, only: Sequence[str] = (), out: Path = Path("out")) -> list[Path]:
    """Draw figures, and print the statements, from what `reproduce` has written as netCDF; nothing is computed.

    Parameters
    ----------
    folder : Path
        Where the files are.
    only : sequence of str
        Names of figures; all of them, and the table of statements, if empty.
    out : Path
        Folder for the pictures.

    Returns
    -------
    list of Path
        The pictures: PNG and PDF.

    Raises
    ------
    ValueError
        If a figure is unknown, or a file is missing or something else.

    Examples
    --------
    >>> redraw(Path("nowhere"))
    Traceback (most recent call last):
    ValueError: nowhere holds no statements.nc
    """
    if not only:
        _print(Path(folder))
    return draw_again(Study.paper, FIGURES, Path(folder), Path(out), only)


def _print(folder: Path) -> None:
    statements = load(Study.paper, "statements", folder)
    console = Console(width=300)  # tables for a page, which must not be broken
    for table in tables(statements):
        console.print(table)
    alpha, low, high = statements["landmark"].values
    first, second = statements["scan_L"].values[-2:]
    console.print(f"Γ·4^L (median) is the same at L = {first} and {second} at α = {alpha:.3g} ({low:.3g} … {high:.3g})")
    failed, elsewhere = int(statements["failed"].sum()), int(statements["scan_failed"].sum())
    console.print(f"circuits that failed: {failed} at α = {THERMAL:g} and {LOCALISED:g}, {elsewhere} at the other α")


def tables(data: xr.Dataset) -> tuple[Table, Table]:
    """Return the statements of single sizes, and those of drifts with the size, as tables in Markdown.

    Parameters
    ----------
    data : Dataset
        What `compare` returned.

    Examples
    --------
    >>> from mpsnh.studies.ha2023.statements import compare
    >>> ones = xr.DataArray(np.ones((2, 2, 9)), {"L": [5, 6], "alpha": [THERMAL, LOCALISED]}, ("L", "alpha", "seed"))
    >>> numbers = xr.Dataset({statement.variable: ones for statement in (*STATEMENTS.values(), *DRIFTS.values())})
    >>> [table.row_count for table in tables(compare(numbers))] == [len(STATEMENTS), len(DRIFTS)]
    True
    """
    sizes = data["L"].values
    by_size = _table("the paper", "measured", "bounds", *(f"L = {L}" for L in sizes), "95 %", "holds")
    for name, statement in STATEMENTS.items():
        row = data.sel(statement=name)
        numbers = [_number(row["value"].sel(L=L), statement) for L in sizes]
        interval = _interval_text(row["low"][-1], row["high"][-1], statement)
        by_size.add_row(
            statement.says, statement.measured, _bounds(statement), *numbers, interval, str(row["holds"].item()) or "–"
        )
    by_drift = _table("the paper", "measured", "bounds", f"L = {sizes[0]} … {sizes[-1]}", "95 %", "holds")
    for name, statement in DRIFTS.items():
        row = data.sel(drift=name)
        value, low, high = row["slope"]
        verdict = str(row["slope_holds"].item()) or "–"
        by_drift.add_row(
            statement.says,
            statement.measured,
            _bounds(statement),
            _number(value, statement),
            _interval_text(low, high, statement),
            verdict,
        )
    return by_size, by_drift


def _table(*columns: str) -> Table:
    table = Table(box=box.MARKDOWN, header_style="")
    for column in columns:
        table.add_column(column)
    return table


def _number(value: Any, statement: Statement) -> str:
    return percent(float(value)) if statement.statistic == "share" else f"{float(value):.3g}"


def _interval_text(low: Any, high: Any, statement: Statement) -> str:
    return "–" if np.isnan(low) else f"{_number(low, statement)} … {_number(high, statement)}"


def _bounds(statement: Statement) -> str:
    if statement.allowed is None:
        return "–"
    low, high = (_number(bound, statement) for bound in statement.allowed)
    if np.isinf(statement.allowed[0]):
        return f"≤ {high}"
    if np.isinf(statement.allowed[1]):
        return f"≥ {low}"
    return low if low == high else f"{low} … {high}"
