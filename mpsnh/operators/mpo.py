"""Matrix-product operators on quimb, compiled from operator sums."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import described, require
from mpsnh.language.generator import Hamiltonian, unknown
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site, chain_of
from mpsnh.operators.compression import compressed
from mpsnh.operators.localise import Array, LocalTerm, localise, product_matrix
from mpsnh.operators.networks import qtn

GAP = 1e-3
"""Ratio of one coefficient to the next larger one below which terms are compressed apart."""


def mpo_tensors(op: OpSum, sites: Sequence[Site]) -> list[Array]:
    """Compile an operator of any range to a matrix-product operator of minimal bond dimension.

    A finite automaton with one channel for each different beginning of the terms that cross a bond,
    and then as few as the rank of the operator across the bond, `mpsnh.operators.compression`. Terms of very different
    sizes are compressed apart, so that a small one keeps its digits at the price of two channels.

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
    >>> ising = nh.OpSum.sum((1.0, "Sz", j, "Sz", j + 1) for j in range(5))
    >>> [w.shape[1] for w in mpo_tensors(ising, [nh.Spin(0.5)] * 6)]
    [2, 3, 3, 3, 2, 1]
    """
    groups = [_of_terms(terms, sites) for terms in _of_one_size(localise(op, sites))]
    return groups[0] if len(groups) == 1 else direct_sum(groups)


def _of_terms(terms: Sequence[LocalTerm], sites: Sequence[Site]) -> list[Array]:
    """Return the tensors of the sum of terms of similar size.

    Channels hold sums of what has a coefficient and of what has none. So that no term drowns, whatever the unit of
    energy is, the largest coefficient is made about 1; a power of 2 changes no digit.
    """
    largest = max((abs(local.term.coefficient) for local in terms), default=1.0)
    unit = 2.0 ** (math.frexp(largest)[1] - 1)
    *others, last = compressed(_automaton(terms, sites, unit))
    return [*others, unit * last]


def _of_one_size(terms: Sequence[LocalTerm]) -> list[list[LocalTerm]]:
    """Part terms where their coefficients, by size, leave a gap.

    A channel of a compressed operator is a sum of what came with several coefficients, of which small ones would drown.
    """
    sizes = sorted((abs(local.term.coefficient) for local in terms), reverse=True)
    below_gaps = [size for larger, size in itertools.pairwise(sizes) if size < larger * GAP]
    groups: list[list[LocalTerm]] = [[] for _ in range(len(below_gaps) + 1)]
    for local in terms:
        groups[sum(abs(local.term.coefficient) <= size for size in below_gaps)].append(local)
    return groups


def direct_sum(operators: Sequence[Sequence[Array]]) -> list[Array]:
    """Return the tensors of a sum of operators, whose channels stand side by side.

    Parameters
    ----------
    operators : sequence of sequence of ndarray, shape (left bond, right bond, d, d)
        Tensors of each operator; the outer bonds have dimension 1.

    Examples
    --------
    >>> one, z = np.eye(2)[None, None], np.diag([1.0, -1.0])[None, None]
    >>> [w.shape[:2] for w in direct_sum([[one, z], [z, one]])]
    [(1, 2), (2, 1)]
    """
    total = []
    for j, tensors in enumerate(zip(*operators, strict=True)):
        lefts, rights = ([w.shape[axis] for w in tensors] for axis in (0, 1))
        first, last = j == 0, j == len(operators[0]) - 1
        rows, columns = (1 if first else sum(lefts)), (1 if last else sum(rights))
        tensor = np.zeros((rows, columns, *tensors[0].shape[2:]), dtype=complex)
        row = column = 0
        for w, left, right in zip(tensors, lefts, rights, strict=True):
            tensor[row : row + left, column : column + right] += w
            row, column = (row if first else row + left), (column if last else column + right)
        total.append(tensor)
    return total


_START, _DONE = "start", "done"


def _automaton(terms: Sequence[LocalTerm], sites: Sequence[Site], unit: float) -> list[Array]:
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
                add(j, source, _DONE, term.term.coefficient / unit * matrix)
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


def _product(second: Array, first: Array) -> Array:
    """Multiply two tensors of one site; the bonds of the second factor are the more significant digits."""
    both: Array = np.einsum("lrbs,mnsk->lmrnbk", second, first)
    shape = both.shape
    return both.reshape(shape[0] * shape[1], shape[2] * shape[3], *shape[4:])


def _dense(other: Any) -> Any:
    """Return a state stored by charge, whose tensors are of another kind than an operator's, as a dense one."""
    return other.to_mps() if hasattr(other, "to_mps") else other


