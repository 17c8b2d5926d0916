"""One point of a grid, made and run wherever it is sent."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from mpsnh.checks import require
from mpsnh.run.checkpoint import Checkpoint
from mpsnh.run.grid import grid_points
from mpsnh.run.provenance import common
from mpsnh.run.simulation import Simulation
from mpsnh.run.store import Store
from mpsnh.run.workers import deadline, one_thread

Make = Callable[..., Simulation[Any]]


@dataclass(frozen=True)
class PointRunner:
    """Runs single points, wherever it is sent."""

    make: Make
    store: Store | None
    time_limit: float | None
    checkpoint_every: float

    def __call__(self, point: dict[str, Any]) -> PointResult:
        """Run a point and see how long it takes."""
        with one_thread(), deadline(self.time_limit):
            begun = time.perf_counter()
            simulation = self.make(**point)
            kept = self._checkpoint(simulation, point)
            data, coords = simulation.measured() if kept is None else simulation.measured(checkpoint=kept)
            return PointResult(
                point, data, coords, time.perf_counter() - begun, kept.url if kept and kept.exists else None
            )

    def _checkpoint(self, simulation: Simulation[Any], point: dict[str, Any]) -> Checkpoint | None:
        if self.store is None or simulation.algorithm.yields.axis is None:
            return None
        described = {name: text for name, text in simulation.provenance().items() if name != "versions"}
        name = hashlib.sha256(json.dumps([point, described], sort_keys=True).encode()).hexdigest()[:32]
        return simulation.checkpoint(
            f"{self.store.url}.checkpoints/{name}.npz", every=self.checkpoint_every, patience=self.checkpoint_every
        )


@dataclass(frozen=True)
class PointResult:
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


class FormError(ValueError):
    """The result of a point does not fit those of the others, which no retry can mend."""


def require_form(form: xr.Dataset, result: PointResult) -> None:
    data, coords, point = result.data, result.coords, result.point
    sizes = {name: np.shape(values) for name, (_, values, _) in data.items()}
    known = {str(name): variable.shape for name, variable in form.data_vars.items()}
    for name, (_, values, _) in data.items():
        kind = np.asarray(values).dtype
        if name in known and not np.can_cast(kind, form[name].dtype):
            raise FormError(
                f"the result {name!r} at {point} has the type {kind}, but at the first point it has "
                f"{form[name].dtype}; a sweep needs the same type at all points"
            )
    same = sizes == known and all(np.array_equal(form[name].values, coords[str(name)][1]) for name in form.coords)
    if not same:
        raise FormError(
            f"the result at {point} has the form {sizes}, but at the first point it has {known}, or their labels "
            f"({', '.join(map(str, form.coords))}) differ; a sweep needs the same form at all points"
        )


def require_picklable(make: Make) -> None:
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


def sampled_provenance(make: Make, axes: dict[str, Sequence[Any]], on_error: str) -> tuple[dict[str, str], float]:
    """Return the parameters of the simulations, "varies" for those that an axis changes, and the memory one needs."""
    problem = None
    for first in grid_points(axes):
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
    return merged, max(each.algorithm.bytes_needed(each.model) for each in simulations)
