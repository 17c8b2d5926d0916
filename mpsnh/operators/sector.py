"""The basis of a charge sector of a chain, and operators in it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.checks import require, require_memory
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.localise import localise, product_matrix

LEAK = 1e-12
"""Matrix elements that leave a sector, relative to the largest one, below which they count as rounding."""


def joint_charges(charges: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Return the charge of each product state of a few sites, the first of which is the most significant digit.

    Parameters
    ----------
    charges : sequence of sequence of int
        Charge of each local state, for each site.

    Examples
    --------
    >>> joint_charges([(1, -1), (2, 0, -2)]).tolist()
    [3, 1, -1, 1, -1, -3]
    """
    total = np.zeros(1, dtype=np.int64)
    for of_site in charges:
        total = np.add.outer(total, of_site).ravel()
    return total


class Sector:
    """Product basis of all configurations of a chain that have a given total charge.

    Use `sector`, which keeps the last few, instead of building the same one again.

    Parameters
    ----------
    sites : sequence of Site
        The chain.
    charge : int or None
        Total charge; ``None`` takes the whole space.

    Attributes
    ----------
    codes : ndarray of int64, shape (dim,)
        The configurations in increasing order, each as the index of its product state in the whole space
        (the first site is the most significant digit).

    Raises
    ------
    ValueError
        If no configuration has this charge; the message lists the charges that exist.

    Examples
    --------
    >>> half_filled = Sector([nh.Spin(0.5)] * 4, 0)
    >>> half_filled.dim, half_filled.codes.tolist()
    (6, [3, 5, 6, 9, 10, 12])
    """

    def __init__(self, sites: Sequence[Site], charge: int | None) -> None:
        self.sites = tuple(sites)
        self.charge = charge
        self.dims = tuple(site.dim for site in self.sites)
        total = float(np.prod(self.dims, dtype=float))
        if total >= 2**62:
            raise ValueError(f"a chain of {len(self.sites)} sites has {total:.2g} states, too many for exact methods")
        strides = np.cumprod((1, *self.dims[:0:-1]), dtype=np.int64)[::-1]
        self._strides: list[int] = strides.tolist()
        if charge is None:
            require_memory(16 * total, f"the basis of {len(self.sites)} sites ({total:.3g} states)")
            self.codes = np.arange(int(total))
        else:
            self.codes = self._configurations(charge)

    def _configurations(self, charge: int) -> NDArray[np.int64]:
        # For each charge that the sites from some site to the end can have, in how many ways.
        reachable: list[dict[int, int]] = [{0: 1}]
        for site in reversed(self.sites):
            ways: dict[int, int] = {}
            for q, (rest, count) in itertools.product(site.charges, reachable[-1].items()):
                ways[q + rest] = ways.get(q + rest, 0) + count
            reachable.append(ways)
        if charge not in reachable[-1]:
            listed = sorted(reachable[-1])
            shown = ", ".join(map(str, listed if len(listed) <= 8 else [*listed[:4], "…", *listed[-4:]]))
            raise ValueError(f"charge = {charge}, but {len(self.sites)} sites of {set(self.sites)} have: {shown}")
        count = reachable[-1][charge]
        require_memory(64 * count, f"the basis of {len(self.sites)} sites with charge {charge} ({count:.3g} states)")
        codes, charges = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        for j, site in enumerate(self.sites):
            codes = (codes[:, None] * site.dim + np.arange(site.dim)).ravel()
            charges = (charges[:, None] + np.array(site.charges)).ravel()
            possible = np.isin(charge - charges, list(reachable[len(self.sites) - 1 - j]))
            codes, charges = codes[possible], charges[possible]
        return codes

    @property
    def dim(self) -> int:
        """Number of configurations."""
        return len(self.codes)

    def digits(self, site: int) -> NDArray[np.int64]:
        """Return the local state of one site in each configuration.

        Parameters
        ----------
        site : int
            The site, counted from 0.

        Examples
        --------
        >>> Sector([nh.Spin(0.5)] * 2, 0).digits(0)
        array([0, 1])
        """
        return self.codes // self._strides[site] % self.dims[site]

    def embed(self, vector: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return a sector vector as a vector of the whole space.

        Parameters
        ----------
        vector : ndarray, shape (dim,)
            Amplitudes in the sector.

        Examples
        --------
        >>> Sector([nh.Spin(0.5)] * 2, 0).embed(np.array([1, 2]))
        array([0, 1, 2, 0])
        """
        require(vector.shape == (self.dim,), "vector shape", vector.shape, f"({self.dim},)")
        whole = np.zeros(int(np.prod(self.dims)), dtype=vector.dtype)
        whole[self.codes] = vector
        return whole

    def project(self, vector: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the part of a whole-space vector that lies in this sector, which must be all of it.

        Parameters
        ----------
        vector : ndarray, shape (∏ d_j,)
            Amplitudes in the whole space.

        Raises
        ------
        ValueError
            If the vector has weight outside of the sector.

        Examples
        --------
        >>> Sector([nh.Spin(0.5)] * 2, 0).project(np.array([0, 1, 2, 0]))
        array([1, 2])
        """
        inside = vector[self.codes]
        largest = np.abs(vector).max(initial=0.0) or 1.0  # squares of amplitudes may under- or overflow
        weight, kept = np.linalg.norm(vector / largest) ** 2, np.linalg.norm(inside / largest) ** 2
        if weight - kept > LEAK * weight:
            raise ValueError(outside(float(1 - kept / weight), self.charge))
        return inside

    def operator(self, op: OpSum, *, projected: bool = False) -> scipy.sparse.csr_matrix:
        """Return an operator in this sector as a sparse matrix.

        Parameters
        ----------
        op : OpSum
            Any operator, on an open or periodic chain.
        projected : bool, default False
            Whether to drop matrix elements that leave the sector instead of refusing them.

        Returns
        -------
        csr_matrix, shape (dim, dim)
            Real (float64) if all elements are, else complex128.

        Raises
        ------
        ValueError
            If the operator leaves the sector and `projected` is false.

        Examples
        --------
        >>> hop = OpSum() + (0.5, "Sp", 0, "Sm", 1) + (0.5, "Sm", 0, "Sp", 1)
        >>> Sector([nh.Spin(0.5)] * 2, 0).operator(hop).toarray()
        array([[0. , 0.5],
               [0.5, 0. ]])
        """
        diagonal = np.zeros(self.dim, dtype=complex)
        rows, columns, values = [], [], []
        lost_codes, lost_columns, lost_values = [], [], []
        for shift, where, amplitudes in self._moves(op):
            if shift == 0:
                diagonal[where] += amplitudes
                continue
            targets = self.codes[where] + shift
            found = np.minimum(np.searchsorted(self.codes, targets), self.dim - 1)
            inside = self.codes[found] == targets
            rows.append(found[inside])
            columns.append(where[inside])
            values.append(amplitudes[inside])
            if not projected and not inside.all():
                lost_codes.append(targets[~inside])
                lost_columns.append(where[~inside])
                lost_values.append(amplitudes[~inside])
        if lost_codes:
            # Terms may leave the sector one by one and cancel in the sum, as in Sx Sx + Sy Sy.
            keys = np.stack([np.concatenate(lost_codes), np.concatenate(lost_columns)])
            _, which = np.unique(keys, axis=1, return_inverse=True)
            lost = np.zeros(which.max() + 1, dtype=complex)
            np.add.at(lost, which.ravel(), np.concatenate(lost_values))
            largest = max(np.abs(part).max(initial=0.0) for part in (diagonal, *values, *lost_values))
            if np.abs(lost).max() > LEAK * largest:
                raise ValueError(
                    f"the operator {_shortened(op)} does not conserve the charge {self.charge}; "
                    "use charge=None for the whole space"
                )
        every = np.arange(self.dim)
        data = np.concatenate([diagonal, *values])
        index = (np.concatenate([every, *rows]), np.concatenate([every, *columns]))
        matrix = scipy.sparse.csr_matrix((data, index), shape=(self.dim, self.dim))
        matrix.sum_duplicates()  # imaginary parts may cancel between terms
        if not np.any(matrix.data.imag):
            matrix = scipy.sparse.csr_matrix((matrix.data.real, matrix.indices, matrix.indptr), shape=matrix.shape)
        matrix.eliminate_zeros()
        return matrix

    def _moves(self, op: OpSum) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.complex128]]]:
        """Yield (change of the code, configurations it acts on, amplitudes) for all elementary moves of a sum."""
        digits = functools.lru_cache(maxsize=None)(self.digits)
        for term in localise(op, self.sites):
            factors = [(j, _monomials(product_matrix(self.sites[j], names))) for j, names in term.matrices.items()]
            for choice in itertools.product(*(monomials for _, monomials in factors)):
                amplitudes = np.full(self.dim, term.term.coefficient, dtype=complex)
                shift = 0
                for (j, _), (step, weights) in zip(factors, choice, strict=True):
                    amplitudes *= weights[digits(j)]
                    shift += step * self._strides[j]
                where = np.flatnonzero(amplitudes)
                if len(where):
                    yield shift, where, amplitudes[where]

    def __repr__(self) -> str:
        return f"Sector(L={len(self.sites)}, charge={self.charge}, dim={self.dim})"


