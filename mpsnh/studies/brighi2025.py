"""The figures of Brighi et al. 2025, "Finite steady-state current defies non-Hermitian many-body localization".

(DOI 10.1103/crwj-x7j8.) Figures 1 and 2 are exact spectra of periodic chains, Figure 3 is the current after a
Néel quench in open chains.

Conventions: γ = 0.1 and V = 1.1 throughout. Figure 1a shows the total current I_tot = Im E₁/γ, and the paper's
J_∞ = Im E₁ on the right axis; Figure 3b compares currents per bond. Averages include the zeros of realisations whose
spectrum is entirely real. The same seed is the same disorder pattern, scaled by h, at every h.
"""

from __future__ import annotations

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
from mpsnh.statistics import ExponentialFit, fit_exponential, kink, mean_with_error, typical
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
    half_width : int
        ℓ₀: the current is measured on 2ℓ₀ bonds.
    quench_strengths : tuple of float
        Disorder strengths of the quenches.
    quench_realisations : int
        Disorder realisations of each quench.
    t_max, dt : float
        Final time and time step of the quenches.
    max_bond : int
        Bond dimension χ.

    Examples
    --------
    >>> SCALES["quick"].plateau
    (8.0, 16.0)
    """

    sizes: tuple[int, ...]
    realisations: tuple[int, ...]
    strengths: tuple[float, ...]
    fit_window: tuple[float, ...]
    evolved: int
    evolved_realisations: int
    evolved_time: float
    chain: int
    half_width: int
    quench_strengths: tuple[float, ...]
    quench_realisations: int
    t_max: float
    dt: float
    max_bond: int

    def validate(self) -> None:
        """Check that there is a number of realisations for each size."""
        counts, n = self.realisations, len(self.sizes)
        require(len(counts) == n, "realisations", counts, f"{n} numbers, one for each of {self.sizes}")

    @property
    def plateau(self) -> tuple[float, float]:
        """Window of times whose mean is the plateau: the second half of the time before the boundaries are felt.

        The front that a boundary sends out moves at speed 1 (in units of J) and reaches the measured bonds at
        t = N/2 - ℓ₀.
        """
        arrival = min(self.chain / 2 - self.half_width, self.t_max)
        return arrival / 2, arrival


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
        chain=48,
        half_width=8,
        quench_strengths=(1, 1.5, 2, 3),
        quench_realisations=6,
        t_max=18,
        dt=0.1,
        max_bond=48,
    ),
    "laptop": Scale(
        sizes=(8, 10, 12, 14),
        realisations=(2000, 1000, 250, 40),
        strengths=(*STRENGTHS, 10.0, 12.0),
        fit_window=(2, 8),
        evolved=16,
        evolved_realisations=8,
        evolved_time=3000,
        chain=96,
        half_width=16,
        quench_strengths=(1, 1.5, 2, 3),
        quench_realisations=6,
        t_max=36,
        dt=0.1,
        max_bond=96,
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
        half_width=25,
        quench_strengths=(1, 1.5, 2, 3),
        quench_realisations=100,
        t_max=280,
        dt=0.1,
        max_bond=768,
    ),
}
"""The sizes that `reproduce` knows by name."""


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


def quench(h: float, seed: int, scale: Scale) -> Simulation[Snapshot]:
    """Return the simulation behind one realisation of Figure 3: a Néel quench of an open chain.

    Parameters
    ----------
    h : float
        Disorder strength.
    seed : int
        Realisation.
    scale : Scale
        Says the size, the times and the bond dimension.

    Returns
    -------
    Simulation

    Examples
    --------
    >>> quench(1.0, 0, SCALES["quick"]).model.L
    48
    """
    return Simulation(
        _chain(scale.chain, h, seed, "open"),
        algorithms.NHTEBD(dt=scale.dt, t_max=scale.t_max, every=round(0.5 / scale.dt), max_bond=scale.max_bond),
        {
            "current": observables.MidCurrent(half_width=scale.half_width),
            "entropy": observables.EntanglementEntropy(),
        },
    )


class Study(PaperStudy[Scale]):
    """The data behind the figures, computed when first needed and kept in stores in `out`.

    Examples
    --------
    >>> Study("huge", Path("out"))
    Traceback (most recent call last):
    ValueError: scale 'huge' is unknown; there are: quick, laptop, paper
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
        """Néel quenches of open chains: dimensions h, seed and time."""
        axes = {"h": self.scale.quench_strengths, "seed": self._seeds(self.scale.quench_realisations)}
        return self._computed("quenches", functools.partial(quench, scale=self.scale), axes)

    @functools.cached_property
    def plateaus(self) -> xr.DataArray:
        """Time average of the mid current over the plateau window, for each realisation."""
        return self.quenches["current"].sel(time=slice(*self.scale.plateau)).mean("time", keep_attrs=True)

    def current(self) -> xr.DataArray:
        """Return the total current Im E₁/γ of each realisation."""
        return self.spectra["current"].sel(estimate="eigenvalue", drop=True)

    def rates(self) -> xr.Dataset:
        """Fit α and β for each size and the decay of the plateau current.

        Returns
        -------
        Dataset
            Rates and their errors: ``alpha`` and ``beta`` by L, ``alpha_quench`` of the quenches.
        """
        fits = {"alpha": self.fits(self.current()), "beta": self.fits(self.spectra["gap"])}
        quenched = self.quench_fit()
        data: dict[str, Any] = {}
        for name, by_size in fits.items():
            data[name] = ("L", [fit.rate for fit in by_size])
            data[f"{name}_error"] = ("L", [fit.error for fit in by_size])
            data[f"{name}_interval"] = (("L", "end"), [fit.interval() for fit in by_size])
        data["alpha_quench"], data["alpha_quench_error"] = quenched.rate, quenched.error
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

    def quench_fit(self) -> ExponentialFit:
        """Fit the plateau current to an exponential in h, over all h where it differs from zero.

        Returns
        -------
        ExponentialFit
        """
        return fit_exponential(self.plateaus, "h", (0, np.inf), significance=2.0)


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
    """Draw the mid-chain current against time, with the plateaus."""
    data = mean_with_error(study.quenches["current"])
    plateau = mean_with_error(study.plateaus)
    window = study.scale.plateau
    discarded = study.quenches["discarded_weight"].sel(time=window[1], method="nearest", drop=True).mean("seed")
    data = data.assign(plateau=plateau["mean"], plateau_error=plateau["error"], discarded_weight=discarded)
    for k, h in enumerate(study.scale.quench_strengths):
        point = data.sel(h=h)
        mean, error = point["mean"], point["error"]
        axes.plot(point["time"], mean, color=_colour(k, 4), label=f"$h/J={h:g}$")
        axes.fill_between(point["time"], mean - error, mean + error, color=_colour(k, 4), alpha=0.2, lw=0)
        axes.plot(window, [float(point["plateau"])] * 2, "--", color=_colour(k, 4), lw=1.5)
    axes.axvspan(*window, color="0.9", zorder=0)
    axes.text(sum(window) / 2, 0.88, "plateau window", ha="center", transform=axes.get_xaxis_transform(), fontsize=6.5)
    axes.set(xlabel="time $t$  ($1/J$)", ylabel=r"mid current per bond $\langle I_\mathrm{mid}\rangle/2\ell_0$  ($J$)")
    axes.set_xlim(0, study.scale.t_max)
    axes.set_ylim(top=1.25 * float((data["mean"] + data["error"]).max()))  # room for the legend
    axes.legend(ncols=4, loc="upper right", columnspacing=1.0, handlelength=1.5)
    return data.assign_attrs(plateau_window=list(window))


