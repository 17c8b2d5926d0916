"""A region of the grid as a task for a worker."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.run.checkpoint import remove_files
from mpsnh.run.grid import Region, lock_name
from mpsnh.run.point import FormError, PointResult, PointRunner, require_form
from mpsnh.run.store import DONE, FAILED, MISSING, Store, empty_value


@dataclass(frozen=True)
class Task:
    """A region of the grid to compute, wherever it is sent."""

    run: PointRunner
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

    def split(self) -> Iterator[Task]:
        """Yield a task for each point."""
        for place, _ in self.points():
            wanted = np.zeros_like(self.wanted)
            wanted[place] = True
            yield replace(self, wanted=wanted)


@dataclass
class Outcome:
    """What came of a task; the values are only sent back if there is no store."""

    status: NDArray[np.uint8]
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    busy: bool = False

    def put(self, place: tuple[int, ...], result: PointResult) -> None:
        """Take over the result of a point."""
        for name, (_, values, _) in result.data.items():
            self.values[name][place] = values
        self.status[place] = DONE
        if result.checkpoint is not None:
            self.checkpoints.append(result.checkpoint)


def compute_region(task: Task) -> Outcome:
    """Run the points of a region, in whatever process this is."""
    with contextlib.ExitStack() as held:
        wanted = task.wanted
        if task.store is not None:
            if not held.enter_context(task.store.locked(lock_name(task.region))):
                return Outcome(np.zeros(wanted.shape, np.uint8), busy=True)
            # Somebody else may have finished some of it since the task was made.
            wanted = wanted & (task.store.status(task.region) == MISSING)
        outcome = empty_outcome(task.form, wanted.shape)
        written = time.monotonic()
        try:
            for place, point in task.points():
                if wanted[place]:
                    _run_point(task, place, point, outcome)
                    if time.monotonic() - written > task.run.checkpoint_every:
                        save_outcome(task, outcome)
                        written = time.monotonic()
        except SystemExit:
            if multiprocessing.parent_process() is None:
                raise
            os.kill(os.getpid(), signal.SIGKILL)  # a worker that is told to end is one that died, and no result
        finally:
            save_outcome(task, outcome)
        if task.store is not None:
            outcome.values = {}
        return outcome


def save_outcome(task: Task, outcome: Outcome) -> None:
    """Write what a task has finished to the store, after which its checkpoints are of no use."""
    if task.store is None:
        return
    task.store.write(task.region, outcome.values, outcome.status, outcome.failures)
    while outcome.checkpoints:
        remove_files(outcome.checkpoints.pop())


def _run_point(task: Task, place: tuple[int, ...], point: dict[str, Any], outcome: Outcome) -> None:
    try:
        result = task.run(point)
        require_form(task.form, result)
        result.require_finite()
    except FormError:
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


def empty_outcome(form: xr.Dataset, shape: tuple[int, ...]) -> Outcome:
    values = {
        str(name): np.full(shape + variable.shape, empty_value(variable.dtype), variable.dtype)
        for name, variable in form.data_vars.items()
    }
    return Outcome(np.zeros(shape, np.uint8), values)
