"""Time-evolving block decimation with non-unitary gates."""

from __future__ import annotations

import functools
import math
import warnings
import weakref
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.snapshot import NEVER, Snapshot
from mpsnh.checks import require, require_memory
from mpsnh.language.circuit import ORDERS, Gate, Layer, repeated
from mpsnh.operators.sector import LEAK
from mpsnh.states.mps import MPS
from mpsnh.states.symmetric import from_blocks, symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState, memory_needed


class NHTEBD(TimeEvolution):
    """Non-Hermitian TEBD of an open chain (after G. Vidal, PRL 91, 147902 (2003)).

    Non-unitary gates destroy the canonical form, so each gate acts, and is truncated, at the orthogonality centre,
    which moves through a layer by QR. The norm is taken out after every gate and summed in `Snapshot.log_norm`.

    If the gates conserve the charge of the sites and the initial state has a definite one, tensors are stored and
    split by blocks of charge, and the states are `mpsnh.SymmetricMPS`; else they are dense.

    A bond that has reached `max_bond` is truncated by projection on what the pair of sites makes of the old tensor
    (one step of subspace iteration), which leaves out the decomposition. How much more weight that discards is
    measured against a decomposition every few gates, and from then on so often that it stays below `excess`. Near the
    ends of the chain a bond may hold all states that there are: there a projection loses nothing.

    Non-unitary gates amplify noise. With the largest condition number κ of the gates of a step on one bond, an error
    is taken to grow by κ a step, as rounding does with the skin effect. `Snapshot.noise` sums up rounding and the
    weight discarded at the worst bond in this way. It is a rough estimate of the error of local values, far too large
    for late times at strong asymmetry (docs/conventions.md). `Snapshot.trust_time` is when it passes `tolerance`, with
    a warning.

    Parameters
    ----------
    dt : float
        Time step, in units of 1/J (1 for a Floquet model).
    t_max : float
        Final time, a multiple of `dt`.
    every : int
        Steps between records; half-layers of the steps in between are merged.
    order : {1, 2, 4}
        Trotter order: at fixed time the error scales as dt**order.
    max_bond : int
        Largest bond dimension χ.
    cutoff : float
        Largest weight (sum of squared singular values, relative to their total) that one truncation may discard
        as long as `max_bond` is not reached.
    excess : float
        Largest weight that a truncation may discard beyond that of a singular value decomposition, relative to it.
        The infidelity of the state grows by about the same factor. With 0, all bonds are decomposed.
    precision : "double" or "single"
        Of the tensors; in single precision norms, spectra and what is measured are still computed in double.
    tolerance : float
        Relative error of local values by amplified noise that is tolerable.
    initial : "neel" or callable
        The initial state, as for `mpsnh.TimeEvolution`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the model has terms that no gate on a bond can hold.
    FloatingPointError
        If the norm vanishes or is no longer finite.

    Examples
    --------
    >>> from mpsnh import models
    >>> chain = models.NonHermitianXXZ(L=8, gamma=0.2, h=1.0)
    >>> *_, last = NHTEBD(dt=0.1, t_max=1.0, max_bond=16).records(chain)
    >>> last.state.max_bond() <= 16, last.discarded < 1e-6
    (True, True)
    """

    order: int = 2
    max_bond: int = 64
    cutoff: float = 1e-10
    excess: float = 0.1
    precision: Literal["double", "single"] = "double"
    tolerance: float = 0.01

    def validate(self) -> None:
        """Check the parameters."""
        super().validate()
        require(self.order in ORDERS, "order", self.order, "one of " + ", ".join(map(str, ORDERS)))
        require(self.max_bond >= 1, "max_bond", self.max_bond, "at least 1")
        require(0 <= self.cutoff < 1, "cutoff", self.cutoff, "from 0 to below 1")
        require(0 <= self.excess <= 1, "excess", self.excess, "from 0 to 1")
        require(0 < self.tolerance < 1, "tolerance", self.tolerance, "between 0 and 1")

    def check(self, model: Model) -> None:
        """Raise if a gate does not act on one site or two neighbouring ones, or the initial state does not fit.

        Parameters
        ----------
        model : Model
            What to evolve.
        """
        super().check(model)
        allowed = {(j,) for j in range(model.L)} | {(j, j + 1) for j in range(model.L - 1)}
        plan = _plan(model, self.dt, self.order)
        for layer in plan.step:
            for gate in layer:
                if gate.where not in allowed:
                    raise ValueError(
                        f"a gate acts on sites {gate.where}; NHTEBD needs gates on one site or on neighbours (j, j+1) "
                        f"of the chain of {model.L} sites"
                    )
                d = int(np.prod([model.sites[j].dim for j in gate.where]))
                require(gate.matrix.shape == (d, d), f"gate shape on {gate.where}", gate.matrix.shape, f"({d}, {d})")
                if not np.isfinite(gate.matrix).all():
                    raise ValueError(f"the gate on {gate.where} has elements that are not finite")
        plan.check_charge()
        require_memory(self.memory(model), f"an MPS of {model.L} sites with bond dimensions up to {self.max_bond}")
        state = self.initial_state(model)
        allowed_bond = f"≥ {state.max_bond()}, as the initial state needs"
        require(self.max_bond >= state.max_bond(), "max_bond", self.max_bond, allowed_bond)

    def memory(self, model: Model) -> float:
        """Return the most bytes that the state, a copy of it in a record and the buffers of a gate can take.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        float
        """
        conserves = _plan(model, self.dt, self.order).conserves
        charges = [site.charges if conserves else (0,) * site.dim for site in model.sites]
        return 2 * memory_needed(charges, self.max_bond, self._dtype)

    @property
    def _dtype(self) -> type[np.complex64 | np.complex128]:
        return np.complex128 if self.precision == "double" else np.complex64

    def start(self, model: Model) -> Snapshot:
        """Return the initial state, normalised.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        Snapshot

        Raises
        ------
        FloatingPointError
            If its norm is zero or not finite.
        """
        state = self.initial_state(model)
        state = symmetric(state) if _plan(model, self.dt, self.order).conserves else state
        workspace = state.workspace()
        workspace.move_to(0)
        return Snapshot(0.0, _visible(workspace, model), noise=_EPS[self.precision])

    def stepper(self, model: Model) -> Callable[[Snapshot, int], Snapshot]:
        """Return the function that advances a snapshot, in place if nobody else holds it.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        callable
        """
        plan = _plan(model, self.dt, self.order)
        circuit = functools.lru_cache(lambda steps: repeated(plan.step, steps))
        growth = _amplification(plan.step)
        truncation = Truncation(max_bond=self.max_bond, cutoff=self.cutoff, excess=self.excess)
        workspace: BlockState | None = None
        produced: Callable[[], MPS | None] = _nothing

        def advance(snapshot: Snapshot, steps: int) -> Snapshot:
            nonlocal workspace, produced
            state = snapshot.state
            if not isinstance(state, MPS):
                raise TypeError(f"NHTEBD continues an MPS, not {type(state).__name__}")
            require(state.L == model.L, "number of sites of the state", state.L, f"{model.L}, as the model has")
            if workspace is None or state is not produced():
                state = symmetric(state) if plan.conserves else state
                workspace = state.workspace(self.max_bond, self._dtype)
                workspace.log_norm += snapshot.log_norm
                workspace.recall(snapshot.memory)
            time, discarded, noise = snapshot.time, snapshot.discarded, snapshot.noise
            trusted = snapshot.trust_time
            del snapshot, state
            lost = np.zeros(model.L - 1)
            for layer in circuit(steps):
                lost += workspace.apply(layer, truncation)
            # In the middle, from where a window there is measured without contracting the rest of the chain.
            workspace.move_to(model.L // 2)
            passed = noise > self.tolerance
            noise = min(1.0, (noise + _EPS[self.precision] * steps + float(lost.max())) * math.exp(growth * steps))
            if not passed:
                trusted = min(NEVER, time + self.dt * (steps + _steps_to(self.tolerance / noise, growth)))
            if noise > self.tolerance and not passed:
                warnings.warn(
                    f"NHTEBD: noise amplified by non-unitary gates may have reached {noise:.1g}, above tolerance = "
                    f"{self.tolerance:g}, at t = {time + steps * self.dt:g}; use a larger max_bond or a shorter time",
                    RuntimeWarning,
                    stacklevel=4,
                )
            visible = _visible(workspace, model)
            produced = weakref.ref(visible)
            return Snapshot(
                time,
                visible,
                workspace.log_norm,
                discarded + float(lost.sum()),
                float(lost.sum()) / steps,
                noise,
                trusted,
                workspace.carry(),
            )

        return advance


class _Plan:
    """The gates of a step, and whether they conserve the charge of the sites.

    To make them takes longer than a short run, which needs them for its checks, its memory, its start and its steps.
    """

    def __init__(self, model: Model, dt: float, order: int) -> None:
        self.model, self.key = model, (dt, order)
        self.step = model.step(dt, order)

    @functools.cached_property
    def _broken(self) -> tuple[Gate, int, int] | None:
        """The first gate that takes a state of one charge to one of another, and these charges."""
        for gate in (gate for layer in self.step for gate in layer):
            charges = _pair_charges(self.model, gate)
            breaks = np.abs(gate.matrix) * (charges[:, None] != charges) > LEAK * np.abs(gate.matrix).max()
            if breaks.any():
                out, into = np.argwhere(breaks)[0]
                return gate, int(charges[into]), int(charges[out])
        return None

    @property
    def conserves(self) -> bool:
        return self._broken is None and any(any(site.charges) for site in self.model.sites)

    def check_charge(self) -> None:
        """Raise if the model has a charge that a gate breaks."""
        if self._broken is not None and self.model.charge is not None:
            gate, before, after = self._broken
            raise ValueError(
                f"the gate on sites {gate.where} takes a state of charge {before} to one of charge {after}, but the "
                f"model has charge = {self.model.charge}; use charge=None if none is conserved"
            )


_latest: list[_Plan] = []


def _plan(model: Model, dt: float, order: int) -> _Plan:
    """Return the plan of a model, which is the latest one as long as a single run asks."""
    for plan in _latest:
        if plan.model is model and plan.key == (dt, order):
            return plan
    plan = _Plan(model, dt, order)
    _latest[:] = [plan]
    return plan


_EPS = {"double": float(np.finfo(np.float64).eps), "single": float(np.finfo(np.float32).eps)}


def _visible(workspace: BlockState, model: Model) -> MPS:
    """Return the state of a workspace, without copying it."""
    return from_blocks(workspace.view(), model.sites, (workspace.centre, workspace.centre + 1))


def _pair_charges(model: Model, gate: Gate) -> NDArray[np.int64]:
    charges = np.zeros(1, dtype=np.int64)
    for j in gate.where:
        charges = np.add.outer(charges, model.sites[j].charges).ravel()
    return charges


def _amplification(step: list[Layer]) -> float:
    """Return the largest logarithm of the product of condition numbers of the gates of one step on the same sites."""
    logarithms: dict[tuple[int, ...], float] = {}
    for gate in (gate for layer in step for gate in layer):
        singular = np.linalg.svd(gate.matrix, compute_uv=False)
        with np.errstate(divide="ignore"):
            spread = float(np.log(singular[0] / singular[-1])) if singular[0] > 0 else 0.0
        logarithms[gate.where] = logarithms.get(gate.where, 0.0) + spread
    return min(max(logarithms.values(), default=0.0), _MOST_GROWTH)


_MOST_GROWTH = 50.0
"""Growth in one step, as that of a projector, that already turns rounding into an error of order one."""


def _nothing() -> None:
    """Stand for the state of an evolution that has not begun."""


def _steps_to(factor: float, growth: float) -> float:
    """Return how many steps noise takes to grow by a factor: none if it is there already."""
    return 0.0 if factor <= 1 else math.inf if growth < 1e-12 else math.log(factor) / growth
