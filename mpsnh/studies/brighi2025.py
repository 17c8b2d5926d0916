"""The figures of Brighi et al. 2025, "Finite steady-state current defies non-Hermitian many-body localization".

(DOI 10.1103/crwj-x7j8.) Figures 1 and 2 are exact spectra of periodic chains, Figure 3 is the current after a
Néel quench in open chains.

Conventions: γ = 0.1 and V = 1.1 throughout. Figure 1a shows the total current I_tot = Im E₁/γ, and the paper's
J_∞ = Im E₁ on the right axis; Figure 3b compares currents per bond. Averages include the zeros of realisations whose
spectrum is entirely real. The same seed is the same disorder pattern, scaled by h, at every h.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from rich.console import Console
from rich.table import Table

from mpsnh import algorithms, models, observables
from mpsnh.records import Snapshot, Spectrum
from mpsnh.simulation import Simulation
from mpsnh.statistics import ExponentialFit, Plateau, fit_exponential, kink, mean_with_error, plateau, typical
from mpsnh.studies.study import PaperStudy, draw, save
from mpsnh.value import Value, require

GAMMA, V = 0.1, 1.1
CLAIMED_TRANSITION = 4.5
"""Disorder strength at which spectral indicators had suggested a transition (the paper's green line)."""
TYPICAL_REALISATIONS = 10
"""Realisations with a current from which a typical mean is drawn."""
MARKERS = "os^Dv"
"""How points of different sizes look."""


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
    quench_realisations : int
        Disorder realisations of each quench.
    t_max, dt, interval : float
        Final time, time step and time between records of the quenches.
    bond_dimensions : tuple of int
        Bond dimensions χ of the quenches, increasing: the last gives the results, the others show its convergence.

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
    quench_realisations: int
    t_max: float
    dt: float
    interval: float
    bond_dimensions: tuple[int, ...]

    def validate(self) -> None:
        """Check that parallel tuples have the same length, and the order of the bond dimensions."""
        for name, values, of in (
            ("realisations", self.realisations, self.sizes),
            ("half_widths", self.half_widths, self.quench_strengths),
        ):
            require(len(values) == len(of), name, values, f"{len(of)} numbers, one for each of {of}")
        bonds = self.bond_dimensions
        increasing = len(bonds) >= 2 and bonds == tuple(sorted(set(bonds)))
        require(increasing, "bond_dimensions", bonds, "two or more increasing numbers")

    def half_width(self, h: float) -> int:
        """Return ℓ₀ at a disorder strength of the quenches.

        Parameters
        ----------
        h : float
            One of `quench_strengths`.

        Returns
        -------
        int
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
        quench_realisations=6,
        t_max=12,
        dt=0.2,
        interval=1.0,
        bond_dimensions=(12, 24, 48),
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
        quench_realisations=6,
        t_max=32,
        dt=0.1,
        interval=0.5,
        bond_dimensions=(32, 64, 128),
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
        quench_realisations=100,
        t_max=255,
        dt=0.1,
        interval=0.5,
        bond_dimensions=(192, 384, 768),
    ),
}
"""The sizes that `reproduce` knows by name."""
SCALES["chain560"] = dataclasses.replace(
    SCALES["quick"],
    chain=560,
    quench_strengths=(2,),
    half_widths=(25,),
    quench_realisations=2,
    t_max=40,
    dt=0.1,
    interval=0.5,
    bond_dimensions=(64, 128),
)


def _chain(L: int, h: float, seed: int, boundary: Literal["open", "periodic"]) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=L, gamma=GAMMA, V=V, h=h, seed=seed, boundary=boundary)


def ring(L: int, h: float, seed: int) -> Simulation[Spectrum]:
    """Return the simulation behind one realisation of Figures 1 and 2: the exact spectrum of a periodic chain.

    Parameters
    ----------
    L : int
        Number of sites, even.
    h : float
        Disorder strength.
    seed : int
        Realisation.

    Returns
    -------
    Simulation

    Examples
    --------
    >>> sorted(ring(6, 1.0, 0).run().data_vars)
    ['attempts', 'certified', 'complex_fraction', 'current', 'gap', 'real_spectrum']
    """
    return Simulation(
        _chain(L, h, seed, "periodic"),
        algorithms.ExactDiag(vectors="right", leading=1),
        {
            "current": observables.SteadyStateCurrent(),
            "gap": observables.SteadyStateGap(),
            "real_spectrum": observables.RealSpectrum(),
            "complex_fraction": observables.ImaginaryFraction(),
        },
    )


def evolution(L: int, h: float, seed: int, time: float) -> Simulation[Snapshot]:
    """Return the simulation behind one realisation of the largest chain of Figure 1a: a Néel quench of a ring.

    The norm of the state, which every dataset has, grows as exp(Im E₁ t) in the end.

    Parameters
    ----------
    L : int
        Number of sites, even.
    h : float
        Disorder strength.
    seed : int
        Realisation.
    time : float
        Final time.

    Returns
    -------
    Simulation

    Examples
    --------
    >>> data = evolution(6, 1.0, 0, time=100.0).run()
    >>> dict(data["log_norm"].sizes)
    {'time': 21}
    """
    return Simulation(
        _chain(L, h, seed, "periodic"),
        algorithms.ExactEvolution(dt=time / 20, t_max=time),
        {},
    )


def quench(h: float, seed: int, chi: int, scale: Scale) -> Simulation[Snapshot]:
    """Return the simulation behind one realisation of Figure 3: a Néel quench of an open chain.

    Parameters
    ----------
    h : float
        Disorder strength, one of those of the scale.
    seed : int
        Realisation.
    chi : int
        Bond dimension.
    scale : Scale
        Says the size and the times.

    Returns
    -------
    Simulation

    Examples
    --------
    >>> quench(1.0, 0, 16, SCALES["quick"]).model.L
    64
    """
    return Simulation(
        _chain(scale.chain, h, seed, "open"),
        algorithms.NHTEBD(dt=scale.dt, t_max=scale.t_max, every=round(scale.interval / scale.dt), max_bond=chi),
        {
            "current": observables.MidCurrent(half_width=scale.half_width(h)),
            "entropy": observables.EntanglementEntropy(),
        },
    )


class Study(PaperStudy[Scale]):
    """The data behind the figures, computed when first needed and kept in stores in `out`.

    Examples
    --------
    >>> Study("huge", Path("out"))
    Traceback (most recent call last):
    ValueError: scale 'huge' is unknown; there are: quick, laptop, paper, chain560
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
        """Néel quenches of open chains: dimensions chi (the bond dimension), h, seed and time."""
        axes = {
            "chi": self.scale.bond_dimensions,
            "h": self.scale.quench_strengths,
            "seed": self._seeds(self.scale.quench_realisations),
        }
        return self._computed("quenches", functools.partial(quench, scale=self.scale), axes)

    @functools.cached_property
    def plateaus(self) -> dict[float, Plateau]:
        """Plateau of the mid current at the largest bond dimension, for each strength of the quenches.

        It ends before the front from the boundaries arrives, and before the noise of the first realisation passes
        its tolerance (`mpsnh.Snapshot.trust_time`), of which truncation is nearly all.
        """
        largest = self.quenches.isel(chi=-1)
        trusted = largest["trust_time"].isel(time=-1).min("seed")
        ends = {h: min(self.scale.arrival(h), float(trusted.sel(h=h))) for h in self.scale.quench_strengths}
        return {h: plateau(largest["current"].sel(h=h), end) for h, end in ends.items()}

    @functools.cached_property
    def settled(self) -> xr.DataArray:
        """Mean of the current over the window of the plateau, for each bond dimension, strength and realisation."""
        current = self.quenches["current"]
        parts = [current.sel(h=[h], time=slice(*found.window)).mean("time") for h, found in self.plateaus.items()]
        return xr.concat(parts, "h").transpose("chi", "h", "seed").assign_attrs(current.attrs)

    def measured(self) -> xr.Dataset:
        """Return all that is known of the plateaus, by h.

        Returns
        -------
        Dataset
            The fields of `mpsnh.statistics.Plateau`; ``truncation``, the change of the current by the last increase of
            χ, with the standard error of the mean of the differences, realisation by realisation; ``total``, all
            errors together; and ``arrival``, when the boundaries are felt.
        """
        found = self.plateaus.values()
        change = mean_with_error(self.settled.isel(chi=-1) - self.settled.isel(chi=-2))
        data = xr.Dataset(
            {
                "found": ("h", [each.found for each in found]),
                "window": (("h", "end"), [each.window for each in found]),
                "plateau": ("h", [each.value for each in found]),
                "statistical": ("h", [each.error for each in found]),
                "systematic": ("h", [each.systematic for each in found]),
                "drift": ("h", [each.drift for each in found]),
                "drift_error": ("h", [each.drift_error for each in found]),
                "arrival": ("h", [self.scale.arrival(h) for h in self.plateaus]),
            },
            {"h": list(self.plateaus), "end": ["first", "last"]},
        ).assign(truncation=change["mean"], truncation_error=change["error"])
        total = np.sqrt(data["statistical"] ** 2 + data["systematic"] ** 2 + data["truncation"] ** 2)
        return data.assign(total=total)

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
        data["alpha_quench"], data["alpha_quench_error"] = _rate(self.quench_fit())
        data["kink"] = ("L", self.kinks())
        attributes = {"fit_window": list(self.scale.fit_window), "confidence": 0.95, "study": self.identity}
        return xr.Dataset(data, {"L": list(self.scale.sizes), "end": ["low", "high"]}, attributes)

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

        Returns
        -------
        list of ExponentialFit
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


def _fitted(data: xr.DataArray, window: tuple[float, float] = (0, np.inf)) -> ExponentialFit | None:
    try:
        return fit_exponential(data, "h", window)
    except ValueError:  # too few points
        return None


def _rate(fit: ExponentialFit | None) -> tuple[float, float]:
    return (np.nan, np.nan) if fit is None else (fit.rate, fit.error)


# The figures: each function draws one and returns the numbers it shows.


def _fig1a(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the steady-state current against disorder."""
    current = study.current()
    data = mean_with_error(current).assign(typical=typical(current), fraction_nonzero=(current > 0).mean("seed"))
    _draw_by_size(axes, data, study.fits(current), r"\alpha")
    enough = data["typical"].where((current > 0).sum("seed") >= TYPICAL_REALISATIONS)
    for k, L in enumerate(study.scale.sizes):
        axes.plot(data["h"], enough.sel(L=L), ":", color=_colour(k, len(study.scale.sizes)), lw=0.9)
    evolved, scale = mean_with_error(study.evolved), study.scale
    seen = evolved.where(evolved["mean"] > 1 / (GAMMA * scale.evolved_time))  # below, the norm may as well oscillate
    label = f"$N={scale.evolved}$, evolved"
    axes.errorbar(seen["h"], seen["mean"], seen["error"], fmt="kx", ms=4, lw=0.8, label=label)
    axes.plot([], [], "k:", lw=0.9, label=r"typical, $I_\mathrm{tot}>0$")
    data = data.assign(evolved=evolved["mean"], evolved_error=evolved["error"])
    axes.set(ylabel=r"steady current $I_\mathrm{tot}=\mathrm{Im}\,E_1/\gamma$  ($J$)")
    right = axes.secondary_yaxis("right", functions=(_times_gamma, _over_gamma))
    right.set_ylabel(r"$J_\infty=\mathrm{Im}\,E_1$  ($J$)")
    axes.legend(loc="lower left", handlelength=1.5)
    return data


def _fig1b(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the gap against disorder."""
    gap = study.spectra["gap"]
    data = mean_with_error(gap)
    _draw_by_size(axes, data, study.fits(gap), r"\beta")
    axes.set(ylabel=r"gap $\Delta=\mathrm{Im}\,(E_1-E_2)$  ($J$)")
    axes.legend()
    return data


def _fig2a(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the fraction of realisations with an entirely real spectrum, against disorder and (inset) size."""
    data = mean_with_error(study.spectra["real_spectrum"])
    _draw_by_size(axes, data)
    axes.set(ylabel=r"fraction of real spectra $f_\mathrm{noSS}$", ylim=(-0.03, 1.03))
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.72))
    inset = axes.inset_axes((0.62, 0.14, 0.34, 0.42))
    chosen = [h for h in (2, 3, 4, 5, 6) if h in study.scale.strengths]
    for k, h in enumerate(chosen):
        colour = plt.get_cmap("plasma")(0.1 + 0.75 * k / len(chosen))
        point = data.sel(h=h)
        inset.errorbar(point["L"], point["mean"], point["error"], marker="o", ms=2.5, lw=0.8, color=colour)
        inset.annotate(
            f"{h:g}",
            (point["L"][-1], point["mean"][-1]),
            (3, 0),
            textcoords="offset points",
            fontsize=6,
            color=colour,
            va="center",
        )
    inset.set(ylim=(-0.05, 1.05), xticks=study.scale.sizes)
    inset.set_xlabel("$N$", fontsize=6, labelpad=0)
    inset.set_title("$h/J$ =", fontsize=6, loc="right", pad=1)
    inset.tick_params(labelsize=6, pad=1)
    inset.margins(x=0.25)
    return data


def _fig2b(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the fraction of complex eigenvalues against disorder."""
    data = mean_with_error(study.spectra["complex_fraction"])
    _draw_by_size(axes, data.where(data["mean"] > 0))
    axes.set(ylabel=r"fraction of complex eigenvalues $f_\mathrm{Im}$", yscale="log")
    axes.legend()
    return data


def _fig3a(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the mid-chain current against time, with the plateaus; pale where it is not used."""
    mean = mean_with_error(study.quenches["current"].isel(chi=-1))
    top = 0.0
    for k, (h, found) in enumerate(study.plateaus.items()):
        colour = _colour(k, len(study.plateaus))
        point, end = mean.sel(h=h, drop=True), found.window[1]
        band = {"color": colour, "lw": 0}
        for part, alpha in ((point.sel(time=slice(None, end)), 1.0), (point.sel(time=slice(end, None)), 0.3)):
            low, high = part["mean"] - part["error"], part["mean"] + part["error"]
            axes.plot(part["time"], part["mean"], color=colour, alpha=alpha)
            axes.fill_between(part["time"], low, high, alpha=0.2 * alpha, **band)
            top = max(top, float(high.max()))
        axes.plot([], [], color=colour, label=f"$h/J={h:g}$" if found.found else f"$h/J={h:g}$: none")
        if found.found:
            axes.plot(found.window, [found.value] * 2, "--", color=colour, lw=1.8)
    axes.plot([], [], "k--", lw=1.8, label="plateau")
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.set(xlabel="time $t$  ($1/J$)", ylabel=r"mid current per bond $\langle I_\mathrm{mid}\rangle/2\ell_0$  ($J$)")
    axes.set_xlim(0, study.scale.t_max)
    axes.set_ylim(top=1.05 * top)
    axes.legend(loc="upper right", handlelength=1.5)
    return study.quenches.merge(mean.drop_vars("chi")).merge(study.measured())


def _fig3b(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the plateau current against disorder beside that of the exact spectra, both per bond."""
    plateaus, fit = study.measured(), study.quench_fit()
    exact, fits = mean_with_error(study.current() / study.spectra["L"]), study.exact_fits()
    for k, (L, exact_fit) in enumerate(zip(study.scale.sizes, fits, strict=True)):
        point, colour = exact.sel(L=L), _colour(k, len(study.scale.sizes))
        label = f"exact, $N={L}$" + _rate_label(exact_fit)
        axes.errorbar(
            point["h"], point["mean"], point["error"], fmt=MARKERS[k], ms=3, lw=0.8, color=colour, label=label
        )
        if exact_fit is not None:
            axes.plot(exact_fit.x, exact_fit(exact_fit.x), "--", color=colour, lw=0.8)
    shown = plateaus.where(plateaus["found"] & (plateaus["plateau"] > 0))
    below = (plateaus["plateau"] + 2 * plateaus["total"]).where(plateaus["found"] & (plateaus["plateau"] <= 0))
    label = rf"quench, $N={study.scale.chain}$, $\chi={study.scale.bond_dimensions[-1]}$" + _rate_label(fit)
    bars: dict[str, Any] = {"color": "crimson", "lw": 0.8}
    axes.errorbar(shown["h"], shown["plateau"], shown["total"], fmt="*", ms=6, label=label, **bars)
    axes.errorbar(shown["h"], shown["plateau"], shown["statistical"], fmt="none", capsize=2, **bars)
    if below.notnull().any():  # no logarithmic axis has room for these: two errors above
        axes.errorbar(below["h"], below, 0.3 * below, uplims=True, fmt="_", ms=6, label="quench, upper bound", **bars)
    bounds = plateaus["plateau"].where(~plateaus["found"])
    if bounds.notnull().any():
        axes.plot(bounds["h"], bounds, "v", mfc="none", color="crimson", ms=5, label="not settled")
    if fit is not None:
        axes.plot(fit.x, fit(fit.x), "--", color="crimson", lw=1)
    axes.set(xlabel="disorder strength $h/J$", ylabel="current per bond $j_0$  ($J$)", yscale="log")
    axes.set_xlim(0, max(study.scale.quench_strengths) + 0.7)
    axes.set_ylim(bottom=0.03 * float(exact["mean"].sel(h=slice(0, axes.get_xlim()[1])).min()))
    axes.legend(loc="lower left", handlelength=1.5)
    rate, error = _rate(fit)
    exact = exact.rename(mean="exact", error="exact_error").assign(
        alpha_exact=("L", [_rate(each)[0] for each in fits]), alpha_exact_error=("L", [_rate(each)[1] for each in fits])
    )
    quenched = plateaus.rename(h="h_quench").assign(alpha=rate, alpha_error=error)
    return quenched.merge(exact)


def _rate_label(fit: ExponentialFit | None) -> str:
    return "" if fit is None else rf", $\alpha={fit.rate:.2f}\pm{fit.error:.2f}$"


def _by_bond_dimension(study: Study) -> xr.Dataset:
    """Return the mean current in the windows of the plateaus, and the diagnostics at their ends, by χ and h."""
    names = ["discarded_weight", "discarded_step", "max_bond", "noise", "trust_time"]
    ends = study.measured()["window"].sel(end="last", drop=True)
    return mean_with_error(study.settled).merge(study.quenches[names].sel(time=ends).drop_vars("time").mean("seed"))


def _fig3_convergence(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the mean current in the windows of the plateaus against the bond dimension."""
    data = _by_bond_dimension(study)
    for k, h in enumerate(data["h"].values):
        point, colour = data.sel(h=h), _colour(k, data.sizes["h"])
        axes.errorbar(point["chi"], point["mean"], point["error"], fmt="o-", ms=3, lw=0.8, color=colour, capsize=2)
        (first, last), found = study.plateaus[h].window, study.plateaus[h].found
        label = f"$h/J={h:g}$, ${first:g}\\leq t\\leq {last:g}$" + ("" if found else " (drifts)")
        axes.plot([], [], "o-", ms=3, lw=0.8, color=colour, label=label)
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(data["chi"].values, [str(chi) for chi in data["chi"].values])
    axes.set(xlabel=r"bond dimension $\chi$", ylabel="mid current per bond in the window  ($J$)")
    axes.legend(handlelength=1.5)
    return data.merge(study.measured())


FIGURES: dict[str, Callable[[Study, Axes], xr.Dataset]] = {
    "fig1a": _fig1a,
    "fig1b": _fig1b,
    "fig2a": _fig2a,
    "fig2b": _fig2b,
    "fig3a": _fig3a,
    "fig3b": _fig3b,
    "fig3_convergence": _fig3_convergence,
}
"""The figures by name."""


def reproduce(
    scale: str = "quick",
    only: Sequence[str] = (),
    out: Path = Path("out"),
    seed: int = 0,
    executor: Executor | None = None,
) -> list[Path]:
    """Compute and draw figures of the paper, each as PNG, PDF and dataset, and print the fitted rates.

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
    ValueError: figure 'fig9' is unknown; there are: fig1a, fig1b, fig2a, fig2b, fig3a, fig3b, fig3_convergence
    """
    study = Study(scale, Path(out), seed, executor)
    written = draw(study, FIGURES, only)
    if not only:
        _print_rates(study)
    return written


def _print_rates(study: Study) -> None:
    rates = study.rates()
    save(rates, study.out / "rates.nc")
    low, high = study.scale.fit_window
    table = Table(title=f"Rates of exponential decay with h\n(spectra: {low:g} ≤ h ≤ {high:g}, quench: where resolved)")
    for column in ("N", "α (current)", "95 %", "β (gap)", "95 %"):
        table.add_column(column, justify="right")
    for L in study.scale.sizes:
        row, shown = rates.sel(L=L), []
        for name in ("alpha", "beta"):
            first, last = row[f"{name}_interval"].values
            shown += [_with_error(row[name], row[f"{name}_error"]), f"{first:.2f} … {last:.2f}"]
        table.add_row(str(L), *shown)
    quenched = _with_error(rates["alpha_quench"], rates["alpha_quench_error"])
    table.add_row(f"{study.scale.chain} (quench)", quenched, "", "", "")
    console = Console()
    console.print(table, _convergence(study))
    for L in study.scale.sizes:
        console.print(f"ln J∞(h), N = {L}: {rates['kink'].sel(L=L).item()}", highlight=False)


def _convergence(study: Study) -> Table:
    """Return the table behind the extra figure of convergence with the bond dimension."""
    data = _by_bond_dimension(study)
    title = (
        "Mid current per bond in the window of the plateau, in J/1000\n(discarded weight and largest bond: at its end)"
    )
    table = Table(title=title)
    for column in ("h", "window", "χ", "current", "discarded weight", "largest bond", "trust time"):
        table.add_column(column, justify="right")
    for h, found in study.plateaus.items():
        for chi in study.scale.bond_dimensions:
            row = data.sel(h=h, chi=chi)
            current = f"{1e3 * float(row['mean']):.2f} ± {1e3 * float(row['error']):.2f}"
            numbers = [f"{float(row[name]):.3g}" for name in ("discarded_weight", "max_bond", "trust_time")]
            window = f"{found.window[0]:g} … {found.window[1]:g}" + ("" if found.found else " (drifts)")
            table.add_row(f"{h:g}", window, str(chi), current, *numbers)
    return table


def _with_error(value: Any, error: Any) -> str:
    return f"{float(value):.2f} ± {float(error):.2f}"


def _times_gamma(current: Any) -> Any:
    return GAMMA * np.asarray(current)


def _over_gamma(growth: Any) -> Any:
    return np.asarray(growth) / GAMMA


def _colour(k: int, n: int) -> Any:
    return plt.get_cmap("viridis")(0.85 * k / max(1, n - 1))


def _draw_by_size(axes: Axes, data: xr.Dataset, fits: Sequence[ExponentialFit] | None = None, rate: str = "") -> None:
    """Draw mean and error against h for each size, with the fitted exponentials and the claimed transition."""
    axes.axvline(CLAIMED_TRANSITION, color="tab:green", lw=4, alpha=0.25, zorder=0)
    for k, L in enumerate(data["L"].values):
        point, colour = data.sel(L=L), _colour(k, data.sizes["L"])
        label = f"$N={L}$"
        if fits is not None:
            fit = fits[k]
            axes.plot(fit.x, fit(fit.x), "--", color=colour, lw=0.8)
            label += rf", ${rate}={fit.rate:.2f}\pm{fit.error:.2f}$"
        axes.errorbar(
            point["h"],
            point["mean"],
            point["error"],
            fmt=MARKERS[k] + ("-" if fits is None else ""),
            ms=3,
            lw=0.8,
            color=colour,
            label=label,
        )
    axes.set(xlabel="disorder strength $h/J$")
    if fits is not None:
        axes.set(yscale="log")
        axes.set_ylim(bottom=0.3 * float(data["mean"].where(data["mean"] > 0).min()))
