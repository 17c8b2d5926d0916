"""The command `mpsnh`."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import numpy as np
import typer
import typer.core
from rich.console import Console
from rich.text import Text
from typing_extensions import override

from mpsnh import studies

# What a command needs is imported in it: `mpsnh --help` must not wait for the studies, zarr and matplotlib.
if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mpsnh.run.store import Store

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


class _Commands(typer.core.TyperGroup):
    """Commands that end on Ctrl-C with the sentence of what they were at."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            typer.echo(_printable(str(stop) or "stopped by Ctrl-C"), err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, help="Non-Hermitian quantum many-body physics."
)

STUDIES = [module.name for module in pkgutil.iter_modules(studies.__path__) if module.ispkg]
"""The names of the studies."""

FAILURES_SHOWN = 5
"""Failed points that `status` lists."""

_StudyName = StrEnum("_StudyName", STUDIES)  # type: ignore[misc]


@app.command()
def reproduce(
    study: Annotated[_StudyName, typer.Argument(help="The paper.")],
    scale: Annotated[str, typer.Option(help="How large: quick, laptop or paper.")] = "quick",
    only: Annotated[list[str] | None, typer.Option(help="A figure, such as fig1a; may be repeated.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for figures and datasets.")] = Path("out"),
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = os.cpu_count() or 1,
    seed: Annotated[int, typer.Option(min=0, help="Number of the first disorder realisation.")] = 0,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler, such as tcp://host:8786, to use instead.")
    ] = None,
) -> None:
    """Compute and draw the figures of a paper."""
    try:
        with _executor(workers, scheduler) as executor:
            paper = importlib.import_module(f"mpsnh.studies.{study.value}")
            written = paper.reproduce(scale, only or (), out, seed, executor)
    except (ValueError, FileExistsError) as error:
        _refuse(error)
    for path in written:
        _say(str(path))


@contextmanager
def _executor(workers: int, scheduler: str | None) -> Iterator[Executor | None]:
    """Yield what runs the simulations: a dask cluster, processes, or nothing for this process."""
    if scheduler is not None:
        with _client(scheduler) as client:
            yield client.get_executor()
    elif workers > 1:
        from mpsnh.run.workers import local_processes

        with local_processes(workers) as pool:  # one for all sweeps of the study
            yield pool
    else:
        yield None


def _client(scheduler: str) -> Any:
    """Connect to a dask scheduler; its security is what the configuration of dask says."""
    try:
        distributed = importlib.import_module("distributed")
    except ImportError:
        raise ValueError("--scheduler needs the package distributed: pip install distributed") from None
    # of which dask would leave half a client behind, that hangs at the end of the program
    address = re.fullmatch(r"(?:(?:tcp|tls|ucx|ws|wss)://)?[^/\s]+:(\d+)", scheduler)
    if address is None or int(address[1]) > 65535:
        raise ValueError(f"no dask scheduler answers at {scheduler}: an address is one such as tcp://host:8786")
    try:
        return distributed.Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:  # nobody there, TLS without certificates, no such protocol
        raise ValueError(f"no dask scheduler answers at {scheduler}: {error}") from None


_Place = Annotated[str, typer.Argument(metavar="STORE", help="The store of a sweep.")]


@app.command()
def status(
    place: _Place,
    watch: Annotated[
        float | None, typer.Option(min=0.1, help="Look again every so many seconds until no point is missing.")
    ] = None,
) -> None:
    """Say how far a sweep is: what is done, running, failed and missing."""
    from mpsnh.picture import opened
    from mpsnh.run.store import MISSING

    try:
        store = opened(place)
        values = _report(store)
        begun, before = monotonic(), int(np.sum(values != MISSING))
        while watch is not None and np.any(values == MISSING):
            sleep(watch)
            values = store.status()
            gained = int(np.sum(values != MISSING)) - before
            _say(_counted(values) + _pace(gained, monotonic() - begun, int(np.sum(values == MISSING))))
    except (OSError, ValueError, KeyError) as error:
        _refuse(error)


