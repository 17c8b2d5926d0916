"""The figures of the paper, and some that go beyond it: the numbers that each shows, and their picture."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.extras import extra
from mpsnh.statistics.averages import confidence_interval
from mpsnh.statistics.distribution import log_histogram
from mpsnh.studies.ha2023.data import Study
from mpsnh.studies.ha2023.estimates import ENDS, estimate, percent
from mpsnh.studies.ha2023.scales import LOCALISED, THERMAL
from mpsnh.studies.study import Figure

with extra("plot"):
    from matplotlib import colormaps
    from matplotlib.axes import Axes


def _fig2(study: Study) -> xr.Dataset:
    """Return the distribution of the dominant fraction R for each size, in both regimes."""
    R = study.found["R"]
    histogram = log_histogram(R, bins=np.geomspace(0.9 * float(R.min()), 1, 41))
    return histogram.assign(largest=R.max("seed"), median=R.median("seed"))


def _draw_fig2(data: xr.Dataset, axes: Axes) -> None:
    edges = np.append(data["lower"].values, data["upper"].values[-1])
    for alpha, colours, name in ((THERMAL, "Oranges", "thermal"), (LOCALISED, "Blues", "localised")):
        for k, L in enumerate(data["L"].values):
            density = data["density"].sel(L=L, alpha=alpha)
            label = rf"$\alpha={alpha:g}$ ({name})" if k == 0 else ""
            axes.stairs(density, edges, color=_shade(colours, k, data), label=label)
    axes.axvline(0.5, color="0.5", ls="--", zorder=0)
    axes.annotate("1/2", (0.5, 1), (2, -7), xycoords=("data", "axes fraction"), textcoords="offset points", color="0.5")
    axes.set(xlabel=r"fraction of the relaxation through one pair $R=D_{\mu\nu}/2^L\Gamma$", xscale="log")
    axes.set(ylabel="probability per decade", title=f"$L={data['L'].values[0]}$ (light) to ${data['L'].values[-1]}$")
    axes.legend(loc="upper center")


PLACES = {"A": (0.0, 0.0), "B": (1.0, 0.0), "A'": (0.0, 1.0), "B'": (1.0, 1.0)}
"""Where the levels of Figure 3 stand."""


def _near_resonance(study: Study, case: Literal["XY", "Z"]) -> xr.Dataset:
    """Return what is known of the largest size's sample with the median R of its case."""
    L = study.scale.sizes[-1]
    here = study.found.sel(L=L, alpha=LOCALISED)
    R = here["R"].where(here["Z_case"] == (case == "Z")).dropna("seed")
    require(R.size > 0, f"number of {case} cases at L = {L}", R.size, "at least 1; raise the number of realisations")
    seed = int(abs(R - R.median()).idxmin("seed"))
    data = study.regimes.sel(L=L, alpha=LOCALISED, seed=seed)
    return data.assign(case=case, R=here["R"].sel(seed=seed), x=here["x"].sel(seed=seed).fillna(0).astype(int))


def _draw_near_resonance(data: xr.Dataset, axes: Axes) -> None:
    """Draw the levels A, B, A' and B', and the transitions between them."""
    levels, transitions, case = data["levels"], data["transitions"], data["case"].item()
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
    L, alpha, seed, R, x = (data[name].item() for name in ("L", "alpha", "seed", "R", "x"))
    axes.set_title(rf"{case} case, $L={L}$, $\alpha={alpha:g}$, seed {seed}: $R={R:.3f}$, $x={x}$")


def _fig4a(study: Study) -> xr.Dataset:
    """Return the distribution of S_AB'/S_A'B and (inset) of Z_jump of these pairs."""
    here = study.found.sel(L=study.scale.sizes[-1], alpha=LOCALISED)
    Z = here["Z_case"]
    ratios = {"XY": here["mirror"].where(Z == 0), "Z": here["mirror"].where(Z == 1)}
    jumps = {"$AB'$": here["Z_jump_AB'"], "$A'B$": here["Z_jump_A'B"]}
    return _ratios({f"{case} case": values for case, values in ratios.items()}, jumps, 1.0).assign(L=here["L"])


def _fig4b(study: Study) -> xr.Dataset:
    """Return the distributions of S_AB/S_AB' and S_AB/S_A'B in the Z case, and (inset) of Z_jump of AB."""
    here = study.found.sel(L=study.scale.sizes[-1], alpha=LOCALISED)
    Z = here.where(here["Z_case"] == 1)
    ratios = {"$S_{AB}/S_{AB'}$": Z["double"], "$S_{AB}/S_{A'B}$": Z["double'"]}
    return _ratios(ratios, {"$AB$": Z["Z_jump_AB"]}, 2.0).assign(L=here["L"])


