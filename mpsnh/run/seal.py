"""What is kept of each point besides its results: what it was computed from, by what, and digests of both."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from mpsnh.run.code import Code
from mpsnh.run.fingerprint import COMPARED, generator
from mpsnh.run.form import Form, Part, Variable, empty_value
from mpsnh.run.provenance import versions
from mpsnh.value import Value

SEAL = ".seal"
"""Name under which it travels with the results; no variable can be called so."""

SEAL_TYPE = np.dtype(
    [
        ("parameters", "<u8"),
        ("code", "<u8"),
        ("terms", "<u8"),
        ("origin", "<u8"),
        ("generator", "<c16"),
        ("values", "<u8"),
    ]
)
"""Digests of all parameters, of the code and of that of the Hamiltonian, the number of the origin, a number of the
Hamiltonian (NaN where it took too long to find) and a digest of the results."""

SEAL_PART = Part((), (), SEAL_TYPE, {})
"""How it travels."""

UNKNOWN = 1
"""The origin of points that were not computed by a sweep."""

FREE = 0.1
"""Seconds that a process may spend on numbers of Hamiltonians in a sweep before their share of the time counts."""

SHARE = 0.01
"""Part of the time of points that finding numbers of Hamiltonians may take."""

_ORIGINS: dict[int, dict[str, Any]] = {}
_LEFT: dict[str, float] = {}


def sealed(simulation: Any, make_code: str, seconds: float, sweep: str) -> Variable:
    """Return what is to be kept of a point besides its results.

    Parameters
    ----------
    simulation : Simulation
        What computed it.
    make_code : str
        A digest of the function that made the simulation.
    seconds : float
        How long it took.
    sweep : str
        For which sweep, by whose time that of finding numbers of Hamiltonians is measured.

    Returns
    -------
    tuple
        Dimensions, values and attributes, as xarray takes them; the attributes describe the origin.

    Examples
    --------
    >>> chain = nh.Simulation(models.NonHermitianXXZ(L=4), algorithms.ExactDiag(), {})
    >>> dims, values, attributes = sealed(chain, make_code="", seconds=1.0, sweep="")
    >>> sorted(attributes)
    ['origin']
    """
    number, described = _origin(make_code)
    left = _LEFT.get(sweep, FREE) + SHARE * seconds
    element = complex(np.nan, np.nan)
    if left >= 0:
        begun = time.perf_counter()
        element = generator_number(simulation)
        left -= time.perf_counter() - begun
    _LEFT[sweep] = min(left, 1.0)
    return (), np.array((*digests(simulation), number, element, 0), SEAL_TYPE), {"origin": described}


def generator_number(simulation: Any) -> complex:
    """Return the number by which the Hamiltonian or the gates are known; NaN if there is none.

    Parameters
    ----------
    simulation : Simulation
        Whose model has the generator.

    Examples
    --------
    >>> chain = nh.Simulation(models.NonHermitianXXZ(L=4), algorithms.ExactDiag(), {})
    >>> bool(np.isfinite(generator_number(chain)))
    True
    """
    found = generator(simulation.model)
    return complex(np.nan, np.nan) if found is None else complex(*found)


def digests(simulation: Any) -> tuple[int, int, int]:
    """Return digests of the parameters of a simulation, of the code that it runs and of that of its Hamiltonian.

    The last byte of the latter two is the version of Python, since others compile to other code.

    Parameters
    ----------
    simulation : Simulation
        What may run.

    Examples
    --------
    >>> def chain(h):
    ...     return nh.Simulation(models.NonHermitianXXZ(L=4, h=h), algorithms.ExactDiag(), {})
    >>> digests(chain(1.0)) == digests(chain(1)), digests(chain(1.0))[0] == digests(chain(2.0))[0]
    (True, False)
    """
    parameters, code = [], []
    for name, value in _parts(simulation):
        described = _described(type(value))
        values = described.read(value)
        code.append(described.code if name != "model" else described.generated_code)
        if described.special or not all(map(_is_plain, values)):
            plain = {key: item for key, item in value.parameters().items() if key != "type"}
            text = json.dumps(without_modules(plain), sort_keys=True)
            if not described.special:
                follower = Code(type(value).__module__)
                code.append(follower.captured(value))
                code.extend(f"{part}={known}" for part, known in sorted(follower.parts.items()))
        else:
            text = repr(values)
        parameters.append(f"{name} {described.name} {text}")
    model: Any = type(simulation.model)
    return digest("\n".join(parameters)), _of_python("\n".join(code)), _described(model).terms


@functools.lru_cache(maxsize=64)  # the same for most points of a sweep
def _of_python(text: str) -> int:
    return digest(text) & ~0xFF | int(platform.python_version_tuple()[1]) & 0xFF


def _parts(simulation: Any) -> Iterator[tuple[str, Value]]:
    yield "model", simulation.model
    yield "algorithm", simulation.algorithm
    yield from ((f"observable {name!r}", observable) for name, observable in simulation.observables.items())


class _Described:
    """What is the same for all instances of a class."""

    def __init__(self, cls: type[Value]) -> None:
        self.name = cls.__qualname__.rpartition(".")[2]
        self.special = cls.parameters is not Value.parameters  # which says itself what counts
        every = (field.name for field in fields(cls))  # type: ignore[arg-type]
        names = [name for name in every if name not in cls.unrecorded]
        self._read = attrgetter(*names) if names else None
        self._single = len(names) == 1
        self.code, self.generated_code = _class_code(cls, ()), _class_code(cls, COMPARED)
        self.terms = _of_python(self.code)

    def read(self, value: Value) -> tuple[Any, ...]:
        """Return all parameters that are recorded."""
        if self._read is None:
            return ()
        return (self._read(value),) if self._single else self._read(value)


@functools.cache
def _described(cls: Any) -> _Described:
    return _Described(cls)


def _class_code(cls: type, apart: tuple[str, ...]) -> str:
    follower = Code(cls.__module__)
    named = follower.methods(cls, apart)
    return f"{digest(' '.join([named, *(f'{part}={known}' for part, known in sorted(follower.parts.items()))])):x}"


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind in (int, float, str, bool, complex) or value is None:
        return True
    return kind is tuple and all(map(_is_plain, value))


def without_modules(described: Any) -> Any:
    """Keep the last part of all names: a script has one name where it runs and another where it is sent to.

    Parameters
    ----------
    described : Any
        Plain data.

    Examples
    --------
    >>> without_modules({"type": "study.Chain"})
    {'type': 'Chain'}
    """
    if isinstance(described, dict):
        return {key: without_modules(part) for key, part in described.items()}
    if isinstance(described, list):
        return [without_modules(part) for part in described]
    if isinstance(described, str) and re.fullmatch(r"([\w<>]+\.)+[^\W\d]\w*", described):
        return described.rpartition(".")[2]
    return described


def make_code(make: Any) -> str:
    """Return a digest of a function and all that it calls and captures; empty if it can't be compared.

    Parameters
    ----------
    make : callable
        Takes the coordinates of a point by name and returns its simulation.

    Examples
    --------
    >>> def once(h):
    ...     return h
    >>> def twice(h):
    ...     return 2 * h
    >>> make_code(once) == make_code(once), make_code(once) == make_code(twice)
    (True, False)
    """
    follower = Code(str(getattr(make, "__module__", "")))
    try:
        named = follower.follow(make)
    except TypeError:
        return ""
    text = " ".join([re.sub(r"[\w.]+<locals>\.", "", named), *sorted(follower.parts.values())])
    return f"{platform.python_version_tuple()[1]}-{digest(text):016x}"


def digest(text: str) -> int:
    """Return 64 bits by which a text is known.

    Parameters
    ----------
    text : str
        The text.

    Examples
    --------
    >>> digest("a") == digest("b")
    False
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


