"""Models that evolve continuously, with a Hamiltonian that need not be Hermitian."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol, runtime_checkable

from typing_extensions import override

from mpsnh.base.model import Model
from mpsnh.language.generator import Hamiltonian
from mpsnh.language.opsum import OpSum
from mpsnh.operators.localise import localise
from mpsnh.operators.mpo import MPO, mpo


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

    @cached_property
    @override
    def generator(self) -> Hamiltonian:
        return Hamiltonian(self.terms())

    @override
    def check(self) -> None:
        localise(self.generator.terms, self.sites)

    def mpo(self, t: float = 0.0) -> MPO:
        """Return H at a time as a matrix-product operator of minimal bond dimension."""
        return mpo(self.generator, self.sites, t)
