"""The command `mpsnh`."""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import numpy as np
from typing_extensions import override

from mpsnh import studies
from mpsnh.checks import did_you_mean, printable
from mpsnh.extras import extra

with extra("cli"):
    import typer
    import typer.core
    from rich.console import Console
    from rich.text import Text

# What a command needs is imported in it: `mpsnh --help` must not wait for the studies, zarr and matplotlib.
if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mpsnh.run.store import Store

DAMAGED, REFUSED, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
"""Exit codes: a store is damaged, a request can't be met, Ctrl-C, nobody reads the output."""


EXPECTED = (OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, ImportError, RuntimeError)
"""What may be wrong with what a command is given, files included; anything else is a mistake of ours."""


class _Commands(typer.core.TyperGroup):
    """Commands that end with a sentence: on Ctrl-C that of what they were at, or what is wrong with what they got."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            _say(str(stop) or "stopped by Ctrl-C", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort):
            raise  # which are errors of running, too
        except BrokenPipeError:  # nobody reads on, as after `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        except EXPECTED as error:
            _refuse(error)


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, help="Non-Hermitian quantum many-body physics."
)


def _version(wanted: bool) -> None:
    if wanted:
        _say(version("mpsnh"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and nothing else.")
    ] = False,
) -> None: ...


STUDIES = [module.name for module in pkgutil.iter_modules(studies.__path__) if module.ispkg]
"""The names of the studies."""

FAILURES_SHOWN = 5
"""Failed points that `status` lists."""

_StudyName = StrEnum("_StudyName", STUDIES)  # type: ignore[misc]


@app.command()
def reproduce(
    study: Annotated[_StudyName, typer.Argument(help="The paper.")],
    scale: Annotated[str, typer.Option(help="How large: quick, laptop or paper; brighi2025 has desk, too.")] = "quick",
    only: Annotated[list[str] | None, typer.Option(help="A figure, such as fig1a; may be repeated.")] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for figures and datasets.")] = Path("out"),
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = os.cpu_count() or 1,
    seed: Annotated[int, typer.Option(min=0, help="Number of the first disorder realisation.")] = 0,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler, such as tcp://host:8786, to use instead.")
    ] = None,
) -> None:
    """Compute and draw the figures of a paper."""
    with _executor(workers, scheduler) as executor:
        paper = importlib.import_module(f"mpsnh.studies.{study.value}")
        written = paper.reproduce(scale, only or (), out, seed, executor)
    for path in written:
        _say(str(path))


@app.command()
def redraw(
    study: Annotated[_StudyName, typer.Argument(help="The paper.")],
    folder: Annotated[
        Path, typer.Argument(file_okay=False, help="Folder with the netCDF files that `mpsnh reproduce` has written.")
    ],
    only: Annotated[list[str] | None, typer.Option(help="A figure, such as fig1a; may be repeated.")] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the pictures.")] = Path("out"),
) -> None:
    """Draw the figures of a paper, and print its tables, from the numbers of an earlier run: nothing is computed."""
    for path in importlib.import_module(f"mpsnh.studies.{study.value}").redraw(folder, only or (), out):
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
    with extra("dask"):
        distributed = importlib.import_module("distributed")
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
    from mpsnh.run.reading import opened
    from mpsnh.run.store import MISSING

    store = opened(place)
    values = _report(store)
    begun, before = monotonic(), int(np.sum(values != MISSING))
    while watch is not None and np.any(values == MISSING):
        sleep(watch)
        values = store.status()
        gained = int(np.sum(values != MISSING)) - before
        _say(_counted(values) + _pace(gained, monotonic() - begun, int(np.sum(values == MISSING))))


def _report(store: Store) -> Any:
    """Print what is known of a store and return the status of its points."""
    grid, values = store.grid(), store.status()
    _say(f"store      {store.url}")
    for name, labels in grid.axes.items():
        shown = labels if len(labels) <= 6 else [*labels[:3], "…", labels[-1]]
        _say(f"axis       {name}: {len(labels)} ({', '.join(map(str, shown))})")
    _say(f"variables  {', '.join(store.form().parts)}")
    _say(f"points     {_counted(values)}")
    if running := store.running():
        count = math.prod(-(-n // size) for n, size in zip(grid.shape, grid.chunk, strict=True))
        _say(f"running    {running} of {count} regions")
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
    as_map: Annotated[bool, typer.Option("--map", help="Colours over two axes; levels in the complex plane.")] = False,
) -> None:
    """Draw a variable against an axis: means over realisations, with standard errors.

    Works while the sweep is running; points that are missing or failed are left out, and counted.
    """
    from mpsnh.picture import averaged, mapped, picture
    from mpsnh.run.reading import left_out, results

    chosen = _choices(at or ())
    data, status = results(place)
    name, hidden = variable or "map", 0
    if as_map:
        figure = mapped(data, variable, over, chosen)
    else:
        lines = averaged(data, variable, against, over, chosen)
        figure, name = picture(lines, log), lines.attrs["name"]
        hidden = int(np.sum(lines["mean"].values <= 0)) if log else 0
    path = out or Path(f"{name}.png".replace(os.sep, "_"))
    figure.savefig(path)
    if said := left_out(status, chosen):
        _say(said)
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
    from mpsnh.run.reading import opened

    count = opened(place).retry()
    if count:
        _say(f"{count} failed points are marked as missing; the same call of sweep with this store runs them again")
    else:
        _say("no point failed")


@app.command()
def verify(place: _Place) -> None:
    """Read all of a store and say whether it is whole, and what computed it; ends with code 1 if something is damaged.

    The next sweep with the store mends what can be mended, and computes damaged points again.
    """
    from mpsnh.run.reading import opened
    from mpsnh.run.verify import verify as verified

    report = verified(opened(place))
    _say(f"points     {', '.join(f'{count} {name}' for name, count in report.points.items())}")
    for origin in report.origins:
        _say(f"computed   {origin}")
    for fault in report.faults:
        _say(f"damaged    {fault}")
    if report.faults:
        raise typer.Exit(DAMAGED)
    _say("whole      all that is there is as it was written")


@app.command()
def export(
    place: Annotated[str, typer.Argument(metavar="STORE", help="The store of a sweep, or a netCDF file.")],
    to: Annotated[str, typer.Option(help="What to write: netcdf, csv or parquet.")] = "netcdf",
    out: Annotated[Path | None, typer.Option(help="The file; by default beside the store.")] = None,
) -> None:
    """Write the results of a store to a file; points that are missing or failed are NaN."""
    from mpsnh.run.export import export as exported
    from mpsnh.run.reading import results

    beside = Path(Path(place.rstrip("/")).name).with_suffix("") if "://" in place else Path(place).with_suffix("")
    for path in exported(results(place)[0], to, out or beside):
        _say(str(path))


@app.command("models")
def list_models() -> None:
    """List the models that there are, in a line each."""
    _list("models")


@app.command("algorithms")
def list_algorithms() -> None:
    """List the algorithms that there are, in a line each."""
    _list("algorithms")


@app.command("observables")
def list_observables() -> None:
    """List the observables that there are, in a line each."""
    _list("observables")


def _list(room: str) -> None:
    package = importlib.import_module(f"mpsnh.{room}")
    width = max(map(len, package.__all__))
    for name in package.__all__:
        _say(f"{name:{width}}  {(getattr(package, name).__doc__ or '').partition(chr(10))[0].removesuffix('.')}")


@app.command()
def cite(names: Annotated[list[str], typer.Argument(help="Models, algorithms and observables.")]) -> None:
    """Print BibTeX of the papers behind a model, an algorithm or an observable, such as NonHermitianXXZ NHTEBD."""
    from mpsnh.papers import cited

    rooms = [importlib.import_module(f"mpsnh.{room}") for room in ("models", "algorithms", "observables")]
    known = {name: room for room in rooms for name in room.__all__}
    for name in names:
        if name not in known:
            raise ValueError(
                f"there is no {name}{did_you_mean(name, known)}; mpsnh models, mpsnh algorithms, … list all"
            )
    _say(cited(*(getattr(known[name], name) for name in names)))


class _Kind(StrEnum):
    model = "model"


@app.command()
def new(
    kind: Annotated[_Kind, typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="The name of its class, such as LossyChain.")],
) -> None:
    """Begin a model of your own: a file for it and one for its test, here, which are right and yours to change."""
    from mpsnh.starter import write

    for path in write(name, Path()):
        _say(str(path))


def _refuse(error: BaseException) -> NoReturn:
    """Say what is wrong and stop with code 2."""
    words = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = Text(_encodable(printable(words or type(error).__name__), sys.stderr), style="red")
    Console(stderr=True).print(text, soft_wrap=True)
    raise typer.Exit(REFUSED) from None


def _say(text: str, err: bool = False) -> None:
    typer.echo(_encodable(printable(text), sys.stderr if err else sys.stdout), err=err)


def _encodable(text: str, stream: Any) -> str:
    """Return a text with question marks for what a terminal can't show."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def main() -> None:
    """Run the command line."""
    app()
