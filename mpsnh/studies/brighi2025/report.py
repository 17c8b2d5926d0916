"""Runs the study and writes what it found."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mpsnh.studies.brighi2025.data import Study
from mpsnh.studies.brighi2025.figures import FIGURES
from mpsnh.studies.study import draw, save


def reproduce(
    scale: str = "quick",
    only: Sequence[str] = (),
    out: Path = Path("out"),
    seed: int = 0,
    executor: Executor | None = None,
) -> list[Path]:
    """Compute and draw figures of the paper, each as PNG, PDF and dataset, and print the fitted rates.

    Parameters
    ----------
    scale : str
        Name of a scale in `SCALES`.
    only : sequence of str
        Names of figures; all of them if empty.
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
        _print_rates(study)
    return written


def _print_rates(study: Study) -> None:
    rates = study.rates()
    save(rates, study.out / "rates.nc")
    low, high = study.scale.fit_window
    table = Table(title=f"Rates of exponential decay with h\n(spectra: {low:g} ≤ h ≤ {high:g}, quench: where resolved)")
    for column in ("N", "α (current)", "95 %", "β (gap)", "95 %"):
        table.add_column(column, justify="right")
    for L in study.scale.sizes:
        row, shown = rates.sel(L=L), []
        for name in ("alpha", "beta"):
            first, last = row[f"{name}_interval"].values
            shown += [_with_error(row[name], row[f"{name}_error"]), f"{first:.2f} … {last:.2f}"]
        table.add_row(str(L), *shown)
    quenched = _with_error(rates["alpha_quench"], rates["alpha_quench_error"])
    table.add_row(f"{study.scale.chain} (quench)", quenched, "", "", "")
    console = Console()
    console.print(table, _convergence(study))
    for L in study.scale.sizes:
        console.print(f"ln J∞(h), N = {L}: {rates['kink'].sel(L=L).item()}", highlight=False)


def _convergence(study: Study) -> Table:
    """Return the table behind the extra figure of convergence with the bond dimension."""
    data = study.by_bond_dimension()
    title = (
        "Mid current per bond in the window of the plateau, in J/1000\n(discarded weight and largest bond: at its end)"
    )
    table = Table(title=title)
    for column in ("h", "window", "χ", "current", "discarded weight", "largest bond", "trust time"):
        table.add_column(column, justify="right")
    for h, plateau in study.plateaus.items():
        for chi in study.scale.bond_dimensions:
            row = data.sel(h=h, chi=chi)
            current = f"{1e3 * float(row['mean']):.2f} ± {1e3 * float(row['error']):.2f}"
            numbers = [f"{float(row[name]):.3g}" for name in ("discarded_weight", "max_bond", "trust_time")]
            window = f"{plateau.window[0]:g} … {plateau.window[1]:g}" + ("" if plateau.found else " (drifts)")
            table.add_row(f"{h:g}", window, str(chi), current, *numbers)
    return table


def _with_error(value: Any, error: Any) -> str:
    return f"{float(value):.2f} ± {float(error):.2f}"
