"""Observables: what turns a record into numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import ArrayLike

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.model import Model
from mpsnh.base.records import Record
from mpsnh.value import Value

R = TypeVar("R", bound=Record)


class Observable(Value, Generic[R]):
    """Turns a record into a number or a labelled array.

    A new observable names the kind of record it measures and the dimensions of its result, and writes `__call__`.

    Attributes
    ----------
    measures : type of Record
        What it needs.
    dims : tuple of str
        Names of the dimensions of the result; empty for a number.
    coords : mapping of str to sequence
        Labels along dimensions; a dimension without labels is numbered from 0.
    long_name, units : str
        Go with the result into the dataset.
    """

    measures: ClassVar[type[Record]]
    dims: ClassVar[tuple[str, ...]] = ()
    coords: ClassVar[Mapping[str, Sequence[Any]]] = {}
    long_name: ClassVar[str] = ""
    units: ClassVar[str] = "1"

    @abstractmethod
    def __call__(self, record: R, model: Model) -> ArrayLike:
        """Return the value of the observable in a record."""

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise before any work starts if the observable does not fit the model or the algorithm."""
