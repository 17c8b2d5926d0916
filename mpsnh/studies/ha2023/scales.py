"""How large the study is: quick, laptop or as in the paper."""

from __future__ import annotations

from typing_extensions import override

from mpsnh.checks import require
from mpsnh.value import Value

LOCALISED, THERMAL = 30.0, 1.0
"""The paper's α in the two regimes."""


class Scale(Value):
    """How large the study is.

    Parameters
    ----------
    sizes : tuple of int
        Lengths of the chains.
    realisations : tuple of int
        Circuits in each regime, for each length.
    scan : tuple of float
        Other values of α, for the avalanche's landmark.
    scan_realisations : tuple of int
        Circuits at each of these α, for each length; none where this is 0.

    Examples
    --------
    >>> SCALES["quick"].sizes
    (5, 6, 7, 8)
    """

    sizes: tuple[int, ...]
    realisations: tuple[int, ...]
    scan: tuple[float, ...]
    scan_realisations: tuple[int, ...]

    @override
    def validate(self) -> None:
        """Check that there are two sizes, numbers of realisations for each, and no α twice."""
        n = len(self.sizes)
        require(n >= 2 and sorted(self.sizes) == list(self.sizes), "sizes", self.sizes, "at least two, increasing")
        for name in ("realisations", "scan_realisations"):
            counts = getattr(self, name)
            require(len(counts) == n, name, counts, f"{n} numbers, one for each of {self.sizes}")
        scanned = sum(count > 0 for count in self.scan_realisations)
        require(scanned >= 2, "scan_realisations", self.scan_realisations, "positive for two sizes or more")
        allowed = f"without repetitions, {LOCALISED} and {THERMAL}, which are in any case"
        require(len({*self.scan, LOCALISED, THERMAL}) == len(self.scan) + 2, "scan", self.scan, allowed)


SCALES = {
    "quick": Scale(
        sizes=(5, 6, 7, 8),
        realisations=(400, 400, 400, 300),
        scan=(3.0, 7.0, 12.0, 20.0, 25.0, 40.0),
        scan_realisations=(100, 100, 100, 0),
    ),
    "laptop": Scale(
        sizes=(5, 6, 7, 8, 9, 10),
        realisations=(3000, 3000, 3000, 2000, 1000, 150),
        scan=(3.0, 7.0, 12.0, 20.0, 40.0),
        scan_realisations=(1000, 1000, 1000, 1000, 1000, 0),
    ),
    "paper": Scale(
        sizes=(5, 6, 7, 8, 9, 10, 11),
        realisations=(10000,) * 7,
        scan=(2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 35.0, 40.0),
        scan_realisations=(1000,) * 7,
    ),
}
"""The sizes that `reproduce` knows by name."""
