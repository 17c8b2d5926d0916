"""A run with steps of twice the length, from whose difference the error of the Trotter decomposition is estimated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Layer
from mpsnh.states.shadow import distance, swept, truncated
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState

CAUTION = 3.0
"""By what the estimate is multiplied, since steps that are not small err in other ways than the leading order's."""


class DoubledSteps:
    """A state that goes through half as many steps of twice the length as another one that is truncated alike.

    The error of order p falls as dtᵖ, so that the distance of the two is 2ᵖ - 1 times the error of the better one. What
    truncation does to the two it does nearly alike; what is left of that makes the estimate larger.

    Parameters
    ----------
    state : BlockState
        The state where the run begins.
    truncation : Truncation
        That of the other run.
    order : int
        That of the decomposition.

    Attributes
    ----------
    error : float
        The estimate, from 0 to 1, of when the two were last at the same time.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2).workspace(max_bond=6)
    >>> DoubledSteps(state, Truncation(max_bond=2), order=2).error
    0.0
    """

    def __init__(self, state: BlockState, truncation: Truncation, order: int) -> None:
        self.truncation, self.order = truncation, order
        self.workspace, _ = truncated(state, truncation)
        self.error = 0.0
        self._behind = 0
        self._inherited = 0.0

    def follow(self, layers: Callable[[int], Sequence[Layer]], steps: int, pairs: NDArray[Any]) -> None:
        """Take the steps that the other run has taken, and compare.

        Parameters
        ----------
        layers : callable
            Returns the layers of so many doubled steps.
        steps : int
            How many the other run has taken. Of an odd number one is left for the next time.
        pairs : ndarray, shape (L + 1, D, D)
            What the other run made of pairs of neighbours, as `swept` returns it.
        """
        doubled, self._behind = divmod(self._behind + steps, 2)
        if not doubled:
            return
        _, own = swept(self.workspace, layers(doubled), 1, self.truncation)
        self.workspace.move_to(len(pairs) // 2 - 1)
        if not self._behind:
            seen = np.trace(own, axis1=1, axis2=2).real > 0  # of the others the last layer is not the last gate
            apart = distance(pairs[seen], own[seen]) if seen.any() else 1.0
            self.error = min(1.0, self._inherited + CAUTION * apart / (2**self.order - 1))

    def carry(self) -> dict[str, NDArray[Any]]:
        """Return what a run must know to go on."""
        return self.workspace.packed() | {"numbers": np.array([self._behind, self._inherited, self.error])}

    @classmethod
    def resumed(
        cls, state: BlockState, truncation: Truncation, order: int, carry: Mapping[str, NDArray[Any]], error: float
    ) -> Self:
        """Return the state that a run left behind, or a new one if it left none that fits.

        Parameters
        ----------
        state : BlockState
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
        if resumed.workspace.unpack(carry):
            behind, resumed._inherited, resumed.error = carry["numbers"].tolist()
            resumed._behind = int(behind)
        else:
            resumed._inherited = resumed.error = error
        return resumed
