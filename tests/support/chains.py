"""Chains whose levels are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import mpsnh as nh


class Terms(nh.HamiltonianModel):
    """Any Hamiltonian on equal sites."""

    op: nh.OpSum
    site: nh.Site = nh.Spin(0.5)

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return (self.site,) * self.L

    def terms(self) -> nh.OpSum:
        return self.op


def ssh(cells: int, hops: Sequence[float], V: float = 0.0) -> Terms:
    """Fermions with two hops in each cell, hopping 1 between cells, and interaction of neighbours; half filled."""
    op, there = nh.OpSum(), dict(enumerate(hops))
    for j in range(2 * cells - 1):
        op += (1.0 if j % 2 else there[0], "cdag", j, "c", j + 1)
        op += (1.0 if j % 2 else there[1], "cdag", j + 1, "c", j)
        op += (V, "n", j, "n", j + 1)
    return Terms(L=2 * cells, op=op, site=nh.Fermion(), charge=cells)


def ising(L: int, fields: complex) -> Terms:
    """Ising chain of Pauli matrices in a complex field along Z."""
    bonds = ((-1, "X", j, "X", j + 1) for j in range(L - 1))
    return Terms(L=L, op=nh.OpSum([*bonds, *((-fields, "Z", j) for j in range(L))]))


def box(L: int, gamma: float) -> float:
    """Lowest energy of free particles on an open chain, half filled."""
    levels = np.sqrt(1 - gamma**2) * np.cos(np.arange(1, L + 1) * np.pi / (L + 1))
    return float(levels[levels < 0].sum())
