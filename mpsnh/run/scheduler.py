"""Keeps workers busy with the regions of a sweep."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import Future
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mpsnh.run.grid import Region
from mpsnh.run.task import Outcome, Task, compute_region
from mpsnh.run.workers import Workers, worker_died


class Work(Protocol):
    """What there is to do, and who takes what was done."""

    inside: NDArray[np.bool_]
    memory: float
    on_error: str

    def pending(self) -> list[tuple[Region, NDArray[np.bool_]]]:
        """Return the regions with points that are missing, and which points these are."""
        ...

    def task(self, region: Region, wanted: NDArray[np.bool_]) -> Task:
        """Return a region as a task."""
        ...

    def keep(self, task: Task, outcome: Outcome) -> None:
        """Take over what a task sent back."""
        ...

    def lost(self, task: Task, error: BaseException) -> None:
        """Record the points of a task that took its worker with it."""
        ...


class Scheduler:
    """Keeps the workers busy with a few tasks at a time.

    Parameters
    ----------
    work : Work
        What there is to do.
    workers : Workers
        Who does it.
    bar : tqdm
        Shows how many points are done.

    Examples
    --------
    >>> from tqdm import tqdm
    >>> from mpsnh.run.grid import Grid
    >>> from mpsnh.run.results import Results
    >>> from mpsnh.run.point import PointRunner
    >>> from mpsnh.run.simulation import Simulation
    >>> def ring(seed):
    ...     model = models.NonHermitianXXZ(L=4, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(), {"rate": observables.GrowthRate()})
    >>> run = PointRunner(ring, store=None, time_limit=None, checkpoint_every=60.0)
    >>> results, workers = Results(run, Grid({"seed": range(3)}), None, "record"), Workers()
    >>> results.prepare(1, workers)
    >>> Scheduler(results, workers, tqdm(disable=True)).run()
    >>> results.pending()
    []
    """

    def __init__(self, work: Work, workers: Workers, bar: Any) -> None:
        self.work, self.workers, self.bar = work, workers, bar
        self.window = workers.window(work.memory)

    def run(self) -> None:
        """Run until every point is done, here or in another sweep on the same store."""
        patience = 0.1
        self.bar.initial = self._finished(self.work.pending())  # which was no work of this sweep, and tells no speed
        while True:
            pending = self.work.pending()
            self.bar.n = self._finished(pending)
            self.bar.refresh()
            if not pending:
                return
            if self._pass(pending):
                patience = 0.1
            else:  # another sweep works on all that is left
                time.sleep(patience)
                patience = min(2 * patience, 2.0)

    def _finished(self, pending: list[tuple[Region, NDArray[np.bool_]]]) -> int:
        return int(self.work.inside.sum()) - sum(int(wanted.sum()) for _, wanted in pending)

    def _pass(self, pending: list[tuple[Region, NDArray[np.bool_]]]) -> bool:
        """Run the pending regions once; return whether any was computed here."""
        worked = False
        waiting = iter(pending)
        running: dict[Future[Outcome], Task] = {}
        suspects: list[Task] = []
        try:
            while True:
                for region, wanted in itertools.islice(waiting, self.window - len(running)):
                    task = self.work.task(region, wanted)
                    running[self.workers.submit(compute_region, task)] = task
                if not running:
                    break
                for future in self.workers.finished(running):
                    task = running.pop(future)
                    try:
                        worked |= self._take(task, future.result())
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

    def _one_by_one(self, tasks: list[Task]) -> bool:
        """Run tasks that were under way when a worker died, so that the guilty one is known."""
        self.workers.renew()
        left = list(tasks)
        while left:
            task = left.pop()
            (future,) = self.workers.finished([self.workers.submit(compute_region, task)])
            try:
                self._take(task, future.result())
            except Exception as error:
                if not worker_died(error):
                    raise
                self.workers.renew()
                if self.work.on_error == "raise":
                    raise
                alone = list(task.split())
                if len(alone) > 1:
                    left.extend(alone)
                else:
                    self.work.lost(task, error)
        return True

    def _take(self, task: Task, outcome: Outcome) -> bool:
        if outcome.busy:
            return False
        self.work.keep(task, outcome)
        self.bar.update(outcome.finished)
        return True
