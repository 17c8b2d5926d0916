"""BLAS and LAPACK, called from compiled code in the precision of its arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import get_cython_function_address, intrinsic
from scipy.linalg import cython_blas

ROUTINES = {
    "blas": ("gemm", "herk", "trmm", "trsm"),
    "lapack": ("gesdd", "gesvd", "heevd", "geqrf", "ungqr", "potrf"),
}
"""What `fortran` can call, by the library it comes from; `gemm3m` is the fastest way to do what `gemm` does."""

PRECISIONS = {types.complex64: "c", types.complex128: "z"}
"""First letter of the routines for each type of array."""

FASTER_IN_THREE = ("Haswell", "Zen")
"""Cores on which OpenBLAS multiplies complex matrices faster by three real products than by four (× 1.2 from 64 on).

With AVX-512 it is the slower way (× 0.7).
"""


def _three_products(letter: str, four: int) -> int:
    """Return the address of `gemm3m`, or else that of `gemm`, where it is missing or not known to be faster."""
    library = ctypes.CDLL(cython_blas.__file__)  # finds what it is linked with
    for prefix in ("scipy_", ""):
        core, routine = f"{prefix}openblas_get_corename", f"{prefix}{letter}gemm3m_"
        if hasattr(library, core) and hasattr(library, routine):
            name = library[core]
            name.restype = ctypes.c_char_p
            if name().decode() in FASTER_IN_THREE:
                return ctypes.cast(library[routine], ctypes.c_void_p).value or four
    return four


# Compiled code calls the routines by these names, not by their addresses, so that it can be kept on disk.
for library, routines in ROUTINES.items():
    for name in routines:
        for letter in PRECISIONS.values():
            address = get_cython_function_address(f"scipy.linalg.cython_{library}", letter + name)
            llvmlite.binding.add_symbol(f"mpsnh_{letter}{name}", address)
            if name == "gemm":
                llvmlite.binding.add_symbol(f"mpsnh_{letter}gemm3m", _three_products(letter, address))


def _call(typing_context: Any, routine: Any, *arguments: Any) -> tuple[Any, Callable[..., Any]]:
    """Call one of the `ROUTINES` with the arguments of its Fortran interface.

    Letters are constant strings, integers and scalars are given by value, and arrays are contiguous.
    The precision is that of the first complex array; scalars must have it.

    Examples
    --------
    >>> import numba
    >>> @numba.njit
    ... def square(a, b):
    ...     fortran("gemm", "N", "N", 2, 2, 2, 1.0 + 0j, a, 2, a, 2, 0j, b, 2)
    >>> a, b = np.array([[0, 2], [1, 0]], complex, order="F"), np.empty((2, 2), complex, order="F")
    >>> square(a, b)
    >>> b.real.tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    if len(arguments) == 1 and isinstance(arguments[0], types.BaseTuple):
        packed: Any = arguments[0]
        arguments = tuple(packed)
    if not isinstance(routine, types.StringLiteral):
        raise TypingError("the routine must be a constant")
    letters = [PRECISIONS.get(kind.dtype) for kind in arguments if isinstance(kind, types.Array)]
    letter = next((letter for letter in letters if letter), None)
    if letter is None:
        raise TypingError(f"{routine.literal_value} needs a complex array")
    symbol = f"mpsnh_{letter}{routine.literal_value}"

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        address = ir.IntType(8).as_pointer()
        pointers = []
        for position, kind in enumerate(arguments):
            value = builder.extract_value(values[1], position)
            if isinstance(kind, types.Array):
                place = context.make_array(kind)(context, builder, value).data
            elif isinstance(kind, types.StringLiteral):
                place = context.insert_const_string(builder.module, kind.literal_value)
            else:
                if isinstance(kind, types.Integer | types.IntegerLiteral):
                    value = builder.trunc(value, ir.IntType(32))
                with builder.goto_entry_block():
                    place = builder.alloca(value.type)  # there, a loop does not use up the stack
                builder.store(value, place)
            pointers.append(builder.bitcast(place, address))
        function = builder.module.globals.get(symbol) or ir.Function(
            builder.module, ir.FunctionType(ir.VoidType(), [address] * len(pointers)), symbol
        )
        builder.call(function, pointers)
        return context.get_dummy_value()

    star: Any = types.StarArgTuple
    return types.void(routine, star(arguments)), generate


fortran: Any = intrinsic(prefer_literal=True)(_call)
