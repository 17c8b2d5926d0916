"""A ring folded into a ladder, in which neighbours of the ring are neighbours."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from mpsnh.language.opsum import OpSum, Term
from mpsnh.language.site import Site, is_fermionic


class Rung(Site):
    """Some sites taken as one, the first of which is the most significant digit of a state.

    An operator A of leg k is called ``"k:A"``, or ``"ck:A"`` if it is fermionic.

    Parameters
    ----------
    legs : sequence of Site
        The sites.

    Examples
    --------
    >>> rung = Rung([nh.Spin(0.5)] * 2)
    >>> rung.states, rung.charges
    (('up,up', 'up,down', 'down,up', 'down,down'), (2, 0, 0, -2))
    >>> rung.op("1:Sz").real.diagonal().tolist()
    [0.5, -0.5, 0.5, -0.5]
    """

    def __init__(self, legs: Sequence[Site]) -> None:
        self.legs = tuple(legs)
        operators = {}
        for k, leg in enumerate(self.legs):
            for name, matrix in leg.operators.items():
                before = [np.diag(other.parities) if is_fermionic(name) else np.eye(other.dim) for other in legs[:k]]
                after = [np.eye(other.dim) for other in legs[k + 1 :]]
                operators[on_leg(name, k)] = functools.reduce(np.kron, [*before, matrix, *after])
        states, charges, parities = [""], np.zeros(1, dtype=int), np.ones(1, dtype=int)
        for leg in self.legs:
            states = [f"{name},{other}" if name else other for name in states for other in leg.states]
            charges = np.add.outer(charges, leg.charges).ravel()
            parities = np.multiply.outer(parities, leg.parities).ravel()
        super().__init__(states, operators, charges.tolist(), parities.tolist())


def on_leg(name: str, leg: int) -> str:
    """Return the name of an operator of a leg.

    Examples
    --------
    >>> on_leg("Sp", 0), on_leg("cdag", 1)
    ('0:Sp', 'c1:cdag')
    """
    return f"c{leg}:{name}" if is_fermionic(name) else f"{leg}:{name}"


def place(j: int, L: int) -> tuple[int, int]:
    """Return the rung and the leg of a site of a ring: rung r holds the sites r and L - 1 - r.

    Parameters
    ----------
    j : int
        The site.
    L : int
        Number of sites of the ring.

    Examples
    --------
    >>> [place(j, 5) for j in range(5)]
    [(0, 0), (1, 0), (2, 0), (1, 1), (0, 1)]
    """
    rung = min(j, L - 1 - j)
    return rung, int(j != rung)


def rungs(sites: Sequence[Site]) -> tuple[Rung, ...]:
    """Return the rungs of a folded ring, the last of which has one leg if the number of sites is odd.

    Parameters
    ----------
    sites : sequence of Site
        The ring.

    Examples
    --------
    >>> [rung.dim for rung in rungs([nh.Spin(0.5)] * 5)]
    [4, 4, 2]
    """
    L = len(sites)
    pairs = [(sites[j], sites[L - 1 - j])[: 1 + (j != L - 1 - j)] for j in range((L + 1) // 2)]
    made = {pair: Rung(pair) for pair in pairs}
    return tuple(made[pair] for pair in pairs)


def folded(op: OpSum, L: int) -> OpSum:
    """Return an operator of a ring as one of its rungs.

    Parameters
    ----------
    op : OpSum
        The operator.
    L : int
        Number of sites of the ring.

    Raises
    ------
    ValueError
        If the operator acts on a site that does not exist.

    Examples
    --------
    >>> print(folded(OpSum([(1.0, "Sp", 4, "Sm", 0)]), 5))
    1 1:Sp_0 0:Sm_0
    """

    def factor(term: Term, name: str, j: int) -> tuple[str, int]:
        if j >= L:
            raise ValueError(f"term {term} acts on site {j}, but the chain has sites 0 … {L - 1}")
        rung, leg = place(j, L)
        return on_leg(name, leg), rung

    return OpSum(Term(term.coefficient, tuple(factor(term, name, j) for name, j in term.factors)) for term in op)
