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


def ensemble(model, inner, runs, operators):
    """Expectation values of matrices of the whole space, by trajectory and time."""
    values = []
    for seed in range(runs):
        records = algorithms.Trajectories(inner=inner, seed=seed).records(model)
        vectors = np.array([record.state.to_vector() for record in records])
        values.append(np.einsum("ta,oab,tb->to", vectors.conj(), operators, vectors, optimize=True).real)
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
    operators = [*sz, *(sz[i] @ sz[j] for i, j in pairs), *(sm[i].T @ sm[j] + sm[j].T @ sm[i] for i, j in pairs)]
    rho = master.densities(H, jumps, psi, TIMES)
    right = np.array([[np.trace(r @ o).real for o in operators] for r in rho])
    z = deviations(ensemble(model, exact(), 300, np.array(operators)), right)
    assert np.abs(z).max() < 4
    assert 0.5 < np.mean(z**2) < 1.6


def pathwise(model, order=2, dt=0.02, seeds=range(4), t_max=2.0, **options):
    """The last records of the same trajectories by either inner evolution."""
    for seed in seeds:
        given = {"t_max": t_max, **options}
        tebd = algorithms.NHTEBD(dt=dt, order=order, every=round(0.5 / dt), tolerance=None, max_bond=64, **given)
        ways = (algorithms.Trajectories(inner=inner, seed=seed) for inner in (exact(**given), tebd))
        yield tuple(list(way.records(model))[-1] for way in ways)


def alike(pairs, name, atol):
    """Check that both trajectories have the same clicks and end in the same state; return how many clicks there are."""
    clicks = 0
    for one, other in pairs:
        assert one.which.tolist() == other.which.tolist()
        np.testing.assert_allclose(one.times, other.times, atol=atol)
        np.testing.assert_allclose(one.state.expect_each(name), other.state.expect_each(name), atol=atol)
        np.testing.assert_allclose(one.log_norm, other.log_norm, atol=atol)
        clicks += one.clicks
    return clicks


def fermions(L=4):
    """Hopping fermions with loss on all sites, gain on one and a pair of them lost at once, by both."""
    c = [master.fermion(j, L) for j in range(L)]
    H = sum(c[j].T @ c[j + 1] + c[j + 1].T @ c[j] for j in range(L - 1)) + 0.7 * c[1].T @ c[1] @ c[2].T @ c[2]
    hops = [term for j in range(L - 1) for term in ((1.0, "cdag", j, "c", j + 1), (1.0, "cdag", j + 1, "c", j))]
    terms = OpSum([*hops, (0.7, "n", 1, "n", 2)])
    jumps = [
        *(0.6 * c[j] + 0.2j * c[j + 1] for j in range(L - 1)),
        0.5 * c[2].T,
        0.8 * c[1] @ c[2],
        0.4 * c[3].T @ c[3],
    ]
    named = [OpSum([(0.6, "c", j), (0.2j, "c", j + 1)]) for j in range(L - 1)]
    named += [OpSum([(0.5, "cdag", 2)]), OpSum([(0.8, "c", 1, "c", 2)]), OpSum([(0.4, "n", 3)])]
    model = models.OpenChain(L=L, hamiltonian=terms, jump_operators=named, site=nh.Fermion())
    return model, H, jumps, c


def test_fermions():
    model, H, jumps, c = fermions()
    psi = np.zeros(16)
    psi[int("0101", 2)] = 1  # full, empty, …
    operators = [*(a.T @ a for a in c), 1j * (c[0].T @ c[2] - c[2].T @ c[0])]
    right = np.array([[np.trace(r @ o).real for o in operators] for r in master.densities(H, jumps, psi, TIMES)])
    z = deviations(ensemble(model, exact(), 300, np.array(operators)), right)
    assert np.abs(z).max() < 4
    assert 0.4 < np.mean(z**2) < 1.9
    assert alike(pathwise(model), "n", atol=2e-4) > 4