def _fig3b(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the plateau current against disorder beside that of the exact spectra, both per bond."""
    plateau, fit = mean_with_error(study.plateaus), study.quench_fit()
    exact = mean_with_error(study.current() / study.spectra["L"])
    for k, L in enumerate(study.scale.sizes):
        point = exact.sel(L=L)
        style = {"fmt": f"{MARKERS[k]}-", "ms": 3, "lw": 0.8, "color": _colour(k, len(study.scale.sizes))}
        axes.errorbar(point["h"], point["mean"], point["error"], label=f"exact, $N={L}$", **style)
    axes.errorbar(
        plateau["h"],
        plateau["mean"],
        plateau["error"],
        fmt="*",
        ms=6,
        color="crimson",
        label=rf"quench, $N={study.scale.chain}$, $\chi={study.scale.max_bond}$",
    )
    axes.plot(fit.x, fit(fit.x), "--", color="crimson", lw=1, label=rf"$\propto e^{{-{fit.rate:.2f}h}}$")
    axes.set(xlabel="disorder strength $h/J$", ylabel="current per bond $j_0$  ($J$)", yscale="log")
    axes.set_xlim(0, max(study.scale.quench_strengths) + 1.2)
    axes.set_ylim(bottom=0.3 * float(exact["mean"].sel(h=slice(0, axes.get_xlim()[1])).min()))
    axes.legend()
    renamed = exact.rename(mean="exact", error="exact_error", h="h_exact")
    return plateau.merge(renamed).assign_attrs(rate=fit.rate, rate_error=fit.error)


FIGURES: dict[str, Callable[[Study, Axes], xr.Dataset]] = {
    "fig1a": _fig1a,
    "fig1b": _fig1b,
    "fig2a": _fig2a,
    "fig2b": _fig2b,
    "fig3a": _fig3a,
    "fig3b": _fig3b,
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
    ValueError: figure 'fig9' is unknown; there are: fig1a, fig1b, fig2a, fig2b, fig3a, fig3b
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
    table = Table(title=f"Rates of exponential decay with h\n(spectra: {low:g} ≤ h ≤ {high:g}, quench: all h)")
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
    console.print(table)
    for L in study.scale.sizes:
        console.print(f"ln J∞(h), N = {L}: {rates['kink'].sel(L=L).item()}", highlight=False)


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
