"""Concrete models."""

if __name__ != "mpsnh.models":
    raise ImportError("import mpsnh.models, not models")

from mpsnh.models.no_click import NoClick
from mpsnh.models.random_circuit import RandomFloquetCircuit
from mpsnh.models.xxz import NonHermitianXXZ

__all__ = ["NoClick", "NonHermitianXXZ", "RandomFloquetCircuit"]
