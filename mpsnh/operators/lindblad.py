"""The Lindblad equation as a non-Hermitian Hamiltonian of doubled sites."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.language.doubled import DoubledSite, on_bras, on_kets
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.localise import localise, product_matrix
from mpsnh.operators.sector import Sector, joint_charges

HERMITIAN = 1e-12
"""Largest relative deviation of a Hamiltonian from its adjoint that counts as rounding."""

DENSE = 256
"""Largest dimension of some sites of which a dense matrix is made faster than a sparse one."""

ROUNDING = 4e-15
"""Matrix elements, relative to the largest one on the same sites, that count as zero."""


def effective(hamiltonian: OpSum, jumps: Sequence[OpSum]) -> OpSum:
    """Return H - (i/2) Σ_k L_k† L_k, with like terms merged.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Eq. 1.)

    Parameters
    ----------
    hamiltonian : OpSum
        The Hermitian part H.
    jumps : sequence of OpSum
        The jump operators L_k, rates included.

    Examples
    --------
    >>> print(effective(OpSum([(1.0, "Sz", 0)]), [OpSum([(0.5, "Sm", 0)])]))
    -0.125j Sm†_0 Sm_0 + 1 Sz_0
    """
    return (hamiltonian + OpSum.sum(-0.5j * (jump.dag() * jump) for jump in jumps)).simplify()


def lindblad(hamiltonian: OpSum, jumps: Sequence[OpSum]) -> OpSum:
    """Return i times the generator 𝓛 of the Lindblad equation, as an operator of `DoubledSite`.

    i 𝓛 ρ = H_eff ρ - ρ H_eff† + i Σ_k L_k ρ L_k†, so that exp(-i (i 𝓛) t) evolves density operators.

    Parameters
    ----------
    hamiltonian : OpSum
        The Hermitian part H.
    jumps : sequence of OpSum
        The jump operators L_k, rates included.

    Examples
    --------
    >>> print(lindblad(OpSum(), [OpSum([(1.0, "Sm", 0)])]))
    -0.5j bra:Sm_0 bra:Sm†_0 + 1j ket:Sm_0 bra:Sm†_0 - 0.5j ket:Sm†_0 ket:Sm_0
    """
    no_click = effective(hamiltonian, jumps)
    clicks = (1j * (on_kets(jump) * on_bras(jump.dag())) for jump in jumps)
    return (on_kets(no_click) - on_bras(no_click.dag()) + OpSum.sum(clicks)).simplify()


def dissipated(op: OpSum, jumps: Sequence[OpSum]) -> OpSum:
    """Return what jumps change of an operator in unit time, 𝓓†(O) = Σ_k (L_k† O L_k - {L_k† L_k, O} / 2).

    Jumps that share no site with the operator change nothing.

    Parameters
    ----------
    op : OpSum
        O, even in fermions.
    jumps : sequence of OpSum
        The jump operators L_k, rates included.

    Examples
    --------
    >>> spins = nh.Sector([nh.Spin(0.5)] * 2, None)
    >>> loss = dissipated(OpSum([(1.0, "Sz", 0)]), [OpSum([(2.0, "Sm", j)]) for j in range(2)])
    >>> spins.operator(loss).diagonal()  # -4 (Sz + 1/2) on the first site
    array([-4., -4.,  0.,  0.])
    """
    where = {j for term in op for _, j in term.factors}
    near = [jump for jump in jumps if where & {j for term in jump for _, j in term.factors}]
    rates = [(jump.dag() * jump, jump) for jump in near]
    return OpSum.sum(jump.dag() * op * jump - 0.5 * (rate * op + op * rate) for rate, jump in rates).simplify()


class Elements(NamedTuple):
    """Which element of a density matrix each configuration of doubled sites is, and with which sign (`signs`).

    Examples
    --------
    >>> one = nh.Fermion()
    >>> elements(Sector([DoubledSite(one)] * 2, None), Sector([one] * 2, None)).signs.tolist()[:3]
    [1.0, -1.0, -1.0]
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    signs: NDArray[np.float64]

    def vector(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return a matrix as a vector of doubled sites, without the elements that are no configurations of it."""
        vector: NDArray[Any] = self.signs * matrix[self.rows, self.columns]
        return vector

    def add(self, vector: NDArray[Any], matrix: NDArray[Any]) -> None:
        """Add a vector of doubled sites to a matrix."""
        matrix[self.rows, self.columns] += self.signs * vector


def elements(doubled: Sector, kets: Sector) -> Elements:
    """Return the element of a matrix of a sector of kets that each configuration of a sector of doubled sites is.

    A doubled basis state is that of |k⟩⟨b| with the sign (-1)^{m(m-1)/2 + Σ_{i<j} b_i k_j}, where k_j and b_j are 1 for
    fermions and m = Σ_j b_j: what it takes to order the operators of all kets and bras.

    Parameters
    ----------
    doubled : Sector
        Of doubled sites.
    kets : Sector
        In which all of its kets and bras lie.

    Examples
    --------
    >>> spin = nh.Spin(0.5)
    >>> places = elements(Sector([DoubledSite(spin)] * 2, 4), Sector([spin] * 2, None))
    >>> places.rows.tolist(), places.columns.tolist()  # up up, down down
    ([0], [3])
    """
    keys = [np.zeros(doubled.dim, dtype=np.int64) for _ in range(2)]
    bras, exchanges = (np.zeros(doubled.dim, dtype=np.int64) for _ in range(2))
    for j, site in enumerate(kets.sites):
        states = np.divmod(doubled.digits(j), site.dim)
        for key, state in zip(keys, states, strict=True):
            key += state * np.int64(kets.weights[j])
        odd_ket, odd_bra = ((np.array(site.parities)[state] < 0).astype(int) for state in states)
        exchanges += bras * (odd_ket + odd_bra)
        bras += odd_bra
    rows, columns = (kets.find(key) for key in keys)
    return Elements(rows, columns, np.where(exchanges % 2, -1.0, 1.0))


def on_supports(op: OpSum, sites: Sequence[Site]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield what an operator does to each set of sites on which it has terms.

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        The chain.

    Yields
    ------
    where : tuple of int
        The sites, strings included.
    matrix : csr_matrix
        The sum of these terms; the first of the sites is the most significant digit.

    Examples
    --------
    >>> [(where, m.toarray().real.tolist()) for where, m in on_supports(OpSum([(2.0, "Sz", 1)]), [nh.Spin(0.5)] * 2)]
    [((1,), [[1.0, 0.0], [0.0, -1.0]])]
    """
    sums: dict[tuple[int, ...], Any] = {}
    for local in localise(op, sites):
        where = tuple(local.matrices)
        matrix = local.term.coefficient * _product(tuple(sites[j] for j in where), tuple(local.matrices.values()))
        sums[where] = sums[where] + matrix if where in sums else matrix
    yield from ((where, scipy.sparse.csr_matrix(matrix)) for where, matrix in sums.items())


def anti_hermitian(op: OpSum, sites: Sequence[Site]) -> tuple[float, bool]:
    """Return the largest element of A - A† on any set of sites, and whether it is more than rounding.

    Parameters
    ----------
    op : OpSum
        A.
    sites : sequence of Site
        The chain.

    Examples
    --------
    >>> anti_hermitian(OpSum([(1j, "Sz", 0)]), [nh.Spin(0.5)] * 2)
    (1.0, True)
    """
    sizes = [abs(matrix).max() for _, matrix in on_supports(op, sites)]
    gain = [abs(matrix).max() for _, matrix in on_supports(op - op.dag(), sites)]
    deviation = float(np.max(gain, initial=0.0))
    return deviation, deviation > HERMITIAN * float(np.max(sizes, initial=0.0))


@functools.lru_cache(maxsize=512)
def _product(sites: tuple[Site, ...], names: tuple[tuple[str, ...], ...]) -> Any:
    """Return a product of operators on some sites: a dense matrix if it is small, which is faster by far."""
    factors: list[Any] = [product_matrix(site, of_site) for site, of_site in zip(sites, names, strict=True)]
    if math.prod(site.dim for site in sites) <= DENSE:
        return functools.reduce(np.kron, [np.eye(1), *factors])
    return functools.reduce(scipy.sparse.kron, map(scipy.sparse.csr_matrix, factors), scipy.sparse.identity(1))


def doubled_sites(hamiltonian: OpSum, jumps: Sequence[OpSum], sites: Sequence[Site]) -> tuple[DoubledSite, ...]:
    """Return doubled sites with as many charges as the Lindblad equation conserves.

    That is the charge of the ket and that of the bra if no jump changes the charge (strong symmetry), as one number, or
    their difference if jumps change both alike (weak symmetry), or none.

    Parameters
    ----------
    hamiltonian : OpSum
        The Hermitian part H.
    jumps : sequence of OpSum
        The jump operators L_k, rates included.
    sites : sequence of Site
        The sites of kets.

    Examples
    --------
    >>> sites = [nh.Spin(0.5)] * 2
    >>> for name in ("Sz", "Sm", "Sx"):
    ...     print(doubled_sites(OpSum(), [OpSum([(1.0, name, 0)])], sites)[0].charges)
    (6, 4, -4, -6)
    (0, 2, -2, 0)
    (0, 0, 0, 0)
    """
    spread = 1 + sum(max(site.charges) - min(site.charges) for site in sites)
    generator = lindblad(hamiltonian, jumps)
    for ket, bra in ((spread, 1), (1, -1)):
        pairs = doubled(sites, ket, bra)
        if conserves_charge(generator, pairs):
            return pairs
    return doubled(sites, 0, 0)


def doubled(sites: Sequence[Site], ket: int = 1, bra: int = -1) -> tuple[DoubledSite, ...]:
    """Return the sites of kets and bras, the same ones made once.

    Parameters
    ----------
    sites : sequence of Site
        The chain.
    ket, bra : int
        What charges of kets and of bras count, as for `DoubledSite`.

    Examples
    --------
    >>> doubled([nh.Boson(1)])[0].charges
    (0, -1, 1, 0)
    """
    pairs = {site: DoubledSite(site, ket, bra) for site in set(sites)}
    return tuple(pairs[site] for site in sites)


def conserves_charge(op: OpSum, sites: Sequence[Site], rounding: float = ROUNDING) -> bool:
    """Tell whether an operator has no elements between states of different charges.

    Parameters
    ----------
    op : OpSum
        The operator.
    sites : sequence of Site
        The chain.
    rounding : float
        Elements, relative to the largest one on the same sites, that count as none.

    Examples
    --------
    >>> [conserves_charge(OpSum([(1.0, name, 0)]), [nh.Spin(0.5)] * 2) for name in ("Sz", "Sx")]
    [True, False]
    """
    for where, matrix in on_supports(op, sites):
        charges, elements = joint_charges([sites[j].charges for j in where]), matrix.tocoo()
        sizes, changing = np.abs(elements.data), charges[elements.row] != charges[elements.col]
        if changing.any() and sizes[changing].max() > rounding * sizes.max():
            return False
    return True
