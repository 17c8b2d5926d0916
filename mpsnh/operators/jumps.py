"""Jump operators, which may change the charge and be fermionic."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site, is_fermionic
from mpsnh.operators.localise import localise, product_matrix
from mpsnh.operators.sector import Sector, joint_charges

STRING = ("F",)
"""What a Jordan–Wigner string is on the sites that it passes."""

ROUNDING = 1e-13
"""Matrix elements, relative to the largest one, that count as zero."""


def charge_change(op: OpSum, sites: Sequence[Site]) -> int | None:
    """Return by how much an operator changes the charge, or None if its terms change it by different numbers.

    Parameters
    ----------
    op : OpSum
        The operator, which may be fermionic.
    sites : sequence of Site
        The chain.

    Examples
    --------
    >>> [charge_change(OpSum([(1.0, name, 0)]), [nh.Spin(0.5)]) for name in ("Sm", "Sz", "Sx")]
    [-2, 0, None]
    """
    changes: set[int] = set()
    for term in localise(op, sites, odd=True):
        of_term = {0}
        for j, names in term.matrices.items():
            charges, matrix = np.array(sites[j].charges), product_matrix(sites[j], names)
            rows, columns = np.nonzero(np.abs(matrix) > ROUNDING * np.abs(matrix).max())
            of_term = {a + b for a, b in itertools.product(of_term, set((charges[rows] - charges[columns]).tolist()))}
        changes |= of_term
    return changes.pop() if len(changes) == 1 else None if changes else 0


def between(op: OpSum, source: Sector, target: Sector) -> scipy.sparse.csr_matrix:
    """Return the matrix of an operator that leads from one sector to another, or to the same.

    Parameters
    ----------
    op : OpSum
        The operator, which may be fermionic.
    source, target : Sector
        On the same sites.

    Returns
    -------
    csr_matrix of complex, shape (target.dim, source.dim)
        Without what leads elsewhere.

    Examples
    --------
    >>> sites = [nh.Spin(0.5)] * 2
    >>> between(OpSum([(2.0, "Sm", 0)]), Sector(sites, 0), Sector(sites, -2)).toarray().real
    array([[2., 0.]])
    """
    same = source.sites == target.sites and source.weights == target.weights
    require(same, "target", target, f"a sector of the same sites as {source}")
    change = (target.charge or 0) - (source.charge or 0)
    every = np.arange(source.dim)
    rows, columns, values = [every[:0]], [every[:0]], [np.zeros(0, dtype=complex)]
    for move in source._moves(op, projected=False, odd=True):
        if move.change == change:
            rows.append(target.find(source.keys[move.where] + move.shift))
            columns.append(every[move.where])
            values.append(np.asarray(move.amplitudes, dtype=complex))
    index = np.concatenate(rows), np.concatenate(columns)
    return scipy.sparse.csr_matrix((np.concatenate(values), index), shape=(target.dim, source.dim))


class PairJump(NamedTuple):
    """A jump on two neighbouring sites, and a string of parities on all sites before them if it is fermionic.

    Examples
    --------
    >>> jump = PairJump.of(OpSum([(1.0, "c", 1)]), [nh.Fermion()] * 4)
    >>> jump.first, jump.string, jump.matrix.real.astype(int).tolist()
    (1, True, [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    """

    first: int
    """The first of the two sites."""
    matrix: NDArray[np.complex128]
    """What it does to them; the first site is the most significant digit."""
    string: bool

    @classmethod
    def of(cls, op: OpSum, sites: Sequence[Site]) -> PairJump | None:
        """Return an operator in this form, or None if it acts on other sites than two neighbours.

        Parameters
        ----------
        op : OpSum
            The operator.
        sites : sequence of Site
            The chain, of at least two sites.
        """
        terms = localise(op, sites, odd=True)
        odd = any(sum(is_fermionic(name) for name, _ in term.term.factors) % 2 for term in terms)
        acting = [j for term in terms for j, names in term.matrices.items() if not (odd and names == STRING)]
        first = min(min(acting, default=0), len(sites) - 2)
        pair = (first, first + 1)
        before = {j: STRING for j in range(first) if odd and min(sites[j].parities) < 0}
        matrix = np.zeros((sites[first].dim * sites[first + 1].dim,) * 2, dtype=complex)
        for term in terms:
            if {j: names for j, names in term.matrices.items() if j not in pair} != before:
                return None
            factors = (product_matrix(sites[j], term.matrices.get(j, ())) for j in pair)
            matrix += term.term.coefficient * functools.reduce(np.kron, factors)
        return cls(first, matrix, odd)

    def change(self, sites: Sequence[Site]) -> int | None:
        """Return by how much it changes the charge, or None if not by a definite number.

        Parameters
        ----------
        sites : sequence of Site
            The chain.
        """
        charges = joint_charges([sites[j].charges for j in range(self.first, self.first + 2)])
        rows, columns = np.nonzero(np.abs(self.matrix) > ROUNDING * np.abs(self.matrix).max())
        changes = set((charges[rows] - charges[columns]).tolist())
        return changes.pop() if len(changes) == 1 else None if changes else 0
