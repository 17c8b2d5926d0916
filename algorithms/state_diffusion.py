"""Continuous monitoring of an open system: pure states that diffuse."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.clicks import Kept, Prepared, plain_seeds
from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.open_model import OpenModel
from mpsnh.base.remembered import Remembered
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require, require_memory, warn
from mpsnh.language.generator import Hamiltonian
from mpsnh.linalg.propagator import Propagator
from mpsnh.operators.jumps import between, charge_change
from mpsnh.operators.lindblad import on_supports
from mpsnh.operators.propagator import propagator
from mpsnh.operators.sector import Sector
from mpsnh.states.vector import ExactState

STREAM = 11
"""Sets the random numbers apart from those that models and trajectories draw with the same seed; not zero."""

COARSE = 0.3
"""Largest ‖L‖² dt that is no longer small."""

FAST = 2.0
"""Largest ‖h‖ dt, for the Hamiltonian h of a few sites, that is no longer small."""

Vector = NDArray[np.complex128]


class Monitor:
    """One step: the Hamiltonian, and each channel twice, for half of the step.

    A channel alone, dρ/dt = L ρ L† - {L† L, ρ} / 2, is in a time τ = dt / 2 the average over ξ = 0, ±√3, with
    probabilities 2/3, 1/6 and 1/6 times the squared norm, of M ρ M† with
    M = e^{-L†L τ/4} (1 + ξ √τ L + (ξ² - 1) τ L² / 2) e^{-L†L τ/4}, up to τ³.

    Parameters
    ----------
    model : OpenModel
        The open system.
    dt : float
        Length of a step.

    Examples
    --------
    >>> atoms = models.OpenChain(L=2, hamiltonian=nh.OpSum(), jump_operators=[nh.OpSum([(1.0, "Sm", 0)])])
    >>> weights, vectors = Monitor(atoms, 0.02).branches(0, np.array([1, 0, 0, 0], complex))
    >>> weights.round(3).tolist(), bool(abs(weights.sum() - 1) < 1e-6)
    ([0.66, 0.17, 0.17], True)
    """

    def __init__(self, model: OpenModel, dt: float) -> None:
        self.sector: Sector = model.sector
        hamiltonian, jumps = model.generator.hamiltonian, model.generator.jumps
        require_memory(self.sector.matrix_bytes() * (1 + len(jumps)), f"vectors and jumps of {model.L} sites")
        turning = max((float(abs(h).sum(axis=0).max()) for _, h in on_supports(hamiltonian, model.sites)), default=0.0)
        if turning * dt > FAST:
            warn(
                f"StateDiffusion: ‖h‖ dt may reach {turning * dt:.2g} for a part h of the Hamiltonian, above {FAST:g}, "
                "where a step does not resolve how it turns what is measured: use a smaller dt",
                RuntimeWarning,
            )
        self._half: Propagator = propagator(Hamiltonian(hamiltonian), self.sector, 0.0, dt / 2)
        self._channels = []
        for number, jump in enumerate(jumps):
            if model.charge is not None and charge_change(jump, model.sites) != 0:
                raise ValueError(f"charge = {model.charge}, but it must be None, as jump {number} changes it")
            matrix = between(jump, self.sector, self.sector)
            rate = float(abs(matrix.conj().T @ matrix).sum(axis=0).max())
            if rate * dt > COARSE:
                warn(
                    f"StateDiffusion: ‖L‖² dt may reach {rate * dt:.2g} for jump {number}, above {COARSE:g}, where "
                    "errors are no longer of second order: use a smaller dt",
                    RuntimeWarning,
                )
            self._channels.append(_channel(matrix, dt / 2))
        self.order = [*range(len(jumps)), *reversed(range(len(jumps)))]

    def branches(self, number: int, vector: Vector) -> tuple[NDArray[np.float64], list[Vector]]:
        """Return what a channel may make of a vector, of any norm, and with which probabilities.

        Parameters
        ----------
        number : int
            Which channel.
        vector : ndarray, shape (n,)
            Of unit norm.
        """
        kept, once, twice = (self._channels[number] @ vector).reshape(3, -1)
        vectors = [kept - twice, kept + 2 * twice + once, kept + 2 * twice - once]
        norms = np.array([np.vdot(one, one).real for one in vectors])
        return np.array([2 / 3, 1 / 6, 1 / 6]) * norms, vectors

    def half(self, vector: Vector) -> Vector:
        """Evolve with the Hamiltonian for half of a step.

        Parameters
        ----------
        vector : ndarray, shape (n,)
            Of unit norm.
        """
        return self._half.evolve(vector)[0]

    def step(self, vector: Vector, uniform: NDArray[np.float64]) -> Vector:
        """Return a vector after a step, of unit norm.

        Parameters
        ----------
        vector : ndarray, shape (n,)
            Before.
        uniform : ndarray of float
            A random number for each half of each channel.
        """
        vector = self.half(vector)
        for number, chance in zip(self.order, uniform, strict=True):
            weights, vectors = self.branches(number, vector)
            sums = np.cumsum(weights)
            chosen = vectors[min(int(np.searchsorted(sums, chance * sums[-1], side="right")), 2)]
            vector = chosen / np.linalg.norm(chosen)
        return self.half(vector)


def _channel(jump: scipy.sparse.csr_matrix, time: float) -> scipy.sparse.csr_matrix:
    """Return, one below the other, what multiplies 1, ξ/√3 and ξ² - 1 in a channel."""
    decay = jump.conj().T @ jump * (time / 4)
    around = scipy.sparse.identity(jump.shape[0], format="csr") - decay + decay @ decay / 2
    parts = (around @ around, (3 * time) ** 0.5 * around @ jump @ around, time / 2 * around @ jump @ jump @ around)
    return scipy.sparse.vstack(parts, format="csr")


@dataclass(frozen=True)
class Diffusing:
    """A vector on its way.

    Examples
    --------
    >>> way = StateDiffusion(dt=0.1, t_max=1.0)
    >>> way.init(models.OpenXXZ(L=2, gamma=0.1), None).vector.real.tolist()
    [0.0, 1.0, 0.0, 0.0]
    """

    monitor: Monitor
    vector: Vector


_KEPT = Kept[Monitor](most=1e9)
"""What was made of the models of the last trajectories."""


class StateDiffusion(TimeEvolution[Diffusing]):
    """One trajectory of an open system under continuous monitoring: a pure state that diffuses.

    Each jump operator L is the output of a homodyne detector (H. M. Wiseman, G. J. Milburn, PRA 47, 642 (1993)), whose
    phase is that of L: dψ = [-i H - Σ (L†L - 2 x L + x²) / 2] ψ dt + Σ (L - x) ψ dW with x = Re ⟨L⟩. The average is the
    same density operator as that of `Trajectories`. Vectors are exact ones of the whole space, or of the model's charge
    if it has one, which then no jump may change.

    Steps are symmetric, and each channel has three outcomes instead of a normal distribution; errors of averages scale
    as dt² (`Monitor`). Step n draws from `default_rng([*seed, n, 11])`.

    Parameters
    ----------
    dt, t_max, every, initial
        The time grid and the initial state, as for `mpsnh.TimeEvolution`.
    seed : int or tuple of int
        Names the trajectory, not negative; with realisations of disorder give both, as for `Trajectories`.

    Raises
    ------
    TypeError
        If the model is no `mpsnh.OpenModel`.
    ValueError
        If a seed is negative, or a jump changes the charge of the model.
    MemoryError
        If vectors and jumps do not fit in memory.

    Examples
    --------
    >>> *_, last = StateDiffusion(dt=0.05, t_max=1.0, seed=1).records(models.OpenXXZ(L=4, gamma=0.2))
    >>> last.state.expect_each("Sz").real.round(2).tolist()
    [0.06, -0.2, -0.2, -0.33]
    """

    yields = Snapshot
    diagnostics = {}
    seed: int | tuple[int, ...] = 0

    @override
    def validate(self) -> None:
        super().validate()
        plain = plain_seeds(self.seed)
        object.__setattr__(self, "seed", plain if isinstance(self.seed, tuple) else plain[0])

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return frozenset([Capability.PURE_STATE])

    @override
    def check(self, model: Model) -> None:
        self._prepared.of(model)

    @override
    def bytes_needed(self, model: Model) -> float:
        return self._prepared.of(model).size

    @functools.cached_property
    def _prepared(self) -> Remembered[Prepared[Monitor]]:
        """What is made of a model once, after it was checked."""
        return Remembered(self._known)

    def _known(self, model: Model) -> Prepared[Monitor]:
        if not isinstance(model, OpenModel):
            raise TypeError(f"StateDiffusion needs an mpsnh.OpenModel, which has jumps, not {type(model).__name__}")
        return _KEPT.of(model, self.dt, lambda: self._made(model))

    def _made(self, model: OpenModel) -> Prepared[Monitor]:
        super().check(model)
        assert not isinstance(self.dt, str)
        return Prepared(Monitor(model, self.dt), model.sector.matrix_bytes() * (1 + len(model.generator.jumps)))

    @override
    def init(self, model: Model, after: Snapshot | None) -> Diffusing:
        monitor = self._prepared.of(model).made
        if after is None:
            return Diffusing(monitor, ExactState.from_mps(self.initial_state(model), monitor.sector).vector)
        state = after.state
        if not isinstance(state, ExactState):
            raise TypeError(f"StateDiffusion continues an ExactState, not {type(state).__name__}")
        same = (state.sector.sites, state.sector.charge) == (monitor.sector.sites, monitor.sector.charge)
        require(same, "sector of the state", state.sector, f"{monitor.sector}, as the model has, on the same sites")
        return Diffusing(monitor, state.vector)

    @override
    def advance(self, carry: Diffusing, t: float, dt: float, steps: int) -> Diffusing:
        vector, begun, seeds = carry.vector, round(t / dt), plain_seeds(self.seed)
        for number in range(begun, begun + steps):
            uniform = np.random.default_rng([*seeds, number, STREAM]).random(len(carry.monitor.order))
            vector = carry.monitor.step(vector, uniform)
        return Diffusing(carry.monitor, vector)

    @override
    def record(self, carry: Diffusing, t: float) -> Snapshot:
        return Snapshot(t, ExactState(carry.vector.copy(), carry.monitor.sector))