class MPO(qtn.MatrixProductOperator):
    """A matrix-product operator; make one with `from_opsum`.

    All methods of `quimb.tensor.MatrixProductOperator` work and keep the type.
    Upper indices belong to the bra, lower ones to the ket.

    Examples
    --------
    >>> field = MPO.from_opsum(nh.OpSum.sum((1j, "Sp", j) for j in range(4)), [nh.Spin(0.5)] * 4)
    >>> field.max_bond()
    2
    """

    @classmethod
    def from_opsum(cls, op: OpSum, sites: Sequence[Site]) -> Self:
        """Compile a sum of any range to an MPO of minimal bond dimension.

        Parameters
        ----------
        op : OpSum
            The operator.
        sites : sequence of Site
            The chain, at least two sites.

        Raises
        ------
        ValueError
            If an operator is unknown, a site lies outside the chain or there are fewer than two sites.

        Examples
        --------
        >>> hop = MPO.from_opsum(nh.OpSum() + (0.5, "Sp", 0, "Sm", 3), [nh.Spin(0.5)] * 4)
        >>> hop.bond_sizes()
        [1, 1, 1]
        """
        if not isinstance(op, OpSum):
            raise TypeError(f"op is {described(op)}, but it must be an OpSum, such as OpSum([(1.0, 'Sz', 0)])")
        sites = chain_of(sites)
        if len(sites) < 2:
            raise ValueError(f"number of sites = {len(sites)}, but it must be at least 2")
        return cls.from_tensors(mpo_tensors(op, sites))

    @classmethod
    def from_tensors(cls, tensors: Sequence[Array]) -> Self:
        """Make an operator of its tensors.

        Parameters
        ----------
        tensors : sequence of ndarray, shape (left bond, right bond, d, d)
            W[l, r, bra, ket]; the outer bonds have dimension 1.

        Examples
        --------
        >>> MPO.from_tensors([np.eye(2)[None, None]] * 3).bond_sizes()
        [1, 1]
        """
        first, *middle, last = tensors
        return cls([first[0], *middle, last[:, 0]], shape="lrud")

    def site_tensors(self) -> list[Array]:
        """Return the tensors, each of shape (left bond, right bond, d, d), as `from_tensors` takes them.

        Examples
        --------
        >>> [w.shape for w in MPO.from_opsum(OpSum([(1, "Sz", 0)]), [nh.Spin(0.5)] * 2).site_tensors()]
        [(1, 1, 2, 2), (1, 1, 2, 2)]
        """
        bonds = [self.bond(j, j + 1) for j in range(self.L - 1)]
        tensors = []
        for j in range(self.L):
            inds = [*bonds[max(0, j - 1) : j], *bonds[j : j + 1], self.upper_ind(j), self.lower_ind(j)]
            data = np.asarray(self[j].transpose(*inds).data)
            left, right = (data.shape[0] if j else 1), (data.shape[-3] if j < self.L - 1 else 1)
            tensors.append(data.reshape(left, right, *data.shape[-2:]))
        scale = 10.0 ** (self.exponent / self.L) if self.exponent else 1.0
        return [scale * tensor for tensor in tensors]

    def __matmul__(self, other: Any) -> Any:
        """Return the product of two operators, of which the second acts first, as narrow as it can be.

        With anything but an `MPO` it does what quimb does, which contracts the two networks.

        Examples
        --------
        >>> z = MPO.from_opsum(OpSum.sum((1, "Z", j) for j in range(40)), [nh.Spin(0.5)] * 40)
        >>> (z @ z).max_bond()
        3
        """
        if not isinstance(other, MPO):
            return super().__matmul__(other)
        require(other.L == self.L, "number of sites of the second operator", other.L, f"{self.L}, as the first has")
        pairs = zip(self.site_tensors(), other.site_tensors(), strict=True)
        return self.from_tensors(compressed([_product(second, first) for second, first in pairs]))

    @override
    def combine(self, other: Any, **options: Any) -> Any:
        return super().combine(_dense(other), **options)

    @override
    def apply(self, other: Any, *arguments: Any, **options: Any) -> Any:
        return super().apply(_dense(other), *arguments, **options)

    def dag(self) -> Self:
        """Return the Hermitian conjugate (quimb's ``.H`` only conjugates, quimb issue 315).

        Examples
        --------
        >>> op = nh.OpSum() + (1j, "Sp", 0, "Sz", 1)
        >>> mpo = MPO.from_opsum(op, [nh.Spin(0.5)] * 2)
        >>> bool(np.allclose(mpo.dag().to_matrix(), mpo.to_matrix().conj().T))
        True
        """
        swapped = {self.upper_ind(j): self.lower_ind(j) for j in range(self.L)}
        swapped |= {lower: upper for upper, lower in swapped.items()}
        adjoint: Self = self.conj().reindex(swapped)
        return adjoint

    def to_matrix(self) -> NDArray[np.complex128]:
        """Return the operator as a dense matrix.

        Returns
        -------
        ndarray, shape (∏ d_j, ∏ d_j)
            Row = bra, column = ket; the first site is the most significant digit.

        Examples
        --------
        >>> MPO.from_opsum(nh.OpSum() + (1, "Sz", 0), [nh.Spin(0.5)] * 2).to_matrix().real.diagonal()
        array([ 0.5,  0.5, -0.5, -0.5])
        """
        return np.asarray(self.to_dense())


@functools.singledispatch
def mpo(generator: Any, sites: Sequence[Site], t: float = 0.0) -> MPO:
    """Return a generator at a time as a matrix-product operator of minimal bond dimension.

    Parameters
    ----------
    generator : Generator
        A Hamiltonian; a circuit has no such operator yet.
    sites : sequence of Site
        The chain.
    t : float
        The time.

    Raises
    ------
    TypeError
        If there is no way to make one of this kind of generator.

    Examples
    --------
    >>> mpo(Hamiltonian(nh.OpSum([(1.0, "Sz", 0, "Sz", 1)])), [nh.Spin(0.5)] * 2).bond_sizes()
    [1]
    """
    raise unknown(generator, "a matrix-product operator")


@mpo.register
def _(generator: Hamiltonian, sites: Sequence[Site], t: float = 0.0) -> MPO:
    return MPO.from_opsum(generator.at(t).terms, sites)
