"""What Python code does and captures, as texts that are the same as long as it gives the same numbers."""

from __future__ import annotations

import dis
import functools
import hashlib
import pickle
import sys
import sysconfig
import types
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

from mpsnh.base.algorithm import GUARD
from mpsnh.value import Value

LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Folders of code that has a version of its own, so that only its name is compared."""

GENERATED = ("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__", "__getstate__")
"""Methods that dataclasses write, which follow from the parameters."""

_LOCAL = ("_FAST", "_DEREF", "_CLOSURE", "_CELL")
"""How instructions are called whose names are only those of local variables."""


class Code:
    """The code that some objects run, in parts that have names.

    Functions and classes are followed to what they call, capture and read: other functions, closures, defaults and
    global variables. Libraries are known by their names. Comments, annotations, names of local variables and the place
    in a file make no difference, since what counts is the compiled code.

    Parameters
    ----------
    module : str
        Where the objects are defined; its package counts as code of the user wherever it is installed.

    Attributes
    ----------
    parts : dict of str to str
        A digest of each function and of each value that one captures or reads, by name.

    Examples
    --------
    >>> double, triple = Code(), Code()
    >>> double.add("factor", double.follow(2)), triple.add("factor", triple.follow(3))
    (None, None)
    >>> list(double.parts), double.parts == triple.parts
    (['factor'], False)
    """

    def __init__(self, module: str = "") -> None:
        self.parts: dict[str, str] = {}
        self._package = module.partition(".")[0]
        self._known: dict[int, Any] = {}  # functions and classes that were followed already
        self._inside: set[int] = set()  # other things that are being followed, which may lead back to themselves

    def add(self, name: str, text: str) -> None:
        """Add a part; one of the same name gets a number."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        names = (name if k == 1 else f"{name} ({k})" for k in range(1, sys.maxsize))
        self.parts[next(free for free in names if self.parts.get(free, digest) == digest)] = digest

    def follow(self, value: Any, lenient: bool = False) -> str:
        """Return a text for a value, and add the parts of all code that it has.

        Parameters
        ----------
        value : Any
            Data, a function, a class or an instance of one.
        lenient : bool
            Whether what can't be compared, such as a lock, counts by its type.

        Raises
        ------
        TypeError
            If a value can't be compared.

        Examples
        --------
        >>> Code().follow({"h": [1, 0.5], "seed": np.arange(2) > 0})
        "{'h': [1, 0.5], 'seed': bool (2,) b413f47d13ee2fe6}"
        """
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | range | slice | PurePath):
            return repr(value)
        if isinstance(value, np.generic):
            return repr(value.item()) if value.dtype.kind in "biufcSU" else repr(value)
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()[:16]}"
        if isinstance(value, types.ModuleType):
            return f"module {value.__name__}"
        if id(value) in self._inside:
            return "…"
        self._inside.add(id(value))
        try:
            return self._structure(value, lenient)
        finally:
            self._inside.discard(id(value))

    def _structure(self, value: Any, lenient: bool) -> str:
        """Return a text for what consists of other things, which may lead back to it."""
        inner = functools.partial(self.follow, lenient=lenient)
        if isinstance(value, np.ndarray):
            return inner(value.tolist())
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(inner, value))}]"
        if isinstance(value, set | frozenset):
            return f"{{{', '.join(sorted(map(inner, value)))}}}"
        if isinstance(value, Mapping):
            return f"{{{', '.join(f'{inner(key)}: {inner(item)}' for key, item in value.items())}}}"
        if isinstance(value, Enum):
            return str(value)
        if isinstance(value, functools.partial):
            return f"partial {inner(value.func)} {inner(value.args)} {inner(value.keywords)}"
        if isinstance(value, types.MethodType):
            return f"{inner(value.__func__)} of {inner(value.__self__)}"
        wrapped = getattr(value, "__wrapped__", None) or getattr(value, "py_func", None)  # the latter of numba
        if callable(wrapped):
            inner(wrapped)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self.methods(value)
        owner = getattr(value, "__self__", None)
        if isinstance(value, types.BuiltinFunctionType) and not isinstance(owner, types.ModuleType | None):
            return f"{_name(value)} of {inner(owner)}"
        if callable(wrapped) or isinstance(value, types.BuiltinFunctionType | np.ufunc):
            return _name(value)
        return self._instance(value, lenient)

    def _instance(self, value: Any, lenient: bool) -> str:
        described = self.methods(type(value))
        if isinstance(value, Value):
            return f"{described} {self.captured(value)}"
        if hasattr(value, "arrays"):  # a state, ours or quimb's, whose indices have names that are drawn anew
            arrays = value.arrays() if callable(value.arrays) else value.arrays
            return f"{described} {self.follow(dict(arrays) if callable(value.arrays) else list(arrays))}"
        if not self._is_library(type(value)) and hasattr(value, "__dict__"):
            return f"{described} {self.follow(vars(value), lenient)}"
        try:
            return f"{described} {hashlib.sha256(pickle.dumps(value, 4)).hexdigest()[:16]}"
        except Exception as error:  # whatever an object raises that is no data
            if lenient:
                return described
            raise TypeError(f"{value!r} can't be compared with what it is in another run: {error}") from None

    def captured(self, value: Value, free: Collection[str] = ()) -> str:
        """Return a text for the parameters of a value, and add the parts of all code that is in them.

        Parameters
        ----------
        value : Value
            Whose parameters count that `Value.parameters` names.
        free : collection of str
            Those that don't count; "inner.t_max" is one of the parameter "inner".
        """
        texts = []
        for name, plain in value.parameters().items():
            if name in ("type", *free):
                continue
            member, within = (
                getattr(value, name, plain),
                [path.partition(".")[2] for path in free if path.startswith(f"{name}.")],
            )
            described = (
                f"{self.methods(type(member))} {self.captured(member, within)}" if within else self.follow(member)
            )
            texts.append(f"{name}={described}")
        return ", ".join(texts)

    def _is_library(self, thing: Any) -> bool:
        module = str(getattr(thing, "__module__", None) or "builtins")
        package = module.partition(".")[0]
        code = getattr(thing, "__code__", None)
        if code is not None and code.co_qualname == GUARD:
            return True
        if package in ("mpsnh", "__main__", "__mp_main__", self._package):  # the main module of a worker is its own
            return package == "mpsnh"
        file = code.co_filename if code is not None else getattr(sys.modules.get(module), "__file__", None)
        if file is None:
            return module in sys.modules  # compiled into Python
        return str(file).startswith((*LIBRARIES, "<frozen"))

    def methods(self, cls: type, apart: Collection[str] = ()) -> str:
        """Return a text for a class, and add the parts of its methods and constants.

        Parameters
        ----------
        cls : type
            The class; of those that it is derived from, only those of the user are followed.
        apart : collection of str
            Names of methods that don't count, because what they return is compared.
        """
        for base in cls.__mro__:
            if id(base) in self._known or self._is_library(base):
                continue
            self._known[id(base)] = base
            left_out = {*GENERATED, *apart, *getattr(base, "__dataclass_fields__", ())}
            for name, member in vars(base).items():
                if name not in left_out and not name.startswith("_abc"):
                    self._member(f"{base.__name__}.{name}", member)
        return "class " + ", ".join(base.__name__ for base in cls.__mro__)

    def _member(self, name: str, member: Any) -> None:
        for inside in ("fget", "func", "__func__"):  # of properties, cached properties, static and class methods
            member = getattr(member, inside, None) or member
        if isinstance(member, types.FunctionType) or hasattr(member, "__wrapped__"):
            self.follow(member, lenient=True)
        elif not name.rpartition(".")[2].startswith("__"):
            self.add(name, self.follow(member, lenient=True))

    def _function(self, function: types.FunctionType) -> str:
        named = f"function {function.__qualname__}"
        if id(function) in self._known or self._is_library(function):
            return named
        self._known[id(function)] = function
        code = function.__code__
        self.add(function.__qualname__, "\n".join(_instructions(code)))
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":
                self._capture(name, cell.cell_contents, function)
        for k, default in enumerate(function.__defaults__ or ()):
            self._capture(f"default {k}", default, function)
        for name, default in (function.__kwdefaults__ or {}).items():
            self._capture(name, default, function)
        attributes = _names(code, attributes=True)
        for name in sorted(_names(code, attributes=False) & function.__globals__.keys()):
            self._global(name, function.__globals__[name], attributes)
        return named

    def _capture(self, name: str, value: Any, function: types.FunctionType) -> None:
        try:
            self.add(name, self.follow(value))
        except TypeError as error:
            raise TypeError(f"{function.__qualname__} captures {name}, but {error}") from None

    def _global(self, name: str, value: Any, attributes: set[str]) -> None:
        if not isinstance(value, types.ModuleType):
            self.add(name, self.follow(value, lenient=True))
        elif not self._is_library(_in(value)):
            for inside in sorted(attributes & vars(value).keys()):
                self.add(f"{name}.{inside}", self.follow(vars(value)[inside], lenient=True))


def _in(module: types.ModuleType) -> Any:
    """Return something that stands in a module."""
    return types.SimpleNamespace(__module__=module.__name__)


def _name(thing: Any) -> str:
    module = getattr(thing, "__module__", None) or type(thing).__module__
    return f"{module}.{getattr(thing, '__qualname__', None) or thing.__name__}"


def _instructions(code: types.CodeType) -> Iterator[str]:
    """Yield what a function does, without names of local variables, lines and texts that it has for readers only."""
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, types.CodeType):
            yield from _instructions(instruction.argval)
        elif any(kind in instruction.opname for kind in _LOCAL):
            yield f"{instruction.opname} {instruction.arg}"
        else:
            yield f"{instruction.opname} {_constant(instruction.argval)}"


def _constant(value: Any) -> str:
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def _names(code: types.CodeType, attributes: bool) -> set[str]:
    """Return the names of attributes, or of global variables, that code reads, that of functions inside included."""
    kinds = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM") if attributes else ("LOAD_GLOBAL", "LOAD_NAME")
    names = {str(step.argval) for step in dis.get_instructions(code) if step.opname in kinds}
    return names.union(*(_names(part, attributes) for part in code.co_consts if isinstance(part, types.CodeType)))
