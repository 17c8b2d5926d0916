"""Exact evolution of the density matrix of a small open system."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.algorithms.density_evolution import (
    DensityEvolution,
    Start,
    bytes_needed,
    matrices_bytes,
    require_charge,
    require_sector,
)
from mpsnh.base.bath import Bath
from mpsnh.base.capability import Capability
from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.open_model import OpenModel
from mpsnh.base.records import Diagnostic
from mpsnh.base.snapshot import MixedSnapshot, Snapshot
from mpsnh.checks import require, require_memory
from mpsnh.language.circuit import Gate, apply_gate
from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.matrix import Matrix
from mpsnh.operators.matrix import require_closed
from mpsnh.states.density import DensityMatrix
from mpsnh.states.mps import MPS

LARGEST = 64
"""Largest dimension of the system, of which the superoperator has the square: six spins 1/2."""


class Modes(NamedTuple):
    """Rates r_k and operators τ_k of the slowest modes of an open system, τ ∝ e^{-r t}, with Tr τ†τ = dim.

    Examples
    --------
    >>> Modes(np.array([0.1 + 0j]), np.zeros((1, 4, 4))).rates
    array([0.1+0.j])
    """

    rates: NDArray[np.complex128]
    operators: NDArray[np.complex128]


@dataclass(frozen=True)
class BathEvolution:
    """A density matrix on its way beside a bath: by any time, or by whole periods.

    Examples
    --------
    >>> system = OpenSystem(dt=1, t_max=1, gamma=1e-3)
    >>> evolution = system.init(models.RandomFloquetCircuit(L=3, alpha=10.0), None)
    >>> evolution.continuous, evolution.superoperator.shape
    (False, (64, 64))
    """

    state: DensityMatrix
    superoperator: NDArray[np.complex128]
    continuous: bool
    propagators: dict[float, NDArray[np.complex128]]
    error: float

    def advance(self, time: float) -> BathEvolution:
        """Return what is carried a time later.

        Parameters
        ----------
        time : float
            How much later; a whole number of periods.
        """
        superoperator, known = self.superoperator, self.propagators
        if time not in known:
            known[time] = (
                scipy.linalg.expm(time * superoperator)
                if self.continuous
                else np.linalg.matrix_power(superoperator, round(time))
            )
        matrix = self.state.matrix
        evolved = (known[time] @ matrix.ravel()).reshape(matrix.shape)
        # the exact map enlarges no trace norm, so that what rounds each of its squarings adds up
        size = float(np.abs(superoperator).sum(axis=0).max()) if self.continuous else 1.0
        error = self.error + EPS * len(superoperator) * (1 + size * time)
        return replace(self, state=replace(self.state, matrix=evolved), error=error)

    def record(self, t: float) -> MixedSnapshot:
        """Return a snapshot.

        Parameters
        ----------
        t : float
            Its time.
        """
        deviation = float(np.trace(self.state.matrix).real) - 1
        carried = {"error": np.array(self.error)}
        return MixedSnapshot(t, self.state, carry=carried, error=min(self.error, 2.0), trace_deviation=deviation)


class OpenSystem(TimeEvolution[DensityEvolution | BathEvolution]):
    """The density matrix of an open system, without error but rounding: by its Lindblad equation, or beside a bath.

    An `mpsnh.OpenModel` evolves by its Lindblad equation on doubled sites, a sparse matrix in each of those charge
    sectors that the initial state has: of ket and bra each if the jumps keep the charge, or of their difference. Nine
    spins of one initial magnetisation take seconds, seven without any symmetry too. The result does not depend on
    `dt`.

    A closed model has a bath at any coupling γ. One period of a Floquet model is that of the closed system followed by
    the bath; a Hamiltonian and the bath make a Lindblad equation. Both are written at `mpsnh.Bath`.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eqs. 1, 2.) Its jumps need only keep probability; infinite
    temperature need not be what they lead to. These have one dense superoperator, the square of the
    dimension of the system, so that this is for up to six spins, where `modes` takes minutes; five take seconds.

    Each record says how far rounding may have led the density matrix astray (`mpsnh.base.snapshot.MixedSnapshot`).

    Parameters
    ----------
    dt, t_max, every, initial
        The time grid and the initial state, as for `mpsnh.TimeEvolution`; the time between records is one step. That
        of an open model may be mixed: a function may return a `DensityMatrix` in the model's sector.
    gamma : float, optional
        The coupling γ of a closed model and its bath, not negative.
    bath : Bath
        The bath; X, Y and Z on the last site by default.

    Raises
    ------
    ValueError
        If the model is not unitary (Hermitian) or too large, bath and model do not fit, or the initial state is no
        density matrix of the model's sector.
    MemoryError
        If the density matrix or what evolves it does not fit in memory.

    Examples
    --------
    A driven, decaying spin and another one that only decays:

    >>> drive, decay = nh.OpSum([(1.0, "Sx", 0)]), [nh.OpSum([(1.0, "Sm", j)]) for j in range(2)]
    >>> atoms = models.OpenChain(L=2, hamiltonian=drive, jump_operators=decay)
    >>> *_, last = OpenSystem(dt=0.5, t_max=50).records(atoms)
    >>> last.state.expect_each("Sz").real.round(9)  # -1/2 + Ω²/(Γ² + 2 Ω²)
    array([-0.16666667, -0.5       ])

    A closed model with a bath:

    >>> circuit = models.RandomFloquetCircuit(L=3, alpha=10.0)
    >>> *_, last = OpenSystem(dt=1, t_max=2**20, every=2**20, gamma=0.1).records(circuit)
    >>> bool(np.allclose(last.state.matrix, np.eye(8) / 8))
    True
    """

    yields = MixedSnapshot
    diagnostics = {
        "error": Diagnostic("error", "estimated error of the density matrix, trace norm"),
        "trace_deviation": Diagnostic("trace_deviation", "deviation of the trace from 1"),
    }
    chooses_steps = True
    gamma: float | None = None
    bath: Bath = Bath()

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return frozenset()  # a state that is mixed, whose norm says nothing

    @override
    def validate(self) -> None:
        super().validate()
        require(self.gamma is None or self.gamma >= 0, "gamma", self.gamma, "zero or positive")
        if not isinstance(self.bath, Bath):
            raise TypeError(f"bath = {self.bath!r}, but it must be a Bath")

    @override
    def check(self, model: Model) -> None:
        super().check(model)
        if isinstance(model, OpenModel):
            allowed = "left out, as the jumps of an OpenModel have their rates"
            require(self.gamma is None, "gamma", self.gamma, allowed)
            require(self.bath == Bath(), "bath", self.bath, allowed)
            require_charge(model)
            require_memory(matrices_bytes(model), f"the density matrix of {model.L} sites")
            start = self._start(model)
            require_memory(bytes_needed(start.state, model), f"the Lindblad equation of {model.L} sites")
            self._begun[:] = [(weakref.ref(model), start)]
            return
        allowed = "a number, the coupling of the bath to a closed model; models.OpenChain has jumps of its own"
        require(self.gamma is not None, "gamma", None, allowed)
        self.bath.check_channel(model)
        dim = float(np.prod([site.dim for site in model.sites], dtype=float))
        if dim > LARGEST:
            raise ValueError(
                f"L = {model.L}, but a density matrix of dimension {dim:.3g} is too large for its superoperator, which "
                f"would need {self.bytes_needed(model) / 2**30:.3g} GiB; at most {LARGEST} (6 spins 1/2) is allowed"
            )
        require_memory(self.bytes_needed(model), f"the superoperator of {model.L} sites")
        require_closed(model.generator, model.sector)

    @cached_property
    def _begun(self) -> list[tuple[weakref.ref[Model], Start]]:
        """The open model that was checked last and its initial state, until a run begins with it."""
        return []

    def _start(self, model: Model) -> Start:
        given = self.initial(model) if callable(self.initial) else None
        if isinstance(given, DensityMatrix):
            return Start.of(given, model.sector)
        if given is not None and not isinstance(given, MPS):
            raise TypeError(f"initial returned {type(given).__name__}, but it must return an MPS or a DensityMatrix")
        return Start.of(self.initial_state(model), model.sector)

    @override
    def bytes_needed(self, model: Model) -> float:
        if isinstance(model, OpenModel):
            least = matrices_bytes(model)
            return least if least > 2**30 else bytes_needed(self._start(model).state, model)
        return 4 * 16 * float(np.prod([site.dim for site in model.sites], dtype=float)) ** 4

    def superoperator(self, model: Model) -> NDArray[np.complex128]:
        """Return the map of one period of a Floquet model, or the Lindbladian of a Hamiltonian.

        Parameters
        ----------
        model : Model
            The closed system.

        Returns
        -------
        ndarray, shape (dim², dim²)
            Acts on ρ written row by row.
        """
        self.check(model)
        gamma = self.gamma
        assert gamma is not None
        strength, operators = self.bath.strength(model), self.bath.operators(model)
        jumps = np.sum([np.kron(operator, operator.conj()) for operator in operators], axis=0)
        one, place = np.eye(len(jumps), dtype=complex), self.bath.place(model)
        dims, where = [site.dim for site in model.sites] * 2, (place, model.L + place)
        dense = Matrix(model.matrix(), f"the matrix of {model!r}").dense
        if model.generator.period is not None:
            local = (one + gamma * jumps) / (1 + strength * gamma)
            return apply_gate(np.kron(dense, dense.conj()), Gate(local, where), dims)
        identity = np.eye(len(dense), dtype=complex)
        lindbladian = np.eye(len(dense) ** 2, dtype=complex)
        lindbladian = apply_gate(lindbladian, Gate(gamma * (jumps - strength * one), where), dims)
        lindbladian -= 1j * (np.kron(dense, identity) - np.kron(identity, dense.T))
        return lindbladian

    def modes(self, model: Model, count: int = 2) -> Modes:
        """Return the slowest modes besides the stationary one.

        Parameters
        ----------
        model : Model
            The closed system.
        count : int
            How many.

        Returns
        -------
        Modes
            By increasing Re r, in units of the inverse time.

        Examples
        --------
        >>> system = OpenSystem(dt=1, t_max=1, gamma=1e-3)
        >>> rates, operators = system.modes(models.RandomFloquetCircuit(L=3, alpha=10.0), count=1)
        >>> bool(rates[0].real > 0), bool(abs(np.trace(operators[0])) < 1e-8)
        (True, True)
        """
        superoperator = self.superoperator(model)
        dim = model.sector.dim
        require(1 <= count < dim**2, "count", count, f"from 1 to {dim**2 - 1}")
        values, vectors = scipy.linalg.eig(superoperator, check_finite=False)
        rates = -values if model.generator.period is None else -np.log(values)
        order = np.argsort(rates.real)
        stationary = order[:2][np.argmin(np.abs(rates[order[:2]]))]
        slow = order[order != stationary][:count]
        operators = vectors[:, slow].T.reshape(count, dim, dim) * np.sqrt(dim)
        return Modes(rates[slow], operators)

    @override
    def init(self, model: Model, after: Snapshot | None) -> DensityEvolution | BathEvolution:
        if after is not None and not isinstance(after.state, DensityMatrix):
            raise TypeError(f"OpenSystem continues a DensityMatrix, not {type(after.state).__name__}")
        if not isinstance(model, OpenModel):
            return self._beside_bath(model, after)
        if after is not None:
            return DensityEvolution.resume(after, model)
        made = [start for known, start in self._begun if known() is model]
        self._begun.clear()
        return DensityEvolution.begin(made[0] if made else self._start(model), model)

    def _beside_bath(self, model: Model, after: Snapshot | None) -> BathEvolution:
        if after is None:
            state, error = self._start(model).state, EPS * model.sector.dim
        else:
            assert isinstance(after.state, DensityMatrix)
            state, error = after.state, float(after.carry.get("error", EPS * model.sector.dim))
            require_sector(state, model.sector)
        return BathEvolution(state, self.superoperator(model), model.generator.period is None, {}, error)

    @override
    def advance(
        self, carry: DensityEvolution | BathEvolution, t: float, dt: float, steps: int
    ) -> DensityEvolution | BathEvolution:
        return carry.advance(steps * dt)

    @override
    def record(self, carry: DensityEvolution | BathEvolution, t: float) -> Snapshot:
        return carry.record(t)
