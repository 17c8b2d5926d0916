"""The state that grows fastest, found by evolution, for sweeps to begin with."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mpsnh.algorithms.nhtebd import NHTEBD
from mpsnh.base.journal import reach, reached
from mpsnh.base.model import Model
from mpsnh.base.ring import GivenChain, closes, ladder
from mpsnh.base.snapshot import Snapshot, TruncatedSnapshot
from mpsnh.base.stages import tell
from mpsnh.language.generator import Hamiltonian
from mpsnh.linalg.modes import growing_mode
from mpsnh.operators.configurations import Space
from mpsnh.operators.constants import without_constant
from mpsnh.operators.localise import norm_bound
from mpsnh.states.block_arrays import blocks_of, packed
from mpsnh.states.blocks import Blocks
from mpsnh.states.folded import CUTOFF, FoldedMPS, ladder_of
from mpsnh.states.mps import MPS
from mpsnh.states.random import random_blocks, spread_blocks
from mpsnh.states.sums import shortened, summed
from mpsnh.states.symmetric import from_blocks

STRETCH = 20.0
"""Time over which growth is looked at, in units of the inverse norm of what acts on a site."""

STRETCHES = 96
"""Most of them."""

SERIES = 6
"""Stretches after which the state that grows fastest is sought among all that were on the way."""

PARTS = 16
"""Most parts of a stretch, after each of which known levels, which grow faster, are taken out."""

GROWN, FAINT = 0.3, 0.02
"""Part of a known level in a state that has grown so large, or so little, that it is taken out more or less often."""

FIRST_BOND, ROUGH = 32, 0.3
"""Bond dimension to begin with, and what a stretch may change, in units of the discarded weight, when it is doubled."""

SMALLEST_COARSE = 64
"""Bond dimension up to which a smaller one saves nothing."""

FINER = 4
"""Into how many each step is divided in the end, when the error of the steps is all that is left of the residual."""

FAINTER = 2.0
"""Logarithm of how much smaller than others the fastest level may be in a start.

A combination of `SERIES` states for one level makes any other one smaller by about 1/√SERIES, which adds 1.
"""

ADMIXED, SMALL = 0.01, 8
"""How much of a random state is added to an even one, and the bond dimension of that."""

SETTLED, ROUNDED = 1e-5, 1e-12
"""What a stretch takes from the overlap of a state with itself, and the evolution ends: if that falls, or anyway."""

NOISE = 0.03
"""What truncation takes from it even when the state has settled, in units of the weight discarded in the stretch.

Most of what is discarded comes back: in clean rings of 16 and 20 sites .015, whatever the bond dimension.
"""


class Grown(NamedTuple):
    """What an evolution ended with.

    Parameters
    ----------
    blocks : list of dict
        The state.
    settled : bool
        Whether the last stretch left it as it was.
    told : float
        Difference in growth of levels that it tells apart: it takes time until a faster one is seen, and more if the
        state was replaced by what was most like one level.

    Examples
    --------
    >>> Grown([], settled=False, told=0.02).settled
    False
    """

    blocks: Sequence[Blocks]
    settled: bool
    told: float

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return this as arrays by name.

        Examples
        --------
        >>> Grown([], settled=False, told=0.02).arrays()["told"].tolist()
        0.02
        """
        return packed(**self._asdict())

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], L: int) -> Grown:
        """Return what was made to arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Those of `arrays`.
        L : int
            Number of sites.
        """
        return cls(blocks_of(arrays, L), bool(arrays["settled"]), float(arrays["told"]))


