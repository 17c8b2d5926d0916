"""Functions that advance exact vectors in time."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language.circuit import Gate
from mpsnh.language.generator import Circuit, Hamiltonian, unknown
from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.chebyshev import ChebyshevPropagator
from mpsnh.linalg.local import act
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.nilpotent import TerminatingPropagator
from mpsnh.linalg.propagator import Propagator, phases
from mpsnh.operators.matrix import matrix
from mpsnh.operators.sector import Sector

DENSE_PROPAGATOR = 512
"""Largest sector dimension for which a factor of exp(-i H t) is made as a dense matrix."""

LARGEST_LEAK = 1e-12
"""Largest part of a vector that a period may bring out of its sector by rounding, which counts as an error of it."""


@functools.singledispatch
def propagator(generator: Any, sector: Sector, t: float, dt: float) -> Propagator:
    """Return the function that advances a vector of a sector exactly by `dt`.

    Parameters
    ----------
    generator : Generator
        What makes the state evolve.
    sector : Sector
        The basis of the vectors.
    t : float
        Time at the beginning.
    dt : float
        How far; a whole number of periods of a circuit.

    Returns
    -------
    Propagator
        Exact but for rounding, whose effect it samples.

    Raises
    ------
    ValueError
        If `dt` is no whole number of periods of a circuit.

    Examples
    --------
    >>> decay = Hamiltonian(nh.OpSum([(-0.5j, "Sp", 0, "Sm", 0)]))
    >>> start = np.array([1.0, 0.0, 0.0, 0.0])
    >>> vector, log_norm = propagator(decay, Sector([nh.Spin(0.5)] * 2, None), 0.0, 3.0).evolve(start)
    >>> round(log_norm, 12)
    -1.5
    """
    raise unknown(generator, "a propagator")


@propagator.register
def _(generator: Hamiltonian, sector: Sector, t: float, dt: float) -> Propagator:
    hamiltonian = Matrix.of(matrix(generator, sector, t))
    ending = TerminatingPropagator.of(hamiltonian, dt)
    return ending or ChebyshevPropagator(hamiltonian, dt, dense=sector.dim <= DENSE_PROPAGATOR)


@propagator.register
def _(generator: Circuit, sector: Sector, t: float, dt: float) -> Propagator:
    require(dt >= 0 and float(dt).is_integer(), "time", dt, "a whole number of periods")
    gates = [gate for layer in generator.at(t).layers for gate in layer]
    spread = sum(_spread(gate.matrix) for gate in gates)
    return Propagator(_period(gates, sector), int(dt), spread=spread)


def _period(gates: Sequence[Gate], sector: Sector) -> Callable[[NDArray[np.complex128]], NDArray[np.complex128]]:
    """Return what takes a vector of the sector, with a sample of its error, through a period."""
    size = int(np.prod(sector.dims))
    numbers = np.arange(size).reshape(sector.dims)
    outside = np.setdiff1d(np.arange(size), sector.codes)
    changes = phases(size)
    steps = []
    for gate in gates:
        local = np.moveaxis(numbers, gate.where, range(len(gate.where)))
        d = int(np.prod(local.shape[: len(gate.where)]))
        require(gate.matrix.shape == (d, d), f"gate shape on {gate.where}", gate.matrix.shape, f"({d}, {d})")
        places = local.reshape(d, -1)
        matrix = np.ascontiguousarray(gate.matrix, dtype=complex)
        steps.append((matrix, places[:, 0].copy(), places[0].copy(), d * EPS * changes))

    def period(pair: NDArray[np.complex128]) -> NDArray[np.complex128]:
        whole = np.zeros((size, 2), dtype=complex)
        whole[sector.codes] = pair
        for matrix, offsets, bases, noise in steps:
            act(matrix, offsets, bases, whole, noise)
        inside, leak = whole[sector.codes], float(np.linalg.norm(whole[outside, 0]))
        if leak > 0:
            kept = float(np.linalg.norm(inside[:, 0]))
            if leak > LARGEST_LEAK * kept:
                raise ValueError(
                    f"the gates do not conserve the charge: a period brings an amplitude of "
                    f"{leak / math.hypot(leak, kept):.3g} outside of the sector of charge {sector.charge}; use "
                    "charge=None for the whole space"
                )
            inside[:, 1] += leak / kept * changes[sector.codes] * inside[:, 0]
        return inside

    return period


def _spread(gate: NDArray[np.complex128]) -> float:
    """Return how far apart a gate can drive the logarithms of two norms; one that is singular, as far as floats go."""
    values = np.linalg.svd(gate, compute_uv=False)
    return float(np.log(values[0] / max(values[-1], 1e-300 * values[0])))
