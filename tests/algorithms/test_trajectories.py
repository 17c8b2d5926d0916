"""Quantum trajectories against the master equation, waiting times and closed forms."""

import functools
import itertools

import numpy as np
import pytest
import scipy.stats

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.language.opsum import OpSum
from tests.oracles import master

TIMES = np.arange(0.0, 2.01, 0.5)


def exact(t_max=2.0, dt=0.5, **options):
    return algorithms.ExactEvolution(dt=dt, t_max=t_max, **options)


def ensemble(model, inner, runs, measured):
    """What is measured in many trajectories, by trajectory and time."""
    values = []
    for seed in range(runs):
        way = algorithms.Trajectories(inner=inner, seed=seed)
        values.append([record.state.expect_each(*measured).real for record in way.records(model)])
    return np.array(values)


def deviations(values, right):
    """Deviations of averages from the right values, in standard errors; those of no spread must be right."""
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    sharp = spread < 1e-12
    np.testing.assert_allclose(mean[sharp], right[sharp], atol=1e-10)
    return (mean - right)[~sharp] / spread[~sharp]


@functools.cache
def chain(L=4):
    """The chain of Brighi et al., by the package and by hand."""
    model = models.OpenXXZ(L=L, gamma=0.4, h=1.0, seed=3)
    at = functools.partial(master.on_site, dims=[2] * L)
    sz, sm = ([at(master.SPIN[name], j) for j in range(L)] for name in ("Sz", "Sm"))
    fields = np.random.default_rng([3, 0]).uniform(-1, 1, L)
    H = sum(h * z for h, z in zip(fields, sz, strict=True))
    for j in range(L - 1):
        hop = sm[j].T @ sm[j + 1] / 2
        H = H + hop + hop.T + 1.1 * sz[j] @ sz[j + 1]
    jumps = [np.sqrt(0.4) * (sm[j] - 1j * sm[j + 1]) for j in range(L - 1)]
    psi = np.zeros(2**L)
    psi[int("01" * (L // 2), 2)] = 1  # up, down, …
    return model, H, jumps, psi, sz, sm


def test_averages_are_those_of_the_master_equation():
    model, H, jumps, psi, sz, sm = chain()
    pairs = list(itertools.combinations(range(4), 2))
    measured = [OpSum([(1.0, "Sz", j)]) for j in range(4)]
    measured += [OpSum([(1.0, "Sz", i, "Sz", j)]) for i, j in pairs]
    measured += [OpSum([(1.0, "Sp", i, "Sm", j), (1.0, "Sp", j, "Sm", i)]) for i, j in pairs]
    operators = [*sz, *(sz[i] @ sz[j] for i, j in pairs), *(sm[i].T @ sm[j] + sm[j].T @ sm[i] for i, j in pairs)]
    rho = master.densities(H, jumps, psi, TIMES)
    right = np.array([[np.trace(r @ o).real for o in operators] for r in rho])
    z = deviations(ensemble(model, exact(), 300, measured), right)
    assert np.abs(z).max() < 4
    assert 0.5 < np.mean(z**2) < 1.6
