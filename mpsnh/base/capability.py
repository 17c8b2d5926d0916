"""What records may hold and observables may need, said in the words of the field."""

from __future__ import annotations

import functools
from collections.abc import Set
from enum import Enum


class Capability(Enum):
    """Something that not every record holds.

    An algorithm says in `gives` what its records will hold, an observable says in `needs` what it can't do without, and
    a record knows what it `holds`.

    Examples
    --------
    >>> print(Capability.RIGHT_VECTORS)
    right eigenvectors
    """

    ALL_LEVELS = "all levels", "ExactDiag()"
    SEVERAL_LEVELS = "more than one level", "ExactDiag(), SteadyState(k=2) or NHDMRG(k=2)"
    BY_GROWTH = "levels by decreasing growth", "ExactDiag(), SteadyState() or NHDMRG(which='growth')"
    LARGEST_IMAGINARY_PART = "the largest |Im E| of all levels", "ExactDiag() or SteadyState()"
    RIGHT_VECTORS = "right eigenvectors", "vectors='right' or vectors='both'"
    LEFT_VECTORS = "left eigenvectors", "vectors='both'"
    CONDITION_NUMBERS = "left eigenvectors or condition numbers", "vectors='both'"
    PURE_STATE = "a pure state", "ExactEvolution or NHTEBD, or of density operators Purity or OperatorEntanglement"
    DENSITY_MPS = "a density operator in matrix-product form", "DensityTEBD"
    NORM = "the norm of the un-normalised state", "ExactEvolution or NHTEBD"

    def __init__(self, words: str, way: str) -> None:
        self.words, self.way = words, way

    def __str__(self) -> str:
        return self.words


VECTORS = {
    "none": frozenset[Capability](),
    "right": frozenset([Capability.RIGHT_VECTORS]),
    "both": frozenset([Capability.RIGHT_VECTORS, Capability.LEFT_VECTORS, Capability.CONDITION_NUMBERS]),
}
"""What a diagonalisation gives for each value of its parameter `vectors`."""


def require_said(cls: type, name: str) -> None:
    """Raise if a class says what it needs or gives by anything but a set of capabilities.

    Parameters
    ----------
    cls : type
        The class; a property is looked at when it is used.
    name : str
        ``"needs"`` or ``"gives"``.

    Raises
    ------
    TypeError
        Naming what it says.

    Examples
    --------
    >>> class Entropy:
    ...     needs = Capability.PURE_STATE
    >>> require_said(Entropy, "needs")
    Traceback (most recent call last):
    TypeError: Entropy.needs = <Capability.PURE_STATE: ...>, but it must be a set: {nh.Capability.PURE_STATE}
    """
    said = getattr(cls, name, None)
    if said is None or isinstance(said, property | functools.cached_property):
        return
    if not (isinstance(said, Set) and all(isinstance(capability, Capability) for capability in said)):
        shown = said if isinstance(said, Capability) else Capability.PURE_STATE
        allowed = f"{{nh.Capability.{shown.name}}}"
        raise TypeError(f"{cls.__name__}.{name} = {said!r}, but it must be a set: {allowed}")


def require_capabilities(needs: Set[Capability], there: Set[Capability], who: str, giver: str) -> None:
    """Raise if something that is needed is not there, with a way that works.

    Parameters
    ----------
    needs, there : set of Capability
        What is needed, and what there is.
    who, giver : str
        Who needs it, and what does not give it, for the message.

    Raises
    ------
    ValueError
        Naming what is missing.

    Examples
    --------
    >>> require_capabilities({Capability.ALL_LEVELS}, set(), "ImaginaryFraction", "SteadyState(k=2)")
    Traceback (most recent call last):
    ValueError: ImaginaryFraction needs all levels, which SteadyState(k=2) does not give: use ExactDiag()
    """
    missing = [capability for capability in Capability if capability in needs and capability not in there]
    if missing:
        words = ", ".join(one.words for one in missing)
        ways = [f"{one.way} for {one.words}" if len(missing) > 1 else one.way for one in missing]
        raise ValueError(f"{who} needs {words}, which {giver} does not give: use {'; '.join(ways)}")