def _report(store: Store) -> Any:
    """Print what is known of a store and return the status of its points."""
    grid, values = store.grid(), store.status()
    _say(f"store      {store.url}")
    for name, labels in grid.axes.items():
        shown = labels if len(labels) <= 6 else [*labels[:3], "…", labels[-1]]
        _say(f"axis       {name}: {len(labels)} ({', '.join(map(str, shown))})")
    _say(f"variables  {', '.join(store.form().parts)}")
    _say(f"points     {_counted(values)}")
    if running := _running(store, values):
        _say(f"running    {running} of {sum(1 for _ in grid.regions())} regions")
    failures = store.failures()
    for failure in failures[:FAILURES_SHOWN]:
        point = ", ".join(f"{name}={label}" for name, label in failure["point"].items())
        _say(f"failed     {point}: {failure['error']}")
    if len(failures) > FAILURES_SHOWN:
        _say(f"           and {len(failures) - FAILURES_SHOWN} more")
    return values


def _counted(values: Any) -> str:
    from mpsnh.run.store import DONE, FAILED, MISSING

    done, failed, missing = (int(np.sum(values == each)) for each in (DONE, FAILED, MISSING))
    return f"{values.size}: {done} done ({done / values.size:.1%}), {failed} failed, {missing} missing"


def _running(store: Store, values: Any) -> int:
    """Count the regions with missing points that somebody holds the lock of, as far as this can be seen from here."""
    from mpsnh.run.store import MISSING, region_name

    locks, count = Path(f"{store.url}.locks"), 0
    for region in store.grid().regions():
        name = region_name(region)
        if np.any(values[region] == MISSING) and (locks / f"{name}.lock").exists():
            try:
                with store.locked(name) as free:
                    count += not free
            except OSError:  # a folder that this user may only read
                return 0
    return count


def _pace(gained: int, seconds: float, missing: int) -> str:
    """Describe the speed seen so far, and how long the rest takes at this speed."""
    if gained <= 0 or not missing:
        return ""
    left = missing * seconds / gained
    unit, size = next(((unit, size) for unit, size in (("h", 3600), ("min", 60)) if left >= size), ("s", 1))
    return f"; {60 * gained / seconds:.3g} a minute while watched, {left / size:.1f} {unit} left at this speed"


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="STORE", help="The store of a sweep, or a netCDF file.")],
    variable: Annotated[str | None, typer.Option(help="What to draw; by default the first observable.")] = None,
    against: Annotated[str | None, typer.Option(help="Axis to draw it against; by default the time or first.")] = None,
    over: Annotated[str | None, typer.Option(help="Axis to average over; by default seed.")] = None,
    at: Annotated[list[str] | None, typer.Option(help="AXIS=VALUE: only this coordinate; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="The picture (.png, .pdf, .svg); by default VARIABLE.png.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic vertical axis.")] = False,
) -> None:
    """Draw a variable against an axis: means over realisations, with standard errors.

    Works while the sweep is running; points that are missing or failed are left out.
    """
    from mpsnh.picture import averaged, picture, results

    try:
        chosen = _choices(at or ())
        lines = averaged(results(place), variable, against, over, chosen)
        path = out or Path(f"{lines.attrs['name']}.png".replace(os.sep, "_"))
        picture(lines, log).savefig(path)
        hidden = int(np.sum(lines["mean"].values <= 0)) if log else 0
    except (OSError, ValueError, KeyError) as error:
        _refuse(error)
    if hidden:
        _say(f"{hidden} of {lines['mean'].size} means are zero or negative, which a logarithmic axis can't show")
    _say(str(path))


def _choices(texts: Iterable[str]) -> dict[str, str]:
    chosen = dict[str, str]()
    for text in texts:
        axis, equals, label = map(str.strip, text.partition("="))
        if not equals:
            raise ValueError(f"--at {text}, but it must be AXIS=VALUE")
        if axis in chosen:
            raise ValueError(f"--at {text}, but {axis} is chosen already: --at {axis}={chosen[axis]}")
        chosen[axis] = label
    return chosen


@app.command()
def retry(place: _Place) -> None:
    """Mark the failed points of a store as missing, so that the sweep runs them again."""
    from mpsnh.picture import opened

    try:
        count = opened(place).retry()
    except (OSError, ValueError, KeyError) as error:
        _refuse(error)
    if count:
        _say(f"{count} failed points are marked as missing; the same call of sweep with this store runs them again")
    else:
        _say("no point failed")


def _refuse(error: Exception) -> NoReturn:
    """Say what is wrong and stop with code 2."""
    Console(stderr=True).print(Text(_printable(str(error)), style="red"), soft_wrap=True)
    raise typer.Exit(2) from None


def _say(text: str) -> None:
    typer.echo(_printable(text))


def _printable(text: str) -> str:
    """Return a text without control characters: what a store from elsewhere says goes to a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else "�" for each in text)


def main() -> None:
    """Run the command line."""
    app()
