"""Time-evolving block decimation of density operators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.algorithms.nhtebd import NHTEBD, TOLERANCE
from mpsnh.algorithms.tebd_sweep import Sweep, trusted
from mpsnh.base.capability import Capability
from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.initial import fitted
from mpsnh.base.model import Model
from mpsnh.base.open_model import DoubledModel, OpenModel
from mpsnh.base.records import Diagnostic
from mpsnh.base.remembered import Remembered
from mpsnh.base.snapshot import NEVER, Snapshot, TruncatedSnapshot
from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.operators.steps import Steps
from mpsnh.operators.timestep import added_up, step_error
from mpsnh.states.basis import require_same_basis
from mpsnh.states.density_mps import DensityMPS
from mpsnh.states.mixed_shadow import MixedShadow
from mpsnh.states.mps import MPS
from mpsnh.states.symmetric import SymmetricMPS, require_charge, symmetric
from mpsnh.states.vectorised import weighted_gate

MIXED = "infinite temperature"
"""The initial state in which all states of the model's charge have the same probability."""

POSITIVE = 1e-8
"""By how much eigenvalues of an initial state of two sites may be negative, and how far it may be from Hermitian."""


class DensityTEBD(TimeEvolution["Mixture"]):
    """The density operator of an open chain in matrix-product form, by TEBD of its Lindblad equation.

    (M. Zwolak and G. Vidal, PRL 93, 207205 (2004).) The gates of ``model.lindbladian()`` act on |ρ⟩⟩ as those of
    `NHTEBD` on a pure state, with the same kernel. Jumps act on one site, or on two neighbours. If the equation keeps
    the difference of the charges of ket and bra, or each of them and `weight` is 1, tensors are stored by blocks of it.

    Truncations are best in the Hilbert–Schmidt norm, in which almost all of a state that is nearly pure is operators of
    many sites, which nobody measures. So the identity on each site is multiplied by `weight`: 2 makes the errors of
    local values several times smaller at the same bond dimension.

    `Snapshot.noise` estimates the error of local values by truncation: it is |ln Tr ρ|, as the equation and each of its
    gates keep the trace, or what a second run with a fourth of the bond dimension tells (`mpsnh.states.mixed_shadow`)
    if that is more. What steps of finite length do is not in it but in `Snapshot.trotter`: the error of a step on a few
    sites (`mpsnh.operators.timestep`) times the number of steps, as if nothing were forgotten; 1 if it is not known.

    Parameters
    ----------
    dt : float or "auto"
        Time step, in units of 1/J. With "auto" the order and the number of steps between records are chosen as those of
        `NHTEBD`, for an error of local values of about a fifth of `tolerance`.
    t_max, every, order, max_bond, cutoff, excess
        As for `NHTEBD`. Weights are those in the Hilbert–Schmidt norm of ρ; what matters for the trace of a long chain
        may have a small weight, so that the cutoff should be far below the square of the error that is wanted.
    weight : float
        How much more the identity on each site counts in truncations than other operators; 1 for not at all.
    tolerance : float
        `noise` from which on there is a warning, and `Snapshot.trust_time` has passed.
    initial : "neel", "infinite temperature", sequence of str, or callable
        The state at time 0, as for `mpsnh.TimeEvolution`; or all states of the model's charge with the same
        probability. A function of the model may return a pure `MPS` or a `DensityMPS`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or a jump or a term acts on more than two neighbouring sites.
    FloatingPointError
        If the norm vanishes or is no longer finite.

    Examples
    --------
    >>> chain = models.OpenXXZ(L=20, gamma=0.2)
    >>> *_, last = DensityTEBD(dt=0.1, t_max=1.0, max_bond=32).records(chain)
    >>> last.noise < 1e-3, bool((last.state.expect_each("Sz").real < 0.5).all())
    (True, True)
    """

    yields = TruncatedSnapshot
    chooses_steps = True
    initial_names = ("neel", MIXED)
    diagnostics = {
        "discarded_weight": Diagnostic("discarded", "discarded weight summed over all truncations"),
        "discarded_step": Diagnostic("discarded_step", "discarded weight of a time step"),
        "max_bond": Diagnostic("max_bond", "largest bond dimension"),
        "noise": Diagnostic("noise", "estimated error of local values by truncation"),
        "trust_time": Diagnostic("trust_time", "last record before this estimate passes the tolerance", "time"),
        "trotter": Diagnostic("trotter", "estimated error of local values by the Trotter decomposition"),
    }
    order: int = 2
    max_bond: int = 64
    cutoff: float = 1e-12
    excess: float = 0.1
    weight: float = 2.0
    tolerance: float = TOLERANCE
    initial: Literal["neel", "infinite temperature"] | Sequence[str] | Callable[[Model], MPS | DensityMPS] = "neel"

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return frozenset([Capability.DENSITY_MPS])

    @override
    def validate(self) -> None:
        require(0 < self.tolerance < 1, "tolerance", self.tolerance, "between 0 and 1")
        require(1 <= self.weight <= 10, "weight", self.weight, "from 1, which is none, to 10")
        self._kernel  # noqa: B018 - which checks the rest

    @functools.cached_property
    def _kernel(self) -> _Kernel:
        """What applies the gates."""
        return _Kernel(
            dt=self.dt,
            t_max=self.t_max,
            every=self.every,
            order=self.order,
            max_bond=self.max_bond,
            cutoff=self.cutoff,
            excess=self.excess,
            tolerance=None,
            aim=self.tolerance,
            weight=self.weight,
            initial=self._vector,
        )

    @functools.cached_property
    def _starts(self) -> Remembered[tuple[DensityMPS, bool]]:
        """The state at time 0 of each model, and whether it has a definite charge of kets and one of bras."""
        return Remembered(self._start)

    def _start(self, model: Model) -> tuple[DensityMPS, bool]:
        assert isinstance(model, OpenModel)
        state = self.initial_density(model).weighted(self.weight)
        if self.weight != 1:  # which mixes the diagonal elements of a site
            return state, False
        suited = state.mps.on_sites(model.lindbladian().sites, "the initial state", "the model")
        assert isinstance(suited, MPS)
        return state, isinstance(symmetric(suited), SymmetricMPS)

    def _vector(self, view: Model) -> MPS:
        """Return the state at time 0 of a doubled model."""
        assert isinstance(view, DoubledModel)
        return self._starts.of(view.of)[0].mps

    def _view(self, model: Model) -> DoubledModel:
        """Return what evolves vectors, with as many charges as they and it conserve."""
        assert isinstance(model, OpenModel)
        return model.lindbladian(strong=self._starts.of(model)[1])

    @override
    def check(self, model: Model) -> None:
        if not isinstance(model, OpenModel):
            hint = ": give it the model itself" if isinstance(model, DoubledModel) else "; NHTEBD evolves pure states"
            raise TypeError(f"DensityTEBD needs an OpenModel, not a {type(model).__name__}{hint}")
        super().check(model)
        _require_local(model)
        self._kernel.check(self._view(model))

    @override
    def bytes_needed(self, model: Model) -> float:
        return self._kernel.bytes_needed(self._view(model))

    def steps_between(self, model: Model) -> tuple[int, int]:
        """Return the Trotter order, and how many steps are taken in `dt`, or with ``dt="auto"`` between records.

        Parameters
        ----------
        model : Model
            What is evolved.

        Examples
        --------
        >>> DensityTEBD(dt="auto", t_max=10, every=1.0).steps_between(models.OpenXXZ(L=20, gamma=0.1))
        (4, 1)
        """
        return self._kernel.steps_between(self._view(model))

    def initial_density(self, model: Model) -> DensityMPS:
        """Return the density operator at time 0.

        Parameters
        ----------
        model : Model
            Says how many sites there are, and of which kind.

        Raises
        ------
        TypeError
            If the function given as `initial` returns anything but an `MPS` or a `DensityMPS`.
        ValueError
            If the state does not fit the model's sites, has another charge, or is no density operator.
        """
        if self.initial == MIXED:
            return DensityMPS.infinite_temperature(model.sites, model.charge)
        state = self.initial(model) if callable(self.initial) else self.initial_state(model)
        if isinstance(state, DensityMPS):
            _require_state(state, model)
            return state
        if not isinstance(state, MPS):
            raise TypeError(f"initial returned {type(state).__name__}, but it must return an MPS or a DensityMPS")
        pure = fitted(state, model)
        require_charge(pure, model.charge)
        return DensityMPS.from_pure(pure)

    @override
    def init(self, model: Model, after: Snapshot | None) -> Mixture:
        view = self._view(model)
        known: Mapping[str, NDArray[Any]] = {}
        if after is not None:
            if not isinstance(after.state, DensityMPS):
                raise TypeError(f"DensityTEBD continues a DensityMPS, not {type(after.state).__name__}")
            known = after.carry
            after = replace(
                after, state=after.state.weighted(self.weight).mps, log_norm=float(known.get(_LOG_NORM, 0.0))
            )
        sweep = self._kernel.init(view, after)
        carry = Mixture(sweep, self._kernel.record(sweep, 0.0), self.weight)
        carry.start = complex(known.get(_START, carry.log_trace()))
        carry.noise = getattr(after, "noise", 0.0)
        left = {name.removeprefix(_SHADOW): array for name, array in known.items() if name.startswith(_SHADOW)}
        carry.shadow = MixedShadow.resumed(sweep.workspace, self._kernel.truncation, left, carry.noise)
        carry.noise = max(carry.noise, carry.shadow.error)
        carry.trust_time = getattr(after, "trust_time", NEVER)
        carry.step_error = self._step_errors.of(model)
        return carry

    @functools.cached_property
    def _step_errors(self) -> Remembered[float]:
        """What time steps make local values err by, in unit time."""

        def rate(model: Model) -> float:
            view = self._view(model)
            order, number = self.steps_between(model)
            return step_error(view.generator, view.sites, self.unit / number, order)

        return Remembered(rate)

    @override
    def advance(self, carry: Mixture, t: float, dt: float, steps: int) -> Mixture:
        carry.now = None  # so that the gates act in place if nobody else holds the state
        before, plan = carry.sweep.discarded, carry.sweep.plan
        carry.sweep = self._kernel.advance(carry.sweep, t, dt, steps)
        carry.now = self._kernel.record(carry.sweep, t + steps * dt)
        assert carry.shadow is not None
        carry.shadow.follow(plan.layers(steps * plan.number), carry.sweep.discarded - before, carry.state)
        carry.noise = min(1.0, max(abs(carry.log_trace() - carry.start), carry.shadow.error))
        now = (t, t + steps * dt)
        carry.trust_time = trusted("DensityTEBD", carry.trust_time, carry.noise, self.tolerance, now)
        return carry

    @override
    def record(self, carry: Mixture, t: float) -> TruncatedSnapshot:
        now = carry.now
        assert now is not None
        assert carry.shadow is not None
        known = {_SHADOW + name: array for name, array in carry.shadow.carry().items()}
        known |= {_LOG_NORM: np.array(now.log_norm), _START: np.array(carry.start)}
        return replace(
            now,
            time=t,
            state=carry.state,
            log_norm=None,
            carry={**now.carry, **known},
            noise=carry.noise,
            trust_time=carry.trust_time,
            trotter=added_up(carry.step_error, t),
        )


