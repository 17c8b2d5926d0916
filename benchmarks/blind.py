"""How often the analysis of the first paper finds what was planted in synthetic data, and what was not.

The currents are made as those of rings are: zero in ever more realisations as h grows, else lognormal with a width that
grows with h, and correlated between h. Run as `python -m benchmarks.blind`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from mpsnh.statistics.decay import fit_exponential
from mpsnh.statistics.kink import kink
from mpsnh.statistics.laws import decay_laws
from mpsnh.statistics.multilevel import multilevel
from mpsnh.statistics.plateau import plateau
from mpsnh.studies.brighi2025.findings import power, turn
from mpsnh.studies.brighi2025.quench_statements import truncated_power

H = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0])
TIMES = np.arange(0.0, 30.5, 0.5)

DECAYS: dict[str, Callable[[], np.ndarray]] = {
    "exponential": lambda: np.exp(-1.2 * H),
    "kink at 4.5, ×1.5": lambda: np.exp(-1.2 * H - 0.6 * np.maximum(H - 4.5, 0)),
    "kink at 4.5, ×2": lambda: np.exp(-1.2 * H - 1.2 * np.maximum(H - 4.5, 0)),
    "stretched, c = 0.8": lambda: np.exp(-1.2 * 4.5**0.2 * H**0.8),
    "stretched, c = 0.5": lambda: np.exp(-1.2 * 4.5**0.5 * H**0.5),
}

RELAXATIONS: dict[str, Callable[[], np.ndarray]] = {
    "plateau of 10, exponential": lambda: 10 + 40 * np.exp(-TIMES / 3),
    "plateau of 10, as 1/t": lambda: 10 + 40 / (1 + TIMES),
    "no plateau: 1/√t to zero": lambda: 50 / np.sqrt(1 + TIMES),
    "no plateau: falls steadily": lambda: 50 - 1.5 * TIMES,
}
MANY = 200
"""Realisations that only a tenth of is known exactly."""

PLATEAUS = {"plateau of 10, exponential": 10.0, "plateau of 10, as 1/t": 10.0, "no plateau: 1/√t to zero": 0.0}


def currents(mean: np.ndarray, realisations: int, seed: int) -> xr.DataArray:
    """Return currents with given means: zeros, else lognormal, correlated between neighbouring h."""
    rng = np.random.default_rng(seed)
    shared, own = rng.normal(size=(1, realisations)), rng.normal(size=(len(H), realisations))
    width = 0.3 + 0.2 * H[:, None]
    values = np.exp(width * (0.8 * shared + 0.6 * own) - width**2 / 2)
    level = rng.uniform(size=(1, realisations)) + 0.1 * rng.normal(size=(len(H), realisations))
    present = level > 0.9 / (1 + np.exp(-(H[:, None] - 5.0)))
    share = np.clip(0.5 * (1 + np.vectorize(_share)(H)), 1e-3, 1)
    return xr.DataArray(mean[:, None] * values * present / share[:, None], {"h": H}, ("h", "seed"))


def _share(h: float) -> float:
    """Return 2 P(present) - 1, by quadrature over the uniform and the normal number."""
    from scipy.stats import norm

    edge, grid = 0.9 / (1 + np.exp(-(h - 5.0))), np.linspace(0, 1, 2001)
    return float(2 * np.trapezoid(norm.cdf((grid - edge) / 0.1), grid) - 1)


def traces(mean: np.ndarray, realisations: int, seed: int) -> xr.DataArray:
    """Return currents against time with given means: realisations differ by a constant and by a slow fluctuation."""
    rng = np.random.default_rng(seed)
    constant = rng.normal(scale=4.0, size=(realisations, 1))
    phases, rates = rng.uniform(0, 2 * np.pi, (2, realisations, 5, 1))
    wave = np.sin((0.2 + rates / np.pi) * TIMES + phases).sum(axis=1)
    return xr.DataArray(mean + constant + 3.0 * wave, {"time": TIMES, "seed": range(realisations)}, ("seed", "time"))


def decays(realisations: int, runs: int) -> Iterator[list[str]]:
    """Yield how often each test rejects one exponential, for each law."""
    for name, curve in DECAYS.items():
        rejected = np.zeros(5)
        covered = 0
        for seed in tqdm(range(runs), desc=name, leave=False):
            data = currents(curve(), realisations, seed)
            laws, bent = decay_laws(data), turn("", data, 4.5, (1.0, np.inf))
            low, high = laws.exponent_interval
            rejected += [
                laws.misfit_p_value < 0.05,
                laws.kinked_p_value < 0.05,
                not low <= 1 <= high,
                kink(data, resamples=100).p_value < 0.05,
                bent.low > 0 or bent.high < 0,
            ]
            covered += low <= float(name[-3:]) <= high if name.startswith("stretched") else low <= 1 <= high
        own = "–" if name.startswith("kink") else f"{100 * covered / runs:.0f}"
        yield [name, str(realisations), *(f"{100 * share:.0f}" for share in rejected / runs), own]


def coarse_too(mean: np.ndarray, realisations: int, seed: int) -> xr.DataArray:
    """Return what is known of these currents from a tenth of them, and all as truncation makes them: less with time."""
    fine = traces(mean, realisations, seed)
    lost = 0.01 * TIMES * np.random.default_rng([seed, 1]).uniform(0.5, 1.5, (realisations, 1))
    return multilevel(fine * (1 - lost), fine.isel(seed=slice(realisations // 10)))


def relaxations(realisations: int, runs: int) -> Iterator[list[str]]:
    """Yield how often a plateau is found, and how often its interval contains the true limit."""
    made = coarse_too if realisations >= MANY else traces
    for name, curve in RELAXATIONS.items():
        found = [plateau(made(curve(), realisations, seed)) for seed in range(runs)]
        seen = [one for one in found if one.found]
        covered = "–"
        if name in PLATEAUS and seen:
            inside = [low <= PLATEAUS[name] <= high for low, high in (one.interval() for one in seen)]
            covered = f"{100 * np.mean(inside):.0f}"
        yield [name, str(realisations), f"{100 * len(seen) / runs:.0f}", covered]


def rates(realisations: int, runs: int) -> list[str]:
    """Return how often the interval of the rate of an exponential contains it."""
    fits = [fit_exponential(currents(np.exp(-1.2 * H), realisations, seed), "h", (2, 8)) for seed in range(runs)]
    inside = [low <= 1.2 <= high for low, high in (fit.interval() for fit in fits)]
    bias = np.mean([fit.rate for fit in fits]) - 1.2
    return [str(realisations), f"{100 * np.mean(inside):.0f}", f"{bias:+.3f}"]


def powers(planted: float, lost: float, runs: int) -> list[str]:
    """Return how often intervals of a power of time contain it and 0, if each doubling of χ loses half as much."""
    alone, carried, zero = [], [], []
    for seed in range(runs):
        exact = traces(50 * np.maximum(TIMES, 0.5) ** -planted, MANY, seed)
        differ = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, (MANY, 1))
        levels = [exact * (1 - lost * 2**k * differ * (TIMES / 13) ** 2) for k in (3, 2, 1, 0)]
        few = [level.isel(seed=slice(n)) for level, n in zip(levels, (MANY, 20, 20, 3), strict=True)]
        data = xr.concat(
            [multilevel(*few[: k + 1]) for k in range(4)], xr.DataArray([32, 64, 128, 256], dims="chi", name="chi")
        )
        last, found = power("", data.isel(chi=-1), 13.0), truncated_power("", data, 13.0)
        alone.append(last.low <= planted <= last.high)
        carried.append(found.low <= planted <= found.high)
        zero.append(found.low <= 0 <= found.high)
    return [f"{planted:g}", f"{100 * lost:g}", *(f"{100 * np.mean(how):.0f}" for how in (alone, carried, zero))]


def _show(columns: list[str], rows: Iterator[list[str]]) -> None:
    table = Table(*columns, box=box.MARKDOWN, header_style="")
    for row in rows:
        table.add_row(*row)
    Console(width=160).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument(
        "--realisations", type=int, nargs="*", default=[200, 1000], help="of decays; none leaves them out"
    )
    arguments = parser.parse_args()
    tests = ["misfit", "kink (likelihood)", "exponent ≠ 1", "kink (least squares)", "turn at 4.5"]
    for realisations in arguments.realisations:
        columns = ["planted", "realisations", *(f"{test}, %" for test in tests), "exponent covered, %"]
        _show(columns, decays(realisations, arguments.runs))
    for realisations in (6, 20, MANY):
        _show(
            ["planted", "realisations", "found, %", "limit covered, %"], relaxations(realisations, 2 * arguments.runs)
        )
    if arguments.realisations:
        columns = ["realisations", "rate covered, %", "bias of the rate 1.2"]
        _show(columns, iter(rates(realisations, 2 * arguments.runs) for realisations in (40, 300, 2000)))
    columns = [
        "power",
        "lost at the end with the largest χ, %",
        "covered without truncation, %",
        "covered, %",
        "0 covered, %",
    ]
    rows = [(planted, lost) for planted in (0.35, 0.0) for lost in (0.0, 0.03, 0.06, 0.1)]
    _show(columns, iter(powers(*row, arguments.runs) for row in rows))


if __name__ == "__main__":
    main()
