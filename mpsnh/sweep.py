"""Grids of simulations as one labelled dataset, in memory or in a store that survives."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import itertools
import json
import multiprocessing
import os
import pickle
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from mpsnh.checkpoint import Checkpoint, remove_files
from mpsnh.provenance import common, comparable, difference
from mpsnh.simulation import Simulation
from mpsnh.store import DONE, FAILED, MISSING, Axes, Region, Store, compact, empty_value, lock_name, regions
from mpsnh.value import require
from mpsnh.workers import Here, Workers, deadline, one_thread, worker_died

Make = Callable[..., Simulation[Any]]

REGION_SECONDS = 2.0
"""How long the points of a region should take together, with ``batch="auto"``."""

LARGEST_REGION = 1000
"""Most points in a region, with ``batch="auto"``."""


def sweep(
    make: Make,
    over: Axes,
    executor: Executor | None = None,
    store: str | Path | None = None,
    batch: int | Literal["auto"] = "auto",
    on_error: Literal["record", "raise"] = "record",
    progress: bool = True,
    time_limit: float | None = None,
    checkpoint_every: float = 60.0,
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
    over : mapping of str to sequence
        The axes of the grid and their coordinates: numbers or names.
    executor : concurrent.futures.Executor, optional
        Where the points run; in this process if not given. A process pool that loses a worker is made anew.
    store : str or Path, optional
        Folder or fsspec URL of a Zarr group for the results, which any number of sweeps may share.
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

    Returns
    -------
    xarray.Dataset
        The variables of a single run with the axes of the grid in front. Parameters that are not the same
        at all points are called ``"varies"`` in the attributes.

    Raises
    ------
    ValueError
        If the grid is empty, a coordinate is repeated, an axis is called like a part of the results, the shape of
        a result changes between points, or the store holds another study.
    TypeError
        If `over` is no mapping of sequences, or `make` does not take an axis, can't be sent to another process or
        returns no `Simulation`.
    BrokenExecutor
        If the executor drops tasks, as that of dask does when its scheduler dies. What was finished stays in the store.

    Examples
    --------
    >>> from mpsnh import algorithms, models, observables
    >>> def chain(h, seed):
    ...     model = models.NonHermitianXXZ(L=6, h=h, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(vectors="none"), {"gap": observables.SteadyStateGap()})
    >>> data = sweep(chain, over={"h": [1.0, 2.0], "seed": range(3)})
    >>> dict(data["gap"].sizes), dict(data.mean("seed")["gap"].sizes)
    ({'h': 2, 'seed': 3}, {'h': 2})
    """
    axes = _checked_axes(make, over)
    require(batch == "auto" or (isinstance(batch, int) and batch >= 1), "batch", batch, "'auto' or at least 1")
    require(on_error in ("record", "raise"), "on_error", on_error, "'record' or 'raise'")
    require(time_limit is None or time_limit > 0, "time_limit", time_limit, "positive")
    require(checkpoint_every > 0, "checkpoint_every", checkpoint_every, "positive")
    if isinstance(executor, ProcessPoolExecutor):
        _require_picklable(make)
    kept = Store(store) if store is not None else None
    grid = _Grid(_Runner(make, kept, time_limit, checkpoint_every), axes, kept, on_error)
    workers = Workers(executor or Here())
    shape = tuple(len(labels) for labels in axes.values())
    bar = tqdm(total=int(np.prod(shape)), disable=not progress, unit="run", mininterval=_pause())
    # a limit that another thread than the main one sets has no effect on OpenBLAS
    with contextlib.closing(workers), bar, one_thread():
        grid.prepare(batch, workers)
        bar.total = int(grid.inside.sum())
        _Scheduler(grid, workers, bar).run()
    return grid.result()


