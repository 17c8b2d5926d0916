"""How well NHTEBD knows its own error: `noise` and `trust_time` against exact circuits, over random runs.

A run is drawn from its seed: model, asymmetry, disorder, Trotter order and step, bond dimension, cutoff, time and
initial state. The exact circuit has the same gates (`tests.oracles.circuits`): all amplitudes for 8 to 14 sites, free
fermions for up to 200; rounding changes it by less than 1e-9, as 64-bit mantissas tell. The error is the largest trace
distance of the density matrices of two neighbours. None of these runs was used to choose the constants of
`mpsnh.states.shadow`.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.base.snapshot import NEVER
from mpsnh.language.circuit import repeated
from tests.oracles.circuits import Amplitudes, Exact, Orbitals, evolved, pairs_of, trace_distance

ROOT = Path(__file__).parents[1]
TOLERANCE = 0.01

SHOWN = 1e-9
"""Smallest error and estimate that the figure shows; what is smaller stands at its edge."""

CONVERGING = 300
"""Seed from which on runs lead to a steady state, by imaginary time or by decay."""

KINDS = {"interacting": 0.5, "free": 0.33, "no click": 0.17}


def ising(L: int, h: float, gamma: float) -> nh.Model:
    """Return the no-click Ising chain -ΣXX - (h + iγ/4) ΣZ, whose steady state has a gap."""
    terms = [(-4.0, "Sx", j, "Sx", j + 1) for j in range(L - 1)] + [(-2 * h, "Sz", j) for j in range(L)]
    decay = tuple(nh.OpSum() + (np.sqrt(gamma), "Sm", j) for j in range(L))
    return models.NoClick(L=L, hamiltonian=nh.OpSum(terms), jumps=decay)


class Cooling(models.NonHermitianXXZ):
    """Imaginary time: exp(-H t), which leads to the ground state."""

    def terms(self) -> nh.OpSum:
        """Return -iH."""
        return -1j * super().terms()


def converging(seed: int) -> tuple[dict[str, Any], nh.Model, algorithms.NHTEBD, Exact]:
    """Return a run like `drawn`, to a steady state."""
    rng = np.random.default_rng([seed, 18])
    L, h, V, gamma = (rng.choice(c) for c in ((8, 10, 12), (0.5, 1.0, 2.0), (0.5, 1.1, 2.0), (2.0, 3.0, 4.0)))
    order, dt, chi, cutoff = (
        rng.choice((1, 2, 4)),
        rng.choice((0.05, 0.1)),
        rng.choice((8, 12, 16, 24, 32)),
        rng.uniform(-12, -7),
    )
    kind = str(rng.choice(["cooling", "decay"]))
    model = ising(L, h, gamma) if kind == "decay" else Cooling(L=L, gamma=0.0, V=V, h=h, seed=seed, charge=None)
    case = {"kind": kind, "L": int(L), "gamma": float(gamma), "h": float(h), "V": float(V), "order": int(order)}
    case |= {"dt": float(dt), "chi": int(chi), "t": 30.0, "cutoff": 10.0**cutoff, "seed": seed}
    algorithm = algorithms.NHTEBD(
        dt=dt,
        t_max=30.0,
        every=round(0.5 / dt),
        order=int(order),
        max_bond=chi,
        cutoff=10.0**cutoff,
        tolerance=TOLERANCE,
    )
    return case, model, algorithm, Amplitudes(np.arange(L) % 2 == 0)


def drawn(seed: int) -> tuple[dict[str, Any], nh.Model, algorithms.NHTEBD, Exact]:
    """Return the description of a run, its model and algorithm, and the exact state where it begins."""
    rng = np.random.default_rng([seed, 14])

    def pick(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    order, dt, cutoff = pick(1, 2, 4), pick(0.05, 0.1, 0.2), float(10 ** rng.uniform(-12, -4))
    gamma, h, V = pick(0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9), pick(0.0, 0.5, 1.0, 2.0, 4.0), pick(0.0, 0.5, 1.1, 2.0)
    chi, t_max = pick(4, 6, 8, 12, 16, 24, 32), pick(5.0, 10.0, 20.0, 40.0)
    if kind == "free":
        L, V, chi, t_max = pick(20, 30, 50, 50, 100, 200), 0.0, pick(4, 8, 16, 24, 32, 48, 64), pick(5.0, 10.0, 15.0)
    elif kind == "no click":
        L, h, gamma, V = pick(8, 10, 12), pick(0.2, 0.5, 1.0, 1.5), pick(0.0, 0.5, 1.0, 3.0), 0.0
    else:
        L = pick(*range(8, 15))
    up = np.arange(L) % 2 == 0
    if rng.random() < 0.3:
        up = rng.permutation(up)
    model = (
        ising(L, h, gamma)
        if kind == "no click"
        else models.NonHermitianXXZ(L=L, gamma=gamma, V=V, h=h, seed=seed, charge=None)
    )
    algorithm = algorithms.NHTEBD(
        dt=dt, t_max=t_max, every=round(0.5 / dt) if dt < 0.2 else 2, order=order, max_bond=chi, cutoff=cutoff,
        tolerance=TOLERANCE, initial=lambda m: nh.MPS.product(m.sites, ["up" if spin else "down" for spin in up]),
    )  # fmt: skip
    case = {"kind": kind, "L": L, "gamma": gamma, "h": h, "V": V, "order": order, "dt": dt, "chi": chi, "t": t_max}
    return case | {"cutoff": cutoff, "seed": seed}, model, algorithm, (Orbitals if kind == "free" else Amplitudes)(up)


def run(seed: int) -> dict[str, Any]:
    """Return, for each record, time, error, estimate and how much the exact state still changes."""
    case, model, algorithm, exact = drawn(seed) if seed < CONVERGING else converging(seed)
    step, steps, rows, before = model.step(algorithm.dt, algorithm.order), 0, [], exact.pairs()
    for record in algorithm.records(model):
        if record.time == 0:
            continue
        taken, steps = round(record.time / algorithm.dt) - steps, round(record.time / algorithm.dt)
        now = evolved(exact, repeated(step, taken))
        error = trace_distance(pairs_of(record.state.site_tensors()), now)
        rows.append((record.time, error, record.noise, record.trust_time, trace_distance(now, before)))
        before = now
    return case | {"rows": rows}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def figures(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return what is asked of the estimate, for some runs."""
    late, ratios, converged, alarms = 0, [], 0, 0
    for case in runs:
        time, error, noise, trust, change = np.array(case["rows"]).T
        late += bool((error[time <= trust[-1]] > TOLERANCE).any())
        clear = error > 1e-12  # else rounding
        ratios += list(noise[clear] / error[clear])
        if change[-5:].max() < TOLERANCE / 10 and error.max() < TOLERANCE / 3:
            converged += 1
            alarms += bool(trust[-1] < NEVER)
    low, median, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    share = alarms / converged if converged else np.nan
    return {
        "runs": len(runs), "late": late / len(runs), "5 %": low, "median": median, "95 %": high,
        "converged": converged, "alarms": share,
    }  # fmt: skip