@functools.cache
def blas() -> list[dict[str, str]]:
    """Return which libraries of linear algebra this process uses, and for which processor: rounding depends on it.

    Examples
    --------
    >>> all("library" in known for known in blas())
    True
    """
    return [
        {
            "library": f"{known['internal_api']} {known.get('version')}",
            "kernel": str(known.get("architecture", "unknown")),
        }
        for known in threadpoolctl.threadpool_info()
        if known.get("user_api") == "blas"
    ]


@functools.cache
def _origin(make_code: str) -> tuple[int, dict[str, Any]]:
    """Return number and description of what computes points in this process."""
    described = {"make": make_code, "versions": dict(versions()), "blas": blas()}
    number = digest(json.dumps(described, sort_keys=True)) | 2  # neither 0 nor 1
    _ORIGINS[number] = described
    return number, described


def remember(described: Mapping[str, Any]) -> None:
    """Take over the description of an origin that another process has found.

    Parameters
    ----------
    described : mapping
        What `sealed` gave as an attribute.

    Examples
    --------
    >>> remember({"make": "", "versions": {}, "blas": []})
    """
    _ORIGINS[digest(json.dumps(dict(described), sort_keys=True)) | 2] = dict(described)


def origins(numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what is known here of origins.

    Parameters
    ----------
    numbers : sequence of int
        As seals have them.

    Examples
    --------
    >>> origins([UNKNOWN])
    {}
    """
    return {number: _ORIGINS[number] for number in numbers if number in _ORIGINS}


def value_digests(values: Mapping[str, NDArray[Any]], form: Form, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return a digest of the results of each point, by which mixtures and missing parts are known.

    Parameters
    ----------
    values : mapping of str to ndarray
        The results over a region.
    form : Form
        What they look like.
    shape : tuple of int
        The region.

    Examples
    --------
    >>> form = Form.of({"x": ((), 1.0, {})})
    >>> a, b = value_digests({"x": np.array([1.0, 2.0])}, form, (2,))
    >>> bool(a == b), bool(a == value_digests({"x": np.array(1.0)}, form, ()))
    (False, True)
    """
    total = np.full(shape, 1, np.uint64)
    offset = 0
    for name, part in form.parts.items():
        if name == SEAL:
            continue
        block = values.get(name)
        if block is None:
            block = np.full(shape + part.shape, empty_value(part.dtype), part.dtype)
        rows = np.ascontiguousarray(block, part.dtype).reshape(*shape, -1).view(np.uint8)
        words = -(-rows.shape[-1] // 8)
        padded = np.zeros((*shape, 8 * words), np.uint8)
        padded[..., : rows.shape[-1]] = rows
        total += (padded.view(np.uint64) * _multipliers(offset, words)).sum(axis=-1, dtype=np.uint64)
        offset += words
    return total


def _multipliers(offset: int, number: int) -> NDArray[np.uint64]:
    """Return odd numbers that look random (Steele, Lea and Flood 2014, splitmix64)."""
    z = np.arange(offset + 1, offset + number + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) | np.uint64(1)
