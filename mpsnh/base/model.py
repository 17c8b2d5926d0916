"""Models: immutable sets of parameters that say what a chain is and how it evolves."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.language.circuit import Layer
from mpsnh.language.generator import Generator
from mpsnh.language.site import Site, Spin
from mpsnh.linalg.propagator import Propagator
from mpsnh.operators.gates import gates
from mpsnh.operators.matrix import matrix
from mpsnh.operators.propagator import propagator
from mpsnh.operators.sector import Sector, sector
from mpsnh.value import Value

SPIN_HALF = Spin(0.5)


def _checked(sites: Callable[[Any], Any]) -> Callable[[Any], tuple[Site, ...]]:
    """Let the sites of a model be a tuple of as many sites as it has."""

    @functools.wraps(sites)
    def checked(self: Model) -> tuple[Site, ...]:
        given, name = sites(self), f"{type(self).__name__}.sites"
        if isinstance(given, Site) or not isinstance(given, Iterable):
            raise TypeError(
                f"{name} = {given!r}, but it must be a Site for each of the L = {self.L}: ({given!r},) * self.L"
            )
        local = tuple(given)
        for j, site in enumerate(local):
            if not isinstance(site, Site):
                raise TypeError(f"{name}[{j}] = {site!r}, but it must be a Site, such as Spin(0.5) or Boson(3)")
        require(len(local) == self.L, f"number of {name}", len(local), f"L = {self.L}")
        return local

    return checked


class Model(Value):
    """A chain of L sites and how it evolves; subclass `HamiltonianModel` or `FloquetModel`.

    What is made of a model, its gates, matrix and so on, are functions of its `generator` (`mpsnh.operators`); the
    methods here only call them.

    Parameters
    ----------
    L : int
        Number of sites, at least 2.
    charge : int or None
        Total charge of the sector in which exact methods work; ``None`` (the default) takes the whole space.

    Raises
    ------
    ValueError
        If `L` is less than 2.
    """

    time_units: ClassVar[str] = "1/J"
    L: int
    charge: int | None = None

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        sites = vars(cls).get("sites")
        if isinstance(sites, property) and sites.fget is not None:
            cls.sites = property(_checked(sites.fget))  # type: ignore[assignment]
        elif callable(sites):
            raise TypeError(f"{cls.__name__}.sites is a method, but it must be a property: write @property above it")
        elif sites is not None and not hasattr(sites, "__get__"):
            cls.sites = property(_checked(lambda self: sites))  # type: ignore[assignment]

    @override
    def validate(self) -> None:
        """Check the number of sites."""
        require(self.L >= 2, "L", self.L, "at least 2")

    @property
    def sites(self) -> tuple[Site, ...]:
        """The local spaces; spins 1/2 unless a subclass says otherwise."""
        return (SPIN_HALF,) * self.L

    @property
    def sector(self) -> Sector:
        """The basis in which exact methods work."""
        return sector(self.sites, self.charge)

    @property
    @abstractmethod
    def generator(self) -> Generator:
        """What the model is: a Hamiltonian or a circuit."""

    def check(self) -> None:
        """Raise before any work starts if an operator or gate does not fit the sites."""

    def check_time_step(self, dt: float) -> None:
        """Raise if time can't advance by this step."""

    def step(self, dt: float = 1.0, order: int = 2, t: float = 0.0) -> list[Layer]:
        """Return the layers of gates that advance the state by `dt` from time `t` (`mpsnh.operators.gates`)."""
        return gates(self.generator, self.sites, t, dt, order)

    def matrix(self, t: float = 0.0) -> Any:
        """Return the matrix whose spectrum describes the model, in its sector (`mpsnh.operators.matrix`)."""
        return matrix(self.generator, self.sector, t)

    def propagator(self, time: float, t: float = 0.0) -> Propagator:
        """Return what advances a vector of the sector by `time` from `t` on (`mpsnh.operators.propagator`)."""
        return propagator(self.generator, self.sector, t, time)

    def growth(self, eigenvalues: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the rate at which the norm of each eigenstate grows: Im E of a Hamiltonian, log |λ| of a circuit."""
        return self.generator.growth(eigenvalues)
