"""What the paper says of quenches of open chains, and how it is found."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from mpsnh.studies.brighi2025.data import rest
from mpsnh.studies.brighi2025.findings import (
    CONFIDENCE,
    POSITIVE,
    Finding,
    Statement,
    difference,
    exactly,
    mean,
    power,
    ratio,
    unknown,
    widened,
)

if TYPE_CHECKING:
    from mpsnh.studies.brighi2025.data import Study

MILLI = 1e3
"""Currents per bond are told in J/1000."""


def _magnetisation(study: Study) -> list[Finding]:
    """Return the largest total magnetisation in an evolution from the Néel state."""
    total = study.late["magnetization"].sum("site")
    return [exactly(f"N = {study.scale.checked}", float(abs(total).max()))]


def _skin(study: Study) -> list[Finding]:
    """Return by how much the right half of an open chain is more magnetised than the left, at late times."""
    spins = study.late["magnetization"].isel(time=slice(100, None)).mean("time")
    half = study.scale.checked // 2
    apart = spins.isel(site=slice(half, None)).sum("site") - spins.isel(site=slice(None, half)).sum("site")
    return [mean(f"h = {h:g}", apart.sel(h=h)) for h in study.scale.quench_strengths]


def _late_current(study: Study) -> list[Finding]:
    """Return the mean current of an open chain in the second half of a long evolution."""
    current = study.late["current"].isel(time=slice(100, None)).mean("time")
    return [mean(f"h = {h:g}", current.sel(h=h)) for h in study.scale.quench_strengths]


def _arrival(study: Study) -> list[Finding]:
    """Return when boundaries are felt, in units of N/2 - ℓ₀."""
    return [
        mean(f"N = {L}, h = {h:g}", study.arrivals.sel(L=L, h=h))
        for L in study.arrivals["L"].values
        for h in study.scale.quench_strengths
    ]


def _extent(study: Study) -> list[Finding]:
    """Return how much later four sites more are felt."""
    times = study.arrivals * (study.arrivals["L"] / 2 - 1)
    later = times.isel(L=1, drop=True) - times.isel(L=0, drop=True)
    return [mean(f"h = {h:g}", later.sel(h=h)) for h in study.scale.quench_strengths]


def _plateau(study: Study) -> list[Finding]:
    """Return for each strength whether there is a plateau."""
    return [exactly(f"h = {h:g}", float(found.found)) for h, found in study.plateaus.items()]


def _power(study: Study) -> list[Finding]:
    """Return the power of time with which the current falls until its trusted end."""
    ends = {h: min(study.scale.arrival(h), study.converged[h]) for h in study.scale.quench_strengths}
    return [
        truncated_power(f"h = {h:g}, t = {end / 4:.3g} … {end:.3g}", study.currents.sel(h=h), end)
        for h, end in ends.items()
    ]


def truncated_power(at: str, data: xr.DataArray, end: float) -> Finding:
    """Return the power of time with which a current falls, with an interval that allows for larger bond dimensions.

    Parameters
    ----------
    at : str
        Where it was found.
    data : DataArray
        With the dimensions chi, time and seed: that of the largest bond dimension counts, the others tell how much it
        may still change.
    end : float
        Last time.

    Examples
    --------
    >>> time, chi = np.arange(1.0, 33.0), xr.DataArray([32, 64, 128], dims="chi")
    >>> seeds = xr.DataArray([0.9, 1.0, 1.1], dims="seed")
    >>> falling = xr.DataArray(time, {"time": time}, "time") ** -(0.5 + 3.2 / chi) * seeds
    >>> print(truncated_power("here", falling.assign_coords(chi=chi), 32.0))
    here: 0.526 (0.476 … 0.576)
    """
    by_size = [power(at, data.sel(chi=chi), end) for chi in np.sort(data["chi"].values)]
    changes = np.diff([one.value for one in by_size])
    return widened(by_size[-1], float(rest(changes[None])[0]))


def _from_above(study: Study) -> list[Finding]:
    """Return how much larger the current is before the window of the plateau than in it, after the first transient.

    Before it means from t = 1 to the beginning of the window.
    """
    found = []
    for h, settled in study.plateaus.items():
        current = study.currents.isel(chi=-1).sel(h=h)
        before = current.sel(time=slice(1.0, settled.window[0])).mean("time")
        inside = current.sel(time=slice(*settled.window)).mean("time")
        found.append(mean(f"h = {h:g}", MILLI * (before - inside)))
    return found


def _plateaus(study: Study) -> dict[float, Finding]:
    """Return the plateaus that were found, with intervals of all errors, by Student's distribution."""
    known = study.measured()
    found = {}
    for h in map(float, known["h"].values[known["found"].values]):
        window = study.plateaus[h]
        truncated = replace(window, systematic=math.hypot(window.systematic, float(known["truncation"].sel(h=h))))
        found[h] = Finding(f"h = {h:g}", window.value, *truncated.interval(CONFIDENCE))
    return found


