"""The figures of the paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from mpsnh.statistics.averages import mean_with_error, typical
from mpsnh.statistics.decay import ExponentialFit
from mpsnh.studies.brighi2025.data import Study, decay_rate
from mpsnh.studies.brighi2025.ring_findings import CLAIMED_TRANSITION
from mpsnh.studies.brighi2025.simulations import GAMMA

TYPICAL_REALISATIONS = 10
"""Realisations with a current from which a typical mean is drawn."""


MARKERS = "os^Dv"
"""How points of different sizes look."""


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
    for k, (h, plateau) in enumerate(study.plateaus.items()):
        colour = _colour(k, len(study.plateaus))
        point, end = mean.sel(h=h, drop=True), plateau.window[1]
        band = {"color": colour, "lw": 0}
        for part, alpha in ((point.sel(time=slice(None, end)), 1.0), (point.sel(time=slice(end, None)), 0.3)):
            low, high = part["mean"] - part["error"], part["mean"] + part["error"]
            axes.plot(part["time"], part["mean"], color=colour, alpha=alpha)
            axes.fill_between(part["time"], low, high, alpha=0.2 * alpha, **band)
            top = max(top, float(high.max()))
        axes.plot([], [], color=colour, label=f"$h/J={h:g}$" + ("" if plateau.found else ", no plateau"))
        if plateau.found:
            axes.plot(plateau.window, [plateau.value] * 2, "--", color=colour, lw=1.8)
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
    drawn = exact["mean"].sel(h=slice(0, axes.get_xlim()[1]))
    axes.set_ylim(0.03 * float(drawn.min()), 30 * float(drawn.max()))  # above all points there is room for the legend
    axes.legend(loc="upper right", handlelength=1.5)
    rate, error = decay_rate(fit)
    exact = exact.rename(mean="exact", error="exact_error").assign(
        alpha_exact=("L", [decay_rate(exact_fit)[0] for exact_fit in fits]),
        alpha_exact_error=("L", [decay_rate(exact_fit)[1] for exact_fit in fits]),
    )
    quenched = plateaus.rename(h="h_quench").assign(alpha=rate, alpha_error=error)
    return quenched.merge(exact)


def _rate_label(fit: ExponentialFit | None) -> str:
    return "" if fit is None else rf", $\alpha={fit.rate:.2f}\pm{fit.error:.2f}$"


def _fig3_convergence(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the mean current in the windows of the plateaus against the bond dimension."""
    data = study.by_bond_dimension()
    for k, h in enumerate(data["h"].values):
        point, colour = data.sel(h=h), _colour(k, data.sizes["h"])
        axes.errorbar(point["chi"], point["mean"], point["error"], fmt="o-", ms=3, lw=0.8, color=colour, capsize=2)
        (first, last), settled = study.plateaus[h].window, study.plateaus[h].found
        label = f"$h/J={h:g}$, ${first:g}\\leq t\\leq {last:g}$" + ("" if settled else " (drifts)")
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
