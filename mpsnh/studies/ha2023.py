"""The figures of Ha, Morningstar and Huse 2023, "Many-body resonances in the avalanche instability of MBL".

(DOI 10.1103/PhysRevLett.130.250405.) A random circuit that is many-body localised (MBL) has a weak bath at infinite
temperature at its last site. Each realisation is one circuit: its slowest mode, and the eigenstates A, B, A' and B'
through which most of it relaxes.

Conventions: α = 30 is the localised and α = 1 the thermal regime. Sites count from 1 in the figures, as in the paper,
so that the bath is at site L. The same seed gives the same gates at every α, and at every L up to the shorter length;
errors come from resampling seeds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from mpsnh import algorithms, models, observables
from mpsnh.observables.resonance import Pair
from mpsnh.records import SlowMode
from mpsnh.simulation import Simulation
from mpsnh.statistics import bootstrap_interval, log_histogram
from mpsnh.studies.study import PaperStudy, draw
from mpsnh.value import Value, require

LOCALISED, THERMAL = 30.0, 1.0
"""The paper's α in the two regimes."""
PAIRS: tuple[Pair, ...] = ("AB", "A'B", "AB'", "A'B'")
"""Pairs of the near-resonant set with a different polarisation."""


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

    def validate(self) -> None:
        """Check that there are numbers of realisations for each size, and that α is not repeated."""
        n = len(self.sizes)
        for name in ("realisations", "scan_realisations"):
            counts = getattr(self, name)
            require(len(counts) == n, name, counts, f"{n} numbers, one for each of {self.sizes}")
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
        realisations=(5000, 5000, 5000, 5000, 2000, 1000),
        scan=(2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 35.0, 40.0),
        scan_realisations=(400, 400, 400, 400, 200, 0),
    ),
    "paper": Scale(
        sizes=(5, 6, 7, 8, 9, 10, 11),
        realisations=(10000,) * 7,
        scan=(2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 35.0, 40.0),
        scan_realisations=(1000,) * 7,
    ),
}
"""The sizes that `reproduce` knows by name."""


def circuit(L: int, alpha: float, seed: int) -> Simulation[SlowMode]:
    """Return the simulation behind one realisation: the slowest mode of a circuit and all that is measured in it.

    Parameters
    ----------
    L : int
        Number of sites.
    alpha : float
        Disorder strength.
    seed : int
        Realisation.

    Returns
    -------
    Simulation

    Examples
    --------
    >>> data = circuit(5, 30.0, 0).run()
    >>> bool(0 < data["dominant"].sel(dominant_pair="R") < 0.5)
    True
    """
    return Simulation(
        models.RandomFloquetCircuit(L=L, alpha=alpha, seed=seed),
        algorithms.DegeneratePerturbationSolver(),
        {
            "relaxation": observables.RelaxationRate(),
            "dominant": observables.DominantFraction(),
            "set": observables.NearResonantSet(),
            "levels": observables.ResonantLevels(),
            "transitions": observables.ResonantTransitions(),
            "flips": observables.ResonanceProfile(),
            "weight": observables.PauliWeight(),
            "gap_ratio": observables.GapRatio(),
        }
        | {f"angle_{pair}": observables.DemixingAngle(pair=pair) for pair in PAIRS}
        | {f"Z_jump_{pair}": observables.JumpCharacter(pair=pair) for pair in PAIRS},
    )


class Study(PaperStudy[Scale]):
    """The data behind the figures, computed when first needed and kept in stores in `out`.

    Examples
    --------
    >>> Study("huge", Path("out"))
    Traceback (most recent call last):
    ValueError: scale 'huge' is unknown; there are: quick, laptop, paper
    """

    paper, scales = "ha2023", SCALES

    @functools.cached_property
    def regimes(self) -> xr.Dataset:
        """All circuits at α = 1 and 30: dimensions L, alpha and seed, and a count of those that failed.

        NaN where they failed, and beyond the realisations of a size.
        """
        return self._circuits("regimes", (THERMAL, LOCALISED), self.scale.realisations)

    @functools.cached_property
    def scan(self) -> xr.Dataset:
        """The circuits at the other α, in the same form."""
        return self._circuits("scan", self.scale.scan, self.scale.scan_realisations)

    def _circuits(self, name: str, alphas: Sequence[float], counts: Sequence[int]) -> xr.Dataset:
        parts = []
        for L, count in zip(self.scale.sizes, counts, strict=True):
            if count:
                axes = {"L": [L], "alpha": alphas, "seed": self._seeds(count)}
                part = self._computed(f"{name}-{L}", circuit, axes, on_error="record")
                parts.append(part.assign(failed=part["gap_ratio"].isnull().sum("seed")))
        return xr.concat(parts, "L", join="outer", combine_attrs="drop_conflicts")


