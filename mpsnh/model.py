"""Models: immutable sets of parameters that know their operators and gates."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from mpsnh import circuit
from mpsnh.chebyshev import ChebyshevPropagator
from mpsnh.compile import bond_hamiltonians, localise
from mpsnh.mpo import MPO
from mpsnh.opsum import OpSum
from mpsnh.propagator import Propagator
from mpsnh.sector import LEAK, Sector, require_memory, sector
from mpsnh.site import Site, Spin
from mpsnh.value import Value, require

SPIN_HALF = Spin(0.5)

DENSE_PROPAGATOR = 512
"""Largest sector dimension for which exp(-i H t) is made as a dense matrix."""

MOST_GROWTH = 200.0
"""Largest logarithm of the norm of that matrix, which is far from where its square overflows."""


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


@runtime_checkable
class CurrentModel(Protocol):
    """A model with a conserved current, H = H_Hermitian + iγ Σ_j I_j."""

    gamma: float

    @property
    def bonds(self) -> Sequence[int]:
        """The bonds that carry current."""
        ...

    def current(self, bond: int) -> OpSum:
        """Return the current I_j through a bond."""
        ...


class HamiltonianModel(Model):
    """A model that evolves with exp(-i H t), where H need not be Hermitian.

    A new model must only write `terms`.

    Examples
    --------
    >>> class Decay(HamiltonianModel):
    ...     rate: float = 1.0
    ...     def terms(self):
    ...         return OpSum.sum((-0.5j * self.rate, "Sp", j, "Sm", j) for j in range(self.L))
    >>> Decay(L=2).matrix().diagonal().imag
    array([-1. , -0.5, -0.5,  0. ])
    """

    @abstractmethod
    def terms(self) -> OpSum:
        """Return the Hamiltonian as a literal sum of operator products."""

    def check(self) -> None:
        """Raise if a term names an unknown operator or a site outside of the chain.

        Raises
        ------
        ValueError
            Naming the term.
        """
        localise(self.terms(), self.sites)

    def step(self, dt: float, order: int = 2) -> list[circuit.Layer]:
        """Return one Trotter step of exp(-i H dt).

        Parameters
        ----------
        dt : float
            Time step.
        order : {1, 2, 4}
            Trotter order.

        Returns
        -------
        list of Layer

        Raises
        ------
        ValueError
            If a term acts on more than two neighbouring sites, or joins the ends of a periodic chain.
        """
        return circuit.trotter(bond_hamiltonians(self.terms(), self.sites), dt, order)

    def matrix(self) -> scipy.sparse.csr_matrix:
        """Return H in the model's sector.

        Returns
        -------
        csr_matrix, shape (dim, dim)
            Real if H is.
        """
        return self.sector.operator(self.terms())

    def mpo(self) -> MPO:
        """Return H as a matrix-product operator of minimal bond dimension.

        Returns
        -------
        MPO
        """
        return MPO.from_opsum(self.terms(), self.sites)

    def propagator(self, time: float) -> Propagator:
        """Return the function v ↦ exp(-i H t) v, with a relative error of at most 1e-12 per unit time.

        Parameters
        ----------
        time : float
            The time t.

        Returns
        -------
        callable
            Takes and returns a vector of the sector.
        """
        hamiltonian = self.matrix()
        if hamiltonian.shape[0] <= DENSE_PROPAGATOR:
            dense = hamiltonian.toarray()
            growth = np.abs(np.linalg.eigvalsh((dense - dense.conj().T) / 2j)).max()
            times = max(1, math.ceil(growth * abs(time) / MOST_GROWTH))
            evolution = scipy.linalg.expm(-1j * time / times * dense)
            return Propagator(lambda vector: evolution @ vector, times)
        return ChebyshevPropagator(hamiltonian, time)

    def growth(self, eigenvalues: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return Im E, the rate at which the norm of each eigenstate grows.

        Parameters
        ----------
        eigenvalues : ndarray of complex
            Eigenvalues of H.

        Returns
        -------
        ndarray
        """
        return np.asarray(eigenvalues).imag


class FloquetModel(Model):
    """A model that evolves by whole periods; a new model must only write `layers`.

    The gates need not be unitary. Time is counted in periods.

    Examples
    --------
    >>> class Kicked(FloquetModel):
    ...     angle: float = 0.1
    ...     def layers(self):
    ...         kick = scipy.linalg.expm(-1j * self.angle * self.sites[0].op("X"))
    ...         return [tuple(circuit.Gate(kick, (j,)) for j in range(self.L))]
    >>> bool(np.allclose(np.abs(np.linalg.eigvals(Kicked(L=2).matrix())), 1))
    True
    """

    time_units: ClassVar[str] = "period"

    @abstractmethod
    def layers(self) -> list[circuit.Layer]:
        """Return the layers of gates of one period, in the order in which they act."""

    def check_time_step(self, dt: float) -> None:
        """Raise unless the step is one period.

        Parameters
        ----------
        dt : float
            Must be 1.

        Raises
        ------
        ValueError
            If it is not.
        """
        require(dt == 1, "dt", dt, "1, since a Floquet model advances by whole periods")

    def step(self, dt: float = 1.0, order: int = 2) -> list[circuit.Layer]:
        """Return the gates of one period.

        Parameters
        ----------
        dt : float
            Must be 1: one period.
        order : int
            Ignored, since a period is not split.

        Returns
        -------
        list of Layer

        Raises
        ------
        ValueError
            If `dt` is not 1.
        """
        self.check_time_step(dt)
        return self.layers()

    def matrix(self) -> NDArray[np.complex128]:
        """Return the map of one period in the model's sector.

        Returns
        -------
        ndarray, shape (dim, dim)

        Raises
        ------
        ValueError
            If the gates do not conserve the charge.
        MemoryError
            If the matrix does not fit in memory.
        """
        basis = self.sector
        size = float(np.prod(basis.dims, dtype=float))
        require_memory(3 * 16 * size * basis.dim, f"the {size:.3g} × {basis.dim} Floquet map")
        columns = np.zeros((int(size), basis.dim), dtype=complex)
        columns[basis.codes, np.arange(basis.dim)] = 1
        columns = self._period(columns)
        inside = columns[basis.codes]
        if np.linalg.norm(columns) ** 2 - np.linalg.norm(inside) ** 2 > LEAK * np.linalg.norm(columns) ** 2:
            raise ValueError(f"the gates do not conserve the charge {self.charge}; use charge=None for the whole space")
        return inside

    def propagator(self, time: float) -> Propagator:
        """Return the function that applies a whole number of periods, gate by gate.

        Parameters
        ----------
        time : float
            Number of periods.

        Returns
        -------
        callable
            Takes and returns a vector of the sector.

        Raises
        ------
        ValueError
            If `time` is not a whole number.
        """
        require(time >= 0 and float(time).is_integer(), "time", time, "a whole number of periods")
        basis = self.sector
        return Propagator(lambda vector: basis.project(self._period(basis.embed(vector))), int(time))

    def _period(self, vectors: NDArray[np.complex128]) -> NDArray[np.complex128]:
        dims = self.sector.dims
        for layer in self.layers():
            for gate in layer:
                vectors = circuit.apply_gate(vectors, gate, dims)
        return vectors

    def growth(self, eigenvalues: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return log |λ|, the growth of the norm of each eigenstate in one period.

        Parameters
        ----------
        eigenvalues : ndarray of complex
            Eigenvalues of the map of one period.

        Returns
        -------
        ndarray
        """
        with np.errstate(divide="ignore"):
            return np.log(np.abs(eigenvalues))
