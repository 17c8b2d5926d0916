"""Random matrix-product states."""

from __future__ import annotations

import numpy as np

from mpsnh.states.blocks import Blocks, Charges, local_states


def random_blocks(
    charges: Charges, total: int, bond: int, rng: np.random.Generator, real: bool = False
) -> list[Blocks]:
    """Return the blocks of a random state of a charge, in which all charges occur that a bond can have.

    Parameters
    ----------
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    total : int
        The charge of the state, which must be possible.
    bond : int
        About how large its bonds are: they share it as the configurations share the charges, with at least 1 for each.
    rng : numpy.random.Generator
        Where the numbers come from.
    real : bool
        Whether they are real.

    Examples
    --------
    >>> blocks = random_blocks([(1, -1)] * 4, 0, 3, np.random.default_rng(0))
    >>> [sorted(site) for site in blocks[:2]]
    [[(0, -1), (0, 1)], [(-1, -1), (-1, 1), (1, -1), (1, 1)]]
    """
    before = _shares(charges)
    after = [{total - q: share for q, share in bond.items()} for bond in reversed(_shares(charges[::-1]))]
    dimensions = []
    for left, right in zip(before, after, strict=True):
        weights = {q: left[q][0] * right[q][0] for q in left if q in right}
        most = {q: min(left[q][1], right[q][1]) for q in weights}
        scale = bond / sum(weights.values())
        dimensions.append({q: max(1, min(most[q], round(scale * weight))) for q, weight in weights.items()})
    blocks = []
    for j, local in enumerate(charges):
        site = Blocks()
        for q, rows in dimensions[j].items():
            for c, states in local_states(local).items():
                if q + c in dimensions[j + 1]:
                    shape = (rows, len(states), dimensions[j + 1][q + c])
                    site[q, c] = rng.normal(size=shape) + (0 if real else 1j * rng.normal(size=shape))
        blocks.append(site)
    return blocks


def spread_blocks(charges: Charges, total: int, rng: np.random.Generator) -> list[Blocks]:
    """Return the blocks of a product state whose charge is spread evenly over the sites, such as a Néel state.

    Local states of equal charge are combined at random, and which of two equal ways of spreading it is taken.

    Parameters
    ----------
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    total : int
        The charge of the state, which must be possible.
    rng : numpy.random.Generator
        Where the numbers come from.

    Examples
    --------
    >>> [list(site) for site in spread_blocks([(1, -1)] * 4, 0, np.random.default_rng(0))]
    [[(0, 1)], [(1, -1)], [(0, 1)], [(1, -1)]]
    """
    rest = [{total - q for q in bond} for bond in reversed(_shares(charges[::-1]))]
    lean, q, blocks = float(rng.choice([-0.25, 0.25])), 0, []
    for j, local in enumerate(charges):
        wanted = total * (j + 1) / len(charges) + lean
        states = local_states(local)
        c = min((c for c in states if q + c in rest[j + 1]), key=lambda c: abs(q + c - wanted))
        vector = rng.normal(size=(1, len(states[c]), 1)) + 1j * rng.normal(size=(1, len(states[c]), 1))
        blocks.append(Blocks({(q, c): vector / np.linalg.norm(vector)}))
        q += c
    return blocks


MOST = 2**20
"""Number of configurations up to which they are counted."""


def _shares(charges: Charges) -> list[dict[int, tuple[float, int]]]:
    """Return for each bond and charge which share of the configurations left of it has it, and how many at most."""
    bonds: list[dict[int, tuple[float, int]]] = [{0: (1.0, 1)}]
    for local in charges:
        grown: dict[int, tuple[float, int]] = {}
        for q, (share, number) in bonds[-1].items():
            for c in local:
                known = grown.get(q + c, (0.0, 0))
                grown[q + c] = (known[0] + share / len(local), min(MOST, known[1] + number))
        bonds.append(grown)
    return bonds