def outside(weight: float, charge: int | None) -> str:
    """Return the refusal of a state of another charge than that of a sector.

    Parameters
    ----------
    weight : float
        How much of the state lies outside.
    charge : int or None
        That of the sector.

    Examples
    --------
    >>> outside(1.0, 2).split(";")[0]
    'the state has weight 1 outside of the sector of charge 2'
    """
    return (
        f"the state has weight {weight:.3g} outside of the sector of charge {charge}; "
        "set the model's charge to that of the state (charge=None takes the whole space)"
    )


@functools.lru_cache(maxsize=8)
def sector(sites: tuple[Site, ...], charge: int | None) -> Sector:
    """Return the basis of a charge sector, remembering the last few.

    Parameters
    ----------
    sites : tuple of Site
        The chain.
    charge : int or None
        Total charge; ``None`` takes the whole space.

    Examples
    --------
    >>> sector((nh.Fermion(),) * 6, 2).dim
    15
    """
    return Sector(sites, charge)


def _monomials(matrix: NDArray[np.complex128]) -> list[tuple[int, NDArray[np.complex128]]]:
    """Split a matrix into its diagonals, as (row - column, weight of each column)."""
    d = len(matrix)
    diagonals = []
    for step in range(-d + 1, d):
        weights = np.zeros(d, dtype=complex)
        weights[max(0, -step) : d - max(0, step)] = np.diagonal(matrix, -step)
        if weights.any():
            diagonals.append((step, weights))
    return diagonals


def _shortened(op: OpSum, length: int = 80) -> str:
    text = str(op)
    return text if len(text) <= length else text[: length - 1] + "…"
