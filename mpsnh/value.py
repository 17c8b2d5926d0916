"""Frozen, keyword-only parameter objects: what models, algorithms and observables are made of."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import numbers
import os
import re
import sys
import types
import typing
import weakref
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Literal, Self, Union, dataclass_transform, get_args, get_origin

import numpy as np

from mpsnh import notebook
from mpsnh.checks import did_you_mean, require


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Value(ABC):  # noqa: B024 - subclasses add the abstract methods
    """Base of all parameter objects: annotated fields become keyword parameters.

    A subclass lists its parameters as annotated class attributes.
    Numbers, strings and choices (``Literal``) are checked against their annotation when an instance is made,
    and turned into plain Python numbers; anything else is left as it is.
    Override `validate` for conditions that an annotation can't say.

    Attributes
    ----------
    definition : int
        Is counted up when what a class computes is defined in another way, so that old and new results never mix.
    unrecorded : tuple of str
        Parameters that change no result, such as a number of threads: data do not say them, nor do stores compare them.

    Raises
    ------
    TypeError
        If a parameter is unknown, missing or of the wrong kind, or the class gives one in a way that would be ignored.
    ValueError
        If a number is not finite or a choice is unknown.

    Examples
    --------
    >>> class Trap(Value):
    ...     width: float = 1.0
    >>> Trap(width=2)
    Trap(width=2.0)
    >>> Trap(widht=2)
    Traceback (most recent call last):
    TypeError: Trap has no parameter 'widht' (did you mean 'width'?); it has: width
    """

    definition: ClassVar[int] = 1
    unrecorded: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        _require_parameters(cls)
        super().__init_subclass__(**options)
        dataclass(frozen=True, kw_only=True, eq=False)(cls)

    def __new__(cls, *arguments: Any, **parameters: Any) -> Self:
        """Refuse parameters that do not exist, with a hint."""
        known = _names(cls)
        if arguments:
            raise TypeError(f"{cls.__name__} takes its parameters by name: {', '.join(known) or 'none'}")
        for name in parameters:
            if name not in known and isinstance(getattr(cls, name, None), bool | int | float | complex | str):
                raise TypeError(f"{cls.__name__}.{name} is no parameter, since {_annotated(name, getattr(cls, name))}")
            if name not in known:
                raise TypeError(
                    f"{cls.__name__} has no parameter {name!r}{did_you_mean(name, known)}; it has: "
                    f"{', '.join(known) or 'none'}"
                )
        _require_methods(cls)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Check and convert all fields, then call `validate`."""
        hints = _hints(type(self))
        for name in _names(type(self)):
            given = getattr(self, name)
            value = _checked(name, given, hints.get(name, Any))
            if value is not given:
                object.__setattr__(self, name, value)
        for cls in reversed(type(self).__mro__):  # each of them, whether or not a subclass calls super().validate()
            if "validate" in vars(cls):
                vars(cls)["validate"](self)

    def __getstate__(self) -> dict[str, Any]:
        # All but what is made again on demand.
        made = {name for name in vars(self) if isinstance(getattr(type(self), name, None), functools.cached_property)}
        return {name: value for name, value in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: _frozen(value) for name, value in state.items()})

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def _key(self) -> tuple[Any, ...]:
        """Return the parameters as they are compared, arrays by their elements."""
        values = (getattr(self, name) for name in _names(type(self)))
        return tuple((v.dtype.str, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values)

    def validate(self) -> None:  # noqa: B027 - there may be nothing to check
        """Check conditions between parameters; the fields have their final types here."""

    def _repr_html_(self) -> str:
        values = {name: getattr(self, name) for name in _names(type(self))}
        return notebook.table(type(self).__name__, values)

    def parameters(self) -> dict[str, Any]:
        """Return all parameters but those unrecorded as plain data that JSON can hold, with the class under ``"type"``.

        Returns
        -------
        dict
            Nested dictionaries, lists, strings, numbers, booleans and ``None``.

        Examples
        --------
        >>> observables.MidCurrent(half_width=2).parameters()
        {'type': 'mpsnh.observables.MidCurrent', 'half_width': 2}
        """
        listed = {name: _plain(getattr(self, name)) for name in _names(type(self)) if name not in self.unrecorded}
        if type(self).definition != 1:
            listed = {"definition": type(self).definition, **listed}
        return {"type": public_name(type(self)), **listed}


_KNOWN_NAMES: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()
"""The names of the parameters of classes."""

_KNOWN_HINTS: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()
"""The annotations of classes all of which could be resolved: to do it again takes longer than a small simulation."""


def _names(cls: type) -> tuple[str, ...]:
    """Return the names of all parameters."""
    known = _KNOWN_NAMES.get(cls)
    if known is None:
        known = _KNOWN_NAMES[cls] = tuple(field.name for field in fields(cls))
    return known


def _hints(cls: type) -> dict[str, Any]:
    """Resolve annotations, leaving out those that name things of an enclosing function's scope."""
    known = _KNOWN_HINTS.get(cls)
    if known is not None:
        return known
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = getattr(sys.modules.get(base.__module__), "__dict__", {})
        for name, hint in inspect.get_annotations(base).items():
            with contextlib.suppress(NameError, TypeError):
                hints |= typing.get_type_hints(types.SimpleNamespace(__annotations__={name: hint}), scope)
    if all(name in hints for name in _names(cls)):
        _KNOWN_HINTS[cls] = hints
    return hints


def _checked(name: str, value: Any, hint: Any) -> Any:
    """Return `value` as the plain Python object that `hint` asks for, or raise."""
    if type(value) is hint and hint in (bool, int, str):
        return value
    origin, options = get_origin(hint), get_args(hint)
    if isinstance(value, np.ndarray) and value.ndim > 0 and origin is not tuple and hint not in (bool, int, float, str):
        return _frozen(value)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in options:
            return None
        literals = [word for option in options if get_origin(option) is Literal for word in get_args(option)]
        if isinstance(value, str) and value in literals:
            return value
        choices = [option for option in options if option is not type(None) and get_origin(option) is not Literal]
        if literals and choices in ([float], [complex]):
            require(not isinstance(value, str), name, value, " or ".join([*map(repr, literals), "a number"]))
        return _checked(name, value, choices[0]) if len(choices) == 1 else value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if origin is Literal:
        if isinstance(value, np.generic):
            value = value.item()
        if not any(value == option and type(value) is type(option) for option in options):
            require(False, name, value, "one of " + ", ".join(map(repr, options)))
        return value
    if origin is tuple and len(options) == 2 and options[1] is Ellipsis:
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise TypeError(f"{name} = {value!r}, but it must be a sequence")
        return tuple(_checked(f"{name}[{i}]", item, options[0]) for i, item in enumerate(value))
    if hint is bool:
        return bool(_of_kind(name, value, bool | np.bool_, "True or False"))
    if hint is int:
        return int(_of_kind(name, value, numbers.Integral, "an integer"))
    if hint is float:
        real = float(_of_kind(name, value, numbers.Real, "a real number"))
        require(math.isfinite(real), name, real, "a finite number")
        return real
    if hint is complex:
        number = complex(_of_kind(name, value, numbers.Complex, "a number"))
        require(math.isfinite(number.real) and math.isfinite(number.imag), name, number, "a finite number")
        return number
    if hint is str:
        return _of_kind(name, value, str, "a string")
    return value


def _frozen(value: Any) -> Any:
    """Return a copy of an array that nobody can change, so that what was made of it stays right."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    return value


def _of_kind(name: str, value: Any, kind: Any, described: str) -> Any:
    is_bool = isinstance(value, bool | np.bool_)
    if not isinstance(value, kind) or (is_bool and described != "True or False"):
        raise TypeError(f"{name} = {value!r}, but it must be {described}")
    return value


def _require_parameters(cls: type) -> None:
    """Raise if a class says something of its parameters that would be ignored, or writes its own `__init__`."""
    name, annotated = cls.__name__, inspect.get_annotations(cls)
    known = {field.name for base in cls.__mro__[1:] if is_dataclass(base) for field in fields(base)}
    for key, value in vars(cls).items():
        if key in known and key not in annotated:
            raise TypeError(f"{name}.{key} does not change the parameter {key!r}, since {_annotated(key, value)}")
        is_parameter = key in annotated and "ClassVar" not in str(annotated[key])
        if is_parameter and isinstance(value, list | dict | set | np.ndarray):
            allowed = "something that can't be changed, such as a tuple"
            raise TypeError(f"{name}.{key} = {value!r}, but the default of a parameter must be {allowed}")
    if "__init__" in vars(cls):
        raise TypeError(
            f"{name} must not define __init__, which is made from its parameters: list these in the class, such as "
            "`J: float = 1.0`, and check what their types can't say in `validate`"
        )


def _annotated(name: str, value: Any) -> str:
    """Say how a class must write a parameter that it writes without an annotation."""
    if isinstance(value, bool | int | float | complex | str):
        return f"it has no annotation; write `{name}: {type(value).__name__} = {value!r}` in the class"
    return f"it has no annotation; write `{name}: type = default` in the class"


def _require_methods(cls: type) -> None:
    """Raise if a class lacks methods that a base leaves to it."""
    left = sorted(getattr(cls, "__abstractmethods__", ()))
    if left:
        bases = [next(base for base in cls.__mro__ if name in vars(base)).__name__ for name in left]
        named = " and ".join(f"`{name}`, which {base} leaves to it" for name, base in zip(left, bases, strict=True))
        raise TypeError(f"{cls.__name__} must define {named}")


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.parameters()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.longdouble | np.clongdouble):
        return repr(value)  # .tolist() has no plain number for it
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):  # whose order differs from run to run
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, functools.partial):
        return {"function": _plain(value.func), "arguments": _plain(value.args), "keywords": _plain(value.keywords)}
    if isinstance(value, types.FunctionType | type):
        return public_name(value)
    if callable(value):
        return _plain_callable(value)
    text = repr(value)
    return _plain_state(value) if re.search(r" at 0x[0-9a-fA-F]+", text) else text  # addresses differ from run to run


def _plain_callable(value: Any) -> Any:
    """Return what tells a callable other than a function of Python from all others: what it is of, and its name."""
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return {"method": getattr(value, "__func__", value).__qualname__, "of": _plain(owner)}
    for wrapped in (getattr(value, "__wrapped__", None), getattr(value, "py_func", None)):  # of caches, and of numba
        if callable(wrapped):
            return _plain(wrapped)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    within = getattr(value, "__objclass__", value)  # the compiled class of a method
    for module in (getattr(within, "__module__", None), "scipy.special"):  # whose functions are called numpy's
        if name and _found(sys.modules.get(str(module)), name) is value:
            return f"{module}.{name}"
    return _plain_state(value)


def _plain_state(value: Any) -> Any:
    """Return the class of an object and what it holds, as far as that is data or has names."""
    try:
        described = value.__reduce_ex__(4)
        if isinstance(described, str):
            return f"{type(value).__module__}.{described}"
        made, arguments, *state = described
        holds = [_plain(list(part) if hasattr(part, "__next__") else part) for part in state if part is not None]
        given = _plain([part for part in arguments if part is not type(value)])
    except (TypeError, AttributeError, RecursionError):
        raise _nameless(value) from None
    how = [] if made.__module__ == "copyreg" or made is type(value) else [_plain(made)]
    kind = public_name(type(value))
    return {"type": kind, "holds": [*how, *given, *holds]} if how or given or holds else kind


def _nameless(value: Any) -> TypeError:
    return TypeError(
        f"{value!r} has no name that is the same in another run, so that results can't say what made them; write a "
        "function with def, or a class of parameters (mpsnh.value.Value)"
    )


def public_name(thing: Any) -> str:
    """Return where a class or function is imported from, which does not change when its file moves.

    That is the shortest package on the way to its module that has it under its own name; for what a script defines, it
    is the name of the script, whether it is run or imported.

    Parameters
    ----------
    thing : type or function
        What to name.

    Examples
    --------
    >>> public_name(observables.SteadyStateGap), public_name(public_name)
    ('mpsnh.observables.SteadyStateGap', 'mpsnh.value.public_name')
    """
    module, name = thing.__module__, thing.__qualname__
    if module in ("__main__", "__mp_main__"):  # the latter in processes that multiprocessing has spawned
        # a worker of dask has got the thing itself, but not the script
        own = _same_name(_found(sys.modules.get(module), name), thing)
        return f"{_script(module) if own else '__main__'}.{name}"
    parts = str(module).split(".")
    for k in range(1, len(parts)):
        package = ".".join(parts[:k])
        if _same_name(_found(sys.modules.get(package), name), thing):
            return f"{package}.{name}"
    return f"{module}.{name}"


def _found(package: Any, name: str) -> Any:
    """Return what a package has under a name; of what is local to a function, that function."""
    thing = package
    for part in name.partition(".<locals>")[0].split("."):
        try:
            thing = getattr(thing, part)  # which a package may load only now
        except Exception:  # whatever a package raises that loads things when they are asked for
            return None
    return thing


def _same_name(found: Any, thing: Any) -> bool:
    """Tell whether what was found is the thing, or the function that it is local to."""
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    return (module, name) == (thing.__module__, thing.__qualname__.partition(".<locals>")[0])


def _script(module: str) -> str:
    """Return the name under which the script that is being run would be imported, if it has one."""
    main = sys.modules.get(module)
    specified = getattr(getattr(main, "__spec__", None), "name", None)  # of python -m package.script
    file = getattr(main, "__file__", None)
    if specified:
        return str(specified).removesuffix(".__main__")
    return "__main__" if file is None else os.path.splitext(os.path.basename(file))[0]
