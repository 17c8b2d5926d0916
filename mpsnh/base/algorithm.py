"""Algorithms: what turns a model into records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Generic, TypeVar

from mpsnh.base.model import Model
from mpsnh.base.records import Record
from mpsnh.value import Value

R = TypeVar("R", bound=Record)


class Algorithm(Value, Generic[R]):
    """Turns a model into a stream of records.

    A new algorithm names the kind of its records in `yields` and writes `records`.
    """

    yields: ClassVar[type[Record]]
    extendable: ClassVar[tuple[str, ...]] = ()
    """Parameters that say where a run ends, so that one that is finished can go on with another value."""

    @abstractmethod
    def records(self, model: Model, after: R | None = None) -> Iterator[R]:
        """Yield the records of a model, continuing after an earlier one if that is given."""

    def check(self, model: Model) -> None:
        """Raise before any work starts if the algorithm can't treat the model."""

    def memory(self, model: Model) -> float:
        """Return an estimate of the bytes that treating the model needs at its peak; 0 if that is little."""
        return 0.0
