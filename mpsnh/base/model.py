"""Models: immutable sets of parameters that know their operators and gates."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language import circuit
from mpsnh.language.site import Site, Spin
from mpsnh.linalg.propagator import Propagator
from mpsnh.operators.sector import Sector, sector
from mpsnh.value import Value

SPIN_HALF = Spin(0.5)


class Model(Value):
    """A chain of L sites and how it evolves; subclass `HamiltonianModel` or `FloquetModel`.

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

    def check(self) -> None:
        """Raise before any work starts if an operator or gate does not fit the sites."""

    def check_time_step(self, dt: float) -> None:
        """Raise if time can't advance by this step."""

    @abstractmethod
    def step(self, dt: float, order: int) -> list[circuit.Layer]:
        """Return the layers of gates that advance the state by `dt`, with a Trotter error of the given order."""

    @abstractmethod
    def matrix(self) -> Any:
        """Return the matrix whose spectrum describes the model, in its sector (sparse or dense)."""

    @abstractmethod
    def propagator(self, time: float) -> Propagator:
        """Return the function that advances a vector of the sector exactly by a time."""

    @abstractmethod
    def growth(self, eigenvalues: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the rate at which the norm of each eigenstate grows."""
