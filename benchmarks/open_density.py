"""Density operators in matrix-product form, against closed forms and themselves: errors, times, estimates.

Sites are spins 1/2, with the hopping 1/2. Times are those of one thread. The estimates are counted over random chains
of six sites, which are compared with runs that are not truncated: how often the error of neighbours' density matrices
(trace distance) is covered by `noise`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence

import numpy as np

from mpsnh import DensityMPS, OpSum, Site, Spin, algorithms, models

UP, DOWN = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
HALF = Spin(0.5)
NO_CHARGE = Site(HALF.states, {name: HALF.op(name) for name in ("Sz", "Sp", "Sm")})


def hopping(L: int) -> OpSum:
    """Return the XX chain."""
    half = OpSum.sum((0.5, "Sp", j, "Sm", j + 1) for j in range(L - 1))
    return half + half.dag()


def dephasing(L: int, kappa: float) -> list[OpSum]:
    """Return jumps √κ Sᶻ."""
    return [OpSum([(kappa**0.5, "Sz", j)]) for j in range(L)]


def current(bond: int) -> OpSum:
    """Return the current through a bond."""
    return OpSum([(0.5j, "Sp", bond, "Sm", bond + 1), (-0.5j, "Sm", bond, "Sp", bond + 1)])


def quench(sizes: Sequence[tuple[int, float]]) -> None:
    """Print the imbalance of the dephased Néel quench of 40 sites at t = 5, whose closed form is -.0970520."""
    chain = models.OpenChain(L=40, hamiltonian=hopping(40), jump_operators=dephasing(40, 0.2))
    signs = (-1.0) ** np.arange(40)
    for max_bond, weight in sizes:
        way = algorithms.DensityTEBD(dt=0.25, t_max=5.0, every=4, order=4, max_bond=max_bond, weight=weight)
        start = time.process_time()
        *_, last = way.records(chain)
        taken = time.process_time() - start
        imbalance = 2 * float((signs * last.state.expect_each("Sz").real).mean())
        print(
            f"quench, χ = {max_bond}, weight {weight:g}: imbalance {imbalance:.5f}, off by "
            f"{abs(imbalance + 0.097052):.1e}; noise {last.noise:.1e}, {taken:.1f} s",
            flush=True,
        )


def driven(L: int, kappa: float) -> None:
    """Print the steady current of a driven chain with dephasing, whose closed form is 1 / (4 + 2κ (N - 1))."""
    ends = [OpSum([(1.0, "Sp", 0)]), OpSum([(1.0, "Sm", L - 1)])]
    chain = models.OpenChain(L=L, hamiltonian=hopping(L), jump_operators=[*ends, *dephasing(L, kappa)])
    slope = [((L - j) * UP + (j + 1) * DOWN) / (L + 1) for j in range(L)]
    way = algorithms.DensitySteadyState(
        dt=0.5,
        t_max=200.0,
        every=100,
        order=4,
        max_bond=32,
        cutoff=1e-13,
        until=1e-3,
        initial=lambda model: DensityMPS.product(model.sites, slope),
    )
    start = time.process_time()
    for record in way.records(chain):
        if record.residual <= way.until:
            break
    taken = time.process_time() - start
    currents = record.state.expect_each(*map(current, range(L - 1))).real
    exact = 1 / (4 + 2 * kappa * (L - 1))
    print(
        f"driven, N = {L}: J = {currents.mean():.7f} ± {np.ptp(currents) / 2:.7f}, exact {exact:.7f}; residual "
        f"{record.residual:.1e} at t = {record.time:g}, χ = {record.max_bond:g}, {taken:.1f} s",
        flush=True,
    )


def charges(L: int, max_bond: int) -> None:
    """Print what blocks of charge save: those of kets and bras, of their difference, and none."""
    for name, site, weight in (("kets and bras", HALF, 1.0), ("difference", HALF, 2.0), ("none", NO_CHARGE, 2.0)):
        chain = models.OpenChain(L=L, hamiltonian=hopping(L), jump_operators=dephasing(L, 0.2), site=site)
        way = algorithms.DensityTEBD(dt=0.1, t_max=2.0, every=10, max_bond=max_bond, weight=weight)
        start = time.process_time()
        *_, last = way.records(chain)
        values = last.state.expect_each("Sz").real
        print(
            f"charges, {name} (weight {weight:g}): {time.process_time() - start:.2f} s, Sz_0 {values[0]:.9f}",
            flush=True,
        )


def random_chain(seed: int, L: int = 6) -> tuple[models.OpenChain, int, float]:
    """Draw a chain, and how it is truncated."""
    rng = np.random.default_rng(seed)
    interaction, strength, rate = rng.choice([0, 0.5, 1.1]), rng.choice([0, 1, 3]), rng.choice([0.02, 0.1, 0.3, 1.0])
    terms = hopping(L) + OpSum.sum((interaction, "Sz", j, "Sz", j + 1) for j in range(L - 1))
    terms += OpSum.sum((strength * rng.uniform(-1, 1), "Sz", j) for j in range(L))
    pairs = models.OpenXXZ(L=L, gamma=rate).jumps()
    ends = [OpSum([(1.0, "Sp", 0)]), OpSum([(1.0, "Sm", L - 1)])]
    loss = [OpSum([(rate**0.5, "Sm", j)]) for j in range(L)]
    jumps = (dephasing(L, rate), pairs, ends, loss, [OpSum([(1e-3, "Sz", 0)])])[rng.integers(5)]
    chain = models.OpenChain(L=L, hamiltonian=terms, jump_operators=jumps)
    return chain, int(rng.choice([6, 8, 12, 16, 24])), float(rng.choice([1.0, 2.0]))


def neighbours(matrix: np.ndarray, L: int) -> list[np.ndarray]:
    """Return the density matrices of all pairs of neighbours."""
    shapes = ((2**j, 4, 2 ** (L - 2 - j)) for j in range(L - 1))
    return [np.einsum("iajibj->ab", matrix.reshape(shape + shape)) for shape in shapes]


def judged(seed: int) -> list[tuple[float, float, float]]:
    """Return weight, error and noise of each record of a random run, compared with one that is not truncated."""
    chain, max_bond, weight = random_chain(seed)
    run = {"dt": 0.25, "t_max": 6.0, "every": 4, "order": 4}
    exact = algorithms.DensityTEBD(**run, max_bond=64, cutoff=1e-20, weight=1.0).records(chain)
    truncated = algorithms.DensityTEBD(**run, max_bond=max_bond, cutoff=1e-14, weight=weight).records(chain)
    judgements = []
    for right, record in zip(exact, truncated, strict=True):
        pairs = (neighbours(state.to_dense(), chain.L) for state in (right.state, record.state))
        errors = [np.linalg.svd(a - b, compute_uv=False).sum() / 2 for a, b in zip(*pairs, strict=True)]
        judgements.append((weight, float(max(errors)), record.noise))
    return judgements[1:]


def counted(runs: int) -> None:
    """Print how often the estimate covers the error, and what the weight of identities gains."""
    weights, errors, noise = np.array([row for seed in range(runs) for row in judged(seed)]).T
    for weight in (1.0, 2.0):
        seen = (weights == weight) & (errors > 1e-7)
        ratio = noise[seen] / np.minimum(errors[seen], 1)
        large = errors[seen] > 0.01
        print(
            f"estimates, weight {weight:g}: {seen.sum()} records, {np.mean(ratio >= 1):.1%} covered; noise/error "
            f"{ratio.min():.2f} to {ratio.max():.0f}, median {np.median(ratio):.1f}; median error "
            f"{np.median(errors[seen]):.1e}; {(noise[seen][large] < 0.01).sum()} of {large.sum()} above 0.01 unnoticed",
            flush=True,
        )


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # truncated on purpose
    charges(4, 4)  # compiles
    quench([(32, 1.0), (32, 2.0), (64, 1.0), (64, 2.0), (64, 3.0)])
    driven(10, 1.0)
    driven(40, 1.0)
    charges(16, 64)
    counted(given.runs)


if __name__ == "__main__":
    main()
