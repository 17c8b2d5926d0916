"""quimb's tensor networks, imported without compiling functions that few of its users ever call.

Some of quimb's compiled functions say with which types they are called, so that numba compiles them when they are
imported: six seconds, once on a machine. Here those are left out whose results do not depend on them, and the functions
are compiled as all others are, when they are first called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import quimb.core

__all__ = ["qtn"]

INFERRED = ("(", "i4(")
"""How signatures begin that change no result: they leave out the type of what is returned, or it counts something."""


def _njit(signatures: Any = None, /, **options: Any) -> Any:
    """Stand for quimb's decorator."""
    given = [] if signatures is None or callable(signatures) else signatures
    if isinstance(given, Sequence) and given and all(str(each).startswith(INFERRED) for each in given):
        return _eager(**options)
    return _eager(*([] if signatures is None else [signatures]), **options)


_eager = quimb.core.njit
if "quimb.tensor" not in sys.modules:
    quimb.core.njit = _njit
try:
    import quimb.tensor as qtn
finally:
    quimb.core.njit = _eager
