"""Exact evolution of the density matrix of a small system coupled to a bath."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.bath import Bath
from mpsnh.base.capability import Capability
from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require, require_memory
from mpsnh.language.circuit import Gate, apply_gate
from mpsnh.linalg.matrix import Matrix
from mpsnh.operators.matrix import require_closed
from mpsnh.states.density import DensityMatrix
from mpsnh.states.vector import ExactState

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
class Mixture:
    """A density matrix on its way, and what brings it forward: by any time, or by whole periods.

    Examples
    --------
    >>> system = OpenSystem(dt=1, t_max=1, gamma=1e-3)
    >>> mixture = system.init(models.RandomFloquetCircuit(L=3, alpha=10.0), None)
    >>> mixture.continuous, mixture.superoperator.shape
    (False, (64, 64))
    """

    state: DensityMatrix
    superoperator: NDArray[np.complex128]
    continuous: bool
    propagators: dict[int, NDArray[np.complex128]]


class OpenSystem(TimeEvolution[Mixture]):
    """The density matrix of a system with a bath at any coupling γ, by its whole superoperator.

    One period of a Floquet model is that of the closed system followed by the bath; a Hamiltonian and the bath make a
    Lindblad equation. Both are written at `mpsnh.Bath`.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eqs. 1, 2.)

    The superoperator has the square of the dimension of the system, so that this is for up to six spins, where `modes`
    takes minutes; five take seconds.

    Parameters
    ----------
    dt, t_max, every, initial
        The time grid and the initial pure state, as for `mpsnh.TimeEvolution`; steps between records are made at once.
    gamma : float
        The coupling γ, not negative.
    bath : Bath
        The bath; X, Y and Z on the last site by default.

    Raises
    ------
    ValueError
        If the model is not unitary (Hermitian) or too large, or bath and model do not fit.
    MemoryError
        If the superoperator does not fit in memory.

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=3, alpha=10.0)
    >>> *_, last = OpenSystem(dt=1, t_max=2**20, every=2**20, gamma=0.1).records(circuit)
    >>> bool(np.allclose(last.state.matrix, np.eye(8) / 8))
    True
    """

    diagnostics = {}
    gamma: float
    bath: Bath = Bath()

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return frozenset()  # a state that is mixed, whose norm says nothing

    @override
    def validate(self) -> None:
        super().validate()
        require(self.gamma >= 0, "gamma", self.gamma, "zero or positive")
        if not isinstance(self.bath, Bath):
            raise TypeError(f"bath = {self.bath!r}, but it must be a Bath")

    @override
    def check(self, model: Model) -> None:
        super().check(model)
        self.bath.check(model)
        dim = float(np.prod([site.dim for site in model.sites], dtype=float))
        if dim > LARGEST:
            raise ValueError(
                f"L = {model.L}, but a density matrix of dimension {dim:.3g} is too large for its superoperator, which "
                f"would need {self.bytes_needed(model) / 2**30:.3g} GiB; at most {LARGEST} (6 spins 1/2) is allowed"
            )
        require_memory(self.bytes_needed(model), f"the superoperator of {model.L} sites")
        require_closed(model.generator, model.sector)

    @override
    def bytes_needed(self, model: Model) -> float:
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
        strength, operators = self.bath.strength(model), self.bath.operators(model)
        jumps = np.sum([np.kron(operator, operator.conj()) for operator in operators], axis=0)
        one, place = np.eye(len(jumps), dtype=complex), self.bath.place(model)
        dims, where = [site.dim for site in model.sites] * 2, (place, model.L + place)
        dense = Matrix(model.matrix(), f"the matrix of {model!r}").dense
        if model.generator.period is not None:
            local = (one + self.gamma * jumps) / (1 + strength * self.gamma)
            return apply_gate(np.kron(dense, dense.conj()), Gate(local, where), dims)
        identity = np.eye(len(dense), dtype=complex)
        lindbladian = np.eye(len(dense) ** 2, dtype=complex)
        lindbladian = apply_gate(lindbladian, Gate(self.gamma * (jumps - strength * one), where), dims)
        lindbladian -= 1j * (np.kron(dense, identity) - np.kron(identity, dense.T))
        return lindbladian

    def modes(self, model: Model, count: int = 2) -> Modes:
        """Return the slowest modes besides the stationary identity.

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
    def init(self, model: Model, after: Snapshot | None) -> Mixture:
        if after is None:
            vector = ExactState.from_mps(self.initial_state(model), model.sector).vector
            state = DensityMatrix(np.outer(vector, vector.conj()), model.sector)
        elif isinstance(after.state, DensityMatrix):
            state, ours = after.state, model.sector
            same = (state.sector.sites, state.sector.charge) == (ours.sites, ours.charge)
            require(same, "sector of the state", state.sector, f"{ours}, as the model has, on the same sites")
        else:
            raise TypeError(f"OpenSystem continues a DensityMatrix, not {type(after.state).__name__}")
        return Mixture(state, self.superoperator(model), model.generator.period is None, {})

    @override
    def advance(self, carry: Mixture, t: float, dt: float, steps: int) -> Mixture:
        if steps not in carry.propagators:
            continuous, superoperator = carry.continuous, carry.superoperator
            carry.propagators[steps] = (
                scipy.linalg.expm(steps * dt * superoperator)
                if continuous
                else np.linalg.matrix_power(superoperator, steps)
            )
        matrix = carry.state.matrix
        evolved = (carry.propagators[steps] @ matrix.ravel()).reshape(matrix.shape)
        return replace(carry, state=replace(carry.state, matrix=evolved))

    @override
    def record(self, carry: Mixture, t: float) -> Snapshot:
        return Snapshot(t, carry.state)
