"""How large the study is: quick, laptop or as in the paper."""

from __future__ import annotations

import dataclasses

from typing_extensions import override

from mpsnh.checks import require
from mpsnh.value import Value


class Scale(Value):
    """How large the study is.

    Parameters
    ----------
    sizes : tuple of int
        Lengths of the periodic chains.
    realisations : tuple of int
        Disorder realisations of the exact spectra at each strength, for each length.
    strengths : tuple of float
        Disorder strengths of the exact spectra.
    fit_window : tuple of float
        Smallest and largest h for the rates α and β.
    evolved : int
        Length of the periodic chain that is evolved to its steady state, for Figure 1a.
    evolved_realisations : int
        Disorder realisations of it at each strength.
    evolved_time : float
        How long it is evolved.
    chain : int
        Length of the open chain.
    quench_strengths : tuple of float
        Disorder strengths of the quenches.
    half_widths : tuple of int
        ℓ₀ at each of them: the current is measured on 2ℓ₀ bonds.
    quench_realisations : tuple of int
        Disorder realisations of each quench, for each bond dimension: no more of a larger one than of a smaller one.
    t_max, interval : float
        Final time and time between records of the quenches.
    bond_dimensions : tuple of int
        Bond dimensions χ of the quenches, increasing: the last gives the results, the others show its convergence.
    checked : int
        Longest chain of the side questions: other indicators, extremal solvers, late times of open chains, arrivals.
    checked_realisations : int
        Disorder realisations of each of them.

    Examples
    --------
    >>> SCALES["quick"].arrival(1.0)
    12.0
    """

    sizes: tuple[int, ...]
    realisations: tuple[int, ...]
    strengths: tuple[float, ...]
    fit_window: tuple[float, ...]
    evolved: int
    evolved_realisations: int
    evolved_time: float
    chain: int
    quench_strengths: tuple[float, ...]
    half_widths: tuple[int, ...]
    quench_realisations: tuple[int, ...]
    t_max: float
    interval: float
    bond_dimensions: tuple[int, ...]
    checked: int
    checked_realisations: int

    @override
    def validate(self) -> None:
        """Check that parallel tuples have the same length, and the order of the bond dimensions."""
        bonds, counts = self.bond_dimensions, self.quench_realisations
        increasing = len(bonds) >= 2 and bonds == tuple(sorted(set(bonds)))
        require(increasing, "bond_dimensions", bonds, "two or more increasing numbers")
        for name, values, of in (
            ("realisations", self.realisations, self.sizes),
            ("half_widths", self.half_widths, self.quench_strengths),
            ("quench_realisations", counts, bonds),
        ):
            require(len(values) == len(of), name, values, f"{len(of)} numbers, one for each of {of}")
        falling = counts == tuple(sorted(counts, reverse=True)) and counts[-1] >= 2
        require(falling, "quench_realisations", counts, "two or more, and never more than for a smaller bond dimension")

    def half_width(self, h: float) -> int:
        """Return ℓ₀ at a disorder strength of the quenches.

        Parameters
        ----------
        h : float
            One of `quench_strengths`.
        """
        return self.half_widths[self.quench_strengths.index(h)]

    def arrival(self, h: float) -> float:
        """Return when the measured bonds feel the boundaries.

        The front that a boundary sends out moves at speed 1 (in units of J) or slower, and reaches them at
        t = N/2 - ℓ₀.

        Parameters
        ----------
        h : float
            One of `quench_strengths`.

        Returns
        -------
        float
            In units of 1/J.
        """
        return self.chain / 2 - self.half_width(h)


STRENGTHS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


SCALES = {
    "quick": Scale(
        sizes=(6, 8, 10),
        realisations=(200, 200, 200),
        strengths=STRENGTHS,
        fit_window=(2, 6),
        evolved=10,
        evolved_realisations=10,
        evolved_time=1e5,
        chain=64,
        quench_strengths=(1, 1.5, 2, 3),
        half_widths=(20, 20, 20, 20),
        quench_realisations=(6, 6, 6),
        t_max=12,
        interval=0.5,
        bond_dimensions=(12, 24, 48),
        checked=8,
        checked_realisations=20,
    ),
    "laptop": Scale(
        sizes=(8, 10, 12, 14),
        realisations=(2000, 1000, 250, 40),
        strengths=(*STRENGTHS, 10.0, 12.0),
        fit_window=(2, 8),
        evolved=16,
        evolved_realisations=8,
        evolved_time=3000,
        chain=128,
        quench_strengths=(1, 1.5, 2, 3),
        half_widths=(48, 48, 40, 32),
        quench_realisations=(6, 6, 6),
        t_max=32,
        interval=1.0,
        bond_dimensions=(32, 64, 128),
        checked=12,
        checked_realisations=50,
    ),
    "paper": Scale(
        sizes=(8, 10, 12, 14, 16),
        realisations=(15000,) * 5,
        strengths=(*STRENGTHS, 10.0, 12.0),
        fit_window=(2, 10),
        evolved=18,
        evolved_realisations=3000,
        evolved_time=1e5,
        chain=560,
        quench_strengths=(1, 1.5, 2, 3),
        half_widths=(25, 25, 35, 45),
        quench_realisations=(100, 100, 100),
        t_max=255,
        interval=1.0,
        bond_dimensions=(192, 384, 768),
        checked=12,
        checked_realisations=1000,
    ),
}
"""The sizes that `reproduce` knows by name."""

SCALES["desk"] = dataclasses.replace(
    SCALES["laptop"],
    sizes=(8, 10, 12, 14),
    realisations=(2000, 2000, 500, 60),
    strengths=(0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0),
    evolved=10,
    evolved_realisations=20,
    evolved_time=1e5,
    quench_strengths=(1, 1.5, 2, 3, 4, 5),
    half_widths=(48, 48, 40, 32, 32, 32),
    quench_realisations=(200, 20, 20, 3),
    t_max=24,
    bond_dimensions=(32, 64, 128, 256),
    checked=10,
    checked_realisations=40,
)
"""Seven hours on one core."""

SCALES["chain560"] = dataclasses.replace(
    SCALES["quick"],
    chain=560,
    quench_strengths=(2,),
    half_widths=(25,),
    quench_realisations=(2, 2),
    t_max=40,
    interval=1.0,
    bond_dimensions=(64, 128),
)
