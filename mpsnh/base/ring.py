"""Rings as ladders, whose gates act on neighbours only."""

from __future__ import annotations

from functools import cached_property
from typing import cast

from typing_extensions import override

from mpsnh.base.hamiltonian import HamiltonianModel
from mpsnh.base.model import Model
from mpsnh.checks import require
from mpsnh.language.generator import Hamiltonian
from mpsnh.language.opsum import OpSum
from mpsnh.language.rung import folded, rungs
from mpsnh.language.site import Site


class FoldedRing(HamiltonianModel):
    """A ring of equal sites, folded into a ladder of half as many rungs: rung r holds the sites r and N - 1 - r.

    Parameters
    ----------
    L : int
        Number of rungs.
    ring_sites : tuple of Site
        Those of the ring.
    ring_terms : OpSum
        Its Hamiltonian, whose terms act on a site or on neighbours.

    Raises
    ------
    ValueError
        If a term acts elsewhere, or sites differ.

    Examples
    --------
    >>> ladder = FoldedRing.of(models.NonHermitianXXZ(L=6, boundary="periodic"))
    >>> ladder.L, ladder.sites[0].states
    (3, ('up,up', 'up,down', 'down,up', 'down,down'))
    """

    ring_sites: tuple[Site, ...]
    ring_terms: OpSum

    @classmethod
    def of(cls, ring: Model) -> FoldedRing:
        """Fold a ring.

        Parameters
        ----------
        ring : Model
            The ring.
        """
        terms = cast(Hamiltonian, ring.generator).terms
        return cls(L=(ring.L + 1) // 2, charge=ring.charge, ring_sites=ring.sites, ring_terms=terms)

    @property
    @override
    def sites(self) -> tuple[Site, ...]:
        return self._rungs

    @cached_property
    def _rungs(self) -> tuple[Site, ...]:
        return rungs(self.ring_sites)

    @override
    def terms(self) -> OpSum:
        return folded(self.ring_terms, len(self.ring_sites))

    @override
    def check(self) -> None:
        super().check()
        require(len(set(self.ring_sites)) == 1, "sites of the ring", self.ring_sites, "all the same")


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
