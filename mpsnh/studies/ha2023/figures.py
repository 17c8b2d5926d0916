"""The figures of the paper, and some that go beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.statistics.averages import confidence_interval
from mpsnh.statistics.distribution import log_histogram
from mpsnh.studies.ha2023.data import Study
from mpsnh.studies.ha2023.estimates import ENDS, estimate, percent
from mpsnh.studies.ha2023.scales import LOCALISED, THERMAL


def _fig2(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the distribution of the dominant fraction R for each size, in both regimes."""
    R = study.found["R"]
    data = log_histogram(R, bins=np.geomspace(0.9 * float(R.min()), 1, 41))
    for alpha, colours, name in ((THERMAL, "Oranges", "thermal"), (LOCALISED, "Blues", "localised")):
        for k, L in enumerate(study.scale.sizes):
            density = data["density"].sel(L=L, alpha=alpha)
            label = rf"$\alpha={alpha:g}$ ({name})" if k == 0 else ""
            axes.stairs(density, _edges(density), color=_shade(colours, k, study), label=label)
    axes.axvline(0.5, color="0.5", ls="--", zorder=0)
    axes.annotate("1/2", (0.5, 1), (2, -7), xycoords=("data", "axes fraction"), textcoords="offset points", color="0.5")
    axes.set(xlabel=r"fraction of the relaxation through one pair $R=D_{\mu\nu}/2^L\Gamma$", xscale="log")
    axes.set(ylabel="probability per decade", title=f"$L={study.scale.sizes[0]}$ (light) to ${study.scale.sizes[-1]}$")
    axes.legend(loc="upper center")
    return data.assign(largest=R.max("seed"), median=R.median("seed"))


