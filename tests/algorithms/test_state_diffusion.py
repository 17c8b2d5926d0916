"""Continuous monitoring against the master equation."""

import functools

import numpy as np
import pytest
import scipy.linalg

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.algorithms.state_diffusion import Monitor
from mpsnh.language.opsum import OpSum
from tests.oracles import master

ATOM = models.OpenChain(
    L=2,
    hamiltonian=OpSum([(0.8, "Sx", 0), (0.5, "Sz", 0, "Sz", 1), (0.4, "Sx", 1)]),
    jump_operators=[OpSum([(0.7, "Sm", 0), (0.4j, "Sz", 1)]), OpSum([(0.5, "Sp", 1)])],
)


def by_hand():
    at = functools.partial(master.on_site, dims=[2, 2])
    sx, sz, sm = (master.SPIN[name] for name in ("Sx", "Sz", "Sm"))
    H = 0.8 * at(sx, 0) + 0.5 * at(sz, 0) @ at(sz, 1) + 0.4 * at(sx, 1)
    return H, [0.7 * at(sm, 0) + 0.4j * at(sz, 1), 0.5 * at(sm.T, 1)]


def averaged(monitor, vector):
    """The average over all outcomes of a step, with the probabilities that the algorithm draws by."""
    ends = [(1.0, monitor.half(vector))]
    for number in monitor.order:
        branches = [(chance, *monitor.branches(number, one)) for chance, one in ends]
        ends = [
            (chance * weight / weights.sum(), one / np.linalg.norm(one))
            for chance, weights, vectors in branches
            for weight, one in zip(weights, vectors, strict=True)
        ]
    return sum(chance * np.outer(end, end.conj()) for chance, end in ((p, monitor.half(v)) for p, v in ends))


def test_a_step_is_right_to_second_order():
    H, jumps = by_hand()
    vector = np.array([0.5, 0.1j, -0.7, 0.5])
    vector = vector / np.linalg.norm(vector)
    apart = []
    for dt in (0.2, 0.1, 0.05):
        right = scipy.linalg.expm(master.superoperator(H, jumps) * dt) @ np.outer(vector, vector.conj()).ravel()
        apart.append(np.linalg.norm(averaged(Monitor(ATOM, dt), vector).ravel() - right))
    assert apart[-1] < 1e-4
    assert np.log2(apart[0] / apart[1]) > 2.6  # of one step, so that a time has one order less
    assert np.log2(apart[1] / apart[2]) > 2.8


def test_averages_are_those_of_the_master_equation():
    H, jumps = by_hand()
    times = np.arange(0.0, 3.1, 0.5)
    rho = master.densities(H, jumps, np.array([0, 1, 0, 0]), times)
    operators = [np.kron(a, b) for a in PAULI for b in PAULI][1:]
    right = np.array([[np.trace(r @ o).real for o in operators] for r in rho])
    values = []
    for seed in range(120):
        records = algorithms.StateDiffusion(dt=0.1, t_max=3.0, every=5, seed=seed).records(ATOM)
        vectors = [record.state.to_vector() for record in records]
        values.append([[np.vdot(v, o @ v).real for o in operators] for v in vectors])
    mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(120)
    z = ((mean - right) / np.maximum(error, 1e-12))[1:]
    assert np.abs(z).max() < 4
    assert 0.4 < np.mean(z**2) < 1.9


PAULI = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def test_dephasing_stays_in_a_sector_and_becomes_a_product_state():
    """Monitoring of each site finds out where the particles are, which no jump by chance would tell at once."""
    hop = OpSum([(0.05, "Sp", j, "Sm", j + 1) for j in range(3)])
    jumps = [OpSum([(1.0, "Sz", j)]) for j in range(4)]
    model = models.OpenChain(L=4, hamiltonian=hop + hop.dag(), jump_operators=jumps, charge=0)
    way = algorithms.StateDiffusion(dt=0.1, t_max=20.0, every=50, seed=2)
    data = nh.Simulation(model, way, {"sz": observables.Magnetization(), "S": observables.EntropyProfile()}).run()
    np.testing.assert_allclose(data["sz"].sum("site"), 0, atol=1e-10)
    assert data["S"].max() < 0.3


def test_a_resumed_run_has_the_same_bits():
    way = algorithms.StateDiffusion(dt=0.1, t_max=1.0, every=2, seed=(3, 1))
    whole = list(way.records(ATOM))
    rest = list(way.records(ATOM, after=whole[2]))
    np.testing.assert_array_equal(rest[-1].state.vector, whole[-1].state.vector)
    other = list(algorithms.StateDiffusion(dt=0.1, t_max=1.0, every=2, seed=(3, 2)).records(ATOM))
    assert np.abs(other[-1].state.vector - whole[-1].state.vector).max() > 0.01


def test_refusals():
    way = algorithms.StateDiffusion(dt=0.1, t_max=1.0)
    with pytest.raises(TypeError, match=r"needs an mpsnh.OpenModel, which has jumps, not NonHermitianXXZ"):
        list(way.records(models.NonHermitianXXZ(L=4)))
    with pytest.raises(ValueError, match="charge = 0, but it must be None, as jump 0 changes it"):
        list(way.records(models.OpenXXZ(L=4, gamma=0.1, charge=0)))
    with pytest.raises(ValueError, match="seed"):
        algorithms.StateDiffusion(dt=0.1, t_max=1.0, seed=-1)
    with pytest.raises(ValueError, match="dt = 'auto'"):
        algorithms.StateDiffusion(dt="auto", t_max=1.0)
    with pytest.warns(RuntimeWarning, match=r"‖L‖² dt may reach 0.4 for jump 0, above 0.3"):
        list(algorithms.StateDiffusion(dt=0.1, t_max=0.1).records(models.OpenXXZ(L=2, gamma=2.0)))


@pytest.mark.parametrize("kind", ["diffusion", "clicks"])
def test_seeds_of_numpy_name_the_same_trajectory(kind):
    def way(seed):
        if kind == "diffusion":
            return algorithms.StateDiffusion(dt=0.1, t_max=0.5, seed=seed)
        return algorithms.Trajectories(inner=algorithms.ExactEvolution(dt=0.5, t_max=0.5), seed=seed)

    model = models.OpenXXZ(L=3, gamma=0.5)
    ends = [list(way(seed).records(model))[-1].state.vector for seed in (3, np.int64(3), (3,))]
    assert (ends[0] == ends[1]).all()
    assert (ends[0] == ends[2]).all()
    for seed in ((), -1, True, 1.5, "a"):
        with pytest.raises((ValueError, TypeError), match="seed"):
            way(seed)
