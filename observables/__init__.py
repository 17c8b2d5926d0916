"""Concrete observables."""

if __name__ != "mpsnh.observables":
    raise ImportError("import mpsnh.observables, not observables")

from mpsnh.observables.current import CurrentProfile, MidCurrent
from mpsnh.observables.spectral import (
    ComplexSpacingRatio,
    Eigenvalues,
    GrowthRate,
    ImaginaryFraction,
    RealSpectrum,
    SingularValueGapRatio,
    SteadyStateConditionNumber,
    SteadyStateCurrent,
    SteadyStateEntropy,
    SteadyStateGap,
)
from mpsnh.observables.state import EntanglementEntropy, Magnetization, Norm

__all__ = [
    "ComplexSpacingRatio",
    "CurrentProfile",
    "Eigenvalues",
    "EntanglementEntropy",
    "GrowthRate",
    "ImaginaryFraction",
    "Magnetization",
    "MidCurrent",
    "Norm",
    "RealSpectrum",
    "SingularValueGapRatio",
    "SteadyStateConditionNumber",
    "SteadyStateCurrent",
    "SteadyStateEntropy",
    "SteadyStateGap",
]
