"""How a slow mode relaxes: its rate, the pair of eigenstates that dominates, and what operator it is."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.slow_mode import SlowMode


class RelaxationRate(Observable[SlowMode]):
    """The relaxation of the slow mode: Γ, and its rate r_S / γ = κΓ.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), below Eq. 3, where κ = 3.)

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=5, alpha=20.0)
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"rate": RelaxationRate()}).run()
    >>> gamma, rate = data["rate"].values
    >>> bool(np.isclose(rate, 3 * gamma))
    True
    """

    measures = SlowMode
    dims = ("quantity",)
    coords = {"quantity": ("Gamma", "r/gamma")}
    long_name = "relaxation rate of the slow mode"

    @override
    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return Γ and κΓ."""
        return np.array([record.rate, record.strength * record.rate])


class DominantFraction(Observable[SlowMode]):
    """The fraction R of the relaxation that passes through one pair of eigenstates μ < ν, and that pair.

    R = max D / (Γ dim). (Ha, Morningstar and Huse, PRL 130, 250405 (2023), below Eq. 5 and Fig. 2.)

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=5, alpha=20.0)
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"R": DominantFraction()}).run()
    >>> bool(0 < data["R"].sel(dominant_pair="R") <= 0.5)
    True
    """

    measures = SlowMode
    dims = ("dominant_pair",)
    coords = {"dominant_pair": ("R", "mu", "nu")}
    long_name = "fraction of the relaxation through the dominant pair of eigenstates"

    @override
    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return R, μ and ν."""
        m, n = record.dominant
        current = record.transitions[m, n] * (record.weights[m] - record.weights[n]) ** 2
        return np.array([current / (len(record.weights) * record.rate), m, n])


class PauliWeight(Observable[SlowMode]):
    """Where the slow mode acts: its weight on strings of operators, site by site, normalised to a total of 1.

    The weight at the bath's site is 3Γ/4 for the bath of X, Y and Z.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), "Relaxation of the slowest mode".)

    Parameters
    ----------
    by : "site" or "reach"
        The weight of all strings that act on a site, or of those for which that is the site nearest to the bath, which
        sum up to 1.

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> measured = {"weight": PauliWeight(), "rate": RelaxationRate()}
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), measured).run()
    >>> bool(np.isclose(data["weight"][-1], 3 / 4 * data["rate"].sel(quantity="Gamma")))
    True
    """

    measures = SlowMode
    dims = ("site",)
    long_name = "weight of the slow mode on strings of operators"
    by: Literal["site", "reach"] = "site"

    @override
    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return the weight for each site."""
        operator = record.operator()
        dims = list(record.sector.dims)
        total = np.linalg.norm(operator) ** 2
        weights = np.zeros(len(dims))
        for j in sorted(range(len(dims)), key=lambda j: abs(j - record.bath.place(model))):
            left, d = int(np.prod(dims[:j])), dims[j]
            blocks = operator.reshape(left, d, -1, left, d, operator.shape[0] // (left * d))
            acting = 0.0
            for a, b in itertools.combinations(range(d), 2):
                acting += float(np.linalg.norm(blocks[:, a, :, :, a, :] - blocks[:, b, :, :, b, :])) ** 2 / d
                acting += 2 * float(np.linalg.norm(blocks[:, a, :, :, b, :])) ** 2
            weights[j] = acting / total
            if self.by == "reach":
                # what does not act on this site, as an operator of the others and of the same norm
                trace = np.sum([blocks[:, a, :, :, a, :] for a in range(d)], axis=0)
                operator, dims[j] = (trace / np.sqrt(d)).reshape(len(operator) // d, -1), 1
        return weights
