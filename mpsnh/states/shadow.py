"""A second run beside a truncated one, from whose difference the error of truncation is estimated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Gate, Layer
from mpsnh.states.protocol import Workspace
from mpsnh.states.truncation import Truncation

COARSER_BOND = 4
"""How many times smaller the largest bond dimension of a shadow is (docs/conventions.md says what it costs)."""


FEWEST = 4
"""States that a shadow's bond holds at least where the run's holds more: with fewer, converged runs raise alarms."""


_NOTICED = 1e-16
"""Discarded weight of a product state that counts as truncation."""


COARSER_CUTOFF = 100.0
"""How many times larger the cutoff of a shadow is."""


CAUTION = 2.0
"""By what the estimate is multiplied, chosen so that errors above tolerance go unnoticed in few runs (docs)."""


LOST = 0.3
"""Distance at which a shadow is so far off that it does not show any more how errors grow."""


ROUNDING = 10.0
"""What rounding does to a state between two records, in units of the precision."""


TILT = 30.0
"""By how much the sites of a shadow are turned at first, in units of the precision."""


PROJECTING = 18.0
"""Logarithm of the growth of errors in one step from which what is left of a state may be rounding."""


class CoarserRun:
    """A state that goes through the same gates as another one and is truncated more.

    Parameters
    ----------
    state : Workspace
        The state where the run begins.
    truncation : Truncation
        That of the run.

    Attributes
    ----------
    error : float
        The estimate, from 0 to 1.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2).workspace(max_bond=6)
    >>> CoarserRun(state, Truncation(max_bond=6)).truncation.max_bond
    4
    """

    _NUMBERS: ClassVar[tuple[str, ...]] = ("_inherited", "error")
    """What a run must know to go on, besides the state and the weights that were discarded."""

    def __init__(self, state: Workspace, truncation: Truncation) -> None:
        self.truncation = coarser(truncation)
        self.workspace, lost = truncated(state, self.truncation)
        self._weights = np.array([0.0, lost])
        self._inherited = 0.0
        self.error = float(np.finfo(state.dtype).eps)

    def _discard(self, lost: float, own: float) -> float:
        """Count the weights that both have discarded, and return what rounding makes."""
        rounding = ROUNDING * float(np.finfo(self.workspace.dtype).eps)
        self._weights += np.array([lost, own]) + rounding**2
        return rounding

    def carry(self) -> dict[str, NDArray[Any]]:
        """Return what a run must know to go on."""
        numbers = [*self._weights, *(getattr(self, name) for name in self._NUMBERS)]
        return self.workspace.packed() | {"weights": np.array(numbers)}

    @classmethod
    def resumed(cls, state: Workspace, truncation: Truncation, carry: Mapping[str, NDArray[Any]], error: float) -> Self:
        """Return the shadow that a run left behind, or a new one if it left none that fits.

        Parameters
        ----------
        state : Workspace
            Where the run goes on.
        truncation : Truncation
            Its truncation.
        carry : mapping of str to ndarray
            What `carry` returned.
        error : float
            What was known of the error of the state; a new shadow does not see it.
        """
        shadow = cls(state, truncation)
        if shadow.workspace.unpack(carry):
            shadow._weights = carry["weights"][:2].copy()
            for name, number in zip(cls._NUMBERS, carry["weights"][2:].tolist(), strict=True):
                setattr(shadow, name, number)
        else:
            shadow._inherited = shadow.error = max(error, shadow.error)
        return shadow


class Shadow(CoarserRun):
    """A state that goes through the same gates as another one and is truncated more.

    The error that truncation makes in a state falls with the root of the weight that is discarded. So the distance D
    of the two states, of which the shadow makes up nearly all, tells the error of the better one: about
    D √(discarded weight / that of the shadow). What the gates do to errors, be it to forget or to amplify them, they do
    to both. A shadow that is lost, as the distance cannot grow beyond 1, does not show it any more: from then on errors
    are taken to grow as fast as the gates let them, up to the distance itself.

    The distance is the largest trace distance of the density matrices of two neighbours: by no more than that do
    probabilities differ, and expectation values, in units of the operator's spread of eigenvalues.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2).workspace(max_bond=6)
    >>> Shadow(state, Truncation(max_bond=6)).truncation
    Truncation(max_bond=4, cutoff=1e-08, min_bond=4, excess=0.1)
    """

    _NUMBERS = ("_grown", *CoarserRun._NUMBERS)

    def __init__(self, state: Workspace, truncation: Truncation) -> None:
        super().__init__(state, truncation)
        tilt(self.workspace)
        self._grown = 0.0
        self._blind = truncation.max_bond == 1  # nothing is coarser

    def follow(
        self,
        layers: Sequence[Layer],
        last: int,
        lost: NDArray[np.float64],
        pairs: NDArray[Any],
        growth: float,
        steps: int,
    ) -> None:
        """Apply layers that the run has applied, and compare.

        Parameters
        ----------
        layers : sequence of Layer
            The gates.
        last : int
            How many of the layers, from the end, are compared.
        lost : ndarray, shape (L - 1,)
            Weight that the run discarded in them.
        pairs : ndarray, shape (L + 1, D, D)
            What the run made of these pairs, as `swept` returns it.
        growth : float
            Logarithm of the factor by which the gates of a step can make an error grow.
        steps : int
            How many steps these layers are.
        """
        own_lost, own_pairs = swept(self.workspace, layers, last, self.truncation)
        self.workspace.move_to(len(lost) // 2)
        rounding = self._discard(lost.max(initial=0.0), own_lost.max(initial=0.0))
        apart = distance(pairs, own_pairs)
        if self._blind:  # and anything may have happened once more than rounding is discarded
            apart, self._weights[1] = 1.0, _NOTICED
        if self._grown > 0 or apart > LOST:
            self._grown += growth * steps
        ratio = min(0.0, math.log(self._weights[0] / self._weights[1]) / 2 + self._grown)
        # Where both discard the same their distance is nothing, but the root of what was just discarded is an error.
        made = max(CAUTION * apart * math.exp(ratio), math.sqrt(lost.max(initial=0.0)))
        if growth > PROJECTING:  # and run and shadow may round alike
            made += rounding * math.exp(growth)
        self.error = min(1.0, self._inherited + made)


def tilt(state: Workspace) -> None:
    """Turn each site of a dense state by a random angle at the level of rounding.

    What rounding brings into another symmetry sector may grow until it is all there is. In two runs that round alike it
    does so alike, and none tells of the other; of a state by charge nothing leaves its sector.

    Parameters
    ----------
    state : Workspace
        Changed in place.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Site(["a", "b"], {})] * 2, ["a", "b"]).workspace(max_bond=1)
    >>> tilt(state)
    >>> first = state.view()[0][0, 0].ravel()
    >>> bool(0 < abs(first[1]) < 1e-13), bool(abs(first[0]) > 0.999)
    (True, True)
    """
    if any(any(charges) for charges in state.charges):
        return
    rng, angle = np.random.default_rng(0), TILT * float(np.finfo(state.dtype).eps)
    for j, charges in enumerate(state.charges):
        real, imaginary = rng.normal(size=(2, len(charges), len(charges)))
        half: NDArray[np.complex128] = real + 1j * imaginary
        turn = np.eye(len(charges), dtype=complex) + angle * (half - half.conj().T) / 2
        state.apply((Gate(turn, (j,)),), Truncation(max_bond=state.max_bond))


def coarser(truncation: Truncation) -> Truncation:
    """Return the truncation of a shadow.

    Parameters
    ----------
    truncation : Truncation
        That of the run.

    Examples
    --------
    >>> coarser(Truncation(max_bond=64, cutoff=1e-10))
    Truncation(max_bond=16, cutoff=1e-08, min_bond=4, excess=0.1)
    """
    bond = max(-(-truncation.max_bond // COARSER_BOND), min(FEWEST, truncation.max_bond - 1))
    cutoff = min(0.1, COARSER_CUTOFF * truncation.cutoff)
    return Truncation(max_bond=bond, cutoff=cutoff, min_bond=min(FEWEST, bond))


def swept(
    state: Workspace, layers: Sequence[Layer], last: int, truncation: Truncation
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Apply layers, and look at each pair of sites where the last ones act.

    Parameters
    ----------
    state : Workspace
        Changed in place.
    layers : sequence of Layer
        The gates.
    last : int
        How many of them, from the end, are looked at.
    truncation : Truncation
        What is kept.

    Returns
    -------
    lost : ndarray, shape (L - 1,)
        Weight discarded at each bond.
    pairs : ndarray, shape (L + 1, D, D)
        Density matrix of each pair of neighbours after the last gate on it, by its first site; zero if there is none.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).workspace(max_bond=2)
    >>> lost, pairs = swept(state, [(nh.Gate(np.eye(4), (0, 1)),)], 1, Truncation(max_bond=2))
    >>> np.diag(pairs[0]).real.tolist()  # up up, up down, down up, down down
    [0.0, 1.0, 0.0, 0.0]
    """
    lost = np.zeros(len(state.charges) - 1)
    D = max(len(a) * len(b) for a, b in itertools.pairwise([*state.charges, (0,)]))
    pairs = np.zeros((len(state.charges) + 1, D, D), dtype=complex)
    for k, layer in enumerate(layers):
        lost += state.apply(layer, truncation, pairs if k >= len(layers) - last else None)
    trace = np.trace(pairs, axis1=1, axis2=2)
    return lost, pairs / np.where(trace == 0, 1, trace)[:, None, None]


