"""Many arrays under one name, which compiled code takes as a single pointer.

Numba passes a tuple of arrays member by member: a function that is given fifty of them has some three hundred
arguments, which takes half a second to compile, each time that one such function calls another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NoReturn, Self

import numba.extending
import numpy as np
from llvmlite import ir
from numba.core import cgutils, datamodel, types
from numba.core.typing.templates import AttributeTemplate
from numba.np import arrayobj
from numpy.typing import NDArray
from typing_extensions import override

extending: Any = numba.extending  # whose functions have no types
registry: Any = datamodel
populate_array: Any = arrayobj.populate_array
typeof: Any = numba.typeof

ENTRIES = 3
"""What the table of a bundle says of an array: its address, and its length along two axes."""


class Bundle:
    """Contiguous arrays with one or two axes, which stay where they are; subclasses annotate their names.

    Parameters
    ----------
    **arrays : ndarray
        All that the class names.

    Raises
    ------
    TypeError
        If names are missing or not known, an array has no such form, or an attribute is set.

    Examples
    --------
    >>> import numba
    >>> class Line(Bundle):
    ...     slope: np.ndarray
    ...     shift: np.ndarray
    >>> @numba.njit
    ... def value(line, x):
    ...     return line.slope[0] * x + line.shift[0]
    >>> value(Line(slope=np.array([2.0]), shift=np.array([1.0])), 3.0)
    7.0
    """

    def __init__(self, **arrays: NDArray[Any]) -> None:
        names = tuple(type(self).__annotations__)
        if set(arrays) != set(names):
            raise TypeError(f"{type(self).__name__} needs the arrays {', '.join(names)}, not {', '.join(arrays)}")
        table = np.zeros((len(names), ENTRIES), dtype=np.uint64)
        for row, name in zip(table, names, strict=True):
            array = arrays[name]
            if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable and 0 < array.ndim < 3):
                raise TypeError(f"{name} must be a contiguous array with one or two axes, and not read-only")
            row[: 1 + array.ndim] = array.ctypes.data, *array.shape
        fields = {name: typeof(arrays[name]) for name in names}
        vars(self).update(arrays, _table=table, _address=table.ctypes.data, _type=_Type(type(self).__name__, fields))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise TypeError(
            f"{name} cannot be set, as compiled code knows where the arrays are; make another with `replace`"
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in type(self).__annotations__}

    def replace(self, **changes: NDArray[Any]) -> Self:
        """Return a bundle with other arrays under some of the names.

        Parameters
        ----------
        **changes : ndarray
            The new ones.
        """
        return type(self)(**self.arrays() | changes)


class _Type(types.Type):
    """What numba knows of a bundle: the types of its arrays, which its name tells by a digest."""

    def __init__(self, name: str, fields: Mapping[str, types.Array]) -> None:
        self.fields = dict(fields)
        digest = hashlib.sha256(repr(list(self.fields.items())).encode()).hexdigest()
        super().__init__(f"{name}({digest[:12]})")


def _kind(bundle: Any, _: Any) -> _Type:
    return bundle._type  # type: ignore[no-any-return]


def _pointer(_: Any, bundle: Any, c: Any) -> Any:
    number = c.pyapi.object_getattr_string(bundle, "_address")
    address = c.pyapi.long_as_ulonglong(number)
    c.pyapi.decref(number)
    return extending.NativeValue(c.builder.inttoptr(address, cgutils.voidptr_t))


class _Fields(AttributeTemplate):
    key = _Type

    @override
    def generic_resolve(self, typ: _Type, attr: str) -> Any:  # type: ignore[override]
        return typ.fields.get(attr)


def _array(context: Any, builder: Any, typ: _Type, value: Any, attr: str) -> Any:
    kind, row = typ.fields[attr], list(typ.fields).index(attr)
    table = builder.bitcast(value, ir.IntType(64).as_pointer())

    def entry(number: int) -> Any:
        loaded = builder.load(builder.gep(table, [ir.Constant(ir.IntType(64), ENTRIES * row + number)]))
        # Nothing writes to the table, so that it need not be read again after each store to one of the arrays.
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    array = context.make_array(kind)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    itemsize = context.get_constant(types.intp, size)
    shape = [entry(1 + axis) for axis in range(kind.ndim)]
    strides = [itemsize]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    data = builder.inttoptr(entry(0), context.get_data_type(kind.dtype).as_pointer())
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()


registry.register_default(_Type)(registry.models.OpaqueModel)
extending.typeof_impl.register(Bundle)(_kind)
extending.unbox(_Type)(_pointer)
extending.infer_getattr(_Fields)
extending.lower_getattr_generic(_Type)(_array)
