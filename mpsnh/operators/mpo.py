"""Matrix-product operators on quimb, compiled from operator sums."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import quimb.tensor as qtn
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.language.generator import Hamiltonian, unknown
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.localise import Array, LocalTerm, localise, product_matrix

COMPRESSION = 1e-14
"""Singular values of an MPO bond below this fraction of the largest are rounding, and dropped."""


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
    >>> ising = nh.OpSum.sum((1.0, "Sz", j, "Sz", j + 1) for j in range(5))
    >>> [w.shape[1] for w in mpo_tensors(ising, [nh.Spin(0.5)] * 6)]
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
        if len(sites) < 2:
            raise ValueError(f"number of sites = {len(sites)}, but it must be at least 2")
        first, *middle, last = mpo_tensors(op, sites)
        return cls([first[0], *middle, last[:, 0]], shape="lrud")

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
