"""Sums of matrix-product states by blocks of charge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpsnh.language.circuit import Gate
from mpsnh.states.blocks import Blocks, Charges, bond_charges
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState


def summed(states: Sequence[Sequence[Blocks]], factors: Sequence[complex]) -> list[Blocks]:
    """Return a sum of states of the same charge, whose bonds are as large as those of all together.

    Parameters
    ----------
    states : sequence of sequence of dict
        The blocks of each.
    factors : sequence of complex
        What each is multiplied with.

    Examples
    --------
    >>> up, down = ([{(0, q): np.ones((1, 1, 1))}, {(q, -q): np.ones((1, 1, 1))}] for q in (1, -1))
    >>> {key: block.ravel().real.tolist() for key, block in summed([up, down], [2.0, 3.0])[1].items()}
    {(1, -1): [1.0], (-1, 1): [1.0]}
    """
    L, bonds = len(states[0]), [bond_charges(blocks) for blocks in states]
    ends = ({0: 1}, {q + c: 1 for blocks in states for q, c in blocks[-1]})
    sizes: list[dict[int, int]] = [ends[0], *({} for _ in range(L - 1)), ends[1]]
    starts: list[list[dict[int, int]]] = []
    for of_state in bonds:
        starts.append([{}, *(dict(sizes[j]) for j in range(1, L)), {}])
        for j in range(1, L):
            for q, dimension in of_state[j].items():
                sizes[j][q] = sizes[j].get(q, 0) + dimension
    total = []
    for j in range(L):
        site = Blocks()
        for blocks, first, factor in zip(states, starts, factors, strict=True):
            for (q, c), block in blocks[j].items():
                if (q, c) not in site:
                    shape = (sizes[j][q], block.shape[1], sizes[j + 1][q + c])
                    site[q, c] = np.zeros(shape, dtype=complex)
                row, column = first[j].get(q, 0), first[j + 1].get(q + c, 0)
                part = site[q, c][row : row + block.shape[0], :, column : column + block.shape[2]]
                part += (factor if j == 0 else 1.0) * block
        total.append(site)
    return total


def shortened(blocks: Sequence[Blocks], charges: Charges, max_bond: int, cutoff: float) -> list[Blocks]:
    """Return a state with smaller bonds, of unit norm and canonical around its first site.

    Parameters
    ----------
    blocks : sequence of dict
        Those of the state, of any gauge and norm.
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    max_bond : int
        Largest bond dimension.
    cutoff : float
        Weight that a bond may discard, relative to the norm.

    Examples
    --------
    >>> up = [{(0, 1): np.ones((1, 1, 1))}, {(1, 1): np.ones((1, 1, 1))}]
    >>> twice = shortened(summed([up, up], [1.0, 1.0]), [(1, -1)] * 2, max_bond=2, cutoff=1e-12)
    >>> twice[0][0, 1].shape
    (1, 1, 1)
    """
    state, sizes = BlockState.canonical(blocks, charges), [len(site) for site in charges]
    truncation = Truncation(max_bond=min(max_bond, state.max_bond), cutoff=cutoff, excess=0.0)
    for first in (0, 1):
        pairs = range(first, len(blocks) - 1, 2)
        state.apply(tuple(Gate(np.eye(sizes[j] * sizes[j + 1], dtype=complex), (j, j + 1)) for j in pairs), truncation)
    state.move_to(0)
    state.normalise()
    return state.view()
