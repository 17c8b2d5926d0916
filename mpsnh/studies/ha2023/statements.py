"""What Ha, Morningstar and Huse 2023 say of near-resonances, and how far circuits agree.

(DOI 10.1103/PhysRevLett.130.250405.) Each statement is a number of each circuit, a statistic over circuits, and the
bounds within which it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from scipy import stats

from mpsnh.observables.demixing import Pair
from mpsnh.statistics.averages import RESAMPLES, bootstrap_interval

LOCALISED, THERMAL = 30.0, 1.0
"""The paper's α in the two regimes."""
PAIRS: tuple[Pair, ...] = ("AB", "A'B", "AB'", "A'B'")
"""Pairs of the near-resonant set with a different polarisation."""


CLEAR = 0.05
"""How close to 0 or 1 a fraction of jumps is called close."""
CONFIDENCE = 0.95
"""Probability that an interval contains the true value."""
ENDS = ("value", "low", "high")
"""A number and its interval."""


def resonances(circuits: xr.Dataset) -> xr.Dataset:
    """Return the numbers of each circuit that the paper makes statements about.

    Parameters
    ----------
    circuits : Dataset
        Results of `circuit` at one or more points, with the dimension L.

    Returns
    -------
    Dataset
        In the dimensions of the points. Those that are true or false are 1 or 0; what is missing is NaN.

        - ``R``, ``Gamma``, ``gap_ratio``, ``Z_case``, and ``x`` from 1 (``x_over_L``), NaN if no site is flipped
        - ``separation``: rate of the second slowest mode over Γ
        - ``Z_jump`` of the dominant pair, and whether it is ``clear``: within `CLEAR` of 0 or 1
        - ``flips_last``: whether x = L
        - ``set_fraction``: part of the relaxation between {A, A'} and {B, B'}
        - ``mirror`` = S_AB'/S_A'B and whether it is 1 to 10 % (``mirrored``); ``double`` and ``double'``, S_AB over
          S_AB' and S_A'B; ``S_flip``, the smaller of S_AA' and S_BB'
        - ``theta`` of the pairs of `PAIRS`; ``lead``, that of AB over the largest other one; ``AB_largest``;
          ``partner``, that of A'B' over that of AB; ``epsilon`` of AB
        - ``XY_strength`` = S_AB' / (2ε²/3), where A'B' is not near-resonant (below a tenth of the angle of AB);
          ``Z_strength`` = S_AB / (4ε²/3)
        - ``contrast`` = |c_A - c_B|; ``shift``, the larger |c_γ - c_γ'| of γ = A, B over it
        - ``centre`` of the weight of the slow mode, from 0 at the first site to 1 at the bath; ``flips_top``: whether
          the site of largest weight is flipped; ``flipped``, the fraction of sites that are

    Examples
    --------
    >>> from mpsnh.studies.ha2023.simulations import circuit
    >>> one = resonances(circuit(6, 30.0, 1).run().expand_dims(L=[6]))
    >>> one["Z_case"].item(), round(one["mirror"].item(), 2), one["x"].item()
    (0.0, 1.0, 5.0)
    """
    L, known = circuits["L"], circuits["gap_ratio"].notnull()
    S, fraction = (circuits["transitions"].sel(transition=name, drop=True) for name in ("S", "fraction"))
    pair = {str(name): S.sel(pair=name, drop=True) for name in S["pair"].values}
    theta = xr.concat(
        [circuits[f"angle_{name}"].sel(mixing="theta", drop=True) for name in PAIRS],
        xr.DataArray(list(PAIRS), dims="pair", name="pair"),
    )
    angle = {name: theta.sel(pair=name, drop=True) for name in PAIRS}
    epsilon = circuits["angle_AB"].sel(mixing="epsilon", drop=True)
    c = {str(name): circuits["levels"].sel(state=name, level="c", drop=True) for name in circuits["state"].values}
    Z_case, x = (circuits["set"].sel(member=name, drop=True) for name in ("Z case", "x"))
    x = (x + 1).where(x >= 0)
    Z_jump = circuits["Z_jump_AB"].where(Z_case == 1, circuits["Z_jump_AB'"])
    contrast = abs(c["A"] - c["B"])
    shifts = abs(xr.concat([c["A"] - c["A'"], c["B"] - c["B'"]], "state"))
    mirror, lead = pair["AB'"] / pair["A'B"], angle["AB"] / theta.sel(pair=list(PAIRS[1:])).max("pair")
    weight, flipped = circuits["weight"].fillna(0), circuits["flips"] > 0.5
    gamma = circuits["relaxation"].sel(quantity="Gamma", drop=True)
    found = {
        "R": circuits["dominant"].sel(dominant_pair="R", drop=True),
        "Gamma": gamma,
        "gap_ratio": circuits["gap_ratio"],
        "separation": circuits["next_rate"] / gamma,
        "Z_case": Z_case,
        "x": x,
        "x_over_L": x / L,
        "Z_jump": Z_jump,
        "Z_jump_AB": circuits["Z_jump_AB"],
        "Z_jump_AB'": circuits["Z_jump_AB'"],
        "Z_jump_A'B": circuits["Z_jump_A'B"],
        "clear": abs(Z_jump - 0.5) > 0.5 - CLEAR,
        "flips_last": x == L,
        "set_fraction": fraction.sel(pair=list(PAIRS)).sum("pair"),
        "mirror": mirror,
        "mirrored": abs(mirror - 1) < 0.1,
        "double": pair["AB"] / pair["AB'"],
        "double'": pair["AB"] / pair["A'B"],
        "S_flip": S.sel(pair=["AA'", "BB'"]).min("pair"),
        "theta": theta,
        "lead": lead,
        "AB_largest": lead > 1,
        "partner": angle["A'B'"] / angle["AB"],
        "epsilon": epsilon,
        "XY_strength": (pair["AB'"] / (2 / 3 * epsilon**2)).where(angle["A'B'"] < 0.1 * angle["AB"]),
        "Z_strength": pair["AB"] / (4 / 3 * epsilon**2),
        "contrast": contrast,
        "shift": shifts.max("state") / contrast,
        "centre": weight.weighted(weight["site"]).sum("site") / weight.sum("site") / (L - 1),
        "flips_top": flipped.isel(site=weight.argmax("site")),
        "flipped": flipped.sum("site") / L,
    }
    return xr.Dataset({name: values.astype(float).where(known) for name, values in found.items()}).drop_vars(
        "site", errors="ignore"
    )


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

    def values(self, found: xr.Dataset) -> xr.DataArray:
        """Return the values of the circuits that count, NaN for the others.

        Parameters
        ----------
        found : Dataset
            What `resonances` returned, with the dimension alpha.

        Returns
        -------
        DataArray
        """
        here = found.sel(alpha=self.alpha, drop=True)
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


