"""Open systems next to the master equation, QuTiP and mqt-yaqs: `python -m benchmarks.open`.

The packages are compared if they are there (`pip install qutip mqt-yaqs`). The part `ensemble`, twelve minutes of two
processes, runs only if it is named.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mpsnh as nh
from benchmarks import open_peers as peers
from mpsnh import algorithms, models, observables
from mpsnh.run.regions import DONE
from mpsnh.run.store import Store
from tests.oracles import master

GAMMA, V = 0.1, 1.1
Array = NDArray[Any]


def chain(N: int, gamma: float = GAMMA) -> models.OpenXXZ:
    """Return the model of Brighi et al., Eq. 1, in a weak field."""
    return models.OpenXXZ(L=N, gamma=gamma, V=V, h=1.0, seed=1)


def by_hand(N: int, gamma: float) -> tuple[Array, list[Array], list[Array], list[Array], Array]:
    """Return the same by dense matrices: H, jumps, Sz and S- of each site, and the initial state."""
    sz, sm = ([master.on_site(master.SPIN[name], j, [2] * N) for j in range(N)] for name in ("Sz", "Sm"))
    H = sum(h * z for h, z in zip(np.random.default_rng([1, 0]).uniform(-1, 1, N), sz, strict=True))
    for j in range(N - 1):
        hop = sm[j].T @ sm[j + 1] / 2
        H = H + hop + hop.T + V * sz[j] @ sz[j + 1]
    jumps = [gamma**0.5 * (sm[j] - 1j * sm[j + 1]) for j in range(N - 1)]
    psi = np.zeros(2**N)
    psi[int(("01" * N)[:N], 2)] = 1
    return H, jumps, sz, sm, psi


def measured(model: models.OpenXXZ, inner: Any, operators: Array, runs: int) -> Array:
    """Return expectation values by trajectory, time and operator."""
    values = []
    for seed in range(runs):
        records = algorithms.Trajectories(inner=inner, seed=seed).records(model)
        vectors = np.array([record.state.to_vector() for record in records])
        values.append(np.einsum("ta,oab,tb->to", vectors.conj(), operators, vectors, optimize=True).real)
    return np.array(values)


def spread(values: Array) -> tuple[Array, Array]:
    """Average over trajectories and its standard error."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5


def scored(values: Array, right: Array, kept: Array) -> Array:
    """Deviations in standard errors."""
    mean, error = spread(values)
    return np.asarray((mean - right)[kept] / error[kept])


def trajectories(N: int = 6, runs: int = 2000, gamma: float = 0.3) -> None:
    """Averages of all local observables and two-point functions at 20 times against the exact master equation."""
    H, jumps, sz, sm, psi = by_hand(N, gamma)
    pairs = list(itertools.combinations(range(N), 2))
    operators = [*sz, *(sz[i] @ sz[j] for i, j in pairs)]
    for i, j in pairs:
        hop = sm[i].T @ sm[j]
        operators += [hop + hop.T, 1j * (hop - hop.T)]
    times = np.linspace(0.0, 5.0, 21)
    rho = master.densities(H, jumps, psi, times)
    right = np.array([[np.trace(r @ o).real for o in operators] for r in rho])
    stack = np.array(operators, dtype=complex)
    begun = time.process_time()
    exact = measured(chain(N, gamma), algorithms.ExactEvolution(dt=0.25, t_max=5.0), stack, runs)
    seconds = time.process_time() - begun
    kept = exact.std(axis=0) > 1e-9
    assert np.abs((exact.mean(axis=0) - right)[~kept]).max(initial=0.0) < 1e-9
    z, rng = scored(exact, right, kept), np.random.default_rng(0)
    again = (exact[rng.integers(0, runs, runs)] for _ in range(200))
    by_chance = np.array([np.mean(scored(sample, exact.mean(axis=0), kept) ** 2) for sample in again])
    print(f"\nN = {N}, {runs} trajectories, {z.size} values of {len(operators)} observables at 20 times")
    print(f"within 3 standard errors: {np.mean(np.abs(z) < 3):.4f}; largest: {np.abs(z).max():.2f}")
    print(f"mean of z² {np.mean(z**2):.3f}, as large or larger by chance: {np.mean(by_chance >= np.mean(z**2)):.2f}")
    print(f"largest standard error {spread(exact)[1].max():.4f}; {1e3 * seconds / runs:.1f} ms a trajectory")
    print("\n| NHTEBD, dt = 0.05 | runs | largest bias | its standard error | rms bias | mean discarded weight |")
    print("|---|---|---|---|---|---|")
    for bond in (8, 4, 3, 2):
        few = runs // 10
        inner = algorithms.NHTEBD(dt=0.05, t_max=5.0, every=5, max_bond=bond, tolerance=None)
        truncated = measured(chain(N, gamma), inner, stack, few)
        mean, error = spread(truncated - exact[:few])
        worst = np.unravel_index(np.abs(mean).argmax(), mean.shape)
        ends = [
            list(algorithms.Trajectories(inner=inner, seed=seed).records(chain(N, gamma)))[-1] for seed in range(20)
        ]
        lost = np.mean([end.discarded for end in ends])
        rms = np.sqrt(np.mean(mean**2))
        print(f"| χ = {bond} | {few} | {mean[worst]:.1e} | {error[worst]:.1e} | {rms:.1e} | {lost:.1e} |")


