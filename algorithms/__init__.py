"""Concrete algorithms."""

if __name__ != "mpsnh.algorithms":
    raise ImportError("import mpsnh.algorithms, not algorithms")

from mpsnh.algorithms.exact_diag import ExactDiag
from mpsnh.algorithms.exact_evolution import ExactEvolution
from mpsnh.algorithms.nhtebd import NHTEBD

__all__ = ["NHTEBD", "ExactDiag", "ExactEvolution"]
