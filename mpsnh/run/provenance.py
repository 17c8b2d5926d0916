"""What made a result, as nested plain data: what two descriptions share and where they differ."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any

VARIES = "varies"
"""Stands for a parameter that is not the same at all points of a grid."""


def common(parts: Sequence[Any]) -> Any:
    """Merge nested parameters, writing "varies" where they differ.

    Parameters
    ----------
    parts : sequence
        Plain data, of which dictionaries are merged key by key.

    Returns
    -------
    Any

    Examples
    --------
    >>> common([{"h": 1.0, "seed": 0}, {"h": 1.0, "seed": 1}])
    {'h': 1.0, 'seed': 'varies'}
    """
    first = parts[0]
    if isinstance(first, dict) and all(isinstance(part, dict) and part.keys() == first.keys() for part in parts):
        return {key: common([part[key] for part in parts]) for key in first}
    return first if all(part == first for part in parts) else VARIES


def difference(theirs: Any, ours: Any, free: Collection[str] = (), path: str = "") -> str:
    """Name the first difference between nested parameters.

    Parameters
    ----------
    theirs, ours : Any
        Plain data: what was found, and what is wanted.
    free : collection of str
        Parameters that may differ, by name or by path, as may those that vary on one side.
    path : str
        Where in the whole these stand.

    Returns
    -------
    str
        Empty if there is none.

    Examples
    --------
    >>> difference({"model": {"h": 1.0, "seed": 0}}, {"model": {"h": 2.0, "seed": 1}}, free=["seed"])
    'model.h is 1.0 there and 2.0 here'
    """
    if VARIES in (theirs, ours) or path in free or path.rsplit(".", 1)[-1] in free:
        return ""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in {**theirs, **ours}:
            inner = f"{path}.{key}".lstrip(".")
            if (key in theirs) != (key in ours):
                return f"{inner} is only {'there' if key in theirs else 'here'}"
            if found := difference(theirs[key], ours[key], free, inner):
                return found
        return ""
    return "" if theirs == ours else f"{path} is {theirs!r} there and {ours!r} here"


def comparable(described: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a description the versions of other packages, which may differ.

    Parameters
    ----------
    described : mapping
        With the versions of packages under ``"versions"``.

    Returns
    -------
    dict

    Examples
    --------
    >>> comparable({"model": {}, "versions": {"mpsnh": "1.0", "numpy": "2.4"}})
    {'model': {}, 'versions': {'mpsnh': '1.0'}}
    """
    return {**described, "versions": {"mpsnh": described["versions"]["mpsnh"]}}


@functools.cache  # looking them up takes longer than a small simulation
def versions() -> Mapping[str, str]:
    """Return the versions of Python and the libraries that results depend on.

    Returns
    -------
    mapping of str to str

    Examples
    --------
    >>> sorted(versions())
    ['mpsnh', 'numpy', 'python', 'quimb', 'scipy']
    """
    libraries = {name: importlib.metadata.version(name) for name in ("mpsnh", "numpy", "quimb", "scipy")}
    return types.MappingProxyType(libraries | {"python": platform.python_version()})
