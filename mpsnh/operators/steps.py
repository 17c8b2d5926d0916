"""The gates of time steps, and what they do to charges, norms and errors."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Gate, Layer, repeated
from mpsnh.language.site import Site
from mpsnh.operators.sector import LEAK, joint_charges

PROJECTOR = 50.0
"""Logarithm of a growth in one step that turns rounding into an error of order one."""


class Steps:
    """Layers of any number of time steps, and what their gates do to charges, norms and errors.

    Parameters
    ----------
    step : list of Layer
        One step.
    sites : sequence of Site
        Those of the chain.
    longer : list of Layer, optional
        A step of twice the length, if two steps are not exactly that.
    order : int
        The Trotter order.
    number : int
        How many steps are taken in the time that the user calls one.

    Attributes
    ----------
    layers : callable
        Returns the layers of so many steps.
    doubled : callable or None
        Returns those of so many steps of twice the length.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4, gamma=0.2)
    >>> steps = Steps(chain.step(0.1, 2), chain.sites)
    >>> len(steps.layers(1)), len(steps.layers(10)), steps.conserves
    (3, 21, True)
    """

    def __init__(
        self,
        step: list[Layer],
        sites: Sequence[Site],
        longer: list[Layer] | None = None,
        order: int = 2,
        number: int = 1,
    ) -> None:
        self.sites, self.step, self.order, self.number = sites, step, order, number
        self.layers = functools.lru_cache(functools.partial(repeated, step))
        self.doubled = None if longer is None else functools.lru_cache(functools.partial(repeated, longer))

    @functools.cached_property
    def _broken(self) -> tuple[Gate, int, int] | None:
        """The first gate that takes a state of one charge to one of another, and these charges."""
        for gate, charges, leaks in self._leaks():
            breaks = np.abs(leaks) > LEAK * np.abs(gate.matrix).max()
            if breaks.any():
                out, into = np.argwhere(breaks)[0]
                return gate, int(charges[into]), int(charges[out])
        return None

    def _leaks(self) -> Iterator[tuple[Gate, NDArray[np.int64], NDArray[Any]]]:
        """Yield each gate, the charges of its states, and the part of its matrix that changes them."""
        for gate in (gate for layer in self.step for gate in layer):
            charges = joint_charges([self.sites[j].charges for j in gate.where])
            yield gate, charges, gate.matrix * (charges[:, None] != charges)

    @functools.cached_property
    def leak(self) -> float:
        """Logarithm of the largest amplitude that a step brings into other charges, relative to `reach`: rounding."""
        sizes = [np.linalg.norm(leaks) / np.linalg.norm(gate.matrix, 2) for gate, _, leaks in self._leaks()]
        return math.log(sum(sizes)) if any(sizes) else -math.inf

    @functools.cached_property
    def growth(self) -> float:
        """The largest logarithm of the product of condition numbers of the gates of a step on the same sites."""
        logarithms: dict[tuple[int, ...], float] = {}
        for gate in (gate for layer in self.step for gate in layer):
            singular = np.linalg.svd(gate.matrix, compute_uv=False)
            with np.errstate(divide="ignore"):
                spread = float(np.log(singular[0] / singular[-1])) if singular[0] > 0 else 0.0
            logarithms[gate.where] = logarithms.get(gate.where, 0.0) + spread
        return min(max(logarithms.values(), default=0.0), PROJECTOR)

    @functools.cached_property
    def reach(self) -> float:
        """Logarithm of the largest factor by which a step can change a norm."""
        norms = [np.linalg.norm(gate.matrix, 2) for layer in self.step for gate in layer]
        with np.errstate(divide="ignore"):
            return float(np.log(norms).sum())

    @property
    def conserves(self) -> bool:
        """Whether the sites have charges, and no gate changes their sum."""
        return self._broken is None and any(any(site.charges) for site in self.sites)

    def check_charge(self, charge: int | None) -> None:
        """Raise if a model has a charge that a gate breaks.

        Parameters
        ----------
        charge : int or None
            That of the model.

        Raises
        ------
        ValueError
            Naming the gate.
        """
        if self._broken is not None and charge is not None:
            gate, before, after = self._broken
            raise ValueError(
                f"the gate on sites {gate.where} takes a state of charge {before} to one of charge {after}, but the "
                f"model has charge = {charge}; use charge=None if none is conserved"
            )
