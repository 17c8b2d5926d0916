"""What Brighi et al. 2025 say (DOI 10.1103/crwj-x7j8), statement by statement, and what is found for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from mpsnh.studies.brighi2025 import quench_findings as quenches
from mpsnh.studies.brighi2025 import ring_findings as rings
from mpsnh.studies.brighi2025.data import Study
from mpsnh.studies.brighi2025.findings import UNKNOWN, Finding


class Statement(NamedTuple):
    """A statement of the paper, what is measured to see whether it holds, and the bounds within which it does.

    Attributes
    ----------
    says : str
        The statement.
    measured : str
        What is measured.
    find : callable
        Finds it in a study, with intervals: for each size or strength.
    allowed : (float, float) or None
        Smallest and largest value with which the statement holds; None if the number itself is what is wanted.
        Where the paper gives no number to a word, the bounds are of this study.

    Examples
    --------
    >>> STATEMENTS["exponential"].allowed
    (0.05, 1.0)
    """

    says: str
    measured: str
    find: Callable[[Study], Sequence[Finding]]
    allowed: tuple[float, float] | None = None


P_VALUES = (0.05, 1.0)
POSITIVE = (0.0, np.inf)
NEGATIVE = (-np.inf, 0.0)
STRAIGHT = (-0.25, 0.25)

STATEMENTS = {
    "exponential": Statement(
        "J∞ decays exponentially with h",
        "p-value of one exponential",
        rings.exponential,
        P_VALUES,
    ),
    "stretched": Statement(
        "exponentially, not stretched",
        "exponent c of the best exp(-b h^c)",
        rings.exponent,
        (0.8, 1.25),
    ),
    "kink": Statement("no non-analyticity of J∞(h)", "p-value against a kink anywhere", rings.kinked, P_VALUES),
    "turn": Statement(
        "no transition at h = 4.5",
        "turn of ln J∞ at 4.5, relative to its slope",
        rings.turn_of_mean,
        STRAIGHT,
    ),
    "turn_typical": Statement(
        "nor in the typical current",
        "turn of ln of the typical current",
        rings.turn_of_typical,
        STRAIGHT,
    ),
    "turn_width": Statement("nor in the distribution", "turn of the width of ln I_tot", rings.turn_of_width, None),
    "alpha": Statement("J∞ ∝ exp(-αh)", "α", rings.alpha),
    "alpha_drift": Statement(
        "α depends weakly on N",
        "change of α from one N to the next, relative",
        rings.alpha_drift,
        (-0.15, 0.15),
    ),
    "beta": Statement("Δ ∝ exp(-βh) with another rate", "α - β", rings.alpha_less_beta, POSITIVE),
    "beta_drift": Statement(
        "β depends weakly on N",
        "change of β from one N to the next, relative",
        rings.beta_drift,
        (-0.15, 0.15),
    ),
    "turn_gap": Statement("no non-analyticity of Δ(h)", "turn of ln Δ at 4.5", rings.turn_of_gap, STRAIGHT),
    "weak": Statement(
        "a weak current persists up to h = 12",
        "share of realisations with a current",
        rings.share_with_current,
        POSITIVE,
    ),
    "weak_mean": Statement("it is finite", "mean I_tot at the largest h, J", rings.mean_at_largest, POSITIVE),
    "rare": Statement(
        "(not in the paper)", "share of realisations that carry half of the mean current", rings.half_of_mean
    ),
    "real_place": Statement("f_noSS crosses over in h", "h at which f_noSS = 1/2", rings.real_place),
    "real_shift": Statement(
        "the crossover shifts to larger h",
        "its change from one N to the next",
        rings.real_shift,
        POSITIVE,
    ),
    "real_scaling": Statement(
        "larger N, fewer real spectra at fixed h",
        "f_noSS of the largest N less that of the smallest",
        rings.real_scaling,
        NEGATIVE,
    ),
    "complex_place": Statement(
        "f_Im shows a transition at h = 4.5",
        "h at which f_Im of two N cross",
        rings.complex_place,
        (4.0, 5.0),
    ),
    "entropy_place": Statement(
        "entropy: slightly different from 4.5",
        "h at which entropies per site cross",
        rings.entropy_place,
    ),
    "singular_place": Statement(
        "other indicators likewise",
        "h at which the ratio of singular values is midway",
        rings.singular_place,
    ),
    "spacing_place": Statement(
        "other indicators likewise",
        "h at which the size of complex spacing ratios is midway",
        rings.spacing_place,
    ),
    "unique": Statement(
        "the steady state is unique",
        "share with Δ > 0 of those with a current",
        rings.unique,
        (0.999, 1.0),
    ),
    "current_is_growth": Statement(
        "Im E₁ = γ⟨I_tot⟩ (Eq. 5)",
        "largest difference, relative to the largest current",
        rings.eigenvalue_and_vector,
        (0.0, 1e-6),
    ),
    "continuity": Statement(
        "continuity with a non-local term (Eq. 6)",
        "norm of the difference of both sides, N = 6",
        rings.continuity,
        (0.0, 1e-12),
    ),
    "routes": Statement(
        "evolution leads to the state of the spectrum",
        "median relative distance of Im E₁ where Im E₁ t > 100",
        rings.routes,
        (0.0, 0.05),
    ),
    "extremal": Statement(
        "extremal solvers do not help",
        "share of rings in which ARPACK misses Im E₁",
        rings.extremal,
        POSITIVE,
    ),
    "conserved": Statement(
        "the magnetisation is conserved (Eq. 7)",
        "largest total ⟨Sᶻ⟩ to t = 10⁴",
        quenches.magnetisation,
        (0.0, 1e-9),
    ),
    "skin": Statement(
        "open chains: particles accumulate at one end",
        "⟨Sᶻ⟩ of the right half less the left, late",
        quenches.skin,
        POSITIVE,
    ),
    "open_current": Statement(
        "open chains: no current at long times",
        "mean current per bond, t = 5·10³ … 10⁴, J",
        quenches.late_current,
        (-1e-3, 1e-3),
    ),
    "arrival": Statement(
        "boundaries arrive at N/2 - ℓ₀",
        "first change by 10 %, over N/2 - ℓ₀",
        quenches.arrival,
        (0.75, np.inf),
    ),
    "extent": Statement(
        "the extent of the plateau grows with N",
        "arrival for N + 4 less that for N, 1/J",
        quenches.extent,
        POSITIVE,
    ),
    "plateau": Statement("the current reaches a plateau", "1 if there is one", quenches.plateau, (1.0, 1.0)),
    "from_above": Statement(
        "from above",
        "current before the window less that in it, J/1000",
        quenches.from_above,
        POSITIVE,
    ),
    "plateau_value": Statement("j₀(h)", "plateau per bond with all errors, J/1000", quenches.plateau_value),
    "plateau_decay": Statement("j₀ decays exponentially", "its rate", quenches.rate, POSITIVE),
    "plateau_slope": Statement(
        "with another slope than exact",
        "rate of j₀ less that of I_tot/N, largest N",
        quenches.rate_difference,
        POSITIVE,
    ),
    "exact_falls": Statement("(not in the paper)", "slope of ln(I_tot/N) against N", rings.per_site_slope),
    "limits": Statement(
        "N → ∞ and t → ∞ do not commute",
        "j₀ over I_tot/N of the largest N",
        quenches.limits,
        (0.0, 1.0),
    ),
    "ring_times": Statement(
        "rings at the times of the plateau are not yet there",
        "j(t, N)/j₀ of the largest N",
        quenches.rings_at_plateau,
    ),
}
"""What the paper says, by name."""


def compare(study: Study) -> xr.Dataset:
    """Compare what the paper says with what a study finds.

    Parameters
    ----------
    study : Study
        Its data are computed where needed.

    Returns
    -------
    Dataset
        By finding: ``statement``, ``at``, ``value``, ``low``, ``high`` and ``verdict``; and by statement what it says,
        what is measured and the bounds.
    """
    rows = [
        (name, *found, found.verdict(statement.allowed))
        for name, statement in STATEMENTS.items()
        for found in statement.find(study) or [UNKNOWN]
    ]
    columns = ("of", "at", "value", "low", "high", "verdict")
    data = {name: ("finding", list(column)) for name, column in zip(columns, zip(*rows, strict=True), strict=True)}
    known = list(STATEMENTS.values())
    return xr.Dataset(
        {
            **data,
            "says": ("statement", [statement.says for statement in known]),
            "measured": ("statement", [statement.measured for statement in known]),
            "allowed": (("statement", "bound"), [statement.allowed or (-np.inf, np.inf) for statement in known]),
            "bounded": ("statement", [statement.allowed is not None for statement in known]),
        },
        {"statement": list(STATEMENTS), "bound": ["low", "high"]},
    )