def _fig3a(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the near-resonant set of a sample of the XY case."""
    return _near_resonance(study, axes, "XY")


def _fig3b(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the near-resonant set of a sample of the Z case."""
    return _near_resonance(study, axes, "Z")


PLACES = {"A": (0.0, 0.0), "B": (1.0, 0.0), "A'": (0.0, 1.0), "B'": (1.0, 1.0)}
"""Where the levels of Figure 3 stand."""


def _near_resonance(study: Study, axes: Axes, case: Literal["XY", "Z"]) -> xr.Dataset:
    """Draw the levels A, B, A' and B' of the largest size's sample with the median R of its case."""
    L = study.scale.sizes[-1]
    here = study.found.sel(L=L, alpha=LOCALISED)
    R = here["R"].where(here["Z_case"] == (case == "Z")).dropna("seed")
    require(R.size > 0, f"number of {case} cases at L = {L}", R.size, "at least 1; raise the number of realisations")
    seed = int(abs(R - R.median()).idxmin("seed"))
    data = study.regimes.sel(L=L, alpha=LOCALISED, seed=seed)
    levels, transitions = data["levels"], data["transitions"]
    dominant = "AB" if case == "Z" else "AB'"
    for name, (x, y) in PLACES.items():
        colour = "crimson" if name in (dominant[0], dominant[1:]) else "k"
        theta, c = levels.sel(state=name).values
        axes.plot([x - 0.14, x + 0.14], [y, y], color=colour, lw=2)
        text = rf"$|{name}\rangle$" + "\n" + rf"$\theta={theta:.4f}$" + "\n" + f"$c={c:.2f}$"
        axes.text(
            x + (0.19 if x else -0.19), y, text, ha="left" if x else "right", va="center", color=colour, fontsize=7
        )
    for pair, along, offset in (("AB", 0.5, -0.12), ("A'B'", 0.5, 0.12), ("AB'", 0.3, 0), ("A'B", 0.3, 0)):
        second = pair.lstrip("A'")
        start, end = np.array(PLACES[pair.removesuffix(second)]), np.array(PLACES[second])
        direction = (end - start) / np.hypot(*(end - start))
        fraction, Z = float(transitions.sel(pair=pair, transition="fraction")), float(data[f"Z_jump_{pair}"])
        arrow = {"arrowstyle": "<->", "lw": 0.3 + 8 * fraction, "color": "tab:green" if Z > 0.5 else "tab:blue"}
        arrow |= {"shrinkA": 0, "shrinkB": 0}
        axes.annotate("", end - 0.2 * direction, start + 0.2 * direction, arrowprops=arrow)
        text = f"{percent(fraction)} by {'Z' if Z > 0.5 else 'X, Y'}"
        text += f"\nmixing {float(data[f'angle_{pair}'].sel(mixing='theta')):.1e}"
        place = start + along * (end - start) + np.array([0, offset])
        axes.text(
            place[0], place[1], text, ha="center", va="center", fontsize=6, bbox={"fc": "w", "ec": "none", "pad": 0.5}
        )
    axes.set(xlim=(-0.75, 1.75), ylim=(-0.35, 1.35))
    axes.set_axis_off()
    x, R_value = int(here["x"].sel(seed=seed).fillna(0)), float(here["R"].sel(seed=seed))
    axes.set_title(rf"{case} case, $L={L}$, $\alpha={LOCALISED:g}$, seed {seed}: $R={R_value:.3f}$, $x={x}$")
    return data.assign(R=R_value, x=x)


def _fig4a(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the distribution of S_AB'/S_A'B and (inset) of Z_jump of these pairs."""
    here = study.found.sel(L=study.scale.sizes[-1], alpha=LOCALISED)
    Z = here["Z_case"]
    ratios = {"XY": here["mirror"].where(Z == 0), "Z": here["mirror"].where(Z == 1)}
    return _ratios(
        axes,
        {rf"{case} case": values for case, values in ratios.items()},
        {"$AB'$": here["Z_jump_AB'"], "$A'B$": here["Z_jump_A'B"]},
        "$S_{AB'}/S_{A'B}$",
        1.0,
    ).assign_attrs(L=study.scale.sizes[-1])


def _fig4b(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the distributions of S_AB/S_AB' and S_AB/S_A'B in the Z case, and (inset) of Z_jump of AB."""
    here = study.found.sel(L=study.scale.sizes[-1], alpha=LOCALISED)
    Z = here.where(here["Z_case"] == 1)
    return _ratios(
        axes,
        {"$S_{AB}/S_{AB'}$": Z["double"], "$S_{AB}/S_{A'B}$": Z["double'"]},
        {"$AB$": Z["Z_jump_AB"]},
        "$S_{AB}/S_{AB'}$, $S_{AB}/S_{A'B}$ (Z case)",
        2.0,
    ).assign_attrs(L=study.scale.sizes[-1])


def _ratios(
    axes: Axes, ratios: Mapping[str, xr.DataArray], jumps: Mapping[str, xr.DataArray], xlabel: str, expected: float
) -> xr.Dataset:
    """Draw distributions of ratios from 0 to twice what is expected, and of jump fractions as an inset."""
    edges, unit = np.linspace(0, 2 * expected, 42), np.linspace(0, 1, 21)
    inset = axes.inset_axes((0.66, 0.66, 0.31, 0.26))
    data = {}
    for place, sets, bins, axis in ((axes, ratios, edges, "ratio"), (inset, jumps, unit, "Z_jump")):
        rows = [_histogram(values, bins) for values in sets.values()]
        for k, (label, row) in enumerate(zip(sets, rows, strict=True)):
            place.stairs(row, bins, color=f"C{k}", ls="-" if k == 0 else "--", label=label)
        labels = {f"{axis}_of": list(sets), axis: (bins[1:] + bins[:-1]) / 2}
        data[f"P_{axis}"] = xr.DataArray(rows, labels, (f"{axis}_of", axis))
    outside = [float((values > edges[-1]).sum() / values.count()) for values in ratios.values()]
    counts = [int(values.count()) for values in ratios.values()]
    axes.axvline(expected, color="0.7", lw=3, zorder=0)
    axes.set(xlabel=xlabel, ylabel="share of samples per bin", yscale="log", ylim=(0.5 / max(*counts, 1), 30))
    axes.legend(loc="upper left")
    inset.set(yscale="log", ylim=(min(0.5 / max(*counts, 1), 0.005), 3), xticks=(0, 0.5, 1))
    inset.set_title(r"$Z_\mathrm{jump}$", fontsize=6, pad=2)
    inset.tick_params(labelsize=6, pad=1)
    inset.legend(fontsize=5.5, loc="upper center", handlelength=1)
    return xr.Dataset(data).assign(beyond=("ratio_of", outside), count=("ratio_of", counts))


def _histogram(values: xr.DataArray, bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of values in each bin; the others are outside."""
    known = values.values[~np.isnan(values.values)]
    return np.asarray(np.histogram(known, bins)[0] / max(1, len(known)))


def _fig4c(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the demixing angles of the pairs in the XY case against L, and (inset) how often that of AB is largest."""
    return _angles(study, axes, "XY")


def _fig4d(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the same in the Z case."""
    return _angles(study, axes, "Z")


def _angles(study: Study, axes: Axes, case: Literal["XY", "Z"]) -> xr.Dataset:
    here = study.found.sel(alpha=LOCALISED)
    chosen = here.where(here["Z_case"] == (case == "Z"))
    quartiles = chosen["theta"].quantile([0.25, 0.5, 0.75], "seed")
    styles = {"AB": ("s", "crimson"), "A'B": ("x", "0.5"), "AB'": (".", "0.5"), "A'B'": ("o", "tab:blue")}
    for k, (pair, (marker, colour)) in enumerate(styles.items()):
        low, middle, high = quartiles.sel(pair=pair).transpose("quantile", "L").values
        place = quartiles["L"] + 0.08 * (k - 1.5)
        label = f"${pair}$"
        axes.errorbar(place, middle, [middle - low, high - middle], fmt=marker, ms=4, lw=0.8, color=colour, label=label)
    axes.set(xlabel="$L$", ylabel=r"demixing angle $\theta$ (quartiles)", yscale="log", title=f"{case} case")
    axes.set_xticks(study.scale.sizes)
    axes.set_ylim(top=50 * float(quartiles.max()))
    axes.legend(loc="upper left", ncols=2)
    share = estimate(chosen["AB_largest"], "share")
    inset = axes.inset_axes((0.62, 0.72, 0.35, 0.2))
    error = [share["value"] - share["low"], share["high"] - share["value"]]
    inset.errorbar(share["L"], share["value"], error, fmt="s-", ms=2, lw=0.8, color="crimson")
    inset.set(ylim=(0, 1.05), xticks=study.scale.sizes)
    inset.set_title(r"share: $\theta_{AB}$ largest", fontsize=6, pad=2)
    inset.tick_params(labelsize=6, pad=1)
    renamed = share.rename({name: f"AB_largest_{name}" for name in share.data_vars})
    return xr.Dataset({"theta": quartiles}).merge(renamed)


def _x(study: Study, axes: Axes) -> xr.Dataset:
    """Draw the distribution of the flipped site closest to the bath."""
    here = study.found.sel(alpha=LOCALISED)
    probability = xr.concat([(here["x"] == x).sum("seed") for x in range(max(study.scale.sizes) + 1)], "x")
    count = here["R"].notnull().sum("seed")
    none = 1 - probability.sum("x") / count
    data = xr.Dataset({"probability": probability / count, "nowhere": none, "count": count})
    data = data.assign_coords(x=range(max(study.scale.sizes) + 1))
    for k, L in enumerate(study.scale.sizes):
        shown = data["probability"].sel(L=L, x=slice(1, L))
        axes.plot(shown["x"] / L, shown, "o-", ms=3, color=_shade("viridis", k, study), label=f"$L={L}$")
    axes.axvline(0.8, color="0.7", ls="--", zorder=0)
    axes.set(xlabel="flipped site closest to the bath $x/L$", ylabel="probability", ylim=(0, None))
    axes.legend()
    return data


def _profile(study: Study, axes: Axes) -> xr.Dataset:
    """Draw where the slow mode lives, and (inset) what the resonance flips."""
    circuits = study.regimes
    data = xr.Dataset({"weight": circuits["weight"].median("seed"), "flips": circuits["flips"].mean("seed")})
    inset = axes.inset_axes((0.09, 0.09, 0.3, 0.24))
    for k, L in enumerate(study.scale.sizes):
        here = data.sel(L=L).isel(site=slice(0, L))
        site, colour = here["site"] + 1, _shade("viridis", k, study)
        axes.plot(site, here["weight"].sel(alpha=LOCALISED), "o-", ms=2.5, color=colour, label=f"$L={L}$")
        axes.plot(site, here["weight"].sel(alpha=THERMAL), ":", color=colour)
        inset.plot(site, here["flips"].sel(alpha=LOCALISED), "o-", ms=1.5, lw=0.7, color=colour)
    axes.plot([], [], "k:", label=rf"$\alpha={THERMAL:g}$")
    axes.set(xlabel="site $j$ (bath at $L$)", ylabel=r"weight of $\tau_S$ at site $j$ (median)", yscale="log")
    axes.set_xlim(right=1.35 * max(study.scale.sizes))  # room for the legend and the inset
    axes.set_ylim(bottom=0.01 * float(data["weight"].min()))
    axes.legend(loc="center right")
    inset.set(ylim=(0, 1))
    inset.set_title("flips of $A$–$B$ (mean)", fontsize=6, pad=2)
    inset.tick_params(labelsize=6, pad=1)
    return data


def _landmark(study: Study, axes: Axes) -> xr.Dataset:
    """Draw Γ·4^L against α: where it grows with L, the avalanche goes on."""
    data = confidence_interval(study.gamma * 4.0 ** study.gamma["L"], "median")
    for k, L in enumerate(study.scale.sizes):
        point = data.sel(L=L).dropna("alpha", how="any", subset=["value"])
        error = [point["value"] - point["low"], point["high"] - point["value"]]
        style = "o-" if L in study.scan["L"] else "o"
        axes.errorbar(
            point["alpha"], point["value"], error, fmt=style, ms=2.5, color=_shade("viridis", k, study), lw=0.8
        )
        axes.plot([], [], "o-", ms=2.5, color=_shade("viridis", k, study), label=f"$L={L}$")
    alpha, low, high = study.landmark
    first, second = study.scan["L"].values[-2:]
    if np.isfinite(alpha):
        axes.axvline(alpha, color="0.6", ls="--", zorder=0)
        limits = axes.get_xlim()
        label = rf"$L={first}$, ${second}$ cross: $\alpha={alpha:.1f}$ ({low:.1f}–{high:.1f})"
        axes.axvspan(*np.clip((low, high), *limits), color="0.9", zorder=0, label=label)
        axes.set_xlim(limits)
    axes.set(xlabel=r"disorder strength $\alpha$", ylabel=r"$\Gamma\,4^L$ (median)", yscale="log")
    axes.legend()
    return data.assign(landmark=("end", [alpha, low, high])).assign_coords(end=list(ENDS))


FIGURES: dict[str, Callable[[Study, Axes], xr.Dataset]] = {
    "fig2": _fig2,
    "fig3a": _fig3a,
    "fig3b": _fig3b,
    "fig4a": _fig4a,
    "fig4b": _fig4b,
    "fig4c": _fig4c,
    "fig4d": _fig4d,
    "x": _x,
    "profile": _profile,
    "landmark": _landmark,
}
"""The figures by name: those of the paper, the distribution of x, the shape of the slow mode, and Γ·4^L against α."""


def _edges(histogram: xr.DataArray) -> NDArray[np.float64]:
    return np.append(histogram["lower"].values, histogram["upper"].values[-1])


def _shade(colours: str, k: int, study: Study) -> tuple[float, float, float, float]:
    return plt.get_cmap(colours)(0.25 + 0.65 * k / (len(study.scale.sizes) - 1))
