"""What made a result, as nested plain data: what two descriptions share and where they differ."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any

SAME_NUMBERS = ("0.1.0",)
"""Earlier versions whose results this one continues, because its own are the same to the last bit."""

VARIES = "varies"
"""Stands for a parameter that is not the same at all points of a grid."""


def common(parts: Sequence[Any]) -> Any:
    """Merge nested parameters, writing "varies" where they differ.

    Parameters
    ----------
    parts : sequence
        Plain data, of which dictionaries are merged key by key.

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
            if key == "definition" and theirs.get(key, 1) != ours.get(key, 1):
                what = theirs.get("type", "")
                return (
                    f"{path} ({what}) is defined in another way since, so that old and new numbers would mix; leave "
                    "the old ones as they are, and compute all in another place"
                )
            if (key in theirs) != (key in ours):
                return f"{inner} is only {'there' if key in theirs else 'here'}"
            if found := difference(theirs[key], ours[key], free, inner):
                return found
        return ""
    return "" if theirs == ours else f"{path} is {theirs!r} there and {ours!r} here"


def both_labels(there: Mapping[str, Sequence[Any]], here: Mapping[str, Sequence[Any]]) -> str:
    """Return what to do if an axis makes the difference that has a single label: what it varies is not known then.

    Parameters
    ----------
    there, here : mapping of str to sequence
        The labels of the axes of a store, and of those that are wanted.

    Examples
    --------
    >>> both_labels({"chi": [8]}, {"chi": [32]})
    " (if that is what 'chi' is for, name the label that is there as well: {'chi': [8, 32]})"
    """
    alike = {name: [*there[name], *labels] for name, labels in here.items() if name in there}
    both = {name: labels for name, labels in alike.items() if len(labels) == len(set(labels)) == 2}
    names = ", ".join(map(repr, both))
    return f" (if that is what {names} is for, name the label that is there as well: {both})" if both else ""


def todays_names(theirs: Any, ours: Any) -> Any:
    """Replace the names that version 0.1.0 gave to classes and functions by those that they have here.

    It named them by the file they stood in (``mpsnh.observables.spectral.SteadyStateGap``, ``mpsnh.site.Spin``), and
    those of a script by ``__main__``. A name is only replaced by one that stands at the same place here, and nothing
    that a file names is looked up.

    Parameters
    ----------
    theirs, ours : Any
        Plain data: what was found, and what is wanted.

    Examples
    --------
    >>> todays_names({"type": "mpsnh.models.xxz.XXZ", "h": 1}, {"type": "mpsnh.models.XXZ", "h": 2})
    {'type': 'mpsnh.models.XXZ', 'h': 1}
    >>> todays_names(["__main__.start", "mylab.obs.Gap"], ["study.start", "mylab.Gap"])
    ['study.start', 'mylab.Gap']
    """
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return {key: todays_names(part, ours.get(key)) for key, part in theirs.items()}
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [todays_names(*pair) for pair in zip(theirs, ours, strict=True)]
    if isinstance(theirs, str) and isinstance(ours, str) and _is_old_name(theirs, ours):
        return ours
    return theirs


def _is_old_name(old: str, new: str) -> bool:
    """Tell whether version 0.1.0 gave one name to what is called by the other here."""
    there, here = old.split("."), new.split(".")
    if there[-1] != here[-1] or min(len(there), len(here)) < 2:
        return False
    if "__main__" in (there[0], here[0]):
        return "mpsnh" not in (there[0], here[0])
    if there[0] == here[0] == "mpsnh":
        return _room(there) == _room(here)
    return there[: len(here) - 1] == here[:-1]  # a package that offers it under a shorter name


def _room(name: list[str]) -> list[str]:
    """Return what of the package a name belongs to, whatever files there are in it; nothing for the core."""
    if name[1] == "studies":
        return name[1:3]
    return [part for part in name[1:2] if part in ("models", "algorithms", "observables")]


def comparable(described: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a description what may differ: versions of other packages, or one that gave the same numbers.

    Parameters
    ----------
    described : mapping
        With the versions of packages under ``"versions"``.

    Examples
    --------
    >>> comparable({"model": {}, "versions": {"mpsnh": "1.0", "numpy": "2.4"}})
    {'model': {}, 'versions': {'mpsnh': '1.0'}}
    """
    version = described["versions"]["mpsnh"]
    return {**described, "versions": {"mpsnh": versions()["mpsnh"] if version in SAME_NUMBERS else version}}


@functools.cache  # looking them up takes longer than a small simulation
def versions() -> Mapping[str, str]:
    """Return the versions of Python and the libraries that results depend on.

    Examples
    --------
    >>> sorted(versions())
    ['mpsnh', 'numpy', 'python', 'quimb', 'scipy']
    """
    libraries = {name: importlib.metadata.version(name) for name in ("mpsnh", "numpy", "quimb", "scipy")}
    return types.MappingProxyType(libraries | {"python": platform.python_version()})
