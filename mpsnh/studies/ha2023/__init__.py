"""Ha, Morningstar and Huse 2023: how a weak bath relaxes a localised circuit."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpsnh.studies.ha2023.data import Study
    from mpsnh.studies.ha2023.figures import FIGURES
    from mpsnh.studies.ha2023.report import redraw, reproduce
    from mpsnh.studies.ha2023.scales import SCALES, Scale
    from mpsnh.studies.ha2023.simulations import circuit

__all__ = ["FIGURES", "SCALES", "Scale", "Study", "circuit", "redraw", "reproduce"]

_HOMES = {
    "FIGURES": "figures",
    "SCALES": "scales",
    "Scale": "scales",
    "Study": "data",
    "circuit": "simulations",
    "redraw": "report",
    "reproduce": "report",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is first used: figures need matplotlib, simulations all algorithms."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
