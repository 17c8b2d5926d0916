"""Time-evolving block decimation with non-unitary gates."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Literal, Self, cast

import numpy as np
from typing_extensions import override

from mpsnh.algorithms.block_paths import BlockPaths, pair_jumps
from mpsnh.algorithms.folded_run import for_ladders, on_ladder, on_ring
from mpsnh.algorithms.tebd_sweep import DOUBLED, LEFT_OUT, SHADOW, Sweep, carried, left_out, trusted, visible
from mpsnh.base.capability import Capability
from mpsnh.base.evolution import LOG_NORM, PURE, TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.open_model import OpenModel, require_no_jumps
from mpsnh.base.records import Diagnostic
from mpsnh.base.remembered import Remembered
from mpsnh.base.ring import GivenChain, closes, ladder
from mpsnh.base.snapshot import NEVER, Snapshot, TruncatedSnapshot
from mpsnh.checks import require, require_memory, warn
from mpsnh.kernels.batched import cuda
from mpsnh.language.circuit import ORDERS
from mpsnh.language.generator import Hamiltonian
from mpsnh.operators.steps import Steps
from mpsnh.operators.timestep import time_step
from mpsnh.states.device import DeviceState
from mpsnh.states.doubled import DoubledSteps
from mpsnh.states.helpers import cores
from mpsnh.states.memory import memory_needed
from mpsnh.states.mps import MPS
from mpsnh.states.protocol import Workspace
from mpsnh.states.shadow import Shadow, coarser, swept
from mpsnh.states.symmetric import SymmetricMPS, require_charge, symmetric
from mpsnh.states.truncation import Truncation

TOLERANCE = 0.01
"""Default tolerance of the error of local values."""


SMALL = 16
"""Bond dimension below which a projection saves little, and loses more than `excess` now and then."""


LEAST_BOND = 8
"""Bond dimension up to which the cutoff does not apply: gain may later make the largest of what is faint now."""

STEPS_SHARE = 5
"""What part of it time steps may take that are chosen: the one of so many parts."""


class NHTEBD(TimeEvolution["Sweep"]):
    """Non-Hermitian TEBD of a chain or ring.

    Non-unitary gates destroy the canonical form, so each gate acts, and is truncated, at the orthogonality centre,
    which moves through a layer by QR (after G. Vidal, PRL 91, 147902 (2003)). The norm is taken out
    after every gate and summed in `Snapshot.log_norm`.

    A ring is folded into a ladder whose rungs hold the sites r and L - 1 - r, so that all gates act on neighbours. Its
    states are `mpsnh.FoldedMPS`, and all that is said here of sites and bonds holds for rungs.

    If the gates conserve the charge of the sites and the initial state has a definite one, tensors are stored and
    split by blocks of charge, and the states are `mpsnh.SymmetricMPS`; else they are dense.

    A bond that has reached `max_bond` is truncated by projection on what the pair of sites makes of the old tensor
    (one step of subspace iteration), which leaves out the decomposition. How much more weight that discards is
    measured against a decomposition every few gates, and from then on so often that it stays below `excess`. Near the
    ends of the chain a bond may hold all states that there are: there a projection loses nothing.

    A second run with a third of the bond dimension tells the error of truncation: `Snapshot.noise` estimates by
    how much values on neighbouring sites are off, relative to the spread of the operator's eigenvalues
    (`mpsnh.states.shadow`, docs/conventions.md). `Snapshot.trust_time` is the last record before it passes `tolerance`,
    with a warning. A third run, as small as the second, with steps of twice the length, tells the error of the Trotter
    decomposition, `Snapshot.trotter` (`mpsnh.states.doubled`), which is not part of `noise`. What an initial state has
    in other charges at the level of rounding is left out, and is part of `noise` as large as the gates can have made
    it, unless the model has a `charge`.

    Parameters
    ----------
    dt : float or "auto"
        Time step, in units of 1/J (1 for a Floquet model). With "auto", the order and the number of steps between
        records are those with the fewest layers of gates whose error of local values is about a fifth of `tolerance`
        (`steps_between`, `mpsnh.operators.timestep`), which suits distant records: of a time of 0.5 to 2 /J.
    t_max : float
        Final time, a multiple of `dt`, or of `every` with ``dt="auto"``.
    every : float
        Steps between records, or with ``dt="auto"`` the time between them; half-layers of the steps in between are
        merged.
    order : {1, 2, 4}
        Trotter order: at fixed time the error scales as dt**order. Left out with ``dt="auto"``.
    max_bond : int
        Largest bond dimension χ.
    cutoff : float
        Largest weight (sum of squared singular values, relative to their total) that one truncation may discard
        as long as `max_bond` is not reached. Eight states of each bond are kept in any case, unless they are rounding.
    excess : float
        Largest weight that a truncation may discard beyond that of a singular value decomposition, relative to it.
        The infidelity of the state grows by about the same factor. With 0, or below a bond dimension of 16, all bonds
        are decomposed.
    precision : "double" or "single"
        Of the tensors; in single precision norms, spectra and what is measured are still computed in double. It takes
        0.6 to 0.8 of the time from a bond dimension of 64 on, and is safe for errors of 1e-5 and more: its own are a
        few 1e-6 in local values. Weights below 5e-8 that a truncation discards are rounding then, reported too large.
    device : "cpu" or "cuda"
        Where gates act. With "cuda" on the current GPU, through CuPy; what is recorded and measured is on the host.
        It pays from a bond dimension of a few hundred (benchmarks/README.md).
    threads : int
        How many threads share the blocks of charge of a gate, at most as many as there are cores. They change no bit,
        and are no part of what a result is known by. They pay for a single run with bonds of a hundred and more; below
        64, and without a conserved charge, one does it all. Sweeps keep cores busy with processes.
    tolerance : float or None
        Error of local values by truncation that is tolerable, between 0 and 1. With None nothing is estimated: `noise`
        and `trotter` are 1, which is always true, and `trust_time` is 0.
    initial : "neel", sequence of str, or callable
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
    chooses_steps = True
    diagnostics = LOG_NORM | {
        "discarded_weight": Diagnostic("discarded", "discarded weight summed over all truncations"),
        "discarded_step": Diagnostic("discarded_step", "discarded weight of a time step"),
        "max_bond": Diagnostic("max_bond", "largest bond dimension"),
        "noise": Diagnostic("noise", "estimated error of local values by truncation"),
        "trust_time": Diagnostic("trust_time", "last record before this estimate passes the tolerance", "time"),
        "trotter": Diagnostic("trotter", "estimated error of local values by the Trotter decomposition"),
    }
    order: int = 2
    max_bond: int = 64
    cutoff: float = 1e-10
    excess: float = 0.1
    precision: Literal["double", "single"] = "double"
    device: Literal["cpu", "cuda"] = "cpu"
    tolerance: float | None = TOLERANCE
    threads: int = 1
    unrecorded = ("threads",)  # results are the same to the last bit

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return PURE

    @override
    def validate(self) -> None:
        super().validate()
        require(self.order in ORDERS, "order", self.order, "one of " + ", ".join(map(str, ORDERS)))
        chosen = isinstance(self.dt, str) and self.order != type(self).order
        require(not chosen, "order", self.order, "left out with dt = 'auto', which chooses it")
        Truncation(max_bond=self.max_bond, cutoff=self.cutoff, excess=self.excess)
        if self.tolerance is not None:
            require(0 < self.tolerance < 1, "tolerance", self.tolerance, "between 0 and 1, or None")
        require(self.threads >= 1, "threads", self.threads, "at least 1")
        require(self.threads == 1 or self.device == "cpu", "threads", self.threads, "1 with device = 'cuda'")

    @override
    def records(self, model: Model, after: Snapshot | None = None) -> Iterator[Snapshot]:
        folded = self._ladders.of(model)
        if folded is None:
            yield from super().records(model, after)
        else:
            chain, algorithm = folded
            yield from on_ring(algorithm.records(chain, on_ladder(after)), model.sites)

    @functools.cached_property
    def _ladders(self) -> Remembered[tuple[GivenChain, Self] | None]:
        """Each ring as a ladder, and the algorithm that evolves it; None for what is no ring."""

        def folded(model: Model) -> tuple[GivenChain, Self] | None:
            if not closes(model):
                return None
            terms = cast(Hamiltonian, model.generator).terms
            return ladder(model.sites, terms, model.charge), for_ladders(self, model)

        return Remembered(folded)

    @override
    def check(self, model: Model) -> None:
        require_no_jumps(model, "NHTEBD")
        if (folded := self._ladders.of(model)) is not None:
            chain, algorithm = folded
            algorithm.check(chain)
            return
        super().check(model)
        require(self.threads <= cores(), "threads", self.threads, f"at most {cores()}, the cores of this process")
        if self.device == "cuda":
            cuda()
        allowed = {(j,) for j in range(model.L)} | {(j, j + 1) for j in range(model.L - 1)}
        plan = self._plans.of(model)
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
        if (folded := self._ladders.of(model)) is not None:
            chain, algorithm = folded
            return algorithm.bytes_needed(chain)
        conserves = self._plans.of(model).conserves
        charges = [site.charges if conserves else (0,) * site.dim for site in model.sites]
        bonds = [self.max_bond] if self.tolerance is None else [self.max_bond, *[coarser(self.truncation).max_bond] * 2]
        return 2 * sum(memory_needed(charges, bond, self._dtype, self.threads) for bond in bonds)

    @functools.cached_property
    def _plans(self) -> Remembered[Steps]:
        """The gates of each model, which take longer to make than a short run."""
        return Remembered(self._planned)

    @property
    def truncation(self) -> Truncation:
        """What is kept of a bond after each gate."""
        excess = self.excess if self.max_bond >= SMALL else 0.0
        return Truncation(
            max_bond=self.max_bond, cutoff=self.cutoff, min_bond=min(LEAST_BOND, self.max_bond), excess=excess
        )

    def steps_between(self, model: Model) -> tuple[int, int]:
        """Return the Trotter order, and how many steps are taken in `dt`, or with ``dt="auto"`` between records.

        Parameters
        ----------
        model : Model
            What is evolved.

        Examples
        --------
        >>> chain = models.NonHermitianXXZ(L=40, gamma=0.1, h=5.0, seed=1)
        >>> NHTEBD(dt="auto", t_max=10, every=1.0).steps_between(chain)
        (4, 2)
        """
        if not isinstance(self.dt, str):
            return self.order, 1
        if (folded := self._ladders.of(model)) is not None:
            chain, algorithm = folded
            return algorithm.steps_between(chain)
        return time_step(model.generator, model.sites, self.every, self.aimed_at / STEPS_SHARE)

    @property
    def aimed_at(self) -> float:
        """The error of local values of which steps that are chosen may make a share."""
        return self.tolerance or TOLERANCE

    def paths(self, model: OpenModel) -> BlockPaths:
        """Return what trajectories of an open model need of this evolution (`mpsnh.base.clicks.Clicking`)."""
        require(self.device == "cpu", "device", self.device, "'cpu' for trajectories")
        require(self.threads == 1, "threads", self.threads, "1 for trajectories, which processes share")
        jumps = pair_jumps(model)
        no_click = model.no_click()
        if closes(no_click):
            raise ValueError("trajectories by NHTEBD are for open chains; ExactEvolution takes rings")
        self.check(no_click)
        plan = self._plans.of(no_click)
        return BlockPaths(model, jumps, plan, self.unit / plan.number, self.truncation, self._dtype)

    def _planned(self, model: Model) -> Steps:
        order, number = self.steps_between(model)
        dt = self.unit / number
        step = model.step(dt, order)
        compared = self.tolerance is not None and model.generator.period is None and len(step) > 1
        return Steps(step, model.sites, model.step(2 * dt, order) if compared else None, order, number)

    @property
    def _dtype(self) -> type[np.complex64 | np.complex128]:
        return np.complex128 if self.precision == "double" else np.complex64

    @override
    def init(self, model: Model, after: Snapshot | None) -> Sweep:
        plan = self._plans.of(model)
        if after is None:
            initial = self.initial_state(model)
            suited = self._suited(initial, plan)
            normalised = suited.workspace()
            normalised.move_to(0)
            known, unknown = left_out(suited, model), 0.0 if self.tolerance else 1.0
            after = TruncatedSnapshot(0.0, visible(normalised, model), 0.0, known, noise=unknown, trotter=unknown)
        state = after.state
        if not isinstance(state, MPS):
            raise TypeError(f"NHTEBD continues an MPS, not {type(state).__name__}")
        state = self._suited(state.on_sites(model.sites, "the state", "the model"), plan)
        require_charge(state, model.charge)
        workspace = self._workspace(state)
        workspace.log_norm += after.log_norm or 0.0
        workspace.recall(after.carry)
        sweep = Sweep(model, plan, workspace, discarded=getattr(after, "discarded", 0.0))
        sweep.left_out = float({**left_out(state, model), **after.carry}.get(LEFT_OUT, -math.inf))
        if self.tolerance is None:
            sweep.noise, sweep.trust_time, sweep.trotter = 1.0, 0.0, 1.0
            return sweep
        left, sweep.trotter = carried(after, SHADOW), getattr(after, "trotter", 0.0)
        sweep.shadow = Shadow.resumed(workspace, self.truncation, left, getattr(after, "noise", 0.0))
        sweep.noise, sweep.trust_time = sweep.shadow.error, getattr(after, "trust_time", NEVER)
        if plan.doubled is not None:
            left, start = carried(after, DOUBLED), sweep.shadow
            sweep.doubled = DoubledSteps.resumed(start.workspace, start.truncation, plan.order, left, sweep.trotter)
        return sweep

    def _workspace(self, state: MPS) -> Workspace:
        """Return memory on the device, with a state in it."""
        workspace = state.workspace(self.max_bond, self._dtype)
        workspace.threads = self.threads
        return workspace if self.device == "cpu" else DeviceState.of(workspace, cuda())

    @staticmethod
    def _suited(state: MPS, plan: Steps) -> MPS:
        """Return a state by charge if the gates conserve it, else a dense one."""
        if plan.conserves:
            return symmetric(state)
        if isinstance(state, SymmetricMPS):
            warn(
                "NHTEBD: the gates break the charge by which the state is stored; it goes on with dense tensors",
                RuntimeWarning,
            )
        return state.to_mps()

    @override
    def advance(self, carry: Sweep, t: float, dt: float, steps: int) -> Sweep:
        end, steps = t + steps * dt, steps * carry.plan.number
        workspace, layers = carry.workspace, carry.plan.layers(steps)
        before = workspace.log_norm
        last = 0 if carry.shadow is None else len(carry.plan.step)  # layers whose pairs are compared
        lost, pairs = swept(workspace, layers, last, self.truncation)
        # In the middle, from where a window there is measured without contracting the rest of the chain.
        workspace.move_to(carry.model.L // 2)
        carry.discarded += float(lost.sum())
        carry.discarded_step = float(lost.sum()) / steps
        if carry.shadow is not None and self.tolerance is not None:
            carry.shadow.follow(layers, last, lost, pairs, carry.plan.growth, steps)
            if carry.doubled is not None and carry.plan.doubled is not None:
                carry.doubled.follow(carry.plan.doubled, steps, carry.shadow.workspace)
                carry.trotter = carry.doubled.error
            leaks = carry.model.charge is None and carry.plan.conserves
            # The norm of what is left out has grown by no more than all gates together let it.
            grown = carry.plan.reach * steps - (workspace.log_norm - before)
            leak = carry.plan.leak + math.log(steps) if leaks else -math.inf
            carry.left_out = float(np.logaddexp(carry.left_out, leak)) + grown
            carry.noise = min(1.0, carry.shadow.error + math.exp(min(0.0, carry.left_out)))
            carry.trust_time = trusted("NHTEBD", carry.trust_time, carry.noise, self.tolerance, (t, end))
        return carry

    @override
    def record(self, carry: Sweep, t: float) -> TruncatedSnapshot:
        return TruncatedSnapshot(
            t,
            visible(carry.workspace, carry.model),
            carry.workspace.log_norm,
            carry.carry(),
            discarded=carry.discarded,
            discarded_step=carry.discarded_step,
            noise=carry.noise,
            trust_time=carry.trust_time,
            trotter=carry.trotter,
        )