def _ratios(ratios: Mapping[str, xr.DataArray], jumps: Mapping[str, xr.DataArray], expected: float) -> xr.Dataset:
    """Return distributions of ratios from 0 to twice what is expected, and of jump fractions."""
    edges, unit = np.linspace(0, 2 * expected, 42), np.linspace(0, 1, 21)
    data = {}
    for axis, sets, bins in (("ratio", ratios, edges), ("Z_jump", jumps, unit)):
        rows = [_histogram(values, bins) for values in sets.values()]
        labels = {f"{axis}_of": list(sets), axis: (bins[1:] + bins[:-1]) / 2}
        data[f"P_{axis}"] = xr.DataArray(rows, labels, (f"{axis}_of", axis))
        data[f"{axis}_edges"] = xr.DataArray(bins, dims=f"{axis}_edge")
    beyond = [float((values > edges[-1]).sum() / values.count()) for values in ratios.values()]
    counts = [int(values.count()) for values in ratios.values()]
    return xr.Dataset(data).assign(expected=expected, beyond=("ratio_of", beyond), count=("ratio_of", counts))


def _draw_ratios(data: xr.Dataset, axes: Axes, xlabel: str) -> None:
    """Draw distributions of ratios, and those of jump fractions as an inset."""
    inset, least = axes.inset_axes((0.66, 0.66, 0.31, 0.26)), 0.5 / max(1, int(data["count"].max()))
    for place, axis in ((axes, "ratio"), (inset, "Z_jump")):
        for k, row in enumerate(data[f"P_{axis}"]):
            label, style = row[f"{axis}_of"].item(), "-" if k == 0 else "--"
            place.stairs(row, data[f"{axis}_edges"], color=f"C{k}", ls=style, label=label)
    axes.axvline(float(data["expected"]), color="0.7", lw=3, zorder=0)
    axes.set(xlabel=xlabel, ylabel="share of samples per bin", yscale="log", ylim=(least, 30))
    axes.legend(loc="upper left")
    inset.set(yscale="log", ylim=(min(least, 0.005), 3), xticks=(0, 0.5, 1))
    inset.set_title(r"$Z_\mathrm{jump}$", fontsize=6, pad=2)
    inset.tick_params(labelsize=6, pad=1)
    inset.legend(fontsize=5.5, loc="upper center", handlelength=1)


