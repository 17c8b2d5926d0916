"""Properties of mixed states."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.snapshot import Snapshot
from mpsnh.states.density_mps import DensityMPS
from mpsnh.states.state import Mixed, Pure


class Purity(Observable[Snapshot]):
    """The purity Tr ρ² / (Tr ρ)² of the whole chain, 1 for a pure state.

    Examples
    --------
    >>> chain = models.OpenXXZ(L=4, gamma=0.5)
    >>> data = nh.Simulation(chain, algorithms.DensityTEBD(dt=0.1, t_max=0.1), {"purity": Purity()}).run()
    >>> data["purity"].round(2).values.tolist()
    [1.0, 0.76]
    """

    measures = Snapshot
    long_name = "purity"

    @override
    def __call__(self, record: Snapshot, model: Model) -> float:
        """Return the purity."""
        state = record.state
        if isinstance(state, Mixed):
            return state.purity()
        if isinstance(state, Pure):
            return 1.0
        raise TypeError(f"Purity needs a state that knows whether it is pure, not a {type(state).__name__}")


class OperatorEntanglement(Observable[Snapshot]):
    """The operator entanglement of a density operator across each bond, in natural units.

    It is the von Neumann entropy of |ρ⟩⟩ / ‖ρ‖, read as a pure state, and says which bond dimension ρ needs. It is not
    the entanglement of the two parts.

    Examples
    --------
    >>> chain = models.OpenXXZ(L=4, gamma=0.5)
    >>> data = nh.Simulation(chain, algorithms.DensityTEBD(dt=0.1, t_max=0.1), {"S": OperatorEntanglement()}).run()
    >>> data["S"].shape, bool((data["S"][1] > 1e-3).all())
    ((2, 3), True)
    """

    measures = Snapshot
    needs = frozenset([Capability.DENSITY_MPS])
    dims = ("bond",)
    long_name = "operator entanglement of each bond"

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[np.float64]:
        """Return the entropy for each bond."""
        return cast(DensityMPS, record.state).operator_entanglement()