def test_bosons_and_a_jump_of_the_state_by_charge():
    L = 4
    hops = [t for j in range(L - 1) for t in ((1.0, "bdag", j, "b", j + 1), (1.0, "bdag", j + 1, "b", j))]
    jumps = [OpSum([(0.5, "b", j), (-0.5, "b", j + 1)]) for j in range(L - 1)] + [OpSum([(0.3, "b", 0, "b", 0)])]
    model = models.OpenChain(L=L, hamiltonian=OpSum(hops), jump_operators=jumps, site=nh.Boson(2))
    pairs = list(pathwise(model, initial=["2", "0", "1", "1"]))
    assert alike(pairs, "n", atol=3e-4) > 4
    for one, other in pairs:
        assert isinstance(other.state, nh.SymmetricMPS)
        assert one.state.sector.charge == round(other.state.expect_each("n").real.sum())


def test_jumps_without_a_definite_charge_make_the_tensors_dense():
    terms = OpSum.sum((1.0, "Sp", j, "Sm", j + 1) for j in range(3))
    jumps = [OpSum([(0.7, "Sx", j)]) for j in range(4)]
    model = models.OpenChain(L=4, hamiltonian=terms + terms.dag(), jump_operators=jumps)
    with pytest.warns(RuntimeWarning, match="jump 0 changes the charge by no definite number; tensors are dense"):
        pairs = list(pathwise(model))
    assert alike(pairs, "Sz", atol=2e-4) > 2
    assert pairs[0][0].state.sector.charge is None
    assert not isinstance(pairs[0][1].state, nh.SymmetricMPS)


def test_states_without_a_definite_charge():
    def spread(model):
        return nh.MPS.from_vector(np.arange(1.0, 1 + 2**model.L), model.sites)

    pairs = list(pathwise(chain()[0], initial=spread))
    assert alike(pairs, "Sx", atol=2e-4) > 1
    assert pairs[0][0].state.sector.charge is None
    fermionic = list(pathwise(fermions()[0], initial=spread))
    assert alike(fermionic, "n", atol=2e-4) > 2


def test_single_precision_finds_the_same_clicks():
    model = chain()[0]
    given = {"dt": 0.05, "every": 10, "tolerance": None, "max_bond": 16}
    ends = []
    for precision in ("double", "single"):
        inner = algorithms.NHTEBD(t_max=8.0, precision=precision, **given)  # at the end nothing is left to click
        ends.append(list(algorithms.Trajectories(inner=inner, seed=1).records(model))[-1])
    assert ends[0].which.tolist() == ends[1].which.tolist()
    np.testing.assert_allclose(ends[0].times, ends[1].times, atol=1e-4)


def test_waiting_times_of_a_driven_atom():
    """After a click the atom is down, and all waits are independent: one trajectory has many of them."""
    drive, decay = 1.3, 0.8
    jump = OpSum([(decay**0.5, "Sm", 0)])
    model = models.OpenChain(L=2, hamiltonian=OpSum([(drive, "Sx", 0)]), jump_operators=[jump])
    inner = exact(dt=150.0, t_max=600.0, initial=["down", "down"])
    *_, last = algorithms.Trajectories(inner=inner, seed=5).records(model)
    waits = np.diff(last.times, prepend=0.0)
    grid = np.linspace(0.0, 60.0, 6001)
    sx, sm = master.SPIN["Sx"], master.SPIN["Sm"]
    silent = master.silence(drive * sx, [decay**0.5 * sm], [0, 1], grid)
    assert len(waits) > 100
    assert scipy.stats.kstest(1 - np.interp(waits, grid, silent), "uniform").pvalue > 0.05


def test_first_clicks_of_a_chain():
    model, H, jumps, psi, *_ = chain()
    firsts = []
    for seed in range(400):
        *_, last = algorithms.Trajectories(inner=exact(t_max=0.5), seed=seed).records(model)
        firsts.append(last.times[0] if last.clicks else np.inf)
    firsts, grid = np.array(firsts), np.linspace(0.0, 0.5, 501)
    silent = master.silence(H, jumps, psi, grid)
    clicked = firsts[firsts <= 0.5]
    assert abs(len(clicked) - 400 * (1 - silent[-1])) < 3 * np.sqrt(400 * silent[-1] * (1 - silent[-1]))
    uniform = (1 - np.interp(clicked, grid, silent)) / (1 - silent[-1])
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 0.05
