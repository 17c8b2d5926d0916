"""Steady states by evolution, against the null vector of the dense Lindblad equation."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum
from tests.oracles.lindblad import superoperator, trace_distance


def driven(N: int, delta: float) -> models.OpenChain:
    """A chain with one end driven up and the other down, and dephasing in the middle."""
    hops = OpSum.sum((0.5, *p) for j in range(N - 1) for p in (("Sp", j, "Sm", j + 1), ("Sm", j, "Sp", j + 1)))
    interaction = OpSum.sum((delta, "Sz", j, "Sz", j + 1) for j in range(N - 1))
    jumps = [OpSum([(1.0, "Sp", 0)]), OpSum([(1.0, "Sm", N - 1)]), OpSum([(0.5, "Sz", 1)])]
    return models.OpenChain(L=N, hamiltonian=hops + interaction, jump_operators=jumps)


def test_it_is_the_null_vector_and_stays():
    chain = driven(4, 0.7)
    generator = superoperator(chain)
    right = np.linalg.svd(generator)[2][-1].conj().reshape(16, 16)
    right /= np.trace(right)
    way = algorithms.DensitySteadyState(dt=0.25, t_max=80, every=40, order=4, cutoff=1e-16, initial=["up"] * 4)
    records = list(way.records(chain))
    first, last = records[0], records[-1]
    rho = first.state.to_dense()
    exact = np.linalg.norm(generator @ rho.ravel()) / np.linalg.norm(rho)
    assert first.residual == pytest.approx(exact, rel=1e-9)
    assert last.residual <= way.until < first.residual
    assert trace_distance(last.state.to_dense(), right) < 1e-4
    assert records[-2].residual == last.residual
    np.testing.assert_array_equal(records[-2].state.expect_each("Sz"), last.state.expect_each("Sz"))


def test_a_run_that_is_too_short_says_so_and_goes_on(tmp_path):
    def run(t_max):
        way = algorithms.DensitySteadyState(dt=0.5, t_max=t_max, every=10, order=4, until=1e-4)
        return nh.Simulation(driven(4, 0.0), way, {"sz": observables.Magnetization()})

    with pytest.warns(
        RuntimeWarning, match=r"the residual is still .* at t_max = 5, above until = 0.0001; use a larger"
    ):
        run(5.0).run(checkpoint=tmp_path / "run.npz")
    extended = run(60.0).run(checkpoint=tmp_path / "run.npz")
    assert extended.identical(run(60.0).run())
    assert extended.residual[-1] <= 1e-4
    with pytest.raises(ValueError, match=r"until = 0.0, but it must be positive"):
        algorithms.DensitySteadyState(dt=0.5, t_max=1.0, until=0)
