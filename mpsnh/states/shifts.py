"""Levels that are moved out of the way: terms |R⟩⟨L| of an operator, as sweeps through a state see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mpsnh.states.blocks import Array, Blocks
from mpsnh.states.effective import Layout
from mpsnh.states.environments import mirrored, overlaps
from mpsnh.states.pair import Pair


@dataclass(frozen=True, eq=False)
class Shift:
    """s |R⟩⟨L|, which moves the level of an operator that has these vectors by s ⟨L|R⟩.

    All other levels stay where they are, and keep their vectors, since these are orthogonal to L or R.
    (H. Hotelling, Ann. Math. Stat. 14, 1 (1943), Sec. 10.)

    Parameters
    ----------
    size : complex
        s.
    right, left : sequence of dict
        The blocks of both states.

    Examples
    --------
    >>> up = [{(0, 1): np.ones((1, 1, 1))}]
    >>> Shift(2j, up, up).dag().size
    -2j
    """

    size: complex
    right: Sequence[Blocks]
    left: Sequence[Blocks]

    def dag(self) -> Shift:
        """Return the Hermitian conjugate."""
        return Shift(complex(self.size).conjugate(), self.left, self.right)


class LocalOperator(Protocol):
    """What acts on the tensor of some sites, as a vector."""

    def __matmul__(self, vector: Array, /) -> Array:
        """Return the product."""
        ...


class Shifted:
    """A local operator with terms s |r⟩⟨l| of vectors.

    Parameters
    ----------
    operator : LocalOperator
        The operator without them.
    terms : sequence of (complex, ndarray, ndarray)
        s, r and l of each.

    Examples
    --------
    >>> unit = np.eye(2)
    >>> Shifted(np.diag([1.0, 2.0]), [(3.0, unit[0], unit[0])]) @ np.ones(2)
    array([4., 2.])
    """

    def __init__(self, operator: LocalOperator, terms: Sequence[tuple[complex, Array, Array]]) -> None:
        self._operator, self._terms = operator, terms

    def __matmul__(self, vector: Array, /) -> Array:
        """Return the product with a vector."""
        product = self._operator @ vector
        for size, right, left in self._terms:
            product = product + (size * np.vdot(left, vector)) * right
        return product


class Seen:
    """A state as it is seen in the local bases of another one, through which sweeps go from end to end.

    Parameters
    ----------
    blocks : sequence of dict
        Those of the state.
    mirror : sequence of dict
        Those of the mirror image of the other one, which is right-canonical.

    Examples
    --------
    >>> up, layout = [{(0, 1): np.ones((1, 1, 1))}, {(1, 1): np.ones((1, 1, 1))}], Layout({0: 1}, {2: 1}, (2, 0, 0, -2))
    >>> Seen(up, mirrored(up)[0]).vector(0, Pair((1, -1), (1, -1)), layout)
    array([1.])
    """

    def __init__(self, blocks: Sequence[Blocks], mirror: Sequence[Blocks]) -> None:
        turned, self._total = mirrored(blocks)
        self._ways = [list(blocks), turned]
        self._lefts: list[dict[int, Array]] = [{0: np.eye(1)}]
        self._rights: list[dict[int, Array]] = [{0: np.eye(1)}]
        for ket, bra in zip(turned[:-1], mirror[:-1], strict=True):
            self._rights.append(overlaps(self._rights[-1], ket, bra))

    def vector(self, site: int, pair: Pair, layout: Layout) -> Array:
        """Return the overlaps of the local basis states of two sites with the state.

        Parameters
        ----------
        site : int
            The first of the two.
        pair : Pair
            Both.
        layout : Layout
            How the tensor stands in a vector.
        """
        blocks = self._ways[0]
        left, right = self._lefts[-1], self._rights[len(blocks) - 2 - site]
        seen = Blocks()
        for (q, c), block in pair.joined(*blocks[site : site + 2]).items():
            other = self._total - q - c
            if q in left and other in right:
                seen[q, c] = np.tensordot(np.tensordot(left[q], block, 1), right[other], ((2,), (1,)))
        return layout.packed(seen, np.result_type(float, *seen.values()))

    def passed(self, site: int, block: Blocks) -> None:
        """Go on to the next site.

        Parameters
        ----------
        site : int
            The one that was updated.
        block : dict
            What it has become.
        """
        self._lefts.append(overlaps(self._lefts[-1], self._ways[0][site], block))

    def turned(self) -> None:
        """Begin the way back."""
        self._ways.reverse()
        self._rights, self._lefts = self._lefts, [{0: np.eye(1)}]


class SeenShifts:
    """Shifts as sweeps see them.

    Parameters
    ----------
    shifts : sequence of Shift
        Of states in the sector of the one that is swept through.
    mirror : sequence of dict
        The mirror image of that one, right-canonical.

    Examples
    --------
    >>> up, layout = [{(0, 1): np.ones((1, 1, 1))}, {(1, 1): np.ones((1, 1, 1))}], Layout({0: 1}, {2: 1}, (2, 0, 0, -2))
    >>> shifts = SeenShifts([Shift(2.0, up, up)], mirrored(up)[0])
    >>> shifts.added(np.eye(1), 0, Pair((1, -1), (1, -1)), layout) @ np.ones(1)
    array([3.])
    """

    def __init__(self, shifts: Sequence[Shift], mirror: Sequence[Blocks]) -> None:
        states = {id(blocks): blocks for shift in shifts for blocks in (shift.right, shift.left)}
        self._seen = {key: Seen(_real(blocks), mirror) for key, blocks in states.items()}
        sizes = [complex(shift.size) for shift in shifts]
        self._terms = [
            (size if size.imag else size.real, id(shift.right), id(shift.left))
            for size, shift in zip(sizes, shifts, strict=True)
        ]
        self._shifts = shifts  # whose ids stay their own

    def added(self, operator: LocalOperator, site: int, pair: Pair, layout: Layout) -> LocalOperator:
        """Return a local operator with the shifts.

        Parameters
        ----------
        operator : LocalOperator
            Without them.
        site : int
            The first of the two sites.
        pair : Pair
            Both.
        layout : Layout
            How the tensor stands in a vector.
        """
        if not self._terms:
            return operator
        vectors = {key: seen.vector(site, pair, layout) for key, seen in self._seen.items()}
        return Shifted(operator, [(size, vectors[right], vectors[left]) for size, right, left in self._terms])

    def passed(self, site: int, block: Blocks) -> None:
        """Go on to the next site.

        Parameters
        ----------
        site : int
            The one that was updated.
        block : dict
            What it has become.
        """
        for seen in self._seen.values():
            seen.passed(site, block)

    def turned(self) -> None:
        """Begin the way back."""
        for seen in self._seen.values():
            seen.turned()


def _real(blocks: Sequence[Blocks]) -> list[Blocks]:
    """Return blocks as real numbers if all of them are real."""
    real = not any(np.imag(block).any() for site in blocks for block in site.values())
    return [{key: block.real if real else block for key, block in site.items()} for site in blocks]
