"""One point of a grid, made and run wherever it is sent."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import pickle
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mpsnh.checks import require
from mpsnh.run.checkpoint import Checkpoint
from mpsnh.run.clock import clock
from mpsnh.run.failure import contained, describe
from mpsnh.run.folder import Folder
from mpsnh.run.form import Variable
from mpsnh.run.grid import Grid, Point, where
from mpsnh.run.provenance import common, difference
from mpsnh.run.reference import Make, References
from mpsnh.run.remarks import Remark, Remarks, hearing, unheard
from mpsnh.run.seal import SEAL, digests, sealed, without_modules
from mpsnh.run.shapes import not_finite
from mpsnh.run.simulation import Simulation
from mpsnh.run.store import Store

OTHER_NAMES = {"max_bond": "chi", "time": "t_max"}
"""What axes are called whose name is taken."""


@dataclass(frozen=True)
class PointRunner:
    """Runs single points, wherever it is sent.

    Attributes
    ----------
    make : callable
        Takes the coordinates of a point by name and returns its simulation.
    store : Store or None
        Beside which the checkpoints of long points stand; there are none without.
    time_limit : float or None
        Seconds that a point may take, after which the pool that it runs on ends it.
    checkpoint_every : float
        Seconds between checkpoints.
    references : References or None
        What the process that asked for the points computes at some of them, for other processes to compare.
    code : str
        A digest of `make`, which is kept with the results in a store.

    Examples
    --------
    >>> def ring(seed):
    ...     model = models.NonHermitianXXZ(L=4, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(), {"rate": observables.GrowthRate()})
    >>> run = PointRunner(ring, store=None, time_limit=None, checkpoint_every=60.0)
    >>> sorted(run({"seed": 1}).data)
    ['attempts', 'certified', 'rate']
    """

    make: Make
    store: Store | None
    time_limit: float | None
    checkpoint_every: float
    references: References | None = None
    code: str = ""

    def __call__(self, point: Point, made: Simulation[Any] | None = None, place: int = 0) -> PointResult:
        """Run a point and see how long it takes.

        Parameters
        ----------
        point : dict
            Its coordinates.
        made : Simulation, optional
            Its simulation, if that has been made already.
        place : int
            Its place in the region that it is part of, for the clock.

        Raises
        ------
        PointError
            If it raises what would end the program, such as `SystemExit`.
        """
        if self.references is not None:
            self.references.require_agreement(self.make)
        if self.time_limit is not None:
            clock.heed_loading()
        clock.begin(place)
        try:
            with contained:
                return self._run(point, made)
        finally:
            clock.end()

    def _run(self, point: Point, made: Simulation[Any] | None) -> PointResult:
        begun = time.perf_counter()
        simulation = self.make(**point) if made is None else made
        kept = self._checkpoint(simulation, point)
        data, coords, _ = simulation.measured(checkpoint=kept)
        written = kept.url if kept is not None and kept.exists else None
        seconds = time.perf_counter() - begun
        if self.store is not None:
            data = {**data, SEAL: sealed(simulation, self.code, seconds, self.store.number)}
        return PointResult(point, data, coords, seconds, written)

    def _checkpoint(self, simulation: Simulation[Any], point: Point) -> Checkpoint | None:
        algorithm = simulation.algorithm
        if self.store is None or self.store.options or not (algorithm.yields.axis or algorithm.resumes):
            return None
        if isinstance(self.store.place, Folder):
            self.store.place.beside(".checkpoints")
        described = {name: json.loads(text) for name, text in simulation.provenance().items() if name != "versions"}
        text = json.dumps([point, without_modules(described)], sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return simulation.checkpoint(
            f"{self.store.url}.checkpoints/{name}.npz", every=self.checkpoint_every, patience=self.checkpoint_every
        )


@dataclass(slots=True)
class PointResult:
    """What came of a point: variables and labels as xarray takes them, the time, its checkpoint and its warnings.

    Examples
    --------
    >>> PointResult({"seed": 1}, {"gap": ((), np.nan, {})}, {}, seconds=0.1, checkpoint=None).require_finite()
    Traceback (most recent call last):
    FloatingPointError: the result 'gap' is not finite
    """

    point: Point
    data: Mapping[str, Variable]
    coords: Mapping[str, Variable]
    seconds: float
    checkpoint: str | None
    remarks: list[Remark] = field(default_factory=list)

    def require_finite(self) -> None:
        """Raise if a number is none, or infinite where none may be."""
        for name in not_finite({name: variable for name, variable in self.data.items() if name != SEAL}):
            raise FloatingPointError(f"the result {name!r} is not finite")


@dataclass(frozen=True)
class PointFailure:
    """What a point raised, as it can reach whoever asked for it, and its warnings.

    Examples
    --------
    >>> PointFailure(ValueError("too large")).error
    ValueError('too large')
    """

    error: BaseException
    remarks: list[Remark] = field(default_factory=list)


def require_picklable(make: Make) -> None:
    """Raise, with the part that is to blame, if a function can't be sent to another process.

    Examples
    --------
    >>> require_picklable(lambda seed: seed)
    Traceback (most recent call last):
    TypeError: make can't be sent to another process: ...
    """
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


def require_importable(make: Make) -> None:
    """Raise if new processes can't import a function, because it was written at a prompt or in a notebook.

    Examples
    --------
    >>> require_importable(require_picklable)
    """
    function: Any = make
    while isinstance(function, functools.partial):
        function = function.func
    main = sys.modules["__main__"]
    imported = getattr(main, "__spec__", None) is not None or os.path.exists(getattr(main, "__file__", ""))
    if getattr(function, "__module__", "") == "__main__" and not imported:
        raise TypeError(
            "make is written at a prompt or in a notebook, where other processes can't find it; put it into a file and "
            "import it, or leave out `workers`"
        )


@dataclass(frozen=True)
class Survey:
    """What some points of a grid tell of all, before any runs.

    Attributes
    ----------
    made : dict
        The simulations that were made for this, by the coordinates of their points.
    provenance : dict of str to str
        Their parameters and the versions as JSON texts; parameters that an axis changes are called "varies".
    names : set of str
        Names of all variables and labels of the results.
    memory : float
        Bytes that a point needs.
    axes : tuple of str
        What the coordinates are called.
    remarks : dict
        Warnings of the simulations when they were made, by the coordinates of their points.

    Examples
    --------
    >>> Survey(made={}, provenance={"model": '{"L": 4}'}, names={"gap"}, memory=0.0, axes=("h",)).names
    {'gap'}
    """

    made: dict[tuple[Any, ...], Simulation[Any]] = field(repr=False)
    provenance: dict[str, str]
    names: set[str]
    memory: float
    axes: tuple[str, ...]
    remarks: dict[tuple[Any, ...], list[Remark]] = field(default_factory=dict, repr=False)

    def points(self) -> list[tuple[Point, Simulation[Any]]]:
        """Return the simulations that were made, each with its point."""
        return [(dict(zip(self.axes, labels, strict=True)), made) for labels, made in self.made.items()]


def survey(make: Make, grid: Grid, stop: bool = False) -> Survey:
    """Make the simulations at the ends of each axis.

    Parameters
    ----------
    make : callable
        Takes the coordinates of a point by name and returns its simulation.
    grid : Grid
        The points.
    stop : bool
        Whether a point that can't be made is an error; otherwise the next one takes its place.

    Raises
    ------
    TypeError, ValueError
        If `make` returns no simulation, or an axis is called like a part of the results.

    Examples
    --------
    >>> def chain(h, seed):
    ...     model = models.NonHermitianXXZ(L=6, h=h, seed=seed, boundary="periodic")
    ...     return Simulation(model, algorithms.ExactDiag(vectors="none"), {"gap": observables.SteadyStateGap()})
    >>> found = survey(chain, Grid({"h": [1.0, 2.0], "seed": range(3)}))
    >>> list(found.made), json.loads(found.provenance["model"])["seed"]
    ([(1.0, 0), (2.0, 0), (1.0, 2)], 'varies')
    """
    remarks = dict[tuple[Any, ...], list[Remark]]()
    first, simulation = _first_made(make, grid, stop, remarks)
    if not isinstance(simulation, Simulation):
        raise TypeError(f"make returned {type(simulation).__name__}, but it must return a Simulation")
    for name in grid.axes:
        part = "results have a part" if name not in simulation.algorithm.diagnostics else "algorithm has a diagnostic"
        allowed = f"another name, such as {OTHER_NAMES.get(name, name + '_')!r}: the {part} called so"
        require(name not in simulation.names, "axis", name, allowed)
    made = {tuple(first.values()): simulation}
    for name, labels in grid.axes.items():
        for label in (labels[-1], labels[0]):
            point = first | {name: label}
            if tuple(point.values()) not in made:
                with contextlib.suppress(Exception):  # what can't be made is reported where it runs
                    made[tuple(point.values())] = _made(make, point, remarks)
    with unheard():
        _require_function(make, first, simulation)
    known = [each.provenance() for each in made.values()]
    merged = {
        name: json.dumps(common([json.loads(each[name]) for each in known]), ensure_ascii=False) for name in known[0]
    }
    memory = max(each.algorithm.bytes_needed(each.model) for each in made.values())
    return Survey(made, merged, simulation.names, memory, tuple(grid.axes), remarks)


def _require_function(make: Make, point: Point, simulation: Simulation[Any]) -> None:
    """Raise if a function makes another simulation of the same point when it is called again."""
    again = make(**point)
    there, here = ({n: json.loads(text) for n, text in made.provenance().items()} for made in (simulation, again))
    problem = difference(there, here)
    if not problem and digests(simulation) != digests(again):
        problem = "a value that a function captures is another one"
    if problem:
        raise ValueError(
            f"make gave two simulations of the same point, {where(point)} ({problem}, first and second time), but it "
            "must depend on nothing but its arguments: draw with a seed that is one of them"
        )


def _made(make: Make, point: Point, remarks: dict[tuple[Any, ...], list[Remark]]) -> Simulation[Any]:
    """Make the simulation of a point, and add what is said of it."""
    with hearing(point, remarks.setdefault(tuple(point.values()), [])), contained:
        return make(**point)


def _first_made(
    make: Make, grid: Grid, stop: bool, remarks: dict[tuple[Any, ...], list[Remark]]
) -> tuple[Point, Simulation[Any]]:
    problem: Exception | None = None
    for point in grid.points():
        try:
            return point, _made(make, point, remarks)
        except Exception as error:
            problem = error
            if stop:
                break
    with Remarks() as said:
        said.say(itertools.chain.from_iterable(remarks.values()))
    if stop and problem:
        raise problem
    described = describe(problem) if problem else "nothing"
    raise ValueError(f"no point of the grid can be made; the last one failed with {described}") from problem
