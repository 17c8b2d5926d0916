"""Correlations of all pairs of sites at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site, is_fermionic
from mpsnh.operators.localise import localise, product_matrix
from mpsnh.states.folded import FoldedMPS
from mpsnh.states.mps import MPS
from mpsnh.states.state import State

Array = NDArray[np.complex128]


def correlation_matrix(state: State, first: str, second: str) -> Array:
    """Return ⟨a_i b_j⟩ for all pairs of sites, normalised.

    Of matrix-product states one sweep finds all pairs, in O(L² χ³); others measure each pair.

    Parameters
    ----------
    state : State
        Any state; fermionic operators get their Jordan–Wigner strings.
    first, second : str
        Names of the operators a and b.

    Returns
    -------
    ndarray of complex, shape (L, L)

    Examples
    --------
    >>> pair = nh.MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2)
    >>> correlation_matrix(pair, "Sz", "Sz").real.round(12).tolist()
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    if isinstance(state, FoldedMPS):
        state = state.to_mps()
    sites: Sequence[Site] = state.local_sites  # type: ignore[attr-defined]
    L = len(sites)
    values = np.zeros((L, L), dtype=complex)
    np.fill_diagonal(values, state.expect_each(*(OpSum([(1, first, j, second, j)]) for j in range(L))))
    if L == 1:
        return values
    if not isinstance(state, MPS):
        pairs = [(i, j) for i in range(L) for j in range(L) if i != j]
        for i, j in pairs:
            values[i, j] = state.expect(OpSum([(1, first, i, second, j)]))
        return values
    tensors = state.canonical_tensors()
    upper = _sweep(tensors, *_factors(sites, first, second, forward=True))
    lower = _sweep(tensors, *_factors(sites, first, second, forward=False))
    return values + upper + lower.T


def _factors(
    sites: Sequence[Site], first: str, second: str, forward: bool
) -> tuple[list[Array], list[Array], list[Array], complex]:
    """Return what stands left, between and right of a pair a_i b_j with i < j, or i > j, and its sign."""
    L = len(sites)
    left = [np.empty((0, 0), complex)] * L
    between, right, sign = list(left), list(left), 1.0 + 0j
    for j in range(L - 1):
        i, k = (j, j + 1) if forward else (j + 1, j)
        (term,) = localise(OpSum([(1, first, i, second, k)]), sites)
        left[j], right[j + 1] = (product_matrix(sites[place], term.matrices[place]) for place in (j, j + 1))
        sign = complex(term.term.coefficient)
    odd = is_fermionic(first)
    between = [product_matrix(site, ("F",) if odd else ()) for site in sites]
    return left, between, right, sign


def _sweep(
    tensors: Sequence[Array], left: list[Array], between: list[Array], right: list[Array], sign: complex
) -> Array:
    """Return the correlations above the diagonal of a right-canonical state.

    What a_i leaves at a bond is one matrix (bra, ket) for each i, and all of them go on together.
    """
    L = len(tensors)
    values = np.zeros((L, L), dtype=complex)
    density = np.ones((1, 1, 1), dtype=complex)
    begun = np.zeros((0, 1, 1), dtype=complex)
    for j, tensor in enumerate(tensors):
        bra = tensor.conj()
        if j:
            acted = np.einsum("st,btr->bsr", right[j], tensor)
            closing = np.tensordot(acted, bra, ((1, 2), (1, 2)))  # (ket, bra): what is right of j is the identity
            values[:j, j] = sign * begun.reshape(j, -1) @ closing.T.ravel()
        if j == L - 1:
            break
        begun = np.concatenate([_grown(begun, tensor, between[j]), _grown(density, tensor, left[j])])
        density = _grown(density, tensor, np.eye(tensor.shape[1]))
    return values


def _grown(environments: Array, tensor: Array, operator: NDArray[np.number]) -> Array:
    """Bring matrices (n, bra, ket) from the left of a site to its right."""
    n, bras, _ = environments.shape
    before, d, after = tensor.shape
    acted = np.einsum("st,btr->bsr", operator, tensor).reshape(before, d * after)
    half = (environments.reshape(n * bras, before) @ acted).reshape(n, bras * d, after)
    return np.asarray(tensor.conj().reshape(before * d, after).T @ half)
