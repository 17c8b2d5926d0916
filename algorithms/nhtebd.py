"""Time-evolving block decimation with non-unitary gates."""

from __future__ import annotations

import functools
import math
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from mpsnh.base.evolution import LOG_NORM, TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic
from mpsnh.base.snapshot import NEVER, Snapshot, TruncatedSnapshot
from mpsnh.checks import require, require_memory
from mpsnh.language.circuit import ORDERS, Gate, Layer, repeated
from mpsnh.language.generator import Generator
from mpsnh.language.site import Site
from mpsnh.operators.sector import LEAK, joint_charges
from mpsnh.states.mps import MPS
from mpsnh.states.symmetric import SymmetricMPS, from_blocks, symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState, memory_needed


class NHTEBD(TimeEvolution["Sweep"]):
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
    >>> chain = models.NonHermitianXXZ(L=8, gamma=0.2, h=1.0)
    >>> *_, last = NHTEBD(dt=0.1, t_max=1.0, max_bond=16).records(chain)
    >>> last.state.max_bond() <= 16, last.discarded < 1e-6
    (True, True)
    """

    yields = TruncatedSnapshot
    diagnostics = LOG_NORM | {
        "discarded_weight": Diagnostic("discarded", "discarded weight summed over all truncations"),
        "discarded_step": Diagnostic("discarded_step", "discarded weight of a time step"),
        "max_bond": Diagnostic("max_bond", "largest bond dimension"),
        "noise": Diagnostic("noise", "estimated relative error by amplified noise"),
        "trust_time": Diagnostic("trust_time", "time to which the noise is estimated to be tolerable"),
    }
    order: int = 2
    max_bond: int = 64
    cutoff: float = 1e-10
    excess: float = 0.1
    precision: Literal["double", "single"] = "double"
    tolerance: float = 0.01

    @override
    def validate(self) -> None:
        super().validate()
        require(self.order in ORDERS, "order", self.order, "one of " + ", ".join(map(str, ORDERS)))
        self.truncation.validate()
        require(0 < self.tolerance < 1, "tolerance", self.tolerance, "between 0 and 1")

    @override
    def check(self, model: Model) -> None:
        super().check(model)
        allowed = {(j,) for j in range(model.L)} | {(j, j + 1) for j in range(model.L - 1)}
        plan = self._plan(model)
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
        plan.check_charge(model.charge)
        require_memory(
            self.bytes_needed(model), f"an MPS of {model.L} sites with bond dimensions up to {self.max_bond}"
        )
        state = self.initial_state(model)
        allowed_bond = f"≥ {state.max_bond()}, as the initial state needs"
        require(self.max_bond >= state.max_bond(), "max_bond", self.max_bond, allowed_bond)

    @override
    def bytes_needed(self, model: Model) -> float:
        conserves = self._plan(model).conserves
        charges = [site.charges if conserves else (0,) * site.dim for site in model.sites]
        return 2 * memory_needed(charges, self.max_bond, self._dtype)

    @functools.cached_property
    def _plans(self) -> weakref.WeakKeyDictionary[Generator, _Plan]:
        return weakref.WeakKeyDictionary()

    @property
    def truncation(self) -> Truncation:
        """What is kept of a bond after each gate."""
        return Truncation(max_bond=self.max_bond, cutoff=self.cutoff, excess=self.excess)

    def _plan(self, model: Model) -> _Plan:
        """Return the gates of a model, which take longer to make than a short run: checks and steps share them."""
        if model.generator not in self._plans:
            self._plans[model.generator] = _Plan(model.step(self.dt, self.order), model.sites)
        return self._plans[model.generator]

    @property
    def _dtype(self) -> type[np.complex64 | np.complex128]:
        return np.complex128 if self.precision == "double" else np.complex64

    @override
    def init(self, model: Model, after: Snapshot | None) -> Sweep:
        plan = self._plan(model)
        if after is None:
            initial = self.initial_state(model)
            normalised = self._suited(initial, plan).workspace()
            normalised.move_to(0)
            after = TruncatedSnapshot(0.0, _visible(normalised, model), 0.0, noise=_EPS[self.precision])
        state = after.state
        if not isinstance(state, MPS):
            raise TypeError(f"NHTEBD continues an MPS, not {type(state).__name__}")
        state = self._suited(state.on_sites(model.sites, "the state", "the model"), plan)
        workspace = state.workspace(self.max_bond, self._dtype)
        workspace.log_norm += after.log_norm or 0.0
        workspace.recall(after.carry)
        known = {name: getattr(after, name) for name in Sweep.KEPT if hasattr(after, name)}
        return Sweep(model, plan, workspace, **known)

    @staticmethod
    def _suited(state: MPS, plan: _Plan) -> MPS:
        """Return a state by charge if the gates conserve it, else a dense one."""
        if plan.conserves:
            return symmetric(state)
        if isinstance(state, SymmetricMPS):
            warnings.warn(
                "NHTEBD: the gates break the charge by which the state is stored; it goes on with dense tensors",
                RuntimeWarning,
                stacklevel=5,
            )
        return state.to_mps()

    @override
    def advance(self, carry: Sweep, t: float, dt: float, steps: int) -> Sweep:
        workspace, growth = carry.workspace, carry.plan.growth
        lost = np.zeros(carry.model.L - 1)
        for layer in carry.plan.layers(steps):
            lost += workspace.apply(layer, self.truncation)
        # In the middle, from where a window there is measured without contracting the rest of the chain.
        workspace.move_to(carry.model.L // 2)
        carry.discarded += float(lost.sum())
        carry.discarded_step = float(lost.sum()) / steps
        passed = carry.noise > self.tolerance
        grown = (carry.noise + _EPS[self.precision] * steps + float(lost.max())) * math.exp(growth * steps)
        carry.noise = min(1.0, grown)
        if not passed:
            carry.trust_time = min(NEVER, t + dt * (steps + _steps_to(self.tolerance / carry.noise, growth)))
        if carry.noise > self.tolerance and not passed:
            warnings.warn(
                f"NHTEBD: noise amplified by non-unitary gates may have reached {carry.noise:.1g}, above tolerance = "
                f"{self.tolerance:g}, at t = {t + steps * dt:g}; use a larger max_bond or a shorter time",
                RuntimeWarning,
                stacklevel=4,
            )
        return carry

    @override
    def record(self, carry: Sweep, t: float) -> TruncatedSnapshot:
        return TruncatedSnapshot(
            t,
            _visible(carry.workspace, carry.model),
            carry.workspace.log_norm,
            carry.workspace.carry(),
            **{name: getattr(carry, name) for name in Sweep.KEPT},
        )


@dataclass
class Sweep:
    """A state that gates change in place, and what is known of its errors.

    Examples
    --------
    >>> sweep = NHTEBD(dt=0.1, t_max=1.0).init(models.NonHermitianXXZ(L=4), None)
    >>> sweep.discarded, sweep.workspace.bond_dimensions()
    (0.0, [1, 1, 1, 1, 1])
    """

    KEPT: ClassVar[tuple[str, ...]] = ("discarded", "discarded_step", "noise", "trust_time")

    model: Model
    plan: _Plan
    workspace: BlockState
    discarded: float = 0.0
    discarded_step: float = 0.0
    noise: float = 0.0
    trust_time: float = NEVER


class _Plan:
    """The gates of a step, whether they conserve the charge of the sites, and how they amplify errors."""

    def __init__(self, step: list[Layer], sites: Sequence[Site]) -> None:
        self.sites, self.step = sites, step
        self.layers = functools.lru_cache(functools.partial(repeated, self.step))

    @functools.cached_property
    def _broken(self) -> tuple[Gate, int, int] | None:
        """The first gate that takes a state of one charge to one of another, and these charges."""
        for gate in (gate for layer in self.step for gate in layer):
            charges = joint_charges([self.sites[j].charges for j in gate.where])
            breaks = np.abs(gate.matrix) * (charges[:, None] != charges) > LEAK * np.abs(gate.matrix).max()
            if breaks.any():
                out, into = np.argwhere(breaks)[0]
                return gate, int(charges[into]), int(charges[out])
        return None

    @functools.cached_property
    def growth(self) -> float:
        return _amplification(self.step)

    @property
    def conserves(self) -> bool:
        return self._broken is None and any(any(site.charges) for site in self.sites)

    def check_charge(self, charge: int | None) -> None:
        """Raise if a model has a charge that a gate breaks."""
        if self._broken is not None and charge is not None:
            gate, before, after = self._broken
            raise ValueError(
                f"the gate on sites {gate.where} takes a state of charge {before} to one of charge {after}, but the "
                f"model has charge = {charge}; use charge=None if none is conserved"
            )


_EPS = {"double": float(np.finfo(np.float64).eps), "single": float(np.finfo(np.float32).eps)}


def _visible(workspace: BlockState, model: Model) -> MPS:
    """Return the state of a workspace, without copying it."""
    return from_blocks(workspace.view(), model.sites, (workspace.centre, workspace.centre + 1))


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


def _steps_to(factor: float, growth: float) -> float:
    """Return how many steps noise takes to grow by a factor: none if it is there already."""
    return 0.0 if factor <= 1 else math.inf if growth < 1e-12 else math.log(factor) / growth
