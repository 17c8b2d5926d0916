"""Brighi et al. 2025: the steady state of a disordered non-Hermitian chain."""

from mpsnh.studies.brighi2025.data import Study
from mpsnh.studies.brighi2025.figures import FIGURES
from mpsnh.studies.brighi2025.report import reproduce
from mpsnh.studies.brighi2025.scales import SCALES, Scale
from mpsnh.studies.brighi2025.simulations import evolution, quench, ring

__all__ = ["FIGURES", "SCALES", "Scale", "Study", "evolution", "quench", "reproduce", "ring"]
