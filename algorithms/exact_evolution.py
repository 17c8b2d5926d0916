"""Time evolution of an exact state vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require_memory
from mpsnh.linalg.propagator import Propagator
from mpsnh.states.vector import ExactState


class ExactEvolution(TimeEvolution):
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

    def check(self, model: Model) -> None:
        """Raise if the vectors will not fit in memory or the initial state lies outside of the sector.

        Parameters
        ----------
        model : Model
            What to evolve.
        """
        super().check(model)
        require_memory(self.memory(model), f"evolving vectors of {model.L} sites")
        self.start(model)

    def memory(self, model: Model) -> float:
        """Return the bytes of the vectors and the sparse matrix.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        float
        """
        # the initial vector in the whole space, and the matrix and work vectors of the sector (at most as large)
        return 16 * float(np.prod([site.dim for site in model.sites], dtype=float)) * (8 + 2 * model.L)

    def start(self, model: Model) -> Snapshot:
        """Return the initial state as a normalised vector of the sector.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        Snapshot
        """
        vector = model.sector.project(self.initial_state(model).to_vector())
        return Snapshot(0.0, ExactState(vector / np.linalg.norm(vector), model.sector))

    def stepper(self, model: Model) -> Callable[[Snapshot, int], Snapshot]:
        """Return the function that advances a snapshot.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        callable
        """
        propagators: dict[int, Propagator] = {}

        def advance(snapshot: Snapshot, steps: int) -> Snapshot:
            if not isinstance(snapshot.state, ExactState):
                raise TypeError(f"ExactEvolution continues an ExactState, not {type(snapshot.state).__name__}")
            if steps not in propagators:
                propagators[steps] = model.propagator(steps * self.dt)
            vector, growth = propagators[steps].evolve(snapshot.state.vector)
            return replace(snapshot, state=ExactState(vector, model.sector), log_norm=snapshot.log_norm + growth)

        return advance
