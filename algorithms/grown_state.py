"""The state that grows fastest, found by evolution, for sweeps to begin with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import numpy as np

from mpsnh.algorithms.nhtebd import NHTEBD
from mpsnh.base.model import Model
from mpsnh.base.ring import GivenChain, closes, ladder
from mpsnh.language.generator import Hamiltonian
from mpsnh.operators.configurations import Space
from mpsnh.operators.localise import norm_bound
from mpsnh.states.blocks import Blocks
from mpsnh.states.folded import CUTOFF, FoldedMPS, ladder_of
from mpsnh.states.mps import MPS
from mpsnh.states.random import random_blocks
from mpsnh.states.sums import shortened, summed
from mpsnh.states.symmetric import from_blocks

STRETCH = 20.0
"""Time over which growth is looked at, in units of the inverse norm of what acts on a site."""

STRETCHES = 100
"""Most of them."""

PARTS = 4
"""How often in a stretch known levels are taken out, which grow faster than what is looked for."""

SETTLED = 1e-5
"""What a stretch leaves of the overlap of a state with itself, and the evolution ends."""


def can_grow(model: Model) -> bool:
    """Tell whether a state of a Hamiltonian can be evolved by gates: terms act on neighbours, or close a ring of them.

    Parameters
    ----------
    model : Model
        With a Hamiltonian.

    Examples
    --------
    >>> can_grow(models.NonHermitianXXZ(L=6, boundary="periodic"))
    True
    """
    if closes(model):
        return len(set(model.sites)) == 1
    spans = ({j for _, j in term.factors} for term in cast(Hamiltonian, model.generator).terms)
    return all(max(span) - min(span) <= 1 for span in spans if span)


def grown(
    model: Model,
    max_bond: int,
    rng: np.random.Generator,
    *,
    left: bool = False,
    without: Sequence[tuple[MPS, MPS]] = (),
) -> list[Blocks]:
    """Return the blocks of what a random state has become when its norm grows evenly.

    Parameters
    ----------
    model : Model
        With a Hamiltonian H that `can_grow`.
    max_bond : int
        Largest bond dimension.
    rng : numpy.random.Generator
        Where the random state comes from.
    left : bool
        Whether to evolve with -H† instead of H, whose state of largest growth is the left vector of that of H.
    without : sequence of (MPS, MPS)
        Vectors and left vectors, of the matrix that is evolved with, of levels that are taken out again and again.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=6, gamma=0.9, V=0.0, boundary="periodic")
    >>> len(grown(ring, 8, np.random.default_rng(0)))
    6
    """
    terms, sites, L = cast(Hamiltonian, model.generator).terms, model.sites, model.L
    terms = -terms.dag() if left else terms
    ring = closes(model)
    if ring:
        chain = ladder(sites, terms, model.charge)
    else:
        chain = GivenChain(L=L, charge=model.charge, local=sites, hamiltonian=terms)
    space = Space(chain.sites, model.charge)
    start = from_blocks(
        random_blocks(space.charges, model.charge or 0, min(8, max_bond), rng), chain.sites, (0, chain.L)
    )
    scale = norm_bound(terms, sites) / L
    stretch, parts = STRETCH / scale, PARTS if without else 1
    state = start
    bond = max(max_bond // 2, min(max_bond, 64), start.max_bond())
    evolution = NHTEBD(
        dt="auto",
        every=stretch / parts,
        t_max=STRETCHES * stretch,
        max_bond=bond,
        tolerance=None,
        initial=lambda _: state,
    )
    if without:
        pairs = [[ladder_of(one, 2 * max_bond) if ring else one for one in pair] for pair in without]
        state = _without(state, pairs, space, bond)
        for _ in range(STRETCHES):
            before = state
            for _ in range(parts):
                _, record = itertools.islice(evolution.records(chain), 2)
                state = _without(cast(MPS, record.state), pairs, space, bond)
            if 1 - abs(state.overlap(before)) <= SETTLED:
                break
    else:
        for record in evolution.records(chain):
            before, state = state, cast(MPS, record.state)
            if record.time > 0 and 1 - abs(state.overlap(before)) <= SETTLED:
                break
    if ring:
        state = FoldedMPS(state, sites).to_mps(max_bond)
    return list(_blocks(state, Space(sites, model.charge)))


def _without(state: MPS, pairs: Sequence[Sequence[MPS]], space: Space, max_bond: int) -> MPS:
    """Return a state less its parts in some levels."""
    parts = [-state.overlap(left) / right.overlap(left) for right, left in pairs]
    total = summed([_blocks(one, space) for one in (state, *(right for right, _ in pairs))], [1.0, *parts])
    short = shortened(total, space.charges, max_bond, CUTOFF)
    return from_blocks(short, space.sites, (0, 1))


def _blocks(state: MPS, space: Space) -> Sequence[Blocks]:
    """Return the blocks of a state by the charges of a space, which are all zero where no charge is asked for."""
    blocks, charges = state.blocks()
    if [tuple(site) for site in charges] == [tuple(site) for site in space.charges]:
        return blocks
    return [{(0, 0): tensor} for tensor in state.to_mps().site_tensors()]
