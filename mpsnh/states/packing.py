"""Layers of gates in the form that the kernel wants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Layer
from mpsnh.operators.sector import joint_charges
from mpsnh.states.blocks import Charges
from mpsnh.states.protocol import require_conserving


def packed(layer: Layer, charges: Charges) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Return first and last sites and the matrices of gates from left to right, with local states in order of charge.

    Parameters
    ----------
    layer : Layer
        Gates on disjoint sites or pairs of neighbours.
    charges : sequence of sequence of int
        Charge of each local state, for each site of the chain.

    Returns
    -------
    where : ndarray of int, shape (n, 2)
        The sites.
    matrices : ndarray of complex, shape (n, D, D)
        Smaller gates leave the rest zero.

    Raises
    ------
    ValueError
        If a gate changes the charge by more than rounding.

    Examples
    --------
    >>> where, matrices = packed((nh.Gate(np.diag([1.0, 2.0]), (1,)),), [(1, -1)] * 2)
    >>> where.tolist(), matrices.real.tolist()
    ([[1, 1]], [[[2.0, 0.0], [0.0, 1.0]]])
    """
    gates = sorted(layer, key=lambda gate: gate.where)
    where = np.array([(gate.where[0], gate.where[-1]) for gate in gates], dtype=np.int64).reshape(-1, 2)
    largest = max((len(gate.matrix) for gate in gates), default=1)
    matrices = np.zeros((len(gates), largest, largest), dtype=complex)
    alike: dict[tuple[tuple[int, ...], ...], list[int]] = {}  # most gates, which are then treated at once
    for k, gate in enumerate(gates):
        alike.setdefault(tuple(tuple(charges[j]) for j in gate.where), []).append(k)
    for of_sites, numbers in alike.items():
        stack, joint = np.stack([gates[k].matrix for k in numbers]), joint_charges(of_sites)
        first, *second = (np.argsort(of_site, kind="stable") for of_site in of_sites)
        order = (first[:, None] * len(second[0]) + second[0]).ravel() if second else first
        matrices[numbers, : len(order), : len(order)] = stack[:, order[:, None], order]
        if stack[:, joint[:, None] != joint].any():
            for k in numbers:
                require_conserving(gates[k], charges)
    return where, matrices
