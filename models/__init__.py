"""Concrete models."""

if __name__ != "mpsnh.models":
    raise ImportError("import mpsnh.models, not models")

from typing import TYPE_CHECKING

from mpsnh.exports import lazy

if TYPE_CHECKING:
    from mpsnh.models.no_click import NoClick
    from mpsnh.models.random_circuit import RandomFloquetCircuit
    from mpsnh.models.xxz import NonHermitianXXZ
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = ["NoClick", "NonHermitianXXZ", "RandomFloquetCircuit"]
