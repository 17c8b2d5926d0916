"""A model, an algorithm and observables, run to a labelled dataset."""

from __future__ import annotations

import contextlib
import functools
import json
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import numpy as np
from tqdm.auto import tqdm

from mpsnh import notebook
from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability, require_capabilities
from mpsnh.base.journal import written
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.records import Diagnostic, Record
from mpsnh.base.snapshot import Snapshot
from mpsnh.base.spectrum import Spectrum
from mpsnh.base.stages import listening
from mpsnh.checks import require, warn
from mpsnh.run.checkpoint import Checkpoint, Progress
from mpsnh.run.fingerprint import fingerprint
from mpsnh.run.labelled import xr
from mpsnh.run.provenance import versions
from mpsnh.run.shapes import Shapes, not_finite, require_dimensions

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Simulation(Generic[R]):
    """A model, the algorithm that treats it and what to measure.

    That these fit together is checked here, before any work starts.

    Parameters
    ----------
    model : Model
        What is simulated.
    algorithm : Algorithm
        How.
    observables : mapping of str to Observable
        What is measured; the names become the variables of the dataset.

    Raises
    ------
    TypeError
        If an observable measures another kind of record than the algorithm yields.
    ValueError, MemoryError
        If the algorithm or an observable can't treat the model.

    Examples
    --------
    >>> simulation = Simulation(
    ...     models.NonHermitianXXZ(L=6, h=1.0, boundary="periodic"),
    ...     algorithms.ExactDiag(),
    ...     {"gap": observables.SteadyStateGap()},
    ... )
    >>> sorted(simulation.run().data_vars)
    ['attempts', 'certified', 'gap']
    """

    model: Model
    algorithm: Algorithm[R]
    observables: Mapping[str, Observable[R]]

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise TypeError(f"model = {self.model!r}, but it must be a Model{_made_of(self.model)}")
        if not isinstance(self.algorithm, Algorithm):
            raise TypeError(f"algorithm = {self.algorithm!r}, but it must be an Algorithm{_made_of(self.algorithm)}")
        if not (isinstance(self.observables, Mapping) and all(isinstance(name, str) for name in self.observables)):
            raise TypeError(f"observables = {self.observables!r}, but they must be a mapping of names to observables")
        yields, gives = self.algorithm.yields, self.algorithm.gives
        for name, observable in self.observables.items():
            if not isinstance(observable, Observable):
                raise TypeError(
                    f"observable {name!r} is {observable!r}, but it must be an Observable{_made_of(observable)}"
                )
            if not issubclass(yields, observable.measures):
                kinds = observable.measures if isinstance(observable.measures, tuple) else (observable.measures,)
                raise TypeError(
                    f"observable {name!r} measures {' or '.join(kind.__name__ for kind in kinds)}, "
                    f"but {type(self.algorithm).__name__} yields {yields.__name__}{_in_a_level(observable, yields)}"
                )
            if gives is not None:
                who = f"observable {name!r} ({type(observable).__name__})"
                require_capabilities(observable.needs, gives, who, f"{type(self.algorithm).__name__} as it is set")
            observable.check(self.model, self.algorithm)
        taken = self._coordinates() | set(self.algorithm.diagnostics)
        for name in self.observables:
            require(
                name not in taken,
                "observable name",
                name,
                "another one: the dataset has a coordinate or diagnostic called so",
            )
        require_dimensions(self.observables, self.algorithm.yields.axis)
        self.algorithm.check(self.model)

    def _repr_html_(self) -> str:
        return notebook.table("Simulation", {"model": self.model, "algorithm": self.algorithm, **self.observables})

    def _coordinates(self) -> set[str]:
        axis = self.algorithm.yields.axis
        return {dim for each in self.observables.values() for dim in each.dims} | ({axis} if axis else set())

    @property
    def names(self) -> set[str]:
        """The names of all variables and coordinates of the dataset."""
        return {*self.observables, *self.algorithm.diagnostics} | self._coordinates()

    def run(
        self,
        after: R | None = None,
        *,
        progress: bool = False,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 60.0,
    ) -> xr.Dataset:
        """Run to the end and return everything measured.

        Parameters
        ----------
        after : Record, optional
            Continue after this record instead of starting anew.
        progress : bool, default False
            Whether to show a progress bar that counts records, and what an algorithm tells between them.
        checkpoint : str or Path, optional
            File (or fsspec URL) from which the run goes on if it exists, and which is written as it goes: a killed
            run loses only what came after the last write, and one that is finished can be extended (a larger `t_max`).
        checkpoint_every : float, default 60
            Seconds between writes. The file is also written at the end, on errors, on Ctrl-C and on SIGTERM.

        Returns
        -------
        xarray.Dataset
            The observables and the diagnostics of the records, along time if there is more than one record,
            with all parameters and versions, and what a single record says in words, in the attributes.

        Raises
        ------
        ValueError
            If an observable returns an array that does not fit its `dims`, or the checkpoint is of another run or
            damaged.
        KeyboardInterrupt
            On Ctrl-C, with a sentence that says what is kept and how to go on.

        Warns
        -----
        RuntimeWarning
            If a result is not finite, where the observable does not say that it may be.

        Examples
        --------
        >>> import tempfile
        >>> def chain(t_max):
        ...     algorithm = algorithms.NHTEBD(dt=0.1, t_max=t_max)
        ...     return Simulation(models.NonHermitianXXZ(L=4), algorithm, {"sz": observables.Magnetization()})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = chain(t_max=0.2).run(checkpoint=f"{folder}/chain.npz")
        ...     extended = chain(t_max=0.4).run(checkpoint=f"{folder}/chain.npz")
        >>> extended.identical(chain(t_max=0.4).run())
        True
        """
        keeper = None if checkpoint is None else self.checkpoint(checkpoint, checkpoint_every)
        try:
            data, coords, remarks = self.measured(after, progress=progress, checkpoint=keeper)
        except KeyboardInterrupt:
            kept = "what was measured is lost; with a `checkpoint`, the same call would go on from there"
            if keeper is not None and keeper.exists:
                what = (
                    f"{len(keeper.progress.rows)} records are" if self.algorithm.yields.axis else "what is finished is"
                )
                kept = f"{what} in {keeper.url}, and the same call goes on from there"
            raise KeyboardInterrupt(f"stopped by Ctrl-C: {kept}") from None
        for name in not_finite(data):
            warn(f"the result {name!r} is not finite; a sweep would count it as failed", RuntimeWarning)
        return xr.Dataset(data, coords, self.provenance() | remarks)

    def measured(
        self, after: R | None = None, *, progress: bool = False, checkpoint: Checkpoint | None = None
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
        """Run to the end and return variables and coordinates as xarray takes them, without making a dataset.

        Parameters
        ----------
        after, progress
            As for `run`.
        checkpoint : Checkpoint, optional
            What the method `checkpoint` returned.

        Returns
        -------
        data, coords : dict
            Dimensions, values and attributes by name.
        remarks : dict of str to str
            What the only record, if it is the only one, says in words.

        Raises
        ------
        ValueError
            As for `run`.
        """
        axis, details = self.algorithm.yields.axis, self.algorithm.diagnostics
        if checkpoint is not None and after is not None:
            raise ValueError("a run continues either after a record or from a checkpoint; leave out `after`")
        shapes, remarks = Shapes(self.observables), dict[str, str]()
        with checkpoint or contextlib.nullcontext(), contextlib.ExitStack() as held:
            run = Progress(record=after)
            if checkpoint is not None and not axis:
                held.enter_context(written(checkpoint.load().journal, checkpoint.tick))
            elif checkpoint is not None:
                run = checkpoint.load(lambda: next(iter(self.algorithm.records(self.model))))
                self._require_not_past_the_end(checkpoint, run)
                for name in self.observables if run.rows else ():
                    shapes.array(name, run.rows[0][name])
            records = self.algorithm.records(self.model, cast("R", run.record))
            bar = held.enter_context(tqdm(initial=len(run.rows), unit="record")) if progress else None
            if bar is not None:
                held.enter_context(listening(bar.set_postfix_str))
            for record in records:
                row = {name: getattr(record, detail.field) for name, detail in details.items()}
                for name in (name for name, number in row.items() if number is None):
                    raise ValueError(
                        f"{type(self.algorithm).__name__} has the diagnostic {name!r}, but a "
                        f"{type(record).__name__} without it; leave it out of `diagnostics`, or give it a number"
                    )
                for name, measure in self.observables.items():
                    row[name] = shapes.array(name, measure(record, self.model))
                run.add(record if checkpoint and axis else None, getattr(record, axis) if axis else None, row)
                remarks = {} if axis else record.remarks
                del record  # the algorithm changes a state in place that nobody holds
                if checkpoint is not None:
                    checkpoint.tick()
                if bar is not None:
                    bar.update()
        rows, labels = run.rows, run.labels
        if not rows:
            reached = f" at {axis} = {getattr(after, axis)}" if axis else ""
            raise ValueError(f"there is nothing to run: the record to continue after is the last one{reached}")
        variables = {
            name: ((), {"long_name": detail.long_name, "units": self._units(detail)})
            for name, detail in details.items()
        } | {name: (observable.dims, _described(name, observable)) for name, observable in self.observables.items()}
        data, coords = {}, dict[str, Any]()
        begun = rows[0].keys()  # by an earlier version perhaps, which did not know all diagnostics yet
        for name, (dims, attributes) in variables.items():
            if name not in begun:
                continue
            column = [np.asarray(row[name]) for row in rows]
            data[name] = ((axis, *dims), np.stack(column), attributes) if axis else (dims, column[0], attributes)
            coords |= {dim: (dim, np.arange(size)) for dim, size in zip(dims, column[0].shape, strict=True)}
        for observable in self.observables.values():
            coords |= {dim: (dim, np.array(list(labels))) for dim, labels in observable.coords.items()}
        if axis:
            units = {"units": self.model.time_units} if axis == "time" else {}
            coords[axis] = (axis, np.array(labels), {"long_name": axis} | units)
        return data, coords, remarks

    def _units(self, detail: Diagnostic) -> str:
        return self.model.time_units if detail.units == "time" else detail.units

    def _require_not_past_the_end(self, checkpoint: Checkpoint, run: Progress) -> None:
        for name in self.algorithm.extendable if run.labels else ():
            reached, end = float(run.labels[-1]), operator.attrgetter(name)(self.algorithm)
            if reached > end * (1 + 1e-9):
                raise ValueError(
                    f"checkpoint = {checkpoint.url!r} has reached {self.algorithm.yields.axis} = {reached:g}, past "
                    f"{name} = {end:g}; ask for a later end, or for another file"
                )

    def checkpoint(self, place: str | Path, every: float = 60.0, patience: float = 0.0) -> Checkpoint:
        """Return the checkpoint of this run at a place, for `measured`.

        Parameters
        ----------
        place : str or Path
            A local file, or any URL that fsspec opens.
        every : float
            Seconds between writes.
        patience : float
            Seconds that a run lasts before it is worth a file.

        Raises
        ------
        TypeError
            If the algorithm yields a single record and writes no journal, so that there is nothing to continue.
        """
        require(every >= 0, "checkpoint_every", every, "zero or positive")
        named = isinstance(place, str | os.PathLike) and bool(str(place))
        require(named, "checkpoint", place, "the name of a file, such as 'run.npz'")
        if self.algorithm.yields.axis is None and not self.algorithm.resumes:
            what = f"{type(self.algorithm).__name__} yields one {self.algorithm.yields.__name__} at once"
            raise TypeError(f"{what}, so that there is nothing to continue from; leave out `checkpoint`")
        # what is written of a search does not depend on what is measured in the end
        kept = self if self.algorithm.yields.axis else replace(self, observables={})
        described = {name: json.loads(text) for name, text in kept.provenance().items()}
        free = tuple(f"algorithm.{name}" for name in self.algorithm.extendable)
        computes = functools.partial(fingerprint, kept, self.algorithm.extendable)
        return Checkpoint(place, described, free, every, patience, computes)

    def provenance(self) -> dict[str, str]:
        """Return all parameters and the versions of the libraries, as JSON texts.

        Returns
        -------
        dict of str to str
            Attributes ``model``, ``algorithm``, ``observables`` and ``versions`` of the dataset.
        """
        parts = {
            "model": self.model.parameters(),
            "algorithm": self.algorithm.parameters(),
            "observables": {name: observable.parameters() for name, observable in self.observables.items()},
            "versions": dict(versions()),
        }
        return {name: json.dumps(part, ensure_ascii=False) for name, part in parts.items()}


def _made_of(given: object) -> str:
    """Return a hint for a class that stands where an object must, to go on with in a message."""
    return f", such as {given.__name__}(…)" if isinstance(given, type) else ""


def _in_a_level(observable: Observable[Any], yields: type[Record]) -> str:
    """Return a hint for an observable of states where there are levels, to go on with in a message."""
    states = observable.measures if isinstance(observable.measures, tuple) else (observable.measures,)
    if not (issubclass(yields, Spectrum) and Snapshot in states) or Capability.NORM in observable.needs:
        return ""
    return f"; in a level it is observables.OfLevel(observable={observable!r})"


def _described(name: str, observable: Observable[Any]) -> dict[str, str]:
    """Return what a dataset says of the values of an observable."""
    said = {"long_name": observable.long_name or name, "units": observable.units}
    return said | ({"infinite": observable.infinite} if observable.infinite else {})
