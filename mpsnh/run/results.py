"""What a sweep has found so far, in memory or in a store."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections import Counter
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import say, warn
from mpsnh.run.checkpoint import COMPUTES
from mpsnh.run.failure import PointError, describe
from mpsnh.run.failures import marked
from mpsnh.run.form import Form, FormError
from mpsnh.run.grid import REGION_SECONDS, Grid, Index, Point, Region
from mpsnh.run.labelled import xr
from mpsnh.run.place import PATIENCE
from mpsnh.run.point import PointFailure, PointResult, PointRunner, Survey, survey
from mpsnh.run.pool import TRIES, UnfitError
from mpsnh.run.provenance import both_labels, common, comparable, difference, todays_names
from mpsnh.run.reference import References, WorkerError
from mpsnh.run.remarks import Remarks
from mpsnh.run.reuse import Reuse
from mpsnh.run.seal import SEAL, SEAL_PART, make_code, remember
from mpsnh.run.simulation import Simulation
from mpsnh.run.state import require_names, require_storable
from mpsnh.run.store import FAILED, MISSING, Store, region_name
from mpsnh.run.task import Outcome, Task, run_first
from mpsnh.run.workers import Workers, fitting_in_memory, worker_died


class Results:
    """The grid, what is known of its results, and where they go.

    Parameters
    ----------
    run : PointRunner
        Runs a point.
    wanted : Grid
        The points that were asked for; a store may have more.
    store : Store or None
        Where results go; they stay in memory if there is none.
    on_error : "record" or "raise"
        Whether a point that fails is recorded or stops the sweep.
    remarks : Remarks, optional
        Says the warnings of points.

    Examples
    --------
    >>> def ring(seed):
    ...     model = models.NonHermitianXXZ(L=4, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(), {"rate": observables.GrowthRate()})
    >>> run = PointRunner(ring, store=None, time_limit=None, checkpoint_every=60.0)
    >>> results, workers = Results(run, Grid({"seed": range(3)}), None, "record"), Workers()
    >>> results.prepare(1, workers)
    >>> [region for region, _ in results.pending()]
    [(slice(1, 2, None),), (slice(2, 3, None),)]
    """

    def __init__(
        self, run: PointRunner, wanted: Grid, store: Store | None, on_error: str, remarks: Remarks | None = None
    ) -> None:
        self.run, self.wanted, self.store, self.on_error = run, wanted, store, on_error
        self._remarks = remarks or Remarks()
        self.grid, self._asked = wanted, list(wanted.axes)
        self._verified = False
        self._left: tuple[list[Region], float] = [], 0.0
        self._told = {""}
        self._deaths: Counter[str] = Counter()  # of workers under points
        self._doomed: list[tuple[Point, str]] = []  # points that failed before the form was known, and why
        self._stopped: KeyboardInterrupt | None = None  # by Ctrl-C while the first points ran

    def prepare(self, batch: int | Literal["auto"], workers: Workers) -> None:
        """Find the form of the results, and make, open or extend the store.

        Parameters
        ----------
        batch : int or "auto"
            How many points a region has, if there is no store yet.
        workers : Workers
            Where the first points run.
        """
        if self.store is not None:
            require_storable(self.store.url, self.wanted)
            if self.store.exists():
                known = self.store.grid()
                self.wanted = known.matched(self.wanted)
                if known.axes.keys() == self.wanted.axes.keys():
                    known.extended(self.wanted)  # which refuses another kind of coordinates
        surveyed = survey(self.run.make, self.wanted, self.on_error == "raise")
        if self.store is not None:
            require_names(surveyed.names)
            self.run = replace(self.run, code=make_code(self.run.make))
        if self.store is not None or not workers.local:
            self._references = References.of(surveyed.points())
        if not workers.local:
            self.run = replace(self.run, references=self._references)
        self.memory, self.names = surveyed.memory, surveyed.names
        self._made = surveyed.made if workers.local else {}  # other processes make their own
        self._said_of_made = surveyed.remarks if workers.local else {}
        self.described = {name: text for name, text in surveyed.provenance.items() if name != "versions"}
        first: list[PointResult] = []
        with self.store.opening() if self.store else contextlib.nullcontext():
            if self.store is not None and self.store.exists():
                self._open(self.store, surveyed)
            else:
                first = self._first(batch, workers)
                self.form = Form.of(first[0].data, first[0].coords, surveyed.provenance)
                self.grid = self.wanted.divided(batch, min(result.seconds for result in first), self.form.nbytes)
                if self.store is not None:
                    identity = self._identity(surveyed) | {COMPUTES: self._references.known}
                    self.store.create(self.form, self.grid, identity)
            shape = self.grid.shape
            self.outcome = Outcome(np.zeros(shape, np.uint8), self.form.empty(shape if self.store is None else ()))
            self.inside = self.grid.overlap(self.wanted)
            self.sent = 0.0 if self.store is not None else self.form.nbytes * math.prod(self.grid.chunk)
            self._accept(first)
        if self._stopped:
            raise self._stopped

    def _identity(self, surveyed: Survey) -> dict[str, Any]:
        """Return what makes this study different from others, but for what it computes."""
        parts = {name: json.loads(text) for name, text in surveyed.provenance.items()}
        return {"axes": list(self.wanted.axes), **parts}

    def _open(self, store: Store, surveyed: Survey) -> None:
        """Open a store that exists, refuse that of another study, and make room in it."""
        ours, stored = self._identity(surveyed), store.identity
        computed = References(stored.pop(COMPUTES, []))  # of which version 0.1.0 knew nothing
        theirs = todays_names(stored, ours)
        try:
            problem = difference(comparable(theirs), comparable(ours), list(self.wanted.axes))
            problem = problem or computed.difference(self.run.make, surveyed.points())
            problem = problem and problem + both_labels(store.grid().axes, self.wanted.axes)
        except (KeyError, TypeError, AttributeError) as error:
            problem = f"what it says of its study makes no sense ({type(error).__name__}: {error})"
        if problem:
            raise ValueError(f"store = {store.url!r} holds another study: {problem}")
        Reuse(store, self.wanted, self.run.code).require_same(self.run.make)
        merged = common([theirs, ours]) | {"versions": theirs["versions"]}
        merged |= {COMPUTES: computed.joined(self._references).known}
        for name in store.mend():
            warn(f"{name} in {store.url} was damaged, and is written anew")
        store.admit(self.wanted, merged, {n: json.dumps(merged[n], ensure_ascii=False) for n in self.described})
        self._discard_damaged(store)
        # an earlier version may have stored what is no part of the results any more
        form = store.form().only(self.names)
        self.form, self.grid = replace(form, parts={**form.parts, SEAL: SEAL_PART}), store.grid()

    def _discard_damaged(self, store: Store) -> bool:
        discarded = False
        for region in store.damaged(self.wanted, self.names):
            with store.locked(region_name(region)) as held:
                if held:  # or somebody is just writing it
                    warn(f"a chunk of {store.url} was damaged; {region} is computed again")
                    store.discard(region)
                    discarded = True
        return discarded

    def _first(self, batch: int | Literal["auto"], workers: Workers) -> list[PointResult]:
        """Run points until one succeeds, for the form of the results and, if that matters, the time a point takes.

        As many as there are workers run at once, and all that succeed count: each may take hours.
        """
        results, failed = list[PointResult](), list[PointFailure]()
        try:
            self._run_first(batch, workers, results, failed)
            if not results:
                problem = failed[-1].error  # since a grid has points
                raise ValueError(f"every point of the grid failed, the last one with {describe(problem)}") from problem
        except KeyboardInterrupt as stopped:
            if self.store is None or not results:
                raise
            self._stopped = stopped  # after what is finished is kept
        except Exception:  # after which those that failed do not run again, which would say the same
            made = (said for labels, said in self._said_of_made.items() if labels not in self._made)
            self._remarks.say(itertools.chain(*made, *(failure.remarks for failure in failed)))
            raise
        return results

    def _run_first(
        self, batch: int | Literal["auto"], workers: Workers, results: list[PointResult], failed: list[PointFailure]
    ) -> None:
        """Run the first points, and add what came of them."""
        points = self.wanted.points()
        number = min(workers.count() or 1, fitting_in_memory(self.memory))
        rounds = 0
        while some := list(itertools.islice(points, number)):
            futures = [workers.submit(run_first, self.run, point, self._take_made(point)) for point in some]
            try:
                for point, future in zip(some, futures, strict=True):
                    self._take_first(self._first_result(workers, point, future), results, failed)
            except KeyboardInterrupt:
                for future in futures:
                    if future.done() and not future.cancelled() and future.exception() is None:
                        self._take_first(future.result(), results, failed)
                raise
            rounds += bool(results)
            # the first run loads and caches things, and a short one says little
            known = results and min(result.seconds for result in results) > 0.1 * REGION_SECONDS
            if results and (batch != "auto" or known or rounds == 3):
                break

    def _take_first(
        self, found: PointResult | PointFailure, results: list[PointResult], failed: list[PointFailure]
    ) -> None:
        """Add what came of a point unless it is there, and raise what shall stop the sweep."""
        if isinstance(found, PointFailure):
            failed.append(found)
            if self.on_error == "raise" or isinstance(found.error, WorkerError):
                raise found.error
        elif all(found is not result for result in results):
            results.append(found)
            if SEAL in found.data:  # perhaps from another process
                remember(found.data[SEAL][2]["origin"])

    def _first_result(
        self, workers: Workers, point: Point, future: Future[PointResult | PointFailure]
    ) -> PointResult | PointFailure:
        """Return what came of a point, which runs again if a worker died under it, as often as it may."""
        while True:
            workers.finished([future])
            try:
                return future.result()
            except Exception as error:
                if not worker_died(error):
                    if isinstance(error, WorkerError | UnfitError | BrokenExecutor):  # which is no fault of the point
                        raise
                    return PointFailure(error)
                if described := self._count_death(point, error):
                    self._doomed.append((point, described))
                    return PointFailure(PointError(described))
            future = workers.submit(run_first, self.run, point, None)

    def _take_made(self, point: Point) -> Simulation[Any] | None:
        return self._made.pop(tuple(point.values()), None)

    def _accept(self, first: list[PointResult]) -> None:
        """Take over points that ran before the regions were known; those that are not right run again in theirs."""
        outcomes: dict[str, tuple[Task, Outcome]] = {}

        def outcome_of(point: Point) -> tuple[Outcome, Index]:
            index = self.grid.index(point)
            region = self.grid.region(index)
            if str(region) not in outcomes:
                task = self.task(region, np.zeros([part.stop - part.start for part in region], bool))
                outcomes[str(region)] = task, task.outcome()
            return outcomes[str(region)][1], tuple(k - part.start for k, part in zip(index, region, strict=True))

        for point, described in self._doomed:
            outcome, place = outcome_of(point)
            outcome.fail(place, point, described)
        for result in first:
            try:
                self.form.require_same(result.point, result.data, result.coords)
                result.require_finite()
            except (FormError, FloatingPointError):
                continue
            outcome, place = outcome_of(result.point)
            outcome.put(place, result)
        for task, outcome in outcomes.values():
            task.save(outcome)
            self.keep(task, outcome)

    def pending(self) -> list[tuple[Region, NDArray[np.bool_]]]:
        """Return the regions with points that are wanted and missing, and which points these are."""
        # The grid of the store may have grown since, by another sweep.
        mine = tuple(slice(0, n) for n in self.grid.shape)
        status = self.outcome.status if self.store is None else self.store.status(mine)
        wanted = (status == MISSING) & self.inside
        if not wanted.any() and self.store is not None and not self.store.place.locks and not self._verified:
            self._verified = True  # two sweeps that were at one region may have spoilt it for each other
            if self._discard_damaged(self.store):
                self._verified = False
                return self.pending()
        regions = list(self.grid.regions_of(wanted))
        self._say_who_works(regions)
        return [(region, wanted[region]) for region in regions]

    def _say_who_works(self, regions: list[Region]) -> None:
        """Say for whom this sweep waits, if the same regions are missing for a while."""
        if self.store is None or regions != self._left[0]:
            self._left = regions, time.monotonic()
        elif regions and time.monotonic() - self._left[1] > PATIENCE:
            holders = {self.store.holder(region_name(region)) for region in regions[:100]} - self._told
            self._told |= holders
            for holder in holders - {""}:
                say(f"waiting for {holder}, who works on {self.store.url}")

    def task(self, region: Region, wanted: NDArray[np.bool_]) -> Task:
        """Return a region as a task.

        Parameters
        ----------
        region : tuple of slice
            Part of the grid.
        wanted : ndarray of bool
            Which of its points to compute.
        """
        part = self.grid.part(region)
        made = {}
        for labels in list(self._made):
            point = dict(zip(part.axes, labels, strict=True))
            if point in part and wanted[part.index(point)]:
                made[part.index(point)] = self._made.pop(labels)
        return Task(self.run, part, region, self.form, wanted, self.store, self.on_error, made)

    def keep(self, task: Task, outcome: Outcome) -> None:
        """Take over what a task sent back, say its warnings, and raise what shall stop the sweep."""
        if self.store is None:
            fresh = outcome.status != MISSING
            for name, block in outcome.values.items():
                self.outcome.values[name][task.region][fresh] = block[fresh]
            self.outcome.status[task.region][fresh] = outcome.status[fresh]
            self.outcome.failures.extend(outcome.failures)
        for labels in list(self._said_of_made):  # by points that may have run now
            point = dict(zip(task.grid.axes, labels, strict=True))
            if point in task.grid and outcome.status[task.grid.index(point)] != MISSING:
                self._remarks.say(self._said_of_made.pop(labels))
        self._remarks.say(outcome.remarks)
        if outcome.error is not None:
            raise outcome.error

    def lost(self, task: Task, error: Exception) -> bool:
        """Count that a worker died under a single point; return whether this was once too often, and is recorded.

        Parameters
        ----------
        task : Task
            The point.
        error : Exception
            How the worker died; if it was killed because the point took too long, this was its only try.
        """
        ((place, point),) = task.points()
        described = self._count_death(point, error)
        if described:
            outcome = task.outcome()
            outcome.fail(place, point, described)
            task.save(outcome)
            self.keep(task, outcome)
        return bool(described)

    def _count_death(self, point: Point, error: Exception) -> str:
        """Return what to record of a point under which a worker died, or nothing as long as it may run again."""
        late = getattr(error, "late", False)
        self._deaths[str(point)] += 1
        if not late and self._deaths[str(point)] < TRIES:
            return ""
        if self.on_error == "raise":
            raise TimeoutError(str(error)) if late else error
        return f"TimeoutError: {error}" if late else f"the worker died {TRIES} times: {describe(error)}"

    def kept(self) -> str:
        """Say how many of the points that were asked for are finished, and how to go on."""
        if self.store is None:
            return "what was finished is lost; with a `store`, the same call would go on from there"
        if not self.store.exists():
            said = f"no point was finished, so that {self.store.url} was not made"
            beside = Path(f"{self.store.url}.checkpoints")
            reached = f"; how far points were is in {beside}, and the same call goes on from there"
            return said + reached * any(beside.glob("*.npz"))
        status = self.store.status()
        there = tuple(slice(0, n) for n in status.shape)  # fewer than in the grid, if it was about to be extended
        finished = int(np.sum((status != MISSING) & self.store.grid().overlap(self.wanted)[there]))
        return f"{finished} of {self.wanted.size} points are in {self.store.url}, and the same call goes on from there"

    def dataset(self) -> xr.Dataset:
        """Return the results of the points that were asked for."""
        if self.store is not None:
            names = [name for name in self.form.parts if name != SEAL]
            data, status = self.store.loaded(self.wanted, names)
            data = data.assign_attrs(self.described)
            recorded = self.store.failures() if (status == FAILED).any() else []
            if lost := int(np.sum(status == MISSING)):
                warn(
                    f"{lost} points of {self.store.url} were damaged meanwhile and are NaN; call again to compute them",
                )
        else:
            parts, axes = self.form.parts, self.grid.axes
            variables = {
                name: ((*axes, *parts[name].dims), values, parts[name].attrs)
                for name, values in self.outcome.values.items()
            }
            labels = {name: self.grid.coordinates(name) for name in axes}
            data = xr.Dataset(variables, {**labels, **self.form.coords}, self.form.attrs)
            recorded = self.outcome.failures
        data = data.transpose(*self._asked, ...)  # of which the store may have another order
        failures = [failure for failure in recorded if failure["point"] in self.wanted]
        failures.sort(key=lambda failure: self.wanted.index(failure["point"]))
        return marked(data, self.wanted, failures) if failures else data
