"""Models that evolve continuously, with a Hamiltonian that need not be Hermitian."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.base.model import Model
from mpsnh.language import circuit
from mpsnh.language.opsum import OpSum
from mpsnh.linalg.chebyshev import ChebyshevPropagator
from mpsnh.linalg.propagator import Propagator
from mpsnh.operators.bonds import bond_hamiltonians
from mpsnh.operators.localise import localise
from mpsnh.operators.mpo import MPO

DENSE_PROPAGATOR = 512
"""Largest sector dimension for which exp(-i H t) is made as a dense matrix."""


MOST_GROWTH = 200.0
"""Largest logarithm of the norm of that matrix, which is far from where its square overflows."""


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
