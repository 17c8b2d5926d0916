"""Matrix-product states of a ring that is folded into a ladder, and the way back to a chain."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.language.circuit import Gate, Layer
from mpsnh.language.opsum import OpSum
from mpsnh.language.rung import folded, rungs
from mpsnh.language.site import Site
from mpsnh.states.blocks import Blocks, local_states
from mpsnh.states.mps import MPS
from mpsnh.states.pair import Pair
from mpsnh.states.state import Pure, each_operator
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState

CUTOFF = 1e-14
"""Weight that a truncation discards as a ladder is made a chain."""


@dataclass(frozen=True, eq=False)
class FoldedMPS(Pure):
    """A state of a ring, as a matrix-product state of rungs that hold the sites r and L - 1 - r.

    Expectation values are those of the ladder; entropies, of the sites 0 … j of the ring and the rest, need the chain.

    Parameters
    ----------
    ladder : MPS
        On the rungs.
    local_sites : tuple of Site
        Those of the ring.

    Examples
    --------
    >>> sites = (nh.Spin(0.5),) * 4
    >>> ladder = nh.MPS.product(nh.language.rung.rungs(sites), ["up,down", "down,up"])
    >>> FoldedMPS(ladder, sites).expect_each("Sz").real.tolist()
    [0.5, -0.5, 0.5, -0.5]
    """

    ladder: MPS = field(repr=False)
    local_sites: tuple[Site, ...]

    @property
    def L(self) -> int:
        """Number of sites of the ring."""
        return len(self.local_sites)

    def max_bond(self) -> int:
        """Return the largest bond dimension of the ladder."""
        return int(self.ladder.max_bond())

    @override
    def expect(self, op: OpSum) -> complex:
        return self.ladder.expect(folded(op, self.L))

    @override
    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        return self.ladder.expect_each(*(folded(op, self.L) for op in each_operator(operators, self.L)))

    @override
    def overlap(self, other: Self) -> complex:
        if not isinstance(other, FoldedMPS):
            raise TypeError(f"the other state is a {type(other).__name__}, not folded: to_mps() unfolds this one")
        return self.ladder.overlap(other.ladder)

    @override
    def norm(self) -> float:
        return float(self.ladder.norm())

    @override
    def entanglement_entropy(self, bond: int) -> float:
        return self._chain.entanglement_entropy(bond)

    @override
    def entanglement_profile(self) -> NDArray[np.float64]:
        return self._chain.entanglement_profile()

    @override
    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield from self.ladder.to_arrays()

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return replace(self, ladder=self.ladder.with_arrays(arrays))

    @functools.cached_property
    def _chain(self) -> MPS:
        return self.to_mps()

    def to_mps(self, max_bond: int | None = None) -> MPS:
        """Return the state as one of the chain of sites 0 … L - 1, by exchanging neighbours of the ladder.

        Parameters
        ----------
        max_bond : int, optional
            Largest bond dimension of the chain; twice that of the ladder if not given.

        Examples
        --------
        >>> sites = (nh.Spin(0.5),) * 5
        >>> ladder = nh.MPS.product(nh.language.rung.rungs(sites), ["up,down", "down,up", "up"])
        >>> FoldedMPS(ladder, sites).to_mps().expect_each("Sz").real.tolist()
        [0.5, -0.5, 0.5, 0.5, -0.5]
        """
        blocks, of_rungs, _ = self.ladder._form()
        dense = not any(map(any, of_rungs))
        order = _order(self.L)
        sites = [self.local_sites[j] for j in order]
        charges = [(0,) * site.dim if dense else site.charges for site in sites]
        split = _split(blocks, charges, self.L)
        start = BlockState.canonical(split, charges)
        most = max(max_bond or 2 * self.max_bond(), max(start.bond_dimensions()))
        state = start.like(start.view(), start.centre, most)
        state.log_norm = start.log_norm
        truncation = Truncation(max_bond=max_bond or most, cutoff=CUTOFF, excess=0.0)
        for layer in _exchanges(order, sites):
            state.apply(layer, truncation)
        state.move_to(0)
        scale = np.exp(state.log_norm + np.log(10.0) * self.ladder.exponent)
        first, *rest = state.view()
        return from_blocks([{key: scale * block for key, block in first.items()}, *rest], self.local_sites, (0, 1))


def fold(state: MPS) -> FoldedMPS:
    """Fold a product state of a chain.

    Parameters
    ----------
    state : MPS
        On sites that are known.

    Raises
    ------
    ValueError
        If it is no product of states of definite fermion parity.

    Examples
    --------
    >>> fold(nh.MPS.product([nh.Spin(0.5)] * 4, ["up", "up", "down", "up"])).expect_each("Sz").real.tolist()
    [0.5, 0.5, -0.5, 0.5]
    """
    sites = state._named_sites()
    require(state.max_bond() == 1, "bond dimension of a state to fold", state.max_bond(), "1, that of a product state")
    tensors, L = [tensor.ravel() for tensor in state.to_mps()._tensors()], state.L
    for j, (tensor, site) in enumerate(zip(tensors, sites, strict=True)):
        parities = {parity for parity, amplitude in zip(site.parities, tensor, strict=True) if amplitude}
        require(len(parities) == 1, f"state of site {j}", tensor.tolist(), "one of definite fermion parity")
    pairs = [np.kron(tensors[j], tensors[L - 1 - j]) for j in range(L // 2)]
    return FoldedMPS(MPS.product(rungs(sites), pairs + tensors[L // 2 : L // 2 + L % 2]), tuple(sites))


def ladder_of(state: MPS, max_bond: int) -> MPS:
    """Fold any state of a chain of equal sites, by exchanging neighbours until those of one rung are side by side.

    Parameters
    ----------
    state : MPS
        On sites that are known.
    max_bond : int
        Largest bond dimension on the way, if it is not that of the state.

    Examples
    --------
    >>> ring = nh.MPS.product([nh.Spin(0.5)] * 5, ["up", "down", "up", "up", "down"])
    >>> FoldedMPS(ladder_of(ring, 8), tuple(ring.local_sites)).to_mps().overlap(ring)
    (1+0j)
    """
    sites, L = state._named_sites(), state.L
    blocks, charges, _ = state._form()
    order = _order(L)
    start = BlockState.canonical(blocks, charges)
    most = max(max_bond, *start.bond_dimensions())
    turned = start.like(start.view(), start.centre, most)
    turned.log_norm = start.log_norm
    for layer in reversed(list(_exchanges(order, [sites[j] for j in order]))):
        back = tuple(Gate(gate.matrix.T, gate.where) for gate in layer)
        turned.apply(back, Truncation(max_bond=most, cutoff=CUTOFF, excess=0.0))
    turned.move_to(0)
    view = turned.view()
    joined = [Pair(*charges[r : r + 2]).joined(*view[r : r + 2]) for r in range(0, L - 1, 2)] + view[L - L % 2 :]
    scale = np.exp(turned.log_norm + np.log(10.0) * state.exponent)
    first, *rest = joined
    return from_blocks([{key: scale * block for key, block in first.items()}, *rest], rungs(sites), (0, 1))


def _order(L: int) -> list[int]:
    """Return the sites of a ring in the order of the rungs of its ladder."""
    return [j for r in range((L + 1) // 2) for j in dict.fromkeys((r, L - 1 - r))]


def _split(blocks: Sequence[Blocks], charges: Sequence[Sequence[int]], L: int) -> list[Blocks]:
    """Write each rung of two legs as a product of two sites."""
    sites: list[Blocks] = []
    for rung in blocks:
        if len(sites) == L - 1:
            return [*sites, rung]
        first, second = charges[len(sites)], charges[len(sites) + 1]
        joint = np.add.outer(first, second).ravel().tolist()
        places = {c: {s: k for k, s in enumerate(states)} for c, states in local_states(joint).items()}
        parts: dict[int, dict[tuple[int, int], dict[tuple[int, int], NDArray[Any]]]] = {}
        for (q, c), block in rung.items():
            for s, k in places[c].items():
                a, b = divmod(s, len(second))
                columns = parts.setdefault(q + first[a], {}).setdefault((q, a), {})
                columns[b, q + c] = block[:, k]
        left: dict[tuple[int, int], dict[int, NDArray[Any]]] = {}
        right: dict[tuple[int, int], dict[int, NDArray[Any]]] = {}
        for middle, rows in parts.items():
            widths = {key: part.shape[1] for columns in rows.values() for key, part in columns.items()}
            heights = {key: next(iter(columns.values())).shape[0] for key, columns in rows.items()}
            matrix = np.block(
                [
                    [columns.get(key, np.zeros((heights[row], width))) for key, width in widths.items()]
                    for row, columns in rows.items()
                ]
            )
            narrow, rest = np.linalg.qr(matrix)
            tops = np.cumsum([0, *heights.values()])
            for (q, a), begin, end in zip(heights, tops[:-1], tops[1:], strict=True):
                left.setdefault((q, first[a]), {})[a] = narrow[begin:end]
            edges = np.cumsum([0, *widths.values()])
            for (b, _), begin, end in zip(widths, edges[:-1], edges[1:], strict=True):
                right.setdefault((middle, second[b]), {})[b] = rest[:, begin:end]
        sites += [_stacked(left, first), _stacked(right, second)]
    return sites


def _stacked(parts: Mapping[tuple[int, int], Mapping[int, NDArray[Any]]], charges: Sequence[int]) -> Blocks:
    """Put the matrices of local states of one charge together; those that are missing are zero."""
    states = local_states(charges)
    blocks = Blocks()
    for (q, c), matrices in parts.items():
        zero = np.zeros_like(next(iter(matrices.values())))
        blocks[q, c] = np.stack([matrices.get(s, zero) for s in states[c]], axis=1)
    return blocks


def _exchanges(order: Sequence[int], sites: Sequence[Site]) -> Iterator[Layer]:
    """Yield layers of gates that bring sites into increasing order: every second pair of neighbours in turns."""
    now, local = list(order), list(sites)
    for first in itertools.cycle((0, 1)):
        if now == sorted(now):
            return
        layer = []
        for j in range(first, len(now) - 1, 2):
            if now[j] > now[j + 1]:
                layer.append(Gate(_exchange(local[j], local[j + 1]), (j, j + 1)))
                now[j : j + 2] = now[j + 1], now[j]
                local[j : j + 2] = local[j + 1], local[j]
        yield tuple(layer)


def _exchange(one: Site, other: Site) -> NDArray[np.complex128]:
    """Return the matrix that exchanges two sites, with the sign of fermions."""
    signs = np.where(np.multiply.outer(np.array(one.parities) < 0, np.array(other.parities) < 0), -1.0, 1.0)
    exchanged = np.zeros((other.dim, one.dim, one.dim, other.dim), dtype=complex)
    for a, b in np.ndindex(one.dim, other.dim):
        exchanged[b, a, a, b] = signs[a, b]
    return exchanged.reshape(one.dim * other.dim, -1)
