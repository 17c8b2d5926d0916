"""Turn symbolic operator sums into matrices: bond Hamiltonians and matrix-product operators.

The third target, the sparse operator in a charge sector, is `mpsnh.sector.Sector.operator`.
All three read a sum through `localise`, which puts in the Jordan–Wigner strings.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.opsum import OpSum, Term
from mpsnh.site import Site, is_fermionic

Array = NDArray[Any]

COMPRESSION = 1e-14
"""Singular values of an MPO bond below this fraction of the largest are rounding, and dropped."""


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

    Returns
    -------
    ndarray, shape (d, d)

    Examples
    --------
    >>> from mpsnh.site import Spin
    >>> product_matrix(Spin(0.5), ("Sp", "Sm")).real
    array([[1., 0.],
           [0., 0.]])
    """
    return functools.reduce(np.matmul, (site.op(name) for name in names), np.eye(site.dim, dtype=complex))


def localise(op: OpSum, sites: Sequence[Site]) -> list[LocalTerm]:
    """Resolve each term into operators on single sites, with Jordan–Wigner strings for fermions.

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        The chain.

    Returns
    -------
    list of LocalTerm
        One for each term of the simplified sum.

    Raises
    ------
    ValueError
        If an operator is unknown, a site lies outside the chain, or a term has an odd number of fermionic operators.

    Examples
    --------
    >>> from mpsnh.site import Fermion
    >>> localise(OpSum() + (1, "cdag", 0, "c", 2), [Fermion()] * 3)[0].matrices
    {0: ('cdag', 'F'), 1: ('F',), 2: ('c',)}
    """
    resolved = []
    for term in op.simplify():
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
        if fermionic % 2:
            raise ValueError(f"term {term} has an odd number of fermionic operators, which is no local operator")
        resolved.append(LocalTerm(term, {k: names for k, names in sorted(matrices.items()) if names}))
    return resolved


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
    >>> from mpsnh.site import Spin
    >>> local_operator(OpSum() + (1, "Sz", 1, "Sz", 2), [Spin(0.5)] * 4)[0]
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
    >>> from mpsnh.site import Spin
    >>> bonds = bond_hamiltonians(OpSum.sum((1.0, "Sz", j) for j in range(3)), [Spin(0.5)] * 3)
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
        elif (first, last) == (0, L - 1):
            raise ValueError(
                f"term {term.term} joins the two ends of the chain; gates on bonds need open boundaries, "
                "boundary='open'"
            )
        else:
            raise ValueError(
                f"term {term.term} spans sites {first} to {last}; gates on bonds need terms on one site "
                "or on two neighbouring sites"
            )
        for j in touched:
            bonds[j] += _dense(term, sites, j, j + 1) / len(touched)
    return bonds


def mpo_tensors(op: OpSum, sites: Sequence[Site]) -> list[Array]:
    """Compile an operator of any range to a matrix-product operator of minimal bond dimension.

    A finite automaton with one channel for each different beginning of the terms that cross a bond,
    compressed by an exact QR sweep and a singular-value sweep (Hubig, McCulloch, Schollwöck, PRB 95, 035129 (2017)).

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        The chain, open or not: a periodic bond is just a long term.

    Returns
    -------
    list of ndarray, shape (left bond, right bond, d, d)
        Tensors W[l, r, bra, ket]; the outer bonds have dimension 1.

    Examples
    --------
    >>> from mpsnh.site import Spin
    >>> ising = OpSum.sum((1.0, "Sz", j, "Sz", j + 1) for j in range(5))
    >>> [w.shape[1] for w in mpo_tensors(ising, [Spin(0.5)] * 6)]
    [2, 3, 3, 3, 2, 1]
    """
    return _compressed(_automaton(localise(op, sites), sites))


_START, _DONE = "start", "done"


def _automaton(terms: Sequence[LocalTerm], sites: Sequence[Site]) -> list[Array]:
    """Build W tensors whose channels are the beginnings of terms; the coefficient enters at a term's last site."""
    L = len(sites)
    edges: list[dict[tuple[object, object], Array]] = [{} for _ in sites]

    def add(j: int, source: object, target: object, matrix: Array) -> None:
        known = edges[j].get((source, target))
        edges[j][source, target] = matrix if known is None else known + matrix

    for j, site in enumerate(sites):
        add(j, _START, _START, product_matrix(site, ()))
        add(j, _DONE, _DONE, product_matrix(site, ()))
    for term in terms:
        first, last = term.span
        source: object = _START
        begun: tuple[tuple[int, tuple[str, ...]], ...] = ()
        for j in range(first, last + 1):
            names = term.matrices.get(j, ())
            matrix = product_matrix(sites[j], names)
            begun = (*begun, (j, names)) if names else begun
            if j == last:
                add(j, source, _DONE, term.term.coefficient * matrix)
            elif (source, begun) not in edges[j]:
                add(j, source, begun, matrix)
            source = begun
    tensors = []
    rows: list[object] = [_START]
    for j, site in enumerate(sites):
        columns: list[object] = [_DONE] if j == L - 1 else list(dict.fromkeys(target for _, target in edges[j]))
        tensor = np.zeros((len(rows), len(columns), site.dim, site.dim), dtype=complex)
        row, column = ({key: i for i, key in enumerate(keys)} for keys in (rows, columns))
        for (source, target), matrix in edges[j].items():
            if source in row and target in column:
                tensor[row[source], column[target]] = matrix
        tensors.append(tensor)
        rows = columns
    return tensors


def _compressed(tensors: list[Array]) -> list[Array]:
    """Make every bond as small as the rank of the operator across it."""
    # Dividing by √d makes the identity a unit vector, so that the norm does not grow like 2^{L/2}.
    scales = [np.sqrt(w.shape[2]) for w in tensors]
    work = [w / scale for w, scale in zip(tensors, scales, strict=True)]
    for j in range(len(work) - 1):
        left, right, d, _ = work[j].shape
        q, r = np.linalg.qr(work[j].transpose(0, 2, 3, 1).reshape(-1, right))
        work[j] = q.reshape(left, d, d, -1).transpose(0, 3, 1, 2)
        work[j + 1] = np.tensordot(r, work[j + 1], 1)
    for j in range(len(work) - 1, 0, -1):
        left, right, d, _ = work[j].shape
        u, s, vh = scipy.linalg.svd(work[j].reshape(left, -1), full_matrices=False, lapack_driver="gesvd")
        rank = max(1, int(np.sum(s > COMPRESSION * s[0])))
        work[j] = vh[:rank].reshape(rank, right, d, d)
        work[j - 1] = np.tensordot(work[j - 1], u[:, :rank] * s[:rank], (1, 0)).transpose(0, 3, 1, 2)
    return [w * scale for w, scale in zip(work, scales, strict=True)]
