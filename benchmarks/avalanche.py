"""One realisation of the avalanche model next to the plain route: time, memory, and how far from the floor.

One thread, CPU seconds, each measurement in a process of its own. The plain route is what one writes first: numpy's
``eig``, dense operators made with ``kron``, ``eigh`` of S, and loops over pairs of eigenstates; its vectorised variant
has matrix products instead of these loops. The floor is a single Hermitian eigensolve of the same dimension.
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
    seconds: float
    peak: float


def circuit(L: int, alpha: float, seed: int) -> models.RandomFloquetCircuit:
    return models.RandomFloquetCircuit(L=L, alpha=alpha, seed=seed)


def ours(L: int, alpha: float, seed: int) -> float:
    """Γ, with all observables."""
    data = nh.Simulation(circuit(L, alpha, seed), algorithms.DegeneratePerturbationSolver(), MEASURED).run()
    return float(data["rate"][0])


def plain(L: int, alpha: float, seed: int, loops: bool = True) -> float:
    """Γ, with the same observables."""
    n = 2**L
    values, states = np.linalg.eig(circuit(L, alpha, seed).matrix())
    images = [np.kron(np.eye(n // 2), PAULI[name]) @ states for name in "XYZ"]
    if loops:
        markov = np.empty((n, n))
        for m, k in itertools.combinations_with_replacement(range(n), 2):
            bra = states[:, m]
            markov[m, k] = markov[k, m] = sum(abs(np.vdot(bra, image[:, k])) ** 2 for image in images) / 3
    else:
        markov = sum(np.abs(states.conj().T @ image) ** 2 for image in images) / 3
    eigenvalues, vectors = np.linalg.eigh(markov)
    rate, c = 1 - eigenvalues[-2], vectors[:, -2] * np.sqrt(n)
    if loops:
        largest, pair = 0.0, (0, 1)
        for m, k in itertools.combinations(range(n), 2):
            current = markov[m, k] * (c[m] - c[k]) ** 2
            if current > largest:
                largest, pair = current, (m, k)
    else:
        currents = markov * (c[:, None] - c) ** 2
        pair = np.unravel_index(currents.argmax(), currents.shape)
    z_operators = [np.kron(np.kron(np.eye(2**j), PAULI["Z"]), np.eye(2 ** (L - 1 - j))) for j in range(L)]
    flipped = [int(np.abs(images[0][:, level].conj() @ states).argmax()) for level in pair]
    for m, k in itertools.product((pair[0], flipped[0]), (pair[1], flipped[1])):
        two = states[:, [m, k]]
        blocks = [two.conj().T @ operator @ two for operator in z_operators]
        bloch = np.array([[b[0, 1].real, -b[0, 1].imag, (b[0, 0] - b[1, 1]).real / 2] for b in blocks])
        np.linalg.eigh(bloch.T @ bloch)
    tau = states @ np.diag(c) @ states.conj().T
    for j in range(L):
        blocks = tau.reshape(2**j, 2, 2 ** (L - 1 - j), 2**j, 2, 2 ** (L - 1 - j))
        np.linalg.norm(np.einsum("aibcid->abcd", blocks))
    np.diff(np.sort(np.angle(values)))
    return float(rate)


def floor(L: int, alpha: float, seed: int) -> float:
    """Only the eigenvectors of the Hermitian part of the map; returns the seconds of the eigensolver itself."""
    matrix = circuit(L, alpha, seed).matrix()
    hermitian = np.asfortranarray(matrix + matrix.conj().T)
    begun = time.process_time()
    scipy.linalg.eigh(hermitian, driver="evd", overwrite_a=True, check_finite=False)
    return time.process_time() - begun


ROUTES: dict[str, Callable[[int, float, int], float]] = {
    "ours": ours,
    "plain": plain,
    "vectorised": functools.partial(plain, loops=False),
    "floor": floor,
}


def measured(route: str, L: int, alpha: float, seed: int) -> Measurement:
    """Run a route in this process, after a small run that imports and initialises what it needs."""
    with threadpoolctl.threadpool_limits(1):
        ROUTES[route](3, alpha, seed)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.process_time()
        rate = ROUTES[route](L, alpha, seed)
        seconds = time.process_time() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Measurement(rate, seconds, peak * 1024 / (16 * 4.0**L))


def best(repeats: int, *arguments: Any) -> Measurement:
    """Return the fastest of some measurements, each in its own process."""
    found = []
    for _ in range(repeats):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found.append(pool.submit(measured, *arguments).result())
    return min(found, key=lambda measurement: measurement.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[8, 9, 10])
    parser.add_argument("--alpha", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--plain", type=int, default=10, help="largest size of the plain routes")
    options = parser.parse_args()
    print(f"mpsnh {nh.__version__}, numpy {np.__version__}, scipy {scipy.__version__}, {platform.machine()}")
    print(f"α = {options.alpha:g}, seed {options.seed}; memory in matrices of 16 · 4^L bytes\n")
    print(
        "| L | mpsnh, s | memory | eigensolve, s | mpsnh / eigensolve | plain, s | memory | plain / mpsnh "
        "| vectorised, s | vectorised / mpsnh | Γ of mpsnh | Γ of the plain route |"
    )
    print("|" + "---|" * 12)
    for L in options.sizes:
        settings = (L, options.alpha, options.seed)
        own = best(options.repeats, "ours", *settings)
        eigen = best(options.repeats, "floor", *settings).rate
        row = f"| {L} | {own.seconds:.2f} | {own.peak:.1f} | {eigen:.3f} | {own.seconds / eigen:.1f} "
        if options.plain >= L:
            slow, other = best(1, "plain", *settings), best(options.repeats, "vectorised", *settings)
            row += f"| {slow.seconds:.2f} | {slow.peak:.1f} | {slow.seconds / own.seconds:.1f} "
            row += f"| {other.seconds:.2f} | {other.seconds / own.seconds:.1f} | {own.rate:.9g} | {other.rate:.9g} |"
        else:
            row += f"| – | – | – | – | – | {own.rate:.9g} | – |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
