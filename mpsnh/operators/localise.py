"""Terms of an operator sum as operators on single sites, Jordan–Wigner strings included."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import described
from mpsnh.language.opsum import Factor, OpSum, Term
from mpsnh.language.site import Site, is_fermionic

Array = NDArray[Any]


class LocalTerm(NamedTuple):
    """A term as one matrix a site (identity where none is listed), Jordan–Wigner strings included.

    Examples
    --------
    >>> LocalTerm(Term(1.0, (("Sz", 1), ("Sz", 3))), {1: ("Sz",), 3: ("Sz",)}).span
    (1, 3)
    """

    term: Term
    matrices: dict[int, tuple[str, ...]]
    """Names of the operators multiplied on each site, in order of increasing site."""

    @property
    def span(self) -> tuple[int, int]:
        """First and last site that the term acts on (0, 0 for a multiple of the identity)."""
        return (min(self.matrices), max(self.matrices)) if self.matrices else (0, 0)


@functools.lru_cache(maxsize=4096)
def product_matrix(site: Site, names: tuple[str, ...]) -> Array:
    """Multiply named operators of one site, in the order given.

    Parameters
    ----------
    site : Site
        The local space.
    names : tuple of str
        Names of operators; none gives the identity.

    Examples
    --------
    >>> product_matrix(nh.Spin(0.5), ("Sp", "Sm")).real
    array([[1., 0.],
           [0., 0.]])
    """
    product = functools.reduce(np.matmul, (site.op(name) for name in names), np.eye(site.dim, dtype=complex))
    product.flags.writeable = False  # it is remembered
    return product


def localise(op: OpSum, sites: Sequence[Site], odd: bool = False) -> list[LocalTerm]:
    """Resolve each term into operators on single sites, with Jordan–Wigner strings for fermions.

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        The chain.
    odd : bool
        Whether terms may have an odd number of fermionic operators, as those of jump operators have: their strings
        begin at the first site.

    Returns
    -------
    list of LocalTerm
        One for each term of the simplified sum.

    Raises
    ------
    TypeError
        If the operator is no OpSum.
    ValueError
        If an operator is unknown, a site lies outside the chain, or a term has an odd number of fermionic operators
        and may not.

    Examples
    --------
    >>> localise(OpSum() + (1, "cdag", 0, "c", 2), [nh.Fermion()] * 3)[0].matrices
    {0: ('cdag', 'F'), 1: ('F',), 2: ('c',)}
    """
    if not isinstance(op, OpSum):
        raise TypeError(f"op is {described(op)}, but it must be an OpSum, such as OpSum([(1.0, 'Sz', 0)])")
    terms = op.simplify().terms
    try:
        matrices = _resolved(tuple(term.factors for term in terms), tuple(sites), odd)
    except ValueError:
        matrices = [_on_sites(term, sites, odd) for term in terms]  # which names the term with its coefficient
    return [LocalTerm(term, dict(names)) for term, names in zip(terms, matrices, strict=True)]


def norm_bound(op: OpSum, sites: Sequence[Site]) -> float:
    """Return the sum of the norms of all terms, which no eigenvalue exceeds in size.

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        The chain.

    Examples
    --------
    >>> norm_bound(OpSum([(3j, "Sz", 0, "Sz", 1), (1, "Sp", 0)]), [nh.Spin(0.5)] * 2)
    1.75
    """
    total = 0.0
    for local in localise(op, sites):
        norms = [np.linalg.norm(product_matrix(sites[j], names), 2) for j, names in local.matrices.items()]
        total += abs(local.term.coefficient) * float(np.prod(norms))
    return total


@functools.lru_cache(maxsize=64)
def _resolved(
    products: tuple[tuple[Factor, ...], ...], sites: tuple[Site, ...], odd: bool
) -> list[dict[int, tuple[str, ...]]]:
    """Resolve the products of a sum, which realisations of a model share."""
    return [_on_sites(Term(1.0, factors), sites, odd) for factors in products]


def _on_sites(term: Term, sites: Sequence[Site], odd: bool) -> dict[int, tuple[str, ...]]:
    """Return the names of operators on each site."""
    matrices: dict[int, tuple[str, ...]] = {}
    fermionic = 0
    for name, j in term.factors:
        if j >= len(sites):
            raise ValueError(f"term {term} acts on site {j}, but the chain has sites 0 … {len(sites) - 1}")
        sites[j].op(name)  # an unknown name raises here
        if is_fermionic(name):
            fermionic += 1
            for k in range(j):
                if min(sites[k].parities) < 0:
                    names = matrices.get(k, ())
                    matrices[k] = names[:-1] if names[-1:] == ("F",) else (*names, "F")
        matrices[j] = (*matrices.get(j, ()), name)
    if fermionic % 2 and not odd:
        raise ValueError(f"term {term} has an odd number of fermionic operators, which is no local operator")
    return {k: names for k, names in sorted(matrices.items()) if names}
