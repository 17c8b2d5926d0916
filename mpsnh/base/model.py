"""Models: immutable sets of parameters that say what a chain is and how it evolves."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

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
