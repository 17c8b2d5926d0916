"""Generators as matrices in a charge sector, and the condition that these are closed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.checks import require_memory
from mpsnh.language.circuit import Gate, Layer, apply_gate
from mpsnh.language.generator import Circuit, Hamiltonian, unknown
from mpsnh.operators.sector import LEAK, Sector

UNITARY = 1e-10
"""Largest deviation from unitarity, or relative one from Hermiticity, that counts as rounding."""

MERGED = 64
"""Dimension up to which gates are multiplied with each other before they act on a whole space."""


@functools.singledispatch
def matrix(generator: Any, sector: Sector, t: float = 0.0) -> Any:
    """Return the matrix whose spectrum describes a generator: H, or the map of one period.

    Parameters
    ----------
    generator : Generator
        What makes the state evolve.
    sector : Sector
        The basis.
    t : float
        The time.

    Returns
    -------
    csr_matrix or ndarray, shape (dim, dim)
        Sparse for a Hamiltonian, and then real if H is; dense for a circuit.

    Raises
    ------
    ValueError
        If the charge of the sector is not conserved.
    MemoryError
        If the matrix does not fit in memory.

    Examples
    --------
    >>> matrix(Hamiltonian(nh.OpSum([(1.0, "Sz", 0)])), Sector([nh.Spin(0.5)] * 2, 0)).toarray().tolist()
    [[0.5, 0.0], [0.0, -0.5]]
    """
    raise unknown(generator, "a matrix")


@matrix.register
def _(generator: Hamiltonian, sector: Sector, t: float = 0.0) -> scipy.sparse.csr_matrix:
    return sector.operator(generator.at(t).terms)


@matrix.register
def _(generator: Circuit, sector: Sector, t: float = 0.0) -> NDArray[np.complex128]:
    size = float(np.prod(sector.dims, dtype=float))
    require_memory(3 * 16 * size * sector.dim, f"the {size:.3g} × {sector.dim} Floquet map")
    columns = np.zeros((int(size), sector.dim), dtype=complex)
    columns[sector.codes, np.arange(sector.dim)] = 1
    for gate in _merged(generator.at(t).layers, sector.dims):
        columns = apply_gate(columns, gate, sector.dims)
    inside: NDArray[np.complex128] = columns[sector.codes]
    if np.linalg.norm(columns) ** 2 - np.linalg.norm(inside) ** 2 > LEAK * np.linalg.norm(columns) ** 2:
        raise ValueError(f"the gates do not conserve the charge {sector.charge}; use charge=None for the whole space")
    return inside


def _merged(layers: Sequence[Layer], dims: Sequence[int]) -> list[Gate]:
    """Multiply gates while the products act on few sites, so that large vectors are passed through less often."""
    done: list[Gate] = []
    pending: list[Gate] = []  # no two of which share a site
    for gate in (gate for layer in layers for gate in layer):
        touched = [one for one in pending if set(one.where) & set(gate.where)]
        pending = [one for one in pending if not set(one.where) & set(gate.where)]
        where = sorted({site for one in (*touched, gate) for site in one.where})
        local = [dims[site] for site in where]
        if np.prod(local) > MERGED:
            done += touched
            pending.append(gate)
            continue
        product = np.eye(int(np.prod(local)), dtype=complex)
        for one in (*touched, gate):
            product = apply_gate(product, Gate(one.matrix, tuple(map(where.index, one.where))), local)
        pending.append(Gate(product, tuple(where)))
    return done + pending


@functools.singledispatch
def require_closed(generator: Any, sector: Sector) -> None:
    """Raise unless every gate of a circuit is unitary, or a Hamiltonian is Hermitian.

    Parameters
    ----------
    generator : Generator
        Of a system that a bath is to be coupled to.
    sector : Sector
        The basis.

    Raises
    ------
    ValueError
        Naming the gate that is not unitary, or by how much the Hamiltonian is not Hermitian.

    Examples
    --------
    >>> require_closed(Hamiltonian(nh.OpSum([(0.2j, "Sz", 0)])), Sector([nh.Spin(0.5)] * 2, None))
    Traceback (most recent call last):
    ValueError: the Hamiltonian must be Hermitian to couple a bath to it, but |H - H†| reaches 0.2
    """
    raise unknown(generator, "a closed system")


@require_closed.register
def _(generator: Hamiltonian, sector: Sector) -> None:
    hamiltonian = matrix(generator, sector)
    deviation, largest = abs(hamiltonian - hamiltonian.conj().T).max(), abs(hamiltonian).max()
    if deviation > UNITARY * largest:
        raise ValueError(
            f"the Hamiltonian must be Hermitian to couple a bath to it, but |H - H†| reaches {deviation:.3g}"
        )


@require_closed.register
def _(generator: Circuit, sector: Sector) -> None:
    for layer in generator.layers:
        for gate, where in layer:
            deviation = float(np.abs(gate.conj().T @ gate - np.eye(len(gate))).max())
            if deviation > UNITARY:
                sites = ", ".join(map(str, where))
                raise ValueError(
                    f"the gate on site{'s' * (len(where) > 1)} {sites} must be unitary to couple a bath to the "
                    f"model, but |U†U - 1| reaches {deviation:.3g}"
                )
