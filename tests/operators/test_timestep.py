"""Steps that are chosen err as little as asked, and take no more layers of gates than that needs."""

import time

import numpy as np
import pytest
import scipy.linalg

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.circuit import apply_gate, trotter
from mpsnh.language.generator import Hamiltonian
from mpsnh.operators.bonds import bond_hamiltonians
from mpsnh.operators.timestep import ORDERS_CHOSEN, time_step


class Unlike(nh.HamiltonianModel):
    """Sites of two and three states with couplings and fields of random size that conserve nothing."""

    seed: int = 0
    scale: float = 1.0

    @property
    def sites(self):
        return tuple(nh.Spin(0.5) if j % 3 else nh.Spin(1) for j in range(self.L))

    def terms(self):
        rng = np.random.default_rng(self.seed)
        names = ("Sx", "Sy", "Sz")
        bonds = [(a, b, j) for a in names for b in names for j in range(self.L - 1)]
        couplings = self.scale * (rng.normal(size=len(bonds)) + 0.2j * rng.normal(size=len(bonds)))
        pairs = ((x, a, j, b, j + 1) for x, (a, b, j) in zip(couplings, bonds, strict=True))
        fields = ((x, "Sz", j) for j, x in enumerate(3 * self.scale * rng.normal(size=self.L)))
        return nh.OpSum.sum(pairs) + nh.OpSum.sum(fields)


def error(model, order, steps, interval, intervals):
    """Return the largest error of the density matrix of two neighbours, in trace norm, by dense matrices."""
    dims = [site.dim for site in model.sites]
    bonds, D = bond_hamiltonians(model.terms(), model.sites), int(np.prod(dims))
    matrix = sum(
        np.kron(np.kron(np.eye(int(np.prod(dims[:j]))), h), np.eye(int(np.prod(dims[j + 2 :]))))
        for j, h in enumerate(bonds)
    )
    exact = scipy.linalg.expm(-1j * interval * matrix)
    layers = trotter(bonds, interval / steps, order)
    psi = np.zeros(D, dtype=complex)
    psi[np.ravel_multi_index([(d - 1) * (j % 2) for j, d in enumerate(dims)], dims)] = 1
    phi, largest = psi, 0.0
    for _ in range(intervals):
        psi = exact @ psi
        for gate in (gate for _ in range(steps) for layer in layers for gate in layer):
            phi = apply_gate(phi, gate, dims)
        psi, phi = psi / np.linalg.norm(psi), phi / np.linalg.norm(phi)
        for j in range(len(dims) - 1):
            parts = [v.reshape(int(np.prod(dims[:j])), dims[j] * dims[j + 1], -1) for v in (psi, phi)]
            rho, sigma = (np.einsum("aib,ajb->ij", part, part.conj()) for part in parts)
            largest = max(largest, np.abs(np.linalg.eigvalsh(rho - sigma)).sum())
    return largest


def chains():
    rng = np.random.default_rng(7)
    for h in (0.0, 0.5, 2.0, 5.0):
        yield models.NonHermitianXXZ(
            L=8, gamma=rng.uniform(0, 0.6), V=rng.uniform(0, 2), h=h, seed=int(rng.integers(99))
        )
    for seed in range(3):
        yield Unlike(L=6, seed=seed, scale=0.5 * 2**seed)


