"""Grids of simulations as one labelled dataset, in memory or in a store that survives."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any, Literal

import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from mpsnh.checks import require
from mpsnh.run.grid import Grid
from mpsnh.run.limits import one_thread
from mpsnh.run.point import PointRunner, require_importable, require_picklable
from mpsnh.run.reference import Make
from mpsnh.run.results import Results
from mpsnh.run.scheduler import Scheduler
from mpsnh.run.store import Store
from mpsnh.run.workers import Workers, end_if_imported_by_a_worker


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

    Parameters
    ----------
    make : callable
        Takes the coordinates of a point by name and returns its `Simulation`.
        Other processes need a function defined at the top level of a module.
    over : mapping of str to sequence or ndarray
        The axes of the grid and their coordinates: numbers or names.
    executor : concurrent.futures.Executor, optional
        Where the points run; in this process if neither this nor `workers` is given. A process pool that loses a worker
        is made anew.
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
        Seconds after which a point counts as failed. A process of a pool that does not even react to that, because it
        is inside of a long call of a library, is killed after half as long again.
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
        If processes can't import what they shall run: the script calls `sweep` whenever it is imported.
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
    require(batch == "auto" or (isinstance(batch, int) and batch >= 1), "batch", batch, "'auto' or at least 1")
    require(on_error in ("record", "raise"), "on_error", on_error, "'record' or 'raise'")
    require(time_limit is None or time_limit > 0, "time_limit", time_limit, "positive")
    require(checkpoint_every > 0, "checkpoint_every", checkpoint_every, "positive")
    if workers is not None:
        require(isinstance(workers, int) and workers >= 1, "workers", workers, "an integer of at least 1")
        require(executor is None, "workers", workers, "left out where an executor is given")
    if workers is not None:
        require_importable(make)
    if workers is not None or isinstance(executor, ProcessPoolExecutor):
        require_picklable(make)
    kept = store if isinstance(store, Store) or store is None else Store(store)
    results = Results(PointRunner(make, kept, time_limit, checkpoint_every), grid, kept, on_error)
    crew = Workers(executor, workers or 0)
    bar = tqdm(total=grid.size, disable=not progress, unit="run", mininterval=_pause())
    # a limit that another thread than the main one sets has no effect on OpenBLAS
    with contextlib.closing(crew), bar, one_thread():
        try:
            results.prepare(batch, crew)
            bar.total = int(results.inside.sum())
            Scheduler(results, crew, bar).run()
        except KeyboardInterrupt:
            crew.interrupt()
            raise KeyboardInterrupt(f"stopped by Ctrl-C: {results.kept()}") from None
    return results.dataset()


def _require_axes(make: Make, grid: Grid) -> None:
    """Raise if a function does not take the coordinates of a point."""
    try:
        inspect.signature(make).bind(**{name: labels[0] for name, labels in grid.axes.items()})
    except TypeError as error:
        raise TypeError(f"make does not take the axes {', '.join(grid.axes)}: {error}") from None


def _pause() -> float:
    """Return the seconds between updates of a progress bar; a log file needs few."""
    return 0.2 if sys.stderr.isatty() else 30.0
