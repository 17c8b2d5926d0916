"""Algorithms: what turns a model into records."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Generic, TypeVar

from typing_extensions import override

from mpsnh.base.capability import Capability, require_said
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic, Record
from mpsnh.checks import did_you_mean, require_method
from mpsnh.value import Value

R = TypeVar("R", bound=Record)

GUARD = "_guarded.<locals>.guarded"
"""The code that checks what the methods of algorithms and observables return, and goes by their names."""


class Algorithm(Value, Generic[R]):
    """Turns a model into a stream of records.

    A new algorithm names the kind of its records in `yields` and writes `records`.

    Attributes
    ----------
    yields : type of Record
        The kind of its records.
    extendable : tuple of str
        Parameters that say where a run ends, so that one that is finished can go on with another value; "inner.t_max"
        is one of the parameter "inner".
    resumes : bool
        Whether a run that yields a single record writes its steps into a journal, from which it goes on.
    diagnostics : mapping of str to Diagnostic
        Numbers of each record that go into every dataset, because they tell how far it can be trusted.
    """

    yields: ClassVar[type[Record]]
    extendable: ClassVar[tuple[str, ...]] = ()
    resumes: ClassVar[bool] = False
    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {}

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_method(cls, "records", "model", "after", otherwise="`after` is a record to go on from, or None")
        require_said(cls, "gives")
        if getattr(cls.records, "__isabstractmethod__", False):
            return
        yields = getattr(cls, "yields", None)
        if not (isinstance(yields, type) and issubclass(yields, Record)):
            said = "does not say what it yields" if yields is None else f"has yields = {yields!r}"
            way = "write `yields = nh.Snapshot` for evolutions, or `yields = nh.Spectrum`, in the class"
            raise TypeError(f"{cls.__name__} {said}, but it must name a kind of record: {way}")
        _require_diagnostics(cls)
        if not is_guarded(cls.records):  # it may be that of a class that is no algorithm
            cls.records = _guarded(cls.records)  # type: ignore[method-assign]

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


def _require_diagnostics(cls: type[Algorithm[Any]]) -> None:
    """Raise if a diagnostic is no number of the records."""
    kind, details = cls.yields, cls.diagnostics
    known = {field.name for field in fields(kind)}
    for name, detail in details.items():
        if not isinstance(detail, Diagnostic):
            raise TypeError(f"{cls.__name__}.diagnostics[{name!r}] = {detail!r}, but it must be a Diagnostic(…)")
        if detail.field not in known and not hasattr(kind, detail.field):
            raise TypeError(
                f"{cls.__name__} has the diagnostic {name!r}, but a {kind.__name__} has no field "
                f"{detail.field!r}{did_you_mean(detail.field, known)}"
            )


def _guarded(records: Callable[..., Any]) -> Callable[..., Any]:
    """Let an algorithm yield records of the kind it says, of which there is only one if nothing labels them."""

    @functools.wraps(records)
    def guarded(self: Algorithm[Any], *arguments: Any, **options: Any) -> Iterator[Any]:
        name, made = type(self).__name__, records(self, *arguments, **options)
        if not isinstance(made, Iterable):
            raise TypeError(f"{name}.records returned a {type(made).__name__}, but it must yield records")
        for number, record in enumerate(made):
            if number and self.yields.axis is None:
                kind = self.yields.__name__
                raise TypeError(
                    f"{name}.records yielded more than one {kind}, but there must be one only, since its kind names no "
                    "`axis` that labels them"
                )
            if not isinstance(record, self.yields):
                kind = self.yields.__name__
                raise TypeError(f"{name}.records yielded a {type(record).__name__}, but it must yield a {kind}")
            yield record
            del record

    return guarded


def require_nothing_after(algorithm: Algorithm[Any], after: Record | None) -> None:
    """Raise if there is a record to go on from, for an algorithm that yields a single one.

    Parameters
    ----------
    algorithm : Algorithm
        Whose records are asked for.
    after : Record or None
        What was given to go on from.

    Raises
    ------
    ValueError
        If it is not None.

    Examples
    --------
    >>> require_nothing_after(algorithms.ExactDiag(), None)
    """
    if after is not None:
        raise ValueError(f"{type(algorithm).__name__} has nothing to continue; leave out `after`")


def is_guarded(method: Callable[..., Any]) -> bool:
    """Tell whether what a method returns is checked.

    Parameters
    ----------
    method : callable
        Of an algorithm or an observable.

    Examples
    --------
    >>> is_guarded(algorithms.ExactDiag.records), is_guarded(print)
    (True, False)
    """
    return getattr(getattr(method, "__code__", None), "co_qualname", "") == GUARD