def estimate(values: xr.DataArray, statistic: str) -> xr.Dataset:
    """Return a statistic over circuits and its 95 % interval.

    Parameters
    ----------
    values : DataArray
        With the dimension seed and one other; NaN values do not count.
    statistic : str
        As in `Statement`.

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high`` and ``count``. The interval of a share is the exact binomial one (Clopper and
        Pearson), others come from resampling; that of a largest or smallest value is NaN.

    Examples
    --------
    >>> true = xr.DataArray([[1.0, 1.0, 1.0, np.nan]], {"L": [6]}, ("L", "seed"))
    >>> share = estimate(true, "share")
    >>> share["value"].item(), round(share["low"].item(), 2), share["count"].item()
    (1.0, 0.29, 3)
    """
    if statistic in ("median", "mean"):
        return bootstrap_interval(values, statistic, confidence=CONFIDENCE)  # type: ignore[arg-type]
    (other,) = (name for name in values.dims if name != "seed")
    rows = []
    for row in values.transpose(other, "seed").values:
        row = row[~np.isnan(row)]
        rows.append((*(_estimated(row, statistic) if len(row) else (np.nan,) * 3), len(row)))
    *numbers, count = np.transpose(rows)
    data = {name: (other, column) for name, column in zip(("value", "low", "high"), numbers, strict=True)}
    return xr.Dataset({**data, "count": (other, count.astype(int))}, {other: values[other]})


def _estimated(row: NDArray[np.float64], statistic: str) -> tuple[float, float, float]:
    if statistic == "share":
        low, high = stats.binomtest(int(row.sum()), len(row)).proportion_ci(CONFIDENCE)
        return row.mean(), low, high
    if statistic == "mode":
        labels, places = np.unique(row, return_inverse=True)
        counts = np.bincount(places)
        resampled = np.random.default_rng(0).multinomial(len(row), counts / len(row), size=RESAMPLES)
        modes = labels[resampled.argmax(axis=1)]
        return (labels[counts.argmax()], *_interval(modes))
    return (float(row.max() if statistic == "largest" else row.min()), np.nan, np.nan)


