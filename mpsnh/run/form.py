"""The form that the results of all points of a sweep share: names, dimensions, types and labels."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Variable = tuple[Any, ...]
"""Dimensions, values and perhaps attributes, as xarray takes them."""


class FormError(ValueError):
    """The result of a point does not fit those of the others, which no retry can mend.

    Examples
    --------
    >>> issubclass(FormError, ValueError)
    True
    """


class Part(NamedTuple):
    """What is known of a variable before there are results.

    Examples
    --------
    >>> Part(("site",), (6,), np.dtype(float), {"units": "1"}).shape
    (6,)
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """Names, dimensions, shapes, types, labels and attributes of the result of a point.

    Attributes
    ----------
    parts : mapping of str to Part
        The variables.
    coords : mapping
        Dimensions, labels and attributes, by name.
    attrs : mapping
        Attributes of the whole.
    later : set of str
        Variables that results have, but are left out: the version that wrote the store did not know them yet.

    Examples
    --------
    >>> form = Form.of({"E": (("level",), np.zeros(2), {})}, {"level": (("level",), np.arange(2), {})})
    >>> form.parts["E"].shape, form.empty((3,))["E"].shape
    ((2,), (3, 2))
    """

    parts: Mapping[str, Part]
    coords: Mapping[str, Variable] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    later: frozenset[str] = frozenset()

    @classmethod
    def of(cls, data: Mapping[str, Variable], coords: Mapping[str, Variable] | None = None, attrs: Any = None) -> Form:
        """Return the form of a result, whose variables are given as xarray takes them.

        Examples
        --------
        >>> Form.of({"gap": ((), 0.5, {"units": "J"})}).parts["gap"].attrs
        {'units': 'J'}
        """
        parts = {}
        for name, (dims, values, attributes) in data.items():
            array = np.asarray(values)
            parts[name] = Part(tuple(dims), array.shape, array.dtype, attributes)
        labels = {}
        for name, (dims, values, *attributes) in (coords or {}).items():
            labels[name] = (
                (dims,) if isinstance(dims, str) else tuple(dims),
                np.asarray(values),
                *(attributes or [{}]),
            )
        return cls(parts, labels, attrs or {})

    def only(self, names: Collection[str]) -> Form:
        """Leave out variables that have another name, and from then on those of these names that are not there.

        Examples
        --------
        >>> list(Form.of({"gap": ((), 0.5, {}), "noise": ((), 0.0, {})}).only(["gap"]).parts)
        ['gap']
        """
        parts = {name: part for name, part in self.parts.items() if name in names}
        return replace(self, parts=parts, later=frozenset(names) - parts.keys())

    def require_same(
        self, point: Mapping[str, Any], data: Mapping[str, Variable], coords: Mapping[str, Variable]
    ) -> None:
        """Raise if the result of a point has another form.

        Parameters
        ----------
        point : mapping
            Its coordinates.
        data, coords : mapping
            Its variables and labels.

        Raises
        ------
        FormError
            If names, shapes or labels differ, or values of its type would be rounded.

        Examples
        --------
        >>> Form.of({"x": ((), 0, {})}).require_same({"h": 1.0}, {"x": ((), 0.5, {})}, {})
        Traceback (most recent call last):
        mpsnh.run.form.FormError: the result 'x' at {'h': 1.0} has the type float64, but at the first point it has ...
        """
        if data.keys() - self.later != self.parts.keys():
            raise FormError(f"the result at {point} has the parts {[*data]}, but the first point has {[*self.parts]}")
        for name, (_, values, _) in data.items():
            part = self.parts.get(name)
            if part is None:  # a diagnostic that a store of an earlier version does not have
                continue
            array = np.asarray(values)
            if array.dtype != part.dtype and not np.can_cast(array.dtype, part.dtype):
                raise FormError(
                    f"the result {name!r} at {point} has the type {array.dtype}, but at the first point it has "
                    f"{part.dtype}; a sweep needs the same type at all points"
                )
            if array.shape != part.shape:
                raise FormError(
                    f"the result {name!r} has the shape {array.shape} at {point}, but {part.shape} at the first point; "
                    "a sweep needs one shape at all points: measure single numbers, or sweep over the other axes only"
                )
        for name, label in self.coords.items():
            if name not in coords or not _same_labels(label[1], coords[name][1]):
                raise FormError(
                    f"the dimension {name!r} has other labels at {point} than at the first point; a sweep needs "
                    "the same ones at all points"
                )

    @property
    def nbytes(self) -> int:
        """How many bytes the variables of a point take."""
        return sum(part.dtype.itemsize * math.prod(part.shape) for part in self.parts.values())

    def empty(self, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
        """Return arrays for the results of a grid of points, filled with what stands for a missing one."""
        return {
            name: np.full(shape + part.shape, empty_value(part.dtype), part.dtype) for name, part in self.parts.items()
        }


def _same_labels(a: Any, b: Any) -> bool:
    """Tell whether labels are the same; times may differ by rounding, which version 0.1.0 left in them."""
    if a is b or np.array_equal(a, b):
        return True
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype.kind == b.dtype.kind == "f" and np.allclose(a, b, rtol=1e-12, atol=0)


def empty_value(dtype: np.dtype[Any]) -> Any:
    """Return what stands for a missing result: NaN where the type has it, else zero or an empty text.

    Examples
    --------
    >>> float(empty_value(np.dtype(float))), int(empty_value(np.dtype(int)))
    (nan, 0)
    """
    if dtype.kind in "fc":
        return dtype.type(np.nan)
    return np.zeros((), dtype)[()]
