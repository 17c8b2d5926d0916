"""Grids of simulations as one labelled dataset."""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import threadpoolctl
import xarray as xr
from tqdm.auto import tqdm

from mpsnh.simulation import Simulation
from mpsnh.value import require

Make = Callable[..., Simulation[Any]]


def sweep(
    make: Make,
    over: Mapping[str, Sequence[Any]],
    executor: Executor | None = None,
    *,
    progress: bool = False,
) -> xr.Dataset:
    """Run a simulation at every point of a grid and return one dataset.

    The result does not depend on the executor or the order in which the points ran: each point runs on one thread.
    A disorder average is ``.mean("seed")``.

    Parameters
    ----------
    make : callable
        Takes the coordinates of a point by name and returns its `Simulation`.
        A process pool needs a function defined at the top level of a module.
    over : mapping of str to sequence
        The axes of the grid and their coordinates.
    executor : concurrent.futures.Executor, optional
        Where the points run; in this process if not given.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    xarray.Dataset
        The variables of a single run with the axes of the grid in front. Parameters that are not the same
        at all points are called ``"varies"`` in the attributes.

    Raises
    ------
    ValueError
        If the grid is empty, a coordinate is repeated, an axis is called like a part of the results, or the shape of
        a result changes between points.
    TypeError
        If `over` is no mapping of sequences, or `make` does not take an axis or returns no `Simulation`.

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
    if not isinstance(over, Mapping):
        raise TypeError(f"over = {over!r}, but it must be a mapping of axes to their coordinates")
    require(bool(over), "over", dict(over), "a mapping with at least one axis")
    for name, coordinates in over.items():
        if not np.iterable(coordinates) or isinstance(coordinates, str) or np.ndim(next(iter(coordinates), 0)):
            raise TypeError(f"over[{name!r}] = {coordinates!r}, but it must be a sequence of numbers or names")
    axes = {name: list(coordinates) for name, coordinates in over.items()}
    for name, coordinates in axes.items():
        require(len(coordinates) > 0, f"over[{name!r}]", coordinates, "not empty")
        require(len(set(coordinates)) == len(coordinates), f"over[{name!r}]", coordinates, "without repetitions")
    try:
        inspect.signature(make).bind(**{name: coordinates[0] for name, coordinates in axes.items()})
    except TypeError as error:
        raise TypeError(f"make does not take the axes {', '.join(axes)}: {error}") from None
    first = make(**{name: coordinates[0] for name, coordinates in axes.items()})
    if not isinstance(first, Simulation):
        raise TypeError(f"make returned {type(first).__name__}, but it must return a Simulation")
    for name in axes:
        require(name not in first.names, "axis", name, "another name: the results have a variable or axis called so")
    points = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
    results: Iterable[xr.Dataset]
    if executor is None:
        results = (_run(make, point) for point in points)
    else:
        results = executor.map(_run, itertools.repeat(make), points)
    pause = 0.2 if sys.stderr.isatty() else 30.0  # seconds between updates; a log file needs few
    runs = list(tqdm(results, total=len(points), disable=not progress, unit="run", mininterval=pause))
    return _joined(runs, points, axes)


@functools.cache
def _thread_pools() -> threadpoolctl.ThreadpoolController:
    """Find the thread pools of this process once, since looking for them takes longer than a small run."""
    return threadpoolctl.ThreadpoolController()


def _run(make: Make, point: dict[str, Any]) -> xr.Dataset:
    with _thread_pools().limit(limits=1):
        return make(**point).run()


def _joined(runs: list[xr.Dataset], points: list[dict[str, Any]], axes: dict[str, list[Any]]) -> xr.Dataset:
    first = runs[0]
    for run, point in zip(runs, points, strict=True):
        same = set(run) == set(first) and all(run[name].sizes == first[name].sizes for name in first)
        if not same or any(not run[name].equals(first[name]) for name in first.coords):
            raise ValueError(
                f"the result at {point} has the form {dict(run.sizes)}, but at {points[0]} it has {dict(first.sizes)}, "
                "or its labels differ; a sweep needs the same form at all points"
            )
    shape = tuple(len(coordinates) for coordinates in axes.values())
    data = {}
    for name, variable in first.data_vars.items():
        stacked = np.stack([run[name].values for run in runs]).reshape(*shape, *variable.shape)
        data[name] = ((*axes, *variable.dims), stacked, variable.attrs)
    coords = {name: variable.variable for name, variable in first.coords.items()}
    attributes = {
        name: json.dumps(_common([json.loads(run.attrs[name]) for run in runs]), ensure_ascii=False)
        for name in first.attrs
    }
    return xr.Dataset(data, {**axes, **coords}, attributes)


def _common(parts: list[Any]) -> Any:
    """Merge nested parameters, writing "varies" where they differ."""
    first = parts[0]
    if isinstance(first, dict) and all(isinstance(part, dict) and part.keys() == first.keys() for part in parts):
        return {key: _common([part[key] for part in parts]) for key in first}
    return first if all(part == first for part in parts) else "varies"
