"""Gates of parts of a time step, of any length."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Gate, Layer, schedule

SMALL = 0.25
"""Norm up to which a matrix goes into the Taylor series of its exponential."""

TERMS = 13
"""Of this series, of which the last is below 1e-16."""


class PartialSteps:
    """What makes the gates of a Trotter step of any length, all bonds at once.

    Parameters
    ----------
    bonds : sequence of ndarray, shape (d_j d_{j+1}, d_j d_{j+1})
        Bond Hamiltonians h_j on sites (j, j + 1).
    order : {1, 2, 4}
        Trotter order.

    Examples
    --------
    >>> steps = PartialSteps([np.diag([0.0, 1.0, 1.0, 0.0]).astype(complex)] * 3, order=2)
    >>> [[gate.where for gate in layer] for layer in steps.of(0.1)]
    [[(0, 1), (2, 3)], [(1, 2)], [(0, 1), (2, 3)]]
    """

    def __init__(self, bonds: Sequence[NDArray[np.complex128]], order: int) -> None:
        self._schedule = [(parity, fraction) for parity, fraction in schedule(order) if parity < len(bonds)]
        sizes = {(j % 2, len(bond)) for j, bond in enumerate(bonds)}
        places = {key: [j for j, bond in enumerate(bonds) if (j % 2, len(bond)) == key] for key in sorted(sizes)}
        self._stacks = [(parity, which, np.stack([bonds[j] for j in which])) for (parity, _), which in places.items()]

    def of(self, time: float) -> list[Layer]:
        """Return the layers of a step.

        Parameters
        ----------
        time : float
            Its length.
        """
        layers: dict[tuple[int, float], Layer] = {}
        for parity, fraction in set(self._schedule):
            gates: list[Gate] = []
            for of_stack, which, stack in self._stacks:
                if of_stack == parity:
                    made = exponentials(-1j * time * fraction * stack)
                    gates += [Gate(gate, (j, j + 1)) for gate, j in zip(made, which, strict=True)]
            layers[parity, fraction] = tuple(gates)
        return [layers[stage] for stage in self._schedule]


def exponentials(stack: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the exponentials of small matrices, all at once, by scaling, a Taylor series and squaring.

    Parameters
    ----------
    stack : ndarray, shape (n, d, d)
        The matrices.

    Examples
    --------
    >>> exponentials(np.log(np.array([[[2.0]], [[50.0]]]).astype(complex))).real.round(12).ravel().tolist()
    [2.0, 50.0]
    """
    norm = float(np.abs(stack).sum(axis=2).max(initial=0.0))
    halvings = max(0, math.ceil(math.log2(norm / SMALL))) if norm > 0 else 0
    scaled = stack / 2**halvings
    result = power = np.broadcast_to(np.eye(stack.shape[1], dtype=complex), stack.shape)
    for k in range(1, TERMS):
        power = power @ scaled / k
        result = result + power
    for _ in range(halvings):
        result = result @ result
    return result