class _Kernel(NHTEBD):
    """NHTEBD of vectors whose identities have a weight. It estimates no errors, but may choose its steps."""

    aim: float
    weight: float

    @property
    @override
    def aimed_at(self) -> float:
        return self.aim

    @override
    def _planned(self, model: Model) -> Steps:
        order, number = self.steps_between(model)
        step = model.step(self.unit / number, order)
        weighted = [tuple(weighted_gate(gate, model.sites, self.weight) for gate in layer) for layer in step]
        return Steps(weighted, model.sites, order=order, number=number)


@dataclass
class Mixture:
    """A density operator that gates change in place, and what is known of its trace.

    Examples
    --------
    >>> mixture = DensityTEBD(dt=0.1, t_max=1.0).init(models.OpenXXZ(L=4), None)
    >>> mixture.log_trace() == mixture.start
    True
    """

    sweep: Sweep
    now: TruncatedSnapshot | None
    weight: float
    shadow: MixedShadow | None = None
    start: complex = 0j
    noise: float = 0.0
    trust_time: float = NEVER
    residual: float = 1e300
    step_error: float = 0.0

    @property
    def state(self) -> DensityMPS:
        """The density operator, of unit norm."""
        assert self.now is not None
        assert isinstance(self.now.state, MPS)
        return DensityMPS(self.now.state, self.weight)

    def log_trace(self) -> complex:
        """Return the logarithm of the trace, with the norm that was taken out."""
        assert self.now is not None
        assert self.now.log_norm is not None
        return self.now.log_norm + self.state.log_trace()


