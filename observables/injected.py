"""What the jumps of an open system bring in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.open_model import OpenModel
from mpsnh.base.snapshot import Snapshot
from mpsnh.language.opsum import OpSum
from mpsnh.operators.bonds import MAX_SPAN
from mpsnh.operators.lindblad import dissipated


class InjectedCurrent(Observable[Snapshot]):
    """What jumps bring to each site in unit time, ⟨𝓓†(Sᶻ_j)⟩ with 𝓓†(O) = Σ_k (L_k† O L_k - {L_k† L_k, O} / 2).

    It completes the continuity equation of the average over jumps, d⟨Sᶻ_j⟩/dt = ⟨I_{j-1}⟩ - ⟨I_j⟩ + ⟨𝓓†(Sᶻ_j)⟩, with
    the currents I_j that the Hamiltonian makes flow (`CurrentProfile`). Jumps that act on several sites also carry from
    one to the other, which counts here.

    Parameters
    ----------
    operator : str
        What is brought, by its name on each site: "Sz" of spins, "n" of particles; no fermionic operator.

    Raises
    ------
    TypeError
        If the model is no `mpsnh.OpenModel`.

    Examples
    --------
    >>> pumped = models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[OpSum([(2.0, "Sp", 1)])])
    >>> data = nh.Simulation(pumped, algorithms.OpenSystem(dt=0.1, t_max=0.1), {"I": InjectedCurrent()}).run()
    >>> data["I"][0].values.tolist()  # up, down
    [0.0, 4.0]
    """

    measures = Snapshot
    dims = ("site",)
    long_name = "what jumps bring to each site in unit time"
    units = "J"
    operator: str = "Sz"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        _require_open(model)
        for site in set(model.sites):
            site.op(self.operator)

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[np.float64]:
        """Return ⟨𝓓†(O_j)⟩ for each site j."""
        total, near, where = np.zeros(model.L), [], []
        for j in range(model.L):
            for jump in _require_open(model).generator.jumps:
                change = dissipated(OpSum([(1.0, self.operator, j)]), [jump])
                sites = [i for term in change for _, i in term.factors]
                if sites and max(sites) - min(sites) < MAX_SPAN:
                    near.append(change)
                    where.append(j)
                else:
                    total[j] += record.state.expect(change).real if sites else 0.0
        np.add.at(total, where, record.state.expect_each(*near).real)
        return total


def _require_open(model: Model) -> OpenModel:
    if not isinstance(model, OpenModel):
        name = type(model).__name__
        raise TypeError(f"InjectedCurrent needs an OpenModel, whose jumps it asks for, which {name} is not")
    return model
