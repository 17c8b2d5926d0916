"""Rings as ladders, whose gates act on neighbours only."""

from __future__ import annotations

from typing_extensions import override

from mpsnh.base.hamiltonian import HamiltonianModel
from mpsnh.base.model import Model
from mpsnh.checks import require
from mpsnh.language.generator import Hamiltonian
from mpsnh.language.opsum import OpSum
from mpsnh.language.rung import folded, rungs
from mpsnh.language.site import Site


class GivenChain(HamiltonianModel):
    """A chain of given sites and terms.

    Parameters
    ----------
    local : tuple of Site
        The local spaces.
    hamiltonian : OpSum
        The terms.

    Examples
    --------
    >>> GivenChain(L=2, local=(nh.Spin(0.5),) * 2, hamiltonian=OpSum([(1j, "Sz", 0)])).matrix().diagonal().imag.tolist()
    [0.5, 0.5, -0.5, -0.5]
    """

    local: tuple[Site, ...]
    hamiltonian: OpSum

    @property
    @override
    def sites(self) -> tuple[Site, ...]:
        return self.local

    @override
    def terms(self) -> OpSum:
        return self.hamiltonian


def ladder(sites: tuple[Site, ...], hamiltonian: OpSum, charge: int | None) -> GivenChain:
    """Fold a ring of equal sites into a ladder of half as many rungs: rung r holds the sites r and N - 1 - r.

    Parameters
    ----------
    sites : tuple of Site
        Those of the ring.
    hamiltonian : OpSum
        Its terms.
    charge : int or None
        Its charge.

    Raises
    ------
    ValueError
        If sites differ.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=6, boundary="periodic")
    >>> folded_ring = ladder(ring.sites, ring.terms(), ring.charge)
    >>> folded_ring.L, folded_ring.sites[0].states
    (3, ('up,up', 'up,down', 'down,up', 'down,down'))
    """
    require(len(set(sites)) == 1, "sites of the ring", sites, "all the same")
    local = rungs(sites)
    return GivenChain(L=len(local), charge=charge, local=local, hamiltonian=folded(hamiltonian, len(sites)))


def closes(model: Model) -> bool:
    """Tell whether a Hamiltonian couples the first site to the last one, and otherwise neighbours only.

    Parameters
    ----------
    model : Model
        Of any kind.

    Examples
    --------
    >>> [closes(models.NonHermitianXXZ(L=6, boundary=boundary)) for boundary in ("open", "periodic")]
    [False, True]
    """
    if not isinstance(model.generator, Hamiltonian) or model.L < 3:
        return False
    spans = {tuple(sorted({j for _, j in term.factors})) for term in model.generator.terms}
    far = {span for span in spans if len(span) > 1 and span != (span[0], span[0] + 1)}
    return far == {(0, model.L - 1)}
