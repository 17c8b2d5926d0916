"""A second run beside that of a density operator, from whose difference the error of truncation is estimated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Layer
from mpsnh.language.doubled import DoubledSite
from mpsnh.states.density_mps import DensityMPS
from mpsnh.states.shadow import CoarserRun, distance, swept
from mpsnh.states.symmetric import from_blocks

CAUTION = 4.0
"""By what the estimate is multiplied. With 2, as for pure states, it is too small in one of ten records."""


class MixedShadow(CoarserRun):
    """A density operator that goes through the same gates as another one and is truncated more.

    As for a pure state (`mpsnh.states.shadow.Shadow`) the error falls with the root of the weight that is discarded,
    so that the distance of the two tells that of the better one. It is the largest trace distance of the density
    matrices of two neighbours, which no gate of a Lindblad equation makes grow in the whole.

    Examples
    --------
    >>> mixed = nh.DensityMPS.infinite_temperature([nh.Spin(0.5)] * 4)
    >>> from mpsnh.states.truncation import Truncation
    >>> MixedShadow(mixed.mps.workspace(max_bond=12), Truncation(max_bond=12)).truncation.max_bond
    4
    """

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
        self._discard(lost, float(own.sum()))
        sites = [site for site in state.mps.local_sites or () if isinstance(site, DoubledSite)]
        vector = from_blocks(self.workspace.view(), sites, (self.workspace.centre, self.workspace.centre + 1))
        try:
            apart = distance(_pairs(state), _pairs(DensityMPS(vector, state.weight)))
        except ValueError:  # its trace is lost
            apart = 1.0
        ratio = math.sqrt(min(1.0, self._weights[0] / self._weights[1]))
        self.error = min(1.0, self._inherited + CAUTION * apart * ratio)


def _pairs(state: DensityMPS) -> NDArray[np.complex128]:
    """Return the density matrices of all neighbours."""
    dims = [site.dim for site in state.local_sites]
    largest = max(a * b for a, b in itertools.pairwise(dims))
    pairs = np.zeros((len(dims) - 1, largest, largest), dtype=complex)
    for j, pair in enumerate(pairs):
        matrix = state.reduced([j, j + 1])
        pair[: len(matrix), : len(matrix)] = (matrix + matrix.conj().T) / 2
    return pairs