def cost(run: Callable[[int], object], seeds: Sequence[int]) -> float:
    """CPU time of a trajectory in milliseconds."""
    begun = time.process_time()
    for seed in seeds:
        run(seed)
    return 1e3 * (time.process_time() - begun) / len(seeds)


def throughput(T: float = 8.0) -> None:
    """CPU time of a trajectory up to time 8, magnetisations at every unit of time included."""
    print("\n| N | evolution between clicks | ms a trajectory | QuTiP, ms | ratio |")
    print("|---|---|---|---|---|")
    for N, name, inner, runs in [
        (10, "exact", algorithms.ExactEvolution(dt=1.0, t_max=T), 100),
        (10, "NHTEBD, χ = 32", algorithms.NHTEBD(dt=0.1, t_max=T, every=10, max_bond=32, tolerance=None), 40),
        (40, "NHTEBD, χ = 32", algorithms.NHTEBD(dt=0.1, t_max=T, every=10, max_bond=32, tolerance=None), 12),
    ]:
        model = chain(N)

        def run(seed: int, model: models.OpenXXZ = model, inner: Any = inner) -> list[Array]:
            records = algorithms.Trajectories(inner=inner, seed=seed).records(model)
            return [record.state.expect_each("Sz").real for record in records]

        run(0)  # what is made once
        ours, shown = cost(run, range(1, 1 + runs)), "– | –"
        if N <= 12 and not peers.missing("qutip"):
            theirs = peers.qutip_trajectories(N, 20, T, GAMMA, V)
            shown = f"{theirs:.0f} | {theirs / ours:.1f}"
        print(f"| {N} | {name} | {ours:.1f} | {shown} |", flush=True)


def equation(T: float = 8.0) -> None:
    """Solve the master equation itself, exactly, next to QuTiP's mesolve at about the same error."""
    if peers.missing("qutip"):
        return
    print("\n| N | OpenSystem, s | its largest error | mesolve: rtol | s | its largest error | ratio |")
    print("|---|---|---|---|---|---|---|")
    measured = {"sz": observables.Magnetization()}
    for N in (5, 6, 7):
        way, times = algorithms.OpenSystem(dt=1.0, t_max=T), []
        for _ in range(3):
            begun = time.process_time()
            ours = nh.Simulation(chain(N), way, measured).run()["sz"].values
            times.append(time.process_time() - begun)
        right, _ = peers.qutip_master(N, T, GAMMA, V, 1e-13)
        for rtol in (1e-6, 1e-10):
            theirs, seconds = peers.qutip_master(N, T, GAMMA, V, rtol)
            errors = (np.abs(values - right).max() for values in (ours, theirs))
            mine, other = (f"{error:.0e}" for error in errors)
            print(
                f"| {N} | {min(times):.3f} | {mine} | {rtol:g} | {seconds:.3f} | {other} | {seconds / min(times):.1f} |"
            )


@functools.cache
def dephased_imbalance(N: int, kappa: float, T: float, steps: int = 4000) -> float:
    """Σ (-1)^j ⟨Sz_j⟩ / (N/2) at time T of an XX chain from the Néel state, whose two-point functions close."""
    energies, modes = np.linalg.eigh(0.5 * (np.eye(N, k=1) + np.eye(N, k=-1)))
    half = (modes * np.exp(0.5j * T / steps * energies)) @ modes.T
    kept = np.exp(-kappa * T / steps * (1 - np.eye(N)))  # ⟨c†_i c_j⟩ loses κ/2 at each of two sites
    correlations = np.diag(1.0 - np.arange(N) % 2).astype(complex)
    for _ in range(steps):
        correlations = half @ (kept * (half @ correlations @ half.conj().T)) @ half.conj().T
    return float((correlations.diagonal().real - 0.5) @ (-1.0) ** np.arange(N) / (N / 2))


