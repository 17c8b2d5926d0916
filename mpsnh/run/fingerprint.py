"""What simulations compute, to tell whether numbers from another run are those that would come out here."""

from __future__ import annotations

import cmath
import platform
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mpsnh.checks import warn
from mpsnh.operators.probe import probe
from mpsnh.run.code import Code
from mpsnh.value import Value

if TYPE_CHECKING:
    from mpsnh.run.simulation import Simulation

PARAMETERS = "parameters"
"""The part of a description that is no code."""

SAME = 1e-11
"""Relative difference up to which two Hamiltonians are the same one, as computed on other machines."""

COMPARED = ("terms", "layers", "generator")
"""Methods of a model whose code may change as long as they return the same."""


def fingerprint(simulation: Simulation[Any], free: Collection[str] = ()) -> dict[str, Any]:
    """Return what a simulation computes, as plain data.

    It is found without running anything: the Hamiltonian or the gates by a number (`mpsnh.operators.probe`), and what
    the classes and functions of the user do and capture by digests of their code (`mpsnh.run.code.Code`). Outputs of
    observables would not do: their first record may take hours, and says nothing of the later ones.

    Parameters
    ----------
    simulation : Simulation
        What may run.
    free : collection of str
        Parameters of the algorithm that don't count.

    Raises
    ------
    TypeError
        If a parameter is, or captures, what can't be compared.

    Examples
    --------
    >>> def ring(h):
    ...     model = models.NonHermitianXXZ(L=4, h=h, boundary="periodic")
    ...     return fingerprint(nh.Simulation(model, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()}))
    >>> list(ring(1.0)["parts"]), ring(1.0) == ring(1.0), ring(1.0) == ring(2.0)
    (['the model', 'the algorithm', "the observable 'gap'"], True, False)
    """
    model, named = simulation.model, dict[str, Any](simulation.observables)
    parts = {
        "the model": _described(model, apart=COMPARED),
        "the algorithm": _described(simulation.algorithm, free=free),
        **{f"the observable {name!r}": _described(observable) for name, observable in named.items()},
    }
    return {"python": ".".join(platform.python_version_tuple()[:2]), "generator": generator(model), "parts": parts}


def generator(model: Any) -> list[float] | None:
    """Return real and imaginary part of the number by which the Hamiltonian or the gates of a model are known.

    Parameters
    ----------
    model : Model
        Whose generator it is; nothing is returned for one that has none.

    Examples
    --------
    >>> generator(models.NonHermitianXXZ(L=4)) == generator(models.NonHermitianXXZ(L=4, h=1.0, seed=3))
    False
    """
    try:
        number = probe(model.generator, model.sites)
    except Exception:  # a model that can't run, or one of another kind, of which the code must do
        return None
    return [number.real, number.imag]


def _described(value: Value, apart: Collection[str] = (), free: Collection[str] = ()) -> dict[str, str]:
    code = Code(type(value).__module__)
    try:
        described = code.methods(type(value), apart), code.captured(value, free)
    except TypeError as error:
        raise TypeError(f"{type(value).__name__} can't be told apart from others like it: {error}") from None
    code.add(PARAMETERS, " ".join(described))
    return code.parts


def changed(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Name the first difference between two fingerprints.

    Code that was compiled by another version of Python can't be compared, which is a warning.

    Parameters
    ----------
    theirs, ours : mapping
        What was recorded, and what is here.

    Returns
    -------
    str
        Empty if there is none.

    Examples
    --------
    >>> there = {"python": "3.13", "generator": [0.5, 0.0], "parts": {"gap": {"Gap.__call__": "a"}}}
    >>> changed(there, there | {"parts": {"gap": {"Gap.__call__": "b"}}})
    "the code or value 'Gap.__call__' of gap is another one"
    >>> changed(there, there | {"generator": [0.6, 0.0]})
    'the Hamiltonian (or a gate) is another one'
    """
    if not _same_number(theirs["generator"], ours["generator"]):
        return "the Hamiltonian (or a gate) is another one"
    same_python = theirs["python"] == ours["python"]
    if not same_python:
        versions = f"Python {theirs['python']} there and {ours['python']} here"
        warn(f"code can't be compared ({versions}); Hamiltonians and parameters were")
    for name in {**theirs["parts"], **ours["parts"]}:
        there, here = theirs["parts"].get(name, {}), ours["parts"].get(name, {})
        for part in {**there, **here} if same_python else [PARAMETERS]:
            if there.get(part) != here.get(part):
                what = "a parameter" if part == PARAMETERS else f"the code or value {part!r}"
                return f"{what} of {name} is another one"
    return ""


def _same_number(there: Sequence[float] | None, here: Sequence[float] | None) -> bool:
    if there is None or here is None:
        return there is here
    return cmath.isclose(complex(*there), complex(*here), rel_tol=SAME)
