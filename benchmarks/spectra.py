"""Exact spectra of the disordered ring next to LAPACK and ARPACK: time, certificates, and how often who is wrong.

One thread, but for the table that compares it with two; CPU seconds, all in one process. LAPACK's time for N = 16
is measured once (some ten minutes) and taken for all strengths, on which it hardly depends; N = 18 is out of its reach.
"""

from __future__ import annotations

import argparse
import functools
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
import threadpoolctl

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.kernels.multivector import BlockOperator
from mpsnh.linalg.filter.spectrum import filter_spectrum

WRONG = 1e-8
"""Distance of an eigenvalue from LAPACK's at which it is wrong, in units of J."""

LAPACK_ONCE = 16
"""Size at which LAPACK is timed once, at h = 2, and not for each strength."""


def ring(L: int, h: float, seed: int, **parameters: Any) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=L, gamma=0.1, V=1.1, h=h, seed=seed, boundary="periodic", **parameters)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and the CPU seconds that it took."""
    begun = time.process_time()
    result = work()
    return result, time.process_time() - begun


def farthest(values: Any, exact: Any) -> float:
    """Return the largest distance of two spectra within the best pairing of their levels, or inf if counts differ."""
    if len(values) != len(exact):
        return np.inf
    values, exact = (np.array(sorted(each, key=lambda x: (round(x.real, 6), x.imag))) for each in (values, exact))
    distance = float(np.abs(values - exact).max())
    if distance > WRONG:  # an unlucky order
        distances = np.abs(values[:, None] - exact)
        distance = float(distances[scipy.optimize.linear_sum_assignment(distances)].max())
    return distance


def peak() -> float:
    """Return the largest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@functools.cache
def lapack(L: int, h: float, seed: int, largest: int) -> tuple[Any, float]:
    """Return LAPACK's eigenvalues, or None where it is not run, and the seconds that it takes, nan where it cannot."""
    if largest < L:
        return None, np.nan
    if L == LAPACK_ONCE and h != 2:
        return None, lapack(L, 2.0, seed, largest)[1]
    matrix = ring(L, h, seed).matrix().toarray()
    return timed(lambda: scipy.linalg.eigvals(matrix, check_finite=False))


def leading(values: Any, k: int = 2) -> Any:
    """Return the k largest Im E, of conjugate pairs the upper one."""
    return np.sort(values.imag[values.imag >= 0])[::-1][:k]


def operator(L: int, columns: int) -> None:
    """Time of the block operator for each row and column, next to scipy's CSR matrix."""
    matrix = ring(L, 3.0, 0).matrix()
    print(f"\n## Block operator, N = {L}, {columns} vectors\n\n| | ns per row and column |\n|---|---|")
    for kind in (np.float64, np.float32):
        x = np.random.default_rng(0).normal(size=(matrix.shape[0], columns)).astype(kind)
        single, out = BlockOperator(matrix, kind), np.empty_like(x)
        other = matrix.astype(kind)
        rows = {f"mpsnh {kind.__name__}": lambda: single.apply(x, out), f"scipy {kind.__name__}": lambda: other @ x}  # noqa: B023
        for name, work in rows.items():
            work()
            seconds = min(timed(lambda: [work() for _ in range(20)])[1] for _ in range(5))  # noqa: B023
            print(f"| {name} | {seconds / 20 / x.size * 1e9:.2f} |")


def whole(L: int, strengths: list[float], seed: int, largest: int) -> None:
    """Time of a certified spectrum next to LAPACK's eigenvalues."""
    print(f"\n## Whole spectrum, N = {L}, seed {seed}\n")
    print("| h | certified, attempts | mpsnh, s | LAPACK, s | ratio | largest difference | peak memory, GB |")
    print("|---|---|---|---|---|---|---|")
    for h in strengths:
        matrix = ring(L, h, seed).matrix()
        found, ours = timed(lambda: filter_spectrum(matrix, seed=seed))  # noqa: B023
        memory = peak()
        exact, theirs = lapack(L, h, seed, largest)
        difference = "–" if exact is None else f"{farthest(found.values, exact):.1e}"
        certified = f"{'yes' if found.certified else 'no'}, {found.attempts}"
        print(
            f"| {h:g} | {certified} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.1f} | {difference} | {memory:.1f} |",
            flush=True,
        )