@dataclass(frozen=True)
class _Runner:
    """Runs single points, wherever it is sent."""

    make: Make
    store: Store | None
    time_limit: float | None
    checkpoint_every: float

    def __call__(self, point: dict[str, Any]) -> _Point:
        """Run a point and see how long it takes."""
        with one_thread(), deadline(self.time_limit):
            begun = time.perf_counter()
            simulation = self.make(**point)
            kept = self._checkpoint(simulation, point)
            data, coords = simulation.measured() if kept is None else simulation.measured(checkpoint=kept)
            return _Point(point, data, coords, time.perf_counter() - begun, kept.url if kept and kept.exists else None)

    def _checkpoint(self, simulation: Simulation[Any], point: dict[str, Any]) -> Checkpoint | None:
        if self.store is None or simulation.algorithm.yields.axis is None:
            return None
        described = {name: text for name, text in simulation.provenance().items() if name != "versions"}
        name = hashlib.sha256(json.dumps([point, described], sort_keys=True).encode()).hexdigest()[:32]
        return simulation.checkpoint(
            f"{self.store.url}.checkpoints/{name}.npz", every=self.checkpoint_every, patience=self.checkpoint_every
        )


@dataclass(frozen=True)
class _Point:
    """What came of a point."""

    point: dict[str, Any]
    data: dict[str, Any]
    coords: dict[str, Any]
    seconds: float
    checkpoint: str | None

    def require_finite(self) -> None:
        for name, (_, values, _) in self.data.items():
            if not np.all(np.isfinite(values)):
                raise FloatingPointError(f"the result {name!r} is not finite")


@dataclass(frozen=True)
class _Task:
    """A region of the grid to compute, wherever it is sent."""

    run: _Runner
    labels: dict[str, Sequence[Any]]
    region: Region
    form: xr.Dataset
    wanted: NDArray[np.bool_]
    store: Store | None
    on_error: str

    def points(self) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
        """Yield place in the region and coordinates of each point that is wanted."""
        for place in itertools.product(*(range(len(part)) for part in self.labels.values())):
            if self.wanted[place]:
                yield place, {name: part[k] for (name, part), k in zip(self.labels.items(), place, strict=True)}

    def split(self) -> Iterator[_Task]:
        """Yield a task for each point."""
        for place, _ in self.points():
            wanted = np.zeros_like(self.wanted)
            wanted[place] = True
            yield replace(self, wanted=wanted)


@dataclass
class _Outcome:
    """What came of a task; the values are only sent back if there is no store."""

    status: NDArray[np.uint8]
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    busy: bool = False

    def put(self, place: tuple[int, ...], result: _Point) -> None:
        """Take over the result of a point."""
        for name, (_, values, _) in result.data.items():
            self.values[name][place] = values
        self.status[place] = DONE
        if result.checkpoint is not None:
            self.checkpoints.append(result.checkpoint)


def _compute(task: _Task) -> _Outcome:
    """Run the points of a region, in whatever process this is."""
    with contextlib.ExitStack() as held:
        wanted = task.wanted
        if task.store is not None:
            if not held.enter_context(task.store.locked(lock_name(task.region))):
                return _Outcome(np.zeros(wanted.shape, np.uint8), busy=True)
            # Somebody else may have finished some of it since the task was made.
            wanted = wanted & (task.store.status(task.region) == MISSING)
        outcome = _empty_outcome(task.form, wanted.shape)
        written = time.monotonic()
        try:
            for place, point in task.points():
                if wanted[place]:
                    _run_point(task, place, point, outcome)
                    if time.monotonic() - written > task.run.checkpoint_every:
                        _save(task, outcome)
                        written = time.monotonic()
        except SystemExit:
            if multiprocessing.parent_process() is None:
                raise
            os.kill(os.getpid(), signal.SIGKILL)  # a worker that is told to end is one that died, and no result
        finally:
            _save(task, outcome)
        if task.store is not None:
            outcome.values = {}
        return outcome


def _save(task: _Task, outcome: _Outcome) -> None:
    """Write what a task has finished to the store, after which its checkpoints are of no use."""
    if task.store is None:
        return
    task.store.write(task.region, outcome.values, outcome.status, outcome.failures)
    while outcome.checkpoints:
        remove_files(outcome.checkpoints.pop())


def _run_point(task: _Task, place: tuple[int, ...], point: dict[str, Any], outcome: _Outcome) -> None:
    try:
        result = task.run(point)
        _require_form(task.form, result)
        result.require_finite()
    except _FormError:
        raise
    except Exception as error:
        if task.on_error == "raise":
            raise
        outcome.status[place] = FAILED
        where = traceback.extract_tb(error.__traceback__)[-1]
        described = f"{type(error).__name__}: {error} (in {where.name}, {Path(where.filename).name}:{where.lineno})"
        outcome.failures.append({"point": point, "error": described})
        return
    outcome.put(place, result)