def distance(pairs: NDArray[Any], others: NDArray[Any]) -> float:
    """Return the largest trace distance of two density matrices of the same pair of sites.

    Parameters
    ----------
    pairs, others : ndarray, shape (n, D, D)
        As `swept` returns them.

    Examples
    --------
    >>> distance(np.diag([1.0, 0.0])[None], np.diag([0.75, 0.25])[None])
    0.25
    """
    return float(np.abs(np.linalg.eigvalsh(pairs - others)).sum(axis=1).max()) / 2


def truncated(state: Workspace, truncation: Truncation) -> tuple[Workspace, float]:
    """Return a copy of a state that has no larger bonds than these, and the largest weight that this discards.

    Parameters
    ----------
    state : Workspace
        Stays as it is.
    truncation : Truncation
        What is kept.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).workspace(max_bond=2)
    >>> truncated(state, Truncation(max_bond=1))[1]
    0.0
    """
    widest = max(state.bond_dimensions())
    copy = state.like(state.view(), state.centre, max(widest, truncation.max_bond))
    if widest <= truncation.max_bond:
        return copy, 0.0
    lost = np.zeros(len(state.charges) - 1)
    decomposed = replace(truncation, excess=0.0)
    dims = [len(site) for site in state.charges]
    for first in (0, 1):
        pairs = [(j, j + 1) for j in range(first, len(dims) - 1, 2)]
        lost += copy.apply(tuple(Gate(np.eye(dims[i] * dims[j], dtype=complex), (i, j)) for i, j in pairs), decomposed)
    return copy.like(copy.view(), copy.centre, truncation.max_bond), float(lost.max())
