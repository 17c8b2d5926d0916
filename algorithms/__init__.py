"""Concrete algorithms."""

if __name__ != "mpsnh.algorithms":
    raise ImportError("import mpsnh.algorithms, not algorithms")

from mpsnh.algorithms.exact_diag import ExactDiag
from mpsnh.algorithms.exact_evolution import ExactEvolution
from mpsnh.algorithms.nhtebd import NHTEBD
from mpsnh.algorithms.steady_state import SteadyState

__all__ = ["NHTEBD", "ExactDiag", "ExactEvolution", "SteadyState"]
