"""Concrete algorithms."""

if __name__ != "mpsnh.algorithms":
    raise ImportError("import mpsnh.algorithms, not algorithms")

from typing import TYPE_CHECKING

from mpsnh.exports import lazy

if TYPE_CHECKING:
    from mpsnh.algorithms.degenerate_perturbation import DegeneratePerturbationSolver
    from mpsnh.algorithms.exact_diag import ExactDiag
    from mpsnh.algorithms.exact_evolution import ExactEvolution
    from mpsnh.algorithms.nhtebd import NHTEBD
    from mpsnh.algorithms.open_system import OpenSystem
    from mpsnh.algorithms.steady_state import SteadyState
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = ["NHTEBD", "DegeneratePerturbationSolver", "ExactDiag", "ExactEvolution", "OpenSystem", "SteadyState"]
