"""Time-evolving block decimation with non-unitary gates."""

from __future__ import annotations

import functools
import math
import warnings
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.evolution import LOG_NORM, PURE, TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic
from mpsnh.base.snapshot import NEVER, Snapshot, TruncatedSnapshot
from mpsnh.checks import require, require_memory
from mpsnh.language.circuit import ORDERS, Gate, Layer, repeated
from mpsnh.language.site import Site
from mpsnh.operators.sector import LEAK, joint_charges
from mpsnh.states.memory import memory_needed
from mpsnh.states.mps import MPS
from mpsnh.states.shadow import Shadow, coarser, swept
from mpsnh.states.symmetric import SymmetricMPS, from_blocks, require_charge, symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState


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

    A second run with a third of the bond dimension tells the error of truncation: `Snapshot.noise` estimates by
    how much values on neighbouring sites are off, relative to the spread of the operator's eigenvalues
    (`mpsnh.states.shadow`, docs/conventions.md). `Snapshot.trust_time` is the last record before it passes `tolerance`,
    with a warning. The error of the Trotter decomposition is not part of it. What an initial state
    has in other charges at the level of rounding is left out, and is part of it as large as the gates can have made it,
    unless the model has a `charge`.

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
        The infidelity of the state grows by about the same factor. With 0, or below a bond dimension of 16, all bonds
        are decomposed.
    precision : "double" or "single"
        Of the tensors; in single precision norms, spectra and what is measured are still computed in double.
    tolerance : float or None
        Error of local values by truncation that is tolerable, between 0 and 1. With None nothing is estimated: `noise`
        is 1, which is always true, and `trust_time` is 0.
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

    definition = 2  # `noise` is the difference of a coarser run, and `log_norm` counts gates only
    yields = TruncatedSnapshot
    diagnostics = LOG_NORM | {
        "discarded_weight": Diagnostic("discarded", "discarded weight summed over all truncations"),
        "discarded_step": Diagnostic("discarded_step", "discarded weight of a time step"),
        "max_bond": Diagnostic("max_bond", "largest bond dimension"),
        "noise": Diagnostic("noise", "estimated error of local values by truncation"),
        "trust_time": Diagnostic("trust_time", "last record before this estimate passes the tolerance", "time"),
    }
    order: int = 2
    max_bond: int = 64
    cutoff: float = 1e-10
    excess: float = 0.1
    precision: Literal["double", "single"] = "double"
    tolerance: float | None = 0.01

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return PURE

    @override
    def validate(self) -> None:
        super().validate()
        require(self.order in ORDERS, "order", self.order, "one of " + ", ".join(map(str, ORDERS)))
        Truncation(max_bond=self.max_bond, cutoff=self.cutoff, excess=self.excess)
        if self.tolerance is not None:
            require(0 < self.tolerance < 1, "tolerance", self.tolerance, "between 0 and 1, or None")

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
        require_charge(state, model.charge)

    @override
    def bytes_needed(self, model: Model) -> float:
        conserves = self._plan(model).conserves
        charges = [site.charges if conserves else (0,) * site.dim for site in model.sites]
        bonds = [self.max_bond] if self.tolerance is None else [self.max_bond, coarser(self.truncation).max_bond]
        return 2 * sum(memory_needed(charges, bond, self._dtype) for bond in bonds)

    @functools.cached_property
    def _plans(self) -> dict[int, tuple[weakref.ref[Model], _Plan]]:
        return {}

    @property
    def truncation(self) -> Truncation:
        """What is kept of a bond after each gate."""
        excess = self.excess if self.max_bond >= _SMALL else 0.0
        return Truncation(max_bond=self.max_bond, cutoff=self.cutoff, excess=excess)

    def _plan(self, model: Model) -> _Plan:
        """Return the gates of a model, which take longer to make than a short run: checks and steps share them."""
        reference, plan = self._plans.get(id(model), (None, None))
        if plan is None or reference is None or reference() is not model:
            plan = _Plan(model.step(self.dt, self.order), model.sites)
            forget = functools.partial(self._plans.pop, id(model), None)
            self._plans[id(model)] = weakref.ref(model, lambda _: forget()), plan
        return plan

    @property
    def _dtype(self) -> type[np.complex64 | np.complex128]:
        return np.complex128 if self.precision == "double" else np.complex64

    @override
    def init(self, model: Model, after: Snapshot | None) -> Sweep:
        plan = self._plan(model)
        if after is None:
            initial = self.initial_state(model)
            suited = self._suited(initial, plan)
            normalised = suited.workspace()
            normalised.move_to(0)
            noise = 0.0 if self.tolerance else 1.0
            after = TruncatedSnapshot(0.0, _visible(normalised, model), 0.0, _left_out(suited, model), noise=noise)
        state = after.state
        if not isinstance(state, MPS):
            raise TypeError(f"NHTEBD continues an MPS, not {type(state).__name__}")
        state = self._suited(state.on_sites(model.sites, "the state", "the model"), plan)
        require_charge(state, model.charge)
        workspace = state.workspace(self.max_bond, self._dtype)
        workspace.log_norm += after.log_norm or 0.0
        workspace.recall(after.carry)
        sweep = Sweep(model, plan, workspace, None, getattr(after, "discarded", 0.0))
        left_out = {**_left_out(state, model), **after.carry}
        sweep.left_out = float(left_out.get(_LEFT_OUT, -math.inf))
        if self.tolerance is None:
            sweep.noise, sweep.trust_time = 1.0, 0.0
        else:
            left = {name.removeprefix(_SHADOW): a for name, a in after.carry.items() if name.startswith(_SHADOW)}
            sweep.shadow = Shadow.resumed(workspace, self.truncation, left, getattr(after, "noise", 0.0))
            sweep.noise, sweep.trust_time = sweep.shadow.error, getattr(after, "trust_time", NEVER)
        return sweep

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
        workspace, layers = carry.workspace, carry.plan.layers(steps)
        before = workspace.log_norm
        last = 0 if carry.shadow is None else len(carry.plan.step)  # layers whose pairs are compared
        lost, pairs = swept(workspace, layers, last, self.truncation)
        # In the middle, from where a window there is measured without contracting the rest of the chain.
        workspace.move_to(carry.model.L // 2)
        carry.discarded += float(lost.sum())
        carry.discarded_step = float(lost.sum()) / steps
        if carry.shadow is not None and self.tolerance is not None:
            carry.shadow.follow(layers, last, lost, pairs, carry.plan.growth * steps)
            # The norm of what is left out has grown by no more than all gates together let it.
            leaks = (
                carry.plan.leak + math.log(steps) if carry.model.charge is None and carry.plan.conserves else -math.inf
            )
            grown = carry.plan.reach * steps - (workspace.log_norm - before)
            carry.left_out = float(np.logaddexp(carry.left_out, leaks)) + grown
            carry.noise = min(1.0, carry.shadow.error + math.exp(min(0.0, carry.left_out)))
            if carry.noise > self.tolerance and carry.trust_time == NEVER:
                carry.trust_time = t
                warnings.warn(
                    f"NHTEBD: truncation may have changed local values by {carry.noise:.1g}, above tolerance = "
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
            carry.carry(),
            discarded=carry.discarded,
            discarded_step=carry.discarded_step,
            noise=carry.noise,
            trust_time=carry.trust_time,
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

    model: Model
    plan: _Plan
    workspace: BlockState
    shadow: Shadow | None = None
    discarded: float = 0.0
    discarded_step: float = 0.0
    noise: float = 0.0
    trust_time: float = NEVER
    left_out: float = -math.inf

    def carry(self) -> dict[str, NDArray[Any]]:
        """Return what a run must know to go on, besides the state."""
        shadow = {} if self.shadow is None else self.shadow.carry()
        left_out = {} if math.isinf(self.left_out) else {_LEFT_OUT: np.array(self.left_out)}
        return self.workspace.carry() | {_SHADOW + name: array for name, array in shadow.items()} | left_out


class _Plan:
    """The gates of a step, whether they conserve the charge of the sites, and by how much they amplify errors."""

    def __init__(self, step: list[Layer], sites: Sequence[Site]) -> None:
        self.sites, self.step = sites, step
        self.layers = functools.lru_cache(functools.partial(repeated, self.step))

    @functools.cached_property
    def _broken(self) -> tuple[Gate, int, int] | None:
        """The first gate that takes a state of one charge to one of another, and these charges."""
        for gate, charges, leaks in self._leaks():
            breaks = np.abs(leaks) > LEAK * np.abs(gate.matrix).max()
            if breaks.any():
                out, into = np.argwhere(breaks)[0]
                return gate, int(charges[into]), int(charges[out])
        return None

    def _leaks(self) -> Iterator[tuple[Gate, NDArray[np.int64], NDArray[Any]]]:
        """Yield each gate, the charges of its states, and the part of its matrix that changes them."""
        for gate in (gate for layer in self.step for gate in layer):
            charges = joint_charges([self.sites[j].charges for j in gate.where])
            yield gate, charges, gate.matrix * (charges[:, None] != charges)

    @functools.cached_property
    def leak(self) -> float:
        """Logarithm of the largest amplitude that a step brings into other charges, relative to `reach`: rounding."""
        sizes = [np.linalg.norm(leaks) / np.linalg.norm(gate.matrix, 2) for gate, _, leaks in self._leaks()]
        return math.log(sum(sizes)) if any(sizes) else -math.inf

    @functools.cached_property
    def growth(self) -> float:
        """The largest logarithm of the product of condition numbers of the gates of a step on the same sites."""
        logarithms: dict[tuple[int, ...], float] = {}
        for gate in (gate for layer in self.step for gate in layer):
            singular = np.linalg.svd(gate.matrix, compute_uv=False)
            with np.errstate(divide="ignore"):
                spread = float(np.log(singular[0] / singular[-1])) if singular[0] > 0 else 0.0
            logarithms[gate.where] = logarithms.get(gate.where, 0.0) + spread
        return min(max(logarithms.values(), default=0.0), _PROJECTOR)

    @functools.cached_property
    def reach(self) -> float:
        """Logarithm of the largest factor by which a step can change a norm."""
        norms = [np.linalg.norm(gate.matrix, 2) for layer in self.step for gate in layer]
        with np.errstate(divide="ignore"):
            return float(np.log(norms).sum())

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


_PROJECTOR = 50.0
"""Logarithm of a growth in one step that turns rounding into an error of order one."""


_SMALL = 16
"""Bond dimension below which a projection saves little, and loses more than `excess` now and then."""


_LEFT_OUT = "left_out"
"""Name of the logarithm of the largest amplitude, relative to the norm, that a state may have in other charges."""


_SHADOW = "shadow."
"""How the names of what a shadow carries begin."""


def _left_out(state: MPS, model: Model) -> dict[str, NDArray[Any]]:
    """Return the amplitude that a state by charge leaves out, unless the model says that there is one charge only."""
    if model.charge is not None or not isinstance(state, SymmetricMPS) or state.left_out == 0:
        return {}
    return {_LEFT_OUT: np.array(math.log(state.left_out))}


def _visible(workspace: BlockState, model: Model) -> MPS:
    """Return the state of a workspace, without copying it."""
    return from_blocks(workspace.view(), model.sites, (workspace.centre, workspace.centre + 1))
