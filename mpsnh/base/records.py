"""Records: what algorithms yield and observables measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from mpsnh.base.capability import Capability


@dataclass(frozen=True)
class Diagnostic:
    """A number of a record that goes into every dataset, beside the observables.

    Parameters
    ----------
    field : str
        The attribute of the record.
    long_name, units : str
        Go with the number into the dataset; the unit ``"time"`` is that of the model's time.

    Examples
    --------
    >>> Diagnostic("discarded", "discarded weight").units
    '1'
    """

    field: str
    long_name: str
    units: str = "1"


@dataclass(frozen=True)
class Record:
    """Base of what algorithms yield.

    A subclass names in `axis` the field that labels successive records, or None if there is only one record.

    Examples
    --------
    >>> Record.axis is None, Record().holds
    (True, frozenset())
    """

    axis: ClassVar[str | None] = None

    @property
    def holds(self) -> frozenset[Capability]:
        """What observables can count on."""
        return frozenset()

    @property
    def remarks(self) -> dict[str, str]:
        """What is to be said of the record in words, by name: attributes of a dataset that is made of it alone."""
        return {}

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the record as arrays by name, for a checkpoint.

        Raises
        ------
        TypeError
            If a run can't go on from a record of this kind.
        """
        raise TypeError(f"a run can't go on from a {type(self).__name__}, so that it has no checkpoints")

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a record of the same kind from the arrays of another one.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            What `arrays` returned.

        Raises
        ------
        TypeError
            If a run can't go on from a record of this kind.
        """
        raise TypeError(f"a run can't go on from a {type(self).__name__}, so that it has no checkpoints")
