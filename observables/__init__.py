"""Concrete observables."""

if __name__ != "mpsnh.observables":
    raise ImportError("import mpsnh.observables, not observables")

from mpsnh.observables.current import CurrentProfile, MidCurrent
from mpsnh.observables.spectral import (
    Eigenvalues,
    GrowthRate,
    ImaginaryFraction,
    RealSpectrum,
    SteadyStateCurrent,
    SteadyStateGap,
)
from mpsnh.observables.state import EntanglementEntropy, Magnetization, Norm

__all__ = [
    "CurrentProfile",
    "Eigenvalues",
    "EntanglementEntropy",
    "GrowthRate",
    "ImaginaryFraction",
    "Magnetization",
    "MidCurrent",
    "Norm",
    "RealSpectrum",
    "SteadyStateCurrent",
    "SteadyStateGap",
]