def coarse_bond(max_bond: int) -> int:
    """Return the bond dimension that leads near a level, from which a larger one is to go on.

    Parameters
    ----------
    max_bond : int
        The larger one.

    Examples
    --------
    >>> coarse_bond(32), coarse_bond(200)
    (32, 100)
    """
    return max(max_bond // 2, min(max_bond, SMALLEST_COARSE))


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
    even: bool = True,
    start: MPS | None = None,
    left: bool = False,
    without: Sequence[tuple[MPS, MPS]] = (),
) -> Grown:
    """Return what a state has become when its norm grows evenly.

    Parameters
    ----------
    model : Model
        With a Hamiltonian H that `can_grow`.
    max_bond : int
        Largest bond dimension.
    rng : numpy.random.Generator
        Where the random state comes from.
    even : bool
        Whether the start is near a product state, or entirely random.
    start : MPS, optional
        Another start.
    left : bool
        Whether to evolve with -H† instead of H, whose state of largest growth is the left vector of that of H.
    without : sequence of (MPS, MPS)
        Vectors and left vectors, of the matrix that is evolved with, of levels that are taken out again and again.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=6, gamma=0.9, V=0.0, boundary="periodic")
    >>> grown(ring, 8, np.random.default_rng(0)).settled
    True
    """
    terms, sites, L = cast(Hamiltonian, model.generator).terms, model.sites, model.L
    terms = -terms.dag() if left else terms
    # what all states grow with tells none apart, but may be so large that nothing else is seen
    terms = -1j * without_constant(1j * terms, sites, model.charge).rest
    ring = closes(model)
    if ring:
        chain = ladder(sites, terms, model.charge)
    else:
        chain = GivenChain(L=L, charge=model.charge, local=sites, hamiltonian=terms)
    space = Space(chain.sites, model.charge)
    if start is None:
        start = _start(model, space, max_bond, rng, even)
    elif ring:
        start = ladder_of(start, coarse_bond(max_bond))
    scale = norm_bound(terms, sites) / L or 1.0
    bond = max(coarse_bond(max_bond), start.max_bond())
    pairs = [tuple(ladder_of(one, 2 * max_bond) if ring else one for one in pair) for pair in without]
    growth = _Growth(chain, space, bond, STRETCH / scale, pairs)
    state, settled = growth.settled(start)
    if ring:
        state = FoldedMPS(state, sites).to_mps(max_bond)
    return Grown(list(_blocks(state, Space(sites, model.charge))), settled, growth.told)


def _start(model: Model, space: Space, max_bond: int, rng: np.random.Generator, even: bool) -> MPS:
    """Return a random state, or a product state with a little of one, in which nothing is missing that grows.

    On the way from a random state bonds would need more states than at its end.
    """
    bond = min(SMALL, max_bond)
    parts: list[Sequence[Blocks]] = [
        shortened(random_blocks(space.charges, model.charge or 0, bond, rng), space.charges, SMALL, CUTOFF)
    ]
    if even:
        own = Space(model.sites, model.charge).charges
        product = from_blocks(spread_blocks(own, model.charge or 0, rng), model.sites, (0, 1))
        parts.append(_blocks(ladder_of(product, SMALL) if closes(model) else product, space))
    total = summed(parts, [ADMIXED, 1.0][: len(parts)])
    return from_blocks(total, space.sites, (0, len(space.sites)))