def drift(values: xr.DataArray) -> tuple[float, float, float]:
    """Return the slope of the logarithm of the median against L, and its 95 % interval.

    Resamples draw whole seeds, which share gates at all L.

    Parameters
    ----------
    values : DataArray
        Positive, with the dimensions L and seed; NaN values do not count.

    Returns
    -------
    slope, low, high : float

    Examples
    --------
    >>> decaying = xr.DataArray(np.exp([[-2.0] * 9, [-4.0] * 9]), {"L": [5, 6]}, ("L", "seed"))
    >>> [round(number, 9) for number in drift(decaying)]
    [-2.0, -2.0, -2.0]
    """
    samples, L = values.transpose("L", "seed").values, values["L"].values

    def slope(seeds: NDArray[np.int64]) -> float:
        return float(np.polyfit(L, np.log([_median(row[seeds]) for row in samples]), 1)[0])

    return slope(np.arange(samples.shape[1])), *_interval([slope(draw) for draw in _draws(samples.shape[1])])


def crossing(gamma: xr.DataArray) -> tuple[float, float, float]:
    """Return the largest α at which the median of Γ·4^L ceases to grow with L, and its 95 % interval.

    Between two α it is interpolated linearly in the logarithm.

    Parameters
    ----------
    gamma : DataArray
        Γ, with the dimensions L, of length two, alpha, which increases, and seed; NaN values do not count.

    Returns
    -------
    alpha, low, high : float
        Infinite if that is beyond the α given.

    Examples
    --------
    >>> alpha = xr.DataArray([10.0, 20.0, 40.0], dims="alpha")
    >>> L = xr.DataArray([5, 6], dims="L")
    >>> gamma = np.exp((20 - alpha - np.log(4)) * L).expand_dims(seed=3)
    >>> crossing(gamma.assign_coords(alpha=alpha, L=L))
    (20.0, 20.0, 20.0)
    """
    samples, L, alpha = gamma.transpose("L", "alpha", "seed").values, gamma["L"].values, gamma["alpha"].values

    def place(seeds: NDArray[np.int64]) -> float:
        shorter, longer = (np.log([_median(row[seeds]) for row in size]) for size in samples)
        growth = longer - shorter + np.log(4) * (L[1] - L[0])
        growing = np.flatnonzero(growth >= 0)
        if not len(growing):
            return -np.inf
        k = growing[-1]
        if k == len(alpha) - 1:
            return np.inf
        return float(alpha[k] + (alpha[k + 1] - alpha[k]) * growth[k] / (growth[k] - growth[k + 1]))

    return place(np.arange(samples.shape[2])), *_interval([place(draw) for draw in _draws(samples.shape[2])])


def holds(value: float, low: float, high: float, allowed: tuple[float, float] | None) -> str:
    """Say whether a number is within bounds: "yes", "no", "within errors", or nothing if there are none.

    Parameters
    ----------
    value, low, high : float
        The number and its interval; NaN if it has none.
    allowed : (float, float) or None
        The bounds.

    Examples
    --------
    >>> [holds(value, value - 1, value + 1, (0.0, 2.0)) for value in (1.0, 2.5, 5.0)]
    ['yes', 'within errors', 'no']
    """
    if allowed is None or np.isnan(value):
        return ""
    if allowed[0] <= value <= allowed[1]:
        return "yes"
    return "within errors" if low <= allowed[1] and high >= allowed[0] else "no"


