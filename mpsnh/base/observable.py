"""Observables: what turns a record into numbers."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm, is_guarded
from mpsnh.base.capability import Capability, require_capabilities, require_said
from mpsnh.base.model import Model
from mpsnh.base.records import Record
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import described, require_method
from mpsnh.states.basis import require_same_basis
from mpsnh.value import Value

R_contra = TypeVar("R_contra", bound=Record, contravariant=True)
"""What measures any of two kinds of records measures one of them."""

NUMBERS = "biufc"
"""Kinds of arrays that a dataset holds: truth values, integers, real and complex numbers."""


class Observable(Value, Generic[R_contra]):
    """Turns a record into a number or a labelled array.

    A new observable names the kind of record it measures and the dimensions of its result, and writes `__call__`.

    Attributes
    ----------
    measures : type of Record, or tuple of them
        The kind of record.
    needs : frozenset of Capability
        What a record must hold besides. It is compared with what the algorithm `gives` when a `Simulation` is made, and
        with what the record `holds` whenever it is measured.
    dims : tuple of str
        Names of the dimensions of the result; empty for a number.
    coords : mapping of str to sequence
        Labels along dimensions; a dimension without labels is numbered from 0.
    long_name, units : str
        Go with the result into the dataset.
    infinite : str
        When a value may be infinite, which goes there too; else such a value, as one that is no number, is a failure.
    """

    measures: ClassVar[type[Record] | tuple[type[Record], ...]]
    needs: ClassVar[frozenset[Capability]] = frozenset()
    dims: ClassVar[tuple[str, ...]] = ()
    coords: ClassVar[Mapping[str, Sequence[Any]]] = {}
    long_name: ClassVar[str] = ""
    units: ClassVar[str] = "1"
    infinite: ClassVar[str] = ""

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_method(cls, "__call__", "record", "model")
        if isinstance(cls.dims, str):  # ("site") for ("site",)
            cls.dims = (cls.dims,)
        require_said(cls, "needs")
        if getattr(cls.__call__, "__isabstractmethod__", False):
            return
        _require_kinds(cls)
        if not is_guarded(cls.__call__):  # it may be that of a class that is no observable
            cls.__call__ = _guarded(cls.__call__)  # type: ignore[method-assign]

    @abstractmethod
    def __call__(self, record: R_contra, model: Model) -> ArrayLike:
        """Return the value of the observable in a record."""

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise before any work starts if the observable does not fit the model or the algorithm."""


def _require_kinds(cls: type[Observable[Any]]) -> None:
    """Raise if a class does not say what kind of record it measures."""
    measures = getattr(cls, "measures", None)
    kinds = measures if isinstance(measures, tuple) else (measures,)
    if not kinds or not all(isinstance(kind, type) and issubclass(kind, Record) for kind in kinds):
        said = "does not say what it measures" if measures is None else f"has measures = {measures!r}"
        way = "write `measures = nh.Snapshot` for evolutions, or `measures = nh.Spectrum`, in the class"
        raise TypeError(f"{cls.__name__} {said}, but it must name a kind of record: {way}")


def _guarded(measure: Callable[..., Any]) -> Callable[..., Any]:
    """Let an observable refuse records that lack what it needs or are of another chain, and give numbers only."""

    @functools.wraps(measure)
    def guarded(self: Observable[Any], record: Record, model: Model) -> Any:
        if self.needs:
            reason = getattr(record, "missing", "")
            giver = f"this {type(record).__name__}" + (f" ({reason})" if reason else "")
            require_capabilities(self.needs, record.holds, type(self).__name__, giver)
        if Capability.BY_GROWTH in self.needs and isinstance(record, Spectrum):
            record.require_by_growth(model)
        state, sites = getattr(record, "state", None), getattr(model, "sites", None)
        require_same_basis(getattr(state, "local_sites", None), sites, "the state", "the model")
        value = measure(self, record, model)
        if not isinstance(value, float | complex | int):
            require_numbers(value, type(self).__name__)
        return value

    return guarded


def require_numbers(value: Any, name: str) -> None:
    """Raise if what an observable returned is no number and no array of them.

    Parameters
    ----------
    value : array_like
        What it returned.
    name : str
        Its class, for the message.

    Raises
    ------
    TypeError
        Saying what it returned.

    Examples
    --------
    >>> require_numbers(np.array(["up"]), "Spins")
    Traceback (most recent call last):
    TypeError: Spins returned array(['up'], ...), but it must return a number, or an array of numbers with its `dims`
    """
    try:
        kind = np.asarray(value).dtype.kind
    except ValueError:  # rows of different lengths
        kind = "O"
    if kind not in NUMBERS:
        allowed = "a number, or an array of numbers with its `dims`"
        raise TypeError(f"{name} returned {described(value)}, but it must return {allowed}")
