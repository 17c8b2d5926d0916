"""The Loschmidt echo."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.initial import InitialState, initial_state
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require
from mpsnh.states.folded import FoldedMPS
from mpsnh.states.vector import ExactState


class LoschmidtEcho(Observable[Snapshot]):
    """The Loschmidt echo |⟨ψ(0)|ψ(t)⟩|² of normalised states.

    Parameters
    ----------
    initial : "neel", pattern, sequence of str, or callable
        The state at time 0, as of the algorithm, which must begin with the same: a function is called for each record.

    Raises
    ------
    ValueError
        If the algorithm begins with another state.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=6)
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=1.0), {"echo": LoschmidtEcho()}).run()
    >>> round(data["echo"][0].item(), 12), bool(data["echo"][-1] < 0.9)
    (1.0, True)
    """

    measures = Snapshot
    needs = frozenset([Capability.PURE_STATE])
    long_name = "Loschmidt echo"
    initial: InitialState = "neel"

    @override
    def validate(self) -> None:
        if isinstance(self.initial, list):
            object.__setattr__(self, "initial", tuple(self.initial))

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        evolution = getattr(algorithm, "inner", algorithm)  # of trajectories
        if isinstance(evolution, TimeEvolution):
            same = evolution.initial == self.initial
            require(same, "initial", self.initial, f"that of the algorithm: {evolution.initial!r}")

    @override
    def __call__(self, record: Snapshot, model: Model) -> float:
        """Return the echo."""
        state: Any = record.state
        begun: Any = initial_state(self.initial, model)
        if isinstance(state, FoldedMPS):
            state = state.to_mps()
        if isinstance(state, ExactState):
            try:
                begun = ExactState.from_mps(begun, state.sector)
            except ValueError:  # a click has led to another sector, orthogonal to that of the beginning
                return 0.0
        return float(min(1.0, abs(state.overlap(begun)) ** 2 / (state.norm() * begun.norm()) ** 2))
