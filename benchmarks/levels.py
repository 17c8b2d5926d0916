"""Levels of matrix-product states: closed forms, open chains, and steady states of rings next to exact ones.

Each part prints a table of what is found, how far off it is and is said to be, and the CPU time.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize

import mpsnh as nh
from benchmarks.levels_peers import biorthogonal_currents, tenpy_partner
from mpsnh import algorithms, models
from mpsnh.base.model import Model
from mpsnh.base.spectrum import Spectrum
from tests.support.chains import Terms, box, ising, ssh

COMPLEX_FIELD = [*((-1.0, "Sz", j, "Sz", j + 1) for j in range(11)), *((-0.5j, "Sx", j) for j in range(12))]


def ring(N: int, gamma: float = 0.1, V: float = 1.1, h: float = 0.0, seed: int = 0) -> models.NonHermitianXXZ:
    """Return a ring."""
    return models.NonHermitianXXZ(L=N, gamma=gamma, V=V, h=h, seed=seed, boundary="periodic")


def found(model: Model, **parameters: Any) -> tuple[Spectrum, float]:
    """Return what NHDMRG finds, and the CPU time that it takes."""
    begin = time.process_time()
    (spectrum,) = algorithms.NHDMRG(**parameters).records(model)
    return spectrum, time.process_time() - begin


def closed_forms(seeds: int) -> None:
    """Compare with closed forms and with levels from other programs."""
    interacting = ssh(10, (1.3, 1.1), V=7.0)
    cases: list[tuple[str, Model, dict[str, Any], float]] = [
        ("SSH, 10 cells", ssh(10, (0.9, 1.1)), {}, -12.3448634773),
        ("SSH, 50 cells", ssh(50, (0.9, 1.1)), {"max_bond": 160}, -63.1350560508),
        ("interacting SSH, 10 cells", interacting, {}, -5.293279722),
        ("Ising in a complex field, L = 12", Terms(L=12, op=nh.OpSum(COMPLEX_FIELD)), {}, -2.081905719),
        ("no-click Ising, L = 8", ising(8, 0.2 + 0.75j), {"which": "growth"}, 3.977766050908),
        ("box, L = 60, γ = .5", models.NonHermitianXXZ(L=60, gamma=0.5, V=0.0), {"max_bond": 128}, box(60, 0.5)),
        ("Bethe ring, N = 40", ring(40), {"max_bond": 360, "cutoff": 1e-16}, 40 * -0.4585536153),
        ("Bethe ring, N = 20", ring(20), {"max_bond": 128}, 20 * -0.4601859431),
        ("free ring, N = 16, growth", ring(16, V=0.0), {"max_bond": 128, "which": "growth"}, 0.1 / np.sin(np.pi / 16)),
        ("free ring, N = 32, growth", ring(32, V=0.0), {"max_bond": 128, "which": "growth"}, 0.1 / np.sin(np.pi / 32)),
    ]
    print("| level | off by | said | certified | s |\n|---|---|---|---|---|", flush=True)
    for name, model, parameters, right in cases:
        spectrum, seconds = found(model, starts=1, **parameters)
        value = spectrum.values[0].imag if parameters.get("which") == "growth" else spectrum.values[0]
        said = f"{spectrum.errors[0]:.1g} | {'yes' if spectrum.certified else 'no'}"
        print(f"| {name} | {abs(value - right):.1g} | {said} | {seconds:.1f} |", flush=True)


BONDS = {8: 16, 9: 16, 10: 32, 11: 32, 12: 64, 13: 64, 14: 128, 15: 128, 16: 200}
"""Bond dimension with which the steady state of a ring of each size is searched for."""


def rings(seeds: int, store: Path | None = None) -> None:
    """Compare steady states of rings with exact ones: how often they are found, certified, and certified but wrong.

    Parameters
    ----------
    seeds : int
        Disordered rings of each kind; a fifth of them with N = 14, which take most of the time.
    store : Path, optional
        A file of one line for each ring that is done, to which others are added, so that a run can be taken up again.
    """
    lines = store.read_text().splitlines() if store is not None and store.exists() else []
    known = {tuple(row["ring"]): row for row in map(json.loads, lines)}
    sizes = (8, 10, 12, 14)
    kinds = [(N, gamma, h) for N in sizes for gamma in (0.1, 0.3) for h in (0.0, 0.5, 1.0, 2.0, 4.0)]
    for seed in range(seeds):  # all kinds in turns, so that what is there at any time shows them evenly
        for N, gamma, h in kinds:
            if (N, gamma, h, seed) in known or (seed and not h) or (N >= 14 and 5 * seed >= seeds):
                continue
            row = known[N, gamma, h, seed] = _ring_row(N, gamma, h, seed)
            if store is not None:
                with store.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(
        "| N | γ | h | found | certified | certified, no level | missed, no doubt | s | exact, s |\n"
        + "|---" * 9
        + "|",
        flush=True,
    )
    for N, gamma, h in kinds:
        rows = [row for key, row in known.items() if key[:3] == (N, gamma, h) and key[3] < seeds]
        kinds_of = ("found", "certified", "no level", "missed, no doubt")
        counts = [f"{sum(row[name] for row in rows)} of {len(rows)}" for name in kinds_of]
        times = [f"{np.mean([row[name] for row in rows]):.1f}" for name in ("s", "exact, s")]
        print(f"| {N} | {gamma} | {h} | {' | '.join((*counts, *times))} |", flush=True)


def _ring_row(N: int, gamma: float, h: float, seed: int) -> dict[str, Any]:
    """Return what is found of one ring, and how long it took."""
    model = ring(N, gamma, h=h, seed=seed)
    begin = time.process_time()
    (exact,) = algorithms.SteadyState(k=1).records(model)
    seconds = time.process_time() - begin
    spectrum, ours = found(model, which="growth", max_bond=BONDS[N])
    off = abs(spectrum.values[0] - exact.values[0])
    near = off <= min(1e-3, max(1e-6, spectrum.errors[0]))
    still = (
        max(abs(exact.values[0].imag), abs(spectrum.values[0].imag)) <= 1e-9
    )  # where nothing grows, any level will do
    steady = bool(near or still)
    wrong = spectrum.certified and not steady and _no_level(model, spectrum)
    settled = not spectrum.doubted
    row = {
        "ring": (N, gamma, h, seed),
        "found": steady,
        "settled": settled,
        "certified": spectrum.certified,
        "no level": wrong,
    }
    row["missed, no doubt"] = spectrum.certified and settled and not steady  # a level, but another one, without a word
    return row | {"off": float(off), "error": float(spectrum.errors[0]), "s": ours, "exact, s": seconds}


def _no_level(model: Model, spectrum: Spectrum) -> bool:
    """Tell whether there is no eigenvalue within the error."""
    (whole,) = algorithms.ExactDiag(vectors="none").records(model)
    return bool((np.abs(whole.values - spectrum.values[0]) - whole.resolution()).min() > spectrum.errors[0])


LONG = (
    (16, 1.1, 0.0, 200),
    (20, 1.1, 0.0, 256),
    (32, 0.0, 0.0, 128),
    (24, 1.1, 0.0, 192),
    (24, 1.1, 0.5, 128),
    (48, 0.0, 0.0, 128),
    (32, 1.1, 0.0, 192),
    (32, 1.1, 0.5, 128),
    (64, 0.0, 0.0, 160),
    (48, 1.1, 0.0, 192),
)
"""N, V, h and the bond dimension of rings whose steady state is beyond most exact sizes."""


def long_rings(seeds: int) -> None:
    """Find steady states of rings beyond exact sizes; those without interaction grow with γ/sin(π/N)."""
    print("| N | V | h | χ | E | error | estimate | Im E off by | s |\n" + "|---" * 9 + "|", flush=True)
    for N, V, h, chi in LONG:
        spectrum, seconds = found(ring(N, V=V, h=h), which="growth", max_bond=chi, starts=1)
        value = spectrum.values[0]
        off = f"{abs(value.imag - 0.1 / np.sin(np.pi / N)):.1g}" if V == h == 0 else ""
        known = f"{spectrum.error:.1g} | {spectrum.estimate:.1g} | {off}"
        print(f"| {N} | {V} | {h} | {chi} | {value:.8f} | {known} | {seconds:.0f} |", flush=True)


def skin(seeds: int) -> None:
    """Compare ground states of open chains with asymmetric hopping with those of TeNPy in the imaginary gauge.

    Of the vectors the biorthogonal current of each bond is compared, i sinh g ⟨S⁺_j S⁻_{j+1}⟩ with tanh g = γ, and the
    current in the right vector, which is zero.
    """
    columns = "N", "γ", "h", "chains", "largest ΔE", "lower", "higher", "currents off by", "in R", "certified", "wrong"
    print("| " + " | ".join((*columns, "s", "TeNPy, s")) + " |\n" + "|---" * 13 + "|", flush=True)
    for N, number in ((60, seeds), (100, max(1, seeds // 2))):
        for gamma in (0.1, 0.3, 0.5):
            for h in (0.0, 1.0, 2.0, 4.0):
                rows = [_skin(N, gamma, h, seed) for seed in range(number if h else 1)]
                off, lower, higher, currents, inside, certified, wrong, ours, theirs = np.array(rows).T
                counts = f"{lower.sum():.0f} | {higher.sum():.0f}"
                sizes = f"{currents.max():.0e} | {inside.max():.0e} | {certified.sum():.0f} | {wrong.sum():.0f}"
                times = f"{ours.mean():.1f} | {theirs.mean():.1f}"
                print(
                    f"| {N} | {gamma} | {h} | {len(rows)} | {off.max():.0e} | {counts} | {sizes} | {times} |",
                    flush=True,
                )


def _skin(N: int, gamma: float, h: float, seed: int) -> tuple[float, ...]:
    """Return what one chain adds to the table."""
    chain = models.NonHermitianXXZ(L=N, gamma=gamma, h=h, seed=seed)
    partner = tenpy_partner(chain, max_bond=128)
    spectrum, seconds = found(chain, max_bond=128)
    right, left = spectrum.right[0], spectrum.left[0]
    off = spectrum.values[0].real - partner.energy
    currents = biorthogonal_currents(right, left)
    exact = 1j * np.sinh(np.arctanh(gamma)) * partner.hopping
    inside = right.expect_each(*(chain.current(j) for j in chain.bonds))
    same = abs(off) <= 1e-8
    return (
        abs(off),
        off < -1e-8,
        off > 1e-8,
        float(np.abs(currents - exact).max()) if same else 0.0,
        float(np.abs(inside).max()),
        spectrum.certified,
        spectrum.certified and off > spectrum.errors[0],  # no level lies below the lowest one
        seconds / 2,
        partner.seconds,
    )


def hermitian(seeds: int) -> None:
    """Compare plain DMRG of clean Hermitian chains with that of TeNPy, from one start each."""
    print("| L | χ | E | TeNPy less ours | said | s | TeNPy, s |\n" + "|---" * 7 + "|", flush=True)
    for L, chi in ((40, 64), (60, 128), (100, 128)):
        chain = models.NonHermitianXXZ(L=L, gamma=0.0)
        spectrum, seconds = found(chain, max_bond=chi, starts=1)
        partner = tenpy_partner(chain, chi, change=1e-9)
        energy, shown = spectrum.values[0].real, f"{spectrum.errors[0]:.0e} | {seconds:.1f}"
        less = partner.energy - energy
        print(f"| {L} | {chi} | {energy:.9f} | {less:.0e} | {shown} | {partner.seconds:.1f} |", flush=True)


def several(seeds: int) -> None:
    """Compare the first levels of random chains and rings with all levels; some bonds are too small on purpose.

    In bounds: within the errors there are as many eigenvalues. First: they are the first ones, to 1e-6.
    """
    print("| chain | which | χ | chains | certified | certified, not in bounds | certified, not first ", end="")
    print("| in bounds | s |\n" + "|---" * 9 + "|", flush=True)
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("open, γ = .3", "energy", {"gamma": 0.3}),
        ("ring, γ = 0", "energy", {"gamma": 0.0, "boundary": "periodic"}),
        ("ring, γ = .3", "energy", {"gamma": 0.3, "boundary": "periodic"}),
        ("ring, γ = .3", "growth", {"gamma": 0.3, "boundary": "periodic"}),
    ]
    for name, which, parameters in kinds:
        for N, chi in ((8, 8), (8, 16), (10, 12), (10, 32)):
            rows = []
            for seed in range(seeds):
                model = models.NonHermitianXXZ(L=N, h=(0.5, 1.0, 2.0)[seed % 3], seed=seed, **parameters)
                k = 3 if which == "energy" else 2
                spectrum, seconds = found(model, which=which, max_bond=chi, k=k, starts=1)
                rows.append((*_several(model, spectrum), seconds))
            counts = " | ".join(f"{count:.0f}" for count in np.sum(rows, axis=0)[:-1])
            print(
                f"| {name}, N = {N} | {which} | {chi} | {seeds} | {counts} | {np.mean(rows, axis=0)[-1]:.1f} |",
                flush=True,
            )


def _several(model: Model, spectrum: Spectrum) -> tuple[bool, ...]:
    """Return what one chain adds to the table."""
    (whole,) = algorithms.ExactDiag(vectors="none").records(model)
    rounding = 1e-12 * float(np.abs(whole.values).max())
    near = np.abs(spectrum.values[:, None] - whole.values) <= spectrum.errors[:, None] + rounding
    matched = bool(near[scipy.optimize.linear_sum_assignment(~near)].all())
    values = whole.values[whole.values.imag > -1e-9]
    sizes = values.real if spectrum.order == "energy" else -values.imag
    first = values[np.argsort(sizes - 1e-9 * values.imag)][: len(spectrum.values)]
    right = bool(np.abs(spectrum.values - first).max() < 1e-6)
    sure = spectrum.certified
    return sure, sure and not matched, sure and not right, matched


def estimates(seeds: int) -> None:
    """Count how often the stated error, and its estimate, are as large as the true one, with bonds that are too small.

    Of 120 random chains and rings of ten sites, half of them searched for their growth.
    """
    columns = (
        "which",
        "chains",
        "bound is as large",
        "bound / off: median",
        "estimate is as large",
        "estimate / off: median",
    )
    print(f"| {' | '.join(columns)} | least |\n" + "|---" * 7 + "|", flush=True)
    for which in ("energy", "growth"):
        known = []
        for seed in range(60):
            rng, ends = np.random.default_rng(seed), "open" if seed % 2 else "periodic"
            gain = (
                {"fields": (1j * rng.normal(size=10)).tolist()}
                if seed % 2 and which == "growth"
                else {"seed": 1000 + seed}
            )
            chain = models.NonHermitianXXZ(L=10, gamma=0.3, h=(0.5, 1.0, 2.0)[seed % 3], boundary=ends, **gain)
            spectrum, _ = found(chain, which=which, max_bond=8 if seed % 2 else 12, starts=1)
            (whole,) = algorithms.ExactDiag(vectors="none").records(chain)
            off = float(np.abs(whole.values - spectrum.values[0]).min())
            known.append((spectrum.error / off, spectrum.estimate / off))
        bound, estimate = np.array(known).T
        counts = f"{np.sum(bound >= 1)} | {np.median(bound):.0f} | {np.sum(estimate >= 1)} | {np.median(estimate):.1f}"
        print(f"| {which} | {len(known)} | {counts} | {estimate.min():.2f} |", flush=True)


def main() -> None:
    """Print the tables that are asked for."""
    parts = {
        "closed": closed_forms,
        "rings": rings,
        "long": long_rings,
        "skin": skin,
        "several": several,
        "estimates": estimates,
        "hermitian": hermitian,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--seeds", type=int, default=8, help="disordered rings of each kind (default: 8)")
    parser.add_argument("--store", type=Path, help="a file that keeps what is known of disordered rings")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # errors are in the tables
    for part in options.parts:
        print(f"\n{part}", flush=True)
        if part == "rings":
            rings(options.seeds, options.store)
        else:
            parts[part](options.seeds)


if __name__ == "__main__":
    main()
