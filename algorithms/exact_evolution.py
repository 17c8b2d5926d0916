"""Time evolution of an exact state vector."""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass, field, replace

import numpy as np
from typing_extensions import override

from mpsnh.algorithms.exact_paths import ExactPaths
from mpsnh.base.capability import Capability
from mpsnh.base.evolution import LOG_NORM, PURE, TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.open_model import OpenModel, require_no_jumps
from mpsnh.base.records import Diagnostic
from mpsnh.base.snapshot import ExactSnapshot, Snapshot
from mpsnh.checks import require, require_memory
from mpsnh.linalg.nilpotent import TerminatingPropagator
from mpsnh.linalg.propagator import Evolving, Propagator
from mpsnh.operators.configurations import as_float, space
from mpsnh.states.vector import ExactState


@dataclass(frozen=True)
class Vector:
    """An exact state on its way, where it began, and the propagators for the numbers of steps that were needed so far.

    Examples
    --------
    >>> evolution = ExactEvolution(dt=0.5, t_max=2.0)
    >>> round(float(np.linalg.norm(evolution.init(models.NonHermitianXXZ(L=4), None).evolving.vector)), 12)
    1.0
    """

    model: Model
    evolving: Evolving
    origin: Evolving
    begun: float
    propagators: dict[int, Propagator] = field(default_factory=dict)

    @property
    def returns(self) -> bool:
        """Whether states are made from where it began, since steps would add up rounding that a longer one has not."""
        return any(isinstance(propagator, TerminatingPropagator) for propagator in self.propagators.values())


class ExactEvolution(TimeEvolution[Vector]):
    """Evolution of an exact vector in the model's charge sector, without Trotter error.

    Rounding remains, which non-Hermitian Hamiltonians can amplify without limit. Each record says how far it may have
    led the state and `log_norm` astray: `ExactSnapshot.error` and `ExactSnapshot.log_norm_error` are estimated with a
    random change of the Hamiltonian by rounding, whose effect evolves beside the state (see
    `mpsnh.linalg.propagator.Evolving`), and are rarely below the true errors. An error of 2 means that the state is
    lost in rounding.

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

    yields = ExactSnapshot
    chooses_steps = True
    diagnostics = LOG_NORM | {
        "error": Diagnostic("error", "estimated error of the normalised state"),
        "log_norm_error": Diagnostic("log_norm_error", "estimated error of log_norm"),
    }

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return PURE

    @override
    def check(self, model: Model) -> None:
        require_no_jumps(model, "ExactEvolution")
        super().check(model)
        require_memory(self.bytes_needed(model), f"evolving vectors of {model.L} sites")
        self._begun[:] = [(weakref.ref(model), self._beginning(model))]

    @functools.cached_property
    def _begun(self) -> list[tuple[weakref.ref[Model], Evolving]]:
        """The model that was checked last and its initial vector, until a run begins with it."""
        return []

    def _beginning(self, model: Model) -> Evolving:
        state = self.initial_state(model)
        # what is contracted over bonds, and was split by singular values before, is rounded as a whole
        return Evolving.of(ExactState.from_mps(state, model.sector).vector, exact=state.max_bond() == 1)

    @override
    def bytes_needed(self, model: Model) -> float:
        if model.generator.period is not None:  # gates act on vectors of the whole space
            return 4 * 16 * float(np.prod([site.dim for site in model.sites], dtype=float))
        basis = space(model.sites, model.charge)  # not made only to be counted
        return basis.matrix_bytes() + 8 * 16 * as_float(basis.dim)  # and vectors to work with

    def paths(self, model: OpenModel) -> ExactPaths:
        """Return what trajectories of an open system need of this evolution.

        Parameters
        ----------
        model : OpenModel
            The open system.
        """
        super().check(model.no_click())
        return ExactPaths(model)

    @override
    def init(self, model: Model, after: Snapshot | None) -> Vector:
        if after is None:
            made = [start for known, start in self._begun if known() is model]
            self._begun.clear()
            start = made[0] if made else self._beginning(model)
            return Vector(model, start, start, 0.0)
        if not isinstance(after.state, ExactState):
            raise TypeError(f"ExactEvolution continues an ExactState, not {type(after.state).__name__}")
        theirs, ours = after.state.sector, model.sector
        same = (theirs.sites, theirs.charge) == (ours.sites, ours.charge)
        require(same, "sector of the state", theirs, f"{ours}, as the model has, on the same sites")
        vector, log_norm, carried = after.state.vector, after.log_norm or 0.0, after.carry
        if not carried:  # as of a snapshot that something else made
            start = replace(Evolving.of(vector), log_norm=log_norm)
            return Vector(model, start, start, after.time)
        now = Evolving(np.stack([vector, carried["sample"]], axis=1), log_norm, float(carried["slack"]))
        if "origin" not in carried:
            return Vector(model, now, now, after.time)
        begun, *numbers = carried["begun"].tolist()
        return Vector(model, now, Evolving(carried["origin"], *numbers), begun)

    @override
    def advance(self, carry: Vector, t: float, dt: float, steps: int) -> Vector:
        if steps not in carry.propagators:
            carry.propagators[steps] = carry.model.propagator(steps * dt, t)
        propagator = carry.propagators[steps]
        if isinstance(propagator, TerminatingPropagator):
            now = propagator.to(t + steps * dt - carry.begun).advance(carry.origin)
        else:
            now = propagator.advance(carry.evolving)
        return replace(carry, evolving=now)

    @override
    def record(self, carry: Vector, t: float) -> ExactSnapshot:
        now, origin = carry.evolving, carry.origin
        carried = {"sample": now.pair[:, 1].copy(), "slack": np.array(now.slack)}
        if carry.returns:
            carried |= {"origin": origin.pair, "begun": np.array([carry.begun, origin.log_norm, origin.slack])}
        state = ExactState(now.vector.copy(), carry.model.sector)
        error, log_norm_error = now.errors
        return ExactSnapshot(t, state, now.log_norm, carried, error=error, log_norm_error=log_norm_error)
