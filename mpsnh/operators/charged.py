"""Matrix-product operators whose channels have definite charges, as what acts on states by blocks needs them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.opsum import Factor, OpSum, Term
from mpsnh.language.site import Site
from mpsnh.operators.compression import compressed
from mpsnh.operators.configurations import space
from mpsnh.operators.localise import LocalTerm, localise, product_matrix
from mpsnh.operators.sector import LEAK, joint_charges, sector

Array = NDArray[Any]

FEW = 2**14
"""Configurations up to which it is the matrix that tells whether an operator leads out of a sector."""

SMALL = 256
"""Dimension of a few sites up to which terms on them are added up as a matrix."""


@dataclass(frozen=True, eq=False)
class ChargedMPO:
    """An operator that conserves charge, each channel of which has changed it by a definite number so far.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, right bond, d, d)
        W[l, r, bra, ket]; the outer bonds have dimension 1.
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    channels : sequence of sequence of int
        For each bond, with those of the ends, the charge of the bra less that of the ket on all sites to its left.

    Examples
    --------
    >>> hop = nh.MPO.from_opsum(nh.OpSum([(1, "Sp", 0, "Sm", 1)]), [nh.Spin(0.5)] * 2)
    >>> ChargedMPO.of(hop.site_tensors(), [(1, -1)] * 2).channels
    ((0,), (2,), (0,))
    """

    tensors: tuple[Array, ...]
    charges: tuple[tuple[int, ...], ...]
    channels: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tensors: Sequence[Array], charges: Sequence[Sequence[int]]) -> Self:
        """Give the channels of an operator their charges, splitting those that have several.

        Parameters
        ----------
        tensors : sequence of ndarray, shape (left bond, right bond, d, d)
            Those of the operator.
        charges : sequence of sequence of int
            Charge of each local state, for each site; all 0 where nothing is conserved.

        Raises
        ------
        ValueError
            If the operator changes the charge by more than rounding.

        Examples
        --------
        >>> flip = nh.MPO.from_opsum(nh.OpSum([(1, "X", 0)]), [nh.Spin(0.5)] * 2)
        >>> ChargedMPO.of(flip.site_tensors(), [(1, -1)] * 2)
        Traceback (most recent call last):
        ValueError: the operator changes the charge; set the model's charge to None to work in the whole space
        """
        local = tuple(tuple(int(c) for c in site) for site in charges)
        plain = [np.asarray(w) if np.iscomplexobj(w) and w.imag.any() else np.asarray(w).real for w in tensors]
        channels = _channels(plain, local)
        if channels is None:
            plain = compressed(_split(plain, local))
            channels = _channels(plain, local)
            assert channels is not None
        return cls(tuple(plain), local, channels)

    @functools.cached_property
    def elements(self) -> list[dict[tuple[int, int], list[tuple[int, int, Array]]]]:
        """What is not zero, for each site: by left channel and charge of the ket.

        Each entry is a right channel, a charge of the bra, and the matrix between the local states of these charges.
        """
        sites = []
        for w, local in zip(self.tensors, self.charges, strict=True):
            states: dict[int, list[int]] = {c: [s for s, other in enumerate(local) if other == c] for c in set(local)}
            site: dict[tuple[int, int], list[tuple[int, int, Array]]] = {}
            for left, right in np.argwhere(w.any(axis=(2, 3))).tolist():
                for ket, bra in itertools.product(states, states):
                    matrix = np.ascontiguousarray(w[left, right][np.ix_(states[bra], states[ket])])
                    if matrix.any():
                        site.setdefault((left, ket), []).append((right, bra, matrix))
            sites.append(site)
        return sites

    def window(self, first: int, width: int) -> tuple[Array, tuple[int, ...]]:
        """Return the operator's tensor on some neighbouring sites, and the charges of their states.

        Parameters
        ----------
        first : int
            The first of the sites.
        width : int
            How many.

        Returns
        -------
        tensor : ndarray, shape (left bond, right bond, d, d)
            With d the product of the local dimensions.
        charges : tuple of int
            Of each product state; the first site is the most significant digit.
        """
        tensor = self.tensors[first]
        for w in self.tensors[first + 1 : first + width]:
            d = tensor.shape[2] * w.shape[2]
            wide = np.einsum("lmab,mrcd->lracbd", tensor, w)
            tensor = wide.reshape(tensor.shape[0], w.shape[1], d, d)
        return tensor, tuple(joint_charges(self.charges[first : first + width]).tolist())

    def dag(self) -> Self:
        """Return the Hermitian conjugate."""
        channels = tuple(tuple(-c for c in bond) for bond in self.channels)
        return type(self)(tuple(w.conj().transpose(0, 1, 3, 2) for w in self.tensors), self.charges, channels)

    def mirrored(self) -> Self:
        """Return the operator on the mirror image of the chain."""
        channels = tuple(tuple(-c for c in bond) for bond in reversed(self.channels))
        tensors = tuple(w.transpose(1, 0, 2, 3) for w in reversed(self.tensors))
        return type(self)(tensors, self.charges[::-1], channels)


def _channels(tensors: Sequence[Array], charges: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...] | None:
    """Return the charge of each channel of each bond, or None if one has several."""
    known = [np.zeros(1, dtype=int)]
    for w, local in zip(tensors, charges, strict=True):
        left, right, bra, ket = np.nonzero(w)
        given = known[-1][left] + np.array(local)[bra] - np.array(local)[ket]
        reached = np.zeros(w.shape[1], dtype=int)
        reached[right] = given
        if (reached[right] != given).any():
            return None
        known.append(reached)
    return tuple(tuple(bond.tolist()) for bond in known) if not known[-1].any() else None


def _split(tensors: Sequence[Array], charges: Sequence[Sequence[int]]) -> list[Array]:
    """Replace each channel by one for each charge that it can have, and leave out what changes the total charge."""
    rows, wide = [(0, 0)], []
    for w, local in zip(tensors, charges, strict=True):
        columns: dict[tuple[int, int], int] = {}
        elements = []
        for row, (left, c) in enumerate(rows):
            for right, bra, ket in np.argwhere(w[left]).tolist():
                column = columns.setdefault((right, c + local[bra] - local[ket]), len(columns))
                elements.append((row, column, bra, ket, w[left, right, bra, ket]))
        tensor = np.zeros((len(rows), max(1, len(columns)), *w.shape[2:]), dtype=w.dtype)
        for row, column, bra, ket, value in elements:
            tensor[row, column, bra, ket] = value
        wide.append(tensor)
        rows = list(columns) or [(0, 0)]
    changing = [k for k, (_, c) in enumerate(rows) if c]
    sizes = _squares(wide)
    if np.sum(sizes[changing]) > LEAK**2 * np.sum(sizes):
        raise ValueError("the operator changes the charge; set the model's charge to None to work in the whole space")
    kept = [k for k in range(len(rows)) if k not in changing]
    wide[-1] = wide[-1][:, kept] if kept else np.zeros_like(wide[-1][:, :1])
    return wide


def _squares(tensors: Sequence[Array]) -> Array:
    """Return the squares of the norms of the operators that end in each channel of the last bond, up to a factor."""
    environment = np.ones((1, 1))
    for w in tensors:
        half = np.tensordot(environment, w, 1)
        environment = np.tensordot(w.conj(), half, ((0, 2, 3), (0, 2, 3)))
        environment = environment / (np.linalg.norm(environment) or 1.0)
    return np.asarray(environment.diagonal().real)


def require_conserved(op: OpSum, sites: Sequence[Site], charge: int) -> None:
    """Raise if an operator leads out of a charge sector by more than rounding, naming a term that does.

    Parameters
    ----------
    op : OpSum
        The operator. Terms may change the charge one by one and conserve it in their sum, as Sx Sx + Sy Sy does.
    sites : sequence of Site
        The chain.
    charge : int
        That of the sector; in large ones no other charge may change either, as matrix-product states need it.

    Raises
    ------
    ValueError
        Naming the term.

    Examples
    --------
    >>> both = nh.OpSum([(1.0, "Sx", 0, "Sx", 1), (1.0, "Sy", 0, "Sy", 1)])
    >>> require_conserved(both, [nh.Spin(0.5)] * 2, 0)
    >>> require_conserved(both + (0.3, "X", 1), [nh.Spin(0.5)] * 2, 0)
    Traceback (most recent call last):
    ValueError: the term 0.3 X_1 does not conserve the charge 0; use charge=None for the whole space
    """
    terms = localise(op, sites)
    groups: dict[tuple[int, ...], list[LocalTerm]] = {}
    for k in _changing(tuple(local.term.factors for local in terms), tuple(sites)):
        groups.setdefault(tuple(terms[k].matrices), []).append(terms[k])
    suspects = [
        OpSum([local.term for local in group])
        for where, group in groups.items()
        if not _cancel(group, [sites[j] for j in where])
    ]
    # terms on other sites may cancel these, or no configuration has what they act on
    if suspects and _leads_out(op, sites, charge):
        guilty = next((sum_ for sum_ in suspects if _leads_out(sum_, sites, charge)), suspects[0])
        raise ValueError(
            f"the term {guilty.terms[0]} does not conserve the charge {charge}; use charge=None for the whole space"
        )


def _leads_out(op: OpSum, sites: Sequence[Site], charge: int) -> bool:
    """Tell whether an operator leads out of a sector; of a large one, whether it changes any charge."""
    few = space(tuple(sites), charge).dim <= FEW
    try:
        if few:
            sector(tuple(sites), charge).operator(op)
        else:
            from mpsnh.operators.mpo import MPO  # whose quimb exact methods need not wait for

            ChargedMPO.of(MPO.from_opsum(op, sites).site_tensors(), [site.charges for site in sites])
    except ValueError:
        return True
    return False


@functools.lru_cache(maxsize=64)
def _changing(products: tuple[tuple[Factor, ...], ...], sites: tuple[Site, ...]) -> list[int]:
    """Return which products change the charge, taken one by one; realisations of a model share them."""
    terms = localise(OpSum([Term(1.0, factors) for factors in products]), sites)
    changes = [
        itertools.product(*(_changes(sites[j], names) for j, names in local.matrices.items())) for local in terms
    ]
    return [k for k, combined in enumerate(changes) if any(map(sum, combined))]


@functools.lru_cache(maxsize=4096)
def _changes(site: Site, names: tuple[str, ...]) -> frozenset[int]:
    """Return by how much a product of operators of one site changes the charge."""
    bra, ket = np.nonzero(product_matrix(site, names))
    charges = np.array(site.charges)
    return frozenset((charges[bra] - charges[ket]).tolist())


def _cancel(group: Sequence[LocalTerm], sites: Sequence[Site]) -> bool:
    """Tell whether terms on the same few sites conserve the charge in their sum."""
    dim = math.prod(site.dim for site in sites)
    if dim > SMALL:
        return False
    total = np.zeros((dim, dim), dtype=complex)
    for local in group:
        factors = (product_matrix(site, names) for site, names in zip(sites, local.matrices.values(), strict=True))
        total += local.term.coefficient * functools.reduce(np.kron, factors)
    charges = joint_charges([site.charges for site in sites])
    leaving = np.abs(total[charges[:, None] != charges])
    return bool(leaving.max(initial=0.0) <= LEAK * np.abs(total).max())
