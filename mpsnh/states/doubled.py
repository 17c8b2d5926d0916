"""A run with steps of twice the length, from whose difference the error of the Trotter decomposition is estimated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Gate, Layer
from mpsnh.states.protocol import Workspace
from mpsnh.states.shadow import distance, swept, truncated
from mpsnh.states.truncation import Truncation

CAUTION = 3.0
"""By what the estimate is multiplied, since steps that are not small err in other ways than the leading order's."""


UNSEEN = -1.0
"""Instead of a distance that was not looked at yet."""


class DoubledSteps:
    """A state that goes through half as many steps of twice the length as another one that is truncated alike.

    The error of order p falls as dtᵖ, so that the distance of the two is 2ᵖ - 1 times the error of the better one. What
    truncation does to the two it does nearly alike; what is left of that makes the estimate larger.

    Parameters
    ----------
    state : Workspace
        The state where the run begins.
    truncation : Truncation
        That of the other run.
    order : int
        That of the decomposition.

    Attributes
    ----------
    error : float
        The estimate, from 0 to 1, of when the two were last at the same time; 1 as long as they were not.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2).workspace(max_bond=6)
    >>> DoubledSteps(state, Truncation(max_bond=2), order=2).error
    0.0
    """

    def __init__(self, state: Workspace, truncation: Truncation, order: int) -> None:
        self.truncation, self.order = truncation, order
        self.workspace, _ = truncated(state, truncation)
        self.error = 0.0
        self._behind = 0
        self._inherited = 0.0
        self._apart = [UNSEEN, UNSEEN]  # on even and odd bonds, which are looked at in turns
        self._next = 0

    def follow(self, layers: Callable[[int], Sequence[Layer]], steps: int, other: Workspace) -> None:
        """Take the steps that the other run has taken, and compare.

        Parameters
        ----------
        layers : callable
            Returns the layers of so many doubled steps.
        steps : int
            How many the other run has taken. Of an odd number one is left for the next time.
        other : Workspace
            Where these led.
        """
        if max(self._apart) == UNSEEN:
            self.error = 1.0
        doubled, self._behind = divmod(self._behind + steps, 2)
        if not doubled:
            return
        swept(self.workspace, layers(doubled), 0, self.truncation)
        if not self._behind and self.truncation.max_bond > 1:  # product states may stay as they are
            if max(self._apart) == UNSEEN:  # all bonds at first; of copies, since a look truncates
                copies = (state.like(state.view(), state.centre, state.max_bond) for state in (other, self.workspace))
                self._apart[1 - self._next] = self._distance(1 - self._next, *copies)
            self._apart[self._next] = self._distance(self._next, other, self.workspace)
            self._next = 1 - self._next
            self.error = min(1.0, self._inherited + CAUTION * max(self._apart) / (2**self.order - 1))
            other.move_to(len(other.charges) // 2)
        self.workspace.move_to(len(self.workspace.charges) // 2)

    def _distance(self, first: int, *states: Workspace) -> float:
        """Return how far two states are from each other on every second bond."""
        # not while gates act, which are not those of the other run, and change what stands elsewhere
        look = identities([len(site) for site in states[0].charges], first)
        pairs, own = (swept(state, [look], 1, self.truncation)[1] for state in states)
        return distance(pairs, own)

    def carry(self) -> dict[str, NDArray[Any]]:
        """Return what a run must know to go on."""
        numbers = [self.order, self._behind, self._next, self._inherited, self.error, *self._apart]
        return self.workspace.packed() | {"numbers": np.array(numbers)}

    @classmethod
    def resumed(
        cls, state: Workspace, truncation: Truncation, order: int, carry: Mapping[str, NDArray[Any]], error: float
    ) -> Self:
        """Return the state that a run left behind, or a new one if it left none that fits.

        Parameters
        ----------
        state : Workspace
            Where the run goes on.
        truncation : Truncation
            That of the other run.
        order : int
            That of the decomposition.
        carry : mapping of str to ndarray
            What `carry` returned.
        error : float
            What was known of the error of the state.
        """
        resumed = cls(state, truncation, order)
        # what steps of another order have left apart does not tell of these
        if "numbers" in carry and carry["numbers"][0] == order and resumed.workspace.unpack(carry):
            _, behind, parity, resumed._inherited, resumed.error, *resumed._apart = carry["numbers"].tolist()
            resumed._behind, resumed._next = int(behind), int(parity)
        else:
            resumed._inherited = resumed.error = error
        return resumed


def identities(dims: Sequence[int], first: int) -> Layer:
    """Return gates on every second bond that do nothing.

    Parameters
    ----------
    dims : sequence of int
        Dimension of each site.
    first : int
        The first bond.

    Examples
    --------
    >>> [gate.where for gate in identities([2] * 5, 1)]
    [(1, 2), (3, 4)]
    """
    bonds = range(first, len(dims) - 1, 2)
    return tuple(Gate(np.eye(dims[j] * dims[j + 1], dtype=complex), (j, j + 1)) for j in bonds)