@dataclass
class _Growth:
    """The evolution of a state from which known levels are taken out.

    Parameters
    ----------
    chain : Model
        A chain with nearest neighbours.
    space : Space
        Its sector.
    bond : int
        Largest bond dimension.
    stretch : float
        Time over which growth is looked at.
    pairs : sequence of (MPS, MPS)
        Vectors and left vectors of known levels.
    stretches, combined : int
        How many there were, and how often the state was replaced by a combination.
    """

    chain: Model
    space: Space
    bond: int
    stretch: float
    pairs: Sequence[tuple[MPS, ...]]
    stretches: int = 0
    combined: int = 0

    @property
    def told(self) -> float:
        """Difference in growth that is told apart."""
        return (FAINTER + self.combined) / (self.stretch * max(self.stretches, 1))

    def settled(self, state: MPS) -> tuple[MPS, bool]:
        """Return what a state of any norm has become when a stretch does not change it, and whether it came to that."""
        bond = min(self.bond, max(FIRST_BOND, state.max_bond()))
        series, parts, finer, before = 0, 4 if self.pairs else 1, 1, 0.0
        if (there := reached(self._unpacked)) is None:
            state, _ = self._sum([state], [1.0], bond)
        else:
            state, (series, bond, parts, finer, self.stretches, self.combined), before = there
        for number in range(series, STRETCHES // SERIES):
            states, growths, known = [state], list[float](), 0.0
            for after, growth, lost, removed in itertools.islice(self._stretches(state, parts, bond, finer), SERIES):
                states.append(after)
                growths.append(growth)
                self.stretches += 1
                known, change = removed, 1 - abs(after.overlap(states[-2]))
                rate = math.log(growth) / self.stretch if growth > 0 else -math.inf
                tell(f"evolution, bond dimension {bond}: the norm grows as exp({rate:.6g} t), change {change:.1g}")
                if bond < self.bond and change <= ROUGH * lost:
                    break
                # what grows from little changes the state more each time; truncation changes the fastest one as well
                settled, before = change <= max(min(SETTLED, before), ROUNDED, NOISE * lost), change
                if bond == self.bond and settled:
                    if finer == FINER:
                        return after, True
                    finer, before = FINER, 0.0
                    break
            late = 2 * number >= STRETCHES // SERIES
            bond = min(self.bond, 2 * bond) if late or change <= ROUGH * lost else bond
            state = self._fastest(states, growths, bond)
            parts = min(PARTS, 2 * parts) if known > GROWN else max(1, parts // 2) if known < FAINT else parts
            numbers = number + 1, bond, parts, finer, self.stretches, self.combined
            reach(functools.partial(self._packed, state, numbers, before))
        return state, False

    def _packed(self, state: MPS, numbers: Sequence[int], before: float) -> dict[str, NDArray[Any]]:
        return packed(_blocks(state, self.space), numbers=numbers, before=before)

    def _unpacked(self, arrays: Mapping[str, NDArray[Any]]) -> tuple[MPS, list[int], float]:
        L = len(self.space.sites)
        state = from_blocks(blocks_of(arrays, L), self.space.sites, (0, L))
        return state, arrays["numbers"].tolist(), float(arrays["before"])

    def _stretches(self, state: MPS, parts: int, bond: int, finer: int) -> Iterator[tuple[MPS, float, float, float]]:
        """Yield the state after each stretch, how its norm grew, what was discarded, and the largest part taken out."""
        evolution = NHTEBD(
            dt="auto",
            every=self.stretch / parts,
            t_max=STRETCHES * self.stretch,
            max_bond=bond,
            tolerance=None,
            initial=lambda _: state,
        )
        if finer > 1:
            order, steps = evolution.steps_between(self.chain)
            dt = evolution.every / (steps * finer)
            evolution = replace(evolution, dt=dt, every=steps * finer, order=order)
        if not self.pairs:
            for before, record in itertools.pairwise(evolution.records(self.chain)):
                growth, lost = _log_norm(record) - _log_norm(before), _discarded(record) - _discarded(before)
                yield cast(MPS, record.state), math.exp(growth), lost, 0.0
        while self.pairs:
            growth, lost, largest = 1.0, 0.0, 0.0
            for _ in range(parts):
                _, record = itertools.islice(evolution.records(self.chain), 2)
                state, kept, known = self._without(cast(MPS, record.state), bond)
                growth, largest = growth * kept * math.exp(_log_norm(record)), max(largest, known)
                lost += _discarded(record)
            yield state, growth, lost, largest

    def _without(self, state: MPS, bond: int) -> tuple[MPS, float, float]:
        """Return a state of unit norm less its parts in known levels, its norm, and the size of those parts."""
        parts = [-state.overlap(left) / right.overlap(left) for right, left in self.pairs]
        rights = [right for right, _ in self.pairs]
        short, norm = self._sum([state, *rights], [1.0, *parts], bond)
        return short, norm, max(abs(part) * right.norm() for part, right in zip(parts, rights, strict=True))

    def _fastest(self, states: Sequence[MPS], growths: Sequence[float], bond: int) -> MPS:
        """Return the fastest combination of states that each other became, the last one if there is no better one."""
        overlaps = np.array([[ket.overlap(bra) for ket in states] for bra in states])
        mode = growing_mode(overlaps, growths)
        if mode is None:
            return states[-1]
        self.combined += 1
        return self._sum(states[1:], mode.coefficients.tolist(), bond)[0]

    def _sum(self, states: Sequence[MPS], factors: Sequence[complex], bond: int) -> tuple[MPS, float]:
        """Return a sum of states as one of unit norm, and its norm."""
        total = summed([_blocks(one, self.space) for one in states], factors)
        short = from_blocks(shortened(total, self.space.charges, bond, CUTOFF), self.space.sites, (0, 1))
        return short, abs(sum(factor * one.overlap(short) for one, factor in zip(states, factors, strict=True)))


def _log_norm(record: Snapshot) -> float:
    return cast(float, record.log_norm)


def _discarded(record: Snapshot) -> float:
    return cast(TruncatedSnapshot, record).discarded


def _blocks(state: MPS, space: Space) -> Sequence[Blocks]:
    """Return the blocks of a state by the charges of a space, which are all zero where no charge is asked for."""
    blocks, charges = state.blocks()
    if [tuple(site) for site in charges] == [tuple(site) for site in space.charges]:
        return blocks
    return [{(0, 0): tensor} for tensor in state.to_mps().site_tensors()]