def _plateau_value(study: Study) -> list[Finding]:
    """Return the plateaus."""
    return [Finding(found.at, *(MILLI * number for number in found[1:])) for found in _plateaus(study).values()]


def _quenched(study: Study) -> Finding | None:
    fit = study.quench_fit()
    return None if fit is None else Finding("quench", fit.rate, *fit.interval())


def _rate(study: Study) -> list[Finding]:
    """Return the rate at which the plateau decays with h."""
    found = _quenched(study)
    return [unknown("quench") if found is None else found]


def _rate_difference(study: Study) -> list[Finding]:
    """Return how much larger that rate is than the exact one in the same range of h."""
    quenched, exact = _quenched(study), study.exact_fits()[-1]
    at = f"quench, N = {study.scale.sizes[-1]}"
    if quenched is None or exact is None:
        return [unknown(at)]
    return [difference(at, Finding("", exact.rate, *exact.interval()), quenched)]


def _limits(study: Study) -> list[Finding]:
    """Return the plateau over the current per site of the longest ring."""
    L = study.scale.sizes[-1]
    found = []
    for h, plateau in _plateaus(study).items():
        exact = mean("", study.current().sel(L=L, h=h).dropna("seed") / L)
        found.append(ratio(f"h = {h:g}, N = {L}", plateau, exact))
    return found


def _rings_at_plateau(study: Study) -> list[Finding]:
    """Return the current of the longest ring in the window of the plateau, over the plateau."""
    L = study.scale.sizes[-1]
    found = []
    for h, plateau in _plateaus(study).items():
        current = study.ring_quenches.sel(L=L, h=h, time=slice(*study.plateaus[h].window)).mean("time")
        found.append(ratio(f"h = {h:g}, N = {L}", mean("", current), plateau))
    return found


QUENCHES = {
    "conserved": Statement(
        "the magnetisation is conserved (Eq. 7)",
        "largest total ⟨Sᶻ⟩ to t = 10⁴",
        _magnetisation,
        (0.0, 1e-9),
    ),
    "skin": Statement(
        "open chains: particles accumulate at one end",
        "⟨Sᶻ⟩ of the right half less the left, late",
        _skin,
        POSITIVE,
    ),
    "open_current": Statement(
        "open chains: no current at long times",
        "mean current per bond, t = 5·10³ … 10⁴, J",
        _late_current,
        (-1e-3, 1e-3),
    ),
    "arrival": Statement(
        "boundaries arrive at N/2 - ℓ₀",
        "first change by 10 %, over N/2 - ℓ₀",
        _arrival,
        (0.75, np.inf),
    ),
    "extent": Statement(
        "the extent of the plateau grows with N",
        "arrival for N + 4 less that for N, 1/J",
        _extent,
        POSITIVE,
    ),
    "plateau": Statement("the current reaches a plateau", "1 if there is one", _plateau, (1.0, 1.0)),
    "fall": Statement(
        "the current reaches a plateau",
        "p of t^-p, by the last half and the quarter before",
        _power,
        (-0.1, 0.1),
    ),
    "from_above": Statement(
        "from above",
        "current before the window less that in it, J/1000",
        _from_above,
        POSITIVE,
    ),
    "plateau_value": Statement("j₀(h)", "plateau per bond with all errors, J/1000", _plateau_value),
    "plateau_decay": Statement("j₀ decays with h", "its rate", _rate, POSITIVE),
    "plateau_slope": Statement(
        "with another slope than exact",
        "rate of j₀ less that of I_tot/N, largest N",
        _rate_difference,
        POSITIVE,
    ),
    "limits": Statement(
        "N → ∞ and t → ∞ do not commute",
        "j₀ over I_tot/N of the largest N, which falls with N",
        _limits,
    ),
    "ring_times": Statement(
        "rings at the times of the plateau are not yet there",
        "j(t, N)/j₀ of the largest N",
        _rings_at_plateau,
    ),
}
"""Statements by name."""
