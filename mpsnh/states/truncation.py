"""How far a bond of a matrix-product state is truncated."""

from __future__ import annotations

from typing_extensions import override

from mpsnh.checks import require
from mpsnh.value import Value


class Truncation(Value):
    """Which singular values of a bond are kept.

    Parameters
    ----------
    max_bond : int
        Largest bond dimension χ.
    cutoff : float
        Largest weight (sum of squared singular values, relative to their total) that one truncation may discard
        as long as `max_bond` is not reached.
    min_bond : int
        Bond dimension up to which the cutoff does not apply: only what is rounding is dropped there.
    excess : float
        Largest weight that a truncation may discard beyond that of a singular value decomposition, relative to it.
        With 0, all bonds are decomposed.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> Truncation(max_bond=128)
    Truncation(max_bond=128, cutoff=1e-10, min_bond=1, excess=0.1)
    """

    max_bond: int = 64
    cutoff: float = 1e-10
    min_bond: int = 1
    excess: float = 0.1

    @override
    def validate(self) -> None:
        require(self.max_bond >= 1, "max_bond", self.max_bond, "at least 1")
        require(self.min_bond >= 1, "min_bond", self.min_bond, "at least 1")
        require(0 <= self.cutoff < 1, "cutoff", self.cutoff, "from 0 to below 1")
        require(0 <= self.excess <= 1, "excess", self.excess, "from 0 to 1")