# The figures: each function draws one and returns the numbers it shows.


def _fig2(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the distribution of the dominant fraction R for each size, in both regimes."""
    R = study.regimes["dominant"].sel(dominant_pair="R", drop=True)
    data = log_histogram(R, bins=np.geomspace(float(R.min()), 1, 40))
    for alpha, colours, name in ((THERMAL, "autumn", "thermal"), (LOCALISED, "Blues", "localised")):
        for k, L in enumerate(study.scale.sizes):
            density = data["density"].sel(L=L, alpha=alpha)
            axes.plot(
                density["bin"], density, color=_shade(colours, k, len(study.scale.sizes)), label=f"{name}, $L={L}$"
            )
    axes.axvline(0.5, color="0.5", ls="--", zorder=0)
    axes.set(xlabel="fraction of the relaxation through one pair $R$", ylabel="probability per decade", xscale="log")
    axes.legend(ncols=2)
    return data


def _landmark(study: Study, axes: Axes) -> xr.Dataset:
    """Draw Γ·4^L against α: where it does not depend on L, the avalanche stops."""
    both = xr.concat([study.regimes, study.scan], "alpha", join="outer", combine_attrs="drop_conflicts")
    gamma = both["relaxation"].sel(quantity="Gamma", drop=True).sortby("alpha")
    data = bootstrap_interval(gamma * 4.0 ** gamma["L"], "median")
    for k, L in enumerate(study.scale.sizes):
        point = data.sel(L=L).dropna("alpha")
        error = [point["value"] - point["low"], point["high"] - point["value"]]
        colour = _shade("viridis", k, len(study.scale.sizes))
        axes.errorbar(point["alpha"], point["value"], error, marker="o", ms=2.5, lw=0.8, color=colour, label=f"$L={L}$")
    axes.set(xlabel=r"disorder strength $\alpha$", ylabel=r"$\Gamma\,4^L$ (median)", yscale="log")
    axes.legend()
    return data


FIGURES: dict[str, Callable[[Study, Axes], xr.Dataset]] = {"fig2": _fig2, "landmark": _landmark}
"""The figures by name."""


def reproduce(
    scale: str = "quick",
    only: Sequence[str] = (),
    out: Path = Path("out"),
    seed: int = 0,
    executor: Executor | None = None,
) -> list[Path]:
    """Compute and draw figures of the paper, each as PNG, PDF and dataset.

    Parameters
    ----------
    scale : str
        Name of a scale in `SCALES`.
    only : sequence of str
        Names of figures; all of them if empty.
    out : Path
        Folder for the results.
    seed : int
        Number of the first realisation: the study uses this one and those that follow.
    executor : concurrent.futures.Executor, optional
        Where the realisations run; the numbers do not depend on it.

    Returns
    -------
    list of Path
        The files written for the figures.

    Raises
    ------
    ValueError
        If the scale or a figure is unknown, or `out` holds the results of a study with other parameters.

    Examples
    --------
    >>> reproduce(only=["fig9"])
    Traceback (most recent call last):
    ValueError: figure 'fig9' is unknown; there are: fig2, landmark
    """
    study = Study(scale, Path(out), seed, executor)
    return draw(study, FIGURES, only)


def _shade(colours: str, k: int, n: int) -> tuple[float, float, float, float]:
    return plt.get_cmap(colours)(0.35 + 0.55 * k / max(1, n - 1))
