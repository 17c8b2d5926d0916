"""Effective Hamiltonians of the no-click limit, from any jump operators."""

from __future__ import annotations

from typing_extensions import override

from mpsnh.base.hamiltonian import HamiltonianModel
from mpsnh.base.model import SPIN_HALF
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.lindblad import effective


class NoClick(HamiltonianModel):
    """An open system conditioned on no quantum jump: H_eff = H - (i/2) Σ_k L_k† L_k.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Eq. 1.)

    Parameters
    ----------
    L : int
        Number of sites.
    hamiltonian : OpSum
        The Hermitian part H.
    jumps : tuple of OpSum
        The jump operators L_k, rates included.
    site : Site
        The local space, the same on all sites; a spin 1/2 by default.
    charge : int or None
        Total charge of the sector in which exact methods work; all sectors by default.

    Examples
    --------
    A decaying spin:

    >>> atom = NoClick(L=2, hamiltonian=nh.OpSum() + (1.0, "Sz", 0), jumps=(nh.OpSum() + (0.5, "Sm", 0),))
    >>> print(atom.terms())
    -0.125j Sm†_0 Sm_0 + 1 Sz_0
    """

    hamiltonian: OpSum
    jumps: tuple[OpSum, ...]
    site: Site = SPIN_HALF

    @override
    def validate(self) -> None:
        super().validate()
        for name, op in [("hamiltonian", self.hamiltonian), *((f"jumps[{k}]", op) for k, op in enumerate(self.jumps))]:
            if not isinstance(op, OpSum):
                raise TypeError(f"{name} = {op!r}, but it must be an OpSum")

    @property
    @override
    def sites(self) -> tuple[Site, ...]:
        return (self.site,) * self.L

    @override
    def terms(self) -> OpSum:
        """Return H - (i/2) Σ L†L, with like terms merged."""
        return effective(self.hamiltonian, self.jumps)