class _FormError(ValueError):
    """The result of a point does not fit those of the others, which no retry can mend."""


def _require_form(form: xr.Dataset, result: _Point) -> None:
    data, coords, point = result.data, result.coords, result.point
    sizes = {name: np.shape(values) for name, (_, values, _) in data.items()}
    known = {str(name): variable.shape for name, variable in form.data_vars.items()}
    for name, (_, values, _) in data.items():
        kind = np.asarray(values).dtype
        if name in known and not np.can_cast(kind, form[name].dtype):
            raise _FormError(
                f"the result {name!r} at {point} has the type {kind}, but at the first point it has "
                f"{form[name].dtype}; a sweep needs the same type at all points"
            )
    same = sizes == known and all(np.array_equal(form[name].values, coords[str(name)][1]) for name in form.coords)
    if not same:
        raise _FormError(
            f"the result at {point} has the form {sizes}, but at the first point it has {known}, or their labels "
            f"({', '.join(map(str, form.coords))}) differ; a sweep needs the same form at all points"
        )


def _empty_outcome(form: xr.Dataset, shape: tuple[int, ...]) -> _Outcome:
    values = {
        str(name): np.full(shape + variable.shape, empty_value(variable.dtype), variable.dtype)
        for name, variable in form.data_vars.items()
    }
    return _Outcome(np.zeros(shape, np.uint8), values)


