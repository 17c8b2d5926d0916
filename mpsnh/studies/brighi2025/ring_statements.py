"""What the paper says of the spectra of rings, and how it is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from mpsnh.statistics.decay import ExponentialFit
from mpsnh.statistics.laws import Laws
from mpsnh.studies.brighi2025.findings import (
    P_VALUES,
    POSITIVE,
    STRAIGHT,
    Finding,
    Statement,
    by_size,
    difference,
    exactly,
    mean,
    resampled,
    share,
    turn,
    unknown,
)

if TYPE_CHECKING:
    from mpsnh.studies.brighi2025.data import Study

CLAIMED_TRANSITION = 4.5
"""Disorder strength at which spectral indicators had suggested a transition (the paper's green line)."""


def _of_laws(study: Study, number: Callable[[Laws], tuple[float, float, float]]) -> list[Finding]:
    return [unknown(f"N = {L}") if law is None else Finding(f"N = {L}", *number(law)) for L, law in study.laws.items()]


def _exponential(study: Study) -> list[Finding]:
    """Return the p-value of an exponential decay of the mean current."""
    return _of_laws(study, lambda law: (law.misfit_p_value,) * 3)


def _exponent(study: Study) -> list[Finding]:
    """Return the exponent of the best stretched exponential."""
    return _of_laws(study, lambda law: (law.exponent, *law.exponent_interval))


def _kinked(study: Study) -> list[Finding]:
    """Return the p-value of one exponential against two."""
    return _of_laws(study, lambda law: (law.kinked_p_value,) * 3)


def _turns(study: Study, data: xr.DataArray, logarithm: bool = True) -> list[Finding]:
    window = study.scale.fit_window[0], np.inf
    return by_size(lambda L, values: turn(f"N = {L}", values, CLAIMED_TRANSITION, window, logarithm), data)


def _turn_of_mean(study: Study) -> list[Finding]:
    """Return how much ln J∞ turns at the claimed transition."""
    return _turns(study, study.current())


def _turn_of_typical(study: Study) -> list[Finding]:
    """Return how much the logarithm of the typical current turns there, over the realisations that have a current."""
    return _turns(study, _logarithm(study.current()), logarithm=False)


def _turn_of_width(study: Study) -> list[Finding]:
    """Return how much the mean distance of ln I_tot from its median turns there."""
    logarithm = _logarithm(study.current())
    return _turns(study, abs(logarithm - logarithm.median("seed")), logarithm=False)


def _logarithm(current: xr.DataArray) -> xr.DataArray:
    """Return the logarithm of the currents, NaN where there is none."""
    logarithm: xr.DataArray = xr.apply_ufunc(np.log, current.where(current > 0))
    return logarithm


def _turn_of_gap(study: Study) -> list[Finding]:
    """Return how much ln Δ turns at the claimed transition."""
    return _turns(study, study.spectra["gap"])


def _rates(study: Study, data: xr.DataArray) -> list[Finding]:
    return [
        Finding(f"N = {L}", fit.rate, *fit.interval())
        for L, fit in zip(study.scale.sizes, study.fits(data), strict=True)
    ]


def _alpha(study: Study) -> list[Finding]:
    """Return the rate of the current."""
    return _rates(study, study.current())


def _drifts(rates: Sequence[Finding]) -> list[Finding]:
    steps = []
    for first, second in pairwise(rates):
        step = difference(f"{first.at} to {second.at[4:]}", first, second)
        steps.append(Finding(step.at, *(number / abs(first.value) for number in step[1:])))
    return steps


def _alpha_drift(study: Study) -> list[Finding]:
    """Return how α changes from one size to the next."""
    return _drifts(_alpha(study))


def _beta_drift(study: Study) -> list[Finding]:
    """Return how β changes from one size to the next."""
    return _drifts(_rates(study, study.spectra["gap"]))


def _alpha_less_beta(study: Study) -> list[Finding]:
    """Return α - β; the resamples of both fits are of the same realisations."""

    def less(L: int, current: ExponentialFit, gap: ExponentialFit) -> Finding:
        drawn = (current.resampled - gap.resampled)[:, 0]
        low, high = np.nanquantile(drawn, (0.025, 0.975))
        return Finding(f"N = {L}", current.rate - gap.rate, float(low), float(high))

    both = zip(study.scale.sizes, study.fits(study.current()), study.fits(study.spectra["gap"]), strict=True)
    return [less(L, current, gap) for L, current, gap in both]


def _share_with_current(study: Study) -> list[Finding]:
    """Return the share of realisations with a current at the largest h."""
    at = study.scale.strengths[-1]
    return by_size(lambda L, values: share(f"N = {L}, h = {at:g}", values > 0), study.current().sel(h=at))


def _mean_at_largest(study: Study) -> list[Finding]:
    """Return the mean current at the largest h."""
    at = study.scale.strengths[-1]
    return by_size(lambda L, values: mean(f"N = {L}, h = {at:g}", values), study.current().sel(h=at))


def _half_of_mean(study: Study) -> list[Finding]:
    """Return the smallest share of the realisations that together carry half of the mean current."""
    found = []
    for h in study.scale.strengths[1::4]:
        values = np.sort(study.current().sel(L=study.scale.sizes[-1], h=h).dropna("seed").values)[::-1]
        carried, at = np.cumsum(values), f"N = {study.scale.sizes[-1]}, h = {h:g}"
        number = 1 + int(np.searchsorted(carried, carried[-1] / 2))
        found.append(exactly(at, number / len(values)) if carried[-1] > 0 else unknown(at))
    return found


def _per_site_slope(study: Study) -> list[Finding]:
    """Return the slope of ln(I_tot/N) against N at some strengths."""
    sizes = np.array(study.scale.sizes, float)
    found = []
    for h in study.scale.quench_strengths:
        per_site = (study.current().sel(h=h) / study.spectra["L"]).transpose("L", "seed")
        found.append(
            resampled(
                f"h = {h:g}",
                per_site.values,
                lambda means: np.polyfit(sizes, np.log(np.maximum(means, 1e-300)).T, 1)[0],
            )
        )
    return found


RINGS = {
    "exponential": Statement(
        "J∞ decays exponentially with h",
        "p-value of one exponential",
        _exponential,
        P_VALUES,
    ),
    "stretched": Statement(
        "exponentially, not stretched",
        "exponent c of the best exp(-b h^c)",
        _exponent,
        (0.8, 1.25),
    ),
    "kink": Statement("no non-analyticity of J∞(h)", "p-value against a kink anywhere", _kinked, P_VALUES),
    "turn": Statement(
        "no transition at h = 4.5",
        "turn of ln J∞ at 4.5, relative to its slope",
        _turn_of_mean,
        STRAIGHT,
    ),
    "turn_typical": Statement(
        "nor in the typical current",
        "turn of ln of the typical current",
        _turn_of_typical,
        STRAIGHT,
    ),
    "turn_width": Statement("nor in the distribution", "turn of the width of ln I_tot", _turn_of_width, None),
    "alpha": Statement("J∞ ∝ exp(-αh)", "α", _alpha),
    "alpha_drift": Statement(
        "α depends weakly on N",
        "change of α from one N to the next, relative",
        _alpha_drift,
        (-0.15, 0.15),
    ),
    "beta": Statement("Δ ∝ exp(-βh) with another rate", "α - β", _alpha_less_beta, POSITIVE),
    "beta_drift": Statement(
        "β depends weakly on N",
        "change of β from one N to the next, relative",
        _beta_drift,
        (-0.15, 0.15),
    ),
    "turn_gap": Statement("no non-analyticity of Δ(h)", "turn of ln Δ at 4.5", _turn_of_gap, STRAIGHT),
    "weak": Statement(
        "a weak current persists up to h = 12",
        "share of realisations with a current",
        _share_with_current,
        POSITIVE,
    ),
    "weak_mean": Statement("it is finite", "mean I_tot at the largest h, J", _mean_at_largest, POSITIVE),
    "rare": Statement("(not in the paper)", "share of realisations that carry half of the mean current", _half_of_mean),
    "exact_falls": Statement("(not in the paper)", "slope of ln(I_tot/N) against N", _per_site_slope),
}
"""Statements by name."""
