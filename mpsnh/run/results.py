"""What a sweep has found so far, in memory or in a store."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.run.grid import REGION_SECONDS, Region, chunk_shape, grid_points, regions
from mpsnh.run.point import FormError, PointResult, PointRunner, require_form, sampled_provenance
from mpsnh.run.provenance import common, comparable, difference
from mpsnh.run.store import FAILED, MISSING, Store
from mpsnh.run.task import Outcome, Task, empty_outcome, save_outcome
from mpsnh.run.workers import Workers, fitting_in_memory, worker_died


class Results:
    """The grid, what is known of it, and where its results go."""

    def __init__(self, run: PointRunner, axes: dict[str, Sequence[Any]], store: Store | None, on_error: str) -> None:
        self.run, self.wanted_axes, self.store, self.on_error = run, axes, store, on_error
        self.axes = axes

    def prepare(self, batch: int | Literal["auto"], workers: Workers) -> None:
        """Find the form of the results, and make, open or extend the store."""
        provenance, self.memory = sampled_provenance(self.run.make, self.axes, self.on_error)
        self.described = {name: text for name, text in provenance.items() if name != "versions"}
        identity = {"axes": list(self.axes), **{name: json.loads(text) for name, text in provenance.items()}}
        first: list[PointResult] = []
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
                self.chunk = chunk_shape([len(labels) for labels in self.axes.values()], batch, seconds)
                if self.store is not None:
                    self.store.create(self.form, self.axes, self.chunk, identity)
            shape = tuple(len(labels) for labels in self.axes.values())
            self.outcome = empty_outcome(self.form, shape if self.store is None else (0,) * len(shape))
            self.inside = np.ones(shape, bool)
            if self.axes != self.wanted_axes:
                inside = [np.isin(labels, self.wanted_axes[name]) for name, labels in self.axes.items()]
                self.inside = functools.reduce(np.logical_and.outer, inside)
            for result in first:
                self._accept(result)

    def _first(self, workers: Workers) -> tuple[list[PointResult], float]:
        """Run points until one succeeds, for the form of the results and the time that a point takes.

        As many as there are workers run at once, and all that succeed count: each may take hours.
        """
        points, problem = grid_points(self.axes), None
        while batch := list(itertools.islice(points, min(workers.count() or 1, fitting_in_memory(self.memory)))):
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

    def _shortest(self, first: PointResult, workers: Workers) -> float:
        """Return the time that a point takes; the first run loads and caches things, and a short one says little."""
        seconds = first.seconds
        for _ in range(2):
            if seconds > 0.1 * REGION_SECONDS:
                break
            (future,) = workers.finished([workers.submit(self.run, first.point)])
            with contextlib.suppress(Exception):
                seconds = min(seconds, future.result().seconds)
        return seconds

    def _accept(self, result: PointResult) -> None:
        """Take over a point that ran before the regions were known; one that is not right runs again in its region."""
        try:
            require_form(self.form, result)
            result.require_finite()
        except (FormError, FloatingPointError):
            return
        index = [labels.index(result.point[name]) for name, labels in self.axes.items()]
        region = tuple(
            slice(k - k % size, min(k - k % size + size, n))
            for k, size, n in zip(index, self.chunk, self.inside.shape, strict=True)
        )
        outcome = empty_outcome(self.form, tuple(part.stop - part.start for part in region))
        outcome.put(tuple(k - part.start for k, part in zip(index, region, strict=True)), result)
        task = self.task(region, np.zeros(outcome.status.shape, bool))
        save_outcome(task, outcome)
        self.keep(region, outcome)

    def pending(self) -> list[tuple[Region, NDArray[np.bool_]]]:
        """Return the regions with points that are wanted and missing, and which points these are."""
        # The grid of the store may have grown since, by another sweep.
        mine = tuple(slice(0, n) for n in self.inside.shape)
        status = self.outcome.status if self.store is None else self.store.status(mine)
        wanted = (status == MISSING) & self.inside
        return [(region, wanted[region]) for region in regions(status.shape, self.chunk) if wanted[region].any()]

    def task(self, region: Region, wanted: NDArray[np.bool_]) -> Task:
        labels = {name: labels[part] for (name, labels), part in zip(self.axes.items(), region, strict=True)}
        return Task(self.run, labels, region, self.form, wanted, self.store, self.on_error)

    def keep(self, region: Region, outcome: Outcome) -> None:
        """Take over what a task sent back."""
        if self.store is not None:
            return
        fresh = outcome.status != MISSING
        for name, block in outcome.values.items():
            self.outcome.values[name][region][fresh] = block[fresh]
        self.outcome.status[region][fresh] = outcome.status[fresh]
        self.outcome.failures.extend(outcome.failures)

    def lost(self, task: Task, error: BaseException) -> None:
        """Record the points of a task that took its worker with it."""
        limit = "" if self.run.time_limit is None else f" (perhaps at time_limit = {self.run.time_limit} s)"
        described = f"the worker died{limit}: {type(error).__name__} {error}".strip()
        outcome = empty_outcome(self.form, task.wanted.shape)
        for place, point in task.points():
            outcome.status[place] = FAILED
            outcome.failures.append({"point": point, "error": described})
        save_outcome(task, outcome)
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


def _require_same_study(store: Store, identity: dict[str, Any], axes: list[str]) -> None:
    """Refuse a store of another study; versions must agree in the package only."""
    if found := difference(comparable(store.identity), comparable(identity), axes):
        raise ValueError(f"store = {store.url!r} holds another study: {found}")
