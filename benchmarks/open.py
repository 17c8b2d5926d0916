"""Open systems next to the master equation and to QuTiP: `python -m benchmarks.open`.

QuTiP is compared if it is there (`pip install qutip`).
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh import algorithms, models
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


def qutip_trajectories(N: int, runs: int, T: float) -> float | None:
    """CPU time of a trajectory of QuTiP's mcsolve in milliseconds, magnetisations at every unit of time included."""
    if importlib.util.find_spec("qutip") is None:
        return None
    import qutip

    eye = [qutip.qeye(2)] * N

    def at(op: Any, j: int) -> Any:
        return qutip.tensor([*eye[:j], op, *eye[j + 1 :]])

    sz, sm = ([at(op, j) for j in range(N)] for op in (qutip.sigmaz() / 2, qutip.sigmam()))
    H = sum(h * z for h, z in zip(np.random.default_rng([1, 0]).uniform(-1, 1, N), sz, strict=True))
    for j in range(N - 1):
        hop = sm[j].dag() * sm[j + 1] / 2
        H = H + hop + hop.dag() + V * sz[j] * sz[j + 1]
    jumps = [GAMMA**0.5 * (sm[j] - 1j * sm[j + 1]) for j in range(N - 1)]
    psi = qutip.tensor([qutip.basis(2, j % 2) for j in range(N)])
    options = {"progress_bar": False, "map": "serial"}
    times = np.arange(0.0, T + 0.5)
    solver = qutip.MCSolver(H, jumps, options=options)
    solver.run(psi, times, ntraj=1, e_ops=sz)
    begun = time.process_time()
    solver.run(psi, times, ntraj=runs, e_ops=sz)
    return 1e3 * (time.process_time() - begun) / runs


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
        ours, theirs = cost(run, range(1, 1 + runs)), qutip_trajectories(N, 20, T) if N <= 12 else None
        shown = "– | –" if theirs is None else f"{theirs:.0f} | {theirs / ours:.0f}"
        print(f"| {N} | {name} | {ours:.0f} | {shown} |", flush=True)
    if importlib.util.find_spec("qutip") is None:
        print("QuTiP is not installed, and was left out.")


PARTS = {"trajectories": trajectories, "throughput": throughput}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    for part in parser.parse_args().parts:
        PARTS[part]()


if __name__ == "__main__":
    main()
