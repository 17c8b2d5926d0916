"""Whether the points of a store are those that would be computed now."""

from __future__ import annotations

import cmath
from collections.abc import Iterator
from typing import Any

import numpy as np

from mpsnh.run.fingerprint import SAME
from mpsnh.run.grid import Grid, Point
from mpsnh.run.reference import Make
from mpsnh.run.regions import DONE
from mpsnh.run.seal import UNKNOWN, digests, generator_number
from mpsnh.run.store import Store

SAMPLE = 64
"""Points that are compared of those that the very same function made."""


class Reuse:
    """Points of a store that a sweep takes as they are.

    Those that another `make` has made are all made again, to compare digests of their parameters and code and the
    numbers of their Hamiltonians. If `make` is the same function, to what it calls and captures, some are, drawn at
    random: it may still have read a file, say.

    Parameters
    ----------
    store : Store
        Where the points are.
    wanted : Grid
        Which of them.
    code : str
        A digest of the function that makes simulations now.

    Examples
    --------
    >>> reuse = Reuse(Store("memory://reuse"), Grid({"h": [1.0]}), code="")
    >>> reuse.wanted.size
    1
    """

    def __init__(self, store: Store, wanted: Grid, code: str) -> None:
        self.store, self.wanted, self.code = store, wanted, code

    def require_same(self, make: Make) -> None:
        """Raise if a point was computed from something else than would be now.

        Parameters
        ----------
        make : callable
            Takes the coordinates of a point by name and returns its simulation.

        Raises
        ------
        ValueError
            Naming the point.
        """
        known, others = list[tuple[Point, Any]](), 0
        for point, seal, same in self._done():
            if not same:
                self._compare(make, point, seal)
                continue
            others += 1  # keeps a sample of a stream (Vitter 1985, algorithm R)
            if len(known) < SAMPLE:
                known.append((point, seal))
            elif (place := int(self._rng.integers(others))) < SAMPLE:
                known[place] = (point, seal)
        for point, seal in known:
            self._compare(make, point, seal)

    @property
    def _rng(self) -> np.random.Generator:
        self.__dict__.setdefault("_drawn", np.random.default_rng())
        return self.__dict__["_drawn"]  # type: ignore[no-any-return]

    def _done(self) -> Iterator[tuple[Point, Any, bool]]:
        """Yield each point that is done, its seal, and whether this very function made it."""
        state = self.store.state
        same = {n for n, origin in state.origins.items() if self.code and origin.get("make") == self.code}
        inside = state.grid.overlap(self.wanted)
        inside &= self.store.status(tuple(slice(0, n) for n in state.grid.shape)) == DONE
        for region in state.grid.regions_of(inside):
            part = state.grid.part(region)
            try:
                seals = self.store.seals(region)
            except OSError:  # it is damaged, and will be computed again
                continue
            for place in np.argwhere(inside[region] & (seals["origin"] > UNKNOWN)).tolist():
                seal = seals[tuple(place)]
                labels = zip(part.axes.items(), place, strict=True)
                yield {name: known[k] for (name, known), k in labels}, seal, int(seal["origin"]) in same

    def _compare(self, make: Make, point: Point, seal: Any) -> None:
        where = ", ".join(f"{name} = {label}" for name, label in point.items())
        try:
            simulation = make(**point)
        except Exception as error:  # whatever a user's function raises where it did not
            self._refuse(f"at {where} no simulation can be made any more: {error!r}")
        parameters, code, terms = digests(simulation)
        there, here = (complex(seal["generator"]), complex(np.nan))
        if not cmath.isnan(there):
            here = generator_number(simulation)
        if parameters != int(seal["parameters"]):
            self._refuse(f"at {where} a parameter is another one than when it was computed")
        if _changed(code, seal["code"]):
            self._refuse(f"at {where} the code of a class, or what a function captures, is another one")
        if not cmath.isnan(there) and not cmath.isclose(there, here, rel_tol=SAME):
            self._refuse(f"at {where} the Hamiltonian (or a gate) is another one")
        if cmath.isnan(there) and _changed(terms, seal["terms"]):
            self._refuse(f"at {where} no number was kept of the Hamiltonian, whose code is another one")

    def _refuse(self, problem: str) -> None:
        raise ValueError(f"store = {self.store.url!r} holds another study: {problem}")


def _changed(here: int, there: Any) -> bool:
    """Tell whether code is another one; that of another version of Python can't be compared."""
    return here != int(there) and here & 0xFF == int(there) & 0xFF
