"""Open chains from any Hamiltonian and jump operators."""

from __future__ import annotations

from typing_extensions import override

from mpsnh.base.model import SPIN_HALF
from mpsnh.base.open_model import OpenModel
from mpsnh.checks import described
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site


class OpenChain(OpenModel):
    """An open system of given Hamiltonian and jump operators.

    Parameters
    ----------
    L : int
        Number of sites.
    hamiltonian : OpSum
        The Hermitian H.
    jump_operators : tuple of OpSum
        The jump operators L_k, each with the square root of its rate.
    site : Site
        The local space, the same on all sites; a spin 1/2 by default.
    charge : int or None
        Total charge of the sector in which exact methods work; all sectors by default.

    Examples
    --------
    >>> atoms = OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[OpSum([(0.5, "Sm", j)]) for j in range(2)])
    >>> print(atoms.no_click().terms())
    -0.125j Sm†_0 Sm_0 - 0.125j Sm†_1 Sm_1
    """

    hamiltonian: OpSum
    jump_operators: tuple[OpSum, ...]
    site: Site = SPIN_HALF

    @override
    def validate(self) -> None:
        super().validate()
        if isinstance(self.jump_operators, OpSum):
            raise TypeError(f"jump_operators is {described(self.jump_operators)}, but it must be a list of OpSum")
        object.__setattr__(self, "jump_operators", tuple(self.jump_operators))

    @property
    @override
    def sites(self) -> tuple[Site, ...]:
        return (self.site,) * self.L

    @override
    def terms(self) -> OpSum:
        return self.hamiltonian

    @override
    def jumps(self) -> tuple[OpSum, ...]:
        return self.jump_operators
