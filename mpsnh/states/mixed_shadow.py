"""A second run beside that of a density operator, from whose difference the error of truncation is estimated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Layer
from mpsnh.language.doubled import DoubledSite
from mpsnh.states.density_mps import DensityMPS
from mpsnh.states.protocol import Workspace
from mpsnh.states.shadow import ROUNDING, coarser, distance, swept, truncated
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.truncation import Truncation

CAUTION = 4.0
"""By what the estimate is multiplied. With 2, as for pure states, it is too small in one of ten records."""


class MixedShadow:
    """A density operator that goes through the same gates as another one and is truncated more.

    As for a pure state (`mpsnh.states.shadow.Shadow`) the error falls with the root of the weight that is discarded,
    so that the distance of the two tells that of the better one. It is the largest trace distance of the density
    matrices of two neighbours, which no gate of a Lindblad equation makes grow in the whole.

    Parameters
    ----------
    state : Workspace
        The density operator where the run begins.
    truncation : Truncation
        That of the run.

    Attributes
    ----------
    error : float
        The estimate, from 0 to 1.

    Examples
    --------
    >>> mixed = nh.DensityMPS.infinite_temperature([nh.Spin(0.5)] * 4)
    >>> MixedShadow(mixed.mps.workspace(max_bond=12), Truncation(max_bond=12)).truncation.max_bond
    4
    """

    def __init__(self, state: Workspace, truncation: Truncation) -> None:
        self.truncation = coarser(truncation)
        self.workspace, lost = truncated(state, self.truncation)
        self._weights = np.array([0.0, lost])
        self._inherited = 0.0
        self.error = float(np.finfo(state.dtype).eps)

    def follow(self, layers: Sequence[Layer], lost: float, state: DensityMPS) -> None:
        """Apply layers that the run has applied, and compare.

        Parameters
        ----------
        layers : sequence of Layer
            The gates.
        lost : float
            Weight that the run discarded in them, on all bonds.
        state : DensityMPS
            What it made.
        """
        own, _ = swept(self.workspace, layers, 0, self.truncation)
        self.workspace.move_to(len(own) // 2)
        rounding = ROUNDING * float(np.finfo(self.workspace.dtype).eps)
        self._weights += np.array([lost, own.sum()]) + rounding**2
        sites = [site for site in state.mps.local_sites or () if isinstance(site, DoubledSite)]
        vector = from_blocks(self.workspace.view(), sites, (self.workspace.centre, self.workspace.centre + 1))
        try:
            apart = distance(_pairs(state), _pairs(DensityMPS(vector, state.weight)))
        except ValueError:  # its trace is lost
            apart = 1.0
        ratio = math.sqrt(min(1.0, self._weights[0] / self._weights[1]))
        self.error = min(1.0, self._inherited + CAUTION * apart * ratio)

    def carry(self) -> dict[str, NDArray[Any]]:
        """Return what a run must know to go on."""
        return self.workspace.packed() | {"weights": np.array([*self._weights, self._inherited, self.error])}

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
            shadow._inherited, shadow.error = carry["weights"][2:].tolist()
        else:
            shadow._inherited = shadow.error = max(error, shadow.error)
        return shadow


def _pairs(state: DensityMPS) -> NDArray[np.complex128]:
    """Return the density matrices of all neighbours."""
    dims = [site.dim for site in state.local_sites]
    largest = max(a * b for a, b in itertools.pairwise(dims))
    pairs = np.zeros((len(dims) - 1, largest, largest), dtype=complex)
    for j, pair in enumerate(pairs):
        matrix = state.reduced([j, j + 1])
        pair[: len(matrix), : len(matrix)] = (matrix + matrix.conj().T) / 2
    return pairs
