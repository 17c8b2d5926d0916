"""The master equation of small chains by dense matrices, written without the package."""

from __future__ import annotations

import functools

import numpy as np
import scipy.linalg

UP = np.diag([1.0, 0.0])
SPIN = {
    "Sz": np.diag([0.5, -0.5]),
    "Sm": np.array([[0.0, 0.0], [1.0, 0.0]]),
    "Sp": np.array([[0.0, 1.0], [0.0, 0.0]]),
    "Sx": np.array([[0.0, 0.5], [0.5, 0.0]]),
}
"""Operators of a spin 1/2 whose first state is up."""


def on_site(matrix, site, dims):
    """An operator of one site in the whole space, the first site being the most significant digit."""
    parts = [np.eye(d) for d in dims]
    parts[site] = matrix
    return functools.reduce(np.kron, parts)


def fermion(site, n):
    """The annihilator of a site, whose first state is full, with the string on all sites before it."""
    parts = [np.diag([-1.0, 1.0])] * site + [np.array([[0.0, 0.0], [1.0, 0.0]])] + [np.eye(2)] * (n - site - 1)
    return functools.reduce(np.kron, parts)


def superoperator(H, jumps):
    """The Lindbladian as a matrix that acts on rows of density matrices, one after the other."""
    eye = np.eye(len(H))
    decay = H - 0.5j * sum(L.conj().T @ L for L in jumps)
    clicks = sum(np.kron(L, L.conj()) for L in jumps)
    return -1j * np.kron(decay, eye) + 1j * np.kron(eye, decay.conj()) + clicks


def densities(H, jumps, psi, times):
    """The density matrices at equally spaced times from 0 on, of a pure state."""
    step = scipy.linalg.expm(superoperator(H, jumps) * (times[1] - times[0]))
    rho = np.outer(psi, psi.conj()).ravel().astype(complex)
    rows = [rho]
    for _ in times[1:]:
        rows.append(step @ rows[-1])
    return [row.reshape(H.shape) for row in rows]


def silence(H, jumps, psi, times):
    """The probability of no click until equally spaced times from 0 on."""
    decay = H - 0.5j * sum(L.conj().T @ L for L in jumps)
    step, rows = scipy.linalg.expm(-1j * decay * (times[1] - times[0])), [np.asarray(psi, dtype=complex)]
    for _ in times[1:]:
        rows.append(step @ rows[-1])
    return np.array([np.vdot(row, row).real for row in rows])
