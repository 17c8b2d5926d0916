"""One realisation of the avalanche model next to the plain route: time, memory, and how far from the floor.

One thread, CPU seconds, each measurement in a process of its own. The plain route is what one writes first: numpy's
``eig``, dense operators made with ``kron``, ``eigh`` of S, and loops over pairs of eigenstates. The floor is a single
Hermitian eigensolve of the same dimension.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import multiprocessing
import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import threadpoolctl

import mpsnh as nh
from mpsnh import algorithms, models, observables

PAIRS = ("AB", "A'B", "AB'", "A'B'")
MEASURED = {
    "rate": observables.RelaxationRate(),
    "R": observables.DominantFraction(),
    "set": observables.NearResonantSet(),
    "Z": observables.JumpCharacter(),
    "ratio": observables.MatrixElementRatio(),
    "weight": observables.PauliWeight(),
    "gap ratio": observables.GapRatio(),
} | {pair: observables.DemixingAngle(pair=pair) for pair in PAIRS}

PAULI = {"X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}


class Measurement(NamedTuple):
    """What a route found and what it took."""

    rate: float
    fraction: float
    seconds: float
    pair_loop: float
    peak: float


def circuit(L: int, alpha: float, seed: int) -> models.RandomFloquetCircuit:
    return models.RandomFloquetCircuit(L=L, alpha=alpha, seed=seed)


def ours(L: int, alpha: float, seed: int) -> tuple[float, float, float]:
    """Γ and R, with all observables."""
    data = nh.Simulation(circuit(L, alpha, seed), algorithms.DegeneratePerturbationSolver(), MEASURED).run()
    return float(data["rate"][0]), float(data["R"][0]), 0.0


def plain(L: int, alpha: float, seed: int) -> tuple[float, float, float]:
    """Γ, R and the seconds that the loop over pairs takes; the same observables."""
    n = 2**L
    values, states = np.linalg.eig(circuit(L, alpha, seed).matrix())
    angles = np.angle(values)
    jumps = [np.kron(np.eye(n // 2), PAULI[name]) for name in "XYZ"]
    elements = [states.conj().T @ jump @ states for jump in jumps]
    markov = sum(np.abs(element) ** 2 for element in elements) / 3
    eigenvalues, vectors = np.linalg.eigh(markov)
    c = vectors[:, -2] * np.sqrt(n)
    begun, largest, pair = time.process_time(), 0.0, (0, 1)
    for k, m in itertools.combinations(range(n), 2):
        current = markov[k, m] * (c[k] - c[m]) ** 2
        if current > largest:
            largest, pair = current, (k, m)
    loop = time.process_time() - begun
    rate = 1 - eigenvalues[-2]
    z_operators = [np.kron(np.kron(np.eye(2**j), PAULI["Z"]), np.eye(2 ** (L - 1 - j))) for j in range(L)]
    flipped = [int(np.abs(elements[0][:, level]).argmax()) for level in pair]
    for k, m in itertools.product((pair[0], flipped[0]), (pair[1], flipped[1])):
        two = states[:, [k, m]]
        blocks = [two.conj().T @ operator @ two for operator in z_operators]
        bloch = np.array([[b[0, 1].real, -b[0, 1].imag, (b[0, 0] - b[1, 1]).real / 2] for b in blocks])
        np.linalg.eigh(bloch.T @ bloch)
    tau = states @ np.diag(c) @ states.conj().T
    for j in range(L):
        blocks = tau.reshape(2**j, 2, -1, 2**j, 2, 2 ** (L - 1 - j))
        np.linalg.norm(np.einsum("aibcid->abcd", blocks))
    np.diff(np.sort(angles))
    return float(rate), float(largest / (n * rate)), loop


def floor(L: int, alpha: float, seed: int) -> tuple[float, float, float]:
    """Only the eigenvectors of the Hermitian part of the map."""
    matrix = circuit(L, alpha, seed).matrix()
    hermitian = np.asfortranarray(matrix + matrix.conj().T)
    del matrix
    begun = time.process_time()
    scipy.linalg.eigh(hermitian, driver="evd", overwrite_a=True, check_finite=False)
    return np.nan, np.nan, time.process_time() - begun


ROUTES: dict[str, Callable[[int, float, int], tuple[float, float, float]]] = {
    "ours": ours,
    "plain": plain,
    "floor": floor,
}


def measured(route: str, L: int, alpha: float, seed: int) -> Measurement:
    """Run a route in this process, after a small run that imports and initialises what it needs."""
    with threadpoolctl.threadpool_limits(1):
        ROUTES[route](3, alpha, seed)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.process_time()
        rate, fraction, loop = ROUTES[route](L, alpha, seed)
        seconds = time.process_time() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Measurement(rate, fraction, seconds, loop, peak * 1024 / (16 * 4.0**L))


def in_its_own_process(*arguments: Any) -> Measurement:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(functools.partial(measured, *arguments)).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[8, 9, 10])
    parser.add_argument("--alpha", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--no-plain", action="store_true")
    options = parser.parse_args()
    print(f"mpsnh {nh.__version__}, numpy {np.__version__}, scipy {scipy.__version__}, {platform.machine()}")
    print(f"α = {options.alpha:g}, seed {options.seed}; memory in matrices of 16 · 4^L bytes\n")
    print(
        "| L | mpsnh, s | eigensolve, s | mpsnh / eigensolve | memory "
        "| plain, s | of which its loop | plain / mpsnh | without its loop | memory | Γ | plain Γ |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for L in options.sizes:
        routes = ["ours", "floor"] + ([] if options.no_plain else ["plain"])
        best = {
            route: min(
                (in_its_own_process(route, L, options.alpha, options.seed) for _ in range(options.repeats)),
                key=lambda found: found.seconds,
            )
            for route in routes
        }
        our, eigen = best["ours"], best["floor"].pair_loop
        row = f"| {L} | {our.seconds:.2f} | {eigen:.3f} | {our.seconds / eigen:.1f} | {our.peak:.1f} "
        if "plain" in best:
            other = best["plain"]
            rest = other.seconds - other.pair_loop
            row += f"| {other.seconds:.2f} | {other.pair_loop:.2f} | {other.seconds / our.seconds:.1f} "
            row += f"| {rest / our.seconds:.1f} | {other.peak:.1f} | {our.rate:.8g} | {other.rate:.8g} |"
        else:
            row += f"| – | – | – | – | – | {our.rate:.8g} | – |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
