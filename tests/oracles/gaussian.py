"""Free fermions (V = 0) as Gaussian states: exact currents, magnetisation, entropy and norm for chains of any length.

An N × N matrix replaces the 2^N × 2^N one, and nothing here uses the package's operators, gates or tensors.
The formulas are derived in `tests/README.md`, oracles 9 and 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh import models


def single_particle(model: models.NonHermitianXXZ, particles: int | None = None) -> NDArray[np.float64]:
    """Hopping matrix: amplitude (1-γ)/2 for j+1 → j, (1+γ)/2 for j → j+1, and h_j on the diagonal.

    On a ring the Jordan–Wigner sign of the closing bond depends on the number of particles, which must be given.
    """
    assert model.V == 0
    left, right = (1 - model.gamma) / 2, (1 + model.gamma) / 2
    matrix = np.diag(model.local_fields()) + np.diag([left] * (model.L - 1), 1) + np.diag([right] * (model.L - 1), -1)
    if model.boundary == "periodic":
        sign = -((-1) ** particles)
        matrix[-1, 0] += sign * left
        matrix[0, -1] += sign * right
    return matrix


def bulk_momenta(points: int = 8192) -> NDArray[np.float64]:
    """A grid so fine that means over it are the integrals (dk/2π) of the infinite chain, to rounding."""
    return 2 * np.pi * np.arange(points) / points


def ring_momenta(L: int, particles: int) -> NDArray[np.float64]:
    """Momenta of a ring: periodic for an odd number of particles, antiperiodic for an even one."""
    return 2 * np.pi * (np.arange(L) + (0.5 if particles % 2 == 0 else 0.0)) / L


@dataclass(frozen=True)
class CleanQuench:
    """The Néel state after a time on a translation-invariant chain: a ring (its momenta) or the infinite chain."""

    gamma: float
    time: float
    momenta: NDArray[np.float64]

    @property
    def _imbalance(self) -> NDArray[np.float64]:
        return 2 * self.gamma * self.time * np.sin(self.momenta)

    def current(self) -> float:
        """Mean current of two neighbouring bonds."""
        return float(np.mean(np.sin(self.momenta) * np.tanh(self._imbalance)) / 2)

    def staggered_current(self) -> float:
        """Half the difference of a bond that starts on an even site and its neighbour."""
        cosine = np.cos(self.momenta)
        return float(np.mean(cosine * np.sin(2 * self.time * cosine) / np.cosh(self._imbalance)) / 2)

    def currents(self, bonds: range) -> NDArray[np.float64]:
        """Currents of single bonds."""
        return self.current() + (-1.0) ** np.array(bonds) * self.staggered_current()

    def magnetization(self, sites: range) -> NDArray[np.float64]:
        """Magnetisation of single sites."""
        staggered = np.mean(np.cos(2 * self.time * np.cos(self.momenta)) / np.cosh(self._imbalance)) / 2
        return (-1.0) ** np.array(sites) * staggered

    def log_norm_per_site(self) -> float:
        """Logarithm of the norm, per site."""
        return float(np.mean(np.log(np.cosh(self._imbalance))) / 4)


def propagator(matrix: NDArray[np.float64], time: float) -> NDArray[np.complex128]:
    """Exact evolution of one particle."""
    return scipy.linalg.expm(-1j * time * matrix)


def trotter_propagator(matrix: NDArray[np.float64], dt: float) -> NDArray[np.complex128]:
    """One particle through one symmetric Trotter step: even bonds dt/2, odd bonds dt, even bonds dt/2.

    Each inner site gives half of its field to either bond. The gates of an interacting chain at V = 0 act on one
    particle just so, so this has the Trotter error of the many-body circuit and no truncation.
    """
    L = len(matrix)
    share = np.array([1.0, *[0.5] * (L - 2), 1.0]) * np.diag(matrix)
    step = np.eye(L, dtype=complex)
    for first, fraction in ((0, 0.5), (1, 1.0), (0, 0.5)):
        layer = np.eye(L, dtype=complex)
        for j in range(first, L - 1, 2):
            pair = slice(j, j + 2)
            bond = matrix[pair, pair] - np.diag(np.diag(matrix)[pair] - share[pair])
            layer[pair, pair] = scipy.linalg.expm(-1j * dt * fraction * bond)
        step = layer @ step
    return step


@dataclass(frozen=True)
class GaussianState:
    """A Slater determinant with orthonormal orbitals as columns, and the logarithm of the norm taken out of it."""

    orbitals: NDArray[np.complex128]
    time: float = 0.0
    log_norm: float = 0.0

    @classmethod
    def neel(cls, L: int) -> GaussianState:
        """Up, down, up, …: particles on the even sites."""
        return cls(np.eye(L, dtype=complex)[:, ::2])

    def evolved(self, propagator: NDArray[np.complex128], time: float) -> GaussianState:
        """Apply a one-particle propagator and orthonormalise: |det R| is the factor by which the norm grew."""
        orbitals, triangle = np.linalg.qr(propagator @ self.orbitals)
        growth = float(np.sum(np.log(np.abs(np.diag(triangle)))))
        return replace(self, orbitals=orbitals, time=self.time + time, log_norm=self.log_norm + growth)

    def trajectory(self, propagator: NDArray[np.complex128], time: float, steps: int) -> Iterator[GaussianState]:
        """Yield this state and those after each of the steps."""
        state = self
        yield state
        for _ in range(steps):
            state = state.evolved(propagator, time)
            yield state

    def correlations(self) -> NDArray[np.complex128]:
        """C_jl = ⟨c†_j c_l⟩."""
        return self.orbitals.conj() @ self.orbitals.T

    def currents(self) -> NDArray[np.float64]:
        """⟨I_j⟩ of the bonds (j, j + 1)."""
        return -np.diag(self.correlations(), 1).imag

    def magnetization(self) -> NDArray[np.float64]:
        """⟨Sᶻ_j⟩."""
        return np.diag(self.correlations()).real - 0.5

    def entropy(self, bond: int) -> float:
        """Entanglement entropy between the sites up to `bond` and the rest."""
        occupied = np.linalg.eigvalsh(self.correlations()[: bond + 1, : bond + 1])
        probabilities = np.concatenate([occupied, 1 - occupied])
        probabilities = probabilities[probabilities > 1e-15]
        return float(-np.sum(probabilities * np.log(probabilities)))
