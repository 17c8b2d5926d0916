"""Names, dimensions, labels and sizes of what observables return, which must fit into one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.observable import Observable
from mpsnh.checks import require

Observables = Mapping[str, Observable[Any]]


def require_dimensions(observables: Observables, axis: str | None) -> None:
    """Raise if observables can't be variables of one dataset, as far as this is known before any is measured.

    Parameters
    ----------
    observables : mapping of str to Observable
        By the names of their variables.
    axis : str or None
        The dimension of the records, if there are several.

    Raises
    ------
    TypeError
        If the dimensions of an observable are no tuple of names.
    ValueError
        If a name can't be that of a variable, a dimension is there twice, or labels belong to no dimension or differ
        between observables.

    Examples
    --------
    >>> require_dimensions({"energy/L": observables.GrowthRate()}, axis=None)
    Traceback (most recent call last):
    ValueError: observable name = 'energy/L', but it must be a name that files can hold: without / and no dot in front
    """
    known: dict[str, tuple[str, list[Any]]] = {}
    for name, observable in observables.items():
        held = bool(name) and "/" not in name and not name.startswith(".")
        require(held, "observable name", name, "a name that files can hold: without / and no dot in front")
        dims = observable.dims
        if not (isinstance(dims, tuple) and all(isinstance(dim, str) for dim in dims)):
            raise TypeError(f"observable {name!r} has dims = {dims!r}, but they must be a tuple of names")
        for k, dim in enumerate(dims):
            if dim == axis or dim in dims[:k]:
                what = "the records have that one already" if dim == axis else "each must be there once"
                raise ValueError(f"observable {name!r} has dims = {dims!r}, but {what}: give {dim!r} another name")
        for dim, labels in observable.coords.items():
            require(dim in dims, f"dimension of the labels of observable {name!r}", dim, f"one of its dims {dims}")
            other, others = known.setdefault(dim, (name, list(labels)))
            if others != list(labels):
                raise ValueError(
                    f"observables {other!r} and {name!r} label the dimension {dim!r} in different ways, "
                    f"{others} and {list(labels)}; give one of the dimensions another name"
                )


def not_finite(variables: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """Return the names of variables with a number that is none, or infinite where none may be.

    Parameters
    ----------
    variables : mapping of str to tuple
        Dimensions, values and attributes by name.

    Examples
    --------
    >>> endless = np.array(np.inf)
    >>> not_finite({"gap": ((), endless, {}), "condition": ((), endless, {"infinite": "of a defective level"})})
    ['gap']
    """
    names = []
    for name, (_, values, attributes) in variables.items():
        finite = ~np.isnan(values) if "infinite" in attributes else np.isfinite(values)
        if not (finite if finite.ndim == 0 else finite.all()):  # a single number takes a tenth of the time
            names.append(name)
    return names


class Shapes:
    """Turns what observables return into arrays, each of which has one shape at all records.

    Parameters
    ----------
    observables : mapping of str to Observable
        By the names of their variables.

    Examples
    --------
    >>> shapes = Shapes({"sz": observables.Magnetization()})
    >>> shapes.array("sz", [0.5, -0.5])
    array([ 0.5, -0.5])
    >>> shapes.array("sz", [0.5, -0.5, 0.5])
    Traceback (most recent call last):
    ValueError: observable 'sz' returned the shape (3,) at one record and (2,) at another; it must be the same at all
    """

    def __init__(self, observables: Observables) -> None:
        self._observables = observables
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._sizes: dict[str, tuple[str, int]] = {}
        for name, observable in observables.items():
            for dim, labels in observable.coords.items():
                self._sizes.setdefault(dim, (f"the labels of observable {name!r}", len(labels)))

    def array(self, name: str, value: Any) -> NDArray[Any]:
        """Return what an observable returned as an array.

        Parameters
        ----------
        name : str
            Name of the observable.
        value : array_like
            What it returned, which an observable itself refuses if it is no number and no array of them.

        Raises
        ------
        ValueError
            If it does not fit the dimensions, their labels, other observables or earlier records.
        """
        array = np.array(value)  # a copy, since what an observable returns may be a buffer that it fills again
        if (known := self._shapes.get(name)) != array.shape:
            if known is not None:
                raise ValueError(
                    f"observable {name!r} returned the shape {array.shape} at one record and {known} at another; it "
                    "must be the same at all"
                )
            self._require_sizes(name, array.shape)
            self._shapes[name] = array.shape
        return array

    def _require_sizes(self, name: str, shape: tuple[int, ...]) -> None:
        dims = self._observables[name].dims
        if len(shape) != len(dims):
            names = tuple(f"axis_{k}" for k in range(len(shape)))
            raise ValueError(
                f"observable {name!r} returned shape {shape}, but its dims are {dims}; name each dimension in the "
                f"class, as in `dims = {names!r}`"
            )
        for dim, size in zip(dims, shape, strict=True):
            other, known = self._sizes.setdefault(dim, (f"observable {name!r}", size))
            if size != known:
                raise ValueError(
                    f"the dimension {dim!r} has the size {size} in observable {name!r} and {known} in {other}; "
                    "give one of them another name"
                )