GROUPS = {
    "all": lambda case: True,
    **{kind: lambda case, kind=kind: case["kind"] == kind for kind in (*KINDS, "cooling", "decay")},
    "γ = 0": lambda case: case["gamma"] == 0,
    "0 < γ ≤ 0.3": lambda case: 0 < case["gamma"] <= 0.3,
    "γ ≥ 0.5": lambda case: case["gamma"] >= 0.5,
    **{f"order {order}": lambda case, order=order: case["order"] == order for order in (1, 2, 4)},
    "χ ≤ 8": lambda case: case["chi"] <= 8,
    "χ ≥ 24": lambda case: case["chi"] >= 24,
    "cutoff ≤ 1e-9": lambda case: case["cutoff"] <= 1e-9,
    "cutoff ≥ 1e-6": lambda case: case["cutoff"] >= 1e-6,
}


def table(runs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the rows of the table of the docs."""
    yield "| runs | number | error unnoticed | estimate / error: 5 %, median, 95 % | converged | alarms there |"
    yield "|---|---|---|---|---|---|"
    for name, belongs in GROUPS.items():
        chosen = [case for case in runs if belongs(case)]
        if chosen:
            f = figures(chosen)
            ratio = f"{f['5 %']:.2g}, {f['median']:.2g}, {f['95 %']:.2g}"
            share = "" if np.isnan(f["alarms"]) else f"{f['alarms']:.1%}"
            yield f"| {name} | {f['runs']} | {f['late']:.1%} | {ratio} | {f['converged']} | {share} |"


def draw(runs: list[dict[str, Any]], place: Path) -> None:
    """Draw the estimate of each record against its error."""
    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for kind, colour in zip((*KINDS, "cooling", "decay"), ("C0", "C1", "C2", "C3", "C4"), strict=True):
        rows = [row for case in runs if case["kind"] == kind for row in case["rows"]] or [(0, np.nan, np.nan, 0, 0)]
        _, error, noise, _, _ = np.array(rows).T
        axes.loglog(
            np.maximum(error, SHOWN),
            np.maximum(noise, SHOWN),
            ".",
            color=colour,
            ms=2,
            alpha=0.4,
            label=kind,
            rasterized=True,
        )
    line = np.array([SHOWN, 1])
    axes.plot(line, line, "k-", lw=1, label="estimate = error")
    axes.plot(line, 10 * line, "k:", lw=1, label="estimate = 10 × error")
    axes.axhline(TOLERANCE, color="grey", lw=0.8, label=f"tolerance {TOLERANCE:g}")
    axes.axvline(TOLERANCE, color="grey", lw=0.8)
    axes.set(xlabel="error (trace distance of two neighbours)", ylabel="estimate", xlim=(SHOWN, 1.5), ylim=(SHOWN, 1.5))
    figure.legend(*axes.get_legend_handles_labels(), markerscale=6, loc="outside right upper", frameon=False)
    figure.savefig(place, dpi=150)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--runs", type=int, default=420, help="how many seeds")
    parser.add_argument("--store", type=Path, default=ROOT / "out" / "noise.jsonl", help="finished runs, gone on with")
    parser.add_argument("--figure", type=Path, help="where to draw the estimate against the error")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "NHTEBD")
    options.store.parent.mkdir(parents=True, exist_ok=True)
    finished = {case["seed"] for case in read(options.store)}
    seeds = [s for s in range(options.first, options.first + options.runs) if s not in finished]
    with options.store.open("a") as file:
        for seed in tqdm(seeds, unit="run"):
            file.write(json.dumps(run(seed)) + "\n")
            file.flush()
    runs = read(options.store)
    print("\n".join(table(runs)))
    if options.figure:
        draw(runs, options.figure)


if __name__ == "__main__":
    main()
