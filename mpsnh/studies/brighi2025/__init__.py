"""Brighi et al. 2025: the steady state of a disordered non-Hermitian chain."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpsnh.studies.brighi2025.data import Study
    from mpsnh.studies.brighi2025.figures import FIGURES
    from mpsnh.studies.brighi2025.report import redraw, reproduce
    from mpsnh.studies.brighi2025.scales import SCALES, Scale
    from mpsnh.studies.brighi2025.simulations import evolution, quench, ring

__all__ = ["FIGURES", "SCALES", "Scale", "Study", "evolution", "quench", "redraw", "reproduce", "ring"]

_HOMES = {
    "FIGURES": "figures",
    "SCALES": "scales",
    "Scale": "scales",
    "Study": "data",
    "evolution": "simulations",
    "quench": "simulations",
    "redraw": "report",
    "reproduce": "report",
    "ring": "simulations",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is first used: figures need matplotlib, simulations all algorithms."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
