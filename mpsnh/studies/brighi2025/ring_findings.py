"""What spectra of rings say of the statements of the paper."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh import models
from mpsnh.language.opsum import OpSum
from mpsnh.statistics.crossing import crossing
from mpsnh.statistics.decay import ExponentialFit
from mpsnh.statistics.laws import Laws, decay_laws
from mpsnh.studies.brighi2025.findings import (
    Finding,
    difference,
    exactly,
    mean,
    resampled,
    share,
    turn,
)
from mpsnh.studies.brighi2025.simulations import GAMMA, V

if TYPE_CHECKING:
    from mpsnh.studies.brighi2025.data import Study

CLAIMED_TRANSITION = 4.5
"""Disorder strength at which spectral indicators had suggested a transition (the paper's green line)."""

MIDWAY = {"singular_values": (0.5307 + 0.3863) / 2, "spacings": (0.722 + 0.5) / 2}
"""Halfway between the values of random matrices (orthogonal ensemble, class AI†) and of independent levels."""


def _by_size(study: Study, find: Callable[[int, xr.DataArray], Finding], data: xr.DataArray) -> list[Finding]:
    return [find(L, data.sel(L=L).dropna("seed", how="all")) for L in study.scale.sizes]


@functools.cache
def _laws(study: Study) -> dict[int, Laws | None]:
    """Return which law the current of each size follows, if enough of it is known."""
    known: dict[int, Laws | None] = {}
    for L in study.scale.sizes:
        try:
            known[L] = decay_laws(study.current().sel(L=L), window=(study.scale.fit_window[0], np.inf))
        except ValueError:  # too few points
            known[L] = None
    return known


def _of_laws(study: Study, number: Callable[[Laws], tuple[float, float, float]]) -> list[Finding]:
    unknown = (np.nan, np.nan, np.nan)
    return [Finding(f"N = {L}", *(unknown if law is None else number(law))) for L, law in _laws(study).items()]


def exponential(study: Study) -> list[Finding]:
    """Return the p-value of an exponential decay of the mean current."""
    return _of_laws(study, lambda law: (law.misfit_p_value,) * 3)


def exponent(study: Study) -> list[Finding]:
    """Return the exponent of the best stretched exponential."""
    return _of_laws(study, lambda law: (law.exponent, *law.exponent_interval))


def kinked(study: Study) -> list[Finding]:
    """Return the p-value of one exponential against two."""
    return _of_laws(study, lambda law: (law.kinked_p_value,) * 3)


def _turns(study: Study, data: xr.DataArray, logarithm: bool = True) -> list[Finding]:
    window = study.scale.fit_window[0], np.inf
    return _by_size(study, lambda L, values: turn(f"N = {L}", values, CLAIMED_TRANSITION, window, logarithm), data)


def turn_of_mean(study: Study) -> list[Finding]:
    """Return how much ln J∞ turns at the claimed transition."""
    return _turns(study, study.current())


def turn_of_typical(study: Study) -> list[Finding]:
    """Return how much the logarithm of the typical current turns there, over the realisations that have a current."""
    return _turns(study, _logarithm(study.current()), logarithm=False)


def turn_of_width(study: Study) -> list[Finding]:
    """Return how much the mean distance of ln I_tot from its median turns there."""
    logarithm = _logarithm(study.current())
    return _turns(study, abs(logarithm - logarithm.median("seed")), logarithm=False)


def _logarithm(current: xr.DataArray) -> xr.DataArray:
    """Return the logarithm of the currents, NaN where there is none."""
    logarithm: xr.DataArray = xr.apply_ufunc(np.log, current.where(current > 0))
    return logarithm


def turn_of_gap(study: Study) -> list[Finding]:
    """Return how much ln Δ turns at the claimed transition."""
    return _turns(study, study.spectra["gap"])


def _rates(study: Study, data: xr.DataArray) -> list[Finding]:
    return [
        Finding(f"N = {L}", fit.rate, *fit.interval())
        for L, fit in zip(study.scale.sizes, study.fits(data), strict=True)
    ]


def alpha(study: Study) -> list[Finding]:
    """Return the rate of the current."""
    return _rates(study, study.current())


def _drifts(rates: Sequence[Finding]) -> list[Finding]:
    steps = []
    for first, second in pairwise(rates):
        step = difference(f"{first.at} to {second.at[4:]}", first, second)
        steps.append(Finding(step.at, *(number / abs(first.value) for number in step[1:])))
    return steps


def alpha_drift(study: Study) -> list[Finding]:
    """Return how α changes from one size to the next."""
    return _drifts(alpha(study))


def beta_drift(study: Study) -> list[Finding]:
    """Return how β changes from one size to the next."""
    return _drifts(_rates(study, study.spectra["gap"]))


def alpha_less_beta(study: Study) -> list[Finding]:
    """Return α - β; the resamples of both fits are of the same realisations."""

    def less(L: int, current: ExponentialFit, gap: ExponentialFit) -> Finding:
        drawn = (current.resampled - gap.resampled)[:, 0]
        low, high = np.nanquantile(drawn, (0.025, 0.975))
        return Finding(f"N = {L}", current.rate - gap.rate, float(low), float(high))

    both = zip(study.scale.sizes, study.fits(study.current()), study.fits(study.spectra["gap"]), strict=True)
    return [less(L, current, gap) for L, current, gap in both]


def share_with_current(study: Study) -> list[Finding]:
    """Return the share of realisations with a current at the largest h."""
    at = study.scale.strengths[-1]
    return _by_size(study, lambda L, values: share(f"N = {L}, h = {at:g}", values > 0), study.current().sel(h=at))


def mean_at_largest(study: Study) -> list[Finding]:
    """Return the mean current at the largest h."""
    at = study.scale.strengths[-1]
    return _by_size(study, lambda L, values: mean(f"N = {L}, h = {at:g}", values), study.current().sel(h=at))


def half_of_mean(study: Study) -> list[Finding]:
    """Return the smallest share of the realisations that together carry half of the mean current."""
    found = []
    for h in study.scale.strengths[1::4]:
        values = np.sort(study.current().sel(L=study.scale.sizes[-1], h=h).dropna("seed").values)[::-1]
        carried = np.cumsum(values)
        number = 1 + int(np.searchsorted(carried, carried[-1] / 2)) if carried[-1] > 0 else 0
        found.append(exactly(f"N = {study.scale.sizes[-1]}, h = {h:g}", number / len(values)))
    return found


def real_place(study: Study) -> list[Finding]:
    """Return the h at which half of the spectra are real."""
    complex_ones = 1.0 - study.spectra["real_spectrum"].where(study.current().notnull())
    return _by_size(study, lambda L, values: Finding(f"N = {L}", *crossing(values, 0.5)), complex_ones)


def real_shift(study: Study) -> list[Finding]:
    """Return how that place changes from one size to the next."""
    return [difference(f"{a.at} to {b.at[4:]}", a, b) for a, b in pairwise(real_place(study))]


def real_scaling(study: Study) -> list[Finding]:
    """Return f_noSS of the largest size less that of the smallest, for some strengths."""
    found, sizes = [], study.scale.sizes
    for h in (h for h in study.scale.strengths if h in (4, 5, 6, 8, 10, 12)):
        real = study.spectra["real_spectrum"].where(study.current().notnull()).sel(h=h)
        small, large = (share("", real.sel(L=L).dropna("seed") > 0) for L in (sizes[0], sizes[-1]))
        found.append(difference(f"N = {sizes[0]} to {sizes[-1]}, h = {h:g}", small, large))
    return found


def _crossings(data: xr.DataArray) -> list[Finding]:
    """Return where a longer ring falls below a shorter one."""
    rings = {int(L): data.sel(L=L).dropna("seed", how="all") for L in data["L"].values}
    return [Finding(f"N = {a}, {b}", *crossing(rings[b], rings[a])) for a, b in pairwise(rings)]


def complex_place(study: Study) -> list[Finding]:
    """Return the h at which the fractions of complex levels of neighbouring sizes are equal."""
    return _crossings(study.spectra["complex_fraction"].where(study.current().notnull()))


def entropy_place(study: Study) -> list[Finding]:
    """Return the h at which the entropies per site of central eigenvectors of two sizes are equal."""
    return _crossings(study.indicators["entropy"])


def _midway(study: Study, name: str) -> list[Finding]:
    data = study.indicators[name]
    data = data.sel(moment="modulus", drop=True) if "moment" in data.dims else data
    return [Finding(f"N = {L}", *crossing(data.sel(L=L), MIDWAY[name])) for L in data["L"].values]


def singular_place(study: Study) -> list[Finding]:
    """Return the h at which the gap ratio of singular values is midway between chaos and independence."""
    return _midway(study, "singular_values")


def spacing_place(study: Study) -> list[Finding]:
    """Return the h at which ⟨|z|⟩ of complex spacings is midway between class AI† and independent real levels."""
    return _midway(study, "spacings")


def unique(study: Study) -> list[Finding]:
    """Return the share of realisations with a gap among those with a current."""
    current = study.current()
    return _by_size(
        study,
        lambda L, gap: share(f"N = {L}", gap.values[~np.isnan(gap.values)] > 0),
        study.spectra["gap"].where(current > 0),
    )


def eigenvalue_and_vector(study: Study) -> list[Finding]:
    """Return the largest difference between Im E₁/γ and ⟨I_tot⟩."""
    both = study.spectra["current"]
    apart = abs(both.sel(estimate="eigenvalue") - both.sel(estimate="eigenvector"))
    return [
        exactly(f"N = {L}", float(apart.sel(L=L).max() / study.current().sel(L=L).max())) for L in study.scale.sizes
    ]


def continuity(study: Study) -> list[Finding]:
    """Return by how much i(H† S - S H) differs from the divergence of the current and the non-local term.

    With the current of `models.NonHermitianXXZ`, d⟨S_j⟩/dt = ⟨I_{j-1} - I_j⟩ + γ⟨{I_tot, S_j}⟩ before normalisation.
    """
    chain = models.NonHermitianXXZ(L=6, gamma=GAMMA, V=V, h=2.0, seed=study.seed, boundary="periodic")
    dense = functools.partial(_dense, chain)
    hamiltonian, total = dense(chain.terms()), sum(dense(chain.current(j)) for j in chain.bonds)
    worst = 0.0
    for j in range(chain.L):
        spin = dense(OpSum.sum([(1.0, "Sz", j)]))
        changes = 1j * (hamiltonian.conj().T @ spin - spin @ hamiltonian)
        flows = dense(chain.current((j - 1) % chain.L)) - dense(chain.current(j))
        worst = max(worst, float(np.abs(changes - flows - GAMMA * (total @ spin + spin @ total)).max()))
    return [exactly("N = 6", worst)]


def _dense(chain: models.NonHermitianXXZ, terms: OpSum) -> NDArray[np.complex128]:
    return np.asarray(chain.sector.operator(terms).toarray(), complex)


def routes(study: Study) -> list[Finding]:
    """Return how far the growth of an evolved norm is from the spectrum, where it can be seen."""
    from mpsnh.studies.brighi2025.data import ROUTE_TIME

    evolved = study.routes
    exact = study.current().sel(L=evolved["L"].item()).sel(seed=evolved["seed"])
    seen = exact.where(GAMMA * exact * ROUTE_TIME > 100)
    relative = (abs(evolved - exact) / seen).values
    relative = relative[np.isfinite(relative)]
    return [exactly(f"N = {evolved['L'].item()}", float(np.median(relative)) if len(relative) else np.nan)]


def extremal(study: Study) -> list[Finding]:
    """Return the share of rings in which an extremal solver returns too small a growth, or gives up."""
    short = study.indicators["short"]
    scale = np.maximum(1e-6, 1e-6 * GAMMA * abs(study.current()).max())
    return [share(f"N = {L}", ~(short.sel(L=L) < scale)) for L in short["L"].values]


def per_site_slope(study: Study) -> list[Finding]:
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
