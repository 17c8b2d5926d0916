"""The gates that advance a state by a step."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from mpsnh.checks import require
from mpsnh.language.circuit import Layer, trotter
from mpsnh.language.generator import Circuit, Hamiltonian, unknown
from mpsnh.language.site import Site
from mpsnh.operators.bonds import bond_hamiltonians


@functools.singledispatch
def gates(generator: Any, sites: Sequence[Site], t: float, dt: float, order: int) -> list[Layer]:
    """Return the layers of gates that advance a state by `dt`.

    Parameters
    ----------
    generator : Generator
        What makes the state evolve.
    sites : sequence of Site
        The chain.
    t : float
        Time at the beginning of the step.
    dt : float
        Length of the step; one period of a circuit.
    order : {1, 2, 4}
        Trotter order, of which a circuit has no need.

    Raises
    ------
    ValueError
        If a term acts on more than two neighbouring sites or joins the ends of a periodic chain, or `dt` is no period.

    Examples
    --------
    >>> ising = Hamiltonian(nh.OpSum.sum((1.0, "Sz", j, "Sz", j + 1) for j in range(3)))
    >>> [len(layer) for layer in gates(ising, [nh.Spin(0.5)] * 4, 0.0, 0.1, 2)]
    [2, 1, 2]
    """
    raise unknown(generator, "gates")


@gates.register
def _(generator: Hamiltonian, sites: Sequence[Site], t: float, dt: float, order: int) -> list[Layer]:
    return trotter(bond_hamiltonians(generator.at(t).terms, sites), dt, order)


@gates.register
def _(generator: Circuit, sites: Sequence[Site], t: float, dt: float, order: int) -> list[Layer]:
    require(dt == 1, "dt", dt, "1, since a Floquet model advances by whole periods")
    return list(generator.at(t).layers)
