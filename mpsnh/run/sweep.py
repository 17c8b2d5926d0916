"""Grids of simulations as one labelled dataset, in memory or in a store that survives."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from mpsnh.checks import described, require
from mpsnh.run.display import Display
from mpsnh.run.grid import Grid
from mpsnh.run.labelled import xr
from mpsnh.run.limits import interruptible, one_thread
from mpsnh.run.point import PointRunner, require_importable, require_picklable
from mpsnh.run.reference import Make
from mpsnh.run.remarks import Remarks
from mpsnh.run.results import Results
from mpsnh.run.scheduler import Scheduler
from mpsnh.run.store import Store
from mpsnh.run.worker import end_if_imported_by_a_worker
from mpsnh.run.workers import Workers


def sweep(
    make: Make,
    over: Mapping[str, Sequence[Any] | NDArray[Any]],
    executor: Executor | None = None,
    store: str | Path | Store | None = None,
    batch: int | Literal["auto"] = "auto",
    on_error: Literal["record", "raise"] = "record",
    progress: bool = True,
    time_limit: float | None = None,
    checkpoint_every: float = 60.0,
    workers: int | None = None,
) -> xr.Dataset:
    """Run a simulation at every point of a grid and return one dataset.

    The numbers do not depend on the executor, on the order in which points ran, on `batch` or on interruptions:
    each point runs by itself on one thread. A disorder average is ``.mean("seed")``.
    With a `store`, the same call continues what was interrupted, and a larger grid extends what is there.
    A warning of a point is given here, with the point behind it, wherever the point runs. Of those that differ by
    numbers only the first is given when it comes, and at the end the one with the largest number
    and how many there are.

    Parameters
    ----------
    make : callable
        Takes the coordinates of a point by name and returns its `Simulation`.
        Other processes need a function defined at the top level of a module.
    over : mapping of str to sequence or ndarray
        The axes of the grid and their coordinates: numbers or names.
    executor : concurrent.futures.Executor, optional
        Where the points run; in this process if neither this nor `workers` is given. Of a `ProcessPoolExecutor` the
        sweep takes how many processes there are and how they start, and makes its own, of which any may die.
    store : str, Path or Store, optional
        Folder or fsspec URL of a Zarr group for the results, which any number of sweeps may share; a `Store` where
        fsspec needs options, or to write without waiting for the disk.
    batch : int or "auto"
        How many points run as one task and are stored as one chunk.
    on_error : "record" or "raise"
        Whether a point that fails becomes NaN, with its error under ``failures`` in the attributes, or stops the sweep.
        A result that is not finite counts as failed.
    progress : bool
        Whether to show a progress bar.
    time_limit : float, optional
        Seconds after which a point counts as failed. Its process is killed, so that this needs `workers` or a
        `ProcessPoolExecutor`. Loading modules and compiling kernels does not count.
    checkpoint_every : float
        Seconds between checkpoints, beside the store, of points that take longer than this and go on in time.
    workers : int, optional
        Number of processes on this machine to run the points instead of an `executor`. A script that says so is
        imported by each of them, so that the call must stand below ``if __name__ == "__main__":``.

    Returns
    -------
    xarray.Dataset
        The variables of a single run with the axes of the grid in front. Parameters that are not the same
        at all points are called ``"varies"`` in the attributes.

    Raises
    ------
    ValueError
        If the grid is empty, a coordinate is repeated, an axis is called like a part of the results, the shape of
        a result changes between points, the store holds another study, or `make` depends on more than its arguments.
    TypeError
        If `over` is no mapping of sequences, or `make` does not take an axis, can't be sent to another process or
        returns no `Simulation`.
    KeyboardInterrupt
        On Ctrl-C, with a sentence that says what is kept and how to go on.
    RuntimeError
        If processes can't start or can't import what they shall run: the script calls `sweep` whenever it is imported,
        or their initializer fails.
    BrokenExecutor
        If the executor drops tasks, as that of dask does when its scheduler dies. What was finished stays in the store.

    Examples
    --------
    >>> def chain(h, seed):
    ...     model = models.NonHermitianXXZ(L=6, h=h, seed=seed, boundary="periodic")
    ...     return nh.Simulation(model, algorithms.ExactDiag(vectors="none"), {"gap": observables.SteadyStateGap()})
    >>> data = sweep(chain, over={"h": [1.0, 2.0], "seed": range(3)})
    >>> dict(data["gap"].sizes), dict(data.mean("seed")["gap"].sizes)
    ({'h': 2, 'seed': 3}, {'h': 2})
    """
    end_if_imported_by_a_worker()
    grid = Grid.checked(over)
    _require_axes(make, grid)
    _require_options(batch, on_error, time_limit, checkpoint_every, executor, workers)
    display = Display(progress)
    kept = store if isinstance(store, Store) or store is None else Store(store)
    remarks = Remarks(display.aside)
    results = Results(PointRunner(make, kept, time_limit, checkpoint_every), grid, kept, on_error, remarks)
    crew = Workers(executor, int(workers or 0), time_limit)
    try:
        with interruptible.listening() as attention:
            # a limit that another thread than the main one sets has no effect on OpenBLAS
            with (
                contextlib.closing(crew),
                contextlib.closing(display),
                one_thread(),
                remarks,
                attention.until_then(),
            ):
                if crew.exact:
                    require_picklable(make)
                else:
                    require(time_limit is None, "time_limit", time_limit, _STOPPABLE)
                if workers is not None:
                    require_importable(make)
                display.begin(grid.size)
                results.prepare(batch, crew)
                Scheduler(results, crew, display).run()
            if attention.missed and kept is not None:  # without a store, all there is goes back now
                raise KeyboardInterrupt
        return results.dataset()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped by Ctrl-C: {results.kept()}") from None


def _require_axes(make: Make, grid: Grid) -> None:
    """Raise if a function does not take the coordinates of a point."""
    try:
        inspect.signature(make).bind(**{name: labels[0] for name, labels in grid.axes.items()})
    except TypeError as error:
        raise TypeError(f"make does not take the axes {', '.join(grid.axes)}: {error}") from None


_STOPPABLE = (
    "left out unless processes on this machine run the points, which alone can be stopped wherever they are: "
    "give workers=1 or more, or a ProcessPoolExecutor"
)


def _require_options(
    batch: Any, on_error: Any, time_limit: Any, checkpoint_every: Any, executor: Any, workers: Any
) -> None:
    """Raise if an option is none that there is."""
    require(batch == "auto" or _is_count(batch), "batch", batch, "'auto' or at least 1")
    require(on_error in ("record", "raise"), "on_error", on_error, "'record' or 'raise'")
    require(time_limit is None or _is_positive(time_limit), "time_limit", time_limit, "positive")
    require(_is_positive(checkpoint_every), "checkpoint_every", checkpoint_every, "positive")
    require(workers is None or _is_count(workers), "workers", workers, "an integer of at least 1")
    require(workers is None or executor is None, "workers", workers, "left out where an executor is given")
    if not isinstance(executor, Executor | None):
        hint = "for a number of processes, say workers" if _is_count(executor) else "dask has client.get_executor()"
        raise TypeError(f"executor = {described(executor)}, but it must be a concurrent.futures.Executor; {hint}")


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def _is_positive(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and float(value) > 0
