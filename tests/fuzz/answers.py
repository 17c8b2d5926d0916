"""What the reference says of an observable: the right value, that there is none, or that it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Right:
    """The right values: any one of them, where a choice is free; errors up to `tolerance` count as none."""

    values: list[Any]
    tolerance: float | None = None


@dataclass
class Refuse:
    """There is no right value, and why."""

    why: str


@dataclass
class Skip:
    """The reference does not know, and why."""

    why: str


Expected = Right | Refuse | Skip
