"""What Ha, Morningstar and Huse 2023 say of near-resonances, and how far circuits agree.

(DOI 10.1103/PhysRevLett.130.250405.) Each statement is a number of each circuit, a statistic over circuits, and the
bounds within which it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.studies.ha2023.estimates import ENDS, drift, estimate, holds
from mpsnh.studies.ha2023.resonances import CLEAR
from mpsnh.studies.ha2023.scales import LOCALISED, THERMAL


class Statement(NamedTuple):
    """A statement of the paper, and what is measured to see whether it holds.

    Attributes
    ----------
    says : str
        The statement.
    measured : str
        What is measured.
    variable : str
        Its name in `resonances`.
    statistic : str
        Over the circuits of a size: their median, mean, largest or smallest value, the most frequent one ("mode"), or
        the share of circuits for which something is true.
    allowed : (float, float) or None
        Smallest and largest value with which the statement holds. None if the paper gives no number.
    case : "XY" or "Z" or None
        Only circuits of this case.
    alpha : float
        Disorder strength.

    Examples
    --------
    >>> STATEMENTS["R_below_half"].allowed
    (0.0, 0.5)
    """

    says: str
    measured: str
    variable: str
    statistic: Literal["median", "mean", "share", "largest", "smallest", "mode"]
    allowed: tuple[float, float] | None = None
    case: Literal["XY", "Z"] | None = None
    alpha: float = LOCALISED

    def values(self, numbers: xr.Dataset) -> xr.DataArray:
        """Return the values of the circuits that count, NaN for the others.

        Parameters
        ----------
        numbers : Dataset
            What `resonances` returned, with the dimension alpha.
        """
        here = numbers.sel(alpha=self.alpha, drop=True)
        values = here[self.variable]
        return values if self.case is None else values.where(here["Z_case"] == (self.case == "Z"))


STATEMENTS = {
    "thermal_levels": Statement(
        "α = 1 is thermal", "mean gap ratio (CUE: 0.5996)", "gap_ratio", "mean", (0.59, 0.61), alpha=THERMAL
    ),
    "localised_levels": Statement(
        "α = 30 is localised", "mean gap ratio (Poisson: 0.3863)", "gap_ratio", "mean", (0.376, 0.396)
    ),
    "R_below_half": Statement("no pair carries more than half", "largest R", "R", "largest", (0.0, 0.5)),
    "R_localised": Statement("one pair carries a fraction of order 1", "median R", "R", "median"),
    "R_thermal": Statement("thermal: one pair is one of many", "median R, α = 1", "R", "median", alpha=THERMAL),
    "set_fraction": Statement(
        "four eigenstates carry a large fraction", "median fraction {A, A'}–{B, B'}", "set_fraction", "median"
    ),
    "separation": Statement(
        "the slowest mode is alone in all samples", "smallest Γ₂/Γ", "separation", "smallest", (1 + 1e-6, np.inf)
    ),
    "clear": Statement(
        "Z_jump(μν) is close to 0 or 1 in any sample", f"share within {CLEAR}", "clear", "share", (1.0, 1.0)
    ),
    "Z_case": Statement("both cases occur", "share of Z cases", "Z_case", "share"),
    "x_Z": Statement("Z case: x = L", "share of x = L, Z", "flips_last", "share", (1.0, 1.0), "Z"),
    "x_XY": Statement("XY case: x < L", "share of x = L, XY", "flips_last", "share", (0.0, 0.0), "XY"),
    "x_mode": Statement("x near 0.8 L is most probable", "mode of x/L", "x_over_L", "mode", (0.75, 0.85)),
    "mirror_XY": Statement("S_AB' ≅ S_A'B", "median S_AB'/S_A'B, XY", "mirror", "median", (0.9, 1.1), "XY"),
    "mirror_Z": Statement("S_AB' ≅ S_A'B", "median S_AB'/S_A'B, Z", "mirror", "median", (0.9, 1.1), "Z"),
    "mirrored": Statement("S_AB' ≅ S_A'B", "share with a ratio of 0.9–1.1", "mirrored", "share"),
    "double": Statement("Z case: S_AB ≅ 2 S_AB'", "median S_AB/S_AB', Z", "double", "median", (1.8, 2.2), "Z"),
    "double'": Statement("Z case: S_AB ≅ 2 S_A'B", "median S_AB/S_A'B, Z", "double'", "median", (1.8, 2.2), "Z"),
    "jump_AB'": Statement("X, Y couple A and B'", "median Z_jump(AB')", "Z_jump_AB'", "median", (0.0, CLEAR)),
    "jump_A'B": Statement("X, Y couple A' and B", "median Z_jump(A'B)", "Z_jump_A'B", "median", (0.0, CLEAR)),
    "jump_AB": Statement(
        "Z case: Z couples A and B", "median Z_jump(AB), Z", "Z_jump_AB", "median", (1 - CLEAR, 1.0), "Z"
    ),
    "AB_largest_XY": Statement(
        "XY: AB has the largest angle", "share of samples, XY", "AB_largest", "share", case="XY"
    ),
    "AB_largest_Z": Statement("Z: AB has the largest angle", "share of samples, Z", "AB_largest", "share", case="Z"),
    "lead_XY": Statement("XY: by far", "median θ_AB / largest other, XY", "lead", "median", (2.0, np.inf), "XY"),
    "lead_Z": Statement("Z: by far", "median θ_AB / largest other, Z", "lead", "median", (2.0, np.inf), "Z"),
    "partner": Statement("A'B' is often not near-resonant", "median θ_A'B'/θ_AB", "partner", "median"),
    "epsilon": Statement("ε ≪ 1", "median ε of AB", "epsilon", "median", (0.0, 0.1)),
    "XY_strength": Statement(
        "S_AB' ≅ 2ε²/3 if A'B' is not near-resonant",
        "median 3 S_AB'/2ε², XY",
        "XY_strength",
        "median",
        (0.9, 1.1),
        "XY",
    ),
    "Z_strength": Statement("Z case: S_AB ≅ 4ε²/3", "median 3 S_AB/4ε², Z", "Z_strength", "median", (0.9, 1.1), "Z"),
    "contrast": Statement("c_A and c_B differ by order 1", "median distance of c_A and c_B", "contrast", "median"),
    "shift": Statement("c_γ ≅ c_γ'", "median distance, relative to that", "shift", "median", (0.0, 0.01)),
    "S_flip": Statement("S_γγ' is of order 1", "median of the smaller one", "S_flip", "median"),
    "centre": Statement("τ_S lives far from the bath", "median centre of its weight", "centre", "median", (0.0, 0.5)),
    "flips_top": Statement(
        "the resonance flips where τ_S is polarised most",
        "share, site of largest weight",
        "flips_top",
        "share",
        (1.0, 1.0),
    ),
    "flipped": Statement("it flips a non-zero fraction of all sites", "median fraction", "flipped", "median"),
}
"""What the paper says of single sizes, by name. Where it gives no number to a word, the bounds are of this study."""

DRIFTS = {
    "R_localised": Statement("R hardly drifts if localised", "slope of ln R", "R", "median", (-0.1, 0.1)),
    "R_thermal": Statement(
        "R decays exponentially if thermal", "slope of ln R, α = 1", "R", "median", (-np.inf, 0.0), alpha=THERMAL
    ),
    "epsilon": Statement("ε is exponentially small in L", "slope of ln ε", "epsilon", "median", (-np.inf, 0.0)),
    "Gamma": Statement("Γ falls faster than 4^-L", "slope of ln Γ", "Gamma", "median", (-np.inf, float(-np.log(4)))),
}
"""What the paper says of the dependence on the size, by name: slopes of medians against L."""


def compare(numbers: xr.Dataset) -> xr.Dataset:
    """Compare what the paper says with what circuits show.

    Parameters
    ----------
    numbers : Dataset
        What `resonances` returned, with the dimensions L, alpha and seed.

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high`` and ``count`` for each statement and L, and whether it ``holds`` at the largest;
        ``slope`` with its interval and ``slope_holds`` for each drift with L; and the texts and bounds of all.

    Examples
    --------
    >>> ones = xr.DataArray(np.ones((2, 2, 9)), {"L": [5, 6], "alpha": [THERMAL, LOCALISED]}, ("L", "alpha", "seed"))
    >>> numbers = xr.Dataset({statement.variable: ones for statement in (*STATEMENTS.values(), *DRIFTS.values())})
    >>> compare(numbers)["holds"].sel(statement=["R_below_half", "clear"]).values.tolist()
    ['no', 'yes']
    """
    by_size = [estimate(statement.values(numbers), statement.statistic) for statement in STATEMENTS.values()]
    data = xr.concat(by_size, xr.DataArray(list(STATEMENTS), dims="statement", name="statement"))
    last = data[list(ENDS)].isel(L=-1).to_array("end").transpose("statement", "end")
    slopes = np.array([drift(statement.values(numbers)) for statement in DRIFTS.values()])
    described = [_described(STATEMENTS, "statement", last.values, ""), _described(DRIFTS, "drift", slopes, "slope_")]
    slope = xr.DataArray(slopes, {"drift": list(DRIFTS), "end": list(ENDS)}, ("drift", "end"))
    return data.assign(slope=slope).merge(described[0]).merge(described[1])


def _described(statements: Mapping[str, Statement], dim: str, ends: NDArray[np.float64], prefix: str) -> xr.Dataset:
    """Return what statements say, the bounds they must keep and whether they do."""
    rows = list(statements.values())
    kept = [
        holds(value, low, high, statement.allowed) for (value, low, high), statement in zip(ends, rows, strict=True)
    ]
    data: dict[str, Any] = {
        f"{prefix}says": (dim, [statement.says for statement in rows]),
        f"{prefix}measured": (dim, [statement.measured for statement in rows]),
        f"{prefix}allowed": ((dim, "bound"), [statement.allowed or (-np.inf, np.inf) for statement in rows]),
        f"{prefix}holds": (dim, kept),
    }
    return xr.Dataset(data, {dim: list(statements), "bound": ["low", "high"]})
