"""Sweeps through a matrix-product state that change two neighbouring tensors at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mpsnh.operators.charged import ChargedMPO
from mpsnh.states.blocks import Array, Blocks, bond_dimensions
from mpsnh.states.effective import EffectiveOperator, Layout
from mpsnh.states.environments import EDGE, Environment, grown, mirrored
from mpsnh.states.pair import Pair
from mpsnh.states.shifts import LocalOperator, SeenShifts, Shift
from mpsnh.states.workspace import BlockState

Update = Callable[[LocalOperator, Array], Array]
"""Returns what two tensors are to become, as a vector of unit norm, given the operator between their surroundings."""


class Sweeps:
    """A state that is swept through, with what stands left and right of each bond of ⟨state| operator |state⟩.

    Each sweep begins at the left end, on which the orthogonality centre is, and ends at the right one; then the chain
    is mirrored, so that the next sweep is the way back.

    Parameters
    ----------
    operator : ChargedMPO
        The operator.
    blocks : sequence of dict
        The blocks of the state, of any gauge and norm.
    shifts : sequence of Shift
        Terms that are added to the operator.

    Attributes
    ----------
    discarded : float
        Largest weight that the last sweep discarded at one bond.

    Examples
    --------
    >>> field = nh.MPO.from_opsum(nh.OpSum([(1, "X", 0), (1, "X", 1)]), [nh.Spin(0.5)] * 2)
    >>> up = [{(0, 0): np.array([[[1.0], [0.0]]])}] * 2
    >>> sweeps = Sweeps(ChargedMPO.of(field.site_tensors(), [(0, 0)] * 2), up)
    >>> def lowest(effective, vector):
    ...     return np.linalg.eigh(np.array([effective @ row for row in np.eye(4)]))[1][:, 0]
    >>> sweeps.sweep(lowest, max_bond=2, cutoff=1e-12)
    >>> [abs(site[0, 0]).ravel().round(6).tolist() for site in sweeps.blocks()]
    [[0.707107, 0.707107], [0.707107, 0.707107]]
    """

    def __init__(self, operator: ChargedMPO, blocks: Sequence[Blocks], shifts: Sequence[Shift] = ()) -> None:
        self._blocks = _copied(BlockState.canonical(blocks, operator.charges).view())
        self._operators = (operator, operator.mirrored())
        self._turned = False
        self.discarded = 0.0
        mirror, self._total = mirrored(self._blocks)
        self._rights: list[Environment] = [EDGE]
        for site in range(len(blocks) - 1):
            self._rights.append(grown(self._rights[-1], self._operators[1], site, mirror[site], mirror[site]))
        self._shifts = SeenShifts(shifts, mirror)

    def blocks(self) -> list[Blocks]:
        """Return the blocks of the state, canonical around one of its ends."""
        return mirrored(self._blocks)[0] if self._turned else list(self._blocks)

    @property
    def bond(self) -> int:
        """The largest bond dimension."""
        return max(bond_dimensions(self._blocks))

    def sweep(self, update: Update, max_bond: int, cutoff: float, mixing: float = 0.0) -> None:
        """Update all pairs of neighbours, from one end to the other.

        Parameters
        ----------
        update : callable
            Gets the effective operator of a pair and its tensor as a vector, and returns the new tensor.
        max_bond : int
            Largest bond dimension.
        cutoff : float
            Weight that a bond may discard, relative to the norm.
        mixing : float
            Weight of what the operator makes of the tensor beyond the bond, for which room is made there as well.
            (S. R. White, PRB 72, 180403 (2005); C. Hubig et al., PRB 91, 155115 (2015).)
        """
        operator, blocks, lefts = self._operators[self._turned], self._blocks, [EDGE]
        L, self.discarded = len(blocks), 0.0
        for j in range(L - 1):
            pair, (tensor, charges) = Pair(*operator.charges[j : j + 2]), operator.window(j, 2)
            right = [{self._total - q: part for q, part in channel.items()} for channel in self._rights[L - 2 - j]]
            layout = Layout(_bond(blocks, j), _bond(blocks, j + 2), charges)
            effective = EffectiveOperator(lefts[-1], right, tensor, operator.channels[j], layout)
            joined = pair.joined(blocks[j], blocks[j + 1])
            whole = self._shifts.added(effective, j, pair, layout)
            vector = update(whole, layout.packed(joined, np.result_type(*joined.values())))
            theta = layout.unpacked(vector)
            beside = _reached(lefts[-1], operator, j, pair.parts(theta), mixing) if mixing else None
            split = pair.split(theta, max_bond, cutoff, beside)
            norm = float(np.linalg.norm(split.values))
            blocks[j], blocks[j + 1] = split.left, {key: block / norm for key, block in split.right.items()}
            self.discarded = max(self.discarded, split.discarded)
            lefts.append(grown(lefts[-1], operator, j, blocks[j], blocks[j]))
            self._shifts.passed(j, blocks[j])
        self._shifts.turned()
        self._rights = lefts
        self._blocks, self._total = mirrored(blocks)
        self._turned = not self._turned


def _copied(blocks: Sequence[Blocks]) -> list[Blocks]:
    """Copy blocks, as real numbers if all of them are real."""
    real = not any(block.imag.any() for site in blocks for block in site.values())
    return [{key: np.array(block.real if real else block) for key, block in site.items()} for site in blocks]


def _bond(blocks: Sequence[Blocks], bond: int) -> dict[int, int]:
    """Return the dimension of a bond for each charge that both of its tensors have."""
    before = {q + c: block.shape[2] for (q, c), block in blocks[bond - 1].items()} if bond else {0: 1}
    after = {q for q, _ in blocks[bond]} if bond < len(blocks) else set(before)
    return {q: dimension for q, dimension in before.items() if q in after}


Parts = dict[int, dict[tuple[tuple[int, int], int], Array]]


def _reached(
    left: Environment, operator: ChargedMPO, site: int, parts: Parts, weight: float
) -> dict[int, dict[tuple[int, int], Array]]:
    """Return what the operator left of a bond makes of a joint tensor, by charge of the bond and block of the site.

    Its columns are those of the channels, the states of the second site and the bond to its right.
    """
    columns: dict[int, dict[tuple[int, int, int], dict[tuple[int, int], Array]]] = {}
    for m, of_bond in parts.items():
        for ((q, a), b), part in of_bond.items():
            for channel, there in enumerate(left):
                elements = operator.elements[site].get((channel, a), ())
                if q not in there or not elements:
                    continue
                half = (there[q] @ part.reshape(len(part), -1)).reshape(-1, *part.shape[1:])
                other = q + operator.channels[site][channel]
                for after, c, matrix in elements:
                    image = matrix[0, 0] * half if matrix.size == 1 else np.einsum("ca,nabr->ncbr", matrix, half)
                    image = image.reshape(len(half) * len(matrix), -1)
                    known = columns.setdefault(other + c, {}).setdefault((after, b, m + b), {})
                    known[other, c] = known[other, c] + image if (other, c) in known else image
    total = sum(
        float(np.linalg.norm(image)) ** 2
        for made in columns.values()
        for column in made.values()
        for image in column.values()
    )
    scale = np.sqrt(weight / total) if total > 0 else 0.0
    reached: dict[int, dict[tuple[int, int], Array]] = {}
    for m, made in columns.items():
        heights = {key: len(image) for column in made.values() for key, image in column.items()}
        widths = {name: next(iter(column.values())).shape[1] for name, column in made.items()}
        reached[m] = {
            key: scale * np.hstack([column.get(key, np.zeros((height, widths[name]))) for name, column in made.items()])
            for key, height in heights.items()
        }
    return reached