@pytest.mark.parametrize("model", list(chains()), ids=repr)
@pytest.mark.parametrize(("interval", "target"), [(1.0, 1e-3), (0.5, 1e-5), (0.1, 1e-3), (0.8, 0.02)])
def test_errors_are_those_asked_for(model, interval, target):
    order, steps = time_step(model.generator, model.sites, interval, target)
    assert error(model, order, steps, interval, round(6 / interval)) < 2 * target
    # and not much smaller: half of the steps would err more
    if steps > 1:
        assert error(model, order, steps // 2, interval, round(6 / interval)) > target / 30
    other = next(key for key in ORDERS_CHOSEN if key != order)
    cheaper = (ORDERS_CHOSEN[order] * steps - 1) // ORDERS_CHOSEN[other]
    if cheaper:
        assert error(model, other, cheaper, interval, round(6 / interval)) > target / 30


def test_steps_that_commute_may_be_of_any_length():
    class Ising(nh.HamiltonianModel):
        def terms(self):
            return nh.OpSum.sum((1.0, "Sz", j, "Sz", j + 1) for j in range(self.L - 1))

    assert time_step(Ising(L=12).generator, Ising(L=12).sites, 7.0, 1e-8) == (2, 1)


def test_large_sites_take_no_longer():
    class Bosons(nh.HamiltonianModel):
        @property
        def sites(self):
            return (nh.Boson(6),) * self.L

        def terms(self):
            hops = ((0.1 * (j + 1), "bdag", j, "b", j + 1) for j in range(self.L - 1))
            return nh.OpSum.sum(hops) + nh.OpSum.sum((0.1, "b", j) for j in range(self.L))

    chain, begin = Bosons(L=20), time.process_time()
    assert time_step(chain.generator, chain.sites, 0.1, 1e-2)[0] in (2, 4)
    assert time.process_time() - begin < 40


def test_what_is_out_of_reach_is_refused():
    chain = models.NonHermitianXXZ(L=6, h=3.0)
    with pytest.raises(ValueError, match=r"every = 50\.0, but it must be at most 4096 steps between records"):
        time_step(chain.generator, chain.sites, 50.0, 1e-13)
    wild = Hamiltonian(nh.OpSum.sum((1e6j, "Sp", j, "Sm", j + 1) for j in range(3)))
    with pytest.raises(ValueError, match="at most 4096 steps"):
        time_step(wild, [nh.Spin(0.5)] * 4, 1.0, 1e-3)


@pytest.mark.parametrize(("tolerance", "every"), [(0.5, 20.0), (0.1, 125.0), (0.02, 40.0)])
def test_long_intervals_take_many_steps(tolerance, every):
    chain = models.NonHermitianXXZ(L=6, gamma=0.0, h=1.0)
    way = algorithms.NHTEBD(dt="auto", t_max=every, every=every, tolerance=tolerance)
    order, steps = way.steps_between(chain)
    assert every / steps < 2
    assert error(chain, order, steps, every, 1) < tolerance


def test_steps_are_found_where_long_ones_overflow():
    chain = models.NonHermitianXXZ(L=4, gamma=0.0, fields=[-9.1j, 5.5j, -3.6j, 9j])
    order, steps = time_step(chain.generator, chain.sites, 5.0, 2e-3)
    assert order in ORDERS_CHOSEN
    assert 1 < steps < 1000
    with pytest.raises(ValueError, match="at most 4096 steps"):
        time_step(models.NonHermitianXXZ(L=4, h=1e100).generator, chain.sites, 1.0, 1e-3)


def test_sites_with_too_many_states_are_refused():
    driven = Hamiltonian(
        nh.OpSum.sum((1.0, "b", j, "bdag", j + 1) for j in range(2)) + (0.1, "b", 0) + (0.1, "bdag", 0)
    )
    with pytest.raises(ValueError, match="dt = 'auto', but it must be a number, since 3 sites have 9261 states"):
        time_step(driven, [nh.Boson(20)] * 3, 1.0, 1e-3)


def test_records_are_where_they_were_asked_for():
    chain = models.NonHermitianXXZ(L=8, gamma=0.2, h=2.0, seed=1)
    chosen = algorithms.NHTEBD(dt="auto", t_max=2.4, every=0.8, max_bond=16)
    order, steps = chosen.steps_between(chain)
    fixed = algorithms.NHTEBD(dt=0.8 / steps, t_max=2.4, every=steps, order=order, max_bond=16)
    ours, theirs = (nh.Simulation(chain, way, {"sz": observables.Magnetization()}).run() for way in (chosen, fixed))
    assert ours.time.values.tolist() == [0.0, 0.8, 1.6, 2.4]
    np.testing.assert_array_equal(ours.sz, theirs.sz)
    np.testing.assert_array_equal(ours.trotter, theirs.trotter)
    first, second, *_ = chosen.records(chain)
    *_, last = chosen.records(chain, after=second)
    assert (first.time, last.log_norm) == (0.0, float(ours.log_norm[-1]))
    exact = nh.Simulation(
        chain, algorithms.ExactEvolution(dt="auto", t_max=2.4, every=0.8), {"sz": observables.Magnetization()}
    )
    np.testing.assert_allclose(ours.sz, exact.run().sz, atol=2e-3)


def test_circuits_take_their_periods():
    circuit = models.RandomFloquetCircuit(L=6, alpha=3.0, seed=1)
    ours, theirs = (
        [record.log_norm for record in algorithms.NHTEBD(dt=dt, t_max=6, every=3, max_bond=8).records(circuit)]
        for dt in ("auto", 1)
    )
    assert ours == theirs


class Stepwise(nh.TimeEvolution):
    def init(self, model, after): ...
    def advance(self, carry, t, dt, steps): ...
    def record(self, carry, t): ...


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dt": "auto", "every": 0.3}, "t_max = 1.0, but it must be a multiple of every = 0.3"),
        ({"dt": "auto", "every": 0}, "every = 0.0, but it must be a time, positive"),
        ({"dt": "auto", "order": 4}, "order = 4, but it must be left out with dt = 'auto', which chooses it"),
        (
            {"dt": 0.1, "every": 0.5},
            "every = 0.5, but it must be a number of steps, or with dt='auto' the time between",
        ),
        ({"dt": "fast"}, "dt = 'fast', but it must be 'auto' or a number"),
    ],
)
def test_a_grid_that_is_none_is_refused(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        algorithms.NHTEBD(t_max=1.0, **parameters)


def test_steps_are_chosen_by_those_who_can():
    with pytest.raises(
        ValueError, match="dt = 'auto', but it must be a number, since Stepwise does not choose its steps"
    ):
        Stepwise(dt="auto", t_max=1.0)
    with pytest.raises(ValueError, match=r"every = 0\.5, but it must be a whole number of periods"):
        algorithms.NHTEBD(dt="auto", t_max=1, every=0.5).check(models.RandomFloquetCircuit(L=6, alpha=3.0))
