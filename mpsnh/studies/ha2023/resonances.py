"""The numbers of each circuit that Ha, Morningstar and Huse 2023 make statements about."""

from __future__ import annotations

import xarray as xr

from mpsnh.studies.ha2023.simulations import PAIRS

CLEAR = 0.05
"""How close to 0 or 1 a fraction of jumps is called close."""


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
    numbers = {
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
    return xr.Dataset({name: values.astype(float).where(known) for name, values in numbers.items()}).drop_vars(
        "site", errors="ignore"
    )
