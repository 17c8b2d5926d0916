"""Algorithms: what turns a model into records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, Generic, TypeVar

from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic, Record
from mpsnh.value import Value

R = TypeVar("R", bound=Record)


class Algorithm(Value, Generic[R]):
    """Turns a model into a stream of records.

    A new algorithm names the kind of its records in `yields` and writes `records`.

    Attributes
    ----------
    yields : type of Record
        The kind of its records.
    extendable : tuple of str
        Parameters that say where a run ends, so that one that is finished can go on with another value.
    diagnostics : mapping of str to Diagnostic
        Numbers of each record that go into every dataset, because they tell how far it can be trusted.
    """

    yields: ClassVar[type[Record]]
    extendable: ClassVar[tuple[str, ...]] = ()
    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {}

    @property
    def gives(self) -> frozenset[Capability] | None:
        """What its records will hold; None leaves that to be seen when they are there."""
        return None

    @abstractmethod
    def records(self, model: Model, after: R | None = None) -> Iterator[R]:
        """Yield the records of a model, continuing after an earlier one if that is given."""

    def check(self, model: Model) -> None:
        """Raise before any work starts if the algorithm can't treat the model."""

    def bytes_needed(self, model: Model) -> float:
        """Return an estimate of the bytes that treating the model needs at its peak; 0 if that is little."""
        return 0.0
