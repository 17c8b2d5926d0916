"""The figures of the paper: the numbers that each shows, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from mpsnh.extras import extra
from mpsnh.plots import graded
from mpsnh.statistics.averages import mean_with_error, typical
from mpsnh.statistics.decay import ExponentialFit
from mpsnh.studies.brighi2025.data import Study
from mpsnh.studies.brighi2025.ring_statements import CLAIMED_TRANSITION
from mpsnh.studies.brighi2025.simulations import GAMMA
from mpsnh.studies.study import Figure

with extra("plot"):
    from matplotlib import colormaps
    from matplotlib.axes import Axes

TYPICAL_REALISATIONS = 10
"""Realisations with a current from which a typical mean is drawn."""


MARKERS = "os^Dv"
"""How points of different sizes look."""


def _fig1a(study: Study) -> xr.Dataset:
    """Return the steady-state current against disorder, and what evolutions resolve of it."""
    current, evolved = study.current(), mean_with_error(study.evolved)
    data = mean_with_error(current).assign(
        typical=typical(current),
        nonzero=(current > 0).sum("seed"),
        evolved=evolved["mean"],
        evolved_error=evolved["error"],
        evolved_L=study.scale.evolved,
        resolved=1 / (GAMMA * study.scale.evolved_time),  # of smaller currents, the norm may as well oscillate
    )
    return data.merge(_by_size(study.fits(current), "alpha", study.scale.sizes))


def _draw_fig1a(data: xr.Dataset, axes: Axes) -> None:
    _draw_by_size(axes, data, "alpha")
    enough = data["typical"].where(data["nonzero"] >= TYPICAL_REALISATIONS)
    for k, L in enumerate(data["L"].values):
        axes.plot(data["h"], enough.sel(L=L), ":", color=graded(k, data.sizes["L"]), lw=0.9)
    seen = data[["evolved", "evolved_error"]].where(data["evolved"] > data["resolved"])
    label = f"$N={int(data['evolved_L'])}$, evolved"
    axes.errorbar(data["h"], seen["evolved"], seen["evolved_error"], fmt="kx", ms=4, lw=0.8, label=label)
    axes.plot([], [], "k:", lw=0.9, label=r"typical, $I_\mathrm{tot}>0$")
    axes.set(ylabel=r"steady current $I_\mathrm{tot}=\mathrm{Im}\,E_1/\gamma$  ($J$)")
    right = axes.secondary_yaxis("right", functions=(_times_gamma, _over_gamma))
    right.set_ylabel(r"$J_\infty=\mathrm{Im}\,E_1$  ($J$)")
    axes.legend(loc="lower left", handlelength=1.5)


def _fig1b(study: Study) -> xr.Dataset:
    """Return the gap against disorder."""
    gap = study.spectra["gap"]
    return mean_with_error(gap).merge(_by_size(study.fits(gap), "beta", study.scale.sizes))


def _draw_fig1b(data: xr.Dataset, axes: Axes) -> None:
    _draw_by_size(axes, data, "beta")
    axes.set(ylabel=r"gap $\Delta=\mathrm{Im}\,(E_1-E_2)$  ($J$)")
    axes.legend()


def _fig2a(study: Study) -> xr.Dataset:
    """Return the fraction of realisations with an entirely real spectrum, against disorder and (inset) size."""
    return mean_with_error(study.spectra["real_spectrum"])


def _draw_fig2a(data: xr.Dataset, axes: Axes) -> None:
    _draw_by_size(axes, data)
    axes.set(ylabel=r"fraction of real spectra $f_\mathrm{noSS}$", ylim=(-0.03, 1.03))
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.72))
    inset = axes.inset_axes((0.62, 0.14, 0.34, 0.42))
    chosen, height = [h for h in (2, 3, 4, 5, 6) if h in data["h"]], -np.inf
    for k, h in enumerate(chosen):
        colour = colormaps["plasma"](0.1 + 0.75 * k / len(chosen))
        point = data.sel(h=h)
        inset.errorbar(point["L"], point["mean"], point["error"], marker="o", ms=2.5, lw=0.8, color=colour)
        height = np.fmax(height + 0.1, point["mean"][-1].item())  # labels of equal fractions stand above each other
        inset.annotate(
            f"{h:g}",
            (point["L"][-1], height),
            (3, 0),
            textcoords="offset points",
            fontsize=6,
            color=colour,
            va="center",
        )
    inset.set(ylim=(-0.05, 1.05), xticks=data["L"].values)
    inset.set_xlabel("$N$", fontsize=6, labelpad=0)
    inset.set_title("$h/J$ =", fontsize=6, loc="right", pad=1)
    inset.tick_params(labelsize=6, pad=1)
    inset.margins(x=0.25)


def _fig2b(study: Study) -> xr.Dataset:
    """Return the fraction of complex eigenvalues against disorder."""
    return mean_with_error(study.spectra["complex_fraction"])


def _draw_fig2b(data: xr.Dataset, axes: Axes) -> None:
    _draw_by_size(axes, data.where(data["mean"] > 0))
    axes.set(ylabel=r"fraction of complex eigenvalues $f_\mathrm{Im}$", yscale="log")
    axes.legend()


def _fig3a(study: Study) -> xr.Dataset:
    """Return the mid-chain current against time for each bond dimension, until when it is trusted, and the plateaus."""
    trusted = study.quenches["trust_time"].isel(time=-1, drop=True).min("seed")
    return mean_with_error(study.currents).assign(trust_time=trusted).merge(study.measured())


def _draw_fig3a(data: xr.Dataset, axes: Axes) -> None:
    """Draw the currents of the largest bond dimension, pale where they are not used."""
    top = 0.0
    for k, h in enumerate(data["h"].values):
        point, colour = data.isel(chi=-1).sel(h=h), graded(k, data.sizes["h"])
        found, window = bool(point["found"]), point["window"].values
        for used, alpha in ((slice(None, window[1]), 1.0), (slice(window[1], None), 0.3)):
            part = point.sel(time=used)
            low, high = part["mean"] - part["error"], part["mean"] + part["error"]
            axes.plot(part["time"], part["mean"], color=colour, alpha=alpha)
            axes.fill_between(part["time"], low, high, alpha=0.2 * alpha, color=colour, lw=0)
            top = max(top, float(high.max()))
        axes.plot([], [], color=colour, label=f"$h/J={h:g}$" + ("" if found else ", no plateau"))
        if found:
            axes.plot(window, [point["plateau"]] * 2, "--", color=colour, lw=1.8)
    axes.plot([], [], "k--", lw=1.8, label="plateau")
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.set(xlabel="time $t$  ($1/J$)", ylabel=r"mid current per bond $\langle I_\mathrm{mid}\rangle/2\ell_0$  ($J$)")
    axes.set_xlim(0, float(data["time"][-1]))
    axes.set_ylim(top=1.05 * top)
    axes.legend(loc="upper right", handlelength=1.5)


def _fig3b(study: Study) -> xr.Dataset:
    """Return the plateau current against disorder beside that of the exact spectra, both per bond."""
    exact = mean_with_error(study.current() / study.spectra["L"]).rename(mean="exact", error="exact_error")
    fits = _by_size(study.exact_fits(), "alpha_exact", study.scale.sizes)
    quenched = study.measured().rename(h="h_quench").merge(_fitted(study.quench_fit(), "alpha"))
    return quenched.merge(exact).merge(fits).assign(chain=study.scale.chain, chi=study.scale.bond_dimensions[-1])


def _draw_fig3b(data: xr.Dataset, axes: Axes) -> None:
    for k, L in enumerate(data["L"].values):
        point, colour = data.sel(L=L), graded(k, data.sizes["L"])
        label = f"exact, $N={L}$" + _rate_label(point, "alpha_exact")
        axes.errorbar(
            point["h"], point["exact"], point["exact_error"], fmt=MARKERS[k], ms=3, lw=0.8, color=colour, label=label
        )
        _draw_fit(axes, point, "alpha_exact", color=colour, lw=0.8)
    h, found, plateau = data["h_quench"], data["found"], data["plateau"]
    shown = data[["plateau", "total", "statistical"]].where(found & (plateau > 0))
    below = (plateau + 2 * data["total"]).where(found & (plateau <= 0))
    label = rf"quench, $N={int(data['chain'])}$, $\chi={int(data['chi'])}$" + _rate_label(data, "alpha")
    bars: dict[str, Any] = {"color": "crimson", "lw": 0.8}
    axes.errorbar(h, shown["plateau"], shown["total"], fmt="*", ms=6, label=label, **bars)
    axes.errorbar(h, shown["plateau"], shown["statistical"], fmt="none", capsize=2, **bars)
    if below.notnull().any():  # no logarithmic axis has room for these: two errors above
        axes.errorbar(h, below, 0.3 * below, uplims=True, fmt="_", ms=6, label="quench, upper bound", **bars)
    bounds = plateau.where(~found)
    if bounds.notnull().any():
        axes.plot(h, bounds, "v", mfc="none", color="crimson", ms=5, label="not settled")
    _draw_fit(axes, data, "alpha", color="crimson", lw=1)
    axes.set(xlabel="disorder strength $h/J$", ylabel="current per bond $j_0$  ($J$)", yscale="log")
    axes.set_xlim(0, float(h.max()) + 0.7)
    drawn = data["exact"].sel(h=slice(0, axes.get_xlim()[1]))
    axes.set_ylim(0.03 * float(drawn.min()), 30 * float(drawn.max()))  # above all points there is room for the legend
    axes.legend(loc="upper right", handlelength=1.5)


def _fig3_convergence(study: Study) -> xr.Dataset:
    """Return the mean current in the windows of the plateaus against the bond dimension."""
    return study.by_bond_dimension().merge(study.measured())


def _draw_fig3_convergence(data: xr.Dataset, axes: Axes) -> None:
    for k, h in enumerate(data["h"].values):
        point, colour = data.sel(h=h), graded(k, data.sizes["h"])
        axes.errorbar(point["chi"], point["mean"], point["error"], fmt="o-", ms=3, lw=0.8, color=colour, capsize=2)
        first, last = point["window"].values
        label = f"$h/J={h:g}$, ${first:g}\\leq t\\leq {last:g}$" + ("" if point["found"] else " (drifts)")
        axes.plot([], [], "o-", ms=3, lw=0.8, color=colour, label=label)
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(data["chi"].values, [str(chi) for chi in data["chi"].values])
    axes.set(xlabel=r"bond dimension $\chi$", ylabel="mid current per bond in the window  ($J$)")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.35 * (high - low))  # above all points there is room for the legend
    axes.legend(loc="upper left", handlelength=1.5, ncols=2)


FIGURES: dict[str, Figure[Study]] = {
    "fig1a": Figure(_fig1a, _draw_fig1a),
    "fig1b": Figure(_fig1b, _draw_fig1b),
    "fig2a": Figure(_fig2a, _draw_fig2a),
    "fig2b": Figure(_fig2b, _draw_fig2b),
    "fig3a": Figure(_fig3a, _draw_fig3a),
    "fig3b": Figure(_fig3b, _draw_fig3b),
    "fig3_convergence": Figure(_fig3_convergence, _draw_fig3_convergence),
}
"""The figures by name."""


def _times_gamma(current: Any) -> Any:
    return GAMMA * np.asarray(current)


def _over_gamma(growth: Any) -> Any:
    return np.asarray(growth) / GAMMA


def _fitted(fit: ExponentialFit | None, rate: str) -> xr.Dataset:
    """Return the rate of a fit with its error, the value at h = 0, and the range of h; NaN if there is no fit."""
    fit = ExponentialFit(np.nan, np.nan, np.nan, np.array([np.nan])) if fit is None else fit
    numbers = {rate: fit.rate, f"{rate}_error": fit.error, f"{rate}_prefactor": fit.prefactor}
    return xr.Dataset({**numbers, f"{rate}_range": ("end", fit.x[[0, -1]])}, {"end": ["first", "last"]})


def _by_size(fits: Sequence[ExponentialFit | None], rate: str, sizes: Sequence[int]) -> xr.Dataset:
    return xr.concat([_fitted(fit, rate) for fit in fits], xr.DataArray(list(sizes), dims="L", name="L"))


def _draw_fit(axes: Axes, data: xr.Dataset, rate: str, **style: Any) -> None:
    h = data[f"{rate}_range"].values
    axes.plot(h, float(data[f"{rate}_prefactor"]) * np.exp(-float(data[rate]) * h), "--", **style)


def _rate_label(data: xr.Dataset, rate: str) -> str:
    value, error = float(data[rate]), float(data[f"{rate}_error"])
    return "" if np.isnan(value) else rf", $\{rate.removesuffix('_exact')}={value:.2f}\pm{error:.2f}$"


def _draw_by_size(axes: Axes, data: xr.Dataset, rate: str = "") -> None:
    """Draw mean and error against h for each size, with the fitted exponentials and the claimed transition."""
    axes.axvline(CLAIMED_TRANSITION, color="tab:green", lw=4, alpha=0.25, zorder=0)
    for k, L in enumerate(data["L"].values):
        point, colour = data.sel(L=L), graded(k, data.sizes["L"])
        label = f"$N={L}$"
        if rate:
            _draw_fit(axes, point, rate, color=colour, lw=0.8)
            label += _rate_label(point, rate)
        axes.errorbar(
            point["h"],
            point["mean"],
            point["error"],
            fmt=MARKERS[k] + ("" if rate else "-"),
            ms=3,
            lw=0.8,
            color=colour,
            label=label,
        )
    axes.set(xlabel="disorder strength $h/J$")
    if rate:
        axes.set(yscale="log")
        axes.set_ylim(bottom=0.3 * float(data["mean"].where(data["mean"] > 0).min()))
