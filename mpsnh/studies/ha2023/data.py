"""The datasets of the study."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import xarray as xr

from mpsnh.studies.ha2023.estimates import ENDS, crossing
from mpsnh.studies.ha2023.resonances import resonances
from mpsnh.studies.ha2023.scales import LOCALISED, SCALES, THERMAL, Scale
from mpsnh.studies.ha2023.simulations import circuit
from mpsnh.studies.ha2023.statements import compare
from mpsnh.studies.study import PaperStudy


class Study(PaperStudy[Scale]):
    """The data behind the figures, computed when first needed and kept in stores in `out`.

    Examples
    --------
    >>> Study("huge", "out")
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

    @functools.cached_property
    def found(self) -> xr.Dataset:
        """What `resonances` finds in the circuits at α = 1 and 30."""
        return resonances(self.regimes)

    @functools.cached_property
    def gamma(self) -> xr.DataArray:
        """Γ at all α: dimensions L, alpha and seed."""
        both = xr.concat([self.regimes["relaxation"], self.scan["relaxation"]], "alpha", join="outer")
        return both.sel(quantity="Gamma", drop=True).sortby("alpha")

    @functools.cached_property
    def landmark(self) -> tuple[float, float, float]:
        """The α at which Γ·4^L of the two largest sizes of the scan are equal, and its 95 % interval."""
        return crossing(self.gamma.sel(L=self.scan["L"][-2:]))

    def statements(self) -> xr.Dataset:
        """Compare what the paper says with what the circuits show.

        Returns
        -------
        Dataset
            What `compare` returns, the ``landmark`` with its interval, and how many circuits ``failed``.
        """
        return compare(self.found).assign(
            landmark=xr.DataArray(list(self.landmark), {"end": list(ENDS)}, ("end",)),
            failed=self.regimes["failed"],
            scan_failed=self.scan["failed"].rename(L="scan_L", alpha="scan_alpha"),
        )

    def _circuits(self, name: str, alphas: Sequence[float], counts: Sequence[int]) -> xr.Dataset:
        parts = []
        for L, count in zip(self.scale.sizes, counts, strict=True):
            if count:
                axes = {"L": [L], "alpha": alphas, "seed": self._seeds(count)}
                part = self._computed(f"{name}-{L}", circuit, axes, on_error="record")
                parts.append(part.assign(failed=part["gap_ratio"].isnull().sum("seed")))
        return xr.concat(parts, "L", join="outer", combine_attrs="drop_conflicts")
