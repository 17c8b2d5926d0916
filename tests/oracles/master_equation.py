"""The Lindblad equation as a dense matrix on matrices written row by row."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import scipy.linalg

from mpsnh import OpSum, Site
from tests.oracles.reference import gaussian, operator


def superoperator(hamiltonian: OpSum, jumps: Sequence[OpSum], sites: Sequence[Site]) -> np.ndarray:
    """Return the matrix of ρ → -i [H, ρ] + Σ (L ρ L† - {L†L, ρ} / 2)."""
    h = operator(hamiltonian, sites)
    one = np.eye(len(h))
    total = -1j * (np.kron(h, one) - np.kron(one, h.T))
    for jump in jumps:
        matrix = operator(jump, sites)
        rate = matrix.conj().T @ matrix
        total += np.kron(matrix, matrix.conj()) - (np.kron(rate, one) + np.kron(one, rate.T)) / 2
    return total


def evolved(generator: np.ndarray, rho: np.ndarray, time: float) -> np.ndarray:
    """Return a density matrix at a later time."""
    return (scipy.linalg.expm(time * generator) @ rho.ravel()).reshape(rho.shape)


def random_density_matrix(rng: np.random.Generator, sites: Sequence[Site]) -> np.ndarray:
    """Return a density matrix of full rank that is even in fermions."""
    dim = int(np.prod([site.dim for site in sites]))
    root = gaussian(rng, dim, dim)
    rho = root @ root.conj().T
    parity = functools.reduce(np.kron, [np.array(site.parities) for site in sites])
    rho *= parity[:, None] == parity
    return rho / np.trace(rho)


def trace_distance(one: np.ndarray, two: np.ndarray) -> float:
    """Return half the sum of singular values of the difference."""
    return float(np.linalg.svd(one - two, compute_uv=False).sum()) / 2
