"""The basis of a charge sector of a chain, and operators in it."""

from __future__ import annotations

import collections
import functools
import itertools
import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.checks import require, require_memory
from mpsnh.language.opsum import OpSum, Term
from mpsnh.language.site import Site
from mpsnh.operators.configurations import Configurations, as_float
from mpsnh.operators.localise import localise, product_matrix
from mpsnh.operators.pattern import KEPT, LARGEST, Elements, Pattern

LEAK = 1e-12
"""Matrix elements that leave a sector, relative to the largest one, below which they count as rounding."""

CACHED = 2**28
"""Bytes of local states of all configurations that are kept while a matrix is made."""


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


FEWEST = 16
"""Sites of which they are kept in any case."""


class Sector(Configurations):
    """Product basis of all configurations of a chain that have a given total charge, of which there may be any number.

    Use `sector`, which keeps the last few, instead of building the same one again.

    Parameters
    ----------
    sites : sequence of Site
        The chain.
    charge : int or None
        Total charge; ``None`` takes the whole space.

    Raises
    ------
    ValueError
        If no configuration has this charge; the message lists the charges that exist.
    MemoryError
        If there are too many configurations.

    Examples
    --------
    >>> half_filled = Sector([nh.Spin(0.5)] * 4, 0)
    >>> half_filled.dim, half_filled.codes.tolist()
    (6, [3, 5, 6, 9, 10, 12])
    """

    @property
    def codes(self) -> NDArray[np.int64]:
        """The configurations in increasing order, each as the index of its product state in the whole space.

        The first site is the most significant digit.

        Raises
        ------
        ValueError
            If the whole space is too large for such an index.
        """
        if self._order is not None:
            raise ValueError(
                f"the whole space of {len(self.dims)} sites is too large for indices of 64 bits; use `digits`"
            )
        return self.keys

    def embed(self, vector: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return a sector vector as a vector of the whole space.

        Parameters
        ----------
        vector : ndarray, shape (dim,)
            Amplitudes in the sector.

        Raises
        ------
        MemoryError
            If the whole space is too large.

        Examples
        --------
        >>> Sector([nh.Spin(0.5)] * 2, 0).embed(np.array([1, 2]))
        array([0, 1, 2, 0])
        """
        require(vector.shape == (self.dim,), "vector shape", vector.shape, f"({self.dim},)")
        size = math.prod(self.dims)
        require_memory(as_float(size) * vector.itemsize, f"a vector of the whole space of {len(self.dims)} sites")
        whole = np.zeros(size, dtype=vector.dtype)
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
        weights = (float(np.linalg.norm(part / largest)) ** 2 for part in (inside, vector))
        self.require_inside(*weights)
        return inside

    def require_inside(self, kept: float, weight: float) -> None:
        """Raise unless all of a state lies in this sector.

        Parameters
        ----------
        kept : float
            Its weight in the sector.
        weight : float
            Its whole weight, the square of its norm.

        Raises
        ------
        ValueError
            If these differ by more than rounding.

        Examples
        --------
        >>> Sector([nh.Spin(0.5)] * 2, 0).require_inside(0.75, 1.0)
        Traceback (most recent call last):
        ValueError: the state has weight 0.25 outside of the sector of charge 0; set the model's charge to that ...
        """
        if weight - kept > LEAK * weight:
            raise ValueError(outside(float(1 - kept / weight), self.charge))

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
        simplified = op.simplify()
        pattern = None if projected else self._pattern(simplified)
        if pattern is not None:
            return pattern.matrix([term.coefficient for term in simplified])
        every = np.arange(self.dim)
        diagonal = np.zeros(self.dim, dtype=complex)
        rows, columns, values, lost = [], [], [], []
        for move in self._moves(op, projected):
            if move.change:
                lost.append((self.keys[move.where] + move.shift, every[move.where], move.amplitudes))
            elif move.shift == 0:
                diagonal[move.where] += move.amplitudes
            else:
                rows.append(self.find(self.keys[move.where] + move.shift))
                columns.append(every[move.where])
                values.append(move.amplitudes)
        if lost:
            # Terms may leave the sector one by one and cancel in the sum, as in Sx Sx + Sy Sy.
            keys = np.stack([np.concatenate([part[k] for part in lost]) for k in range(2)])
            _, which = np.unique(keys, axis=1, return_inverse=True)
            summed = np.zeros(which.max(initial=-1) + 1, dtype=complex)
            np.add.at(summed, which.ravel(), np.concatenate([part[2] for part in lost]))
            largest = max(np.abs(part).max(initial=0.0) for part in (diagonal, *values, *(part[2] for part in lost)))
            if np.abs(summed).max(initial=0.0) > LEAK * largest:
                named = textwrap.shorten(str(op), 80, placeholder="…")
                raise ValueError(
                    f"the operator {named} does not conserve the charge {self.charge}; "
                    "use charge=None for the whole space"
                )
        data = np.concatenate([diagonal if diagonal.imag.any() else diagonal.real, *values])
        index = (np.concatenate([every, *rows]), np.concatenate([every, *columns]))
        matrix = scipy.sparse.csr_matrix((data, index), shape=(self.dim, self.dim))
        matrix.sum_duplicates()  # imaginary parts may cancel between terms
        if np.iscomplexobj(matrix.data) and not np.any(matrix.data.imag):
            matrix = scipy.sparse.csr_matrix((matrix.data.real, matrix.indices, matrix.indptr), shape=matrix.shape)
        matrix.eliminate_zeros()
        return matrix

    @functools.cached_property
    def _patterns(self) -> dict[tuple[Any, ...], Pattern | None]:
        return {}

    @functools.cached_property
    def _asked(self) -> collections.deque[tuple[Any, ...]]:
        return collections.deque(maxlen=KEPT)

    def _pattern(self, op: OpSum) -> Pattern | None:
        """Return the pattern of a sum whose products were asked for before, if each of them conserves the charge."""
        products, known = tuple(term.factors for term in op), self._patterns
        if products in known or not products or self.dim * len(products) > LARGEST:
            return known.get(products)
        if products not in self._asked:
            self._asked.append(products)
            return None
        for oldest in list(known)[: max(0, len(known) - KEPT + 1)]:  # of a copy, as other threads may do so at once
            known.pop(oldest, None)
        parts = [list(self._moves(OpSum([Term(1.0, factors)]), projected=False)) for factors in products]
        conserved = not any(move.change for moves in parts for move in moves)
        known[products] = made = Pattern(self.dim, [self._elements(moves) for moves in parts]) if conserved else None
        return made

    def _elements(self, moves: Sequence[_Move]) -> Elements:
        every = np.arange(self.dim)
        rows = [self.find(self.keys[move.where] + move.shift) for move in moves]
        columns, values = [every[move.where] for move in moves], [move.amplitudes for move in moves]
        return Elements(*(np.concatenate([every[:0], *part]) for part in (rows, columns, values)))

    def apply(self, op: OpSum, vector: NDArray[Any]) -> NDArray[np.complex128]:
        """Return the part in this sector of an operator times a vector of it, without the matrix.

        Parameters
        ----------
        op : OpSum
            Any operator.
        vector : ndarray, shape (dim,)
            Amplitudes.

        Examples
        --------
        >>> Sector([nh.Spin(0.5)] * 2, 0).apply(OpSum() + (0.5, "Sp", 0, "Sm", 1), np.array([1.0, 2.0])).real
        array([1., 0.])
        """
        image = np.zeros(self.dim, dtype=complex)
        for move in self._moves(op, projected=True):
            where = move.where if move.shift == 0 else self.find(self.keys[move.where] + move.shift)
            image[where] += move.amplitudes * vector[move.where]  # no two configurations become the same one
        return image

    def _moves(self, op: OpSum, projected: bool, odd: bool = False) -> Iterator[_Move]:
        """Yield all elementary moves of a sum; if it is to be projected, without those that leave the sector."""
        digits = functools.lru_cache(maxsize=max(FEWEST, CACHED // (8 * self.dim)))(self.digits)
        for term in localise(op, self.sites, odd):
            factors = [_monomials(self.sites[j], names) for j, names in term.matrices.items()]
            number = complex(term.term.coefficient)
            for choice in itertools.product(*factors):
                change = 0 if self.charge is None else sum(monomial.change for monomial in choice)
                if change and projected:
                    continue
                shift = 0
                where: NDArray[np.intp] | slice = slice(None)
                amplitudes: NDArray[Any] = np.broadcast_to(1.0, self.dim)
                for j, monomial in zip(term.matrices, choice, strict=True):
                    shift += monomial.step * self.weights[j]
                    states = digits(j)[where]
                    if not monomial.support.all():
                        kept = np.flatnonzero(monomial.support[states])
                        where = kept if isinstance(where, slice) else where[kept]
                        states, amplitudes = states[kept], amplitudes[kept]
                    amplitudes = amplitudes * monomial.weights[states]
                if len(amplitudes):
                    shift = (shift + 2**63) % 2**64 - 2**63  # what is left of it in 64 bits
                    yield _Move(shift, change, where, amplitudes * (number if number.imag else number.real))

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


class _Move(NamedTuple):
    """What a product of monomials does to the configurations it acts on."""

    shift: int
    """What it adds to their keys."""
    change: int
    """What it adds to their charge."""
    where: NDArray[np.intp] | slice
    """Their numbers."""
    amplitudes: NDArray[Any]


class _Monomial(NamedTuple):
    """The part of a local operator that adds the same numbers to the local state and to the charge."""

    step: int
    change: int
    support: NDArray[np.bool_]
    """Local states on which it acts."""
    weights: NDArray[Any]


@functools.lru_cache(maxsize=4096)
def _monomials(site: Site, names: tuple[str, ...]) -> list[_Monomial]:
    """Split a product of operators of one site."""
    matrix = product_matrix(site, names)
    charges = np.array(site.charges)
    parts: dict[tuple[int, int], NDArray[np.complex128]] = {}
    for row, column in np.argwhere(matrix):
        move = int(row - column), int(charges[row] - charges[column])
        parts.setdefault(move, np.zeros(site.dim, dtype=complex))[column] = matrix[row, column]
    return [
        _Monomial(step, change, weights != 0, weights if weights.imag.any() else weights.real)
        for (step, change), weights in parts.items()
    ]
