"""Functions that advance exact vectors in time."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mpsnh.checks import require
from mpsnh.language.generator import Circuit, Hamiltonian, unknown
from mpsnh.linalg.chebyshev import ChebyshevPropagator
from mpsnh.linalg.propagator import Propagator
from mpsnh.operators.matrix import apply_layers, matrix
from mpsnh.operators.sector import Sector

DENSE_PROPAGATOR = 512
"""Largest sector dimension for which a factor of exp(-i H t) is made as a dense matrix."""


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
    return ChebyshevPropagator(matrix(generator, sector, t), dt, dense=sector.dim <= DENSE_PROPAGATOR)


@propagator.register
def _(generator: Circuit, sector: Sector, t: float, dt: float) -> Propagator:
    layers = generator.at(t).layers
    require(dt >= 0 and float(dt).is_integer(), "time", dt, "a whole number of periods")
    return Propagator(lambda vector: sector.project(apply_layers(sector.embed(vector), layers, sector.dims)), int(dt))
