"""The command `mpsnh`."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mpsnh.studies import brighi2025

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Non-Hermitian quantum many-body physics.")

STUDIES = {"brighi2025": brighi2025}
"""The studies by name."""

_StudyName = StrEnum("_StudyName", list(STUDIES))  # type: ignore[misc]


@app.callback()
def _app() -> None:
    """Keep `reproduce` a subcommand although it is the only one."""


@app.command()
def reproduce(
    study: Annotated[_StudyName, typer.Argument(help="The paper.")],
    scale: Annotated[str, typer.Option(help="How large: quick.")] = "quick",
    only: Annotated[list[str] | None, typer.Option(help="A figure, such as fig1a; may be repeated.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for figures and datasets.")] = Path("out"),
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = os.cpu_count() or 1,
    seed: Annotated[int, typer.Option(min=0, help="Number of the first disorder realisation.")] = 0,
) -> None:
    """Compute and draw the figures of a paper."""
    console = Console()
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn) if workers > 1 else nullcontext()
    try:
        with pool as executor:
            written = STUDIES[study.value].reproduce(scale, only or (), out, seed, executor)
    except (ValueError, FileExistsError) as error:
        console.print(f"[red]{error}")
        raise typer.Exit(2) from None
    for path in written:
        console.print(str(path))


def main() -> None:
    """Run the command line."""
    app()
