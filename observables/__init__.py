"""Concrete observables."""

if __name__ != "mpsnh.observables":
    raise ImportError("import mpsnh.observables, not observables")

from typing import TYPE_CHECKING

from mpsnh.exports import lazy

if TYPE_CHECKING:
    from mpsnh.observables.current import CurrentProfile, MidCurrent
    from mpsnh.observables.level_statistics import ComplexSpacingRatio, GapRatio, SingularValueGapRatio
    from mpsnh.observables.levels import Eigenvalues, ImaginaryFraction, RealSpectrum
    from mpsnh.observables.resonance import (
        DemixingAngle,
        JumpCharacter,
        MatrixElementRatio,
        NearResonantSet,
        ResonanceProfile,
        ResonantLevels,
        ResonantTransitions,
    )
    from mpsnh.observables.slow_mode import DominantFraction, PauliWeight, RelaxationRate
    from mpsnh.observables.state import EntanglementEntropy, EntropyProfile, Magnetization, Norm
    from mpsnh.observables.steady_state import (
        GrowthRate,
        SteadyStateConditionNumber,
        SteadyStateCurrent,
        SteadyStateEntropy,
        SteadyStateGap,
    )
else:
    __getattr__, __dir__ = lazy(__name__)

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
