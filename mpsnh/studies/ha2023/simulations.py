"""The simulations that the study is made of."""

from __future__ import annotations

from typing import Any

from mpsnh import algorithms, models, observables
from mpsnh.base.observable import Observable
from mpsnh.base.slow_mode import SlowMode
from mpsnh.observables.demixing import Pair
from mpsnh.run.simulation import Simulation

PAIRS: tuple[Pair, ...] = ("AB", "A'B", "AB'", "A'B'")
"""Pairs of the near-resonant set with a different polarisation."""


def circuit(L: int, alpha: float, seed: int) -> Simulation[SlowMode]:
    """Return the simulation behind one realisation: the slowest mode of a circuit and all that is measured in it.

    Parameters
    ----------
    L : int
        Number of sites.
    alpha : float
        Disorder strength.
    seed : int
        Realisation.

    Examples
    --------
    >>> data = circuit(5, 30.0, 0).run()
    >>> bool(0 < data["dominant"].sel(dominant_pair="R") < 0.5)
    True
    """
    measured: dict[str, Observable[Any]] = {
        "relaxation": observables.RelaxationRate(),
        "dominant": observables.DominantFraction(),
        "set": observables.NearResonantSet(),
        "levels": observables.ResonantLevels(),
        "transitions": observables.ResonantTransitions(),
        "flips": observables.ResonanceProfile(),
        "weight": observables.PauliWeight(),
        "gap_ratio": observables.GapRatio(),
    }
    for pair in PAIRS:
        measured[f"angle_{pair}"] = observables.DemixingAngle(pair=pair)
        measured[f"Z_jump_{pair}"] = observables.JumpCharacter(pair=pair)
    model = models.RandomFloquetCircuit(L=L, alpha=alpha, seed=seed)
    return Simulation(model, algorithms.DegeneratePerturbationSolver(), measured)
