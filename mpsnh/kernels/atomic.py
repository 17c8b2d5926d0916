"""Words of memory that several threads of compiled code read and write."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba.extending
from llvmlite import ir
from numba.core import types

intrinsic: Any = numba.extending.intrinsic  # whose type has the arguments of the function that is decorated

WORD = 8
"""Bytes of a word."""


def _give_way() -> int | None:
    """Return the address of the function that lets another thread have the core."""
    if sys.platform == "win32":
        return ctypes.cast(ctypes.windll.kernel32.SwitchToThread, ctypes.c_void_p).value
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value


llvmlite.binding.add_symbol("mpsnh_give_way", _give_way())


def _word(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Return where the word of an array is that the first two arguments name."""
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.gep(array.data, [values[1]])


def _typed(returned: Any, generate: Callable[..., Any], *more: Any) -> tuple[Any, Callable[..., Any]]:
    return returned(types.int64[::1], types.intp, *more), generate


@intrinsic
def load(typing_context, words, place):  # type: ignore[no-untyped-def]
    """Return a word; what its writer wrote before it is seen after it.

    Parameters
    ----------
    words : ndarray of int64
        Some words.
    place : int
        Which one.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_word(context, builder, signature, values), "acquire", WORD)

    return _typed(types.int64, generate)


@intrinsic
def store(typing_context, words, place, value):  # type: ignore[no-untyped-def]
    """Write a word, for `load`.

    Parameters
    ----------
    words : ndarray of int64
        Some words.
    place : int
        Which one.
    value : int
        What it becomes.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store_atomic(values[2], _word(context, builder, signature, values), "release", WORD)
        return context.get_dummy_value()

    return _typed(types.void, generate, types.int64)


@intrinsic
def add(typing_context, words, place, value):  # type: ignore[no-untyped-def]
    """Add to a word, and return what it was.

    Parameters
    ----------
    words : ndarray of int64
        Some words.
    place : int
        Which one.
    value : int
        What is added.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", _word(context, builder, signature, values), values[2], "acq_rel")

    return _typed(types.int64, generate, types.int64)


@intrinsic
def swap(typing_context, words, place, old, new):  # type: ignore[no-untyped-def]
    """Change a word if it is still the old one, and tell whether it was.

    Parameters
    ----------
    words : ndarray of int64
        Some words.
    place : int
        Which one.
    old, new : int
        What it may be, and what it becomes.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _word(context, builder, signature, values)
        return builder.extract_value(builder.cmpxchg(place, values[2], values[3], "acq_rel", "acquire"), 1)

    return _typed(types.boolean, generate, types.int64, types.int64)


@intrinsic
def give_way(typing_context):  # type: ignore[no-untyped-def]
    """Let another thread have the core, if one waits for it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = builder.module.globals.get("mpsnh_give_way") or ir.Function(
            builder.module, ir.FunctionType(ir.IntType(32), []), "mpsnh_give_way"
        )
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), generate
