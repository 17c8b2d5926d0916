"""Points of a grid whose simulations are compared with those of another process or another time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpsnh.run.failure import describe
from mpsnh.run.fingerprint import changed, fingerprint
from mpsnh.run.form import FormError
from mpsnh.run.grid import Point, where
from mpsnh.run.remarks import unheard
from mpsnh.run.simulation import Simulation

Make = Callable[..., Simulation[Any]]
"""Takes the coordinates of a point by name and returns its simulation."""

MOST = 12
"""Points that a store remembers at most."""

_AGREED: set[str] = set()
"""Which references this process has compared already."""


@dataclass(frozen=True)
class References:
    """What the simulations at some points compute.

    Attributes
    ----------
    known : sequence of dict
        The coordinates of each point, and its fingerprint.
    number : str
        By which a process knows that it has compared them.

    Examples
    --------
    >>> def chain(h):
    ...     return nh.Simulation(models.NonHermitianXXZ(L=4, h=h), algorithms.ExactDiag(), {})
    >>> there = References.of([({"h": 1.0}, chain(1.0))])
    >>> there.difference(lambda h: chain(2 * h))
    'at h = 1.0 the Hamiltonian (or a gate) is another one'
    """

    known: Sequence[Mapping[str, Any]]
    number: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    @classmethod
    def of(cls, made: Sequence[tuple[Point, Simulation[Any]]]) -> References:
        """Return what some simulations compute, each of which belongs to a point."""
        with unheard():
            return cls([{"point": dict(point), **fingerprint(simulation)} for point, simulation in made])

    def difference(self, make: Make, made: Sequence[tuple[Point, Simulation[Any]]] = ()) -> str:
        """Name the first difference to what is computed here; empty if there is none.

        Parameters
        ----------
        make : callable
            Makes the simulation of a point.
        made : sequence of (point, simulation)
            Those that are made already.
        """
        for reference in self.known:
            point = reference["point"]
            with unheard():
                try:
                    simulation = next((known for at, known in made if at == point), None) or make(**point)
                except Exception as error:  # whatever a user's function raises where it did not
                    return f"at {where(point)} no simulation can be made any more: {describe(error)}"
                here = fingerprint(simulation)
            if problem := changed(reference, here):
                return f"at {where(point)} {problem}"
        return ""

    def joined(self, other: References) -> References:
        """Return these and those of other points, as many as are worth while."""
        points = [reference["point"] for reference in self.known]
        return References([*self.known, *(new for new in other.known if new["point"] not in points)][:MOST])

    def require_agreement(self, make: Make) -> None:
        """Raise, once in a process, if it makes other simulations than the one that sent it here.

        Raises
        ------
        WorkerError
            Naming the first difference.
        """
        if self.number in _AGREED:
            return
        if problem := self.difference(make):
            raise WorkerError(
                f"a worker process computes something else than was asked for: {problem}; it imports the script anew "
                'and knows nothing that is set below `if __name__ == "__main__":`, so hand such values to `make` by '
                "functools.partial"
            )
        _AGREED.add(self.number)


class WorkerError(FormError):
    """A worker process knows another function by the same name, which no retry can mend.

    Examples
    --------
    >>> issubclass(WorkerError, ValueError)
    True
    """