class _Grid:
    """The grid, what is known of it, and where its results go."""

    def __init__(self, run: _Runner, axes: dict[str, Sequence[Any]], store: Store | None, on_error: str) -> None:
        self.run, self.wanted_axes, self.store, self.on_error = run, axes, store, on_error
        self.axes = axes

    def prepare(self, batch: int | Literal["auto"], workers: Workers) -> None:
        """Find the form of the results, and make, open or extend the store."""
        provenance, self.memory = _provenance(self.run.make, self.axes, self.on_error)
        self.described = {name: text for name, text in provenance.items() if name != "versions"}
        identity = {"axes": list(self.axes), **{name: json.loads(text) for name, text in provenance.items()}}
        first: list[_Point] = []
        with self.store.locked("making", wait=True) if self.store else contextlib.nullcontext():
            if self.store is not None and self.store.exists():
                _require_same_study(self.store, identity, list(self.axes))
                merged = common([self.store.identity, identity]) | {"versions": self.store.identity["versions"]}
                texts = {name: json.dumps(merged[name], ensure_ascii=False) for name in self.described}
                self.store.describe(merged, texts)
                self.store.extend(self.axes)
                for region in self.store.damaged():
                    warnings.warn(f"a chunk of {self.store.url} was damaged; {region} is computed again", stacklevel=4)
                    self.store.discard(region)
                self.form, self.axes, self.chunk = self.store.form(), self.store.axes(), self.store.chunk()
            else:
                first, seconds = self._first(workers)
                self.form = xr.Dataset(first[0].data, first[0].coords, provenance)
                self.chunk = _chunk([len(labels) for labels in self.axes.values()], batch, seconds)
                if self.store is not None:
                    self.store.create(self.form, self.axes, self.chunk, identity)
            shape = tuple(len(labels) for labels in self.axes.values())
            self.outcome = _empty_outcome(self.form, shape if self.store is None else (0,) * len(shape))
            self.inside = np.ones(shape, bool)
            if self.axes != self.wanted_axes:
                inside = [np.isin(labels, self.wanted_axes[name]) for name, labels in self.axes.items()]
                self.inside = functools.reduce(np.logical_and.outer, inside)
            for result in first:
                self._accept(result)

    def _first(self, workers: Workers) -> tuple[list[_Point], float]:
        """Run points until one succeeds, for the form of the results and the time that a point takes.

        As many as there are workers run at once, and all that succeed count: each may take hours.
        """
        points, problem = _points(self.axes), None
        while batch := list(itertools.islice(points, min(workers.count() or 1, _fitting(self.memory)))):
            found = []
            for future in [workers.submit(self.run, point) for point in batch]:
                workers.finished([future])
                try:
                    found.append(future.result())
                except Exception as error:
                    if self.on_error == "raise":
                        raise
                    problem = error
                    if worker_died(error):
                        workers.renew()
            if found:
                return found, self._shortest(found[0], workers)
        raise ValueError(f"every point of the grid failed, the last one with {problem!r}") from problem

    def _shortest(self, first: _Point, workers: Workers) -> float:
        """Return the time that a point takes; the first run loads and caches things, and a short one says little."""
        seconds = first.seconds
        for _ in range(2):
            if seconds > 0.1 * REGION_SECONDS:
                break
            (future,) = workers.finished([workers.submit(self.run, first.point)])
            with contextlib.suppress(Exception):
                seconds = min(seconds, future.result().seconds)
        return seconds

    def _accept(self, result: _Point) -> None:
        """Take over a point that ran before the regions were known; one that is not right runs again in its region."""
        try:
            _require_form(self.form, result)
            result.require_finite()
        except (_FormError, FloatingPointError):
            return
        index = [labels.index(result.point[name]) for name, labels in self.axes.items()]
        region = tuple(
            slice(k - k % size, min(k - k % size + size, n))
            for k, size, n in zip(index, self.chunk, self.inside.shape, strict=True)
        )
        outcome = _empty_outcome(self.form, tuple(part.stop - part.start for part in region))
        outcome.put(tuple(k - part.start for k, part in zip(index, region, strict=True)), result)
        task = self.task(region, np.zeros(outcome.status.shape, bool))
        _save(task, outcome)
        self.keep(region, outcome)

    def pending(self) -> list[tuple[Region, NDArray[np.bool_]]]:
        """Return the regions with points that are wanted and missing, and which points these are."""
        # The grid of the store may have grown since, by another sweep.
        mine = tuple(slice(0, n) for n in self.inside.shape)
        status = self.outcome.status if self.store is None else self.store.status(mine)
        wanted = (status == MISSING) & self.inside
        return [(region, wanted[region]) for region in regions(status.shape, self.chunk) if wanted[region].any()]

    def task(self, region: Region, wanted: NDArray[np.bool_]) -> _Task:
        labels = {name: labels[part] for (name, labels), part in zip(self.axes.items(), region, strict=True)}
        return _Task(self.run, labels, region, self.form, wanted, self.store, self.on_error)

    def keep(self, region: Region, outcome: _Outcome) -> None:
        """Take over what a task sent back."""
        if self.store is not None:
            return
        fresh = outcome.status != MISSING
        for name, block in outcome.values.items():
            self.outcome.values[name][region][fresh] = block[fresh]
        self.outcome.status[region][fresh] = outcome.status[fresh]
        self.outcome.failures.extend(outcome.failures)

    def lost(self, task: _Task, error: BaseException) -> None:
        """Record the points of a task that took its worker with it."""
        limit = "" if self.run.time_limit is None else f" (perhaps at time_limit = {self.run.time_limit} s)"
        described = f"the worker died{limit}: {type(error).__name__} {error}".strip()
        outcome = _empty_outcome(self.form, task.wanted.shape)
        for place, point in task.points():
            outcome.status[place] = FAILED
            outcome.failures.append({"point": point, "error": described})
        _save(task, outcome)
        self.keep(task.region, outcome)

    def result(self) -> xr.Dataset:
        """Return the dataset of the points that were asked for."""
        if self.store is not None:
            with self.store.locked("making", wait=True):  # nobody extends it meanwhile
                data = self.store.load(self.wanted_axes).assign_attrs(self.described)
                failures = self.store.failures()
        else:
            variables = {
                name: ((*self.axes, *self.form[name].dims), values, self.form[name].attrs)
                for name, values in self.outcome.values.items()
            }
            labels = {name: np.asarray(labels) for name, labels in self.axes.items()}
            coords = {name: variable.variable for name, variable in self.form.coords.items()}
            data, failures = xr.Dataset(variables, {**labels, **coords}, self.form.attrs), self.outcome.failures
        if failures:
            places = {name: {x: k for k, x in enumerate(labels)} for name, labels in self.wanted_axes.items()}
            failures = [f for f in failures if all(x in places[name] for name, x in f["point"].items())]
            failures.sort(key=lambda f: [places[name][x] for name, x in f["point"].items()])
        if failures:
            first = failures[0]
            warnings.warn(
                f"{len(failures)} points failed; the first is {first['point']}: {first['error']}", stacklevel=3
            )
            failed = xr.DataArray(np.zeros([data.sizes[name] for name in self.axes], bool), dims=list(self.axes))
            for failure in failures:
                failed.values[tuple(places[name][x] for name, x in failure["point"].items())] = True
            # NaN also where the type has none, so that an average can't count a failure as a zero.
            counted = {name: values.where(~failed) for name, values in data.items() if values.dtype.kind in "iub"}
            data = data.assign(counted).assign_attrs(failures=json.dumps(failures, ensure_ascii=False))
        return data