_LOG_NORM, _START = "log_norm", "log_trace"
"""Names of the logarithms of the Hilbert–Schmidt norm, relative to the one at first, and of the trace at first."""

_SHADOW = "shadow."
"""How the names of what a shadow carries begin."""


def _require_local(model: OpenModel) -> None:
    """Raise if a jump or a term acts on more than two neighbouring sites."""
    jumps = ((f"jump {k}, {jump},", jump) for k, jump in enumerate(model.generator.jumps))
    terms = ((f"term {term}", OpSum([term])) for term in model.generator.hamiltonian.simplify())
    for name, op in (*jumps, *terms):
        sites = {j for _, factors in op for _, j in factors} or {0}
        first, last = min(sites), max(sites)
        if last > first + 1:
            way = "OpenSystem takes any range"
            way += ", and boundary='open' leaves it out" if (first, last) == (0, model.L - 1) else ""
            raise ValueError(
                f"{name} acts on sites {first} to {last}, but DensityTEBD needs jumps and terms on one site or on two "
                f"neighbours of an open chain; {way}"
            )


def _require_state(state: DensityMPS, model: Model) -> None:
    """Raise if a density operator is none of the model, or not positive."""
    require_same_basis(state.local_sites, model.sites, "the initial state", "the model")
    deviation = state.hermiticity()
    require(deviation <= POSITIVE, "|ρ - ρ†| / |ρ| of the initial state", deviation, "zero, as ρ is Hermitian")
    least = state.smallest_eigenvalue()
    require(least >= -POSITIVE, "smallest eigenvalue of two neighbours in the initial state", least, "zero or positive")
