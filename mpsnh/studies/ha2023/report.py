"""Runs the study and writes what it found."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import xarray as xr
from rich.console import Console

from mpsnh.studies.ha2023.data import Study
from mpsnh.studies.ha2023.figures import FIGURES
from mpsnh.studies.ha2023.statements import LOCALISED, THERMAL, tables
from mpsnh.studies.study import draw, save


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
        statements = study.statements()
        save(statements.assign_attrs(study=study.identity), study.out / "statements.nc")
        _print(statements)
    return written


def _print(statements: xr.Dataset) -> None:
    console = Console(width=300)  # tables for a page, which must not be broken
    for table in tables(statements):
        console.print(table)
    alpha, low, high = statements["landmark"].values
    first, second = statements["scan_L"].values[-2:]
    console.print(f"Γ·4^L (median) is the same at L = {first} and {second} at α = {alpha:.3g} ({low:.3g} … {high:.3g})")
    failed, elsewhere = int(statements["failed"].sum()), int(statements["scan_failed"].sum())
    console.print(f"circuits that failed: {failed} at α = {THERMAL:g} and {LOCALISED:g}, {elsewhere} at the other α")
