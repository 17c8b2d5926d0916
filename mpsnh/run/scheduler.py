"""Keeps workers busy with the regions of a sweep."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.run.grid import Region
from mpsnh.run.results import Results
from mpsnh.run.store import MISSING
from mpsnh.run.task import Outcome, Task, compute_region
from mpsnh.run.workers import Here, Workers, fitting_in_memory, worker_died


class Scheduler:
    """Keeps the workers busy with a few tasks at a time."""

    def __init__(self, grid: Results, workers: Workers, bar: Any) -> None:
        self.grid, self.workers, self.bar = grid, workers, bar
        # As many tasks as fit in the memory of this machine at once, and a few more to wait for a worker if those of
        # all workers fit. Executors that reach other machines have their own memory.
        local, fitting = getattr(workers.executor, "_max_workers", None), fitting_in_memory(grid.memory)
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
        running: dict[Future[Outcome], Task] = {}
        suspects: list[Task] = []
        try:
            while True:
                for region, wanted in itertools.islice(waiting, self.window - len(running)):
                    task = self.grid.task(region, wanted)
                    running[self.workers.submit(compute_region, task)] = task
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

    def _one_by_one(self, tasks: list[Task]) -> bool:
        """Run tasks that were under way when a worker died, so that the guilty one is known."""
        self.workers.renew()
        left = list(tasks)
        while left:
            task = left.pop()
            (future,) = self.workers.finished([self.workers.submit(compute_region, task)])
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

    def _take(self, region: Region, outcome: Outcome) -> bool:
        if outcome.busy:
            return False
        self.grid.keep(region, outcome)
        self.bar.update(int(np.sum(outcome.status != MISSING)))
        return True