def long(kappa: float = 0.2, T: float = 5.0, dt: float = 0.1, max_bond: int = 32) -> None:
    """Trajectories of long dephased chains next to the tensor-jump method of mqt-yaqs, against the closed form."""
    print(f"\nXX chain, dephasing κ = {kappa}, t = {T}, steps of {dt} of second order, χ = {max_bond}, one thread")
    print("| N | by | trajectories | s a trajectory | imbalance | closed form | off, in standard errors | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for N, runs, few in ((20, 100, 20), (40, 100, 10)):
        hop = nh.OpSum.sum(
            (0.5, *pair) for j in range(N - 1) for pair in (("Sp", j, "Sm", j + 1), ("Sm", j, "Sp", j + 1))
        )
        noise = [nh.OpSum([(kappa**0.5, "Sz", j)]) for j in range(N)]
        inner = algorithms.NHTEBD(dt=dt, t_max=T, every=round(T / dt), max_bond=max_bond, tolerance=None)
        values, begun = [], 0.0
        for seed in range(runs + 1):
            if seed == 1:
                begun = time.process_time()
            model = models.OpenChain(L=N, hamiltonian=hop, jump_operators=noise)
            *_, end = algorithms.Trajectories(inner=inner, seed=seed).records(model)
            values.append(end.state.expect_each("Sz").real)
        ours = (time.process_time() - begun) / runs
        rows = [("NHTEBD", np.array(values[1:]), ours)]
        if not peers.missing("mqt.yaqs"):
            rows.append(("mqt-yaqs", *peers.yaqs_dephasing(N, kappa, T, dt, max_bond, few)))
        signs, right = (-1.0) ** np.arange(N) / (N / 2), dephased_imbalance(N, kappa, T)
        for name, sz, seconds in rows:
            mean, error = spread(sz @ signs)
            shown = f"{mean:.4f} ± {error:.4f} | {right:.5f} | {(mean - right) / error:.1f}"
            print(f"| {N} | {name} | {len(sz)} | {seconds:.3f} | {shown} | {seconds / ours:.1f} |", flush=True)


def member(realisation: int, trajectory: int) -> nh.Simulation[Any]:
    """Return a trajectory of a realisation of the chain of ten sites."""
    model = models.OpenXXZ(L=10, gamma=GAMMA, V=V, h=1.0, seed=realisation)
    way = algorithms.Trajectories(inner=algorithms.ExactEvolution(dt=1.0, t_max=8.0), seed=(realisation, trajectory))
    return nh.Simulation(model, way, {"sz": observables.Magnetization(), "j": observables.MidCurrent(half_width=2)})


def swept(store: str, trajectories: int) -> Any:
    """Sweep ten realisations with so many trajectories each, with two workers."""
    over = {"realisation": range(10), "trajectory": range(trajectories)}
    return nh.sweep(member, over, store=store, workers=2)


def ensemble(trajectories: int = 10_000) -> None:
    """Sweep ten realisations of so many trajectories each, killed in the middle, next to a tenth of them in one go."""
    command, few = [sys.executable, "-m", "benchmarks.open", "--sweep"], trajectories // 10
    with tempfile.TemporaryDirectory() as folder:
        begun = time.time()
        right = swept(f"{folder}/few.zarr", few)
        pace = (time.time() - begun) / few
        print(
            f"\n{10 * few} trajectories of 10 sites, two workers: {2e3 * pace / 10:.2f} ms of a worker each", flush=True
        )
        with subprocess.Popen([*command, f"{folder}/killed.zarr", str(trajectories)]) as process:
            time.sleep(0.4 * pace * trajectories)
            process.send_signal(signal.SIGKILL)
        kept, begun = int((Store(f"{folder}/killed.zarr").status() == DONE).sum()), time.time()
        resumed = swept(f"{folder}/killed.zarr", trajectories)
        left, seconds = 10 * trajectories - kept, time.time() - begun
        print(
            f"killed (-9) when {kept} of {10 * trajectories} were kept; the other {left} took {seconds:.0f} s,", end=" "
        )
        print(f"{2e3 * seconds / max(1, left):.2f} ms of a worker each")
        ours = resumed.isel(trajectory=slice(few))
        same = all(np.array_equal(ours[name].values, right[name].values, equal_nan=True) for name in right.data_vars)
        print(f"{10 * few} of them next to the sweep that nothing killed:", "the same bits" if same else "OTHER BITS")


PARTS = {
    "trajectories": trajectories,
    "throughput": throughput,
    "equation": equation,
    "long": long,
    "ensemble": ensemble,
}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS)[:-1])
    parser.add_argument("--sweep", nargs=2, metavar=("STORE", "TRAJECTORIES"), help="what `ensemble` starts and kills")
    options = parser.parse_args()
    if options.sweep:
        swept(options.sweep[0], int(options.sweep[1]))
        return
    for part in options.parts:
        PARTS[part]()


if __name__ == "__main__":
    main()
