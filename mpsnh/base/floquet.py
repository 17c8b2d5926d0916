"""Models that evolve by whole periods, as circuits of gates."""

from __future__ import annotations

import math
import numbers
from abc import abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from mpsnh.base.model import Model
from mpsnh.checks import described, require, require_method
from mpsnh.language.circuit import Gate, Layer
from mpsnh.language.generator import Circuit


class FloquetModel(Model):
    """A model that evolves by whole periods; a new model must only write `layers`.

    The gates need not be unitary. Time is counted in periods.

    Examples
    --------
    >>> import scipy.linalg
    >>> from mpsnh.language.circuit import Gate
    >>> class Kicked(FloquetModel):
    ...     angle: float = 0.1
    ...     def layers(self):
    ...         kick = scipy.linalg.expm(-1j * self.angle * self.sites[0].op("X"))
    ...         return [tuple(Gate(kick, (j,)) for j in range(self.L))]
    >>> bool(np.allclose(np.abs(np.linalg.eigvals(Kicked(L=2).matrix())), 1))
    True
    """

    time_units: ClassVar[str] = "period"

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_method(cls, "layers")

    @abstractmethod
    def layers(self) -> list[Layer]:
        """Return the layers of gates of one period, in the order in which they act."""

    @cached_property
    @override
    def generator(self) -> Circuit:
        name, layers = f"{type(self).__name__}.layers", self.layers()
        if not isinstance(layers, Iterable):
            raise TypeError(
                f"{name} returned {described(layers)}, but it must return a list of layers, each a tuple of gates"
            )
        return Circuit(tuple(_layer(layer, f"layer {k} of {name}", self) for k, layer in enumerate(layers)))

    @override
    def check_time_step(self, dt: float) -> None:
        require(dt == 1, "dt", dt, "1, since a Floquet model advances by whole periods")


def _layer(layer: Any, name: str, model: Model) -> Layer:
    """Return a layer as a tuple of gates with arrays and tuples of sites, or raise."""
    if isinstance(layer, Gate) or not isinstance(layer, Iterable):
        raise TypeError(f"{name} is {described(layer)}, but it must be a tuple of gates, such as (gate,)")
    return tuple(_gate(gate, f"gate {k} in {name}", model) for k, gate in enumerate(layer))


def _gate(gate: Any, name: str, model: Model) -> Gate:
    if not isinstance(gate, Gate):
        raise TypeError(
            f"{name} is {described(gate)}, but it must be a Gate(matrix, sites), such as Gate(np.eye(4), (0, 1))"
        )
    where = (gate.where,) if isinstance(gate.where, numbers.Integral) else gate.where
    if not (isinstance(where, Iterable) and all(isinstance(j, numbers.Integral) for j in where)):
        raise TypeError(f"{name} acts on {described(where)}, but this must be a tuple of sites: Gate(matrix, (0, 1))")
    sites = tuple(map(int, where))
    try:
        matrix = np.asarray(gate.matrix, dtype=complex)
    except (TypeError, ValueError):
        way = "of an operator of the site it is self.sites[0].op('X')"
        raise TypeError(f"{name} has the matrix {described(gate.matrix)}, but it must be an array; {way}") from None
    if all(0 <= j < model.L for j in sites):  # what other sites mean, the algorithm says
        dim = math.prod(model.sites[j].dim for j in sites)
        require(matrix.shape == (dim, dim), f"gate shape on {sites}", matrix.shape, f"{(dim, dim)}")
    return Gate(matrix, sites)