def shared(L: int, strength: float, seed: int, repeats: int) -> None:
    """Wall time of a certified spectrum by one thread and by two, in turns, and whether the results are the same."""
    matrix = ring(L, strength, seed).matrix()
    spent: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    spectra = {}
    for _ in range(repeats):
        for threads, times in spent.items():
            begun = time.perf_counter()
            spectra[threads], seconds = timed(lambda: filter_spectrum(matrix, seed=seed, threads=threads))  # noqa: B023
            times.append((time.perf_counter() - begun, seconds))
    wall, cpu = ({threads: min(times)[k] for threads, times in spent.items()} for k in range(2))
    same = np.array_equal(spectra[1].values, spectra[2].values)
    certified = f"{'yes' if spectra[1].certified else 'no'}, {spectra[1].attempts}"
    print(
        f"| {L} | {strength:g} | {certified} | {wall[1]:.1f} | {cpu[1]:.1f} | {wall[2]:.1f} | {cpu[2]:.1f} "
        f"| {wall[1] / wall[2]:.2f} | {'yes' if same else 'no'} |",
        flush=True,
    )


def rate(L: int, strengths: list[float], realisations: int, first: int) -> None:
    """How often a spectrum is certified, and whether one that is certified is wrong."""
    print(f"\n## Certificates, N = {L}, {realisations} realisations from seed {first}\n")
    print("| h | at the first attempt | in the end | certified but wrong | E₁ or E₂ wrong | worst error |")
    print("|---|---|---|---|---|---|")
    for h in strengths:
        first_try = in_the_end = wrong = leaders = 0
        worst = 0.0
        for seed in range(first, first + realisations):
            matrix = ring(L, h, seed).matrix()
            found = filter_spectrum(matrix, seed=seed)
            exact = scipy.linalg.eigvals(matrix.toarray(), check_finite=False)
            in_the_end += found.certified
            first_try += found.certified and found.attempts == 1
            if found.certified:
                distance = farthest(found.values, exact)
                worst, wrong = max(worst, distance), wrong + (distance > WRONG)
                leaders += bool(np.abs(leading(found.values) - leading(exact)).max() > WRONG)
        print(f"| {h:g} | {first_try} | {in_the_end} | {wrong} | {leaders} | {worst:.1e} |", flush=True)


def steady(L: int, strengths: list[float], seed: int, largest: int) -> None:
    """Time of the steady state and the gap next to LAPACK, with and without eigenvectors."""
    print(f"\n## Steady state and gap, N = {L}, seed {seed}\n")
    print(
        "| h | mpsnh, s | LAPACK, s | ratio | with vectors: mpsnh, s | LAPACK, s | ratio "
        "| difference of Im E₁, Im E₂ |\n|---|---|---|---|---|---|---|---|"
    )
    for h in strengths:
        model = ring(L, h, seed)
        (found,), ours = timed(lambda: list(algorithms.SteadyState(k=2, vectors="none").records(model)))  # noqa: B023
        _, vector = timed(lambda: list(algorithms.SteadyState(k=2).records(model)))  # noqa: B023
        exact, theirs = lapack(L, h, seed, largest)
        difference = "–" if exact is None else f"{np.abs(found.values.imag - leading(exact)).max():.1e}"
        vectors = np.nan
        if L < LAPACK_ONCE:
            matrix = model.matrix().toarray()
            _, vectors = timed(lambda: scipy.linalg.eig(matrix, check_finite=False))  # noqa: B023
        print(
            f"| {h:g} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.1f} "
            f"| {vector:.1f} | {vectors:.1f} | {vectors / vector:.1f} | {difference} |",
            flush=True,
        )


