"""Keeps workers busy with the regions of a sweep."""

from __future__ import annotations

import collections
import contextlib
import itertools
import time
from concurrent.futures import Future
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mpsnh.run.display import Display
from mpsnh.run.grid import Region
from mpsnh.run.task import Outcome, Task, compute_region
from mpsnh.run.workers import Workers, worker_died


class Work(Protocol):
    """What there is to do, and who takes what was done."""

    inside: NDArray[np.bool_]
    memory: float
    sent: float

    def pending(self) -> list[tuple[Region, NDArray[np.bool_]]]:
        """Return the regions with points that are missing, and which points these are."""
        ...

    def task(self, region: Region, wanted: NDArray[np.bool_]) -> Task:
        """Return a region as a task."""
        ...

    def keep(self, task: Task, outcome: Outcome) -> None:
        """Take over what a task sent back, and raise what shall stop the sweep."""
        ...

    def lost(self, task: Task, error: Exception) -> bool:
        """Count that a worker died under a single point; return whether this was once too often, and is recorded."""
        ...


class Scheduler:
    """Keeps the workers busy with a few tasks at a time.

    Parameters
    ----------
    work : Work
        What there is to do.
    workers : Workers
        Who does it.
    display : Display
        Shows how many points are done.

    Examples
    --------
    >>> from mpsnh.run.display import Display
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
    >>> Scheduler(results, workers, Display(shown=False)).run()
    >>> results.pending()
    []
    """

    def __init__(self, work: Work, workers: Workers, display: Display) -> None:
        self.work, self.workers, self.display = work, workers, display
        self.window = workers.window(work.memory, work.sent)

    def run(self) -> None:
        """Run until every point is done, here or in another sweep on the same store."""
        patience = 0.1
        total = int(self.work.inside.sum())
        pending = self.work.pending()
        self.display.go_on(total, total - _count(pending))
        while True:
            self.display.show(total - _count(pending))
            if not pending:
                return
            if self._pass(pending):
                patience = 0.1
            else:  # another sweep works on all that is left
                time.sleep(patience)
                patience = min(2 * patience, 2.0)
            pending = self.work.pending()

    def _pass(self, pending: list[tuple[Region, NDArray[np.bool_]]]) -> bool:
        """Run the pending regions once; return whether any was computed here.

        Tasks of one region run one after the other, since they share a chunk. Those that a worker died under come last.
        """
        worked = False
        waiting = iter(pending)
        again: collections.deque[list[Task]] = collections.deque()
        running: dict[Future[Outcome], list[Task]] = {}
        try:
            while True:
                fresh = ([self.work.task(region, wanted)] for region, wanted in waiting)
                for tasks in itertools.islice(fresh, self.window - len(running)):
                    running[self.workers.submit(compute_region, tasks[0])] = tasks
                # where it is not known what a worker was at that dies, each of the suspects runs alone
                while again and len(running) < (self.window if self.workers.exact else 1):
                    tasks = again.popleft()
                    running[self.workers.submit(compute_region, tasks[0])] = tasks
                if not running:
                    return worked
                for future in self.workers.finished(running):
                    task, *left = running.pop(future)
                    try:
                        outcome = future.result()
                    except Exception as error:
                        if not worker_died(error):
                            raise
                        worked = True
                        left += self._after_death(task, error)
                    else:
                        if outcome.busy:  # another sweep is at this region, and may do the rest
                            continue
                        worked = True
                        self._keep(task, outcome)
                    if left:
                        again.append(left)
        except BaseException:
            self.workers.interrupt()  # those that end in time send what they have
            for future, (task, *_) in running.items():
                if future.done() and not future.cancelled() and future.exception() is None:
                    with contextlib.suppress(Exception, KeyboardInterrupt):
                        self._keep(task, future.result())
            raise
        finally:
            for future in running:
                future.cancel()

    def _after_death(self, task: Task, error: Exception) -> list[Task]:
        """Return what to run again of a task under which a worker died: each point by itself that may be to blame."""
        innocent, suspects = task.split(getattr(error, "place", None))
        again = [suspect for suspect in suspects if not self.work.lost(suspect, error)]
        self.display.advance(len(suspects) - len(again))
        return [*innocent, *again]

    def _keep(self, task: Task, outcome: Outcome) -> None:
        self.work.keep(task, outcome)
        self.display.advance(outcome.finished)


def _count(pending: list[tuple[Region, NDArray[np.bool_]]]) -> int:
    return sum(int(wanted.sum()) for _, wanted in pending)