class _Scheduler:
    """Keeps the workers busy with a few tasks at a time."""

    def __init__(self, grid: _Grid, workers: Workers, bar: Any) -> None:
        self.grid, self.workers, self.bar = grid, workers, bar
        # As many tasks as fit in the memory of this machine at once, and a few more to wait for a worker if those of
        # all workers fit. Executors that reach other machines have their own memory.
        local, fitting = getattr(workers.executor, "_max_workers", None), _fitting(grid.memory)
        waiting = 1 if isinstance(workers.executor, Here) else 4
        self.window = 1024 if local is None else waiting * local if fitting >= local else fitting

    def run(self) -> None:
        """Run until every point is done, here or in another sweep on the same store."""
        patience = 0.1
        while True:
            pending = self.grid.pending()
            self.bar.n = int(self.grid.inside.sum()) - sum(int(wanted.sum()) for _, wanted in pending)
            self.bar.refresh()
            if not pending:
                return
            if self._pass(pending):
                patience = 0.1
            else:  # another sweep works on all that is left
                time.sleep(patience)
                patience = min(2 * patience, 2.0)

    def _pass(self, pending: list[tuple[Region, NDArray[np.bool_]]]) -> bool:
        """Run the pending regions once; return whether any was computed here."""
        worked = False
        waiting = iter(pending)
        running: dict[Future[_Outcome], _Task] = {}
        suspects: list[_Task] = []
        try:
            while True:
                for region, wanted in itertools.islice(waiting, self.window - len(running)):
                    task = self.grid.task(region, wanted)
                    running[self.workers.submit(_compute, task)] = task
                if not running:
                    break
                for future in self.workers.finished(running):
                    task = running.pop(future)
                    try:
                        worked |= self._take(task.region, future.result())
                    except Exception as error:
                        if not worker_died(error):
                            raise
                        suspects.append(task)
                if suspects and not running:
                    worked |= self._one_by_one(suspects)
                    suspects = []
        finally:
            for future in running:
                future.cancel()
        return worked

    def _one_by_one(self, tasks: list[_Task]) -> bool:
        """Run tasks that were under way when a worker died, so that the guilty one is known."""
        self.workers.renew()
        left = list(tasks)
        while left:
            task = left.pop()
            (future,) = self.workers.finished([self.workers.submit(_compute, task)])
            try:
                self._take(task.region, future.result())
            except Exception as error:
                if not worker_died(error):
                    raise
                self.workers.renew()
                if self.grid.on_error == "raise":
                    raise
                alone = list(task.split())
                if len(alone) > 1:
                    left.extend(alone)
                else:
                    self.grid.lost(task, error)
        return True

    def _take(self, region: Region, outcome: _Outcome) -> bool:
        if outcome.busy:
            return False
        self.grid.keep(region, outcome)
        self.bar.update(int(np.sum(outcome.status != MISSING)))
        return True


def _checked_axes(make: Make, over: Axes) -> dict[str, Sequence[Any]]:
    if not isinstance(over, Mapping):
        raise TypeError(f"over = {over!r}, but it must be a mapping of axes to their coordinates")
    require(bool(over), "over", dict(over), "a mapping with at least one axis")
    for name, coordinates in over.items():
        if isinstance(coordinates, Iterator):
            raise TypeError(f"over[{name!r}] = {coordinates!r}, but it must be a sequence of numbers or names")
        if not np.iterable(coordinates) or isinstance(coordinates, str) or np.ndim(next(iter(coordinates), 0)):
            raise TypeError(f"over[{name!r}] = {coordinates!r}, but it must be a sequence of numbers or names")
    axes = {name: compact(_distinct(name, labels)) for name, labels in over.items()}
    try:
        inspect.signature(make).bind(**{name: coordinates[0] for name, coordinates in axes.items()})
    except TypeError as error:
        raise TypeError(f"make does not take the axes {', '.join(axes)}: {error}") from None
    return axes


