"""Spectra of entanglement by charge, Rényi entropies, and how far states spread over configurations."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require
from mpsnh.observables.state import AcrossBond, chosen_bond
from mpsnh.states.schmidt import schmidt_spectrum
from mpsnh.states.state import Pure
from mpsnh.states.vector import ExactState

NEAR_ONE = 1e-7
"""Distance of an order from 1 within which the entropy is that of order 1, to as many digits."""

ROUNDING = 1e-20
"""Weight below which a Schmidt state of a normalised state is rounding."""


class EntanglementSpectrum(AcrossBond):
    """The largest weights of Schmidt states across one bond, with the charges of their left parts.

    Parameters
    ----------
    levels : int
        How many; those that do not exist, or are rounding, have weight and charge zero.
    bond : int, optional
        As for `AcrossBond`.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=6)
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=1.0), {"p": EntanglementSpectrum(levels=3)}).run()
    >>> data["p"].sel(of="charge")[0].values.tolist(), data["p"].sel(of="weight")[0].values.round(9).tolist()
    ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0])
    """

    dims = ("of", "level")
    coords = {"of": ("weight", "charge")}
    long_name = "weights of Schmidt states, and charges of their left parts"
    levels: int = 16

    @override
    def validate(self) -> None:
        require(self.levels >= 1, "levels", self.levels, "at least 1")

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[np.float64]:
        """Return weights and charges, the largest weight first."""
        weights, charges = schmidt_spectrum(cast(Pure, record.state), chosen_bond(self.bond, model))
        there = np.flatnonzero(weights[: self.levels] > ROUNDING)
        found = np.zeros((2, self.levels))
        found[:, there] = weights[there], charges[there]
        return found


class RenyiEntropy(AcrossBond):
    """The Rényi entropy ln(Σ p^α)/(1 - α) of the weights p of Schmidt states across one bond, in natural units.

    Parameters
    ----------
    order : float
        α: positive; 1 is the von Neumann entropy.
    bond : int, optional
        As for `AcrossBond`.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4)
    >>> wanted = {"S2": RenyiEntropy(order=2)}
    >>> data = nh.Simulation(chain, algorithms.ExactEvolution(dt=1.0, t_max=1.0), wanted).run()
    >>> bool(abs(data["S2"][0]) < 1e-12), bool(data["S2"][1] > 0.1)
    (True, True)
    """

    long_name = "Rényi entropy"
    order: float = 2.0

    @override
    def validate(self) -> None:
        require(self.order > 0, "order", self.order, "positive")

    @override
    def __call__(self, record: Snapshot, model: Model) -> float:
        """Return the entropy."""
        weights, _ = schmidt_spectrum(cast(Pure, record.state), chosen_bond(self.bond, model))
        return spread(weights, self.order)


class ParticipationEntropy(Observable[Snapshot]):
    """The entropy of the probabilities of configurations, in the basis of the sites' states; in natural units.

    That of order α is ln(Σ p^α)/(1 - α); of order 2 it is minus the logarithm of the inverse participation ratio.

    Parameters
    ----------
    order : float
        α: positive; 1 is the Shannon entropy.

    Raises
    ------
    TypeError
        If the state is no exact vector.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=8)
    >>> wanted = {"S": ParticipationEntropy()}
    >>> data = nh.Simulation(chain, algorithms.ExactEvolution(dt=1.0, t_max=2.0), wanted).run()
    >>> data["S"][0].item(), bool(data["S"][-1] > 1)
    (0.0, True)
    """

    measures = Snapshot
    needs = frozenset([Capability.PURE_STATE])
    long_name = "participation entropy"
    order: float = 1.0

    @override
    def validate(self) -> None:
        require(self.order > 0, "order", self.order, "positive")

    @override
    def __call__(self, record: Snapshot, model: Model) -> float:
        """Return the entropy."""
        state = record.state
        if not isinstance(state, ExactState):
            way = "use ExactEvolution or ExactDiag"
            raise TypeError(f"ParticipationEntropy needs all amplitudes, which a {type(state).__name__} has not: {way}")
        return spread(np.abs(state.vector / state.norm()) ** 2, self.order)


def spread(weights: NDArray[np.float64], order: float) -> float:
    """Return the Rényi entropy of probabilities, not negative.

    Parameters
    ----------
    weights : ndarray
        Not negative; they are normalised first.
    order : float
        Positive.

    Examples
    --------
    >>> [round(spread(np.array([0.5, 0.5, 0.0]), order), 12) for order in (0.5, 1.0, 2.0)]
    [0.69314718056, 0.69314718056, 0.69314718056]
    """
    p = weights / weights.sum()
    p = p[p > ROUNDING]
    if abs(order - 1) < NEAR_ONE:  # where the logarithm below would be rounding
        return float(max(0.0, -np.sum(p * np.log(p))))
    logarithms = order * np.log(p)
    largest = logarithms.max()
    return float(max(0.0, (largest + np.log(np.exp(logarithms - largest).sum())) / (1 - order)))
