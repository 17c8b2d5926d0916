"""What an attack is, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

Attack = Callable[[np.random.Generator, Path], Counter[str]]
"""Does some harm to a sweep in an empty folder, and returns how many points were lost, duplicated, wrong or hung."""

COUNTED = ("lost", "duplicated", "wrong", "hung")
"""What must all be zero."""

ATTACKS: dict[str, Attack] = {}
"""All attacks by name; each module of this folder adds its own."""


def attack(function: Attack) -> Attack:
    """Add an attack to the list."""
    ATTACKS[function.__name__] = function
    return function
