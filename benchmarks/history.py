"""CPU time of the hot paths, by pytest-benchmark: `make history` compares it with what is stored.

On a machine that does other work, the smallest time of each row is the one to look at.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import mpsnh as nh
from benchmarks.nhtebd import grown
from mpsnh import algorithms, models, observables
from mpsnh.kernels.multivector import BlockOperator


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ring(N: int, seed: int = 1) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=N, h=1.0, seed=seed, boundary="periodic")


def point(seed: int) -> nh.Simulation[nh.Spectrum]:
    return nh.Simulation(ring(8, seed), algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})


@pytest.mark.benchmark(timer=cpu_seconds)
def test_import(benchmark: Any) -> None:
    """A process that imports mpsnh and makes a model."""
    command = [sys.executable, "-c", "import mpsnh as nh; nh.models.NonHermitianXXZ(L=4)"]
    benchmark.pedantic(subprocess.run, (command,), {"check": True}, rounds=7, warmup_rounds=1)


@pytest.mark.parametrize("chi", [32, 64])
def test_nhtebd_ten_steps(benchmark: Any, chi: int) -> None:
    """Ten steps of 40 sites, whose bonds are full, and the record after them."""
    model = models.NonHermitianXXZ(L=40, h=2.0, seed=1)
    start = grown(model, 0.1, chi, None)
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=start.time + 50, every=10, max_bond=chi)
    records = algorithm.records(model, after=start)
    benchmark.pedantic(next, (records,), rounds=20 if chi == 32 else 10, warmup_rounds=1)


@pytest.mark.parametrize("N", [10, 12])
def test_spectrum(benchmark: Any, N: int) -> None:
    """All levels of a ring with their right and left vectors."""
    matrix = ring(N)
    benchmark.pedantic(
        lambda: list(algorithms.ExactDiag().records(matrix)), rounds=10 if N == 10 else 3, warmup_rounds=1
    )


def test_matrix_times_vectors(benchmark: Any) -> None:
    """The Hamiltonian of a ring of 14 sites (3432 states) times 32 vectors."""
    A = BlockOperator(ring(14).matrix().tocsr())
    x = np.ones((3432, 32))
    out = np.empty_like(x)
    benchmark.pedantic(A.apply, (x, out), rounds=20, iterations=20, warmup_rounds=1)


def test_sweep_of_forty_points(benchmark: Any) -> None:
    """Forty rings of 8 sites as one dataset, in memory."""
    benchmark.pedantic(lambda: nh.sweep(point, {"seed": range(40)}, progress=False), rounds=7, warmup_rounds=1)
