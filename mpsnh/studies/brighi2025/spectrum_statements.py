"""What the paper says of whole spectra, of other indicators and of exact relations, and how it is found."""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh import models
from mpsnh.language.opsum import OpSum
from mpsnh.statistics.crossing import crossing
from mpsnh.studies.brighi2025.findings import (
    NEGATIVE,
    POSITIVE,
    Finding,
    Statement,
    by_size,
    difference,
    exactly,
    share,
)
from mpsnh.studies.brighi2025.simulations import GAMMA, V

if TYPE_CHECKING:
    from mpsnh.studies.brighi2025.data import Study

MIDWAY = {"singular_values": (0.5307 + 0.3863) / 2, "spacings": (0.722 + 0.5) / 2}
"""Halfway between the values of random matrices (orthogonal ensemble, class AI†) and of independent levels."""


def _real_place(study: Study) -> list[Finding]:
    """Return the h at which half of the spectra are real."""
    complex_ones = 1.0 - study.spectra["real_spectrum"].where(study.current().notnull())
    return by_size(lambda L, values: Finding(f"N = {L}", *crossing(values, 0.5)), complex_ones)


def _real_shift(study: Study) -> list[Finding]:
    """Return how that place changes from one size to the next."""
    return [difference(f"{a.at} to {b.at[4:]}", a, b) for a, b in pairwise(_real_place(study))]


def _real_scaling(study: Study) -> list[Finding]:
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


def _complex_place(study: Study) -> list[Finding]:
    """Return the h at which the fractions of complex levels of neighbouring sizes are equal."""
    return _crossings(study.spectra["complex_fraction"].where(study.current().notnull()))


def _entropy_place(study: Study) -> list[Finding]:
    """Return the h at which the entropies per site of central eigenvectors of two sizes are equal."""
    return _crossings(study.indicators["entropy"])


def _midway(study: Study, name: str) -> list[Finding]:
    data = study.indicators[name]
    data = data.sel(moment="modulus", drop=True) if "moment" in data.dims else data
    return [Finding(f"N = {L}", *crossing(data.sel(L=L), MIDWAY[name])) for L in data["L"].values]


def _singular_place(study: Study) -> list[Finding]:
    """Return the h at which the gap ratio of singular values is midway between chaos and independence."""
    return _midway(study, "singular_values")


def _spacing_place(study: Study) -> list[Finding]:
    """Return the h at which ⟨|z|⟩ of complex spacings is midway between class AI† and independent real levels."""
    return _midway(study, "spacings")


def _unique(study: Study) -> list[Finding]:
    """Return the share of realisations with a gap among those with a current."""
    current = study.current()
    return by_size(
        lambda L, gap: share(f"N = {L}", gap.values[~np.isnan(gap.values)] > 0),
        study.spectra["gap"].where(current > 0),
    )


def _eigenvalue_and_vector(study: Study) -> list[Finding]:
    """Return the largest difference between Im E₁/γ and ⟨I_tot⟩."""
    both = study.spectra["current"]
    apart = abs(both.sel(estimate="eigenvalue") - both.sel(estimate="eigenvector"))
    return [
        exactly(f"N = {L}", float(apart.sel(L=L).max() / study.current().sel(L=L).max())) for L in study.scale.sizes
    ]


def _continuity(study: Study) -> list[Finding]:
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


def _routes(study: Study) -> list[Finding]:
    """Return how far the growth of an evolved norm is from the spectrum, where it can be seen."""
    from mpsnh.studies.brighi2025.data import ROUTE_TIME

    evolved = study.routes
    exact = study.current().sel(L=evolved["L"].item()).sel(seed=evolved["seed"])
    seen = exact.where(GAMMA * exact * ROUTE_TIME > 100)
    relative = (abs(evolved - exact) / seen).values
    relative = relative[np.isfinite(relative)]
    return [exactly(f"N = {evolved['L'].item()}", float(np.median(relative)) if len(relative) else np.nan)]


def _extremal(study: Study) -> list[Finding]:
    """Return the share of rings in which an extremal solver returns too small a growth, or gives up."""
    short = study.indicators["short"]
    scale = np.maximum(1e-6, 1e-6 * GAMMA * abs(study.current()).max())
    return [share(f"N = {L}", ~(short.sel(L=L) < scale)) for L in short["L"].values]


SPECTRA = {
    "real_place": Statement("f_noSS crosses over in h", "h at which f_noSS = 1/2", _real_place),
    "real_shift": Statement(
        "the crossover shifts to larger h",
        "its change from one N to the next",
        _real_shift,
        POSITIVE,
    ),
    "real_scaling": Statement(
        "larger N, fewer real spectra at fixed h",
        "f_noSS of the largest N less that of the smallest",
        _real_scaling,
        NEGATIVE,
    ),
    "complex_place": Statement(
        "f_Im shows a transition at h = 4.5",
        "h at which f_Im of two N cross",
        _complex_place,
        (4.0, 5.0),
    ),
    "entropy_place": Statement(
        "entropy: slightly different from 4.5",
        "h at which entropies per site cross",
        _entropy_place,
    ),
    "singular_place": Statement(
        "other indicators likewise",
        "h at which the ratio of singular values is midway",
        _singular_place,
    ),
    "spacing_place": Statement(
        "other indicators likewise",
        "h at which the size of complex spacing ratios is midway",
        _spacing_place,
    ),
    "unique": Statement(
        "the steady state is unique",
        "share with Δ > 0 of those with a current",
        _unique,
        (0.999, np.inf),
    ),
    "current_is_growth": Statement(
        "Im E₁ = γ⟨I_tot⟩ (Eq. 5)",
        "largest difference, relative to the largest current",
        _eigenvalue_and_vector,
        (0.0, 1e-6),
    ),
    "continuity": Statement(
        "continuity with a non-local term (Eq. 6)",
        "norm of the difference of both sides, N = 6",
        _continuity,
        (0.0, 1e-12),
    ),
    "routes": Statement(
        "evolution leads to the state of the spectrum",
        "median relative distance of Im E₁ where Im E₁ t > 100",
        _routes,
        (0.0, 0.05),
    ),
    "extremal": Statement(
        "extremal solvers do not help",
        "share of rings in which ARPACK misses Im E₁",
        _extremal,
        POSITIVE,
    ),
}
"""Statements by name."""