def _histogram(values: xr.DataArray, bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of values in each bin; the others are outside."""
    known = values.values[~np.isnan(values.values)]
    return np.asarray(np.histogram(known, bins)[0] / max(1, len(known)))


def _angles(study: Study, case: Literal["XY", "Z"]) -> xr.Dataset:
    """Return the demixing angles of the pairs in one case against L, and how often that of AB is largest."""
    here = study.found.sel(alpha=LOCALISED)
    chosen = here.where(here["Z_case"] == (case == "Z"))
    quartiles, share = chosen["theta"].quantile([0.25, 0.5, 0.75], "seed"), estimate(chosen["AB_largest"], "share")
    renamed = share.rename({name: f"AB_largest_{name}" for name in share.data_vars})
    return xr.Dataset({"theta": quartiles, "case": case}).merge(renamed)


def _draw_angles(data: xr.Dataset, axes: Axes) -> None:
    quartiles, case = data["theta"], data["case"].item()
    styles = {"AB": ("s", "crimson"), "A'B": ("x", "0.5"), "AB'": (".", "0.5"), "A'B'": ("o", "tab:blue")}
    for k, (pair, (marker, colour)) in enumerate(styles.items()):
        low, middle, high = quartiles.sel(pair=pair).transpose("quantile", "L").values
        place = quartiles["L"] + 0.08 * (k - 1.5)
        label = f"${pair}$"
        axes.errorbar(place, middle, [middle - low, high - middle], fmt=marker, ms=4, lw=0.8, color=colour, label=label)
    axes.set(xlabel="$L$", ylabel=r"demixing angle $\theta$ (quartiles)", yscale="log", title=f"{case} case")
    axes.set_xticks(data["L"].values)
    axes.set_ylim(top=50 * float(quartiles.max()))
    axes.legend(loc="upper left", ncols=2)
    inset = axes.inset_axes((0.62, 0.72, 0.35, 0.2))
    share, low, high = (data[f"AB_largest_{end}"] for end in ENDS)
    inset.errorbar(data["L"], share, [share - low, high - share], fmt="s-", ms=2, lw=0.8, color="crimson")
    inset.set(ylim=(0, 1.05), xticks=data["L"].values)
    inset.set_title(r"share: $\theta_{AB}$ largest", fontsize=6, pad=2)
    inset.tick_params(labelsize=6, pad=1)


def _x(study: Study) -> xr.Dataset:
    """Return the distribution of the flipped site closest to the bath."""
    here = study.found.sel(alpha=LOCALISED)
    probability = xr.concat([(here["x"] == x).sum("seed") for x in range(max(study.scale.sizes) + 1)], "x")
    count = here["R"].notnull().sum("seed")
    none = 1 - probability.sum("x") / count
    data = xr.Dataset({"probability": probability / count, "nowhere": none, "count": count})
    return data.assign_coords(x=range(max(study.scale.sizes) + 1))


def _draw_x(data: xr.Dataset, axes: Axes) -> None:
    for k, L in enumerate(data["L"].values):
        shown = data["probability"].sel(L=L, x=slice(1, L))
        axes.plot(shown["x"] / L, shown, "o-", ms=3, color=_shade("viridis", k, data), label=f"$L={L}$")
    axes.axvline(0.8, color="0.7", ls="--", zorder=0)
    axes.set(xlabel="flipped site closest to the bath $x/L$", ylabel="probability", ylim=(0, None))
    axes.legend()


def _profile(study: Study) -> xr.Dataset:
    """Return where the slow mode lives, and (inset) what the resonance flips."""
    circuits = study.regimes
    return xr.Dataset({"weight": circuits["weight"].median("seed"), "flips": circuits["flips"].mean("seed")})


def _draw_profile(data: xr.Dataset, axes: Axes) -> None:
    inset = axes.inset_axes((0.09, 0.09, 0.3, 0.24))
    for k, L in enumerate(data["L"].values):
        here = data.sel(L=L).isel(site=slice(0, L))
        site, colour = here["site"] + 1, _shade("viridis", k, data)
        axes.plot(site, here["weight"].sel(alpha=LOCALISED), "o-", ms=2.5, color=colour, label=f"$L={L}$")
        axes.plot(site, here["weight"].sel(alpha=THERMAL), ":", color=colour)
        inset.plot(site, here["flips"].sel(alpha=LOCALISED), "o-", ms=1.5, lw=0.7, color=colour)
    axes.plot([], [], "k:", label=rf"$\alpha={THERMAL:g}$")
    axes.set(xlabel="site $j$ (bath at $L$)", ylabel=r"weight of $\tau_S$ at site $j$ (median)", yscale="log")
    axes.set_xlim(right=1.35 * int(data["L"].max()))  # room for the legend and the inset
    axes.set_ylim(bottom=0.01 * float(data["weight"].min()))
    axes.legend(loc="center right")
    inset.set(ylim=(0, 1))
    inset.set_title("flips of $A$–$B$ (mean)", fontsize=6, pad=2)
    inset.tick_params(labelsize=6, pad=1)


def _landmark(study: Study) -> xr.Dataset:
    """Return Γ·4^L against α: where it grows with L, the avalanche goes on."""
    data = confidence_interval(study.gamma * 4.0 ** study.gamma["L"], "median")
    scanned, landmark = data["L"].isin(study.scan["L"]), xr.DataArray(list(study.landmark), {"end": list(ENDS)})
    return data.assign(scanned=scanned, landmark=landmark)


def _draw_landmark(data: xr.Dataset, axes: Axes) -> None:
    for k, L in enumerate(data["L"].values):
        point = data.sel(L=L).dropna("alpha", how="any", subset=["value"])
        error = [point["value"] - point["low"], point["high"] - point["value"]]
        style, colour = "o-" if point["scanned"] else "o", _shade("viridis", k, data)
        axes.errorbar(point["alpha"], point["value"], error, fmt=style, ms=2.5, color=colour, lw=0.8)
        axes.plot([], [], "o-", ms=2.5, color=colour, label=f"$L={L}$")
    alpha, low, high = data["landmark"].values
    first, second = data["L"].values[data["scanned"].values][-2:]
    if np.isfinite(alpha):
        axes.axvline(alpha, color="0.6", ls="--", zorder=0)
        limits = axes.get_xlim()
        label = rf"$L={first}$, ${second}$ cross: $\alpha={alpha:.1f}$ ({low:.1f}–{high:.1f})"
        axes.axvspan(*np.clip((low, high), *limits), color="0.9", zorder=0, label=label)
        axes.set_xlim(limits)
    axes.set(xlabel=r"disorder strength $\alpha$", ylabel=r"$\Gamma\,4^L$ (median)", yscale="log")
    axes.legend()


FIGURES: dict[str, Figure[Study]] = {
    "fig2": Figure(_fig2, _draw_fig2),
    "fig3a": Figure(functools.partial(_near_resonance, case="XY"), _draw_near_resonance),
    "fig3b": Figure(functools.partial(_near_resonance, case="Z"), _draw_near_resonance),
    "fig4a": Figure(_fig4a, functools.partial(_draw_ratios, xlabel="$S_{AB'}/S_{A'B}$")),
    "fig4b": Figure(_fig4b, functools.partial(_draw_ratios, xlabel="$S_{AB}/S_{AB'}$, $S_{AB}/S_{A'B}$ (Z case)")),
    "fig4c": Figure(functools.partial(_angles, case="XY"), _draw_angles),
    "fig4d": Figure(functools.partial(_angles, case="Z"), _draw_angles),
    "x": Figure(_x, _draw_x),
    "profile": Figure(_profile, _draw_profile),
    "landmark": Figure(_landmark, _draw_landmark),
}
"""The figures by name: those of the paper, the distribution of x, the shape of the slow mode, and Γ·4^L against α."""


def _shade(colours: str, k: int, data: xr.Dataset) -> tuple[float, float, float, float]:
    return colormaps[colours](0.25 + 0.65 * k / (data.sizes["L"] - 1))