def _median(values: NDArray[np.float64]) -> float:
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def _draws(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(n, size=(RESAMPLES, n))


def _interval(resampled: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    ends = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    low, high = np.quantile(resampled, ends, method="closest_observation")  # some may be infinite
    return float(low), float(high)


def compare(found: xr.Dataset) -> xr.Dataset:
    """Compare what the paper says with what circuits show.

    Parameters
    ----------
    found : Dataset
        What `resonances` returned, with the dimensions L, alpha and seed.

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high`` and ``count`` for each statement and L, and whether it ``holds`` at the largest;
        ``slope`` with its interval and ``slope_holds`` for each drift with L; and the texts and bounds of all.

    Examples
    --------
    >>> ones = xr.DataArray(np.ones((2, 2, 9)), {"L": [5, 6], "alpha": [THERMAL, LOCALISED]}, ("L", "alpha", "seed"))
    >>> found = xr.Dataset({each.variable: ones for each in (*STATEMENTS.values(), *DRIFTS.values())})
    >>> compare(found)["holds"].sel(statement=["R_below_half", "clear"]).values.tolist()
    ['no', 'yes']
    """
    by_size = [estimate(each.values(found), each.statistic) for each in STATEMENTS.values()]
    data = xr.concat(by_size, xr.DataArray(list(STATEMENTS), dims="statement", name="statement"))
    last = data[list(ENDS)].isel(L=-1).to_array("end").transpose("statement", "end")
    slopes = np.array([drift(each.values(found)) for each in DRIFTS.values()])
    described = [_described(STATEMENTS, "statement", last.values, ""), _described(DRIFTS, "drift", slopes, "slope_")]
    slope = xr.DataArray(slopes, {"drift": list(DRIFTS), "end": list(ENDS)}, ("drift", "end"))
    return data.assign(slope=slope).merge(described[0]).merge(described[1])


def _described(statements: Mapping[str, Statement], dim: str, ends: NDArray[np.float64], prefix: str) -> xr.Dataset:
    """Return what statements say, the bounds they must keep and whether they do."""
    rows = list(statements.values())
    kept = [holds(value, low, high, each.allowed) for (value, low, high), each in zip(ends, rows, strict=True)]
    data: dict[str, Any] = {
        f"{prefix}says": (dim, [each.says for each in rows]),
        f"{prefix}measured": (dim, [each.measured for each in rows]),
        f"{prefix}allowed": ((dim, "bound"), [each.allowed or (-np.inf, np.inf) for each in rows]),
        f"{prefix}holds": (dim, kept),
    }
    return xr.Dataset(data, {dim: list(statements), "bound": ["low", "high"]})


def tables(data: xr.Dataset) -> tuple[Table, Table]:
    """Return the statements of single sizes, and those of drifts with the size, as tables in Markdown.

    Parameters
    ----------
    data : Dataset
        What `compare` returned.

    Examples
    --------
    >>> ones = xr.DataArray(np.ones((2, 2, 9)), {"L": [5, 6], "alpha": [THERMAL, LOCALISED]}, ("L", "alpha", "seed"))
    >>> found = xr.Dataset({each.variable: ones for each in (*STATEMENTS.values(), *DRIFTS.values())})
    >>> [table.row_count for table in tables(compare(found))] == [len(STATEMENTS), len(DRIFTS)]
    True
    """
    sizes = data["L"].values
    by_size = _table("the paper", "measured", "bounds", *(f"L = {L}" for L in sizes), "95 %", "holds")
    for name, each in STATEMENTS.items():
        row = data.sel(statement=name)
        numbers = [_number(row["value"].sel(L=L), each) for L in sizes]
        interval = _interval_text(row["low"][-1], row["high"][-1], each)
        by_size.add_row(each.says, each.measured, _bounds(each), *numbers, interval, str(row["holds"].item()) or "–")
    by_drift = _table("the paper", "measured", "bounds", f"L = {sizes[0]} … {sizes[-1]}", "95 %", "holds")
    for name, each in DRIFTS.items():
        row = data.sel(drift=name)
        value, low, high = row["slope"]
        verdict = str(row["slope_holds"].item()) or "–"
        by_drift.add_row(
            each.says, each.measured, _bounds(each), _number(value, each), _interval_text(low, high, each), verdict
        )
    return by_size, by_drift


def _table(*columns: str) -> Table:
    table = Table(box=box.MARKDOWN, header_style="")
    for column in columns:
        table.add_column(column)
    return table


def _number(value: Any, statement: Statement) -> str:
    return percent(float(value)) if statement.statistic == "share" else f"{float(value):.3g}"


def _interval_text(low: Any, high: Any, statement: Statement) -> str:
    return "–" if np.isnan(low) else f"{_number(low, statement)} … {_number(high, statement)}"


def _bounds(statement: Statement) -> str:
    if statement.allowed is None:
        return "–"
    low, high = (_number(bound, statement) for bound in statement.allowed)
    if np.isinf(statement.allowed[0]):
        return f"≤ {high}"
    if np.isinf(statement.allowed[1]):
        return f"≥ {low}"
    return low if low == high else f"{low} … {high}"


def percent(fraction: float) -> str:
    """Return a fraction as a text.

    Parameters
    ----------
    fraction : float
        From 0 to 1.

    Examples
    --------
    >>> percent(0.98765)
    '98.8 %'
    """
    return f"{100 * fraction:.3g} %"
