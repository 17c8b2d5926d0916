"""Concrete observables."""

if __name__ != "mpsnh.observables":
    raise ImportError("import mpsnh.observables, not observables")

from mpsnh.observables.current import CurrentProfile, MidCurrent
from mpsnh.observables.resonance import (
    DemixingAngle,
    DominantFraction,
    GapRatio,
    JumpCharacter,
    MatrixElementRatio,
    NearResonantSet,
    PauliWeight,
    RelaxationRate,
    ResonanceProfile,
    ResonantLevels,
    ResonantTransitions,
)
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
from mpsnh.observables.state import EntanglementEntropy, EntropyProfile, Magnetization, Norm

__all__ = [
    "ComplexSpacingRatio",
    "CurrentProfile",
    "DemixingAngle",
    "DominantFraction",
    "Eigenvalues",
    "EntanglementEntropy",
    "EntropyProfile",
    "GapRatio",
    "GrowthRate",
    "ImaginaryFraction",
    "JumpCharacter",
    "Magnetization",
    "MatrixElementRatio",
    "MidCurrent",
    "NearResonantSet",
    "Norm",
    "PauliWeight",
    "RealSpectrum",
    "RelaxationRate",
    "ResonanceProfile",
    "ResonantLevels",
    "ResonantTransitions",
    "SingularValueGapRatio",
    "SteadyStateConditionNumber",
    "SteadyStateCurrent",
    "SteadyStateEntropy",
    "SteadyStateGap",
]
