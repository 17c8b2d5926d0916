"""What of an operator is only a number in a charge sector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mpsnh.language.opsum import OpSum, Term
from mpsnh.language.site import Site
from mpsnh.operators.localise import product_matrix

EXACT = 1e-12
"""How far an operator may be from a straight line in the charge, relative to its size, and is still one."""


class Split(NamedTuple):
    """The rest of an operator, the number that was taken out, and the sum of the norms of what it is made of.

    Examples
    --------
    >>> Split(OpSum(), number=0.0, size=2e6).size
    2000000.0
    """

    rest: OpSum
    number: float
    size: float


def without_constant(op: OpSum, sites: Sequence[Site], charge: int | None) -> Split:
    """Split an operator into a real number that it is in the whole sector, where that is large, and the rest.

    Large is a multiple of the identity, and a field that is more uniform than not: with a conserved charge it is the
    same in all states. Neither changes any vector, but every size that tolerances are relative to.

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        The chain.
    charge : int or None
        That of the sector; None for the whole space.

    Returns
    -------
    Split
        With the same operator if there is nothing to take out. The number may be much smaller than the size, to which
        its rounding is relative.

    Examples
    --------
    >>> spins, field = [nh.Spin(0.5)] * 2, OpSum([(10.0, "Sz", 0), (11.0, "Sz", 1), (5.0 + 1j,)])
    >>> rest, number, size = without_constant(field, spins, charge=2)
    >>> print(f"{rest}; {number:.6g}, {size:.6g}")
    1j 1 - 0.5 Sz_0 + 0.5 Sz_1; 15.5, 15.5
    >>> without_constant(OpSum([(0.5, "Sz", 0)]), spins, charge=2).size
    0.0
    """
    fields: dict[str, dict[int, complex]] = {}
    number, size, taken = 0.0, 0.0, list[Term]()
    for term in op.simplify().terms:
        if not term.factors:
            number += term.coefficient.real
            size += abs(term.coefficient.real)
            taken.append(Term(-term.coefficient.real, ()))
        elif len(term.factors) == 1 and charge is not None:
            (name, j) = term.factors[0]
            fields.setdefault(name, {})[j] = term.coefficient
    for name, of_site in fields.items():
        values = np.array([complex(of_site.get(j, 0.0)).real for j in range(len(sites))])
        mean, line = float(values.mean()), _line(name, sites)
        if line is None or charge is None or abs(mean) <= np.abs(values - mean).max():
            continue
        number += mean * (line[0] * charge + line[1] * len(sites))
        size += abs(mean) * len(sites) * float(np.linalg.norm(product_matrix(sites[0], (name,)), 2))
        taken += [Term(-mean, ((name, j),)) for j in range(len(sites))]
    return Split((op + OpSum(taken)).simplify() if taken else op, number, size)


def _line(name: str, sites: Sequence[Site]) -> tuple[float, float] | None:
    """Return the slope and the offset of an operator that is a straight line in the charge, the same on all sites."""
    if len(set(sites)) != 1:
        return None
    matrix, charges = product_matrix(sites[0], (name,)), np.array(sites[0].charges, dtype=float)
    if not charges.any():
        return None
    slope, offset = np.polyfit(charges, matrix.diagonal().real, 1)
    rest = matrix - np.diag(slope * charges + offset)
    return (float(slope), float(offset)) if np.linalg.norm(rest) <= EXACT * np.linalg.norm(matrix) else None