def _distinct(name: str, labels: Sequence[Any]) -> Sequence[Any]:
    array = np.asarray(labels if isinstance(labels, range) else list(labels))
    if not array.size:
        require(False, f"over[{name!r}]", [], "not empty")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        require(False, f"over[{name!r}]", array.tolist(), "finite")
    if isinstance(labels, range):
        return labels
    if np.unique(array).size < array.size:
        require(False, f"over[{name!r}]", array.tolist(), "without repetitions")
    plain: list[Any] = array.tolist()
    return plain


def _points(axes: Axes) -> Iterator[dict[str, Any]]:
    """Yield the coordinates of each point of a grid, one after the other."""
    for index in np.ndindex(*(len(labels) for labels in axes.values())):
        yield {name: labels[k] for (name, labels), k in zip(axes.items(), index, strict=True)}


def _require_picklable(make: Make) -> None:
    parts = {"make": make}
    if isinstance(make, functools.partial):
        parts = {
            "the function in make": make.func,
            **{f"argument {k} of make": v for k, v in enumerate(make.args)},
            **{f"the argument {k!r} of make": v for k, v in make.keywords.items()},
        }
    for part, value in parts.items():
        try:
            pickle.dumps(value)
        except Exception as error:
            raise TypeError(f"{part} can't be sent to another process: {error}") from None


def _provenance(make: Make, axes: dict[str, Sequence[Any]], on_error: str) -> tuple[dict[str, str], float]:
    """Return the parameters of the simulations, "varies" for those that an axis changes, and the memory one needs."""
    problem = None
    for first in _points(axes):
        try:
            simulation = make(**first)
        except Exception as error:
            if on_error == "raise":
                raise
            problem = error
            continue
        break
    else:
        raise ValueError(f"no point of the grid can be made; the last one failed with {problem!r}") from problem
    if not isinstance(simulation, Simulation):
        raise TypeError(f"make returned {type(simulation).__name__}, but it must return a Simulation")
    for name in axes:
        require(name not in simulation.names, "axis", name, "another name: the results have a part called so")
    simulations = [simulation]
    for name, coordinates in axes.items():
        with contextlib.suppress(Exception):  # a point that can't be made is reported where it runs
            simulations.extend(make(**{**first, name: coordinates[k]}) for k in (-1, 0))
    known = [each.provenance() for each in simulations]
    merged = {
        name: json.dumps(common([json.loads(each[name]) for each in known]), ensure_ascii=False) for name in known[0]
    }
    return merged, max(each.algorithm.memory(each.model) for each in simulations)


def _require_same_study(store: Store, identity: dict[str, Any], axes: list[str]) -> None:
    """Refuse a store of another study; versions must agree in the package only."""
    if found := difference(comparable(store.identity), comparable(identity), axes):
        raise ValueError(f"store = {store.url!r} holds another study: {found}")


def _chunk(shape: list[int], batch: int | Literal["auto"], seconds: float) -> tuple[int, ...]:
    """Choose the size of a region along each axis: a run of points along the last axes."""
    total = int(np.prod(shape))
    if batch == "auto":
        fitting = int(np.clip(REGION_SECONDS / max(seconds, 1e-6), 1, LARGEST_REGION))
        left = min(fitting, max(1, -(-total // 16)))  # so that there is something to share
    else:
        left = batch
    sizes: list[int] = []
    for n in reversed(shape):
        sizes.append(max(1, min(n, left)))
        left = left // n if left >= n else 1
    return tuple(reversed(sizes))


def _fitting(memory: float) -> int:
    """Return how many points fit in the memory of this machine at once."""
    return int(max(1, psutil.virtual_memory().available / max(memory, 1.0)))


def _pause() -> float:
    """Return the seconds between updates of a progress bar; a log file needs few."""
    return 0.2 if sys.stderr.isatty() else 30.0
