"""Time evolution of an exact state vector."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require, require_memory
from mpsnh.linalg.propagator import Propagator
from mpsnh.states.vector import ExactState


@dataclass(frozen=True)
class Vector:
    """An exact state on its way, and the propagators for the numbers of steps that were needed so far.

    Examples
    --------
    >>> evolution = ExactEvolution(dt=0.5, t_max=2.0)
    >>> round(float(np.linalg.norm(evolution.init(models.NonHermitianXXZ(L=4), None).amplitudes)), 12)
    1.0
    """

    model: Model
    amplitudes: NDArray[np.complex128]
    log_norm: float
    propagators: dict[int, Propagator]


class ExactEvolution(TimeEvolution[Vector]):
    """Evolution of an exact vector in the model's charge sector, without Trotter error.

    Parameters
    ----------
    dt, t_max, every, initial
        The time grid and the initial state, as for `mpsnh.TimeEvolution`; the result does not depend on `dt`.

    Raises
    ------
    ValueError
        If the initial state does not lie in the model's sector.
    MemoryError
        If the vectors do not fit in memory.
    FloatingPointError
        If an operator makes the vector vanish or not finite.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=6, gamma=0.2, h=1.0)
    >>> *_, last = ExactEvolution(dt=0.5, t_max=2.0).records(chain)
    >>> last.time
    2.0
    """

    @override
    def check(self, model: Model) -> None:
        super().check(model)
        require_memory(self.bytes_needed(model), f"evolving vectors of {model.L} sites")
        self.init(model, None)

    @override
    def bytes_needed(self, model: Model) -> float:
        # the initial vector in the whole space, and the matrix and work vectors of the sector (at most as large)
        return 16 * float(np.prod([site.dim for site in model.sites], dtype=float)) * (8 + 2 * model.L)

    @override
    def init(self, model: Model, after: Snapshot | None) -> Vector:
        if after is None:
            vector = model.sector.project(self.initial_vector(model))
            return Vector(model, vector / np.linalg.norm(vector), 0.0, {})
        if not isinstance(after.state, ExactState):
            raise TypeError(f"ExactEvolution continues an ExactState, not {type(after.state).__name__}")
        theirs, ours = after.state.sector, model.sector
        same = (theirs.sites, theirs.charge) == (ours.sites, ours.charge)
        require(same, "sector of the state", theirs, f"{ours}, as the model has, on the same sites")
        return Vector(model, after.state.vector, after.log_norm or 0.0, {})

    @override
    def advance(self, carry: Vector, t: float, dt: float, steps: int) -> Vector:
        if steps not in carry.propagators:
            carry.propagators[steps] = carry.model.propagator(steps * dt, t)
        vector, growth = carry.propagators[steps].evolve(carry.amplitudes)
        return replace(carry, amplitudes=vector, log_norm=carry.log_norm + growth)

    @override
    def record(self, carry: Vector, t: float) -> Snapshot:
        return Snapshot(t, ExactState(carry.amplitudes, carry.model.sector), carry.log_norm)