def arpack(L: int, strengths: list[float], realisations: int, first: int) -> None:
    """How often E₁ and E₂ are wrong, from ARPACK and from SteadyState."""
    print(f"\n## ARPACK which='LI' and SteadyState, N = {L}, {realisations} realisations from seed {first}\n")
    print("| h | ARPACK wrong | ARPACK raised | ARPACK, s | SteadyState wrong | SteadyState raised | SteadyState, s |")
    print("|---|---|---|---|---|---|---|")
    for h in strengths:
        wrong, raised, seconds = [0, 0], [0, 0], [0.0, 0.0]
        for seed in range(first, first + realisations):
            model = ring(L, h, seed)
            matrix = model.matrix()
            exact = leading(scipy.linalg.eigvals(matrix.toarray(), check_finite=False))
            routes = (
                lambda: scipy.sparse.linalg.eigs(matrix, k=4, which="LI", return_eigenvectors=False),  # noqa: B023
                lambda: next(iter(algorithms.SteadyState(k=2, vectors="none").records(model))).values,  # noqa: B023
            )
            for k, route in enumerate(routes):
                try:
                    values, spent = timed(route)
                except (ArithmeticError, scipy.sparse.linalg.ArpackError):
                    raised[k] += 1
                    continue
                seconds[k] += spent
                # an ARPACK that finds real levels only may well say that there is no other
                found = np.concatenate([leading(np.asarray(values)), [0.0, 0.0]])[:2]
                wrong[k] += bool(np.abs(found - exact).max() > WRONG)
        print(
            f"| {h:g} | {wrong[0]} | {raised[0]} | {seconds[0] / realisations:.2f} "
            f"| {wrong[1]} | {raised[1]} | {seconds[1] / realisations:.2f} |",
            flush=True,
        )


def evolution(sizes: list[int]) -> None:
    """Time of the evolution of an exact vector to t = 100."""
    print("\n## Evolution of a vector, h = 3, to t = 100\n\n| N | dimension | s | peak memory, GB |\n|---|---|---|---|")
    for L in sizes:
        model = ring(L, 3.0, 0)
        _, seconds = timed(lambda: list(algorithms.ExactEvolution(dt=100.0, t_max=100.0).records(model)))  # noqa: B023
        print(f"| {L} | {model.sector.dim} | {seconds:.1f} | {peak():.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--parts", nargs="+", default=["operator", "whole", "threads", "rate", "steady", "arpack", "evolution"]
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[14, 16])
    parser.add_argument("--strengths", nargs="+", type=float, default=[2, 3, 5, 8])
    parser.add_argument("--lapack", type=int, default=LAPACK_ONCE, help="largest size that LAPACK is timed for")
    parser.add_argument("--large", nargs="*", type=float, default=[5, 8], help="strengths for N = 18")
    parser.add_argument("--weak", nargs="+", type=float, default=[0.5, 1, 1.5, 2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--realisations", type=int, default=50, help="of each strength, for the certificates at N = 12")
    options = parser.parse_args()
    print(f"mpsnh {nh.__version__}, numpy {np.__version__}, scipy {scipy.__version__}, {platform.machine()}")
    with threadpoolctl.threadpool_limits(1):
        filter_spectrum(ring(8, 2.0, 0).matrix())  # compiles
        for part in options.parts:
            if part == "operator":
                operator(16, 16)
            elif part == "evolution":
                evolution([16, 18, 20])
            elif part == "arpack":
                arpack(12, [1, 2, 4, 6], options.realisations // 2, 5000)
            elif part == "rate":
                rate(12, options.strengths, options.realisations, 5000)
                rate(14, options.strengths, max(1, options.realisations // 10), 5000)
            elif part == "whole":
                for L in options.sizes:
                    whole(L, options.strengths, options.seed, options.lapack)
                if options.large:
                    whole(18, options.large, options.seed, options.lapack)
            elif part == "threads":
                print("\n## Two threads\n\n| N | h | certified, attempts | one: wall, s | CPU, s ", end="")
                print("| two: wall, s | CPU, s | ratio of wall times | same bits |\n" + 9 * "|---" + "|")
                for L in options.sizes:
                    shared(L, 3.0, options.seed, 3)
                for strength in options.large:
                    shared(18, strength, options.seed, 1)
            elif part == "steady":
                for L in options.sizes:
                    steady(L, options.weak, options.seed, options.lapack)


if __name__ == "__main__":
    main()
