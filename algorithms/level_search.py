"""The search of one level by sweeps: how the wanted one is told from others, and when a search ends."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.journal import reach, reached, step
from mpsnh.base.stages import tell
from mpsnh.linalg.ritz import Choice, ritz_pair
from mpsnh.operators.charged import ChargedMPO
from mpsnh.states.block_arrays import blocks_of, packed
from mpsnh.states.blocks import Array, Blocks
from mpsnh.states.shifts import LocalOperator, Shift
from mpsnh.states.sweeps import Sweeps

FIRST_BOND = 16
"""Bond dimension of the rough sweeps; each of the next ones may double it."""

ROUGH = ((1e-1, 1.0),) * 4 + ((1e-2, 1.0),) * 2 + ((1e-2, 0.3),) * 2 + ((1e-3, 0.1),) * 2 + ((1e-4, 0.01),)
"""Of each rough sweep the weight by which it enlarges the basis, and the size of the random vector that it adds.

From a state of definite charges on a bond others are hardly reached, and from an eigenvector not at all: without random
vectors a chain with strong disorder ends in a local minimum.
"""

SEEN = 40
"""Dimension of the Krylov space in which a level is picked, if it need not be the lowest one of a Hermitian matrix."""

EARLY, LATE = 1e-4, 1e-10
"""Residual of a local problem, relative to its largest Ritz value, that is small enough in early and in last sweeps."""

SHARE = 0.03
"""The same relative to what the last sweep truncated: a smaller one is lost when the bond is cut."""

LIKE = 0.5
"""Overlap of a vector with the state, relative to the largest one, that is about as large."""

ALIKE = 1e-9
"""Difference of levels, relative to the largest Ritz value, up to which they count as equal when one is picked."""


def lowest(values: Array, overlaps: NDArray[np.float64]) -> int:
    """Pick the level of smallest Re E, and of a conjugate pair the one that grows.

    Parameters
    ----------
    values, overlaps : ndarray, shape (n,)
        Ritz values, and the overlaps of their vectors with the state.

    Examples
    --------
    >>> lowest(np.array([1 - 2j, 3j, 1 + 2j, 5]), np.zeros(4))
    1
    """
    return _extreme(values.real, values.imag)


def fastest(values: Array, overlaps: NDArray[np.float64]) -> int:
    """Pick the level of largest Im E, and of those the one of smallest Re E.

    Parameters
    ----------
    values, overlaps : ndarray, shape (n,)
        Ritz values, and the overlaps of their vectors with the state.

    Examples
    --------
    >>> fastest(np.array([1 + 2j, 2j, 3 - 2j]), np.zeros(3))
    1
    """
    return _extreme(-values.imag, -values.real)


def nearest(target: complex) -> Choice:
    """Pick the level closest to a number.

    Parameters
    ----------
    target : complex
        The number.

    Examples
    --------
    >>> nearest(2.2)(np.array([1.0, 2.0, 3.0]), np.zeros(3))
    1
    """
    return lambda values, overlaps: int(np.argmin(np.abs(values - target)))


def followed(values: Array, overlaps: NDArray[np.float64]) -> int:
    """Pick the level whose vector is most like the state.

    Parameters
    ----------
    values, overlaps : ndarray, shape (n,)
        Ritz values, and the overlaps of their vectors with the state.

    Examples
    --------
    >>> followed(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.9]))
    2
    """
    return int(np.argmax(overlaps))


def following(energy: complex) -> Choice:
    """Pick, of levels whose vectors are about as much like the state as any, the one that is closest to a number.

    Vectors of conjugate levels with small imaginary parts are much like each other.

    Parameters
    ----------
    energy : complex
        The number, about ⟨H⟩ of the state.

    Examples
    --------
    >>> following(2 + 0.1j)(np.array([2 - 0.1j, 2 + 0.1j, 3.0]), np.array([0.9, 0.8, 0.3]))
    1
    """

    def choice(values: Array, overlaps: NDArray[np.float64]) -> int:
        like = overlaps >= LIKE * overlaps.max()
        return int(np.argmin(np.where(like, np.abs(values - energy), np.inf)))

    return choice


def _extreme(sizes: Array, second: Array) -> int:
    """Return the place of the smallest number, and of the largest second one where several are alike."""
    alike = sizes <= sizes.min() + ALIKE * np.abs(sizes).max()
    return int(np.argmax(np.where(alike, second, -np.inf)))


@dataclass(frozen=True)
class LevelSearch:
    """How a level of an operator is searched for: by two-site sweeps with a growing bond dimension.

    (S. R. White, PRL 69, 2863 (1992).) The basis is that of the right vector alone, in which Ritz values need not be
    variational. Local problems are solved to their end, since a level that is not at the edge of a local spectrum is
    lost otherwise. Rough sweeps with few states pick the wanted level by its value; from the last bond dimension on
    the state is followed, so that the search can't jump between levels of nearly the same value.

    Parameters
    ----------
    operator : ChargedMPO
        The operator.
    hermitian : bool
        Whether it is Hermitian.
    max_bond : int
        Largest bond dimension.
    cutoff : float
        Weight that a bond may discard.
    sweeps : int
        Most sweeps, there and back, after the rough ones.
    accuracy : float
        Change of the level by one sweep with which a search ends, unless truncation changes it more.
    shifts : sequence of Shift
        Terms that move known levels out of the way; those of a Hermitian operator are Hermitian.
    early : float
        Residual of local problems, relative to the largest Ritz value, that is small enough in a first sweep.
    shown : callable
        Returns in words what a level is.

    Examples
    --------
    >>> ising = nh.MPO.from_opsum(nh.OpSum.sum((1, "Z", j, "Z", j + 1) for j in range(3)), [nh.Spin(0.5)] * 4)
    >>> charged = nh.operators.charged.ChargedMPO.of(ising.site_tensors(), [(1, -1)] * 4)
    >>> neel = nh.SymmetricMPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2)
    >>> search = LevelSearch(charged, hermitian=True, max_bond=4, cutoff=1e-12, sweeps=4, accuracy=1e-9)
    >>> state = search.run(neel.blocks()[0], lowest, np.random.default_rng(0))
    >>> round(nh.states.environments.matrix_element(charged, state, state).real, 9)
    -3.0
    """

    operator: ChargedMPO
    hermitian: bool
    max_bond: int
    cutoff: float
    sweeps: int
    accuracy: float
    shifts: Sequence[Shift] = ()
    early: float = EARLY
    shown: Callable[[complex], str] = "{:.8g}".format

    def run(
        self, start: Sequence[Blocks], choice: Choice, rng: np.random.Generator, rough: bool = True
    ) -> list[Blocks]:
        """Search from a state, and return the blocks of the one that the search ends with, of unit norm.

        Parameters
        ----------
        start : sequence of dict
            Its blocks.
        choice : callable
            Picks the wanted level among Ritz values.
        rng : numpy.random.Generator
            Where the random vectors of rough sweeps come from.
        rough : bool
            Whether to begin with rough sweeps, which forget the start, or to follow it.
        """
        return step(
            "search",
            functools.partial(self._run, start, choice, rng, rough),
            packed,
            lambda arrays: blocks_of(arrays, len(start)),
            rng,
        )

    def _run(self, start: Sequence[Blocks], choice: Choice, rng: np.random.Generator, rough: bool) -> list[Blocks]:
        first = 0 if rough else len(ROUGH) + self.max_bond.bit_length()  # from which on bonds are as large as they get
        there = reached(lambda arrays: _Reached.of(arrays, len(start)), rng)
        blocks, values, tolerance, done, discarded = there or _Reached(start, [complex(np.nan)] * 2, 0.0, first, 0.0)
        state = Sweeps(self.operator, blocks, self.shifts)
        state.discarded = discarded
        for number in range(done, max(first, len(ROUGH)) + 2 * self.sweeps):
            mixing, nudge = ROUGH[number] if number < len(ROUGH) else (0.0, 0.0)
            grown = min(self.max_bond, FIRST_BOND * 2 ** max(0, number + 1 - len(ROUGH)))
            settled = grown == self.max_bond and number > len(ROUGH)  # after one that picks without mixing
            keeps = self.hermitian and choice is lowest  # which then never rises
            local = _Local(followed if settled and rough and not keeps else choice, self.hermitian, nudge, rng)
            local.least = 0 if settled or keeps else SEEN
            if settled:
                # bonds that have grown truncate nothing yet
                truncated = max(np.sqrt(state.discarded), tolerance) if number > first else 1.0
                local.tolerance = tolerance = float(np.clip(SHARE * truncated, LATE, self.early))
            state.sweep(local, grown, self.cutoff, mixing)
            values.append(local.value)
            where = f"sweep {number - first + 1}, bond dimension {grown}"
            tell(f"{where}: {self.shown(local.value)}, discarded {state.discarded:.1g}")
            # the ways there and back may end apart; what is truncated changes the level each time
            if settled and abs(values[-1] - values[-3]) <= max(self.accuracy, state.discarded * abs(local.value)):
                break
            if (number - first) % 2:  # the way there and back, after which it is at the end that it began from
                so_far = _Reached(state.blocks(), values, tolerance, number + 1, state.discarded)
                reach(so_far.arrays, rng)
        return state.blocks()


class _Reached(NamedTuple):
    """How far a search is."""

    blocks: Sequence[Blocks]
    values: list[complex]
    tolerance: float
    number: int
    discarded: float

    def arrays(self) -> dict[str, NDArray[Any]]:
        return packed(**self._asdict())

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], L: int) -> _Reached:
        tolerance, number, discarded = (arrays[name].item() for name in ("tolerance", "number", "discarded"))
        return cls(blocks_of(arrays, L), arrays["values"].tolist(), tolerance, number, discarded)


class _Local:
    """Solves the problem of one pair of sites, and remembers the level."""

    def __init__(self, choice: Choice, hermitian: bool, nudge: float, rng: np.random.Generator) -> None:
        self.choice, self.hermitian, self.nudge = choice, hermitian, nudge
        self.tolerance, self.rng = EARLY if nudge else LATE, rng
        self.value, self.least = complex(np.nan), 0

    def __call__(self, effective: LocalOperator, vector: Array) -> Array:
        if self.nudge:
            vector = vector + self.nudge / np.sqrt(len(vector)) * self.rng.normal(size=len(vector))
        options: dict[str, Any] = {"least": self.least, "tolerance": self.tolerance, "hermitian": self.hermitian}
        pair = ritz_pair(effective.__matmul__, vector, self.choice, **options)
        self.value = pair.value
        return pair.vector
