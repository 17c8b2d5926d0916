"""Functions that advance exact vectors in time."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.linalg

from mpsnh.checks import require
from mpsnh.language.generator import Circuit, Hamiltonian, unknown
from mpsnh.linalg.chebyshev import ChebyshevPropagator
from mpsnh.linalg.propagator import Propagator
from mpsnh.operators.matrix import apply_layers, matrix
from mpsnh.operators.sector import Sector

DENSE_PROPAGATOR = 512
"""Largest sector dimension for which exp(-i H t) is made as a dense matrix."""

MOST_GROWTH = 200.0
"""Largest logarithm of the norm of that matrix, which is far from where its square overflows."""


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
        With a relative error of at most 1e-12 per unit time.

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
    hamiltonian = matrix(generator, sector, t)
    if hamiltonian.shape[0] > DENSE_PROPAGATOR:
        return ChebyshevPropagator(hamiltonian, dt)
    dense = hamiltonian.toarray()
    growth = np.abs(np.linalg.eigvalsh((dense - dense.conj().T) / 2j)).max()
    times = max(1, math.ceil(growth * abs(dt) / MOST_GROWTH))
    evolution = scipy.linalg.expm(-1j * dt / times * dense)
    return Propagator(lambda vector: evolution @ vector, times)


@propagator.register
def _(generator: Circuit, sector: Sector, t: float, dt: float) -> Propagator:
    layers = generator.at(t).layers
    require(dt >= 0 and float(dt).is_integer(), "time", dt, "a whole number of periods")
    return Propagator(lambda vector: sector.project(apply_layers(sector.embed(vector), layers, sector.dims)), int(dt))
