"""Operator sums as dense matrices on neighbouring sites."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.localise import Array, LocalTerm, localise, product_matrix


def local_operator(op: OpSum, sites: Sequence[Site]) -> tuple[tuple[int, int], Array]:
    """Compile a sum that acts on few neighbouring sites to one dense matrix.

    Parameters
    ----------
    op : OpSum
        The operator; must span at most `MAX_SPAN` sites.
    sites : sequence of Site
        The chain.

    Returns
    -------
    span : (int, int)
        First and last site.
    matrix : ndarray, shape (D, D)
        The operator on these sites, D the product of their dimensions.

    Raises
    ------
    ValueError
        If the operator spans more than `MAX_SPAN` sites.

    Examples
    --------
    >>> local_operator(OpSum() + (1, "Sz", 1, "Sz", 2), [nh.Spin(0.5)] * 4)[0]
    (1, 2)
    """
    terms = localise(op, sites)
    spans = [term.span for term in terms if term.matrices]  # a multiple of the identity fits anywhere
    first, last = min((span[0] for span in spans), default=0), max((span[1] for span in spans), default=0)
    if last - first >= MAX_SPAN:
        raise ValueError(f"{op} spans {last - first + 1} sites; at most {MAX_SPAN} fit here, use expect()")
    where = range(first, last + 1)
    dim = int(np.prod([sites[k].dim for k in where]))
    matrix = np.zeros((dim, dim), dtype=complex)
    for term in terms:
        matrix += _dense(term, sites, first, last)
    return (first, last), matrix


MAX_SPAN = 6
"""Largest number of sites that `local_operator` makes a dense matrix of."""


def _dense(term: LocalTerm, sites: Sequence[Site], first: int, last: int) -> Array:
    factors = (product_matrix(sites[k], term.matrices.get(k, ())) for k in range(first, last + 1))
    dense: Array = term.term.coefficient * functools.reduce(_kron, factors)
    return dense


def _kron(left: Array, right: Array) -> Array:
    return np.kron(left, right)


def bond_hamiltonians(op: OpSum, sites: Sequence[Site]) -> list[Array]:
    """Split an operator with on-site and nearest-neighbour terms into one matrix a bond.

    A term on one site is shared equally by the bonds it touches (the edge sites touch only one),
    and a multiple of the identity by all bonds.

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        An open chain of at least two sites.

    Returns
    -------
    list of ndarray, shape (d_j d_{j+1}, d_j d_{j+1})
        One for each bond (j, j + 1); their sum is the operator.

    Raises
    ------
    ValueError
        If a term acts on sites that are no neighbours; the message names it.

    Examples
    --------
    >>> bonds = bond_hamiltonians(OpSum.sum((1.0, "Sz", j) for j in range(3)), [nh.Spin(0.5)] * 3)
    >>> [float(bond[0, 0].real) for bond in bonds]
    [0.75, 0.75]
    """
    L = len(sites)
    if L < 2:
        raise ValueError(f"L = {L}, but bonds need at least 2 sites")
    bonds = [np.zeros((sites[j].dim * sites[j + 1].dim,) * 2, dtype=complex) for j in range(L - 1)]
    for term in localise(op, sites):
        first, last = term.span
        if not term.matrices:
            touched = list(range(L - 1))
        elif first == last:
            touched = [j for j in (first - 1, first) if 0 <= j < L - 1]
        elif last == first + 1:
            touched = [first]
        elif {j for _, j in term.term.factors} == {0, L - 1}:
            raise ValueError(
                f"term {term.term} joins the two ends of the chain; gates on bonds need open boundaries, "
                "boundary='open', or for NHTEBD a ring without longer terms"
            )
        else:
            raise ValueError(
                f"term {term.term} spans sites {first} to {last}; gates on bonds need terms on one site "
                "or on two neighbouring sites; ExactEvolution (short chains) and NHDMRG (levels) take any"
            )
        for j in touched:
            bonds[j] += _dense(term, sites, j, j + 1) / len(touched)
    return bonds
