"""A region of the grid as a task for a worker."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.run.checkpoint import remove_files
from mpsnh.run.failure import describe, sendable
from mpsnh.run.form import Form
from mpsnh.run.grid import Grid, Index, Point, Region
from mpsnh.run.limits import interruptible, one_thread
from mpsnh.run.point import PointFailure, PointResult, PointRunner
from mpsnh.run.reference import WorkerError
from mpsnh.run.remarks import Remark, Remarks, hearing
from mpsnh.run.simulation import Simulation
from mpsnh.run.store import DONE, FAILED, MISSING, Store, region_name


@dataclass(frozen=True)
class Task:
    """A region of the grid to compute, wherever it is sent.

    Attributes
    ----------
    run : PointRunner
        Runs a point.
    grid : Grid
        The points of the region.
    region : tuple of slice
        Where it is in the grid of the sweep.
    form : Form
        What the results of all points share.
    wanted : ndarray of bool
        Which of its points to compute.
    store : Store or None
        Where the results go; they are sent back if there is none.
    on_error : "record" or "raise"
        Whether a point that fails is recorded or stops the sweep.
    made : dict
        Simulations that have been made already, by place in the region.

    Examples
    --------
    >>> def ring(seed):
    ...     model = models.NonHermitianXXZ(L=4, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(), {"rate": observables.GrowthRate()})
    >>> run = PointRunner(ring, store=None, time_limit=None, checkpoint_every=60.0)
    >>> result = run({"seed": 0})
    >>> form = Form.of(result.data, result.coords)
    >>> task = Task(run, Grid({"seed": [0, 1]}), (slice(0, 2),), form, np.array([True, False]), None, "record")
    >>> list(task.points())
    [((0,), {'seed': 0})]
    """

    run: PointRunner
    grid: Grid
    region: Region
    form: Form
    wanted: NDArray[np.bool_]
    store: Store | None
    on_error: str
    made: dict[Index, Simulation[Any]] = field(default_factory=dict, repr=False)

    def points(self, wanted: NDArray[np.bool_] | None = None) -> Iterator[tuple[Index, Point]]:
        """Yield place in the region and coordinates of each point that is wanted."""
        chosen = self.wanted if wanted is None else wanted
        places = np.ndindex(*self.grid.shape)
        yield from ((place, point) for place, point in zip(places, self.grid.points(), strict=True) if chosen[place])

    def split(self, place: int | None) -> tuple[list[Task], list[Task]]:
        """Return tasks for what a worker did that died: those without any blame, and those of single suspects.

        Parameters
        ----------
        place : int or None
            Place of the point that it was at, counted along the last axis first; if unknown, any may be to blame.
        """
        number = np.arange(self.wanted.size).reshape(self.wanted.shape)
        if place is None:
            innocent, suspects = [], [number == k for k in number[self.wanted]]
        else:  # apart, so that what comes first is not run again with each guilty point behind it
            innocent, suspects = [number < place, number > place], [number == place]
        tasks = [[replace(self, wanted=self.wanted & part) for part in parts] for parts in (innocent, suspects)]
        return [task for task in tasks[0] if task.wanted.any()], tasks[1]

    def outcome(self) -> Outcome:
        """Return an outcome without any results."""
        return Outcome(np.zeros(self.grid.shape, np.uint8), self.form.empty(self.grid.shape))

    def save(self, outcome: Outcome) -> None:
        """Write what is finished to the store, after which its checkpoints are of no use."""
        if self.store is None:
            return
        self.store.write(self.region, outcome.values, outcome.status, outcome.failures)
        while outcome.checkpoints:
            remove_files(outcome.checkpoints.pop())


@dataclass
class Outcome:
    """What came of a task; the values are only sent back if there is no store, and an error if the sweep shall stop.

    Examples
    --------
    >>> outcome = Outcome(np.zeros(2, np.uint8), {"gap": np.zeros(2)})
    >>> outcome.put((1,), PointResult({"seed": 7}, {"gap": ((), 0.5, {})}, {}, seconds=0.1, checkpoint=None))
    >>> outcome.values["gap"].tolist(), outcome.status.tolist() == [MISSING, DONE]
    ([0.0, 0.5], True)
    """

    status: NDArray[np.uint8]
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    error: BaseException | None = None
    busy: bool = False

    @property
    def finished(self) -> int:
        """How many points are done or failed."""
        return int(np.sum(self.status != MISSING))

    def put(self, place: Index, result: PointResult) -> None:
        """Take over the result of a point."""
        for name, values in self.values.items():
            values[place] = result.data[name][1]
        self.status[place] = DONE
        self.remarks.extend(result.remarks)
        if result.checkpoint is not None:
            self.checkpoints.append(result.checkpoint)

    def fail(self, place: Index, point: Point, described: str) -> None:
        """Record that a point failed, and why."""
        self.status[place] = FAILED
        self.failures.append({"point": point, "error": described})


def compute_region(task: Task) -> Outcome:
    """Run the points of a region on one thread, in whatever process this is.

    Parameters
    ----------
    task : Task
        What to run. If somebody else is at this region, nothing runs and the outcome is called busy.

    Examples
    --------
    >>> def ring(seed):
    ...     model = models.NonHermitianXXZ(L=4, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(), {"rate": observables.GrowthRate()})
    >>> run = PointRunner(ring, store=None, time_limit=None, checkpoint_every=60.0)
    >>> result = run({"seed": 0})
    >>> form = Form.of(result.data, result.coords)
    >>> task = Task(run, Grid({"seed": [0, 1]}), (slice(0, 2),), form, np.array([True, False]), None, "record")
    >>> compute_region(task).status.tolist()
    [1, 0]
    """
    with contextlib.ExitStack() as held:
        wanted = task.wanted
        if task.store is not None:
            if not held.enter_context(task.store.locked(region_name(task.region))):
                return Outcome(np.zeros(wanted.shape, np.uint8), busy=True)
            # Somebody else may have finished some of it since the task was made.
            wanted = wanted & (task.store.status(task.region) == MISSING)
        held.enter_context(one_thread())
        outcome = task.outcome()
        try:
            _run_points(task, wanted, outcome)
        except KeyboardInterrupt as error:  # who asked another process for the points hears of it as well
            outcome.error = error if task.run.references is None else None
        except Exception as error:
            outcome.error = _passed_on(error, task.run)
        except BaseException:  # which ends the process
            with Remarks() as remarks:
                remarks.say(outcome.remarks)
            raise
        if task.store is not None:
            outcome.values = {}
        return outcome


def _run_points(task: Task, wanted: NDArray[np.bool_], outcome: Outcome) -> None:
    """Run points until one stops the sweep, and write those that are finished."""
    written = time.monotonic()
    try:
        with interruptible():
            for place, point in task.points(wanted):
                with hearing(point, outcome.remarks):
                    _try_point(task, place, point, outcome)
                if time.monotonic() - written > task.run.checkpoint_every:
                    task.save(outcome)
                    written = time.monotonic()
    finally:
        task.save(outcome)


def _try_point(task: Task, place: Index, point: Point, outcome: Outcome) -> None:
    try:
        result = task.run(point, task.made.get(place), _number(place, task.wanted.shape))
        task.form.require_same(point, result.data, result.coords)
        result.require_finite()
    except WorkerError:
        raise
    except Exception as error:
        if task.on_error == "raise":
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        described = f"{describe(error)} (in {where.name}, {Path(where.filename).name}:{where.lineno})"
        outcome.fail(place, point, described)
        return
    outcome.put(place, result)


def _number(place: Index, shape: tuple[int, ...]) -> int:
    """Return the number of a place, counted along the last axis first; NumPy takes ten times as long."""
    number = 0
    for k, size in zip(place, shape, strict=True):
        number = number * size + k
    return number


def run_first(run: PointRunner, point: Point, made: Simulation[Any] | None) -> PointResult | PointFailure:
    """Run one of the points that tell the form of the results, on one thread.

    Parameters
    ----------
    run : PointRunner
        Runs a point.
    point : dict
        Its coordinates.
    made : Simulation or None
        Its simulation, if that has been made already.

    Examples
    --------
    >>> def ring(seed):
    ...     model = models.NonHermitianXXZ(L=4, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(), {"rate": observables.GrowthRate()})
    >>> run = PointRunner(ring, store=None, time_limit=None, checkpoint_every=60.0)
    >>> run_first(run, {"seed": 1}, ring(1)).point
    {'seed': 1}
    """
    remarks = list[Remark]()
    try:
        with one_thread(), interruptible(), hearing(point, remarks):
            result = run(point, made)
    except Exception as error:
        return PointFailure(_passed_on(error, run), remarks)
    result.remarks.extend(remarks)
    return result


def _passed_on(error: Exception, run: PointRunner) -> BaseException:
    """Return an error as it can reach the process that asked for the points."""
    return error if run.references is None else sendable(error).with_traceback(error.__traceback__)
