"""Circuits without truncation: gates on all amplitudes of a short chain, or on the orbitals of free fermions.

Both go through the same layers as NHTEBD, so that what is left of a difference is truncation, and both tell the density
matrix of each pair of neighbouring spins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Layer

Array = NDArray[np.complex128]


class Exact(Protocol):
    """A state of spins 1/2 that goes through layers of gates."""

    log_norm: float

    def apply(self, layer: Layer) -> None:
        """Apply the gates of a layer, and take out the norm."""
        ...

    def pairs(self) -> Array:
        """Return the density matrix of each pair of neighbours, shape (L - 1, 4, 4)."""
        ...


class Amplitudes:
    """All 2^L amplitudes."""

    def __init__(self, up: Sequence[bool]) -> None:
        self.psi = np.zeros((2,) * len(up), dtype=complex)
        self.psi[tuple(0 if spin else 1 for spin in up)] = 1
        self.log_norm = 0.0

    def apply(self, layer: Layer) -> None:
        for gate in layer:
            n = len(gate.where)
            matrix = gate.matrix.reshape((2,) * (2 * n))
            psi = np.tensordot(matrix, self.psi, (range(n, 2 * n), gate.where))
            self.psi = np.moveaxis(psi, range(n), gate.where)
        norm = np.linalg.norm(self.psi)
        self.psi /= norm
        self.log_norm += float(np.log(norm))

    def pairs(self) -> Array:
        L = self.psi.ndim
        matrices = (np.moveaxis(self.psi, (j, j + 1), (0, 1)).reshape(4, -1) for j in range(L - 1))
        return np.array([a @ a.conj().T for a in matrices])


class Orbitals:
    """A Slater determinant, an up spin being a particle, for gates that are exponentials of one-particle operators.

    In an open chain the Jordan–Wigner string between neighbours is trivial. A gate is then fixed by what it does to no
    particle and to one.
    """

    def __init__(self, up: Sequence[bool]) -> None:
        self.orbitals = np.eye(len(up), dtype=complex)[:, np.flatnonzero(up)]
        self.log_norm = 0.0
        self._known: dict[int, tuple[Layer, Array, float]] = {}

    def apply(self, layer: Layer) -> None:
        if id(layer) not in self._known:
            one_particle, vacuum = np.eye(len(self.orbitals), dtype=complex), 0.0
            for gate in layer:
                sites, empty = slice(gate.where[0], gate.where[-1] + 1), gate.matrix[-1, -1]
                one = gate.matrix[1:3, 1:3] if len(gate.where) == 2 else gate.matrix[:1, :1]
                one_particle[sites, sites] = one / empty
                vacuum += float(np.log(abs(empty)))
            self._known[id(layer)] = layer, one_particle, vacuum
        _, one_particle, vacuum = self._known[id(layer)]
        self.orbitals, triangle = np.linalg.qr(one_particle @ self.orbitals)
        self.log_norm += vacuum + float(np.log(np.abs(np.diag(triangle))).sum())

    def pairs(self) -> Array:
        correlations = self.orbitals.conj() @ self.orbitals.T  # <c†_i c_j>
        pairs = np.zeros((len(correlations) - 1, 4, 4), dtype=complex)
        for j, rho in enumerate(pairs):
            left, right, hop = correlations[j, j].real, correlations[j + 1, j + 1].real, correlations[j, j + 1]
            both = left * right - abs(hop) ** 2  # Wick's theorem
            np.fill_diagonal(rho, [both, left - both, right - both, 1 - left - right + both])
            rho[2, 1], rho[1, 2] = hop, hop.conjugate()
        return pairs


def evolved(state: Exact, layers: Iterable[Layer]) -> Array:
    """Apply layers, and return the pairs."""
    for layer in layers:
        state.apply(layer)
    return state.pairs()


def pairs_of(tensors: Sequence[NDArray[Any]]) -> Array:
    """Return the density matrix of each pair of neighbours of an MPS, from its tensors, shape (left, d, right)."""
    tensors = [tensor.astype(complex) for tensor in tensors]
    for j in range(len(tensors) - 1, 0, -1):  # bring the centre to the first site
        left, d, right = tensors[j].shape
        q, r = np.linalg.qr(tensors[j].reshape(left, d * right).T)
        tensors[j] = q.T.reshape(-1, d, right)
        tensors[j - 1] = np.tensordot(tensors[j - 1], r.T, 1)
    found = []
    for j in range(len(tensors) - 1):
        pair = np.tensordot(tensors[j], tensors[j + 1], 1)
        flat = pair.transpose(1, 2, 0, 3).reshape(pair.shape[1] * pair.shape[2], -1)
        found.append(flat @ flat.conj().T / np.linalg.norm(flat) ** 2)
        left, d, right = tensors[j].shape
        q, r = np.linalg.qr(tensors[j].reshape(left * d, right))
        tensors[j] = q.reshape(left, d, -1)
        tensors[j + 1] = np.tensordot(r, tensors[j + 1], 1)
    return np.array(found)


def trace_distance(a: Array, b: Array) -> float:
    """Return the largest trace distance of two rows of density matrices."""
    return float(np.abs(np.linalg.eigvalsh(a - b)).sum(axis=-1).max()) / 2
