"""The datasets of the study."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.run.simulation import Simulation
from mpsnh.statistics.averages import mean_with_error
from mpsnh.statistics.decay import ExponentialFit, fit_exponential
from mpsnh.statistics.kink import kink
from mpsnh.statistics.laws import Laws, decay_laws
from mpsnh.statistics.multilevel import multilevel
from mpsnh.statistics.plateau import Plateau, plateau
from mpsnh.studies.brighi2025.scales import SCALES, Scale
from mpsnh.studies.brighi2025.simulations import (
    GAMMA,
    embedded,
    evolution,
    indicators,
    late,
    quench,
    ring,
    ring_quench,
)
from mpsnh.studies.study import PaperStudy

ROUTE_TIME = 1e5
"""How long rings are evolved whose spectrum is known."""


UNCHANGED = 0.1
"""Part of the mean current that the last increase of χ may change before a plateau has to end."""

FACTORS = 0.5, 0.9
"""Smallest and largest factor by which changes with χ are taken to fall."""


class Study(PaperStudy[Scale]):
    """The data behind the figures, computed when first needed and kept in stores in `out`.

    Examples
    --------
    >>> Study("huge", "out")
    Traceback (most recent call last):
    ValueError: scale 'huge' is unknown; there are: quick, laptop, paper, desk, chain560
    """

    paper, scales = "brighi2025", SCALES

    @functools.cached_property
    def spectra(self) -> xr.Dataset:
        """Exact spectra of periodic chains: dimensions L, h and seed; NaN beyond the realisations of a size."""
        parts = [
            self._computed(f"spectra-{L}", ring, {"L": [L], "h": self.scale.strengths, "seed": self._seeds(count)})
            for L, count in zip(self.scale.sizes, self.scale.realisations, strict=True)
        ]
        return xr.concat(parts, "L", join="outer", combine_attrs="drop_conflicts")

    @functools.cached_property
    def evolved(self) -> xr.DataArray:
        """Total current Im E₁/γ from the growth of the norm in the second half of an evolution: dimensions h, seed."""
        time = self.scale.evolved_time
        make = functools.partial(evolution, L=self.scale.evolved, time=time)
        axes = {"h": self.scale.strengths, "seed": self._seeds(self.scale.evolved_realisations)}
        log_norm = self._computed("evolutions", make, axes)["log_norm"]
        late = log_norm.isel(time=-1, drop=True) - log_norm.sel(time=time / 2, method="nearest", drop=True)
        return late / (time / 2) / GAMMA

    @functools.cached_property
    def quenches(self) -> xr.Dataset:
        """Néel quenches of open chains: dimensions chi (the bond dimension), h, seed and time; NaN beyond the runs."""
        counts = dict(zip(self.scale.bond_dimensions, self.scale.quench_realisations, strict=True))
        make = functools.partial(quench, scale=self.scale)

        def known(chi: list[int], count: int) -> xr.Dataset:
            axes = {"chi": chi, "h": self.scale.quench_strengths, "seed": self._seeds(count)}
            return self._computed("quenches", make, axes)

        common = known(list(counts), min(counts.values()))
        if len(set(counts.values())) == 1:
            return common
        parts = [known([chi], count) for chi, count in counts.items()]
        return xr.concat(parts, "chi", join="outer", combine_attrs="drop_conflicts")

    @functools.cached_property
    def currents(self) -> xr.DataArray:
        """Mid current of the quenches: dimensions chi, h, seed and time.

        There are as many realisations as with the smallest bond dimension, whose means and standard errors are those of
        all that is known (`mpsnh.statistics.multilevel`).
        """
        current = self.quenches["current"]
        by_size = [current.isel(chi=k, seed=slice(count)) for k, count in enumerate(self.scale.quench_realisations)]
        parts = [multilevel(*by_size[: k + 1]) for k in range(len(by_size))]
        return xr.concat(parts, current["chi"]).assign_attrs(current.attrs)

    @functools.cached_property
    def indicators(self) -> xr.Dataset:
        """Other indicators, of the two longest rings that are not longer than `Scale.checked`: as `spectra`."""
        sizes = [L for L in self.scale.sizes if self.scale.checked >= L][-2:]
        return self._checked("indicators", indicators, {"L": sizes, "h": self.scale.strengths})

    @functools.cached_property
    def routes(self) -> xr.DataArray:
        """Growth of the norm in the last half of an evolution to t = 10⁵ of a ring whose spectrum is known: h, seed."""
        axes = {"L": [min(self.scale.checked, self.scale.sizes[-1])], "h": self.scale.strengths}
        log_norm = self._checked("routes", functools.partial(evolution, time=ROUTE_TIME), axes)["log_norm"].isel(L=0)
        late = log_norm.isel(time=-1, drop=True) - log_norm.sel(time=ROUTE_TIME / 2, method="nearest", drop=True)
        return late / (ROUTE_TIME / 2) / GAMMA

    @functools.cached_property
    def ring_quenches(self) -> xr.DataArray:
        """Néel quenches of rings of all sizes at the times of the quenches: dimensions L, h, seed and time."""
        make = functools.partial(ring_quench, scale=self.scale)
        parts = [
            self._checked(f"rings-{L}", make, {"L": [L], "h": self.scale.quench_strengths})["current"].mean("bond")
            for L in self.scale.sizes
        ]
        return xr.concat(parts, "L")

    @functools.cached_property
    def late(self) -> xr.Dataset:
        """Open chains at late times: dimensions h, seed and time."""
        axes = {"L": [self.scale.checked], "h": self.scale.quench_strengths}
        return self._checked("late", late, axes).isel(L=0)

    @functools.cached_property
    def arrivals(self) -> xr.DataArray:
        """When the middle of an open chain feels its ends, in units of N/2 - ℓ₀: dimensions L, h and seed.

        That is when its current differs from that of a chain with eight sites more, whose middle is the same, by a
        tenth of the largest one; the end of the run if it never does.
        """
        lengths = [self.scale.checked - 4, self.scale.checked, self.scale.checked + 8]
        make = functools.partial(embedded, longest=lengths[-1])
        current = self._checked("arrivals", make, {"L": lengths, "h": self.scale.quench_strengths})["current"]
        longest = current.isel(L=-1, drop=True)
        felt = abs(current.isel(L=slice(None, 2)) - longest) > 0.1 * abs(longest).max("time")
        first = felt["time"].where(felt).min("time").fillna(felt["time"].max())
        return first / (first["L"] / 2 - 1)

    def _checked(self, name: str, make: Callable[..., Simulation[Any]], axes: dict[str, Sequence[Any]]) -> xr.Dataset:
        return self._computed(name, make, {**axes, "seed": self._seeds(self.scale.checked_realisations)})

    @functools.cached_property
    def converged(self) -> dict[float, float]:
        """Last time at which truncation has not changed the mean current yet, for each strength of the quenches.

        Until then the last increase of χ changes the mean over realisations by less than a tenth, or than its
        standard error; but three records at least, in which a drift is seen. `mpsnh.Snapshot.trust_time` ends earlier,
        since local values of a single realisation are less accurate.
        """
        current = self.currents
        known = mean_with_error(current.isel(chi=-1))
        change = abs((current.isel(chi=-1) - current.isel(chi=-2)).mean("seed"))
        changed = change > np.maximum(UNCHANGED * abs(known["mean"]), known["error"])
        ends = {}
        for h in self.scale.quench_strengths:
            times = current["time"].values
            late = np.flatnonzero(changed.sel(h=h).values)
            ends[h] = float(times[max(late[0] - 1, 2)] if len(late) else times[-1])
        return ends

    @functools.cached_property
    def plateaus(self) -> dict[float, Plateau]:
        """Plateau of the mid current at the largest bond dimension, for each strength of the quenches.

        It ends before the front from the boundaries arrives, and where truncation matters (`converged`).
        """
        current = self.currents.isel(chi=-1)
        ends = {h: min(self.scale.arrival(h), self.converged[h]) for h in self.scale.quench_strengths}
        least = 2.01 * self.scale.interval  # in which there are three records
        shortest = {h: min(1.0, max(0.25, least / end)) if end > 0 else 1.0 for h, end in ends.items()}
        return {h: plateau(current.sel(h=h), end, shortest=shortest[h]) for h, end in ends.items()}

    @functools.cached_property
    def settled(self) -> xr.DataArray:
        """Mean of the current over the window of the plateau, for each bond dimension, strength and realisation."""
        current = self.currents
        parts = [current.sel(h=[h], time=slice(*found.window)).mean("time") for h, found in self.plateaus.items()]
        return xr.concat(parts, "h").transpose("chi", "h", "seed").assign_attrs(current.attrs)

    def measured(self) -> xr.Dataset:
        """Return all that is known of the plateaus, by h.

        Returns
        -------
        Dataset
            The fields of `mpsnh.statistics.Plateau`; ``truncation``, how much the current may change if χ is increased
            further (`rest`), and ``change``, how much it did by the last increase, with the standard error of the mean
            of the differences, realisation by realisation; ``total``, all errors together; and ``arrival``, when the
            boundaries are felt.
        """
        plateaus = self.plateaus.values()
        change = mean_with_error(self.settled.diff("chi"))
        data = xr.Dataset(
            {
                "found": ("h", [plateau.found for plateau in plateaus]),
                "window": (("h", "end"), [plateau.window for plateau in plateaus]),
                "plateau": ("h", [plateau.value for plateau in plateaus]),
                "statistical": ("h", [plateau.error for plateau in plateaus]),
                "systematic": ("h", [plateau.systematic for plateau in plateaus]),
                "drift": ("h", [plateau.drift for plateau in plateaus]),
                "drift_error": ("h", [plateau.drift_error for plateau in plateaus]),
                "arrival": ("h", [self.scale.arrival(h) for h in self.plateaus]),
            },
            {"h": list(self.plateaus), "end": ["first", "last"]},
        ).assign(change=change["mean"].isel(chi=-1, drop=True), change_error=change["error"].isel(chi=-1, drop=True))
        data = data.assign(truncation=("h", rest(change["mean"].transpose("h", "chi").values)))
        total = np.sqrt(data["statistical"] ** 2 + data["systematic"] ** 2 + data["truncation"] ** 2)
        return data.assign(total=total)

    def by_bond_dimension(self) -> xr.Dataset:
        """Return the mean current in the windows of the plateaus, and the diagnostics at their ends, by χ and h."""
        names = ["discarded_weight", "discarded_step", "max_bond", "noise", "trust_time"]
        ends = self.measured()["window"].sel(end="last", drop=True)
        known = self.quenches[names].sel(time=ends).drop_vars("time")
        diagnostics = known.mean("seed").assign(trust_time=known["trust_time"].min("seed"))
        return mean_with_error(self.settled).merge(diagnostics)

    def current(self) -> xr.DataArray:
        """Return the total current Im E₁/γ of each realisation."""
        return self.spectra["current"].sel(estimate="eigenvalue", drop=True)

    def rates(self) -> xr.Dataset:
        """Fit α and β for each size and the decay of the plateau current.

        Returns
        -------
        Dataset
            Rates and their errors: ``alpha`` and ``beta`` by L, ``alpha_quench`` of the quenches (NaN if fewer than
            two of them have a plateau that differs from zero).
        """
        fits = {"alpha": self.fits(self.current()), "beta": self.fits(self.spectra["gap"])}
        data: dict[str, Any] = {}
        for name, by_size in fits.items():
            data[name] = ("L", [fit.rate for fit in by_size])
            data[f"{name}_error"] = ("L", [fit.error for fit in by_size])
            data[f"{name}_interval"] = (("L", "end"), [fit.interval() for fit in by_size])
        data["alpha_quench"], data["alpha_quench_error"] = decay_rate(self.quench_fit())
        data["kink"] = ("L", self.kinks())
        attributes = {"fit_window": list(self.scale.fit_window), "confidence": 0.95, "study": self.identity}
        return xr.Dataset(data, {"L": list(self.scale.sizes), "end": ["low", "high"]}, attributes)

    @functools.cached_property
    def laws(self) -> dict[int, Laws | None]:
        """Which law the current of each size follows, if enough of it is known."""
        known: dict[int, Laws | None] = {}
        for L in self.scale.sizes:
            try:
                known[L] = decay_laws(self.current().sel(L=L), window=(self.scale.fit_window[0], np.inf))
            except ValueError:  # too few points
                known[L] = None
        return known

    def kinks(self) -> list[str]:
        """Say for each size whether ln J_∞(h) has a kink.

        Returns
        -------
        list of str
            The conclusion of `mpsnh.statistics.kink`, or why there is none.
        """
        low, high = self.scale.fit_window
        said = []
        for L in self.scale.sizes:
            try:
                said.append(str(kink(self.current().sel(L=L), "h", (low, high))))
            except ValueError as error:
                said.append(f"Not decided: {error}.")
        return said

    def fits(self, data: xr.DataArray) -> list[ExponentialFit]:
        """Fit the mean of a quantity to an exponential in h for each size.

        Parameters
        ----------
        data : DataArray
            With dimensions L, h and seed.
        """
        low, high = self.scale.fit_window
        return [fit_exponential(data.sel(L=L), "h", (low, high)) for L in self.scale.sizes]

    def quench_fit(self) -> ExponentialFit | None:
        """Fit the plateau current to an exponential in h.

        Strengths without a plateau are left out, and those from the first one on where the plateau is below twice its
        total error: that another one is larger may be chance. The error of the rate is that over realisations.

        Returns
        -------
        ExponentialFit or None
            None if fewer than two are left.
        """
        known = self.measured()
        known = known.isel(h=known["found"].values)
        resolved = np.logical_and.accumulate(known["plateau"].values > 2 * known["total"].values)
        return _fitted(self.settled.isel(chi=-1).sel(h=known["h"].values[resolved]))

    def exact_fits(self) -> list[ExponentialFit | None]:
        """Fit the exact current per site to an exponential in h, over the range of the quenches, for each size.

        Returns
        -------
        list of ExponentialFit or None
            None if fewer than two strengths are in the range.
        """
        ends = min(self.scale.quench_strengths), max(self.scale.quench_strengths)
        return [_fitted((self.current() / L).sel(L=L), ends) for L in self.scale.sizes]


def rest(changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much numbers may still change, if what is left falls by the same factor with each step.

    The factor is that of the last two changes, but between 0.5 and 0.9: how fast it falls is hardly known from two.

    Parameters
    ----------
    changes : ndarray, shape (n, steps)
        Changes of n numbers by each step.

    Examples
    --------
    >>> rest(np.array([[0.4, 0.1], [0.4, 0.3], [0.1, 0.3]])).round(6).tolist()
    [0.1, 0.9, 2.7]
    """
    last, before = np.abs(changes[:, -1]), np.abs(changes[:, -2] if changes.shape[1] > 1 else changes[:, -1] * 2)
    factor = np.clip(last / np.where(before > 0, before, np.inf), *FACTORS)
    return np.asarray(last * factor / (1 - factor))


def _fitted(data: xr.DataArray, window: tuple[float, float] = (0, np.inf)) -> ExponentialFit | None:
    try:
        return fit_exponential(data, "h", window)
    except ValueError:  # too few points
        return None


def decay_rate(fit: ExponentialFit | None) -> tuple[float, float]:
    """Return the rate of a fit with its error, NaN where nothing could be fitted.

    Parameters
    ----------
    fit : ExponentialFit or None

    Examples
    --------
    >>> decay_rate(None)
    (nan, nan)
    """
    return (np.nan, np.nan) if fit is None else (fit.rate, fit.error)
