"""Runs the study and writes what it found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mpsnh.base.snapshot import NEVER
from mpsnh.extras import extra
from mpsnh.studies.brighi2025.data import Study
from mpsnh.studies.brighi2025.figures import FIGURES
from mpsnh.studies.brighi2025.findings import Finding
from mpsnh.studies.brighi2025.statements import compare
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
    """Compute and draw figures of the paper, each as PNG, PDF and dataset, and print rates and verdicts.

    Parameters
    ----------
    scale : str
        Name of a scale in `SCALES`.
    only : sequence of str
        Names of figures; all of them, the rates and the statements, if empty.
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
    ValueError: figure 'fig9' is unknown; there are: fig1a, fig1b, fig2a, fig2b, fig3a, fig3b, fig3_convergence
    """
    study = Study(scale, Path(out), seed, executor)
    written = draw(study, FIGURES, only)
    if not only:
        study.save("rates", study.rates().assign_attrs(chain=study.scale.chain))
        study.save("statements", compare(study))
        _print(study.out)
    return written


def redraw(folder: Path, only: Sequence[str] = (), out: Path = Path("out")) -> list[Path]:
    """Draw figures, and print rates and verdicts, from what `reproduce` has written as netCDF; nothing is computed.

    Parameters
    ----------
    folder : Path
        Where the files are.
    only : sequence of str
        Names of figures; all of them, and the rates and the statements, if empty.
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
    ValueError: nowhere holds no rates.nc
    """
    if not only:
        _print(Path(folder))
    return draw_again(Study.paper, FIGURES, Path(folder), Path(out), only)


def statement_table(data: xr.Dataset) -> Table:
    """Return what the paper says and what is found as a table in Markdown.

    Parameters
    ----------
    data : Dataset
        What `compare` returned.

    Examples
    --------
    >>> found = {"of": ["x"], "at": ["N = 8"], "value": [1.0], "low": [0.5], "high": [1.5], "verdict": ["holds"]}
    >>> known = {"says": ["it does"], "measured": ["x"], "allowed": [[0.0, np.inf]], "bounded": [True]}
    >>> data = xr.Dataset({name: ("finding", column) for name, column in found.items()}, {"statement": ["x"]})
    >>> dims = ("statement", "bound")
    >>> data = data.assign({name: (dims[: np.ndim(column)], column) for name, column in known.items()})
    >>> statement_table(data).row_count
    1
    """
    table = Table(box=box.MARKDOWN, header_style="")
    for column in ("the paper", "measured", "bounds", "found (95 %)", "verdict"):
        table.add_column(column)
    for name in data["statement"].values:
        statement, rows = data.sel(statement=name), data.isel(finding=data["of"].values == name)
        found = [
            Finding(*(row[column].item() for column in ("at", "value", "low", "high")))
            for row in (rows.isel(finding=k) for k in range(rows.sizes["finding"]))
        ]
        verdicts = rows["verdict"].values.tolist()
        told = [
            f"{verdict} ({', '.join(one.at for one, its in zip(found, verdicts, strict=True) if its == verdict)})"
            for verdict in ("holds", "not rejected", "not decided", "does not")
            if verdict in verdicts
        ]
        if len(set(verdicts)) == 1:
            told = [verdicts[0]]
        low, high = statement["allowed"].values
        bounds = "–"
        if statement["bounded"].item():
            bounds = f"≤ {high:g}" if np.isinf(low) else f"≥ {low:g}" if np.isinf(high) else f"{low:g} … {high:g}"
        texts = [str(statement[column].item()) for column in ("says", "measured")]
        table.add_row(*texts, bounds, "; ".join(map(str, found)), "; ".join(told) or "–")
    return table


def _print(folder: Path) -> None:
    names = ("rates", "fig3_convergence", "statements")
    rates, convergence, statements = (load(Study.paper, name, folder) for name in names)
    console = Console()
    console.print(_rate_table(rates), _convergence_table(convergence))
    for L, kink in zip(rates["L"].values, rates["kink"].values, strict=True):
        console.print(f"ln J∞(h), N = {L}: {kink}", highlight=False)
    Console(width=1500).print(statement_table(statements))  # a table for a page, which must not be broken


def _rate_table(rates: xr.Dataset) -> Table:
    low, high = rates.attrs["fit_window"]
    table = Table(title=f"Rates of exponential decay with h\n(spectra: {low:g} ≤ h ≤ {high:g}, quench: where resolved)")
    for column in ("N", "α (current)", "95 %", "β (gap)", "95 %"):
        table.add_column(column, justify="right")
    for L in rates["L"].values:
        row, shown = rates.sel(L=L), []
        for name in ("alpha", "beta"):
            first, last = row[f"{name}_interval"].values
            shown += [_with_error(row[name], row[f"{name}_error"]), f"{first:.2f} … {last:.2f}"]
        table.add_row(str(L), *shown)
    quenched = _with_error(rates["alpha_quench"], rates["alpha_quench_error"])
    table.add_row(f"{rates.attrs['chain']} (quench)", quenched, "", "", "")
    return table


def _convergence_table(data: xr.Dataset) -> Table:
    """Return the table behind the extra figure of convergence with the bond dimension."""
    title = (
        "Mid current per bond in the window of the plateau, in J/1000\n(discarded weight and largest bond: at its end)"
    )
    table = Table(title=title)
    for column in ("h", "window", "χ", "current", "discarded weight", "largest bond", "trust time"):
        table.add_column(column, justify="right", no_wrap=column == "current")
    for h in data["h"].values:
        (first, last), found = data["window"].sel(h=h).values, data["found"].sel(h=h)
        window = f"{first:g} … {last:g}" + ("" if found else " (drifts)")
        for chi in data["chi"].values:
            row = data.sel(h=h, chi=chi)
            current = f"{1e3 * float(row['mean']):.2f} ± {1e3 * float(row['error']):.2f}"
            numbers = [f"{float(row[name]):.3g}" for name in ("discarded_weight", "max_bond")]
            numbers.append("later" if row["trust_time"] >= NEVER else f"{float(row['trust_time']):g}")
            table.add_row(f"{h:g}", window, str(chi), current, *numbers)
    return table


def _with_error(value: Any, error: Any) -> str:
    return "none" if math.isnan(float(value)) else f"{float(value):.2f} ± {float(error):.2f}"
